//! A real log whose appends fail when told to.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use domain::ids::{MerchantId, Token};
use eventlog::sqlite::SqliteLog;
use eventlog::vault::Vault;
use eventlog::{
    Acquired, Batch, DeliveryKey, EventLog, Found, LogError, NewDelivery, Position, RecordedEvent, StreamId, StreamKey,
    SubjectKey, VaultRow, Wanted,
};
use projections::Place;
use tokio::sync::watch;

use crate::service::Service;
use crate::store::Store;

pub(crate) struct FaultyLog {
    log: SqliteLog,
    lose: AtomicUsize,
    store_unsaid: AtomicUsize,
}

impl FaultyLog {
    /// A service on such a log.
    pub(crate) async fn service(data: &Path) -> (Arc<Self>, Service) {
        let log = SqliteLog::open(&data.join("log.sqlite")).await.unwrap();
        let log = Arc::new(Self { log, lose: AtomicUsize::new(0), store_unsaid: AtomicUsize::new(0) });
        let vault = Arc::new(Vault::open_or_create(&data.join("master.key")).unwrap());
        let growth = domain::rulebook::preset("growth").unwrap();
        let models = Place::File(data.join("read.sqlite"));
        let outbox = notify::Place::File(data.join("outbox.sqlite"));
        let store = Store { log: log.clone(), vault, models, outbox, snapshots: None };
        let service = Service::start(store, growth).await.unwrap();
        (log, service)
    }

    /// So many appends fail from now on, and store nothing.
    pub(crate) fn lose(&self, appends: usize) {
        self.lose.store(appends, Ordering::SeqCst);
    }

    /// So many appends fail from now on, after they stored all.
    pub(crate) fn store_unsaid(&self, appends: usize) {
        self.store_unsaid.store(appends, Ordering::SeqCst);
    }
}

fn is_due(faults: &AtomicUsize) -> bool {
    faults.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

#[async_trait]
impl EventLog for FaultyLog {
    fn partitions(&self) -> u32 {
        self.log.partitions()
    }

    fn watch(&self, partition: u32) -> watch::Receiver<Position> {
        self.log.watch(partition)
    }

    async fn acquire(&self, partition: u32) -> Result<Acquired, LogError> {
        self.log.acquire(partition).await
    }

    async fn append(&self, batch: Batch) -> Result<(), LogError> {
        if is_due(&self.lose) {
            return Err(LogError::Damaged("told to lose it".to_owned()));
        }
        self.log.append(batch).await?;
        if is_due(&self.store_unsaid) {
            return Err(LogError::Damaged("told to store it unsaid".to_owned()));
        }
        Ok(())
    }

    async fn head(&self, partition: u32) -> Result<Position, LogError> {
        self.log.head(partition).await
    }

    async fn read(&self, partition: u32, after: Position, limit: u32) -> Result<Vec<Arc<RecordedEvent>>, LogError> {
        self.log.read(partition, after, limit).await
    }

    async fn read_type(
        &self,
        partition: u32,
        aggregate_type: &str,
        after: Position,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        self.log.read_type(partition, aggregate_type, after, limit).await
    }

    async fn find_streams(&self, keys: &[StreamKey]) -> Result<Vec<Option<StreamId>>, LogError> {
        self.log.find_streams(keys).await
    }

    async fn read_streams(&self, streams: &[StreamId]) -> Result<Vec<RecordedEvent>, LogError> {
        self.log.read_streams(streams).await
    }

    async fn find_deliveries(&self, keys: &[DeliveryKey]) -> Result<Vec<Option<NewDelivery>>, LogError> {
        self.log.find_deliveries(keys).await
    }

    async fn find_subject_keys(&self, subjects: &[(MerchantId, Token)]) -> Result<Vec<Option<SubjectKey>>, LogError> {
        self.log.find_subject_keys(subjects).await
    }

    async fn look_up(&self, wanted: Arc<Wanted>) -> Result<Found, LogError> {
        self.log.look_up(wanted).await
    }

    async fn first_subject_key(&self) -> Result<Option<SubjectKey>, LogError> {
        self.log.first_subject_key().await
    }

    async fn read_vault(&self, streams: &[StreamId]) -> Result<Vec<VaultRow>, LogError> {
        self.log.read_vault(streams).await
    }

    async fn close(&self) {
        self.log.close().await;
    }
}
