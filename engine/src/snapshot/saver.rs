//! When snapshots are taken, and who writes them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use domain::time::Timestamp;
use eventlog::{EventLog, LogError, Position};
use tokio::task::JoinHandle;

use super::file::{self, Header};
use crate::memory::{KeptMemory, Memory};

/// How many events lie between two snapshots at least. So many are read and folded at a start in about a second, and a
/// snapshot of a million orders costs about as much of the processor as a thirtieth of them did.
const EVENTS_BETWEEN: Position = if cfg!(test) { 50 } else { 200_000 };
/// From how many events on a snapshot is worth the while when the writer ends.
const EVENTS_AT_END_MIN: Position = if cfg!(test) { 1 } else { 1_000 };

/// A memory as it was at a position, on its way into a file.
pub(crate) struct Snapshot {
    memory: KeptMemory,
    position: Position,
    recorded_at: Timestamp,
}

/// Takes the snapshots of one partition.
pub(crate) struct Saver {
    directory: PathBuf,
    partition: u32,
    log: Arc<dyn EventLog>,
    /// The position of the last snapshot that was taken or loaded.
    last: Position,
    under_way: Option<JoinHandle<()>>,
}

/// Why a snapshot was not written.
#[derive(Debug, thiserror::Error)]
enum SaveError {
    #[error("the log cannot be read")]
    Log(#[from] LogError),
    #[error("the log has no event at its position")]
    NotThere,
    #[error("it cannot be written")]
    File(#[from] std::io::Error),
    #[error("writing it was broken off")]
    BrokenOff(#[from] tokio::task::JoinError),
}

impl Saver {
    /// `last` is the position of the snapshot that was loaded, or zero.
    pub(crate) const fn new(directory: PathBuf, partition: u32, log: Arc<dyn EventLog>, last: Position) -> Self {
        Self { directory, partition, log, last, under_way: None }
    }

    /// Takes a snapshot of a memory that goes up to a position, if it is time. It may be saved when all events up to there
    /// are committed, and must be dropped when one of them is not.
    pub(crate) fn take(&mut self, memory: &Memory, position: Position, recorded_at: Timestamp) -> Option<Snapshot> {
        let is_busy = self.under_way.as_ref().is_some_and(|task| !task.is_finished());
        let is_due = position.saturating_sub(self.last) >= EVENTS_BETWEEN;
        (is_due && !is_busy).then(|| {
            self.last = position;
            let started = Instant::now();
            let memory = memory.kept();
            metrics::histogram!("orderlight_snapshot_taken_seconds").record(started.elapsed().as_secs_f64());
            Snapshot { memory, position, recorded_at }
        })
    }

    /// Saves a snapshot beside the work that goes on.
    pub(crate) fn save(&mut self, snapshot: Snapshot) {
        let (directory, partition, log) = (self.directory.clone(), self.partition, self.log.clone());
        self.under_way = Some(tokio::spawn(async move {
            let position = snapshot.position;
            match save(directory, partition, &*log, snapshot).await {
                Ok(()) => tracing::info!(partition, position, "snapshot saved"),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(partition, position, error, "snapshot not saved");
                }
            }
        }));
    }

    /// Saves a last snapshot, if enough happened since the one before.
    pub(crate) async fn end(mut self, memory: &Memory, position: Position, recorded_at: Timestamp) {
        self.finish().await;
        if position.saturating_sub(self.last) >= EVENTS_AT_END_MIN {
            self.save(Snapshot { memory: memory.kept(), position, recorded_at });
            self.finish().await;
        }
    }

    async fn finish(&mut self) {
        if let Some(under_way) = self.under_way.take() {
            // It has told what went wrong itself.
            drop(under_way.await);
        }
    }
}

async fn save(directory: PathBuf, partition: u32, log: &dyn EventLog, snapshot: Snapshot) -> Result<(), SaveError> {
    let Snapshot { memory, position, recorded_at } = snapshot;
    let log = super::log_at(log, partition, position).await?.ok_or(SaveError::NotThere)?;
    let header = Header { partition, position, recorded_at, log };
    Ok(tokio::task::spawn_blocking(move || file::write(&directory, header, &memory)).await??)
}
