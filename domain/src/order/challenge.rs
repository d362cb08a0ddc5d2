//! What becomes of a question that was put to the customer.

use super::decide::{NextChallenge, Rejection, ask};
use super::event::OrderEvent;
use super::handling::{
    CallUnanswered, ChallengeMethod, ChallengeResent, CodeRejected, Downgrade, DowngradeReason, Frozen, FrozenCause,
    OnExpire, OnFail, Released, ReleasedCause, ReviewCause, ReviewOpened, Verified,
};
use super::state::{ChallengeState, Known, Pool, Review, Risk};
use crate::ids::ChallengeId;
use crate::screening::ChallengeTerms;
use crate::time::Timestamp;

type Decided = Result<Vec<OrderEvent>, Rejection>;

fn open_challenge<'a>(known: &'a Known, challenge: &ChallengeId) -> Result<&'a ChallengeState, Rejection> {
    match &known.risk {
        Risk::Challenged(open) if open.id != *challenge => Err(Rejection::ChallengeSuperseded),
        Risk::Challenged(open) if !open.is_over => Ok(open),
        Risk::Challenged(_) | Risk::Placed | Risk::Scored | Risk::Verified | Risk::Frozen(_) | Risk::Released(_) => {
            Err(Rejection::NoChallenge)
        }
    }
}

fn running<'a>(known: &'a Known, challenge: &ChallengeId, at: Timestamp) -> Result<&'a ChallengeState, Rejection> {
    let open = open_challenge(known, challenge)?;
    if at > open.expires_at { Err(Rejection::ChallengeExpired) } else { Ok(open) }
}

fn sms<'a>(known: &'a Known, challenge: &ChallengeId, at: Timestamp) -> Result<&'a ChallengeState, Rejection> {
    let open = running(known, challenge, at)?;
    if open.method == ChallengeMethod::Sms { Ok(open) } else { Err(Rejection::NotCode) }
}

fn call<'a>(known: &'a Known, challenge: &ChallengeId, at: Timestamp) -> Result<&'a ChallengeState, Rejection> {
    let open = running(known, challenge, at)?;
    if open.method == ChallengeMethod::Call { Ok(open) } else { Err(Rejection::NotCall) }
}

fn is_verified(known: &Known) -> bool {
    matches!(known.risk, Risk::Verified | Risk::Released(ReleasedCause::Verified))
}

/// The right code.
pub(super) fn verify(known: &Known, challenge: &ChallengeId, at: Timestamp) -> Decided {
    if is_verified(known) {
        return Ok(vec![]);
    }
    sms(known, challenge, at).map(verified)
}

/// The customer said on the phone that the order is theirs.
pub(super) fn confirm(known: &Known, challenge: &ChallengeId, at: Timestamp) -> Decided {
    if is_verified(known) {
        return Ok(vec![]);
    }
    call(known, challenge, at).map(verified)
}

fn verified(open: &ChallengeState) -> Vec<OrderEvent> {
    let released = Released { cause: ReleasedCause::Verified, actor: None, reason_code: None, note: None };
    vec![
        OrderEvent::Verified(Verified { challenge: open.id.clone(), how: open.method }),
        OrderEvent::Released(released),
    ]
}

/// A wrong code; the last one that may be tried fails the challenge.
pub(super) fn reject_code(known: &Known, challenge: ChallengeId, at: Timestamp, attempts_max: u8) -> Decided {
    let open = sms(known, &challenge, at)?;
    let attempts_left = attempts_max.saturating_sub(open.attempts.saturating_add(1));
    let consequence = if attempts_left == 0 { failed(known, open, Said::default()) } else { Vec::new() };
    let mut events = vec![OrderEvent::CodeRejected(CodeRejected { challenge, attempts_left })];
    events.extend(consequence);
    Ok(events)
}

pub(super) fn resend(known: &Known, challenge: ChallengeId, at: Timestamp, resends_max: u8) -> Decided {
    let open = sms(known, &challenge, at)?;
    if open.resends >= resends_max {
        return Err(Rejection::ResendsUsedUp);
    }
    let count = open.resends.saturating_add(1);
    Ok(vec![OrderEvent::ChallengeResent(ChallengeResent { challenge, count })])
}

/// What the customer said on the phone: as a reason, and in the caller's words.
#[derive(Default)]
pub(super) struct Said {
    pub(super) reason_code: Option<&'static str>,
    pub(super) note: Option<Box<str>>,
}

/// The customer said on the phone that the order is not theirs, or did not know what to say.
pub(super) fn deny(known: &Known, challenge: &ChallengeId, said: Said, at: Timestamp) -> Decided {
    if matches!(known.risk, Risk::Frozen(FrozenCause::ChallengeFailed)) {
        return Ok(vec![]);
    }
    call(known, challenge, at).map(|open| failed(known, open, said))
}

/// Nobody picked up; after the last call it is as if the time were over.
pub(super) fn no_answer(
    known: &Known,
    challenge: ChallengeId,
    note: Option<Box<str>>,
    at: Timestamp,
    attempts_max: u8,
) -> Decided {
    let open = call(known, &challenge, at)?;
    let attempts_left = attempts_max.saturating_sub(open.attempts.saturating_add(1));
    let consequence = if attempts_left == 0 { expired(known, open) } else { Vec::new() };
    let mut events = vec![OrderEvent::CallUnanswered(CallUnanswered { challenge, attempts_left, note })];
    events.extend(consequence);
    Ok(events)
}

/// The time for the answer is over: an SMS may be followed by a call.
pub(super) fn expire(known: &Known, challenge: &ChallengeId, at: Timestamp, next: Option<NextChallenge>) -> Decided {
    match &known.risk {
        Risk::Frozen(FrozenCause::ChallengeExpired) | Risk::Released(ReleasedCause::ChallengeExpired) => {
            return Ok(vec![]);
        }
        Risk::Challenged(open) if open.id == *challenge && open.is_over => return Ok(vec![]),
        _ => {}
    }
    let open = open_challenge(known, challenge)?;
    if at <= open.expires_at {
        return Err(Rejection::ChallengeRunning);
    }
    let ChallengeState { method, on_fail, on_expire, .. } = *open;
    match next {
        Some(NextChallenge { id, expires_in }) if method == ChallengeMethod::Sms && !known.reports.departed() => {
            let terms = ChallengeTerms { method: ChallengeMethod::Call, expires_in, on_fail, on_expire };
            let instead_of = Downgrade { method, reason: DowngradeReason::Unanswered };
            Ok(vec![ask(terms, Some(instead_of), id, at)])
        }
        _ => Ok(expired(known, open)),
    }
}

fn failed(known: &Known, open: &ChallengeState, said: Said) -> Vec<OrderEvent> {
    match open.on_fail {
        OnFail::Freeze => freeze(known, open, FrozenCause::ChallengeFailed, ReviewCause::ChallengeFailed, said),
        OnFail::Review => review(known, &open.id, ReviewCause::ChallengeFailed, said),
    }
}

fn expired(known: &Known, open: &ChallengeState) -> Vec<OrderEvent> {
    let said = Said::default();
    match open.on_expire {
        OnExpire::Freeze => freeze(known, open, FrozenCause::ChallengeExpired, ReviewCause::ChallengeExpired, said),
        OnExpire::Review => review(known, &open.id, ReviewCause::ChallengeExpired, said),
        OnExpire::Release => vec![OrderEvent::Released(Released {
            cause: ReleasedCause::ChallengeExpired,
            actor: None,
            reason_code: None,
            note: None,
        })],
    }
}

/// Holds the order; what has left cannot be held, and a person gets to know of it.
fn freeze(
    known: &Known,
    open: &ChallengeState,
    cause: FrozenCause,
    otherwise: ReviewCause,
    said: Said,
) -> Vec<OrderEvent> {
    if known.reports.departed() {
        return review(known, &open.id, otherwise, said);
    }
    let Said { reason_code, note } = said;
    vec![OrderEvent::Frozen(Frozen { cause, actor: None, reason_code: reason_code.map(Into::into), note })]
}

fn review(known: &Known, challenge: &ChallengeId, cause: ReviewCause, said: Said) -> Vec<OrderEvent> {
    match known.review {
        Review::Open | Review::Claimed { pool: Pool::Reviewer, .. } => vec![],
        Review::None | Review::Waiting | Review::Claimed { pool: Pool::Customer, .. } | Review::Closed => {
            let (challenge, note) = (Some(challenge.clone()), said.note);
            vec![OrderEvent::ReviewOpened(ReviewOpened { challenge, cause, note })]
        }
    }
}
