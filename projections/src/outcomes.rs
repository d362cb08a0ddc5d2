//! `outcomes`: what became of orders, counted for each hour of placement, over the rows of `order_status`. What every figure means is
//! written down in `docs/FIGURES.md`.
//!
//! An order counts once for each thing it is counted for: for all orders, for each rule that fired and for the tier that it reached
//! in its last screening, for the exemption that spared it. So what fired is the sum of what became of it.

mod read;
mod times;

use domain::order::{ChallengeMethod, PASS, RiskState};
use domain::screening::HOLD_OUT;
use serde::Deserialize;

use crate::order_status::OrderStatusRow;
use crate::order_status::course::{
    Answer, DELIVERED, FOUND_BAD, FOUND_GOOD, MANUAL, REFUND, REFUNDED, STAYED_FROZEN, STOCK_DUE, answer, is_cancelled,
};
use crate::stock_holds::held_since;
use crate::sums::Deltas;

pub use read::{Answers, Freed, Outcomes, QueueStanding, Verdicts, WholeStanding};
pub(crate) use read::{Counted, hours};
pub use times::Times;

const HOUR_MS: i64 = 3_600_000;

/// What became of an order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Verdict {
    /// It was bad.
    Confirmed,
    /// It was good.
    Cleared,
    /// It was called off before anybody knew.
    Lapsed,
    /// Nobody knows so far.
    Undecided,
}

impl Verdict {
    /// Every verdict; a verdict's place is its slot.
    pub(crate) const ALL: [Self; 4] = [Self::Confirmed, Self::Cleared, Self::Lapsed, Self::Undecided];
}

/// What is counted, as the tables name it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Kind {
    /// All screened orders, by verdict.
    All,
    /// Orders for which a rule fired, by rule and verdict.
    Rule,
    /// Orders that reached a tier, by tier and verdict.
    Tier,
    /// Orders that an exemption spared, by exemption and verdict.
    Exemption,
    /// Orders of the hold-out, by the tier that they reached and verdict.
    HeldOut,
    /// Orders that a person had to look at, or did.
    Manual,
    /// From placement to the first decision, by bucket of time.
    Decision,
    /// From placement to the final state of an order that was held, by that state and bucket of time.
    Resolution,
    /// From the question to the release of an order whose customer was asked, by bucket of time.
    AskedRelease,
    /// What came of asking, by method and answer.
    Challenge,
    /// Stock that was set free: orders, units and unit-seconds.
    Freed,
}

impl Kind {
    const ALL: [Self; 11] = [
        Self::All,
        Self::Rule,
        Self::Tier,
        Self::Exemption,
        Self::HeldOut,
        Self::Manual,
        Self::Decision,
        Self::Resolution,
        Self::AskedRelease,
        Self::Challenge,
        Self::Freed,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Rule => "rule",
            Self::Tier => "tier",
            Self::Exemption => "exemption",
            Self::HeldOut => "held_out",
            Self::Manual => "manual",
            Self::Decision => "decision",
            Self::Resolution => "resolution",
            Self::AskedRelease => "asked_release",
            Self::Challenge => "challenge",
            Self::Freed => "freed",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// The names under which held orders are counted by the state they ended in.
pub(crate) const RELEASED: &str = "released";
pub(crate) const FROZEN: &str = "frozen";
pub(crate) const CALLED_OFF: &str = "called_off";

/// The slots of [`Kind::Freed`].
pub(crate) const FREED_ORDERS: u16 = 0;
pub(crate) const FREED_UNITS: u16 = 1;
pub(crate) const FREED_UNIT_SECONDS: u16 = 2;

/// The place of an answer in [`Kind::Challenge`].
pub(crate) const ANSWERS: [Answer; 5] =
    [Answer::Verified, Answer::Failed, Answer::Unanswered, Answer::Withdrawn, Answer::Open];

/// One count: of the merchant of a page's order, in the order of the table.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct CountKey {
    pub(crate) merchant: usize,
    pub(crate) hour: i64,
    pub(crate) kind: Kind,
    pub(crate) name: Box<str>,
    pub(crate) slot: u16,
}

/// By how much counts change.
pub(crate) type CountSums = Deltas<CountKey, 1>;

/// How an order counts, but for what it counts for by name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Outcome {
    hour: i64,
    verdict: Verdict,
    is_manual: bool,
    decision: u16,
    resolution: Option<(&'static str, u16)>,
    asked_release: Option<u16>,
    sms: Option<Answer>,
    call: Option<Answer>,
    freed: Option<(i64, i64)>,
}

/// `None` for an order that was not screened so far.
pub(crate) fn outcome(row: &OrderStatusRow) -> Option<Outcome> {
    let decided_at = row.course.decided_at?;
    let placed_at = row.facts.listed_at;
    // What reached a tier after it had left waits for a person to see it.
    let is_unheld = row.risk.state == Some(RiskState::Scored) && reached_a_tier(row);
    let [sms, call] = [ChallengeMethod::Sms, ChallengeMethod::Call].map(|method| answer(row, method));
    let released_at = row.course.resolved_at.filter(|_| row.risk.state == Some(RiskState::Released));
    Some(Outcome {
        hour: placed_at.millis().div_euclid(HOUR_MS),
        verdict: verdict(row),
        is_manual: row.course.has(MANUAL) || is_unheld,
        decision: times::bucket(decided_at.since(placed_at)),
        resolution: row.course.resolved_at.map(|at| (ended_in(row), times::bucket(at.since(placed_at)))),
        asked_release: released_at.zip(row.course.asked_at).map(|(at, asked_at)| times::bucket(at.since(asked_at))),
        sms,
        call,
        freed: freed(row),
    })
}

fn reached_a_tier(row: &OrderStatusRow) -> bool {
    row.risk.tier.as_deref().is_some_and(|tier| tier != PASS)
}

fn verdict(row: &OrderStatusRow) -> Verdict {
    let course = row.course;
    if row.risk.state == Some(RiskState::Frozen) {
        let is_bad = course.has(FOUND_BAD | STAYED_FROZEN | REFUNDED) || is_cancelled(row);
        return if is_bad { Verdict::Confirmed } else { Verdict::Undecided };
    }
    let is_vouched_for = course.has(FOUND_GOOD);
    if course.has(REFUNDED) {
        let is_like_a_chargeback = reached_a_tier(row) && !is_vouched_for;
        return if is_like_a_chargeback { Verdict::Confirmed } else { Verdict::Undecided };
    }
    if is_vouched_for || (course.has(DELIVERED) && !course.has(REFUND)) {
        Verdict::Cleared
    } else if is_cancelled(row) {
        Verdict::Lapsed
    } else {
        Verdict::Undecided
    }
}

fn ended_in(row: &OrderStatusRow) -> &'static str {
    match row.risk.state {
        Some(RiskState::Released) => RELEASED,
        Some(RiskState::Frozen) => FROZEN,
        Some(RiskState::Placed | RiskState::Scored | RiskState::Challenged | RiskState::Verified) | None => CALLED_OFF,
    }
}

/// Units and unit-seconds of an order whose stock was to be set free, and that was called off then.
fn freed(row: &OrderStatusRow) -> Option<(i64, i64)> {
    let status = row.status.as_ref()?;
    let is_off = is_cancelled(row) || row.course.has(REFUNDED);
    if !(is_off && row.course.has(STOCK_DUE)) {
        return None;
    }
    let units = row
        .facts
        .stock
        .iter()
        .fold(0_i64, |units, line| units.saturating_add(i64::try_from(line.units).unwrap_or(i64::MAX)));
    let seconds = status.occurred_at.since(held_since(row)).millis() / 1_000;
    Some((units, units.saturating_mul(seconds)))
}

/// Counts an order.
pub(crate) fn count(sums: &mut CountSums, merchant: usize, row: &OrderStatusRow, outcome: &Outcome, times: i64) {
    let mut add = |kind, name: &str, slot: u16, amount: i64| {
        let key = CountKey { merchant, hour: outcome.hour, kind, name: name.into(), slot };
        sums.add(key, [amount.saturating_mul(times)]);
    };
    let slot = outcome.verdict as u16;
    add(Kind::All, "", slot, 1);
    for rule in rules(&row.risk.hits) {
        add(Kind::Rule, &rule, slot, 1);
    }
    if let Some(tier) = row.risk.tier.as_deref().filter(|tier| *tier != PASS) {
        add(Kind::Tier, tier, slot, 1);
        if let Some(exemption) = row.risk.exemption.as_deref() {
            add(Kind::Exemption, exemption, slot, 1);
            if exemption == HOLD_OUT {
                add(Kind::HeldOut, tier, slot, 1);
            }
        }
    }
    if outcome.is_manual {
        add(Kind::Manual, "", 0, 1);
    }
    add(Kind::Decision, "", outcome.decision, 1);
    if let Some((state, bucket)) = outcome.resolution {
        add(Kind::Resolution, state, bucket, 1);
    }
    if let Some(bucket) = outcome.asked_release {
        add(Kind::AskedRelease, "", bucket, 1);
    }
    for (method, answer) in [("sms", outcome.sms), ("call", outcome.call)] {
        if let Some(answer) = answer {
            add(Kind::Challenge, method, answer as u16, 1);
        }
    }
    if let Some((units, unit_seconds)) = outcome.freed {
        add(Kind::Freed, "", FREED_ORDERS, 1);
        add(Kind::Freed, "", FREED_UNITS, units);
        add(Kind::Freed, "", FREED_UNIT_SECONDS, unit_seconds);
    }
}

/// The ids of the rules that fired. Hits that are not what a screening records name no rule.
fn rules(hits: &str) -> Vec<std::borrow::Cow<'_, str>> {
    #[derive(Deserialize)]
    struct RuleOfHit<'a> {
        #[serde(borrow)]
        rule: std::borrow::Cow<'a, str>,
    }
    if hits == "[]" {
        return Vec::new();
    }
    let hits: Vec<RuleOfHit<'_>> = serde_json::from_str(hits).unwrap_or_default();
    hits.into_iter().map(|hit| hit.rule).collect()
}
