//! An order's event as far as read models need it.
//!
//! The names are those of [`domain::order::OrderEvent`]; what no read model keeps (titles, feature values, notes) is
//! skipped while the JSON is read, which is most of its bytes, and texts are borrowed from it. An event that is none of these
//! is an error: a name that is not known here was written by a newer service, and to pass over it would make the rows wrong
//! without a word.

use std::borrow::Cow;
use std::fmt;

use domain::ids::{OrderId, Token};
use domain::order::{
    Challenged, Frozen, PASS, Released, ReviewClaimed, ReviewOpened, ReviewReopened, StatusReported, StockReleaseDue,
    Verified,
};
use domain::time::Timestamp;
use eventlog::{Position, RecordedEvent, StreamId};
use serde::de::{Error, IgnoredAny, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The aggregate type of orders in the log.
pub(crate) const ORDER: &str = "order";

/// What happened to an order.
#[derive(Debug, Deserialize)]
pub(crate) enum OrderChange<'a> {
    #[serde(borrow)]
    Placed(Placed<'a>),
    #[serde(borrow)]
    Amended(Amended<'a>),
    StatusReported(StatusReported),
    #[serde(borrow)]
    Scored(Scored<'a>),
    Challenged(Challenged),
    ChallengeResent(IgnoredAny),
    CodeRejected(IgnoredAny),
    CallUnanswered(IgnoredAny),
    Verified(Verified),
    Frozen(Frozen),
    FreezeConfirmed(IgnoredAny),
    Released(Released),
    ReviewOpened(ReviewOpened),
    ReviewClosed(IgnoredAny),
    ReviewEscalated(IgnoredAny),
    ReviewReopened(ReviewReopened),
    ReviewClaimed(ReviewClaimed),
    ReviewReturned(IgnoredAny),
    Noted(IgnoredAny),
    PersonalDataRevealed(IgnoredAny),
    StockReleaseDue(StockReleaseDue),
}

#[derive(Debug, Deserialize)]
pub(crate) struct Placed<'a> {
    #[serde(borrow)]
    pub(crate) facts: KnownFacts<'a>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Amended<'a> {
    #[serde(borrow)]
    pub(crate) changes: KnownFacts<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct KnownFacts<'a> {
    pub(crate) placed_at: Option<Timestamp>,
    #[serde(borrow)]
    pub(crate) display_no: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) currency: Option<Text<'a>>,
    pub(crate) amount: Option<i64>,
    #[serde(borrow)]
    pub(crate) lines: Option<Vec<KnownLine<'a>>>,
    pub(crate) customer: Option<KnownCustomer>,
    pub(crate) delivery: Option<KnownDelivery>,
    pub(crate) device: Option<ShortToken>,
    pub(crate) ip: Option<KnownIp>,
    pub(crate) payment_due_at: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct KnownLine<'a> {
    #[serde(borrow)]
    pub(crate) sku: Text<'a>,
    pub(crate) quantity: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct KnownCustomer {
    pub(crate) token: Option<ShortToken>,
    pub(crate) phone: Option<KnownPhone>,
    pub(crate) level: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct KnownDelivery {
    pub(crate) address: Option<ShortToken>,
    pub(crate) phone: Option<KnownPhone>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct KnownPhone {
    pub(crate) token: ShortToken,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct KnownIp {
    pub(crate) token: ShortToken,
    pub(crate) net: ShortToken,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Scored<'a> {
    pub(crate) score: i64,
    #[serde(borrow)]
    pub(crate) tier: Text<'a>,
    /// As recorded, so that what is shown is what was hashed.
    #[serde(borrow)]
    pub(crate) hits: &'a RawValue,
    pub(crate) rulebook_version: u32,
    #[serde(borrow, default)]
    pub(crate) exemption: Option<Text<'a>>,
}

impl Scored<'_> {
    /// Whether the score reached the lowest tier.
    pub(crate) fn reached_a_tier(&self) -> bool {
        &*self.tier.0 != PASS
    }
}

/// A text, copied only where the JSON escapes something in it.
#[derive(Debug, Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

impl Text<'_> {
    pub(crate) fn boxed(&self) -> Box<str> {
        Box::from(&*self.0)
    }
}

/// A token in its short form, see [`Token::short`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShortToken(pub(crate) i64);

impl<'de> Deserialize<'de> for ShortToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Digits;
        impl Visitor<'_> for Digits {
            type Value = ShortToken;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a token")
            }

            fn visit_str<E: Error>(self, digits: &str) -> Result<ShortToken, E> {
                digits.parse::<Token>().map(|token| ShortToken(token.short())).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Digits)
    }
}

/// Where an event stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope<'a> {
    pub(crate) stream: StreamId,
    pub(crate) order_id: &'a OrderId,
    pub(crate) position: Position,
    pub(crate) recorded_at: Timestamp,
}

/// Why an event cannot be folded.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("event {position} of partition {partition} cannot be read: {reason}")]
pub struct PoisonEvent {
    /// Its partition.
    pub partition: u32,
    /// Its place there.
    pub position: Position,
    /// What is wrong with it; names the place in the payload, never its content.
    pub reason: String,
}

impl PoisonEvent {
    fn of(event: &RecordedEvent, reason: String) -> Self {
        Self { partition: event.partition, position: event.position, reason }
    }
}

/// Whether an event is of an order.
pub(crate) fn is_of_order(event: &RecordedEvent) -> bool {
    &*event.key.aggregate_type == ORDER
}

/// The order that an event is of.
pub(crate) fn read_order_id(event: &RecordedEvent) -> Result<OrderId, PoisonEvent> {
    let unnamed = |_| PoisonEvent::of(event, "its stream is not named by an order id".into());
    event.key.aggregate_id.parse().map_err(unnamed)
}

/// Reads what happened to an order.
pub(crate) fn read_change(event: &RecordedEvent) -> Result<OrderChange<'_>, PoisonEvent> {
    serde_json::from_str(&event.payload).map_err(|error| {
        let at = format!("{:?} error at column {}", error.classify(), error.column());
        PoisonEvent::of(event, format!("{} {at}", event.event_type))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn recorded(payload: &str) -> RecordedEvent {
        RecordedEvent {
            partition: 0,
            position: 7,
            stream: 1,
            key: Arc::new(eventlog::StreamKey {
                merchant: "default".parse().unwrap(),
                aggregate_type: ORDER.into(),
                aggregate_id: "web:A1".into(),
            }),
            sequence: 1,
            event_type: "Scored".into(),
            event_version: "1.0".into(),
            payload: payload.into(),
            metadata: "{}".into(),
            occurred_at: Timestamp::EARLIEST,
            recorded_at: Timestamp::EARLIEST,
        }
    }

    #[test]
    fn the_hits_keep_their_recorded_bytes() {
        let payload = r#"{"Scored":{"score":80,"tier":"sms","hits":[{"rule":"r","points":80,"evidence":{"b":1,"a":null}}],
            "features":{"b":1},"rulebook_version":3,"rulebook_hash":"00","cause":"placed"}}"#;
        let event = recorded(payload);
        let OrderChange::Scored(scored) = read_change(&event).unwrap() else {
            panic!("expected a score");
        };
        assert_eq!(scored.hits.get(), r#"[{"rule":"r","points":80,"evidence":{"b":1,"a":null}}]"#);
    }

    #[test]
    fn an_unknown_event_is_poison_and_its_content_is_not_told() {
        let poison = read_change(&recorded(r#"{"Exploded":{"phone":"13800138000"}}"#)).unwrap_err();
        assert_eq!(poison.position, 7);
        assert!(!poison.to_string().contains("138"), "{poison}");
    }
}
