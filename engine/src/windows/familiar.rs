//! Which addresses a customer with many orders is familiar with, and since when.
//!
//! An address is familiar to an order when at least [`GOOD_ORDERS_MIN`] earlier orders of the customer to it were good:
//! paid, delivered and not refunded. For each address that ever gets that far, the position of the order that made it so
//! is kept in order, so that the few that became familiar only later are found at once.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use super::order::{Key, Position};
use super::profile::Past;

/// How many good orders make an address familiar.
pub(super) const GOOD_ORDERS_MIN: usize = 2;

/// Since when an address is familiar.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Since {
    Never,
    /// To orders behind this one.
    Position(Position),
    /// Evicted orders suffice.
    Ever,
}

/// The good orders of one customer that are still remembered. Evicted ones are in the customer's [`Past`], which every
/// call is given as it stands.
#[derive(Default)]
pub(super) struct Familiar {
    good: FxHashMap<Key, BTreeSet<Position>>,
    since: BTreeMap<Position, Key>,
}

impl Familiar {
    /// An order to the address became good.
    pub(super) fn gained(&mut self, address: Key, position: Position, past: Option<&Past>) {
        let before = self.since(address, good_in(past, address));
        self.good.entry(address).or_default().insert(position);
        self.settle(address, before, self.since(address, good_in(past, address)));
    }

    /// A good order to the address is good no more.
    pub(super) fn lost(&mut self, address: Key, position: Position, past: Option<&Past>) {
        let before = self.since(address, good_in(past, address));
        self.take(address, position);
        self.settle(address, before, self.since(address, good_in(past, address)));
    }

    /// A good order to the address is about to move into the past.
    pub(super) fn evict(&mut self, address: Key, position: Position, past: Option<&Past>) {
        let before = self.since(address, good_in(past, address));
        self.take(address, position);
        self.settle(address, before, self.since(address, good_in(past, address) + 1));
    }

    /// Whether the address is familiar to the newest orders at least.
    pub(super) fn is_known(&self, address: Key, past: Option<&Past>) -> bool {
        self.since(address, good_in(past, address)) != Since::Never
    }

    /// Whether the address is familiar to the order at a position.
    pub(super) fn is_familiar(&self, address: Key, position: Position, past: Option<&Past>) -> bool {
        match self.since(address, good_in(past, address)) {
            Since::Never => false,
            Since::Position(since) => since < position,
            Since::Ever => true,
        }
    }

    /// Addresses that are known, but not yet familiar to the order at a position.
    pub(super) fn known_later(&self, position: Position) -> impl Iterator<Item = Key> {
        self.since.range(position..).map(|(_, address)| *address)
    }

    /// All addresses that are familiar to the order at a position.
    pub(super) fn known_to<'a>(&'a self, position: Position, past: Option<&'a Past>) -> impl Iterator<Item = Key> {
        let ever = past.into_iter().flat_map(Past::good_addresses);
        let ever = ever.filter(move |address| self.since(*address, good_in(past, *address)) == Since::Ever);
        self.since.range(..position).map(|(_, address)| *address).chain(ever)
    }

    /// All addresses with a good order that is still remembered.
    pub(super) fn addresses(&self) -> impl Iterator<Item = Key> {
        self.good.keys().copied()
    }

    fn take(&mut self, address: Key, position: Position) {
        if let Some(positions) = self.good.get_mut(&address) {
            positions.remove(&position);
            if positions.is_empty() {
                self.good.remove(&address);
            }
        }
    }

    fn since(&self, address: Key, good_in_past: usize) -> Since {
        let Some(missing) = GOOD_ORDERS_MIN.checked_sub(good_in_past + 1) else { return Since::Ever };
        let decisive = self.good.get(&address).and_then(|positions| positions.iter().nth(missing));
        decisive.map_or(Since::Never, |position| Since::Position(*position))
    }

    fn settle(&mut self, address: Key, before: Since, after: Since) {
        if let Since::Position(position) = before {
            self.since.remove(&position);
        }
        if let Since::Position(position) = after {
            self.since.insert(position, address);
        }
    }
}

fn good_in(past: Option<&Past>, address: Key) -> usize {
    past.map_or(0, |past| past.good_orders(address))
}
