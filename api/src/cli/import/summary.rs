//! What came of an import, counted and told.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use engine::{Outcome, Receipt, Refusal};
use hdrhistogram::Histogram;
use indicatif::{HumanCount, ProgressBar};

/// Refused lines that are told one by one; all are counted.
const TOLD_MAX: u64 = 20;

/// What came of a line that was good.
pub(super) enum Stored {
    /// An order.
    Order {
        /// The tier that its score reached.
        tier: Option<String>,
    },
    /// More about one.
    Update,
    /// Nothing that was not known.
    Known,
}

/// What came of the lines.
pub(super) struct Summary {
    tiers: BTreeMap<String, u64>,
    pub(super) created: u64,
    pub(super) updated: u64,
    pub(super) duplicates: u64,
    pub(super) refused: u64,
    decision_micros: Histogram<u64>,
}

impl Summary {
    pub(super) fn new() -> anyhow::Result<Self> {
        let decision_micros = Histogram::new(3).context("three digits are a precision")?;
        Ok(Self { tiers: BTreeMap::new(), created: 0, updated: 0, duplicates: 0, refused: 0, decision_micros })
    }

    pub(super) fn take(&mut self, number: u64, answer: Result<Receipt, Refusal>, progress: &ProgressBar) {
        let receipt = match answer {
            Ok(receipt) => receipt,
            Err(refusal) => return self.refuse(number, &refusal.to_string(), progress),
        };
        if receipt.outcome != Outcome::Duplicate {
            self.decision_micros.saturating_record(u64::try_from(receipt.decided_in.as_micros()).unwrap_or(u64::MAX));
        }
        let stored = match receipt.outcome {
            Outcome::Duplicate | Outcome::Unchanged => Stored::Known,
            Outcome::Updated | Outcome::CodeWrong { .. } => Stored::Update,
            Outcome::Created => {
                Stored::Order { tier: receipt.risk.and_then(|risk| Some(risk.screening?.tier.to_string())) }
            }
        };
        self.store(stored, progress);
    }

    pub(super) fn store(&mut self, stored: Stored, progress: &ProgressBar) {
        match stored {
            Stored::Known => self.duplicates += 1,
            Stored::Update => self.updated += 1,
            Stored::Order { tier } => {
                self.created += 1;
                *self.tiers.entry(tier.unwrap_or_else(|| "unscored".to_owned())).or_default() += 1;
            }
        }
        if (self.created + self.updated + self.duplicates).is_multiple_of(1_000) {
            progress.set_message(format!("{} orders", HumanCount(self.created)));
        }
    }

    pub(super) fn refuse(&mut self, number: u64, why: &str, progress: &ProgressBar) {
        self.refused += 1;
        if self.refused <= TOLD_MAX {
            progress.suspend(|| eprintln!("line {number}: {why}"));
        }
    }

    /// What came of the lines, and how fast.
    pub(super) fn print_counts(&self, elapsed: Duration) {
        say!("orders      {}", self.created);
        for (tier, orders) in &self.tiers {
            say!("  {tier:<9} {orders}");
        }
        say!("updates     {}", self.updated);
        say!("duplicates  {}", self.duplicates);
        say!("refused     {}", self.refused);
        let seconds = elapsed.as_secs_f64();
        let notices = self.created + self.updated + self.duplicates;
        say!("time        {seconds:.2} s, {:.0} notices/s", per_second(notices, seconds));
        say!("speed       {:.0} orders/s", per_second(self.created, seconds));
    }

    /// As [`Self::print_counts`], with what is known where they were decided here.
    pub(super) fn print(&self, elapsed: Duration, followed: Option<Duration>) {
        self.print_counts(elapsed);
        let percentile = |quantile| self.decision_micros.value_at_quantile(quantile);
        say!("decision    p50 {} µs, p99 {} µs", percentile(0.5), percentile(0.99));
        match followed {
            Some(lag) => say!("read models {:.2} s behind the last line", lag.as_secs_f64()),
            None => say!("read models did not follow, see the log"),
        }
    }
}

fn per_second(count: u64, seconds: f64) -> f64 {
    // Counts of lines are far below 2^32.
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / seconds.max(1e-9)
}
