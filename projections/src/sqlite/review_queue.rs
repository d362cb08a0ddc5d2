//! The table of `review_queue`, in SQLite, and its look-ups.

use domain::ids::OrderId;
use domain::time::Timestamp;
use eventlog::StreamId;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params, params_from_iter};

use super::order_status::{text, time};
use crate::cursor::Cursor;
use crate::error::StoreError;
use crate::fold::Touched;
use crate::review_queue::{OpenCause, OpenedFor, ReviewClaim, ReviewQuery, ReviewRow, ReviewState, SortColumn};
use crate::store::Generation;
use crate::words::{read_status, status_word};

const COLUMNS: [&str; 24] = [
    "stream",
    "merchant",
    "order_id",
    "state",
    "cause",
    "reason_code",
    "opened_at",
    "deadline",
    "open_since",
    "due_anyway",
    "rank",
    "look_rank",
    "escalated_at",
    "reopened",
    "reviewer",
    "lease_until",
    "score",
    "tier",
    "rules",
    "amount",
    "payment_due_at",
    "status",
    "status_at",
    "position",
];

/// Lists are sorted by `due_anyway` and `rank`, which are the end of time where nothing is due whatever the merchant has set, and by
/// `open_since` and `look_rank`, which are short of the setting `review_sla`, see [`crate::review_queue`].
pub(super) fn schema(table: &str) -> String {
    format!(
        "CREATE TABLE {table} (
            stream INTEGER PRIMARY KEY, merchant INTEGER NOT NULL, order_id TEXT NOT NULL, state TEXT NOT NULL,
            cause TEXT, reason_code TEXT, opened_at INTEGER NOT NULL, deadline INTEGER, open_since INTEGER, due_anyway INTEGER NOT NULL,
            rank INTEGER NOT NULL, look_rank INTEGER, escalated_at INTEGER, reopened INTEGER NOT NULL, reviewer TEXT,
            lease_until INTEGER, score INTEGER NOT NULL, tier TEXT NOT NULL, rules TEXT NOT NULL,
            amount INTEGER NOT NULL, payment_due_at INTEGER, status TEXT, status_at INTEGER,
            position INTEGER NOT NULL
        ) STRICT;"
    )
}

/// What only look-ups need, one statement each.
pub(super) fn indexes(table: &str) -> Vec<String> {
    vec![
        format!("CREATE INDEX {table}_order ON {table} (merchant, order_id)"),
        format!("CREATE INDEX {table}_pending ON {table} (merchant, rank) WHERE state <> 'closed'"),
        format!("CREATE INDEX {table}_open ON {table} (merchant, rank) WHERE state IN ('open', 'claimed')"),
        format!("CREATE INDEX {table}_look ON {table} (merchant, look_rank) WHERE state IN ('open', 'claimed')"),
        format!("CREATE INDEX {table}_state ON {table} (merchant, state, opened_at)"),
    ]
}

pub(super) fn load(
    connection: &Connection,
    generation: Generation,
    streams: &[StreamId],
) -> Result<Vec<ReviewRow>, StoreError> {
    let sql = format!("SELECT {} FROM {} WHERE stream = ?", COLUMNS.join(","), generation.table());
    let mut select = connection.prepare_cached(&sql)?;
    let mut rows = Vec::new();
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
    rows: &[Touched<ReviewRow>],
    merchants: &[i64],
) -> Result<(), StoreError> {
    let set: Vec<String> = COLUMNS[3..].iter().map(|column| format!("{column}=excluded.{column}")).collect();
    let sql = format!(
        "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT (stream) DO UPDATE SET {}",
        generation.table(),
        COLUMNS.join(","),
        vec!["?"; COLUMNS.len()].join(","),
        set.join(",")
    );
    let mut upsert = transaction.prepare_cached(&sql)?;
    for Touched { place, row, .. } in rows {
        let rules = serde_json::to_string(&row.rules).expect("texts always have a JSON form");
        upsert.execute(params![
            row.stream.cast_signed(),
            merchants[*place],
            row.order_id.as_str(),
            row.state.map_or("", ReviewState::name),
            row.opened_for.as_ref().map(|opened_for| opened_for.cause.name()),
            row.opened_for.as_ref().and_then(|opened_for| opened_for.reason_code.as_deref()),
            row.opened_at.millis(),
            row.deadline.map(Timestamp::millis),
            row.open_since.map(Timestamp::millis),
            row.due_anyway().map_or(i64::MAX, Timestamp::millis),
            row.rank(),
            row.look_rank(),
            row.escalated_at.map(Timestamp::millis),
            row.reopened,
            row.claim.as_ref().map(|claim| &*claim.reviewer),
            row.claim.as_ref().map(|claim| claim.lease_until.millis()),
            row.score,
            &*row.tier,
            rules,
            row.amount,
            row.payment_due_at.map(Timestamp::millis),
            row.status.map(|(status, _)| status_word(status)),
            row.status.map(|(_, counted_at)| counted_at.millis()),
            row.position.cast_signed(),
        ])?;
    }
    Ok(())
}

pub(super) fn review(connection: &Connection, merchant: i64, id: &OrderId) -> Result<Option<ReviewRow>, StoreError> {
    let sql = format!("SELECT {} FROM review_queue WHERE merchant = ? AND order_id = ?", COLUMNS.join(","));
    let mut select = connection.prepare_cached(&sql)?;
    select.query_row((merchant, id.as_str()), |row| Ok(read_row(row))).optional()?.transpose()
}

pub(super) fn reviews(
    connection: &Connection,
    merchant: i64,
    query: &ReviewQuery,
    cursor: Option<Cursor>,
    count: usize,
) -> Result<Vec<ReviewRow>, StoreError> {
    let (condition, expression) = (query.condition(), query.expression());
    let (mut parts, mut values) = (Vec::new(), Vec::new());
    for SortColumn { name, more, condition: of_column } in query.columns() {
        let mut sql =
            format!("SELECT {} FROM review_queue WHERE merchant = ? AND {condition}{of_column}", COLUMNS.join(","));
        values.push(Value::Integer(merchant));
        values.extend(condition.contains('?').then_some(Value::Integer(query.at.millis())));
        if let Some(tier) = &query.tier {
            sql.push_str(" AND tier = ?");
            values.push(Value::Text(tier.clone()));
        }
        if let Some(rule) = &query.rule {
            sql.push_str(" AND EXISTS (SELECT 1 FROM json_each(rules) WHERE value = ?)");
            values.push(Value::Text(rule.clone()));
        }
        if let Some(Cursor { key, stream, .. }) = cursor {
            sql.push_str(&format!(" AND {name} >= ? AND ({expression} > ? OR ({expression} = ? AND stream > ?))"));
            values.extend([key.saturating_sub(more), key, key, stream].map(Value::Integer));
        }
        parts.push(format!("SELECT * FROM ({sql} ORDER BY {name}, stream LIMIT {count})"));
    }
    let mut select = connection.prepare_cached(&parts.join(" UNION ALL "))?;
    let mut found = select.query(params_from_iter(values))?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        rows.push(read_row(row)?);
    }
    Ok(query.first_of(rows, count))
}

/// A stored row; an error when it is not what was written.
fn read_row(row: &Row<'_>) -> Result<ReviewRow, StoreError> {
    let order_id: OrderId = text(row, "order_id")?.parse().map_err(|error| StoreError::damaged("order_id", error))?;
    let state =
        ReviewState::from_name(text(row, "state")?).ok_or_else(|| StoreError::damaged("state", "unknown word"))?;
    let opened_for = match row.get::<_, Option<Box<str>>>("cause")? {
        Some(word) => {
            let cause = OpenCause::from_name(&word).ok_or_else(|| StoreError::damaged("cause", "unknown word"))?;
            Some(OpenedFor { cause, reason_code: row.get("reason_code")? })
        }
        None => None,
    };
    let reviewer: Option<Box<str>> = row.get("reviewer")?;
    let claim =
        reviewer.zip(time(row, "lease_until")?).map(|(reviewer, lease_until)| ReviewClaim { reviewer, lease_until });
    let status = match row.get::<_, Option<Box<str>>>("status")? {
        Some(word) => Some(read_status(&word).ok_or_else(|| StoreError::damaged("status", "unknown word"))?),
        None => None,
    };
    Ok(ReviewRow {
        stream: row.get::<_, i64>("stream")?.cast_unsigned(),
        order_id,
        state: Some(state),
        opened_for,
        opened_at: Timestamp::from_millis(row.get("opened_at")?),
        deadline: time(row, "deadline")?,
        open_since: time(row, "open_since")?,
        escalated_at: time(row, "escalated_at")?,
        reopened: row.get("reopened")?,
        claim,
        score: row.get("score")?,
        tier: row.get("tier")?,
        rules: serde_json::from_str(text(row, "rules")?).map_err(|error| StoreError::damaged("rules", error))?,
        amount: row.get("amount")?,
        payment_due_at: time(row, "payment_due_at")?,
        status: status.zip(time(row, "status_at")?),
        position: row.get::<_, i64>("position")?.cast_unsigned(),
    })
}
