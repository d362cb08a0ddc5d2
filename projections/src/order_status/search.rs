//! Finding orders: by number, handle, channel, state, status, tier and time; newest placed first.
//!
//! A list is sorted by (`listed_at`, `stream`), both descending. A search that names several columns for one value (the
//! order number is also the display number, a phone is the buyer's or the recipient's) asks each index on its own for one
//! page and merges the pages, so that it costs the same however many orders there are.

use domain::ids::{Channel, MerchantId, OrderId, Token};
use domain::order::{PASS, RiskState, Status};
use domain::time::Timestamp;
use eventlog::StreamId;
use sqlx::{QueryBuilder, Sqlite, SqlitePool};

use super::OrderStatusRow;
use super::table::read_row;
use crate::cursor::{Cursor, LIMIT_MAX, Listing};
use crate::database::{stream_list, to_stored};
use crate::error::LookUpError;
use crate::words::{state_word, status_word};

/// The list's letter in cursors.
pub(super) const LIST: char = 'o';

/// What to look for; all that is set must hold.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct OrderQuery {
    /// The order number or the display number.
    pub order_no: Option<String>,
    /// The buyer's or the recipient's number.
    pub phone: Option<Token>,
    /// The customer.
    pub customer: Option<Token>,
    /// The channel.
    pub channel: Option<Channel>,
    /// The risk state.
    pub state: Option<RiskState>,
    /// The unified status.
    pub status: Option<Status>,
    /// The tier of the last screening.
    pub tier: Option<String>,
    /// Placed at this time or later.
    pub placed_from: Option<Timestamp>,
    /// Placed before this time.
    pub placed_to: Option<Timestamp>,
}

/// A column with an index of its own, and the value it must hold.
pub(super) enum Handle {
    Text(&'static str, String),
    Token(&'static str, i64),
}

impl Handle {
    pub(super) fn push(&self, sql: &mut QueryBuilder<Sqlite>, prefix: &str) {
        match self {
            Self::Text(column, text) => sql.push(format!("{prefix}{column} = ")).push_bind(text.clone()),
            Self::Token(column, token) => sql.push(format!("{prefix}{column} = ")).push_bind(*token),
        };
    }
}

/// The columns that hold a phone number.
pub(super) const PHONES: [&str; 2] = ["buyer_phone", "recipient_phone"];

/// Begins a condition that only rows of one merchant meet.
pub(crate) fn push_merchant(sql: &mut QueryBuilder<Sqlite>, merchant: &MerchantId) {
    sql.push("merchant = (SELECT id FROM merchants WHERE name = ").push_bind(merchant.as_str().to_owned()).push(")");
}

pub(crate) async fn order(
    pool: &SqlitePool,
    merchant: &MerchantId,
    order_id: &OrderId,
) -> Result<Option<OrderStatusRow>, LookUpError> {
    let mut sql = QueryBuilder::<Sqlite>::new("SELECT * FROM order_status WHERE ");
    push_merchant(&mut sql, merchant);
    sql.push(" AND order_no = ").push_bind(order_id.order_no().to_owned());
    sql.push(" AND channel = ").push_bind(order_id.channel().to_owned());
    let row = sql.build().fetch_optional(pool).await?;
    Ok(row.as_ref().map(read_row).transpose()?)
}

/// Some orders by their streams, in no order; what is not there or another merchant's is left out.
pub(crate) async fn orders(
    pool: &SqlitePool,
    merchant: &MerchantId,
    streams: &[StreamId],
) -> Result<Vec<OrderStatusRow>, LookUpError> {
    let mut sql =
        QueryBuilder::<Sqlite>::new("SELECT * FROM order_status WHERE stream IN (SELECT value FROM json_each(");
    sql.push_bind(stream_list(streams)).push(")) AND +");
    push_merchant(&mut sql, merchant);
    let rows = sql.build().fetch_all(pool).await?;
    Ok(rows.iter().map(read_row).collect::<Result<_, _>>()?)
}

pub(crate) async fn search(
    pool: &SqlitePool,
    merchant: &MerchantId,
    query: &OrderQuery,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Listing<OrderStatusRow>, LookUpError> {
    let wanted = Wanted { merchant, any_of: handles(query), query, not: None };
    list(pool, &wanted, cursor, limit).await
}

/// What leads to the orders, the most telling first.
fn handles(query: &OrderQuery) -> Vec<Vec<Handle>> {
    let mut wanted: Vec<Vec<Handle>> = Vec::new();
    if let Some(order_no) = &query.order_no {
        wanted.push(["order_no", "display_no"].map(|column| Handle::Text(column, order_no.clone())).into());
    }
    if let Some(phone) = query.phone {
        wanted.push(PHONES.map(|column| Handle::Token(column, phone.short())).into());
    }
    if let Some(customer) = query.customer {
        wanted.push(vec![Handle::Token("customer", customer.short())]);
    }
    wanted
}

pub(super) struct Wanted<'a> {
    pub(super) merchant: &'a MerchantId,
    /// Of each group one must hold. The first group leads through its indexes, the others only narrow it.
    pub(super) any_of: Vec<Vec<Handle>>,
    pub(super) query: &'a OrderQuery,
    /// An order that is not to be shown.
    pub(super) not: Option<StreamId>,
}

pub(super) async fn list(
    pool: &SqlitePool,
    wanted: &Wanted<'_>,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Listing<OrderStatusRow>, LookUpError> {
    let cursor = Cursor::read(cursor, LIST)?;
    let limit = limit.clamp(1, LIMIT_MAX);
    let rows = select(wanted, cursor, limit).build().fetch_all(pool).await?;
    let rows = rows.iter().map(read_row).collect::<Result<Vec<_>, _>>()?;
    Ok(Listing::from_rows(rows, limit, |row| Cursor {
        list: LIST,
        key: row.facts.listed_at.millis(),
        stream: to_stored(row.stream),
    }))
}

/// The rows of one page and one more.
fn select(wanted: &Wanted<'_>, cursor: Option<Cursor>, limit: u32) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::<Sqlite>::new("SELECT * FROM order_status WHERE stream IN (");
    match wanted.any_of.first() {
        None => push_branch(&mut sql, wanted, None, cursor, limit),
        Some(leads) => {
            for (index, lead) in leads.iter().enumerate() {
                if index > 0 {
                    sql.push(" UNION ");
                }
                push_branch(&mut sql, wanted, Some(lead), cursor, limit);
            }
        }
    }
    sql.push(") ORDER BY listed_at DESC, stream DESC LIMIT ").push_bind(i64::from(limit) + 1);
    sql
}

/// One page of the streams that are found through one column.
fn push_branch(
    sql: &mut QueryBuilder<Sqlite>,
    wanted: &Wanted<'_>,
    lead: Option<&Handle>,
    cursor: Option<Cursor>,
    limit: u32,
) {
    sql.push("SELECT stream FROM (SELECT stream FROM order_status WHERE ");
    push_merchant(sql, wanted.merchant);
    if let Some(lead) = lead {
        lead.push(sql, " AND ");
    }
    for narrower in wanted.any_of.iter().skip(1) {
        for (index, handle) in narrower.iter().enumerate() {
            // The unary plus keeps the planner from choosing that column's index.
            handle.push(sql, if index == 0 { " AND (+" } else { " OR +" });
        }
        sql.push(")");
    }
    push_filters(sql, wanted.query, lead.is_some());
    if let Some(stream) = wanted.not {
        sql.push(" AND stream <> ").push_bind(to_stored(stream));
    }
    if let Some(cursor) = cursor {
        sql.push(" AND (listed_at, stream) < (").push_bind(cursor.key).push(", ").push_bind(cursor.stream).push(")");
    }
    sql.push(" ORDER BY listed_at DESC, stream DESC LIMIT ").push_bind(i64::from(limit) + 1).push(")");
}

fn push_filters(sql: &mut QueryBuilder<Sqlite>, query: &OrderQuery, is_led: bool) {
    // The unary plus keeps the planner from an index: where a handle leads, from all others; where the small index of held
    // orders or of a tier leads, from the list of all orders.
    let not_by_index = |is_led: bool| if is_led { "+" } else { "" };
    let mut has_index = is_led;
    let plus = not_by_index(has_index);
    if let Some(channel) = &query.channel {
        sql.push(" AND channel = ").push_bind(channel.as_str().to_owned());
    }
    if let Some(state) = query.state {
        sql.push(format!(" AND {plus}state = ")).push_bind(state_word(Some(state)));
        if matches!(state, RiskState::Challenged | RiskState::Verified | RiskState::Frozen) {
            // True of these states anyway; said so that the index applies.
            sql.push(" AND held_since IS NOT NULL");
            has_index = true;
        }
    }
    if let Some(status) = query.status {
        sql.push(" AND status = ").push_bind(status_word(status));
    }
    if let Some(tier) = &query.tier {
        sql.push(format!(" AND {plus}tier = ")).push_bind(tier.clone());
        if tier != PASS {
            sql.push(" AND tier <> 'pass'");
            has_index = true;
        }
    }
    let plus = not_by_index(has_index);
    if query.placed_from.is_some() || query.placed_to.is_some() {
        sql.push(" AND placed_at IS NOT NULL");
    }
    if let Some(from) = query.placed_from {
        sql.push(format!(" AND {plus}listed_at >= ")).push_bind(from.millis());
    }
    if let Some(to) = query.placed_to {
        sql.push(format!(" AND {plus}listed_at < ")).push_bind(to.millis());
    }
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::SqlitePoolOptions;
    use sqlx::{AssertSqlSafe, Row as _};

    use super::*;
    use crate::order_status::OrderStatus;
    use crate::projection::Projection as _;

    /// The indexes that a search reads, in the order of their names.
    async fn indexes(pool: &SqlitePool, query: &OrderQuery) -> Vec<String> {
        let merchant = "default".parse().unwrap();
        let wanted = Wanted { merchant: &merchant, any_of: handles(query), query, not: None };
        let cursor = Some(Cursor { list: LIST, key: 1, stream: 1 });
        let explain = format!("EXPLAIN QUERY PLAN {}", select(&wanted, cursor, 50).sql().as_str());
        let plan = sqlx::query(AssertSqlSafe(explain)).fetch_all(pool).await.unwrap();
        let mut indexes: Vec<String> = plan
            .iter()
            .filter_map(|step| step.get::<String, _>("detail").split_once("INDEX t_").map(|(_, rest)| rest.to_owned()))
            .map(|rest| rest.split(' ').next().unwrap_or_default().to_owned())
            .collect();
        indexes.sort();
        indexes
    }

    #[tokio::test]
    async fn every_search_is_led_by_the_index_made_for_it() {
        let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
        let schema = format!(
            "CREATE TABLE merchants (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE); {}
             CREATE VIEW order_status AS SELECT * FROM t",
            OrderStatus::schema("t")
        );
        sqlx::raw_sql(AssertSqlSafe(schema)).execute(&pool).await.unwrap();
        let any = OrderQuery {
            channel: Some("web".parse().unwrap()),
            placed_from: Some(Timestamp::EARLIEST),
            placed_to: Some(Timestamp::LATEST),
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
            assert_eq!(indexes(&pool, &query).await, expected, "{query:?}");
        }
    }
}
