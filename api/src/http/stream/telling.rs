//! What a page of the log tells the readers of a merchant's stream.
//!
//! A function of the log alone: whoever reads the same positions is told the same bytes, live, after a restart, and by any process.
//! What an order that passes is told of stands in its own two events; of any other order its earlier events are read, so that
//! state, score and queue are as of that position.

use std::collections::HashMap;
use std::sync::Arc;

use cqrs_es::Aggregate;
use domain::ids::{ChallengeId, MerchantId};
use domain::order::{
    ChallengeMethod, ClosedCause, FrozenCause, Known, Order, OrderEvent, PASS, ReleasedCause, ReopenCause, Review,
    ReviewCause, Risk, RiskState, ScoredCause, evolve,
};
use domain::time::Timestamp;
use eventlog::{EventLog, LogError, Position, RecordedEvent, StreamId};
use serde::{Deserialize, Serialize};

use crate::http::position::LogPosition;

/// What is told of one position.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Told {
    /// The event's name.
    pub(super) name: &'static str,
    /// Where the stream goes on after it.
    pub(super) id: LogPosition,
    /// One line of JSON.
    pub(super) data: String,
}

/// The data of an event. Nothing in it is personal, and nothing that people wrote.
#[derive(Serialize)]
struct Data<'a> {
    order_id: &'a str,
    at: Timestamp,
    state: &'static str,
    score: Option<i64>,
    tier: Option<&'a str>,
    rules: &'a [Arc<str>],
    cause: Option<Cause>,
    review: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    challenge: Option<&'a Asked>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reviewer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason_code: Option<&'a str>,
}

/// Why it came to this.
#[derive(Clone, Copy, Serialize)]
#[serde(untagged)]
enum Cause {
    Scored(ScoredCause),
    Frozen(FrozenCause),
    Released(ReleasedCause),
    Opened(ReviewCause),
    Closed(ClosedCause),
    Reopened(ReopenCause),
}

/// A question that the customer is being asked.
#[derive(Serialize)]
struct Asked {
    id: ChallengeId,
    method: ChallengeMethod,
    expires_at: Timestamp,
}

/// What stands in a screening, as far as it is told.
#[derive(Deserialize)]
enum Screening {
    Scored(Scored),
}

#[derive(Deserialize)]
struct Scored {
    score: i64,
    tier: Box<str>,
    cause: ScoredCause,
    hits: Vec<Fired>,
}

#[derive(Deserialize)]
struct Fired {
    rule: Arc<str>,
}

#[derive(Deserialize)]
enum Outcome {
    Released(Cleared),
}

#[derive(Deserialize)]
struct Cleared {
    cause: ReleasedCause,
}

/// What a page is told as, and the position after which the next page begins. A screening that ends a page that is full waits for
/// the next one, where it stands beside what it led to.
pub(super) async fn tell(
    log: &dyn EventLog,
    merchant: &MerchantId,
    page: &[Arc<RecordedEvent>],
    is_full: bool,
) -> Result<(Vec<Told>, Option<Position>), LogError> {
    let ends_between = is_full && page.len() > 1 && page.last().is_some_and(|last| &*last.event_type == "Scored");
    let page = if ends_between { &page[..page.len() - 1] } else { page };
    let mut told: Vec<Option<Told>> = Vec::new();
    let mut unclear: Vec<(usize, &RecordedEvent)> = Vec::new();
    let mut rest = page.iter();
    while let Some(event) = rest.next() {
        let is_of_theirs = event.key.merchant == *merchant && &*event.key.aggregate_type == Order::TYPE;
        if !is_of_theirs || name(&event.event_type).is_none() {
            continue;
        }
        let outcome = rest.as_slice().first().filter(|next| is_outcome(event, next));
        if let Some(outcome) = outcome {
            rest.next();
            if let Some(passed) = passed(event, outcome)? {
                told.push(Some(passed));
                continue;
            }
        }
        let last: &RecordedEvent = outcome.unwrap_or(event);
        unclear.push((told.len(), last));
        told.push(None);
    }
    for (place, of_order) in in_full(log, &unclear).await? {
        told[place] = Some(of_order);
    }
    Ok((told.into_iter().flatten().collect(), page.last().map(|last| last.position)))
}

/// The name under which an event of an order is told; none of one that is not.
fn name(event_type: &str) -> Option<&'static str> {
    Some(match event_type {
        "Scored" => "order.scored",
        "Challenged" => "order.challenged",
        "Verified" => "order.verified",
        "Frozen" => "order.frozen",
        "Released" => "order.released",
        "ReviewOpened" => "review.opened",
        "ReviewClaimed" => "review.claimed",
        "ReviewReturned" => "review.returned",
        "ReviewEscalated" => "review.escalated",
        "ReviewReopened" => "review.reopened",
        "FreezeConfirmed" | "ReviewClosed" => "review.closed",
        _ => return None,
    })
}

/// Whether an event is what a screening led to: it follows in the order's own stream, at the next position.
fn is_outcome(screening: &RecordedEvent, next: &RecordedEvent) -> bool {
    &*screening.event_type == "Scored"
        && next.stream == screening.stream
        && next.position == screening.position + 1
        && matches!(&*next.event_type, "Challenged" | "Frozen" | "Released" | "ReviewOpened" | "ReviewClosed")
}

/// An order that passed at its first screening, which no queue ever held: its two events say all of it.
fn passed(screening: &RecordedEvent, outcome: &RecordedEvent) -> Result<Option<Told>, LogError> {
    if &*outcome.event_type != "Released" {
        return Ok(None);
    }
    let Screening::Scored(scored) = read(&screening.payload)?;
    if &*scored.tier != PASS || scored.cause != ScoredCause::Placed {
        return Ok(None);
    }
    let Outcome::Released(released) = read(&outcome.payload)?;
    let rules: Vec<Arc<str>> = scored.hits.into_iter().map(|hit| hit.rule).collect();
    let data = Data {
        state: RiskState::Released.name(),
        score: Some(scored.score),
        tier: Some(&scored.tier),
        rules: &rules,
        cause: Some(Cause::Released(released.cause)),
        ..Data::of(outcome)
    };
    Ok(Some(told(outcome, &data)))
}

/// Events with where their orders stood after them.
async fn in_full(log: &dyn EventLog, wanted: &[(usize, &RecordedEvent)]) -> Result<Vec<(usize, Told)>, LogError> {
    if wanted.is_empty() {
        return Ok(vec![]);
    }
    let places: HashMap<Position, usize> = wanted.iter().map(|(place, event)| (event.position, *place)).collect();
    let mut streams: Vec<StreamId> = wanted.iter().map(|(_, event)| event.stream).collect();
    streams.sort_unstable();
    streams.dedup();
    let mut found = Vec::with_capacity(wanted.len());
    let (mut order, mut of) = (Order::default(), None);
    for recorded in &log.read_streams(&streams).await? {
        if of != Some(recorded.stream) {
            (order, of) = (Order::default(), Some(recorded.stream));
        }
        let event: OrderEvent = read(&recorded.payload)?;
        order = evolve(order, &event);
        if let Some(place) = places.get(&recorded.position)
            && let Some(known) = order.known()
        {
            found.push((*place, told(recorded, &Facts::of(known, &event).data(recorded))));
        }
    }
    Ok(found)
}

/// What is told of an order as of one of its events.
struct Facts<'a> {
    known: &'a Known,
    event: &'a OrderEvent,
    rules: Vec<Arc<str>>,
    asked: Option<Asked>,
}

impl<'a> Facts<'a> {
    fn of(known: &'a Known, event: &'a OrderEvent) -> Self {
        let hits = known.screening.iter().flat_map(|screening| &screening.hits);
        let asked = match &known.risk {
            Risk::Challenged(open) if !open.is_over => {
                Some(Asked { id: open.id.clone(), method: open.method, expires_at: open.expires_at })
            }
            Risk::Challenged(_)
            | Risk::Placed
            | Risk::Scored
            | Risk::Verified
            | Risk::Frozen(_)
            | Risk::Released(_) => None,
        };
        Self { known, event, rules: hits.map(|hit| Arc::clone(&hit.rule)).collect(), asked }
    }

    fn data<'b>(&'b self, recorded: &'b RecordedEvent) -> Data<'b> {
        let (reviewer, lease_until) = match &self.known.review {
            Review::Claimed { reviewer, lease_until, .. } => (Some(&**reviewer), Some(*lease_until)),
            Review::None | Review::Waiting | Review::Open | Review::Closed => (None, None),
        };
        let screening = self.known.screening.as_ref();
        Data {
            state: self.known.risk.state().name(),
            score: screening.map(|screening| screening.score),
            tier: screening.map(|screening| &*screening.tier),
            rules: &self.rules,
            cause: cause(self.event),
            review: review(&self.known.review),
            challenge: self.asked.as_ref(),
            reviewer: reviewer.or_else(|| actor(self.event)),
            lease_until,
            reason_code: reason_code(self.event),
            ..Data::of(recorded)
        }
    }
}

impl<'a> Data<'a> {
    /// With nothing but which order it is, and when.
    fn of(recorded: &'a RecordedEvent) -> Self {
        Self {
            order_id: &recorded.key.aggregate_id,
            at: recorded.recorded_at,
            state: RiskState::Placed.name(),
            score: None,
            tier: None,
            rules: &[],
            cause: None,
            review: None,
            challenge: None,
            reviewer: None,
            lease_until: None,
            reason_code: None,
        }
    }
}

fn cause(event: &OrderEvent) -> Option<Cause> {
    Some(match event {
        OrderEvent::Scored(scored) => Cause::Scored(scored.cause),
        OrderEvent::Frozen(frozen) => Cause::Frozen(frozen.cause),
        OrderEvent::Released(released) => Cause::Released(released.cause),
        OrderEvent::ReviewOpened(opened) => Cause::Opened(opened.cause),
        OrderEvent::ReviewClosed(closed) => Cause::Closed(closed.cause),
        OrderEvent::ReviewReopened(reopened) => Cause::Reopened(reopened.cause),
        _ => return None,
    })
}

/// The person who did it, where it does not show in the queue any more.
fn actor(event: &OrderEvent) -> Option<&str> {
    match event {
        OrderEvent::Frozen(frozen) => frozen.actor.as_deref(),
        OrderEvent::Released(released) => released.actor.as_deref(),
        OrderEvent::FreezeConfirmed(confirmed) => Some(&confirmed.actor),
        OrderEvent::ReviewReturned(returned) => Some(&returned.reviewer),
        OrderEvent::ReviewReopened(reopened) => Some(&reopened.actor),
        _ => None,
    }
}

fn reason_code(event: &OrderEvent) -> Option<&str> {
    match event {
        OrderEvent::Frozen(frozen) => frozen.reason_code.as_deref(),
        OrderEvent::Released(released) => released.reason_code.as_deref(),
        OrderEvent::FreezeConfirmed(confirmed) => Some(&confirmed.reason_code),
        OrderEvent::ReviewOpened(opened) => opened.reason_code.as_deref(),
        _ => None,
    }
}

/// The words of `GET /v1/reviews`.
const fn review(review: &Review) -> Option<&'static str> {
    match review {
        Review::None => None,
        Review::Waiting => Some("waiting"),
        Review::Open => Some("open"),
        Review::Claimed { .. } => Some("claimed"),
        Review::Closed => Some("closed"),
    }
}

fn told(recorded: &RecordedEvent, data: &Data<'_>) -> Told {
    Told {
        name: name(&recorded.event_type).unwrap_or("order.scored"),
        id: LogPosition { partition: recorded.partition, position: recorded.position },
        data: serde_json::to_string(data).expect("plain data has a JSON form"),
    }
}

fn read<'a, T: Deserialize<'a>>(payload: &'a str) -> Result<T, LogError> {
    serde_json::from_str(payload).map_err(|error| LogError::Damaged(error.to_string()))
}
