//! Read models: tables derived from the log, disposable, rebuilt at will.
//!
//! * A row is a function of its stream's events, folded in the order of positions.
//! * Rows and checkpoint move in one transaction; a look-up sees whole pages of the log and nothing between.
//! * A read model that cannot go on stops alone and says so in [`ReadModels::health`]; the others and the service go on.
//! * Every look-up is keyed by merchant.

mod change;
mod chunks;
mod cursor;
mod database;
mod error;
mod generation;
mod order_status;
mod pages;
mod projection;
mod review_queue;
mod runner;
mod words;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::ids::{MerchantId, OrderId, Token};
use eventlog::{EventLog, Position, StreamId};

use crate::database::Database;
use crate::order_status::OrderStatus;
use crate::pages::Pages;
use crate::projection::Projection as _;
use crate::review_queue::ReviewQueue;
use crate::runner::{ReadModel, Runner};

pub use change::PoisonEvent;
pub use cursor::{CursorError, LIMIT_MAX, Listing};
pub use error::{LookUpError, ProjectionError};
pub use order_status::{
    Handles, LINK_COUNT_MAX, LinkCounts, LinkedBy, LinkedByError, OrderChallenge, OrderFacts, OrderQuery, OrderRisk,
    OrderStatusRow, SourceReport, UnifiedStatus,
};
pub use review_queue::{ReviewClaim, ReviewQuery, ReviewRow, ReviewSort, ReviewState};
pub use runner::{Health, Trouble};

/// The name of the read model behind [`ReadModels::order`], [`ReadModels::search`] and the links.
pub const ORDER_STATUS: &str = OrderStatus::NAME;
/// The name of the read model behind [`ReadModels::reviews`].
pub const REVIEW_QUEUE: &str = ReviewQueue::NAME;

/// All read models of one service, in one file.
pub struct ReadModels {
    database: Arc<Database>,
    all: Vec<Arc<dyn ReadModel>>,
}

impl ReadModels {
    /// Opens the read models' file, making it where there is none. Nothing is folded before [`ReadModels::start`].
    ///
    /// A read model that was built by another version, or from another log, begins anew and is behind for a while.
    ///
    /// # Errors
    /// When the file or the log cannot be read.
    pub async fn open(path: &Path, log: Arc<dyn EventLog>) -> Result<Self, ProjectionError> {
        let database = Arc::new(Database::open(path).await?);
        let pages = Arc::new(Pages::new(log));
        let all: Vec<Arc<dyn ReadModel>> = vec![
            Runner::<OrderStatus>::open(Arc::clone(&database), Arc::clone(&pages)).await?,
            Runner::<ReviewQueue>::open(Arc::clone(&database), Arc::clone(&pages)).await?,
        ];
        Ok(Self { database, all })
    }

    /// Begins to follow the log, in tasks of the current runtime.
    pub fn start(&self) {
        for model in &self.all {
            Arc::clone(model).start();
        }
    }

    /// Folds what the log holds now, without following it.
    ///
    /// # Errors
    /// When an event cannot be folded or a store fails.
    pub async fn catch_up(&self) -> Result<(), ProjectionError> {
        for model in &self.all {
            model.catch_up().await?;
        }
        Ok(())
    }

    /// Ends after the pages at hand and closes the file.
    pub async fn stop(&self) {
        for model in &self.all {
            model.stop().await;
        }
        self.database.close().await;
    }

    /// The names of all read models.
    pub fn names(&self) -> Vec<&'static str> {
        self.all.iter().map(|model| model.name()).collect()
    }

    /// Builds a read model again from the first event, beside the live one, which answers meanwhile and is replaced in
    /// one transaction when the new one is level with it.
    ///
    /// # Errors
    /// When there is none of this name, an event cannot be folded, or a store fails; the live one stays as it was.
    pub async fn rebuild(&self, name: &str) -> Result<(), ProjectionError> {
        self.model(name).ok_or_else(|| ProjectionError::UnknownName(name.to_owned()))?.rebuild().await
    }

    /// Waits until a read model has folded a position; false when that took longer than `limit`.
    pub async fn wait_for(&self, name: &str, partition: u32, position: Position, limit: Duration) -> bool {
        match self.model(name) {
            Some(model) => model.wait_for(partition, position, limit).await,
            None => false,
        }
    }

    /// How each read model is, per partition. Also sets the gauge `orderlight_projection_lag_events`.
    pub fn health(&self) -> Vec<Health> {
        let health: Vec<Health> = self.all.iter().flat_map(|model| model.health()).collect();
        for one in &health {
            // A gauge is a float; a lag beyond 2^32 events is shown as that.
            let lag = f64::from(u32::try_from(one.lag()).unwrap_or(u32::MAX));
            let labels = [("projection", one.name.to_owned()), ("partition", one.partition.to_string())];
            metrics::gauge!("orderlight_projection_lag_events", &labels).set(lag);
        }
        health
    }

    /// The largest number of events that any read model is behind the log.
    pub fn lag(&self) -> u64 {
        self.health().iter().map(Health::lag).max().unwrap_or_default()
    }

    /// One order; `None` when the merchant has none of this id.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn order(&self, merchant: &MerchantId, id: &OrderId) -> Result<Option<OrderStatusRow>, LookUpError> {
        order_status::order(&self.database.readers, merchant, id).await
    }

    /// Some orders by their streams, in no particular order; what is not the merchant's is left out.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn orders(
        &self,
        merchant: &MerchantId,
        streams: &[StreamId],
    ) -> Result<Vec<OrderStatusRow>, LookUpError> {
        order_status::orders(&self.database.readers, merchant, streams).await
    }

    /// Orders that meet a query, newest placed first; at most `limit` of them, and never more than [`LIMIT_MAX`].
    ///
    /// # Errors
    /// When the cursor is none of this list, or the file cannot be read.
    pub async fn search(
        &self,
        merchant: &MerchantId,
        query: &OrderQuery,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Listing<OrderStatusRow>, LookUpError> {
        order_status::search(&self.database.readers, merchant, query, cursor, limit).await
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
    /// When the file cannot be read.
    pub async fn links_counts(&self, merchant: &MerchantId, row: &OrderStatusRow) -> Result<LinkCounts, LookUpError> {
        order_status::link_counts(&self.database.readers, merchant, row).await
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
        order_status::linked(&self.database.readers, merchant, id, by, cursor, limit).await
    }

    /// An order's review; `None` when it needs none.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn review(&self, merchant: &MerchantId, id: &OrderId) -> Result<Option<ReviewRow>, LookUpError> {
        review_queue::review(&self.database.readers, merchant, id).await
    }

    /// Reviews that meet a query, sorted as it says.
    ///
    /// # Errors
    /// When the cursor is none of this list and sort, or the file cannot be read.
    pub async fn reviews(
        &self,
        merchant: &MerchantId,
        query: &ReviewQuery,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Listing<ReviewRow>, LookUpError> {
        review_queue::reviews(&self.database.readers, merchant, query, cursor, limit).await
    }

    fn model(&self, name: &str) -> Option<&Arc<dyn ReadModel>> {
        self.all.iter().find(|model| model.name() == name)
    }
}
