//! `review_queue`: one row per order whose score reached the lowest tier, and what has become of it since.
//!
//! The states follow [`domain::order::Review`]: waiting while the customer is asked, open when a person must look, claimed
//! while one does, closed when it is released, spared or decided. Orders that pass, nearly all of them, take no row: when
//! one reaches a tier later, its earlier events are read from its stream.
//!
//! Whoever works the queue takes the most urgent first; what that means, and why its order holds while the clock goes on, is
//! said in `review_queue/urgency.rs`.

mod cause;
mod query;
mod urgency;

use domain::ids::OrderId;
use domain::order::{FrozenCause, PASS, Status};
use domain::time::Timestamp;
use eventlog::{Position, StreamId};
use serde::Deserialize;

use crate::change::{Envelope, KnownFacts, OrderChange, Scored};
use crate::model::Projection;

pub use cause::{OpenCause, OpenedFor};
pub(crate) use query::SortColumn;
pub use query::{ReviewQuery, ReviewSort};
pub use urgency::LOOK_WITHIN;

/// One row per review.
pub(crate) struct ReviewQueue;

impl Projection for ReviewQueue {
    const NAME: &'static str = "review_queue";
    const VERSION: u32 = 3;
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
            | OrderChange::ReviewClosed(_)
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
    /// Why a person has to look; `None` while nobody has to, and where nothing says so.
    pub opened_for: Option<OpenedFor>,
    /// When the review began, by our clock: its age is counted from here.
    pub opened_at: Timestamp,
    /// Until when the customer may answer; `None` when the customer is not being asked.
    pub deadline: Option<Timestamp>,
    /// Since when it has waited for a person, by our clock; `None` while it waits for the customer or for nobody.
    pub open_since: Option<Timestamp>,
    /// Since when a person should have looked by the merchant's own measure; `None` when that is not so.
    pub escalated_at: Option<Timestamp>,
    /// How often it was opened again after it was closed.
    pub reopened: u32,
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
    /// Until when it must be paid.
    pub payment_due_at: Option<Timestamp>,
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
    /// What it waits for at a time: a lease that has run out no longer keeps anybody from it. Rows without a state are not
    /// stored.
    pub fn state_at(&self, now: Timestamp) -> ReviewState {
        match (self.state, &self.claim) {
            (Some(ReviewState::Claimed), Some(claim)) if claim.lease_until < now => match self.deadline {
                Some(_) => ReviewState::Waiting,
                None => ReviewState::Open,
            },
            (state, _) => state.unwrap_or(ReviewState::Closed),
        }
    }
}

fn first_heard_of(envelope: &Envelope<'_>) -> ReviewRow {
    ReviewRow {
        stream: envelope.stream,
        order_id: envelope.order_id.clone(),
        state: None,
        opened_for: None,
        opened_at: envelope.recorded_at,
        deadline: None,
        open_since: None,
        escalated_at: None,
        reopened: 0,
        claim: None,
        score: 0,
        tier: PASS.into(),
        rules: Vec::new(),
        amount: 0,
        payment_due_at: None,
        status: None,
        position: envelope.position,
    }
}

fn apply(row: Option<ReviewRow>, change: &OrderChange<'_>, envelope: &Envelope<'_>) -> ReviewRow {
    let mut row = row.unwrap_or_else(|| first_heard_of(envelope));
    row.position = envelope.position;
    match change {
        OrderChange::Placed(placed) => absorb(&mut row, &placed.facts),
        OrderChange::Amended(amended) => absorb(&mut row, &amended.changes),
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
                wait_for_a_person(&mut row, envelope);
            }
        }
        OrderChange::Challenged(challenged) => wait_for_the_customer(&mut row, challenged.expires_at, envelope),
        OrderChange::Frozen(frozen) if frozen.cause == FrozenCause::Reviewer => close(&mut row, envelope),
        OrderChange::FreezeConfirmed(_) | OrderChange::ReviewClosed(_) => close(&mut row, envelope),
        OrderChange::Frozen(_) => wait_for_a_person(&mut row, envelope),
        OrderChange::ReviewOpened(opened) => {
            wait_for_a_person(&mut row, envelope);
            let cause = OpenCause::Opened(opened.cause);
            row.opened_for = Some(OpenedFor { cause, reason_code: opened.reason_code.clone() });
        }
        OrderChange::ReviewReopened(reopened) => {
            wait_for_a_person(&mut row, envelope);
            row.opened_for = Some(OpenedFor { cause: OpenCause::Reopened(reopened.cause), reason_code: None });
            row.reopened = row.reopened.saturating_add(1);
        }
        OrderChange::ReviewEscalated(_) => row.escalated_at = row.escalated_at.or(Some(envelope.recorded_at)),
        OrderChange::Released(_) => {
            if row.state.is_some() {
                close(&mut row, envelope);
            }
        }
        OrderChange::ReviewClaimed(claim) => {
            begin(&mut row, envelope);
            if row.deadline.is_none() {
                row.open_since = row.open_since.or(Some(envelope.recorded_at));
            }
            row.state = Some(ReviewState::Claimed);
            row.claim = Some(ReviewClaim { reviewer: claim.reviewer.clone(), lease_until: claim.lease_until });
        }
        OrderChange::ReviewReturned(_) => {
            row.claim = None;
            // A challenge whose time is over asks nobody any more, even before that is recorded.
            match row.deadline.filter(|deadline| *deadline > envelope.recorded_at) {
                Some(_) => row.state = Some(ReviewState::Waiting),
                None => pool(&mut row, ReviewState::Open, None, envelope),
            }
        }
        OrderChange::ChallengeResent(_)
        | OrderChange::CodeRejected(_)
        | OrderChange::CallUnanswered(_)
        | OrderChange::Verified(_)
        | OrderChange::Noted(_)
        | OrderChange::PersonalDataRevealed(_)
        | OrderChange::StockReleaseDue(_) => {}
    }
    row
}

fn absorb(row: &mut ReviewRow, told: &KnownFacts<'_>) {
    row.amount = told.amount.unwrap_or(row.amount);
    row.payment_due_at = told.payment_due_at.or(row.payment_due_at);
}

fn wait_for_the_customer(row: &mut ReviewRow, until: Timestamp, envelope: &Envelope<'_>) {
    begin(row, envelope);
    pool(row, ReviewState::Waiting, Some(until), envelope);
    row.opened_for = None;
}

fn wait_for_a_person(row: &mut ReviewRow, envelope: &Envelope<'_>) {
    begin(row, envelope);
    pool(row, ReviewState::Open, None, envelope);
}

/// A review that is not under way begins now.
fn begin(row: &mut ReviewRow, envelope: &Envelope<'_>) {
    if matches!(row.state, None | Some(ReviewState::Closed)) {
        row.opened_at = envelope.recorded_at;
        row.escalated_at = None;
    }
}

/// Says whom a review waits for; a claim stays a claim, as it does in the order itself.
fn pool(row: &mut ReviewRow, state: ReviewState, deadline: Option<Timestamp>, envelope: &Envelope<'_>) {
    row.deadline = deadline;
    row.open_since = match deadline {
        None => row.open_since.or(Some(envelope.recorded_at)),
        Some(_) => None,
    };
    if row.claim.is_none() {
        row.state = Some(state);
    }
}

fn close(row: &mut ReviewRow, envelope: &Envelope<'_>) {
    begin(row, envelope);
    row.state = Some(ReviewState::Closed);
    row.opened_for = None;
    row.deadline = None;
    row.open_since = None;
    row.claim = None;
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
