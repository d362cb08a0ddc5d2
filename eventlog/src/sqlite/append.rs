//! What a transaction of the writer does. A transaction that is dropped before its commit is rolled back.

use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior};

use super::read::unsigned;
use crate::batch::{check, conflict};
use crate::{Acquired, Batch, LogError, Position};

/// Raises a partition's epoch and tells where it stands.
pub(super) fn acquire(connection: &mut Connection, partition: u32) -> Result<Acquired, LogError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let numbers: Option<[i64; 5]> = transaction
        .query_row(
            "UPDATE heads SET epoch = epoch + 1 WHERE partition = ? \
             RETURNING epoch, position, \
                 (SELECT coalesce(max(position), 0) FROM log), \
                 (SELECT coalesce(max(id), 0) FROM streams), \
                 (SELECT coalesce(max(id), 0) FROM vault_keys)",
            (partition,),
            |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?]),
        )
        .optional()?;
    let numbers = numbers.ok_or_else(|| LogError::Damaged(format!("partition {partition} has no head")))?;
    let [epoch, head, last_event, last_stream, last_subject_key] = numbers.map(unsigned);
    let (head, last_event) = (head?, last_event?);
    if head != last_event {
        return Err(LogError::Damaged(format!("head is {head} but the last event has position {last_event}")));
    }
    let acquired = Acquired { epoch: epoch?, head, last_stream: last_stream?, last_subject_key: last_subject_key? };
    transaction.commit()?;
    Ok(acquired)
}

/// Moves the head and writes all rows. Gives the new head.
pub(super) fn append(connection: &mut Connection, batch: &Batch) -> Result<Position, LogError> {
    let head = check(batch)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    move_head(&transaction, batch, head)?;
    insert(&transaction, batch).map_err(refused)?;
    // References are checked here.
    transaction.commit().map_err(refused)?;
    Ok(head)
}

/// All rows of a batch.
fn insert(transaction: &Transaction<'_>, batch: &Batch) -> rusqlite::Result<()> {
    let mut streams = transaction
        .prepare_cached("INSERT OR FAIL INTO streams (id, merchant, aggregate_type, aggregate_id) VALUES (?,?,?,?)")?;
    for (id, key) in &batch.streams {
        streams.execute((id.cast_signed(), key.merchant.as_str(), &*key.aggregate_type, &*key.aggregate_id))?;
    }
    let mut events = transaction.prepare_cached(
        "INSERT OR FAIL INTO log (position, stream, sequence, event_type, event_version, payload, metadata, \
         occurred_at, recorded_at) VALUES (?,?,?,?,?,?,?,?,?)",
    )?;
    for (position, event) in (batch.after + 1..).zip(&batch.events) {
        events.execute((
            position.cast_signed(),
            event.stream.cast_signed(),
            event.sequence.cast_signed(),
            event.event_type,
            event.event_version,
            &event.payload,
            &event.metadata,
            event.occurred_at.millis(),
            event.recorded_at.millis(),
        ))?;
    }
    let mut deliveries =
        transaction.prepare_cached("INSERT OR FAIL INTO deliveries (key, body, stream, sequence) VALUES (?,?,?,?)")?;
    for delivery in &batch.deliveries {
        let (stream, sequence) = (delivery.stream.cast_signed(), delivery.sequence.cast_signed());
        deliveries.execute((&delivery.key.0, &delivery.body, stream, sequence))?;
    }
    let mut subject_keys = transaction
        .prepare_cached("INSERT OR FAIL INTO vault_keys (id, merchant, subject, wrapped) VALUES (?,?,?,?)")?;
    for key in &batch.subject_keys {
        subject_keys.execute((key.id.cast_signed(), key.merchant.as_str(), key.subject.as_bytes(), &*key.wrapped))?;
    }
    let mut vault =
        transaction.prepare_cached("INSERT OR FAIL INTO vault (position, subject_key, sealed) VALUES (?,?,?)")?;
    for row in &batch.vault_rows {
        vault.execute((row.position.cast_signed(), row.subject_key.cast_signed(), &*row.sealed))?;
    }
    Ok(())
}

fn move_head(transaction: &Transaction<'_>, batch: &Batch, head: Position) -> Result<(), LogError> {
    let moved = transaction
        .prepare_cached("UPDATE heads SET position = ? WHERE partition = ? AND epoch = ? AND position = ?")?
        .execute((head.cast_signed(), batch.partition, batch.epoch.cast_signed(), batch.after.cast_signed()))?;
    if moved == 1 {
        return Ok(());
    }
    let found: Option<(i64, i64)> = transaction
        .query_row("SELECT epoch, position FROM heads WHERE partition = ?", (batch.partition,), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    match found {
        Some((epoch, position)) if epoch == batch.epoch.cast_signed() => {
            Err(conflict(format!("head is {position}, not {}", batch.after)))
        }
        Some(_) => Err(LogError::Fenced { partition: batch.partition }),
        None => Err(LogError::Damaged(format!("partition {} has no head", batch.partition))),
    }
}

/// A row that another one already stands for, or that points to nothing: the writer's memory is wrong, the store is well.
fn refused(error: rusqlite::Error) -> LogError {
    use rusqlite::ffi::{SQLITE_CONSTRAINT_FOREIGNKEY, SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};
    let is_conflict = error.sqlite_error().is_some_and(|error| {
        let kinds = [SQLITE_CONSTRAINT_FOREIGNKEY, SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE];
        error.code == ErrorCode::ConstraintViolation && kinds.contains(&error.extended_code)
    });
    if is_conflict { LogError::Conflict(error.into()) } else { error.into() }
}
