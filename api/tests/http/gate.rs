//! A real log whose pages can be kept back from those who read it from end to end.

use std::sync::Arc;

use async_trait::async_trait;
use domain::ids::{MerchantId, Token};
use eventlog::{
    Acquired, Batch, DeliveryKey, EventLog, Found, LogError, Look, NewDelivery, Position, RecordedEvent, StreamId,
    StreamKey, SubjectKey, VaultRow, Wanted,
};
use tokio::sync::watch;

/// See the module.
pub(crate) struct GatedLog {
    log: Arc<dyn EventLog>,
    /// The last position after which a page is given out.
    opened_to: watch::Receiver<Position>,
}

impl GatedLog {
    pub(crate) const fn new(log: Arc<dyn EventLog>, opened_to: watch::Receiver<Position>) -> Self {
        Self { log, opened_to }
    }
}

#[async_trait]
impl EventLog for GatedLog {
    async fn scan(&self, partition: u32, after: Position, limit: u32, look: Look) -> Result<(), LogError> {
        self.opened_to.clone().wait_for(|opened_to| after <= *opened_to).await.expect("the test holds the gate");
        self.log.scan(partition, after, limit, look).await
    }

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
        self.log.append(batch).await
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
