//! The embedded log: one SQLite file, one partition (number 0), one writer connection, a few read-only ones.
//!
//! A commit is synced to disk before it is answered (`WAL`, `synchronous=FULL`); `unsynced` says what holds when that fails. A
//! lock beside the file keeps a second process, or a second handle in this one, from opening it. An append runs to its end in a
//! task of its own: dropping the future of [`EventLog::append`] neither stops it nor takes it back.

mod append;
mod checkpoint;
mod lock;
mod names;
mod read;
mod readers;
mod schema;
mod settings;
mod unsynced;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use domain::ids::{MerchantId, Token};
use rusqlite::Connection;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::lock::FileLock;
use self::readers::Readers;
use self::unsynced::Index;
use self::writer::Writer;
use crate::absence::{Absence, End, Page, Place, Rows};
use crate::leaf::leaf_hash;
use crate::tail::Tail;
use crate::{
    Acquired, Batch, DeliveryKey, EventLog, Found, LogError, Look, NewDelivery, Position, RecordedEvent, StreamId,
    StreamKey, SubjectKey, VaultRow, Wanted,
};

/// What is kept of the newest events, in bytes: some seconds of a rush.
const TAIL_BYTES_MAX: usize = 16 << 20;

/// The only partition.
const PARTITION: u32 = 0;

/// Why a log file was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another handle in this one, has it open.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// The log's file.
        path: PathBuf,
    },
    /// The lock file cannot be made.
    #[error("lock file cannot be opened")]
    Lock(#[source] std::io::Error),
    /// SQLite did not take a setting without which nothing may be promised.
    #[error("setting {name} is {found}, not {expected}")]
    Setting {
        /// The pragma's name.
        name: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What SQLite reports.
        found: String,
    },
    /// A table was made without type checks.
    #[error("table {0} is not strict")]
    NotStrict(String),
    /// The schema was made by a newer program.
    #[error("schema has version {found}, which is newer than this program")]
    NewerSchema {
        /// The version in the file.
        found: i64,
    },
    /// The tables were made by a build from before versions were registered.
    #[error("log file was made by an earlier build, whose files this one does not read")]
    Unregistered,
    /// A version of the schema is not the one that this program knows.
    #[error("version {version} of the schema is not ours, or was changed after the fact")]
    ChangedSchema {
        /// Which.
        version: i64,
    },
    /// The file cannot be read or written, or is no database.
    #[error("log file cannot be opened")]
    Store(#[from] rusqlite::Error),
    /// The thread that writes cannot be started.
    #[error("log's writing thread cannot be started")]
    Thread(#[source] std::io::Error),
    /// The write-ahead log, as it was left, cannot be brought to the disk for certain.
    #[error("write-ahead log cannot be synced")]
    Sync(#[source] std::io::Error),
    /// What the file holds is not what a writer leaves.
    #[error("log file is damaged")]
    Damaged(#[source] LogError),
}

impl From<rusqlite::Error> for LogError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// The log in one SQLite file.
#[derive(Debug)]
pub struct SqliteLog {
    writer: Writer,
    readers: Readers,
    tail: Arc<Tail>,
    absence: Arc<Absence>,
    /// Goes through the rows for [`Absence`].
    task: AbortOnDrop,
}

#[derive(Debug)]
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[async_trait]
impl Rows for Readers {
    async fn end(&self, partition: u32) -> Result<End, LogError> {
        self.read(move |connection| {
            let Some(before) = read::head(connection, partition)?.checked_sub(1) else { return Ok(End::default()) };
            Ok(read::page(connection, before, 1)?.first().map_or_else(End::default, |event| leaf_hash(event)))
        })
        .await
    }

    async fn page(&self, place: Place) -> Result<Page, LogError> {
        self.read(move |connection| read::stored(connection, place)).await
    }
}

impl SqliteLog {
    /// Opens a log, creating the file where there is none, and brings its schema up to date.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing was appended or changed beyond the schema.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        let path = path.to_owned();
        let opened = tokio::task::spawn_blocking(move || open_now(path)).await;
        let (writer, readers, tail) = opened.unwrap_or_else(|error| Err(OpenError::Thread(error.into())))?;
        let absence = Arc::new(Absence::default());
        let (rows, beside) = (readers.clone(), absence.clone());
        let task = tokio::spawn(async move { beside.follow(&rows).await });
        Ok(Self { writer, readers, tail, absence, task: AbortOnDrop(task) })
    }

    /// Keeps what is certainly not in the log in a file from one run to the next, so that new orders are not looked for in it after
    /// a start either. To be asked for before a partition is acquired; the file is written when the log is closed.
    pub fn keep_absence(&self, file: PathBuf) {
        self.absence.keep_in(file);
    }
}

fn open_now(path: PathBuf) -> Result<(Writer, Readers, Arc<Tail>), OpenError> {
    let lock = FileLock::take(&path)?;
    unsynced::write_again(&path).map_err(OpenError::Sync)?;
    let mut connection = settings::open_writer(&path)?;
    schema::migrate(&mut connection)?;
    settings::verify_strict(&connection)?;
    let head = read::head(&connection, PARTITION).map_err(OpenError::Damaged)?;
    let index = Index::hold(&path).map_err(OpenError::Damaged)?;
    let readers = Readers::new(path.clone());
    let tail = Arc::new(Tail::with_room_for(TAIL_BYTES_MAX));
    let writer = Writer::start(lock, path, (connection, index), head, tail.clone()).map_err(OpenError::Thread)?;
    Ok((writer, readers, tail))
}

fn check_partition(partition: u32) -> Result<(), LogError> {
    if partition == PARTITION {
        Ok(())
    } else {
        let refusal = format!("partition {partition} is not there: an embedded log has partition {PARTITION} alone");
        Err(LogError::Store(refusal.into()))
    }
}

#[async_trait]
impl EventLog for SqliteLog {
    fn partitions(&self) -> u32 {
        1
    }

    /// For a partition that is not there, a receiver that never moves and says so.
    fn watch(&self, partition: u32) -> watch::Receiver<Position> {
        if partition == PARTITION { self.writer.subscribe() } else { watch::channel(0).1 }
    }

    async fn acquire(&self, partition: u32) -> Result<Acquired, LogError> {
        check_partition(partition)?;
        self.absence.doubt(partition);
        let acquired = self.writer.acquire(partition).await?;
        self.absence.acquired(partition, acquired.epoch, &self.readers).await;
        Ok(acquired)
    }

    async fn append(&self, batch: Batch) -> Result<(), LogError> {
        check_partition(batch.partition)?;
        self.absence.remember(&batch);
        self.writer.append(batch).await
    }

    async fn head(&self, partition: u32) -> Result<Position, LogError> {
        check_partition(partition)?;
        self.readers.read(move |connection| read::head(connection, partition)).await
    }

    async fn read(&self, partition: u32, after: Position, limit: u32) -> Result<Vec<Arc<RecordedEvent>>, LogError> {
        check_partition(partition)?;
        if let Some(events) = self.tail.read(after, limit) {
            return Ok(events);
        }
        self.readers.read(move |connection| read::page(connection, after, limit)).await
    }

    async fn scan(&self, partition: u32, after: Position, limit: u32, mut look: Look) -> Result<(), LogError> {
        check_partition(partition)?;
        self.readers.scan(move |connection, known| read::scan(connection, known, after, limit, &mut look)).await
    }

    async fn read_type(
        &self,
        partition: u32,
        aggregate_type: &str,
        after: Position,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        check_partition(partition)?;
        let aggregate_type = aggregate_type.to_owned();
        self.readers.read(move |connection| read::page_of_type(connection, &aggregate_type, after, limit)).await
    }

    async fn find_streams(&self, keys: &[StreamKey]) -> Result<Vec<Option<StreamId>>, LogError> {
        let keys = keys.to_vec();
        self.readers.read(move |connection| read::find_streams(connection, &keys)).await
    }

    async fn read_streams(&self, streams: &[StreamId]) -> Result<Vec<RecordedEvent>, LogError> {
        let streams = streams.to_vec();
        self.readers.read(move |connection| read::streams(connection, &streams)).await
    }

    async fn find_deliveries(&self, keys: &[DeliveryKey]) -> Result<Vec<Option<NewDelivery>>, LogError> {
        let keys = keys.to_vec();
        self.readers.read(move |connection| read::find_deliveries(connection, &keys)).await
    }

    async fn find_subject_keys(&self, subjects: &[(MerchantId, Token)]) -> Result<Vec<Option<SubjectKey>>, LogError> {
        let subjects = subjects.to_vec();
        self.readers.read(move |connection| read::find_subject_keys(connection, &subjects)).await
    }

    async fn look_up(&self, wanted: Arc<Wanted>) -> Result<Found, LogError> {
        let narrowed = self.absence.narrow(&wanted);
        if narrowed.is_empty() {
            return Ok(narrowed.complete(&wanted, Found::default()));
        }
        let look_for = narrowed.wanted(&wanted);
        let look = move |connection: &Connection| {
            // One transaction: it is one state of the log, and the file is locked once.
            let _one_state = connection.unchecked_transaction()?;
            let streams = read::find_streams(connection, &look_for.streams)?;
            let known: Vec<StreamId> = streams.iter().copied().flatten().collect();
            Ok(Found {
                streams,
                events: read::streams(connection, &known)?,
                deliveries: read::find_deliveries(connection, &look_for.deliveries)?,
                subject_keys: read::find_subject_keys(connection, &look_for.subjects)?,
            })
        };
        Ok(narrowed.complete(&wanted, self.readers.read(look).await?))
    }

    async fn first_subject_key(&self) -> Result<Option<SubjectKey>, LogError> {
        self.readers.read(read::first_subject_key).await
    }

    async fn read_vault(&self, streams: &[StreamId]) -> Result<Vec<VaultRow>, LogError> {
        let streams = streams.to_vec();
        self.readers.read(move |connection| read::vault(connection, &streams)).await
    }

    async fn close(&self) {
        self.task.0.abort();
        let marks = self.absence.marks(&self.readers).await;
        self.readers.close().await;
        self.writer.close().await;
        self.absence.leave(marks).await;
        self.tail.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::absence::tests::{all_is_met, await_complete, fill, is_kept};

    #[tokio::test]
    async fn what_is_stored_is_gone_through_in_pages_and_what_is_not_is_known_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let open = async || {
            let log = SqliteLog::open(&directory.path().join("log.db")).await.unwrap();
            log.keep_absence(directory.path().join("absence.filter"));
            log
        };
        let log = open().await;
        let filled = fill(&log).await;
        all_is_met(&log.readers, &filled).await;
        await_complete(&log.absence).await;
        log.close().await;

        let log = open().await;
        is_kept(&log, &log.absence).await;
        log.close().await;
    }
}
