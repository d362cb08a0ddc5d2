//! Replay: every decision computed again from the log alone, and compared with the recorded one byte for byte.
//!
//! The log is streamed once. While the decisions of one page are computed, the next ones are read and decoded by other
//! threads, where also stays what is not needed of them. Of a recorded decision only its cause is decoded: the rest must come
//! out of what was before it.

use std::num::NonZeroUsize;
use std::sync::Arc;

use cqrs_es::Aggregate;
use domain::order::{Facts, Order, OrderEvent, ScoredCause};
use domain::time::Timestamp;
use eventlog::{EventLog, LogError, Position, RecordedEvent, StreamId, StreamKey};
use lru::LruCache;
use rustc_hash::FxBuildHasher;
use serde::Deserialize;

use crate::memory::{FoldError, Memory, read};
use crate::orders::order_at;
use crate::pages::Pages;

/// The most orders whose facts are kept; those of others are read again from the log.
const CACHED_ORDERS_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");
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
        partition,
        memory: Memory::default(),
        facts: LruCache::with_hasher(CACHED_ORDERS_MAX, FxBuildHasher),
        found: Replayed::default(),
        recomputed: Vec::new(),
    };
    let mut pages = Pages::decoded(log.clone(), partition, 0, Step::of);
    let mut after = 0;
    while let Some(page) = pages.next().await? {
        for step in page {
            if step.position != after + 1 {
                return Err(ReplayError::Gap { partition, expected: after + 1, found: step.position });
            }
            after = step.position;
            replay.take(&*log, step).await?;
        }
        progress(after);
    }
    Ok(replay.found)
}

/// An event as far as a replay needs it.
struct Step {
    position: Position,
    stream: StreamId,
    sequence: u64,
    key: Arc<StreamKey>,
    recorded_at: Timestamp,
    content: Result<Content, FoldError>,
}

enum Content {
    /// What happened to an order.
    Order(Box<OrderEvent>),
    /// What was decided about one: why, and the payload.
    Decision(ScoredCause, Box<str>),
    /// What happened to an order and has no part in decisions.
    Nothing,
    /// What happened to another aggregate.
    Other(Arc<RecordedEvent>),
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

impl Step {
    fn of(mut event: Arc<RecordedEvent>) -> Self {
        let (position, stream, sequence) = (event.position, event.stream, event.sequence);
        let (key, recorded_at) = (event.key.clone(), event.recorded_at);
        let content = match (&*key.aggregate_type, &*event.event_type) {
            (Order::TYPE, "Scored") => read::<Decision>(&event).map(|decision| {
                let payload = Arc::get_mut(&mut event).map(|event| std::mem::take(&mut event.payload));
                Content::Decision(decision.scored.cause, payload.unwrap_or_else(|| event.payload.clone()))
            }),
            (Order::TYPE, "Placed" | "Amended" | "StatusReported") => {
                read(&event).map(|event| Content::Order(Box::new(event)))
            }
            (Order::TYPE, _) => Ok(Content::Nothing),
            _ => Ok(Content::Other(event)),
        };
        Self { position, stream, sequence, key, recorded_at, content }
    }
}

struct Replay {
    partition: u32,
    memory: Memory,
    /// The facts of orders, of which screenings are made besides windows; `None` before the placement.
    facts: LruCache<StreamId, Option<Facts>, FxBuildHasher>,
    found: Replayed,
    /// The payload of the last decision, and room for that of the next.
    recomputed: Vec<u8>,
}

impl Replay {
    async fn take(&mut self, log: &dyn EventLog, mut step: Step) -> Result<(), ReplayError> {
        self.found.events += 1;
        match std::mem::replace(&mut step.content, Ok(Content::Nothing))? {
            Content::Order(event) => {
                self.memory.apply_order(&step.key.merchant, step.stream, &event, step.recorded_at);
                match *event {
                    OrderEvent::Placed(placed) if step.sequence == 1 => {
                        self.facts.put(step.stream, Some(placed.facts));
                    }
                    OrderEvent::Placed(placed) => {
                        self.facts_before(log, &step).await?.get_or_insert(placed.facts);
                    }
                    OrderEvent::Amended(amended) => {
                        if let Some(facts) = self.facts_before(log, &step).await? {
                            facts.absorb(&amended.changes);
                        }
                    }
                    _ => {}
                }
            }
            Content::Decision(cause, payload) => {
                self.facts_before(log, &step).await?;
                self.compare(&step, cause, &payload);
            }
            Content::Nothing => {}
            Content::Other(event) => self.memory.fold(&event)?,
        }
        Ok(())
    }

    /// The facts of an order as they were before an event of it.
    async fn facts_before(&mut self, log: &dyn EventLog, step: &Step) -> Result<&mut Option<Facts>, LogError> {
        if !self.facts.contains(&step.stream) {
            let order = order_at(log, step.stream, step.sequence - 1).await?.order;
            self.facts.put(step.stream, order.known().map(|known| known.facts.clone()));
        }
        Ok(self.facts.get_mut(&step.stream).expect("they were just put there"))
    }

    fn compare(&mut self, step: &Step, cause: ScoredCause, recorded: &str) {
        let id = &*step.key.aggregate_id;
        let channel = id.split(':').next().unwrap_or_default();
        let recomputed = self.facts.get(&step.stream).and_then(Option::as_ref).and_then(|facts| {
            let assessment = self.memory.screen(&step.key.merchant, step.stream, channel, facts, cause)?;
            Some(OrderEvent::Scored(assessment.scored))
        });
        self.recomputed.clear();
        serde_json::to_writer(&mut self.recomputed, &recomputed).expect("plain data has a JSON form");
        self.found.decisions += 1;
        if self.recomputed == recorded.as_bytes() {
            self.found.identical += 1;
        } else if self.found.different.len() < DIFFERENCES_MAX {
            self.found.different.push(Difference {
                order: id.to_owned(),
                partition: self.partition,
                position: step.position,
                recorded: recorded.to_owned(),
                recomputed: String::from_utf8_lossy(&self.recomputed).into_owned(),
            });
        }
    }
}
