//! How many different values a stretch of a series holds.
//!
//! Every occurrence knows the time of the one before it that has the same value. A stretch `(after, through]` holds as many
//! different values as it has occurrences whose predecessor lies at or before `after`. Up to the newest occurrence that
//! is the number of values whose last occurrence lies behind `after`, a sum in O(log n). For an earlier `through` the
//! occurrences behind it are looked through and left out again, or those of the stretch are counted, whichever are fewer:
//! one comparison each, so that an order that is late by seconds costs little more than one in time.

use rustc_hash::FxHashMap;

use super::order::{Key, Position};
use super::series::{Entry, Series, Stretch, Sum};

/// The predecessor of a first occurrence.
const NEVER: i64 = i64::MIN;

#[derive(Clone, Copy)]
struct Occurrence {
    position: Position,
    value: Key,
    /// When the value occurred before; [`NEVER`] if it did not.
    previous: i64,
    /// Whether it did not occur since.
    last: bool,
    /// Whether the value is marked; counts on its last occurrence only.
    marked: bool,
}

#[derive(Clone, Copy, Default)]
struct Lasts {
    occurrences: usize,
    /// Last occurrences.
    values: usize,
    /// Those of marked values.
    marked: usize,
}

impl Sum for Lasts {
    fn plus(&self, other: &Self) -> Self {
        Self {
            occurrences: self.occurrences + other.occurrences,
            values: self.values + other.values,
            marked: self.marked + other.marked,
        }
    }
}

impl Entry for Occurrence {
    type Sum = Lasts;

    fn position(&self) -> Position {
        self.position
    }

    fn sum(&self) -> Lasts {
        Lasts { occurrences: 1, values: self.last.into(), marked: (self.last && self.marked).into() }
    }
}

/// The occurrences of one dimension in one entity's orders; orders without a value have none.
#[derive(Default)]
pub(super) struct Distinct {
    occurrences: Series<Occurrence>,
    lasts: FxHashMap<Key, Position>,
}

impl Distinct {
    /// Adds an occurrence. If it is the last of a marked value, the caller marks it.
    pub(super) fn insert(&mut self, position: Position, value: Key) {
        let mut occurrence = Occurrence { position, value, previous: NEVER, last: true, marked: false };
        match self.lasts.get(&value).copied() {
            Some(last) if position < last => {
                let next = self.next(position, value).expect("the last occurrence lies behind");
                occurrence.last = false;
                occurrence.previous = next.previous;
                self.occurrences.update(next.position, |next| next.previous = position.time);
            }
            Some(last) => {
                occurrence.previous = last.time;
                self.occurrences.update(last, |last| last.last = false);
                self.lasts.insert(value, position);
            }
            None => {
                self.lasts.insert(value, position);
            }
        }
        self.occurrences.insert(occurrence);
    }

    /// Takes out an occurrence as if it had never been.
    pub(super) fn remove(&mut self, position: Position, value: Key) {
        let Some(gone) = self.occurrences.remove(position) else { return };
        if !gone.last {
            let next = self.next(position, value).expect("an occurrence that is not the last has one behind it");
            return self.occurrences.update(next.position, |next| next.previous = gone.previous);
        }
        // The predecessor may have been evicted; then this was the only one left.
        let run = Stretch { after: gone.previous.saturating_sub(1), through: gone.previous };
        let same = self.occurrences.within(run).filter(|other| other.value == value && other.position < position);
        match same.last().map(|previous| previous.position) {
            Some(previous) => {
                self.occurrences.update(previous, |previous| {
                    previous.last = true;
                    previous.marked = gone.marked;
                });
                self.lasts.insert(value, previous);
            }
            None => {
                self.lasts.remove(&value);
            }
        }
    }

    /// Takes out the earliest occurrence. Those behind keep pointing at its time: it lies before every stretch that may
    /// still be asked for.
    pub(super) fn evict(&mut self, position: Position, value: Key) {
        if self.occurrences.remove(position).is_some_and(|gone| gone.last) {
            self.lasts.remove(&value);
        }
    }

    /// Sets or clears the mark of a value that occurs.
    pub(super) fn mark(&mut self, value: Key, marked: bool) {
        if let Some(last) = self.lasts.get(&value) {
            self.occurrences.update(*last, |last| last.marked = marked);
        }
    }

    /// Different values of a stretch.
    pub(super) fn count(&self, stretch: Stretch) -> usize {
        self.count_those(stretch, |lasts| lasts.values, |_| true)
    }

    /// Different values of a stretch among those that `wanted` agrees to, which must be all the unmarked ones and the
    /// marked ones that `excepted` yields.
    pub(super) fn count_unmarked(
        &self,
        stretch: Stretch,
        excepted: impl Iterator<Item = Key>,
        wanted: impl Fn(Key) -> bool,
    ) -> usize {
        let excepted =
            excepted.filter(|value| self.lasts.get(value).is_some_and(|last| last.time > stretch.after)).count();
        self.count_those(stretch, |lasts| lasts.values - lasts.marked + excepted, wanted)
    }

    /// Counts by `lasts` what the stretch and everything behind it hold, and corrects that for what lies behind.
    fn count_those(&self, stretch: Stretch, lasts: impl Fn(Lasts) -> usize, wanted: impl Fn(Key) -> bool) -> usize {
        let open = self.occurrences.sum(Stretch { after: stretch.after, through: i64::MAX });
        if self.occurrences.last().is_none_or(|newest| newest.position.time <= stretch.through) {
            return lasts(open);
        }
        let first = |other: &&Occurrence| other.previous <= stretch.after && wanted(other.value);
        let behind = Stretch { after: stretch.through, through: i64::MAX };
        if self.occurrences.sum(behind).occurrences * 2 <= open.occurrences {
            lasts(open) - self.occurrences.within(behind).filter(first).count()
        } else {
            self.occurrences.within(stretch).filter(first).count()
        }
    }

    /// Whether the value of the occurrence at a position occurred before, evicted occurrences included.
    pub(super) fn occurred_before(&self, position: Position) -> bool {
        self.occurrences.get(position).is_some_and(|occurrence| occurrence.previous != NEVER)
    }

    /// The value that occurred right before a position.
    pub(super) fn value_before(&self, position: Position) -> Option<Key> {
        self.occurrences.before(position).map(|occurrence| occurrence.value)
    }

    fn next(&self, position: Position, value: Key) -> Option<Occurrence> {
        self.occurrences.behind(position).find(|other| other.value == value).copied()
    }
}
