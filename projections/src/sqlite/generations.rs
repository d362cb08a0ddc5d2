//! The tables of each build, its checkpoints, and the views that say which build is the live one.

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use super::{handles, order_status, review_queue};
use crate::error::StoreError;
use crate::model::Model;
use crate::page::Mark;
use crate::store::{Generation, Live, Turn};

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS merchants (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE IF NOT EXISTS generations (
    name TEXT NOT NULL,
    number INTEGER NOT NULL,
    version INTEGER NOT NULL,
    live INTEGER NOT NULL,
    PRIMARY KEY (name, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS checkpoints (
    name TEXT NOT NULL,
    generation INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    position INTEGER NOT NULL,
    mark TEXT NOT NULL,
    PRIMARY KEY (name, generation, partition)
) STRICT, WITHOUT ROWID;
";

/// What a read model has beside the table of its rows.
const fn beside(model: Model) -> &'static [&'static str] {
    match model {
        Model::OrderStatus => &["_handles", "_settled", "_stock_holds", "_outcomes"],
        Model::ReviewQueue => &[],
    }
}

/// The views that look-ups go to, as suffixes of the name and of the table.
const fn views(model: Model) -> &'static [&'static str] {
    match model {
        Model::OrderStatus => &["", "_handles", "_stock_holds", "_outcomes"],
        Model::ReviewQueue => &[""],
    }
}

pub(super) fn begin(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

pub(super) fn live(connection: &Connection, partitions: u32) -> Result<Vec<Live>, StoreError> {
    let mut found = Vec::new();
    for model in Model::ALL {
        let live = connection
            .query_row("SELECT number, version FROM generations WHERE name = ? AND live = 1", [model.name()], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        if let Some((number, version)) = live {
            let generation = Generation { model, number };
            found.push(Live { generation, version, marks: marks(connection, generation, partitions)? });
        }
    }
    Ok(found)
}

fn marks(connection: &Connection, generation: Generation, partitions: u32) -> rusqlite::Result<Vec<Mark>> {
    let mut marks = vec![Mark::default(); usize::try_from(partitions).unwrap_or_default()];
    let mut select = connection
        .prepare_cached("SELECT partition, position, mark FROM checkpoints WHERE name = ? AND generation = ?")?;
    let mut rows = select.query((generation.model.name(), generation.number))?;
    while let Some(row) = rows.next()? {
        let partition: u32 = row.get(0)?;
        if let Some(mark) = usize::try_from(partition).ok().and_then(|partition| marks.get_mut(partition)) {
            *mark = Mark { position: row.get::<_, i64>(1)?.cast_unsigned(), text: row.get(2)? };
        }
    }
    Ok(marks)
}

pub(super) fn create(connection: &mut Connection, model: Model, partitions: u32) -> Result<Generation, StoreError> {
    let transaction = begin(connection)?;
    let name = model.name();
    let next = "SELECT coalesce(max(number), 0) + 1 FROM generations WHERE name = ?";
    let generation = Generation { model, number: transaction.query_row(next, [name], |row| row.get(0))? };
    transaction.execute(
        "INSERT INTO generations (name, number, version, live) VALUES (?, ?, ?, 0)",
        (name, generation.number, model.version()),
    )?;
    for partition in 0..partitions {
        transaction.execute(
            "INSERT INTO checkpoints (name, generation, partition, position, mark) VALUES (?, ?, ?, 0, '')",
            (name, generation.number, partition),
        )?;
    }
    let table = generation.table();
    transaction.execute_batch(&match model {
        Model::OrderStatus => order_status::schema(&table),
        Model::ReviewQueue => review_queue::schema(&table),
    })?;
    transaction.commit()?;
    Ok(generation)
}

/// The statements that complete a generation, besides its handles.
pub(super) fn indexes(generation: Generation) -> Vec<String> {
    match generation.model {
        Model::OrderStatus => order_status::indexes(&generation.table()),
        Model::ReviewQueue => review_queue::indexes(&generation.table()),
    }
}

/// Writes a part of the handles; true when none is left.
pub(super) fn complete_handles(connection: &mut Connection, generation: Generation) -> Result<bool, StoreError> {
    if generation.model != Model::OrderStatus {
        return Ok(true);
    }
    let transaction = begin(connection)?;
    let is_done = handles::complete_part(&transaction, generation)?;
    transaction.commit()?;
    Ok(is_done)
}

pub(super) fn replace(transaction: &Transaction<'_>, next: Generation) -> Result<(), StoreError> {
    let name = next.model.name();
    // Without its checkpoints nobody can go on with the old one.
    transaction.execute(
        "DELETE FROM checkpoints WHERE name = ? AND generation IN (SELECT number FROM generations WHERE name = ? AND live = 1)",
        (name, name),
    )?;
    transaction.execute("UPDATE generations SET live = (number = ?) WHERE name = ?", (next.number, name))?;
    for suffix in views(next.model) {
        transaction.execute_batch(&format!(
            "DROP VIEW IF EXISTS {name}{suffix}; CREATE VIEW {name}{suffix} AS SELECT * FROM {}{suffix}",
            next.table()
        ))?;
    }
    Ok(())
}

pub(super) fn drop_others(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = begin(connection)?;
    for model in Model::ALL {
        let numbers: Vec<i64> = transaction
            .prepare("SELECT number FROM generations WHERE name = ? AND live = 0")?
            .query_map([model.name()], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for number in numbers {
            let table = model.table(number);
            for suffix in beside(model).iter().chain(&[""]) {
                transaction.execute_batch(&format!("DROP TABLE IF EXISTS {table}{suffix}"))?;
            }
            let name = model.name();
            transaction.execute("DELETE FROM checkpoints WHERE name = ? AND generation = ?", (name, number))?;
            transaction.execute("DELETE FROM generations WHERE name = ? AND number = ?", (name, number))?;
        }
    }
    transaction.commit()?;
    Ok(())
}

/// Moves the checkpoints of a turn; false when one of them is not where the page begins.
pub(super) fn move_checkpoints(transaction: &Transaction<'_>, turn: &Turn) -> Result<bool, StoreError> {
    let mut update = transaction.prepare_cached(
        "UPDATE checkpoints SET position = ?, mark = ? WHERE name = ? AND generation = ? AND partition = ? AND position = ?",
    )?;
    for generation in &turn.generations {
        let moved = update.execute((
            turn.end.position.cast_signed(),
            &turn.end.text,
            generation.model.name(),
            generation.number,
            turn.partition,
            turn.page.after.cast_signed(),
        ))?;
        if moved == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}
