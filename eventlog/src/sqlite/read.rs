//! Reads. Look-ups of many keys are one statement for each 256, answered in the order asked for.

use std::collections::hash_map::Entry;
use std::sync::{Arc, LazyLock};

use domain::ids::{MerchantId, Token};
use domain::time::Timestamp;
use rustc_hash::FxHashMap;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Row, Sqlite, SqlitePool};

use super::PARTITION;
use super::statements::{LOOKUP_MAX, Sized};
use crate::{DeliveryKey, LogError, NewDelivery, Position, RecordedEvent, StreamId, StreamKey, SubjectKey, VaultRow};

type Select = Query<'static, Sqlite, SqliteArguments>;

macro_rules! event_columns {
    () => {
        "SELECT log.position, log.stream, log.sequence, log.event_type, log.event_version, log.payload, log.metadata, \
         log.occurred_at, log.recorded_at, streams.merchant, streams.aggregate_type, streams.aggregate_id "
    };
}

const PAGE: &str = concat!(
    event_columns!(),
    "FROM log JOIN streams ON streams.id = log.stream WHERE log.position > ? ORDER BY log.position LIMIT ?"
);

// CROSS JOIN keeps the planner from walking the whole log for a type with few streams.
const PAGE_OF_TYPE: &str = concat!(
    event_columns!(),
    "FROM (SELECT log.position AS position FROM streams CROSS JOIN log ON log.stream = streams.id \
           WHERE streams.aggregate_type = ? AND log.position > ? ORDER BY log.position LIMIT ?) AS page \
     CROSS JOIN log ON log.position = page.position CROSS JOIN streams ON streams.id = log.stream \
     ORDER BY page.position"
);

static STREAM_EVENTS: LazyLock<Sized> = LazyLock::new(|| {
    Sized::new(
        concat!(event_columns!(), "FROM log JOIN streams ON streams.id = log.stream WHERE log.stream IN ("),
        "?",
        ") ORDER BY log.stream, log.sequence",
    )
});
static STREAM_IDS: LazyLock<Sized> = LazyLock::new(|| {
    Sized::new(
        "WITH asked (number, aggregate_type, merchant, aggregate_id) AS (VALUES ",
        "({n},?,?,?)",
        ") SELECT asked.number, streams.id FROM asked CROSS JOIN streams \
         ON streams.aggregate_type = asked.aggregate_type AND streams.merchant = asked.merchant \
         AND streams.aggregate_id = asked.aggregate_id",
    )
});
static DELIVERIES: LazyLock<Sized> = LazyLock::new(|| {
    Sized::new(
        "WITH asked (number, key) AS (VALUES ",
        "({n},?)",
        ") SELECT asked.number, deliveries.body, deliveries.stream, deliveries.sequence \
         FROM asked CROSS JOIN deliveries ON deliveries.key = asked.key",
    )
});
static SUBJECT_KEYS: LazyLock<Sized> = LazyLock::new(|| {
    Sized::new(
        "WITH asked (number, merchant, subject) AS (VALUES ",
        "({n},?,?)",
        ") SELECT asked.number, vault_keys.id, vault_keys.wrapped FROM asked CROSS JOIN vault_keys \
         ON vault_keys.subject = asked.subject AND vault_keys.merchant = asked.merchant",
    )
});
static VAULT: LazyLock<Sized> = LazyLock::new(|| {
    Sized::new(
        "SELECT vault.position, log.stream, vault_keys.id, vault_keys.merchant, vault_keys.subject, \
         vault_keys.wrapped, vault.sealed FROM log CROSS JOIN vault ON vault.position = log.position \
         CROSS JOIN vault_keys ON vault_keys.id = vault.subject_key WHERE log.stream IN (",
        "?",
        ")",
    )
});

/// The position of the last event.
pub(super) async fn head(readers: &SqlitePool, partition: u32) -> Result<Position, LogError> {
    let head: Option<i64> = sqlx::query_scalar("SELECT position FROM heads WHERE partition = ?")
        .bind(partition)
        .fetch_optional(readers)
        .await?;
    unsigned(head.ok_or_else(|| LogError::Damaged(format!("partition {partition} has no head")))?)
}

/// A page of the log. Positions are gapless, and a page that is not is refused.
pub(super) async fn page(readers: &SqlitePool, after: Position, limit: u32) -> Result<Vec<RecordedEvent>, LogError> {
    let rows = sqlx::query(PAGE).bind(after.cast_signed()).bind(limit).fetch_all(readers).await?;
    let events = events(&rows)?;
    for (event, expected) in events.iter().zip(after + 1..) {
        if event.position != expected {
            return Err(LogError::Damaged(format!("position {expected} is missing")));
        }
    }
    Ok(events)
}

/// A page of one aggregate type.
pub(super) async fn page_of_type(
    readers: &SqlitePool,
    aggregate_type: &str,
    after: Position,
    limit: u32,
) -> Result<Vec<RecordedEvent>, LogError> {
    let query = sqlx::query(PAGE_OF_TYPE).bind(aggregate_type).bind(after.cast_signed()).bind(limit);
    events(&query.fetch_all(readers).await?)
}

/// All events of some streams. Sequences are gapless from 1, and a stream that is not so is refused.
pub(super) async fn streams(readers: &SqlitePool, streams: &[StreamId]) -> Result<Vec<RecordedEvent>, LogError> {
    let mut found = Vec::new();
    for chunk in ascending(streams).chunks(LOOKUP_MAX) {
        let query = sqlx::query(STREAM_EVENTS.with_room_for(chunk.len()));
        let query = chunk.iter().fold(query, |query, stream| query.bind(stream.cast_signed()));
        found.append(&mut events(&query.fetch_all(readers).await?)?);
    }
    let mut before = (0, 0);
    for event in &found {
        let expected = if event.stream == before.0 { before.1 + 1 } else { 1 };
        if event.sequence != expected {
            return Err(LogError::Damaged(format!("stream {} misses sequence {expected}", event.stream)));
        }
        before = (event.stream, event.sequence);
    }
    Ok(found)
}

/// Stream ids by name.
pub(super) async fn find_streams(readers: &SqlitePool, keys: &[StreamKey]) -> Result<Vec<Option<StreamId>>, LogError> {
    find(
        readers,
        &STREAM_IDS,
        keys,
        |query, key| query.bind(&*key.aggregate_type).bind(key.merchant.as_str()).bind(&*key.aggregate_id),
        |_, row| unsigned(column(row, 1)?),
    )
    .await
}

/// Deliveries by key.
pub(super) async fn find_deliveries(
    readers: &SqlitePool,
    keys: &[DeliveryKey],
) -> Result<Vec<Option<NewDelivery>>, LogError> {
    find(
        readers,
        &DELIVERIES,
        keys,
        |query, key| query.bind(key.0.to_vec()),
        |key, row| {
            Ok(NewDelivery {
                key: *key,
                body: sixteen(column(row, 1)?)?,
                stream: unsigned(column(row, 2)?)?,
                sequence: unsigned(column(row, 3)?)?,
            })
        },
    )
    .await
}

/// Subject keys by merchant and subject.
pub(super) async fn find_subject_keys(
    readers: &SqlitePool,
    subjects: &[(MerchantId, Token)],
) -> Result<Vec<Option<SubjectKey>>, LogError> {
    find(
        readers,
        &SUBJECT_KEYS,
        subjects,
        |query, (merchant, subject)| query.bind(merchant.as_str()).bind(subject.as_bytes().to_vec()),
        |(merchant, subject), row| {
            Ok(SubjectKey {
                id: unsigned(column(row, 1)?)?,
                merchant: merchant.clone(),
                subject: *subject,
                wrapped: column::<&[u8]>(row, 2)?.into(),
            })
        },
    )
    .await
}

/// The oldest data key that was not erased.
pub(super) async fn first_subject_key(readers: &SqlitePool) -> Result<Option<SubjectKey>, LogError> {
    let query = sqlx::query("SELECT id, merchant, subject, wrapped FROM vault_keys ORDER BY id LIMIT 1");
    let Some(row) = query.fetch_optional(readers).await? else { return Ok(None) };
    Ok(Some(SubjectKey {
        id: unsigned(column(&row, 0)?)?,
        merchant: merchant(column(&row, 1)?)?,
        subject: Token::new(sixteen(column(&row, 2)?)?),
        wrapped: column::<&[u8]>(&row, 3)?.into(),
    }))
}

/// Vault rows by stream.
pub(super) async fn vault(readers: &SqlitePool, streams: &[StreamId]) -> Result<Vec<VaultRow>, LogError> {
    let mut found = Vec::new();
    for chunk in ascending(streams).chunks(LOOKUP_MAX) {
        let query = sqlx::query(VAULT.with_room_for(chunk.len()));
        let query = chunk.iter().fold(query, |query, stream| query.bind(stream.cast_signed()));
        for row in query.fetch_all(readers).await? {
            found.push(vault_row(&row)?);
        }
    }
    found.sort_unstable_by_key(|row| row.position);
    Ok(found)
}

async fn find<K, T>(
    readers: &SqlitePool,
    statement: &Sized,
    keys: &[K],
    bind: fn(Select, &K) -> Select,
    read: fn(&K, &SqliteRow) -> Result<T, LogError>,
) -> Result<Vec<Option<T>>, LogError> {
    let mut answers = Vec::with_capacity(keys.len());
    for chunk in keys.chunks(LOOKUP_MAX) {
        let query = chunk.iter().fold(sqlx::query(statement.with_room_for(chunk.len())), bind);
        let first = answers.len();
        answers.resize_with(first + chunk.len(), || None);
        for row in query.fetch_all(readers).await? {
            let number = usize::try_from(column::<i64>(&row, 0)?)
                .ok()
                .filter(|number| *number < chunk.len())
                .ok_or_else(|| LogError::Damaged("a look-up answered what was not asked".into()))?;
            answers[first + number] = Some(read(&chunk[number], &row)?);
        }
    }
    Ok(answers)
}

fn ascending(streams: &[StreamId]) -> Vec<StreamId> {
    let mut streams = streams.to_vec();
    streams.sort_unstable();
    streams.dedup();
    streams
}

/// Events with one shared name for each stream.
fn events(rows: &[SqliteRow]) -> Result<Vec<RecordedEvent>, LogError> {
    let mut keys: FxHashMap<StreamId, Arc<StreamKey>> = FxHashMap::default();
    rows.iter()
        .map(|row| {
            let stream = unsigned(column(row, 1)?)?;
            let key = match keys.entry(stream) {
                Entry::Occupied(known) => Arc::clone(known.get()),
                Entry::Vacant(place) => Arc::clone(place.insert(Arc::new(stream_key(row)?))),
            };
            Ok(RecordedEvent {
                partition: PARTITION,
                position: unsigned(column(row, 0)?)?,
                stream,
                key,
                sequence: unsigned(column(row, 2)?)?,
                event_type: column::<&str>(row, 3)?.into(),
                event_version: column::<&str>(row, 4)?.into(),
                payload: column::<&str>(row, 5)?.into(),
                metadata: column::<&str>(row, 6)?.into(),
                occurred_at: Timestamp::from_millis(column(row, 7)?),
                recorded_at: Timestamp::from_millis(column(row, 8)?),
            })
        })
        .collect()
}

fn stream_key(row: &SqliteRow) -> Result<StreamKey, LogError> {
    Ok(StreamKey {
        merchant: merchant(column(row, 9)?)?,
        aggregate_type: column::<&str>(row, 10)?.into(),
        aggregate_id: column::<&str>(row, 11)?.into(),
    })
}

fn vault_row(row: &SqliteRow) -> Result<VaultRow, LogError> {
    Ok(VaultRow {
        position: unsigned(column(row, 0)?)?,
        stream: unsigned(column(row, 1)?)?,
        subject_key: SubjectKey {
            id: unsigned(column(row, 2)?)?,
            merchant: merchant(column(row, 3)?)?,
            subject: Token::new(sixteen(column(row, 4)?)?),
            wrapped: column::<&[u8]>(row, 5)?.into(),
        },
        sealed: column::<&[u8]>(row, 6)?.into(),
    })
}

/// A column that is not of its type was not written by us.
fn column<'row, T>(row: &'row SqliteRow, index: usize) -> Result<T, LogError>
where
    T: sqlx::Decode<'row, Sqlite> + sqlx::Type<Sqlite>,
{
    row.try_get(index).map_err(|error| LogError::Damaged(error.to_string()))
}

/// Numbers in the log are never negative.
pub(super) fn unsigned(number: i64) -> Result<u64, LogError> {
    u64::try_from(number).map_err(|_| LogError::Damaged(format!("{number} is negative")))
}

fn sixteen(bytes: &[u8]) -> Result<[u8; 16], LogError> {
    bytes.try_into().map_err(|_| LogError::Damaged(format!("{} bytes in place of 16", bytes.len())))
}

fn merchant(text: &str) -> Result<MerchantId, LogError> {
    text.parse().map_err(|_| LogError::Damaged("a stream has no merchant".into()))
}
