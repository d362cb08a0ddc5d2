//! The remembered orders, found by their arrival.
//!
//! Orders are evicted about as they arrived, so they lie in a queue of chunks, and an arrival is an index into it. A chunk
//! at the front is let go when its last order is.

use std::collections::VecDeque;

use super::order::Order;
use super::series::{Series, Stretch};
use super::tally::Tally;

const CHUNK_ORDERS: u64 = 512;
const EVERYTHING: Stretch = Stretch { after: i64::MIN, through: i64::MAX };

struct Chunk {
    orders: Vec<Option<Order>>,
    remembered: usize,
}

/// See the module.
#[derive(Default)]
pub(super) struct Memory {
    chunks: VecDeque<Chunk>,
    /// Chunks that were let go.
    gone: u64,
    /// The arrival that the next order gets.
    next: u64,
    remembered: usize,
}

impl Memory {
    pub(super) const fn len(&self) -> usize {
        self.remembered
    }

    pub(super) const fn next_arrival(&self) -> u64 {
        self.next
    }

    /// Remembers the order that arrived last, whose arrival must be [`Self::next_arrival`].
    pub(super) fn push(&mut self, order: Order) {
        debug_assert_eq!(order.position.arrival, self.next);
        if self.next.is_multiple_of(CHUNK_ORDERS) {
            self.chunks.push_back(Chunk { orders: Vec::new(), remembered: 0 });
        }
        let chunk = self.chunks.back_mut().expect("the newest chunk stays while it can take orders");
        chunk.orders.push(Some(order));
        chunk.remembered += 1;
        self.remembered += 1;
        self.next += 1;
    }

    pub(super) fn get(&self, arrival: u64) -> Option<&Order> {
        let (chunk, offset) = self.place(arrival)?;
        self.chunks.get(chunk)?.orders.get(offset)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, arrival: u64) -> Option<&mut Order> {
        let (chunk, offset) = self.place(arrival)?;
        self.chunks.get_mut(chunk)?.orders.get_mut(offset)?.as_mut()
    }

    pub(super) fn take(&mut self, arrival: u64) -> Option<Order> {
        let (chunk, offset) = self.place(arrival)?;
        let chunk = self.chunks.get_mut(chunk)?;
        let order = chunk.orders.get_mut(offset)?.take()?;
        chunk.remembered -= 1;
        self.remembered -= 1;
        while self.chunks.len() > 1 && self.chunks.front().is_some_and(|front| front.remembered == 0) {
            self.chunks.pop_front();
            self.gone += 1;
        }
        Some(order)
    }

    /// The orders of a series, in its order.
    pub(super) fn orders_of(&self, series: &Series<Tally>) -> impl Iterator<Item = &Order> {
        series.within(EVERYTHING).filter_map(|tally| self.get(tally.arrival()))
    }

    fn place(&self, arrival: u64) -> Option<(usize, usize)> {
        let chunk = usize::try_from((arrival / CHUNK_ORDERS).checked_sub(self.gone)?).ok()?;
        Some((chunk, usize::try_from(arrival % CHUNK_ORDERS).ok()?))
    }
}
