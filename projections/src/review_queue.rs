//! `review_queue`: one row per order whose score reached the lowest tier, and what has become of it since.
//!
//! The states follow [`domain::order::Review`]: waiting while the customer is asked, open when a person must look, claimed
//! while one does, closed when it is released, spared or decided. Orders that pass, nearly all of them, take no row: when
//! one reaches a tier later, its earlier events are read from its stream.

mod query;

use domain::ids::OrderId;
use domain::order::{FrozenCause, PASS, Status};
use domain::time::Timestamp;
use eventlog::{Position, StreamId};
use serde::Deserialize;

use crate::change::{Envelope, OrderChange, Scored};
use crate::model::Projection;

pub use query::{ReviewQuery, ReviewSort};

/// One row per review.
pub(crate) struct ReviewQueue;

impl Projection for ReviewQueue {
    const NAME: &'static str = "review_queue";
    const VERSION: u32 = 1;
    type Row = ReviewRow;
    type Sums = ();

    fn apply(row: Option<ReviewRow>, change: &OrderChange<'_>, envelope: &Envelope<'_>) -> ReviewRow {
        apply(row, change, envelope)
    }

    fn is_reason(change: &OrderChange<'_>) -> bool {
        match change {
            OrderChange::Scored(scored) => scored.reached_a_tier(),
            OrderChange::Challenged(_)
            | OrderChange::Frozen(_)
            | OrderChange::FreezeConfirmed(_)
            | OrderChange::ReviewOpened(_)
            | OrderChange::ReviewEscalated(_)
            | OrderChange::ReviewReopened(_)
            | OrderChange::ReviewClaimed(_)
            | OrderChange::ReviewReturned(_) => true,
            OrderChange::Placed(_)
            | OrderChange::Amended(_)
            | OrderChange::StatusReported(_)
            | OrderChange::ChallengeResent(_)
            | OrderChange::CodeRejected(_)
            | OrderChange::CallUnanswered(_)
            | OrderChange::Verified(_)
            | OrderChange::Released(_)
            | OrderChange::Noted(_)
            | OrderChange::PersonalDataRevealed(_)
            | OrderChange::StockReleaseDue(_) => false,
        }
    }
}

/// One review.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReviewRow {
    /// The order's stream in the log.
    pub stream: StreamId,
    /// The order.
    pub order_id: OrderId,
    /// `None` for an order that needs no look so far; such rows are not stored.
    pub state: Option<ReviewState>,
    /// When the review began, by our clock: its age is counted from here.
    pub opened_at: Timestamp,
    /// Until when the customer may answer; `None` when the customer is not being asked.
    pub deadline: Option<Timestamp>,
    /// Who looks, and until when nobody else can.
    pub claim: Option<ReviewClaim>,
    /// The last score.
    pub score: i64,
    /// The tier it reached.
    pub tier: Box<str>,
    /// The ids of the rules that fired.
    pub rules: Vec<Box<str>>,
    /// The order's amount in minor units, 0 where it is not known.
    pub amount: i64,
    /// How far the order is by the newest report, and from when that counts.
    pub status: Option<(Status, Timestamp)>,
    /// The position of the last event that was folded into the row.
    pub position: Position,
}

/// What a review is waiting for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReviewState {
    /// The customer.
    Waiting,
    /// A person.
    Open,
    /// The person who looks at it.
    Claimed,
    /// Nothing any more.
    Closed,
}

impl ReviewState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Waiting, Self::Open, Self::Claimed, Self::Closed];

    /// The word for it in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Open => "open",
            Self::Claimed => "claimed",
            Self::Closed => "closed",
        }
    }

    /// The state of a word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// A reviewer's lease on a review.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReviewClaim {
    /// Who.
    pub reviewer: Box<str>,
    /// Until when.
    pub lease_until: Timestamp,
}

impl ReviewRow {
    /// How much is at stake: score × amount, the expected loss up to a factor that is the same for all.
    /// An order that is cancelled or refunded has nothing left to lose: 0.
    pub fn priority(&self) -> i64 {
        let is_off = matches!(self.status, Some((Status::Cancelled | Status::Refunded, _)));
        if is_off { 0 } else { self.score.max(0).saturating_mul(self.amount.max(0)) }
    }
}

fn first_heard_of(envelope: &Envelope<'_>) -> ReviewRow {
    ReviewRow {
        stream: envelope.stream,
        order_id: envelope.order_id.clone(),
        state: None,
        opened_at: envelope.recorded_at,
        deadline: None,
        claim: None,
        score: 0,
        tier: PASS.into(),
        rules: Vec::new(),
        amount: 0,
        status: None,
        position: envelope.position,
    }
}

fn apply(row: Option<ReviewRow>, change: &OrderChange<'_>, envelope: &Envelope<'_>) -> ReviewRow {
    let mut row = row.unwrap_or_else(|| first_heard_of(envelope));
    row.position = envelope.position;
    match change {
        OrderChange::Placed(placed) => row.amount = placed.facts.amount.unwrap_or(row.amount),
        OrderChange::Amended(amended) => row.amount = amended.changes.amount.unwrap_or(row.amount),
        OrderChange::StatusReported(report) => {
            if row.status.is_none_or(|(_, counted_at)| counted_at <= report.counted_at()) {
                row.status = Some((report.status, report.counted_at()));
            }
        }
        OrderChange::Scored(scored) => {
            row.score = scored.score;
            row.tier = scored.tier.boxed();
            row.rules = rules_of(scored);
            // What reaches a tier needs a person until the next event says otherwise; what is closed stays closed.
            if scored.reached_a_tier() && row.state.is_none() {
                enter(&mut row, ReviewState::Open, envelope);
            }
        }
        OrderChange::Challenged(challenged) => {
            enter(&mut row, ReviewState::Waiting, envelope);
            row.deadline = Some(challenged.expires_at);
        }
        OrderChange::Frozen(frozen) if frozen.cause == FrozenCause::Reviewer => close(&mut row, envelope),
        OrderChange::FreezeConfirmed(_) => close(&mut row, envelope),
        OrderChange::Frozen(_) | OrderChange::ReviewOpened(_) | OrderChange::ReviewReopened(_) => {
            enter(&mut row, ReviewState::Open, envelope);
        }
        OrderChange::Released(_) => {
            if row.state.is_some() {
                close(&mut row, envelope);
            }
        }
        OrderChange::ReviewClaimed(claim) => {
            let deadline = row.deadline;
            enter(&mut row, ReviewState::Claimed, envelope);
            row.deadline = deadline;
            row.claim = Some(ReviewClaim { reviewer: claim.reviewer.clone(), lease_until: claim.lease_until });
        }
        OrderChange::ReviewReturned(_) => {
            row.claim = None;
            // A challenge that ran out while a person looked opens no review of its own.
            row.deadline = row.deadline.filter(|deadline| *deadline > envelope.recorded_at);
            row.state = Some(if row.deadline.is_some() { ReviewState::Waiting } else { ReviewState::Open });
        }
        OrderChange::ChallengeResent(_)
        | OrderChange::CodeRejected(_)
        | OrderChange::CallUnanswered(_)
        | OrderChange::Verified(_)
        | OrderChange::ReviewEscalated(_)
        | OrderChange::Noted(_)
        | OrderChange::PersonalDataRevealed(_)
        | OrderChange::StockReleaseDue(_) => {}
    }
    row
}

/// Moves the review on; one that is not under way begins now.
fn enter(row: &mut ReviewRow, state: ReviewState, envelope: &Envelope<'_>) {
    if matches!(row.state, None | Some(ReviewState::Closed)) {
        row.opened_at = envelope.recorded_at;
    }
    row.state = Some(state);
    row.deadline = None;
    row.claim = None;
}

fn close(row: &mut ReviewRow, envelope: &Envelope<'_>) {
    enter(row, ReviewState::Closed, envelope);
}

/// The ids of the rules that fired. Hits that are not what a screening records name no rule, and the row stays usable.
fn rules_of(scored: &Scored<'_>) -> Vec<Box<str>> {
    #[derive(Deserialize)]
    struct RuleOfHit {
        rule: Box<str>,
    }
    if !scored.reached_a_tier() {
        return Vec::new();
    }
    let hits: Vec<RuleOfHit> = serde_json::from_str(scored.hits.get()).unwrap_or_default();
    hits.into_iter().map(|hit| hit.rule).collect()
}
