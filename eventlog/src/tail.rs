//! The newest events of a partition, kept in memory as they were appended.
//!
//! Who follows the log at its head reads each event moments after it was written; this answers without a way through the store.
//! It holds what was committed and nothing else, without gaps; whatever it does not hold is read from the store.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;

use crate::{Batch, Position, RecordedEvent, StreamId, StreamKey};

/// The most bytes of payloads and metadata that are kept: some seconds of a rush.
const BYTES_MAX: usize = 16 << 20;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Tail(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    events: VecDeque<Arc<RecordedEvent>>,
    bytes: usize,
    is_closed: bool,
}

impl Tail {
    /// Keeps nothing any more, and never again.
    pub(crate) fn close(&self) {
        let mut kept = self.kept();
        kept.forget();
        kept.is_closed = true;
    }

    /// Takes in a batch that was committed, before it is answered: what is read after the answer must not miss it. A stream whose name the batch does not tell cuts the tail off before it.
    pub(crate) fn remember(&self, batch: Batch) {
        let mut kept = self.kept();
        if kept.is_closed {
            return;
        }
        if kept.events.back().is_some_and(|last| last.position != batch.after) {
            kept.forget();
        }
        let mut names: FxHashMap<StreamId, Arc<StreamKey>> = FxHashMap::default();
        names.extend(batch.streams.into_iter().chain(batch.known_streams).map(|(id, key)| (id, Arc::new(key))));
        for (position, event) in (batch.after + 1..).zip(batch.events) {
            let Some(key) = names.get(&event.stream) else {
                kept.forget();
                continue;
            };
            kept.push(RecordedEvent {
                partition: batch.partition,
                position,
                stream: event.stream,
                key: Arc::clone(key),
                sequence: event.sequence,
                event_type: event.event_type.into(),
                event_version: event.event_version.into(),
                payload: event.payload.into(),
                metadata: event.metadata.into(),
                occurred_at: event.occurred_at,
                recorded_at: event.recorded_at,
            });
        }
    }

    /// At most `limit` events after a position; `None` when the first of them is not kept.
    pub(crate) fn read(&self, after: Position, limit: u32) -> Option<Vec<Arc<RecordedEvent>>> {
        let kept = self.kept();
        let first = kept.events.front()?.position;
        let skipped = usize::try_from((after + 1).checked_sub(first)?).ok()?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        (skipped < kept.events.len()).then(|| kept.events.iter().skip(skipped).take(limit).map(Arc::clone).collect())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn push(&mut self, event: RecordedEvent) {
        self.bytes += size(&event);
        self.events.push_back(Arc::new(event));
        while self.bytes > BYTES_MAX
            && let Some(oldest) = self.events.pop_front()
        {
            self.bytes -= size(&oldest);
        }
    }

    fn forget(&mut self) {
        self.events.clear();
        self.bytes = 0;
    }
}

fn size(event: &RecordedEvent) -> usize {
    event.payload.len() + event.metadata.len()
}

#[cfg(test)]
mod tests {
    use domain::time::Timestamp;

    use super::*;
    use crate::NewEvent;

    fn event(stream: StreamId, payload: &str) -> NewEvent {
        NewEvent {
            stream,
            sequence: 1,
            event_type: "Noted",
            event_version: "1",
            payload: payload.into(),
            metadata: "{}".into(),
            occurred_at: Timestamp::EARLIEST,
            recorded_at: Timestamp::EARLIEST,
        }
    }

    fn key(number: StreamId) -> StreamKey {
        let merchant = "acme".parse().unwrap();
        StreamKey { merchant, aggregate_type: "order".into(), aggregate_id: format!("web:{number}").into() }
    }

    fn batch(after: Position, streams: &[StreamId]) -> Batch {
        let named = |number: &StreamId| (*number, key(*number));
        let events = streams.iter().map(|stream| event(*stream, "{}")).collect();
        Batch { after, streams: streams.iter().map(named).collect(), events, ..Batch::default() }
    }

    fn positions(tail: &Tail, after: Position, limit: u32) -> Option<Vec<Position>> {
        tail.read(after, limit).map(|events| events.iter().map(|event| event.position).collect())
    }

    #[test]
    fn what_was_appended_is_read_from_any_place_in_it() {
        let tail = Tail::default();
        assert_eq!(positions(&tail, 0, 9), None);
        tail.remember(batch(5, &[1, 2]));
        tail.remember(batch(7, &[3]));
        assert_eq!(positions(&tail, 5, 9), Some(vec![6, 7, 8]));
        assert_eq!(positions(&tail, 6, 1), Some(vec![7]));
        assert_eq!(positions(&tail, 4, 9), None, "6 follows 5, which is not kept");
        assert_eq!(positions(&tail, 8, 9), None, "the store may hold more");
    }

    #[test]
    fn a_batch_that_does_not_follow_begins_anew() {
        let tail = Tail::default();
        tail.remember(batch(0, &[1]));
        tail.remember(batch(4, &[2]));
        assert_eq!(positions(&tail, 0, 9), None);
        assert_eq!(positions(&tail, 4, 9), Some(vec![5]));
    }

    #[test]
    fn a_stream_without_a_name_cuts_the_tail_off_and_a_known_one_does_not() {
        let tail = Tail::default();
        tail.remember(batch(0, &[1]));
        let known = Batch { streams: vec![], known_streams: vec![(1, key(1))], ..batch(1, &[1]) };
        tail.remember(known);
        assert_eq!(positions(&tail, 0, 9), Some(vec![1, 2]));
        tail.remember(Batch { streams: vec![(2, key(2))], ..batch(2, &[1, 2]) });
        assert_eq!(positions(&tail, 0, 9), None);
        assert_eq!(positions(&tail, 3, 9), Some(vec![4]));
    }

    #[test]
    fn a_closed_tail_keeps_nothing() {
        let tail = Tail::default();
        tail.remember(batch(0, &[1]));
        tail.close();
        tail.remember(batch(1, &[2]));
        assert_eq!((positions(&tail, 0, 9), positions(&tail, 1, 9)), (None, None));
    }

    #[test]
    fn the_oldest_make_room() {
        let tail = Tail::default();
        let large = "x".repeat(BYTES_MAX / 3);
        for after in 0..4 {
            tail.remember(Batch { events: vec![event(after + 1, &large)], ..batch(after, &[after + 1]) });
        }
        assert_eq!(positions(&tail, 0, 9), None);
        assert_eq!(positions(&tail, 2, 9), Some(vec![3, 4]));
    }
}
