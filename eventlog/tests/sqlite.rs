//! The contract on SQLite, and what only SQLite promises.

#![expect(clippy::unwrap_used, reason = "what a test sets up must hold")]

mod contract;

use std::path::PathBuf;
use std::process::Command;

use eventlog::sqlite::{OpenError, SqliteLog};
use eventlog::{EventLog, LogError};
use rusqlite::Connection;
use tempfile::TempDir;

use contract::{
    Fixture, PARTITION, after, append_order, delivery, event, everything, order, positions, subject_key, vault_row,
};

struct SqliteFile {
    directory: TempDir,
}

impl SqliteFile {
    fn path(&self) -> PathBuf {
        self.directory.path().join("log.sqlite")
    }

    /// A connection that knows nothing of the service.
    fn raw(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }
}

impl Fixture for SqliteFile {
    type Log = SqliteLog;

    async fn fresh() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    async fn open(&self) -> SqliteLog {
        SqliteLog::open(&self.path()).await.unwrap()
    }
}

contract::contract!(crate::SqliteFile);

/// A closed log with one row in each table.
async fn filled() -> SqliteFile {
    let file = SqliteFile::fresh().await;
    let log = file.open().await;
    let mut batch = after(log.acquire(PARTITION).await.unwrap());
    batch.streams = vec![(1, order(1))];
    batch.events = vec![event(1, 1)];
    batch.deliveries = vec![delivery(1, 1)];
    batch.subject_keys = vec![subject_key(1, 1)];
    batch.vault_rows = vec![vault_row(1, 1)];
    log.append(batch).await.unwrap();
    log.close().await;
    file
}

#[tokio::test]
async fn what_was_appended_cannot_be_changed_or_deleted() {
    let file = filled().await;
    let raw = file.raw();
    raw.execute_batch("PRAGMA recursive_triggers = ON").unwrap();
    for statement in [
        "UPDATE log SET payload = '{}'",
        "DELETE FROM log",
        "REPLACE INTO log SELECT * FROM log",
        "UPDATE streams SET merchant = 'other'",
        "DELETE FROM streams",
        "UPDATE deliveries SET body = zeroblob(16)",
        "DELETE FROM deliveries",
        "UPDATE heads SET position = 0",
        "UPDATE heads SET epoch = 0",
        "DELETE FROM heads",
        "UPDATE vault SET sealed = x'00'",
        "UPDATE vault_keys SET wrapped = x'00'",
    ] {
        let reason = raw.execute_batch(statement).unwrap_err().to_string();
        assert!(
            ["append-only", "only move on", "never rewritten"].iter().any(|text| reason.contains(text)),
            "{statement}"
        );
    }
}

#[tokio::test]
async fn personal_data_can_be_erased_and_the_log_stays() {
    let file = filled().await;
    let raw = file.raw();
    for statement in ["DELETE FROM vault WHERE subject_key = 1", "DELETE FROM vault_keys WHERE id = 1"] {
        raw.execute_batch(statement).unwrap();
    }
    raw.close().unwrap();
    let log = file.open().await;
    assert!(log.read_vault(&[1]).await.unwrap().is_empty());
    assert_eq!(positions(&everything(&log).await), [1]);
}

#[tokio::test]
async fn readers_of_postgres_es_find_their_columns() {
    let file = filled().await;
    let columns = "aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata";
    let row: (String, String, i64, String, String, String, String) =
        file.raw().query_row(&format!("SELECT {columns} FROM events"), (), |row| row.try_into()).unwrap();
    let payload = r#"{"stream":1,"sequence":1}"#;
    assert_eq!(row, ("order".into(), "web:1".into(), 1, "Noted".into(), "1".into(), payload.into(), "{}".into()));
}

#[tokio::test]
async fn a_second_handle_is_refused_until_the_first_is_closed() {
    let file = SqliteFile::fresh().await;
    let log = file.open().await;
    let refused = SqliteLog::open(&file.path()).await;
    assert!(matches!(refused, Err(OpenError::InUse { path }) if path == file.path()));
    append_order(&log, 1, 1).await;
    log.close().await;
    assert_eq!(positions(&everything(&file.open().await).await), [1]);
}

/// Runs itself in a second process, which finds the log's path in its environment.
#[tokio::test]
async fn a_second_process_is_refused() {
    if let Some(path) = std::env::var_os("ORDERLIGHT_TEST_LOG_IN_USE") {
        let opened = SqliteLog::open(path.as_ref()).await;
        assert!(matches!(opened, Err(OpenError::InUse { .. })));
        println!("refused as it should be");
        return;
    }
    let file = SqliteFile::fresh().await;
    let log = file.open().await;
    let second = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_second_process_is_refused", "--nocapture"])
        .env("ORDERLIGHT_TEST_LOG_IN_USE", file.path())
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&second.stdout).contains("refused as it should be"));
    assert!(second.status.success());
    log.close().await;
}

#[tokio::test]
async fn a_store_that_fails_once_takes_the_next_batch() {
    let file = filled().await;
    let raw = file.raw();
    raw.execute_batch(
        "CREATE TRIGGER failing_disk BEFORE INSERT ON log WHEN new.payload = 'fail' \
         BEGIN SELECT RAISE(ABORT, 'disk failed'); END",
    )
    .unwrap();
    raw.close().unwrap();

    let log = file.open().await;
    let mut batch = after(log.acquire(PARTITION).await.unwrap());
    batch.events = vec![event(1, 2), event(1, 3)];
    let mut failing = batch.clone();
    failing.events[1].payload = "fail".into();
    let failed = log.append(failing).await;
    assert!(matches!(failed, Err(LogError::Store(_))), "{failed:?}");
    assert_eq!(positions(&everything(&log).await), [1], "nothing of it is there");
    log.append(batch).await.unwrap();
    assert_eq!(positions(&everything(&log).await), [1, 2, 3]);
}

#[tokio::test]
async fn a_log_that_was_dropped_without_being_closed_is_whole() {
    let file = SqliteFile::fresh().await;
    append_order(&file.open().await, 1, 3).await;
    let log = file.open().await;
    assert_eq!(positions(&everything(&log).await), [1, 2, 3]);
}

#[tokio::test]
async fn an_append_that_nobody_waits_for_runs_to_its_end() {
    let file = SqliteFile::fresh().await;
    let log = file.open().await;
    let mut watch = log.watch(PARTITION);
    let mut batch = after(log.acquire(PARTITION).await.unwrap());
    batch.streams = vec![(1, order(1))];
    batch.events = vec![event(1, 1)];
    {
        let mut append = std::pin::pin!(log.append(batch));
        let pending =
            std::future::poll_fn(|context| std::task::Poll::Ready(append.as_mut().poll(context).is_pending()));
        assert!(pending.await);
    }
    watch.changed().await.unwrap();
    assert_eq!(positions(&everything(&log).await), [1]);
    append_order(&log, 2, 1).await;
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let file = SqliteFile::fresh().await;
    std::fs::write(file.path(), "this is no database, and it is longer than one header of a page".repeat(100)).unwrap();
    assert!(matches!(SqliteLog::open(&file.path()).await, Err(OpenError::Store(_))));
}

#[tokio::test]
async fn a_damaged_file_gives_errors() {
    let file = SqliteFile::fresh().await;
    let log = file.open().await;
    append_order(&log, 1, 500).await;
    log.close().await;
    let mut bytes = std::fs::read(file.path()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0xa5);
    std::fs::write(file.path(), bytes).unwrap();

    let error = match SqliteLog::open(&file.path()).await {
        Ok(log) => log.read(PARTITION, 0, 1_000).await.unwrap_err().to_string(),
        Err(error) => error.to_string(),
    };
    assert!(!error.is_empty());
}

#[tokio::test]
async fn a_missing_event_is_noticed_by_every_read_and_by_the_next_owner() {
    let file = SqliteFile::fresh().await;
    let log = file.open().await;
    let stream = append_order(&log, 1, 5).await;
    log.close().await;
    let raw = file.raw();
    raw.execute_batch("DROP TRIGGER log_refuses_delete; DELETE FROM log WHERE position IN (2, 5)").unwrap();
    raw.close().unwrap();

    let log = file.open().await;
    let damaged = |error: LogError| matches!(error, LogError::Damaged(_));
    assert!(damaged(log.read(PARTITION, 0, 10).await.unwrap_err()));
    assert!(damaged(log.read_streams(&[stream]).await.unwrap_err()));
    assert!(damaged(log.acquire(PARTITION).await.unwrap_err()));
}

#[tokio::test]
async fn a_schema_that_was_changed_after_the_fact_is_refused() {
    let file = filled().await;
    let raw = file.raw();
    raw.execute_batch("UPDATE schema_versions SET digest = zeroblob(32)").unwrap();
    raw.close().unwrap();
    assert!(matches!(SqliteLog::open(&file.path()).await, Err(OpenError::ChangedSchema { version: 1 })));
}

#[tokio::test]
async fn a_schema_of_a_newer_program_is_refused() {
    let file = filled().await;
    let raw = file.raw();
    raw.execute_batch("INSERT INTO schema_versions (version, digest) VALUES (99, zeroblob(32))").unwrap();
    raw.close().unwrap();
    assert!(matches!(SqliteLog::open(&file.path()).await, Err(OpenError::NewerSchema { found: 99 })));
}

#[tokio::test]
async fn a_table_without_type_checks_is_refused() {
    let file = filled().await;
    let raw = file.raw();
    raw.execute_batch("CREATE TABLE lax (anything)").unwrap();
    raw.close().unwrap();
    assert!(matches!(SqliteLog::open(&file.path()).await, Err(OpenError::NotStrict(name)) if name == "lax"));
}

#[tokio::test]
async fn a_rare_type_is_found_by_index() {
    let file = filled().await;
    let raw = file.raw();
    let mut explain = raw
        .prepare(
            "EXPLAIN QUERY PLAN SELECT log.position FROM streams CROSS JOIN log ON log.stream = streams.id \
             WHERE streams.aggregate_type = 'rulebook' AND log.position > 0 ORDER BY log.position LIMIT 1",
        )
        .unwrap();
    let plan: Vec<String> = explain.query_map((), |row| row.get("detail")).unwrap().map(Result::unwrap).collect();
    assert!(plan[0].contains("streams_by_name (aggregate_type=?)"), "{plan:?}");
    assert!(plan[1].contains("log_by_stream (stream=?"), "{plan:?}");
}
