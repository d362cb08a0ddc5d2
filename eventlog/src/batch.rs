//! What can be said of a batch without asking the store.

use rustc_hash::FxHashMap;

use crate::partition::ids_of;
use crate::{Batch, LogError, Position};

/// Refuses a batch that cannot be right, before anything is written. Gives the head it leads to.
pub(crate) fn check(batch: &Batch) -> Result<Position, LogError> {
    let count = u64::try_from(batch.events.len()).expect("a length fits 64 bits");
    let head = batch.after.checked_add(count).filter(|head| i64::try_from(*head).is_ok());
    let head = head.ok_or_else(|| conflict("positions are used up".into()))?;

    let ids = ids_of(batch.partition);
    let mut sequences: FxHashMap<u64, u64> = FxHashMap::default();
    let mut last = 0;
    for (id, _) in &batch.streams {
        if *id <= last || !ids.contains(id) {
            return Err(conflict(format!("new stream {id} comes after {last} in partition {}", batch.partition)));
        }
        last = *id;
        sequences.insert(*id, 0);
    }
    for event in &batch.events {
        let expected = sequences.get(&event.stream).map(|sequence| sequence + 1);
        if expected.is_some_and(|expected| expected != event.sequence) {
            return Err(conflict(format!("stream {} has a gap before sequence {}", event.stream, event.sequence)));
        }
        sequences.insert(event.stream, event.sequence);
    }
    if let Some(key) = batch.subject_keys.iter().find(|key| !ids.contains(&key.id)) {
        return Err(conflict(format!("subject key {} is not one of partition {}", key.id, batch.partition)));
    }
    let own = batch.after + 1..=head;
    if let Some(row) = batch.vault_rows.iter().find(|row| !own.contains(&row.position)) {
        return Err(conflict(format!("vault row {} belongs to no event of its batch", row.position)));
    }
    Ok(head)
}

/// The writer's memory is wrong.
pub(crate) fn conflict(reason: String) -> LogError {
    LogError::Conflict(reason.into())
}
