//! `POST /v1/rulebooks/{id}/submit`: asks for a draft's publication.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use engine::{DraftChange, DraftReceipt};
use serde::Serialize;
use utoipa::ToSchema;

use super::{change, changeable};
use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::DRAFT;
use crate::http::body::PathParameters;
use crate::http::orders::answered;
use crate::http::problem::Problem;

/// A draft whose publication was asked for.
#[derive(Serialize, ToSchema)]
pub struct SubmittedView {
    /// Its id.
    #[schema(example = "d-4f1c9a2be0d35786")]
    id: String,
    /// The revision that was submitted.
    #[schema(example = 2)]
    revision: u32,
    /// `submitted`.
    #[schema(example = "submitted")]
    state: &'static str,
}

/// Submit a draft
///
/// Asks for its publication as it is now. Where the merchant's setting `four_eyes` is true, nothing is published that was
/// not submitted. Submitting it again changes nothing.
#[utoipa::path(
    post,
    path = "/v1/rulebooks/{id}/submit",
    operation_id = "submit_draft",
    tag = "Rules",
    extensions(("x-roles" = json!(["analyst", "admin"]))),
    params(("id" = String, Path, description = "A draft's id", example = "d-4f1c9a2be0d35786")),
    responses(
        (status = 200, description = "Submitted", body = SubmittedView,
         headers(("Orderlight-Position" = String, description = "How far the log went, for `?after=`"))),
        (status = 409, description = "`draft_published`: it is a version by now", body = Problem),
    )
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    PathParameters(id): PathParameters<String>,
) -> Result<Response, Problem> {
    caller.require(DRAFT)?;
    let id = changeable(&app, &caller.merchant, &id).await?;
    let submit = DraftChange::Submit { draft: id.clone() };
    let DraftReceipt { revision, position } = change(&app, &caller, submit).await?;
    let view = SubmittedView { id: id.to_string(), revision, state: "submitted" };
    Ok(answered(StatusCode::OK, position, view))
}
