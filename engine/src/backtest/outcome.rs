//! What became of an order, as far as the log tells.

use domain::order::Status;
use domain::time::Timestamp;

/// Statuses that say that an order was paid: what left or was given back was paid for.
const PAID: [Status; 7] = [
    Status::Paid,
    Status::PartiallyShipped,
    Status::Shipped,
    Status::Delivered,
    Status::Completed,
    Status::RefundRequested,
    Status::Refunded,
];

/// What was reported of an order, and whether somebody's word holds it.
#[derive(Clone, Copy, Default)]
pub(super) struct Marks {
    reported: u8,
    /// The newest report says that it is off.
    is_off: bool,
    is_held: bool,
    /// From when the newest report is.
    newest: Option<Timestamp>,
}

/// Whether it turned out well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    Good,
    Bad,
    Open,
}

impl Marks {
    /// Takes in a report that counts from a time: the newest is the one that counts from the latest, at equal times the one that
    /// arrived last.
    pub(super) fn report(&mut self, status: Status, at: Timestamp) {
        self.reported |= bit(status);
        if self.newest <= Some(at) {
            (self.newest, self.is_off) = (Some(at), status == Status::Cancelled);
        }
    }

    /// Whether the order can no longer be held: it left, it was paid back, or it is off. Something shipped in part can.
    pub(super) fn have_departed(self) -> bool {
        self.is_off || self.has(&[Status::Shipped, Status::Delivered, Status::Completed, Status::Refunded])
    }

    pub(super) const fn hold(&mut self, is_held: bool) {
        self.is_held = is_held;
    }

    fn has(self, statuses: &[Status]) -> bool {
        statuses.iter().any(|status| self.reported & bit(*status) != 0)
    }

    /// What is known at the end of the log. What somebody's word still holds is bad, whatever was reported.
    pub(super) fn outcome(self, payment_due_at: Timestamp, end: Timestamp) -> Outcome {
        let is_unpaid = !self.has(&PAID);
        let is_abandoned = is_unpaid && (self.has(&[Status::Cancelled]) || payment_due_at < end);
        if self.is_held || is_abandoned || self.has(&[Status::Refunded]) {
            Outcome::Bad
        } else if self.has(&[Status::Delivered, Status::Completed]) {
            Outcome::Good
        } else {
            Outcome::Open
        }
    }
}

const fn bit(status: Status) -> u8 {
    match status {
        // What was paid back in part was paid, and nothing else follows from it.
        Status::Paid | Status::PartiallyRefunded => 1,
        Status::PartiallyShipped => 2,
        Status::Shipped => 4,
        Status::Delivered => 8,
        Status::Completed => 16,
        Status::Cancelled => 32,
        Status::RefundRequested => 64,
        Status::Refunded => 128,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUE: Timestamp = Timestamp::from_millis(1_000);

    fn outcome(statuses: &[Status], is_held: bool, end: i64) -> Outcome {
        let mut marks = Marks::default();
        statuses.iter().for_each(|status| marks.report(*status, DUE));
        marks.hold(is_held);
        marks.outcome(DUE, Timestamp::from_millis(end))
    }

    #[test]
    fn what_arrived_and_was_kept_is_good() {
        assert_eq!(outcome(&[Status::Delivered], false, 2_000), Outcome::Good);
        assert_eq!(outcome(&[Status::Completed, Status::RefundRequested], false, 2_000), Outcome::Good);
        assert_eq!(outcome(&[Status::Delivered, Status::PartiallyRefunded], false, 2_000), Outcome::Good);
        assert_eq!(outcome(&[Status::Delivered, Status::Refunded], false, 2_000), Outcome::Bad);
        assert_eq!(outcome(&[Status::Delivered], true, 2_000), Outcome::Bad, "somebody says so");
    }

    #[test]
    fn what_is_not_paid_is_bad_once_it_is_cancelled_or_overdue() {
        assert_eq!(outcome(&[], false, 1_000), Outcome::Open, "it may still be paid");
        assert_eq!(outcome(&[], false, 1_001), Outcome::Bad);
        assert_eq!(outcome(&[Status::Cancelled], false, 0), Outcome::Bad);
        assert_eq!(outcome(&[Status::Paid], false, 2_000), Outcome::Open, "it is under way");
        assert_eq!(
            outcome(&[Status::Paid, Status::Cancelled], false, 2_000),
            Outcome::Open,
            "called off by either side"
        );
    }
}
