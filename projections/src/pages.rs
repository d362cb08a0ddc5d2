//! Pages of the log, read and decoded once for all projections that stand at the same place.
//!
//! At the tail every projection asks for the same page within milliseconds; the last few are kept, without their payloads.

use std::collections::VecDeque;
use std::sync::Arc;

use domain::ids::MerchantId;
use eventlog::{EventLog, LogError, Position, RecordedEvent};
use tokio::sync::Mutex;

use crate::change::{Envelope, OrderChange, PoisonEvent, read_change};

/// Events folded and committed in one transaction.
pub(crate) const PAGE_EVENTS_MAX: u32 = 4_000;
/// Pages kept per partition, for projections that are a little behind each other.
const PAGES_KEPT: usize = 4;

/// Consecutive events of one partition.
pub(crate) struct Page {
    after: Position,
    /// The orders' events, in the order of positions.
    pub(crate) changes: Vec<Entry>,
    /// Where a projection stands when it has folded them all.
    pub(crate) end: Mark,
    /// The event behind `end` that cannot be read.
    pub(crate) poison: Option<PoisonEvent>,
    /// Whether the log holds more behind it, as far as this read could tell.
    pub(crate) full: bool,
}

/// One event of an order.
pub(crate) struct Entry {
    pub(crate) merchant: MerchantId,
    pub(crate) envelope: Envelope,
    pub(crate) change: OrderChange,
}

/// A position with what the event there looked like, so that a checkpoint is told from one of another log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Mark {
    pub(crate) position: Position,
    pub(crate) text: String,
}

impl Mark {
    pub(crate) fn of(event: &RecordedEvent) -> Self {
        let text = format!("{}/{}@{}", event.stream, event.sequence, event.recorded_at.millis());
        Self { position: event.position, text }
    }
}

/// The pages of all partitions of a log.
pub(crate) struct Pages {
    log: Arc<dyn EventLog>,
    kept: Vec<Mutex<VecDeque<Arc<Page>>>>,
}

impl Pages {
    pub(crate) fn new(log: Arc<dyn EventLog>) -> Self {
        let kept = (0..log.partitions()).map(|_| Mutex::new(VecDeque::with_capacity(PAGES_KEPT))).collect();
        Self { log, kept }
    }

    pub(crate) fn log(&self) -> &dyn EventLog {
        &*self.log
    }

    /// The page after a checkpoint, `None` at the head of the log; shared with whoever asks for it next.
    pub(crate) async fn shared(&self, partition: u32, after: &Mark) -> Result<Option<Arc<Page>>, LogError> {
        let Some(kept) = usize::try_from(partition).ok().and_then(|index| self.kept.get(index)) else {
            return Ok(None);
        };
        let mut kept = kept.lock().await;
        if let Some(page) = kept.iter().find(|page| page.after == after.position) {
            return Ok(Some(Arc::clone(page)));
        }
        let page = self.fresh(partition, after).await?;
        if let Some(page) = &page {
            if kept.len() == PAGES_KEPT {
                kept.pop_front();
            }
            kept.push_back(Arc::clone(page));
        }
        Ok(page)
    }

    /// The page after a checkpoint, for one who reads far behind the others.
    pub(crate) async fn fresh(&self, partition: u32, after: &Mark) -> Result<Option<Arc<Page>>, LogError> {
        let events = self.log.read(partition, after.position, PAGE_EVENTS_MAX).await?;
        Ok((!events.is_empty()).then(|| Arc::new(decode(after, &events))))
    }
}

fn decode(after: &Mark, events: &[Arc<RecordedEvent>]) -> Page {
    let mut page = Page {
        after: after.position,
        changes: Vec::with_capacity(events.len()),
        end: after.clone(),
        poison: None,
        full: events.len() >= usize::try_from(PAGE_EVENTS_MAX).unwrap_or(usize::MAX),
    };
    for event in events {
        match read_change(event) {
            Ok(Some((envelope, change))) => {
                page.changes.push(Entry { merchant: event.key.merchant.clone(), envelope, change });
            }
            Ok(None) => {}
            Err(poison) => {
                page.poison = Some(poison);
                break;
            }
        }
        page.end.position = event.position;
    }
    if let Some(last) = events.iter().rev().find(|event| event.position == page.end.position) {
        page.end = Mark::of(last);
    }
    page
}
