//! Times in buckets of whole numbers that widen with the time, so that medians of any stretch are the sum of its hours': eight
//! buckets to each doubling, so a time is told to an eighth of itself at worst.

use std::collections::BTreeMap;

use domain::time::Span;

/// Eight buckets to a doubling.
const BITS: u32 = 3;
const PER_DOUBLING: u64 = 1 << BITS;

/// The bucket of a time in milliseconds: those below eight have one each.
pub(super) fn bucket(time: Span) -> u16 {
    let millis = time.millis().unsigned_abs();
    let doublings = millis.max(1).ilog2().saturating_sub(BITS);
    let bucket = u64::from(doublings) * PER_DOUBLING + (millis >> doublings);
    u16::try_from(bucket).unwrap_or(u16::MAX)
}

/// The longest time of a bucket.
fn longest(bucket: u16) -> Span {
    let bucket = u64::from(bucket);
    let doublings = (bucket / PER_DOUBLING).saturating_sub(1);
    let next = (bucket - doublings * PER_DOUBLING + 1) << doublings.min(60);
    Span::from_millis(i64::try_from(next - 1).unwrap_or(i64::MAX))
}

/// How long something took, for many orders.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Times(BTreeMap<u16, u64>);

impl Times {
    pub(super) fn add(&mut self, bucket: u16, orders: u64) {
        *self.0.entry(bucket).or_default() += orders;
    }

    /// Both together.
    #[must_use]
    pub fn with(&self, others: &Self) -> Self {
        let mut all = self.clone();
        others.0.iter().for_each(|(bucket, orders)| all.add(*bucket, *orders));
        all
    }

    /// How many orders.
    pub fn orders(&self) -> u64 {
        self.0.values().sum()
    }

    /// The time within which so many of a hundred orders were done, rounded up by an eighth at most; `None` without orders.
    pub fn percentile(&self, percent: u8) -> Option<Span> {
        let rank = (self.orders() * u64::from(percent)).div_ceil(100).max(1);
        let mut below = 0;
        self.0.iter().find_map(|(bucket, orders)| {
            below += orders;
            (below >= rank).then(|| longest(*bucket))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_ends_where_the_next_begins_and_is_an_eighth_wide_at_most() {
        let mut before = None;
        for number in 0..bucket(Span::from_days(3_650)) {
            let (last, first) = (longest(number).millis(), before.map_or(0, |before| before + 1));
            assert_eq!((bucket(Span::from_millis(first)), bucket(Span::from_millis(last))), (number, number));
            assert!(last - first <= first / 8, "{first} to {last}");
            before = Some(last);
        }
    }

    #[test]
    fn percentiles_are_those_of_the_ranks() {
        let mut times = Times::default();
        assert_eq!(times.percentile(50), None);
        for millis in [0, 1, 2, 3, 4, 5, 6, 7, 1_000, 2_000] {
            times.add(bucket(Span::from_millis(millis)), 1);
        }
        let millis = |percent| times.percentile(percent).map(Span::millis);
        assert_eq!((times.orders(), millis(0), millis(50), millis(80)), (10, Some(0), Some(4), Some(7)));
        assert_eq!((millis(90), millis(100)), (Some(1_023), Some(2_047)));
    }
}
