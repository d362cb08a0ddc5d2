//! The orders of one entity: most have one or a few, and those are simply looked through.
//!
//! Few arrivals lie in one piece of memory each, so that an entity costs one step to it and one to each of its orders.

use super::crowd::Crowd;
use super::memory::Memory;
use super::order::{Dimension, Key, Order, Position, Reported};
use super::profile::Past;
use super::series::{Entry, Stretch, Sum};
use super::tally::{Tally, Totals, is_abandoned};

/// An entity with more orders than this gets a [`Crowd`].
const FEW_MAX: usize = 32;
/// The rooms that a group grows through before.
const PAIR_MAX: usize = 4;
const DOZEN_MAX: usize = 12;

/// The arrivals of an entity's remembered orders. What a feature says does not depend on which of these it is.
pub(super) enum Group {
    One(u64),
    Pair(Box<Few<PAIR_MAX>>),
    Dozen(Box<Few<DOZEN_MAX>>),
    Few(Box<Few<FEW_MAX>>),
    Many(Box<Crowd>),
}

/// Up to so many arrivals, in no particular order.
pub(super) struct Few<const MAX: usize> {
    count: usize,
    arrivals: [u64; MAX],
}

impl<const MAX: usize> Few<MAX> {
    /// Of arrivals that fit, and one more if there is room.
    fn with(arrivals: &[u64], arrival: u64) -> Box<Self> {
        let mut few = Box::new(Self { count: arrivals.len(), arrivals: [0; MAX] });
        few.arrivals[..arrivals.len()].copy_from_slice(arrivals);
        few.push(arrival);
        few
    }

    const fn is_full(&self) -> bool {
        self.count == MAX
    }

    fn push(&mut self, arrival: u64) {
        self.arrivals[self.count] = arrival;
        self.count += 1;
    }

    fn arrivals(&self) -> &[u64] {
        &self.arrivals[..self.count]
    }

    /// Takes an order out; says whether none is left.
    fn take(&mut self, order: &Order) -> bool {
        if let Some(at) = self.arrivals().iter().position(|arrival| *arrival == order.position.arrival) {
            self.count -= 1;
            self.arrivals.swap(at, self.count);
        }
        self.count == 0
    }
}

impl Group {
    /// Adds an order; those already there are in memory.
    pub(super) fn insert(&mut self, memory: &Memory, order: &Order, past: Option<&Past>) {
        let arrival = order.position.arrival;
        match self {
            Self::One(first) => *self = Self::Pair(Few::with(&[*first], arrival)),
            Self::Pair(pair) if pair.is_full() => *self = Self::Dozen(Few::with(pair.arrivals(), arrival)),
            Self::Pair(pair) => pair.push(arrival),
            Self::Dozen(dozen) if dozen.is_full() => *self = Self::Few(Few::with(dozen.arrivals(), arrival)),
            Self::Dozen(dozen) => dozen.push(arrival),
            Self::Few(few) if few.is_full() => {
                let mut crowd = Box::<Crowd>::default();
                let orders = few.arrivals().iter().filter_map(|arrival| memory.get(*arrival));
                orders.for_each(|order| crowd.insert(order, past));
                crowd.insert(order, past);
                *self = Self::Many(crowd);
            }
            Self::Few(few) => few.push(arrival),
            Self::Many(crowd) => crowd.insert(order, past),
        }
    }

    /// Takes an order out as if it had never been; says whether none is left.
    #[must_use]
    pub(super) fn remove(&mut self, order: &Order, past: Option<&Past>) -> bool {
        match self {
            Self::One(_) => true,
            Self::Pair(pair) => pair.take(order),
            Self::Dozen(dozen) => dozen.take(order),
            Self::Few(few) => few.take(order),
            Self::Many(crowd) => {
                crowd.remove(order, past);
                crowd.is_empty()
            }
        }
    }

    /// Takes out the earliest order, before it moves into its customer's past; says whether none is left.
    #[must_use]
    pub(super) fn evict(&mut self, order: &Order, past: Option<&Past>) -> bool {
        match self {
            Self::One(_) => true,
            Self::Pair(pair) => pair.take(order),
            Self::Dozen(dozen) => dozen.take(order),
            Self::Few(few) => few.take(order),
            Self::Many(crowd) => {
                crowd.evict(order, past);
                crowd.is_empty()
            }
        }
    }

    /// Follows a report about an order that is `after` from now on, and of which `before` was reported until now.
    pub(super) fn follow(&mut self, before: Reported, after: &Order, past: Option<&Past>) {
        if let Self::Many(crowd) = self {
            crowd.follow(before, after, past);
        }
    }

    pub(super) const fn is_crowd(&self) -> bool {
        matches!(self, Self::Many(_))
    }

    /// How many of these are unpaid [`unpaid`](Self::unpaid) tells.
    pub(super) fn totals(&self, memory: &Memory, stretch: Stretch) -> Totals {
        match self {
            Self::Many(crowd) => crowd.totals(stretch),
            few => few
                .within(memory, stretch)
                .fold(Totals::default(), |totals, order| totals.plus(&Tally::of(order).sum())),
        }
    }

    /// Orders that are not paid so far.
    pub(super) fn unpaid(&mut self, memory: &Memory, stretch: Stretch) -> u32 {
        match self {
            Self::Many(crowd) => crowd.unpaid(memory, stretch),
            few => few.within(memory, stretch).map(|order| u32::from(order.reported.is_unpaid())).sum(),
        }
    }

    /// Orders called off, or overdue at the end of the stretch, without having been paid.
    pub(super) fn abandoned(&mut self, memory: &Memory, stretch: Stretch) -> u32 {
        match self {
            Self::Many(crowd) => crowd.abandoned(memory, stretch),
            few => few
                .within(memory, stretch)
                .map(|order| u32::from(is_abandoned(&Tally::of(order), stretch.through)))
                .sum(),
        }
    }

    /// Different known values.
    pub(super) fn distinct(&mut self, memory: &Memory, stretch: Stretch, dimension: Dimension) -> usize {
        match self {
            Self::Many(crowd) => crowd.distinct(memory, dimension).count(stretch),
            few => different(few.within(memory, stretch).filter_map(|order| order.value(dimension))).count(),
        }
    }

    /// Different known addresses that are not familiar to the order at a position, the last of the stretch.
    pub(super) fn unfamiliar(&mut self, memory: &Memory, stretch: Stretch, at: Position, past: Option<&Past>) -> usize {
        if let Self::Many(crowd) = self {
            return crowd.unfamiliar(memory, stretch, at, past);
        }
        let used = self.within(memory, stretch).filter_map(|order| order.value(Dimension::Address));
        different(used).filter(|address| !self.few_familiar(memory, *address, at, past)).count()
    }

    /// The most units of one of an order's SKUs.
    pub(super) fn most_units(&mut self, memory: &Memory, stretch: Stretch, order: &Order) -> Option<u64> {
        let skus = order.skus.known()?.iter().map(|units| units.sku);
        let most = match self {
            Self::Many(crowd) => skus.map(|sku| crowd.units(memory, stretch, sku)).max(),
            few => skus.map(|sku| few.few_units(memory, stretch, sku)).max(),
        };
        Some(most.unwrap_or(0))
    }

    /// Whether no order of the group is earlier.
    pub(super) fn is_first(&self, memory: &Memory, position: Position) -> bool {
        match self {
            Self::Many(crowd) => crowd.is_first(position),
            few => few.orders(memory).all(|order| order.position >= position),
        }
    }

    /// Whether an earlier remembered order has the order's device.
    pub(super) fn device_occurred(&mut self, memory: &Memory, order: &Order) -> bool {
        let (at, device) = (order.position, order.value(Dimension::Device));
        match self {
            Self::Many(crowd) => crowd.distinct(memory, Dimension::Device).occurred_before(at),
            few => few
                .orders(memory)
                .any(|other| other.position < at && device.is_some() && other.value(Dimension::Device) == device),
        }
    }

    /// Where the device of one of these orders occurred first.
    pub(super) fn device_first(&mut self, memory: &Memory, order: &Order) -> Position {
        let device = order.value(Dimension::Device);
        let first = match self {
            Self::Many(crowd) => device.and_then(|device| crowd.distinct(memory, Dimension::Device).first_of(device)),
            few => few
                .orders(memory)
                .filter(|other| other.value(Dimension::Device) == device)
                .map(|other| other.position)
                .min(),
        };
        first.unwrap_or(order.position)
    }

    /// Where the last earlier order with a known address went.
    pub(super) fn address_before(&mut self, memory: &Memory, position: Position) -> Option<Key> {
        match self {
            Self::Many(crowd) => crowd.distinct(memory, Dimension::Address).value_before(position),
            few => few
                .orders(memory)
                .filter(|order| order.position < position)
                .filter_map(|order| Some((order.position, order.value(Dimension::Address)?)))
                .max()
                .map(|(_, address)| address),
        }
    }

    /// Whether enough earlier orders to the address were good.
    pub(super) fn is_familiar(&mut self, memory: &Memory, address: Key, at: Position, past: Option<&Past>) -> bool {
        match self {
            Self::Many(crowd) => crowd.is_familiar(memory, address, at, past),
            few => few.few_familiar(memory, address, at, past),
        }
    }

    fn few_familiar(&self, memory: &Memory, address: Key, at: Position, past: Option<&Past>) -> bool {
        let earlier = self.orders(memory).filter(|order| order.position < at);
        let good = earlier.filter(|order| order.good_address() == Some(address)).count();
        good + past.map_or(0, |past| past.good_orders(address)) >= super::familiar::GOOD_ORDERS_MIN
    }

    fn few_units(&self, memory: &Memory, stretch: Stretch, sku: Key) -> u64 {
        let skus = self.within(memory, stretch).flat_map(|order| order.skus.iter());
        skus.filter(|units| units.sku == sku).fold(0, |total: u64, units| total.saturating_add(units.units))
    }

    fn within<'a>(&'a self, memory: &'a Memory, stretch: Stretch) -> impl Iterator<Item = &'a Order> {
        self.orders(memory).filter(move |order| stretch.holds(order.position.time))
    }

    /// The orders of a small group, in no particular order.
    fn orders<'a>(&'a self, memory: &'a Memory) -> impl Iterator<Item = &'a Order> {
        self.arrivals().iter().filter_map(|arrival| memory.get(*arrival))
    }

    /// Whether another order than the one at a position lies in a stretch.
    pub(super) fn holds_another(&self, memory: &Memory, stretch: Stretch, position: Position) -> bool {
        match self {
            Self::One(arrival) => *arrival != position.arrival,
            Self::Many(crowd) => crowd.latest(memory, stretch).any(|order| order.position != position),
            few => few.within(memory, stretch).any(|order| order.position != position),
        }
    }

    /// The orders of a stretch, earliest first.
    pub(super) fn earliest<'a>(
        &'a self,
        memory: &'a Memory,
        stretch: Stretch,
    ) -> Box<dyn Iterator<Item = &'a Order> + 'a> {
        match self {
            Self::Many(crowd) => Box::new(crowd.earliest(memory, stretch)),
            few => Box::new(few.sorted(memory, stretch).into_iter()),
        }
    }

    /// The orders of a stretch, latest first.
    pub(super) fn latest<'a>(
        &'a self,
        memory: &'a Memory,
        stretch: Stretch,
    ) -> Box<dyn Iterator<Item = &'a Order> + 'a> {
        match self {
            Self::Many(crowd) => Box::new(crowd.latest(memory, stretch)),
            few => Box::new(few.sorted(memory, stretch).into_iter().rev()),
        }
    }

    fn sorted<'a>(&'a self, memory: &'a Memory, stretch: Stretch) -> Vec<&'a Order> {
        let mut orders: Vec<&Order> = self.within(memory, stretch).collect();
        orders.sort_unstable_by_key(|order| order.position);
        orders
    }

    /// The arrivals of a small group.
    pub(super) fn arrivals(&self) -> &[u64] {
        match self {
            Self::One(arrival) => std::slice::from_ref(arrival),
            Self::Pair(pair) => pair.arrivals(),
            Self::Dozen(dozen) => dozen.arrivals(),
            Self::Few(few) => few.arrivals(),
            Self::Many(_) => &[],
        }
    }
}

/// At most [`FEW_MAX`] values, each once.
fn different(values: impl Iterator<Item = Key>) -> impl Iterator<Item = Key> {
    let mut seen = [None; FEW_MAX];
    let mut count = 0;
    for value in values {
        if !seen[..count].contains(&Some(value)) {
            seen[count] = Some(value);
            count += 1;
        }
    }
    seen.into_iter().flatten()
}
