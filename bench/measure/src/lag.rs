//! How far read models are behind the log, in time.
//!
//! A look at a read model tells how many events it has folded and how many it has still to fold; their sum is where the log's
//! head was. The lag of a moment is the time until a later look finds that head folded. So it is never told too short, and
//! too long by at most the pause between two looks.

use std::fmt;
use std::time::{Duration, Instant};

/// One look at one read model.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Look {
    /// When.
    pub at: Instant,
    /// Events folded so far.
    pub folded: f64,
    /// Events still to be folded.
    pub behind: f64,
}

/// What came of many looks: the worst of all moments and read models.
#[derive(PartialEq, Debug)]
pub struct Lag {
    longest: Duration,
    events_max: f64,
}

impl Lag {
    /// Of all looks at each of some read models, in the order of time.
    pub fn of<'a>(models: impl IntoIterator<Item = &'a Vec<Look>>) -> Self {
        let mut lag = Self { longest: Duration::ZERO, events_max: 0.0 };
        for looks in models {
            let last = looks.last().map_or(0.0, |look| look.folded);
            for (index, look) in looks.iter().enumerate() {
                lag.events_max = lag.events_max.max(look.behind);
                // The two numbers of a look are not of the very same instant; their sum may exceed the log's last head.
                let head = (look.folded + look.behind).min(last);
                let reached = looks[index..].iter().find(|later| later.folded >= head);
                lag.longest = lag.longest.max(reached.map_or(Duration::ZERO, |later| later.at - look.at));
            }
        }
        lag
    }
}

impl fmt::Display for Lag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lag_max_ms={} lag_max_events={:.0}", self.longest.as_millis(), self.events_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(rows: &[(u64, f64, f64)]) -> Vec<Look> {
        let start = Instant::now();
        let look = |&(ms, folded, behind)| Look { at: start + Duration::from_millis(ms), folded, behind };
        rows.iter().map(look).collect()
    }

    #[test]
    fn a_read_model_that_is_always_level_has_no_lag() {
        let lag = Lag::of([&looks(&[(0, 10.0, 0.0), (100, 20.0, 0.0)])]);
        assert_eq!(lag, Lag { longest: Duration::ZERO, events_max: 0.0 });
    }

    #[test]
    fn the_lag_is_the_time_until_the_head_of_a_moment_is_folded() {
        let lag = Lag::of([&looks(&[(0, 0.0, 500.0), (100, 300.0, 900.0), (200, 600.0, 700.0), (300, 1_300.0, 0.0)])]);
        assert_eq!(lag, Lag { longest: Duration::from_millis(200), events_max: 900.0 });
    }
}
