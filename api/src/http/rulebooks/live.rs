//! `GET /v1/rulebook`: what is in force.

use axum::Json;
use axum::extract::State;

use super::get::view;
use super::shelf;
use super::view::RulebookView;
use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::LOOK_UP;
use crate::http::body::Parameters;
use crate::http::position::{After, log_reached};
use crate::http::problem::Problem;
use crate::rulebooks::Card;

/// Get the live rulebook
///
/// The version that new orders are screened by.
#[utoipa::path(
    get,
    path = "/v1/rulebook",
    operation_id = "get_live_rulebook",
    tag = "Rules",
    extensions(("x-roles" = json!(["service", "reviewer", "analyst", "approver", "auditor", "admin"]))),
    params(After),
    responses(
        (status = 200, description = "The rulebook in force", body = RulebookView),
        (status = 404, description = "The merchant has none so far", body = Problem),
    )
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Parameters(After { after }): Parameters<After>,
) -> Result<Json<RulebookView>, Problem> {
    caller.require(LOOK_UP)?;
    log_reached(&app, after.as_deref()).await?;
    let shelf = shelf(&app, &caller.merchant).await?;
    let live = shelf.live().ok_or_else(|| Problem::not_found("the merchant has no rulebook so far"))?;
    view(&app, &shelf, Card::Version(live)).await.map(Json)
}
