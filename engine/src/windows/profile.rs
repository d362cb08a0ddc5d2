//! What is kept of a customer's orders when they are evicted.
//!
//! Every evicted order is earlier than every remembered one, so the past needs no times but those that find its last order and
//! tell for how long a device has been used.
//! Of one customer at most [`DEVICES_MAX`] devices and [`ADDRESSES_MAX`] addresses are kept; where more were left out, what
//! is not found among them is unknown.
//!
//! Pasts lie in chunks that a copy shares, like the orders in memory.

use std::sync::Arc;

use domain::feature::Entity;

use super::familiar::GOOD_ORDERS_MIN;
use super::order::{Key, Order, Position};
use super::spread::Spread;

/// The most devices that are kept of one customer's past.
pub(super) const DEVICES_MAX: usize = 64;
/// The most addresses with a good order that are kept of one customer's past.
pub(super) const ADDRESSES_MAX: usize = 64;
const CHUNK_PASTS: usize = 128;

/// The past of one customer. That there is one says that the customer is not new.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Past {
    pub(super) customer: Key,
    /// Each with the time of its first order.
    pub(super) devices: Vec<(Key, i64)>,
    pub(super) left_out_devices: bool,
    /// Where the last evicted order with a known address went.
    pub(super) last_address: Option<(Position, Key)>,
    /// Good orders by address, counted up to [`GOOD_ORDERS_MIN`].
    pub(super) good_orders: Vec<(Key, u8)>,
    pub(super) left_out_addresses: bool,
}

impl Past {
    pub(super) const fn of(customer: Key) -> Self {
        Self {
            customer,
            devices: Vec::new(),
            left_out_devices: false,
            last_address: None,
            good_orders: Vec::new(),
            left_out_addresses: false,
        }
    }

    /// Takes in an order that is evicted.
    fn absorb(&mut self, order: &Order) {
        if let Some(device) = order.key(Entity::Device) {
            let (time, is_full) = (order.position.time, self.devices.len() == DEVICES_MAX);
            match self.devices.iter_mut().find(|(known, _)| *known == device) {
                // It may have come later than others were evicted.
                Some((_, first)) => *first = time.min(*first),
                None if is_full => self.left_out_devices = true,
                None => self.devices.push((device, time)),
            }
        }
        if let Some(address) = order.key(Entity::Address) {
            let evicted = (order.position, address);
            self.last_address = Some(self.last_address.map_or(evicted, |last| last.max(evicted)));
        }
        if let Some(address) = order.good_address() {
            match self.good_orders.iter().position(|(known, _)| *known == address) {
                Some(at) if self.good_orders(address) < GOOD_ORDERS_MIN => self.good_orders[at].1 += 1,
                Some(_) => {}
                None if self.good_orders.len() < ADDRESSES_MAX => self.good_orders.push((address, 1)),
                None => self.left_out_addresses = true,
            }
        }
    }

    /// Whether the customer used a device, if that is known.
    pub(super) fn used(&self, device: Key) -> Option<bool> {
        let found = self.first_use(device).is_some();
        (found || !self.left_out_devices).then_some(found)
    }

    /// When the customer first used a device, if that is known.
    pub(super) fn first_use(&self, device: Key) -> Option<i64> {
        self.devices.iter().find(|(known, _)| *known == device).map(|(_, first)| *first)
    }

    pub(super) fn last_address(&self) -> Option<Key> {
        self.last_address.map(|(_, address)| address)
    }

    /// Whether every address with a good order is known.
    pub(super) const fn knows_addresses(&self) -> bool {
        !self.left_out_addresses
    }

    /// Addresses with a good order.
    pub(super) fn good_addresses(&self) -> impl Iterator<Item = Key> {
        self.good_orders.iter().map(|(address, _)| *address)
    }

    /// At most [`GOOD_ORDERS_MIN`].
    pub(super) fn good_orders(&self, address: Key) -> usize {
        self.good_orders.iter().find(|(known, _)| *known == address).map_or(0, |(_, good)| usize::from(*good))
    }
}

/// The pasts of all customers that have one.
#[derive(Default)]
pub(super) struct Pasts {
    places: Spread<usize>,
    shared: SharedPasts,
}

/// The pasts without what finds them; cheap to copy.
#[derive(Clone, Default)]
pub(super) struct SharedPasts(Vec<Arc<Vec<Past>>>);

impl SharedPasts {
    /// All chunks but the last are full.
    fn len(&self) -> usize {
        self.0.last().map_or(0, |last| (self.0.len() - 1) * CHUNK_PASTS + last.len())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Past> {
        self.0.iter().flat_map(|chunk| chunk.iter())
    }
}

impl Pasts {
    pub(super) fn get(&self, customer: Key) -> Option<&Past> {
        let place = *self.places.piece(customer).get(&customer)?;
        self.shared.0.get(place / CHUNK_PASTS)?.get(place % CHUNK_PASTS)
    }

    /// Takes in an order that is evicted, if its customer is known.
    pub(super) fn absorb(&mut self, order: &Order) {
        let Some(customer) = order.key(Entity::Customer) else { return };
        let place = match self.places.piece(customer).get(&customer) {
            Some(place) => *place,
            None => self.add(Past::of(customer)),
        };
        if let Some(chunk) = self.shared.0.get_mut(place / CHUNK_PASTS) {
            Arc::make_mut(chunk)[place % CHUNK_PASTS].absorb(order);
        }
    }

    /// Adds the past of a customer who has none, and gives its place.
    pub(super) fn add(&mut self, past: Past) -> usize {
        let place = self.len();
        self.places.piece_mut(past.customer).insert(past.customer, place);
        match self.shared.0.get_mut(place / CHUNK_PASTS) {
            Some(chunk) => Arc::make_mut(chunk).push(past),
            None => self.shared.0.push(Arc::new(vec![past])),
        }
        place
    }

    pub(super) fn len(&self) -> usize {
        self.shared.len()
    }

    pub(super) fn shared(&self) -> SharedPasts {
        self.shared.clone()
    }
}
