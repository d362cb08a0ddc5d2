//! A batch in the making: events get their positions, streams and keys their numbers, in the order of decision.

use domain::ids::{MerchantId, Token};
use domain::time::Timestamp;
use eventlog::{Acquired, Batch, NewDelivery, NewEvent, NewVaultRow, Position, StreamId, StreamKey, SubjectKey};
use serde_json::{Map, Value, json};

use crate::work::Origin;

/// Numbers that only grow, and only in memory until a commit makes them true.
#[derive(Clone, Copy)]
pub(crate) struct Numbers {
    pub(crate) partition: u32,
    pub(crate) epoch: u64,
    pub(crate) head: Position,
    last_stream: StreamId,
    last_subject_key: u64,
}

impl Numbers {
    pub(crate) fn new(partition: u32, acquired: Acquired) -> Self {
        Self {
            partition,
            epoch: acquired.epoch,
            head: acquired.head,
            last_stream: acquired.last_stream,
            last_subject_key: acquired.last_subject_key,
        }
    }
}

/// A batch with the numbers as they will be after it.
pub(crate) struct Draft {
    pub(crate) numbers: Numbers,
    pub(crate) recorded_at: Timestamp,
    batch: Batch,
}

/// Events of one message to one stream.
pub(crate) struct Recording<'a> {
    pub(crate) stream: StreamId,
    pub(crate) origin: &'a Origin,
    pub(crate) message_id: Option<&'a str>,
    /// The position of the event that made this one necessary.
    pub(crate) causation: Option<Position>,
}

impl Draft {
    pub(crate) fn new(numbers: Numbers, recorded_at: Timestamp) -> Self {
        let batch =
            Batch { partition: numbers.partition, epoch: numbers.epoch, after: numbers.head, ..Batch::default() };
        Self { numbers, recorded_at, batch }
    }

    pub(crate) fn stream(&mut self, key: StreamKey) -> StreamId {
        self.numbers.last_stream += 1;
        self.batch.streams.push((self.numbers.last_stream, key));
        self.numbers.last_stream
    }

    /// Tells the name of a stream that was there before.
    pub(crate) fn known_stream(&mut self, id: StreamId, key: StreamKey) {
        self.batch.known_streams.push((id, key));
    }

    pub(crate) fn subject_key(&mut self, merchant: MerchantId, subject: Token, wrapped: Box<[u8]>) -> u64 {
        self.numbers.last_subject_key += 1;
        let id = self.numbers.last_subject_key;
        self.batch.subject_keys.push(SubjectKey { id, merchant, subject, wrapped });
        id
    }

    /// Adds an event after its stream's `sequence`; answers with its position.
    pub(crate) fn event(
        &mut self,
        recording: &Recording<'_>,
        sequence: u64,
        event_type: &'static str,
        payload: String,
        occurred_at: Timestamp,
    ) -> Position {
        self.numbers.head += 1;
        let future_dated = domain::time::is_future_dated(occurred_at, self.recorded_at);
        self.batch.events.push(NewEvent {
            stream: recording.stream,
            sequence,
            event_type,
            event_version: "1",
            payload,
            metadata: metadata(recording, future_dated),
            occurred_at,
            recorded_at: self.recorded_at,
        });
        self.numbers.head
    }

    pub(crate) fn delivery(&mut self, delivery: NewDelivery) {
        self.batch.deliveries.push(delivery);
    }

    pub(crate) fn vault_row(&mut self, position: Position, subject_key: u64, sealed: Box<[u8]>) {
        self.batch.vault_rows.push(NewVaultRow { position, subject_key, sealed });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.batch.events.is_empty() && self.batch.deliveries.is_empty() && self.batch.subject_keys.is_empty()
    }

    pub(crate) fn into_batch(self) -> Batch {
        self.batch
    }
}

/// Who, through which door, with which message, because of what, and what is odd about it.
fn metadata(recording: &Recording<'_>, future_dated: bool) -> String {
    let mut metadata = Map::new();
    if let Some(causation) = recording.causation {
        metadata.insert("causation".to_owned(), causation.into());
    } else {
        metadata.insert("actor".to_owned(), recording.origin.actor.as_str().into());
        metadata.insert("source".to_owned(), recording.origin.source.as_str().into());
        if let Some(message_id) = recording.message_id {
            metadata.insert("message_id".to_owned(), message_id.into());
        }
    }
    if future_dated {
        metadata.insert("flags".to_owned(), json!(["future_dated"]));
    }
    Value::Object(metadata).to_string()
}
