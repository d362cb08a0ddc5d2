//! The entries that series hold of an order, and how they add up.

use super::order::{Order, Position};
use super::series::{Entry, Part, Series, Stretch, Sum};

/// What counts and sums need of an order of an entity.
#[derive(Clone, Copy)]
pub(super) struct Tally {
    position: Position,
    amount: i64,
    quantity: u64,
    due: i64,
    unpaid: bool,
    called_off: bool,
}

impl Tally {
    pub(super) fn of(order: &Order) -> Self {
        Self {
            position: order.position,
            amount: order.amount,
            quantity: order.quantity.into(),
            due: order.due,
            unpaid: order.reported.is_unpaid(),
            called_off: order.reported.is_called_off(),
        }
    }

    /// The arrival of the order.
    pub(super) const fn arrival(&self) -> u64 {
        self.position.arrival
    }

    /// Neither paid nor called off: the date by which it must be paid still matters.
    const fn is_open(&self) -> bool {
        self.unpaid && !self.called_off
    }
}

impl Entry for Tally {
    type Sum = Totals;

    fn position(&self) -> Position {
        self.position
    }

    fn sum(&self) -> Totals {
        let due = if self.is_open() { (self.due, self.due) } else { (i64::MAX, i64::MIN) };
        Totals {
            orders: 1,
            unpaid: self.unpaid.into(),
            called_off: self.called_off.into(),
            amount: self.amount,
            quantity: self.quantity,
            first_due: due.0,
            last_due: due.1,
        }
    }
}

/// What the orders of a stretch come to. Small, because there is one for each block and above.
#[derive(Clone, Copy)]
pub(super) struct Totals {
    pub(super) orders: u32,
    pub(super) unpaid: u32,
    called_off: u32,
    /// Amounts are never negative, so it does not matter in which order they are added up to the largest number.
    pub(super) amount: i64,
    pub(super) quantity: u64,
    /// When the first of the open ones is due.
    first_due: i64,
    /// When the last of them is.
    last_due: i64,
}

impl Default for Totals {
    fn default() -> Self {
        Self { orders: 0, unpaid: 0, called_off: 0, amount: 0, quantity: 0, first_due: i64::MAX, last_due: i64::MIN }
    }
}

impl Sum for Totals {
    fn plus(&self, other: &Self) -> Self {
        Self {
            orders: self.orders + other.orders,
            unpaid: self.unpaid + other.unpaid,
            called_off: self.called_off + other.called_off,
            amount: self.amount.saturating_add(other.amount),
            quantity: self.quantity.saturating_add(other.quantity),
            first_due: self.first_due.min(other.first_due),
            last_due: self.last_due.max(other.last_due),
        }
    }

    fn exchanged(&self, gone: &Self, come: &Self) -> Option<Self> {
        let is_told =
            gone.is_without_due() && come.is_without_due() && self.amount < i64::MAX && self.quantity < u64::MAX;
        is_told.then(|| Self {
            orders: self.orders + come.orders - gone.orders,
            unpaid: self.unpaid + come.unpaid - gone.unpaid,
            called_off: self.called_off + come.called_off - gone.called_off,
            amount: (self.amount - gone.amount).saturating_add(come.amount),
            quantity: (self.quantity - gone.quantity).saturating_add(come.quantity),
            ..*self
        })
    }
}

impl Totals {
    /// No order among these is open.
    const fn is_without_due(&self) -> bool {
        self.first_due == i64::MAX && self.last_due == i64::MIN
    }

    /// How many are abandoned at a time; `None` where that depends on the single orders.
    fn abandoned_at(&self, now: i64) -> Option<u32> {
        if self.last_due <= now {
            Some(self.unpaid)
        } else if self.first_due > now {
            Some(self.called_off)
        } else {
            None
        }
    }
}

/// Orders of the stretch that were called off, or overdue at its end, without having been paid. Where the terms of payment
/// are alike, only the blocks around one point of the stretch are looked into.
pub(super) fn abandoned(series: &Series<Tally>, stretch: Stretch) -> u32 {
    let now = stretch.through;
    let mut count = 0;
    series.walk(stretch, &|totals| totals.abandoned_at(now).is_some(), &mut |part| {
        count += match part {
            Part::Whole(totals) => totals.abandoned_at(now).unwrap_or_default(),
            Part::One(tally) => u32::from(is_abandoned(tally, now)),
        };
    });
    count
}

/// Whether an order is abandoned at a time.
pub(super) fn is_abandoned(tally: &Tally, now: i64) -> bool {
    tally.called_off || (tally.unpaid && tally.due <= now)
}

/// What the share of the merchant's unpaid orders needs of each; this series is also the queue of eviction.
#[derive(Clone, Copy)]
pub(super) struct Unpaid {
    pub(super) position: Position,
    pub(super) unpaid: bool,
}

/// Units of one SKU in one order of an entity.
#[derive(Clone, Copy)]
pub(super) struct Units {
    pub(super) position: Position,
    pub(super) units: u64,
}

/// A plain number that adds up, never beyond the largest.
#[derive(Clone, Copy, Default)]
pub(super) struct Count(pub(super) u64);

impl Sum for Count {
    fn plus(&self, other: &Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    fn exchanged(&self, gone: &Self, come: &Self) -> Option<Self> {
        (self.0 < u64::MAX).then(|| Self((self.0 - gone.0).saturating_add(come.0)))
    }
}

impl Entry for Unpaid {
    type Sum = Count;

    fn position(&self) -> Position {
        self.position
    }

    fn sum(&self) -> Count {
        Count(self.unpaid.into())
    }
}

impl Entry for Units {
    type Sum = Count;

    fn position(&self) -> Position {
        self.position
    }

    fn sum(&self) -> Count {
        Count(self.units)
    }
}
