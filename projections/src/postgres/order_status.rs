//! The table of `order_status`, in Postgres.
//!
//! Every index is paid for at each new order, so there is one per handle that people search or link by and no more. Handles
//! that are not known take no entry. What changes after placement stands in no index but two small ones that hold only orders that are
//! held or reached a tier, and pages have room for the next version of a row, so that moving on touches no index. `listed_at` and
//! `stream` end each index, so that a page is read in order and no more than it.

use domain::ids::OrderId;
use domain::time::Timestamp;
use eventlog::StreamId;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Row as _};

use super::stretches::{Stretch, Stretches, by_stretch};
use crate::error::StoreError;
use crate::fold::Touched;
use crate::order_status::{
    Course, Handles, OrderChallenge, OrderFacts, OrderRisk, OrderStatusRow, UnifiedStatus, stock,
};
use crate::store::Generation;
use crate::words::{method_word, read_method, read_state, read_status, state_word, status_word};

type Columns = [(&'static str, &'static str)];

/// How an order stands; changes all the time.
const PROGRESS: [(&str, &str); 20] = [
    ("state", "text"),
    ("score", "bigint"),
    ("tier", "text"),
    ("rulebook_version", "bigint"),
    ("exemption", "text"),
    ("hits", "text"),
    ("challenge_id", "text"),
    ("challenge_method", "text"),
    ("challenge_expires_at", "bigint"),
    ("held_since", "bigint"),
    ("released_by", "text"),
    ("marks", "bigint"),
    ("decided_at", "bigint"),
    ("asked_at", "bigint"),
    ("resolved_at", "bigint"),
    ("status", "text"),
    ("status_at", "bigint"),
    ("status_source", "text"),
    ("sources", "text"),
    ("position", "bigint"),
];
/// What it is; changes with amendments.
const FACTS: [(&str, &str); 14] = [
    ("listed_at", "bigint"),
    ("placed_at", "bigint"),
    ("display_no", "text"),
    ("amount", "bigint"),
    ("currency", "text"),
    ("level", "bigint"),
    ("stock", "text"),
    ("customer", "bigint"),
    ("buyer_phone", "bigint"),
    ("recipient_phone", "bigint"),
    ("device", "bigint"),
    ("ip", "bigint"),
    ("ip24", "bigint"),
    ("address", "bigint"),
];
/// What names it; never changes.
const NAMES: [(&str, &str); 4] =
    [("stream", "bigint"), ("merchant", "bigint"), ("channel", "text"), ("order_no", "text")];

/// Columns that every row has.
const KNOWN: [&str; 11] = [
    "stream",
    "merchant",
    "channel",
    "order_no",
    "listed_at",
    "stock",
    "state",
    "hits",
    "marks",
    "sources",
    "position",
];

/// The columns with an index each, where they are known.
const HANDLES: [&str; 8] =
    ["display_no", "customer", "buyer_phone", "recipient_phone", "device", "ip", "ip24", "address"];

/// The columns of a row.
pub(super) fn columns() -> String {
    names(&[PROGRESS.as_slice(), &FACTS, &NAMES].concat())
}

fn names(columns: &Columns) -> String {
    columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(",")
}

pub(super) fn schema(table: &str) -> String {
    let columns = [NAMES.as_slice(), &FACTS, &PROGRESS].concat().into_iter().map(|(name, kind)| {
        let collation = if kind == "text" { " COLLATE \"C\"" } else { "" };
        let null = if KNOWN.contains(&name) { " NOT NULL" } else { "" };
        format!("{name} {kind}{collation}{null}")
    });
    let columns: Vec<String> = columns.collect();
    format!(
        "CREATE TABLE {table} ({}, PRIMARY KEY (stream)) PARTITION BY RANGE (stream); {}",
        columns.join(", "),
        super::sums::schema(table)
    )
}

/// What only look-ups need, one statement each. Where the server takes two for equally good, as in tables that it has not looked at,
/// it chooses the one that was made later: so first those that lead to many orders, and last those that lead to few.
pub(super) fn indexes(table: &str) -> Vec<String> {
    let handle = |name: &&str| {
        format!("CREATE INDEX {table}_{name} ON {table} (merchant, {name}, listed_at, stream) WHERE {name} IS NOT NULL")
    };
    let mut indexes = vec![
        format!("CREATE INDEX {table}_listed ON {table} (merchant, listed_at, stream)"),
        format!(
            "CREATE INDEX {table}_held ON {table} (merchant, state, listed_at, stream) WHERE held_since IS NOT NULL"
        ),
        format!("CREATE INDEX {table}_tier ON {table} (merchant, tier, listed_at, stream) WHERE tier <> 'pass'"),
        format!("CREATE INDEX {table}_order_no ON {table} (merchant, order_no, listed_at, stream)"),
    ];
    indexes.extend(HANDLES.iter().map(handle));
    indexes
}

pub(super) async fn load(
    connection: &mut PgConnection,
    generation: Generation,
    streams: &[StreamId],
    stretches: &Stretches,
) -> Result<Vec<OrderStatusRow>, StoreError> {
    let mut found = Vec::new();
    for (stretch, streams) in by_stretch(generation, streams.iter().copied(), |stream| *stream) {
        if stretches.has(stretch, connection).await? {
            let sql = format!("SELECT {} FROM {} WHERE stream = ANY($1)", columns(), stretch.table());
            let streams: Vec<i64> = streams.into_iter().map(StreamId::cast_signed).collect();
            let rows = sqlx::query(AssertSqlSafe(sql)).bind(streams).fetch_all(&mut *connection).await?;
            found.extend(rows.iter().map(read_row).collect::<Result<Vec<_>, _>>()?);
        }
    }
    Ok(found)
}

/// Writes the rows of a page, making the stretches that are missing: nobody else makes those of the same partition meanwhile.
/// Tells which stretches are there when it is committed. `merchants` are those of the page's orders.
pub(super) async fn save(
    connection: &mut PgConnection,
    generation: Generation,
    rows: &[Touched<OrderStatusRow>],
    merchants: &[i64],
    stretches: &Stretches,
) -> Result<Vec<Stretch>, StoreError> {
    let rows = by_stretch(generation, rows, |touched| touched.row.stream);
    for (stretch, rows) in &rows {
        if !stretches.has(*stretch, connection).await? {
            stretch.make(connection).await?;
        }
        save_stretch(connection, &stretch.table(), rows, merchants).await?;
    }
    Ok(rows.into_keys().collect())
}

/// One statement for the new rows, one for those that are something else now, and one for those that merely went on.
async fn save_stretch(
    connection: &mut PgConnection,
    table: &str,
    rows: &Rows<'_>,
    merchants: &[i64],
) -> Result<(), StoreError> {
    let (known, new): (Vec<_>, Vec<_>) = rows.iter().copied().partition(|row| row.is_stored);
    let (changed, went_on): (Vec<_>, Vec<_>) = known.into_iter().partition(|row| row.before.is_some());
    if !new.is_empty() {
        let all = [PROGRESS.as_slice(), &FACTS, &NAMES].concat();
        let sql = format!("INSERT INTO {table} ({}) SELECT * FROM {}", names(&all), unnest(&all));
        let query = bind_facts(bind_progress(sqlx::query(AssertSqlSafe(sql)), &new), &new);
        let query = query
            .bind(streams(&new))
            .bind(new.iter().map(|touched| merchants[touched.place]).collect::<Vec<i64>>())
            .bind(new.iter().map(|touched| touched.row.order_id.channel()).collect::<Vec<&str>>())
            .bind(new.iter().map(|touched| touched.row.order_id.order_no()).collect::<Vec<&str>>());
        query.execute(&mut *connection).await?;
    }
    if !changed.is_empty() {
        let sql = update(table, &[PROGRESS.as_slice(), &FACTS].concat());
        let query = bind_facts(bind_progress(sqlx::query(AssertSqlSafe(sql)), &changed), &changed);
        query.bind(streams(&changed)).execute(&mut *connection).await?;
    }
    if !went_on.is_empty() {
        let query = bind_progress(sqlx::query(AssertSqlSafe(update(table, &PROGRESS))), &went_on);
        query.bind(streams(&went_on)).execute(&mut *connection).await?;
    }
    Ok(())
}

/// One array a column.
pub(super) fn unnest(columns: &Columns) -> String {
    let arrays: Vec<String> = (1..).zip(columns).map(|(number, (_, kind))| format!("${number}::{kind}[]")).collect();
    format!("unnest({})", arrays.join(","))
}

/// Sets some columns of rows by their stream, which is bound last.
fn update(table: &str, columns: &Columns) -> String {
    let set: Vec<String> = columns.iter().map(|(name, _)| format!("{name} = page.{name}")).collect();
    let with_stream = [columns, &[("stream", "bigint")]].concat();
    format!(
        "UPDATE {table} SET {} FROM {} AS page ({}) WHERE {table}.stream = page.stream",
        set.join(","),
        unnest(&with_stream),
        names(&with_stream)
    )
}

type Rows<'r> = [&'r Touched<OrderStatusRow>];

fn streams(rows: &Rows<'_>) -> Vec<i64> {
    rows.iter().map(|touched| touched.row.stream.cast_signed()).collect()
}

/// One value of each row.
fn each<'r, T>(rows: &Rows<'r>, value: impl Fn(&'r OrderStatusRow) -> T) -> Vec<T> {
    rows.iter().map(|touched| value(&touched.row)).collect()
}

type PgQuery<'q> = Query<'q, Postgres, PgArguments>;

/// In the order of [`PROGRESS`].
fn bind_progress<'q>(query: PgQuery<'q>, rows: &Rows<'_>) -> PgQuery<'q> {
    let sources =
        |row: &OrderStatusRow| serde_json::to_string(&row.sources).expect("texts and times always have a JSON form");
    query
        .bind(each(rows, |row| state_word(row.risk.state)))
        .bind(each(rows, |row| row.risk.score))
        .bind(each(rows, |row| row.risk.tier.as_deref()))
        .bind(each(rows, |row| row.risk.rulebook_version.map(i64::from)))
        .bind(each(rows, |row| row.risk.exemption.as_deref()))
        .bind(each(rows, |row| &*row.risk.hits))
        .bind(each(rows, |row| row.risk.challenge.as_ref().map(|challenge| challenge.id.as_str())))
        .bind(each(rows, |row| row.risk.challenge.as_ref().map(|challenge| method_word(challenge.method))))
        .bind(each(rows, |row| row.risk.challenge.as_ref().map(|challenge| challenge.expires_at.millis())))
        .bind(each(rows, |row| row.risk.held_since.map(Timestamp::millis)))
        .bind(each(rows, |row| row.risk.released_by.as_deref()))
        .bind(each(rows, |row| i64::from(row.course.marks)))
        .bind(each(rows, |row| row.course.decided_at.map(Timestamp::millis)))
        .bind(each(rows, |row| row.course.asked_at.map(Timestamp::millis)))
        .bind(each(rows, |row| row.course.resolved_at.map(Timestamp::millis)))
        .bind(each(rows, |row| row.status.as_ref().map(|status| status_word(status.value))))
        .bind(each(rows, |row| row.status.as_ref().map(|status| status.occurred_at.millis())))
        .bind(each(rows, |row| row.status.as_ref().map(|status| &*status.source)))
        .bind(each(rows, sources))
        .bind(each(rows, |row| row.position.cast_signed()))
}

/// In the order of [`FACTS`].
fn bind_facts<'q>(query: PgQuery<'q>, rows: &Rows<'_>) -> PgQuery<'q> {
    query
        .bind(each(rows, |row| row.facts.listed_at.millis()))
        .bind(each(rows, |row| row.facts.placed_at.map(Timestamp::millis)))
        .bind(each(rows, |row| row.facts.display_no.as_deref()))
        .bind(each(rows, |row| row.facts.amount))
        .bind(each(rows, |row| row.facts.currency.as_deref()))
        .bind(each(rows, |row| row.facts.level.map(i64::from)))
        .bind(each(rows, |row| stock::write(&row.facts.stock)))
        .bind(each(rows, |row| row.facts.handles.customer))
        .bind(each(rows, |row| row.facts.handles.buyer_phone))
        .bind(each(rows, |row| row.facts.handles.recipient_phone))
        .bind(each(rows, |row| row.facts.handles.device))
        .bind(each(rows, |row| row.facts.handles.ip))
        .bind(each(rows, |row| row.facts.handles.ip24))
        .bind(each(rows, |row| row.facts.handles.address))
}

/// A stored row; an error when it is not what was written.
pub(super) fn read_row(row: &PgRow) -> Result<OrderStatusRow, StoreError> {
    let (channel, order_no): (&str, &str) = (row.try_get("channel")?, row.try_get("order_no")?);
    let order_id: OrderId =
        format!("{channel}:{order_no}").parse().map_err(|error| StoreError::damaged("order_no", error))?;
    Ok(OrderStatusRow {
        stream: stream(row)?,
        order_id,
        facts: read_facts(row)?,
        risk: read_risk(row)?,
        course: Course {
            marks: small(row, "marks")?.unwrap_or_default(),
            decided_at: time(row, "decided_at")?,
            asked_at: time(row, "asked_at")?,
            resolved_at: time(row, "resolved_at")?,
        },
        status: read_unified_status(row)?,
        sources: serde_json::from_str(row.try_get("sources")?)
            .map_err(|error| StoreError::damaged("sources", error))?,
        position: row.try_get::<i64, _>("position")?.cast_unsigned(),
    })
}

fn read_facts(row: &PgRow) -> Result<OrderFacts, StoreError> {
    Ok(OrderFacts {
        placed_at: time(row, "placed_at")?,
        listed_at: Timestamp::from_millis(row.try_get("listed_at")?),
        display_no: row.try_get("display_no")?,
        amount: row.try_get("amount")?,
        currency: row.try_get("currency")?,
        level: small(row, "level")?,
        stock: stock::read(row.try_get("stock")?).map_err(|error| StoreError::damaged("stock", error))?,
        handles: Handles {
            customer: row.try_get("customer")?,
            buyer_phone: row.try_get("buyer_phone")?,
            recipient_phone: row.try_get("recipient_phone")?,
            device: row.try_get("device")?,
            ip: row.try_get("ip")?,
            ip24: row.try_get("ip24")?,
            address: row.try_get("address")?,
        },
    })
}

fn read_risk(row: &PgRow) -> Result<OrderRisk, StoreError> {
    let state = read_state(row.try_get("state")?).ok_or_else(|| StoreError::damaged("state", "unknown word"))?;
    let method: Option<&str> = row.try_get("challenge_method")?;
    let challenge_id: Option<&str> = row.try_get("challenge_id")?;
    let challenge = match (challenge_id, method.and_then(read_method), time(row, "challenge_expires_at")?) {
        (Some(id), Some(method), Some(expires_at)) => {
            let id = id.parse().map_err(|error| StoreError::damaged("challenge_id", error))?;
            Some(OrderChallenge { id, method, expires_at })
        }
        _ => None,
    };
    Ok(OrderRisk {
        state,
        score: row.try_get("score")?,
        tier: row.try_get("tier")?,
        rulebook_version: small(row, "rulebook_version")?,
        exemption: row.try_get("exemption")?,
        hits: row.try_get("hits")?,
        challenge,
        held_since: time(row, "held_since")?,
        released_by: row.try_get("released_by")?,
    })
}

fn read_unified_status(row: &PgRow) -> Result<Option<UnifiedStatus>, StoreError> {
    let Some(word) = row.try_get::<Option<&str>, _>("status")? else { return Ok(None) };
    Ok(Some(UnifiedStatus {
        value: read_status(word).ok_or_else(|| StoreError::damaged("status", "unknown word"))?,
        occurred_at: Timestamp::from_millis(row.try_get("status_at")?),
        source: row.try_get("status_source")?,
    }))
}

fn small(row: &PgRow, column: &str) -> Result<Option<u32>, StoreError> {
    let number: Option<i64> = row.try_get(column)?;
    number.map(|number| u32::try_from(number).map_err(|error| StoreError::damaged(column, error))).transpose()
}

pub(super) fn stream(row: &PgRow) -> Result<StreamId, sqlx::Error> {
    Ok(row.try_get::<i64, _>("stream")?.cast_unsigned())
}

pub(super) fn time(row: &PgRow, column: &str) -> Result<Option<Timestamp>, sqlx::Error> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(Timestamp::from_millis))
}
