//! The tables of what is summed over `order_status`, in SQLite: changed once a page, whatever many orders it has.

use domain::time::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Transaction, params, params_from_iter};

use crate::error::StoreError;
use crate::order_status::OrderSums;
use crate::outcomes::{Counted, Kind, QueueStanding, WholeStanding};
use crate::stock_holds::{HoldCause, StockHold, StockQuery, minute_begin};
use crate::store::Generation;

pub(super) fn schema(table: &str) -> String {
    format!(
        "CREATE TABLE {table}_stock_holds (
            merchant INTEGER NOT NULL, sku TEXT NOT NULL, cause TEXT NOT NULL, minute INTEGER NOT NULL,
            units INTEGER NOT NULL, orders INTEGER NOT NULL,
            PRIMARY KEY (merchant, sku, cause, minute)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE {table}_outcomes (
            merchant INTEGER NOT NULL, hour INTEGER NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, slot INTEGER NOT NULL,
            count INTEGER NOT NULL,
            PRIMARY KEY (merchant, hour, kind, name, slot)
        ) STRICT, WITHOUT ROWID;"
    )
}

/// Changes the sums by those of a page. `merchants` are those of the page's orders. What is nothing any more takes no row.
pub(super) fn save(
    transaction: &Transaction<'_>,
    generation: Generation,
    sums: &OrderSums,
    merchants: &[i64],
) -> Result<(), StoreError> {
    let table = generation.table();
    let mut add = transaction.prepare_cached(&format!(
        "INSERT INTO {table}_stock_holds AS held (merchant, sku, cause, minute, units, orders) VALUES (?, ?, ?, ?, ?, ?) \
         ON CONFLICT DO UPDATE SET units = held.units + excluded.units, orders = held.orders + excluded.orders"
    ))?;
    let mut drop_empty = transaction.prepare_cached(&format!(
        "DELETE FROM {table}_stock_holds WHERE merchant = ? AND sku = ? AND cause = ? AND minute = ? AND orders = 0"
    ))?;
    for (key, [units, orders]) in sums.stock.changed() {
        let (merchant, cause) = (merchants[key.merchant], key.cause.name());
        add.execute(params![merchant, &*key.sku, cause, key.minute, units, orders])?;
        if orders < 0 {
            drop_empty.execute(params![merchant, &*key.sku, cause, key.minute])?;
        }
    }
    let mut add = transaction.prepare_cached(&format!(
        "INSERT INTO {table}_outcomes AS counted (merchant, hour, kind, name, slot, count) VALUES (?, ?, ?, ?, ?, ?) \
         ON CONFLICT DO UPDATE SET count = counted.count + excluded.count"
    ))?;
    let mut drop_empty = transaction.prepare_cached(&format!(
        "DELETE FROM {table}_outcomes WHERE merchant = ? AND hour = ? AND kind = ? AND name = ? AND slot = ? AND count = 0"
    ))?;
    for (key, [count]) in sums.outcomes.changed() {
        let (merchant, kind) = (merchants[key.merchant], key.kind.name());
        add.execute(params![merchant, key.hour, kind, &*key.name, key.slot, count])?;
        if count < 0 {
            drop_empty.execute(params![merchant, key.hour, kind, &*key.name, key.slot])?;
        }
    }
    Ok(())
}

/// The first `count` SKUs behind one, with what is held of them.
pub(super) fn stock_holds(
    connection: &Connection,
    merchant: i64,
    query: &StockQuery,
    behind: Option<&str>,
    count: usize,
) -> Result<Vec<StockHold>, StoreError> {
    let units = HoldCause::ALL.map(|cause| format!("sum(CASE cause WHEN '{}' THEN units ELSE 0 END)", cause.name()));
    let mut sql = format!(
        "SELECT sku, {}, sum(orders), min(minute) FROM order_status_stock_holds WHERE merchant = ?",
        units.join(", ")
    );
    let mut values = vec![Value::Integer(merchant)];
    if let Some(sku) = &query.sku {
        sql.push_str(" AND sku = ?");
        values.push(Value::Text(sku.clone()));
    }
    if let Some(behind) = behind {
        sql.push_str(" AND sku > ?");
        values.push(Value::Text(behind.to_owned()));
    }
    sql.push_str(&format!(" GROUP BY sku ORDER BY sku LIMIT {count}"));
    let mut select = connection.prepare_cached(&sql)?;
    let mut found = select.query(params_from_iter(values))?;
    let mut holds = Vec::new();
    while let Some(row) = found.next()? {
        let number = |column: usize| Ok::<u64, rusqlite::Error>(row.get::<_, i64>(column)?.max(0).unsigned_abs());
        holds.push(StockHold {
            sku: row.get(0)?,
            units: [number(1)?, number(2)?, number(3)?],
            orders: number(4)?,
            oldest_held_since: minute_begin(row.get(5)?),
        });
    }
    Ok(holds)
}

/// The counts of some hours, summed over them.
pub(super) fn outcomes(
    connection: &Connection,
    merchant: i64,
    hours: &std::ops::Range<i64>,
) -> Result<Vec<Counted>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT kind, name, slot, sum(count) FROM order_status_outcomes \
         WHERE merchant = ? AND hour >= ? AND hour < ? GROUP BY kind, name, slot",
    )?;
    let mut found = select.query((merchant, hours.start, hours.end))?;
    let mut counts = Vec::new();
    while let Some(row) = found.next()? {
        let kind = Kind::from_name(row.get_ref(0)?.as_str().map_err(|error| StoreError::damaged("kind", error))?);
        counts.push(Counted {
            kind: kind.ok_or_else(|| StoreError::damaged("kind", "unknown word"))?,
            name: row.get(1)?,
            slot: row.get(2)?,
            count: row.get::<_, i64>(3)?.max(0).unsigned_abs(),
        });
    }
    Ok(counts)
}

/// How many reviews wait for a person.
pub(super) fn queue(connection: &Connection, merchant: i64) -> Result<QueueStanding, StoreError> {
    const WAITING: &str = "FROM review_queue WHERE merchant = ? AND state <> 'closed' AND state IN ('open', 'claimed')";
    let (reviews, oldest): (i64, Option<i64>) = connection
        .prepare_cached(&format!("SELECT count(*), min(opened_at) {WAITING}"))?
        .query_row([merchant], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let median: Option<i64> = connection
        .prepare_cached(&format!("SELECT opened_at {WAITING} ORDER BY opened_at LIMIT 1 OFFSET ?"))?
        .query_row((merchant, (reviews - 1).max(0) / 2), |row| row.get(0))
        .optional()?;
    let time = |millis: Option<i64>| millis.map(Timestamp::from_millis);
    Ok(QueueStanding { reviews: reviews.max(0).unsigned_abs(), oldest: time(oldest), median: time(median) })
}

/// What waits and is held now, of all merchants together.
pub(super) fn whole(connection: &Connection) -> Result<WholeStanding, StoreError> {
    let reviews =
        "SELECT count(*), min(opened_at) FROM review_queue WHERE state <> 'closed' AND state IN ('open', 'claimed')";
    let (reviews, oldest): (i64, Option<i64>) =
        connection.prepare_cached(reviews)?.query_row((), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let oldest_review = oldest.map(Timestamp::from_millis);
    let mut whole = WholeStanding { reviews: reviews.max(0).unsigned_abs(), oldest_review, held_units: [0; 3] };
    let held = "SELECT cause, sum(units) FROM order_status_stock_holds GROUP BY cause";
    let mut select = connection.prepare_cached(held)?;
    let mut found = select.query(())?;
    while let Some(row) = found.next()? {
        let cause =
            HoldCause::from_name(row.get_ref(0)?.as_str().map_err(|error| StoreError::damaged("cause", error))?);
        let cause = cause.ok_or_else(|| StoreError::damaged("cause", "unknown word"))?;
        whole.held_units[cause as usize] = row.get::<_, i64>(1)?.max(0).unsigned_abs();
    }
    Ok(whole)
}
