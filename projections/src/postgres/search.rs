//! Finding orders in Postgres.
//!
//! A search that names several columns for one value (the order number is also the display number, a phone is the buyer's or the
//! recipient's) asks each index on its own for one page and merges the pages, so that it costs the same however many orders
//! there are.

use std::cmp::Reverse;

use domain::order::{PASS, RiskState};
use domain::time::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Postgres, QueryBuilder, Row as _};

use super::limit;
use super::order_status::{columns, read_row};
use super::stretches::Whose;
use crate::cursor::Cursor;
use crate::error::StoreError;
use crate::order_status::{Handle, Handles, LINK_COUNT_MAX, LinkCounts, OrderQuery, OrderStatusRow, Wanted};
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

pub(super) async fn orders(pool: &PgPool, merchant: i64, streams: &[i64]) -> Result<Vec<OrderStatusRow>, StoreError> {
    let mut sql = Sql::new("");
    push_orders(&mut sql, merchant, streams);
    let rows = sql.build().fetch_all(pool).await?;
    rows.iter().map(read_row).collect()
}

/// Planned for these streams, and so for the stretches alone that they lie in. The merchant is said so that no index leads by it.
fn push_orders(sql: &mut Sql, merchant: i64, streams: &[i64]) {
    sql.push(format!("SELECT {} FROM order_status WHERE stream = ANY (", columns())).push_bind(streams);
    sql.push(") AND merchant = ALL (ARRAY[").push_bind(merchant).push("])");
}

pub(super) async fn search(
    pool: &PgPool,
    whose: Whose,
    wanted: &Wanted,
    cursor: Option<Cursor>,
    count: usize,
) -> Result<Vec<OrderStatusRow>, StoreError> {
    let mut sql = Sql::new("");
    push_select(&mut sql, whose, wanted, cursor, limit(count));
    let rows = sql.build().fetch_all(pool).await?;
    let mut rows: Vec<OrderStatusRow> = rows.iter().map(read_row).collect::<Result<_, _>>()?;
    rows.sort_unstable_by_key(|row| Reverse((row.facts.listed_at, row.stream)));
    rows.dedup_by_key(|row| row.stream);
    rows.truncate(count);
    Ok(rows)
}

/// The first rows behind a cursor, a page of each lead.
fn push_select(sql: &mut Sql, whose: Whose, wanted: &Wanted, cursor: Option<Cursor>, count: i64) {
    let leads: Vec<Condition<'_>> = wanted.any_of.first().into_iter().flatten().flat_map(conditions).collect();
    if leads.is_empty() {
        push_page(sql, whose, wanted, None, cursor, count);
    }
    for (index, lead) in leads.iter().enumerate() {
        sql.push(if index > 0 { " UNION ALL (" } else { "(" });
        push_page(sql, whose, wanted, Some(*lead), cursor, count);
        sql.push(")");
    }
}

/// One page of what is found through one column, or without.
fn push_page(
    sql: &mut Sql,
    whose: Whose,
    wanted: &Wanted,
    lead: Option<Condition<'_>>,
    cursor: Option<Cursor>,
    count: i64,
) {
    sql.push(format!("SELECT {} FROM order_status WHERE ", columns()));
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
    push_times(sql, &wanted.query, cursor);
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
}

/// Where in the list: behind the cursor, and in the time that is asked for. One bound above and one below, so that a page is read
/// from its beginning on, and each as a row, for the same reason as in [`Whose::push`]: the server would go through all orders of that
/// time.
fn push_times(sql: &mut Sql, query: &OrderQuery, cursor: Option<Cursor>) {
    if query.placed_from.is_some() || query.placed_to.is_some() {
        sql.push(" AND placed_at IS NOT NULL");
    }
    // Before every stream.
    let at = |time: Timestamp| (time.millis(), 0);
    let below = [query.placed_to.map(at), cursor.map(|cursor| (cursor.key, cursor.stream))];
    let bounds = [("<", below.into_iter().flatten().min()), (">=", query.placed_from.map(at))];
    for (is, bound) in bounds {
        if let Some((listed_at, stream)) = bound {
            sql.push(format!(" AND (listed_at, stream) {is} ("));
            sql.push_bind(listed_at).push(", ").push_bind(stream).push(")");
        }
    }
}

/// Of some orders, in their order.
pub(super) async fn link_counts(
    pool: &PgPool,
    whose: Whose,
    rows: &[OrderStatusRow],
) -> Result<Vec<LinkCounts>, StoreError> {
    let mut sql = Sql::new("");
    push_link_counts(&mut sql, whose, rows);
    let found = sql.build().fetch_all(pool).await?;
    let read = |counts: &PgRow| {
        let count = |index: usize| -> Result<u32, StoreError> {
            Ok(u32::try_from(counts.try_get::<i64, _>(index)?).unwrap_or(u32::MAX).min(LINK_COUNT_MAX))
        };
        Ok(LinkCounts { device: count(0)?, ip: count(1)?, ip24: count(2)?, phone: count(3)?, address: count(4)? })
    };
    found.iter().map(read).collect()
}

/// What orders can share: each time the columns of one, with those of another that say the same.
const SHARED: [&[(&str, &str)]; 5] = [
    &[("device", "device")],
    &[("ip", "ip")],
    &[("ip24", "ip24")],
    &[
        ("buyer_phone", "buyer_phone"),
        ("buyer_phone", "recipient_phone"),
        ("recipient_phone", "buyer_phone"),
        ("recipient_phone", "recipient_phone"),
    ],
    &[("address", "address")],
];

/// One statement for all of them, planned once whatever their number: what is known of each is a row of its own, and nothing is
/// found by what is not known.
fn push_link_counts(sql: &mut Sql, whose: Whose, rows: &[OrderStatusRow]) {
    for (index, columns) in SHARED.into_iter().enumerate() {
        sql.push(if index > 0 { ", " } else { "SELECT " });
        sql.push("(SELECT count(*) FROM (");
        for (index, (column, wanted)) in columns.iter().enumerate() {
            sql.push(if index > 0 { " UNION (" } else { "(" });
            sql.push("SELECT stream FROM order_status WHERE ");
            whose.push(sql);
            sql.push(format!(" AND {column} = wanted.{wanted} AND stream <> wanted.stream LIMIT {LINK_COUNT_MAX})"));
        }
        sql.push(") AS others)");
    }
    let of = |handle: fn(&Handles) -> Option<i64>| rows.iter().map(|row| handle(&row.facts.handles)).collect();
    let handles: [Vec<Option<i64>>; 6] = [
        of(|of| of.device),
        of(|of| of.ip),
        of(|of| of.ip24),
        of(|of| of.buyer_phone),
        of(|of| of.recipient_phone.filter(|phone| of.buyer_phone != Some(*phone))),
        of(|of| of.address),
    ];
    let streams: Vec<i64> = rows.iter().map(|row| row.stream.cast_signed()).collect();
    sql.push(" FROM unnest(").push_bind(streams).push("::bigint[]");
    for handles in handles {
        sql.push(", ").push_bind(handles).push("::bigint[]");
    }
    sql.push(
        ") WITH ORDINALITY AS wanted (stream, device, ip, ip24, buyer_phone, recipient_phone, address, place) ORDER BY place",
    );
}

#[cfg(test)]
mod tests {
    use domain::ids::Token;
    use sqlx::AssertSqlSafe;

    use super::*;
    use crate::model::Model;
    use crate::order_status::{Course, OrderFacts, OrderRisk};
    use crate::postgres::stretches::Stretch;
    use crate::postgres::{order_status, settings};
    use crate::store::Generation;

    const GENERATION: Generation = Generation { model: Model::OrderStatus, number: 1 };
    /// The first stream of the second stretch.
    const SECOND: u64 = 1 << 17;

    /// What the stretches hold when a search is planned, and whether the server has looked at them, which it does within a minute
    /// or so.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    enum Stretches {
        Empty,
        Fresh,
        Analysed,
    }

    /// The tables of one build, and in them stretches of two partitions. The pool closes when all of its connections are back.
    async fn build(database: &test_postgres::Database, stretches: Stretches) -> PgPool {
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
            let stretch = Stretch::of(GENERATION, stream);
            stretch.make(&mut connection).await.unwrap();
            // So that the server does not look at it while this goes on.
            let alone = format!("ALTER TABLE {} SET (autovacuum_enabled = false)", stretch.table());
            sqlx::raw_sql(AssertSqlSafe(alone)).execute(&mut *connection).await.unwrap();
        }
        // In a table where all orders are held, every index is as good as another.
        let fill = format!(
            "INSERT INTO {table} (stream, merchant, channel, order_no, display_no, listed_at, placed_at, customer, \
             buyer_phone, recipient_phone, state, tier, held_since, stock, hits, marks, sources, position) \
             SELECT {SECOND} - 5001 + n, 1, 'web', n, n, n, n, n, n, n, \
             CASE WHEN n % 100 = 0 THEN 'frozen' ELSE 'released' END, \
             CASE WHEN n % 100 = 0 THEN 'sms' ELSE 'pass' END, CASE WHEN n % 100 = 0 THEN n END, '[]', '[]', 0, '[]', n \
             FROM generate_series(1, 10000) n"
        );
        if stretches != Stretches::Empty {
            sqlx::raw_sql(AssertSqlSafe(fill)).execute(&mut *connection).await.unwrap();
        }
        if stretches == Stretches::Analysed {
            sqlx::raw_sql(AssertSqlSafe(format!("ANALYZE {table}"))).execute(&mut *connection).await.unwrap();
        }
        drop(connection);
        pool
    }

    /// What a statement reads: indexes, whatever the stretch, in the order of their names, and with them every walk through a table.
    async fn indexes(pool: &PgPool, mut explained: Sql) -> (usize, Vec<String>) {
        let lines = explained.build().fetch_all(pool).await.unwrap();
        let lines: Vec<String> = lines.iter().map(|line| line.get(0)).collect();
        let mut indexes = Vec::new();
        let mut tables = std::collections::BTreeSet::new();
        let is_scan = |line: &str| line.contains("Scan") && !line.contains("Subquery") && !line.contains("Function");
        for scan in lines.iter().filter(|line| is_scan(line)) {
            let index = scan.split_once(" using ").and_then(|(_, index)| index.split(' ').next());
            tables.extend(scan.split_once(" on ").and_then(|(_, table)| table.split(' ').next()).map(str::to_owned));
            let whole = "SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = to_regclass($1)";
            let whole: Option<String> = sqlx::query_scalar(whole).bind(index).fetch_optional(pool).await.unwrap();
            indexes.push(
                whole.map_or_else(|| scan.clone(), |whole| whole.trim_start_matches("order_status_g1_").to_owned()),
            );
        }
        indexes.sort();
        indexes.dedup();
        (tables.len(), indexes)
    }

    /// An order that is found by everything.
    fn row() -> OrderStatusRow {
        let handles = Handles {
            customer: Some(1),
            buyer_phone: Some(1),
            recipient_phone: Some(2),
            device: Some(1),
            ip: Some(1),
            ip24: Some(1),
            address: Some(1),
        };
        OrderStatusRow {
            stream: 1,
            order_id: "web:1".parse().unwrap(),
            facts: OrderFacts { handles, ..OrderFacts::default() },
            risk: OrderRisk::default(),
            status: None,
            sources: Vec::new(),
            course: Course::default(),
            position: 1,
        }
    }

    fn explained() -> Sql {
        Sql::new("EXPLAIN (COSTS OFF) ")
    }

    async fn every_search_is_led_by_the_index_made_for_it_in(stretches: Stretches) {
        let database = test_postgres::Database::fresh().await;
        let pool = build(&database, stretches).await;
        let any = OrderQuery {
            channel: Some("web".parse().unwrap()),
            placed_from: Some(Timestamp::from_millis(1)),
            placed_to: Some(Timestamp::from_millis(10_000)),
            ..OrderQuery::default()
        };
        let token = Some(Token::new([1; 16]));
        let cases: Vec<(OrderQuery, &[&str])> = vec![
            (any.clone(), &["listed"]),
            (OrderQuery { order_no: Some("A1".into()), phone: token, ..any.clone() }, &["display_no", "order_no"]),
            (OrderQuery { phone: token, customer: token, ..any.clone() }, &["buyer_phone", "recipient_phone"]),
            (OrderQuery { customer: token, ..any.clone() }, &["customer"]),
            (OrderQuery { state: Some(RiskState::Frozen), ..any.clone() }, &["held"]),
            (OrderQuery { tier: Some("sms".into()), ..any.clone() }, &["tier"]),
        ];
        for (query, expected) in cases {
            let cursor = Some(Cursor { list: 'o', key: 9000, stream: SECOND.cast_signed() });
            let mut sql = explained();
            push_select(&mut sql, Whose::new(1, &eventlog::ids_of(0)), &Wanted::by(&query), cursor, 51);
            let (tables, led_by) = indexes(&pool, sql).await;
            assert_eq!(led_by, expected, "{query:?}");
            assert_eq!(tables, 2, "the stretches of its partition: {query:?}");
        }
        let mut sql = explained();
        push_link_counts(&mut sql, Whose::new(1, &eventlog::ids_of(0)), &[row(), row()]);
        let links: &[&str] = &["address", "buyer_phone", "device", "ip", "ip24", "recipient_phone"];
        assert_eq!(indexes(&pool, sql).await, (2, links.iter().map(|link| (*link).to_owned()).collect()));
        let mut sql = explained();
        push_orders(&mut sql, 1, &[SECOND.cast_signed()]);
        assert_eq!(indexes(&pool, sql).await, (1, vec!["pkey".to_owned()]));
        pool.close().await;
    }

    #[tokio::test]
    async fn every_search_is_led_by_the_index_made_for_it() {
        every_search_is_led_by_the_index_made_for_it_in(Stretches::Analysed).await;
    }

    #[tokio::test]
    async fn every_search_is_led_by_the_index_made_for_it_in_stretches_without_orders() {
        every_search_is_led_by_the_index_made_for_it_in(Stretches::Empty).await;
    }

    #[tokio::test]
    async fn every_search_is_led_by_the_index_made_for_it_before_the_server_has_looked_at_new_stretches() {
        every_search_is_led_by_the_index_made_for_it_in(Stretches::Fresh).await;
    }
}
