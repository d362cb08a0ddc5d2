//! The orders of an entity that has many: a series, and what else its features turn out to need.
//!
//! Indexes over values, SKUs and familiar addresses are built from the remembered orders the first time a feature asks for
//! them, and kept from then on; so is what reports change of the sums. They answer exactly what a look through all orders would.

use rustc_hash::FxHashMap;

use super::distinct::Distinct;
use super::familiar::Familiar;
use super::memory::Memory;
use super::order::{Dimension, Key, Order, Position, Reported};
use super::profile::Past;
use super::series::{Entry, Series, Stretch};
use super::tally::{Tally, Totals, Units, abandoned};

/// See the module.
#[derive(Default)]
pub(super) struct Crowd {
    tallies: Series<Tally>,
    /// Whether the tallies follow what is reported of their orders. Most crowds are never asked for what that changes.
    follows_reports: bool,
    distinct: [Option<Box<Distinct>>; Dimension::ALL.len()],
    skus: Option<FxHashMap<Key, Series<Units>>>,
    /// Only a customer's orders have it, and then the distinct addresses too, marked where familiar.
    familiar: Option<Familiar>,
}

impl Crowd {
    pub(super) const fn is_empty(&self) -> bool {
        self.tallies.is_empty()
    }

    pub(super) fn insert(&mut self, order: &Order, past: Option<&Past>) {
        let position = order.position;
        self.tallies.insert(Tally::of(order));
        for (dimension, index) in Dimension::ALL.into_iter().zip(&mut self.distinct) {
            if let (Some(index), Some(value)) = (index, order.value(dimension)) {
                index.insert(position, value);
            }
        }
        if let Some(skus) = &mut self.skus {
            insert_skus(skus, order);
        }
        if let Some(familiar) = &mut self.familiar {
            if let Some(address) = order.good_address() {
                familiar.gained(address, position, past);
            }
            if let Some(address) = order.value(Dimension::Address).filter(|address| familiar.is_known(*address, past)) {
                self.mark(address, true);
            }
        }
    }

    /// Takes an order out as if it had never been.
    pub(super) fn remove(&mut self, order: &Order, past: Option<&Past>) {
        self.tallies.remove(order.position);
        self.remove_skus(order);
        for (dimension, index) in Dimension::ALL.into_iter().zip(&mut self.distinct) {
            if let (Some(index), Some(value)) = (index, order.value(dimension)) {
                index.remove(order.position, value);
            }
        }
        if let (Some(familiar), Some(address)) = (&mut self.familiar, order.good_address()) {
            familiar.lost(address, order.position, past);
            let known = familiar.is_known(address, past);
            self.mark(address, known);
        }
    }

    /// Takes out the earliest order, which is about to move into its customer's past.
    pub(super) fn evict(&mut self, order: &Order, past: Option<&Past>) {
        self.tallies.remove(order.position);
        self.remove_skus(order);
        for (dimension, index) in Dimension::ALL.into_iter().zip(&mut self.distinct) {
            if let (Some(index), Some(value)) = (index, order.value(dimension)) {
                index.evict(order.position, value);
            }
        }
        if let (Some(familiar), Some(address)) = (&mut self.familiar, order.good_address()) {
            familiar.evict(address, order.position, past);
        }
    }

    /// Follows a report about an order that is `after` from now on, and of which `before` was reported until now.
    pub(super) fn follow(&mut self, before: Reported, after: &Order, past: Option<&Past>) {
        if self.follows_reports && !after.reported.is_paid_as(before) {
            self.tallies.update(after.position, |tally| *tally = Tally::of(after));
        }
        let Some(familiar) = &mut self.familiar else { return };
        match (after.good_address_if(before), after.good_address()) {
            (None, Some(address)) => familiar.gained(address, after.position, past),
            (Some(address), None) => familiar.lost(address, after.position, past),
            _ => return,
        }
        if let Some(address) = after.value(Dimension::Address) {
            let known = familiar.is_known(address, past);
            self.mark(address, known);
        }
    }

    /// Of these, reports change how many are unpaid.
    pub(super) fn totals(&self, stretch: Stretch) -> Totals {
        self.tallies.sum(stretch)
    }

    pub(super) fn unpaid(&mut self, memory: &Memory, stretch: Stretch) -> u32 {
        self.as_reported(memory).sum(stretch).unpaid
    }

    pub(super) fn abandoned(&mut self, memory: &Memory, stretch: Stretch) -> u32 {
        abandoned(self.as_reported(memory), stretch)
    }

    /// The tallies with all that was reported so far, which they follow from now on.
    fn as_reported(&mut self, memory: &Memory) -> &Series<Tally> {
        if !self.follows_reports {
            self.follows_reports = true;
            self.tallies.update_all(&mut |tally| {
                if let Some(order) = memory.get(tally.arrival()) {
                    *tally = Tally::of(order);
                }
            });
        }
        &self.tallies
    }

    /// The orders of a stretch, earliest first.
    pub(super) fn earliest<'a>(&'a self, memory: &'a Memory, stretch: Stretch) -> impl Iterator<Item = &'a Order> {
        self.tallies.within(stretch).filter_map(|tally| memory.get(tally.arrival()))
    }

    /// The orders of a stretch, latest first.
    pub(super) fn latest<'a>(&'a self, memory: &'a Memory, stretch: Stretch) -> impl Iterator<Item = &'a Order> {
        let mut at = Position::end_of(stretch.through);
        std::iter::from_fn(move || {
            at = self.tallies.before(at)?.position();
            (at.time > stretch.after).then(|| memory.get(at.arrival)).flatten()
        })
    }

    pub(super) fn is_first(&self, position: Position) -> bool {
        self.tallies.before(position).is_none()
    }

    pub(super) fn distinct(&mut self, memory: &Memory, dimension: Dimension) -> &mut Distinct {
        let Self { tallies, distinct, .. } = self;
        distinct[dimension as usize].get_or_insert_with(|| {
            let mut index = Box::<Distinct>::default();
            for order in memory.orders_of(tallies) {
                if let Some(value) = order.value(dimension) {
                    index.insert(order.position, value);
                }
            }
            index
        })
    }

    /// Units of one SKU.
    pub(super) fn units(&mut self, memory: &Memory, stretch: Stretch, sku: Key) -> u64 {
        let Self { tallies, skus, .. } = self;
        let skus = skus.get_or_insert_with(|| {
            let mut skus = FxHashMap::default();
            memory.orders_of(tallies).for_each(|order| insert_skus(&mut skus, order));
            skus
        });
        skus.get(&sku).map_or(0, |series| series.sum(stretch).0)
    }

    pub(super) fn is_familiar(&mut self, memory: &Memory, address: Key, at: Position, past: Option<&Past>) -> bool {
        self.familiar(memory, past).0.is_familiar(address, at, past)
    }

    /// Distinct addresses of a stretch that are not familiar to the order at a position, the last of the stretch.
    pub(super) fn unfamiliar(&mut self, memory: &Memory, stretch: Stretch, at: Position, past: Option<&Past>) -> usize {
        let (familiar, addresses) = self.familiar(memory, past);
        let (later, known) = (familiar.known_later(at), familiar.known_to(at, past));
        addresses.count_unknown(stretch, later, known, |address| familiar.is_familiar(address, at, past))
    }

    fn familiar(&mut self, memory: &Memory, past: Option<&Past>) -> (&Familiar, &mut Distinct) {
        self.distinct(memory, Dimension::Address);
        let addresses = self.distinct[Dimension::Address as usize].as_mut().expect("it was just built");
        let familiar = self.familiar.get_or_insert_with(|| {
            let mut familiar = Familiar::default();
            for order in memory.orders_of(&self.tallies) {
                if let Some(address) = order.good_address() {
                    familiar.gained(address, order.position, past);
                }
            }
            let known = familiar.addresses().chain(past.into_iter().flat_map(Past::good_addresses));
            for address in known.filter(|address| familiar.is_known(*address, past)) {
                addresses.mark(address, true);
            }
            familiar
        });
        (familiar, addresses)
    }

    fn mark(&mut self, address: Key, known: bool) {
        if let Some(addresses) = &mut self.distinct[Dimension::Address as usize] {
            addresses.mark(address, known);
        }
    }

    fn remove_skus(&mut self, order: &Order) {
        let Some(skus) = &mut self.skus else { return };
        for units in order.skus.iter() {
            if let Some(series) = skus.get_mut(&units.sku) {
                series.remove(order.position);
                if series.is_empty() {
                    skus.remove(&units.sku);
                }
            }
        }
    }
}

fn insert_skus(skus: &mut FxHashMap<Key, Series<Units>>, order: &Order) {
    for units in order.skus.iter() {
        let entry = Units { position: order.position, units: units.units };
        skus.entry(units.sku).or_default().insert(entry);
    }
}
