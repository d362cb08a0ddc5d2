//! A read model's table, its checkpoints, and the view that says which table is the live one.
//!
//! Each build of a read model has a table of its own, `{name}_g{number}`. Look-ups go to the view `{name}`, so that putting
//! a new generation in the place of the old one is one transaction, and no look-up ever sees half of each.

use std::collections::HashMap;

use eventlog::{EventLog, LogError, StreamId};
use sqlx::{Row as _, SqliteConnection};

use crate::change::{Envelope, OrderChange, read_change};
use crate::database::{Database, from_stored, run, to_stored};
use crate::error::ProjectionError;
use crate::pages::{Entry, Mark, Page};
use crate::projection::{Projection, Touched};

/// One build of a read model.
pub(crate) struct Generation<P> {
    pub(crate) number: i64,
    projection: P,
    /// How far each partition is folded.
    pub(crate) marks: Vec<Mark>,
}

fn table_name<P: Projection>(number: i64) -> String {
    format!("{}_g{number}", P::NAME)
}

/// Makes an empty table that nobody reads so far.
pub(crate) async fn create<P: Projection>(database: &Database, partitions: u32) -> Result<Generation<P>, sqlx::Error> {
    let mut transaction = database.writer.begin_with("BEGIN IMMEDIATE").await?;
    let number: i64 = sqlx::query("SELECT coalesce(max(number), 0) + 1 FROM generations WHERE name = ?")
        .bind(P::NAME)
        .fetch_one(&mut *transaction)
        .await?
        .try_get(0)?;
    sqlx::query("INSERT INTO generations (name, number, version, live) VALUES (?, ?, ?, 0)")
        .bind(P::NAME)
        .bind(number)
        .bind(P::VERSION)
        .execute(&mut *transaction)
        .await?;
    run(&mut transaction, P::schema(&table_name::<P>(number))).await?;
    transaction.commit().await?;
    Ok(bound(number, vec![Mark::default(); usize::try_from(partitions).unwrap_or_default()]))
}

/// Makes a generation the one that look-ups see.
pub(crate) async fn make_live<P: Projection>(database: &Database, number: i64) -> Result<(), sqlx::Error> {
    let mut transaction = database.writer.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query("UPDATE generations SET live = (number = ?) WHERE name = ?")
        .bind(number)
        .bind(P::NAME)
        .execute(&mut *transaction)
        .await?;
    let (name, table) = (P::NAME, table_name::<P>(number));
    run(&mut transaction, format!("DROP VIEW IF EXISTS {name}; CREATE VIEW {name} AS SELECT * FROM {table}")).await?;
    transaction.commit().await
}

/// Drops every generation but the live one: those that were replaced, and those whose building was cut short.
pub(crate) async fn drop_others<P: Projection>(database: &Database) -> Result<(), sqlx::Error> {
    let mut transaction = database.writer.begin_with("BEGIN IMMEDIATE").await?;
    let others = sqlx::query("SELECT number FROM generations WHERE name = ? AND live = 0")
        .bind(P::NAME)
        .fetch_all(&mut *transaction)
        .await?;
    for other in others {
        let number: i64 = other.try_get(0)?;
        run(&mut transaction, format!("DROP TABLE IF EXISTS {}", table_name::<P>(number))).await?;
        for forget in [
            "DELETE FROM checkpoints WHERE name = ? AND generation = ?",
            "DELETE FROM generations WHERE name = ? AND number = ?",
        ] {
            sqlx::query(forget).bind(P::NAME).bind(number).execute(&mut *transaction).await?;
        }
    }
    transaction.commit().await
}

/// The live generation as the last run left it; a new and empty one where that cannot be gone on with: there is none, it was
/// built by another version, or it was folded from another log than this.
pub(crate) async fn open<P: Projection>(
    database: &Database,
    log: &dyn EventLog,
) -> Result<Generation<P>, ProjectionError> {
    let live = sqlx::query("SELECT number, version FROM generations WHERE name = ? AND live = 1")
        .bind(P::NAME)
        .fetch_optional(&database.writer)
        .await?;
    if let Some(live) = live {
        let (number, version): (i64, u32) = (live.try_get("number")?, live.try_get("version")?);
        let marks = read_marks::<P>(database, number, log.partitions()).await?;
        if version != P::VERSION {
            tracing::warn!(
                projection = P::NAME,
                from = version,
                to = P::VERSION,
                "read model has a new form and is built anew"
            );
        } else if let Some(stranger) = find_stranger(log, &marks).await? {
            tracing::error!(
                projection = P::NAME,
                partition = stranger.partition,
                checkpoint = stranger.checkpoint,
                head = stranger.head,
                "read model was folded from another or a longer log than this one and is built anew"
            );
        } else {
            drop_others::<P>(database).await?;
            return Ok(bound(number, marks));
        }
    }
    let generation = create::<P>(database, log.partitions()).await?;
    make_live::<P>(database, generation.number).await?;
    drop_others::<P>(database).await?;
    Ok(generation)
}

fn bound<P: Projection>(number: i64, marks: Vec<Mark>) -> Generation<P> {
    Generation { number, projection: P::on_table(&table_name::<P>(number)), marks }
}

async fn read_marks<P: Projection>(
    database: &Database,
    number: i64,
    partitions: u32,
) -> Result<Vec<Mark>, sqlx::Error> {
    let rows = sqlx::query("SELECT partition, position, mark FROM checkpoints WHERE name = ? AND generation = ?")
        .bind(P::NAME)
        .bind(number)
        .fetch_all(&database.writer)
        .await?;
    let mut marks = vec![Mark::default(); usize::try_from(partitions).unwrap_or_default()];
    for row in rows {
        let partition: u32 = row.try_get("partition")?;
        if let Some(mark) = usize::try_from(partition).ok().and_then(|index| marks.get_mut(index)) {
            *mark = Mark { position: from_stored(row.try_get("position")?), text: row.try_get("mark")? };
        }
    }
    Ok(marks)
}

/// A checkpoint that does not fit the log.
struct Stranger {
    partition: u32,
    checkpoint: u64,
    head: u64,
}

async fn find_stranger(log: &dyn EventLog, marks: &[Mark]) -> Result<Option<Stranger>, LogError> {
    for (partition, mark) in (0_u32..).zip(marks) {
        if mark.position == 0 {
            continue;
        }
        let at_mark = log.read(partition, mark.position - 1, 1).await?;
        if at_mark.first().map(|event| Mark::of(event)).as_ref() != Some(mark) {
            let head = log.head(partition).await?;
            return Ok(Some(Stranger { partition, checkpoint: mark.position, head }));
        }
    }
    Ok(None)
}

impl<P: Projection> Generation<P> {
    pub(crate) fn mark(&self, partition: u32) -> &Mark {
        &self.marks[usize::try_from(partition).unwrap_or(usize::MAX)]
    }

    /// Folds a page and commits rows and checkpoint together.
    pub(crate) async fn fold(
        &mut self,
        database: &Database,
        log: &dyn EventLog,
        partition: u32,
        page: &Page,
    ) -> Result<(), ProjectionError> {
        let rows = self.fold_rows(database, log, page).await?;
        let mut transaction = database.writer.begin_with("BEGIN IMMEDIATE").await?;
        self.projection.save(&mut transaction, &rows).await?;
        sqlx::query(
            "INSERT INTO checkpoints (name, generation, partition, position, mark) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET position = excluded.position, mark = excluded.mark",
        )
        .bind(P::NAME)
        .bind(self.number)
        .bind(partition)
        .bind(to_stored(page.end.position))
        .bind(&*page.end.text)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        self.marks[usize::try_from(partition).unwrap_or(usize::MAX)] = page.end.clone();
        Ok(())
    }

    async fn fold_rows(
        &self,
        database: &Database,
        log: &dyn EventLog,
        page: &Page,
    ) -> Result<Vec<Touched<P::Row>>, ProjectionError> {
        let mut orders = group(&page.changes);
        self.load_rows(database, &mut orders).await?;
        self.read_histories(log, page, &mut orders).await?;
        let mut rows = Vec::with_capacity(orders.len());
        for order in orders {
            let mut after = order.before.clone();
            for (envelope, change) in order.history.iter().map(|(envelope, change)| (envelope, change)) {
                after = Some(P::apply(after, change, envelope));
            }
            if !order.is_skipped {
                for entry in &order.entries {
                    after = Some(P::apply(after, &entry.change, &entry.envelope));
                }
            }
            if let Some(after) = after.filter(P::is_kept) {
                let merchant = database.merchant(&order.entries[0].merchant).await?;
                rows.push(Touched { merchant, before: order.before, after });
            }
        }
        Ok(rows)
    }

    /// The stored rows of all orders that did not begin in this page, in one query.
    async fn load_rows(&self, database: &Database, orders: &mut [Order<'_, P::Row>]) -> Result<(), sqlx::Error> {
        let known: Vec<StreamId> = orders.iter().filter(|order| !order.begins()).map(Order::stream).collect();
        if known.is_empty() {
            return Ok(());
        }
        let mut connection: sqlx::pool::PoolConnection<sqlx::Sqlite> = database.writer.acquire().await?;
        let connection: &mut SqliteConnection = &mut connection;
        let mut stored: HashMap<StreamId, P::Row> =
            self.projection.load(connection, &known).await?.into_iter().collect();
        for order in orders {
            order.before = stored.remove(&order.stream());
        }
        Ok(())
    }

    /// The earlier events of orders that are worth a row only now, in one query.
    async fn read_histories(
        &self,
        log: &dyn EventLog,
        page: &Page,
        orders: &mut [Order<'_, P::Row>],
    ) -> Result<(), ProjectionError> {
        let mut wanted: HashMap<StreamId, usize> = HashMap::new();
        for (index, order) in orders.iter_mut().enumerate() {
            if order.begins() || order.before.is_some() {
                continue;
            }
            if order.entries.iter().any(|entry| P::wants_history(&entry.change)) {
                wanted.insert(order.stream(), index);
            } else {
                order.is_skipped = true;
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let mut streams: Vec<StreamId> = wanted.keys().copied().collect();
        streams.sort_unstable();
        for event in log.read_streams(&streams).await? {
            let Some(order) = wanted.get(&event.stream).and_then(|index| orders.get_mut(*index)) else { continue };
            let is_earlier = event.position < order.entries[0].envelope.position;
            if is_earlier && event.position <= page.end.position {
                order.history.extend(read_change(&event)?);
            }
        }
        Ok(())
    }
}

/// One order's part of a page.
struct Order<'a, Row> {
    entries: Vec<&'a Entry>,
    before: Option<Row>,
    history: Vec<(Envelope, OrderChange)>,
    /// Neither stored nor worth it.
    is_skipped: bool,
}

impl<Row> Order<'_, Row> {
    fn stream(&self) -> StreamId {
        self.entries[0].envelope.stream
    }

    /// Whether its first event is in this page, so that there cannot be a stored row.
    fn begins(&self) -> bool {
        self.entries[0].envelope.sequence == 1
    }
}

/// In the order of first appearance, so that new rows are written in the order of their keys.
fn group<Row>(entries: &[Entry]) -> Vec<Order<'_, Row>> {
    let mut places: HashMap<StreamId, usize> = HashMap::with_capacity(entries.len());
    let mut orders: Vec<Order<'_, Row>> = Vec::with_capacity(entries.len());
    for entry in entries {
        let place = *places.entry(entry.envelope.stream).or_insert(orders.len());
        if place == orders.len() {
            orders.push(Order { entries: Vec::with_capacity(4), before: None, history: Vec::new(), is_skipped: false });
        }
        orders[place].entries.push(entry);
    }
    orders
}
