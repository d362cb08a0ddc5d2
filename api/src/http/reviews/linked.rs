//! An order with all that share something with it, as far as a decision can concern them.

use domain::fault::escape;
use domain::ids::{MerchantId, OrderId};
use domain::order::{LinkedBy, LinkedTo, RiskState, Status};
use engine::ReviewAction;
use projections::{LIMIT_MAX, OrderStatusRow};
use serde_json::{Map, Value};

use super::bulk::ORDERS_MAX;
use crate::http::App;
use crate::http::fields::{Fields, Read, parsed};
use crate::http::orders::story::no_such_order;
use crate::http::problem::Problem;

/// How many linked orders are looked at.
const LOOKED_AT_MAX: usize = 2_000;

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

/// The order itself, then the others that the decision can concern, newest placed first.
///
/// # Errors
/// 404 when there is no such order, 422 when there are more than can be decided at once.
pub(super) async fn linked_to(
    app: &App,
    merchant: &MerchantId,
    linked: &LinkedTo,
    action: ReviewAction,
) -> Result<Vec<OrderId>, Problem> {
    let LinkedTo { order, by } = linked;
    let (mut found, mut looked_at, mut cursor) = (vec![order.clone()], 0, None);
    loop {
        let page = app.models.linked(merchant, order, *by, cursor.as_deref(), LIMIT_MAX).await?;
        let page = page.ok_or_else(|| no_such_order(order))?;
        looked_at += page.items.len();
        found.extend(page.items.iter().filter(|row| concerns(action, row)).map(|row| row.order_id.clone()));
        if found.len() > ORDERS_MAX || (looked_at >= LOOKED_AT_MAX && page.next_cursor.is_some()) {
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

fn too_many(order: &OrderId) -> Problem {
    let detail = format!(
        "more than {ORDERS_MAX} orders are linked to {:?} that this would decide, or more than {LOOKED_AT_MAX} at all; \
         choose what fewer share, or name the orders in order_ids",
        order.as_str()
    );
    let title = "The decision is about too many orders";
    Problem::new(axum::http::StatusCode::UNPROCESSABLE_ENTITY, "too_many_orders", title, detail)
}
