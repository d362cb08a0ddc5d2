//! `GET /v1/stock-holds`: how much of each SKU is held by orders that may come to nothing.

use axum::Json;
use axum::extract::State;
use projections::{HoldCause, ORDER_STATUS, StockHold, StockQuery};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::auth::LOOK_UP;
use super::body::Parameters;
use super::listing::{Filters, Items, limit};
use super::position::models_reached;
use super::problem::Problem;
use crate::directory::Caller;

/// The parameters; a blank filter counts as not given.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Query {
    /// Only this stock keeping unit.
    #[param(example = "MASK-01")]
    sku: Option<String>,
    /// At most so many items, 1 to 200; 50 when not given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// What a write answered as Orderlight-Position: waits until that is reached.
    #[param(example = "0-17")]
    after: Option<String>,
}

/// What is held of a stock keeping unit.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "sku": "MASK-01", "units": {"unpaid": 120, "challenged": 6, "frozen": 40}, "orders": 71,
    "oldest_held_since": "2026-11-10T16:00:00.000Z"
}))]
pub struct StockHoldView {
    /// Which.
    #[schema(example = "MASK-01")]
    pub sku: String,
    /// Units by what the order holds them for.
    pub units: HeldUnits,
    /// How many orders hold some of it.
    #[schema(example = 71)]
    pub orders: u64,
    /// Since when the first of them does, to the minute: an order that is not paid since it was placed, one that is paid since it was
    /// asked about or frozen.
    pub oldest_held_since: String,
}

/// Units by cause. An order counts under its strongest: frozen, else challenged, else unpaid.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct HeldUnits {
    /// Of orders that are not paid and may go on.
    #[schema(example = 120)]
    pub unpaid: u64,
    /// Of orders whose customer is being asked, or that a person looks at after that; paid or not.
    #[schema(example = 6)]
    pub challenged: u64,
    /// Of orders that are frozen, paid or not.
    #[schema(example = 40)]
    pub frozen: u64,
}

impl From<StockHold> for StockHoldView {
    fn from(hold: StockHold) -> Self {
        let units = |cause: HoldCause| hold.units[cause as usize];
        Self {
            units: HeldUnits {
                unpaid: units(HoldCause::Unpaid),
                challenged: units(HoldCause::Challenged),
                frozen: units(HoldCause::Frozen),
            },
            orders: hold.orders,
            oldest_held_since: hold.oldest_held_since.to_string(),
            sku: hold.sku.into(),
        }
    }
}

/// List held stock
///
/// Units per stock keeping unit that orders hold which are not paid, asked about or frozen, in the order of the units' names. Orders that
/// are paid and may go on hold nothing, nor do those that left, were refunded, or are cancelled.
#[utoipa::path(
    get,
    path = "/v1/stock-holds",
    operation_id = "list_stock_holds",
    tag = "Looking up",
    extensions(("x-roles" = json!(["service", "reviewer", "analyst", "approver", "auditor", "admin"]))),
    params(Query),
    responses(
        (status = 200, description = "What is held; a unit of which nothing is held is not listed", body = Items<StockHoldView>),
        (status = 400, description = "A parameter is wrong or unknown", body = Problem),
        (status = 503, description = "`after` was not reached in time", body = Problem),
    )
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Parameters(query): Parameters<Query>,
) -> Result<Json<Items<StockHoldView>>, Problem> {
    caller.require(LOOK_UP)?;
    let limit = limit(query.limit)?;
    let mut filters = Filters::default();
    let wanted = StockQuery { sku: filters.text("sku", query.sku) };
    filters.finish()?;
    models_reached(&app, &[ORDER_STATUS], query.after.as_deref()).await?;
    let found = app.models.stock_holds(&caller.merchant, &wanted, query.cursor.as_deref(), limit).await?;
    Ok(Json(Items::of(found, StockHoldView::from)))
}
