//! What is certainly not in the log. Most orders are new, and what is not there need not be looked for on the disk.
//!
//! A Bloom filter over the names of streams, the keys of deliveries and the subjects of data keys: what it does not hold is not
//! stored; a hundredth or two of what is not stored it takes for stored, and that is looked for in vain. It speaks for a partition from
//! the moment when all rows have been gone through that the partition had when this process acquired it; that happens beside
//! everything else. What is appended since is remembered before it is sent to the store. A process that ends in order leaves what it
//! knows in a file, see `kept`, and the one after it speaks at once.
//!
//! A process that was followed by another without knowing it speaks for a partition that is not its own. It can write nothing by
//! that, and answers nothing by that alone: the engine asks for the head before it answers where nothing is written.

mod kept;
#[cfg(test)]
pub(crate) mod tests;

use std::hash::{BuildHasher, BuildHasherDefault};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use domain::ids::{MerchantId, Token};
use fastbloom::BloomFilter;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHasher};
use tokio::sync::{Notify, OnceCell};

use self::kept::Kept;
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
    /// Where it is kept from one run to the next, if it is.
    file: Mutex<Option<PathBuf>>,
    /// Whether that was looked at.
    begun: OnceCell<()>,
}

#[derive(Debug, Default)]
struct Known {
    layers: Vec<Layer>,
    is_full: bool,
    /// How often each partition was acquired.
    turns: FxHashMap<u32, u64>,
    /// Partitions whose rows have to be gone through, and the epoch in which each was acquired.
    waiting: FxHashMap<u32, u64>,
    /// Partitions that it speaks for, and the epoch in which each was acquired.
    complete: FxHashMap<u32, u64>,
    /// Partitions that the run before spoke for when it ended.
    kept: FxHashMap<u32, Mark>,
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

/// Tells a partition's log from every other: the leaf hash of its last event, zeros while it has none.
pub(crate) type End = [u8; 32];

/// How a partition was left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mark {
    /// In which it was written.
    epoch: u64,
    end: End,
}

/// A store whose rows can be gone through.
#[async_trait]
pub(crate) trait Rows: Send + Sync {
    /// How a partition ends now.
    async fn end(&self, partition: u32) -> Result<End, LogError>;

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

    /// Begins with what the run before left in a file, and leaves what is known at the end in the same.
    pub(crate) fn keep_in(&self, path: PathBuf) {
        *self.file() = Some(path);
    }

    /// From now on this process alone writes to the partition: its rows are worth going through, unless a run before went through
    /// them and nobody wrote since.
    pub(crate) async fn acquired(&self, partition: u32, epoch: u64, rows: &impl Rows) {
        self.begun.get_or_init(|| self.begin()).await;
        let kept = self.known().kept.remove(&partition).filter(|mark| mark.epoch.checked_add(1) == Some(epoch));
        let is_known = match kept {
            Some(mark) => rows.end(partition).await.is_ok_and(|end| end == mark.end),
            None => false,
        };
        let mut known = self.known();
        if is_known {
            known.complete.insert(partition, epoch);
        } else {
            known.waiting.insert(partition, epoch);
            self.wake.notify_one();
        }
    }

    /// Takes what the run before left. Only now, so that who acquires nothing takes nothing away.
    async fn begin(&self) {
        let Some(path) = self.file().clone() else { return };
        let named = path.display().to_string();
        // One that panicked has told of itself.
        let Ok(taken) = tokio::task::spawn_blocking(move || kept::take(&path)).await else { return };
        match taken {
            Ok(Some(Kept { marks, layers })) => {
                let mut known = self.known();
                (known.layers, known.kept) = (layers, marks);
            }
            Ok(None) => {}
            Err(reason) => {
                let reason = &reason as &dyn std::error::Error;
                tracing::warn!(file = named, reason, "what is known to be absent is ignored");
            }
        }
    }

    /// How the partitions that it speaks for end, while the store can be read. Whatever is appended afterwards makes the mark one
    /// that nothing goes with.
    pub(crate) async fn marks(&self, rows: &impl Rows) -> FxHashMap<u32, Mark> {
        let mut marks = FxHashMap::default();
        if self.file().is_none() {
            return marks;
        }
        let complete = self.known().complete.clone();
        for (partition, epoch) in complete {
            if let Ok(end) = rows.end(partition).await {
                marks.insert(partition, Mark { epoch, end });
            }
        }
        marks
    }

    /// Leaves what is known to the next run. Nothing is appended any more.
    pub(crate) async fn leave(&self, marks: FxHashMap<u32, Mark>) {
        let Some(path) = self.file().take().filter(|_| !marks.is_empty()) else { return };
        let layers = {
            let mut known = self.known();
            known.complete.clear();
            std::mem::take(&mut known.layers)
        };
        let named = path.display().to_string();
        let written = tokio::task::spawn_blocking(move || kept::write(&path, &Kept { marks, layers })).await;
        if let Ok(Err(error)) = written {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(file = named, error, "what is known to be absent cannot be kept");
        }
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
            known.waiting.keys().map(|partition| (*partition, known.turn(*partition))).collect()
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
            if known.turn(partition) == turn
                && let Some(epoch) = known.waiting.remove(&partition)
            {
                known.complete.insert(partition, epoch);
            }
        }
        Ok(())
    }

    /// What of this may be there, to be looked for.
    pub(crate) fn narrow(&self, wanted: &Wanted) -> Narrowed {
        let known = self.known();
        let is_certain = known.complete.contains_key(&wanted.partition) && !known.is_full;
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

    fn file(&self) -> MutexGuard<'_, Option<PathBuf>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
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
