//! The arrival of each remembered order, by its stream number.
//!
//! Numbers of streams are dense, and what is said of orders is about such as came together: neighbours lie beside each other, so
//! that one of them is found where another was just found. Where few of the numbers are a merchant's, this costs it up to 200
//! bytes an order.

use rustc_hash::FxHashMap;

/// Numbers that lie together: two lines of a processor's cache.
const NEIGHBOURS: usize = 16;
/// Stands where no order is.
const NONE: u64 = u64::MAX;

/// See the module.
#[derive(Default)]
pub(super) struct Arrivals(FxHashMap<u64, [u64; NEIGHBOURS]>);

impl Arrivals {
    pub(super) fn get(&self, order: u64) -> Option<u64> {
        let (neighbours, place) = place(order);
        let arrival = self.0.get(&neighbours)?[place];
        (arrival != NONE).then_some(arrival)
    }

    pub(super) fn insert(&mut self, order: u64, arrival: u64) {
        let (neighbours, place) = place(order);
        self.0.entry(neighbours).or_insert([NONE; NEIGHBOURS])[place] = arrival;
    }

    pub(super) fn remove(&mut self, order: u64) {
        let (neighbours, place) = place(order);
        let Some(arrivals) = self.0.get_mut(&neighbours) else { return };
        arrivals[place] = NONE;
        if arrivals.iter().all(|arrival| *arrival == NONE) {
            self.0.remove(&neighbours);
        }
    }
}

/// Among which neighbours an order lies, and where among them.
fn place(order: u64) -> (u64, usize) {
    let size = NEIGHBOURS as u64;
    (order / size, usize::try_from(order % size).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_found_until_it_is_removed_and_leaves_nothing_behind() {
        let mut arrivals = Arrivals::default();
        let orders = [0, 1, 15, 16, 17, 1_000_000, u64::MAX];
        for (arrival, order) in (0..).zip(orders) {
            assert_eq!(arrivals.get(order), None);
            arrivals.insert(order, arrival);
        }
        for (arrival, order) in (0..).zip(orders) {
            assert_eq!(arrivals.get(order), Some(arrival));
            arrivals.remove(order);
            arrivals.remove(order);
            assert_eq!(arrivals.get(order), None);
        }
        assert!(arrivals.0.is_empty());
    }
}
