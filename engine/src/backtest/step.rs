//! Events as far as a back-test needs them.

use std::borrow::Cow;
use std::sync::Arc;

use cqrs_es::Aggregate;
use domain::ids::MerchantId;
use domain::order::{FrozenCause, Order, OrderEvent, PASS, ScoredCause, Status};
use domain::publication::{LiveRulebook, RulebookPublished};
use domain::rulebook::Findings;
use domain::time::Timestamp;
use eventlog::{Position, RecordedEvent, Shown, StreamId};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use super::asked::{Asked, Draft, Told};
use crate::memory::FoldError;
use crate::pages::read;
use crate::placement::Placement;

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
    /// An order was placed.
    Placed(Box<Placement>),
    /// An order's facts changed.
    Amended(Box<OrderEvent>),
    /// A source reported on an order, and from when the report counts.
    Reported(Status, Timestamp),
    /// How an order was screened.
    Screened(Screened),
    /// An order is held by somebody's word, or is not any more.
    Held(bool),
    /// A version came into force.
    Published(Box<RulebookPublished>),
    /// What happened to an order and has no part in this.
    Nothing,
    /// What happened to another aggregate.
    Other(Box<RecordedEvent>),
}

/// A recorded screening.
pub(super) struct Screened {
    pub(super) score: i64,
    /// `None` where it is [`PASS`].
    pub(super) tier: Option<Box<str>>,
    pub(super) hits: Vec<RecordedHit>,
    pub(super) exemption: Option<Box<str>>,
    pub(super) cause: ScoredCause,
    /// Whether the order's own messages, or a person, made it necessary, and not what another order says.
    pub(super) is_own: bool,
    /// What the draft finds over the values that were read; `None` where the windows have to tell.
    pub(super) found: Option<Findings>,
}

/// A rule that fired.
#[derive(Deserialize)]
pub(super) struct RecordedHit {
    pub(super) rule: Box<str>,
    pub(super) points: i64,
}

#[derive(Deserialize)]
struct ScoredPayload<'a> {
    #[serde(rename = "Scored", borrow)]
    scored: Scored<'a>,
}

#[derive(Deserialize)]
struct Scored<'a> {
    score: i64,
    #[serde(deserialize_with = "tier")]
    tier: Option<Box<str>>,
    hits: Vec<RecordedHit>,
    #[serde(borrow)]
    features: Told<'a>,
    #[serde(default)]
    exemption: Option<Box<str>>,
    cause: ScoredCause,
    #[serde(default)]
    trigger: Option<IgnoredAny>,
}

fn tier<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<str>>, D::Error> {
    let tier = <Cow<'de, str>>::deserialize(deserializer)?;
    Ok((tier != PASS).then(|| tier.into()))
}

#[derive(Deserialize)]
struct ReportedPayload {
    #[serde(rename = "StatusReported")]
    reported: Reported,
}

#[derive(Deserialize)]
struct Reported {
    status: Status,
    occurred_at: Timestamp,
    #[serde(default)]
    counts_from: Option<Timestamp>,
}

#[derive(Deserialize)]
struct PublishedPayload {
    #[serde(rename = "RulebookPublished")]
    published: Box<RulebookPublished>,
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

/// Decodes events.
pub(super) struct Decoder {
    merchant: MerchantId,
    asked: Asked,
}

impl Decoder {
    /// For a draft of a merchant.
    pub(super) fn new(merchant: MerchantId, draft: Arc<Draft>) -> Self {
        Self { merchant, asked: Asked::new(draft) }
    }

    pub(super) fn decode(&mut self, event: Shown<'_>) -> Step {
        let Shown { position, stream, sequence, recorded_at, .. } = event;
        let is_own = *event.key.merchant == self.merchant;
        let other = (!is_own).then(|| event.key.merchant.clone());
        let content = match (event.key.aggregate_type, event.event_type) {
            // Of every merchant: what one remembers may depend on the traffic of another.
            (Order::TYPE, "Placed") => Placement::read(event).map(Content::Placed),
            (Order::TYPE, "Amended") => read(event).map(|event| Content::Amended(Box::new(event))),
            (Order::TYPE, "StatusReported") => read::<ReportedPayload>(event).map(|payload| {
                let Reported { status, occurred_at, counts_from } = payload.reported;
                Content::Reported(status, counts_from.unwrap_or(occurred_at))
            }),
            (Order::TYPE, "Scored") if is_own => {
                read::<ScoredPayload<'_>>(event).map(|payload| Content::Screened(self.screened(payload.scored)))
            }
            (Order::TYPE, "Frozen") if is_own => {
                read::<FrozenPayload>(event).map(|payload| Content::Held(is_somebodys_word(payload.frozen.cause)))
            }
            (Order::TYPE, "FreezeConfirmed") if is_own => Ok(Content::Held(true)),
            (Order::TYPE, "Released") if is_own => Ok(Content::Held(false)),
            (Order::TYPE, _) => Ok(Content::Nothing),
            (LiveRulebook::TYPE, "RulebookPublished") if is_own => {
                read::<PublishedPayload>(event).map(|payload| Content::Published(payload.published))
            }
            _ => Ok(Content::Other(Box::new(event.kept()))),
        };
        Step { position, stream, sequence, recorded_at, other, content }
    }

    /// For an order that is new nothing counts because of others.
    fn screened(&mut self, scored: Scored<'_>) -> Screened {
        let Scored { score, tier, hits, features, exemption, cause, trigger } = scored;
        let found = if cause == ScoredCause::Placed { self.asked.findings(&features) } else { None };
        Screened { score, tier, hits, exemption, cause, is_own: trigger.is_none(), found }
    }
}

/// Whether a person or the customer said that the order is not good, and not a score or the time.
pub(super) const fn is_somebodys_word(cause: FrozenCause) -> bool {
    match cause {
        FrozenCause::Reviewer | FrozenCause::ChallengeFailed => true,
        FrozenCause::Score | FrozenCause::ChallengeExpired => false,
    }
}
