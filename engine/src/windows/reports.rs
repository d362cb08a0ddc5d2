//! Reports about orders that are not placed yet.

use std::collections::VecDeque;

use domain::order::Status;
use domain::time::Timestamp;
use rustc_hash::FxHashMap;

use super::RETENTION;
use super::order::Reported;
use crate::bytes::{Reader, Writer};

/// The most orders with a report before their placement that one merchant can have waiting; beyond it the one that waits
/// longest is forgotten. Copied with each snapshot, so it must stay small.
pub(super) const WAITING_MAX: usize = if cfg!(test) { 100 } else { 100_000 };

/// Kept until the order is placed, and for [`RETENTION`] after the first report at most.
#[derive(Clone, Default)]
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
        if self.queue.len() > WAITING_MAX {
            self.forget_first();
        }
    }

    /// What was reported of an order that is placed now.
    pub(super) fn take(&mut self, order: u64) -> Reported {
        self.reported.remove(&order).map(|(_, reported)| reported).unwrap_or_default()
    }

    /// Forgets orders whose first report was recorded too long before `now`.
    pub(super) fn forget_before(&mut self, now: Timestamp) {
        let horizon = now.minus(RETENTION);
        while self.queue.front().is_some_and(|(recorded_at, _)| *recorded_at < horizon) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        let Some((recorded_at, order)) = self.queue.pop_front() else { return };
        if self.reported.get(&order).is_some_and(|(first, _)| *first == recorded_at) {
            self.reported.remove(&order);
        }
    }

    /// Writes those that wait and those placed since, in the order of their first reports.
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.count(self.queue.len());
        for (recorded_at, order) in &self.queue {
            writer.signed(recorded_at.millis());
            writer.number(*order);
            let waiting = self.reported.get(order).filter(|(first, _)| first == recorded_at);
            writer.byte(waiting.map_or(0, |(_, reported)| reported.bits()));
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let mut early = Self::default();
        for _ in 0..reader.count()? {
            let (recorded_at, order) = (Timestamp::from_millis(reader.signed()?), reader.number()?);
            let reported = Reported::of_bits(reader.byte()?);
            early.queue.push_back((recorded_at, order));
            // An order that waits has a report.
            if reported != Reported::default() {
                early.reported.insert(order, (recorded_at, reported));
            }
        }
        Some(early)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_limit_the_one_that_waits_longest_is_forgotten() {
        let mut early = EarlyReports::default();
        let orders = 0..WAITING_MAX as u64 + 1;
        orders.for_each(|order| early.report(order, Status::Paid, Timestamp::from_millis(0)));
        assert_eq!(early.take(0), Reported::default());
        assert_eq!(early.take(1), Reported::default().with(Status::Paid));
    }
}
