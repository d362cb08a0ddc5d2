//! Snapshots: a partition's memory as of a position of its log, so that a start reads a file and the tail of the log.
//!
//! A snapshot is a convenience and never the truth. It is used only when it is whole, was written in this format, and
//! belongs to this log: the last events up to its position must be the ones that it names by their leaf hashes. Anything else
//! is ignored with one line that says why, and the log is folded from its beginning.
//!
//! Taking one stops the writer for as long as it takes to count the orders' chunks up, well under a millisecond for a million
//! orders: memory and snapshot share them, and memory makes its own copy of a chunk of 128 orders when it first changes one
//! that is still shared. Encoding, hashing and writing happen on a thread of their own, from what was shared. The
//! alternatives cost more: encoding on the spot stops the writer for a quarter of a second, and a second memory that follows
//! the log reads and folds everything twice.

mod file;
mod saver;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use domain::time::Timestamp;
use eventlog::leaf::leaf_hash;
use eventlog::{EventLog, LogError, Position};
use sha2::{Digest, Sha256};

use crate::memory::Memory;
pub(crate) use saver::{Saver, Snapshot};

use file::{Damage, Header};

/// How many events a snapshot names, itself the last: enough to hold an order with its tokens, which no other log has.
const EVENTS_NAMED: u32 = 32;

/// A memory that was read back, and up to where in the log it goes; an empty one to begin with.
#[derive(Default)]
pub(crate) struct Loaded {
    pub(crate) memory: Memory,
    pub(crate) position: Position,
    /// When the event there was recorded.
    pub(crate) recorded_at: Timestamp,
}

/// Why a snapshot is not used.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("it cannot be read")]
    File(#[from] std::io::Error),
    #[error(transparent)]
    Damage(#[from] Damage),
    #[error("it is of partition {found}")]
    Partition { found: u32 },
    #[error("it ends at position {position}, the log at {head}")]
    Ahead { position: Position, head: Position },
    #[error("it belongs to another log: the events up to position {position} are not those it names")]
    Foreign { position: Position },
    #[error("the log cannot be read")]
    Log(#[from] LogError),
    #[error("reading it was broken off")]
    BrokenOff(#[from] tokio::task::JoinError),
}

/// The newest snapshot in a directory that belongs to a partition of this log; `None` when there is none.
pub(crate) async fn load(directory: &Path, partition: u32, log: &dyn EventLog) -> Option<Loaded> {
    for path in file::newest_first(directory, partition) {
        match open(&path, partition, log).await {
            Ok(loaded) => return Some(loaded),
            Err(reason) => {
                let reason = &reason as &dyn std::error::Error;
                tracing::warn!(partition, snapshot = %path.display(), reason, "snapshot is ignored");
            }
        }
    }
    None
}

/// What tells a log from every other at a position: the digest of its last leaf hashes. `None` where it has no event there.
pub(crate) async fn log_at(
    log: &dyn EventLog,
    partition: u32,
    position: Position,
) -> Result<Option<[u8; 32]>, LogError> {
    let after = position.saturating_sub(EVENTS_NAMED.into());
    let events = log.read(partition, after, EVENTS_NAMED).await?;
    let events = events.iter().take_while(|event| event.position <= position);
    let (mut digest, mut last) = (Sha256::new(), None);
    for event in events {
        digest.update(leaf_hash(event));
        last = Some(event.position);
    }
    Ok((last == Some(position)).then(|| digest.finalize().into()))
}

async fn open(path: &Path, partition: u32, log: &dyn EventLog) -> Result<Loaded, Unusable> {
    let owned: PathBuf = path.to_owned();
    let (header, body) = tokio::task::spawn_blocking(move || file::read(&owned)).await??;
    if header.partition != partition {
        return Err(Unusable::Partition { found: header.partition });
    }
    let Header { position, recorded_at, log: named, .. } = header;
    let head = log.head(partition).await?;
    if position > head {
        return Err(Unusable::Ahead { position, head });
    }
    if log_at(log, partition, position).await? != Some(named) {
        return Err(Unusable::Foreign { position });
    }
    let memory = tokio::task::spawn_blocking(move || body.memory()).await??;
    Ok(Loaded { memory, position, recorded_at })
}
