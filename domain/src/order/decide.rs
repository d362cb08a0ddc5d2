//! What is decided about an order: commands in, events or a named rejection out.

use serde::{Deserialize, Serialize};

use super::challenge::{Said, Tries};
use super::event::{Amended, Facts, OrderEvent, Placed, Status, StatusReported};
use super::facts::merge;
use super::handling::{
    Challenged, Downgrade, DowngradeReason, Frozen, FrozenCause, Noted, PersonalDataRevealed, Released, ReleasedCause,
    ReviewCause, ReviewEscalated, ReviewOpened, ReviewReopened, StockCause, StockReleaseDue,
};
use super::others::PartOf;
use super::state::{Known, Order, Reports, Risk, RiskState};
use super::{challenge, review};
use crate::ids::ChallengeId;
use crate::screening::{Assessment, ChallengeTerms, Disposition};
use crate::time::{Span, Timestamp};

/// The most sources that can report on one order.
pub const SOURCES_MAX: usize = 16;

/// The reasons of what customers say on the phone, as reviewers' reasons are called.
const DENIED: &str = "customer_denied";
const CONFUSED: &str = "customer_confused";

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
    /// A source reports how far it is; of money paid back it says how much now.
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
    /// The customer answered with a wrong code.
    RejectCode {
        /// To which challenge.
        challenge: ChallengeId,
        /// When.
        at: Timestamp,
        /// How many codes a customer may try.
        attempts_max: u8,
    },
    /// The question is to be put once more.
    Resend {
        /// Which one.
        challenge: ChallengeId,
        /// When.
        at: Timestamp,
        /// How often that may be.
        resends_max: u8,
        /// Whether an SMS can be sent now, and why not.
        sms: Result<(), DowngradeReason>,
    },
    /// Somebody called the customer.
    Called {
        /// For which challenge.
        challenge: ChallengeId,
        /// What came of it.
        outcome: CallOutcome,
        /// The caller's words.
        note: Option<Box<str>>,
        /// When.
        at: Timestamp,
        /// How often a customer is called.
        attempts_max: u8,
        /// Whether another call can be made now, and why not.
        call: Result<(), DowngradeReason>,
    },
    /// The time for the answer is over.
    ExpireChallenge {
        /// Which one.
        challenge: ChallengeId,
        /// When.
        at: Timestamp,
        /// What is asked next where the merchant wants that, or why it cannot be asked now.
        next: Option<Result<NextChallenge, DowngradeReason>>,
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
        /// When.
        at: Timestamp,
    },
    /// A reviewer lets it go.
    Release(Verdict),
    /// A reviewer holds it.
    Freeze(Verdict),
    /// A closed review is wanted open again.
    Reopen(ReviewReopened),
    /// A person should have looked by now.
    Escalate(ReviewEscalated),
    /// It has held stock for long enough.
    ReleaseStock {
        /// Why it holds it.
        cause: StockCause,
        /// When.
        at: Timestamp,
    },
    /// Somebody writes something down.
    Note(Noted),
    /// Somebody looks at the personal data.
    Reveal(PersonalDataRevealed),
}

/// What came of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallOutcome {
    /// The customer says that the order is theirs.
    Confirmed,
    /// The customer says that it is not.
    Denied,
    /// The customer did not know what to say.
    Unclear,
    /// Nobody answered.
    NoAnswer,
}

/// A call that follows an SMS nobody answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NextChallenge {
    /// Its id.
    pub id: ChallengeId,
    /// How long the answer counts.
    pub expires_in: Span,
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
    /// Until when no other reviewer can decide otherwise.
    pub claim_until: Timestamp,
    /// The decision about many orders that it is part of, if it is.
    pub part_of: Option<Box<PartOf>>,
}

/// Why a command was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Rejection {
    /// The order is known by its reports alone.
    #[error("the order is not placed; so far only its status was reported")]
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
    /// The customer is called.
    #[error("the challenge is a call, which no code answers")]
    NotCode,
    /// The customer was sent a code.
    #[error("the challenge is an SMS, of which no call tells the result")]
    NotCall,
    /// The question was put as often as the merchant wants.
    #[error("the code was sent as often as it may be")]
    ResendsUsedUp,
    /// No more can be sent at the moment.
    #[error("no more messages can be sent this minute, by the merchant's own limit; try again a little later")]
    NoCapacity,
    /// Its score never reached a tier, or its review is closed.
    #[error("the order is not under review")]
    NotUnderReview,
    /// Somebody else looks at it.
    #[error("another reviewer has claimed the order")]
    ClaimedByOther,
    /// The reviewer does not hold it.
    #[error("the order is not claimed by this reviewer")]
    NotClaimed,
    /// Nothing is to be opened again.
    #[error("the order's review is open")]
    ReviewNotClosed,
    /// Only what is held is worth another look.
    #[error("the order is not frozen")]
    NotFrozen,
    /// Nothing was ever told of it.
    #[error("there is no such order")]
    UnknownOrder,
    /// More than [`SOURCES_MAX`].
    #[error("more than 16 sources report on the order")]
    TooManySources,
}

impl Rejection {
    /// Its stable name in the API.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotPlaced => "not_placed",
            Self::Transition { .. } => "transition_not_allowed",
            Self::Departed => "order_departed",
            Self::NoChallenge => "no_open_challenge",
            Self::ChallengeSuperseded => "challenge_superseded",
            Self::ChallengeExpired => "challenge_expired",
            Self::ChallengeRunning => "challenge_running",
            Self::NotCode => "code_not_expected",
            Self::NotCall => "call_not_expected",
            Self::ResendsUsedUp => "resends_used_up",
            Self::NoCapacity => "no_capacity",
            Self::NotUnderReview => "not_under_review",
            Self::ClaimedByOther => "claimed_by_other",
            Self::NotClaimed => "not_claimed",
            Self::ReviewNotClosed => "review_not_closed",
            Self::NotFrozen => "order_not_frozen",
            Self::UnknownOrder => "order_unknown",
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
        (Order::Unknown { reports }, OrderCommand::Report(told)) => report(reports, told, None),
        (Order::Unknown { reports }, OrderCommand::Place(placed)) => {
            let refunded = reports.refunded_in_full(placed.facts.amount).map(OrderEvent::StatusReported);
            Ok([OrderEvent::Placed(placed)].into_iter().chain(refunded).collect())
        }
        (Order::Unknown { reports }, _) if reports.all().is_empty() => Err(Rejection::UnknownOrder),
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
        OrderCommand::Report(told) => {
            let mut events = report(&known.reports, told, known.facts.amount)?;
            if let Some(OrderEvent::StatusReported(told)) = events.first() {
                events.extend(review::after(known, told));
            }
            Ok(events)
        }
        OrderCommand::Assess { assessment, challenge, at } => assess(known, *assessment, challenge, at),
        OrderCommand::Verify { challenge, at } => challenge::verify(known, &challenge, at),
        OrderCommand::RejectCode { challenge, at, attempts_max } => {
            challenge::reject_code(known, challenge, at, attempts_max)
        }
        OrderCommand::Resend { challenge, at, resends_max, sms } => {
            challenge::resend(known, challenge, at, resends_max, sms)
        }
        OrderCommand::Called { challenge, outcome, note, at, attempts_max, call } => match outcome {
            CallOutcome::Confirmed => challenge::confirm(known, &challenge, at),
            CallOutcome::Denied => challenge::deny(known, &challenge, Said { reason_code: Some(DENIED), note }, at),
            CallOutcome::Unclear => challenge::deny(known, &challenge, Said { reason_code: Some(CONFUSED), note }, at),
            CallOutcome::NoAnswer => {
                let tries = Tries { attempts_max, call };
                challenge::no_answer(known, challenge, note, at, tries)
            }
        },
        OrderCommand::ExpireChallenge { challenge, at, next } => challenge::expire(known, &challenge, at, next),
        OrderCommand::Claim { reviewer, at, lease_until } => review::claim(known, reviewer, at, lease_until),
        OrderCommand::Return { reviewer, at } => review::give_back(known, reviewer, at),
        OrderCommand::Release(verdict) => review::release(known, verdict),
        OrderCommand::Freeze(verdict) => review::freeze(known, verdict),
        OrderCommand::Reopen(wanted) => review::reopen(known, wanted),
        OrderCommand::Escalate(escalated) => Ok(review::escalate(known, escalated)),
        OrderCommand::ReleaseStock { cause, at } => Ok(release_stock(known, cause, at)),
        OrderCommand::Note(noted) => Ok(vec![OrderEvent::Noted(noted)]),
        OrderCommand::Reveal(revealed) => Ok(vec![OrderEvent::PersonalDataRevealed(revealed)]),
    }
}

/// Records a report on an order of an amount, if that is known.
fn report(reports: &Reports, told: StatusReported, amount: Option<i64>) -> Result<Vec<OrderEvent>, Rejection> {
    if reports.holds(&told) {
        return Ok(vec![]);
    }
    let told = reports.refund(told, amount);
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
        Disposition::Challenge(..) | Disposition::Review(..) | Disposition::Freeze if known.reports.departed() => {
            review::of_departed(known)
        }
        Disposition::Challenge(terms, instead_of) => {
            may_ask(known, Some(terms)).then(|| ask(terms, instead_of, challenge, at))
        }
        Disposition::Review(first, then) => may_ask(known, None).then(|| {
            let instead_of = std::iter::once(first).chain(then).collect();
            let opened = ReviewOpened { instead_of, ..ReviewOpened::by_itself(None, ReviewCause::NoChannel) };
            OrderEvent::ReviewOpened(opened)
        }),
        Disposition::Freeze => match known.risk {
            Risk::Frozen(_) | Risk::Released(ReleasedCause::Reviewer) => None,
            Risk::Placed | Risk::Scored | Risk::Challenged(_) | Risk::Verified | Risk::Released(_) => {
                Some(OrderEvent::Frozen(Frozen::by_itself(FrozenCause::Score)))
            }
        },
    };
    let needs_a_person = matches!(consequence, Some(OrderEvent::Frozen(_))) && !review::waits_for_a_person(known);
    let mut events = Vec::with_capacity(2);
    events.push(OrderEvent::Scored(assessment.scored));
    events.extend(consequence);
    if needs_a_person {
        events.push(review::opened(None, ReviewCause::Frozen));
    }
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
    Some(OrderEvent::Released(Released::by_itself(cause)))
}

/// Whether the customer is to be asked, or a person in the customer's place: not where a question is open that is as strong,
/// and not where somebody has spoken.
fn may_ask(known: &Known, terms: Option<ChallengeTerms>) -> bool {
    match &known.risk {
        Risk::Placed | Risk::Scored | Risk::Verified => true,
        Risk::Challenged(open) => terms.is_some_and(|terms| terms.method > open.method),
        Risk::Released(cause) => {
            matches!(cause, ReleasedCause::Clean | ReleasedCause::Exempt | ReleasedCause::Rescored)
        }
        Risk::Frozen(_) => false,
    }
}

pub(super) fn ask(
    terms: ChallengeTerms,
    instead_of: Option<Downgrade>,
    challenge: ChallengeId,
    at: Timestamp,
) -> OrderEvent {
    OrderEvent::Challenged(Challenged {
        challenge,
        method: terms.method,
        expires_at: at.plus(terms.expires_in),
        on_fail: terms.on_fail,
        on_expire: terms.on_expire,
        instead_of,
    })
}

/// Asks for the stock of an order that is still held, or still not paid though its payment is overdue; once.
fn release_stock(known: &Known, cause: StockCause, at: Timestamp) -> Vec<OrderEvent> {
    let is_overdue = known.facts.payment_due_at.is_some_and(|due| due < at);
    let is_paid = || known.reports.all().iter().any(|report| !matches!(report.status, Status::Cancelled));
    let is_due = match cause {
        StockCause::Frozen => matches!(known.risk, Risk::Frozen(_)),
        StockCause::Unpaid => is_overdue && !is_paid(),
    };
    if !is_due || known.stock_release_due || known.reports.departed() {
        return vec![];
    }
    let lines = known.facts.lines.iter().flatten();
    let units = lines.map(|line| u64::from(line.quantity)).sum();
    vec![OrderEvent::StockReleaseDue(StockReleaseDue { cause, units })]
}
