//! Which review is looked at first.
//!
//! What matters is how much can be lost and how soon it is too late. Both are in one number, the rank, and the review with the
//! lowest is the most urgent:
//!
//! ```text
//! rank = due_at − 5 min × log2(1 + expected loss)
//! ```
//!
//! `due_at` is the nearest of the customer's deadline, the time by which an unpaid order must be paid, and the time by which a person
//! should have looked: so long after one was first needed as the merchant's setting `review_sla` says, or one hour ([`LOOK_WITHIN`])
//! where it is not set. By when the channel wants a paid order shipped is not among them, because
//! orders do not carry it. The expected loss is the score, as percent, of the amount in minor units.
//! So twice the loss is worth five minutes: an order of a thousand times the value goes before one that is due 50 minutes
//! earlier. As with lists of what is hot, the clock itself is not in the number. Time passes for all of them alike, so their order stays
//! right without being computed again, and changes at once when facts, status, score or state do.
//!
//! What was escalated goes before all that was not: the merchant's own measure, the setting `review_sla`, outweighs ours.
//!
//! Rows know nothing of settings. So two numbers are stored, one for what is due whatever the setting says, and one that is short of the
//! span that it says; the rank is the lesser of the one and of the other and the span. A list is read in the order of each and put
//! together, so it follows the setting as it is when it is read, however many reviews there are.

use domain::order::Status;
use domain::time::{Span, Timestamp};

use super::ReviewRow;

/// How soon after it is needed a person's look is due where the merchant has not set `review_sla`.
pub const LOOK_WITHIN: Span = Span::from_mins(60);

/// What twice the expected loss is worth.
const WORTH_OF_DOUBLING: Span = Span::from_mins(5);

/// Further than any two times lie apart: 2^50 ms are 35,000 years.
const ESCALATED: i64 = 1 << 50;

impl ReviewRow {
    /// How much is at stake: score × amount, the expected loss up to a factor that is the same for all.
    /// An order that is cancelled or refunded has nothing left to lose: 0.
    pub fn priority(&self) -> i64 {
        let is_off = matches!(self.status, Some((Status::Cancelled | Status::Refunded, _)));
        if is_off { 0 } else { self.score.max(0).saturating_mul(self.amount.max(0)) }
    }

    /// When it is too late, or a person should have looked: the nearest of the customer's deadline, the time by which an unpaid
    /// order must be paid, and `review_sla`, the merchant's setting, after a person was needed. `None` for a closed review.
    pub fn due_at(&self, review_sla: Option<Span>) -> Option<Timestamp> {
        let look_at = self.open_since.map(|since| since.plus(look_within(review_sla)));
        self.due_anyway().into_iter().chain(look_at).min()
    }

    /// When it is too late, whatever the merchant has set.
    pub(crate) fn due_anyway(&self) -> Option<Timestamp> {
        let is_under_way = self.deadline.is_some() || self.open_since.is_some();
        // What was overdue before the review began is not what the review can still save.
        let is_to_be_paid = is_under_way && self.status.is_none();
        let payment = self.payment_due_at.filter(|due| is_to_be_paid && *due > self.opened_at);
        self.deadline.into_iter().chain(payment).min()
    }

    /// The rank by what is due whatever the merchant has set; the end of time where nothing is.
    pub(crate) fn rank(&self) -> i64 {
        self.due_anyway().map_or(i64::MAX, |due_at| due_at.millis() - self.head_start())
    }

    /// The rank by when a person should have looked, short of the time in which one should; `None` where nobody has to.
    pub(crate) fn look_rank(&self) -> Option<i64> {
        self.open_since.map(|since| since.millis() - self.head_start())
    }

    fn head_start(&self) -> i64 {
        let escalated = if self.escalated_at.is_some() { ESCALATED } else { 0 };
        worth(self.priority() / 100) + escalated
    }
}

pub(super) fn look_within(review_sla: Option<Span>) -> Span {
    review_sla.unwrap_or(LOOK_WITHIN)
}

/// [`WORTH_OF_DOUBLING`] × log2(1 + `loss`) in milliseconds: exact for powers of two, straight between them. Whole numbers, so
/// that every machine sorts alike.
fn worth(loss: i64) -> i64 {
    let loss = loss.max(0).unsigned_abs() + 1;
    let doublings = loss.ilog2();
    let rest = u128::from(loss - (1 << doublings));
    let of_rest = (rest * u128::from(WORTH_OF_DOUBLING.millis().unsigned_abs())) >> doublings;
    i64::from(doublings) * WORTH_OF_DOUBLING.millis() + i64::try_from(of_rest).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_the_loss_is_worth_five_minutes() {
        let minute = 60_000;
        for (loss, minutes) in [(0, 0), (1, 5), (3, 10), (1_023, 50), (1_048_575, 100)] {
            assert_eq!(worth(loss), minutes * minute, "{loss}");
        }
        assert_eq!(worth(2), 7 * minute + minute / 2, "straight between two powers");
    }

    #[test]
    fn more_is_never_worth_less() {
        let losses = (0..10_000).chain([1 << 40, i64::MAX / 100, i64::MAX]);
        let worths: Vec<i64> = losses.map(worth).collect();
        assert!(worths.is_sorted(), "{worths:?}");
        assert!(*worths.last().unwrap() < ESCALATED / 1_000);
    }
}
