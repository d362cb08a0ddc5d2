//! How far the read models are behind the log, in time, as seen from outside.
//!
//! `GET /metrics` tells for each read model how many events it has folded so far and how many it has still to fold; their
//! sum is where the log's head was. The lag of a moment is the time until a later look finds that head folded. So it is
//! never told too short, and too long by at most the pause between two looks.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::connection::{Connection, Target};

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(100);
/// How long the read models may take to catch up after the load.
const CATCH_UP_MAX: Duration = Duration::from_secs(120);

/// One look at one read model.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Look {
    at: Instant,
    folded: f64,
    behind: f64,
}

/// All looks, by read model.
type Looks = BTreeMap<String, Vec<Look>>;

/// A watch at work.
pub(crate) struct Watch {
    stop: oneshot::Sender<()>,
    looks: JoinHandle<anyhow::Result<Looks>>,
}

/// What a watch found.
#[derive(PartialEq, Debug)]
pub(crate) struct Lag {
    longest: Duration,
    events_max: f64,
}

impl Watch {
    /// Begins to look, on a connection of its own.
    pub(crate) fn start(target: Target) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self { stop, looks: tokio::spawn(watch(target, stopped)) }
    }

    /// Looks on until the read models have caught up.
    pub(crate) async fn finish(self) -> anyhow::Result<Lag> {
        // A watch that has failed no longer listens; it is asked why right below.
        let _ = self.stop.send(());
        let looks = self.looks.await??;
        anyhow::ensure!(!looks.is_empty(), "/metrics tells nothing of read models");
        Ok(Lag::of(&looks))
    }
}

async fn watch(target: Target, mut stopped: oneshot::Receiver<()>) -> anyhow::Result<Looks> {
    let mut connection = target.connect().await?;
    let mut looks = Looks::new();
    while stopped.try_recv() == Err(oneshot::error::TryRecvError::Empty) {
        look(&mut connection, &mut looks).await?;
        sleep(PAUSE).await;
    }
    let since = Instant::now();
    while look(&mut connection, &mut looks).await? > 0.0 {
        anyhow::ensure!(since.elapsed() < CATCH_UP_MAX, "the read models did not catch up");
        sleep(PAUSE).await;
    }
    Ok(looks)
}

/// Looks at all read models once; how many events the furthest is behind.
async fn look(connection: &mut Connection, looks: &mut Looks) -> anyhow::Result<f64> {
    let text = connection.get("/metrics").await?;
    let at = Instant::now();
    let folded = by_projection(&text, "orderlight_projection_events_total{");
    let mut furthest = 0.0_f64;
    for (name, behind) in by_projection(&text, "orderlight_projection_lag_events{") {
        furthest = furthest.max(behind);
        let folded = folded.get(&name).copied().unwrap_or_default();
        looks.entry(name).or_default().push(Look { at, folded, behind });
    }
    Ok(furthest)
}

/// The values of a metric summed up by its label `projection`.
fn by_projection(text: &str, start: &str) -> BTreeMap<String, f64> {
    let mut values = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix(start)) {
        let name = line.split_once("projection=\"").and_then(|(_, rest)| rest.split_once('"'));
        let value = line.rsplit_once(' ').and_then(|(_, value)| value.parse::<f64>().ok());
        if let (Some((name, _)), Some(value)) = (name, value) {
            *values.entry(name.to_owned()).or_default() += value;
        }
    }
    values
}

impl Lag {
    fn of(looks: &Looks) -> Self {
        let mut lag = Self { longest: Duration::ZERO, events_max: 0.0 };
        for looks in looks.values() {
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

    fn looks(rows: &[(u64, f64, f64)]) -> Looks {
        let start = Instant::now();
        let look = |&(ms, folded, behind)| Look { at: start + Duration::from_millis(ms), folded, behind };
        BTreeMap::from([("order_status".to_owned(), rows.iter().map(look).collect())])
    }

    #[test]
    fn a_read_model_that_is_always_level_has_no_lag() {
        let lag = Lag::of(&looks(&[(0, 10.0, 0.0), (100, 20.0, 0.0)]));
        assert_eq!(lag, Lag { longest: Duration::ZERO, events_max: 0.0 });
    }

    #[test]
    fn the_lag_is_the_time_until_the_head_of_a_moment_is_folded() {
        let lag = Lag::of(&looks(&[(0, 0.0, 500.0), (100, 300.0, 900.0), (200, 600.0, 700.0), (300, 1_300.0, 0.0)]));
        assert_eq!(lag, Lag { longest: Duration::from_millis(200), events_max: 900.0 });
    }

    #[test]
    fn metrics_are_summed_over_partitions() {
        let text = "# TYPE orderlight_projection_lag_events gauge\n\
                    orderlight_projection_lag_events{projection=\"a\",partition=\"0\"} 3\n\
                    orderlight_projection_lag_events{projection=\"a\",partition=\"1\"} 4\n\
                    orderlight_projection_lag_events{projection=\"b\",partition=\"0\"} 5\n";
        let values = by_projection(text, "orderlight_projection_lag_events{");
        assert_eq!(values, BTreeMap::from([("a".to_owned(), 7.0), ("b".to_owned(), 5.0)]));
    }
}
