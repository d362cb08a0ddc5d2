//! Events as far as a replay needs them.

use std::sync::Arc;

use cqrs_es::Aggregate;
use domain::order::{Order, OrderEvent, ScoredCause, Swept, Trigger};
use domain::time::Timestamp;
use eventlog::{Position, RecordedEvent, StreamId, StreamKey};
use serde::Deserialize;

use crate::memory::{FoldError, read};

/// One event.
pub(super) struct Step {
    pub(super) position: Position,
    pub(super) stream: StreamId,
    pub(super) sequence: u64,
    pub(super) key: Arc<StreamKey>,
    pub(super) recorded_at: Timestamp,
    pub(super) content: Result<Content, FoldError>,
}

/// What it says.
pub(super) enum Content {
    /// What happened to an order.
    Order(Box<OrderEvent>),
    /// How an order was screened: what that was given, if it can be read, and the payload.
    Screening(Option<Box<Given>>, Box<str>),
    /// An order was challenged, held, released or given to a person: how, if that can be read, and the payload.
    Outcome(Option<Box<OrderEvent>>, Box<str>),
    /// What happened to an order and has no part in decisions.
    Nothing,
    /// What happened to another aggregate.
    Other(Arc<RecordedEvent>),
}

/// A screening's payload, as far as it is given to the computation and not its outcome.
#[derive(Deserialize)]
struct Screening {
    #[serde(rename = "Scored")]
    scored: Given,
}

/// Why, and what other orders added.
#[derive(Deserialize)]
pub(super) struct Given {
    pub(super) cause: ScoredCause,
    #[serde(default)]
    pub(super) trigger: Option<Trigger>,
    #[serde(default)]
    pub(super) swept: Vec<Swept>,
}

impl Step {
    pub(super) fn of(event: Arc<RecordedEvent>) -> Self {
        let (position, stream, sequence) = (event.position, event.stream, event.sequence);
        let (key, recorded_at) = (event.key.clone(), event.recorded_at);
        let content = match (&*key.aggregate_type, &*event.event_type) {
            (Order::TYPE, "Scored") => {
                let given = read::<Screening>(&event).ok().map(|screening| Box::new(screening.scored));
                Ok(Content::Screening(given, payload(event)))
            }
            (Order::TYPE, "Challenged" | "Frozen" | "Released") => {
                let outcome = read(&event).ok();
                Ok(Content::Outcome(outcome, payload(event)))
            }
            (Order::TYPE, "ReviewOpened") => match read(&event) {
                // A challenge that came to nothing is somebody's word, or the time's.
                Ok(OrderEvent::ReviewOpened(opened)) if opened.challenge.is_some() => Ok(Content::Nothing),
                outcome => Ok(Content::Outcome(outcome.ok().map(Box::new), payload(event))),
            },
            (
                Order::TYPE,
                "Placed" | "Amended" | "StatusReported" | "Verified" | "ChallengeResent" | "CallUnanswered",
            ) => read(&event).map(|event| Content::Order(Box::new(event))),
            (Order::TYPE, _) => Ok(Content::Nothing),
            _ => Ok(Content::Other(event)),
        };
        Self { position, stream, sequence, key, recorded_at, content }
    }
}

/// An event's payload, without a copy where nobody else holds the event.
fn payload(mut event: Arc<RecordedEvent>) -> Box<str> {
    match Arc::get_mut(&mut event) {
        Some(event) => std::mem::take(&mut event.payload),
        None => event.payload.clone(),
    }
}
