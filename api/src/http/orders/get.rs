//! `GET /v1/orders/{id}`: the unified look at one order.

use axum::Json;
use axum::extract::State;
use domain::order::{Facts, Order, evolve};
use projections::{ORDER_STATUS, SourceReport};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::story::{Story, no_such_order};
use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::LOOK_UP;
use crate::http::body::{Parameters, PathParameters, order_id};
use crate::http::personal::{self, CustomerView, DeliveryView};
use crate::http::position::models_reached;
use crate::http::problem::Problem;
use crate::http::view::{Links, OrderSummary, word};

/// The parameters.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Query {
    /// What a write answered as Orderlight-Position: waits until that is reached.
    #[param(example = "0-17")]
    after: Option<String>,
}

/// The unified look at one order, personal data masked.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "order_id": "web:A1001", "channel": "web", "order_no": "A1001", "placed_at": "2026-11-10T16:00:01.250Z",
    "amount": 39900, "currency": "CNY",
    "risk": {
        "state": "challenged", "score": 80, "tier": "sms", "rulebook_version": 3, "exemption": null,
        "hits": [
            {"rule": "device_burst", "points": 50, "evidence": {"device.orders[5m]": 5}},
            {"rule": "address_changed", "points": 30, "evidence": {"address.changed": true, "address.familiar": false}}
        ],
        "challenge": {"id": "0-17", "method": "sms", "expires_at": "2026-11-10T16:10:01.250Z"},
        "held_since": "2026-11-10T16:00:01.310Z", "released_by": null
    },
    "status": {"value": "paid", "occurred_at": "2026-11-10T16:03:00.000Z", "source": "wms"},
    "sources": [{"source": "wms", "status": "paid", "occurred_at": "2026-11-10T16:03:00.000Z",
                 "recorded_at": "2026-11-10T16:03:00.480Z"}],
    "customer": {"id": "u-77", "level": 2, "phone_masked": "138****8000"},
    "delivery": {"recipient_masked": "李*", "phone_masked": "139****9000", "country": "CN", "province": "浙江省",
                 "city": "杭州市", "district": "西湖区", "street_masked": "文三路****"},
    "links": {"device": 12, "ip": 3, "ip24": 40, "phone": 1, "address": 1}
}))]
pub struct OrderView {
    /// The order as lists show it.
    #[serde(flatten)]
    pub summary: OrderSummary,
    /// The newest report of each source.
    pub sources: Vec<SourceView>,
    /// The buyer; null when nothing is known.
    pub customer: Option<CustomerView>,
    /// Where it goes; null when nothing is known.
    pub delivery: Option<DeliveryView>,
    /// How many other orders share something with it.
    pub links: Links,
}

/// What one source said last.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SourceView {
    /// Who.
    #[schema(example = "wms")]
    pub source: String,
    /// What.
    #[schema(example = "paid")]
    pub status: String,
    /// When it happened, by the source's clock.
    pub occurred_at: String,
    /// When it arrived.
    pub recorded_at: String,
}

impl From<SourceReport> for SourceView {
    fn from(report: SourceReport) -> Self {
        Self {
            source: report.source.into_string(),
            status: word(&report.status),
            occurred_at: report.occurred_at.to_string(),
            recorded_at: report.recorded_at.to_string(),
        }
    }
}

/// Look at one order
///
/// Its risk, its status over all sources, whom and where it goes to (masked), and how many other orders share something with
/// it. An order that is known only by its statuses has no `placed_at` and no `risk`.
#[utoipa::path(
    get,
    path = "/v1/orders/{id}",
    operation_id = "get_order",
    tag = "Looking up",
    extensions(("x-roles" = json!(["service", "reviewer", "analyst", "approver", "auditor", "admin"]))),
    params(("id" = String, Path, description = "`{channel}:{order_no}`, percent-encoded", example = "web:A1001"), Query),
    responses(
        (status = 200, description = "The order", body = OrderView),
        (status = 400, description = "A parameter is wrong or unknown", body = Problem),
        (status = 404, description = "There is no such order", body = Problem),
        (status = 503, description = "`after` was not reached in time", body = Problem),
    )
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    PathParameters(id): PathParameters<String>,
    Parameters(query): Parameters<Query>,
) -> Result<Json<OrderView>, Problem> {
    caller.require(LOOK_UP)?;
    let id = order_id(&id)?;
    models_reached(&app, &[ORDER_STATUS], query.after.as_deref()).await?;
    let merchant = &caller.merchant;
    let row = app.models.order(merchant, &id).await?.ok_or_else(|| no_such_order(&id))?;
    let links = app.models.links_counts(merchant, &row).await?;
    let story = Story::read(&app, merchant, &id).await?;
    let events = story.0.iter().map(|chapter| (chapter.recorded.position, &chapter.event));
    let personal = personal::of_order(&app, merchant, &id, row.stream, events).await?;
    let facts = facts(&story);
    Ok(Json(OrderView {
        summary: OrderSummary::from(&row),
        sources: row.sources.into_iter().map(SourceView::from).collect(),
        customer: CustomerView::of(&facts, &personal),
        delivery: DeliveryView::of(&facts, &personal),
        links: links.into(),
    }))
}

fn facts(story: &Story) -> Facts {
    let order = story.0.iter().fold(Order::default(), |order, chapter| evolve(order, &chapter.event));
    order.known().map(|known| known.facts.clone()).unwrap_or_default()
}
