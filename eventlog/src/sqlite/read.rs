//! Reads. Look-ups of many keys are answered in the order asked for.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use domain::ids::{MerchantId, Token};
use domain::time::Timestamp;
use rusqlite::types::FromSql;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, Row};
use rustc_hash::FxHashMap;

use super::PARTITION;
use super::names::{Known, Names, texts};
use crate::absence::{Kind, Page, Place, ROWS_MAX, Stored, Thing};
use crate::{
    DeliveryKey, LogError, Look, NewDelivery, Position, RecordedEvent, Shown, StreamId, StreamKey, SubjectKey, VaultRow,
};

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

// A stream's name is looked up where the stream begins; most streams of a page begin in it. The others are asked for by themselves.
const SCAN: &str = "SELECT log.position, log.stream, log.sequence, log.event_type, log.event_version, log.payload, \
     log.occurred_at, log.recorded_at, streams.merchant, streams.aggregate_type, streams.aggregate_id \
     FROM log LEFT JOIN streams ON streams.id = CASE WHEN log.sequence = 1 THEN log.stream END \
     WHERE log.position > ? ORDER BY log.position LIMIT ?";

const STREAM_NAME: &str = "SELECT merchant, aggregate_type, aggregate_id FROM streams WHERE id = ?";

// CROSS JOIN keeps the planner from walking the whole log for a type with few streams.
const PAGE_OF_TYPE: &str = concat!(
    event_columns!(),
    "FROM (SELECT log.position AS position FROM streams CROSS JOIN log ON log.stream = streams.id \
           WHERE streams.aggregate_type = ? AND log.position > ? ORDER BY log.position LIMIT ?) AS page \
     CROSS JOIN log ON log.position = page.position CROSS JOIN streams ON streams.id = log.stream \
     ORDER BY page.position"
);

const STREAM_EVENTS: &str = concat!(
    event_columns!(),
    "FROM log JOIN streams ON streams.id = log.stream WHERE log.stream = ? ORDER BY log.sequence"
);

const STREAM_NAMES: &str =
    "SELECT id, aggregate_type, merchant, aggregate_id FROM streams WHERE id >= ? ORDER BY id LIMIT ?";
const DELIVERY_KEYS: &str = "SELECT key, stream FROM deliveries WHERE key >= ? ORDER BY key LIMIT ?";
const SUBJECTS: &str = "SELECT id, merchant, subject FROM vault_keys WHERE id >= ? ORDER BY id LIMIT ?";
const STREAM_ID: &str = "SELECT id FROM streams WHERE aggregate_type = ? AND merchant = ? AND aggregate_id = ?";
const DELIVERY: &str = "SELECT body, stream, sequence FROM deliveries WHERE key = ?";
const SUBJECT_KEY: &str = "SELECT id, wrapped FROM vault_keys WHERE subject = ? AND merchant = ?";
const VAULT: &str = "SELECT vault.position, log.stream, vault_keys.id, vault_keys.merchant, vault_keys.subject, \
     vault_keys.wrapped, vault.sealed FROM log CROSS JOIN vault ON vault.position = log.position \
     CROSS JOIN vault_keys ON vault_keys.id = vault.subject_key WHERE log.stream = ?";

/// The position of the last event.
pub(super) fn head(connection: &Connection, partition: u32) -> Result<Position, LogError> {
    let mut statement = connection.prepare_cached("SELECT position FROM heads WHERE partition = ?")?;
    let head = statement.query_row((partition,), |row| row.get(0)).optional()?;
    unsigned(head.ok_or_else(|| LogError::Damaged(format!("partition {partition} has no head")))?)
}

/// A page of the log. Positions are gapless, and a page that is not is refused.
pub(super) fn page(connection: &Connection, after: Position, limit: u32) -> Result<Vec<Arc<RecordedEvent>>, LogError> {
    let events = events(&mut connection.prepare_cached(PAGE)?, (after.cast_signed(), limit))?;
    for (event, expected) in events.iter().zip(after + 1..) {
        if event.position != expected {
            return Err(LogError::Damaged(format!("position {expected} is missing")));
        }
    }
    Ok(events.into_iter().map(Arc::new).collect())
}

/// Shows a page of the log. Positions are gapless, and one that is not the next is refused.
pub(super) fn scan(
    connection: &Connection,
    known: &Known,
    after: Position,
    limit: u32,
    look: &mut Look,
) -> Result<(), LogError> {
    let mut names = Names::default();
    let mut statement = connection.prepare_cached(SCAN)?;
    let mut rows = statement.query((after.cast_signed(), limit))?;
    let mut before = after;
    while let Some(row) = rows.next()? {
        let (position, expected) = (unsigned(column(row, 0)?)?, before + 1);
        if position != expected {
            return Err(LogError::Damaged(format!("position {expected} is missing")));
        }
        before = position;
        let (stream, sequence) = (unsigned(column(row, 1)?)?, unsigned(column(row, 2)?)?);
        let name = match names.find(stream) {
            Some(taken_in) => taken_in,
            None if sequence == 1 => {
                let name = texts(row, 8)?;
                known.keep(stream, name);
                names.take_in(stream, name)?
            }
            None => match known.recall(stream, &mut names)? {
                Some(recalled) => recalled,
                None => look_for(connection, stream, known, &mut names)?,
            },
        };
        look(Shown {
            partition: PARTITION,
            position,
            stream,
            key: names.lent(name),
            sequence,
            event_type: text(row, 3)?,
            event_version: text(row, 4)?,
            payload: text(row, 5)?,
            occurred_at: Timestamp::from_millis(column(row, 6)?),
            recorded_at: Timestamp::from_millis(column(row, 7)?),
        });
    }
    Ok(())
}

/// Has a stream's name taken in that no scan came by lately; gives its place.
fn look_for(connection: &Connection, stream: StreamId, known: &Known, names: &mut Names) -> Result<usize, LogError> {
    let mut statement = connection.prepare_cached(STREAM_NAME)?;
    let name = one(&mut statement, (stream.cast_signed(),), |row| {
        let name = texts(row, 0)?;
        known.keep(stream, name);
        names.take_in(stream, name)
    })?;
    name.ok_or_else(|| LogError::Damaged(format!("stream {stream} has no name")))
}

/// A page of one aggregate type.
pub(super) fn page_of_type(
    connection: &Connection,
    aggregate_type: &str,
    after: Position,
    limit: u32,
) -> Result<Vec<RecordedEvent>, LogError> {
    events(&mut connection.prepare_cached(PAGE_OF_TYPE)?, (aggregate_type, after.cast_signed(), limit))
}

/// All events of some streams. Sequences are gapless from 1, and a stream that is not so is refused.
pub(super) fn streams(connection: &Connection, streams: &[StreamId]) -> Result<Vec<RecordedEvent>, LogError> {
    let mut statement = connection.prepare_cached(STREAM_EVENTS)?;
    let mut found = Vec::new();
    for stream in ascending(streams) {
        let events = events(&mut statement, (stream.cast_signed(),))?;
        for (event, expected) in events.iter().zip(1..) {
            if event.sequence != expected {
                return Err(LogError::Damaged(format!("stream {stream} misses sequence {expected}")));
            }
        }
        found.extend(events);
    }
    Ok(found)
}

/// Stream ids by name.
pub(super) fn find_streams(connection: &Connection, keys: &[StreamKey]) -> Result<Vec<Option<StreamId>>, LogError> {
    let mut statement = connection.prepare_cached(STREAM_ID)?;
    let find = |key: &StreamKey| {
        let name = (&*key.aggregate_type, key.merchant.as_str(), &*key.aggregate_id);
        one(&mut statement, name, |row| unsigned(column(row, 0)?))
    };
    keys.iter().map(find).collect()
}

/// Deliveries by key.
pub(super) fn find_deliveries(
    connection: &Connection,
    keys: &[DeliveryKey],
) -> Result<Vec<Option<NewDelivery>>, LogError> {
    let mut statement = connection.prepare_cached(DELIVERY)?;
    let find = |key: &DeliveryKey| {
        one(&mut statement, (&key.0,), |row| {
            let (body, stream, sequence) = (column(row, 0)?, unsigned(column(row, 1)?)?, unsigned(column(row, 2)?)?);
            Ok(NewDelivery { key: *key, body, stream, sequence })
        })
    };
    keys.iter().map(find).collect()
}

/// Subject keys by merchant and subject.
pub(super) fn find_subject_keys(
    connection: &Connection,
    subjects: &[(MerchantId, Token)],
) -> Result<Vec<Option<SubjectKey>>, LogError> {
    let mut statement = connection.prepare_cached(SUBJECT_KEY)?;
    let find = |(merchant, subject): &(MerchantId, Token)| {
        one(&mut statement, (subject.as_bytes(), merchant.as_str()), |row| {
            let (id, wrapped) = (unsigned(column(row, 0)?)?, blob(row, 1)?);
            Ok(SubjectKey { id, merchant: merchant.clone(), subject: *subject, wrapped })
        })
    };
    subjects.iter().map(find).collect()
}

/// The oldest data key that was not erased.
pub(super) fn first_subject_key(connection: &Connection) -> Result<Option<SubjectKey>, LogError> {
    let mut statement =
        connection.prepare_cached("SELECT id, merchant, subject, wrapped FROM vault_keys ORDER BY id LIMIT 1")?;
    one(&mut statement, (), |row| subject_key(row, 0))
}

/// Vault rows by stream.
pub(super) fn vault(connection: &Connection, streams: &[StreamId]) -> Result<Vec<VaultRow>, LogError> {
    let mut statement = connection.prepare_cached(VAULT)?;
    let mut found = Vec::new();
    for stream in ascending(streams) {
        let mut rows = statement.query((stream.cast_signed(),))?;
        while let Some(row) = rows.next()? {
            found.push(VaultRow {
                position: unsigned(column(row, 0)?)?,
                stream: unsigned(column(row, 1)?)?,
                subject_key: subject_key(row, 2)?,
                sealed: blob(row, 6)?,
            });
        }
    }
    found.sort_unstable_by_key(|row| row.position);
    Ok(found)
}

/// A page of what the log holds, of one kind.
pub(super) fn stored(connection: &Connection, place: Place) -> Result<Page, LogError> {
    // Ids are at most as large as an integer of the store, and a number's bytes are a key's.
    let id_from = i64::try_from(place.from).unwrap_or(i64::MAX);
    let rows = match place.kind {
        Kind::Streams => some(connection, STREAM_NAMES, (id_from, ROWS_MAX), |row| {
            let id = unsigned(column(row, 0)?)?;
            Ok((id.into(), Stored { id, thing: Thing::stream(text(row, 1)?, text(row, 2)?, text(row, 3)?) }))
        }),
        Kind::Deliveries => some(connection, DELIVERY_KEYS, (place.from.to_be_bytes(), ROWS_MAX), |row| {
            let key = DeliveryKey(column(row, 0)?);
            let id = unsigned(column(row, 1)?)?;
            Ok((u128::from_be_bytes(key.0), Stored { id, thing: Thing::delivery(&key) }))
        }),
        Kind::Subjects => some(connection, SUBJECTS, (id_from, ROWS_MAX), |row| {
            let id = unsigned(column(row, 0)?)?;
            Ok((id.into(), Stored { id, thing: Thing::subject(text(row, 1)?, &Token::new(column(row, 2)?)) }))
        }),
    };
    rows.map(Page::numbered)
}

fn some<T>(
    connection: &Connection,
    statement: &str,
    parameters: impl Params,
    read: impl Fn(&Row<'_>) -> Result<T, LogError>,
) -> Result<Vec<T>, LogError> {
    let mut statement = connection.prepare_cached(statement)?;
    let mut rows = statement.query(parameters)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn one<T>(
    statement: &mut CachedStatement<'_>,
    parameters: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T, LogError>,
) -> Result<Option<T>, LogError> {
    let mut rows = statement.query(parameters)?;
    rows.next()?.map(read).transpose()
}

fn ascending(streams: &[StreamId]) -> Vec<StreamId> {
    let mut streams = streams.to_vec();
    streams.sort_unstable();
    streams.dedup();
    streams
}

/// Events with one shared name for each stream.
fn events(statement: &mut CachedStatement<'_>, parameters: impl Params) -> Result<Vec<RecordedEvent>, LogError> {
    let mut keys: FxHashMap<StreamId, Arc<StreamKey>> = FxHashMap::default();
    let mut events = Vec::new();
    let mut rows = statement.query(parameters)?;
    while let Some(row) = rows.next()? {
        let stream = unsigned(column(row, 1)?)?;
        let key = match keys.entry(stream) {
            Entry::Occupied(known) => Arc::clone(known.get()),
            Entry::Vacant(place) => Arc::clone(place.insert(Arc::new(stream_key(row, 9)?))),
        };
        events.push(RecordedEvent {
            partition: PARTITION,
            position: unsigned(column(row, 0)?)?,
            stream,
            key,
            sequence: unsigned(column(row, 2)?)?,
            event_type: text(row, 3)?.into(),
            event_version: text(row, 4)?.into(),
            payload: text(row, 5)?.into(),
            metadata: text(row, 6)?.into(),
            occurred_at: Timestamp::from_millis(column(row, 7)?),
            recorded_at: Timestamp::from_millis(column(row, 8)?),
        });
    }
    Ok(events)
}

/// A stream's name whose columns begin at `first`.
fn stream_key(row: &Row<'_>, first: usize) -> Result<StreamKey, LogError> {
    Ok(StreamKey {
        merchant: merchant(text(row, first)?)?,
        aggregate_type: text(row, first + 1)?.into(),
        aggregate_id: text(row, first + 2)?.into(),
    })
}

/// A subject key whose columns begin at `first`.
fn subject_key(row: &Row<'_>, first: usize) -> Result<SubjectKey, LogError> {
    Ok(SubjectKey {
        id: unsigned(column(row, first)?)?,
        merchant: merchant(text(row, first + 1)?)?,
        subject: Token::new(column(row, first + 2)?),
        wrapped: blob(row, first + 3)?,
    })
}

/// A column that is not of its type was not written by us.
fn column<T: FromSql>(row: &Row<'_>, index: usize) -> Result<T, LogError> {
    row.get(index).map_err(damaged)
}

pub(super) fn text<'row>(row: &'row Row<'_>, index: usize) -> Result<&'row str, LogError> {
    row.get_ref(index)?.as_str().map_err(damaged)
}

fn blob(row: &Row<'_>, index: usize) -> Result<Box<[u8]>, LogError> {
    row.get_ref(index)?.as_blob().map(Box::from).map_err(damaged)
}

fn damaged(error: impl std::fmt::Display) -> LogError {
    LogError::Damaged(error.to_string())
}

/// Numbers in the log are never negative.
pub(super) fn unsigned(number: i64) -> Result<u64, LogError> {
    u64::try_from(number).map_err(|_| LogError::Damaged(format!("{number} is negative")))
}

pub(super) fn merchant(text: &str) -> Result<MerchantId, LogError> {
    text.parse().map_err(|_| LogError::Damaged("a stream has no merchant".into()))
}
