//! Replay: every decision computed again from the log alone, and compared with the recorded one byte for byte.
//!
//! The log is streamed once. While the decisions of one page are computed, the next ones are read and decoded by other
//! threads. Of a recorded decision only its cause is decoded: the rest must come out of what was before it.

use std::num::NonZeroUsize;
use std::sync::Arc;

use cqrs_es::Aggregate;
use domain::order::{OrderEvent, ScoredCause};
use eventlog::{EventLog, LogError, Position, RecordedEvent, StreamId};
use lru::LruCache;
use rustc_hash::FxBuildHasher;
use serde::Deserialize;

use crate::memory::{FoldError, Memory, read};
use crate::orders::{CachedOrder, order_at};
use crate::pages::Pages;

/// The most orders kept; others are read again from the log.
const CACHED_ORDERS_MAX: NonZeroUsize = NonZeroUsize::new(50_000).expect("not zero");
/// The most differences that are listed; all are counted.
pub const DIFFERENCES_MAX: usize = 1_000;

/// What a replay found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Replayed {
    /// Events read.
    pub events: u64,
    /// Screenings computed again.
    pub decisions: u64,
    /// Those equal to the recorded ones.
    pub identical: u64,
    /// The others, at most [`DIFFERENCES_MAX`].
    pub different: Vec<Difference>,
}

/// A recorded decision that the log does not give.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Which order.
    pub order: String,
    /// In which partition.
    pub partition: u32,
    /// Where.
    pub position: Position,
    /// The payload in the log.
    pub recorded: String,
    /// The payload that it should be.
    pub recomputed: String,
}

/// Why a replay could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The log cannot be read.
    #[error("event log cannot be read")]
    Log(#[from] LogError),
    /// The log holds what this version cannot read.
    #[error("event log cannot be folded")]
    Fold(#[from] FoldError),
    /// A position is missing.
    #[error("partition {partition} has position {found} where {expected} was expected")]
    Gap {
        /// Where.
        partition: u32,
        /// What should have come.
        expected: Position,
        /// What came.
        found: Position,
    },
}

/// Replays one partition from empty; `progress` hears of each page's last position.
pub async fn replay(
    log: Arc<dyn EventLog>,
    partition: u32,
    mut progress: impl FnMut(Position),
) -> Result<Replayed, ReplayError> {
    let mut replay = Replay {
        memory: Memory::default(),
        orders: LruCache::with_hasher(CACHED_ORDERS_MAX, FxBuildHasher),
        found: Replayed::default(),
        recomputed: Vec::new(),
    };
    let mut pages = Pages::decoded(log.clone(), partition, 0, Decoded::of);
    let mut after = 0;
    while let Some(page) = pages.next().await? {
        for Decoded { event, content } in page {
            if event.position != after + 1 {
                return Err(ReplayError::Gap { partition, expected: after + 1, found: event.position });
            }
            after = event.position;
            replay.take(&*log, &event, content?).await?;
        }
        progress(after);
    }
    Ok(replay.found)
}

/// An event, and what a replay makes of it before its turn has come.
struct Decoded {
    event: Arc<RecordedEvent>,
    content: Result<Content, FoldError>,
}

enum Content {
    /// A decision.
    Decision(ScoredCause),
    /// Any other event of an order.
    Order(OrderEvent),
    /// An event of another aggregate.
    Other,
}

/// A decision's payload, as far as it is given to the computation and not its outcome.
#[derive(Deserialize)]
struct Decision {
    #[serde(rename = "Scored")]
    scored: Given,
}

#[derive(Deserialize)]
struct Given {
    cause: ScoredCause,
}

impl Decoded {
    fn of(event: Arc<RecordedEvent>) -> Self {
        let content = match (&*event.key.aggregate_type, &*event.event_type) {
            (domain::order::Order::TYPE, "Scored") => {
                read(&event).map(|decision: Decision| Content::Decision(decision.scored.cause))
            }
            (domain::order::Order::TYPE, _) => read(&event).map(Content::Order),
            _ => Ok(Content::Other),
        };
        Self { event, content }
    }
}

struct Replay {
    memory: Memory,
    /// As far as screenings depend on them: by their facts.
    orders: LruCache<StreamId, CachedOrder, FxBuildHasher>,
    found: Replayed,
    /// The payload of the last decision, and room for that of the next.
    recomputed: Vec<u8>,
}

impl Replay {
    async fn take(&mut self, log: &dyn EventLog, event: &RecordedEvent, content: Content) -> Result<(), ReplayError> {
        self.found.events += 1;
        match content {
            Content::Other => self.memory.fold(event)?,
            Content::Decision(cause) => {
                self.at_hand(log, event).await?;
                self.compare(event, cause);
            }
            Content::Order(order_event) => {
                self.memory.apply_order(&event.key.merchant, event.stream, &order_event, event.recorded_at);
                if let OrderEvent::Placed(_) | OrderEvent::Amended(_) = &order_event {
                    self.at_hand(log, event).await?.order.apply(order_event);
                }
            }
        }
        Ok(())
    }

    /// The order of an event as it stood before.
    async fn at_hand(&mut self, log: &dyn EventLog, event: &RecordedEvent) -> Result<&mut CachedOrder, LogError> {
        if !self.orders.contains(&event.stream) {
            let order = match event.sequence {
                1 => CachedOrder::default(),
                sequence => order_at(log, event.stream, sequence - 1).await?,
            };
            self.orders.put(event.stream, order);
        }
        Ok(self.orders.get_mut(&event.stream).expect("it was just put there"))
    }

    fn compare(&mut self, event: &RecordedEvent, cause: ScoredCause) {
        let id = &*event.key.aggregate_id;
        let channel = id.split(':').next().unwrap_or_default();
        let known = self.orders.get(&event.stream).and_then(|cached| cached.order.known());
        let recomputed = known
            .and_then(|known| self.memory.screen(&event.key.merchant, event.stream, channel, known, cause))
            .map(|assessment| OrderEvent::Scored(assessment.scored));
        self.recomputed.clear();
        serde_json::to_writer(&mut self.recomputed, &recomputed).expect("plain data has a JSON form");
        self.found.decisions += 1;
        if self.recomputed == event.payload.as_bytes() {
            self.found.identical += 1;
        } else if self.found.different.len() < DIFFERENCES_MAX {
            self.found.different.push(Difference {
                order: id.to_owned(),
                partition: event.partition,
                position: event.position,
                recorded: event.payload.to_string(),
                recomputed: String::from_utf8_lossy(&self.recomputed).into_owned(),
            });
        }
    }
}
