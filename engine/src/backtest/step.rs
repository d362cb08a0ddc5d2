//! Events as far as a back-test needs them.

use cqrs_es::Aggregate;
use domain::ids::MerchantId;
use domain::order::{FrozenCause, Order, OrderEvent, ScoredCause};
use domain::time::Timestamp;
use eventlog::{Position, RecordedEvent, Shown, StreamId};
use serde::Deserialize;

use crate::memory::FoldError;
use crate::pages::read;

/// One event.
pub(super) struct Step {
    pub(super) position: Position,
    pub(super) stream: StreamId,
    pub(super) sequence: u64,
    pub(super) recorded_at: Timestamp,
    /// Whose it is; `None` when it is of the merchant whose orders are tried.
    pub(super) other: Option<MerchantId>,
    pub(super) content: Result<Content, FoldError>,
}

/// What it says.
pub(super) enum Content {
    /// What happened to an order.
    Order(Box<OrderEvent>),
    /// How an order was screened.
    Screened(Screened),
    /// An order is held by somebody's word, or is not any more.
    Held(bool),
    /// What happened to an order and has no part in this.
    Nothing,
    /// What happened to another aggregate.
    Other(Box<RecordedEvent>),
}

/// A recorded screening, without the values that it read: those come from the windows.
#[derive(Deserialize)]
pub(super) struct Screened {
    pub(super) score: i64,
    pub(super) tier: Box<str>,
    pub(super) hits: Vec<RecordedHit>,
    #[serde(default)]
    pub(super) exemption: Option<Box<str>>,
    #[serde(default)]
    pub(super) swept: Vec<RecordedSweep>,
    pub(super) cause: ScoredCause,
}

/// A rule that counts as fired because it fired for another order.
#[derive(Deserialize)]
pub(super) struct RecordedSweep {
    pub(super) rule: Box<str>,
}

/// A rule that fired.
#[derive(Deserialize)]
pub(super) struct RecordedHit {
    pub(super) rule: Box<str>,
    pub(super) points: i64,
}

#[derive(Deserialize)]
struct ScoredPayload {
    #[serde(rename = "Scored")]
    scored: Screened,
}

#[derive(Deserialize)]
struct FrozenPayload {
    #[serde(rename = "Frozen")]
    frozen: Caused,
}

#[derive(Deserialize)]
struct Caused {
    cause: FrozenCause,
}

impl Screened {
    /// Whether the order's own messages, or a person, made it necessary. Others are screened again by what the rulebook in force
    /// found, and when another would have had that done nobody recorded.
    pub(super) const fn is_own(&self) -> bool {
        match self.cause {
            ScoredCause::Placed | ScoredCause::Amended | ScoredCause::Manual => true,
            ScoredCause::LateEvidence | ScoredCause::Sibling => false,
        }
    }
}

impl Step {
    pub(super) fn of(event: Shown<'_>, merchant: &MerchantId) -> Self {
        let Shown { position, stream, sequence, recorded_at, .. } = event;
        let is_own = event.key.merchant == *merchant;
        let other = (!is_own).then(|| event.key.merchant.clone());
        let content = match (&*event.key.aggregate_type, event.event_type) {
            // Of every merchant: what one remembers may depend on the traffic of another.
            (Order::TYPE, "Placed" | "Amended" | "StatusReported") => {
                read(event).map(|event| Content::Order(Box::new(event)))
            }
            (Order::TYPE, "Scored") if is_own => {
                read::<ScoredPayload>(event).map(|payload| Content::Screened(payload.scored))
            }
            (Order::TYPE, "Frozen") if is_own => {
                read::<FrozenPayload>(event).map(|payload| Content::Held(is_somebodys_word(payload.frozen.cause)))
            }
            (Order::TYPE, "FreezeConfirmed") if is_own => Ok(Content::Held(true)),
            (Order::TYPE, "Released") if is_own => Ok(Content::Held(false)),
            (Order::TYPE, _) => Ok(Content::Nothing),
            _ => Ok(Content::Other(Box::new(event.kept()))),
        };
        Self { position, stream, sequence, recorded_at, other, content }
    }
}

/// Whether a person or the customer said that the order is not good, and not a score or the time.
pub(super) const fn is_somebodys_word(cause: FrozenCause) -> bool {
    match cause {
        FrozenCause::Reviewer | FrozenCause::ChallengeFailed => true,
        FrozenCause::Score | FrozenCause::ChallengeExpired => false,
    }
}
