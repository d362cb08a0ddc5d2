//! What a writer says to Postgres: one statement for each batch, which commits by itself. What other ways were tried, what is known of
//! them and what of it can be measured again stands in `docs/adr/0010-one-statement-a-batch-on-postgres.md`.

use std::collections::BTreeSet;

use rustc_hash::FxHashSet;
use sqlx::error::ErrorKind;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::read::unsigned;
use super::sixteen::Sixteen;
use crate::batch::{check, conflict};
use crate::partition::{ids_of, no_id_of};
use crate::{Acquired, Batch, LogError, NewEvent, Position, StreamId};

/// Moves the head and writes all rows, where the head is the one that the writer believes in and the streams are there that it
/// takes for known. Nothing is written where that is not so, because every insert begins with the row of the moved head.
const APPEND: &str = "\
    WITH head AS (\
        UPDATE heads SET position = $1 WHERE partition = $2 AND epoch = $3 AND position = $4 \
            AND (SELECT count(*) FROM streams WHERE id = ANY($28)) = cardinality($28) \
        RETURNING partition\
    ), new_streams AS (\
        INSERT INTO streams (id, merchant, aggregate_type, aggregate_id) \
        SELECT new.* FROM head, unnest($5::bigint[], $6::text[], $7::text[], $8::text[]) AS new\
    ), new_events AS (\
        INSERT INTO log (partition, position, stream, sequence, event_type, event_version, payload, metadata, \
                         occurred_at, recorded_at) \
        SELECT head.partition, new.number + $4, new.stream, new.sequence, new.event_type, new.event_version, \
               new.payload, new.metadata, new.occurred_at, new.recorded_at \
        FROM head, unnest($9::bigint[], $10::bigint[], $11::text[], $12::text[], $13::text[], $14::text[], \
                          $15::bigint[], $16::bigint[]) \
             WITH ORDINALITY AS new (stream, sequence, event_type, event_version, payload, metadata, \
                                     occurred_at, recorded_at, number)\
    ), new_deliveries AS (\
        INSERT INTO deliveries (key, body, stream, sequence) \
        SELECT new.* FROM head, unnest($17::uuid[], $18::uuid[], $19::bigint[], $20::bigint[]) AS new\
    ), new_subject_keys AS (\
        INSERT INTO vault_keys (id, merchant, subject, wrapped) \
        SELECT new.* FROM head, unnest($21::bigint[], $22::text[], $23::uuid[], $24::bytea[]) AS new\
    ), new_vault_rows AS (\
        INSERT INTO vault (partition, position, subject_key, sealed) \
        SELECT head.partition, new.* FROM head, unnest($25::bigint[], $26::bigint[], $27::bytea[]) AS new\
    ) SELECT count(*) = 1 FROM head";

/// Raises a partition's epoch and tells where it stands.
pub(super) async fn acquire(connection: &mut PgConnection, partition: u32) -> Result<Acquired, LogError> {
    let ids = ids_of(partition);
    let row = sqlx::query(
        "UPDATE heads SET epoch = epoch + 1 WHERE partition = $1 \
         RETURNING epoch, position, \
             (SELECT coalesce(max(position), 0) FROM log WHERE partition = $1), \
             (SELECT coalesce(max(id), $2) FROM streams WHERE id BETWEEN $3 AND $4), \
             (SELECT coalesce(max(id), $2) FROM vault_keys WHERE id BETWEEN $3 AND $4)",
    )
    .bind(partition.cast_signed())
    .bind(no_id_of(partition).cast_signed())
    .bind(ids.start().cast_signed())
    .bind(ids.end().cast_signed())
    .fetch_optional(connection)
    .await?
    .ok_or_else(|| LogError::Damaged(format!("partition {partition} has no head")))?;
    let number = |index: usize| unsigned(PgRow::try_get(&row, index)?);
    let (head, last_event) = (number(1)?, number(2)?);
    if head != last_event {
        return Err(LogError::Damaged(format!("head is {head} but the last event has position {last_event}")));
    }
    Ok(Acquired { epoch: number(0)?, head, last_stream: number(3)?, last_subject_key: number(4)? })
}

/// Appends a batch. Gives the new head.
pub(super) async fn append(connection: &mut PgConnection, batch: &Batch) -> Result<Position, LogError> {
    let head = check(batch)?;
    let column = |read: fn(&NewEvent) -> i64| batch.events.iter().map(read).collect::<Vec<_>>();
    let text = |read: fn(&NewEvent) -> &str| batch.events.iter().map(read).collect::<Vec<_>>();
    let moved: bool = sqlx::query_scalar(APPEND)
        .bind(head.cast_signed())
        .bind(batch.partition.cast_signed())
        .bind(batch.epoch.cast_signed())
        .bind(batch.after.cast_signed())
        .bind(batch.streams.iter().map(|(id, _)| id.cast_signed()).collect::<Vec<_>>())
        .bind(batch.streams.iter().map(|(_, key)| key.merchant.as_str()).collect::<Vec<_>>())
        .bind(batch.streams.iter().map(|(_, key)| &*key.aggregate_type).collect::<Vec<_>>())
        .bind(batch.streams.iter().map(|(_, key)| &*key.aggregate_id).collect::<Vec<_>>())
        .bind(column(|event| event.stream.cast_signed()))
        .bind(column(|event| event.sequence.cast_signed()))
        .bind(text(|event| event.event_type))
        .bind(text(|event| event.event_version))
        .bind(text(|event| &event.payload))
        .bind(text(|event| &event.metadata))
        .bind(column(|event| event.occurred_at.millis()))
        .bind(column(|event| event.recorded_at.millis()))
        .bind(batch.deliveries.iter().map(|delivery| Sixteen(delivery.key.0)).collect::<Vec<_>>())
        .bind(batch.deliveries.iter().map(|delivery| Sixteen(delivery.body)).collect::<Vec<_>>())
        .bind(batch.deliveries.iter().map(|delivery| delivery.stream.cast_signed()).collect::<Vec<_>>())
        .bind(batch.deliveries.iter().map(|delivery| delivery.sequence.cast_signed()).collect::<Vec<_>>())
        .bind(batch.subject_keys.iter().map(|key| key.id.cast_signed()).collect::<Vec<_>>())
        .bind(batch.subject_keys.iter().map(|key| key.merchant.as_str()).collect::<Vec<_>>())
        .bind(batch.subject_keys.iter().map(|key| Sixteen(*key.subject.as_bytes())).collect::<Vec<_>>())
        .bind(batch.subject_keys.iter().map(|key| &*key.wrapped).collect::<Vec<_>>())
        .bind(batch.vault_rows.iter().map(|row| row.position.cast_signed()).collect::<Vec<_>>())
        .bind(batch.vault_rows.iter().map(|row| row.subject_key.cast_signed()).collect::<Vec<_>>())
        .bind(batch.vault_rows.iter().map(|row| &*row.sealed).collect::<Vec<_>>())
        .bind(known_streams(batch))
        .fetch_one(&mut *connection)
        .await
        .map_err(refused)?;
    if moved { Ok(head) } else { Err(other_head(connection, batch).await?) }
}

/// The streams that a batch names and does not bring.
fn known_streams(batch: &Batch) -> Vec<i64> {
    let new: FxHashSet<StreamId> = batch.streams.iter().map(|(id, _)| *id).collect();
    let of_events = batch.events.iter().map(|event| event.stream);
    let named = of_events.chain(batch.deliveries.iter().map(|delivery| delivery.stream));
    let known: BTreeSet<StreamId> = named.filter(|stream| !new.contains(stream)).collect();
    known.into_iter().map(u64::cast_signed).collect()
}

/// Why the head was not moved.
async fn other_head(connection: &mut PgConnection, batch: &Batch) -> Result<LogError, LogError> {
    let found: Option<(i64, i64)> = sqlx::query_as("SELECT epoch, position FROM heads WHERE partition = $1")
        .bind(batch.partition.cast_signed())
        .fetch_optional(connection)
        .await?;
    Ok(match found {
        Some((epoch, _)) if epoch != batch.epoch.cast_signed() => LogError::Fenced { partition: batch.partition },
        Some((_, position)) if position != batch.after.cast_signed() => {
            conflict(format!("head is {position}, not {}", batch.after))
        }
        Some(_) => conflict("a stream is not there that the batch takes for known".into()),
        None => LogError::Damaged(format!("partition {} has no head", batch.partition)),
    })
}

/// A row that another one already stands for, or that points to nothing: the writer's memory is wrong, the store is well.
fn refused(error: sqlx::Error) -> LogError {
    match error.as_database_error().map(sqlx::error::DatabaseError::kind) {
        Some(ErrorKind::UniqueViolation | ErrorKind::ForeignKeyViolation) => LogError::Conflict(error.into()),
        _ => error.into(),
    }
}
