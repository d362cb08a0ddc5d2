//! `GET /v1/orders`: finding orders over all channels.

use axum::Json;
use axum::extract::State;
use domain::ids::MerchantId;
use domain::notice::{customer_token, phone_facts};
use domain::order::{RiskState, Status};
use projections::{ORDER_STATUS, OrderQuery};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as WordError, StrDeserializer};
use utoipa::IntoParams;

use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::LOOK_UP;
use crate::http::body::Parameters;
use crate::http::listing::{Filters, Items, limit, with_plus};
use crate::http::position::models_reached;
use crate::http::problem::Problem;
use crate::http::view::OrderSummary;

/// The parameters; all that are given must hold, a blank one counts as not given.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Query {
    /// The order number, or the number people see.
    #[param(example = "A1001")]
    order_no: Option<String>,
    /// The buyer's or the recipient's number in any notation; a `+` is written `%2B`.
    #[param(example = "13800138000")]
    phone: Option<String>,
    /// The merchant's id of the customer.
    #[param(example = "u-77")]
    customer_id: Option<String>,
    /// The channel.
    #[param(example = "web")]
    channel: Option<String>,
    /// `placed`, `scored`, `challenged`, `verified`, `frozen` or `released`.
    #[param(example = "frozen")]
    state: Option<String>,
    /// The unified status, such as `paid`.
    #[param(example = "paid")]
    status: Option<String>,
    /// `pass` or a tier's id.
    #[param(example = "sms")]
    tier: Option<String>,
    /// Placed at this time or later, RFC 3339.
    #[param(example = "2026-11-11T00:00:00+08:00")]
    placed_from: Option<String>,
    /// Placed before this time, RFC 3339.
    placed_to: Option<String>,
    /// At most so many items, 1 to 200; 50 when not given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// What a write answered as Orderlight-Position: waits until that is reached.
    #[param(example = "0-17")]
    after: Option<String>,
}

/// Find orders
///
/// Over all channels, newest placed first.
#[utoipa::path(
    get,
    path = "/v1/orders",
    operation_id = "find_orders",
    tag = "Looking up",
    extensions(("x-roles" = json!(["service", "reviewer", "analyst", "approver", "auditor", "admin"]))),
    params(Query),
    responses(
        (status = 200, description = "The orders that meet all of it", body = Items<OrderSummary>),
        (status = 400, description = "A parameter is wrong or unknown", body = Problem),
        (status = 503, description = "`after` was not reached in time", body = Problem),
    )
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Parameters(query): Parameters<Query>,
) -> Result<Json<Items<OrderSummary>>, Problem> {
    caller.require(LOOK_UP)?;
    let (limit, cursor, after) = (limit(query.limit)?, query.cursor.clone(), query.after.clone());
    let wanted = wanted(&app, &caller.merchant, query)?;
    models_reached(&app, &[ORDER_STATUS], after.as_deref()).await?;
    let found = app.models.search(&caller.merchant, &wanted, cursor.as_deref(), limit).await?;
    Ok(Json(Items::of(found, |row| OrderSummary::from(&row))))
}

fn wanted(app: &App, merchant: &MerchantId, query: Query) -> Result<OrderQuery, Problem> {
    let tokens = app.vault.tokeniser(merchant);
    let mut filters = Filters::default();
    let states = RiskState::ALL.map(RiskState::name).join(", ");
    let phone = filters.read("phone", query.phone, "a phone number in full, no digits struck out", |text| {
        phone_facts(text, None, &tokens)
    });
    let wanted = OrderQuery {
        order_no: filters.text("order_no", query.order_no),
        phone: phone.map(|phone| phone.token),
        customer: filters.text("customer_id", query.customer_id).map(|id| customer_token(&id, &tokens)),
        channel: filters.parsed("channel", query.channel),
        state: filters.read("state", query.state, format_args!("one of {states}"), |text| {
            RiskState::ALL.into_iter().find(|state| state.name() == text)
        }),
        status: filters.read(
            "status",
            query.status,
            "paid, partially_shipped, shipped, delivered, completed, cancelled, refund_requested, partially_refunded or refunded",
            read_status,
        ),
        tier: filters.text("tier", query.tier),
        placed_from: filters.parsed("placed_from", query.placed_from.map(with_plus)),
        placed_to: filters.parsed("placed_to", query.placed_to.map(with_plus)),
    };
    filters.finish()?;
    Ok(wanted)
}

/// The status of a word, as events spell it.
fn read_status(word: &str) -> Option<Status> {
    let word: StrDeserializer<'_, WordError> = word.into_deserializer();
    Status::deserialize(word).ok()
}
