//! `GET /v1/orders/{id}/links`: the other orders that share something with one.

use axum::Json;
use axum::extract::State;
use domain::order::LinkedBy;
use projections::ORDER_STATUS;
use serde::Deserialize;
use utoipa::IntoParams;

use super::story::no_such_order;
use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::LOOK_UP;
use crate::http::body::{Parameters, PathParameters, order_id};
use crate::http::listing::{Items, limit};
use crate::http::position::models_reached;
use crate::http::problem::Problem;
use crate::http::view::OrderSummary;

/// The parameters.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Query {
    /// `device`, `ip`, `ip24`, `phone` or `address`.
    #[param(example = "device")]
    by: String,
    /// At most so many items, 1 to 200; 50 when not given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// What a write answered as Orderlight-Position: waits until that is reached.
    #[param(example = "0-17")]
    after: Option<String>,
}

/// List the orders that share something with one
///
/// The others only, newest placed first. A phone number links on either side, as the buyer's and as the recipient's.
#[utoipa::path(
    get,
    path = "/v1/orders/{id}/links",
    operation_id = "list_linked_orders",
    tag = "Looking up",
    extensions(("x-roles" = json!(["service", "reviewer", "analyst", "approver", "auditor", "admin"]))),
    params(("id" = String, Path, description = "`{channel}:{order_no}`, percent-encoded", example = "web:A1001"), Query),
    responses(
        (status = 200, description = "The other orders", body = Items<OrderSummary>),
        (status = 400, description = "A parameter is wrong, unknown or missing", body = Problem),
        (status = 404, description = "There is no such order", body = Problem),
        (status = 503, description = "`after` was not reached in time", body = Problem),
    )
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    PathParameters(id): PathParameters<String>,
    Parameters(query): Parameters<Query>,
) -> Result<Json<Items<OrderSummary>>, Problem> {
    caller.require(LOOK_UP)?;
    let id = order_id(&id)?;
    let limit = limit(query.limit)?;
    let by: LinkedBy = query.by.parse().map_err(|error| Problem::bad_parameter(format!("by: {error}")))?;
    models_reached(&app, &[ORDER_STATUS], query.after.as_deref()).await?;
    let linked = app.models.linked(&caller.merchant, &id, by, query.cursor.as_deref(), limit).await?;
    let linked = linked.ok_or_else(|| no_such_order(&id))?;
    Ok(Json(Items::of(linked, |row| OrderSummary::from(&row))))
}
