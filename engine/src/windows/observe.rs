//! Features that look at other orders.

use domain::feature::{Entity, Feature, FeatureRef, Measure, Value};
use domain::time::Span;
use rust_decimal::Decimal;

use super::entities::OwnGroups;
use super::group::Group;
use super::memory::Memory;
use super::order::{Dimension, Order};
use super::profile::Past;
use super::series::{Series, Stretch};
use super::tally::Unpaid;

/// Decimal features have four places; a tie goes to the even neighbour.
const PLACES: u32 = 4;
/// What `region.heat` compares with: the orders of this long before the window.
pub(super) const HEAT_BASE: Span = Span::from_hours(24);

/// One remembered order, and what it is compared with.
pub(super) struct View<'a> {
    pub(super) order: &'a Order,
    pub(super) memory: &'a Memory,
    /// Of the entities that some feature is about.
    pub(super) groups: OwnGroups<'a>,
    pub(super) past: Option<&'a Past>,
    /// All orders of the merchant.
    pub(super) merchant: &'a Series<Unpaid>,
    /// The latest event time of an order that is no longer remembered.
    pub(super) forgotten: Option<i64>,
}

/// Whose orders a feature looks at, if it looks at others.
pub(super) const fn looks_at(feature: Feature) -> Option<Entity> {
    match feature {
        Feature::CustomerIsNew
        | Feature::DeviceKnown
        | Feature::DeviceKnownFor
        | Feature::AddressChanged
        | Feature::AddressFamiliar => Some(Entity::Customer),
        Feature::Windowed(entity, _) => Some(entity),
        Feature::OrderAmount
        | Feature::OrderQuantity
        | Feature::OrderLines
        | Feature::OrderMaxLineQuantity
        | Feature::OrderHour
        | Feature::OrderChannel
        | Feature::OrderCurrency
        | Feature::CustomerLevel
        | Feature::CustomerAge
        | Feature::CustomerAgeKnown
        | Feature::PhoneKind
        | Feature::Signal(_) => None,
    }
}

/// Whether what a feature says of other orders changes with what is reported of them.
pub(super) const fn heeds_reports(feature: Feature) -> bool {
    match feature {
        Feature::AddressFamiliar => true,
        Feature::Windowed(_, measure) => match measure {
            Measure::Unpaid | Measure::Abandoned | Measure::UnfamiliarAddresses | Measure::UnpaidShare => true,
            Measure::Orders
            | Measure::Amount
            | Measure::Quantity
            | Measure::SkuQuantity
            | Measure::Customers
            | Measure::Devices
            | Measure::Addresses
            | Measure::Phones
            | Measure::Heat => false,
        },
        _ => false,
    }
}

impl View<'_> {
    /// The value of a feature; `None` also for those that the order's own facts answer.
    pub(super) fn read(&mut self, feature: FeatureRef) -> Option<Value> {
        let group = self.groups[looks_at(feature.feature)? as usize].as_deref_mut()?;
        let seen = Seen {
            order: self.order,
            memory: self.memory,
            past: self.past,
            merchant: self.merchant,
            forgotten: self.forgotten,
        };
        match feature.feature {
            Feature::CustomerIsNew => Some(Value::Bool(seen.customer_is_new(group))),
            Feature::DeviceKnown => seen.device_known(group).map(Value::Bool),
            Feature::DeviceKnownFor => seen.device_known_for(group).map(Value::Duration),
            Feature::AddressChanged => seen.address_changed(group).map(Value::Bool),
            Feature::AddressFamiliar => seen.address_familiar(group).map(Value::Bool),
            Feature::Windowed(entity, measure) => seen.windowed(entity, measure, feature.window?, group),
            _ => None,
        }
    }
}

/// A view without the groups, of which one is being looked at.
struct Seen<'a> {
    order: &'a Order,
    memory: &'a Memory,
    past: Option<&'a Past>,
    merchant: &'a Series<Unpaid>,
    forgotten: Option<i64>,
}

impl Seen<'_> {
    fn windowed(&self, entity: Entity, measure: Measure, window: Span, group: &mut Group) -> Option<Value> {
        let stretch = self.stretch(self.order.position.time, window)?;
        let (order, memory) = (self.order, self.memory);
        let past = self.past.filter(|_| entity == Entity::Customer);
        let mut distinct = |dimension| Some(count(group.distinct(memory, stretch, dimension)));
        match measure {
            Measure::Orders => Some(count(group.totals(memory, stretch).orders)),
            Measure::Unpaid => Some(count(group.unpaid(memory, stretch))),
            Measure::Abandoned => Some(count(group.abandoned(memory, stretch))),
            Measure::Amount => Some(Value::Int(group.totals(memory, stretch).amount)),
            Measure::Quantity => Some(count(group.totals(memory, stretch).quantity)),
            Measure::SkuQuantity => group.most_units(memory, stretch, order).map(count),
            Measure::Customers => distinct(Dimension::Customer),
            Measure::Devices => distinct(Dimension::Device),
            Measure::Addresses => distinct(Dimension::Address),
            Measure::Phones => distinct(Dimension::Phone),
            Measure::UnfamiliarAddresses => {
                let is_known = past.is_none_or(Past::knows_addresses);
                is_known.then(|| count(group.unfamiliar(memory, stretch, order.position, past)))
            }
            Measure::UnpaidShare => {
                let unpaid = group.unpaid(memory, stretch);
                ratio(unpaid.into(), self.merchant.sum(stretch).0.into())
            }
            Measure::Heat => {
                let orders = group.totals(memory, stretch).orders;
                let base = self.stretch(stretch.after, HEAT_BASE)?;
                let expected = u128::from(group.totals(memory, base).orders) * millis(window);
                ratio(u128::from(orders) * millis(HEAT_BASE), expected)
            }
        }
    }

    /// The window before a time; `None` when some of what it would hold may be forgotten.
    fn stretch(&self, through: i64, window: Span) -> Option<Stretch> {
        let after = through.saturating_sub(window.millis());
        let complete = self.forgotten.is_none_or(|forgotten| after >= forgotten);
        complete.then_some(Stretch { after, through })
    }

    fn customer_is_new(&self, orders: &Group) -> bool {
        self.past.is_none() && orders.is_first(self.memory, self.order.position)
    }

    fn device_known(&self, orders: &mut Group) -> Option<bool> {
        let device = self.order.key(Entity::Device)?;
        let used_before = self.past.map_or(Some(false), |past| past.used(device));
        if used_before == Some(true) || orders.device_occurred(self.memory, self.order) {
            Some(true)
        } else {
            used_before
        }
    }

    fn device_known_for(&self, orders: &mut Group) -> Option<Span> {
        let device = self.order.key(Entity::Device)?;
        let first = match self.past.and_then(|past| past.first_use(device)) {
            Some(first) => first,
            None if self.past.is_some_and(|past| past.used(device).is_none()) => return None,
            None => orders.device_first(self.memory, self.order).time,
        };
        Some(Span::from_millis(self.order.position.time.saturating_sub(first)))
    }

    fn address_changed(&self, orders: &mut Group) -> Option<bool> {
        let address = self.order.key(Entity::Address)?;
        let remembered = orders.address_before(self.memory, self.order.position);
        let before = remembered.or_else(|| self.past?.last_address())?;
        Some(before != address)
    }

    fn address_familiar(&self, orders: &mut Group) -> Option<bool> {
        let address = self.order.key(Entity::Address)?;
        let is_familiar = orders.is_familiar(self.memory, address, self.order.position, self.past);
        (is_familiar || self.past.is_none_or(Past::knows_addresses)).then_some(is_familiar)
    }
}

fn millis(span: Span) -> u128 {
    u128::from(span.millis().unsigned_abs())
}

fn count<N: TryInto<i64>>(number: N) -> Value {
    Value::Int(number.try_into().unwrap_or(i64::MAX))
}

/// `None` when there is nothing to compare with.
fn ratio(part: u128, whole: u128) -> Option<Value> {
    let part = Decimal::try_from_i128_with_scale(i128::try_from(part).ok()?, 0).ok()?;
    let whole = Decimal::try_from_i128_with_scale(i128::try_from(whole).ok()?, 0).ok()?;
    part.checked_div(whole).map(|ratio| Value::Decimal(ratio.round_dp(PLACES)))
}
