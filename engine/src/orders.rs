//! The order cache: hot orders with a bound; what is missing for a batch is looked up in one go.

use std::num::NonZeroUsize;

use cqrs_es::Aggregate;
use domain::ids::{IdError, MerchantId, OrderId};
use domain::order::Order;
use eventlog::{EventLog, LogError, RecordedEvent, StreamId, StreamKey};
use lru::LruCache;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

use crate::correction::ASKED_FOR_MAX;
use crate::memory::read;
use crate::writer::BATCH_MAX;

/// The most orders kept: an order takes about one kilobyte.
const CACHED_ORDERS_MAX: NonZeroUsize = NonZeroUsize::new(50_000).expect("not zero");

/// When so many orders were taken in by their streams, everything that was decided is committed before the next message.
const BY_STREAM_MAX: usize = 8_192;

/// What is decided and not yet committed is nowhere but here, and must not be pushed out; nor what one message asks for.
/// What is read beside the writer is what it decides next.
const _: () = assert!(CACHED_ORDERS_MAX.get() > 4 * BATCH_MAX + 2 * (BY_STREAM_MAX + 2 * ASKED_FOR_MAX));

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

/// An order with its name, as read by its stream.
pub(crate) type Folded = (OrderKey, CachedOrder);

/// The only writer of a partition may remember also that an order is not there.
///
/// The orders of the batch at hand lie outside the bounded cache, so that no batch can push out what it needs itself.
pub(crate) struct Orders {
    batch: FxHashMap<OrderKey, CachedOrder>,
    cache: LruCache<OrderKey, CachedOrder, FxBuildHasher>,
    /// The names of the newest orders, and of those that were asked for last, by their streams; as many as are cached.
    names: LruCache<StreamId, OrderKey, FxBuildHasher>,
    /// Orders that were taken in by their streams since everything was committed.
    by_stream: usize,
    /// Orders that are being read and have not come to hand since that began.
    expected: FxHashSet<OrderKey>,
}

impl Orders {
    pub(crate) fn new() -> Self {
        Self::with_room_for(CACHED_ORDERS_MAX)
    }

    fn with_room_for(orders: NonZeroUsize) -> Self {
        let cache = LruCache::with_hasher(orders, FxBuildHasher);
        let names = LruCache::with_hasher(orders, FxBuildHasher);
        Self { batch: FxHashMap::default(), cache, names, by_stream: 0, expected: FxHashSet::default() }
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

    /// Puts what was at hand into the cache, takes these orders from it, and tells which of them must be looked up and then
    /// [learnt](Self::learn).
    pub(crate) fn at_hand(&mut self, keys: impl Iterator<Item = OrderKey>) -> Vec<OrderKey> {
        for (key, order) in self.batch.drain() {
            self.cache.put(key, order);
        }
        let mut missing: Vec<OrderKey> = Vec::new();
        for key in keys {
            if self.batch.contains_key(&key) {
                continue;
            }
            match self.cache.pop(&key) {
                Some(order) => drop(self.batch.insert(key, order)),
                None => {
                    self.expected.remove(&key);
                    missing.push(key);
                }
            }
        }
        missing.sort_unstable();
        missing.dedup();
        missing
    }

    /// Takes in what was found of the missing ones: the streams in their order, and all events of those that are there.
    pub(crate) fn learn(
        &mut self,
        missing: Vec<OrderKey>,
        streams: &[Option<StreamId>],
        events: &[RecordedEvent],
    ) -> Result<(), LogError> {
        let mut folded: FxHashMap<StreamId, CachedOrder> = FxHashMap::default();
        for event in events {
            fold_one(folded.entry(event.stream).or_default(), event)?;
        }
        for (key, stream) in missing.into_iter().zip(streams) {
            let order = stream.and_then(|stream| folded.remove(&stream)).unwrap_or_default();
            self.batch.insert(key, order);
        }
        Ok(())
    }
}

/// Orders that are read while others are decided.
impl Orders {
    /// Of these the ones that are not at hand, by their streams: to be read, and then [taken in](Self::take_expected).
    pub(crate) fn expect(&mut self, coming: Vec<(StreamId, OrderKey)>) -> Vec<StreamId> {
        let Self { batch, cache, expected, .. } = self;
        let is_missing = |key: &OrderKey| !batch.contains_key(key) && !cache.contains(key);
        let missing = coming.into_iter().filter(|(_, key)| is_missing(key) && expected.insert(key.clone()));
        missing.map(|(stream, _)| stream).collect()
    }

    /// Takes in what was read. What came to hand meanwhile may be newer, also where it is no longer.
    pub(crate) fn take_expected(&mut self, read: Vec<Folded>) {
        for (key, order) in read {
            if self.expected.remove(&key) {
                self.cache.put(key, order);
            }
        }
        self.expected.clear();
    }
}

/// Orders by their streams, as windows know them.
impl Orders {
    /// Tells what a stream is called.
    pub(crate) fn name(&mut self, stream: StreamId, key: OrderKey) {
        self.names.put(stream, key);
    }

    /// Of these streams the ones that must be read and then [taken in](Self::take_in). What is at hand counts as used: it is not
    /// pushed out by what is taken in.
    pub(crate) fn unknown(&mut self, streams: &[StreamId]) -> Vec<StreamId> {
        let Self { batch, cache, names, .. } = self;
        let mut is_there = |stream: &StreamId| {
            let key = names.get(stream);
            key.is_some_and(|key| batch.contains_key(key) || cache.get(key).is_some())
        };
        let mut missing: Vec<StreamId> = streams.iter().filter(|stream| !is_there(stream)).copied().collect();
        missing.sort_unstable();
        missing
    }

    /// Takes in what was read of missing streams. What is at hand under the same name is newer and stays.
    pub(crate) fn take_in(&mut self, events: &[RecordedEvent]) -> Result<(), LogError> {
        for events in events.chunk_by(|one, next| one.stream == next.stream) {
            let Some(first) = events.first() else { continue };
            let key = key_of(first)?;
            self.expected.remove(&key);
            // What is in the cache counts as used, or what is taken in after it might push it out.
            if !self.batch.contains_key(&key) && self.cache.get(&key).is_none() {
                self.cache.put(key.clone(), fold(events)?);
                self.by_stream += 1;
            }
            self.names.put(first.stream, key);
        }
        Ok(())
    }

    /// An order that was taken in.
    pub(crate) fn of_stream(&self, stream: StreamId) -> Option<(&OrderKey, &CachedOrder)> {
        let key = self.names.peek(&stream)?;
        Some((key, self.batch.get(key).or_else(|| self.cache.peek(key))?))
    }

    /// The stream of an order that is at hand.
    pub(crate) fn stream_of(&self, key: &OrderKey) -> Option<StreamId> {
        self.batch.get(key).or_else(|| self.cache.peek(key))?.stream
    }

    /// Takes it out, to be [put](Self::put) back when it is decided.
    pub(crate) fn take_of_stream(&mut self, stream: StreamId) -> Option<(OrderKey, CachedOrder)> {
        let key = self.names.peek(&stream)?.clone();
        let order = self.batch.remove(&key).or_else(|| self.cache.pop(&key))?;
        self.by_stream += 1;
        Some((key, order))
    }

    /// Whether so many were taken in that everything must be committed before more are.
    pub(crate) const fn is_full(&self) -> bool {
        self.by_stream >= BY_STREAM_MAX
    }

    /// Everything is committed, and nothing would be lost with what is pushed out.
    pub(crate) const fn settle(&mut self) {
        self.by_stream = 0;
    }
}

/// What names an order's stream.
pub(crate) fn stream_key(merchant: &MerchantId, order: &OrderId) -> StreamKey {
    StreamKey { merchant: merchant.clone(), aggregate_type: Order::TYPE.into(), aggregate_id: order.as_str().into() }
}

/// An order as it stood when its stream had so many events.
pub(crate) async fn order_at(log: &dyn EventLog, stream: StreamId, sequence: u64) -> Result<CachedOrder, LogError> {
    let mut cached = CachedOrder::default();
    for event in log.read_streams(&[stream]).await?.iter().filter(|event| event.sequence <= sequence) {
        fold_one(&mut cached, event)?;
    }
    Ok(cached)
}

/// The orders of streams, each with all of its events.
pub(crate) fn folded(events: &[RecordedEvent]) -> Result<Vec<Folded>, LogError> {
    let streams = events.chunk_by(|one, next| one.stream == next.stream);
    streams.map(|events| Ok((key_of(&events[0])?, fold(events)?))).collect()
}

fn key_of(event: &RecordedEvent) -> Result<OrderKey, LogError> {
    let order = event.key.aggregate_id.parse().map_err(|error: IdError| LogError::Damaged(error.to_string()))?;
    Ok((event.key.merchant.clone(), order))
}

fn fold(events: &[RecordedEvent]) -> Result<CachedOrder, LogError> {
    let mut cached = CachedOrder::default();
    events.iter().try_for_each(|event| fold_one(&mut cached, event))?;
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
    use domain::order::{Facts, OrderEvent, Placed};
    use domain::time::Timestamp;

    use super::*;

    fn placed(order_no: &str, stream: StreamId) -> RecordedEvent {
        let (channel, order_no) = ("web".parse().unwrap(), order_no.parse().unwrap());
        let key = stream_key(&"shop".parse().unwrap(), &OrderId::new(&channel, &order_no));
        let placed = Placed { channel, order_no, as_of: None, facts: Facts::default(), vault: None };
        RecordedEvent {
            partition: 0,
            position: stream,
            stream,
            sequence: 1,
            key: key.into(),
            event_type: "Placed".into(),
            event_version: "1".into(),
            payload: serde_json::to_string(&OrderEvent::Placed(placed)).unwrap().into(),
            metadata: "{}".into(),
            occurred_at: Timestamp::default(),
            recorded_at: Timestamp::default(),
        }
    }

    #[test]
    fn what_is_asked_for_by_its_stream_stays_whatever_else_is_taken_in_with_it() {
        let mut orders = Orders::with_room_for(NonZeroUsize::new(3).unwrap());
        orders.take_in(&[placed("A1", 1), placed("A2", 2), placed("A3", 3)]).unwrap();
        // The names of other orders push those of the first out, and not the orders.
        (4..7).for_each(|stream| {
            orders.name(stream, ("shop".parse().unwrap(), format!("web:B{stream}").parse().unwrap()));
        });
        assert_eq!(orders.unknown(&[1, 8, 9]), [1, 8, 9]);
        orders.take_in(&[placed("A1", 1), placed("A8", 8), placed("A9", 9)]).unwrap();
        assert!([1, 8, 9].into_iter().all(|stream| orders.of_stream(stream).is_some()));
        assert_eq!(orders.unknown(&[1, 8, 9]), Vec::<StreamId>::new());
    }

    #[test]
    fn what_comes_to_hand_while_it_is_read_is_newer_than_what_was_read() {
        let key =
            |order_no: &str| -> OrderKey { ("shop".parse().unwrap(), format!("web:{order_no}").parse().unwrap()) };
        let mut orders = Orders::with_room_for(NonZeroUsize::new(2).unwrap());
        orders.take_in(&[placed("A1", 1)]).unwrap();
        let coming = (1..5).map(|stream| (stream, key(&format!("A{stream}")))).collect();
        assert_eq!(orders.expect(coming), [2, 3, 4], "the first is at hand");

        // The second has a further event, and the third is taken in and pushed out again.
        let missing = orders.at_hand([key("A2")].into_iter());
        orders.learn(missing, &[Some(2)], &[placed("A2", 2)]).unwrap();
        let mut second = orders.take(&key("A2"));
        second.sequence += 1;
        orders.put(key("A2"), second);
        orders.take_in(&[placed("A3", 3), placed("B1", 11), placed("B2", 12)]).unwrap();

        let read = (2..5).map(|stream| placed(&format!("A{stream}"), stream)).collect::<Vec<_>>();
        orders.take_expected(folded(&read).unwrap());
        assert_eq!(orders.at_hand(["A3", "A4"].map(key).into_iter()), [key("A3")], "what was read may be older");
        assert_eq!(orders.get(&key("A4")).unwrap().sequence, 1);
        assert_eq!(orders.at_hand([key("A2")].into_iter()), []);
        assert_eq!(orders.get(&key("A2")).unwrap().sequence, 2);
    }

    #[test]
    fn a_batch_larger_than_the_cache_pushes_out_nothing_that_it_needs() {
        let key =
            |order_no: &str| -> OrderKey { ("shop".parse().unwrap(), format!("web:{order_no}").parse().unwrap()) };
        let mut orders = Orders::with_room_for(NonZeroUsize::MIN);
        let missing = orders.at_hand([key("A")].into_iter());
        assert_eq!(missing, [key("A")]);
        orders.learn(missing, &[None], &[]).unwrap();
        let mut cached = orders.take(&key("A"));
        (cached.stream, cached.sequence) = (Some(7), 3);
        orders.put(key("A"), cached);

        let missing = orders.at_hand(["B", "C", "A", "B"].map(key).into_iter());
        assert_eq!(missing, [key("B"), key("C")], "A was in the cache");
        orders.learn(missing, &[None, None], &[]).unwrap();
        assert_eq!(orders.take(&key("B")).stream, None);
        assert_eq!(orders.take(&key("C")).stream, None);
        assert_eq!(orders.take(&key("A")).stream, Some(7), "it stays at hand");
    }
}
