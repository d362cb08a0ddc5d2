//! The tables of each build, its checkpoints, and the views that say which build is the live one.

use sqlx::{AssertSqlSafe, PgConnection, PgPool, PgTransaction, Row as _};

use super::settings::ON_DISK;
use super::{order_status, review_queue, settings};
use crate::error::{ProjectionError, StoreError};
use crate::model::Model;
use crate::page::Mark;
use crate::store::{Generation, Levelling, Live, Turn};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS merchants (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT COLLATE \"C\" NOT NULL UNIQUE
);
CREATE TABLE IF NOT EXISTS generations (
    name TEXT COLLATE \"C\" NOT NULL,
    number BIGINT NOT NULL,
    version INTEGER NOT NULL,
    live BOOLEAN NOT NULL,
    PRIMARY KEY (name, number)
);
CREATE TABLE IF NOT EXISTS checkpoints (
    name TEXT COLLATE \"C\" NOT NULL,
    generation BIGINT NOT NULL,
    partition INTEGER NOT NULL,
    position BIGINT NOT NULL,
    mark TEXT NOT NULL,
    PRIMARY KEY (name, generation, partition)
) WITH (fillfactor = 10);
";

/// The tables of a read model, as suffixes of its own, which come with views that look-ups go to.
const fn tables(model: Model) -> &'static [&'static str] {
    match model {
        Model::OrderStatus => &["", "_stock_holds", "_outcomes"],
        Model::ReviewQueue => &[""],
    }
}

/// Makes what is missing; one process at a time.
pub(super) async fn make_tables(pool: &PgPool) -> Result<(), StoreError> {
    let mut transaction = pool.begin().await?;
    settings::wait_for_opening(&mut transaction).await?;
    sqlx::raw_sql(SCHEMA).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(())
}

/// The generations that look-ups see, in one statement and so as of one moment.
pub(super) async fn live(connection: &mut PgConnection, partitions: u32) -> Result<Vec<Live>, StoreError> {
    let rows = sqlx::query(
        "SELECT name, number, version, coalesce(partition, -1), coalesce(position, 0), coalesce(mark, '') \
         FROM generations LEFT JOIN checkpoints USING (name) \
         WHERE live AND (checkpoints.generation IS NULL OR checkpoints.generation = generations.number)",
    )
    .fetch_all(connection)
    .await?;
    let mut found: Vec<Live> = Vec::new();
    for row in rows {
        let Some(model) = Model::from_name(row.try_get(0)?) else { continue };
        let generation = Generation { model, number: row.try_get(1)? };
        let index = found.iter().position(|live| live.generation == generation).unwrap_or_else(|| {
            let marks = vec![Mark::default(); usize::try_from(partitions).unwrap_or_default()];
            found.push(Live { generation, version: 0, marks });
            found.len() - 1
        });
        found[index].version = u32::try_from(row.try_get::<i32, _>(2)?).unwrap_or_default();
        let partition = usize::try_from(row.try_get::<i32, _>(3)?).ok();
        if let Some(mark) = partition.and_then(|partition| found[index].marks.get_mut(partition)) {
            *mark = Mark { position: row.try_get::<i64, _>(4)?.cast_unsigned(), text: row.try_get(5)? };
        }
    }
    Ok(found)
}

pub(super) async fn create(pool: &PgPool, model: Model, partitions: u32) -> Result<Generation, StoreError> {
    let mut transaction = pool.begin().await?;
    run(&mut transaction, ON_DISK.to_owned()).await?;
    let number = sqlx::query_scalar(
        "INSERT INTO generations (name, number, version, live) \
         SELECT $1, coalesce(max(number), 0) + 1, $2, false FROM generations WHERE name = $1 RETURNING number",
    )
    .bind(model.name())
    .bind(i32::try_from(model.version()).unwrap_or(i32::MAX))
    .fetch_one(&mut *transaction)
    .await?;
    let generation = Generation { model, number };
    sqlx::query(
        "INSERT INTO checkpoints (name, generation, partition, position, mark) \
         SELECT $1, $2, partition, 0, '' FROM generate_series(0, $3 - 1) AS partition",
    )
    .bind(model.name())
    .bind(number)
    .bind(i32::try_from(partitions).unwrap_or(i32::MAX))
    .execute(&mut *transaction)
    .await?;
    let schema = match model {
        Model::OrderStatus => order_status::schema(&generation.table()),
        Model::ReviewQueue => review_queue::schema(&generation.table()),
    };
    run(&mut transaction, schema).await?;
    transaction.commit().await?;
    Ok(generation)
}

/// The indexes that only look-ups need, one transaction each.
pub(super) async fn complete(pool: &PgPool, generation: Generation) -> Result<(), StoreError> {
    let table = generation.table();
    let indexes = match generation.model {
        Model::OrderStatus => order_status::indexes(&table),
        Model::ReviewQueue => review_queue::indexes(&table),
    };
    let mut connection = pool.acquire().await?;
    for statement in indexes.into_iter().chain([format!("ANALYZE {table}")]) {
        run(&mut connection, statement).await?;
    }
    Ok(())
}

pub(super) async fn replace(pool: &PgPool, next: Generation, levelling: Levelling<'_>) -> Result<(), ProjectionError> {
    let mut transaction = pool.begin().await.map_err(StoreError::from)?;
    // Whoever moves a checkpoint of the live one waits from here on until this is over, and then finds none.
    hold_live(&mut transaction, next.model).await?;
    levelling.await?;
    make_live(transaction, next).await?;
    Ok(())
}

async fn hold_live(connection: &mut PgConnection, model: Model) -> Result<(), StoreError> {
    let live_marks = "DELETE FROM checkpoints WHERE name = $1 AND generation IN \
                      (SELECT number FROM generations WHERE name = $1 AND live)";
    sqlx::query(live_marks).bind(model.name()).execute(connection).await?;
    Ok(())
}

async fn make_live(mut transaction: PgTransaction<'_>, next: Generation) -> Result<(), StoreError> {
    let name = next.model.name();
    run(&mut transaction, ON_DISK.to_owned()).await?;
    sqlx::query("UPDATE generations SET live = (number = $2) WHERE name = $1")
        .bind(name)
        .bind(next.number)
        .execute(&mut *transaction)
        .await?;
    let table = next.table();
    for suffix in tables(next.model) {
        let view =
            format!("DROP VIEW IF EXISTS {name}{suffix}; CREATE VIEW {name}{suffix} AS SELECT * FROM {table}{suffix}");
        run(&mut transaction, view).await?;
    }
    transaction.commit().await?;
    Ok(())
}

pub(super) async fn drop_others(pool: &PgPool) -> Result<(), StoreError> {
    let mut connection = pool.acquire().await?;
    for model in Model::ALL {
        let others = "SELECT number FROM generations WHERE name = $1 AND NOT live";
        let numbers: Vec<i64> = sqlx::query_scalar(others).bind(model.name()).fetch_all(&mut *connection).await?;
        for number in numbers {
            // Whoever waits for a page of the old one holds a lock on its table until its own transaction ends.
            for suffix in tables(model) {
                run(&mut connection, format!("DROP TABLE IF EXISTS {}{suffix}", model.table(number))).await?;
            }
            for forget in [
                "DELETE FROM checkpoints WHERE name = $1 AND generation = $2",
                "DELETE FROM generations WHERE name = $1 AND number = $2",
            ] {
                sqlx::query(forget).bind(model.name()).bind(number).execute(&mut *connection).await?;
            }
        }
    }
    Ok(())
}

/// Moves the checkpoints of a turn; false when one of them is not where the page begins.
pub(super) async fn move_checkpoints(connection: &mut PgConnection, turn: &Turn) -> Result<bool, StoreError> {
    let names: Vec<&str> = turn.generations.iter().map(|generation| generation.model.name()).collect();
    let numbers: Vec<i64> = turn.generations.iter().map(|generation| generation.number).collect();
    let moved = sqlx::query(
        "UPDATE checkpoints SET position = $1, mark = $2 \
         FROM unnest($3::text[], $4::bigint[]) AS turn (name, generation) \
         WHERE checkpoints.name = turn.name AND checkpoints.generation = turn.generation AND partition = $5 AND position = $6",
    )
    .bind(turn.end.position.cast_signed())
    .bind(&turn.end.text)
    .bind(names)
    .bind(numbers)
    .bind(i32::try_from(turn.partition).unwrap_or(i32::MAX))
    .bind(turn.page.after.cast_signed())
    .execute(connection)
    .await?;
    Ok(moved.rows_affected() == u64::try_from(turn.generations.len()).unwrap_or(u64::MAX))
}

/// Statements whose names were made here.
async fn run(connection: &mut PgConnection, sql: String) -> Result<(), StoreError> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await?;
    Ok(())
}
