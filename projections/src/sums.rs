//! Sums over the rows of a read model: figures that many orders change and that are looked up without them.
//!
//! What an order adds is a function of its row and of nothing else. A page changes the sums by what its orders add after it, less
//! what they added before; that is summed in memory, and written with the rows and the checkpoint in one transaction. So the sums
//! are always those of the stored rows, a build begins with none of either, and no order needs a row of its own for them.

use std::hash::Hash;

use rustc_hash::FxHashMap;

/// Sums over rows of a kind.
pub(crate) trait Sums<Row>: Default + Send {
    /// How an order counts, as far as its row says so by small values; what it counts for (its rules, its stock) is in the row.
    type Standing: Copy + Send;

    fn standing(row: &Row) -> Self::Standing;

    /// Counts an order of the merchant of the page's order number `merchant` as it stands after, and no more as it stood before.
    fn recount(&mut self, merchant: usize, row: &Row, before: Option<Self::Standing>, after: Option<Self::Standing>);
}

/// Nothing is summed.
impl<Row> Sums<Row> for () {
    type Standing = ();

    fn standing(_row: &Row) {}

    fn recount(&mut self, _merchant: usize, _row: &Row, _before: Option<()>, _after: Option<()>) {}
}

/// By how much a page changes sums of one kind.
pub(crate) struct Deltas<Key, const N: usize>(FxHashMap<Key, [i64; N]>);

impl<Key, const N: usize> Default for Deltas<Key, N> {
    fn default() -> Self {
        Self(FxHashMap::default())
    }
}

impl<Key: Ord + Hash, const N: usize> Deltas<Key, N> {
    pub(crate) fn add(&mut self, key: Key, amounts: [i64; N]) {
        let sums = self.0.entry(key).or_insert([0; N]);
        for (sum, amount) in sums.iter_mut().zip(amounts) {
            *sum = sum.saturating_add(amount);
        }
    }

    /// What changes at all, in the order of the keys, which is that of the tables.
    pub(crate) fn changed(&self) -> Vec<(&Key, [i64; N])> {
        let mut changed: Vec<_> =
            self.0.iter().filter(|(_, amounts)| **amounts != [0; N]).map(|(key, amounts)| (key, *amounts)).collect();
        changed.sort_unstable_by_key(|(key, _)| *key);
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_and_goes_in_one_page_changes_nothing() {
        let mut deltas = Deltas::<&str, 2>::default();
        deltas.add("b", [2, 1]);
        deltas.add("a", [3, 1]);
        deltas.add("c", [5, 1]);
        deltas.add("c", [-5, -1]);
        deltas.add("b", [-1, 0]);
        assert_eq!(deltas.changed(), [(&"a", [3, 1]), (&"b", [1, 1])]);
    }
}
