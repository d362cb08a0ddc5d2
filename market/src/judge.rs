//! What was decided, beside the truth.

mod report;

use std::collections::BTreeMap;

use crate::kind::{Attack, Honest, Kind, Label};

pub use domain::share::Share;
pub use report::Report;

/// What became of one order through its screenings. People's answers and decisions do not count: they say nothing of the rules.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fate {
    /// After the first screening, and after the last.
    first: Standing,
    last: Standing,
    screenings: u32,
    challenged: bool,
    frozen: bool,
}

/// Where a screening left an order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Standing {
    held: bool,
    pooled: bool,
}

impl Fate {
    /// It was screened; `pooled` when the score reached a tier and nothing exempted it, so that it is in the review pool.
    pub const fn screened(&mut self, pooled: bool) {
        self.screenings = self.screenings.saturating_add(1);
        self.last.pooled = pooled;
        self.first_as_last();
    }

    /// The screening had its customer asked.
    pub const fn challenged(&mut self) {
        self.challenged = true;
        self.held(true);
    }

    /// The screening froze it.
    pub const fn frozen(&mut self) {
        self.frozen = true;
        self.held(true);
    }

    /// The screening let it go.
    pub const fn released(&mut self) {
        self.held(false);
    }

    const fn held(&mut self, held: bool) {
        self.last.held = held;
        self.first_as_last();
    }

    const fn first_as_last(&mut self) {
        if self.screenings <= 1 {
            self.first = self.last;
        }
    }
}

/// Counts orders, one label after the other.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Judge {
    honest: BTreeMap<Honest, HonestCount>,
    attacks: BTreeMap<Attack, AttackCount>,
    bursts: BTreeMap<u64, BurstCount>,
    unknown: u64,
}

/// Orders of one kind of honest customer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct HonestCount {
    orders: u64,
    /// Ever challenged or frozen, and of these frozen.
    challenged: u64,
    frozen: u64,
    pooled: u64,
}

/// Orders of one kind of attack.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct AttackCount {
    orders: u64,
    caught_at_once: u64,
    caught: u64,
    pooled: u64,
}

/// One action of attackers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct BurstCount {
    kind: Attack,
    orders: u64,
    /// The lowest place that the first decision caught.
    first_caught: Option<u32>,
    caught: u64,
}

impl Judge {
    /// Takes one order's truth and fate; an order without a fate never reached the log, or was not screened.
    pub fn take(&mut self, label: &Label, fate: Option<Fate>) {
        let Some(fate) = fate.filter(|fate| fate.screenings > 0) else {
            self.unknown += 1;
            return;
        };
        match label.kind {
            Kind::Honest(kind) => self.honest.entry(kind).or_default().take(fate),
            Kind::Attack(kind) => {
                self.attacks.entry(kind).or_default().take(fate);
                if let (Some(burst), Some(place)) = (label.burst, label.place) {
                    let burst = self.bursts.entry(burst).or_insert(BurstCount::new(kind));
                    burst.take(place, fate);
                }
            }
        }
    }

    /// What was counted.
    pub fn report(&self) -> Report {
        Report::of(self)
    }
}

impl HonestCount {
    fn take(&mut self, fate: Fate) {
        self.orders += 1;
        self.challenged += u64::from(fate.challenged || fate.frozen);
        self.frozen += u64::from(fate.frozen);
        self.pooled += u64::from(fate.last.pooled);
    }

    fn plus(self, other: Self) -> Self {
        Self {
            orders: self.orders + other.orders,
            challenged: self.challenged + other.challenged,
            frozen: self.frozen + other.frozen,
            pooled: self.pooled + other.pooled,
        }
    }
}

impl AttackCount {
    fn take(&mut self, fate: Fate) {
        self.orders += 1;
        self.caught_at_once += u64::from(fate.first.held);
        self.caught += u64::from(fate.last.held);
        self.pooled += u64::from(fate.last.pooled);
    }

    fn plus(self, other: Self) -> Self {
        Self {
            orders: self.orders + other.orders,
            caught_at_once: self.caught_at_once + other.caught_at_once,
            caught: self.caught + other.caught,
            pooled: self.pooled + other.pooled,
        }
    }
}

impl BurstCount {
    const fn new(kind: Attack) -> Self {
        Self { kind, orders: 0, first_caught: None, caught: 0 }
    }

    fn take(&mut self, place: u32, fate: Fate) {
        self.orders += 1;
        self.caught += u64::from(fate.last.held);
        if fate.first.held {
            self.first_caught = Some(self.first_caught.map_or(place, |earlier| earlier.min(place)));
        }
    }
}

#[cfg(test)]
mod tests;
