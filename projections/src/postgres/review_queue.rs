//! The table of `review_queue`, in Postgres, and its look-ups.

use domain::ids::OrderId;
use domain::time::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, PgPool, Postgres, QueryBuilder, Row as _};

use super::order_status::{stream, time, unnest};
use crate::cursor::Cursor;
use crate::error::StoreError;
use crate::fold::Touched;
use crate::review_queue::{OpenCause, OpenedFor, ReviewClaim, ReviewQuery, ReviewRow, ReviewState, SortColumn};
use crate::store::Generation;
use crate::words::{read_status, status_word};

const COLUMNS: [(&str, &str); 24] = [
    ("stream", "bigint"),
    ("merchant", "bigint"),
    ("order_id", "text"),
    ("state", "text"),
    ("cause", "text"),
    ("reason_code", "text"),
    ("opened_at", "bigint"),
    ("deadline", "bigint"),
    ("open_since", "bigint"),
    ("due_anyway", "bigint"),
    ("rank", "bigint"),
    ("look_rank", "bigint"),
    ("escalated_at", "bigint"),
    ("reopened", "bigint"),
    ("reviewer", "text"),
    ("lease_until", "bigint"),
    ("score", "bigint"),
    ("tier", "text"),
    ("rules", "text"),
    ("amount", "bigint"),
    ("payment_due_at", "bigint"),
    ("status", "text"),
    ("status_at", "bigint"),
    ("position", "bigint"),
];

fn columns() -> String {
    COLUMNS.map(|(name, _)| name).join(",")
}

/// Lists are sorted by `due_anyway` and `rank`, which are the end of time where nothing is due whatever the merchant has set, and by
/// `open_since` and `look_rank`, which are short of the setting `review_sla`, see [`crate::review_queue`].
pub(super) fn schema(table: &str) -> String {
    format!(
        "CREATE TABLE {table} (
            stream BIGINT PRIMARY KEY, merchant BIGINT NOT NULL, order_id TEXT COLLATE \"C\" NOT NULL,
            state TEXT COLLATE \"C\" NOT NULL, cause TEXT, reason_code TEXT, opened_at BIGINT NOT NULL, deadline BIGINT, open_since BIGINT,
            due_anyway BIGINT NOT NULL, rank BIGINT NOT NULL, look_rank BIGINT, escalated_at BIGINT, reopened BIGINT NOT NULL,
            reviewer TEXT COLLATE \"C\", lease_until BIGINT, score BIGINT NOT NULL, tier TEXT COLLATE \"C\" NOT NULL,
            rules TEXT NOT NULL, amount BIGINT NOT NULL, payment_due_at BIGINT, status TEXT, status_at BIGINT,
            position BIGINT NOT NULL
        )"
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

pub(super) async fn load(
    connection: &mut PgConnection,
    generation: Generation,
    streams: &[i64],
) -> Result<Vec<ReviewRow>, StoreError> {
    let sql = format!("SELECT {} FROM {} WHERE stream = ANY($1)", columns(), generation.table());
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(streams).fetch_all(connection).await?;
    rows.iter().map(read_row).collect()
}

/// Writes the rows of a page in one statement. `merchants` are those of the page's orders.
pub(super) async fn save(
    connection: &mut PgConnection,
    generation: Generation,
    rows: &[Touched<ReviewRow>],
    merchants: &[i64],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let set: Vec<String> = COLUMNS[3..].iter().map(|(name, _)| format!("{name} = excluded.{name}")).collect();
    let sql = format!(
        "INSERT INTO {} ({}) SELECT * FROM {} ON CONFLICT (stream) DO UPDATE SET {}",
        generation.table(),
        columns(),
        unnest(&COLUMNS),
        set.join(",")
    );
    let rules = |row: &ReviewRow| serde_json::to_string(&row.rules).expect("texts always have a JSON form");
    sqlx::query(AssertSqlSafe(sql))
        .bind(each(rows, |row| row.stream.cast_signed()))
        .bind(rows.iter().map(|touched| merchants[touched.place]).collect::<Vec<i64>>())
        .bind(each(rows, |row| row.order_id.as_str()))
        .bind(each(rows, |row| row.state.map_or("", ReviewState::name)))
        .bind(each(rows, |row| row.opened_for.as_ref().map(|opened_for| opened_for.cause.name())))
        .bind(each(rows, |row| row.opened_for.as_ref().and_then(|opened_for| opened_for.reason_code.as_deref())))
        .bind(each(rows, |row| row.opened_at.millis()))
        .bind(each(rows, |row| row.deadline.map(Timestamp::millis)))
        .bind(each(rows, |row| row.open_since.map(Timestamp::millis)))
        .bind(each(rows, |row| row.due_anyway().map_or(i64::MAX, Timestamp::millis)))
        .bind(each(rows, ReviewRow::rank))
        .bind(each(rows, ReviewRow::look_rank))
        .bind(each(rows, |row| row.escalated_at.map(Timestamp::millis)))
        .bind(each(rows, |row| i64::from(row.reopened)))
        .bind(each(rows, |row| row.claim.as_ref().map(|claim| &*claim.reviewer)))
        .bind(each(rows, |row| row.claim.as_ref().map(|claim| claim.lease_until.millis())))
        .bind(each(rows, |row| row.score))
        .bind(each(rows, |row| &*row.tier))
        .bind(each(rows, rules))
        .bind(each(rows, |row| row.amount))
        .bind(each(rows, |row| row.payment_due_at.map(Timestamp::millis)))
        .bind(each(rows, |row| row.status.map(|(status, _)| status_word(status))))
        .bind(each(rows, |row| row.status.map(|(_, counted_at)| counted_at.millis())))
        .bind(each(rows, |row| row.position.cast_signed()))
        .execute(connection)
        .await?;
    Ok(())
}

/// One value of each row.
fn each<'r, T>(rows: &'r [Touched<ReviewRow>], value: impl Fn(&'r ReviewRow) -> T) -> Vec<T> {
    rows.iter().map(|touched| value(&touched.row)).collect()
}

pub(super) async fn review(pool: &PgPool, merchant: i64, id: &OrderId) -> Result<Option<ReviewRow>, StoreError> {
    let sql = format!("SELECT {} FROM review_queue WHERE merchant = $1 AND order_id = $2", columns());
    let row = sqlx::query(AssertSqlSafe(sql)).bind(merchant).bind(id.as_str()).fetch_optional(pool).await?;
    row.as_ref().map(read_row).transpose()
}

pub(super) async fn reviews(
    pool: &PgPool,
    merchant: i64,
    query: &ReviewQuery,
    cursor: Option<Cursor>,
    count: i64,
) -> Result<Vec<ReviewRow>, StoreError> {
    let expression = query.expression();
    let mut sql = QueryBuilder::<Postgres>::new("");
    for (index, SortColumn { name, more, condition }) in query.columns().into_iter().enumerate() {
        sql.push(if index == 0 { "(SELECT " } else { " UNION ALL (SELECT " });
        sql.push(columns()).push(" FROM review_queue WHERE merchant = ").push_bind(merchant).push(" AND ");
        match query.condition().split_once('?') {
            Some((before, after)) => sql.push(before).push_bind(query.at.millis()).push(after),
            None => sql.push(query.condition()),
        };
        sql.push(condition);
        if let Some(tier) = &query.tier {
            sql.push(" AND tier = ").push_bind(tier.clone());
        }
        if let Some(rule) = &query.rule {
            sql.push(" AND rules::jsonb ? ").push_bind(rule.clone());
        }
        if let Some(Cursor { key, stream, .. }) = cursor {
            sql.push(format!(" AND {name} >= ")).push_bind(key.saturating_sub(more));
            sql.push(format!(" AND ({expression} > ")).push_bind(key);
            sql.push(format!(" OR ({expression} = "))
                .push_bind(key)
                .push(" AND stream > ")
                .push_bind(stream)
                .push("))");
        }
        sql.push(format!(" ORDER BY {name}, stream LIMIT ")).push_bind(count).push(")");
    }
    let rows = sql.build().fetch_all(pool).await?;
    let rows = rows.iter().map(read_row).collect::<Result<_, StoreError>>()?;
    Ok(query.first_of(rows, usize::try_from(count).unwrap_or(usize::MAX)))
}

/// A stored row; an error when it is not what was written.
fn read_row(row: &PgRow) -> Result<ReviewRow, StoreError> {
    let order_id: OrderId =
        row.try_get::<&str, _>("order_id")?.parse().map_err(|error| StoreError::damaged("order_id", error))?;
    let state =
        ReviewState::from_name(row.try_get("state")?).ok_or_else(|| StoreError::damaged("state", "unknown word"))?;
    let opened_for = match row.try_get::<Option<&str>, _>("cause")? {
        Some(word) => {
            let cause = OpenCause::from_name(word).ok_or_else(|| StoreError::damaged("cause", "unknown word"))?;
            Some(OpenedFor { cause, reason_code: row.try_get("reason_code")? })
        }
        None => None,
    };
    let reviewer: Option<Box<str>> = row.try_get("reviewer")?;
    let claim =
        reviewer.zip(time(row, "lease_until")?).map(|(reviewer, lease_until)| ReviewClaim { reviewer, lease_until });
    let status = match row.try_get::<Option<&str>, _>("status")? {
        Some(word) => Some(read_status(word).ok_or_else(|| StoreError::damaged("status", "unknown word"))?),
        None => None,
    };
    Ok(ReviewRow {
        stream: stream(row)?,
        order_id,
        state: Some(state),
        opened_for,
        opened_at: Timestamp::from_millis(row.try_get("opened_at")?),
        deadline: time(row, "deadline")?,
        open_since: time(row, "open_since")?,
        escalated_at: time(row, "escalated_at")?,
        reopened: u32::try_from(row.try_get::<i64, _>("reopened")?)
            .map_err(|error| StoreError::damaged("reopened", error))?,
        claim,
        score: row.try_get("score")?,
        tier: row.try_get("tier")?,
        rules: serde_json::from_str(row.try_get("rules")?).map_err(|error| StoreError::damaged("rules", error))?,
        amount: row.try_get("amount")?,
        payment_due_at: time(row, "payment_due_at")?,
        status: status.zip(time(row, "status_at")?),
        position: row.try_get::<i64, _>("position")?.cast_unsigned(),
    })
}
