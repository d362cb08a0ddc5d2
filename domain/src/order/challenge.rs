//! What becomes of a question that was put to the customer.

use super::decide::{NextChallenge, Rejection, ask};
use super::event::OrderEvent;
use super::handling::{
    CallUnanswered, ChallengeMethod, ChallengeResent, CodeRejected, Downgrade, DowngradeReason, Frozen, FrozenCause,
    OnExpire, OnFail, Released, ReleasedCause, ReviewCause, ReviewOpened, Verified,
};
use super::review::waits_for_a_person;
use super::state::{ChallengeState, Known, Risk};
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
    // What became of the order since is not what became of the challenge.
    if known.unanswered.iter().any(|(id, expires_at)| id == challenge && at > *expires_at) {
        return Err(Rejection::ChallengeExpired);
    }
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
    vec![
        OrderEvent::Verified(Verified { challenge: open.id.clone(), how: open.method }),
        OrderEvent::Released(Released::by_itself(ReleasedCause::Verified)),
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

pub(super) fn resend(
    known: &Known,
    challenge: ChallengeId,
    at: Timestamp,
    resends_max: u8,
    way: Result<(), DowngradeReason>,
) -> Decided {
    let open = sms(known, &challenge, at)?;
    if open.resends >= resends_max {
        return Err(Rejection::ResendsUsedUp);
    }
    way.map_err(|_| Rejection::NoCapacity)?;
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

/// How often a customer is called, and whether another call can be made now.
#[derive(Clone, Copy)]
pub(super) struct Tries {
    pub(super) attempts_max: u8,
    pub(super) call: Result<(), DowngradeReason>,
}

/// Nobody picked up; after the last call it is as if the time were over, and so it is in quiet hours, in which no other can be made. That
/// this minute's calls are used up ends nothing: the call that is owed is made all the same, and counts for those who come after.
pub(super) fn no_answer(
    known: &Known,
    challenge: ChallengeId,
    note: Option<Box<str>>,
    at: Timestamp,
    tries: Tries,
) -> Decided {
    let open = call(known, &challenge, at)?;
    let wanted = tries.attempts_max.saturating_sub(open.attempts.saturating_add(1));
    let (attempts_left, closed) = match tries.call {
        Err(reason @ DowngradeReason::QuietHours) if wanted > 0 => {
            (0, Some(Downgrade { method: ChallengeMethod::Call, reason }))
        }
        Ok(()) | Err(_) => (wanted, None),
    };
    let consequence = if attempts_left == 0 { expired(known, open, closed) } else { Vec::new() };
    let mut events = vec![OrderEvent::CallUnanswered(CallUnanswered { challenge, attempts_left, note })];
    events.extend(consequence);
    Ok(events)
}

/// The time for the answer is over: an SMS may be followed by a call, where one can be made.
pub(super) fn expire(
    known: &Known,
    challenge: &ChallengeId,
    at: Timestamp,
    next: Option<Result<NextChallenge, DowngradeReason>>,
) -> Decided {
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
    match next.filter(|_| method == ChallengeMethod::Sms && !known.reports.departed()) {
        Some(Ok(NextChallenge { id, expires_in })) => {
            let terms = ChallengeTerms { method: ChallengeMethod::Call, expires_in, on_fail, on_expire };
            let instead_of = Downgrade { method, reason: DowngradeReason::Unanswered };
            Ok(vec![ask(terms, Some(instead_of), id, at)])
        }
        Some(Err(reason)) => Ok(expired(known, open, Some(Downgrade { method: ChallengeMethod::Call, reason }))),
        None => Ok(expired(known, open, None)),
    }
}

fn failed(known: &Known, open: &ChallengeState, said: Said) -> Vec<OrderEvent> {
    let reason_code = said.reason_code.map(Into::into);
    let to_review = ReviewOpened { reason_code, ..opened(open, ReviewCause::ChallengeFailed) };
    match open.on_fail {
        OnFail::Freeze => freeze(known, FrozenCause::ChallengeFailed, to_review, said),
        OnFail::Review => review(known, ReviewOpened { note: said.note, ..to_review }),
    }
}

/// Nobody answered; `closed` is the call that should have come next and could not be made.
fn expired(known: &Known, open: &ChallengeState, closed: Option<Downgrade>) -> Vec<OrderEvent> {
    let instead_of: Vec<Downgrade> = closed.into_iter().collect();
    let to_review = ReviewOpened { instead_of, ..opened(open, ReviewCause::ChallengeExpired) };
    match open.on_expire {
        OnExpire::Freeze => freeze(known, FrozenCause::ChallengeExpired, to_review, Said::default()),
        OnExpire::Review => review(known, to_review),
        OnExpire::Release => {
            let instead_of = to_review.instead_of;
            let released = Released { instead_of, ..Released::by_itself(ReleasedCause::ChallengeExpired) };
            vec![OrderEvent::Released(released)]
        }
    }
}

/// How a challenge that came to nothing is given to a person.
fn opened(open: &ChallengeState, cause: ReviewCause) -> ReviewOpened {
    ReviewOpened::by_itself(Some(open.id.clone()), cause)
}

/// Holds the order, at which a person looks; what has left cannot be held, and a person gets to know of it all the same.
fn freeze(known: &Known, cause: FrozenCause, to_review: ReviewOpened, said: Said) -> Vec<OrderEvent> {
    let Said { reason_code, note } = said;
    if known.reports.departed() {
        return review(known, ReviewOpened { note, ..to_review });
    }
    let reason_code = reason_code.map(Into::into);
    let mut events = vec![OrderEvent::Frozen(Frozen { reason_code, note, ..Frozen::by_itself(cause) })];
    events.extend(review(known, to_review));
    events
}

fn review(known: &Known, to_review: ReviewOpened) -> Vec<OrderEvent> {
    if waits_for_a_person(known) { vec![] } else { vec![OrderEvent::ReviewOpened(to_review)] }
}
