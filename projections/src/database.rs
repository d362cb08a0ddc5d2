//! The read models' own database file.
//!
//! It holds nothing that the log does not hold, so `synchronous=NORMAL` is enough: a power cut may take back the last
//! transactions, rows and checkpoint together, and they are folded again. It is a file apart from the log's, so that the
//! two writers do not wait for each other.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use domain::ids::MerchantId;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Row as _, SqliteConnection};

/// Connections for reading; each look-up takes one for a few milliseconds.
const READERS_MAX: u32 = 8;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS merchants (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE IF NOT EXISTS generations (
    name TEXT NOT NULL,
    number INTEGER NOT NULL,
    version INTEGER NOT NULL,
    live INTEGER NOT NULL,
    PRIMARY KEY (name, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS checkpoints (
    name TEXT NOT NULL,
    generation INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    position INTEGER NOT NULL,
    mark TEXT NOT NULL,
    PRIMARY KEY (name, generation, partition)
) STRICT, WITHOUT ROWID;
";

/// One writing connection, several reading ones, and the numbers of the merchants.
pub(crate) struct Database {
    /// Only the runners use it, one page at a time.
    pub(crate) writer: SqlitePool,
    /// For look-ups.
    pub(crate) readers: SqlitePool,
    merchants: Mutex<HashMap<MerchantId, i64>>,
}

impl Database {
    pub(crate) async fn open(path: &Path) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(10))
            .pragma("temp_store", "memory");
        let for_writing =
            options.clone().create_if_missing(true).pragma("cache_size", "-65536").pragma("wal_autocheckpoint", "1000");
        let writer = SqlitePoolOptions::new().max_connections(1).connect_with(for_writing).await?;
        sqlx::raw_sql(SCHEMA).execute(&writer).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .acquire_timeout(Duration::from_secs(5))
            .connect_with(options.create_if_missing(false).pragma("query_only", "on"))
            .await?;
        Ok(Self { writer, readers, merchants: Mutex::new(HashMap::new()) })
    }

    /// The number that stands for a merchant in every table; given out at first sight, for good.
    pub(crate) async fn merchant(&self, merchant: &MerchantId) -> Result<i64, sqlx::Error> {
        if let Some(id) = self.known_merchants().get(merchant) {
            return Ok(*id);
        }
        let mut connection = self.writer.acquire().await?;
        sqlx::query("INSERT INTO merchants (name) VALUES (?) ON CONFLICT (name) DO NOTHING")
            .bind(merchant.as_str())
            .execute(&mut *connection)
            .await?;
        let id: i64 = sqlx::query("SELECT id FROM merchants WHERE name = ?")
            .bind(merchant.as_str())
            .fetch_one(&mut *connection)
            .await?
            .try_get(0)?;
        self.known_merchants().insert(merchant.clone(), id);
        Ok(id)
    }

    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    fn known_merchants(&self) -> std::sync::MutexGuard<'_, HashMap<MerchantId, i64>> {
        self.merchants.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A position or a stream number as SQLite keeps it. Both count events one by one, so they never come near the end of `i64`.
pub(crate) fn to_stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The reverse of [`to_stored`].
pub(crate) fn from_stored(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// Stream numbers as the one bound value of `stream IN (SELECT value FROM json_each(?))`, whatever their count.
pub(crate) fn stream_list(streams: &[u64]) -> String {
    let mut list = String::with_capacity(2 + streams.len() * 8);
    list.push('[');
    for (index, stream) in streams.iter().enumerate() {
        if index > 0 {
            list.push(',');
        }
        list.push_str(&stream.to_string());
    }
    list.push(']');
    list
}

/// Runs one statement without values whose names were made here.
pub(crate) async fn run(connection: &mut SqliteConnection, sql: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(connection).await.map(drop)
}
