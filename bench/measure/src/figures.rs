//! What a run measured, and how it is told: one line of `name=value`, which people and programs can read.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

/// The longest latency that is told apart, in microseconds.
const LATENCY_MAX_US: u64 = 120_000_000;
/// Kinds of errors that are told by name; all are counted.
const KINDS_MAX: usize = 10;

/// Counts and latencies.
pub struct Figures {
    latency_us: Histogram<u64>,
    errors: u64,
    kinds: BTreeMap<String, u64>,
    elapsed: Duration,
}

impl Figures {
    /// Of a run in which nothing happened yet.
    ///
    /// # Errors
    /// When there is no such histogram.
    pub fn new() -> anyhow::Result<Self> {
        let latency_us = Histogram::new_with_bounds(1, LATENCY_MAX_US, 3)?;
        Ok(Self { latency_us, errors: 0, kinds: BTreeMap::new(), elapsed: Duration::ZERO })
    }

    /// An order was taken.
    pub fn answered(&mut self, latency: Duration) {
        self.latency_us.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    /// An order was refused or not answered.
    pub fn failed(&mut self, trouble: String) {
        self.count(trouble, 1);
    }

    fn count(&mut self, trouble: String, times: u64) {
        self.errors += times;
        if self.kinds.len() < KINDS_MAX || self.kinds.contains_key(&trouble) {
            *self.kinds.entry(trouble).or_default() += times;
        }
    }

    /// Adds what another connection measured.
    pub fn add(&mut self, other: &Self) {
        self.latency_us += &other.latency_us;
        self.errors += other.errors;
        for (kind, times) in &other.kinds {
            *self.kinds.entry(kind.clone()).or_default() += times;
        }
    }

    /// Sets how long it all took.
    pub fn set_elapsed(&mut self, elapsed: Duration) {
        self.elapsed = elapsed;
    }

    /// The latency that so large a share of the orders stayed below, in microseconds.
    pub fn latency_us_at(&self, quantile: f64) -> u64 {
        self.latency_us.value_at_quantile(quantile)
    }

    /// Whether this is no figure.
    pub fn has_errors(&self) -> bool {
        self.errors > 0 || self.latency_us.is_empty()
    }
}

impl fmt::Display for Figures {
    #[expect(clippy::cast_precision_loss, reason = "a count of orders is far below 2^52")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let orders = self.latency_us.len();
        let seconds = self.elapsed.as_secs_f64();
        let per_second = orders as f64 / seconds.max(1e-9);
        let at = |quantile| self.latency_us_at(quantile);
        write!(f, "orders={orders} errors={} seconds={seconds:.3} orders_per_second={per_second:.0}", self.errors)?;
        write!(f, " p50_us={} p99_us={} p999_us={}", at(0.5), at(0.99), at(0.999))?;
        write!(f, " max_us={}", self.latency_us.max())?;
        for (kind, times) in &self.kinds {
            write!(f, "\n  error {times} times: {kind}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_several_connections_are_told_together() {
        let (mut one, mut other) = (Figures::new().unwrap(), Figures::new().unwrap());
        one.answered(Duration::from_micros(100));
        other.answered(Duration::from_micros(300));
        one.add(&other);
        one.set_elapsed(Duration::from_secs(2));
        let told = one.to_string();
        assert_eq!(
            told,
            "orders=2 errors=0 seconds=2.000 orders_per_second=1 p50_us=100 p99_us=300 p999_us=300 max_us=300"
        );
        assert!(!one.has_errors());
    }

    #[test]
    fn a_run_with_an_error_is_no_figure_and_says_why() {
        let (mut one, mut other) = (Figures::new().unwrap(), Figures::new().unwrap());
        one.answered(Duration::from_micros(100));
        other.failed("status 503".to_owned());
        other.failed("status 503".to_owned());
        one.add(&other);
        assert!(one.has_errors());
        assert!(one.to_string().ends_with("\n  error 2 times: status 503"));
    }

    #[test]
    fn a_run_without_any_answer_is_no_figure() {
        assert!(Figures::new().unwrap().has_errors());
    }
}
