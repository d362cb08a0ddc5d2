//! Pages of the log: consecutive events of one partition, sorted by order.

use std::sync::Arc;

use domain::ids::{MerchantId, OrderId};
use eventlog::{EventLog, LogError, Position, RecordedEvent, StreamId};
use rustc_hash::FxHashMap;

use crate::change::{PoisonEvent, is_of_order, read_order_id};

/// Events folded and committed in one transaction.
pub(crate) const PAGE_EVENTS_MAX: u32 = 4_000;

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

/// Consecutive events of one partition.
pub(crate) struct Page {
    pub(crate) after: Position,
    pub(crate) events: Vec<Arc<RecordedEvent>>,
    /// For each event its place in `orders`; `None` where it is of another aggregate.
    pub(crate) places: Vec<Option<u32>>,
    /// In the order of first appearance, so that new rows are written in the order of their keys.
    pub(crate) orders: Vec<PageOrder>,
    /// The event behind the last one here, where that is of an order without a name.
    pub(crate) poison: Option<PoisonEvent>,
    /// Whether the log holds more behind it, as far as this read could tell.
    pub(crate) is_full: bool,
}

/// An order with events in a page.
pub(crate) struct PageOrder {
    pub(crate) stream: StreamId,
    pub(crate) merchant: MerchantId,
    pub(crate) id: OrderId,
    /// Whether its first event is in the page, so that there cannot be a stored row.
    pub(crate) begins: bool,
    /// The place of the first order of its merchant: what is summed by merchant is kept under it.
    pub(crate) first_of_merchant: usize,
}

impl Page {
    /// The page after a position, at most `limit` events long; `None` at the head of the log.
    pub(crate) async fn read(
        log: &dyn EventLog,
        partition: u32,
        after: Position,
        limit: u32,
    ) -> Result<Option<Self>, LogError> {
        let events = log.read(partition, after, limit).await?;
        let is_full = u32::try_from(events.len()).is_ok_and(|count| count >= limit);
        Ok((!events.is_empty()).then(|| Self::sorted(after, events, is_full)))
    }

    fn sorted(after: Position, mut events: Vec<Arc<RecordedEvent>>, is_full: bool) -> Self {
        let mut known: FxHashMap<StreamId, u32> = FxHashMap::default();
        let mut merchants: FxHashMap<MerchantId, usize> = FxHashMap::default();
        let mut places = Vec::with_capacity(events.len());
        let mut orders: Vec<PageOrder> = Vec::with_capacity(events.len() / 2);
        let mut poison = None;
        for event in &events {
            if !is_of_order(event) {
                places.push(None);
                continue;
            }
            let next = u32::try_from(orders.len()).unwrap_or(u32::MAX);
            let place = *known.entry(event.stream).or_insert(next);
            if place == next {
                match read_order_id(event) {
                    Ok(id) => {
                        let merchant = event.key.merchant.clone();
                        let first_of_merchant = match orders.last() {
                            Some(last) if last.merchant == merchant => last.first_of_merchant,
                            _ => *merchants.entry(merchant.clone()).or_insert(orders.len()),
                        };
                        let (stream, begins) = (event.stream, event.sequence == 1);
                        orders.push(PageOrder { stream, merchant, id, begins, first_of_merchant });
                    }
                    Err(unnamed) => {
                        poison = Some(unnamed);
                        break;
                    }
                }
            }
            places.push(Some(place));
        }
        events.truncate(places.len());
        Self { after, events, places, orders, poison, is_full }
    }

    /// The orders that a row may be stored of.
    pub(crate) fn known_streams(&self) -> Vec<StreamId> {
        self.orders.iter().filter(|order| !order.begins).map(|order| order.stream).collect()
    }
}
