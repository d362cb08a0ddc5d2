//! The figures as the API shows them.

use std::collections::BTreeMap;

use domain::share::Share;
use domain::time::{Span, Timestamp};
use projections::{Answers, Freed, Outcomes, QueueStanding, Times, Verdicts};
use serde::Serialize;
use utoipa::ToSchema;

/// A share that stands on fewer orders than these says little.
pub(super) const ENOUGH_MIN: u64 = 30;

/// The figures of a period.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "from": "2026-11-10T16:00:00.000Z", "to": "2026-11-11T16:00:00.000Z",
    "orders": {"screened": 12000, "confirmed": 60, "cleared": 9140, "lapsed": 800, "undecided": 2000},
    "stopped": {
        "fired": 300, "confirmed": 60, "cleared": 140, "lapsed": 10, "undecided": 90,
        "precision": {"count": 60, "of": 200, "share": 0.3, "low": 0.2407, "high": 0.3668, "not_enough_data": false},
        "false_positive_rate": {"count": 140, "of": 200, "share": 0.7, "low": 0.6332, "high": 0.7593, "not_enough_data": false}
    },
    "good_orders_stopped": {"count": 140, "of": 9140, "share": 0.0153, "low": 0.013, "high": 0.018, "not_enough_data": false},
    "manual": {"count": 110, "of": 12000, "share": 0.0092, "low": 0.0076, "high": 0.011, "not_enough_data": false},
    "time_to_decision": {"orders": 12000, "median_seconds": 0.319, "p90_seconds": 1.151},
    "time_to_resolution": {
        "released": {"orders": 150, "median_seconds": 98.303, "p90_seconds": 851.967},
        "frozen": {"orders": 60, "median_seconds": 1703.935, "p90_seconds": 7340.031},
        "called_off": {"orders": 10, "median_seconds": 2097.151, "p90_seconds": 7340.031},
        "all": {"orders": 220, "median_seconds": 229.375, "p90_seconds": 3670.015}
    },
    "time_to_release_when_asked": {"orders": 142, "median_seconds": 90.111, "p90_seconds": 819.199},
    "challenges": [{
        "method": "sms", "asked": 240, "verified": 140, "failed": 8, "unanswered": 70, "withdrawn": 2, "open": 20,
        "success": {"count": 140, "of": 218, "share": 0.6422, "low": 0.5766, "high": 0.7029, "not_enough_data": false}
    }],
    "queue": {"reviews": 31, "oldest_opened_at": "2026-11-11T15:20:00.000Z", "oldest_age_seconds": 2400,
              "median_age_seconds": 610},
    "stock": {"orders_freed": 18, "units_freed": 40, "unit_hours_freed": 160.5},
    "tiers": [{
        "id": "sms", "fired": 240, "confirmed": 30, "cleared": 138, "lapsed": 8, "undecided": 64,
        "precision": {"count": 30, "of": 168, "share": 0.1786, "low": 0.128, "high": 0.2435, "not_enough_data": false},
        "false_positive_rate": {"count": 138, "of": 168, "share": 0.8214, "low": 0.7565, "high": 0.872, "not_enough_data": false}
    }],
    "rules": [{
        "id": "device_burst", "fired": 90, "confirmed": 19, "cleared": 1, "lapsed": 0, "undecided": 70,
        "precision": {"count": 19, "of": 20, "share": 0.95, "low": 0.7639, "high": 0.9911, "not_enough_data": true},
        "false_positive_rate": {"count": 1, "of": 20, "share": 0.05, "low": 0.0089, "high": 0.2361, "not_enough_data": true}
    }],
    "exemptions": [{
        "id": "hold_out", "fired": 6, "confirmed": 2, "cleared": 3, "lapsed": 0, "undecided": 1,
        "precision": {"count": 2, "of": 5, "share": 0.4, "low": 0.1176, "high": 0.7693, "not_enough_data": true},
        "false_positive_rate": {"count": 3, "of": 5, "share": 0.6, "low": 0.2307, "high": 0.8824, "not_enough_data": true}
    }],
    "hold_out": [{
        "tier": "sms", "orders": 6, "confirmed": 2, "cleared": 3, "lapsed": 0, "undecided": 1,
        "bad": {"count": 2, "of": 5, "share": 0.4, "low": 0.1176, "high": 0.7693, "not_enough_data": true}
    }]
}))]
pub struct SummaryView {
    /// Orders placed from here on, by the channel's clock: a whole hour.
    pub from: String,
    /// And before this whole hour.
    pub to: String,
    /// All orders that were screened, whatever they scored.
    pub orders: OrdersView,
    /// Those whose last screening reached a tier, the exempt ones among them.
    pub stopped: JudgedView,
    /// Of the orders that are known to be good, those that reached a tier and were not spared by an exemption. Far too high for a period whose
    /// orders have not arrived so far: those that pass are known to be good only then.
    pub good_orders_stopped: ShareView,
    /// Of all orders, those that a person had to look at, or did: frozen, brought to a review, or taken up by a reviewer. An order whose
    /// customer is asked and proves it is none.
    pub manual: ShareView,
    /// From placement, by the channel's clock, to the record of the first decision: the channel's own delay is in it.
    pub time_to_decision: TimesView,
    /// From placement to the end, of orders that were asked about or frozen.
    pub time_to_resolution: ResolutionView,
    /// From the record of the question to that of the release, both by the service's clock, of orders whose customer was asked and
    /// that may go on now, whoever let them: how long asking keeps those who had nothing to hide.
    pub time_to_release_when_asked: TimesView,
    /// What came of asking customers: an order counts once for each method by which it was asked, with what came of the last time.
    pub challenges: Vec<ChallengeView>,
    /// The queue as it is now, whatever the period.
    pub queue: QueueView,
    /// Stock that came back: of orders whose stock was to be set free, and that were then cancelled or refunded.
    pub stock: FreedView,
    /// By the tier that the last screening reached.
    pub tiers: Vec<NamedView>,
    /// By rule that fired in the last screening; an order counts for each of them.
    pub rules: Vec<NamedView>,
    /// By the exemption that spared an order that reached a tier.
    pub exemptions: Vec<NamedView>,
    /// The random hold-out, which is scored and never stopped: how many of it turned out bad, by the tier they reached.
    pub hold_out: Vec<HeldOutView>,
}

/// All orders, by what became of them.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, ToSchema)]
pub struct OrdersView {
    /// How many.
    pub screened: u64,
    /// Bad.
    pub confirmed: u64,
    /// Good.
    pub cleared: u64,
    /// Cancelled before anybody knew.
    pub lapsed: u64,
    /// Not known so far.
    pub undecided: u64,
}

/// Orders for which something fired, by what became of them, and what that makes of it.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, ToSchema)]
pub struct JudgedView {
    /// How many.
    pub fired: u64,
    /// Bad.
    pub confirmed: u64,
    /// Good.
    pub cleared: u64,
    /// Cancelled before anybody knew.
    pub lapsed: u64,
    /// Not known so far.
    pub undecided: u64,
    /// Confirmed of those that are confirmed or cleared.
    pub precision: ShareView,
    /// Cleared of those that are confirmed or cleared.
    pub false_positive_rate: ShareView,
}

/// Orders for which a rule, a tier or an exemption fired.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct NamedView {
    /// Its id.
    #[schema(example = "device_burst")]
    pub id: String,
    #[serde(flatten)]
    judged: JudgedView,
}

/// The hold-out of a tier.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct HeldOutView {
    /// The tier's id.
    #[schema(example = "sms")]
    pub tier: String,
    /// How many were held out.
    pub orders: u64,
    /// Bad.
    pub confirmed: u64,
    /// Good.
    pub cleared: u64,
    /// Cancelled before anybody knew.
    pub lapsed: u64,
    /// Not known so far.
    pub undecided: u64,
    /// Confirmed of those that are confirmed or cleared: how right the tier is about orders that nobody touched.
    pub bad: ShareView,
}

/// So many of so many.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, ToSchema)]
pub struct ShareView {
    /// So many
    pub count: u64,
    /// of so many.
    pub of: u64,
    /// The share to four places; null of none.
    pub share: Option<f64>,
    /// The lower end of its 95 % interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// Whether `of` is below 30, so that the share says little.
    pub not_enough_data: bool,
}

/// How long something took.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, ToSchema)]
pub struct TimesView {
    /// For how many orders.
    pub orders: u64,
    /// Half of them took no longer; null without orders.
    pub median_seconds: Option<f64>,
    /// Nine of ten took no longer.
    pub p90_seconds: Option<f64>,
}

/// How long it took until an order that was held was settled.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct ResolutionView {
    /// Of those that were let go.
    pub released: TimesView,
    /// Of those that a reviewer holds, whose customer denied it, or that were called off while they were frozen.
    pub frozen: TimesView,
    /// Of those that left or were called off before either.
    pub called_off: TimesView,
    /// Of all of them.
    pub all: TimesView,
}

/// What came of asking by one method.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct ChallengeView {
    /// `sms` or `call`.
    #[schema(example = "sms")]
    pub method: String,
    /// How many orders were asked about.
    pub asked: u64,
    /// The customer proved it.
    pub verified: u64,
    /// The customer denied it, or could not answer.
    pub failed: u64,
    /// The customer did not answer in time.
    pub unanswered: u64,
    /// Something else was decided before the answer.
    pub withdrawn: u64,
    /// Being asked.
    pub open: u64,
    /// Verified of those that are verified, failed or unanswered.
    pub success: ShareView,
}

/// Reviews that wait for a person, or that a person has taken.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct QueueView {
    /// How many.
    pub reviews: u64,
    /// When the oldest of them began; null when there is none.
    pub oldest_opened_at: Option<String>,
    /// How long ago that was.
    pub oldest_age_seconds: Option<i64>,
    /// How long ago the middle one of them began.
    pub median_age_seconds: Option<i64>,
}

/// Stock that came back.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct FreedView {
    /// Of how many orders.
    pub orders_freed: u64,
    /// How many units.
    pub units_freed: u64,
    /// For how long they had been held: units times hours, from the beginning of the hold to the report that the order is off.
    pub unit_hours_freed: f64,
}

impl SummaryView {
    pub(super) fn of(
        (from, to): (Timestamp, Timestamp),
        outcomes: &Outcomes,
        queue: QueueStanding,
        now: Timestamp,
    ) -> Self {
        let stopped = sum(outcomes.tiers.values());
        let spared = sum(outcomes.exemptions.values());
        let (released, frozen, off) = (&outcomes.to_release, &outcomes.to_freeze, &outcomes.to_end);
        let good_stopped = stopped.cleared.saturating_sub(spared.cleared);
        Self {
            from: from.to_string(),
            to: to.to_string(),
            orders: outcomes.all.into(),
            stopped: stopped.into(),
            good_orders_stopped: ShareView::new(good_stopped, outcomes.all.cleared),
            manual: ShareView::new(outcomes.manual, outcomes.all.orders()),
            time_to_decision: TimesView::from(&outcomes.to_decision),
            time_to_resolution: ResolutionView {
                released: released.into(),
                frozen: frozen.into(),
                called_off: off.into(),
                all: TimesView::from(&released.with(frozen).with(off)),
            },
            time_to_release_when_asked: TimesView::from(&outcomes.asked_to_release),
            challenges: outcomes.challenges.iter().map(|(method, answers)| challenge(method, answers)).collect(),
            queue: queue_view(queue, now),
            stock: outcomes.freed.into(),
            tiers: named(&outcomes.tiers),
            rules: named(&outcomes.rules),
            exemptions: named(&outcomes.exemptions),
            hold_out: outcomes.held_out.iter().map(|(tier, verdicts)| held_out(tier, verdicts)).collect(),
        }
    }
}

fn sum<'a>(all: impl Iterator<Item = &'a Verdicts>) -> Verdicts {
    all.fold(Verdicts::default(), |sum, one| Verdicts {
        confirmed: sum.confirmed + one.confirmed,
        cleared: sum.cleared + one.cleared,
        lapsed: sum.lapsed + one.lapsed,
        undecided: sum.undecided + one.undecided,
    })
}

fn named(all: &BTreeMap<Box<str>, Verdicts>) -> Vec<NamedView> {
    all.iter().map(|(id, verdicts)| NamedView { id: id.to_string(), judged: (*verdicts).into() }).collect()
}

fn held_out(tier: &str, verdicts: &Verdicts) -> HeldOutView {
    let Verdicts { confirmed, cleared, lapsed, undecided } = *verdicts;
    let bad = ShareView::new(confirmed, verdicts.decided());
    HeldOutView { tier: tier.to_owned(), orders: verdicts.orders(), confirmed, cleared, lapsed, undecided, bad }
}

fn challenge(method: &str, answers: &Answers) -> ChallengeView {
    let Answers { verified, failed, unanswered, withdrawn, open } = *answers;
    ChallengeView {
        method: method.to_owned(),
        asked: answers.asked(),
        verified,
        failed,
        unanswered,
        withdrawn,
        open,
        success: ShareView::new(verified, answers.answered()),
    }
}

fn queue_view(queue: QueueStanding, now: Timestamp) -> QueueView {
    let age = |since: Option<Timestamp>| since.map(|since| now.since(since).millis() / 1_000);
    QueueView {
        reviews: queue.reviews,
        oldest_opened_at: queue.oldest.map(|oldest| oldest.to_string()),
        oldest_age_seconds: age(queue.oldest),
        median_age_seconds: age(queue.median),
    }
}

impl From<Verdicts> for OrdersView {
    fn from(verdicts: Verdicts) -> Self {
        let Verdicts { confirmed, cleared, lapsed, undecided } = verdicts;
        Self { screened: verdicts.orders(), confirmed, cleared, lapsed, undecided }
    }
}

impl From<Verdicts> for JudgedView {
    fn from(verdicts: Verdicts) -> Self {
        let Verdicts { confirmed, cleared, lapsed, undecided } = verdicts;
        Self {
            fired: verdicts.orders(),
            confirmed,
            cleared,
            lapsed,
            undecided,
            precision: ShareView::new(verdicts.confirmed, verdicts.decided()),
            false_positive_rate: ShareView::new(verdicts.cleared, verdicts.decided()),
        }
    }
}

impl ShareView {
    fn new(count: u64, of: u64) -> Self {
        let Share { share, low, high, .. } = Share::new(count, of);
        Self {
            count,
            of,
            share: (of > 0).then(|| to_places(share, 4)),
            low: to_places(low, 4),
            high: to_places(high, 4),
            not_enough_data: of < ENOUGH_MIN,
        }
    }
}

impl From<&Times> for TimesView {
    fn from(times: &Times) -> Self {
        let seconds = |percent| times.percentile(percent).map(seconds);
        Self { orders: times.orders(), median_seconds: seconds(50), p90_seconds: seconds(90) }
    }
}

impl From<Freed> for FreedView {
    fn from(freed: Freed) -> Self {
        let Freed { orders, units, unit_seconds } = freed;
        Self { orders_freed: orders, units_freed: units, unit_hours_freed: to_places(unit_seconds as f64 / 3_600.0, 1) }
    }
}

fn seconds(time: Span) -> f64 {
    time.millis() as f64 / 1_000.0
}

fn to_places(number: f64, places: i32) -> f64 {
    let scale = 10_f64.powi(places);
    (number * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_that_stands_on_little_says_so() {
        let share = |count, of| ShareView::new(count, of);
        assert_eq!((share(0, 0).share, share(0, 0).not_enough_data), (None, true));
        assert_eq!((share(15, 29).not_enough_data, share(15, 30).not_enough_data), (true, false));
        // Newcombe (1998), table I.
        let known = share(81, 263);
        assert_eq!((known.share, known.low, known.high), (Some(0.308), 0.2553, 0.3662));
    }
}
