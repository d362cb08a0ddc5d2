//! A map of very many, in pieces: when one has become full, it is moved by itself, a sixteenth of the whole. Whoever adds to it waits for that
//! and not for all. Empty it takes half a kilobyte.

use rustc_hash::FxHashMap;

use super::order::Key;

/// By how many of its highest bits a key finds its piece. Keys are random in all bits.
const BITS: u32 = 4;

/// See the module.
pub(super) struct Spread<V> {
    pieces: [FxHashMap<Key, V>; 1 << BITS],
}

impl<V> Default for Spread<V> {
    fn default() -> Self {
        Self { pieces: std::array::from_fn(|_| FxHashMap::default()) }
    }
}

impl<V> Spread<V> {
    /// The piece that has a key, if any does.
    pub(super) const fn piece(&self, key: Key) -> &FxHashMap<Key, V> {
        &self.pieces[place(key)]
    }

    pub(super) const fn piece_mut(&mut self, key: Key) -> &mut FxHashMap<Key, V> {
        &mut self.pieces[place(key)]
    }
}

const fn place(key: Key) -> usize {
    (key.get() >> (Key::BITS - BITS)) as usize
}
