//! Reports about orders that are not placed yet.

use std::collections::VecDeque;

use domain::order::Status;
use domain::time::Timestamp;
use rustc_hash::FxHashMap;

use super::RETENTION;
use super::order::Reported;

/// Kept until the order is placed, and for [`RETENTION`] after the first report at most.
#[derive(Default)]
pub(super) struct EarlyReports {
    reported: FxHashMap<u64, (Timestamp, Reported)>,
    /// The orders by when their first report was recorded, those placed since included.
    queue: VecDeque<(Timestamp, u64)>,
}

impl EarlyReports {
    pub(super) fn report(&mut self, order: u64, status: Status, recorded_at: Timestamp) {
        let queue = &mut self.queue;
        let (_, reported) = self.reported.entry(order).or_insert_with(|| {
            queue.push_back((recorded_at, order));
            (recorded_at, Reported::default())
        });
        *reported = reported.with(status);
    }

    /// What was reported of an order that is placed now.
    pub(super) fn take(&mut self, order: u64) -> Reported {
        self.reported.remove(&order).map(|(_, reported)| reported).unwrap_or_default()
    }

    /// Forgets orders whose first report was recorded too long before `now`.
    pub(super) fn forget_before(&mut self, now: Timestamp) {
        let horizon = now.minus(RETENTION);
        while let Some((recorded_at, order)) = self.queue.pop_front_if(|(recorded_at, _)| *recorded_at < horizon) {
            if self.reported.get(&order).is_some_and(|(first, _)| *first == recorded_at) {
                self.reported.remove(&order);
            }
        }
    }
}
