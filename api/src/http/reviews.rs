//! `GET /v1/reviews`: the queue of orders that need a look, what matters most first.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use domain::merchant::Role;
use domain::time::Timestamp;
use eventlog::StreamId;
use projections::{ORDER_STATUS, OrderStatusRow, REVIEW_QUEUE, ReviewQuery, ReviewRow, ReviewSort, ReviewState};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::body::Parameters;
use super::listing::{Filters, Items, limit};
use super::position::models_reached;
use super::problem::Problem;
use super::view::{HitView, Links, OrderSummary};
use crate::clock;
use crate::directory::Caller;

/// Those that see the queue: who works it, and who audits that work.
const READERS: &[Role] = &[Role::Reviewer, Role::Auditor, Role::Admin];

/// The parameters; all filters that are given must hold, a blank one counts as not given.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Query {
    /// `open` needs a person, `waiting` waits for the customer, `claimed` or `closed`; all but the closed ones when not given.
    #[param(example = "open")]
    state: Option<String>,
    /// A tier's id.
    #[param(example = "sms")]
    tier: Option<String>,
    /// The id of a rule that fired.
    #[param(example = "device_burst")]
    rule: Option<String>,
    /// `priority` (score × amount, most first; the default), `age` (oldest first) or `deadline` (next first).
    #[param(example = "priority")]
    sort: Option<String>,
    /// At most so many items, 1 to 200; 50 when not given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// What a write answered as Orderlight-Position: waits until that is reached.
    #[param(example = "0-17")]
    after: Option<String>,
}

/// An order in the queue.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "order_id": "web:A1001", "state": "waiting",
    "order": {
        "order_id": "web:A1001", "channel": "web", "order_no": "A1001", "placed_at": "2026-11-10T16:00:01.250Z",
        "amount": 39900, "currency": "CNY",
        "risk": {
            "state": "challenged", "score": 80, "tier": "sms", "rulebook_version": 3, "exemption": null,
            "hits": [{"rule": "device_burst", "points": 80, "evidence": {"device.orders[5m]": 13}}],
            "challenge": {"id": "0-17", "method": "sms", "expires_at": "2026-11-10T16:10:01.250Z"},
            "held_since": "2026-11-10T16:00:01.310Z", "released_by": null
        },
        "status": null
    },
    "score": 80, "tier": "sms",
    "hits": [{"rule": "device_burst", "points": 80, "evidence": {"device.orders[5m]": 13}}],
    "priority": 3192000, "opened_at": "2026-11-10T16:00:01.310Z", "age_seconds": 95,
    "deadline": "2026-11-10T16:10:01.250Z", "claim": null,
    "links": {"device": 12, "ip": 3, "ip24": 40, "phone": 1, "address": 1}
}))]
pub struct ReviewView {
    /// Its id.
    #[schema(example = "web:A1001")]
    pub order_id: String,
    /// `open`, `waiting`, `claimed` or `closed`.
    #[schema(example = "open")]
    pub state: &'static str,
    /// The order as lists show it; null for the moment in which it is not folded so far.
    pub order: Option<OrderSummary>,
    /// The last score.
    #[schema(example = 80)]
    pub score: i64,
    /// The tier it reached.
    #[schema(example = "sms")]
    pub tier: String,
    /// The rules that fired.
    pub hits: Vec<HitView>,
    /// What is at stake: score × amount in minor units, 0 for what is cancelled or refunded.
    #[schema(example = 3_192_000)]
    pub priority: i64,
    /// When the review began.
    pub opened_at: String,
    /// How long ago that was, in seconds.
    #[schema(example = 95)]
    pub age_seconds: i64,
    /// Until when the customer may answer; null when the customer is not being asked.
    pub deadline: Option<String>,
    /// Who looks at it; null when nobody does.
    pub claim: Option<ClaimView>,
    /// How many other orders share something with it.
    pub links: Option<Links>,
}

/// A reviewer's lease.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ClaimView {
    /// Who.
    pub reviewer: String,
    /// Until when nobody else can.
    pub lease_until: String,
}

/// List what needs a look
///
/// Orders whose score reached a tier, whatever happened to them since; without `state` those that are not closed.
#[utoipa::path(
    get,
    path = "/v1/reviews",
    operation_id = "list_reviews",
    tag = "Reviews",
    extensions(("x-roles" = json!(["reviewer", "auditor", "admin"]))),
    params(Query),
    responses(
        (status = 200, description = "The reviews, sorted as asked for", body = Items<ReviewView>),
        (status = 400, description = "A parameter is wrong or unknown", body = Problem),
        (status = 503, description = "`after` was not reached in time", body = Problem),
    )
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Parameters(query): Parameters<Query>,
) -> Result<Json<Items<ReviewView>>, Problem> {
    caller.require(READERS)?;
    let (limit, cursor, after) = (limit(query.limit)?, query.cursor.clone(), query.after.clone());
    let wanted = wanted(query)?;
    models_reached(&app, &[REVIEW_QUEUE, ORDER_STATUS], after.as_deref()).await?;
    let found = app.models.reviews(&caller.merchant, &wanted, cursor.as_deref(), limit).await?;
    let streams: Vec<StreamId> = found.items.iter().map(|review| review.stream).collect();
    let orders = app.models.orders(&caller.merchant, &streams).await?;
    let mut orders: HashMap<StreamId, OrderStatusRow> = orders.into_iter().map(|order| (order.stream, order)).collect();
    let now = clock::now();
    let mut items = Vec::with_capacity(found.items.len());
    for review in found.items {
        let order = orders.remove(&review.stream);
        let links = match &order {
            Some(order) => Some(app.models.links_counts(&caller.merchant, order).await?.into()),
            None => None,
        };
        items.push(view(review, order.as_ref(), links, now));
    }
    Ok(Json(Items { items, next_cursor: found.next_cursor }))
}

fn wanted(query: Query) -> Result<ReviewQuery, Problem> {
    let mut filters = Filters::default();
    let wanted = ReviewQuery {
        state: filters.read("state", query.state, "open, waiting, claimed or closed", ReviewState::from_name),
        tier: filters.text("tier", query.tier),
        rule: filters.text("rule", query.rule),
        sort: filters.read("sort", query.sort, "priority, age or deadline", ReviewSort::from_name).unwrap_or_default(),
    };
    filters.finish()?;
    Ok(wanted)
}

fn view(review: ReviewRow, order: Option<&OrderStatusRow>, links: Option<Links>, now: Timestamp) -> ReviewView {
    let priority = review.priority();
    let order = order.map(OrderSummary::from);
    let risk = order.as_ref().and_then(|order| order.risk.as_ref());
    ReviewView {
        order_id: review.order_id.to_string(),
        // Rows without a state are not stored.
        state: review.state.map_or("closed", ReviewState::name),
        score: review.score,
        tier: review.tier.into(),
        hits: risk.map(|standing| standing.risk.hits.clone()).unwrap_or_default(),
        priority,
        opened_at: review.opened_at.to_string(),
        age_seconds: now.since(review.opened_at).millis() / 1_000,
        deadline: review.deadline.map(|deadline| deadline.to_string()),
        claim: review
            .claim
            .map(|claim| ClaimView { reviewer: claim.reviewer.into(), lease_until: claim.lease_until.to_string() }),
        links,
        order,
    }
}
