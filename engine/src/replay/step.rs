//! Events as far as a replay needs them.

use std::sync::Arc;

use cqrs_es::Aggregate;
use domain::ids::MerchantId;
use domain::order::{Order, OrderEvent, ReviewCause, ScoredCause, Swept, Trigger};
use domain::time::Timestamp;
use eventlog::{Position, RecordedEvent, Shown, StreamId};
use serde::Deserialize;

use crate::memory::FoldError;
use crate::pages::read;
use crate::placement::Placement;

/// One event.
pub(super) struct Step {
    pub(super) position: Position,
    pub(super) stream: StreamId,
    pub(super) sequence: u64,
    pub(super) of: Arc<Subject>,
    pub(super) recorded_at: Timestamp,
    pub(super) content: Result<Content, FoldError>,
}

/// Whose aggregate an event is of, and which.
pub(super) struct Subject {
    pub(super) merchant: MerchantId,
    pub(super) id: Box<str>,
}

/// What it says.
pub(super) enum Content {
    /// An order was placed.
    Placed(Box<Placement>),
    /// What else happened to an order.
    Order(Box<OrderEvent>),
    /// How an order was screened: what that was given, if it is not its placement alone and can be read, and the payload.
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

/// Decodes events that follow each other.
#[derive(Default)]
pub(super) struct Decoder {
    last: Option<Last>,
}

/// The event before.
struct Last {
    stream: StreamId,
    sequence: u64,
    of: Arc<Subject>,
    is_placement: bool,
}

impl Decoder {
    pub(super) fn decode(&mut self, event: Shown<'_>) -> Step {
        let Shown { position, stream, sequence, key, recorded_at, .. } = event;
        let last = self.last.take().filter(|last| last.stream == stream);
        let is_placed_by_last = last.as_ref().is_some_and(|last| last.is_placement && last.sequence + 1 == sequence);
        let content = Content::of(event, is_placed_by_last);
        let subject = || Arc::new(Subject { merchant: key.merchant.clone(), id: key.aggregate_id.into() });
        let of = last.map_or_else(subject, |last| last.of);
        let is_placement = matches!(content, Ok(Content::Placed(_)));
        self.last = Some(Last { stream, sequence, of: of.clone(), is_placement });
        Step { position, stream, sequence, of, recorded_at, content }
    }
}

impl Content {
    fn of(event: Shown<'_>, is_placed_by_last: bool) -> Result<Self, FoldError> {
        let payload = event.payload;
        match (event.key.aggregate_type, event.event_type) {
            (Order::TYPE, "Placed") => Placement::read(event).map(Content::Placed),
            // Nothing but the placement has to do with it.
            (Order::TYPE, "Scored") if is_placed_by_last => Ok(Content::Screening(None, payload.into())),
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
                "Amended" | "StatusReported" | "Verified" | "ChallengeResent" | "CallUnanswered" | "FreezeConfirmed",
            ) => read(event).map(|event| Content::Order(Box::new(event))),
            (Order::TYPE, _) => Ok(Content::Nothing),
            _ => Ok(Content::Other(Box::new(event.kept()))),
        }
    }
}
