//! What is decided about an order: commands in, events or a named rejection out.

use super::event::{
    Amended, Challenged, Facts, Frozen, FrozenCause, Noted, OnExpire, OnFail, OrderEvent, PersonalDataRevealed, Placed,
    Released, ReleasedCause, ReviewCause, ReviewClaimed, ReviewOpened, ReviewReturned, StatusReported, Verified,
};
use super::facts::merge;
use super::state::{ChallengeState, Known, Order, Pool, Reports, Review, Risk, RiskState};
use crate::ids::ChallengeId;
use crate::screening::{Assessment, ChallengeTerms, Disposition};
use crate::time::Timestamp;

/// The most sources that can report on one order.
pub const SOURCES_MAX: usize = 16;

/// What somebody wants of an order.
#[derive(Clone, PartialEq, Debug)]
pub enum OrderCommand {
    /// It was placed. For an order that is placed already this completes or corrects it.
    Place(Placed),
    /// A later message adds or corrects facts.
    Amend {
        /// The time the facts are from.
        as_of: Timestamp,
        /// What is told.
        facts: Facts,
        /// Commitment to the vault row.
        vault: Option<Box<str>>,
    },
    /// A source reports how far it is.
    Report(StatusReported),
    /// It was screened.
    Assess {
        /// With this result.
        assessment: Box<Assessment>,
        /// The id for a challenge, should one follow.
        challenge: ChallengeId,
        /// When.
        at: Timestamp,
    },
    /// The customer proved it.
    Verify {
        /// To which challenge.
        challenge: ChallengeId,
        /// When.
        at: Timestamp,
    },
    /// The customer denied it or could not answer.
    FailChallenge {
        /// Which one.
        challenge: ChallengeId,
    },
    /// The time for the answer is over.
    ExpireChallenge {
        /// Which one.
        challenge: ChallengeId,
        /// When.
        at: Timestamp,
    },
    /// A reviewer wants it for a while.
    Claim {
        /// Who.
        reviewer: Box<str>,
        /// When.
        at: Timestamp,
        /// Until when.
        lease_until: Timestamp,
    },
    /// A reviewer gives it back.
    Return {
        /// Who.
        reviewer: Box<str>,
    },
    /// A reviewer lets it go.
    Release(Verdict),
    /// A reviewer holds it.
    Freeze(Verdict),
    /// Somebody writes something down.
    Note(Noted),
    /// Somebody looks at the personal data.
    Reveal(PersonalDataRevealed),
}

/// A reviewer's decision.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// Who.
    pub reviewer: Box<str>,
    /// Why, as a code.
    pub reason_code: Box<str>,
    /// In words.
    pub note: Option<Box<str>>,
    /// When.
    pub at: Timestamp,
}

/// Why a command was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Rejection {
    /// The order is known by its reports at most.
    #[error("the order is not placed")]
    NotPlaced,
    /// The transition table has no such step.
    #[error("a {} order cannot become {}", from.name(), to.name())]
    Transition {
        /// Where it stands.
        from: RiskState,
        /// Where it was to go.
        to: RiskState,
    },
    /// It was shipped, completed, cancelled or refunded.
    #[error("the order has left or is off, it can no longer be held")]
    Departed,
    /// Nobody is being asked.
    #[error("no challenge is open")]
    NoChallenge,
    /// Another challenge took its place.
    #[error("another challenge took the place of this one")]
    ChallengeSuperseded,
    /// Too late.
    #[error("the challenge has expired")]
    ChallengeExpired,
    /// Too early.
    #[error("the challenge has not expired")]
    ChallengeRunning,
    /// Its score never reached a tier, or its review is closed.
    #[error("the order is not under review")]
    NotUnderReview,
    /// Somebody else looks at it.
    #[error("another reviewer has claimed the order")]
    ClaimedByOther,
    /// The reviewer does not hold it.
    #[error("the order is not claimed by this reviewer")]
    NotClaimed,
    /// More than [`SOURCES_MAX`].
    #[error("more than 16 sources report on the order")]
    TooManySources,
}

impl Rejection {
    /// Its stable name in the API.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotPlaced => "order_not_placed",
            Self::Transition { .. } => "transition_not_allowed",
            Self::Departed => "order_departed",
            Self::NoChallenge => "no_open_challenge",
            Self::ChallengeSuperseded => "challenge_superseded",
            Self::ChallengeExpired => "challenge_expired",
            Self::ChallengeRunning => "challenge_running",
            Self::NotUnderReview => "not_under_review",
            Self::ClaimedByOther => "claimed_by_other",
            Self::NotClaimed => "not_claimed",
            Self::TooManySources => "too_many_sources",
        }
    }
}

/// The transition table: which risk states may follow which.
pub const fn transition(from: RiskState, to: RiskState) -> Result<(), Rejection> {
    use RiskState::{Challenged, Frozen, Placed, Released, Scored, Verified};
    match (from, to) {
        (_, Scored)
        | (Scored | Verified | Released, Challenged | Frozen)
        | (Challenged, Challenged | Verified | Frozen)
        | (Scored | Challenged | Verified | Frozen, Released) => Ok(()),
        (_, Placed)
        | (Placed, _)
        | (Scored | Verified | Frozen | Released, Verified)
        | (Frozen, Challenged | Frozen)
        | (Released, Released) => Err(Rejection::Transition { from, to }),
    }
}

/// What follows from a command. `Ok(vec![])`: already so.
pub fn decide(order: &Order, command: OrderCommand) -> Result<Vec<OrderEvent>, Rejection> {
    match (order, command) {
        (Order::Unknown { reports }, OrderCommand::Report(told)) => report(reports, told),
        (Order::Unknown { .. }, OrderCommand::Place(placed)) => Ok(vec![OrderEvent::Placed(placed)]),
        (Order::Unknown { .. }, _) => Err(Rejection::NotPlaced),
        (Order::Known(known), command) => decide_known(known, command),
    }
}

fn decide_known(known: &Known, command: OrderCommand) -> Result<Vec<OrderEvent>, Rejection> {
    match command {
        OrderCommand::Place(Placed { as_of, facts, vault, .. }) => {
            let as_of = as_of.or(facts.placed_at).unwrap_or_default();
            Ok(amend(known, as_of, &facts, vault))
        }
        OrderCommand::Amend { as_of, facts, vault } => Ok(amend(known, as_of, &facts, vault)),
        OrderCommand::Report(told) => report(&known.reports, told),
        OrderCommand::Assess { assessment, challenge, at } => assess(known, *assessment, challenge, at),
        OrderCommand::Verify { challenge, at } => verify(known, &challenge, at),
        OrderCommand::FailChallenge { challenge } => fail(known, &challenge),
        OrderCommand::ExpireChallenge { challenge, at } => expire(known, &challenge, at),
        OrderCommand::Claim { reviewer, at, lease_until } => claim(known, reviewer, at, lease_until),
        OrderCommand::Return { reviewer } => give_back(known, reviewer),
        OrderCommand::Release(verdict) => release(known, verdict),
        OrderCommand::Freeze(verdict) => freeze(known, verdict),
        OrderCommand::Note(noted) => Ok(vec![OrderEvent::Noted(noted)]),
        OrderCommand::Reveal(revealed) => Ok(vec![OrderEvent::PersonalDataRevealed(revealed)]),
    }
}

fn report(reports: &Reports, told: StatusReported) -> Result<Vec<OrderEvent>, Rejection> {
    if reports.holds(&told) {
        return Ok(vec![]);
    }
    if !reports.is_from(&told.source) && reports.sources() >= SOURCES_MAX {
        return Err(Rejection::TooManySources);
    }
    Ok(vec![OrderEvent::StatusReported(told)])
}

fn amend(known: &Known, as_of: Timestamp, facts: &Facts, vault: Option<Box<str>>) -> Vec<OrderEvent> {
    let merge = merge(&known.facts, &known.times, facts, as_of);
    if merge.changes.is_empty() && merge.superseded.is_empty() {
        return vec![];
    }
    vec![OrderEvent::Amended(Amended { as_of, changes: merge.changes, superseded: merge.superseded, vault })]
}

/// Records the screening and what it leads to. People and customers who have spoken outweigh a score that rises later,
/// except that a score for freezing holds what a customer merely verified.
fn assess(
    known: &Known,
    assessment: Assessment,
    challenge: ChallengeId,
    at: Timestamp,
) -> Result<Vec<OrderEvent>, Rejection> {
    transition(known.risk.state(), RiskState::Scored)?;
    let consequence = match assessment.disposition {
        Disposition::Pass => let_go(known, ReleasedCause::Clean),
        Disposition::Exempt => let_go(known, ReleasedCause::Exempt),
        Disposition::Challenge(_) | Disposition::Freeze if known.reports.departed() => None,
        Disposition::Challenge(terms) => ask(known, terms, challenge, at),
        Disposition::Freeze => match known.risk {
            Risk::Frozen(_) | Risk::Released(ReleasedCause::Reviewer) => None,
            Risk::Placed | Risk::Scored | Risk::Challenged(_) | Risk::Verified | Risk::Released(_) => {
                Some(OrderEvent::Frozen(Frozen {
                    cause: FrozenCause::Score,
                    actor: None,
                    reason_code: None,
                    note: None,
                }))
            }
        },
    };
    let mut events = Vec::with_capacity(2);
    events.push(OrderEvent::Scored(assessment.scored));
    events.extend(consequence);
    Ok(events)
}

fn let_go(known: &Known, cause: ReleasedCause) -> Option<OrderEvent> {
    let cause = match &known.risk {
        Risk::Placed | Risk::Scored => cause,
        // Held by a score that is no more, or by a question that need not be asked.
        Risk::Challenged(_) | Risk::Verified | Risk::Frozen(FrozenCause::Score) if cause == ReleasedCause::Clean => {
            ReleasedCause::Rescored
        }
        Risk::Challenged(_) | Risk::Verified | Risk::Frozen(FrozenCause::Score) => cause,
        Risk::Frozen(_) | Risk::Released(_) => return None,
    };
    Some(OrderEvent::Released(Released { cause, actor: None, reason_code: None, note: None }))
}

fn ask(known: &Known, terms: ChallengeTerms, challenge: ChallengeId, at: Timestamp) -> Option<OrderEvent> {
    match &known.risk {
        Risk::Placed | Risk::Scored | Risk::Verified => {}
        Risk::Challenged(open) if terms.method > open.method => {}
        Risk::Released(ReleasedCause::Clean | ReleasedCause::Exempt | ReleasedCause::Rescored) => {}
        Risk::Challenged(_) | Risk::Frozen(_) | Risk::Released(_) => return None,
    }
    Some(OrderEvent::Challenged(Challenged {
        challenge,
        method: terms.method,
        expires_at: at.plus(terms.expires_in),
        on_fail: terms.on_fail,
        on_expire: terms.on_expire,
    }))
}

fn open_challenge<'a>(known: &'a Known, challenge: &ChallengeId) -> Result<&'a ChallengeState, Rejection> {
    match &known.risk {
        Risk::Challenged(open) if open.id == *challenge => Ok(open),
        Risk::Challenged(_) => Err(Rejection::ChallengeSuperseded),
        Risk::Placed | Risk::Scored | Risk::Verified | Risk::Frozen(_) | Risk::Released(_) => {
            Err(Rejection::NoChallenge)
        }
    }
}

fn verify(known: &Known, challenge: &ChallengeId, at: Timestamp) -> Result<Vec<OrderEvent>, Rejection> {
    if matches!(known.risk, Risk::Verified | Risk::Released(ReleasedCause::Verified)) {
        return Ok(vec![]);
    }
    let open = open_challenge(known, challenge)?;
    if at > open.expires_at {
        return Err(Rejection::ChallengeExpired);
    }
    Ok(vec![
        OrderEvent::Verified(Verified { challenge: challenge.clone(), how: open.method }),
        OrderEvent::Released(Released { cause: ReleasedCause::Verified, actor: None, reason_code: None, note: None }),
    ])
}

fn fail(known: &Known, challenge: &ChallengeId) -> Result<Vec<OrderEvent>, Rejection> {
    if matches!(known.risk, Risk::Frozen(FrozenCause::ChallengeFailed)) {
        return Ok(vec![]);
    }
    let open = open_challenge(known, challenge)?;
    Ok(match open.on_fail {
        OnFail::Freeze => vec![frozen(FrozenCause::ChallengeFailed)],
        OnFail::Review => review(known, challenge, ReviewCause::ChallengeFailed),
    })
}

fn expire(known: &Known, challenge: &ChallengeId, at: Timestamp) -> Result<Vec<OrderEvent>, Rejection> {
    if matches!(
        known.risk,
        Risk::Frozen(FrozenCause::ChallengeExpired) | Risk::Released(ReleasedCause::ChallengeExpired)
    ) {
        return Ok(vec![]);
    }
    let open = open_challenge(known, challenge)?;
    if at <= open.expires_at {
        return Err(Rejection::ChallengeRunning);
    }
    Ok(match open.on_expire {
        OnExpire::Freeze => vec![frozen(FrozenCause::ChallengeExpired)],
        OnExpire::Review => review(known, challenge, ReviewCause::ChallengeExpired),
        OnExpire::Release => vec![OrderEvent::Released(Released {
            cause: ReleasedCause::ChallengeExpired,
            actor: None,
            reason_code: None,
            note: None,
        })],
    })
}

fn frozen(cause: FrozenCause) -> OrderEvent {
    OrderEvent::Frozen(Frozen { cause, actor: None, reason_code: None, note: None })
}

fn review(known: &Known, challenge: &ChallengeId, cause: ReviewCause) -> Vec<OrderEvent> {
    match known.review {
        Review::Open | Review::Claimed { pool: Pool::Reviewer, .. } => vec![],
        Review::None | Review::Waiting | Review::Claimed { pool: Pool::Customer, .. } | Review::Closed => {
            vec![OrderEvent::ReviewOpened(ReviewOpened { challenge: challenge.clone(), cause })]
        }
    }
}

fn is_claimed_by_other(known: &Known, reviewer: &str, at: Timestamp) -> bool {
    matches!(&known.review, Review::Claimed { reviewer: holder, lease_until, .. } if **holder != *reviewer && at <= *lease_until)
}

fn claim(
    known: &Known,
    reviewer: Box<str>,
    at: Timestamp,
    lease_until: Timestamp,
) -> Result<Vec<OrderEvent>, Rejection> {
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

fn give_back(known: &Known, reviewer: Box<str>) -> Result<Vec<OrderEvent>, Rejection> {
    match &known.review {
        Review::Claimed { reviewer: holder, .. } if *holder == reviewer => {
            Ok(vec![OrderEvent::ReviewReturned(ReviewReturned { reviewer })])
        }
        Review::Claimed { .. } => Err(Rejection::ClaimedByOther),
        Review::None | Review::Waiting | Review::Open | Review::Closed => Err(Rejection::NotClaimed),
    }
}

fn release(known: &Known, verdict: Verdict) -> Result<Vec<OrderEvent>, Rejection> {
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

fn freeze(known: &Known, verdict: Verdict) -> Result<Vec<OrderEvent>, Rejection> {
    if let Risk::Frozen(_) = known.risk {
        return Ok(vec![]);
    }
    transition(known.risk.state(), RiskState::Frozen)?;
    if known.reports.departed() {
        return Err(Rejection::Departed);
    }
    if is_claimed_by_other(known, &verdict.reviewer, verdict.at) {
        return Err(Rejection::ClaimedByOther);
    }
    Ok(vec![OrderEvent::Frozen(Frozen {
        cause: FrozenCause::Reviewer,
        actor: Some(verdict.reviewer),
        reason_code: Some(verdict.reason_code),
        note: verdict.note,
    })])
}
