//! Random numbers that are the same on every machine.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};

/// A stream of random numbers that follows from what it was made of.
pub(crate) struct Random(Xoshiro256PlusPlus);

impl Random {
    /// The stream that belongs to a key.
    pub(crate) fn of(key: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(key))
    }

    /// A whole number below `bound`, which is not zero.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.0.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).expect("the upper half of 128 bits")
    }

    /// A whole number from `least` to `most`, both included.
    pub(crate) fn between(&mut self, least: i64, most: i64) -> i64 {
        let width = u64::try_from(most - least + 1).expect("least is not above most");
        least + i64::try_from(self.below(width)).expect("below the width")
    }

    /// Like [`Random::between`], for counts.
    pub(crate) fn count(&mut self, least: u32, most: u32) -> u32 {
        least + u32::try_from(self.below(u64::from(most - least) + 1)).expect("below the width")
    }

    /// Whether something happens that happens so many times in a thousand.
    pub(crate) fn happens(&mut self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }

    /// One of a list that is not empty.
    pub(crate) fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.index(list.len())]
    }

    /// The place of one of so many.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("below a length")
    }

    /// One of a list, each as often as its weight says.
    pub(crate) fn weighted<T: Copy>(&mut self, list: &[(T, u32)]) -> T {
        let total: u64 = list.iter().map(|(_, weight)| u64::from(*weight)).sum();
        let mut at = self.below(total);
        for (item, weight) in list {
            match at.checked_sub(u64::from(*weight)) {
                Some(rest) => at = rest,
                None => return *item,
            }
        }
        unreachable!("the number is below the sum of the weights")
    }

    /// A new key.
    pub(crate) fn key(&mut self) -> u64 {
        self.0.next_u64()
    }
}

/// One key of several: each change of a part changes all of it. The steps are those of `SplitMix64`, which lose nothing, so that keys made
/// of one prefix and different last parts never meet.
pub(crate) fn key(parts: &[u64]) -> u64 {
    parts.iter().fold(0x9e37_79b9_7f4a_7c15, |mixed, part| {
        let mut z = (mixed ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_gives_these_numbers_on_every_machine() {
        let mut random = Random::of(key(&[7, 11]));
        let drawn: Vec<u64> = (0..4).map(|_| random.below(1_000_000)).collect();
        assert_eq!(drawn, [709_854, 661_924, 881_896, 254_021]);
    }

    #[test]
    fn weights_are_kept_to() {
        let mut random = Random::of(1);
        let list = [("often", 900), ("never", 0), ("seldom", 100)];
        let drawn: Vec<_> = (0..10_000).map(|_| random.weighted(&list)).collect();
        let often = drawn.iter().filter(|item| **item == "often").count();
        assert!((8_800..9_200).contains(&often), "{often}");
        assert!(!drawn.contains(&"never"));
    }
}
