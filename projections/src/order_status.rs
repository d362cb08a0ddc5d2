//! `order_status`: one row per order, the unified look at it.
//!
//! A status may be reported before the order is placed: the row is then there without a risk state and is completed by
//! `Placed`. Status follows the sources' clocks: the newest `occurred_at` wins, at equal times the later arrival;
//! what is dated too far ahead of our clock counts from its arrival, but is shown as it was reported.

pub(crate) mod course;
mod links;
mod query;
pub(crate) mod stock;

use domain::ids::{ChallengeId, OrderId};
use domain::order::{ChallengeMethod, RiskState, Status};
use domain::time::Timestamp;
use eventlog::{Position, StreamId};
use serde::{Deserialize, Serialize};

use crate::change::{Envelope, KnownFacts, OrderChange, ShortToken, Text};
use crate::model::Projection;
use crate::sums::Sums;
use crate::words::released_word;
use crate::{outcomes, stock_holds};

pub use course::{Answer, Course};
pub(crate) use links::shared;
pub use links::{LINK_COUNT_MAX, LinkCounts};
pub use query::OrderQuery;
pub(crate) use query::{Handle, LIST, Wanted};
pub use stock::StockLine;

/// One row per order.
pub(crate) struct OrderStatus;

impl Projection for OrderStatus {
    const NAME: &'static str = "order_status";
    const VERSION: u32 = 6;
    type Row = OrderStatusRow;
    type Sums = OrderSums;

    fn apply(row: Option<OrderStatusRow>, change: &OrderChange<'_>, envelope: &Envelope<'_>) -> OrderStatusRow {
        apply(row, change, envelope)
    }

    fn moves(change: &OrderChange<'_>) -> bool {
        matches!(change, OrderChange::Placed(_) | OrderChange::Amended(_))
    }

    fn counts_anew(change: &OrderChange<'_>) -> bool {
        matches!(change, OrderChange::Placed(_) | OrderChange::Amended(_) | OrderChange::Scored(_))
    }
}

/// What is summed over orders. That of a row that does not change what it counts for costs a comparison.
#[derive(Default)]
pub(crate) struct OrderSums {
    pub(crate) stock: stock_holds::HoldSums,
    pub(crate) outcomes: outcomes::CountSums,
}

/// How an order counts.
#[derive(Clone, Copy)]
pub(crate) struct OrderStanding {
    hold: Option<stock_holds::Hold>,
    outcome: Option<outcomes::Outcome>,
}

impl Sums<OrderStatusRow> for OrderSums {
    type Standing = OrderStanding;

    fn standing(row: &OrderStatusRow) -> OrderStanding {
        OrderStanding { hold: stock_holds::hold(row), outcome: outcomes::outcome(row) }
    }

    fn recount(
        &mut self,
        merchant: usize,
        row: &OrderStatusRow,
        before: Option<OrderStanding>,
        after: Option<OrderStanding>,
    ) {
        let part = |standing: Option<OrderStanding>| standing.map_or((None, None), |it| (it.hold, it.outcome));
        let (before, after) = (part(before), part(after));
        if before.0 != after.0 {
            before.0.inspect(|hold| stock_holds::count(&mut self.stock, merchant, row, *hold, -1));
            after.0.inspect(|hold| stock_holds::count(&mut self.stock, merchant, row, *hold, 1));
        }
        if before.1 != after.1 {
            before.1.inspect(|outcome| outcomes::count(&mut self.outcomes, merchant, row, outcome, -1));
            after.1.inspect(|outcome| outcomes::count(&mut self.outcomes, merchant, row, outcome, 1));
        }
    }
}

/// One order as it stands.
#[derive(Clone, PartialEq, Debug)]
pub struct OrderStatusRow {
    /// The order's stream in the log.
    pub stream: StreamId,
    /// Its id.
    pub order_id: OrderId,
    /// What it is.
    pub facts: OrderFacts,
    /// Whether it may go on.
    pub risk: OrderRisk,
    /// What became of it, for figures.
    pub course: Course,
    /// How far it is by the newest report; `None` without reports.
    pub status: Option<UnifiedStatus>,
    /// The newest report of each source, ordered by source.
    pub sources: Vec<SourceReport>,
    /// The position of the last event that was folded into the row.
    pub position: Position,
}

/// What an order is, as far as it is told.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OrderFacts {
    /// When it was placed, by the channel's clock.
    pub placed_at: Option<Timestamp>,
    /// Where it stands in lists: when it was placed, or first heard of while that is not known.
    pub listed_at: Timestamp,
    /// The number people see, where it is not the order number.
    pub display_no: Option<Box<str>>,
    /// In minor units.
    pub amount: Option<i64>,
    /// ISO 4217.
    pub currency: Option<Box<str>>,
    /// The customer's level.
    pub level: Option<u32>,
    /// Its units of each SKU, in the order of the SKUs.
    pub stock: Vec<StockLine>,
    /// What it can be found and linked by.
    pub handles: Handles,
}

/// Tokens in their short form, see [`domain::ids::Token::short`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Handles {
    /// The customer.
    pub customer: Option<i64>,
    /// The buyer's number.
    pub buyer_phone: Option<i64>,
    /// The recipient's number.
    pub recipient_phone: Option<i64>,
    /// The device.
    pub device: Option<i64>,
    /// The IP address.
    pub ip: Option<i64>,
    /// Its /24, or /48 for IPv6.
    pub ip24: Option<i64>,
    /// The delivery address.
    pub address: Option<i64>,
}

/// Whether an order may go on, and why.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct OrderRisk {
    /// `None` for an order that is known only by its reports.
    pub state: Option<RiskState>,
    /// The last score.
    pub score: Option<i64>,
    /// The tier it reached, or `pass`.
    pub tier: Option<Box<str>>,
    /// The rulebook it was screened with.
    pub rulebook_version: Option<u32>,
    /// The exemption that spared it.
    pub exemption: Option<Box<str>>,
    /// The rules that fired: a JSON array of `{"rule", "points", "evidence"}`, with the bytes of the log.
    pub hits: Box<str>,
    /// The open challenge.
    pub challenge: Option<OrderChallenge>,
    /// Since when it is challenged or frozen, by our clock; `None` when it is not held.
    pub held_since: Option<Timestamp>,
    /// The reviewer who released it, or else the cause of its release; `None` when it is not released.
    pub released_by: Option<Box<str>>,
}

/// A question the customer is being asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrderChallenge {
    /// Its id.
    pub id: ChallengeId,
    /// How.
    pub method: ChallengeMethod,
    /// Until when the answer counts.
    pub expires_at: Timestamp,
}

/// How far an order is over all sources.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnifiedStatus {
    /// How far.
    pub value: Status,
    /// When, by the source's clock.
    pub occurred_at: Timestamp,
    /// Who says so.
    pub source: Box<str>,
}

/// The newest report of one source.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SourceReport {
    /// Who.
    pub source: Box<str>,
    /// How far.
    pub status: Status,
    /// When, by the source's clock.
    pub occurred_at: Timestamp,
    /// From when it counts, where that is not `occurred_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts_from: Option<Timestamp>,
    /// When we heard it.
    pub recorded_at: Timestamp,
}

impl SourceReport {
    fn counted_at(&self) -> Timestamp {
        self.counts_from.unwrap_or(self.occurred_at)
    }
}

fn first_heard_of(envelope: &Envelope<'_>) -> OrderStatusRow {
    OrderStatusRow {
        stream: envelope.stream,
        order_id: envelope.order_id.clone(),
        facts: OrderFacts { listed_at: envelope.recorded_at, ..OrderFacts::default() },
        risk: OrderRisk { hits: "[]".into(), ..OrderRisk::default() },
        course: Course::default(),
        status: None,
        sources: Vec::new(),
        position: envelope.position,
    }
}

fn apply(row: Option<OrderStatusRow>, change: &OrderChange<'_>, envelope: &Envelope<'_>) -> OrderStatusRow {
    let mut row = row.unwrap_or_else(|| first_heard_of(envelope));
    row.position = envelope.position;
    course::follow(&mut row, change, envelope);
    let risk = &mut row.risk;
    match change {
        OrderChange::Placed(placed) => {
            absorb(&mut row.facts, &placed.facts);
            risk.state = risk.state.or(Some(RiskState::Placed));
        }
        OrderChange::Amended(amended) => absorb(&mut row.facts, &amended.changes),
        OrderChange::StatusReported(report) => {
            let heard = SourceReport {
                source: report.source.clone(),
                status: report.status,
                occurred_at: report.occurred_at,
                counts_from: report.counts_from,
                recorded_at: envelope.recorded_at,
            };
            report_status(&mut row, heard);
        }
        OrderChange::Scored(scored) => {
            // A screening alone moves nothing but a fresh order; what follows from it is told by the next event.
            if risk.state == Some(RiskState::Placed) {
                risk.state = Some(RiskState::Scored);
            }
            risk.score = Some(scored.score);
            risk.tier = Some(scored.tier.boxed());
            risk.rulebook_version = Some(scored.rulebook_version);
            risk.exemption = scored.exemption.as_ref().map(Text::boxed);
            risk.hits = scored.hits.get().into();
        }
        OrderChange::Challenged(challenged) => {
            hold(risk, RiskState::Challenged, envelope);
            risk.challenge = Some(OrderChallenge {
                id: challenged.challenge.clone(),
                method: challenged.method,
                expires_at: challenged.expires_at,
            });
        }
        OrderChange::Verified(_) => {
            risk.state = Some(RiskState::Verified);
            risk.challenge = None;
        }
        OrderChange::Frozen(_) => {
            hold(risk, RiskState::Frozen, envelope);
            risk.challenge = None;
        }
        OrderChange::Released(released) => {
            risk.state = Some(RiskState::Released);
            risk.challenge = None;
            risk.held_since = None;
            risk.released_by = released.actor.clone().or_else(|| Some(released_word(released.cause).into()));
        }
        // A person looks where a question came to nothing, or could not be put: the customer is asked nothing more. Nor is one whose
        // order left or is off.
        OrderChange::ReviewOpened(_) | OrderChange::ReviewClosed(_) => risk.challenge = None,
        OrderChange::ChallengeResent(_)
        | OrderChange::CodeRejected(_)
        | OrderChange::CallUnanswered(_)
        | OrderChange::FreezeConfirmed(_)
        | OrderChange::ReviewEscalated(_)
        | OrderChange::ReviewReopened(_)
        | OrderChange::ReviewClaimed(_)
        | OrderChange::ReviewReturned(_)
        | OrderChange::Noted(_)
        | OrderChange::PersonalDataRevealed(_)
        | OrderChange::StockReleaseDue(_) => {}
    }
    course::settle(&mut row, envelope);
    row
}

/// Held from the first of an unbroken series of challenges and freezes.
fn hold(risk: &mut OrderRisk, state: RiskState, envelope: &Envelope<'_>) {
    risk.state = Some(state);
    risk.held_since = risk.held_since.or(Some(envelope.recorded_at));
    risk.released_by = None;
}

/// Takes over what is told, leaf by leaf.
fn absorb(known: &mut OrderFacts, told: &KnownFacts<'_>) {
    if let Some(placed_at) = told.placed_at {
        known.placed_at = Some(placed_at);
        known.listed_at = placed_at;
    }
    if let Some(display_no) = &told.display_no {
        known.display_no = Some(display_no.boxed());
    }
    if let Some(currency) = &told.currency {
        known.currency = Some(currency.boxed());
    }
    known.amount = told.amount.or(known.amount);
    if let Some(lines) = &told.lines {
        known.stock = stock::of(lines);
    }
    let handles = &mut known.handles;
    let short = |token: Option<ShortToken>, known: Option<i64>| token.map(|token| token.0).or(known);
    if let Some(customer) = &told.customer {
        known.level = customer.level.or(known.level);
        handles.customer = short(customer.token, handles.customer);
        handles.buyer_phone = short(customer.phone.map(|phone| phone.token), handles.buyer_phone);
    }
    if let Some(delivery) = &told.delivery {
        handles.address = short(delivery.address, handles.address);
        handles.recipient_phone = short(delivery.phone.map(|phone| phone.token), handles.recipient_phone);
    }
    handles.device = short(told.device, handles.device);
    if let Some(ip) = told.ip {
        handles.ip = Some(ip.token.0);
        handles.ip24 = Some(ip.net.0);
    }
}

fn report_status(row: &mut OrderStatusRow, heard: SourceReport) {
    // The unified status is always the newest report of one of the sources.
    let newest = row.sources.iter().map(SourceReport::counted_at).max();
    if newest.is_none_or(|newest| newest <= heard.counted_at()) {
        let source = heard.source.clone();
        row.status = Some(UnifiedStatus { value: heard.status, occurred_at: heard.occurred_at, source });
    }
    match row.sources.binary_search_by(|known| known.source.cmp(&heard.source)) {
        Ok(place) if row.sources[place].counted_at() <= heard.counted_at() => row.sources[place] = heard,
        Ok(_) => {}
        Err(place) => row.sources.insert(place, heard),
    }
}
