//! The orders of the period, each with its last decision on either side.

use domain::time::Timestamp;
use eventlog::{Position, StreamId};
use rustc_hash::FxHashMap;

use super::TrialError;
use super::outcome::Marks;

/// The most orders of one back-test: some 100 bytes each.
pub const ORDERS_MAX: usize = 4_000_000;

/// One order of the period.
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
#[derive(Default)]
pub(super) struct Cases {
    places: FxHashMap<StreamId, usize>,
    /// In the order of their first screening; `None` where an order's time was corrected to one outside of the period.
    all: Vec<Option<Case>>,
}

impl Cases {
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

    /// The order is not of the period.
    pub(super) fn leave(&mut self, stream: StreamId) {
        if let Some(place) = self.places.get(&stream) {
            self.all[*place] = None;
        }
    }

    pub(super) fn marks(&mut self, stream: StreamId) -> Option<&mut Marks> {
        let place = self.places.get(&stream)?;
        self.all[*place].as_mut().map(|case| &mut case.marks)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Case> {
        self.all.iter().flatten()
    }
}
