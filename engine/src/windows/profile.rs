//! What is kept of a customer's orders when they are evicted.
//!
//! Every evicted order is earlier than every remembered one, so the past needs no times but those that find its last order.

use rustc_hash::{FxHashMap, FxHashSet};

use domain::feature::Entity;

use super::familiar::GOOD_ORDERS_MIN;
use super::order::{Key, Order, Position};

/// The past of one customer. That there is one says that the customer is not new.
#[derive(Default)]
pub(super) struct Past {
    devices: FxHashSet<Key>,
    /// Where the last evicted order with a known address went.
    last_address: Option<(Position, Key)>,
    /// Good orders by address, counted up to [`GOOD_ORDERS_MIN`].
    good_orders: FxHashMap<Key, u8>,
}

impl Past {
    /// Takes in an order that is evicted.
    pub(super) fn absorb(&mut self, order: &Order) {
        self.devices.extend(order.key(Entity::Device));
        if let Some(address) = order.key(Entity::Address) {
            let evicted = (order.position, address);
            self.last_address = Some(self.last_address.map_or(evicted, |last| last.max(evicted)));
        }
        if let Some(address) = order.good_address() {
            let good = self.good_orders.entry(address).or_default();
            if usize::from(*good) < GOOD_ORDERS_MIN {
                *good += 1;
            }
        }
    }

    pub(super) fn used(&self, device: Key) -> bool {
        self.devices.contains(&device)
    }

    pub(super) fn last_address(&self) -> Option<Key> {
        self.last_address.map(|(_, address)| address)
    }

    /// Addresses with a good order.
    pub(super) fn good_addresses(&self) -> impl Iterator<Item = Key> {
        self.good_orders.keys().copied()
    }

    /// At most [`GOOD_ORDERS_MIN`].
    pub(super) fn good_orders(&self, address: Key) -> usize {
        self.good_orders.get(&address).map_or(0, |good| usize::from(*good))
    }
}
