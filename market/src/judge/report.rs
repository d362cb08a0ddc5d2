//! The judge's report: as JSON for machines, as a table for people.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::{AttackCount, BurstCount, HonestCount, Judge, Share};
use crate::kind::{Attack, Honest, Kind};

/// What was found.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Report {
    /// Labelled orders that were screened.
    pub orders: u64,
    /// Labelled orders that were not.
    pub not_screened: u64,
    /// All honest orders.
    pub honest: HonestRow,
    /// The honest orders of each kind.
    pub honest_kinds: BTreeMap<Honest, HonestRow>,
    /// All orders of attackers.
    pub attacks: AttackRow,
    /// The orders of each kind of attack.
    pub attack_kinds: BTreeMap<Attack, AttackRow>,
    /// Orders in the review pool after their last screening, of all.
    pub manual: Share,
}

/// False positives among honest orders.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct HonestRow {
    /// Ever challenged or frozen by a screening.
    pub challenged: Share,
    /// Ever frozen by one.
    pub frozen: Share,
    /// In the review pool after the last one.
    pub pooled: Share,
}

/// What was caught of an attack.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct AttackRow {
    /// Challenged or frozen after the last screening.
    pub caught: Share,
    /// After the first.
    pub caught_at_once: Share,
    /// Bursts of which at least one order was caught in the end.
    pub bursts_caught: Share,
    /// Places of the first order of a burst that was caught at once, over the bursts that had one.
    pub first_caught: Option<Places>,
}

/// Places in bursts, from 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Places {
    /// Half of the bursts have it at this place or before.
    pub median: u32,
    /// Nine in ten have.
    pub p90: u32,
    /// All have.
    pub max: u32,
}

impl Report {
    pub(super) fn of(judge: &Judge) -> Self {
        let honest = judge.honest.values().copied().fold(HonestCount::default(), HonestCount::plus);
        let attacks = judge.attacks.values().copied().fold(AttackCount::default(), AttackCount::plus);
        let bursts_of = |kind: Option<Attack>| {
            judge.bursts.values().filter(move |burst| kind.is_none_or(|kind| kind == burst.kind)).collect::<Vec<_>>()
        };
        let row = |(kind, count): (&Attack, &AttackCount)| (*kind, AttackRow::of(*count, &bursts_of(Some(*kind))));
        let orders = honest.orders + attacks.orders;
        Self {
            orders,
            not_screened: judge.unknown,
            honest: HonestRow::of(honest),
            honest_kinds: judge.honest.iter().map(|(kind, count)| (*kind, HonestRow::of(*count))).collect(),
            attacks: AttackRow::of(attacks, &bursts_of(None)),
            attack_kinds: judge.attacks.iter().map(row).collect(),
            manual: Share::new(honest.pooled + attacks.pooled, orders),
        }
    }
}

impl HonestRow {
    fn of(count: HonestCount) -> Self {
        Self {
            challenged: Share::new(count.challenged, count.orders),
            frozen: Share::new(count.frozen, count.orders),
            pooled: Share::new(count.pooled, count.orders),
        }
    }
}

impl AttackRow {
    fn of(count: AttackCount, bursts: &[&BurstCount]) -> Self {
        let caught = bursts.iter().filter(|burst| burst.caught > 0).count() as u64;
        let mut places: Vec<u32> = bursts.iter().filter_map(|burst| burst.first_caught).collect();
        places.sort_unstable();
        let at = |percent: usize| places.get((places.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        let first_caught = at(50).zip(at(90)).zip(at(100)).map(|((median, p90), max)| Places { median, p90, max });
        Self {
            caught: Share::new(count.caught, count.orders),
            caught_at_once: Share::new(count.caught_at_once, count.orders),
            bursts_caught: Share::new(caught, bursts.len() as u64),
            first_caught,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} orders screened, {} labelled orders not screened", self.orders, self.not_screened)?;
        writeln!(
            f,
            "\n{:<22} {:>9} {:>11} {:>9} {:>18} {:>8} {:>9}",
            "honest", "orders", "challenged", "%", "95 %", "frozen", "%"
        )?;
        for (kind, row) in &self.honest_kinds {
            row.write(f, &Kind::Honest(*kind).to_string())?;
        }
        self.honest.write(f, "all")?;
        writeln!(
            f,
            "\n{:<22} {:>9} {:>9} {:>18} {:>9} {:>15} {:>19}",
            "attacks", "orders", "caught %", "95 %", "at once %", "bursts caught", "first caught place"
        )?;
        for (kind, row) in &self.attack_kinds {
            row.write(f, &Kind::Attack(*kind).to_string())?;
        }
        self.attacks.write(f, "all")?;
        writeln!(
            f,
            "\nmanual share: {} %, {} of {} orders",
            percent(self.manual.share),
            self.manual.count,
            self.manual.of
        )
    }
}

impl HonestRow {
    fn write(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        let Self { challenged, frozen, .. } = self;
        writeln!(
            f,
            "{name:<22} {:>9} {:>11} {:>9} {:>18} {:>8} {:>9}",
            challenged.of,
            challenged.count,
            percent(challenged.share),
            interval(challenged),
            frozen.count,
            percent(frozen.share)
        )
    }
}

impl AttackRow {
    fn write(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        let bursts = format!("{} of {}", self.bursts_caught.count, self.bursts_caught.of);
        let places = self
            .first_caught
            .map_or_else(|| "none".to_owned(), |Places { median, p90, max }| format!("{median} / {p90} / {max}"));
        writeln!(
            f,
            "{name:<22} {:>9} {:>9} {:>18} {:>9} {bursts:>15} {places:>19}",
            self.caught.of,
            percent(self.caught.share),
            interval(&self.caught),
            percent(self.caught_at_once.share),
        )
    }
}

fn percent(share: f64) -> String {
    format!("{:.3}", 100.0 * share)
}

fn interval(share: &Share) -> String {
    format!("{} to {}", percent(share.low), percent(share.high))
}
