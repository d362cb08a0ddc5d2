//! `GET /v1/rulebooks/{id}`: one draft or version.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::view::{RulebookCard, RulebookView};
use super::{no_rulebook, shelf, tagged};
use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::LOOK_UP;
use crate::http::body::{Parameters, PathParameters};
use crate::http::position::{After, log_reached};
use crate::http::problem::Problem;
use crate::rulebooks::{Card, Shelf};

/// Get a rulebook
///
/// A draft as it is now, or a version as it came into force.
#[utoipa::path(
    get,
    path = "/v1/rulebooks/{id}",
    operation_id = "get_rulebook",
    tag = "Rules",
    extensions(("x-roles" = json!(["service", "reviewer", "analyst", "approver", "auditor", "admin"]))),
    params(("id" = String, Path, description = "A draft's id or a version's number", example = "3"), After),
    responses((status = 200, description = "The rulebook; a draft's revision is its `ETag`", body = RulebookView))
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    PathParameters(id): PathParameters<String>,
    Parameters(After { after }): Parameters<After>,
) -> Result<Response, Problem> {
    caller.require(LOOK_UP)?;
    log_reached(&app, after.as_deref()).await?;
    let shelf = shelf(&app, &caller.merchant).await?;
    let card = shelf.find(&id).ok_or_else(|| no_rulebook(&id))?;
    let view = view(&app, &shelf, card).await?;
    let revision = view.card.revision;
    let response = Json(view).into_response();
    Ok(match revision {
        Some(revision) => tagged(response, revision),
        None => response,
    })
}

/// A draft or version with its text.
pub(super) async fn view(app: &App, shelf: &Shelf, card: Card<'_>) -> Result<RulebookView, Problem> {
    let place = match card {
        Card::Version(card) => card.place,
        Card::Draft(card) => card.place,
    };
    Ok(RulebookView { card: RulebookCard::of(shelf, card), rulebook: app.rulebooks.text(place).await? })
}
