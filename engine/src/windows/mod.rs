//! Sliding windows: what an order looks like among the other orders of its merchant.
//!
//! One [`Windows`] per merchant is a fold over the merchant's order events in log order, and nothing else: no clock, no
//! randomness, no order of a hash map reaches a result. An order lies at its event time, which is `placed_at` unless that
//! is too far ahead of our clock; a window `w` of an order at `t` covers `(t − w, t]`. What arrives late goes to its place
//! and is seen from there, and by everything that is asked later. Where "earlier" is asked (is the customer new, did the
//! address change), orders of equal time follow each other as they arrived.
//!
//! An order counts from its placement on, whatever becomes of it. Its facts may change and its entities with them; then it
//! moves. A report may come before the placement and is kept for it.
//!
//! # What is remembered
//!
//! Orders are remembered for [`RETENTION`] behind the newest event time: the longest window plus as much lateness again.
//! A window that would hold orders older than the newest forgotten one is unknown, never guessed. Of a customer's
//! forgotten orders remain the devices, the last address and where good orders went: some 200 bytes per customer, kept as
//! long as the process runs.
//!
//! A remembered order of one line takes about 620 bytes when its customer, device, IP address, network, phone and address
//! are all new, 700 when its device is one of very many orders, and 1,200 when all of these are and twenty features are
//! read (`examples/windows_rate.rs` measures it).
//!
//! # What it costs
//!
//! The orders of an entity that has few of them are looked through. An entity with many has them in a series:
//! counts and sums in O(log n), also for late orders and late payments; distinct values in O(log n) for an order in time
//! and one comparison more for each order that already lies behind a late one. The units of a SKU, distinct values and
//! familiar addresses of such an entity are indexed when a feature first asks for them, in one pass over its orders;
//! so are sums that reports change, which follow them from then on.
//! To a merchant with a million orders, one more of a device with all of them costs about what one of a device with ten
//! does.

mod company;
mod crowd;
mod distinct;
mod entities;
mod facts;
mod familiar;
mod group;
mod memory;
mod observe;
mod openings;
mod order;
mod profile;
mod reports;
mod series;
mod spread;
mod stored;
mod tally;

use chrono_tz::Tz;
use domain::feature::{Entity, Feature, FeatureRef, Measure, Value, WINDOW_MAX};
use domain::order::{Facts, OrderEvent, Status};
use domain::time::{Span, Timestamp};

pub(crate) use company::{Company, Trace};
use entities::Entities;
use facts::Own;
use memory::Memory;
use observe::{View, looks_at};
use order::{Order, Position};
use reports::EarlyReports;
use series::Series;
pub(crate) use stored::Kept;
use tally::Unpaid;

use crate::dense::Dense;

/// How far behind the newest event time orders are remembered: the longest window, and an order as late as that.
pub const RETENTION: Span = Span::from_millis(WINDOW_MAX.millis() * 2);

/// The sliding windows of one merchant.
#[derive(Default)]
pub struct Windows {
    memory: Memory,
    /// The arrival of each remembered order, by its stream number.
    arrivals: Dense<u64>,
    entities: Entities,
    /// All remembered orders by time: the merchant's unpaid ones, and which is to be evicted next.
    merchant: Series<Unpaid>,
    /// Whether these follow what is reported of orders: not before a feature asks for the unpaid ones.
    merchant_follows_reports: bool,
    early: EarlyReports,
    /// The newest event time of any order so far, in milliseconds.
    newest: Option<i64>,
    /// The latest event time of an order that is no longer remembered.
    forgotten: Option<i64>,
    /// Whether the order that was placed last lies not behind all others.
    came_late: bool,
}

impl Windows {
    /// Without any order.
    pub fn new() -> Self {
        Self::default()
    }

    /// Without any order. They may be asked for these features and for what lies in these features' windows, and for nothing else:
    /// what only other features look at is not kept.
    pub(crate) fn of(features: &[FeatureRef]) -> Self {
        let is_looked_at = |entity: &Entity| features.iter().any(|feature| looks_at(feature.feature) == Some(*entity));
        let kept = entities::ALL.into_iter().filter(is_looked_at);
        Self { entities: Entities::only(kept.collect()), ..Self::default() }
    }

    /// Folds one event of the order whose stream number is `order`. Only placements, amendments and reports matter.
    pub fn apply(&mut self, order: u64, event: &OrderEvent, recorded_at: Timestamp) {
        match event {
            OrderEvent::Placed(placed) => self.place(order, &placed.facts, recorded_at),
            OrderEvent::Amended(amended) => self.amend(order, &amended.changes),
            OrderEvent::StatusReported(report) => self.report(order, report.status, recorded_at),
            OrderEvent::Scored(_)
            | OrderEvent::Challenged(_)
            | OrderEvent::ChallengeResent(_)
            | OrderEvent::CodeRejected(_)
            | OrderEvent::CallUnanswered(_)
            | OrderEvent::Verified(_)
            | OrderEvent::Frozen(_)
            | OrderEvent::FreezeConfirmed(_)
            | OrderEvent::Released(_)
            | OrderEvent::ReviewOpened(_)
            | OrderEvent::ReviewClosed(_)
            | OrderEvent::ReviewEscalated(_)
            | OrderEvent::ReviewReopened(_)
            | OrderEvent::ReviewClaimed(_)
            | OrderEvent::ReviewReturned(_)
            | OrderEvent::Noted(_)
            | OrderEvent::PersonalDataRevealed(_)
            | OrderEvent::StockReleaseDue(_) => {}
        }
    }

    /// Reads features of an order that was applied into `out`, which is cleared first: one entry per feature, in order,
    /// `None` for what is not known. Of an order that is no longer remembered only its own facts are known.
    pub fn observe(
        &mut self,
        order: u64,
        channel: &str,
        facts: &Facts,
        zone: Tz,
        features: &[FeatureRef],
        out: &mut Vec<Option<Value>>,
    ) {
        out.clear();
        if !self.merchant_follows_reports
            && features.iter().any(|feature| matches!(feature.feature, Feature::Windowed(_, Measure::UnpaidShare)))
        {
            self.follow_reports();
        }
        let Self { memory, arrivals, entities, merchant, forgotten, .. } = self;
        let remembered = arrivals.get(order).and_then(|arrival| memory.get(arrival));
        let time = remembered.map(|order| Timestamp::from_millis(order.position.time)).or(facts.placed_at);
        let own = Own { facts, channel, time, zone };
        let mut view = remembered.map(|order| {
            let (groups, past) = entities.own(order, features);
            groups.iter().flatten().for_each(|group| memory.fetch(group.arrivals()));
            View { order, memory, groups, past, merchant, forgotten: *forgotten }
        });
        out.extend(features.iter().map(|feature| {
            let among_others = view.as_mut().and_then(|view| view.read(*feature));
            among_others.or_else(|| own.read(feature.feature))
        }));
    }

    /// Where an order that is remembered lies.
    pub fn time_of(&self, order: u64) -> Option<Timestamp> {
        let remembered = self.arrivals.get(order).and_then(|arrival| self.memory.get(arrival));
        remembered.map(|order| Timestamp::from_millis(order.position.time))
    }

    /// How many orders are remembered.
    pub fn remembered(&self) -> usize {
        self.memory.len()
    }

    pub(crate) fn place(&mut self, number: u64, facts: &Facts, recorded_at: Timestamp) {
        self.early.forget_before(recorded_at);
        if self.arrivals.contains(number) {
            return;
        }
        let reported = self.early.take(number);
        let arrival = self.memory.next_arrival();
        let order = Order::placed(number, arrival, reported, facts, recorded_at);
        self.came_late = self.newest.is_some_and(|newest| order.position.time <= newest);
        self.insert(&order);
        self.memory.put(order);
        self.arrivals.insert(number, arrival);
        self.evict();
    }

    fn amend(&mut self, number: u64, changes: &Facts) {
        let Some(order) = self.arrivals.get(number).and_then(|arrival| self.memory.get_mut(arrival)) else { return };
        let before = order.clone();
        order.merge(changes);
        if *order == before {
            return;
        }
        let after = order.clone();
        self.merchant.remove(before.position);
        self.entities.remove(&before);
        self.insert(&after);
        self.evict();
    }

    pub(crate) fn report(&mut self, number: u64, status: Status, recorded_at: Timestamp) {
        let Some(arrival) = self.arrivals.get(number) else {
            self.early.forget_before(recorded_at);
            return self.early.report(number, status, recorded_at);
        };
        let Some(order) = self.memory.get_mut(arrival) else { return };
        let before = order.reported;
        order.reported = before.with(status);
        if order.reported.is_paid_as(before) && order.reported.is_good() == before.is_good() {
            return;
        }
        if self.merchant_follows_reports && !order.reported.is_paid_as(before) {
            self.merchant.update(order.position, |entry| entry.unpaid = order.reported.is_unpaid());
        }
        self.entities.follow(before, order);
    }

    /// Catches up with what was reported of the merchant's orders, and follows it from now on.
    fn follow_reports(&mut self) {
        let Self { memory, merchant, .. } = self;
        merchant.update_all(&mut |entry| {
            if let Some(order) = memory.get(entry.position.arrival) {
                entry.unpaid = order.reported.is_unpaid();
            }
        });
        self.merchant_follows_reports = true;
    }

    fn insert(&mut self, order: &Order) {
        self.newest = self.newest.max(Some(order.position.time));
        self.merchant.insert(Unpaid { position: order.position, unpaid: order.reported.is_unpaid() });
        self.entities.insert(&self.memory, order);
    }

    /// Lets go of what lies behind the horizon, and of what comes too late to be in order with what was let go.
    fn evict(&mut self) {
        let horizon = self.newest.map_or(i64::MIN, |newest| newest.saturating_sub(RETENTION.millis()));
        let horizon = horizon.max(self.forgotten.unwrap_or(i64::MIN));
        while let Some(first) = self.merchant.first().map(|first| first.position).filter(|first| first.time < horizon) {
            self.forget(first);
        }
    }

    /// Lets go of the earliest orders, so many at most, for want of room: windows that reach them are unknown from now on.
    pub fn forget_earliest(&mut self, count: usize) {
        for _ in 0..count {
            let Some(first) = self.merchant.first().map(|first| first.position) else { return };
            self.forget(first);
        }
    }

    fn forget(&mut self, first: Position) {
        self.merchant.remove(first);
        let order = self.memory.take(first.arrival).expect("every order of the merchant's series is in memory");
        self.arrivals.remove(order.number);
        self.entities.evict(&order);
        self.forgotten = self.forgotten.max(Some(first.time));
    }
}
