//! What a back-test tells.

use std::collections::BTreeMap;

use domain::forecast::Tally;

/// The most examples of orders that are alike: by what changed, what became of them, and whether they are named apart.
pub const EXAMPLES_MAX: usize = 5;

/// What a back-test found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Backtested {
    /// Orders of the period.
    pub orders: u64,
    /// Those of which both decided the same: score, tier, rules with their points, and exemption.
    pub unchanged: u64,
    /// Orders by the tier that was reached and by the one that the draft reaches.
    pub matrix: BTreeMap<String, BTreeMap<String, u64>>,
    /// What each rule did: the draft's in its order, then those that only the rulebooks in force had.
    pub per_rule: Vec<RuleCounts>,
    /// What there was to do.
    pub actual: Load,
    /// What there would have been to do.
    pub draft: Load,
    /// What the draft comes to by the first screening of each order, as a publication is held to it.
    pub first: Tally,
    /// Orders that were let go and that the draft would stop.
    pub newly_hit: OutcomeCounts,
    /// Orders that were stopped and that the draft would let go.
    pub no_longer_hit: OutcomeCounts,
    /// Orders to look at, in the order of their decisions.
    pub examples: Vec<Example>,
}

/// What a rule did on either side.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RuleCounts {
    /// Its id.
    pub rule: String,
    /// As recorded.
    pub actual: SideCounts,
    /// By the draft.
    pub draft: SideCounts,
}

/// What a rule did on one side.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SideCounts {
    /// Orders that it fired for.
    pub fired: u64,
    /// Those whose tier would be another one without its points.
    pub decisive: u64,
}

/// What a rulebook gives customers and people to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Load {
    /// Orders whose customer is asked.
    pub challenged: u64,
    /// Orders that are held for a person to look at.
    pub frozen: u64,
    /// Orders that an exemption spares.
    pub exempt: u64,
    /// The most challenges in an hour of the clock, by the time of placement.
    pub challenges_per_hour_max: u64,
    /// The most orders that are held, likewise.
    pub reviews_per_hour_max: u64,
}

/// Orders by what became of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OutcomeCounts {
    /// All of them, those included of which nothing is known so far.
    pub orders: u64,
    /// Those that arrived and were kept.
    pub good: u64,
    /// Good ones of customers whose level an exemption spares.
    pub good_vip: u64,
    /// Good ones to an address that is familiar to the customer.
    pub good_familiar: u64,
    /// Those that came to a bad end.
    pub bad: u64,
}

/// What changes for an order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ExampleKind {
    /// It was let go and would be stopped.
    NewlyHit,
    /// It was stopped and would be let go.
    NoLongerHit,
    /// Another tier.
    OtherTier,
}

/// One order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Example {
    /// Which.
    pub order: String,
    /// What changes.
    pub kind: ExampleKind,
    /// Whether it turned out well; `None` where that is not known so far.
    pub good: Option<bool>,
    /// Its customer's level is one that an exemption spares.
    pub vip: bool,
    /// It goes to an address that is familiar to the customer.
    pub familiar: bool,
    /// As recorded.
    pub actual: Decision,
    /// By the draft.
    pub draft: Decision,
}

/// A decision about an order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// `pass` or a tier's id.
    pub tier: String,
    /// The sum of the points.
    pub score: i64,
    /// The exemption that spares it.
    pub exemption: Option<String>,
    /// The rules that fired.
    pub hits: Vec<Hit>,
}

/// A rule that fired.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hit {
    /// Its id.
    pub rule: String,
    /// What it added.
    pub points: i64,
}
