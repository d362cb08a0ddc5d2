//! People's looks at an order.

use super::decide::{Rejection, Verdict, transition};
use super::event::OrderEvent;
use super::handling::{
    FreezeConfirmed, Frozen, FrozenCause, Released, ReleasedCause, ReviewClaimed, ReviewEscalated, ReviewReopened,
    ReviewReturned,
};
use super::state::{Known, Review, Risk, RiskState};
use crate::time::Timestamp;

type Decided = Result<Vec<OrderEvent>, Rejection>;

fn is_claimed_by_other(known: &Known, reviewer: &str, at: Timestamp) -> bool {
    matches!(&known.review, Review::Claimed { reviewer: holder, lease_until, .. } if **holder != *reviewer && at <= *lease_until)
}

pub(super) fn claim(known: &Known, reviewer: Box<str>, at: Timestamp, lease_until: Timestamp) -> Decided {
    if is_claimed_by_other(known, &reviewer, at) {
        return Err(Rejection::ClaimedByOther);
    }
    match &known.review {
        Review::None | Review::Closed => Err(Rejection::NotUnderReview),
        Review::Claimed { reviewer: holder, lease_until: until, .. }
            if *holder == reviewer && *until >= lease_until =>
        {
            Ok(vec![])
        }
        Review::Waiting | Review::Open | Review::Claimed { .. } => {
            Ok(vec![OrderEvent::ReviewClaimed(ReviewClaimed { reviewer, lease_until })])
        }
    }
}

pub(super) fn give_back(known: &Known, reviewer: Box<str>) -> Decided {
    match &known.review {
        Review::Claimed { reviewer: holder, .. } if *holder == reviewer => {
            Ok(vec![OrderEvent::ReviewReturned(ReviewReturned { reviewer })])
        }
        Review::Claimed { .. } => Err(Rejection::ClaimedByOther),
        Review::None | Review::Waiting | Review::Open | Review::Closed => Err(Rejection::NotClaimed),
    }
}

pub(super) fn release(known: &Known, verdict: Verdict) -> Decided {
    if let Risk::Released(_) = known.risk {
        return Ok(vec![]);
    }
    transition(known.risk.state(), RiskState::Released)?;
    if is_claimed_by_other(known, &verdict.reviewer, verdict.at) {
        return Err(Rejection::ClaimedByOther);
    }
    Ok(vec![OrderEvent::Released(Released {
        cause: ReleasedCause::Reviewer,
        actor: Some(verdict.reviewer),
        reason_code: Some(verdict.reason_code),
        note: verdict.note,
    })])
}

/// Holds an order; of one that is held already it only says that a person agrees.
pub(super) fn freeze(known: &Known, verdict: Verdict) -> Decided {
    let is_frozen = matches!(known.risk, Risk::Frozen(_));
    if is_frozen && known.review == Review::Closed {
        return Ok(vec![]);
    }
    if !is_frozen {
        transition(known.risk.state(), RiskState::Frozen)?;
        if known.reports.departed() {
            return Err(Rejection::Departed);
        }
    }
    if is_claimed_by_other(known, &verdict.reviewer, verdict.at) {
        return Err(Rejection::ClaimedByOther);
    }
    let Verdict { reviewer, reason_code, note, .. } = verdict;
    Ok(vec![if is_frozen {
        OrderEvent::FreezeConfirmed(FreezeConfirmed { actor: reviewer, reason_code, note })
    } else {
        let (actor, reason_code) = (Some(reviewer), Some(reason_code));
        OrderEvent::Frozen(Frozen { cause: FrozenCause::Reviewer, actor, reason_code, note })
    }])
}

/// Puts a frozen order whose review is closed back into the queue.
pub(super) fn reopen(known: &Known, wanted: ReviewReopened) -> Decided {
    match (&known.review, &known.risk) {
        (Review::Closed, Risk::Frozen(_)) => Ok(vec![OrderEvent::ReviewReopened(wanted)]),
        (Review::Closed, _) => Err(Rejection::NotFrozen),
        (Review::None, _) => Err(Rejection::NotUnderReview),
        (Review::Waiting | Review::Open | Review::Claimed { .. }, _) => Err(Rejection::ReviewNotClosed),
    }
}

/// Says that a person should have looked by now, where nobody has.
pub(super) fn escalate(known: &Known, escalated: ReviewEscalated) -> Vec<OrderEvent> {
    match known.review {
        Review::Open | Review::Claimed { .. } => vec![OrderEvent::ReviewEscalated(escalated)],
        Review::None | Review::Waiting | Review::Closed => vec![],
    }
}
