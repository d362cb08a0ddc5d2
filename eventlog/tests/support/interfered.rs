//! A real event log with which a test interferes: it fails, waits or counts where the test says so, and is itself everywhere else.
//! Tests of the crates above take it in by its path.
#![allow(unreachable_pub, reason = "a module of several test programs")]

use std::ops::Deref;
use std::sync::Arc;

use async_trait::async_trait;
use domain::ids::{MerchantId, Token};
use eventlog::{
    Acquired, Batch, DeliveryKey, EventLog, Found, LogError, Look, NewDelivery, Position, RecordedEvent, StreamId,
    StreamKey, SubjectKey, VaultRow, Wanted,
};
use tokio::sync::watch;

/// What a test does at some calls. As long as it says nothing of one, the log answers.
#[async_trait]
pub trait Interference: Send + Sync + 'static {
    /// In place of [`EventLog::append`].
    async fn append(&self, log: &dyn EventLog, batch: Batch) -> Result<(), LogError> {
        log.append(batch).await
    }

    /// In place of [`EventLog::read`].
    async fn read(
        &self,
        log: &dyn EventLog,
        partition: u32,
        after: Position,
        limit: u32,
    ) -> Result<Vec<Arc<RecordedEvent>>, LogError> {
        log.read(partition, after, limit).await
    }

    /// In place of [`EventLog::scan`].
    async fn scan(
        &self,
        log: &dyn EventLog,
        partition: u32,
        after: Position,
        limit: u32,
        look: Look,
    ) -> Result<(), LogError> {
        log.scan(partition, after, limit, look).await
    }

    /// In place of [`EventLog::read_streams`].
    async fn read_streams(&self, log: &dyn EventLog, streams: &[StreamId]) -> Result<Vec<RecordedEvent>, LogError> {
        log.read_streams(streams).await
    }

    /// In place of [`EventLog::look_up`].
    async fn look_up(&self, log: &dyn EventLog, wanted: Arc<Wanted>) -> Result<Found, LogError> {
        log.look_up(wanted).await
    }
}

/// A log and who interferes with it, whose own words can be said to it.
pub struct Interfered<I> {
    log: Arc<dyn EventLog>,
    interference: I,
}

impl<I> Interfered<I> {
    /// This log, interfered with.
    pub const fn new(log: Arc<dyn EventLog>, interference: I) -> Self {
        Self { log, interference }
    }
}

impl<I> Deref for Interfered<I> {
    type Target = I;

    fn deref(&self) -> &I {
        &self.interference
    }
}

#[async_trait]
impl<I: Interference> EventLog for Interfered<I> {
    async fn append(&self, batch: Batch) -> Result<(), LogError> {
        self.interference.append(&*self.log, batch).await
    }

    async fn scan(&self, partition: u32, after: Position, limit: u32, look: Look) -> Result<(), LogError> {
        self.interference.scan(&*self.log, partition, after, limit, look).await
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

    async fn head(&self, partition: u32) -> Result<Position, LogError> {
        self.log.head(partition).await
    }

    async fn read(&self, partition: u32, after: Position, limit: u32) -> Result<Vec<Arc<RecordedEvent>>, LogError> {
        self.interference.read(&*self.log, partition, after, limit).await
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
        self.interference.read_streams(&*self.log, streams).await
    }

    async fn find_deliveries(&self, keys: &[DeliveryKey]) -> Result<Vec<Option<NewDelivery>>, LogError> {
        self.log.find_deliveries(keys).await
    }

    async fn find_subject_keys(&self, subjects: &[(MerchantId, Token)]) -> Result<Vec<Option<SubjectKey>>, LogError> {
        self.log.find_subject_keys(subjects).await
    }

    async fn look_up(&self, wanted: Arc<Wanted>) -> Result<Found, LogError> {
        self.interference.look_up(&*self.log, wanted).await
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
