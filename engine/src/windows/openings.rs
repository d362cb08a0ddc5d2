//! When windows of one length open and close for the values of a series: distinct counts of windows that end anywhere.
//!
//! A window `(t − w, t]` holds an occurrence at `x` that is the first of its value there exactly when
//! `max(x, previous + w) <= t < x + w`. So the number of different values is the number of such openings up to `t` less the
//! number of occurrences up to `t − w`, of which each has closed again: two sums in O(log n).

use super::distinct::NEVER;
use super::order::Position;
use super::series::{Entry, Series, Stretch};
use super::tally::Count;

/// See the module.
pub(super) struct Openings {
    window: i64,
    openings: Series<Opening>,
}

/// When an occurrence begins to be the first of its value in the window. What never is opens when it closes.
#[derive(Clone, Copy)]
struct Opening(Position);

impl Entry for Opening {
    type Sum = Count;

    fn position(&self) -> Position {
        self.0
    }

    fn sum(&self) -> Count {
        Count(1)
    }
}

impl Openings {
    /// Of occurrences with the times of their predecessors.
    pub(super) fn new(window: i64, occurrences: impl Iterator<Item = (Position, i64)>) -> Self {
        let mut positions: Vec<Position> =
            occurrences.map(|(position, previous)| opening(window, position, previous)).collect();
        positions.sort_unstable();
        let mut openings = Series::default();
        positions.into_iter().for_each(|position| openings.insert(Opening(position)));
        Self { window, openings }
    }

    pub(super) const fn window(&self) -> i64 {
        self.window
    }

    pub(super) fn insert(&mut self, position: Position, previous: i64) {
        self.openings.insert(Opening(opening(self.window, position, previous)));
    }

    pub(super) fn remove(&mut self, position: Position, previous: i64) {
        self.openings.remove(opening(self.window, position, previous));
    }

    /// How many have opened up to a time.
    pub(super) fn opened_by(&self, time: i64) -> usize {
        let opened = self.openings.sum(Stretch { after: i64::MIN, through: time });
        usize::try_from(opened.0).unwrap_or(usize::MAX)
    }
}

fn opening(window: i64, position: Position, previous: i64) -> Position {
    let opens = if previous == NEVER { position.time } else { position.time.max(previous.saturating_add(window)) };
    Position { time: opens, arrival: position.arrival }
}
