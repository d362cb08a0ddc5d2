//! Where an order stands: the fold of its events.

use serde::{Deserialize, Serialize};

use super::event::{Amended, Facts, OrderEvent, Scored, Status, StatusReported};
use super::facts::FactTimes;
use super::handling::{
    ChallengeMethod, Challenged, ClosedCause, DowngradeReason, FreezeConfirmed, Frozen, FrozenCause, OnExpire, OnFail,
    Released, ReleasedCause, ReviewCause,
};
use crate::ids::ChallengeId;
use crate::time::Timestamp;

/// The tier of an order whose score reaches none.
pub const PASS: &str = "pass";

/// One order. A status may be reported before the order is placed; then it is known only by its reports.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Order {
    /// Not placed so far.
    Unknown {
        /// What was reported all the same.
        reports: Reports,
    },
    /// Placed.
    Known(Box<Known>),
}

impl Default for Order {
    fn default() -> Self {
        Self::Unknown { reports: Reports::default() }
    }
}

/// A placed order.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Known {
    /// The newest facts by event time.
    pub facts: Facts,
    /// From when they are.
    pub times: FactTimes,
    /// What the sources reported.
    pub reports: Reports,
    /// The last screening.
    pub screening: Option<Scored>,
    /// Whether it may go on.
    pub risk: Risk,
    /// Whether a person has to look.
    pub review: Review,
    /// Why its review was closed without a decision; `None` where there was one.
    #[serde(default)]
    pub ended: Option<ClosedCause>,
    /// The challenges that nobody answered, and until when an answer would have counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unanswered: Vec<(ChallengeId, Timestamp)>,
    /// The reviewer who decided last, while its review is closed by that.
    #[serde(default)]
    pub decider: Option<Decider>,
    /// Whether the stock that it holds was asked for.
    #[serde(default)]
    pub stock_release_due: bool,
}

/// A reviewer whose claim outlasts the decision.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Decider {
    /// Who.
    pub reviewer: Box<str>,
    /// Until when nobody else can decide otherwise.
    pub claim_until: Timestamp,
}

/// Whether an order may go on, one variant per risk state.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Risk {
    /// Not screened so far.
    Placed,
    /// Screened, and neither held nor released: it had already left.
    Scored,
    /// The customer is being asked.
    Challenged(ChallengeState),
    /// The customer proved it.
    Verified,
    /// Held.
    Frozen(FrozenCause),
    /// May go on.
    Released(ReleasedCause),
}

/// A challenge that is open.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ChallengeState {
    /// Its id.
    pub id: ChallengeId,
    /// How the customer is asked.
    pub method: ChallengeMethod,
    /// Until when the answer counts.
    pub expires_at: Timestamp,
    /// What a wrong answer leads to.
    pub on_fail: OnFail,
    /// What silence leads to.
    pub on_expire: OnExpire,
    /// Wrong codes, or calls without an answer.
    pub attempts: u8,
    /// How often the question was put again.
    pub resends: u8,
    /// It came to nothing: a person looks, or the order left or is off.
    pub is_over: bool,
}

/// The name of a risk state, as the API and the transition table use it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the variants of `Risk` describe them")]
pub enum RiskState {
    Placed,
    Scored,
    Challenged,
    Verified,
    Frozen,
    Released,
}

impl RiskState {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Placed, Self::Scored, Self::Challenged, Self::Verified, Self::Frozen, Self::Released];

    /// The word for it in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::Scored => "scored",
            Self::Challenged => "challenged",
            Self::Verified => "verified",
            Self::Frozen => "frozen",
            Self::Released => "released",
        }
    }
}

impl Risk {
    /// Its name.
    pub const fn state(&self) -> RiskState {
        match self {
            Self::Placed => RiskState::Placed,
            Self::Scored => RiskState::Scored,
            Self::Challenged(_) => RiskState::Challenged,
            Self::Verified => RiskState::Verified,
            Self::Frozen(_) => RiskState::Frozen,
            Self::Released(_) => RiskState::Released,
        }
    }
}

/// A person's look at the order.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Review {
    /// Its score never reached a tier.
    #[default]
    None,
    /// The customer is being asked.
    Waiting,
    /// A person has to look.
    Open,
    /// A person looks.
    Claimed {
        /// Who.
        reviewer: Box<str>,
        /// Until when nobody else can.
        lease_until: Timestamp,
        /// Where it goes when the reviewer gives it back.
        pool: Pool,
    },
    /// Done.
    Closed,
}

/// Where an order waits for whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Pool {
    /// For the customer's answer.
    Customer,
    /// For a person.
    Reviewer,
}

impl Known {
    fn screened(&mut self, scored: Scored) {
        // What reaches a tier needs a person until something else is decided; a review that is closed stays closed.
        if &*scored.tier != PASS && self.review == Review::None {
            self.review = Review::Open;
        }
        if self.risk == Risk::Placed {
            self.risk = Risk::Scored;
        }
        self.screening = Some(scored);
    }

    /// A person or what was decided by itself has closed its review.
    fn decided(&mut self, actor: Option<&str>, claim_until: Option<Timestamp>) {
        (self.review, self.ended) = (Review::Closed, None);
        self.decider =
            actor.zip(claim_until).map(|(actor, claim_until)| Decider { reviewer: actor.into(), claim_until });
    }

    fn with_challenge(&mut self, change: impl FnOnce(&mut ChallengeState)) {
        if let Risk::Challenged(open) = &mut self.risk {
            change(open);
        }
    }
}

impl Review {
    /// Moves it into a pool; a claim stays a claim.
    fn pool(&mut self, to: Pool) {
        *self = match (std::mem::take(self), to) {
            (Self::Claimed { reviewer, lease_until, .. }, pool) => Self::Claimed { reviewer, lease_until, pool },
            (Self::None | Self::Waiting | Self::Open | Self::Closed, Pool::Customer) => Self::Waiting,
            (Self::None | Self::Waiting | Self::Open | Self::Closed, Pool::Reviewer) => Self::Open,
        };
    }
}

/// What the sources reported: for each source and status the newest report.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Reports(Vec<StatusReported>);

impl Reports {
    /// The unified status: the report from the newest time, at equal times the one that arrived last. One that is dated too
    /// far ahead counts from its arrival.
    pub fn current(&self) -> Option<&StatusReported> {
        // `max_by_key` answers with the last of equal ones.
        self.0.iter().max_by_key(|report| report.counted_at())
    }

    /// Each report that counts, in the order of arrival.
    pub fn all(&self) -> &[StatusReported] {
        &self.0
    }

    /// Whether the order can no longer be held: it left, it was paid back, or it is off.
    pub fn departed(&self) -> bool {
        let left = |report: &StatusReported| {
            matches!(report.status, Status::Shipped | Status::Delivered | Status::Completed | Status::Refunded)
        };
        self.0.iter().any(left) || self.current().is_some_and(|report| report.status == Status::Cancelled)
    }

    /// Why nothing can be decided about the order any more; `None` while something can.
    pub(super) fn ending(&self) -> Option<ClosedCause> {
        if !self.departed() {
            return None;
        }
        let is_refunded = self.0.iter().any(|report| report.status == Status::Refunded);
        let is_cancelled = self.current().is_some_and(|report| report.status == Status::Cancelled);
        Some(match (is_refunded, is_cancelled) {
            (true, _) => ClosedCause::Refunded,
            (false, true) => ClosedCause::Cancelled,
            (false, false) => ClosedCause::Shipped,
        })
    }

    /// As they are with one more.
    pub(super) fn with(&self, report: &StatusReported) -> Self {
        let mut reports = self.clone();
        reports.take(report);
        reports
    }

    /// Whether a report says nothing that is not known.
    pub(super) fn holds(&self, report: &StatusReported) -> bool {
        let says = |report: &StatusReported| (report.status, report.occurred_at);
        self.0.iter().any(|known| known.source == report.source && says(known) == says(report))
    }

    /// What a report of money paid back comes to with what its source paid back before: of an order whose amount is known it
    /// may be all.
    pub(super) fn refund(&self, told: StatusReported, amount: Option<i64>) -> StatusReported {
        let Some(now) = told.refunded else { return told };
        let is_of_it = |report: &&StatusReported| report.source == told.source;
        let before = self.0.iter().filter(is_of_it).find_map(|report| report.refunded).unwrap_or(0);
        let total = before.saturating_add(now);
        if amount.is_some_and(|amount| total >= amount) {
            StatusReported { status: Status::Refunded, refunded: None, ..told }
        } else {
            StatusReported { refunded: Some(total), ..told }
        }
    }

    /// The report by which all of the amount was paid back, told while the amount was not known.
    pub(super) fn refunded_in_full(&self, amount: Option<i64>) -> Option<StatusReported> {
        let paid_back =
            self.0.iter().find(|report| report.refunded.zip(amount).is_some_and(|(all, due)| all >= due))?;
        Some(StatusReported { status: Status::Refunded, refunded: None, ..paid_back.clone() })
    }

    pub(super) fn sources(&self) -> usize {
        let mut sources: Vec<&str> = self.0.iter().map(|report| &*report.source).collect();
        sources.sort_unstable();
        sources.dedup();
        sources.len()
    }

    pub(super) fn is_from(&self, source: &str) -> bool {
        self.0.iter().any(|report| &*report.source == source)
    }

    fn take(&mut self, report: &StatusReported) {
        let same = |known: &StatusReported| known.source == report.source && known.status == report.status;
        match self.0.iter().position(same) {
            // Refunds arrive in any order, and the last to arrive knows of them all.
            Some(place) if self.0[place].counted_at() > report.counted_at() => {
                self.0[place].refunded = report.refunded.or(self.0[place].refunded);
            }
            Some(place) => {
                self.0.remove(place);
                self.0.push(report.clone());
            }
            None => self.0.push(report.clone()),
        }
    }
}

impl Order {
    /// What the sources reported.
    pub fn reports(&self) -> &Reports {
        match self {
            Self::Unknown { reports } => reports,
            Self::Known(known) => &known.reports,
        }
    }

    /// The order after its placement with these facts, as [`evolve`] has it. One that is placed already stays as it is.
    #[must_use]
    pub fn placed(self, as_of: Option<Timestamp>, facts: Facts) -> Self {
        let Self::Unknown { reports } = self else { return self };
        let times = FactTimes::all(as_of.or(facts.placed_at).unwrap_or_default());
        Self::Known(Box::new(Known {
            facts,
            times,
            reports,
            screening: None,
            risk: Risk::Placed,
            review: Review::None,
            ended: None,
            unanswered: Vec::new(),
            decider: None,
            stock_release_due: false,
        }))
    }

    /// Takes in a screening, as [`evolve`] does, from whoever has no other use for it.
    pub fn take_screening(&mut self, scored: Scored) {
        if let Self::Known(known) = self {
            known.screened(scored);
        }
    }

    /// The placed order, if it is one.
    pub fn known(&self) -> Option<&Known> {
        match self {
            Self::Unknown { .. } => None,
            Self::Known(known) => Some(known),
        }
    }
}

/// The order after an event. Total: an event that does not fit an unplaced order leaves it as it is.
pub fn evolve(mut order: Order, event: &OrderEvent) -> Order {
    match (&mut order, event) {
        (Order::Unknown { .. }, OrderEvent::Placed(placed)) => return order.placed(placed.as_of, placed.facts.clone()),
        (Order::Unknown { reports }, OrderEvent::StatusReported(report)) => reports.take(report),
        (Order::Unknown { .. }, _) => {}
        (Order::Known(known), event) => evolve_known(known, event),
    }
    order
}

/// Whether the challenge that was open until this ended without an answer.
const fn is_of_silence(event: &OrderEvent) -> bool {
    match event {
        OrderEvent::Challenged(Challenged { instead_of: Some(instead_of), .. }) => {
            matches!(instead_of.reason, DowngradeReason::Unanswered)
        }
        OrderEvent::Frozen(frozen) => matches!(frozen.cause, FrozenCause::ChallengeExpired),
        OrderEvent::Released(released) => matches!(released.cause, ReleasedCause::ChallengeExpired),
        OrderEvent::ReviewOpened(opened) => matches!(opened.cause, ReviewCause::ChallengeExpired),
        _ => false,
    }
}

fn evolve_known(known: &mut Known, event: &OrderEvent) {
    if let Risk::Challenged(open) = &known.risk
        && is_of_silence(event)
    {
        known.unanswered.push((open.id.clone(), open.expires_at));
    }
    match event {
        // A second `Placed` is never decided; a fold over a damaged log keeps the first.
        OrderEvent::Placed(_)
        | OrderEvent::Noted(_)
        | OrderEvent::PersonalDataRevealed(_)
        | OrderEvent::ReviewEscalated(_) => {}
        OrderEvent::Amended(Amended { as_of, changes, .. }) => {
            known.facts.absorb(changes);
            known.times.absorb(changes, *as_of);
        }
        OrderEvent::StatusReported(report) => known.reports.take(report),
        OrderEvent::Scored(scored) => known.screened(scored.clone()),
        OrderEvent::Challenged(Challenged { challenge, method, expires_at, on_fail, on_expire, .. }) => {
            known.risk = Risk::Challenged(ChallengeState {
                id: challenge.clone(),
                method: *method,
                expires_at: *expires_at,
                on_fail: *on_fail,
                on_expire: *on_expire,
                attempts: 0,
                resends: 0,
                is_over: false,
            });
            known.review.pool(Pool::Customer);
        }
        OrderEvent::ChallengeResent(_) => known.with_challenge(|open| open.resends = open.resends.saturating_add(1)),
        OrderEvent::CodeRejected(_) | OrderEvent::CallUnanswered(_) => {
            known.with_challenge(|open| open.attempts = open.attempts.saturating_add(1));
        }
        OrderEvent::Verified(_) => known.risk = Risk::Verified,
        OrderEvent::Frozen(Frozen { cause, actor, claim_until, .. }) => {
            known.risk = Risk::Frozen(*cause);
            if *cause == FrozenCause::Reviewer {
                known.decided(actor.as_deref(), *claim_until);
            } else {
                known.review.pool(Pool::Reviewer);
            }
        }
        // From now on it is a person's word, which no score takes back.
        OrderEvent::FreezeConfirmed(FreezeConfirmed { actor, claim_until, .. }) => {
            known.risk = Risk::Frozen(FrozenCause::Reviewer);
            known.decided(Some(actor), *claim_until);
        }
        OrderEvent::Released(Released { cause, actor, claim_until, .. }) => {
            known.risk = Risk::Released(*cause);
            known.stock_release_due = false;
            if known.review != Review::None {
                known.decided(actor.as_deref(), *claim_until);
            }
        }
        OrderEvent::ReviewOpened(opened) => {
            known.review.pool(Pool::Reviewer);
            known.with_challenge(|open| open.is_over |= opened.challenge.as_ref() == Some(&open.id));
        }
        OrderEvent::ReviewClosed(closed) => {
            (known.review, known.ended, known.decider) = (Review::Closed, Some(closed.cause), None);
            known.with_challenge(|open| open.is_over = true);
        }
        OrderEvent::ReviewReopened(_) => known.review = Review::Open,
        OrderEvent::StockReleaseDue(_) => known.stock_release_due = true,
        OrderEvent::ReviewClaimed(claim) => {
            let pool = match &known.review {
                Review::Waiting => Pool::Customer,
                Review::Claimed { pool, .. } => *pool,
                Review::None | Review::Open | Review::Closed => Pool::Reviewer,
            };
            known.review = Review::Claimed { reviewer: claim.reviewer.clone(), lease_until: claim.lease_until, pool };
        }
        OrderEvent::ReviewReturned(_) => {
            if let Review::Claimed { pool, .. } = known.review {
                known.review = Review::None;
                known.review.pool(pool);
            }
        }
    }
}
