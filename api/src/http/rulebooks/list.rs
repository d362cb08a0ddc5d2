//! `GET /v1/rulebooks`: all drafts and versions.

use axum::Json;
use axum::extract::State;
use eventlog::Position;
use serde::Deserialize;
use utoipa::IntoParams;

use super::shelf;
use super::view::RulebookCard;
use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::LOOK_UP;
use crate::http::body::Parameters;
use crate::http::listing::{Items, limit};
use crate::http::position::log_reached;
use crate::http::problem::Problem;

/// The parameters.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Query {
    /// 1 to 200, 50 when it is left out.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// What a write answered as Orderlight-Position: waits until that is reached.
    #[param(example = "0-17")]
    after: Option<String>,
}

/// List rulebooks
///
/// Versions by when they came into force and drafts by when they were begun, newest first, without their texts.
#[utoipa::path(
    get,
    path = "/v1/rulebooks",
    operation_id = "list_rulebooks",
    tag = "Rules",
    extensions(("x-roles" = json!(["service", "reviewer", "analyst", "approver", "auditor", "admin"]))),
    params(Query),
    responses((status = 200, description = "Drafts and versions", body = Items<RulebookCard>))
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Parameters(query): Parameters<Query>,
) -> Result<Json<Items<RulebookCard>>, Problem> {
    caller.require(LOOK_UP)?;
    let limit = limit(query.limit)?;
    let before = query.cursor.as_deref().map_or(Ok(Position::MAX), |cursor| {
        cursor.parse().map_err(|_| Problem::bad_parameter("cursor: expected `next_cursor` of this list"))
    })?;
    log_reached(&app, query.after.as_deref()).await?;
    let shelf = shelf(&app, &caller.merchant).await?;
    let view = |(_, card)| RulebookCard::of(&shelf, card);
    Ok(Json(Items::first(shelf.newest_first(before), limit, |(place, _)| place.to_string(), view)))
}
