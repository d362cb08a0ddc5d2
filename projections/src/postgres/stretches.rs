//! The tables under `order_status`, each of which holds a stretch of a partition's streams.
//!
//! What orders are found by are random numbers, so each new order writes to a page of each index that nobody wrote to for long. While
//! these pages are few they stay in memory and go into the server's log once between two of its checkpoints; in indexes over a million
//! orders nearly every entry costs a page of its own there. Streams ascend, so the indexes of the newest stretch are small, and those
//! of earlier ones are at rest. A look-up asks each stretch of its merchant's partition.

use std::collections::{BTreeMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};

use eventlog::StreamId;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, QueryBuilder};

use super::settings::ON_DISK;
use crate::error::StoreError;
use crate::store::Generation;

/// A stretch holds `1 << STREAMS_BITS` streams: the fewer, the less a new order costs, and the more tables a look-up goes through.
const STREAMS_BITS: u32 = 17;

/// A stretch of one generation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Stretch {
    generation: Generation,
    number: u64,
}

impl Stretch {
    pub(super) const fn of(generation: Generation, stream: StreamId) -> Self {
        Self { generation, number: stream >> STREAMS_BITS }
    }

    pub(super) fn table(self) -> String {
        format!("{}_s{:x}", self.generation.table(), self.number)
    }

    /// Attached instead of made as a part of the whole, so that who looks up goes on meanwhile. Pages have room for the next version
    /// of a row. It is remembered, so its transaction must outlive a crash of the server.
    pub(super) async fn make(self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let (name, whole) = (self.table(), self.generation.table());
        let (first, end) = (self.number << STREAMS_BITS, (self.number + 1) << STREAMS_BITS);
        let statements = format!(
            "{ON_DISK}; CREATE TABLE {name} (LIKE {whole}) WITH (fillfactor = 90); \
             ALTER TABLE {whole} ATTACH PARTITION {name} FOR VALUES FROM ({first}) TO ({end})"
        );
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(connection).await?;
        Ok(())
    }
}

/// The tables of all stretches of a whole table.
pub(super) async fn tables(connection: &mut PgConnection, whole: &str) -> Result<Vec<String>, StoreError> {
    let its = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = to_regclass($1)";
    Ok(sqlx::query_scalar(its).bind(whole).fetch_all(connection).await?)
}

/// What belongs to each stretch.
pub(super) fn by_stretch<T>(
    generation: Generation,
    all: impl IntoIterator<Item = T>,
    stream: impl Fn(&T) -> StreamId,
) -> BTreeMap<Stretch, Vec<T>> {
    let mut stretches: BTreeMap<Stretch, Vec<T>> = BTreeMap::new();
    for one in all {
        stretches.entry(Stretch::of(generation, stream(&one))).or_default().push(one);
    }
    stretches
}

/// The stretches that are known to be there, for as long as their generation is: its number is never given again.
#[derive(Default)]
pub(super) struct Stretches(Mutex<HashSet<Stretch>>);

impl Stretches {
    pub(super) async fn has(&self, stretch: Stretch, connection: &mut PgConnection) -> Result<bool, StoreError> {
        if self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&stretch) {
            return Ok(true);
        }
        let is_there = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(stretch.table());
        Ok(is_there.fetch_one(connection).await?)
    }

    /// Forgets all: it is looked for again what is there.
    pub(super) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(super) fn remember(&self, committed: impl IntoIterator<Item = Stretch>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(committed);
    }
}

/// Whose rows are looked for: a merchant, by its number, and where its streams are.
#[derive(Clone, Copy)]
pub(super) struct Whose {
    merchant: i64,
    first: i64,
    last: i64,
}

impl Whose {
    pub(super) fn new(merchant: i64, streams: &RangeInclusive<StreamId>) -> Self {
        Self { merchant, first: streams.start().cast_signed(), last: streams.end().cast_signed() }
    }

    /// The condition on a row, which also says which stretches need not be asked. `BETWEEN` would say that as well; but of a table that the
    /// server has not looked at it takes a number between two others for as rare as an order number, and chooses any index that
    /// holds it.
    pub(super) fn push(self, sql: &mut QueryBuilder<Postgres>) {
        sql.push("merchant = ").push_bind(self.merchant);
        sql.push(" AND stream >= ALL (ARRAY[").push_bind(self.first);
        sql.push("]) AND stream <= ALL (ARRAY[").push_bind(self.last).push("])");
    }
}
