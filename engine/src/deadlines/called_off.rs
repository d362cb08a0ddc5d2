//! Frozen orders that were called off before their stock was asked for.

use std::collections::BTreeSet;

use domain::time::Timestamp;
use eventlog::StreamId;
use rustc_hash::FxHashMap;

use crate::bytes::{Reader, Writer};

/// The most that a partition remembers, of all its merchants; beyond it the one whose cancellation is the oldest is forgotten.
/// Copied with each snapshot: some 60 bytes each.
pub(super) const CALLED_OFF_MAX: usize = if cfg!(test) { 100 } else { 1_000_000 };

/// Each with the time of its newest cancellation, as it is put in order with other reports.
#[derive(Clone, Default)]
pub(super) struct CalledOff {
    times: FxHashMap<StreamId, Timestamp>,
    queue: BTreeSet<(Timestamp, StreamId)>,
}

impl CalledOff {
    pub(super) fn has(&self, stream: StreamId) -> bool {
        self.times.contains_key(&stream)
    }

    /// Whether a report of such a time, arriving now, takes the cancellation back.
    pub(super) fn is_over(&self, stream: StreamId, counted_at: Timestamp) -> bool {
        self.times.get(&stream).is_some_and(|time| *time <= counted_at)
    }

    pub(super) fn insert(&mut self, stream: StreamId, counted_at: Timestamp) {
        if self.times.get(&stream).is_some_and(|time| *time >= counted_at) {
            return;
        }
        self.remove(stream);
        self.times.insert(stream, counted_at);
        self.queue.insert((counted_at, stream));
        if self.queue.len() > CALLED_OFF_MAX
            && let Some((_, oldest)) = self.queue.pop_first()
        {
            self.times.remove(&oldest);
        }
    }

    pub(super) fn remove(&mut self, stream: StreamId) {
        if let Some(time) = self.times.remove(&stream) {
            self.queue.remove(&(time, stream));
        }
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.count(self.queue.len());
        for (time, stream) in &self.queue {
            writer.signed(time.millis());
            writer.number(*stream);
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let mut off = Self::default();
        for _ in 0..reader.count()? {
            let time = Timestamp::from_millis(reader.signed()?);
            off.insert(reader.number()?, time);
        }
        Some(off)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_limit_the_one_that_was_called_off_first_is_forgotten_also_after_a_restart() {
        let mut off = CalledOff::default();
        let at = |second: u64| Timestamp::from_millis(second.cast_signed() * 1_000);
        let last = CALLED_OFF_MAX as u64;
        (0..last).for_each(|stream| off.insert(stream, at(stream)));
        off.insert(0, at(last));
        let mut writer = Writer::with_capacity(0);
        off.write(&mut writer);
        let bytes = writer.into_bytes();
        let mut off = CalledOff::read(&mut Reader::new(&bytes)).expect("it was written");
        off.insert(last, at(last));
        assert_eq!((off.has(0), off.has(1), off.has(2), off.has(last)), (true, false, true, true));
        assert_eq!((off.times.len(), off.queue.len()), (CALLED_OFF_MAX, CALLED_OFF_MAX));
        assert!(!off.is_over(0, at(last - 1)), "its newest cancellation stands");
        assert!(off.is_over(0, at(last)) && !off.is_over(1, at(last)));
    }
}
