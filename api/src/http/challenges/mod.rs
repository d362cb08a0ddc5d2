//! Challenges: what the customer answers, what came of a call, and a code that is to be sent again.
//!
//! A challenge is called by the place of an event of its order in the log, so whoever has its id finds the order without any
//! table. To have the id is no proof of anything: an answer must be right as well, and an id of another merchant is one of
//! nothing.

pub mod answer;
pub mod resend;
pub mod result;

use cqrs_es::Aggregate;
use domain::ids::{ChallengeId, OrderId};
use domain::order::Order;

use super::App;
use super::position::LogPosition;
use super::problem::Problem;
use crate::directory::Caller;

/// The order that a challenge of the caller's merchant is about.
///
/// # Errors
/// 404 when there is no such challenge, 503 when the log cannot be read.
async fn order_of(app: &App, caller: &Caller, id: &str) -> Result<(OrderId, ChallengeId), Problem> {
    let found = find(app, caller, id).await?;
    found.ok_or_else(|| Problem::not_found(format!("there is no challenge {id:?}")))
}

async fn find(app: &App, caller: &Caller, id: &str) -> Result<Option<(OrderId, ChallengeId)>, Problem> {
    let Ok(place) = id.parse::<LogPosition>() else { return Ok(None) };
    let is_canonical = place.to_string() == id && place.partition == app.engine.partition_of(&caller.merchant);
    let Some(before) = place.position.checked_sub(1).filter(|_| is_canonical) else { return Ok(None) };
    let event = app.log.read(place.partition, before, 1).await?.into_iter().next();
    let event = event.filter(|event| {
        event.position == place.position
            && event.key.merchant == caller.merchant
            && &*event.key.aggregate_type == Order::TYPE
    });
    let order = event.and_then(|event| event.key.aggregate_id.parse().ok());
    Ok(order.zip(id.parse().ok()))
}
