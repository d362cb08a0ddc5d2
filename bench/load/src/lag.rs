//! How far the read models are behind the log, as `GET /metrics` tells it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use measure::{Lag, Look};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::connection::{Connection, Target};

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(100);
/// How long the read models may take to catch up after the load.
const CATCH_UP_MAX: Duration = Duration::from_secs(120);

/// All looks, by read model.
type Looks = BTreeMap<String, Vec<Look>>;

/// A watch at work.
pub(crate) struct Watch {
    stop: oneshot::Sender<()>,
    looks: JoinHandle<anyhow::Result<Looks>>,
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
        Ok(Lag::of(looks.values()))
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

#[cfg(test)]
mod tests {
    use super::*;

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
