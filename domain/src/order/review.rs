//! People's looks at an order.

use super::decide::{Rejection, Verdict, transition};
use super::event::{OrderEvent, StatusReported};
use super::handling::{
    ClosedCause, FreezeConfirmed, Frozen, FrozenCause, Released, ReleasedCause, ReviewCause, ReviewClaimed,
    ReviewClosed, ReviewEscalated, ReviewOpened, ReviewReopened, ReviewReturned,
};
use super::state::{Known, Pool, Review, Risk, RiskState};
use crate::ids::ChallengeId;
use crate::time::Timestamp;

type Decided = Result<Vec<OrderEvent>, Rejection>;

/// Whether a person has to look already.
pub(super) const fn waits_for_a_person(known: &Known) -> bool {
    matches!(known.review, Review::Open | Review::Claimed { pool: Pool::Reviewer, .. })
}

pub(super) const fn opened(challenge: Option<ChallengeId>, cause: ReviewCause) -> OrderEvent {
    OrderEvent::ReviewOpened(ReviewOpened::by_itself(challenge, cause))
}

const fn closed(challenge: Option<ChallengeId>, cause: ClosedCause) -> OrderEvent {
    OrderEvent::ReviewClosed(ReviewClosed { challenge, cause })
}

const fn is_under_way(review: &Review) -> bool {
    matches!(review, Review::Waiting | Review::Open | Review::Claimed { .. })
}

/// What a report means for whoever is asked or has to look, where it changes whether something can be decided at all: a report that
/// does not takes back no look that somebody has wanted since.
///
/// Of what is off nobody is asked, and nobody has to look at it. Of what left nobody is asked either, but who has to look at it still
/// has to, as does somebody at what left although it was held: it cannot be held any more and should be known of. What was called
/// off and is not any more is looked at again, if nobody had decided about it.
pub(super) fn after(known: &Known, told: &StatusReported) -> Option<OrderEvent> {
    let (before, ending) = (known.reports.ending(), known.reports.with(told).ending());
    if ending == before {
        return None;
    }
    let asked = match &known.risk {
        Risk::Challenged(open) if !open.is_over => Some(open.id.clone()),
        Risk::Challenged(_) | Risk::Placed | Risk::Scored | Risk::Verified | Risk::Frozen(_) | Risk::Released(_) => {
            None
        }
    };
    let is_under_way = asked.is_some() || is_under_way(&known.review);
    let was_called_off = known.review == Review::Closed && known.ended == Some(ClosedCause::Cancelled);
    match ending {
        Some(cause @ ClosedCause::Shipped) if is_under_way => asked.map(|challenge| closed(Some(challenge), cause)),
        Some(ClosedCause::Shipped) => {
            let is_frozen = matches!(known.risk, Risk::Frozen(_));
            (is_frozen || was_called_off).then(|| opened(None, ReviewCause::Departed))
        }
        Some(cause @ (ClosedCause::Cancelled | ClosedCause::Refunded)) => {
            let was_off = matches!(before, Some(ClosedCause::Cancelled | ClosedCause::Refunded));
            (is_under_way && !was_off).then(|| closed(asked, cause))
        }
        None => was_called_off.then(|| opened(None, ReviewCause::Resumed)),
    }
}

/// What becomes of an order whose score reaches a tier when it can be held no more: a person gets to know of one that left, and of one
/// that is off nobody needs to.
pub(super) fn of_departed(known: &Known) -> Option<OrderEvent> {
    if known.review != Review::None {
        return None;
    }
    known.reports.ending().map(|cause| match cause {
        ClosedCause::Shipped => opened(None, ReviewCause::Departed),
        ClosedCause::Cancelled | ClosedCause::Refunded => closed(None, cause),
    })
}

/// Who holds it at a time: whoever claimed it, or decided a while ago.
fn holder(known: &Known, at: Timestamp) -> Option<&str> {
    let (reviewer, until) = match &known.review {
        Review::Claimed { reviewer, lease_until, .. } => (reviewer, *lease_until),
        Review::Closed => known.decider.as_ref().map(|decider| (&decider.reviewer, decider.claim_until))?,
        Review::None | Review::Waiting | Review::Open => return None,
    };
    (at <= until).then_some(reviewer)
}

fn is_held_by_other(known: &Known, reviewer: &str, at: Timestamp) -> bool {
    holder(known, at).is_some_and(|holder| holder != reviewer)
}

/// The claim that a decision implies where nobody has claimed what is under way.
fn implied_claim(known: &Known, verdict: &Verdict) -> Option<OrderEvent> {
    let is_implied = is_under_way(&known.review) && holder(known, verdict.at).is_none();
    let claim = || ReviewClaimed { reviewer: verdict.reviewer.clone(), lease_until: verdict.claim_until };
    is_implied.then(|| OrderEvent::ReviewClaimed(claim()))
}

pub(super) fn claim(known: &Known, reviewer: Box<str>, at: Timestamp, lease_until: Timestamp) -> Decided {
    if is_under_way(&known.review) && is_held_by_other(known, &reviewer, at) {
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

pub(super) fn give_back(known: &Known, reviewer: Box<str>, at: Timestamp) -> Decided {
    match holder(known, at).filter(|_| is_under_way(&known.review)) {
        Some(holder) if *holder == *reviewer => Ok(vec![OrderEvent::ReviewReturned(ReviewReturned { reviewer })]),
        Some(_) => Err(Rejection::ClaimedByOther),
        None => Err(Rejection::NotClaimed),
    }
}

/// Lets an order go; of one that goes already and is looked at it only says that a person has seen it.
pub(super) fn release(known: &Known, verdict: Verdict) -> Decided {
    let is_released = matches!(known.risk, Risk::Released(_));
    if is_released && !is_under_way(&known.review) {
        return Ok(vec![]);
    }
    if !is_released {
        transition(known.risk.state(), RiskState::Released)?;
    }
    if is_held_by_other(known, &verdict.reviewer, verdict.at) {
        return Err(Rejection::ClaimedByOther);
    }
    let claim = implied_claim(known, &verdict);
    let released = OrderEvent::Released(Released {
        cause: ReleasedCause::Reviewer,
        actor: Some(verdict.reviewer),
        reason_code: Some(verdict.reason_code),
        note: verdict.note,
        instead_of: Vec::new(),
        part_of: verdict.part_of,
        claim_until: Some(verdict.claim_until),
    });
    Ok(claim.into_iter().chain([released]).collect())
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
    if is_held_by_other(known, &verdict.reviewer, verdict.at) {
        return Err(Rejection::ClaimedByOther);
    }
    let claim = implied_claim(known, &verdict);
    let Verdict { reviewer, reason_code, note, part_of, claim_until, .. } = verdict;
    let claim_until = Some(claim_until);
    let held = if is_frozen {
        OrderEvent::FreezeConfirmed(FreezeConfirmed { actor: reviewer, reason_code, note, part_of, claim_until })
    } else {
        let (actor, reason_code) = (Some(reviewer), Some(reason_code));
        OrderEvent::Frozen(Frozen { cause: FrozenCause::Reviewer, actor, reason_code, note, part_of, claim_until })
    };
    Ok(claim.into_iter().chain([held]).collect())
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
