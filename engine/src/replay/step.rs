//! Events as far as a replay needs them.

use std::sync::Arc;

use cqrs_es::Aggregate;
use domain::order::{Order, OrderEvent, ReviewCause, ScoredCause, Swept, Trigger};
use domain::time::Timestamp;
use eventlog::{Position, RecordedEvent, Shown, StreamId, StreamKey};
use serde::Deserialize;

use crate::memory::FoldError;
use crate::pages::read;

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
    Other(Box<RecordedEvent>),
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

/// Whether an event can be what a screening decided. That a person has to look at what is held, or need not at what is off, follows
/// from that and decides nothing; that a challenge came to nothing is somebody's word, or the time's.
pub(super) const fn is_of_screening(event: &OrderEvent) -> bool {
    match event {
        OrderEvent::ReviewOpened(opened) => matches!(opened.cause, ReviewCause::NoChannel),
        OrderEvent::Challenged(_) | OrderEvent::Frozen(_) | OrderEvent::Released(_) => true,
        _ => false,
    }
}

impl Step {
    pub(super) fn of(event: Shown<'_>) -> Self {
        let Shown { position, stream, sequence, recorded_at, payload, .. } = event;
        let content = match (&*event.key.aggregate_type, event.event_type) {
            (Order::TYPE, "Scored") => {
                let given = read::<Screening>(event).ok().map(|screening| Box::new(screening.scored));
                Ok(Content::Screening(given, payload.into()))
            }
            (Order::TYPE, "Challenged" | "Frozen" | "Released") => {
                Ok(Content::Outcome(read(event).ok().map(Box::new), payload.into()))
            }
            (Order::TYPE, "ReviewOpened") => match read(event) {
                Ok(event) if !is_of_screening(&event) => Ok(Content::Nothing),
                outcome => Ok(Content::Outcome(outcome.ok().map(Box::new), payload.into())),
            },
            (
                Order::TYPE,
                "Placed" | "Amended" | "StatusReported" | "Verified" | "ChallengeResent" | "CallUnanswered"
                | "FreezeConfirmed",
            ) => read(event).map(|event| Content::Order(Box::new(event))),
            (Order::TYPE, _) => Ok(Content::Nothing),
            _ => Ok(Content::Other(Box::new(event.kept()))),
        };
        Self { position, stream, sequence, key: event.key.clone(), recorded_at, content }
    }
}
