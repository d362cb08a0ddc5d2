//! What is certainly not in the log. Most orders are new, and what is not there need not be looked for on the disk.
//!
//! A Bloom filter over the names of streams, the keys of deliveries and the subjects of data keys: what it does not hold is not
//! stored; a hundredth or two of what is not stored it takes for stored, and that is looked for in vain. It speaks for a partition from
//! the moment when all rows have been gone through that the partition had when this process acquired it; that happens beside
//! everything else. What is appended since is remembered before it is sent to the store.
//!
//! A process that was followed by another without knowing it speaks for a partition that is not its own. It can write nothing by
//! that, and answers nothing by that alone: the engine asks for the head before it answers where nothing is written.

use std::hash::{BuildHasher, BuildHasherDefault};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use domain::ids::{MerchantId, Token};
use fastbloom::BloomFilter;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet, FxHasher};
use tokio::sync::Notify;

use crate::partition::partition_of_id;
use crate::{Batch, DeliveryKey, Found, LogError, StreamKey, Wanted};

/// Rows of a page.
pub(crate) const ROWS_MAX: u16 = 4_096;
/// How often a layer answers wrongly that something may be there.
const FALSE_POSITIVES: f64 = 0.002;
/// Things in the first layer; each layer after it holds twice as many as the one before.
const FIRST_LAYER: usize = 1 << 16;
/// With so many layers 134 million things are remembered in 210 MiB. Past that nothing is certain any more.
const LAYERS_MAX: usize = 11;
/// For each moment of going through rows so many of rest: orders come first, and are looked up meanwhile.
const REST: u32 = 2;
/// How long a store rests that could not be gone through.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Absence {
    known: Mutex<Known>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Known {
    layers: Vec<Layer>,
    is_full: bool,
    /// How often each partition was acquired.
    turns: FxHashMap<u32, u64>,
    /// Partitions whose rows have to be gone through.
    waiting: FxHashSet<u32>,
    /// Partitions that it speaks for.
    complete: FxHashSet<u32>,
}

#[derive(Debug)]
struct Layer {
    filter: BloomFilter<BuildHasherDefault<FxHasher>>,
    room: usize,
}

/// Where a page of stored rows begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) kind: Kind,
    /// As the store goes through rows of this kind; 0 is the beginning.
    pub(crate) from: u128,
}

/// What is gone through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Streams,
    Deliveries,
    Subjects,
}

/// Some stored rows.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) rows: Vec<Stored>,
    /// Where the next page of the kind begins.
    pub(crate) next: Option<u128>,
}

/// One stored row.
#[derive(Debug)]
pub(crate) struct Stored {
    /// Tells the partition.
    pub(crate) id: u64,
    pub(crate) thing: Thing,
}

impl Page {
    /// A page of rows whose next begins after the last one's number, unless these are fewer than were asked for.
    pub(crate) fn numbered(rows: Vec<(u128, Stored)>) -> Self {
        let last = rows.last().filter(|_| rows.len() == usize::from(ROWS_MAX));
        let next = last.and_then(|(last, _)| last.checked_add(1));
        Self { rows: rows.into_iter().map(|(_, row)| row).collect(), next }
    }
}

/// What a name, a key or a subject comes down to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Thing(u64);

/// A store whose rows can be gone through.
#[async_trait]
pub(crate) trait Rows: Send + Sync {
    /// At most about [`ROWS_MAX`] rows of one kind.
    async fn page(&self, place: Place) -> Result<Page, LogError>;
}

impl Thing {
    pub(crate) fn stream(aggregate_type: &str, merchant: &str, aggregate_id: &str) -> Self {
        Self(FxBuildHasher.hash_one((0_u8, aggregate_type, merchant, aggregate_id)))
    }

    pub(crate) fn delivery(key: &DeliveryKey) -> Self {
        Self(FxBuildHasher.hash_one((1_u8, key.0)))
    }

    pub(crate) fn subject(merchant: &str, subject: &Token) -> Self {
        Self(FxBuildHasher.hash_one((2_u8, merchant, subject.as_bytes())))
    }

    fn named(key: &StreamKey) -> Self {
        Self::stream(&key.aggregate_type, key.merchant.as_str(), &key.aggregate_id)
    }
}

impl Absence {
    /// It speaks for the partition no longer: somebody else may write to it.
    pub(crate) fn doubt(&self, partition: u32) {
        let mut known = self.known();
        known.complete.remove(&partition);
        known.waiting.remove(&partition);
        *known.turns.entry(partition).or_default() += 1;
    }

    /// From now on this process alone writes to the partition: its rows are worth going through.
    pub(crate) fn acquired(&self, partition: u32) {
        self.known().waiting.insert(partition);
        self.wake.notify_one();
    }

    /// Before the batch is sent to the store: whatever becomes of it, nothing in it is certainly absent.
    pub(crate) fn remember(&self, batch: &Batch) {
        let mut known = self.known();
        known.extend(batch.streams.iter().map(|(_, key)| Thing::named(key)));
        known.extend(batch.deliveries.iter().map(|delivery| Thing::delivery(&delivery.key)));
        known.extend(batch.subject_keys.iter().map(|key| Thing::subject(key.merchant.as_str(), &key.subject)));
    }

    /// Goes through the rows of partitions that were acquired, for as long as it is let.
    pub(crate) async fn follow(&self, rows: &impl Rows) {
        loop {
            self.wake.notified().await;
            while let Err(error) = self.go_through(rows).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "stored rows cannot be gone through");
                // A damaged row stays so: everything is looked for until the next acquisition.
                if matches!(error, LogError::Damaged(_)) {
                    break;
                }
                tokio::time::sleep(AGAIN_AFTER).await;
            }
        }
    }

    async fn go_through(&self, rows: &impl Rows) -> Result<(), LogError> {
        let turns: FxHashMap<u32, u64> = {
            let known = self.known();
            known.waiting.iter().map(|partition| (*partition, known.turn(*partition))).collect()
        };
        if turns.is_empty() {
            return Ok(());
        }
        for kind in [Kind::Streams, Kind::Deliveries, Kind::Subjects] {
            let mut next = Some(0);
            while let Some(from) = next {
                let begun = Instant::now();
                let page = rows.page(Place { kind, from }).await?;
                let took = begun.elapsed();
                let wanted = page.rows.iter().filter(|row| turns.contains_key(&partition_of_id(row.id)));
                self.known().extend(wanted.map(|row| row.thing));
                next = page.next;
                if next.is_some() {
                    tokio::time::sleep(took * REST).await;
                }
            }
        }
        let mut known = self.known();
        for (partition, turn) in turns {
            if known.turn(partition) == turn && known.waiting.remove(&partition) {
                known.complete.insert(partition);
            }
        }
        Ok(())
    }

    /// What of this may be there, to be looked for.
    pub(crate) fn narrow(&self, wanted: &Wanted) -> Narrowed {
        let known = self.known();
        let is_certain = known.complete.contains(&wanted.partition) && !known.is_full;
        let may_be = |thing: Thing| !is_certain || known.holds(thing);
        let subject = |(merchant, subject): &(MerchantId, Token)| Thing::subject(merchant.as_str(), subject);
        Narrowed {
            streams: places(&wanted.streams, |key| may_be(Thing::named(key))),
            deliveries: places(&wanted.deliveries, |key| may_be(Thing::delivery(key))),
            subjects: places(&wanted.subjects, |named| may_be(subject(named))),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn turn(&self, partition: u32) -> u64 {
        self.turns.get(&partition).copied().unwrap_or_default()
    }

    fn holds(&self, thing: Thing) -> bool {
        // Most of what is there lies in the largest.
        self.layers.iter().rev().any(|layer| layer.filter.contains_hash(thing.0))
    }

    fn extend(&mut self, things: impl Iterator<Item = Thing>) {
        things.for_each(|thing| self.insert(thing));
    }

    fn insert(&mut self, thing: Thing) {
        if self.is_full || self.holds(thing) {
            return;
        }
        if self.layers.last().is_none_or(|layer| layer.room == 0) {
            if self.layers.len() == LAYERS_MAX {
                tracing::warn!(
                    "more is stored than can be remembered: new orders are looked for on the disk from now on"
                );
                (self.is_full, self.layers) = (true, Vec::new());
                return;
            }
            self.layers.push(Layer::with_room_for(FIRST_LAYER << self.layers.len()));
        }
        if let Some(layer) = self.layers.last_mut() {
            layer.filter.insert_hash(thing.0);
            layer.room -= 1;
        }
    }
}

impl Layer {
    fn with_room_for(room: usize) -> Self {
        Self {
            filter: BloomFilter::with_false_pos(FALSE_POSITIVES)
                .hasher(BuildHasherDefault::default())
                .expected_items(room),
            room,
        }
    }
}

/// The places in [`Wanted`] of what may be there.
#[derive(Debug)]
pub(crate) struct Narrowed {
    streams: Vec<usize>,
    deliveries: Vec<usize>,
    subjects: Vec<usize>,
}

impl Narrowed {
    /// Whether there is nothing to look for.
    pub(crate) fn is_empty(&self) -> bool {
        self.streams.is_empty() && self.deliveries.is_empty() && self.subjects.is_empty()
    }

    /// What is to be looked for.
    pub(crate) fn wanted(&self, wanted: &Wanted) -> Wanted {
        Wanted {
            partition: wanted.partition,
            streams: picked(&wanted.streams, &self.streams),
            deliveries: picked(&wanted.deliveries, &self.deliveries),
            subjects: picked(&wanted.subjects, &self.subjects),
        }
    }

    /// The answer to all that was wanted, from the answer to what was looked for.
    pub(crate) fn complete(self, wanted: &Wanted, found: Found) -> Found {
        Found {
            streams: spread(wanted.streams.len(), self.streams, found.streams),
            events: found.events,
            deliveries: spread(wanted.deliveries.len(), self.deliveries, found.deliveries),
            subject_keys: spread(wanted.subjects.len(), self.subjects, found.subject_keys),
        }
    }
}

fn places<T>(asked: &[T], may_be: impl Fn(&T) -> bool) -> Vec<usize> {
    asked.iter().enumerate().filter(|(_, one)| may_be(one)).map(|(place, _)| place).collect()
}

fn picked<T: Clone>(asked: &[T], places: &[usize]) -> Vec<T> {
    places.iter().map(|place| asked[*place].clone()).collect()
}

fn spread<T>(asked: usize, places: Vec<usize>, found: Vec<Option<T>>) -> Vec<Option<T>> {
    let mut answers: Vec<Option<T>> = std::iter::repeat_with(|| None).take(asked).collect();
    places.into_iter().zip(found).for_each(|(place, found)| answers[place] = found);
    answers
}

#[cfg(test)]
pub(crate) mod tests {
    use domain::time::Timestamp;

    use super::*;
    use crate::{EventLog, NewDelivery, NewEvent, SubjectKey};

    fn key(number: u64) -> DeliveryKey {
        let mut bytes = [0; 16];
        bytes[8..].copy_from_slice(&number.to_be_bytes());
        DeliveryKey(bytes)
    }

    #[test]
    fn nothing_that_was_inserted_is_absent_and_little_else_may_be_there() {
        let mut known = Known::default();
        let inserted = 6 * u64::try_from(FIRST_LAYER).unwrap();
        (0..inserted).for_each(|number| known.insert(Thing::delivery(&key(number))));
        assert_eq!(known.layers.len(), 3);
        assert!((0..inserted).all(|number| known.holds(Thing::delivery(&key(number)))));
        let wrong = (inserted..2 * inserted).filter(|number| known.holds(Thing::delivery(&key(*number)))).count();
        assert!(u64::try_from(wrong).unwrap() < inserted / 100, "{wrong}");
    }

    /// A store with one delivery, whose pages wait for a word.
    struct OneDelivery(Notify);

    #[async_trait]
    impl Rows for OneDelivery {
        async fn page(&self, place: Place) -> Result<Page, LogError> {
            if place.kind != Kind::Deliveries {
                return Ok(Page::default());
            }
            self.0.notified().await;
            Ok(Page { rows: vec![Stored { id: 1, thing: Thing::delivery(&key(1)) }], next: None })
        }
    }

    #[tokio::test]
    async fn it_speaks_for_a_partition_once_its_rows_were_gone_through_since_it_was_last_acquired() {
        let (absence, store) = (Absence::default(), OneDelivery(Notify::new()));
        let wanted = Wanted { deliveries: vec![key(1), key(2)], ..Wanted::default() };
        let looked_for = || absence.narrow(&wanted).deliveries;
        assert_eq!(looked_for(), [0, 1], "nothing is known of a partition that is not ours");

        absence.acquired(0);
        let through = absence.go_through(&store);
        let acquired_again = async {
            tokio::task::yield_now().await;
            absence.doubt(0);
            absence.acquired(0);
            store.0.notify_one();
        };
        tokio::join!(through, acquired_again).0.unwrap();
        assert_eq!(looked_for(), [0, 1], "what was gone through is older than the last owner");

        store.0.notify_one();
        absence.go_through(&store).await.unwrap();
        assert_eq!(looked_for(), [0]);
        let narrowed = absence.narrow(&wanted);
        assert_eq!(narrowed.wanted(&wanted).deliveries, [key(1)]);
        assert!(absence.narrow(&Wanted { deliveries: vec![key(2)], ..Wanted::default() }).is_empty());

        let delivery = NewDelivery { key: key(2), body: [0; 16], stream: 1, sequence: 1 };
        absence.remember(&Batch { deliveries: vec![delivery], ..Batch::default() });
        assert_eq!(looked_for(), [0, 1], "what is on its way may be there");

        absence.doubt(0);
        assert_eq!(looked_for(), [0, 1]);
    }

    /// Appends more than two pages hold of each kind.
    pub(crate) async fn fill(log: &impl EventLog) -> Batch {
        let acquired = log.acquire(0).await.unwrap();
        let merchant: MerchantId = "acme".parse().unwrap();
        let named = |number: u64| StreamKey {
            merchant: merchant.clone(),
            aggregate_type: "order".into(),
            aggregate_id: format!("web:{number}").into(),
        };
        let subject = |number: u64| SubjectKey {
            id: number,
            merchant: merchant.clone(),
            subject: Token::new(key(number).0),
            wrapped: [7; 40].into(),
        };
        let event = |stream: u64| NewEvent {
            stream,
            sequence: 1,
            event_type: "Placed",
            event_version: "1",
            payload: "{}".into(),
            metadata: "{}".into(),
            occurred_at: Timestamp::from_millis(1),
            recorded_at: Timestamp::from_millis(1),
        };
        let numbers = 1..=u64::from(ROWS_MAX) * 5 / 2;
        let batch = Batch {
            epoch: acquired.epoch,
            streams: numbers.clone().map(|number| (number, named(number))).collect(),
            events: numbers.clone().map(event).collect(),
            // Not in the order of their keys.
            deliveries: numbers
                .clone()
                .map(|number| NewDelivery {
                    key: key(number.reverse_bits()),
                    body: [0; 16],
                    stream: number,
                    sequence: 1,
                })
                .collect(),
            subject_keys: numbers.map(subject).collect(),
            ..Batch::default()
        };
        log.append(batch.clone()).await.unwrap();
        batch
    }

    /// Going through the rows of a store meets all that [`fill`] put there.
    pub(crate) async fn all_is_met(rows: &impl Rows, filled: &Batch) {
        let absence = Absence::default();
        absence.acquired(0);
        absence.go_through(rows).await.unwrap();
        let (streams, deliveries) = (filled.streams.iter(), filled.deliveries.iter());
        let subjects = filled.subject_keys.iter().map(|key| (key.merchant.clone(), key.subject));
        let wanted = Wanted {
            partition: 0,
            streams: streams.map(|(_, key)| key.clone()).collect(),
            deliveries: deliveries.map(|delivery| delivery.key).collect(),
            subjects: subjects.collect(),
        };
        let narrowed = absence.narrow(&wanted);
        let all: Vec<usize> = (0..wanted.streams.len()).collect();
        assert_eq!((&narrowed.streams, &narrowed.deliveries, &narrowed.subjects), (&all, &all, &all));
        assert!(absence.narrow(&Wanted { deliveries: vec![key(0)], ..Wanted::default() }).is_empty(), "it speaks");
    }
}
