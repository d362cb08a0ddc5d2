//! What is to happen to orders by itself at some time: challenges expire, reviews are escalated, stock is to be set free.
//!
//! A fold over the log, kept with what a writer remembers. When a time has come the order is asked what follows, like by any
//! other message, and says so by ordinary events; what has been settled meanwhile leads to nothing.

mod called_off;

use std::collections::BTreeMap;

use domain::ids::{ChallengeId, MerchantId, OrderId};
use domain::order::{Facts, FrozenCause, OrderEvent, ReviewCause, Status, StatusReported, StockCause};
use domain::settings::Settings;
use domain::time::Timestamp;
use eventlog::StreamId;
use rustc_hash::FxHashMap;

use called_off::CalledOff;

use crate::bytes::{Reader, Writer};

/// The most orders whose payment is waited for, of all merchants of a partition, whose memory it bounds at some 300 MB; of more
/// than these stock is not asked for.
const UNPAID_MAX: usize = 1_000_000;
/// The most of one merchant, so that none keeps the others from it.
const UNPAID_OF_MERCHANT_MAX: usize = UNPAID_MAX / 2;

/// What an order waits for; at most one of each kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Kind {
    Challenge,
    Review,
    FrozenStock,
    UnpaidStock,
}

/// What is to happen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Due {
    /// The time for an answer is over.
    Challenge(ChallengeId),
    /// A person should have looked by now.
    Review {
        /// Since when it waits for one.
        opened_at: Timestamp,
    },
    /// Stock has been held for long enough.
    Stock(StockCause),
}

impl Due {
    const fn kind(&self) -> Kind {
        match self {
            Self::Challenge(_) => Kind::Challenge,
            Self::Review { .. } => Kind::Review,
            Self::Stock(StockCause::Frozen) => Kind::FrozenStock,
            Self::Stock(StockCause::Unpaid) => Kind::UnpaidStock,
        }
    }
}

/// An order for which something is due.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Deadline {
    pub(crate) merchant: MerchantId,
    pub(crate) order: OrderId,
    pub(crate) due: Due,
}

/// The deadlines of a partition.
#[derive(Clone, Default)]
pub(crate) struct Deadlines {
    queue: BTreeMap<(Timestamp, StreamId, Kind), Deadline>,
    times: FxHashMap<(StreamId, Kind), Timestamp>,
    unpaid: Unpaid,
    /// Should that be taken back, they hold their stock again.
    off: CalledOff,
}

/// How many payments are waited for.
#[derive(Clone, Default)]
struct Unpaid {
    all: usize,
    of: FxHashMap<MerchantId, usize>,
}

impl Unpaid {
    fn has_room(&self, merchant: &MerchantId) -> bool {
        self.all < UNPAID_MAX && self.of.get(merchant).is_none_or(|of| *of < UNPAID_OF_MERCHANT_MAX)
    }

    fn begin(&mut self, merchant: &MerchantId) {
        self.all += 1;
        match self.of.get_mut(merchant) {
            Some(of) => *of += 1,
            None => drop(self.of.insert(merchant.clone(), 1)),
        }
    }

    fn end(&mut self, deadline: &Deadline) {
        if deadline.due.kind() == Kind::UnpaidStock {
            self.all -= 1;
            if let Some(of) = self.of.get_mut(&deadline.merchant) {
                *of -= 1;
                if *of == 0 {
                    self.of.remove(&deadline.merchant);
                }
            }
        }
    }
}

/// Whose event is folded.
pub(crate) struct Whose<'a> {
    pub(crate) merchant: &'a MerchantId,
    pub(crate) order: &'a OrderId,
    pub(crate) stream: StreamId,
}

impl Deadlines {
    /// Whether an order waits for anything.
    pub(crate) fn has(&self, stream: StreamId) -> bool {
        let kinds = [Kind::Challenge, Kind::Review, Kind::FrozenStock, Kind::UnpaidStock];
        let waits = |kind| self.times.contains_key(&(stream, kind));
        self.off.has(stream) || (!self.times.is_empty() && kinds.into_iter().any(waits))
    }

    /// Whether an event can change anything here; of nearly all orders none does.
    pub(crate) fn concerns(&self, stream: StreamId, event: &OrderEvent, settings: &Settings) -> bool {
        let awaits_payment = |facts: &Facts| settings.stock_release_after.is_some() && facts.payment_due_at.is_some();
        match event {
            OrderEvent::Placed(placed) => awaits_payment(&placed.facts),
            OrderEvent::Amended(amended) => awaits_payment(&amended.changes),
            OrderEvent::StatusReported(_) | OrderEvent::Released(_) => self.has(stream),
            OrderEvent::Scored(_) => false,
            _ => true,
        }
    }

    /// When the next one is due.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.queue.first_key_value().map(|((time, ..), _)| *time)
    }

    /// Those whose time will be over then, the earliest first.
    pub(crate) fn coming(&self, then: Timestamp) -> impl Iterator<Item = (StreamId, &Deadline)> {
        self.queue
            .iter()
            .take_while(move |((time, ..), _)| *time < then)
            .map(|((_, stream, _), deadline)| (*stream, deadline))
    }

    /// Takes those whose time is over, the earliest first.
    pub(crate) fn take_due(&mut self, now: Timestamp, limit: usize) -> Vec<Deadline> {
        let mut due = Vec::new();
        while due.len() < limit && self.next().is_some_and(|time| time < now) {
            let Some(((_, stream, kind), deadline)) = self.queue.pop_first() else { break };
            self.times.remove(&(stream, kind));
            self.unpaid.end(&deadline);
            due.push(deadline);
        }
        due
    }

    /// Folds an order's event.
    pub(crate) fn apply(&mut self, whose: &Whose<'_>, event: &OrderEvent, at: Timestamp, settings: &Settings) {
        match event {
            OrderEvent::Placed(placed) => self.wait_for_payment(whose, &placed.facts, at, settings),
            OrderEvent::Amended(amended) => self.wait_for_payment(whose, &amended.changes, at, settings),
            OrderEvent::StatusReported(report) => self.reported(whose, report, at, settings),
            OrderEvent::Challenged(challenged) => {
                self.end(whose.stream, Kind::Review);
                self.begin(whose, challenged.expires_at, Due::Challenge(challenged.challenge.clone()));
            }
            OrderEvent::Frozen(frozen) => {
                self.end(whose.stream, Kind::Challenge);
                if frozen.cause == FrozenCause::Reviewer {
                    self.end(whose.stream, Kind::Review);
                } else {
                    self.wait_for_review(whose, at, settings);
                }
                self.wait_for_stock(whose, at, settings);
            }
            OrderEvent::Released(_) => {
                for kind in [Kind::Challenge, Kind::Review, Kind::FrozenStock] {
                    self.end(whose.stream, kind);
                }
            }
            OrderEvent::ReviewOpened(opened) => {
                if opened.challenge.is_some() {
                    self.end(whose.stream, Kind::Challenge);
                }
                self.wait_for_review(whose, at, settings);
                // It may be forgotten that it was off. Of what is not frozen nothing will be asked.
                if opened.cause == ReviewCause::Resumed {
                    self.hold_again(whose, at, settings);
                }
            }
            OrderEvent::ReviewClosed(_) => {
                self.end(whose.stream, Kind::Challenge);
                self.end(whose.stream, Kind::Review);
            }
            OrderEvent::ReviewReopened(_) => self.wait_for_review(whose, at, settings),
            OrderEvent::FreezeConfirmed(_) => self.end(whose.stream, Kind::Review),
            OrderEvent::StockReleaseDue(_) => {
                self.end(whose.stream, Kind::UnpaidStock);
                self.end(whose.stream, Kind::FrozenStock);
            }
            OrderEvent::Scored(_)
            | OrderEvent::Verified(_)
            | OrderEvent::ChallengeResent(_)
            | OrderEvent::CodeRejected(_)
            | OrderEvent::CallUnanswered(_)
            | OrderEvent::ReviewEscalated(_)
            | OrderEvent::ReviewClaimed(_)
            | OrderEvent::ReviewReturned(_)
            | OrderEvent::Noted(_)
            | OrderEvent::PersonalDataRevealed(_) => {}
        }
    }

    /// That an order is called off may not count, or be taken back, and what is frozen holds its stock then, also when its time came
    /// while it was off. Whatever takes it back also says that the order is paid for; but what is older than the cancellation
    /// takes nothing back.
    fn reported(&mut self, whose: &Whose<'_>, report: &StatusReported, at: Timestamp, settings: &Settings) {
        self.end(whose.stream, Kind::UnpaidStock);
        match report.status {
            Status::Shipped | Status::Delivered | Status::Completed | Status::Refunded => {
                self.end(whose.stream, Kind::FrozenStock);
            }
            Status::Cancelled => {
                if self.times.contains_key(&(whose.stream, Kind::FrozenStock)) || self.off.has(whose.stream) {
                    self.off.insert(whose.stream, report.counted_at());
                }
            }
            Status::Paid | Status::PartiallyShipped | Status::RefundRequested | Status::PartiallyRefunded => {
                if self.off.is_over(whose.stream, report.counted_at()) {
                    self.off.remove(whose.stream);
                    self.hold_again(whose, at, settings);
                }
            }
        }
    }

    /// An order that was taken back has the rest of its time, or all of it again when it is over.
    fn hold_again(&mut self, whose: &Whose<'_>, at: Timestamp, settings: &Settings) {
        if self.times.get(&(whose.stream, Kind::FrozenStock)).is_none_or(|time| *time < at) {
            self.wait_for_stock(whose, at, settings);
        }
    }

    fn wait_for_payment(&mut self, whose: &Whose<'_>, facts: &Facts, at: Timestamp, settings: &Settings) {
        let (Some(due), Some(span)) = (facts.payment_due_at, settings.stock_release_after) else { return };
        self.end(whose.stream, Kind::UnpaidStock);
        if self.unpaid.has_room(whose.merchant) {
            self.begin(whose, due.max(at).plus(span), Due::Stock(StockCause::Unpaid));
            self.unpaid.begin(whose.merchant);
        }
    }

    fn wait_for_review(&mut self, whose: &Whose<'_>, at: Timestamp, settings: &Settings) {
        match settings.review_sla {
            Some(span) => self.begin(whose, at.plus(span), Due::Review { opened_at: at }),
            None => self.end(whose.stream, Kind::Review),
        }
    }

    fn wait_for_stock(&mut self, whose: &Whose<'_>, at: Timestamp, settings: &Settings) {
        if let Some(span) = settings.stock_release_after {
            self.begin(whose, at.plus(span), Due::Stock(StockCause::Frozen));
        }
    }

    fn begin(&mut self, whose: &Whose<'_>, time: Timestamp, due: Due) {
        let (stream, kind) = (whose.stream, due.kind());
        if let Some(before) = self.times.insert((stream, kind), time) {
            self.queue.remove(&(before, stream, kind));
        }
        let deadline = Deadline { merchant: whose.merchant.clone(), order: whose.order.clone(), due };
        self.queue.insert((time, stream, kind), deadline);
    }

    fn end(&mut self, stream: StreamId, kind: Kind) {
        if kind == Kind::FrozenStock {
            self.off.remove(stream);
        }
        if let Some(time) = self.times.remove(&(stream, kind)) {
            let deadline = self.queue.remove(&(time, stream, kind));
            deadline.iter().for_each(|deadline| self.unpaid.end(deadline));
        }
    }
}

/// As bytes of a snapshot.
impl Deadlines {
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.count(self.queue.len());
        for ((time, stream, _), Deadline { merchant, order, due }) in &self.queue {
            writer.signed(time.millis());
            writer.number(*stream);
            writer.text(merchant.as_str());
            writer.text(order.as_str());
            match due {
                Due::Challenge(challenge) => {
                    writer.byte(0);
                    writer.text(challenge.as_str());
                }
                Due::Review { opened_at } => {
                    writer.byte(1);
                    writer.signed(opened_at.millis());
                }
                Due::Stock(StockCause::Frozen) => writer.byte(2),
                Due::Stock(StockCause::Unpaid) => writer.byte(3),
            }
        }
        self.off.write(writer);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let mut deadlines = Self::default();
        for _ in 0..reader.count()? {
            let (time, stream) = (Timestamp::from_millis(reader.signed()?), reader.number()?);
            let (merchant, order) = (reader.text()?.parse().ok()?, reader.text()?.parse().ok()?);
            let due = match reader.byte()? {
                0 => Due::Challenge(reader.text()?.parse().ok()?),
                1 => Due::Review { opened_at: Timestamp::from_millis(reader.signed()?) },
                2 => Due::Stock(StockCause::Frozen),
                3 => Due::Stock(StockCause::Unpaid),
                _ => return None,
            };
            if due.kind() == Kind::UnpaidStock {
                deadlines.unpaid.begin(&merchant);
            }
            deadlines.begin(&Whose { merchant: &merchant, order: &order, stream }, time, due);
        }
        deadlines.off = CalledOff::read(reader)?;
        Some(deadlines)
    }
}

#[cfg(test)]
mod tests {
    use domain::order::ReviewOpened;

    use super::*;

    #[test]
    fn no_merchant_keeps_the_others_payments_from_being_waited_for() {
        let (settings, at) = (Settings::in_zone("UTC"), Timestamp::default());
        let settings = Settings { stock_release_after: Some(domain::time::Span::from_hours(1)), ..settings };
        let facts = Facts { payment_due_at: Some(at), ..Facts::default() };
        let order: OrderId = "web:A1".parse().unwrap();
        let [large, small]: [MerchantId; 2] = ["large", "small"].map(|name| name.parse().unwrap());
        let mut deadlines = Deadlines::default();
        deadlines.unpaid.all = UNPAID_OF_MERCHANT_MAX;
        deadlines.unpaid.of.insert(large.clone(), UNPAID_OF_MERCHANT_MAX);
        let whose = |merchant, stream| Whose { merchant, order: &order, stream };
        deadlines.wait_for_payment(&whose(&large, 1), &facts, at, &settings);
        deadlines.wait_for_payment(&whose(&small, 2), &facts, at, &settings);
        assert!(!deadlines.has(1) && deadlines.has(2));
        deadlines.end(2, Kind::UnpaidStock);
        assert_eq!((deadlines.unpaid.all, deadlines.unpaid.of.get(&small)), (UNPAID_OF_MERCHANT_MAX, None));
    }

    #[test]
    fn what_was_forgotten_to_be_off_has_a_new_time_where_nobody_had_decided() {
        let at = |minutes| Timestamp::default().plus(domain::time::Span::from_mins(minutes));
        let stock_release_after = Some(domain::time::Span::from_mins(60));
        let settings = Settings { stock_release_after, ..Settings::in_zone("UTC") };
        let (merchant, order) = ("shop".parse().unwrap(), "web:A1".parse().unwrap());
        let whose = |stream| Whose { merchant: &merchant, order: &order, stream };
        let report = |status, occurred_at| {
            let told = StatusReported { source: "wms".into(), status, occurred_at, counts_from: None, refunded: None };
            OrderEvent::StatusReported(told)
        };
        let mut deadlines = Deadlines::default();
        for stream in 0..=called_off::CALLED_OFF_MAX as u64 {
            deadlines.wait_for_stock(&whose(stream), at(0), &settings);
            deadlines.apply(&whose(stream), &report(Status::Cancelled, at(1)), at(1), &settings);
        }
        deadlines.take_due(at(61), usize::MAX);
        deadlines.apply(&whose(0), &report(Status::Paid, at(90)), at(90), &settings);
        assert_eq!(deadlines.next(), None, "whether it was off is forgotten");
        let resumed = ReviewOpened::by_itself(None, ReviewCause::Resumed);
        deadlines.apply(&whose(0), &OrderEvent::ReviewOpened(resumed), at(90), &settings);
        assert_eq!(deadlines.next(), Some(at(150)));
    }
}
