//! What SQLite itself can carry: the rows of a batch inserted one by one through prepared statements, one synced commit a
//! batch, with the log's own schema and settings. No thread is crossed, nothing is looked up or checked beside what the schema
//! checks.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use eventlog::{Acquired, Batch};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use crate::rows::Batches;

const SCHEMA: &str = include_str!("../../../migrations/sqlite/log/0001_log.sql");

/// The writer's settings, but for the write-ahead log: the loop folds it into the file itself whenever it has 64 MiB.
const SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
    PRAGMA secure_delete = ON; PRAGMA recursive_triggers = ON; PRAGMA wal_autocheckpoint = 16384;
    PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;";

/// Statements that stay prepared.
const STATEMENTS_MAX: usize = 16;

/// The bare loop on SQLite.
#[derive(Args)]
pub(crate) struct RawSqlite {
    #[command(flatten)]
    batches: Batches,
}

impl RawSqlite {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let directory = tempfile::tempdir().context("cannot make a directory")?;
        let mut connection = open(&directory.path().join("log.sqlite"))?;
        let batches = self.batches.make(0, &Acquired { epoch: 0, head: 0, last_stream: 0, last_subject_key: 0 })?;
        let mut slowest = Duration::ZERO;
        let started = Instant::now();
        for batch in &batches {
            let before = Instant::now();
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            insert(&transaction, batch).context("a row is refused")?;
            transaction.commit()?;
            slowest = slowest.max(before.elapsed());
        }
        println!("{}", self.batches.told(started.elapsed(), slowest));
        Ok(ExitCode::SUCCESS)
    }
}

fn open(path: &Path) -> anyhow::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.execute_batch(SETTINGS)?;
    connection.execute_batch(SCHEMA).context("the schema is refused")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    let synchronous: i64 = connection.query_row("PRAGMA synchronous", [], |row| row.get(0))?;
    anyhow::ensure!(synchronous == 2, "synchronous is {synchronous}, not 2 (FULL)");
    Ok(connection)
}

fn insert(transaction: &Transaction<'_>, batch: &Batch) -> anyhow::Result<()> {
    move_head(transaction, batch)?;
    let mut insert = transaction
        .prepare_cached("INSERT INTO streams (id, merchant, aggregate_type, aggregate_id) VALUES (?, ?, ?, ?)")?;
    for (id, key) in &batch.streams {
        insert.execute(params![id.cast_signed(), key.merchant.as_str(), &*key.aggregate_type, &*key.aggregate_id])?;
    }
    insert_events(transaction, batch)?;
    let mut insert =
        transaction.prepare_cached("INSERT INTO deliveries (key, body, stream, sequence) VALUES (?, ?, ?, ?)")?;
    for delivery in &batch.deliveries {
        let (stream, sequence) = (delivery.stream.cast_signed(), delivery.sequence.cast_signed());
        insert.execute(params![delivery.key.0.as_slice(), delivery.body.as_slice(), stream, sequence])?;
    }
    let mut insert =
        transaction.prepare_cached("INSERT INTO vault_keys (id, merchant, subject, wrapped) VALUES (?, ?, ?, ?)")?;
    for key in &batch.subject_keys {
        let subject = key.subject.as_bytes().as_slice();
        insert.execute(params![key.id.cast_signed(), key.merchant.as_str(), subject, &*key.wrapped])?;
    }
    let mut insert =
        transaction.prepare_cached("INSERT INTO vault (position, subject_key, sealed) VALUES (?, ?, ?)")?;
    for row in &batch.vault_rows {
        insert.execute(params![row.position.cast_signed(), row.subject_key.cast_signed(), &*row.sealed])?;
    }
    Ok(())
}

fn move_head(transaction: &Transaction<'_>, batch: &Batch) -> anyhow::Result<()> {
    let head = batch.after + u64::try_from(batch.events.len())?;
    let moved = transaction
        .prepare_cached("UPDATE heads SET position = ? WHERE partition = ? AND epoch = ? AND position = ?")?
        .execute(params![head.cast_signed(), batch.partition, batch.epoch.cast_signed(), batch.after.cast_signed()])?;
    anyhow::ensure!(moved == 1, "the head is elsewhere");
    Ok(())
}

fn insert_events(transaction: &Transaction<'_>, batch: &Batch) -> anyhow::Result<()> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO log (position, stream, sequence, event_type, event_version, payload, metadata, occurred_at, \
         recorded_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    for (position, event) in (batch.after + 1..).zip(&batch.events) {
        insert.execute(params![
            position.cast_signed(),
            event.stream.cast_signed(),
            event.sequence.cast_signed(),
            event.event_type,
            event.event_version,
            event.payload,
            event.metadata,
            event.occurred_at.millis(),
            event.recorded_at.millis(),
        ])?;
    }
    Ok(())
}
