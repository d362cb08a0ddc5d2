//! The orders of one entity: most have one or a few, and those are simply looked through.
//!
//! What that reads of a few orders lies in one piece of memory, so that an entity costs one step to it.

use super::brief::Brief;
use super::crowd::Crowd;
use super::memory::Memory;
use super::order::{Dimension, Key, Order, Position};
use super::profile::Past;
use super::series::{Entry, Stretch, Sum};
use super::tally::{Tally, Totals, is_abandoned};

/// An entity with more orders than this gets a [`Crowd`].
const FEW_MAX: usize = 32;

/// An entity's remembered orders. What a feature says does not depend on which of these it is.
pub(super) enum Group {
    /// By its arrival; it lies in memory.
    One(u64),
    /// In no particular order.
    Few(Vec<Brief>),
    Many(Box<Crowd>),
}

impl Group {
    /// Adds an order; those already there are in memory.
    pub(super) fn insert(&mut self, memory: &Memory, order: &Order, past: Option<&Past>) {
        match self {
            Self::One(first) => {
                let mut few = Vec::with_capacity(2);
                few.extend(memory.get(*first).map(Brief::of));
                few.push(Brief::of(order));
                *self = Self::Few(few);
            }
            Self::Few(few) if few.len() == FEW_MAX => {
                let mut crowd = Box::<Crowd>::default();
                let orders = few.iter().filter_map(|brief| memory.get(brief.position.arrival));
                orders.for_each(|order| crowd.insert(order, past));
                crowd.insert(order, past);
                *self = Self::Many(crowd);
            }
            Self::Few(few) => {
                if few.len() == few.capacity() {
                    // By a half: doubling would leave more room unused than it saves in steps.
                    few.reserve_exact((few.len() / 2).clamp(1, FEW_MAX - few.len()));
                }
                few.push(Brief::of(order));
            }
            Self::Many(crowd) => crowd.insert(order, past),
        }
    }

    /// Takes an order out as if it had never been; says whether none is left.
    #[must_use]
    pub(super) fn remove(&mut self, order: &Order, past: Option<&Past>) -> bool {
        match self {
            Self::One(_) => true,
            Self::Few(few) => take(few, order),
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
            Self::Few(few) => take(few, order),
            Self::Many(crowd) => {
                crowd.evict(order, past);
                crowd.is_empty()
            }
        }
    }

    /// Follows a report about an order that was `before` when it was last seen.
    pub(super) fn follow(&mut self, before: &Order, after: &Order, past: Option<&Past>) {
        match self {
            Self::One(_) => {}
            Self::Few(few) => {
                if let Some(brief) = few.iter_mut().find(|brief| brief.position == after.position) {
                    *brief = Brief::of(after);
                }
            }
            Self::Many(crowd) => crowd.follow(before, after, past),
        }
    }

    /// Brings a few orders near that are about to be looked through. Nothing depends on what is read, so the processor
    /// fetches those of all groups at once instead of one after the other.
    pub(super) fn fetch(&self) {
        if let Self::Few(few) = self {
            std::hint::black_box(few.iter().fold(0, |all, brief| all ^ brief.position.time));
        }
    }

    pub(super) fn totals(&self, memory: &Memory, stretch: Stretch) -> Totals {
        match self {
            Self::Many(crowd) => crowd.totals(stretch),
            few => within(few.briefs(memory, &mut None), stretch)
                .fold(Totals::default(), |totals, brief| totals.plus(&Tally::of(brief).sum())),
        }
    }

    /// Orders called off, or overdue at the end of the stretch, without having been paid.
    pub(super) fn abandoned(&self, memory: &Memory, stretch: Stretch) -> u32 {
        match self {
            Self::Many(crowd) => crowd.abandoned(stretch),
            few => within(few.briefs(memory, &mut None), stretch)
                .map(|brief| u32::from(is_abandoned(&Tally::of(brief), stretch.through)))
                .sum(),
        }
    }

    /// Different known values.
    pub(super) fn distinct(&mut self, memory: &Memory, stretch: Stretch, dimension: Dimension) -> usize {
        match self {
            Self::Many(crowd) => crowd.distinct(memory, dimension).count(stretch),
            few => Different::of(few.briefs(memory, &mut None), stretch, dimension).values().len(),
        }
    }

    /// Different known addresses that are not familiar to the order at a position, the last of the stretch.
    pub(super) fn unfamiliar(&mut self, memory: &Memory, stretch: Stretch, at: Position, past: Option<&Past>) -> usize {
        if let Self::Many(crowd) = self {
            return crowd.unfamiliar(memory, stretch, at, past);
        }
        let mut one = None;
        let few = self.briefs(memory, &mut one);
        let used = Different::of(few, stretch, Dimension::Address);
        if past.is_none() && few.iter().all(|brief| brief.good_address().is_none()) {
            return used.values().len();
        }
        used.values().iter().flatten().filter(|address| !is_familiar(few, **address, at, past)).count()
    }

    /// The most units of one of an order's SKUs.
    pub(super) fn most_units(&mut self, memory: &Memory, stretch: Stretch, order: &Order) -> Option<u64> {
        let skus = order.skus.known()?.iter().map(|units| units.sku);
        let most = match self {
            Self::Many(crowd) => skus.map(|sku| crowd.units(memory, stretch, sku)).max(),
            few => {
                let mut one = None;
                let few = few.briefs(memory, &mut one);
                let units = |sku| within(few, stretch).map(move |brief| brief.units(memory, sku));
                skus.map(|sku| units(sku).fold(0, u64::saturating_add)).max()
            }
        };
        Some(most.unwrap_or(0))
    }

    /// Whether no order of the group is earlier.
    pub(super) fn is_first(&self, memory: &Memory, position: Position) -> bool {
        match self {
            Self::Many(crowd) => crowd.is_first(position),
            few => few.briefs(memory, &mut None).iter().all(|brief| brief.position >= position),
        }
    }

    /// Whether an earlier remembered order has the order's device.
    pub(super) fn device_occurred(&mut self, memory: &Memory, order: &Order) -> bool {
        let (at, device) = (order.position, order.value(Dimension::Device));
        match self {
            Self::Many(crowd) => crowd.distinct(memory, Dimension::Device).occurred_before(at),
            few => few
                .briefs(memory, &mut None)
                .iter()
                .any(|other| other.position < at && device.is_some() && other.value(Dimension::Device) == device),
        }
    }

    /// Where the last earlier order with a known address went.
    pub(super) fn address_before(&mut self, memory: &Memory, position: Position) -> Option<Key> {
        match self {
            Self::Many(crowd) => crowd.distinct(memory, Dimension::Address).value_before(position),
            few => few
                .briefs(memory, &mut None)
                .iter()
                .filter(|brief| brief.position < position)
                .filter_map(|brief| Some((brief.position, brief.value(Dimension::Address)?)))
                .max()
                .map(|(_, address)| address),
        }
    }

    /// Whether enough earlier orders to the address were good.
    pub(super) fn is_familiar(&mut self, memory: &Memory, address: Key, at: Position, past: Option<&Past>) -> bool {
        match self {
            Self::Many(crowd) => crowd.is_familiar(memory, address, at, past),
            few => is_familiar(few.briefs(memory, &mut None), address, at, past),
        }
    }

    /// The orders of a small group; `one` is room for a single one.
    fn briefs<'a>(&'a self, memory: &Memory, one: &'a mut Option<Brief>) -> &'a [Brief] {
        match self {
            Self::One(arrival) => {
                *one = memory.get(*arrival).map(Brief::of);
                one.as_slice()
            }
            Self::Few(few) => few,
            Self::Many(_) => &[],
        }
    }
}

/// Takes an order out of a few; says whether none is left.
fn take(few: &mut Vec<Brief>, order: &Order) -> bool {
    if let Some(at) = few.iter().position(|brief| brief.position.arrival == order.position.arrival) {
        few.swap_remove(at);
    }
    few.is_empty()
}

fn within(few: &[Brief], stretch: Stretch) -> impl Iterator<Item = &Brief> {
    few.iter().filter(move |brief| stretch.holds(brief.position.time))
}

fn is_familiar(few: &[Brief], address: Key, at: Position, past: Option<&Past>) -> bool {
    let earlier = few.iter().filter(|brief| brief.position < at);
    let good = earlier.filter(|brief| brief.good_address() == Some(address)).count();
    good + past.map_or(0, |past| past.good_orders(address)) >= super::familiar::GOOD_ORDERS_MIN
}

/// At most [`FEW_MAX`] values, each once.
struct Different {
    values: [Option<Key>; FEW_MAX],
    count: usize,
}

impl Different {
    /// The known values of a stretch.
    fn of(few: &[Brief], stretch: Stretch, dimension: Dimension) -> Self {
        let mut different = Self { values: [None; FEW_MAX], count: 0 };
        for value in within(few, stretch).map(|brief| brief.value(dimension)).filter(Option::is_some) {
            if !different.values().contains(&value) {
                different.values[different.count] = value;
                different.count += 1;
            }
        }
        different
    }

    fn values(&self) -> &[Option<Key>] {
        &self.values[..self.count]
    }
}
