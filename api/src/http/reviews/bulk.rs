//! `POST /v1/reviews/bulk`: one decision about many orders, each of them named or linked to one.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use cqrs_es::Aggregate;
use domain::ids::OrderId;
use domain::order::{LinkedTo, Order, PartOf, evolve};
use domain::time::Timestamp;
use engine::{OrderWish, Outcome};
use eventlog::StreamKey;
use futures_util::{StreamExt, stream};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::decision::Ruling;
use super::linked::{self, linked_to};
use crate::clock;
use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::REVIEW;
use crate::http::body::{JsonBody, order_id};
use crate::http::fields::{Fields, Read, any};
use crate::http::orders::answered;
use crate::http::orders::story::Story;
use crate::http::problem::Problem;
use crate::http::wishes::wish;

/// The most orders that one decision names.
const NAMED_MAX: usize = 200;
/// How many orders are decided at a time, however many there are, so that others find room in the writer's mailbox.
const AT_A_TIME: usize = 32;

/// One decision about many orders.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "action": "freeze", "reason_code": "bot_or_script", "note": "all from the device of A1001",
    "linked_to": {"order_id": "web:A1001", "by": "device"}, "preview": true
}))]
pub struct BulkBody {
    /// `release` or `freeze`.
    pub action: String,
    /// Why: a code of `GET /v1/reason-codes` that is for this action.
    pub reason_code: String,
    /// In words, without personal data; required with the code `other`.
    pub note: Option<String>,
    /// The orders, 1 to 200.
    pub order_ids: Option<Vec<String>>,
    /// In place of `order_ids`: an order and all that share something with it, up to 1,000 that the decision would change.
    pub linked_to: Option<LinkedToBody>,
    /// Whether to tell only what would be decided; false when it is left out.
    pub preview: Option<bool>,
}

/// An order with all that share something with it.
#[derive(Serialize, ToSchema)]
pub struct LinkedToBody {
    /// Which order.
    pub order_id: String,
    /// What they share: `device`, `ip`, `ip24`, `phone` or `address`.
    pub by: String,
}

/// What became of many orders.
#[derive(Serialize, ToSchema)]
#[schema(as = BulkDecision, example = json!({
    "preview": false,
    "results": [
        {"order_id": "web:A1001", "ok": true, "unchanged": false},
        {"order_id": "web:A1002", "ok": true, "unchanged": true},
        {"order_id": "web:A1003", "ok": false, "problem": {
            "type": "urn:orderlight:problem:claimed_by_other", "title": "The order's state forbids it", "status": 409,
            "detail": "another reviewer has claimed the order", "code": "claimed_by_other"
        }}
    ]
}))]
pub struct Bulk {
    /// Whether nothing was decided, only told.
    pub preview: bool,
    /// One for each order, in the order of the request; linked ones the newest first, behind the one that they are linked to.
    pub results: Vec<BulkResult>,
}

/// What became of one of many orders.
#[derive(Serialize, ToSchema)]
pub struct BulkResult {
    /// Which order.
    #[schema(example = "web:A1001")]
    pub order_id: String,
    /// Whether the decision holds, or would.
    pub ok: bool,
    /// Whether it held before, so that nothing is recorded; absent where it does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unchanged: Option<bool>,
    /// Why it does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// Decide about many orders
///
/// Each order is decided by itself, as by a decision about it alone; that one cannot be decided stops no other. Its history says that it
/// was one decision, about how many orders, and which order they are linked to by what (`data.part_of`). With `linked_to` it is
/// the order named and those that share its device, address and so on, as far as the decision would change them: for `freeze` those that
/// have not left and are not off, but for those of which a reviewer holds so already; for `release` those that are held. With `preview`
/// nothing is decided or claimed, and each result says what would become of it now.
#[utoipa::path(
    post,
    path = "/v1/reviews/bulk",
    operation_id = "decide_reviews",
    tag = "Reviews",
    extensions(("x-roles" = json!(["reviewer", "admin"]))),
    request_body(content = BulkBody),
    responses(
        (status = 200, description = "What became of each, or would", body = Bulk,
         headers(("Orderlight-Position" = String, description = "How far the log went, for `?after=`; absent from a preview, and when no decision holds"))),
        (status = 404, description = "There is no order of that `linked_to`", body = Problem),
        (status = 422, description = "All faults of the body. `too_many_orders`: `linked_to` leads to more than 1,000 orders that would be \
         changed, or to more than 10,000 at all", body = Problem),
    )
)]
pub async fn handle(State(app): State<App>, caller: Caller, JsonBody(body): JsonBody) -> Result<Response, Problem> {
    caller.require(REVIEW)?;
    let (ruling, orders, preview) = read(body)?;
    let (ids, linked_to) = match orders {
        Orders::Named(ids) => (ids, None),
        Orders::Linked(linked) => {
            let found = linked_to(&app, &caller, &linked, &ruling).await?;
            (found.into_iter().map(|id| id.to_string()).collect(), Some(linked))
        }
    };
    if preview {
        let at = clock::now();
        let results = stream::iter(ids).map(|id| foreseen(&app, &caller, id, &ruling, at)).buffered(AT_A_TIME);
        return Ok(axum::Json(Bulk { preview, results: results.collect().await }).into_response());
    }
    let orders = if linked_to.is_some() { ids.len() } else { there(&app, &caller, &ids).await? };
    let wish = ruling.wish(part_of(orders, linked_to));
    let decided: Vec<_> =
        stream::iter(ids).map(|id| decided(&app, &caller, id, wish.clone())).buffered(AT_A_TIME).collect().await;
    let position = decided.iter().filter_map(|(_, position)| *position).max();
    let bulk = Bulk { preview, results: decided.into_iter().map(|(result, _)| result).collect() };
    Ok(match position {
        Some(position) => answered(StatusCode::OK, position, bulk),
        None => axum::Json(bulk).into_response(),
    })
}

/// Which orders are meant.
enum Orders {
    Named(Vec<String>),
    Linked(LinkedTo),
}

fn read(body: Value) -> Result<(Ruling, Orders, bool), Problem> {
    let mut fields = Fields::of(body)?;
    let ruling = Ruling::read(&mut fields);
    let preview = fields.optional("preview", |value| value.as_bool().ok_or("expected true or false".to_owned()));
    let (has_names, has_link) = (fields.has("order_ids"), fields.has("linked_to"));
    let named = fields.optional("order_ids", named);
    let linked = fields.optional("linked_to", any).and_then(|value| linked::read(value, &mut fields));
    match (has_names, has_link) {
        (true, true) => fields.fault("/linked_to", "is not taken beside order_ids"),
        (false, false) => fields.fault("/order_ids", "is required, or linked_to in its place"),
        (true, false) | (false, true) => {}
    }
    let orders = named.map(Orders::Named).or(linked.map(Orders::Linked));
    fields.finish(ruling.zip(orders)).map(|(ruling, orders)| (ruling, orders, preview.unwrap_or_default()))
}

fn named(value: Value) -> Read<Vec<String>> {
    let expected = || format!("expected 1 to {NAMED_MAX} ids of orders");
    let Value::Array(ids) = value else { return Err(expected()) };
    if !(1..=NAMED_MAX).contains(&ids.len()) {
        return Err(expected());
    }
    let mut read: Vec<String> = Vec::with_capacity(ids.len());
    for id in ids {
        let Value::String(id) = id else { return Err(expected()) };
        if !read.contains(&id) {
            read.push(id);
        }
    }
    Ok(read)
}

/// How many of the orders that were named there are.
async fn there(app: &App, caller: &Caller, ids: &[String]) -> Result<usize, Problem> {
    let key = |id: OrderId| StreamKey {
        merchant: caller.merchant.clone(),
        aggregate_type: Order::TYPE.into(),
        aggregate_id: id.as_str().into(),
    };
    let keys: Vec<StreamKey> = ids.iter().filter_map(|id| id.parse().ok()).map(key).collect();
    Ok(app.log.find_streams(&keys).await?.into_iter().flatten().count())
}

/// What each decision says of the one that it is part of, where that is about others as well.
fn part_of(orders: usize, linked_to: Option<LinkedTo>) -> Option<PartOf> {
    let orders = u32::try_from(orders).unwrap_or(u32::MAX);
    (orders > 1).then_some(PartOf { orders, linked_to })
}

async fn decided(app: &App, caller: &Caller, id: String, wanted: OrderWish) -> (BulkResult, Option<(u32, u64)>) {
    let receipt = match order_id(&id) {
        Ok(order) => wish(app, caller, order, wanted).await,
        Err(problem) => Err(problem),
    };
    match receipt {
        Ok(receipt) => {
            let unchanged = receipt.outcome == Outcome::Unchanged;
            (BulkResult::holds(id, unchanged), Some(receipt.position))
        }
        Err(problem) => (BulkResult::refused(id, problem), None),
    }
}

/// What a decision about an order would come to at a time, as far as the log tells now.
async fn foreseen(app: &App, caller: &Caller, id: String, ruling: &Ruling, at: Timestamp) -> BulkResult {
    let order = match order_id(&id) {
        Ok(id) => folded(app, caller, &id).await,
        Err(problem) => Err(problem),
    };
    match order.and_then(|order| ruling.foreseen(&order, caller, at).map_err(Problem::from)) {
        Ok(events) => BulkResult::holds(id, events.is_empty()),
        Err(problem) => BulkResult::refused(id, problem),
    }
}

async fn folded(app: &App, caller: &Caller, id: &OrderId) -> Result<Order, Problem> {
    let story = Story::read(app, &caller.merchant, id).await?;
    Ok(story.0.iter().fold(Order::default(), |order, chapter| evolve(order, &chapter.event)))
}

impl BulkResult {
    fn holds(order_id: String, unchanged: bool) -> Self {
        Self { order_id, ok: true, unchanged: Some(unchanged), problem: None }
    }

    fn refused(order_id: String, problem: Problem) -> Self {
        Self { order_id, ok: false, unchanged: None, problem: Some(problem) }
    }
}
