//! Finding orders in SQLite.
//!
//! Where a handle leads, places are read from its index and from what is still in memory, highest first, and each row is
//! looked at until the page is full. Otherwise one of the three lists leads, in one statement.

use domain::order::{LinkedBy, PASS, RiskState};
use eventlog::StreamId;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};
use rustc_hash::FxHashSet;

use super::handles::{Place, Recent, kind_of, stored};
use super::order_status::{columns, read_row};
use crate::cursor::Cursor;
use crate::error::StoreError;
use crate::order_status::{Handle, Handles, LINK_COUNT_MAX, LinkCounts, OrderQuery, OrderStatusRow, Wanted, shared};
use crate::words::{state_word, status_word};

/// One handle's orders that are still in memory. Taken together with the state of the file that is read then.
pub(super) struct Lead {
    kind: usize,
    token: i64,
    in_memory: Vec<Place>,
}

impl Lead {
    pub(super) fn of(recent: &Recent, merchant: i64, handle: &Handle) -> Self {
        let (kind, token) = kind_of(handle);
        Self { kind, token, in_memory: recent.places(kind, merchant, token) }
    }

    pub(super) fn all(recent: &Recent, merchant: i64, handles: &[Handle]) -> Vec<Self> {
        handles.iter().map(|handle| Self::of(recent, merchant, handle)).collect()
    }

    /// At most `count` places below one, from high to low.
    fn places(
        &self,
        connection: &Connection,
        merchant: i64,
        below: Place,
        count: usize,
    ) -> Result<Vec<Place>, StoreError> {
        let mut select = connection.prepare_cached(HANDLES)?;
        let (listed_at, stream) = (below.0, below.1.cast_signed());
        let limit = i64::try_from(count).unwrap_or(i64::MAX);
        let found = select.query_map((stored(self.kind), merchant, self.token, listed_at, stream, limit), |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()))
        })?;
        let mut places: Vec<Place> = found.collect::<Result<_, _>>()?;
        let end = self.in_memory.partition_point(|place| *place < below);
        places.extend(self.in_memory[..end].iter().rev().take(count));
        Ok(places)
    }
}

const HANDLES: &str = "SELECT listed_at, stream FROM order_status_handles \
                       WHERE kind = ? AND merchant = ? AND token = ? AND (listed_at, stream) < (?, ?) \
                       ORDER BY listed_at DESC, stream DESC LIMIT ?";

/// Above every place there is.
const HIGHEST: Place = (i64::MAX, i64::MAX.cast_unsigned());

/// Shows rows from high to low until one is the last that is wanted.
fn walk(
    connection: &Connection,
    merchant: i64,
    leads: &[Lead],
    mut below: Place,
    count: usize,
    mut show: impl FnMut(OrderStatusRow) -> bool,
) -> Result<(), StoreError> {
    let mut select = connection.prepare_cached(&select_row())?;
    loop {
        let mut places = Vec::new();
        for lead in leads {
            places.append(&mut lead.places(connection, merchant, below, count)?);
        }
        places.sort_unstable_by(|one, other| other.cmp(one));
        places.dedup();
        // Behind the first `count` a lead may hold places that it did not tell.
        let is_last = places.len() < count;
        places.truncate(count);
        for (_, stream) in &places {
            let row = select.query_row([stream.cast_signed()], |row| Ok(read_row(row))).optional()?.transpose()?;
            if let Some(row) = row
                && !show(row)
            {
                return Ok(());
            }
        }
        match places.last() {
            Some(last) if !is_last => below = *last,
            _ => return Ok(()),
        }
    }
}

fn select_row() -> String {
    format!("SELECT {} FROM order_status WHERE stream = ?", columns())
}

pub(super) fn orders(
    connection: &Connection,
    merchant: i64,
    streams: &[StreamId],
) -> Result<Vec<OrderStatusRow>, StoreError> {
    let sql = format!("{} AND merchant = ?", select_row());
    let mut select = connection.prepare_cached(&sql)?;
    let mut rows = Vec::with_capacity(streams.len());
    for stream in streams {
        let row = select.query_row((stream.cast_signed(), merchant), |row| Ok(read_row(row)));
        rows.extend(row.optional()?.transpose()?);
    }
    Ok(rows)
}

pub(super) fn search(
    connection: &Connection,
    merchant: i64,
    leads: &[Lead],
    wanted: &Wanted,
    cursor: Option<Cursor>,
    count: usize,
) -> Result<Vec<OrderStatusRow>, StoreError> {
    if wanted.any_of.is_empty() {
        return list(connection, merchant, &wanted.query, cursor, count);
    }
    let below = cursor.map_or(HIGHEST, |cursor| (cursor.key, cursor.stream.cast_unsigned()));
    let mut rows = Vec::with_capacity(count);
    walk(connection, merchant, leads, below, count, |row| {
        if wanted.is_met_by(&row) {
            rows.push(row);
        }
        rows.len() < count
    })?;
    Ok(rows)
}

fn list(
    connection: &Connection,
    merchant: i64,
    query: &OrderQuery,
    cursor: Option<Cursor>,
    count: usize,
) -> Result<Vec<OrderStatusRow>, StoreError> {
    let (sql, values) = select_list(merchant, query, cursor, count);
    let mut select = connection.prepare_cached(&sql)?;
    let mut found = select.query(params_from_iter(values))?;
    let mut rows = Vec::with_capacity(count);
    while let Some(row) = found.next()? {
        rows.push(read_row(row)?);
    }
    Ok(rows)
}

fn select_list(merchant: i64, query: &OrderQuery, cursor: Option<Cursor>, count: usize) -> (String, Vec<Value>) {
    let mut sql = format!("SELECT {} FROM order_status WHERE merchant = ?", columns());
    let mut values = vec![Value::Integer(merchant)];
    let mut and = |condition: &str, value: Option<Value>| {
        sql.push_str(" AND ");
        sql.push_str(condition);
        values.extend(value);
    };
    let mut has_index = false;
    if let Some(channel) = &query.channel {
        and("channel = ?", Some(Value::Text(channel.as_str().to_owned())));
    }
    if let Some(state) = query.state {
        and("state = ?", Some(Value::Text(state_word(Some(state)).to_owned())));
        if matches!(state, RiskState::Challenged | RiskState::Verified | RiskState::Frozen) {
            // True of these states anyway; said so that the index applies.
            and("held_since IS NOT NULL", None);
            has_index = true;
        }
    }
    if let Some(status) = query.status {
        and("status = ?", Some(Value::Text(status_word(status).to_owned())));
    }
    if let Some(tier) = &query.tier {
        and("tier = ?", Some(Value::Text(tier.clone())));
        if tier != PASS {
            and("tier <> 'pass'", None);
            has_index = true;
        }
    }
    if query.placed_from.is_some() || query.placed_to.is_some() {
        and("placed_at IS NOT NULL", None);
    }
    // The unary plus keeps the planner from the list of all orders where a small index leads.
    let listed_at = if has_index { "+listed_at" } else { "listed_at" };
    if let Some(from) = query.placed_from {
        and(&format!("{listed_at} >= ?"), Some(Value::Integer(from.millis())));
    }
    if let Some(to) = query.placed_to {
        and(&format!("{listed_at} < ?"), Some(Value::Integer(to.millis())));
    }
    if let Some(cursor) = cursor {
        and("(listed_at, stream) < (?, ?)", Some(Value::Integer(cursor.key)));
        values.push(Value::Integer(cursor.stream));
    }
    sql.push_str(&format!(" ORDER BY listed_at DESC, stream DESC LIMIT {count}"));
    (sql, values)
}

/// What leads to the orders that share something with another.
pub(super) fn links(recent: &Recent, merchant: i64, handles: &Handles) -> [Vec<Lead>; 5] {
    let all = [LinkedBy::Device, LinkedBy::Ip, LinkedBy::Ip24, LinkedBy::Phone, LinkedBy::Address];
    all.map(|by| Lead::all(recent, merchant, &shared(by, handles)))
}

pub(super) fn link_counts(
    connection: &Connection,
    merchant: i64,
    links: &[Vec<Lead>; 5],
    not: StreamId,
) -> Result<LinkCounts, StoreError> {
    let count = |leads: &[Lead]| -> Result<u32, StoreError> {
        let max = usize::try_from(LINK_COUNT_MAX).unwrap_or(usize::MAX);
        let mut streams = FxHashSet::default();
        for lead in leads {
            let places = lead.places(connection, merchant, HIGHEST, max + 1)?;
            streams.extend(places.into_iter().map(|(_, stream)| stream).filter(|stream| *stream != not));
        }
        Ok(u32::try_from(streams.len()).unwrap_or(u32::MAX).min(LINK_COUNT_MAX))
    };
    let [device, ip, ip24, phone, address] = links;
    Ok(LinkCounts {
        device: count(device)?,
        ip: count(ip)?,
        ip24: count(ip24)?,
        phone: count(phone)?,
        address: count(address)?,
    })
}

#[cfg(test)]
mod tests {
    use domain::time::Timestamp;

    use super::*;

    /// The steps of a statement's plan.
    fn plan(connection: &Connection, sql: &str, values: Vec<Value>) -> Vec<String> {
        let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = explain.query_map(params_from_iter(values), |row| row.get("detail")).unwrap();
        steps.collect::<rusqlite::Result<Vec<String>>>().unwrap()
    }

    #[test]
    fn every_search_is_led_by_the_index_made_for_it() {
        let connection = Connection::open_in_memory().unwrap();
        let tables = super::super::order_status::schema("t");
        let indexes = super::super::order_status::indexes("t").join(";");
        let views = "CREATE VIEW order_status AS SELECT * FROM t;
                     CREATE VIEW order_status_handles AS SELECT * FROM t_handles";
        connection.execute_batch(&format!("{tables};{indexes};{views}")).unwrap();
        let any = OrderQuery {
            channel: Some("web".parse().unwrap()),
            placed_from: Some(Timestamp::EARLIEST),
            placed_to: Some(Timestamp::LATEST),
            ..OrderQuery::default()
        };
        let cases = [
            (any.clone(), "USING INDEX t_listed (merchant=? AND listed_at>? AND listed_at<?)"),
            (
                OrderQuery { state: Some(RiskState::Frozen), ..any.clone() },
                "USING INDEX t_held (merchant=? AND state=? AND listed_at<?)",
            ),
            (
                OrderQuery { tier: Some("sms".into()), ..any.clone() },
                "USING INDEX t_tier (merchant=? AND tier=? AND listed_at<?)",
            ),
        ];
        let cursor = Some(Cursor { list: 'o', key: 1, stream: 1 });
        for (query, expected) in cases {
            let (sql, values) = select_list(1, &query, cursor, 51);
            let steps = plan(&connection, &sql, values);
            // One step: the index gives the order too.
            assert!(matches!(steps.as_slice(), [step] if step.ends_with(expected)), "{query:?}: {steps:?}");
        }
        let by_handle = plan(&connection, HANDLES, vec![Value::Integer(1); 6]);
        let expected = "USING PRIMARY KEY (kind=? AND merchant=? AND token=? AND (listed_at,stream)<(?,?))";
        assert!(matches!(by_handle.as_slice(), [step] if step.ends_with(expected)), "{by_handle:?}");
        let by_stream = plan(&connection, &select_row(), vec![Value::Integer(1)]);
        assert!(matches!(by_stream.as_slice(), [step] if step.contains("USING INTEGER PRIMARY KEY")), "{by_stream:?}");
    }
}
