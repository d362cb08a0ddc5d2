//! The tables of what is summed over `order_status`, in Postgres: changed by one statement a table and page.

use domain::time::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, PgPool, Postgres, QueryBuilder, Row as _};

use crate::error::StoreError;
use crate::order_status::OrderSums;
use crate::outcomes::{Counted, Kind, QueueStanding, WholeStanding};
use crate::stock_holds::{HoldCause, StockHold, StockQuery, minute_begin};
use crate::store::Generation;

/// Pages have room for next versions: the same few rows are written again and again.
pub(super) fn schema(table: &str) -> String {
    format!(
        "CREATE TABLE {table}_stock_holds (
            merchant BIGINT NOT NULL, sku TEXT COLLATE \"C\" NOT NULL, cause TEXT COLLATE \"C\" NOT NULL,
            minute BIGINT NOT NULL, units BIGINT NOT NULL, orders BIGINT NOT NULL,
            PRIMARY KEY (merchant, sku, cause, minute)
        ) WITH (fillfactor = 50);
        CREATE TABLE {table}_outcomes (
            merchant BIGINT NOT NULL, hour BIGINT NOT NULL, kind TEXT COLLATE \"C\" NOT NULL,
            name TEXT COLLATE \"C\" NOT NULL, slot INTEGER NOT NULL, count BIGINT NOT NULL,
            PRIMARY KEY (merchant, hour, kind, name, slot)
        ) WITH (fillfactor = 50)"
    )
}

/// Changes the sums by those of a page. `merchants` are those of the page's orders. What is nothing any more takes no row.
pub(super) async fn save(
    connection: &mut PgConnection,
    generation: Generation,
    sums: &OrderSums,
    merchants: &[i64],
) -> Result<(), StoreError> {
    save_stock(connection, &generation.table(), sums, merchants).await?;
    save_outcomes(connection, &generation.table(), sums, merchants).await
}

async fn save_stock(
    connection: &mut PgConnection,
    table: &str,
    sums: &OrderSums,
    merchants: &[i64],
) -> Result<(), StoreError> {
    const KEY: &str = "merchant, sku, cause, minute";
    let changed = sums.stock.changed();
    if changed.is_empty() {
        return Ok(());
    }
    let add = format!(
        "INSERT INTO {table}_stock_holds AS held ({KEY}, units, orders) \
         SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[]) \
         ON CONFLICT ({KEY}) DO UPDATE SET units = held.units + excluded.units, orders = held.orders + excluded.orders"
    );
    sqlx::query(AssertSqlSafe(add))
        .bind(changed.iter().map(|(key, _)| merchants[key.merchant]).collect::<Vec<i64>>())
        .bind(changed.iter().map(|(key, _)| &*key.sku).collect::<Vec<&str>>())
        .bind(changed.iter().map(|(key, _)| key.cause.name()).collect::<Vec<&str>>())
        .bind(changed.iter().map(|(key, _)| key.minute).collect::<Vec<i64>>())
        .bind(changed.iter().map(|(_, [units, _])| *units).collect::<Vec<i64>>())
        .bind(changed.iter().map(|(_, [_, orders])| *orders).collect::<Vec<i64>>())
        .execute(&mut *connection)
        .await?;
    let less: Vec<_> = changed.into_iter().filter(|(_, [_, orders])| *orders < 0).map(|(key, _)| key).collect();
    if less.is_empty() {
        return Ok(());
    }
    let drop_empty = format!(
        "DELETE FROM {table}_stock_holds AS held \
         USING unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[]) AS page ({KEY}) \
         WHERE held.merchant = page.merchant AND held.sku = page.sku AND held.cause = page.cause \
         AND held.minute = page.minute AND held.orders = 0"
    );
    sqlx::query(AssertSqlSafe(drop_empty))
        .bind(less.iter().map(|key| merchants[key.merchant]).collect::<Vec<i64>>())
        .bind(less.iter().map(|key| &*key.sku).collect::<Vec<&str>>())
        .bind(less.iter().map(|key| key.cause.name()).collect::<Vec<&str>>())
        .bind(less.iter().map(|key| key.minute).collect::<Vec<i64>>())
        .execute(connection)
        .await?;
    Ok(())
}

async fn save_outcomes(
    connection: &mut PgConnection,
    table: &str,
    sums: &OrderSums,
    merchants: &[i64],
) -> Result<(), StoreError> {
    const KEY: &str = "merchant, hour, kind, name, slot";
    let changed = sums.outcomes.changed();
    if changed.is_empty() {
        return Ok(());
    }
    let add = format!(
        "INSERT INTO {table}_outcomes AS counted ({KEY}, count) \
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::integer[], $6::bigint[]) \
         ON CONFLICT ({KEY}) DO UPDATE SET count = counted.count + excluded.count"
    );
    sqlx::query(AssertSqlSafe(add))
        .bind(changed.iter().map(|(key, _)| merchants[key.merchant]).collect::<Vec<i64>>())
        .bind(changed.iter().map(|(key, _)| key.hour).collect::<Vec<i64>>())
        .bind(changed.iter().map(|(key, _)| key.kind.name()).collect::<Vec<&str>>())
        .bind(changed.iter().map(|(key, _)| &*key.name).collect::<Vec<&str>>())
        .bind(changed.iter().map(|(key, _)| i32::from(key.slot)).collect::<Vec<i32>>())
        .bind(changed.iter().map(|(_, [count])| *count).collect::<Vec<i64>>())
        .execute(&mut *connection)
        .await?;
    let less: Vec<_> = changed.into_iter().filter(|(_, [count])| *count < 0).map(|(key, _)| key).collect();
    if less.is_empty() {
        return Ok(());
    }
    let drop_empty = format!(
        "DELETE FROM {table}_outcomes AS counted \
         USING unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::integer[]) AS page ({KEY}) \
         WHERE counted.merchant = page.merchant AND counted.hour = page.hour AND counted.kind = page.kind \
         AND counted.name = page.name AND counted.slot = page.slot AND counted.count = 0"
    );
    sqlx::query(AssertSqlSafe(drop_empty))
        .bind(less.iter().map(|key| merchants[key.merchant]).collect::<Vec<i64>>())
        .bind(less.iter().map(|key| key.hour).collect::<Vec<i64>>())
        .bind(less.iter().map(|key| key.kind.name()).collect::<Vec<&str>>())
        .bind(less.iter().map(|key| &*key.name).collect::<Vec<&str>>())
        .bind(less.iter().map(|key| i32::from(key.slot)).collect::<Vec<i32>>())
        .execute(connection)
        .await?;
    Ok(())
}

/// The first `count` SKUs behind one, with what is held of them.
pub(super) async fn stock_holds(
    pool: &PgPool,
    merchant: i64,
    query: &StockQuery,
    behind: Option<&str>,
    count: i64,
) -> Result<Vec<StockHold>, StoreError> {
    let units = HoldCause::ALL
        .map(|cause| format!("sum(CASE cause WHEN '{}' THEN units ELSE 0 END)::bigint", cause.name()))
        .join(", ");
    let mut sql = QueryBuilder::<Postgres>::new(format!(
        "SELECT sku, {units}, sum(orders)::bigint, min(minute) FROM order_status_stock_holds WHERE merchant = "
    ));
    sql.push_bind(merchant);
    if let Some(sku) = &query.sku {
        sql.push(" AND sku = ").push_bind(sku.clone());
    }
    if let Some(behind) = behind {
        sql.push(" AND sku > ").push_bind(behind.to_owned());
    }
    sql.push(" GROUP BY sku ORDER BY sku LIMIT ").push_bind(count);
    let rows = sql.build().fetch_all(pool).await?;
    let hold = |row: &PgRow| {
        Ok(StockHold {
            sku: row.try_get::<String, _>(0)?.into(),
            units: [number(row, 1)?, number(row, 2)?, number(row, 3)?],
            orders: number(row, 4)?,
            oldest_held_since: minute_begin(row.try_get(5)?),
        })
    };
    rows.iter().map(hold).collect()
}

/// The counts of some hours, summed over them.
pub(super) async fn outcomes(
    pool: &PgPool,
    merchant: i64,
    hours: &std::ops::Range<i64>,
) -> Result<Vec<Counted>, StoreError> {
    let rows = sqlx::query(
        "SELECT kind, name, slot, sum(count)::bigint FROM order_status_outcomes \
         WHERE merchant = $1 AND hour >= $2 AND hour < $3 GROUP BY kind, name, slot",
    )
    .bind(merchant)
    .bind(hours.start)
    .bind(hours.end)
    .fetch_all(pool)
    .await?;
    let counted = |row: &PgRow| {
        Ok(Counted {
            kind: Kind::from_name(row.try_get(0)?).ok_or_else(|| StoreError::damaged("kind", "unknown word"))?,
            name: row.try_get::<String, _>(1)?.into(),
            slot: u16::try_from(row.try_get::<i32, _>(2)?).map_err(|error| StoreError::damaged("slot", error))?,
            count: number(row, 3)?,
        })
    };
    rows.iter().map(counted).collect()
}

/// How many reviews wait for a person.
pub(super) async fn queue(pool: &PgPool, merchant: i64) -> Result<QueueStanding, StoreError> {
    let row = sqlx::query(
        "SELECT count(*), min(opened_at), percentile_disc(0.5) WITHIN GROUP (ORDER BY opened_at) FROM review_queue \
         WHERE merchant = $1 AND state <> 'closed' AND state IN ('open', 'claimed')",
    )
    .bind(merchant)
    .fetch_one(pool)
    .await?;
    let time = |column: usize| Ok::<_, sqlx::Error>(row.try_get::<Option<i64>, _>(column)?.map(Timestamp::from_millis));
    Ok(QueueStanding { reviews: number(&row, 0)?, oldest: time(1)?, median: time(2)? })
}

/// What waits and is held now, of all merchants together.
pub(super) async fn whole(pool: &PgPool) -> Result<WholeStanding, StoreError> {
    let reviews =
        "SELECT count(*), min(opened_at) FROM review_queue WHERE state <> 'closed' AND state IN ('open', 'claimed')";
    let reviews = sqlx::query(reviews).fetch_one(pool).await?;
    let oldest_review = reviews.try_get::<Option<i64>, _>(1)?.map(Timestamp::from_millis);
    let mut whole = WholeStanding { reviews: number(&reviews, 0)?, oldest_review, held_units: [0; 3] };
    let held = "SELECT cause, sum(units)::bigint FROM order_status_stock_holds GROUP BY cause";
    for row in sqlx::query(held).fetch_all(pool).await? {
        let cause =
            HoldCause::from_name(row.try_get(0)?).ok_or_else(|| StoreError::damaged("cause", "unknown word"))?;
        whole.held_units[cause as usize] = number(&row, 1)?;
    }
    Ok(whole)
}

/// A sum of counts, which is never below nothing.
fn number(row: &PgRow, column: usize) -> Result<u64, sqlx::Error> {
    Ok(row.try_get::<i64, _>(column)?.max(0).unsigned_abs())
}
