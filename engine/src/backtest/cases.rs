//! The orders of the period, and those that may say something about them, each with its last decision on either side.

use domain::time::{Span, Timestamp};
use eventlog::{Position, StreamId};
use rustc_hash::FxHashMap;

use super::TrialError;
use super::outcome::Marks;

/// The most orders of one back-test: some 100 bytes each.
pub const ORDERS_MAX: usize = 4_000_000;

/// One order.
pub(super) struct Case {
    /// Of its last screening.
    pub(super) position: Position,
    /// When it was placed.
    pub(super) time: Timestamp,
    pub(super) payment_due_at: Timestamp,
    /// The numbers of the two verdicts.
    pub(super) actual: u32,
    pub(super) draft: u32,
    pub(super) marks: Marks,
    pub(super) naming: Naming,
}

/// What makes an order one to be named apart.
#[derive(Clone, Copy, Default)]
pub(super) struct Naming {
    /// The customer's level is one that either rulebook spares.
    pub(super) is_vip: bool,
    /// It goes where good orders of the customer went before.
    pub(super) is_familiar: bool,
}

/// See the module.
pub(super) struct Cases {
    from: Timestamp,
    to: Timestamp,
    /// How far from the period those lie that have a part in what is said about one of it.
    reach: Span,
    places: FxHashMap<StreamId, usize>,
    /// In the order of their first screening; `None` where an order's time was corrected to one that is not wanted.
    all: Vec<Option<Case>>,
}

impl Cases {
    /// Of the orders from `from` to `to`, with those up to `reach` earlier and later: the later ones may have them screened again, and the
    /// earlier ones take a part of how many one order may have screened again.
    pub(super) fn new(from: Timestamp, to: Timestamp, reach: Span) -> Self {
        Self { from, to, reach, places: FxHashMap::default(), all: Vec::new() }
    }

    /// Whether orders of this time are wanted.
    pub(super) fn wants(&self, time: Timestamp) -> bool {
        self.from.minus(self.reach) <= time && time < self.to.plus(self.reach)
    }

    /// Whether orders of this time are of the period.
    pub(super) fn is_of_period(&self, time: Timestamp) -> bool {
        self.from <= time && time < self.to
    }

    /// Takes in an order's screening, in place of an earlier one.
    pub(super) fn put(&mut self, stream: StreamId, case: Case) -> Result<(), TrialError> {
        if let Some(place) = self.places.get(&stream) {
            self.all[*place] = Some(case);
            return Ok(());
        }
        if self.all.len() >= ORDERS_MAX {
            return Err(TrialError::TooManyOrders);
        }
        self.places.insert(stream, self.all.len());
        self.all.push(Some(case));
        Ok(())
    }

    /// The order is not wanted any more.
    pub(super) fn leave(&mut self, stream: StreamId) -> Option<Case> {
        self.all[*self.places.get(&stream)?].take()
    }

    pub(super) fn get(&self, stream: StreamId) -> Option<&Case> {
        self.all[*self.places.get(&stream)?].as_ref()
    }

    pub(super) fn get_mut(&mut self, stream: StreamId) -> Option<&mut Case> {
        self.all[*self.places.get(&stream)?].as_mut()
    }

    /// Those of the period.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Case> {
        self.all.iter().flatten().filter(|case| self.is_of_period(case.time))
    }
}
