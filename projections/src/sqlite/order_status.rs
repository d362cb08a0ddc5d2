//! The tables of `order_status`, in SQLite.
//!
//! A row is found by its handles, which are an index of their own, see [`super::handles`]; here are only the list of all orders
//! and two small indexes of those that are held or reached a tier. `listed_at` ends each of them, so that a page is read in
//! order and no more than it.

use domain::ids::OrderId;
use domain::time::Timestamp;
use eventlog::StreamId;
use rusqlite::{Connection, Row, Statement, ToSql, Transaction};

use super::handles::{HandleWriter, Moves, Recent};
use crate::error::StoreError;
use crate::fold::Touched;
use crate::order_status::{
    Course, Handles, OrderChallenge, OrderFacts, OrderRisk, OrderStatusRow, UnifiedStatus, stock,
};
use crate::store::Generation;
use crate::words::{method_word, read_method, read_state, read_status, state_word, status_word};

/// How an order stands; changes all the time.
const PROGRESS: [&str; 20] = [
    "state",
    "score",
    "tier",
    "rulebook_version",
    "exemption",
    "hits",
    "challenge_id",
    "challenge_method",
    "challenge_expires_at",
    "held_since",
    "released_by",
    "marks",
    "decided_at",
    "asked_at",
    "resolved_at",
    "status",
    "status_at",
    "status_source",
    "sources",
    "position",
];
/// What it is; changes with amendments.
const FACTS: [&str; 14] = [
    "listed_at",
    "placed_at",
    "display_no",
    "amount",
    "currency",
    "level",
    "stock",
    "customer",
    "buyer_phone",
    "recipient_phone",
    "device",
    "ip",
    "ip24",
    "address",
];
/// What names it; never changes.
const NAMES: [&str; 4] = ["stream", "merchant", "channel", "order_no"];

/// The columns of a row as [`read_row`] reads them.
pub(super) fn columns() -> String {
    let all = [PROGRESS.as_slice(), &FACTS, &NAMES].concat();
    all.join(",")
}

pub(super) fn schema(table: &str) -> String {
    let (handles, sums) = (super::handles::schema(table), super::sums::schema(table));
    format!(
        "CREATE TABLE {table} (
            stream INTEGER PRIMARY KEY, merchant INTEGER NOT NULL, channel TEXT NOT NULL, order_no TEXT NOT NULL,
            listed_at INTEGER NOT NULL, placed_at INTEGER, display_no TEXT, amount INTEGER, currency TEXT,
            level INTEGER, stock TEXT NOT NULL, customer INTEGER, buyer_phone INTEGER, recipient_phone INTEGER, device INTEGER,
            ip INTEGER, ip24 INTEGER, address INTEGER,
            state TEXT NOT NULL, score INTEGER, tier TEXT, rulebook_version INTEGER, exemption TEXT,
            hits TEXT NOT NULL, challenge_id TEXT, challenge_method TEXT, challenge_expires_at INTEGER,
            held_since INTEGER, released_by TEXT, marks INTEGER NOT NULL, decided_at INTEGER, asked_at INTEGER, resolved_at INTEGER, status TEXT, status_at INTEGER, status_source TEXT,
            sources TEXT NOT NULL, position INTEGER NOT NULL
        ) STRICT;
        {handles} {sums}"
    )
}

/// What only look-ups need, one statement each.
pub(super) fn indexes(table: &str) -> Vec<String> {
    vec![
        format!("CREATE INDEX {table}_listed ON {table} (merchant, listed_at)"),
        format!("CREATE INDEX {table}_held ON {table} (merchant, state, listed_at) WHERE held_since IS NOT NULL"),
        format!("CREATE INDEX {table}_tier ON {table} (merchant, tier, listed_at) WHERE tier <> 'pass'"),
    ]
}

pub(super) fn load(
    connection: &Connection,
    generation: Generation,
    streams: &[StreamId],
) -> Result<Vec<OrderStatusRow>, StoreError> {
    let sql = format!("SELECT {} FROM {} WHERE stream = ?", columns(), generation.table());
    let mut select = connection.prepare_cached(&sql)?;
    let mut rows = Vec::with_capacity(streams.len());
    for stream in streams {
        let mut found = select.query([stream.cast_signed()])?;
        if let Some(row) = found.next()? {
            rows.push(read_row(row)?);
        }
    }
    Ok(rows)
}

/// Writes the rows of a page. `merchants` are those of the page's orders.
pub(super) fn save(
    transaction: &Transaction<'_>,
    generation: Generation,
    recent: &Recent,
    rows: &[Touched<OrderStatusRow>],
    merchants: &[i64],
) -> Result<Moves, StoreError> {
    let table = generation.table();
    let set = |columns: &[&str]| columns.iter().map(|column| format!("{column}=?")).collect::<Vec<_>>().join(",");
    let all = PROGRESS.len() + FACTS.len() + NAMES.len();
    let insert = format!("INSERT INTO {table} ({}) VALUES ({})", columns(), vec!["?"; all].join(","));
    let update_whole = format!("UPDATE {table} SET {} WHERE stream=?", set(&[PROGRESS.as_slice(), &FACTS].concat()));
    let update_progress = format!("UPDATE {table} SET {} WHERE stream=?", set(&PROGRESS));
    let mut insert = transaction.prepare_cached(&insert)?;
    let mut update_whole = transaction.prepare_cached(&update_whole)?;
    let mut update_progress = transaction.prepare_cached(&update_progress)?;
    let mut handles = HandleWriter::new(transaction, generation, recent)?;
    for Touched { place, is_stored, before, row } in rows {
        let merchant = merchants[*place];
        if !is_stored {
            let mut binder = Binder { statement: &mut insert, next: 1 };
            bind_progress(&mut binder, row)?;
            bind_facts(&mut binder, &row.facts)?;
            binder.bind(row.stream.cast_signed())?;
            binder.bind(merchant)?;
            binder.bind(row.order_id.channel())?;
            binder.bind(row.order_id.order_no())?;
            insert.raw_execute()?;
            handles.begin(merchant, row)?;
        } else if let Some(before) = before {
            let mut binder = Binder { statement: &mut update_whole, next: 1 };
            bind_progress(&mut binder, row)?;
            bind_facts(&mut binder, &row.facts)?;
            binder.bind(row.stream.cast_signed())?;
            update_whole.raw_execute()?;
            handles.change(merchant, before, row)?;
        } else {
            let mut binder = Binder { statement: &mut update_progress, next: 1 };
            bind_progress(&mut binder, row)?;
            binder.bind(row.stream.cast_signed())?;
            update_progress.raw_execute()?;
        }
    }
    Ok(handles.moves)
}

/// Binds one value after the other.
struct Binder<'s, 'c> {
    statement: &'s mut Statement<'c>,
    next: usize,
}

impl Binder<'_, '_> {
    fn bind(&mut self, value: impl ToSql) -> rusqlite::Result<()> {
        self.statement.raw_bind_parameter(self.next, value)?;
        self.next += 1;
        Ok(())
    }
}

/// In the order of [`PROGRESS`].
fn bind_progress(binder: &mut Binder<'_, '_>, row: &OrderStatusRow) -> rusqlite::Result<()> {
    let OrderStatusRow { risk, course, status, sources, position, .. } = row;
    let challenge = risk.challenge.as_ref();
    binder.bind(state_word(risk.state))?;
    binder.bind(risk.score)?;
    binder.bind(risk.tier.as_deref())?;
    binder.bind(risk.rulebook_version)?;
    binder.bind(risk.exemption.as_deref())?;
    binder.bind(&*risk.hits)?;
    binder.bind(challenge.map(|challenge| challenge.id.as_str()))?;
    binder.bind(challenge.map(|challenge| method_word(challenge.method)))?;
    binder.bind(challenge.map(|challenge| challenge.expires_at.millis()))?;
    binder.bind(risk.held_since.map(Timestamp::millis))?;
    binder.bind(risk.released_by.as_deref())?;
    binder.bind(course.marks)?;
    binder.bind(course.decided_at.map(Timestamp::millis))?;
    binder.bind(course.asked_at.map(Timestamp::millis))?;
    binder.bind(course.resolved_at.map(Timestamp::millis))?;
    binder.bind(status.as_ref().map(|status| status_word(status.value)))?;
    binder.bind(status.as_ref().map(|status| status.occurred_at.millis()))?;
    binder.bind(status.as_ref().map(|status| &*status.source))?;
    if sources.is_empty() {
        binder.bind("[]")?;
    } else {
        binder.bind(serde_json::to_string(sources).expect("texts and times always have a JSON form"))?;
    }
    binder.bind(position.cast_signed())
}

/// In the order of [`FACTS`].
fn bind_facts(binder: &mut Binder<'_, '_>, facts: &OrderFacts) -> rusqlite::Result<()> {
    let handles = &facts.handles;
    binder.bind(facts.listed_at.millis())?;
    binder.bind(facts.placed_at.map(Timestamp::millis))?;
    binder.bind(facts.display_no.as_deref())?;
    binder.bind(facts.amount)?;
    binder.bind(facts.currency.as_deref())?;
    binder.bind(facts.level)?;
    binder.bind(stock::write(&facts.stock))?;
    binder.bind(handles.customer)?;
    binder.bind(handles.buyer_phone)?;
    binder.bind(handles.recipient_phone)?;
    binder.bind(handles.device)?;
    binder.bind(handles.ip)?;
    binder.bind(handles.ip24)?;
    binder.bind(handles.address)
}

/// A stored row; an error when it is not what was written.
pub(super) fn read_row(row: &Row<'_>) -> Result<OrderStatusRow, StoreError> {
    let (channel, order_no): (&str, &str) = (text(row, "channel")?, text(row, "order_no")?);
    let order_id: OrderId =
        format!("{channel}:{order_no}").parse().map_err(|error| StoreError::damaged("order_no", error))?;
    Ok(OrderStatusRow {
        stream: row.get::<_, i64>("stream")?.cast_unsigned(),
        order_id,
        facts: read_facts(row)?,
        risk: read_risk(row)?,
        course: Course {
            marks: row.get("marks")?,
            decided_at: time(row, "decided_at")?,
            asked_at: time(row, "asked_at")?,
            resolved_at: time(row, "resolved_at")?,
        },
        status: read_unified_status(row)?,
        sources: serde_json::from_str(text(row, "sources")?).map_err(|error| StoreError::damaged("sources", error))?,
        position: row.get::<_, i64>("position")?.cast_unsigned(),
    })
}

fn read_facts(row: &Row<'_>) -> Result<OrderFacts, StoreError> {
    Ok(OrderFacts {
        placed_at: time(row, "placed_at")?,
        listed_at: Timestamp::from_millis(row.get("listed_at")?),
        display_no: row.get("display_no")?,
        amount: row.get("amount")?,
        currency: row.get("currency")?,
        level: row.get("level")?,
        stock: stock::read(text(row, "stock")?).map_err(|error| StoreError::damaged("stock", error))?,
        handles: Handles {
            customer: row.get("customer")?,
            buyer_phone: row.get("buyer_phone")?,
            recipient_phone: row.get("recipient_phone")?,
            device: row.get("device")?,
            ip: row.get("ip")?,
            ip24: row.get("ip24")?,
            address: row.get("address")?,
        },
    })
}

fn read_risk(row: &Row<'_>) -> Result<OrderRisk, StoreError> {
    let state = read_state(text(row, "state")?).ok_or_else(|| StoreError::damaged("state", "unknown word"))?;
    let method: Option<Box<str>> = row.get("challenge_method")?;
    let challenge_id: Option<Box<str>> = row.get("challenge_id")?;
    let challenge = match (challenge_id, method.as_deref().and_then(read_method), time(row, "challenge_expires_at")?) {
        (Some(id), Some(method), Some(expires_at)) => {
            let id = id.parse().map_err(|error| StoreError::damaged("challenge_id", error))?;
            Some(OrderChallenge { id, method, expires_at })
        }
        _ => None,
    };
    Ok(OrderRisk {
        state,
        score: row.get("score")?,
        tier: row.get("tier")?,
        rulebook_version: row.get("rulebook_version")?,
        exemption: row.get("exemption")?,
        hits: row.get("hits")?,
        challenge,
        held_since: time(row, "held_since")?,
        released_by: row.get("released_by")?,
    })
}

fn read_unified_status(row: &Row<'_>) -> Result<Option<UnifiedStatus>, StoreError> {
    let Some(word) = row.get::<_, Option<Box<str>>>("status")? else { return Ok(None) };
    Ok(Some(UnifiedStatus {
        value: read_status(&word).ok_or_else(|| StoreError::damaged("status", "unknown word"))?,
        occurred_at: Timestamp::from_millis(row.get("status_at")?),
        source: row.get("status_source")?,
    }))
}

pub(super) fn text<'r>(row: &'r Row<'_>, column: &str) -> Result<&'r str, StoreError> {
    row.get_ref(column)?.as_str().map_err(|error| StoreError::damaged(column, error))
}

pub(super) fn time(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis))
}
