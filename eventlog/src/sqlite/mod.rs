//! The embedded log: one SQLite file, one partition (number 0), one writer connection, a few read-only ones.
//!
//! A commit is synced to disk before it is answered (`WAL`, `synchronous=FULL`). A lock beside the file keeps a second
//! process, or a second handle in this one, from opening it. An append runs to its end in a task of its own: dropping the
//! future of [`EventLog::append`] neither stops it nor takes it back.

mod append;
mod lock;
mod read;
mod settings;
mod statements;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use domain::ids::{MerchantId, Token};
use sqlx::SqlitePool;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Connection, SqlSafeStr, SqliteConnection};
use tokio::sync::watch;

use self::lock::FileLock;
use self::writer::Writer;
use crate::{
    Acquired, Batch, DeliveryKey, EventLog, LogError, NewDelivery, Position, RecordedEvent, StreamId, StreamKey,
    SubjectKey, VaultRow,
};

/// The only partition.
const PARTITION: u32 = 0;

/// How many connections read at the same time.
const READERS_MAX: u32 = 4;

const MIGRATIONS: [(i64, &str, &str); 1] = [(1, "log", include_str!("../../../migrations/sqlite/log/0001_log.sql"))];

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
    /// The schema is not ours, is newer than this program, or was changed after the fact.
    #[error("schema cannot be brought up to date")]
    Migration(#[from] MigrateError),
    /// The file cannot be read or written, or is no database.
    #[error("log file cannot be opened")]
    Store(#[from] sqlx::Error),
    /// What the file holds is not what a writer leaves.
    #[error("log file is damaged")]
    Damaged(#[source] LogError),
}

/// The log in one SQLite file.
#[derive(Debug)]
pub struct SqliteLog {
    writer: Arc<Writer>,
    readers: SqlitePool,
}

impl SqliteLog {
    /// Opens a log, creating the file where there is none, and brings its schema up to date.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing was appended or changed beyond the schema.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        let lock = FileLock::take(path)?;
        let options = settings::writer(path);
        let mut connection = SqliteConnection::connect_with(&options).await?;
        settings::verify(&mut connection).await?;
        migrator().run_direct(None, &mut connection, false).await?;
        settings::verify_strict(&mut connection).await?;

        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .test_before_acquire(false)
            .connect_with(settings::reader(path))
            .await?;
        let head = read::head(&readers, PARTITION).await.map_err(OpenError::Damaged)?;
        Ok(Self { writer: Arc::new(Writer::new(lock, options, connection, watch::Sender::new(head))), readers })
    }
}

fn migrator() -> Migrator {
    let migrations = MIGRATIONS.map(|(version, description, sql)| {
        Migration::new(version, description.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.into())
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
        Arc::clone(&self.writer).acquire(partition).await
    }

    async fn append(&self, batch: Batch) -> Result<(), LogError> {
        check_partition(batch.partition)?;
        Arc::clone(&self.writer).append(batch).await
    }

    async fn head(&self, partition: u32) -> Result<Position, LogError> {
        check_partition(partition)?;
        read::head(&self.readers, partition).await
    }

    async fn read(&self, partition: u32, after: Position, limit: u32) -> Result<Vec<RecordedEvent>, LogError> {
        check_partition(partition)?;
        read::page(&self.readers, after, limit).await
    }

    async fn read_type(
        &self,
        partition: u32,
        aggregate_type: &str,
        after: Position,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        check_partition(partition)?;
        read::page_of_type(&self.readers, aggregate_type, after, limit).await
    }

    async fn find_streams(&self, keys: &[StreamKey]) -> Result<Vec<Option<StreamId>>, LogError> {
        read::find_streams(&self.readers, keys).await
    }

    async fn read_streams(&self, streams: &[StreamId]) -> Result<Vec<RecordedEvent>, LogError> {
        read::streams(&self.readers, streams).await
    }

    async fn find_deliveries(&self, keys: &[DeliveryKey]) -> Result<Vec<Option<NewDelivery>>, LogError> {
        read::find_deliveries(&self.readers, keys).await
    }

    async fn find_subject_keys(&self, subjects: &[(MerchantId, Token)]) -> Result<Vec<Option<SubjectKey>>, LogError> {
        read::find_subject_keys(&self.readers, subjects).await
    }

    async fn first_subject_key(&self) -> Result<Option<SubjectKey>, LogError> {
        read::first_subject_key(&self.readers).await
    }

    async fn read_vault(&self, streams: &[StreamId]) -> Result<Vec<VaultRow>, LogError> {
        read::vault(&self.readers, streams).await
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}
