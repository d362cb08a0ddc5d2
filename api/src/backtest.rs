//! What a back-test tells, as JSON: the same over HTTP and on the command line.

use std::collections::BTreeMap;

use domain::forecast::Tally;
use engine::{Backtested, Decision, Example, ExampleKind, Hit, Load, OutcomeCounts, RuleCounts, SideCounts};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a back-test found.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "hash": "3b2c35c74be3509114cc0729c2275d7b87c69ede6eb567e616a0841b8fb4e22b",
    "orders": 480_000, "unchanged": 477_100, "elapsed_ms": 3_900,
    "matrix": {"pass": {"pass": 476_000, "sms": 900}, "sms": {"pass": 2_000, "sms": 1_100}},
    "per_rule": [{"rule": "device_burst", "actual": {"fired": 2_400, "decisive": 1_700}, "draft": {"fired": 1_900, "decisive": 1_200}}],
    "challenges_per_hour_max": 310, "reviews_per_hour_max": 12,
    "actual": {"challenged": 3_000, "frozen": 40, "exempt": 60, "challenges_per_hour_max": 420, "reviews_per_hour_max": 15},
    "draft": {"challenged": 1_950, "frozen": 35, "exempt": 50, "challenges_per_hour_max": 310, "reviews_per_hour_max": 12},
    "expected": {"challenge_rate": "0.004062", "freeze_rate": "0.000072"},
    "newly_hit_good": 12, "newly_caught_bad": 610,
    "newly_hit": {"orders": 900, "good": 12, "good_vip": 1, "good_familiar": 3, "bad": 610},
    "no_longer_hit": {"orders": 2_000, "good": 1_700, "good_vip": 40, "good_familiar": 350, "bad": 25},
    "examples": [{
        "order_id": "web:A1001", "change": "newly_hit", "outcome": "good", "vip": true, "familiar": false,
        "actual": {"tier": "pass", "score": 30, "exemption": null, "hits": [{"rule": "address_changed", "points": 30}]},
        "draft": {"tier": "sms", "score": 80, "exemption": null, "hits": [{"rule": "address_changed", "points": 80}]}
    }]
}))]
pub struct BacktestView {
    /// Hex SHA-256 of the rulebook that was tried, as drafts and versions name theirs.
    pub hash: String,
    /// Orders placed in the period.
    pub orders: u64,
    /// Those of which both decided the same: score, tier, rules with their points, and exemption.
    pub unchanged: u64,
    /// How long it took.
    pub elapsed_ms: u64,
    /// Orders by the tier that their score reached and, inside, by the one that it reaches by the draft.
    #[schema(value_type = Object)]
    pub matrix: BTreeMap<String, BTreeMap<String, u64>>,
    /// What each rule did: the draft's in its order, then those that only the rulebooks in force had.
    pub per_rule: Vec<TriedRuleView>,
    /// The most challenges that the draft puts in one hour.
    pub challenges_per_hour_max: u64,
    /// The most orders that the draft holds for a person in one hour.
    pub reviews_per_hour_max: u64,
    /// What there was to do.
    pub actual: LoadView,
    /// What there would have been to do.
    pub draft: LoadView,
    /// What a publication of the draft can be bound to.
    pub expected: ExpectedView,
    /// Good orders that were let go and that the draft would stop.
    pub newly_hit_good: u64,
    /// Bad orders that were let go and that the draft would stop.
    pub newly_caught_bad: u64,
    /// All orders that were let go and that the draft would stop.
    pub newly_hit: OutcomesView,
    /// All orders that were stopped and that the draft would let go.
    pub no_longer_hit: OutcomesView,
    /// Orders to look at: of those that are alike at most five.
    pub examples: Vec<ExampleView>,
}

/// The shares of orders that the draft challenges and freezes by the first screening of each, as `expected` of a publication counts.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct ExpectedView {
    /// Of those whose customer is asked.
    pub challenge_rate: String,
    /// Of those that are held.
    pub freeze_rate: String,
}

/// What a rule did.
#[derive(Serialize, ToSchema)]
pub struct TriedRuleView {
    /// The rule's id.
    pub rule: String,
    /// As recorded.
    pub actual: FiredView,
    /// By the draft.
    pub draft: FiredView,
}

/// How often a rule fired.
#[derive(Serialize, ToSchema)]
pub struct FiredView {
    /// Orders that it fired for.
    pub fired: u64,
    /// Those whose tier would be another one without its points.
    pub decisive: u64,
}

/// What a rulebook gives customers and people to do.
#[derive(Serialize, ToSchema)]
pub struct LoadView {
    /// Orders whose customer is asked.
    pub challenged: u64,
    /// Orders that are held for a person.
    pub frozen: u64,
    /// Orders that reach a tier and that an exemption spares.
    pub exempt: u64,
    /// The most challenges in one hour, by the time of placement.
    pub challenges_per_hour_max: u64,
    /// The most held orders in one hour, likewise.
    pub reviews_per_hour_max: u64,
}

/// Orders by what became of them.
#[derive(Serialize, ToSchema)]
pub struct OutcomesView {
    /// All of them, those included of which nothing is known so far.
    pub orders: u64,
    /// Those that arrived and were kept.
    pub good: u64,
    /// Good ones of customers whose level an exemption of either rulebook names.
    pub good_vip: u64,
    /// Good ones to an address that is familiar to the customer.
    pub good_familiar: u64,
    /// Those that were not paid, were paid back, or are held by a reviewer's or the customer's word.
    pub bad: u64,
}

/// An order of which the two decide differently.
#[derive(Serialize, ToSchema)]
pub struct ExampleView {
    /// Which order.
    pub order_id: String,
    /// `newly_hit`, `no_longer_hit` or `other_tier`.
    pub change: &'static str,
    /// `good`, `bad` or `open`.
    pub outcome: &'static str,
    /// Whether the customer's level is one that an exemption of either rulebook names; told of orders that are newly or no
    /// longer hit.
    pub vip: bool,
    /// Whether the address is familiar to the customer; told likewise.
    pub familiar: bool,
    /// As recorded.
    pub actual: TriedDecisionView,
    /// By the draft.
    pub draft: TriedDecisionView,
}

/// A decision.
#[derive(Serialize, ToSchema)]
pub struct TriedDecisionView {
    /// `pass` or a tier's id.
    pub tier: String,
    /// The sum of the hits' points.
    pub score: i64,
    /// The exemption that spares the order.
    pub exemption: Option<String>,
    /// The rules that fired.
    pub hits: Vec<PointsView>,
}

/// A rule that fired, and what it added.
#[derive(Serialize, ToSchema)]
pub struct PointsView {
    /// The rule's id.
    pub rule: String,
    /// What it added to the score.
    pub points: i64,
}

impl BacktestView {
    /// Of what was found of the rulebook with that hash, in so many milliseconds.
    pub fn of(hash: String, found: Backtested, elapsed_ms: u64) -> Self {
        Self {
            hash,
            orders: found.orders,
            unchanged: found.unchanged,
            elapsed_ms,
            matrix: found.matrix,
            per_rule: found.per_rule.into_iter().map(TriedRuleView::from).collect(),
            challenges_per_hour_max: found.draft.challenges_per_hour_max,
            reviews_per_hour_max: found.draft.reviews_per_hour_max,
            actual: found.actual.into(),
            draft: found.draft.into(),
            expected: found.first.into(),
            newly_hit_good: found.newly_hit.good,
            newly_caught_bad: found.newly_hit.bad,
            newly_hit: found.newly_hit.into(),
            no_longer_hit: found.no_longer_hit.into(),
            examples: found.examples.into_iter().map(ExampleView::from).collect(),
        }
    }
}

impl From<Tally> for ExpectedView {
    fn from(tally: Tally) -> Self {
        let share = |some| {
            let ppm = tally.ppm(some);
            format!("{}.{:06}", ppm / 1_000_000, ppm % 1_000_000)
        };
        Self { challenge_rate: share(tally.challenged), freeze_rate: share(tally.frozen) }
    }
}

impl From<RuleCounts> for TriedRuleView {
    fn from(RuleCounts { rule, actual, draft }: RuleCounts) -> Self {
        Self { rule, actual: actual.into(), draft: draft.into() }
    }
}

impl From<SideCounts> for FiredView {
    fn from(SideCounts { fired, decisive }: SideCounts) -> Self {
        Self { fired, decisive }
    }
}

impl From<Load> for LoadView {
    fn from(load: Load) -> Self {
        let Load { challenged, frozen, exempt, challenges_per_hour_max, reviews_per_hour_max } = load;
        Self { challenged, frozen, exempt, challenges_per_hour_max, reviews_per_hour_max }
    }
}

impl From<OutcomeCounts> for OutcomesView {
    fn from(OutcomeCounts { orders, good, good_vip, good_familiar, bad }: OutcomeCounts) -> Self {
        Self { orders, good, good_vip, good_familiar, bad }
    }
}

impl From<Example> for ExampleView {
    fn from(example: Example) -> Self {
        Self {
            order_id: example.order,
            change: match example.kind {
                ExampleKind::NewlyHit => "newly_hit",
                ExampleKind::NoLongerHit => "no_longer_hit",
                ExampleKind::OtherTier => "other_tier",
            },
            outcome: match example.good {
                Some(true) => "good",
                Some(false) => "bad",
                None => "open",
            },
            vip: example.vip,
            familiar: example.familiar,
            actual: example.actual.into(),
            draft: example.draft.into(),
        }
    }
}

impl From<Decision> for TriedDecisionView {
    fn from(Decision { tier, score, exemption, hits }: Decision) -> Self {
        let hits = hits.into_iter().map(|Hit { rule, points }| PointsView { rule, points });
        Self { tier, score, exemption, hits: hits.collect() }
    }
}
