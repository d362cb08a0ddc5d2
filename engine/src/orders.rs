//! The order cache: hot orders with a bound; what is missing for a batch is read in one go.

use std::num::NonZeroUsize;

use cqrs_es::Aggregate;
use domain::ids::{MerchantId, OrderId};
use domain::order::Order;
use eventlog::{EventLog, LogError, RecordedEvent, StreamId, StreamKey};
use lru::LruCache;
use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::memory::read;

/// The most orders kept: an order takes about one kilobyte.
const CACHED_ORDERS_MAX: NonZeroUsize = NonZeroUsize::new(50_000).expect("not zero");

/// An order as of its last event.
#[derive(Clone, Default)]
pub(crate) struct CachedOrder {
    /// Its stream; `None` while it has no event.
    pub(crate) stream: Option<StreamId>,
    /// The sequence of its last event.
    pub(crate) sequence: u64,
    /// Where it stands.
    pub(crate) order: Order,
}

pub(crate) type OrderKey = (MerchantId, OrderId);

/// The only writer of a partition may remember also that an order is not there.
///
/// The orders of the batch at hand lie outside the bounded cache, so that no batch can push out what it needs itself.
pub(crate) struct Orders {
    batch: FxHashMap<OrderKey, CachedOrder>,
    cache: LruCache<OrderKey, CachedOrder, FxBuildHasher>,
}

impl Orders {
    pub(crate) fn new() -> Self {
        Self::with_room_for(CACHED_ORDERS_MAX)
    }

    fn with_room_for(orders: NonZeroUsize) -> Self {
        Self { batch: FxHashMap::default(), cache: LruCache::with_hasher(orders, FxBuildHasher) }
    }

    /// Takes an order of the batch out, to be put back when it is decided.
    pub(crate) fn take(&mut self, key: &OrderKey) -> CachedOrder {
        self.batch.remove(key).expect("the orders of a batch are loaded before it is decided")
    }

    pub(crate) fn put(&mut self, key: OrderKey, order: CachedOrder) {
        self.batch.insert(key, order);
    }

    pub(crate) fn get(&self, key: &OrderKey) -> Option<&CachedOrder> {
        self.batch.get(key)
    }

    /// Puts the last batch's orders into the cache and makes sure that all of these are at hand.
    pub(crate) async fn load(&mut self, log: &dyn EventLog, keys: &[OrderKey]) -> Result<(), LogError> {
        for (key, order) in self.batch.drain() {
            self.cache.put(key, order);
        }
        let mut missing: Vec<&OrderKey> = Vec::new();
        for key in keys {
            if self.batch.contains_key(key) {
                continue;
            }
            match self.cache.pop(key) {
                Some(order) => drop(self.batch.insert(key.clone(), order)),
                None => missing.push(key),
            }
        }
        missing.sort_unstable();
        missing.dedup();
        if missing.is_empty() {
            return Ok(());
        }
        let names: Vec<StreamKey> = missing.iter().map(|(merchant, order)| stream_key(merchant, order)).collect();
        let streams = log.find_streams(&names).await?;
        let known: Vec<StreamId> = streams.iter().copied().flatten().collect();
        let mut folded = if known.is_empty() { FxHashMap::default() } else { fold_streams(log, &known).await? };
        for (key, stream) in missing.into_iter().zip(streams) {
            let order = stream.and_then(|stream| folded.remove(&stream)).unwrap_or_default();
            self.batch.insert(key.clone(), order);
        }
        Ok(())
    }
}

/// What names an order's stream.
pub(crate) fn stream_key(merchant: &MerchantId, order: &OrderId) -> StreamKey {
    StreamKey { merchant: merchant.clone(), aggregate_type: Order::TYPE.into(), aggregate_id: order.as_str().into() }
}

async fn fold_streams(log: &dyn EventLog, streams: &[StreamId]) -> Result<FxHashMap<StreamId, CachedOrder>, LogError> {
    let mut folded: FxHashMap<StreamId, CachedOrder> = FxHashMap::default();
    for event in log.read_streams(streams).await? {
        let cached = folded.entry(event.stream).or_default();
        fold_one(cached, &event)?;
    }
    Ok(folded)
}

/// An order as it stood when its stream had so many events.
pub(crate) async fn order_at(log: &dyn EventLog, stream: StreamId, sequence: u64) -> Result<CachedOrder, LogError> {
    let mut cached = CachedOrder::default();
    for event in log.read_streams(&[stream]).await?.iter().filter(|event| event.sequence <= sequence) {
        fold_one(&mut cached, event)?;
    }
    Ok(cached)
}

fn fold_one(cached: &mut CachedOrder, event: &RecordedEvent) -> Result<(), LogError> {
    cached.order.apply(read(event).map_err(|error| LogError::Damaged(error.to_string()))?);
    cached.stream = Some(event.stream);
    cached.sequence = event.sequence;
    Ok(())
}

#[cfg(test)]
mod tests {
    use eventlog::sqlite::SqliteLog;

    use super::*;

    #[tokio::test]
    async fn a_batch_larger_than_the_cache_pushes_out_nothing_that_it_needs() {
        let directory = tempfile::tempdir().unwrap();
        let log = SqliteLog::open(&directory.path().join("log.sqlite")).await.unwrap();
        let key =
            |order_no: &str| -> OrderKey { ("shop".parse().unwrap(), format!("web:{order_no}").parse().unwrap()) };
        let mut orders = Orders::with_room_for(NonZeroUsize::MIN);
        orders.load(&log, &[key("A")]).await.unwrap();
        let mut cached = orders.take(&key("A"));
        (cached.stream, cached.sequence) = (Some(7), 3);
        orders.put(key("A"), cached);

        orders.load(&log, &[key("B"), key("C"), key("A"), key("B")]).await.unwrap();
        assert_eq!(orders.take(&key("B")).stream, None);
        assert_eq!(orders.take(&key("C")).stream, None);
        assert_eq!(orders.take(&key("A")).stream, Some(7), "it was in the cache and stays at hand");
    }
}
