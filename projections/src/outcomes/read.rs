//! The counts of some hours, put together.

use std::collections::BTreeMap;

use domain::time::Timestamp;

use super::{ANSWERS, FREED_ORDERS, FREED_UNIT_SECONDS, FREED_UNITS, FROZEN, HOUR_MS, Kind, RELEASED, Times, Verdict};
use crate::order_status::course::Answer;

/// What became of orders that were placed in some hours.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Outcomes {
    /// Of all that were screened.
    pub all: Verdicts,
    /// By the id of each rule that fired in the last screening.
    pub rules: BTreeMap<Box<str>, Verdicts>,
    /// By the tier that the last screening reached.
    pub tiers: BTreeMap<Box<str>, Verdicts>,
    /// By the exemption that spared them.
    pub exemptions: BTreeMap<Box<str>, Verdicts>,
    /// Of the hold-out, by tier.
    pub held_out: BTreeMap<Box<str>, Verdicts>,
    /// How many a person had to look at, or did.
    pub manual: u64,
    /// From placement, by the channel's clock, to the first decision.
    pub to_decision: Times,
    /// From placement to the release of those that were held.
    pub to_release: Times,
    /// From placement to the end of those that were held and ended frozen.
    pub to_freeze: Times,
    /// From placement to the end of those that were held and called off before anything was decided.
    pub to_end: Times,
    /// From the question, by our clock, to the release of those whose customer was asked.
    pub asked_to_release: Times,
    /// What came of asking, by method.
    pub challenges: BTreeMap<Box<str>, Answers>,
    /// Stock that was set free.
    pub freed: Freed,
}

/// What became of some orders.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Verdicts {
    /// They were bad.
    pub confirmed: u64,
    /// They were good.
    pub cleared: u64,
    /// They were called off before anybody knew.
    pub lapsed: u64,
    /// Nobody knows so far.
    pub undecided: u64,
}

impl Verdicts {
    /// How many orders that are.
    pub const fn orders(&self) -> u64 {
        self.confirmed + self.cleared + self.lapsed + self.undecided
    }

    /// Of how many it is known.
    pub const fn decided(&self) -> u64 {
        self.confirmed + self.cleared
    }

    fn of(&mut self, verdict: Verdict) -> &mut u64 {
        match verdict {
            Verdict::Confirmed => &mut self.confirmed,
            Verdict::Cleared => &mut self.cleared,
            Verdict::Lapsed => &mut self.lapsed,
            Verdict::Undecided => &mut self.undecided,
        }
    }
}

/// What came of asking customers by one method.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Answers {
    /// They proved it.
    pub verified: u64,
    /// They denied it or could not answer.
    pub failed: u64,
    /// They did not answer in time.
    pub unanswered: u64,
    /// Something else was decided before they answered.
    pub withdrawn: u64,
    /// They are being asked.
    pub open: u64,
}

impl Answers {
    /// How many were asked.
    pub const fn asked(&self) -> u64 {
        self.answered() + self.withdrawn + self.open
    }

    /// Of how many it is known what came of it.
    pub const fn answered(&self) -> u64 {
        self.verified + self.failed + self.unanswered
    }

    fn of(&mut self, answer: Answer) -> &mut u64 {
        match answer {
            Answer::Verified => &mut self.verified,
            Answer::Failed => &mut self.failed,
            Answer::Unanswered => &mut self.unanswered,
            Answer::Withdrawn => &mut self.withdrawn,
            Answer::Open => &mut self.open,
        }
    }
}

/// Stock of orders that were called off after it was to be set free.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Freed {
    /// How many orders.
    pub orders: u64,
    /// Their units.
    pub units: u64,
    /// For how long they had been held: units times seconds.
    pub unit_seconds: u64,
}

/// How many orders wait for a person now, and since when.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct QueueStanding {
    /// Those that are open or claimed.
    pub reviews: u64,
    /// Since when the oldest of them waits.
    pub oldest: Option<Timestamp>,
    /// Since when the middle one of them waits; of an even number the older of the two.
    pub median: Option<Timestamp>,
}

/// What waits and is held now, of all merchants together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WholeStanding {
    /// Reviews that are open or claimed.
    pub reviews: u64,
    /// Since when the oldest of them waits.
    pub oldest_review: Option<Timestamp>,
    /// Held units by cause, in the order of [`HoldCause::ALL`](crate::HoldCause::ALL).
    pub held_units: [u64; 3],
}

/// A count as it is stored, summed over hours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Counted {
    pub(crate) kind: Kind,
    pub(crate) name: Box<str>,
    pub(crate) slot: u16,
    pub(crate) count: u64,
}

impl Outcomes {
    pub(crate) fn of(counts: Vec<Counted>) -> Self {
        let mut outcomes = Self::default();
        for counted in counts {
            outcomes.add(counted);
        }
        outcomes
    }

    fn add(&mut self, Counted { kind, name, slot, count }: Counted) {
        let verdicts = match kind {
            Kind::All => &mut self.all,
            Kind::Rule => self.rules.entry(name).or_default(),
            Kind::Tier => self.tiers.entry(name).or_default(),
            Kind::Exemption => self.exemptions.entry(name).or_default(),
            Kind::HeldOut => self.held_out.entry(name).or_default(),
            Kind::Manual => return self.manual += count,
            Kind::Decision => return self.to_decision.add(slot, count),
            Kind::Resolution => return self.times(&name).add(slot, count),
            Kind::AskedRelease => return self.asked_to_release.add(slot, count),
            Kind::Challenge => {
                if let Some(answer) = ANSWERS.get(usize::from(slot)) {
                    *self.challenges.entry(name).or_default().of(*answer) += count;
                }
                return;
            }
            Kind::Freed => return self.freed.add(slot, count),
        };
        if let Some(verdict) = Verdict::ALL.get(usize::from(slot)) {
            *verdicts.of(*verdict) += count;
        }
    }

    fn times(&mut self, ended_in: &str) -> &mut Times {
        match ended_in {
            RELEASED => &mut self.to_release,
            FROZEN => &mut self.to_freeze,
            _ => &mut self.to_end,
        }
    }
}

impl Freed {
    const fn add(&mut self, slot: u16, amount: u64) {
        match slot {
            FREED_ORDERS => self.orders += amount,
            FREED_UNITS => self.units += amount,
            FREED_UNIT_SECONDS => self.unit_seconds += amount,
            _ => {}
        }
    }
}

/// The hours that times from `from` on and before `to` lie in: from the one that `from` lies in, up to the one that begins at `to` or
/// later.
pub(crate) fn hours(from: Timestamp, to: Timestamp) -> std::ops::Range<i64> {
    from.millis().div_euclid(HOUR_MS)..to.millis().saturating_add(HOUR_MS - 1).div_euclid(HOUR_MS)
}
