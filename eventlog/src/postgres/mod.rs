//! The log in Postgres: sixteen partitions, shared by the processes that have it open, each partition written by its owner alone.
//!
//! A batch is one statement and commits by itself, so a process that is stopped or cut off leaves no transaction behind that
//! others would wait for. A commit is synced to disk before it is answered. An append runs to its end in a task of its own: dropping
//! the future of [`EventLog::append`] neither stops it nor takes it back.
//!
//! Needs PostgreSQL 14 or newer, and sessions of its own: no pooler that lends a session for a transaction.

mod append;
mod heads;
mod look_up;
mod membership;
mod read;
mod readers;
mod schema;
mod settings;
mod sixteen;
mod writers;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use domain::ids::{MerchantId, Token};
use sqlx::migrate::MigrateError;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::heads::Heads;
use self::membership::Membership;
use self::readers::Readers;
use self::writers::{Writers, not_there};
use crate::absence::{Absence, End, Page, Place, Rows};
use crate::leaf::leaf_hash;
use crate::tail::Tail;
use crate::{
    Acquired, Batch, DeliveryKey, EventLog, Found, LogError, Look, Member, NewDelivery, Position, RecordedEvent,
    StreamId, StreamKey, SubjectKey, VaultRow, Wanted,
};

pub use schema::migrate;

/// What is kept of each partition's newest events, in bytes; 64 MiB for all of them.
const TAIL_BYTES_MAX: usize = 4 << 20;

/// Why a log was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address is none of Postgres.
    #[error("database address is not understood")]
    Address(#[source] sqlx::Error),
    /// The server runs without a setting without which nothing may be promised.
    #[error("setting {name} is {found}, not {expected}")]
    Setting {
        /// The setting's name.
        name: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What the server reports.
        found: String,
    },
    /// The schema is not there or is older than this program, and the role may not change that.
    #[error("schema is not up to date: run `orderlight migrate` as the role that owns it")]
    NotMigrated,
    /// The schema is not ours, is newer than this program, or was changed after the fact.
    #[error("schema cannot be brought up to date")]
    Migration(#[from] MigrateError),
    /// The role that the service is to run as has not been created.
    #[error("role {0} is not there: create it first")]
    NoRole(String),
    /// The server cannot be reached, or does not let us in.
    #[error("database cannot be opened")]
    Store(#[from] sqlx::Error),
    /// What the tables hold is not what a writer leaves, or they cannot be read.
    #[error("log cannot be read")]
    Log(#[from] LogError),
}

/// The log in the schema `orderlight` of a Postgres database.
#[derive(Debug)]
pub struct PostgresLog {
    shared: Arc<Shared>,
    /// Heart and ears; they stop when the log is closed or dropped.
    tasks: std::sync::Mutex<JoinSet<()>>,
}

#[derive(Debug)]
struct Shared {
    writers: Writers,
    readers: Readers,
    heads: Heads,
    membership: Membership,
    /// Of each partition, what this process appended last.
    tails: Vec<Tail>,
    absence: Absence,
}

#[async_trait]
impl Rows for Readers {
    async fn end(&self, partition: u32) -> Result<End, LogError> {
        let mut reader = self.take().await?;
        let last = async {
            let Some(before) = read::head(&mut reader, partition).await?.checked_sub(1) else { return Ok(vec![]) };
            read::page(&mut reader, partition, before, 1).await
        }
        .await;
        Ok(reader.done(last)?.first().map_or_else(End::default, leaf_hash))
    }

    async fn page(&self, place: Place) -> Result<Page, LogError> {
        let mut reader = self.take().await?;
        let found = read::stored(&mut reader, place).await;
        reader.done(found)
    }
}

impl PostgresLog {
    /// Opens the log of a database, `postgres://user@host/name`. A role that owns the schema or may create it brings it up to date
    /// first. `address` is where other processes with the same log reach this one, if they can.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing was appended or changed beyond the schema.
    pub async fn open(url: &str, address: Option<&str>) -> Result<Self, OpenError> {
        let options = parse(url)?;
        schema::prepare(&settings::writer(&options)).await?;
        let membership = Membership::join(&settings::writer(&options), address.map(Into::into)).await?;
        let options = options.application_name(&membership.name());
        let readers = Readers::new(settings::reader(&options));
        let mut reader = readers.take().await?;
        let heads = read::heads(&mut reader).await;
        let heads = Heads::new(reader.done(heads)?);
        let writers = Writers::new(settings::writer(&options), heads.count());
        let tails = std::iter::repeat_with(|| Tail::with_room_for(TAIL_BYTES_MAX)).take(heads.count()).collect();
        let shared = Arc::new(Shared { writers, readers, heads, membership, tails, absence: Absence::default() });
        Ok(Self { tasks: std::sync::Mutex::new(shared.start(settings::reader(&options))), shared })
    }
}

impl PostgresLog {
    /// Keeps what is certainly not in the log in a file from one run to the next, so that new orders are not looked for in it after
    /// a start either. To be asked for before a partition is acquired; the file is written when the log is closed. Of processes that
    /// share the file the first to start takes what the last to stop left.
    pub fn keep_absence(&self, file: PathBuf) {
        self.shared.absence.keep_in(file);
    }

    /// What this process's sessions are called. Who takes over from it when it is gone ends all sessions of that name.
    pub fn session_name(&self) -> String {
        self.shared.membership.name()
    }
}

fn parse(url: &str) -> Result<PgConnectOptions, OpenError> {
    url.parse().map_err(OpenError::Address)
}

impl Shared {
    fn start(self: &Arc<Self>, options: PgConnectOptions) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        let shared = Arc::clone(self);
        tasks.spawn(async move { shared.beat().await });
        let shared = Arc::clone(self);
        tasks.spawn(async move { shared.heads.tell(&shared.readers).await });
        let shared = Arc::clone(self);
        tasks.spawn(async move { shared.heads.hear(&options).await });
        let shared = Arc::clone(self);
        tasks.spawn(async move { shared.heads.look(&shared.readers).await });
        let shared = Arc::clone(self);
        tasks.spawn(async move { shared.absence.follow(&shared.readers).await });
        tasks
    }

    async fn beat(&self) {
        loop {
            tokio::time::sleep(membership::BEAT_EVERY).await;
            if let Err(error) = self.membership.beat().await {
                tracing::warn!(error = &error as &dyn std::error::Error, "heart cannot beat");
            }
        }
    }

    async fn acquire(&self, partition: u32) -> Result<Acquired, LogError> {
        let mut turn = self.writers.turn(partition).await?;
        self.absence.doubt(partition);
        self.membership.take(partition, &self.readers).await?;
        let acquired = turn.acquire(partition).await?;
        self.absence.acquired(partition, acquired.epoch, &self.readers).await;
        self.heads.announce(partition, acquired.head);
        Ok(acquired)
    }

    async fn append(&self, batch: Batch) -> Result<(), LogError> {
        let mut turn = self.writers.turn(batch.partition).await?;
        if !self.membership.holds(batch.partition) {
            return Err(LogError::Fenced { partition: batch.partition });
        }
        self.absence.remember(&batch);
        let head = turn.append(&batch).await?;
        let partition = batch.partition;
        if let Some(tail) = self.tail(partition) {
            tail.remember(batch);
        }
        self.heads.committed(partition, head);
        Ok(())
    }

    async fn release(&self, partition: u32) -> Result<(), LogError> {
        let _turn = self.writers.turn(partition).await?;
        self.absence.doubt(partition);
        self.membership.release(partition).await
    }

    fn tail(&self, partition: u32) -> Option<&Tail> {
        usize::try_from(partition).ok().and_then(|index| self.tails.get(index))
    }

    fn check_partition(&self, partition: u32) -> Result<(), LogError> {
        let count = self.heads.count();
        if usize::try_from(partition).is_ok_and(|partition| partition < count) {
            Ok(())
        } else {
            Err(not_there(partition, count))
        }
    }
}

#[async_trait]
impl EventLog for PostgresLog {
    fn partitions(&self) -> u32 {
        u32::try_from(self.shared.heads.count()).expect("a partition's number fits 32 bits")
    }

    fn watch(&self, partition: u32) -> watch::Receiver<Position> {
        self.shared.heads.subscribe(partition)
    }

    async fn acquire(&self, partition: u32) -> Result<Acquired, LogError> {
        let shared = Arc::clone(&self.shared);
        to_the_end(async move { shared.acquire(partition).await }).await
    }

    async fn release(&self, partition: u32) -> Result<(), LogError> {
        let shared = Arc::clone(&self.shared);
        to_the_end(async move { shared.release(partition).await }).await
    }

    fn member(&self) -> Option<u64> {
        Some(self.shared.membership.number())
    }

    fn is_reachable(&self) -> bool {
        self.shared.membership.is_reachable()
    }

    fn holds(&self, partition: u32) -> bool {
        self.shared.membership.holds(partition)
    }

    async fn owner(&self, partition: u32) -> Result<Option<Member>, LogError> {
        self.shared.check_partition(partition)?;
        in_time(membership::owner(partition, &self.shared.readers)).await
    }

    async fn members(&self) -> Result<Vec<Member>, LogError> {
        in_time(membership::members(&self.shared.readers)).await
    }

    async fn append(&self, batch: Batch) -> Result<(), LogError> {
        let shared = Arc::clone(&self.shared);
        to_the_end(async move { shared.append(batch).await }).await
    }

    async fn head(&self, partition: u32) -> Result<Position, LogError> {
        self.shared.check_partition(partition)?;
        let mut reader = self.shared.readers.take().await?;
        let found = read::head(&mut reader, partition).await;
        reader.done(found)
    }

    async fn read(&self, partition: u32, after: Position, limit: u32) -> Result<Vec<Arc<RecordedEvent>>, LogError> {
        self.shared.check_partition(partition)?;
        if let Some(events) = self.shared.tail(partition).and_then(|tail| tail.read(after, limit)) {
            return Ok(events);
        }
        let mut reader = self.shared.readers.take().await?;
        let events = read::page(&mut reader, partition, after, limit).await;
        let events = reader.done(events)?;
        Ok(events.into_iter().map(Arc::new).collect())
    }

    async fn scan(&self, partition: u32, after: Position, limit: u32, mut look: Look) -> Result<(), LogError> {
        self.shared.check_partition(partition)?;
        let readers = &self.shared.readers;
        let scanner = readers.scanner().await?;
        let mut reader = readers.take().await?;
        let scanned = read::scan(&mut reader, partition, after, limit).await;
        let scanned = reader.done(scanned)?;
        drop(scanner);
        scanned.show(&mut look)
    }

    async fn read_type(
        &self,
        partition: u32,
        aggregate_type: &str,
        after: Position,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        self.shared.check_partition(partition)?;
        let mut reader = self.shared.readers.take().await?;
        let found = read::page_of_type(&mut reader, partition, aggregate_type, after, limit).await;
        reader.done(found)
    }

    async fn find_streams(&self, keys: &[StreamKey]) -> Result<Vec<Option<StreamId>>, LogError> {
        let mut reader = self.shared.readers.take().await?;
        let found = look_up::find(&mut reader, keys, &[], &[]).await;
        Ok(reader.done(found)?.streams)
    }

    async fn read_streams(&self, streams: &[StreamId]) -> Result<Vec<RecordedEvent>, LogError> {
        let mut reader = self.shared.readers.take().await?;
        let found = read::streams(&mut reader, streams).await;
        reader.done(found)
    }

    async fn find_deliveries(&self, keys: &[DeliveryKey]) -> Result<Vec<Option<NewDelivery>>, LogError> {
        let mut reader = self.shared.readers.take().await?;
        let found = look_up::find(&mut reader, &[], keys, &[]).await;
        Ok(reader.done(found)?.deliveries)
    }

    async fn find_subject_keys(&self, subjects: &[(MerchantId, Token)]) -> Result<Vec<Option<SubjectKey>>, LogError> {
        let mut reader = self.shared.readers.take().await?;
        let found = look_up::find(&mut reader, &[], &[], subjects).await;
        Ok(reader.done(found)?.subject_keys)
    }

    async fn look_up(&self, wanted: Arc<Wanted>) -> Result<Found, LogError> {
        let narrowed = self.shared.absence.narrow(&wanted);
        if narrowed.is_empty() {
            return Ok(narrowed.complete(&wanted, Found::default()));
        }
        let mut reader = self.shared.readers.take().await?;
        let found = look_up::look_up(&mut reader, &narrowed.wanted(&wanted)).await;
        Ok(narrowed.complete(&wanted, reader.done(found)?))
    }

    async fn first_subject_key(&self) -> Result<Option<SubjectKey>, LogError> {
        let mut reader = self.shared.readers.take().await?;
        let found = read::first_subject_key(&mut reader).await;
        reader.done(found)
    }

    async fn read_vault(&self, streams: &[StreamId]) -> Result<Vec<VaultRow>, LogError> {
        let mut reader = self.shared.readers.take().await?;
        let found = read::vault(&mut reader, streams).await;
        reader.done(found)
    }

    async fn close(&self) {
        self.tasks.lock().unwrap_or_else(std::sync::PoisonError::into_inner).abort_all();
        let marks = self.shared.absence.marks(&self.shared.readers).await;
        self.shared.writers.close().await;
        self.shared.membership.leave(&self.shared.readers).await;
        self.shared.absence.leave(marks).await;
        self.shared.readers.close().await;
        self.shared.tails.iter().for_each(Tail::close);
    }
}

/// Gives up on a server that does not answer.
async fn in_time<T>(look: impl Future<Output = Result<T, LogError>>) -> Result<T, LogError> {
    let late = |_| Err(LogError::Store("server did not answer in time".into()));
    tokio::time::timeout(settings::ANSWER_MAX, look).await.unwrap_or_else(late)
}

/// Runs work in a task of its own, so that it ends even when nobody waits for it any longer.
async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, LogError>> + Send + 'static,
) -> Result<T, LogError> {
    match tokio::spawn(work).await {
        Ok(result) => result,
        // The runtime is going down, or the work panicked; the connection it had is gone.
        Err(_) => Err(sqlx::Error::WorkerCrashed.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::absence::tests::{all_is_met, await_complete, fill, is_kept};

    #[tokio::test]
    async fn what_is_stored_is_gone_through_in_pages_and_what_is_not_is_known_after_a_restart() {
        let database = test_postgres::Database::fresh().await;
        let directory = tempfile::tempdir().unwrap();
        let open = async || {
            let log = PostgresLog::open(database.url(), None).await.unwrap();
            log.keep_absence(directory.path().join("absence.filter"));
            log
        };
        let log = open().await;
        let filled = fill(&log).await;
        all_is_met(&log.shared.readers, &filled).await;
        await_complete(&log.shared.absence).await;
        log.close().await;

        let log = open().await;
        is_kept(&log, &log.shared.absence).await;
        log.close().await;
    }
}
