//! Replay: every decision computed again from the log alone, and compared with the recorded one byte for byte.

use std::num::NonZeroUsize;
use std::sync::Arc;

use cqrs_es::Aggregate;
use domain::order::OrderEvent;
use eventlog::{EventLog, LogError, Position, RecordedEvent, StreamId};
use lru::LruCache;
use rustc_hash::FxBuildHasher;

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
    };
    let mut pages = Pages::after(log.clone(), partition, 0);
    let mut after = 0;
    while let Some(page) = pages.next().await? {
        for event in &page {
            if event.position != after + 1 {
                return Err(ReplayError::Gap { partition, expected: after + 1, found: event.position });
            }
            after = event.position;
            replay.take(&*log, event).await?;
        }
        progress(after);
    }
    Ok(replay.found)
}

struct Replay {
    memory: Memory,
    orders: LruCache<StreamId, CachedOrder, FxBuildHasher>,
    found: Replayed,
}

impl Replay {
    async fn take(&mut self, log: &dyn EventLog, event: &RecordedEvent) -> Result<(), ReplayError> {
        self.found.events += 1;
        if &*event.key.aggregate_type != domain::order::Order::TYPE {
            return Ok(self.memory.fold(event)?);
        }
        let mut cached = match self.orders.pop(&event.stream) {
            Some(cached) => cached,
            None if event.sequence == 1 => CachedOrder::default(),
            None => order_at(log, event.stream, event.sequence - 1).await?,
        };
        let order_event: OrderEvent = read(event)?;
        if let OrderEvent::Scored(_) = &order_event {
            self.compare(event, &order_event, &cached);
        }
        self.memory.apply_order(&event.key.merchant, event.stream, &order_event, event.recorded_at);
        cached.order.apply(order_event);
        cached.sequence = event.sequence;
        self.orders.put(event.stream, cached);
        Ok(())
    }

    fn compare(&mut self, event: &RecordedEvent, recorded: &OrderEvent, cached: &CachedOrder) {
        let OrderEvent::Scored(scored) = recorded else { return };
        let id = &*event.key.aggregate_id;
        let channel = id.split(':').next().unwrap_or_default();
        let recomputed = cached
            .order
            .known()
            .and_then(|known| self.memory.screen(&event.key.merchant, event.stream, channel, known, scored.cause))
            .map(|assessment| OrderEvent::Scored(assessment.scored));
        let recomputed = serde_json::to_string(&recomputed).expect("plain data has a JSON form");
        self.found.decisions += 1;
        if recomputed == *event.payload {
            self.found.identical += 1;
        } else if self.found.different.len() < DIFFERENCES_MAX {
            self.found.different.push(Difference {
                order: id.to_owned(),
                partition: event.partition,
                position: event.position,
                recorded: event.payload.to_string(),
                recomputed,
            });
        }
    }
}
