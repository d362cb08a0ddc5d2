//! An order's event as far as read models need it.
//!
//! The names are those of [`domain::order::OrderEvent`]; what no read model keeps (lines, feature values, notes) is
//! skipped while the JSON is read, which is most of its bytes. An event that is none of these is an error: a name that is
//! not known here was written by a newer service, and to pass over it would make the rows wrong without a word.

use domain::ids::{OrderId, Token};
use domain::order::{Challenged, Frozen, IpFacts, PASS, PhoneFacts, Released, ReviewClaimed, StatusReported};
use domain::time::Timestamp;
use eventlog::{Position, RecordedEvent, StreamId};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// The aggregate type of orders in the log.
pub(crate) const ORDER: &str = "order";

/// What happened to an order.
#[derive(Debug, Deserialize)]
pub(crate) enum OrderChange {
    Placed(Placed),
    Amended(Amended),
    StatusReported(StatusReported),
    Scored(Scored),
    Challenged(Challenged),
    Verified(IgnoredAny),
    Frozen(Frozen),
    Released(Released),
    ReviewOpened(IgnoredAny),
    ReviewClaimed(ReviewClaimed),
    ReviewReturned(IgnoredAny),
    Noted(IgnoredAny),
    PersonalDataRevealed(IgnoredAny),
}

#[derive(Debug, Deserialize)]
pub(crate) struct Placed {
    pub(crate) facts: KnownFacts,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Amended {
    pub(crate) changes: KnownFacts,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct KnownFacts {
    pub(crate) placed_at: Option<Timestamp>,
    pub(crate) display_no: Option<Box<str>>,
    pub(crate) currency: Option<Box<str>>,
    pub(crate) amount: Option<i64>,
    pub(crate) customer: Option<KnownCustomer>,
    pub(crate) delivery: Option<KnownDelivery>,
    pub(crate) device: Option<Token>,
    pub(crate) ip: Option<IpFacts>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct KnownCustomer {
    pub(crate) token: Option<Token>,
    pub(crate) phone: Option<PhoneFacts>,
    pub(crate) level: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct KnownDelivery {
    pub(crate) address: Option<Token>,
    pub(crate) phone: Option<PhoneFacts>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Scored {
    pub(crate) score: i64,
    pub(crate) tier: Box<str>,
    /// As recorded, so that what is shown is what was hashed.
    pub(crate) hits: Box<RawValue>,
    pub(crate) rulebook_version: u32,
    #[serde(default)]
    pub(crate) exemption: Option<Box<str>>,
}

impl Scored {
    /// Whether the score reached the lowest tier.
    pub(crate) fn reached_a_tier(&self) -> bool {
        &*self.tier != PASS
    }
}

/// Where an event stands.
#[derive(Debug)]
pub(crate) struct Envelope {
    pub(crate) stream: StreamId,
    pub(crate) sequence: u64,
    pub(crate) order_id: OrderId,
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

/// Reads an event of an order; `None` for one of another aggregate.
pub(crate) fn read_change(event: &RecordedEvent) -> Result<Option<(Envelope, OrderChange)>, PoisonEvent> {
    if &*event.key.aggregate_type != ORDER {
        return Ok(None);
    }
    let poison = |reason: String| PoisonEvent { partition: event.partition, position: event.position, reason };
    let order_id =
        event.key.aggregate_id.parse().map_err(|_| poison("its stream is not named by an order id".into()))?;
    let change = serde_json::from_str(&event.payload).map_err(|error| {
        let at = format!("{:?} error at column {}", error.classify(), error.column());
        poison(format!("{} {at}", event.event_type))
    })?;
    let envelope = Envelope {
        stream: event.stream,
        sequence: event.sequence,
        order_id,
        position: event.position,
        recorded_at: event.recorded_at,
    };
    Ok(Some((envelope, change)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn recorded(aggregate_type: &str, payload: &str) -> RecordedEvent {
        RecordedEvent {
            partition: 0,
            position: 7,
            stream: 1,
            key: Arc::new(eventlog::StreamKey {
                merchant: "default".parse().unwrap(),
                aggregate_type: aggregate_type.into(),
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
        let Some((_, OrderChange::Scored(scored))) = read_change(&recorded("order", payload)).unwrap() else {
            panic!("expected a score");
        };
        assert_eq!(scored.hits.get(), r#"[{"rule":"r","points":80,"evidence":{"b":1,"a":null}}]"#);
    }

    #[test]
    fn an_unknown_event_is_poison_and_its_content_is_not_told() {
        let poison = read_change(&recorded("order", r#"{"Exploded":{"phone":"13800138000"}}"#)).unwrap_err();
        assert_eq!(poison.position, 7);
        assert!(!poison.to_string().contains("138"), "{poison}");
    }

    #[test]
    fn an_event_of_another_aggregate_is_passed_over_unread() {
        assert!(read_change(&recorded("rulebook", "not json")).unwrap().is_none());
    }
}
