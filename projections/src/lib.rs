//! Read models: tables derived from the log, disposable, rebuilt at will.
//!
//! * A row is a function of its stream's events, folded in the order of positions.
//! * Rows and checkpoint move in one transaction; a look-up sees whole pages of the log and nothing between.
//! * A read model that cannot go on stops alone and says so in [`ReadModels::health`]; the others and the service go on.
//! * Every look-up is keyed by merchant.

mod change;
mod cursor;
mod error;
mod fold;
mod model;
mod open;
mod order_status;
mod outcomes;
mod page;
mod postgres;
mod review_queue;
mod runner;
mod sqlite;
mod stock_holds;
mod store;
mod sums;
mod words;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::ids::{MerchantId, OrderId, Token};
use domain::order::LinkedBy;
use domain::time::Timestamp;
use eventlog::{EventLog, Position, StreamId, StreamKey};

use crate::change::ORDER;
use crate::cursor::Cursor;
use crate::model::{Model, Projection as _};
use crate::order_status::{LIST, OrderStatus, Wanted};
use crate::postgres::PostgresStore;
use crate::review_queue::ReviewQueue;
use crate::runner::Runner;
use crate::sqlite::SqliteStore;
use crate::store::Store;

pub use change::PoisonEvent;
pub use cursor::{CursorError, LIMIT_MAX, Listing};
pub use error::{LookUpError, ProjectionError, StoreError};
pub use order_status::{
    Answer, Course, Handles, LINK_COUNT_MAX, LinkCounts, OrderChallenge, OrderFacts, OrderQuery, OrderRisk,
    OrderStatusRow, SourceReport, StockLine, UnifiedStatus,
};
pub use outcomes::{Answers, Freed, Outcomes, QueueStanding, Times, Verdicts, WholeStanding};
pub use review_queue::{
    LOOK_WITHIN, OpenCause, OpenedFor, ReviewClaim, ReviewQuery, ReviewRow, ReviewSort, ReviewState,
};
pub use runner::{Health, Trouble};
pub use stock_holds::{HoldCause, StockHold, StockQuery};

/// The name of the read model behind [`ReadModels::order`], [`ReadModels::search`] and the links, and, as it keeps sums over its
/// rows, behind [`ReadModels::stock_holds`] and [`ReadModels::outcomes`].
pub const ORDER_STATUS: &str = OrderStatus::NAME;
/// The name of the read model behind [`ReadModels::reviews`].
pub const REVIEW_QUEUE: &str = ReviewQueue::NAME;

/// Where the read models live.
#[derive(Clone, Debug)]
pub enum Place {
    /// In a SQLite file of their own, opened once at a time: a part of what is found by is in memory, see `sqlite/handles.rs`. The
    /// lock of the embedded log sees to that.
    File(PathBuf),
    /// In the schema `orderlight_read` of a Postgres database. Several processes may share it.
    Postgres {
        /// `postgres://user@host/name`.
        url: String,
        /// What its sessions are called, so that those of a process that is gone can be told from others and ended.
        session_name: Option<String>,
    },
}

/// Makes the schema of [`Place::Postgres`] as a role that may, and lets `runtime_role`, a role that is there already and that the
/// service is then run as, make the tables in it. Tables of another role, which that one could not use, are dropped for it, and built
/// anew. Who opens the read models as a role that may create schemas needs no migration.
///
/// # Errors
/// When the database cannot be reached, there is no such role, or it is not permitted.
pub async fn migrate(url: &str, runtime_role: Option<&str>) -> Result<(), StoreError> {
    postgres::migrate(url, runtime_role).await
}

/// All read models of one service.
pub struct ReadModels {
    store: Arc<dyn Store>,
    log: Arc<dyn EventLog>,
    runner: Arc<Runner>,
}

impl ReadModels {
    /// Opens the read models, making their tables where there are none. Nothing is folded before [`ReadModels::start`] or
    /// [`ReadModels::follow`].
    ///
    /// A read model that was built by another version, or from another log, begins anew and is behind for a while.
    ///
    /// # Errors
    /// When the tables or the log cannot be read.
    pub async fn open(place: &Place, log: Arc<dyn EventLog>) -> Result<Self, ProjectionError> {
        let store: Arc<dyn Store> = match place {
            Place::File(path) => Arc::new(SqliteStore::open(path, log.partitions()).await?),
            Place::Postgres { url, session_name } => {
                Arc::new(PostgresStore::open(url, session_name.as_deref(), log.partitions()).await?)
            }
        };
        open::open_all(&*store, &*log).await?;
        let runner = Arc::new(Runner::new(Arc::clone(&store), Arc::clone(&log)).await?);
        runner.sweep();
        Ok(Self { store, log, runner })
    }

    /// Begins to follow the whole log: what a process does that shares it with no other.
    pub async fn start(&self) {
        for partition in self.runner.partitions() {
            self.follow(partition).await;
        }
    }

    /// Begins to fold a partition, in a task of the current runtime. Its events are to be folded by one process at a time, that which
    /// owns it; should two do so for a moment, each page is still written once.
    pub async fn follow(&self, partition: u32) {
        self.runner.follow(partition).await;
    }

    /// Ends to fold a partition, after the page at hand. Look-ups and [`ReadModels::wait_for`] go on with what another
    /// process folds.
    pub async fn unfollow(&self, partition: u32) {
        self.runner.unfollow(partition).await;
    }

    /// Folds what the log holds now, without following it.
    ///
    /// # Errors
    /// When an event cannot be folded or a store fails.
    pub async fn catch_up(&self) -> Result<(), ProjectionError> {
        self.runner.catch_up().await
    }

    /// Ends after the pages at hand and closes the store.
    pub async fn stop(&self) {
        self.runner.stop().await;
        self.store.close().await;
    }

    /// The names of all read models.
    pub fn names(&self) -> Vec<&'static str> {
        Model::ALL.iter().map(|model| model.name()).collect()
    }

    /// Builds read models again from the first event in one pass over the log, beside the live ones, which answer meanwhile and are
    /// each replaced in one transaction when the new one is level.
    ///
    /// # Errors
    /// When there is none of a name, an event cannot be folded, or a store fails; what was not replaced stays as it was.
    pub async fn rebuild(&self, names: &[&str]) -> Result<(), ProjectionError> {
        let model =
            |name: &&str| Model::from_name(name).ok_or_else(|| ProjectionError::UnknownName((*name).to_owned()));
        let models = names.iter().map(model).collect::<Result<Vec<_>, _>>()?;
        self.runner.rebuild(&models).await
    }

    /// Waits until a read model has folded a position, in this process or another; false when that took longer than `limit`.
    pub async fn wait_for(&self, name: &str, partition: u32, position: Position, limit: Duration) -> bool {
        match Model::from_name(name) {
            Some(model) => self.runner.wait_for(model, partition, position, limit).await,
            None => false,
        }
    }

    /// How each read model is, per partition that this process folds. Also sets the gauge `orderlight_projection_lag_events`.
    pub fn health(&self) -> Vec<Health> {
        let health = self.runner.health();
        for one in &health {
            // A gauge is a float; a lag beyond 2^32 events is shown as that.
            let lag = f64::from(u32::try_from(one.lag()).unwrap_or(u32::MAX));
            let labels = [("projection", one.name.to_owned()), ("partition", one.partition.to_string())];
            metrics::gauge!("orderlight_projection_lag_events", &labels).set(lag);
        }
        health
    }

    /// The largest number of events that any read model is behind the log, of the partitions that this process folds.
    pub fn lag(&self) -> u64 {
        self.health().iter().map(Health::lag).max().unwrap_or_default()
    }

    /// One order; `None` when the merchant has none of this id. The log knows which stream an order is by an index of its own, so
    /// that no read model needs one for it, and a single row is read however many there are.
    ///
    /// # Errors
    /// When the log or the store cannot be read.
    pub async fn order(&self, merchant: &MerchantId, id: &OrderId) -> Result<Option<OrderStatusRow>, LookUpError> {
        let key =
            StreamKey { merchant: merchant.clone(), aggregate_type: ORDER.into(), aggregate_id: id.as_str().into() };
        let streams: Vec<StreamId> = self.log.find_streams(&[key]).await?.into_iter().flatten().collect();
        if streams.is_empty() {
            return Ok(None);
        }
        Ok(self.store.orders(merchant, &streams).await?.pop())
    }

    /// Some orders by their streams, in no particular order; what is not the merchant's is left out.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn orders(
        &self,
        merchant: &MerchantId,
        streams: &[StreamId],
    ) -> Result<Vec<OrderStatusRow>, LookUpError> {
        Ok(self.store.orders(merchant, streams).await?)
    }

    /// Orders that meet a query, newest placed first; at most `limit` of them, and never more than [`LIMIT_MAX`].
    ///
    /// # Errors
    /// When the cursor is none of this list, or the store cannot be read.
    pub async fn search(
        &self,
        merchant: &MerchantId,
        query: &OrderQuery,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Listing<OrderStatusRow>, LookUpError> {
        self.list(merchant, Wanted::by(query), cursor, limit).await
    }

    /// A customer's orders over all channels, newest placed first.
    ///
    /// # Errors
    /// As [`ReadModels::search`].
    pub async fn customer_orders(
        &self,
        merchant: &MerchantId,
        customer: Token,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Listing<OrderStatusRow>, LookUpError> {
        let query = OrderQuery { customer: Some(customer), ..OrderQuery::default() };
        self.search(merchant, &query, cursor, limit).await
    }

    /// How many other orders share something with an order, each counted up to [`LINK_COUNT_MAX`].
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn links_counts(&self, merchant: &MerchantId, row: &OrderStatusRow) -> Result<LinkCounts, LookUpError> {
        let counts = self.links_counts_of(merchant, std::slice::from_ref(row)).await?;
        Ok(counts.into_iter().next().unwrap_or_default())
    }

    /// The same of each order of a page, in their order, by one look.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn links_counts_of(
        &self,
        merchant: &MerchantId,
        rows: &[OrderStatusRow],
    ) -> Result<Vec<LinkCounts>, LookUpError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.store.link_counts(merchant, rows).await?)
    }

    /// The other orders that share something with an order, newest placed first; `None` when there is no such order.
    ///
    /// # Errors
    /// As [`ReadModels::search`].
    pub async fn linked(
        &self,
        merchant: &MerchantId,
        id: &OrderId,
        by: LinkedBy,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Option<Listing<OrderStatusRow>>, LookUpError> {
        let Some(row) = self.order(merchant, id).await? else { return Ok(None) };
        let handles = order_status::shared(by, &row.facts.handles);
        if handles.is_empty() {
            Cursor::read(cursor, LIST)?;
            return Ok(Some(Listing { items: Vec::new(), next_cursor: None }));
        }
        self.list(merchant, Wanted::sharing(handles, row.stream), cursor, limit).await.map(Some)
    }

    /// An order's review; `None` when it needs none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn review(&self, merchant: &MerchantId, id: &OrderId) -> Result<Option<ReviewRow>, LookUpError> {
        Ok(self.store.review(merchant, id).await?)
    }

    /// Reviews that meet a query, sorted as it says.
    ///
    /// # Errors
    /// When the cursor is none of this list and sort, or the store cannot be read.
    pub async fn reviews(
        &self,
        merchant: &MerchantId,
        query: &ReviewQuery,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Listing<ReviewRow>, LookUpError> {
        let list = query.sort.letter();
        let cursor = Cursor::read(cursor, list)?;
        let limit = limit.clamp(1, LIMIT_MAX);
        let rows = self.store.reviews(merchant, query, cursor, one_more(limit)).await?;
        Ok(Listing::from_rows(rows, limit, |row| Cursor {
            list,
            key: query.key(row),
            stream: row.stream.cast_signed(),
        }))
    }

    /// What is held of each SKU, in the order of the SKUs; at most `limit` of them, and never more than [`LIMIT_MAX`].
    ///
    /// # Errors
    /// When the cursor is none of this list, or the store cannot be read.
    pub async fn stock_holds(
        &self,
        merchant: &MerchantId,
        query: &StockQuery,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Listing<StockHold>, LookUpError> {
        let behind = cursor.map(|cursor| cursor.strip_prefix(stock_holds::LIST).ok_or(CursorError)).transpose()?;
        let limit = limit.clamp(1, LIMIT_MAX);
        let rows = self.store.stock_holds(merchant, query, behind, one_more(limit)).await?;
        Ok(Listing::from_rows(rows, limit, |hold| format!("{}{}", stock_holds::LIST, hold.sku)))
    }

    /// What became of orders that were placed from `from` on and before `to`, to the whole hour: of the hour that each of them lies in
    /// all orders count.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn outcomes(
        &self,
        merchant: &MerchantId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Outcomes, LookUpError> {
        Ok(Outcomes::of(self.store.outcomes(merchant, outcomes::hours(from, to)).await?))
    }

    /// How many orders wait for a person now, and since when.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn queue(&self, merchant: &MerchantId) -> Result<QueueStanding, LookUpError> {
        Ok(self.store.queue(merchant).await?)
    }

    /// What waits and is held now, of all merchants together, whichever process folds them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn whole(&self) -> Result<WholeStanding, LookUpError> {
        Ok(self.store.whole().await?)
    }

    async fn list(
        &self,
        merchant: &MerchantId,
        wanted: Wanted,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Listing<OrderStatusRow>, LookUpError> {
        let cursor = Cursor::read(cursor, LIST)?;
        let limit = limit.clamp(1, LIMIT_MAX);
        let rows = self.store.search(merchant, wanted, cursor, one_more(limit)).await?;
        Ok(Listing::from_rows(rows, limit, |row| Cursor {
            list: LIST,
            key: row.facts.listed_at.millis(),
            stream: row.stream.cast_signed(),
        }))
    }
}

/// One row more than a page shows tells whether there is another.
fn one_more(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1)
}
