//! `PUT /v1/rulebooks/{id}`: writes a draft anew.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use engine::{DraftChange, DraftReceipt};

use super::view::DraftView;
use super::{change, changeable, rulebook, seen, tagged};
use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::DRAFT;
use crate::http::body::{JsonBody, PathParameters};
use crate::http::orders::answered;
use crate::http::problem::Problem;

/// Edit a draft
///
/// `If-Match` names the revision that the change was made from, plain or as an entity tag, so that nobody overwrites what he
/// has not seen. A submission does not cover what is written after it.
#[utoipa::path(
    put,
    path = "/v1/rulebooks/{id}",
    operation_id = "edit_draft",
    tag = "Rules",
    extensions(("x-roles" = json!(["analyst", "admin"]))),
    params(
        ("id" = String, Path, description = "A draft's id", example = "d-4f1c9a2be0d35786"),
        ("If-Match" = String, Header, description = "The revision that the change was made from", example = "1"),
    ),
    request_body(content = crate::http::schema::RulebookBody),
    responses(
        (status = 200, description = "Written; `ETag` is the new revision", body = DraftView,
         headers(("Orderlight-Position" = String, description = "How far the log went, for `?after=`"))),
        (status = 409, description = "`draft_published`: versions do not change. `too_many_revisions`: it has 200", body = Problem),
        (status = 412, description = "`stale_revision`: somebody edited it meanwhile", body = Problem),
        (status = 428, description = "`revision_required`: without `If-Match`", body = Problem),
    )
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    PathParameters(id): PathParameters<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    caller.require(DRAFT)?;
    let id = changeable(&app, &caller.merchant, &id).await?;
    let seen = seen(&headers)?;
    let rulebook = rulebook(&app, &caller, &body).await?;
    let edit = DraftChange::Edit { draft: id.clone(), rulebook: rulebook.clone(), revision: seen };
    let DraftReceipt { revision, position } = change(&app, &caller, edit).await?;
    let view = DraftView { id: id.to_string(), revision, rulebook };
    Ok(tagged(answered(StatusCode::OK, position, view), revision))
}
