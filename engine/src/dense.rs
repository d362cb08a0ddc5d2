//! A map from numbers that were given one after the other, such as those of streams, to small values.
//!
//! Neighbours lie together: a chunk of 64 numbers has a bit for each and its values side by side, and chunks are found by
//! hash. What came at about the same time is asked for at about the same time, and is then near, where a hash map has
//! it all over its table. Numbers without a value take no room in their chunk, so that it may be any numbers.
//!
//! A value of eight bytes takes some 10 of them where every number has one, and 60 to 120 where it is alone in its chunk; a hash
//! map's take 20 to 40. It grows by a chunk at a time. What is copied when there are twice as many chunks is these, 40 bytes each, and
//! never the values.

use rustc_hash::FxHashMap;

/// As many as a word has bits.
const CHUNK_NUMBERS: u64 = 64;

/// See the module.
pub(crate) struct Dense<V> {
    /// By what their numbers have in common; none is empty.
    chunks: FxHashMap<u64, Chunk<V>>,
}

struct Chunk<V> {
    /// A bit for each number that has a value.
    present: u64,
    /// In the order of their numbers.
    values: Vec<V>,
}

impl<V> Default for Dense<V> {
    fn default() -> Self {
        Self { chunks: FxHashMap::default() }
    }
}

impl<V: Copy> Dense<V> {
    pub(crate) fn get(&self, number: u64) -> Option<V> {
        let chunk = self.chunks.get(&(number / CHUNK_NUMBERS))?;
        chunk.has(number).then(|| chunk.values[chunk.place(number)])
    }

    pub(crate) fn contains(&self, number: u64) -> bool {
        self.chunks.get(&(number / CHUNK_NUMBERS)).is_some_and(|chunk| chunk.has(number))
    }

    /// Gives a number a value, and back the one that it had.
    pub(crate) fn insert(&mut self, number: u64, value: V) -> Option<V> {
        // The first of a chunk may stay alone.
        let new = || Chunk { present: 0, values: Vec::with_capacity(1) };
        let chunk = self.chunks.entry(number / CHUNK_NUMBERS).or_insert_with(new);
        let place = chunk.place(number);
        if chunk.has(number) {
            return Some(std::mem::replace(&mut chunk.values[place], value));
        }
        chunk.present |= bit(number);
        chunk.values.insert(place, value);
        None
    }

    /// Takes a number's value away.
    pub(crate) fn remove(&mut self, number: u64) -> Option<V> {
        let chunk = self.chunks.get_mut(&(number / CHUNK_NUMBERS)).filter(|chunk| chunk.has(number))?;
        let value = chunk.values.remove(chunk.place(number));
        chunk.present &= !bit(number);
        if chunk.values.is_empty() {
            self.chunks.remove(&(number / CHUNK_NUMBERS));
        }
        Some(value)
    }
}

impl<V> Chunk<V> {
    const fn has(&self, number: u64) -> bool {
        self.present & bit(number) != 0
    }

    /// Where a number's value lies, or would lie.
    const fn place(&self, number: u64) -> usize {
        (self.present & (bit(number) - 1)).count_ones() as usize
    }
}

const fn bit(number: u64) -> u64 {
    1 << (number % CHUNK_NUMBERS)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Act {
        Insert(u64, u64),
        Remove(u64),
    }

    /// Neighbours, such as lie far from each other, and the last that there are.
    fn number() -> impl Strategy<Value = u64> {
        prop_oneof![
            4 => 0..200_u64,
            1 => (0..50_u64).prop_map(|number| number * 1_000),
            1 => (0..50_u64).prop_map(|number| u64::MAX - number),
            1 => any::<u64>(),
        ]
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            (number(), any::<u64>()).prop_map(|(number, value)| Act::Insert(number, value)),
            number().prop_map(Act::Remove),
        ]
    }

    proptest! {
        #[test]
        fn it_answers_as_any_map_does(acts in prop::collection::vec(act(), 0..600)) {
            let (mut dense, mut map) = (Dense::default(), HashMap::new());
            for act in acts {
                let number = match act {
                    Act::Insert(number, value) => {
                        prop_assert_eq!(dense.insert(number, value), map.insert(number, value));
                        number
                    }
                    Act::Remove(number) => {
                        prop_assert_eq!(dense.remove(number), map.remove(&number));
                        number
                    }
                };
                for near in number.saturating_sub(2)..=number.saturating_add(2) {
                    prop_assert_eq!(dense.get(near), map.get(&near).copied());
                    prop_assert_eq!(dense.contains(near), map.contains_key(&near));
                }
            }
            prop_assert!(map.iter().all(|(number, value)| dense.get(*number) == Some(*value)));
            for number in map.into_keys() {
                dense.remove(number);
            }
            prop_assert!(dense.chunks.is_empty(), "a chunk without values is let go");
        }
    }
}
