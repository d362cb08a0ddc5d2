//! Finding orders in Postgres.
//!
//! A search that names several columns for one value (the order number is also the display number, a phone is the buyer's or the
//! recipient's) asks each index on its own for one page and merges the pages, so that it costs the same however many orders
//! there are.

use domain::ids::OrderId;
use domain::order::{PASS, RiskState};
use sqlx::{PgPool, Postgres, QueryBuilder, Row as _};

use super::order_status::{columns, read_row};
use super::stretches::Whose;
use crate::cursor::Cursor;
use crate::error::StoreError;
use crate::order_status::{Handle, LINK_COUNT_MAX, LinkCounts, LinkedBy, OrderQuery, OrderStatusRow, Wanted};
use crate::words::{state_word, status_word};

type Sql = QueryBuilder<Postgres>;

/// A column that a handle may stand in, and its value.
#[derive(Clone, Copy)]
enum Condition<'a> {
    Text(&'static str, &'a str),
    Token(&'static str, i64),
}

impl Condition<'_> {
    fn push(self, sql: &mut Sql) {
        match self {
            Self::Text(column, text) => sql.push(column).push(" = ").push_bind(text.to_owned()),
            Self::Token(column, token) => sql.push(column).push(" = ").push_bind(token),
        };
    }
}

/// Of these one must hold.
fn conditions(handle: &Handle) -> Vec<Condition<'_>> {
    match handle {
        Handle::Number(number) => ["order_no", "display_no"].map(|column| Condition::Text(column, number)).into(),
        Handle::Phone(token) => {
            ["buyer_phone", "recipient_phone"].map(|column| Condition::Token(column, *token)).into()
        }
        Handle::Customer(token) => vec![Condition::Token("customer", *token)],
        Handle::Device(token) => vec![Condition::Token("device", *token)],
        Handle::Ip(token) => vec![Condition::Token("ip", *token)],
        Handle::Ip24(token) => vec![Condition::Token("ip24", *token)],
        Handle::Address(token) => vec![Condition::Token("address", *token)],
    }
}

pub(super) async fn order(pool: &PgPool, whose: Whose, id: &OrderId) -> Result<Option<OrderStatusRow>, StoreError> {
    let mut sql = Sql::new(format!("SELECT {} FROM order_status WHERE ", columns()));
    whose.push(&mut sql);
    sql.push(" AND order_no = ").push_bind(id.order_no()).push(" AND channel = ").push_bind(id.channel());
    sql.build().fetch_optional(pool).await?.as_ref().map(read_row).transpose()
}

pub(super) async fn orders(pool: &PgPool, whose: Whose, streams: &[i64]) -> Result<Vec<OrderStatusRow>, StoreError> {
    let mut sql = Sql::new(format!("SELECT {} FROM unnest(", columns()));
    sql.push_bind(streams).push("::bigint[]) AS page (stream) JOIN order_status USING (stream) WHERE ");
    whose.push(&mut sql);
    let rows = sql.build().fetch_all(pool).await?;
    rows.iter().map(read_row).collect()
}

pub(super) async fn search(
    pool: &PgPool,
    whose: Whose,
    wanted: &Wanted,
    cursor: Option<Cursor>,
    count: i64,
) -> Result<Vec<OrderStatusRow>, StoreError> {
    let mut sql = Sql::new("");
    push_select(&mut sql, whose, wanted, cursor, count);
    let rows = sql.build().fetch_all(pool).await?;
    rows.iter().map(read_row).collect()
}

/// The first rows behind a cursor.
fn push_select(sql: &mut Sql, whose: Whose, wanted: &Wanted, cursor: Option<Cursor>, count: i64) {
    let leads: Vec<Condition<'_>> = wanted.any_of.first().into_iter().flatten().flat_map(conditions).collect();
    if leads.len() < 2 {
        push_branch(sql, &columns(), whose, wanted, leads.first().copied(), cursor, count);
        return;
    }
    sql.push(format!("SELECT {} FROM order_status WHERE ", columns()));
    whose.push_stretches(sql);
    sql.push(" AND stream IN (");
    for (index, lead) in leads.iter().enumerate() {
        sql.push(if index > 0 { " UNION (" } else { "(" });
        push_branch(sql, "stream", whose, wanted, Some(*lead), cursor, count);
        sql.push(")");
    }
    sql.push(") ORDER BY listed_at DESC, stream DESC LIMIT ").push_bind(count);
}

/// One page of what is found through one column, or without.
fn push_branch(
    sql: &mut Sql,
    columns: &str,
    whose: Whose,
    wanted: &Wanted,
    lead: Option<Condition<'_>>,
    cursor: Option<Cursor>,
    count: i64,
) {
    sql.push(format!("SELECT {columns} FROM order_status WHERE "));
    whose.push(sql);
    if let Some(lead) = lead {
        sql.push(" AND ");
        lead.push(sql);
    }
    for narrower in wanted.any_of.iter().skip(1) {
        for (index, condition) in narrower.iter().flat_map(conditions).enumerate() {
            sql.push(if index == 0 { " AND (" } else { " OR " });
            condition.push(sql);
        }
        sql.push(")");
    }
    push_filters(sql, &wanted.query);
    if let Some(stream) = wanted.not {
        sql.push(" AND stream <> ").push_bind(stream.cast_signed());
    }
    if let Some(cursor) = cursor {
        sql.push(" AND (listed_at, stream) < (").push_bind(cursor.key).push(", ").push_bind(cursor.stream).push(")");
    }
    sql.push(" ORDER BY listed_at DESC, stream DESC LIMIT ").push_bind(count);
}

fn push_filters(sql: &mut Sql, query: &OrderQuery) {
    if let Some(channel) = &query.channel {
        sql.push(" AND channel = ").push_bind(channel.as_str().to_owned());
    }
    if let Some(state) = query.state {
        sql.push(" AND state = ").push_bind(state_word(Some(state)));
        if matches!(state, RiskState::Challenged | RiskState::Verified | RiskState::Frozen) {
            // True of these states anyway; said so that the index applies.
            sql.push(" AND held_since IS NOT NULL");
        }
    }
    if let Some(status) = query.status {
        sql.push(" AND status = ").push_bind(status_word(status));
    }
    if let Some(tier) = &query.tier {
        sql.push(" AND tier = ").push_bind(tier.clone());
        if tier != PASS {
            sql.push(" AND tier <> 'pass'");
        }
    }
    if query.placed_from.is_some() || query.placed_to.is_some() {
        sql.push(" AND placed_at IS NOT NULL");
    }
    if let Some(from) = query.placed_from {
        sql.push(" AND listed_at >= ").push_bind(from.millis());
    }
    if let Some(to) = query.placed_to {
        sql.push(" AND listed_at < ").push_bind(to.millis());
    }
}

pub(super) async fn link_counts(pool: &PgPool, whose: Whose, row: &OrderStatusRow) -> Result<LinkCounts, StoreError> {
    let all = [LinkedBy::Device, LinkedBy::Ip, LinkedBy::Ip24, LinkedBy::Phone, LinkedBy::Address];
    let mut sql = Sql::new("SELECT ");
    for (index, by) in all.into_iter().enumerate() {
        sql.push(if index > 0 { ", " } else { "" });
        push_count(&mut sql, whose, row, &by.handles(&row.facts.handles));
    }
    let counts = sql.build().fetch_one(pool).await?;
    let count = |index: usize| -> Result<u32, StoreError> {
        Ok(u32::try_from(counts.try_get::<i64, _>(index)?).unwrap_or(u32::MAX).min(LINK_COUNT_MAX))
    };
    Ok(LinkCounts { device: count(0)?, ip: count(1)?, ip24: count(2)?, phone: count(3)?, address: count(4)? })
}

fn push_count(sql: &mut Sql, whose: Whose, row: &OrderStatusRow, handles: &[Handle]) {
    let conditions: Vec<Condition<'_>> = handles.iter().flat_map(conditions).collect();
    if conditions.is_empty() {
        sql.push("0::bigint");
        return;
    }
    sql.push("(SELECT count(*) FROM (");
    for (index, condition) in conditions.into_iter().enumerate() {
        sql.push(if index > 0 { " UNION (" } else { "(" });
        sql.push("SELECT stream FROM order_status WHERE ");
        whose.push(sql);
        sql.push(" AND ");
        condition.push(sql);
        sql.push(" AND stream <> ").push_bind(row.stream.cast_signed());
        sql.push(format!(" LIMIT {LINK_COUNT_MAX})"));
    }
    sql.push(") AS others)");
}

#[cfg(test)]
mod tests {
    use domain::ids::Token;
    use domain::time::Timestamp;
    use sqlx::AssertSqlSafe;

    use super::*;
    use crate::model::Model;
    use crate::postgres::stretches::Stretch;
    use crate::postgres::{order_status, settings};
    use crate::store::Generation;

    const GENERATION: Generation = Generation { model: Model::OrderStatus, number: 1 };
    /// The first stream of the second stretch.
    const SECOND: u64 = 1 << 17;

    /// The indexes that a search reads, whatever the stretch, in the order of their names, and with them every walk through a table.
    async fn indexes(pool: &PgPool, query: &OrderQuery) -> Vec<String> {
        let cursor = Some(Cursor { list: 'o', key: 9000, stream: SECOND.cast_signed() });
        let mut sql = Sql::new("EXPLAIN (COSTS OFF) ");
        push_select(&mut sql, Whose::new(1, &eventlog::ids_of(0)), &Wanted::by(query), cursor, 51);
        let lines = sql.build().fetch_all(pool).await.unwrap();
        let lines: Vec<String> = lines.iter().map(|line| line.get(0)).collect();
        let mut indexes = Vec::new();
        for scan in lines.iter().filter(|line| line.contains("Scan") && !line.contains("Subquery")) {
            let index = scan.split_once(" using ").and_then(|(_, index)| index.split(' ').next());
            let whole = "SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = to_regclass($1)";
            let whole: Option<String> = sqlx::query_scalar(whole).bind(index).fetch_optional(pool).await.unwrap();
            indexes.push(
                whole.map_or_else(|| scan.clone(), |whole| whole.trim_start_matches("order_status_g1_").to_owned()),
            );
        }
        indexes.sort();
        indexes.dedup();
        indexes
    }

    #[tokio::test]
    async fn every_search_is_led_by_the_index_made_for_it() {
        let database = test_postgres::Database::fresh().await;
        settings::make_schema(database.url(), None).await.unwrap();
        let pool = settings::readers(&settings::parse(database.url()).unwrap());
        let table = GENERATION.table();
        let all_indexes = order_status::indexes(&table).join(";");
        let view = format!("CREATE VIEW order_status AS SELECT * FROM {table}");
        let schema = format!("{};{all_indexes};{view}", order_status::schema(&table));
        let mut connection = pool.acquire().await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(schema)).execute(&mut *connection).await.unwrap();
        // The last is another partition's, which nobody is to ask.
        for stream in [1, SECOND, *eventlog::ids_of(1).start()] {
            Stretch::of(GENERATION, stream).make(&mut connection).await.unwrap();
        }
        // The pool closes when all of its connections are back.
        drop(connection);
        // In a table that is nearly empty, or where all orders are held, every index is as good as another.
        let fill = format!(
            "INSERT INTO {table} (stream, merchant, channel, order_no, display_no, listed_at, placed_at, customer, \
             buyer_phone, recipient_phone, state, tier, held_since, stock, hits, marks, sources, position) \
             SELECT {SECOND} - 5001 + n, 1, 'web', n, n, n, n, n, n, n, \
             CASE WHEN n % 100 = 0 THEN 'frozen' ELSE 'released' END, \
             CASE WHEN n % 100 = 0 THEN 'sms' ELSE 'pass' END, CASE WHEN n % 100 = 0 THEN n END, '[]', '[]', 0, '[]', n \
             FROM generate_series(1, 10000) n; ANALYZE {table}"
        );
        sqlx::raw_sql(AssertSqlSafe(fill)).execute(&pool).await.unwrap();
        let any = OrderQuery {
            channel: Some("web".parse().unwrap()),
            placed_from: Some(Timestamp::from_millis(1)),
            placed_to: Some(Timestamp::from_millis(10_000)),
            ..OrderQuery::default()
        };
        let token = Some(Token::new([1; 16]));
        let cases: Vec<(OrderQuery, &[&str])> = vec![
            (any.clone(), &["listed"]),
            (
                OrderQuery { order_no: Some("A1".into()), phone: token, ..any.clone() },
                &["display_no", "order_no", "pkey"],
            ),
            (OrderQuery { phone: token, customer: token, ..any.clone() }, &["buyer_phone", "pkey", "recipient_phone"]),
            (OrderQuery { customer: token, ..any.clone() }, &["customer"]),
            (OrderQuery { state: Some(RiskState::Frozen), ..any.clone() }, &["held"]),
            (OrderQuery { tier: Some("sms".into()), ..any.clone() }, &["tier"]),
        ];
        for (query, expected) in cases {
            assert_eq!(indexes(&pool, &query).await, expected, "{query:?}");
        }
        pool.close().await;
    }
}
