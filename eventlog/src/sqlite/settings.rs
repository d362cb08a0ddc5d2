//! How SQLite is run, and the proof that it took the settings on which the promises rest.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, SqliteConnection};

use super::OpenError;

/// What must be read back from the writer: name, value, and the value as SQLite reports it.
const PINNED: [(&str, &str, &str); 5] = [
    ("journal_mode", "WAL", "wal"),
    ("synchronous", "FULL", "2"),
    ("foreign_keys", "ON", "1"),
    ("secure_delete", "ON", "1"),
    // Without it, REPLACE deletes rows behind the back of the triggers that make the log append-only.
    ("recursive_triggers", "ON", "1"),
];

/// How long a connection waits for a lock; only a connection that is being replaced can hold one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Pages of the write-ahead log after which a commit folds it into the file: 64 MiB. Longer means fewer random writes for
/// pages that many commits touch, and a longer fold.
const CHECKPOINT_PAGES: &str = "16384";

/// Negative numbers are KiB.
const WRITER_CACHE: &str = "-65536";
const READER_CACHE: &str = "-16384";

/// Options of the one connection that writes.
pub(super) fn writer(path: &Path) -> SqliteConnectOptions {
    shared(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .pragma("secure_delete", "ON")
        .pragma("recursive_triggers", "ON")
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .pragma("cache_size", WRITER_CACHE)
        .thread_name(|_| "log-writer".into())
}

/// Options of the connections that read.
pub(super) fn reader(path: &Path) -> SqliteConnectOptions {
    shared(path)
        .read_only(true)
        .pragma("query_only", "ON")
        .pragma("cache_size", READER_CACHE)
        .thread_name(|id| format!("log-reader-{id}"))
}

/// No memory map: a read error in one ends the process instead of failing the call.
fn shared(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("mmap_size", "0")
        .pragma("temp_store", "MEMORY")
        .row_buffer_size(1024)
        .disable_statement_logging()
}

/// Refuses a connection that did not take a pinned setting.
pub(super) async fn verify(connection: &mut SqliteConnection) -> Result<(), OpenError> {
    for (name, expected, reported) in PINNED {
        // `pragma_…` tables give every value as its own type; the cast makes them comparable.
        let sql = format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}");
        let found: String = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *connection).await?;
        if found != reported {
            return Err(OpenError::Setting { name, expected, found });
        }
    }
    Ok(())
}

/// Refuses a file with a table of ours that does not check its types.
pub(super) async fn verify_strict(connection: &mut SqliteConnection) -> Result<(), OpenError> {
    let lax: Option<String> = sqlx::query_scalar(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND strict = 0 \
         AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name <> '_sqlx_migrations' ORDER BY name LIMIT 1",
    )
    .fetch_optional(connection)
    .await?;
    lax.map_or(Ok(()), |name| Err(OpenError::NotStrict(name)))
}

#[cfg(test)]
mod tests {
    use sqlx::Connection;

    use super::*;

    async fn verified(options: SqliteConnectOptions) -> Result<(), OpenError> {
        verify(&mut SqliteConnection::connect_with(&options).await?).await
    }

    #[tokio::test]
    async fn the_writers_own_settings_are_read_back() {
        let directory = tempfile::tempdir().unwrap();
        verified(writer(&directory.path().join("log.sqlite"))).await.unwrap();
    }

    #[tokio::test]
    async fn a_writer_without_one_of_the_pinned_settings_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.sqlite");
        for (name, lax) in [
            ("journal_mode", "DELETE"),
            ("synchronous", "NORMAL"),
            ("foreign_keys", "OFF"),
            ("secure_delete", "FAST"),
            ("recursive_triggers", "OFF"),
        ] {
            let refused = verified(writer(&path).pragma(name, lax)).await;
            assert!(
                matches!(refused, Err(OpenError::Setting { name: found, .. }) if found == name),
                "{name}: {refused:?}"
            );
        }
    }
}
