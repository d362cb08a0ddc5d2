//! The read models in one SQLite file: a thread that writes, a few connections that read.

mod generations;
mod handles;
mod order_status;
mod readers;
mod review_queue;
mod search;
mod settings;
mod sums;
mod writer;

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_trait::async_trait;
use domain::ids::{MerchantId, OrderId};
use eventlog::StreamId;
use rusqlite::{Connection, Transaction};

use self::handles::{Moves, Recent};
use self::readers::Readers;
use self::search::Lead;
use self::writer::Writer;
use crate::cursor::Cursor;
use crate::error::{ProjectionError, StoreError};
use crate::fold::Loaded;
use crate::model::Model;
use crate::order_status::{Handles, LinkCounts, OrderStatusRow, Wanted};
use crate::outcomes::{Counted, QueueStanding, WholeStanding};
use crate::page::Page;
use crate::review_queue::{ReviewQuery, ReviewRow};
use crate::stock_holds::{StockHold, StockQuery};
use crate::store::{Building, Generation, Levelling, Live, Saved, Store, Turn};

/// The file, and what is remembered of it.
pub(crate) struct SqliteStore {
    writer: Writer,
    readers: Readers,
    memory: Arc<Memory>,
    partitions: u32,
    building: Arc<tokio::sync::Mutex<()>>,
}

/// Changed by the writing thread alone, after each commit.
#[derive(Default)]
struct Memory {
    recent: RwLock<Recent>,
    /// The numbers that stand for merchants in every table; given out at first sight, for good.
    merchants: RwLock<HashMap<MerchantId, i64>>,
}

impl Memory {
    fn recent(&self) -> RwLockReadGuard<'_, Recent> {
        self.recent.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn recent_mut(&self) -> RwLockWriteGuard<'_, Recent> {
        self.recent.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a look-up needs of the handles in memory, and the file as it is together with that. What is written there meanwhile
    /// may be found in both, and what both hold counts once; but the tables that memory goes with cannot be replaced in between.
    fn look<'c, T>(
        &self,
        connection: &'c Connection,
        take: impl FnOnce(&Recent) -> T,
    ) -> Result<(T, Transaction<'c>), StoreError> {
        let recent = self.recent();
        let taken = take(&recent);
        let snapshot = connection.unchecked_transaction()?;
        // SQLite takes the state of the file that a transaction sees with its first read.
        snapshot.prepare_cached("SELECT EXISTS (SELECT 1 FROM generations)")?.query_row((), |_| Ok(()))?;
        Ok((taken, snapshot))
    }

    /// `None` for a merchant that no read model ever heard of.
    fn merchant(&self, merchant: &MerchantId) -> Option<i64> {
        self.merchants.read().unwrap_or_else(PoisonError::into_inner).get(merchant).copied()
    }

    fn merchant_or_new(&self, connection: &Connection, merchant: &MerchantId) -> Result<i64, StoreError> {
        if let Some(id) = self.merchant(merchant) {
            return Ok(id);
        }
        connection.execute("INSERT INTO merchants (name) VALUES (?) ON CONFLICT DO NOTHING", [merchant.as_str()])?;
        let select = "SELECT id FROM merchants WHERE name = ?";
        let id = connection.query_row(select, [merchant.as_str()], |row| row.get(0))?;
        self.merchants.write().unwrap_or_else(PoisonError::into_inner).insert(merchant.clone(), id);
        Ok(id)
    }

    /// The numbers of the merchants of a page's orders.
    fn merchants_of(&self, connection: &Connection, page: &Page) -> Result<Vec<i64>, StoreError> {
        let mut last: Option<(&MerchantId, i64)> = None;
        let mut numbers = Vec::with_capacity(page.orders.len());
        for order in &page.orders {
            let number = match last {
                Some((merchant, number)) if *merchant == order.merchant => number,
                _ => self.merchant_or_new(connection, &order.merchant)?,
            };
            last = Some((&order.merchant, number));
            numbers.push(number);
        }
        Ok(numbers)
    }
}

impl SqliteStore {
    /// Opens the file, making it where there is none.
    pub(crate) async fn open(path: &Path, partitions: u32) -> Result<Self, StoreError> {
        let path = path.to_owned();
        let for_opening = path.clone();
        let opening = tokio::task::spawn_blocking(move || {
            let connection = settings::open_writer(&for_opening)?;
            connection.execute_batch(generations::SCHEMA)?;
            let memory = remember(&connection, partitions)?;
            Ok::<_, StoreError>((connection, memory))
        });
        let (connection, memory) = opening.await.map_err(StoreError::new)??;
        Ok(Self {
            writer: Writer::start(path.clone(), connection).map_err(StoreError::new)?,
            readers: Readers::new(path),
            memory: Arc::new(memory),
            partitions,
            building: Arc::new(tokio::sync::Mutex::new(())),
        })
    }

    /// Reads for a merchant; `nothing` for one that no read model ever heard of.
    async fn read<T: Send + 'static>(
        &self,
        merchant: &MerchantId,
        nothing: T,
        read: impl FnOnce(&Connection, i64) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match self.memory.merchant(merchant) {
            Some(merchant) => self.readers.read(move |connection| read(connection, merchant)).await,
            None => Ok(nothing),
        }
    }
}

fn remember(connection: &Connection, partitions: u32) -> Result<Memory, StoreError> {
    let memory = Memory::default();
    let merchants: HashMap<MerchantId, i64> = connection
        .prepare("SELECT name, id FROM merchants")?
        .query_map((), |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?
        .map(|row| {
            let (name, id) = row?;
            Ok((name.parse().map_err(|error| StoreError::damaged("name", error))?, id))
        })
        .collect::<Result<_, StoreError>>()?;
    *memory.merchants.write().unwrap_or_else(PoisonError::into_inner) = merchants;
    let is_ours =
        |live: &Live| live.generation.model == Model::OrderStatus && live.version == Model::OrderStatus.version();
    if let Some(live) = generations::live(connection, partitions)?.iter().find(|live| is_ours(live)) {
        *memory.recent_mut() = Recent::read(connection, live.generation)?;
    }
    Ok(memory)
}

fn save(connection: &mut Connection, memory: &Memory, turn: &Turn) -> Result<Saved, StoreError> {
    let merchants = memory.merchants_of(connection, &turn.page)?;
    let transaction = generations::begin(connection)?;
    if !generations::move_checkpoints(&transaction, turn)? {
        return Ok(Saved::Overtaken);
    }
    let mut moves: Option<Moves> = None;
    for generation in &turn.generations {
        match generation.model {
            Model::OrderStatus => {
                let Some(written) = &turn.rows.order_status else { continue };
                let recent = memory.recent();
                let moved = order_status::save(&transaction, *generation, &recent, &written.rows, &merchants)?;
                sums::save(&transaction, *generation, &written.sums, &merchants)?;
                moves = (recent.generation == Some(*generation)).then_some(moved);
            }
            Model::ReviewQueue => {
                let Some(written) = &turn.rows.review_queue else { continue };
                review_queue::save(&transaction, *generation, &written.rows, &merchants)?;
            }
        }
    }
    transaction.commit()?;
    if let Some(moves) = moves {
        memory.recent_mut().apply(moves);
    }
    Ok(Saved::Moved)
}

/// Puts a generation in the place of the live one, in the file and in memory: no look-up sees one without the other.
fn replace(connection: &mut Connection, memory: &Memory, next: Generation) -> Result<(), StoreError> {
    let transaction = generations::begin(connection)?;
    generations::replace(&transaction, next)?;
    if next.model == Model::OrderStatus {
        let recent = Recent::read(&transaction, next)?;
        let mut in_memory = memory.recent_mut();
        transaction.commit()?;
        *in_memory = recent;
    } else {
        transaction.commit()?;
    }
    Ok(())
}

#[async_trait]
impl Store for SqliteStore {
    async fn live(&self) -> Result<Vec<Live>, StoreError> {
        let partitions = self.partitions;
        self.readers.read(move |connection| generations::live(connection, partitions)).await
    }

    /// One process has the file, so a lock in memory is enough.
    async fn building(&self) -> Result<Building, StoreError> {
        Ok(Box::new(Arc::clone(&self.building).lock_owned().await))
    }

    async fn try_building(&self) -> Result<Option<Building>, StoreError> {
        Ok(Arc::clone(&self.building).try_lock_owned().ok().map(|lock| Box::new(lock) as Building))
    }

    async fn create(&self, model: Model) -> Result<Generation, StoreError> {
        let partitions = self.partitions;
        self.writer.run(move |connection| generations::create(connection, model, partitions)).await
    }

    /// In several pieces of work, so that the live ones go on in between.
    async fn complete(&self, generation: Generation) -> Result<(), StoreError> {
        while !self.writer.run(move |connection| generations::complete_handles(connection, generation)).await? {}
        for index in generations::indexes(generation) {
            self.writer.run(move |connection| Ok(connection.execute_batch(&index)?)).await?;
        }
        Ok(())
    }

    /// One process has the file, and its caller folds into the live one itself.
    async fn replace(&self, generation: Generation, levelling: Levelling<'_>) -> Result<(), ProjectionError> {
        levelling.await?;
        let memory = Arc::clone(&self.memory);
        Ok(self.writer.run(move |connection| replace(connection, &memory, generation)).await?)
    }

    async fn drop_others(&self) -> Result<(), StoreError> {
        self.writer.run(generations::drop_others).await
    }

    /// One process has the file, and replaces no generation while it loads of it.
    async fn load(&self, generations: &[Generation], streams: Vec<StreamId>) -> Result<Option<Loaded>, StoreError> {
        let generations = generations.to_vec();
        self.writer
            .run(move |connection| {
                let mut loaded = Loaded { order_status: None, review_queue: None };
                for generation in generations {
                    match generation.model {
                        Model::OrderStatus => {
                            loaded.order_status = Some(order_status::load(connection, generation, &streams)?);
                        }
                        Model::ReviewQueue => {
                            loaded.review_queue = Some(review_queue::load(connection, generation, &streams)?);
                        }
                    }
                }
                Ok(Some(loaded))
            })
            .await
    }

    async fn save(&self, turn: Turn) -> Result<Saved, StoreError> {
        let memory = Arc::clone(&self.memory);
        self.writer.run(move |connection| save(connection, &memory, &turn)).await
    }

    async fn orders(&self, merchant: &MerchantId, streams: &[StreamId]) -> Result<Vec<OrderStatusRow>, StoreError> {
        let streams = streams.to_vec();
        let find = move |connection: &Connection, merchant| search::orders(connection, merchant, &streams);
        self.read(merchant, Vec::new(), find).await
    }

    async fn search(
        &self,
        merchant: &MerchantId,
        wanted: Wanted,
        cursor: Option<Cursor>,
        count: usize,
    ) -> Result<Vec<OrderStatusRow>, StoreError> {
        let memory = Arc::clone(&self.memory);
        let find = move |connection: &Connection, merchant| {
            let handles = wanted.any_of.first().map_or(&[][..], Vec::as_slice);
            let (leads, snapshot) = memory.look(connection, |recent| Lead::all(recent, merchant, handles))?;
            search::search(&snapshot, merchant, &leads, &wanted, cursor, count)
        };
        self.read(merchant, Vec::new(), find).await
    }

    async fn link_counts(&self, merchant: &MerchantId, rows: &[OrderStatusRow]) -> Result<Vec<LinkCounts>, StoreError> {
        let of: Vec<(Handles, StreamId)> = rows.iter().map(|row| (row.facts.handles, row.stream)).collect();
        let (memory, none) = (Arc::clone(&self.memory), vec![LinkCounts::default(); rows.len()]);
        let find = move |connection: &Connection, merchant| {
            let (links, snapshot) = memory.look(connection, |recent| {
                let links = of.iter().map(|(handles, not)| (search::links(recent, merchant, handles), *not));
                links.collect::<Vec<_>>()
            })?;
            links.iter().map(|(links, not)| search::link_counts(&snapshot, merchant, links, *not)).collect()
        };
        self.read(merchant, none, find).await
    }

    async fn review(&self, merchant: &MerchantId, id: &OrderId) -> Result<Option<ReviewRow>, StoreError> {
        let id = id.clone();
        let find = move |connection: &Connection, merchant| review_queue::review(connection, merchant, &id);
        self.read(merchant, None, find).await
    }

    async fn reviews(
        &self,
        merchant: &MerchantId,
        query: &ReviewQuery,
        cursor: Option<Cursor>,
        count: usize,
    ) -> Result<Vec<ReviewRow>, StoreError> {
        let query = query.clone();
        let find =
            move |connection: &Connection, merchant| review_queue::reviews(connection, merchant, &query, cursor, count);
        self.read(merchant, Vec::new(), find).await
    }

    async fn stock_holds(
        &self,
        merchant: &MerchantId,
        query: &StockQuery,
        behind: Option<&str>,
        count: usize,
    ) -> Result<Vec<StockHold>, StoreError> {
        let (query, behind) = (query.clone(), behind.map(str::to_owned));
        let find = move |connection: &Connection, merchant| {
            sums::stock_holds(connection, merchant, &query, behind.as_deref(), count)
        };
        self.read(merchant, Vec::new(), find).await
    }

    async fn outcomes(&self, merchant: &MerchantId, hours: Range<i64>) -> Result<Vec<Counted>, StoreError> {
        let find = move |connection: &Connection, merchant| sums::outcomes(connection, merchant, &hours);
        self.read(merchant, Vec::new(), find).await
    }

    async fn queue(&self, merchant: &MerchantId) -> Result<QueueStanding, StoreError> {
        self.read(merchant, QueueStanding::default(), sums::queue).await
    }

    async fn whole(&self) -> Result<WholeStanding, StoreError> {
        self.readers.read(sums::whole).await
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

#[cfg(test)]
mod tests;
