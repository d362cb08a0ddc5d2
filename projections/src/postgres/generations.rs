//! The tables of each build, its checkpoints, and the views that say which build is the live one.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool, PgTransaction, Row as _};

use super::settings::ON_DISK;
use super::{order_status, review_queue, settings, stretches};
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
DO $$ BEGIN
    IF to_regclass('generation_numbers') IS NULL THEN
        CREATE SEQUENCE generation_numbers;
        PERFORM setval('generation_numbers', (SELECT coalesce(max(number), 0) + 1 FROM generations), false);
    END IF;
END $$;
";
/// How long the end of somebody else's use of a table is waited for before it is dropped.
const DROP_WAIT: &str = "SET LOCAL lock_timeout = '2s'";

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

/// Its number was never given to another, so that whatever a process remembers of a generation stays true.
pub(super) async fn create(pool: &PgPool, model: Model, partitions: u32) -> Result<Generation, StoreError> {
    let mut transaction = pool.begin().await?;
    run(&mut transaction, ON_DISK.to_owned()).await?;
    let number = sqlx::query_scalar(
        "INSERT INTO generations (name, number, version, live) \
         VALUES ($1, nextval('generation_numbers'), $2, false) RETURNING number",
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

/// Drops as many as can be dropped now, and tells the last failure.
pub(super) async fn drop_others(pool: &PgPool) -> Result<(), StoreError> {
    let mut connection = pool.acquire().await?;
    let mut outcome = Ok(());
    for model in Model::ALL {
        let others = "SELECT number FROM generations WHERE name = $1 AND NOT live";
        let numbers: Vec<i64> = sqlx::query_scalar(others).bind(model.name()).fetch_all(&mut *connection).await?;
        for number in numbers {
            let dropped = drop_one(&mut connection, Generation { model, number }).await;
            outcome = dropped.and(outcome);
        }
    }
    outcome
}

/// The checkpoints go first, so that whoever still folds into it finds that it was overtaken, and the generation last, so that what
/// was broken off is gone on with. A table with its indexes is some twenty locks, and the server has room for some thousands: each
/// stretch goes in a transaction of its own.
async fn drop_one(connection: &mut PgConnection, generation: Generation) -> Result<(), StoreError> {
    let (name, number, table) = (generation.model.name(), generation.number, generation.table());
    let forget = "DELETE FROM checkpoints WHERE name = $1 AND generation = $2";
    sqlx::query(forget).bind(name).bind(number).execute(&mut *connection).await?;
    for stretch in stretches::tables(connection, &table).await? {
        drop_table(connection, &stretch).await?;
    }
    for suffix in tables(generation.model) {
        drop_table(connection, &format!("{table}{suffix}")).await?;
    }
    let forget = "DELETE FROM generations WHERE name = $1 AND number = $2";
    sqlx::query(forget).bind(name).bind(number).execute(&mut *connection).await?;
    Ok(())
}

/// Whoever waits for a page of an old one holds a lock on its table until its own transaction ends.
pub(super) async fn drop_table(connection: &mut PgConnection, table: &str) -> Result<(), StoreError> {
    let mut transaction = connection.begin().await?;
    run(&mut transaction, format!("{DROP_WAIT}; DROP TABLE IF EXISTS {table}")).await?;
    transaction.commit().await?;
    Ok(())
}

/// Whether all of some generations are there, and none was dropped or replaced.
pub(super) async fn are_there(pool: &PgPool, generations: &[Generation]) -> Result<bool, StoreError> {
    let (names, numbers) = names_and_numbers(generations);
    let is_gone = "SELECT EXISTS (SELECT 1 FROM unnest($1::text[], $2::bigint[]) AS asked (name, generation) WHERE NOT EXISTS \
                   (SELECT 1 FROM checkpoints WHERE checkpoints.name = asked.name AND checkpoints.generation = asked.generation))";
    let is_any_gone: bool = sqlx::query_scalar(is_gone).bind(names).bind(numbers).fetch_one(pool).await?;
    Ok(!is_any_gone)
}

fn names_and_numbers(generations: &[Generation]) -> (Vec<&'static str>, Vec<i64>) {
    generations.iter().map(|generation| (generation.model.name(), generation.number)).unzip()
}

/// Moves the checkpoints of a turn; false when one of them is not where the page begins.
pub(super) async fn move_checkpoints(connection: &mut PgConnection, turn: &Turn) -> Result<bool, StoreError> {
    let (names, numbers) = names_and_numbers(&turn.generations);
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
