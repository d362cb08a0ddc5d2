//! How many different values a stretch of a series holds.
//!
//! Every occurrence knows the time of the one before it that has the same value. A stretch `(after, through]` holds as many
//! different values as it has occurrences whose predecessor lies at or before `after`. Up to the newest occurrence that
//! is the number of values whose last occurrence lies behind `after`: last occurrences have a series of their own, which is
//! as long as there are values, and its sum answers in O(log n).
//!
//! For an earlier `through` the occurrences behind it are looked through and left out again, or those of the stretch are
//! counted: one comparison each. Where both are many, [`Openings`] of the window's length answer.

use std::collections::hash_map;

use rustc_hash::FxHashMap;

use super::openings::Openings;
use super::order::{Key, Position};
use super::series::{Entry, Series, Stretch, Sum};
use super::tally::Count;

/// The predecessor of a first occurrence.
pub(super) const NEVER: i64 = i64::MIN;
/// The most occurrences that are looked through; where there would be more, openings are kept.
const LOOK_THROUGH_MAX: usize = if cfg!(test) { 16 } else { 1_024 };
/// How many occurrences are looked at from one side before one is from the other.
const STRIDE: usize = if cfg!(test) { 2 } else { 32 };

#[derive(Clone, Copy)]
struct Occurrence {
    position: Position,
    value: Key,
    /// When the value occurred before; [`NEVER`] if it did not.
    previous: i64,
}

impl Entry for Occurrence {
    type Sum = Count;

    fn position(&self) -> Position {
        self.position
    }

    fn sum(&self) -> Count {
        Count(1)
    }
}

/// The last occurrence of a value.
#[derive(Clone, Copy)]
struct Last {
    position: Position,
    is_marked: bool,
}

#[derive(Clone, Copy, Default)]
struct Values {
    all: u32,
    marked: u32,
}

impl Sum for Values {
    fn plus(&self, other: &Self) -> Self {
        Self { all: self.all + other.all, marked: self.marked + other.marked }
    }

    fn exchanged(&self, gone: &Self, come: &Self) -> Option<Self> {
        Some(Self { all: self.all + come.all - gone.all, marked: self.marked + come.marked - gone.marked })
    }
}

impl Entry for Last {
    type Sum = Values;

    fn position(&self) -> Position {
        self.position
    }

    fn sum(&self) -> Values {
        Values { all: 1, marked: self.is_marked.into() }
    }
}

/// Where a value occurs first and last. A first occurrence that is evicted still stands there: the past tells more of it.
#[derive(Clone, Copy)]
struct Ends {
    first: Position,
    last: Position,
}

/// The occurrences of one dimension in one entity's orders; orders without a value have none.
#[derive(Default)]
pub(super) struct Distinct {
    occurrences: Series<Occurrence>,
    lasts: Series<Last>,
    ends_of: FxHashMap<Key, Ends>,
    /// One for each length of window that could not be answered by looking through.
    openings: Vec<Openings>,
}

impl Distinct {
    /// Adds an occurrence. If it is the last of a marked value, the caller marks that again.
    pub(super) fn insert(&mut self, position: Position, value: Key) {
        let previous = match self.ends_of.entry(value) {
            hash_map::Entry::Occupied(mut ends) if position < ends.get().last => {
                let last = ends.get().last;
                ends.get_mut().first = position.min(ends.get().first);
                let next = self.next(position, value, last);
                self.set_previous(&next, position.time);
                next.previous
            }
            hash_map::Entry::Occupied(mut ends) => {
                let before = std::mem::replace(&mut ends.get_mut().last, position);
                self.lasts.remove(before);
                self.lasts.insert(Last { position, is_marked: false });
                before.time
            }
            hash_map::Entry::Vacant(ends) => {
                ends.insert(Ends { first: position, last: position });
                self.lasts.insert(Last { position, is_marked: false });
                NEVER
            }
        };
        self.occurrences.insert(Occurrence { position, value, previous });
        self.openings.iter_mut().for_each(|openings| openings.insert(position, previous));
    }

    /// Takes out an occurrence as if it had never been.
    pub(super) fn remove(&mut self, position: Position, value: Key) {
        let Some(gone) = self.take(position) else { return };
        let ends = self.ends_of.get(&value).copied();
        let Some(Ends { first, last }) = ends.filter(|ends| ends.last != position) else {
            let is_marked = self.lasts.remove(position).is_some_and(|last| last.is_marked);
            // The predecessor may have been evicted; then this was the only one left.
            match self.predecessor(&gone).map(|previous| previous.position) {
                Some(position) => {
                    self.lasts.insert(Last { position, is_marked });
                    self.ends_of.entry(value).and_modify(|ends| ends.last = position);
                }
                None => drop(self.ends_of.remove(&value)),
            }
            return;
        };
        let next = self.next(position, value, last);
        self.set_previous(&next, gone.previous);
        if first == position {
            self.ends_of.entry(value).and_modify(|ends| ends.first = next.position);
        }
    }

    /// Takes out the earliest occurrence. Those behind keep pointing at its time: it lies before every stretch that may
    /// still be asked for.
    pub(super) fn evict(&mut self, position: Position, value: Key) {
        if self.take(position).is_some() && self.lasts.remove(position).is_some() {
            self.ends_of.remove(&value);
        }
    }

    /// Sets or clears the mark of a value that occurs.
    pub(super) fn mark(&mut self, value: Key, is_marked: bool) {
        if let Some(ends) = self.ends_of.get(&value) {
            self.lasts.update(ends.last, |last| last.is_marked = is_marked);
        }
    }

    /// Different values of a stretch.
    pub(super) fn count(&mut self, stretch: Stretch) -> usize {
        match self.look_through(stretch, |_| true) {
            Look::Sums { lasts, behind } => lasts.all as usize - behind,
            Look::Found(count) => count,
            Look::TooMany(_) => self.opened(stretch),
        }
    }

    /// Different values of a stretch that are not known to the order that is asked for: `is_known` tells one, `known` yields
    /// all that are, and `later` the marked ones that are not.
    pub(super) fn count_unknown(
        &mut self,
        stretch: Stretch,
        later: impl Iterator<Item = Key>,
        known: impl Iterator<Item = Key>,
        is_known: impl Fn(Key) -> bool,
    ) -> usize {
        let occurrences = match self.look_through(stretch, |value| !is_known(value)) {
            Look::Sums { lasts, behind } => {
                let later =
                    later.filter(|value| self.ends_of.get(value).is_some_and(|ends| ends.last.time > stretch.after));
                return (lasts.all - lasts.marked) as usize + later.count() - behind;
            }
            Look::Found(count) => return count,
            Look::TooMany(occurrences) => occurrences,
        };
        // To find a known value costs about as much as to look through a stride.
        let known: Vec<Key> = known.take(occurrences / STRIDE + 1).collect();
        if known.len() > occurrences / STRIDE {
            return self.opening(stretch, |value| !is_known(value));
        }
        let known = known.into_iter().filter(|value| self.occurs(*value, stretch)).count();
        self.opened(stretch) - known
    }

    /// Counts the values of a stretch that are wanted, if there are few occurrences to look through.
    fn look_through(&self, stretch: Stretch, wanted: impl Fn(Key) -> bool) -> Look {
        let newest = self.occurrences.last().map_or(i64::MIN, |newest| newest.position.time);
        let behind = Stretch { after: stretch.through, through: newest };
        if newest <= stretch.through || self.occurrences(behind) <= LOOK_THROUGH_MAX {
            let later = self.occurrences.within(behind).filter(|other| other.opens(stretch) && wanted(other.value));
            let lasts = self.lasts.sum(Stretch { after: stretch.after, through: newest });
            return Look::Sums { lasts, behind: later.count() };
        }
        match self.occurrences(stretch) {
            0..=LOOK_THROUGH_MAX => Look::Found(self.opening(stretch, wanted)),
            occurrences => Look::TooMany(occurrences),
        }
    }

    fn occurrences(&self, stretch: Stretch) -> usize {
        usize::try_from(self.occurrences.sum(stretch).0).unwrap_or(usize::MAX)
    }

    /// Wanted values of a stretch, looked through from end to end.
    fn opening(&self, stretch: Stretch, wanted: impl Fn(Key) -> bool) -> usize {
        self.occurrences.within(stretch).filter(|other| other.opens(stretch) && wanted(other.value)).count()
    }

    /// Different values of a stretch, by the openings of windows that long.
    fn opened(&mut self, stretch: Stretch) -> usize {
        let window = stretch.through.saturating_sub(stretch.after);
        let known = self.openings.iter().position(|openings| openings.window() == window);
        let at = known.unwrap_or_else(|| {
            let occurrences = self.occurrences.behind(Position::end_of(i64::MIN));
            let openings = Openings::new(window, occurrences.map(|other| (other.position, other.previous)));
            self.openings.push(openings);
            self.openings.len() - 1
        });
        let closed = self.occurrences(Stretch { after: i64::MIN, through: stretch.after });
        self.openings[at].opened_by(stretch.through) - closed
    }

    /// Whether the value of the occurrence at a position occurred before and that is not evicted.
    pub(super) fn occurred_before(&self, position: Position) -> bool {
        self.occurrences.get(position).is_some_and(|occurrence| self.predecessor(occurrence).is_some())
    }

    /// Where a value occurred first.
    pub(super) fn first_of(&self, value: Key) -> Option<Position> {
        self.ends_of.get(&value).map(|ends| ends.first)
    }

    /// The value that occurred right before a position.
    pub(super) fn value_before(&self, position: Position) -> Option<Key> {
        self.occurrences.before(position).map(|occurrence| occurrence.value)
    }

    fn take(&mut self, position: Position) -> Option<Occurrence> {
        let gone = self.occurrences.remove(position)?;
        self.openings.iter_mut().for_each(|openings| openings.remove(position, gone.previous));
        Some(gone)
    }

    fn set_previous(&mut self, of: &Occurrence, previous: i64) {
        self.occurrences.update(of.position, |of| of.previous = previous);
        for openings in &mut self.openings {
            openings.remove(of.position, of.previous);
            openings.insert(of.position, previous);
        }
    }

    fn occurs(&self, value: Key, stretch: Stretch) -> bool {
        let after = Position::end_of(stretch.after);
        let last = self.ends_of.get(&value).map(|ends| ends.last).filter(|last| *last > after);
        last.is_some_and(|last| {
            last.time <= stretch.through || self.next(after, value, last).position.time <= stretch.through
        })
    }

    /// The first occurrence of a value behind a position; `last`, its last one, lies behind too. Looked for from both
    /// sides at once: either the value is frequent and soon found, or it is rare and few lead back from its last.
    fn next(&self, position: Position, value: Key, last: Position) -> Occurrence {
        let mut ahead = self.occurrences.behind(position);
        let mut found = *self.occurrences.get(last).expect("the last occurrence of a value is there");
        loop {
            if let Some(next) = ahead.by_ref().take(STRIDE).find(|other| other.value == value) {
                return *next;
            }
            match self.predecessor(&found) {
                Some(previous) if previous.position > position => found = previous,
                _ => return found,
            }
        }
    }

    /// The occurrence of the same value before this one, if it is not evicted.
    fn predecessor(&self, of: &Occurrence) -> Option<Occurrence> {
        let run = Stretch { after: of.previous.saturating_sub(1), through: of.previous };
        let same = |other: &&Occurrence| other.value == of.value && other.position < of.position;
        self.occurrences.within(run).filter(same).last().copied()
    }
}

impl Occurrence {
    /// Whether it is the first of its value in a stretch that holds it.
    const fn opens(&self, stretch: Stretch) -> bool {
        self.previous <= stretch.after
    }
}

/// What a look at a stretch gave.
enum Look {
    /// Values that occur behind the beginning of the stretch, and how many wanted ones of these first do behind its end.
    Sums { lasts: Values, behind: usize },
    /// The count.
    Found(usize),
    /// So many occurrences would have to be looked through.
    TooMany(usize),
}
