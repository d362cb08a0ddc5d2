//! The append-only event log: one trait, native back ends, one contract suite.
//!
//! Positions are gapless inside a partition and follow commit order. One writer per partition assigns them; the head is moved
//! with an epoch check in the same transaction, so a stale writer fails with [`LogError::Fenced`] instead of corrupting.
//! What was appended is never updated or deleted; `payload` and `metadata` are stored as the bytes that were hashed.

mod absence;
mod batch;
pub mod cqrs;
mod delivery;
pub mod leaf;
mod partition;
pub mod postgres;
pub mod sqlite;
mod tail;
pub mod vault;

use std::sync::Arc;

use async_trait::async_trait;
use domain::ids::{MerchantId, Token};
use domain::time::Timestamp;
use tokio::sync::watch;

pub use delivery::delivery_key;
pub use partition::{ids_of, partition_of};

/// A place in a partition; the first event has position 1, an empty partition has head 0.
pub type Position = u64;

/// The number of a stream: one per aggregate, ascending inside its partition in the order of first appearance. The partition stands in
/// the bits above the lowest 40 (`partition << 40 | n`, `n` from 1), so that ids are unique over all partitions.
pub type StreamId = u64;

/// What names a stream.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StreamKey {
    /// Whose it is.
    pub merchant: MerchantId,
    /// The aggregate's type, such as `order`.
    pub aggregate_type: Box<str>,
    /// The aggregate's id, unique inside merchant and type.
    pub aggregate_id: Box<str>,
}

/// The same, lent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamName<'a> {
    /// See [`StreamKey::merchant`].
    pub merchant: &'a MerchantId,
    /// See [`StreamKey::aggregate_type`].
    pub aggregate_type: &'a str,
    /// See [`StreamKey::aggregate_id`].
    pub aggregate_id: &'a str,
}

impl StreamKey {
    /// The same, lent.
    pub fn lent(&self) -> StreamName<'_> {
        let Self { merchant, aggregate_type, aggregate_id } = self;
        StreamName { merchant, aggregate_type, aggregate_id }
    }
}

impl StreamName<'_> {
    /// The name to be kept.
    pub fn kept(self) -> StreamKey {
        let Self { merchant, aggregate_type, aggregate_id } = self;
        StreamKey {
            merchant: merchant.clone(),
            aggregate_type: aggregate_type.into(),
            aggregate_id: aggregate_id.into(),
        }
    }
}

/// One event as stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordedEvent {
    /// Its partition.
    pub partition: u32,
    /// Its place there.
    pub position: Position,
    /// The stream's number.
    pub stream: StreamId,
    /// The stream's name.
    pub key: Arc<StreamKey>,
    /// Its place in the stream, from 1.
    pub sequence: u64,
    /// The event's name, such as `Placed`.
    pub event_type: Box<str>,
    /// The version of its form.
    pub event_version: Box<str>,
    /// JSON, exactly the bytes that were appended.
    pub payload: Box<str>,
    /// JSON, exactly the bytes that were appended.
    pub metadata: Box<str>,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When it was stored.
    pub recorded_at: Timestamp,
}

/// One event as whoever goes through the log is shown it: lent, and without its metadata.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shown<'a> {
    /// See [`RecordedEvent::partition`].
    pub partition: u32,
    /// See [`RecordedEvent::position`].
    pub position: Position,
    /// See [`RecordedEvent::stream`].
    pub stream: StreamId,
    /// See [`RecordedEvent::key`].
    pub key: StreamName<'a>,
    /// See [`RecordedEvent::sequence`].
    pub sequence: u64,
    /// See [`RecordedEvent::event_type`].
    pub event_type: &'a str,
    /// See [`RecordedEvent::event_version`].
    pub event_version: &'a str,
    /// See [`RecordedEvent::payload`].
    pub payload: &'a str,
    /// See [`RecordedEvent::occurred_at`].
    pub occurred_at: Timestamp,
    /// See [`RecordedEvent::recorded_at`].
    pub recorded_at: Timestamp,
}

/// Looks at each event of a [scan](EventLog::scan), where it was read.
pub type Look = Box<dyn FnMut(Shown<'_>) + Send>;

impl Shown<'_> {
    /// The event to be kept; its metadata, which it was shown without, is empty.
    pub fn kept(self) -> RecordedEvent {
        self.kept_under(Arc::new(self.key.kept()))
    }

    /// The same, with the name of its stream as others share it.
    fn kept_under(self, key: Arc<StreamKey>) -> RecordedEvent {
        RecordedEvent {
            partition: self.partition,
            position: self.position,
            stream: self.stream,
            key,
            sequence: self.sequence,
            event_type: self.event_type.into(),
            event_version: self.event_version.into(),
            payload: self.payload.into(),
            metadata: Box::default(),
            occurred_at: self.occurred_at,
            recorded_at: self.recorded_at,
        }
    }
}

impl RecordedEvent {
    /// The same, lent.
    pub fn shown(&self) -> Shown<'_> {
        Shown {
            partition: self.partition,
            position: self.position,
            stream: self.stream,
            key: self.key.lent(),
            sequence: self.sequence,
            event_type: &self.event_type,
            event_version: &self.event_version,
            payload: &self.payload,
            occurred_at: self.occurred_at,
            recorded_at: self.recorded_at,
        }
    }
}

/// What a writer commits in one transaction.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Which partition.
    pub partition: u32,
    /// The epoch the writer got from [`EventLog::acquire`].
    pub epoch: u64,
    /// The head the writer believes in; the first event gets the position after it.
    pub after: Position,
    /// Streams that appear for the first time, with ascending ids.
    pub streams: Vec<(StreamId, StreamKey)>,
    /// Names of streams that are there already, as far as the writer has them at hand: who follows the log is then served
    /// without reading it again.
    pub known_streams: Vec<(StreamId, StreamKey)>,
    /// The events, in the order of their positions.
    pub events: Vec<NewEvent>,
    /// The deliveries that led to them.
    pub deliveries: Vec<NewDelivery>,
    /// Data keys of subjects that appear for the first time.
    pub subject_keys: Vec<SubjectKey>,
    /// Sealed personal data.
    pub vault_rows: Vec<NewVaultRow>,
}

/// An event to be appended.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Its stream, known or among the batch's new ones.
    pub stream: StreamId,
    /// Its place in the stream, from 1.
    pub sequence: u64,
    /// See [`RecordedEvent::event_type`].
    pub event_type: &'static str,
    /// See [`RecordedEvent::event_version`].
    pub event_version: &'static str,
    /// See [`RecordedEvent::payload`].
    pub payload: String,
    /// See [`RecordedEvent::metadata`].
    pub metadata: String,
    /// See [`RecordedEvent::occurred_at`].
    pub occurred_at: Timestamp,
    /// See [`RecordedEvent::recorded_at`].
    pub recorded_at: Timestamp,
}

/// Stands for (merchant, source, message id): the first 16 bytes of the SHA-256 over the three, each led by its length.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DeliveryKey(pub [u8; 16]);

/// A delivery that was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewDelivery {
    /// Which one.
    pub key: DeliveryKey,
    /// Keyed digest of its content, so that a reused key is told from a repeated message.
    pub body: [u8; 16],
    /// The stream it spoke of.
    pub stream: StreamId,
    /// The stream's last sequence when it had been dealt with; with it the decision can be told again.
    pub sequence: u64,
}

/// A subject's data key, wrapped by the master key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SubjectKey {
    /// Its number, made of its partition and ascending numbers like a [`StreamId`].
    pub id: u64,
    /// Whose subject.
    pub merchant: MerchantId,
    /// The subject.
    pub subject: Token,
    /// See [`vault`].
    pub wrapped: Box<[u8]>,
}

/// Personal data to be stored beside the event that commits to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewVaultRow {
    /// The position of the event.
    pub position: Position,
    /// The subject key it is sealed with.
    pub subject_key: u64,
    /// See [`vault`].
    pub sealed: Box<[u8]>,
}

/// Sealed personal data with the key that opens it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VaultRow {
    /// The position of the event that commits to it.
    pub position: Position,
    /// The order's stream.
    pub stream: StreamId,
    /// The key.
    pub subject_key: SubjectKey,
    /// See [`vault`].
    pub sealed: Box<[u8]>,
}

/// What a new owner of a partition needs to go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Acquired {
    /// The epoch to append with; every earlier one is fenced from now on.
    pub epoch: u64,
    /// The partition's head.
    pub head: Position,
    /// The highest stream id of the partition in use; when there is none, `partition << 40`, which the next one follows as well.
    pub last_stream: StreamId,
    /// The highest subject key id of the partition in use, or the same.
    pub last_subject_key: u64,
}

/// A process that has the log open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Its number, never given twice.
    pub id: u64,
    /// Where others reach it, if it said so.
    pub address: Option<Box<str>>,
}

/// What a back end says of a failure.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What a writer asks before it decides a batch.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The partition whose writer asks; all of it lives there.
    pub partition: u32,
    /// Streams by name.
    pub streams: Vec<StreamKey>,
    /// Deliveries by key.
    pub deliveries: Vec<DeliveryKey>,
    /// Subject keys by merchant and subject.
    pub subjects: Vec<(MerchantId, Token)>,
}

/// The answer to [`Wanted`]: each list in the order asked for, with `None` for what is not there.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The ids of the streams.
    pub streams: Vec<Option<StreamId>>,
    /// All events of the streams that are there, ordered by stream and sequence.
    pub events: Vec<RecordedEvent>,
    /// The deliveries.
    pub deliveries: Vec<Option<NewDelivery>>,
    /// The subject keys.
    pub subject_keys: Vec<Option<SubjectKey>>,
}

/// Why the log refused. One variant per decision the caller can make.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Somebody else owns the partition now; stop writing.
    #[error("another writer owns partition {partition}")]
    Fenced {
        /// Which.
        partition: u32,
    },
    /// Another process owns the partition and lives; ask it, or come again when it has gone.
    #[error("another process owns partition {partition}")]
    Owned {
        /// Which.
        partition: u32,
    },
    /// A uniqueness the batch relied on does not hold; the writer's memory is wrong and must be refolded.
    #[error("batch conflicts with the log")]
    Conflict(#[source] Cause),
    /// The store cannot be reached or cannot write now; whether the batch was committed is unknown.
    #[error("event store failed")]
    Store(#[source] Cause),
    /// A stored row is not what was written.
    #[error("event store holds a damaged row: {0}")]
    Damaged(String),
}

impl From<sqlx::Error> for LogError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// The append-only log with what is committed beside it. Reads see every commit that was answered before them.
#[async_trait]
pub trait EventLog: Send + Sync + 'static {
    /// How many partitions there are; fixed at creation.
    fn partitions(&self) -> u32;

    /// The head of a partition, moved after each commit that this process made or heard of. A wake-up, not a promise.
    fn watch(&self, partition: u32) -> watch::Receiver<Position>;

    /// Takes a partition over: raises its epoch durably, fencing every earlier owner. A partition of another process that lives is
    /// [`LogError::Owned`].
    async fn acquire(&self, partition: u32) -> Result<Acquired, LogError>;

    /// Gives a partition away that this process owns, so that another may acquire it; otherwise does nothing. Where one process alone
    /// can have the log open, there is nobody to give it to.
    async fn release(&self, _partition: u32) -> Result<(), LogError> {
        Ok(())
    }

    /// Whether this process owns a partition that it acquired, as far as it knows: what it does not know yet its next append tells.
    fn holds(&self, _partition: u32) -> bool {
        true
    }

    /// The process that owns a partition; `None` while nobody does, or where one process alone can have the log open.
    async fn owner(&self, _partition: u32) -> Result<Option<Member>, LogError> {
        Ok(None)
    }

    /// The number of this process among the [`members`](Self::members); `None` where one alone can have the log open.
    fn member(&self) -> Option<u64> {
        None
    }

    /// Whether other processes with the same log can reach this one.
    fn is_reachable(&self) -> bool {
        true
    }

    /// The processes that live and have the log open, this one among them; none where one alone can.
    async fn members(&self) -> Result<Vec<Member>, LogError> {
        Ok(Vec::new())
    }

    /// Commits a batch durably and wholly, or not at all.
    async fn append(&self, batch: Batch) -> Result<(), LogError>;

    /// The position of a partition's last event.
    async fn head(&self, partition: u32) -> Result<Position, LogError>;

    /// At most `limit` events after a position, in the order of positions.
    async fn read(&self, partition: u32, after: Position, limit: u32) -> Result<Vec<Arc<RecordedEvent>>, LogError>;

    /// Shows at most `limit` events after a position, in the order of positions. For whoever goes through the whole log and keeps
    /// little of it: an event is looked at where it was read, before anything of it is copied. Scans together take a part of the
    /// connections that read, so that look-ups do not wait for them. Before an error some may have been shown.
    async fn scan(&self, partition: u32, after: Position, limit: u32, mut look: Look) -> Result<(), LogError> {
        self.read(partition, after, limit).await?.iter().for_each(|event| look(event.shown()));
        Ok(())
    }

    /// At most `limit` events of all streams of an aggregate type, over all merchants of a partition, after a position.
    async fn read_type(
        &self,
        partition: u32,
        aggregate_type: &str,
        after: Position,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, LogError>;

    /// The ids of streams by name, `None` for those that are not there; in the order asked for.
    async fn find_streams(&self, keys: &[StreamKey]) -> Result<Vec<Option<StreamId>>, LogError>;

    /// All events of some streams, ordered by stream and sequence.
    async fn read_streams(&self, streams: &[StreamId]) -> Result<Vec<RecordedEvent>, LogError>;

    /// Deliveries by key, `None` for those that were never taken; in the order asked for.
    async fn find_deliveries(&self, keys: &[DeliveryKey]) -> Result<Vec<Option<NewDelivery>>, LogError>;

    /// Subject keys, `None` for those that are not there; in the order asked for.
    async fn find_subject_keys(&self, subjects: &[(MerchantId, Token)]) -> Result<Vec<Option<SubjectKey>>, LogError>;

    /// All that a batch needs, in one look.
    async fn look_up(&self, wanted: Arc<Wanted>) -> Result<Found, LogError> {
        let (streams, deliveries, subject_keys) = tokio::try_join!(
            self.find_streams(&wanted.streams),
            self.find_deliveries(&wanted.deliveries),
            self.find_subject_keys(&wanted.subjects),
        )?;
        let known: Vec<StreamId> = streams.iter().copied().flatten().collect();
        let events = if known.is_empty() { vec![] } else { self.read_streams(&known).await? };
        Ok(Found { streams, events, deliveries, subject_keys })
    }

    /// The subject key with the lowest id, `None` while there is none: what a master key can be tried on.
    async fn first_subject_key(&self) -> Result<Option<SubjectKey>, LogError>;

    /// The vault rows of some streams, in the order of positions.
    async fn read_vault(&self, streams: &[StreamId]) -> Result<Vec<VaultRow>, LogError>;

    /// Ends all connections; nothing can be read or appended afterwards.
    async fn close(&self);
}
