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
use super::extract::Entries;
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
#[cfg_attr(test, derive(PartialEq, Debug))]
pub(super) struct RecordedHit {
    pub(super) rule: Box<str>,
    pub(super) points: i64,
}

#[derive(Deserialize)]
struct ScoredPayload<'a> {
    #[serde(rename = "Scored", borrow)]
    scored: Scored<'a>,
}

/// A screening as it stands in the log.
#[derive(Deserialize)]
#[cfg_attr(test, derive(PartialEq, Debug))]
pub(super) struct Scored<'a> {
    pub(super) score: i64,
    #[serde(deserialize_with = "tier")]
    pub(super) tier: Option<Box<str>>,
    pub(super) hits: Vec<RecordedHit>,
    #[serde(borrow)]
    pub(super) features: Told<'a>,
    #[serde(default)]
    pub(super) exemption: Option<Box<str>>,
    pub(super) cause: ScoredCause,
    #[serde(default)]
    pub(super) trigger: Option<IgnoredAny>,
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

/// Where an event stands, and whose it is.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) position: Position,
    pub(super) stream: StreamId,
    pub(super) sequence: u64,
    pub(super) recorded_at: Timestamp,
    pub(super) merchant: &'a MerchantId,
}

impl<'a> Place<'a> {
    pub(super) const fn of(event: Shown<'a>) -> Self {
        let Shown { position, stream, sequence, recorded_at, .. } = event;
        Self { position, stream, sequence, recorded_at, merchant: event.key.merchant }
    }
}

/// What an event says, whatever is tried.
#[cfg_attr(test, derive(PartialEq, Debug))]
pub(super) enum Said<'a> {
    Placed(Box<Placement>),
    Reported(Status, Timestamp),
    Scored(Scored<'a>),
    Held(bool),
    Nothing,
    /// One of the others, which are few.
    Other(Shown<'a>),
}

impl<'a> Said<'a> {
    /// Reads an event. What has a part only in back-tests of its own merchant is passed over where another one's is tried.
    pub(super) fn of(event: Shown<'a>, only: Option<&MerchantId>) -> Result<Self, FoldError> {
        let is_wanted = only.is_none_or(|only| only == event.key.merchant);
        if event.key.aggregate_type != Order::TYPE {
            return Ok(Self::Other(event));
        }
        match event.event_type {
            // Of every merchant: what one remembers may depend on the traffic of another.
            "Placed" => Placement::read(event).map(Self::Placed),
            "Amended" => Ok(Self::Other(event)),
            "StatusReported" => read::<ReportedPayload>(event).map(|payload| {
                let Reported { status, occurred_at, counts_from } = payload.reported;
                Self::Reported(status, counts_from.unwrap_or(occurred_at))
            }),
            "Scored" if is_wanted => read::<ScoredPayload<'_>>(event).map(|payload| Self::Scored(payload.scored)),
            "Frozen" if is_wanted => {
                read::<FrozenPayload>(event).map(|payload| Self::Held(is_somebodys_word(payload.frozen.cause)))
            }
            "FreezeConfirmed" => Ok(Self::Held(true)),
            "Released" => Ok(Self::Held(false)),
            _ => Ok(Self::Nothing),
        }
    }
}

/// Makes steps of events.
pub(super) struct Decoder {
    merchant: MerchantId,
    asked: Asked,
}

impl Decoder {
    /// For a draft of a merchant.
    pub(super) fn new(merchant: MerchantId, draft: Arc<Draft>) -> Self {
        Self { merchant, asked: Asked::new(draft) }
    }

    /// Reads an event of the log, for entries of an extract as well. Those end with one that cannot be read.
    pub(super) fn decode(&mut self, event: Shown<'_>, entries: &mut Option<Entries>) -> Step {
        if let Some(kept) = entries {
            match Said::of(event, None) {
                Ok(said) => {
                    kept.add(event, &said);
                    return self.step(Place::of(event), Ok(said));
                }
                Err(_) => *entries = None,
            }
        }
        self.step(Place::of(event), Said::of(event, Some(&self.merchant)))
    }

    pub(super) fn step(&mut self, place: Place<'_>, said: Result<Said<'_>, FoldError>) -> Step {
        let Place { position, stream, sequence, recorded_at, merchant } = place;
        let is_own = *merchant == self.merchant;
        let other = (!is_own).then(|| merchant.clone());
        let content = said.and_then(|said| self.content(said, is_own));
        Step { position, stream, sequence, recorded_at, other, content }
    }

    fn content(&mut self, said: Said<'_>, is_own: bool) -> Result<Content, FoldError> {
        Ok(match said {
            Said::Placed(placement) => Content::Placed(placement),
            Said::Reported(status, at) => Content::Reported(status, at),
            Said::Scored(scored) if is_own => Content::Screened(self.screened(scored)),
            Said::Held(is_held) if is_own => Content::Held(is_held),
            Said::Scored(_) | Said::Held(_) | Said::Nothing => Content::Nothing,
            Said::Other(event) => match (event.key.aggregate_type, event.event_type) {
                (Order::TYPE, _) => Content::Amended(Box::new(read(event)?)),
                (LiveRulebook::TYPE, "RulebookPublished") if is_own => {
                    Content::Published(read::<PublishedPayload>(event)?.published)
                }
                _ => Content::Other(Box::new(event.kept())),
            },
        })
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
