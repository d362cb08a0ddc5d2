//! The canonical bytes of an event: the leaves of each partition's RFC 6962 tree.
//!
//! A leaf is the ASCII text `orderlight-event-v1` and a zero byte, followed by these fields in this order:
//!
//! | field | encoding |
//! |---|---|
//! | partition, position | number |
//! | merchant, aggregate_type, aggregate_id | text |
//! | sequence | number |
//! | event_type, event_version, payload, metadata | text |
//! | occurred_at, recorded_at | time |
//!
//! A number is 8 bytes, unsigned, big-endian. A text is its length in bytes as 4 bytes, unsigned, big-endian, and then its UTF-8
//! bytes as stored: nothing is normalised or escaped. A time is milliseconds since 1970-01-01T00:00:00Z in 8 bytes, two's
//! complement, big-endian. No two events have the same leaf. The encoding never changes; another one gets another prefix.
//! `docs/LEAF.md` tells outsiders the same, `tests/leaf-vectors.json` holds vectors.

use sha2::{Digest, Sha256};

use crate::RecordedEvent;

/// Leads every leaf.
const PREFIX: &[u8] = b"orderlight-event-v1\0";

/// What RFC 6962, section 2.1 puts before a leaf, so that none can be taken for an inner node.
const LEAF_MARK: [u8; 1] = [0];

/// What every leaf has: the prefix, five numbers and times, seven lengths.
const FIXED_BYTES: usize = PREFIX.len() + 5 * 8 + 7 * 4;

/// The leaf of an event.
pub fn leaf_bytes(event: &RecordedEvent) -> Vec<u8> {
    let before = [event.key.merchant.as_str(), &event.key.aggregate_type, &event.key.aggregate_id];
    let after = [&*event.event_type, &event.event_version, &event.payload, &event.metadata];
    let texts: usize = before.iter().chain(&after).map(|text| text.len()).sum();

    let mut leaf = Vec::with_capacity(FIXED_BYTES + texts);
    leaf.extend_from_slice(PREFIX);
    leaf.extend_from_slice(&u64::from(event.partition).to_be_bytes());
    leaf.extend_from_slice(&event.position.to_be_bytes());
    before.iter().for_each(|text| push_text(&mut leaf, text));
    leaf.extend_from_slice(&event.sequence.to_be_bytes());
    after.iter().for_each(|text| push_text(&mut leaf, text));
    leaf.extend_from_slice(&event.occurred_at.millis().to_be_bytes());
    leaf.extend_from_slice(&event.recorded_at.millis().to_be_bytes());
    leaf
}

/// The leaf's hash as RFC 6962 defines it: SHA-256 over a zero byte and the leaf.
pub fn leaf_hash(event: &RecordedEvent) -> [u8; 32] {
    Sha256::new().chain_update(LEAF_MARK).chain_update(leaf_bytes(event)).finalize().into()
}

fn push_text(leaf: &mut Vec<u8>, text: &str) {
    let length = u32::try_from(text.len()).expect("a stored text is far below 4 GiB");
    leaf.extend_from_slice(&length.to_be_bytes());
    leaf.extend_from_slice(text.as_bytes());
}
