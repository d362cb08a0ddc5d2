//! `GET /v1/customers/{id}/orders`: one customer's orders over all channels.

use axum::Json;
use axum::extract::State;
use domain::notice::customer_token;
use projections::ORDER_STATUS;
use serde::Deserialize;
use utoipa::IntoParams;

use super::App;
use super::auth::LOOK_UP;
use super::body::{Parameters, PathParameters};
use super::listing::{Items, limit};
use super::position::models_reached;
use super::problem::Problem;
use super::view::OrderSummary;
use crate::directory::Caller;

/// The parameters.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Query {
    /// At most so many items, 1 to 200; 50 when not given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// What a write answered as Orderlight-Position: waits until that is reached.
    #[param(example = "0-17")]
    after: Option<String>,
}

/// List a customer's orders
///
/// Over all channels, newest placed first. Who never ordered has an empty list.
#[utoipa::path(
    get,
    path = "/v1/customers/{id}/orders",
    operation_id = "list_customer_orders",
    tag = "Looking up",
    extensions(("x-roles" = json!(["service", "reviewer", "analyst", "approver", "auditor", "admin"]))),
    params(("id" = String, Path, description = "The merchant's id of the customer, percent-encoded", example = "u-77"), Query),
    responses(
        (status = 200, description = "The customer's orders", body = Items<OrderSummary>),
        (status = 400, description = "A parameter is wrong or unknown", body = Problem),
        (status = 503, description = "`after` was not reached in time", body = Problem),
    )
)]
pub async fn orders(
    State(app): State<App>,
    caller: Caller,
    PathParameters(id): PathParameters<String>,
    Parameters(query): Parameters<Query>,
) -> Result<Json<Items<OrderSummary>>, Problem> {
    caller.require(LOOK_UP)?;
    let limit = limit(query.limit)?;
    models_reached(&app, &[ORDER_STATUS], query.after.as_deref()).await?;
    let customer = customer_token(&id, &app.vault.tokeniser(&caller.merchant));
    let found = app.models.customer_orders(&caller.merchant, customer, query.cursor.as_deref(), limit).await?;
    Ok(Json(Items::of(found, |row| OrderSummary::from(&row))))
}
