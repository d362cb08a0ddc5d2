//! `POST /v1/rulebooks`: begins a draft.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use engine::{DraftChange, DraftReceipt};

use super::view::DraftView;
use super::{change, rulebook, shelf, tagged};
use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::DRAFT;
use crate::http::body::JsonBody;
use crate::http::orders::answered;
use crate::http::problem::Problem;
use crate::service::new_draft_id;

/// Begin a draft
///
/// The body is the rulebook itself. Whatever is wrong with it is told at once, each fault with its place. The draft changes
/// nothing before it is published.
#[utoipa::path(
    post,
    path = "/v1/rulebooks",
    operation_id = "begin_draft",
    tag = "Rules",
    extensions(("x-roles" = json!(["analyst", "admin"]))),
    request_body(content = crate::http::schema::RulebookBody),
    responses(
        (status = 201, description = "Begun; `ETag` is its revision", body = DraftView,
         headers(("Orderlight-Position" = String, description = "How far the log went, for `?after=`"))),
        (status = 409, description = "`too_many_drafts`: the merchant has 100,000 drafts", body = Problem),
    )
)]
pub async fn handle(State(app): State<App>, caller: Caller, JsonBody(body): JsonBody) -> Result<Response, Problem> {
    caller.require(DRAFT)?;
    let rulebook = rulebook(&app, &caller, &body).await?;
    let id = new_draft_id().map_err(|error| Problem::internal(error.as_ref()))?;
    let drafts = shelf(&app, &caller.merchant).await?.drafts();
    let begin = DraftChange::Begin { draft: id.clone(), rulebook: rulebook.clone(), drafts };
    let DraftReceipt { revision, position } = change(&app, &caller, begin).await?;
    let view = DraftView { id: id.to_string(), revision, rulebook };
    Ok(tagged(answered(StatusCode::CREATED, position, view), revision))
}
