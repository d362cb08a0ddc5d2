//! Reads of events, heads and the vault.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use domain::ids::{MerchantId, Token};
use domain::time::Timestamp;
use rustc_hash::FxHashMap;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres, Row};

use super::settings::STATEMENT_MAX;
use super::sixteen::Sixteen;
use crate::absence::{Kind, Page, Place, ROWS_MAX, Stored, Thing};
use crate::partition::ids_of;
use crate::{DeliveryKey, LogError, Look, Position, RecordedEvent, Shown, StreamId, StreamKey, SubjectKey, VaultRow};

macro_rules! event_columns {
    () => {
        event_columns!("log.metadata")
    };
    ($metadata:literal) => {
        concat!(
            "SELECT log.partition, log.position, log.stream, log.sequence, log.event_type, log.event_version, log.payload, ",
            $metadata,
            ", log.occurred_at, log.recorded_at, streams.merchant, streams.aggregate_type, streams.aggregate_id "
        )
    };
}

// Looking a stream's name up and sending it costs as much as an event, so it is done where the stream begins; most streams of a
// page begin in it. Names of the others are asked for by themselves.
macro_rules! page {
    ($metadata:literal) => {
        concat!(
            event_columns!($metadata),
            "FROM (SELECT * FROM log WHERE partition = $1 AND position > $2 ORDER BY position LIMIT $3) AS log \
             LEFT JOIN streams ON streams.id = CASE WHEN log.sequence = 1 THEN log.stream END ORDER BY log.position"
        )
    };
}
const PAGE: &str = page!("log.metadata");
const SCAN: &str = page!("''");

const NAMES: &str = "SELECT id, merchant, aggregate_type, aggregate_id FROM streams WHERE id = ANY($1)";

// A type's streams are found first, by index, so that a rare one is not looked for in the whole log. OFFSET 0 keeps the planner from
// taking that apart: in a log of three million events it went through all of them, twice at each start.
const PAGE_OF_TYPE: &str = concat!(
    event_columns!(),
    "FROM (SELECT its.position FROM streams \
           CROSS JOIN LATERAL (SELECT position FROM log WHERE log.stream = streams.id AND position > $3 OFFSET 0) AS its \
           WHERE streams.aggregate_type = $1 AND streams.id BETWEEN $5 AND $6 \
           ORDER BY its.position LIMIT $4) AS page \
     CROSS JOIN LATERAL (SELECT * FROM log WHERE partition = $2 AND position = page.position OFFSET 0) AS log \
     JOIN streams ON streams.id = log.stream ORDER BY page.position"
);

pub(super) const STREAM_EVENTS: &str = concat!(
    event_columns!(),
    "FROM log JOIN streams ON streams.id = log.stream WHERE log.stream = ANY($1) ORDER BY log.stream, log.sequence"
);

/// The position of the last event.
pub(super) async fn head(connection: &mut PgConnection, partition: u32) -> Result<Position, LogError> {
    let query = sqlx::query("SELECT position FROM heads WHERE partition = $1").bind(partition.cast_signed());
    let rows = fetch(query, connection).await?;
    let head = rows.first().ok_or_else(|| LogError::Damaged(format!("partition {partition} has no head")))?;
    unsigned(column(head, 0)?)
}

/// All heads, in the order of partitions from 0 on.
pub(super) async fn heads(connection: &mut PgConnection) -> Result<Vec<Position>, LogError> {
    let rows = fetch(sqlx::query("SELECT partition, position FROM heads ORDER BY partition"), connection).await?;
    let heads = rows.iter().zip(0..).map(|(row, expected)| {
        if column::<i32>(row, 0)? == expected {
            unsigned(column(row, 1)?)
        } else {
            Err(LogError::Damaged(format!("partition {expected} has no head")))
        }
    });
    heads.collect()
}

/// A page of the log. Positions are gapless, and a page that is not is refused.
pub(super) async fn page(
    connection: &mut PgConnection,
    partition: u32,
    after: Position,
    limit: u32,
) -> Result<Vec<RecordedEvent>, LogError> {
    let (rows, names) = page_rows(connection, PAGE, partition, after, limit).await?;
    let events = events(&rows, &names)?;
    events.iter().zip(after + 1..).try_for_each(|(event, expected)| check_position(event.position, expected))?;
    Ok(events)
}

/// A page of the log as it came, to be [shown](Self::show).
pub(super) struct Scanned {
    rows: Vec<PgRow>,
    names: Names,
    after: Position,
}

/// Reads a page of the log without metadata.
pub(super) async fn scan(
    connection: &mut PgConnection,
    partition: u32,
    after: Position,
    limit: u32,
) -> Result<Scanned, LogError> {
    let (rows, names) = page_rows(connection, SCAN, partition, after, limit).await?;
    Ok(Scanned { rows, names, after })
}

impl Scanned {
    /// Shows the events. Positions are gapless, and one that is not the next is refused.
    pub(super) fn show(&self, look: &mut Look) -> Result<(), LogError> {
        for (row, expected) in self.rows.iter().zip(self.after + 1..) {
            let event = shown(row, &self.names)?;
            check_position(event.position, expected)?;
            look(event);
        }
        Ok(())
    }
}

async fn page_rows(
    connection: &mut PgConnection,
    page: &'static str,
    partition: u32,
    after: Position,
    limit: u32,
) -> Result<(Vec<PgRow>, Names), LogError> {
    let query = sqlx::query(page).bind(partition.cast_signed()).bind(signed(after)).bind(i64::from(limit));
    let rows = fetch(query, connection).await?;
    let mut names = names(&rows)?;
    let unnamed = unnamed(&rows, &names)?;
    if !unnamed.is_empty() {
        for row in fetch(sqlx::query(NAMES).bind(unnamed), connection).await? {
            names.insert(unsigned(column(&row, 0)?)?, Arc::new(stream_key(&row, 1)?));
        }
    }
    Ok((rows, names))
}

fn check_position(found: Position, expected: Position) -> Result<(), LogError> {
    if found == expected { Ok(()) } else { Err(LogError::Damaged(format!("position {expected} is missing"))) }
}

/// A page of one aggregate type.
pub(super) async fn page_of_type(
    connection: &mut PgConnection,
    partition: u32,
    aggregate_type: &str,
    after: Position,
    limit: u32,
) -> Result<Vec<RecordedEvent>, LogError> {
    let ids = ids_of(partition);
    let query = sqlx::query(PAGE_OF_TYPE)
        .bind(aggregate_type)
        .bind(partition.cast_signed())
        .bind(signed(after))
        .bind(i64::from(limit))
        .bind(ids.start().cast_signed())
        .bind(ids.end().cast_signed());
    let rows = fetch(query, connection).await?;
    events(&rows, &names(&rows)?)
}

/// All events of some streams. Sequences are gapless from 1, and a stream that is not so is refused.
pub(super) async fn streams(
    connection: &mut PgConnection,
    streams: &[StreamId],
) -> Result<Vec<RecordedEvent>, LogError> {
    let rows = fetch(sqlx::query(STREAM_EVENTS).bind(numbers(streams)), connection).await?;
    let found = events(&rows, &names(&rows)?)?;
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

const STREAM_NAMES: &str =
    "SELECT id, aggregate_type, merchant, aggregate_id FROM streams WHERE id >= $1 ORDER BY id LIMIT $2";
const SUBJECTS: &str = "SELECT id, merchant, subject FROM vault_keys WHERE id >= $1 ORDER BY id LIMIT $2";
/// Keys are random, and their rows lie in the order in which they came: gone through by where they lie.
const DELIVERY_KEYS: &str = "SELECT key, stream FROM deliveries WHERE ctid >= $1::tid AND ctid < $2::tid";
const DELIVERIES_BLOCKS: &str = "SELECT pg_relation_size('deliveries') / current_setting('block_size')::bigint";
/// So many blocks hold about [`ROWS_MAX`] deliveries.
const DELIVERIES_BLOCKS_MAX: i64 = 32;

/// A page of what the log holds, of one kind.
pub(super) async fn stored(connection: &mut PgConnection, place: Place) -> Result<Page, LogError> {
    let (from, limit) = (i64::try_from(place.from).unwrap_or(i64::MAX), i64::from(ROWS_MAX));
    match place.kind {
        Kind::Streams => {
            let rows = fetch(sqlx::query(STREAM_NAMES).bind(from).bind(limit), connection).await?;
            let row = |row| {
                let id = unsigned(column(row, 0)?)?;
                let thing = Thing::stream(column(row, 1)?, column(row, 2)?, column(row, 3)?);
                Ok((id.into(), Stored { id, thing }))
            };
            rows.iter().map(row).collect::<Result<_, LogError>>().map(Page::numbered)
        }
        Kind::Deliveries => {
            let end = from + DELIVERIES_BLOCKS_MAX;
            let query = sqlx::query(DELIVERY_KEYS).bind(format!("({from},0)")).bind(format!("({end},0)"));
            let rows = fetch(query, connection).await?;
            let row = |row| {
                let thing = Thing::delivery(&DeliveryKey(column::<Sixteen>(row, 0)?.0));
                Ok(Stored { id: unsigned(column(row, 1)?)?, thing })
            };
            let rows = rows.iter().map(row).collect::<Result<_, LogError>>()?;
            let blocks = fetch(sqlx::query(DELIVERIES_BLOCKS), connection).await?;
            let blocks: i64 = blocks.first().map_or(Ok(0), |row| column(row, 0))?;
            Ok(Page {
                rows,
                next: (end < blocks).then_some(place.from + u128::from(DELIVERIES_BLOCKS_MAX.unsigned_abs())),
            })
        }
        Kind::Subjects => {
            let rows = fetch(sqlx::query(SUBJECTS).bind(from).bind(limit), connection).await?;
            let row = |row| {
                let id = unsigned(column(row, 0)?)?;
                let subject = Token::new(column::<Sixteen>(row, 2)?.0);
                Ok((id.into(), Stored { id, thing: Thing::subject(column(row, 1)?, &subject) }))
            };
            rows.iter().map(row).collect::<Result<_, LogError>>().map(Page::numbered)
        }
    }
}

/// The oldest data key that was not erased.
pub(super) async fn first_subject_key(connection: &mut PgConnection) -> Result<Option<SubjectKey>, LogError> {
    let query = sqlx::query("SELECT id, merchant, subject, wrapped FROM vault_keys ORDER BY id LIMIT 1");
    fetch(query, connection).await?.first().map(|row| subject_key(row, 0)).transpose()
}

/// Vault rows by stream.
pub(super) async fn vault(connection: &mut PgConnection, streams: &[StreamId]) -> Result<Vec<VaultRow>, LogError> {
    let query = sqlx::query(
        "SELECT vault_keys.id, vault_keys.merchant, vault_keys.subject, vault_keys.wrapped, vault.position, log.stream, \
         vault.sealed FROM log JOIN vault USING (partition, position) \
         JOIN vault_keys ON vault_keys.id = vault.subject_key WHERE log.stream = ANY($1) ORDER BY vault.position",
    )
    .bind(numbers(streams));
    let rows = fetch(query, connection).await?;
    let row = |row| {
        Ok(VaultRow {
            subject_key: subject_key(row, 0)?,
            position: unsigned(column(row, 4)?)?,
            stream: unsigned(column(row, 5)?)?,
            sealed: column::<&[u8]>(row, 6)?.into(),
        })
    };
    rows.iter().map(row).collect()
}

pub(super) async fn fetch(
    query: Query<'_, Postgres, PgArguments>,
    connection: &mut PgConnection,
) -> Result<Vec<PgRow>, LogError> {
    let answer = tokio::time::timeout(STATEMENT_MAX, query.fetch_all(connection)).await;
    Ok(answer.map_err(|_| LogError::Store("query was not answered in time".into()))??)
}

type Names = FxHashMap<StreamId, Arc<StreamKey>>;

/// The names that came with the rows, each once.
fn names(rows: &[PgRow]) -> Result<Names, LogError> {
    let mut names = Names::default();
    for row in rows {
        if let Entry::Vacant(place) = names.entry(unsigned(column(row, 2)?)?)
            && column::<Option<&str>>(row, 10)?.is_some()
        {
            place.insert(Arc::new(stream_key(row, 10)?));
        }
    }
    Ok(names)
}

/// The streams of rows whose names did not come.
fn unnamed(rows: &[PgRow], names: &Names) -> Result<Vec<i64>, LogError> {
    let mut unnamed = Vec::new();
    for row in rows {
        let stream = column::<i64>(row, 2)?;
        if !names.contains_key(&stream.cast_unsigned()) {
            unnamed.push(stream);
        }
    }
    unnamed.sort_unstable();
    unnamed.dedup();
    Ok(unnamed)
}

/// Events, which share the name of their stream.
fn events(rows: &[PgRow], names: &Names) -> Result<Vec<RecordedEvent>, LogError> {
    let event = |row: &PgRow| {
        let shown = shown(row, names)?;
        let event = shown.kept_under(Arc::clone(&names[&shown.stream]));
        Ok(RecordedEvent { metadata: column::<&str>(row, 7)?.into(), ..event })
    };
    rows.iter().map(event).collect()
}

fn shown<'a>(row: &'a PgRow, names: &'a Names) -> Result<Shown<'a>, LogError> {
    let stream = unsigned(column(row, 2)?)?;
    let key = names.get(&stream).ok_or_else(|| LogError::Damaged(format!("stream {stream} has no name")))?;
    Ok(Shown {
        partition: column::<i32>(row, 0)?.cast_unsigned(),
        position: unsigned(column(row, 1)?)?,
        stream,
        key: key.lent(),
        sequence: unsigned(column(row, 3)?)?,
        event_type: column(row, 4)?,
        event_version: column(row, 5)?,
        payload: column(row, 6)?,
        occurred_at: Timestamp::from_millis(column(row, 8)?),
        recorded_at: Timestamp::from_millis(column(row, 9)?),
    })
}

fn stream_key(row: &PgRow, first: usize) -> Result<StreamKey, LogError> {
    Ok(StreamKey {
        merchant: merchant(column(row, first)?)?,
        aggregate_type: column::<&str>(row, first + 1)?.into(),
        aggregate_id: column::<&str>(row, first + 2)?.into(),
    })
}

fn subject_key(row: &PgRow, first: usize) -> Result<SubjectKey, LogError> {
    Ok(SubjectKey {
        id: unsigned(column(row, first)?)?,
        merchant: merchant(column(row, first + 1)?)?,
        subject: Token::new(column::<Sixteen>(row, first + 2)?.0),
        wrapped: column::<&[u8]>(row, first + 3)?.into(),
    })
}

/// A column that is not of its type was not written by us.
pub(super) fn column<'row, T>(row: &'row PgRow, index: usize) -> Result<T, LogError>
where
    T: sqlx::Decode<'row, Postgres> + sqlx::Type<Postgres>,
{
    row.try_get(index).map_err(|error| LogError::Damaged(error.to_string()))
}

/// Numbers in the log are never negative.
pub(super) fn unsigned(number: i64) -> Result<u64, LogError> {
    u64::try_from(number).map_err(|_| LogError::Damaged(format!("{number} is negative")))
}

/// Nothing lies beyond the largest.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn numbers(streams: &[StreamId]) -> Vec<i64> {
    let mut numbers: Vec<i64> = streams.iter().copied().map(signed).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

fn merchant(text: &str) -> Result<MerchantId, LogError> {
    text.parse().map_err(|_| LogError::Damaged("a stream has no merchant".into()))
}
