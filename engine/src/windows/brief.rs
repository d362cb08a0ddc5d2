//! What looking through an entity's few orders reads of each, in one place.
//!
//! Orders lie as they arrived, so those of one entity lie far apart, and to go to each costs more than all that is then done
//! with it. A group therefore keeps these copies side by side.

use domain::feature::Entity;

use super::memory::Memory;
use super::order::{Dimension, Key, Order, Position, Reported, SkuUnits, Skus};

/// Of one order.
#[derive(Clone, Copy)]
pub(super) struct Brief {
    pub(super) position: Position,
    customer: Option<Key>,
    device: Option<Key>,
    address: Option<Key>,
    phone: Option<Key>,
    pub(super) amount: i64,
    pub(super) due: i64,
    /// The only SKU, of which the order has [`Self::quantity`] units.
    sku: Option<Key>,
    pub(super) quantity: u32,
    pub(super) reported: Reported,
    /// The order has other SKUs than the one that is told here.
    has_more_skus: bool,
}

const _: () = assert!(std::mem::size_of::<Brief>() == 80);

impl Brief {
    pub(super) fn of(order: &Order) -> Self {
        let sku = match &order.skus {
            Skus::One(SkuUnits { sku, units }) if *units == u64::from(order.quantity) => Some(*sku),
            Skus::Unknown | Skus::One(_) | Skus::Several(_) => None,
        };
        Self {
            position: order.position,
            customer: order.key(Entity::Customer),
            device: order.key(Entity::Device),
            address: order.key(Entity::Address),
            phone: order.key(Entity::Phone),
            amount: order.amount,
            due: order.due,
            sku,
            quantity: order.quantity,
            reported: order.reported,
            has_more_skus: sku.is_none() && !matches!(order.skus, Skus::Unknown),
        }
    }

    /// What distinct counts see of it, where that is known.
    pub(super) const fn value(&self, dimension: Dimension) -> Option<Key> {
        match dimension {
            Dimension::Customer => self.customer,
            Dimension::Device => self.device,
            Dimension::Address => self.address,
            Dimension::Phone => self.phone,
        }
    }

    /// The address that it makes familiar to its customer, if it does.
    pub(super) fn good_address(&self) -> Option<Key> {
        self.address.filter(|_| self.reported.is_good())
    }

    /// Units of one SKU; the order is in memory.
    pub(super) fn units(&self, memory: &Memory, sku: Key) -> u64 {
        if self.has_more_skus {
            let order = memory.get(self.position.arrival);
            let same = order.into_iter().flat_map(|order| order.skus.iter()).find(|units| units.sku == sku);
            same.map_or(0, |units| units.units)
        } else if self.sku == Some(sku) {
            self.quantity.into()
        } else {
            0
        }
    }
}
