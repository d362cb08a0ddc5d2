//! Who keeps the extracts for back-tests: a service, while its partitions are quiet.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use engine::{PAGE_EVENTS, Standing, extract};
use eventlog::{EventLog, LogError};
use tokio::sync::watch;

/// How often it is looked whether the extracts for back-tests go up to the end of the log.
const EXTRACTS_EVERY: Duration = Duration::from_secs(10);
/// The most events of a partition in that time at which they are: above, customers go first.
const QUIET_EVENTS_MAX: u64 = 10_000;
/// The most pages that are added before it is looked again whether all is quiet: about a second's work.
const PAGES_MAX: u64 = 200;

/// Has an extract follow the log when there is time.
pub(crate) async fn keep(
    log: Arc<dyn EventLog>,
    partition: u32,
    directory: PathBuf,
    standing: watch::Receiver<Standing>,
) {
    let (mut head_before, mut extracted) = (0, 0);
    loop {
        tokio::time::sleep(EXTRACTS_EVERY).await;
        if *standing.borrow() != Standing::Here {
            continue;
        }
        let followed = async {
            let head = log.head(partition).await?;
            let is_quiet = head.saturating_sub(std::mem::replace(&mut head_before, head)) <= QUIET_EVENTS_MAX;
            if is_quiet && head >= extracted + PAGE_EVENTS as u64 {
                extracted = extract(&*log, partition, &directory, PAGES_MAX).await?;
            }
            Ok::<_, LogError>(())
        };
        if let Err(error) = followed.await {
            tracing::debug!(partition, error = &error as &dyn std::error::Error, "the extract does not follow");
        }
    }
}
