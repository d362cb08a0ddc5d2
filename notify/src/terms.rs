//! How receivers are dealt with.

use std::time::Duration;

use domain::time::{Span, Timestamp};

/// How long, how often and how many at once.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// How long a receiver may take, from the connection to the status of its answer, and a provider to the answer's end.
    pub answer_within: Duration,
    /// How many messages of one endpoint are under way at once.
    pub at_once_max: usize,
    /// The pause after a message's first failure; doubled after each further one.
    pub pause_first: Span,
    /// The longest pause between two tries of a message.
    pub pause_last: Span,
    /// For how long a message is tried before it is parked, from the moment that nothing before it was in its way.
    pub try_for: Span,
    /// After how many failures in a row an endpoint counts as down.
    pub failures_max: u32,
    /// How long an endpoint that is down is left alone at first; doubled each time that it still is.
    pub rest_first: Span,
    /// The longest such rest.
    pub rest_last: Span,
    /// Whether receivers may have addresses that are not public.
    pub allow_private: bool,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            answer_within: Duration::from_secs(10),
            at_once_max: 16,
            pause_first: Span::from_secs(1),
            pause_last: Span::from_hours(6),
            try_for: Span::from_days(3),
            failures_max: 20,
            rest_first: Span::from_secs(5),
            rest_last: Span::from_mins(5),
            allow_private: false,
        }
    }
}

impl Terms {
    /// How long to wait after so many failures of a message: between half and the whole of a pause that doubles each time, so that
    /// those who failed together do not come back together. `draw` is uniform over all numbers.
    pub(crate) fn pause(&self, failures: u32, draw: u64) -> Span {
        let whole = doubled(self.pause_first, failures.saturating_sub(1), self.pause_last);
        let half = whole.millis() / 2;
        let part = i64::try_from(draw % u64::try_from(half + 1).unwrap_or(1)).unwrap_or_default();
        Span::from_millis(half + part)
    }

    /// How long an endpoint that was found down so many times in a row is left alone.
    pub(crate) fn rest(&self, times: u32) -> Span {
        doubled(self.rest_first, times.saturating_sub(1), self.rest_last)
    }

    /// What became due at this time or before is not tried any more.
    pub(crate) fn given_up_before(&self, now: Timestamp) -> Timestamp {
        now.minus(self.try_for)
    }
}

fn doubled(first: Span, times: u32, last: Span) -> Span {
    let factor = 1_i64.checked_shl(times.min(40)).unwrap_or(i64::MAX);
    Span::from_millis(first.millis().saturating_mul(factor).min(last.millis()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_scatter_up_to_the_longest() {
        let terms = Terms::default();
        for (failures, whole) in
            [(1, 1_000), (2, 2_000), (5, 16_000), (15, 16_384_000), (16, 21_600_000), (99, 21_600_000)]
        {
            for draw in [0, 7, u64::MAX] {
                let pause = terms.pause(failures, draw).millis();
                assert!((whole / 2..=whole).contains(&pause), "{failures} failures: {pause} ms");
            }
        }
        assert_ne!(terms.pause(9, 1), terms.pause(9, 2));
    }
}
