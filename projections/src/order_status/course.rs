//! What became of an order, as far as figures are made of it: what was reported, whether the customer answered, whether a person
//! looked, and when it was settled. A fold of the order's events like the rest of its row.

use domain::order::{
    ChallengeMethod, DowngradeReason, FrozenCause, ReleasedCause, ReviewCause, RiskState, Status, StockCause,
};
use domain::time::Timestamp;

use super::OrderStatusRow;
use crate::change::{Envelope, OrderChange};

/// It was reported as paid, or as something that only what is paid for becomes.
pub(crate) const PAID: u32 = 1;
/// It left the house, or its money went back: it can no longer be held.
pub(crate) const LEFT: u32 = 1 << 1;
/// It arrived.
pub(crate) const DELIVERED: u32 = 1 << 2;
/// The customer wanted the money back.
pub(crate) const REFUND: u32 = 1 << 3;
/// The customer got the money back.
pub(crate) const REFUNDED: u32 = 1 << 4;
/// It was asked about or frozen at some time.
pub(crate) const HELD: u32 = 1 << 5;
/// A person had to look, or did.
pub(crate) const MANUAL: u32 = 1 << 6;
/// The customer proved it, or a reviewer let it go.
pub(crate) const FOUND_GOOD: u32 = 1 << 7;
/// The customer denied it, or a reviewer holds it.
pub(crate) const FOUND_BAD: u32 = 1 << 8;
/// The stock that it holds was to be set free.
pub(crate) const STOCK_DUE: u32 = 1 << 9;
/// It stayed frozen until its stock was to be set free.
pub(crate) const STAYED_FROZEN: u32 = 1 << 10;

/// What was done by one method; shifted by [`shift`].
const ASKED: u32 = 1;
const VERIFIED: u32 = 1 << 1;
const FAILED: u32 = 1 << 2;
const UNANSWERED: u32 = 1 << 3;

const fn shift(method: ChallengeMethod) -> u32 {
    match method {
        ChallengeMethod::Sms => 16,
        ChallengeMethod::Call => 20,
    }
}

/// See the module.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Course {
    /// Which of the marks above hold.
    pub(crate) marks: u32,
    /// When it was first screened, by our clock.
    pub(crate) decided_at: Option<Timestamp>,
    /// When its customer was first asked in the hold that it is in, or was in last, by our clock.
    pub(crate) asked_at: Option<Timestamp>,
    /// When what became of an order that was held was settled for good, by our clock.
    pub(crate) resolved_at: Option<Timestamp>,
}

/// What came of asking a customer by one method.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Answer {
    /// The customer proved it.
    Verified,
    /// The customer denied it or could not answer.
    Failed,
    /// The customer did not answer in time.
    Unanswered,
    /// The question was taken back: something else was decided before the answer.
    Withdrawn,
    /// None so far.
    Open,
}

impl Course {
    pub(crate) const fn has(self, mark: u32) -> bool {
        self.marks & mark != 0
    }

    const fn set(&mut self, mark: u32) {
        self.marks |= mark;
    }

    const fn clear(&mut self, mark: u32) {
        self.marks &= !mark;
    }

    fn answered(&mut self, method: Option<ChallengeMethod>, how: u32) {
        if let Some(method) = method {
            self.set(how << shift(method));
        }
    }
}

/// What came of the last question that was put to the customer by a method; `None` where none was.
pub(crate) fn answer(row: &OrderStatusRow, method: ChallengeMethod) -> Option<Answer> {
    let done = row.course.marks >> shift(method);
    let is_open = row.risk.challenge.as_ref().is_some_and(|challenge| challenge.method == method);
    match done {
        _ if done & ASKED == 0 => None,
        _ if done & VERIFIED != 0 => Some(Answer::Verified),
        _ if done & FAILED != 0 => Some(Answer::Failed),
        _ if done & UNANSWERED != 0 => Some(Answer::Unanswered),
        _ if is_open => Some(Answer::Open),
        _ => Some(Answer::Withdrawn),
    }
}

/// Takes an event in; `row` is as it was before it.
pub(super) fn follow(row: &mut OrderStatusRow, change: &OrderChange<'_>, envelope: &Envelope<'_>) {
    let asked_by = row.risk.challenge.as_ref().map(|challenge| challenge.method);
    let (is_over, was_held) = (is_over(row), row.risk.held_since.is_some());
    let course = &mut row.course;
    if !was_held && matches!(change, OrderChange::Challenged(_) | OrderChange::Frozen(_)) {
        course.asked_at = None;
    }
    match change {
        OrderChange::StatusReported(report) => course.set(reported(report.status)),
        OrderChange::Scored(_) => {
            course.decided_at.get_or_insert(envelope.recorded_at);
        }
        OrderChange::Challenged(challenged) => {
            course.set(HELD);
            course.asked_at.get_or_insert(envelope.recorded_at);
            // Asked again: what was found before counts no more.
            course.clear(FOUND_GOOD | FOUND_BAD);
            course.clear((VERIFIED | FAILED | UNANSWERED) << shift(challenged.method));
            course.set(ASKED << shift(challenged.method));
            let before = challenged.instead_of.filter(|before| before.reason == DowngradeReason::Unanswered);
            course.answered(before.map(|before| before.method), UNANSWERED);
        }
        OrderChange::Verified(verified) => {
            course.set(FOUND_GOOD);
            course.answered(Some(verified.how), VERIFIED);
        }
        OrderChange::Frozen(frozen) => {
            course.set(HELD | MANUAL);
            course.clear(FOUND_GOOD);
            match frozen.cause {
                FrozenCause::Score => {}
                FrozenCause::Reviewer => course.set(FOUND_BAD),
                FrozenCause::ChallengeExpired => course.answered(asked_by, UNANSWERED),
                FrozenCause::ChallengeFailed => {
                    course.set(FOUND_BAD);
                    course.answered(asked_by, FAILED);
                }
            }
        }
        OrderChange::FreezeConfirmed(_) => course.set(MANUAL | FOUND_BAD),
        OrderChange::Released(released) => {
            course.clear(FOUND_BAD | STAYED_FROZEN);
            if !is_over {
                course.clear(STOCK_DUE);
            }
            match released.cause {
                ReleasedCause::Reviewer => course.set(MANUAL | FOUND_GOOD),
                ReleasedCause::ChallengeExpired => course.answered(asked_by, UNANSWERED),
                ReleasedCause::Clean | ReleasedCause::Verified | ReleasedCause::Exempt | ReleasedCause::Rescored => {}
            }
        }
        OrderChange::ReviewOpened(opened) => {
            course.set(MANUAL);
            match opened.cause {
                ReviewCause::ChallengeFailed => course.answered(asked_by, FAILED),
                ReviewCause::ChallengeExpired => course.answered(asked_by, UNANSWERED),
                ReviewCause::NoChannel | ReviewCause::Frozen | ReviewCause::Departed | ReviewCause::Resumed => {}
            }
        }
        OrderChange::ReviewReopened(_) => {
            course.set(MANUAL);
            course.clear(FOUND_BAD | STAYED_FROZEN);
        }
        OrderChange::ReviewClaimed(_) => course.set(MANUAL),
        OrderChange::StockReleaseDue(due) => {
            course.set(STOCK_DUE);
            if due.cause == StockCause::Frozen {
                course.set(STAYED_FROZEN);
            }
        }
        OrderChange::Placed(_)
        | OrderChange::Amended(_)
        | OrderChange::ChallengeResent(_)
        | OrderChange::CodeRejected(_)
        | OrderChange::CallUnanswered(_)
        | OrderChange::ReviewClosed(_)
        | OrderChange::ReviewEscalated(_)
        | OrderChange::ReviewReturned(_)
        | OrderChange::Noted(_)
        | OrderChange::PersonalDataRevealed(_) => {}
    }
}

const fn reported(status: Status) -> u32 {
    match status {
        Status::Cancelled => 0,
        Status::Paid | Status::PartiallyShipped | Status::PartiallyRefunded => PAID,
        Status::Shipped => PAID | LEFT,
        Status::Delivered | Status::Completed => PAID | LEFT | DELIVERED,
        Status::RefundRequested => PAID | REFUND,
        Status::Refunded => PAID | LEFT | REFUND | REFUNDED,
    }
}

/// Notes when an order that was held was settled, once `row` is as it is after the event; what is open again is not settled.
pub(super) fn settle(row: &mut OrderStatusRow, envelope: &Envelope<'_>) {
    let is_settled = match row.risk.state {
        Some(RiskState::Released) => true,
        Some(RiskState::Frozen) => row.course.has(FOUND_BAD) || is_over(row),
        Some(RiskState::Challenged | RiskState::Verified | RiskState::Scored) => is_over(row),
        Some(RiskState::Placed) | None => false,
    };
    if !(is_settled && row.course.has(HELD)) {
        row.course.resolved_at = None;
    } else if row.course.resolved_at.is_none() {
        row.course.resolved_at = Some(envelope.recorded_at);
    }
}

/// Whether an order left, or is off: nothing can be decided about it any more.
pub(crate) fn is_over(row: &OrderStatusRow) -> bool {
    row.course.has(LEFT) || is_cancelled(row)
}

/// Whether an order is called off by its newest report.
pub(crate) fn is_cancelled(row: &OrderStatusRow) -> bool {
    row.status.as_ref().is_some_and(|status| status.value == Status::Cancelled)
}
