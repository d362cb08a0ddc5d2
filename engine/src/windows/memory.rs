//! The remembered orders, found by their arrival.
//!
//! Orders are evicted about as they arrived, so they lie in a queue of chunks, and an arrival is an index into it. A chunk
//! at the front is let go when its last order is.
//!
//! A copy shares the chunks. Whoever changes an order of a shared chunk first makes the chunk its own, so a copy stays as it
//! was made, and costs what is changed while it is held.

use std::collections::VecDeque;
use std::sync::Arc;

use super::order::Order;
use super::series::{Series, Stretch};
use super::tally::Tally;

/// Few enough that a chunk is made one's own in some microseconds.
const CHUNK_ORDERS: u64 = 128;
const EVERYTHING: Stretch = Stretch { after: i64::MIN, through: i64::MAX };

#[derive(Clone)]
struct Chunk {
    /// A place without an order holds [`Order::vacant`], which is told by its arrival: an `Option` would have its mark
    /// elsewhere in the order, and finding an order would cost a second line of the processor's cache.
    orders: Arc<[Order]>,
    remembered: usize,
}

impl Chunk {
    fn empty() -> Self {
        Self { orders: (0..CHUNK_ORDERS).map(|_| Order::vacant()).collect(), remembered: 0 }
    }
}

/// See the module.
#[derive(Clone, Default)]
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

    /// Remembers an order that arrived behind all that are remembered.
    pub(super) fn put(&mut self, order: Order) {
        let arrival = order.position.arrival;
        if self.chunks.is_empty() {
            self.gone = arrival / CHUNK_ORDERS;
        }
        while self.gone + self.chunks.len() as u64 <= arrival / CHUNK_ORDERS {
            self.chunks.push_back(Chunk::empty());
        }
        self.next = arrival + 1;
        let (chunk, offset) = self.place(arrival).expect("the chunk was just made");
        let chunk = &mut self.chunks[chunk];
        Arc::make_mut(&mut chunk.orders)[offset] = order;
        chunk.remembered += 1;
        self.remembered += 1;
    }

    /// Goes on behind orders that are no longer remembered.
    pub(super) const fn skip_to(&mut self, next_arrival: u64) {
        self.next = next_arrival;
    }

    pub(super) fn get(&self, arrival: u64) -> Option<&Order> {
        let (chunk, offset) = self.place(arrival)?;
        self.chunks.get(chunk)?.orders.get(offset).filter(|order| order.position.arrival == arrival)
    }

    /// Brings orders near that are about to be looked through. Nothing depends on what is read, so the processor fetches
    /// all of them at once instead of one after the other, which is most of what a look through them costs.
    pub(super) fn fetch(&self, arrivals: &[u64]) {
        let orders = arrivals.iter().filter_map(|arrival| self.get(*arrival));
        std::hint::black_box(orders.fold(0, |all, order| all ^ order.position.time));
    }

    pub(super) fn get_mut(&mut self, arrival: u64) -> Option<&mut Order> {
        let (chunk, offset) = self.place(arrival)?;
        let chunk = self.chunks.get_mut(chunk)?;
        Arc::make_mut(&mut chunk.orders).get_mut(offset).filter(|order| order.position.arrival == arrival)
    }

    pub(super) fn take(&mut self, arrival: u64) -> Option<Order> {
        let (chunk, offset) = self.place(arrival)?;
        let chunk = self.chunks.get_mut(chunk)?;
        let order = Arc::make_mut(&mut chunk.orders).get_mut(offset)?;
        let order = std::mem::replace(order, Order::vacant());
        if order.position.arrival != arrival {
            return None;
        }
        chunk.remembered -= 1;
        self.remembered -= 1;
        while self.chunks.len() > 1 && self.chunks.front().is_some_and(|front| front.remembered == 0) {
            self.chunks.pop_front();
            self.gone += 1;
        }
        Some(order)
    }

    /// All of them, in the order of their arrival.
    pub(super) fn orders(&self) -> impl Iterator<Item = &Order> {
        self.chunks.iter().flat_map(|chunk| chunk.orders.iter()).filter(|order| !order.is_vacant())
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
