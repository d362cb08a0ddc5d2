//! An order with all that share something with it, as far as a decision would change them.

use std::collections::{HashMap, HashSet};

use domain::fault::escape;
use domain::ids::OrderId;
use domain::order::{LinkedBy, LinkedTo, Order, RiskState, Status, evolve};
use engine::ReviewAction;
use eventlog::{LogError, StreamId};
use projections::{LIMIT_MAX, OrderStatusRow};
use serde_json::{Map, Value};

use super::decision::Ruling;
use crate::clock;
use crate::directory::Caller;
use crate::http::App;
use crate::http::fields::{Fields, Read, parsed};
use crate::http::orders::story::no_such_order;
use crate::http::problem::Problem;

/// The most orders of one decision about what is linked.
const LINKED_MAX: usize = 1_000;
/// How many linked orders are looked at.
const LOOKED_AT_MAX: usize = 10_000;

/// Reads which orders are meant; what is wrong with it is noted in the fields.
pub(super) fn read(value: Value, fields: &mut Fields) -> Option<LinkedTo> {
    let Value::Object(mut rest) = value else {
        fields.fault("/linked_to", "expected an object");
        return None;
    };
    let order = required(&mut rest, "order_id", parsed::<OrderId>, fields);
    let by = required(&mut rest, "by", parsed::<LinkedBy>, fields);
    for name in rest.keys() {
        fields.fault(format!("/linked_to/{}", escape(name)), "is not a known field");
    }
    Some(LinkedTo { order: order?, by: by? })
}

fn required<T>(
    rest: &mut Map<String, Value>,
    name: &str,
    read: impl FnOnce(Value) -> Read<T>,
    fields: &mut Fields,
) -> Option<T> {
    let read = rest.remove(name).map_or(Err("is required".to_owned()), read);
    read.map_err(|expected| fields.fault(format!("/linked_to/{name}"), expected)).ok()
}

/// The order itself, then the others that the decision would change, newest placed first.
///
/// # Errors
/// 404 when there is no such order, 422 when there are more than can be decided at once.
pub(super) async fn linked_to(
    app: &App,
    caller: &Caller,
    linked: &LinkedTo,
    ruling: &Ruling,
) -> Result<Vec<OrderId>, Problem> {
    let LinkedTo { order, by } = linked;
    let (mut found, mut looked_at, mut cursor) = (vec![order.clone()], 0, None);
    loop {
        let page = app.models.linked(&caller.merchant, order, *by, cursor.as_deref(), LIMIT_MAX).await?;
        let page = page.ok_or_else(|| no_such_order(order))?;
        looked_at += page.items.len();
        let mut concerned = page.items;
        concerned.retain(|row| concerns(ruling.action, row));
        let so_already = so_already(app, caller, ruling, &concerned).await?;
        concerned.retain(|row| !so_already.contains(&row.stream));
        found.extend(concerned.into_iter().map(|row| row.order_id));
        if found.len() > LINKED_MAX || (looked_at >= LOOKED_AT_MAX && page.next_cursor.is_some()) {
            return Err(too_many(order));
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(found);
        }
    }
}

fn concerns(action: ReviewAction, row: &OrderStatusRow) -> bool {
    let status = row.status.as_ref().map(|status| status.value);
    match (action, row.risk.state) {
        (_, None | Some(RiskState::Placed)) => false,
        (ReviewAction::Release, Some(state)) => state != RiskState::Released,
        (ReviewAction::Freeze, Some(_)) => !matches!(
            status,
            Some(Status::Shipped | Status::Delivered | Status::Completed | Status::Cancelled | Status::Refunded)
        ),
    }
}

/// Of which a decision holds already. Whether somebody has agreed that an order is frozen, its events say and its row does not.
async fn so_already(
    app: &App,
    caller: &Caller,
    ruling: &Ruling,
    rows: &[OrderStatusRow],
) -> Result<HashSet<StreamId>, Problem> {
    let is_in_doubt =
        |row: &&OrderStatusRow| ruling.action == ReviewAction::Freeze && row.risk.state == Some(RiskState::Frozen);
    let in_doubt: Vec<StreamId> = rows.iter().filter(is_in_doubt).map(|row| row.stream).collect();
    let mut orders: HashMap<StreamId, Order> = HashMap::new();
    for stored in app.log.read_streams(&in_doubt).await? {
        let event = serde_json::from_str(&stored.payload).map_err(|error| LogError::Damaged(error.to_string()))?;
        let order = orders.entry(stored.stream).or_default();
        *order = evolve(std::mem::take(order), &event);
    }
    let now = clock::now();
    let is_so = |order: &Order| ruling.foreseen(order, caller, now).is_ok_and(|events| events.is_empty());
    Ok(orders.into_iter().filter(|(_, order)| is_so(order)).map(|(stream, _)| stream).collect())
}

fn too_many(order: &OrderId) -> Problem {
    let detail = format!(
        "more than {LINKED_MAX} orders are linked to {:?} that this would change, or more than {LOOKED_AT_MAX} at all; \
         choose what fewer share, or name the orders in order_ids",
        order.as_str()
    );
    let title = "The decision is about too many orders";
    Problem::new(axum::http::StatusCode::UNPROCESSABLE_ENTITY, "too_many_orders", title, detail)
}
