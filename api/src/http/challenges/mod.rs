//! Challenges: what the customer answers, what came of a call, and a code that is to be sent again.
//!
//! A challenge is called by a place in the log: that of the screening it followed from, or its own where it took the place of another.
//! So whoever has its id finds the order without any table. To have the id is no proof of anything: an answer must be right as well, and
//! an id of another merchant, or of anything else that happened to an order, is one of nothing.

pub mod answer;
pub mod resend;
pub mod result;

use cqrs_es::Aggregate;
use domain::ids::{ChallengeId, OrderId};
use domain::order::{Order, OrderEvent};
use eventlog::RecordedEvent;

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
    let (Ok(place), Ok(challenge)) = (id.parse::<LogPosition>(), id.parse::<ChallengeId>()) else { return Ok(None) };
    let is_canonical = place.to_string() == id && place.partition == app.engine.partition_of(&caller.merchant);
    let Some(before) = place.position.checked_sub(1).filter(|_| is_canonical) else { return Ok(None) };
    // The event at the place, and the one that followed from it.
    let mut events = app.log.read(place.partition, before, 2).await?.into_iter();
    let asked = events.find(|event| event.key.merchant == caller.merchant && begins(event, &challenge));
    Ok(asked.and_then(|event| event.key.aggregate_id.parse().ok()).map(|order| (order, challenge)))
}

/// Whether a challenge began with an event.
fn begins(event: &RecordedEvent, challenge: &ChallengeId) -> bool {
    &*event.key.aggregate_type == Order::TYPE
        && matches!(serde_json::from_str(&event.payload),
            Ok(OrderEvent::Challenged(challenged)) if challenged.challenge == *challenge)
}
