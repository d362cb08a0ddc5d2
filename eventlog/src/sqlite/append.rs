//! What a transaction of the writer does between its beginning and its commit.

use std::sync::LazyLock;

use rustc_hash::FxHashMap;
use sqlx::error::ErrorKind;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Row, Sqlite, SqliteConnection};

use super::read::unsigned;
use super::statements::{ROWS_MAX, Sized};
use crate::{Acquired, Batch, LogError, NewEvent, Position};

type Insert = Query<'static, Sqlite, SqliteArguments>;

/// Leaves out the rows that were not bound; every table's first column is a key and never NULL.
const BOUND: &str = ") WHERE column1 IS NOT NULL";

static STREAMS: LazyLock<Sized> = LazyLock::new(|| {
    Sized::new(
        "INSERT OR FAIL INTO streams (id, merchant, aggregate_type, aggregate_id) SELECT * FROM (VALUES ",
        "(?,?,?,?)",
        BOUND,
    )
});
static EVENTS: LazyLock<Sized> = LazyLock::new(|| {
    Sized::new(
        "INSERT OR FAIL INTO log (position, stream, sequence, event_type, event_version, payload, metadata, occurred_at, \
         recorded_at) SELECT * FROM (VALUES ",
        "(?,?,?,?,?,?,?,?,?)",
        BOUND,
    )
});
static DELIVERIES: LazyLock<Sized> = LazyLock::new(|| {
    Sized::new(
        "INSERT OR FAIL INTO deliveries (key, body, stream, sequence) SELECT * FROM (VALUES ",
        "(?,?,?,?)",
        BOUND,
    )
});
static SUBJECT_KEYS: LazyLock<Sized> = LazyLock::new(|| {
    Sized::new(
        "INSERT OR FAIL INTO vault_keys (id, merchant, subject, wrapped) SELECT * FROM (VALUES ",
        "(?,?,?,?)",
        BOUND,
    )
});
static VAULT: LazyLock<Sized> = LazyLock::new(|| {
    Sized::new("INSERT OR FAIL INTO vault (position, subject_key, sealed) SELECT * FROM (VALUES ", "(?,?,?)", BOUND)
});

/// Raises a partition's epoch and tells where it stands.
pub(super) async fn acquire(connection: &mut SqliteConnection, partition: u32) -> Result<Acquired, LogError> {
    let row = sqlx::query(
        "UPDATE heads SET epoch = epoch + 1 WHERE partition = ? \
         RETURNING epoch, position, \
             (SELECT coalesce(max(position), 0) FROM log), \
             (SELECT coalesce(max(id), 0) FROM streams), \
             (SELECT coalesce(max(id), 0) FROM vault_keys)",
    )
    .bind(partition)
    .fetch_optional(connection)
    .await?
    .ok_or_else(|| LogError::Damaged(format!("partition {partition} has no head")))?;
    let number = |index: usize| unsigned(row.try_get(index)?);
    let (head, last_event) = (number(1)?, number(2)?);
    if head != last_event {
        return Err(LogError::Damaged(format!("head is {head} but the last event has position {last_event}")));
    }
    Ok(Acquired { epoch: number(0)?, head, last_stream: number(3)?, last_subject_key: number(4)? })
}

/// Moves the head and writes all rows. Gives the new head.
pub(super) async fn append(connection: &mut SqliteConnection, batch: Batch) -> Result<Position, LogError> {
    let head = check(&batch)?;
    move_head(connection, &batch, head).await?;
    let mut inserts = inserts(batch);
    let mut next = inserts.next();
    while let Some(insert) = next {
        // The connection works in a thread of its own: the next rows are bound while it inserts these.
        let (inserted, following) = tokio::join!(insert.execute(&mut *connection), async { inserts.next() });
        inserted.map_err(refused)?;
        next = following;
    }
    Ok(head)
}

/// All rows of a batch, those first that others point to.
fn inserts(batch: Batch) -> impl Iterator<Item = Insert> {
    let streams = rows(&STREAMS, batch.streams, |insert, (id, key)| {
        insert
            .bind(id.cast_signed())
            .bind(String::from(key.merchant.as_str()))
            .bind(key.aggregate_type)
            .bind(key.aggregate_id)
    });
    let events = rows(&EVENTS, (batch.after + 1..).zip(batch.events).collect(), bind_event);
    let deliveries = rows(&DELIVERIES, batch.deliveries, |insert, delivery| {
        insert
            .bind(delivery.key.0.to_vec())
            .bind(delivery.body.to_vec())
            .bind(delivery.stream.cast_signed())
            .bind(delivery.sequence.cast_signed())
    });
    let subject_keys = rows(&SUBJECT_KEYS, batch.subject_keys, |insert, key| {
        insert
            .bind(key.id.cast_signed())
            .bind(String::from(key.merchant.as_str()))
            .bind(key.subject.as_bytes().to_vec())
            .bind(key.wrapped)
    });
    let vault = rows(&VAULT, batch.vault_rows, |insert, row| {
        insert.bind(row.position.cast_signed()).bind(row.subject_key.cast_signed()).bind(row.sealed)
    });
    streams.chain(events).chain(deliveries).chain(subject_keys).chain(vault)
}

/// Rows of one table by as few statements as hold them, each made when it is asked for. Rows that are not bound are all NULL
/// and left out: a statement costs more than a few rows that come to nothing.
fn rows<T>(statement: &'static Sized, rows: Vec<T>, bind: fn(Insert, T) -> Insert) -> impl Iterator<Item = Insert> {
    let mut rows = rows.into_iter();
    std::iter::from_fn(move || {
        let size = Some(rows.len().min(ROWS_MAX)).filter(|size| *size > 0)?;
        Some(rows.by_ref().take(size).fold(sqlx::query(statement.with_room_for(size)), bind))
    })
}

/// Refuses a batch that cannot be right, before anything is written. Gives the head it leads to.
fn check(batch: &Batch) -> Result<Position, LogError> {
    let count = u64::try_from(batch.events.len()).expect("a length fits 64 bits");
    let head = batch.after.checked_add(count).filter(|head| i64::try_from(*head).is_ok());
    let head = head.ok_or_else(|| conflict("positions are used up".into()))?;

    let mut sequences: FxHashMap<u64, u64> = FxHashMap::default();
    let mut last = 0;
    for (id, _) in &batch.streams {
        if *id <= last {
            return Err(conflict(format!("new stream {id} comes after {last}")));
        }
        last = *id;
        sequences.insert(*id, 0);
    }
    for event in &batch.events {
        let expected = sequences.get(&event.stream).map(|sequence| sequence + 1);
        if expected.is_some_and(|expected| expected != event.sequence) {
            return Err(conflict(format!("stream {} has a gap before sequence {}", event.stream, event.sequence)));
        }
        sequences.insert(event.stream, event.sequence);
    }
    let own = batch.after + 1..=head;
    if let Some(row) = batch.vault_rows.iter().find(|row| !own.contains(&row.position)) {
        return Err(conflict(format!("vault row {} belongs to no event of its batch", row.position)));
    }
    Ok(head)
}

async fn move_head(connection: &mut SqliteConnection, batch: &Batch, head: Position) -> Result<(), LogError> {
    let moved = sqlx::query("UPDATE heads SET position = ? WHERE partition = ? AND epoch = ? AND position = ?")
        .bind(head.cast_signed())
        .bind(batch.partition)
        .bind(batch.epoch.cast_signed())
        .bind(batch.after.cast_signed())
        .execute(&mut *connection)
        .await?;
    if moved.rows_affected() == 1 {
        return Ok(());
    }
    let found: Option<(i64, i64)> = sqlx::query_as("SELECT epoch, position FROM heads WHERE partition = ?")
        .bind(batch.partition)
        .fetch_optional(connection)
        .await?;
    match found {
        Some((epoch, position)) if epoch == batch.epoch.cast_signed() => {
            Err(conflict(format!("head is {position}, not {}", batch.after)))
        }
        Some(_) => Err(LogError::Fenced { partition: batch.partition }),
        None => Err(LogError::Damaged(format!("partition {} has no head", batch.partition))),
    }
}

fn bind_event(insert: Insert, (position, event): (Position, NewEvent)) -> Insert {
    insert
        .bind(position.cast_signed())
        .bind(event.stream.cast_signed())
        .bind(event.sequence.cast_signed())
        .bind(event.event_type)
        .bind(event.event_version)
        .bind(event.payload)
        .bind(event.metadata)
        .bind(event.occurred_at.millis())
        .bind(event.recorded_at.millis())
}

/// A row that another one already stands for, or that points to nothing: the writer's memory is wrong, the store is well.
pub(super) fn refused(error: sqlx::Error) -> LogError {
    match error.as_database_error().map(sqlx::error::DatabaseError::kind) {
        Some(ErrorKind::UniqueViolation | ErrorKind::ForeignKeyViolation) => LogError::Conflict(error.into()),
        _ => error.into(),
    }
}

fn conflict(reason: String) -> LogError {
    LogError::Conflict(reason.into())
}
