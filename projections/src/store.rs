//! Where the tables live: what every back end does in its own way.
//!
//! Each build of a read model, a generation, has tables of its own. Look-ups go to the live one, so that putting a new
//! generation in the place of the old one is one transaction, and no look-up ever sees half of each.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use domain::ids::{MerchantId, OrderId};
use eventlog::StreamId;

use crate::cursor::Cursor;
use crate::error::{ProjectionError, StoreError};
use crate::fold::{Folded, Loaded};
use crate::model::Model;
use crate::order_status::{LinkCounts, OrderStatusRow, Wanted};
use crate::outcomes::{Counted, QueueStanding, WholeStanding};
use crate::page::{Mark, Page};
use crate::review_queue::{ReviewQuery, ReviewRow};
use crate::stock_holds::{StockHold, StockQuery};

/// One build of a read model.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Generation {
    pub(crate) model: Model,
    pub(crate) number: i64,
}

impl Generation {
    pub(crate) fn table(self) -> String {
        self.model.table(self.number)
    }
}

/// The generation that look-ups see.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub(crate) generation: Generation,
    /// The version of the service's code that made it.
    pub(crate) version: u32,
    /// How far each partition is folded.
    pub(crate) marks: Vec<Mark>,
}

/// A folded page on its way into the tables.
pub(crate) struct Turn {
    pub(crate) partition: u32,
    /// Those that take part. All stand where the page begins.
    pub(crate) generations: Vec<Generation>,
    pub(crate) page: Arc<Page>,
    pub(crate) rows: Folded,
    pub(crate) end: Mark,
}

/// What became of a turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Saved {
    /// Rows and checkpoints are committed.
    Moved,
    /// Somebody else moved a checkpoint or replaced a generation; nothing was written.
    Overtaken,
}

/// The last stretch of a new generation, up to where the live one is.
pub(crate) type Levelling<'a> = Pin<Box<dyn Future<Output = Result<(), ProjectionError>> + Send + 'a>>;

/// Kept while a read model is being built beside the live one, so that nobody takes its tables for left-overs.
pub(crate) type Building = Box<dyn std::any::Any + Send>;

#[async_trait]
pub(crate) trait Store: Send + Sync + 'static {
    /// The generations that look-ups see; none of a read model that was never built.
    async fn live(&self) -> Result<Vec<Live>, StoreError>;

    /// Waits until nobody else builds. The right to build ends when it is dropped.
    async fn building(&self) -> Result<Building, StoreError>;

    /// As [`Store::building`], but `None` where somebody builds now.
    async fn try_building(&self) -> Result<Option<Building>, StoreError>;

    /// Makes empty tables that nobody reads so far, without what only look-ups need.
    async fn create(&self, model: Model) -> Result<Generation, StoreError>;

    /// Makes what only look-ups need: cheaper after the rows than with each of them.
    async fn complete(&self, generation: Generation) -> Result<(), StoreError>;

    /// Makes a complete generation the live one once it is level with that. Meanwhile no other process folds into the live one,
    /// and whoever is about to waits; in this process the caller sees to that.
    async fn replace(&self, generation: Generation, levelling: Levelling<'_>) -> Result<(), ProjectionError>;

    /// Drops every generation but the live ones: those that were replaced, and those whose building was cut short. Only for
    /// who holds [`Store::building`].
    async fn drop_others(&self) -> Result<(), StoreError>;

    /// The stored rows of some streams; `None` where one of the generations is not there any more.
    async fn load(&self, generations: &[Generation], streams: Vec<StreamId>) -> Result<Option<Loaded>, StoreError>;

    /// Commits rows and checkpoints together, if all checkpoints are where the page begins.
    async fn save(&self, turn: Turn) -> Result<Saved, StoreError>;

    /// Some orders by their streams, in no order; what is not there or another merchant's is left out.
    async fn orders(&self, merchant: &MerchantId, streams: &[StreamId]) -> Result<Vec<OrderStatusRow>, StoreError>;

    /// The first `count` orders behind a cursor, sorted by (`listed_at`, `stream`), both descending.
    async fn search(
        &self,
        merchant: &MerchantId,
        wanted: Wanted,
        cursor: Option<Cursor>,
        count: usize,
    ) -> Result<Vec<OrderStatusRow>, StoreError>;

    /// Of some orders, in their order.
    async fn link_counts(&self, merchant: &MerchantId, rows: &[OrderStatusRow]) -> Result<Vec<LinkCounts>, StoreError>;

    async fn review(&self, merchant: &MerchantId, id: &OrderId) -> Result<Option<ReviewRow>, StoreError>;

    /// The first `count` reviews behind a cursor.
    async fn reviews(
        &self,
        merchant: &MerchantId,
        query: &ReviewQuery,
        cursor: Option<Cursor>,
        count: usize,
    ) -> Result<Vec<ReviewRow>, StoreError>;

    /// The first `count` SKUs behind one, in their order, with what is held of them.
    async fn stock_holds(
        &self,
        merchant: &MerchantId,
        query: &StockQuery,
        behind: Option<&str>,
        count: usize,
    ) -> Result<Vec<StockHold>, StoreError>;

    /// The counts of some hours of placement, summed over them.
    async fn outcomes(&self, merchant: &MerchantId, hours: Range<i64>) -> Result<Vec<Counted>, StoreError>;

    /// How many reviews wait for a person now.
    async fn queue(&self, merchant: &MerchantId) -> Result<QueueStanding, StoreError>;

    /// What waits and is held now, of all merchants together.
    async fn whole(&self) -> Result<WholeStanding, StoreError>;

    async fn close(&self);
}
