//! The log as a store for cqrs-es, so that `CqrsFramework` works on it, for one merchant.
//!
//! A commit takes the merchant's partition over ([`EventLog::acquire`]) and appends, so it fences whoever owned the partition: this
//! is for tools and for partitions that no engine serves. Two commits that started from the same state meet in the stream's
//! sequence; the later one gets `AggregateConflict`, and so does one whose partition was taken over meanwhile.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use cqrs_es::{Aggregate, AggregateContext, AggregateError, DomainEvent, EventEnvelope, EventStore};
use domain::ids::MerchantId;
use domain::time::Timestamp;
use serde_json::Value;

use crate::{Batch, EventLog, LogError, NewEvent, RecordedEvent, StreamId, StreamKey, partition_of};

/// How many different names of events and of their versions a process may store through this module.
const NAMES_MAX: usize = 4_096;

/// Gives the current time.
pub type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// One merchant's aggregates of any type.
pub struct MerchantStore<L> {
    log: Arc<L>,
    merchant: MerchantId,
    clock: Clock,
    /// One commit of this store at a time, so that its own commits do not fence each other.
    committing: tokio::sync::Mutex<()>,
}

impl<L> fmt::Debug for MerchantStore<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MerchantStore").field("merchant", &self.merchant).finish_non_exhaustive()
    }
}

/// An aggregate as loaded, with the place in its stream.
pub struct Loaded<A> {
    aggregate: A,
    aggregate_id: String,
    stream: Option<StreamId>,
    sequence: u64,
}

impl<A> fmt::Debug for Loaded<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded").field("stream", &self.stream).field("sequence", &self.sequence).finish_non_exhaustive()
    }
}

impl<A: Aggregate> AggregateContext<A> for Loaded<A> {
    fn aggregate(&mut self) -> &mut A {
        &mut self.aggregate
    }
}

/// Why a stored event, or one to be stored, is not usable here.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("this process stores more than {NAMES_MAX} different names of events")]
    TooManyNames,
    #[error("a sequence does not fit this machine's numbers")]
    Sequence,
}

impl<L: EventLog> MerchantStore<L> {
    /// A merchant's aggregates in `log`. `clock` tells when an event is recorded; it also counts as the time it happened.
    pub fn new(log: Arc<L>, merchant: MerchantId, clock: Clock) -> Self {
        Self { log, merchant, clock, committing: tokio::sync::Mutex::new(()) }
    }

    async fn stream<A: Aggregate>(
        &self,
        aggregate_id: &str,
    ) -> Result<(Option<StreamId>, Vec<EventEnvelope<A>>), AggregateError<A::Error>> {
        let found = self.log.find_streams(&[self.key::<A>(aggregate_id)]).await.map_err(failed)?;
        let Some(stream) = found.into_iter().next().flatten() else { return Ok((None, Vec::new())) };
        let events = self.log.read_streams(&[stream]).await.map_err(failed)?;
        let envelopes = events.iter().map(envelope).collect::<Result<_, _>>()?;
        Ok((Some(stream), envelopes))
    }

    fn key<A: Aggregate>(&self, aggregate_id: &str) -> StreamKey {
        StreamKey { merchant: self.merchant.clone(), aggregate_type: A::TYPE.into(), aggregate_id: aggregate_id.into() }
    }

    async fn append<A: Aggregate>(
        &self,
        context: &Loaded<A>,
        events: &[EventEnvelope<A>],
        metadata: &HashMap<String, String>,
    ) -> Result<(), AggregateError<A::Error>> {
        let metadata = serde_json::to_string(&metadata.iter().collect::<BTreeMap<_, _>>()).map_err(unexpected)?;
        let now = (self.clock)();
        let partition = partition_of(&self.merchant, self.log.partitions());
        let _committing = self.committing.lock().await;
        let acquired = self.log.acquire(partition).await.map_err(failed)?;
        let stream = context.stream.unwrap_or(acquired.last_stream + 1);
        let streams = match context.stream {
            Some(_) => Vec::new(),
            None => vec![(stream, self.key::<A>(&context.aggregate_id))],
        };
        let events = (context.sequence + 1..)
            .zip(events)
            .map(|(sequence, event)| {
                Ok(NewEvent {
                    stream,
                    sequence,
                    event_type: name(event.payload.event_type()).map_err(unexpected)?,
                    event_version: name(event.payload.event_version()).map_err(unexpected)?,
                    payload: serde_json::to_string(&event.payload).map_err(unexpected)?,
                    metadata: metadata.clone(),
                    occurred_at: now,
                    recorded_at: now,
                })
            })
            .collect::<Result<Vec<_>, AggregateError<A::Error>>>()?;
        let batch =
            Batch { partition, epoch: acquired.epoch, after: acquired.head, streams, events, ..Batch::default() };
        self.log.append(batch).await.map_err(failed)
    }
}

impl<A: Aggregate, L: EventLog> EventStore<A> for MerchantStore<L> {
    type AC = Loaded<A>;

    async fn load_events(&self, aggregate_id: &str) -> Result<Vec<EventEnvelope<A>>, AggregateError<A::Error>> {
        Ok(self.stream(aggregate_id).await?.1)
    }

    async fn load_aggregate(&self, aggregate_id: &str) -> Result<Loaded<A>, AggregateError<A::Error>> {
        let (stream, events) = self.stream::<A>(aggregate_id).await?;
        let sequence = u64::try_from(events.len()).expect("a length fits 64 bits");
        let mut aggregate = A::default();
        events.into_iter().for_each(|event| aggregate.apply(event.payload));
        Ok(Loaded { aggregate, aggregate_id: aggregate_id.into(), stream, sequence })
    }

    async fn commit(
        &self,
        events: Vec<A::Event>,
        context: Loaded<A>,
        metadata: HashMap<String, String>,
    ) -> Result<Vec<EventEnvelope<A>>, AggregateError<A::Error>> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let first = usize::try_from(context.sequence + 1).map_err(|_| unexpected(Unusable::Sequence))?;
        let envelopes: Vec<EventEnvelope<A>> = (first..)
            .zip(events)
            .map(|(sequence, payload)| EventEnvelope {
                aggregate_id: context.aggregate_id.clone(),
                sequence,
                payload,
                metadata: metadata.clone(),
            })
            .collect();
        self.append(&context, &envelopes, &metadata).await?;
        Ok(envelopes)
    }
}

/// Metadata that is no text is given as its JSON.
fn envelope<A: Aggregate>(event: &RecordedEvent) -> Result<EventEnvelope<A>, AggregateError<A::Error>> {
    let broken = |error: serde_json::Error| AggregateError::DeserializationError(error.into());
    let metadata: HashMap<String, Value> = serde_json::from_str(&event.metadata).map_err(broken)?;
    let as_text = |(key, value)| match value {
        Value::String(text) => (key, text),
        other => (key, other.to_string()),
    };
    Ok(EventEnvelope {
        aggregate_id: event.key.aggregate_id.as_ref().into(),
        sequence: usize::try_from(event.sequence).map_err(|_| unexpected(Unusable::Sequence))?,
        payload: serde_json::from_str(&event.payload).map_err(broken)?,
        metadata: metadata.into_iter().map(as_text).collect(),
    })
}

fn failed<E: std::error::Error>(error: LogError) -> AggregateError<E> {
    match error {
        LogError::Conflict(_) | LogError::Fenced { .. } | LogError::Owned { .. } => AggregateError::AggregateConflict,
        LogError::Store(_) => AggregateError::DatabaseConnectionError(error.into()),
        LogError::Damaged(_) => AggregateError::DeserializationError(error.into()),
    }
}

fn unexpected<E: std::error::Error>(error: impl std::error::Error + Send + Sync + 'static) -> AggregateError<E> {
    AggregateError::UnexpectedError(error.into())
}

/// The log takes names that live as long as the program, as those of our own events do. Others are kept for good, each once.
fn name(text: String) -> Result<&'static str, Unusable> {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(text.as_str()) {
        return Ok(known);
    }
    if names.len() >= NAMES_MAX {
        return Err(Unusable::TooManyNames);
    }
    let kept: &'static str = text.leak();
    names.insert(kept);
    Ok(kept)
}
