//! The read models in Postgres, in the schema `orderlight_read`. Several processes share them: each partition is folded by one at a
//! time, and a page is written only where its checkpoint still stands where the page begins.

mod generations;
mod order_status;
mod review_queue;
mod search;
mod settings;
mod stretches;
mod sums;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{PoisonError, RwLock};

use async_trait::async_trait;
use domain::ids::{MerchantId, OrderId};
use eventlog::{StreamId, ids_of, partition_of};
use sqlx::postgres::{PgConnectOptions, PgPool};
use sqlx::{Connection as _, PgConnection};

use crate::cursor::Cursor;
use crate::error::{ProjectionError, StoreError};
use crate::fold::Loaded;
use crate::model::Model;
use crate::order_status::{LinkCounts, OrderStatusRow, Wanted};
use crate::outcomes::{Counted, QueueStanding, WholeStanding};
use crate::page::Page;
use crate::review_queue::{ReviewQuery, ReviewRow};
use crate::stock_holds::{StockHold, StockQuery};
use crate::store::{Building, Generation, Levelling, Live, Saved, Store, Turn};
use stretches::{Stretches, Whose};

/// Held by the session of whoever builds.
const BUILDING: i64 = 0x006f_7264_6275_696c;

/// The schema, and what is remembered of it.
pub(crate) struct PostgresStore {
    options: PgConnectOptions,
    writers: PgPool,
    readers: PgPool,
    partitions: u32,
    /// The numbers that stand for merchants in every table; given out at first sight, for good.
    merchants: RwLock<HashMap<MerchantId, i64>>,
    stretches: Stretches,
}

/// Makes the schema as a role that may, and lets `runtime_role`, a role that is there already, make the tables in it.
pub(crate) async fn migrate(url: &str, runtime_role: Option<&str>) -> Result<(), StoreError> {
    settings::make_schema(url, runtime_role).await
}

impl PostgresStore {
    /// Opens the read models of a database, making the tables where there are none.
    pub(crate) async fn open(url: &str, session_name: Option<&str>, partitions: u32) -> Result<Self, StoreError> {
        settings::make_schema(url, None).await?;
        let mut options = settings::parse(url)?;
        if let Some(name) = session_name {
            options = options.application_name(name);
        }
        let writers = settings::writers(&options);
        generations::make_tables(&writers).await?;
        let readers = settings::readers(&options);
        Ok(Self {
            options,
            writers,
            readers,
            partitions,
            merchants: RwLock::default(),
            stretches: Stretches::default(),
        })
    }

    fn known_merchant(&self, merchant: &MerchantId) -> Option<i64> {
        self.merchants.read().unwrap_or_else(PoisonError::into_inner).get(merchant).copied()
    }

    fn remember(&self, merchant: &MerchantId, number: i64) -> i64 {
        self.merchants.write().unwrap_or_else(PoisonError::into_inner).insert(merchant.clone(), number);
        number
    }

    /// `None` for a merchant that no read model ever heard of.
    async fn merchant(&self, merchant: &MerchantId) -> Result<Option<i64>, StoreError> {
        if let Some(number) = self.known_merchant(merchant) {
            return Ok(Some(number));
        }
        // Another process may have given it out.
        let select = sqlx::query_scalar("SELECT id FROM merchants WHERE name = $1").bind(merchant.as_str());
        let number: Option<i64> = select.fetch_optional(&self.readers).await?;
        Ok(number.map(|number| self.remember(merchant, number)))
    }

    /// Whose orders a merchant's are; `None` as for [`Self::merchant`].
    async fn whose(&self, merchant: &MerchantId) -> Result<Option<Whose>, StoreError> {
        let number = self.merchant(merchant).await?;
        Ok(number.map(|number| Whose::new(number, &ids_of(partition_of(merchant, self.partitions)))))
    }

    async fn merchant_or_new(&self, merchant: &MerchantId) -> Result<i64, StoreError> {
        if let Some(number) = self.merchant(merchant).await? {
            return Ok(number);
        }
        let mut transaction = self.writers.begin().await?;
        sqlx::raw_sql(settings::ON_DISK).execute(&mut *transaction).await?;
        let insert = "INSERT INTO merchants (name) VALUES ($1) ON CONFLICT DO NOTHING";
        sqlx::query(insert).bind(merchant.as_str()).execute(&mut *transaction).await?;
        transaction.commit().await?;
        let number = self.merchant(merchant).await?;
        number.ok_or_else(|| StoreError::new("a merchant's number is not there after it was given out"))
    }

    /// The numbers of the merchants of a page's orders.
    async fn merchants_of(&self, page: &Page) -> Result<Vec<i64>, StoreError> {
        let mut last: Option<(&MerchantId, i64)> = None;
        let mut numbers = Vec::with_capacity(page.orders.len());
        for order in &page.orders {
            let number = match last {
                Some((merchant, number)) if *merchant == order.merchant => number,
                _ => self.merchant_or_new(&order.merchant).await?,
            };
            last = Some((&order.merchant, number));
            numbers.push(number);
        }
        Ok(numbers)
    }

    async fn load_rows(&self, generations: &[Generation], streams: &[StreamId]) -> Result<Loaded, StoreError> {
        let mut connection = self.writers.acquire().await?;
        let mut loaded = Loaded { order_status: None, review_queue: None };
        for generation in generations {
            match generation.model {
                Model::OrderStatus => {
                    let rows = order_status::load(&mut connection, *generation, streams, &self.stretches).await?;
                    loaded.order_status = Some(rows);
                }
                Model::ReviewQueue => {
                    let streams: Vec<i64> = streams.iter().map(|stream| stream.cast_signed()).collect();
                    loaded.review_queue = Some(review_queue::load(&mut connection, *generation, &streams).await?);
                }
            }
        }
        Ok(loaded)
    }

    async fn save_rows(&self, turn: &Turn) -> Result<Saved, StoreError> {
        let merchants = self.merchants_of(&turn.page).await?;
        let mut transaction = self.writers.begin().await?;
        // First, so that of two who fold the same page the later waits for the earlier here, and then gives up.
        if !generations::move_checkpoints(&mut transaction, turn).await? {
            return Ok(Saved::Overtaken);
        }
        let mut filled = Vec::new();
        for generation in &turn.generations {
            match (generation.model, &turn.rows.order_status, &turn.rows.review_queue) {
                (Model::OrderStatus, Some(written), _) => {
                    let (rows, stretches) = (&written.rows, &self.stretches);
                    filled
                        .extend(order_status::save(&mut transaction, *generation, rows, &merchants, stretches).await?);
                    sums::save(&mut transaction, *generation, &written.sums, &merchants).await?;
                }
                (Model::ReviewQueue, _, Some(written)) => {
                    review_queue::save(&mut transaction, *generation, &written.rows, &merchants).await?;
                }
                (Model::OrderStatus, None, _) | (Model::ReviewQueue, _, None) => {}
            }
        }
        transaction.commit().await?;
        self.stretches.remember(filled);
        Ok(Saved::Moved)
    }

    /// What a failure in folding means: where a table is not there because its generation is not, another process has replaced or
    /// dropped that. What is remembered of stretches may be wrong in any case.
    async fn is_overtaken(&self, error: StoreError, generations: &[Generation]) -> Result<(), StoreError> {
        self.stretches.forget();
        if error.is_missing_table() && !generations::are_there(&self.writers, generations).await? {
            return Ok(());
        }
        Err(error)
    }
}

fn limit(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[async_trait]
impl Store for PostgresStore {
    async fn live(&self) -> Result<Vec<Live>, StoreError> {
        generations::live(&mut *self.readers.acquire().await?, self.partitions).await
    }

    /// The right is a lock of a session, which ends with it.
    async fn building(&self) -> Result<Building, StoreError> {
        let mut session = PgConnection::connect_with(&self.options).await?;
        sqlx::query("SELECT pg_advisory_lock($1)").bind(BUILDING).execute(&mut session).await?;
        Ok(Box::new(session))
    }

    async fn try_building(&self) -> Result<Option<Building>, StoreError> {
        let mut session = PgConnection::connect_with(&self.options).await?;
        let query = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(BUILDING);
        let is_ours: bool = query.fetch_one(&mut session).await?;
        Ok(is_ours.then(|| Box::new(session) as Building))
    }

    async fn create(&self, model: Model) -> Result<Generation, StoreError> {
        generations::create(&self.writers, model, self.partitions).await
    }

    async fn complete(&self, generation: Generation) -> Result<(), StoreError> {
        generations::complete(&self.writers, generation).await
    }

    async fn replace(&self, generation: Generation, levelling: Levelling<'_>) -> Result<(), ProjectionError> {
        generations::replace(&self.writers, generation, levelling).await
    }

    async fn drop_others(&self) -> Result<(), StoreError> {
        let dropped = generations::drop_others(&self.writers).await;
        self.stretches.forget();
        dropped
    }

    async fn load(&self, generations: &[Generation], streams: Vec<StreamId>) -> Result<Option<Loaded>, StoreError> {
        match self.load_rows(generations, &streams).await {
            Ok(loaded) => Ok(Some(loaded)),
            Err(error) => self.is_overtaken(error, generations).await.map(|()| None),
        }
    }

    async fn save(&self, turn: Turn) -> Result<Saved, StoreError> {
        match self.save_rows(&turn).await {
            Ok(saved) => Ok(saved),
            Err(error) => self.is_overtaken(error, &turn.generations).await.map(|()| Saved::Overtaken),
        }
    }

    async fn orders(&self, merchant: &MerchantId, streams: &[StreamId]) -> Result<Vec<OrderStatusRow>, StoreError> {
        let Some(merchant) = self.merchant(merchant).await? else { return Ok(Vec::new()) };
        let streams: Vec<i64> = streams.iter().map(|stream| stream.cast_signed()).collect();
        search::orders(&self.readers, merchant, &streams).await
    }

    async fn search(
        &self,
        merchant: &MerchantId,
        wanted: Wanted,
        cursor: Option<Cursor>,
        count: usize,
    ) -> Result<Vec<OrderStatusRow>, StoreError> {
        match self.whose(merchant).await? {
            Some(whose) => search::search(&self.readers, whose, &wanted, cursor, count).await,
            None => Ok(Vec::new()),
        }
    }

    async fn link_counts(&self, merchant: &MerchantId, rows: &[OrderStatusRow]) -> Result<Vec<LinkCounts>, StoreError> {
        match self.whose(merchant).await? {
            Some(whose) => search::link_counts(&self.readers, whose, rows).await,
            None => Ok(vec![LinkCounts::default(); rows.len()]),
        }
    }

    async fn review(&self, merchant: &MerchantId, id: &OrderId) -> Result<Option<ReviewRow>, StoreError> {
        match self.merchant(merchant).await? {
            Some(merchant) => review_queue::review(&self.readers, merchant, id).await,
            None => Ok(None),
        }
    }

    async fn reviews(
        &self,
        merchant: &MerchantId,
        query: &ReviewQuery,
        cursor: Option<Cursor>,
        count: usize,
    ) -> Result<Vec<ReviewRow>, StoreError> {
        match self.merchant(merchant).await? {
            Some(merchant) => review_queue::reviews(&self.readers, merchant, query, cursor, limit(count)).await,
            None => Ok(Vec::new()),
        }
    }

    async fn stock_holds(
        &self,
        merchant: &MerchantId,
        query: &StockQuery,
        behind: Option<&str>,
        count: usize,
    ) -> Result<Vec<StockHold>, StoreError> {
        match self.merchant(merchant).await? {
            Some(merchant) => sums::stock_holds(&self.readers, merchant, query, behind, limit(count)).await,
            None => Ok(Vec::new()),
        }
    }

    async fn outcomes(&self, merchant: &MerchantId, hours: Range<i64>) -> Result<Vec<Counted>, StoreError> {
        match self.merchant(merchant).await? {
            Some(merchant) => sums::outcomes(&self.readers, merchant, &hours).await,
            None => Ok(Vec::new()),
        }
    }

    async fn queue(&self, merchant: &MerchantId) -> Result<QueueStanding, StoreError> {
        match self.merchant(merchant).await? {
            Some(merchant) => sums::queue(&self.readers, merchant).await,
            None => Ok(QueueStanding::default()),
        }
    }

    async fn whole(&self) -> Result<WholeStanding, StoreError> {
        sums::whole(&self.readers).await
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writers.close().await;
    }
}

#[cfg(test)]
mod tests;
