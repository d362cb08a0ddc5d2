//! The leaf encoding against vectors that were computed by another program.

#![expect(clippy::unwrap_used, reason = "what a test sets up must hold")]

use std::sync::Arc;

use domain::time::Timestamp;
use eventlog::leaf::{leaf_bytes, leaf_hash};
use eventlog::{RecordedEvent, StreamKey};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vector {
    name: String,
    event: Event,
    leaf: String,
    leaf_hash: String,
}

#[derive(Deserialize)]
struct Event {
    partition: u32,
    position: u64,
    merchant: String,
    aggregate_type: Box<str>,
    aggregate_id: Box<str>,
    sequence: u64,
    event_type: Box<str>,
    event_version: Box<str>,
    payload: Box<str>,
    metadata: Box<str>,
    occurred_at: i64,
    recorded_at: i64,
}

impl Event {
    fn recorded(self) -> RecordedEvent {
        RecordedEvent {
            partition: self.partition,
            position: self.position,
            stream: 1,
            key: Arc::new(StreamKey {
                merchant: self.merchant.parse().unwrap(),
                aggregate_type: self.aggregate_type,
                aggregate_id: self.aggregate_id,
            }),
            sequence: self.sequence,
            event_type: self.event_type,
            event_version: self.event_version,
            payload: self.payload,
            metadata: self.metadata,
            occurred_at: Timestamp::from_millis(self.occurred_at),
            recorded_at: Timestamp::from_millis(self.recorded_at),
        }
    }
}

#[test]
fn leaves_and_their_hashes_are_those_of_the_vectors() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("leaf-vectors.json")).unwrap();
    assert_eq!(vectors.len(), 5);
    for vector in vectors {
        let event = vector.event.recorded();
        assert_eq!(hex::encode(leaf_bytes(&event)), vector.leaf, "{}", vector.name);
        assert_eq!(hex::encode(leaf_hash(&event)), vector.leaf_hash, "{}", vector.name);
    }
}

#[test]
fn a_text_that_moves_into_its_neighbour_makes_another_leaf() {
    let mut vectors: Vec<Vector> = serde_json::from_str(include_str!("leaf-vectors.json")).unwrap();
    let event = vectors.swap_remove(0).event.recorded();
    let mut moved = event.clone();
    (moved.event_type, moved.event_version) = ("Place".into(), "d1".into());
    assert_ne!(leaf_hash(&event), leaf_hash(&moved));
}
