//! Features that look at other orders.

use domain::feature::{Entity, Feature, FeatureRef, Measure, Value};
use domain::time::Span;
use rust_decimal::Decimal;

use super::entities::Entities;
use super::memory::Memory;
use super::order::{Dimension, Order};
use super::series::{Series, Stretch};
use super::tally::Unpaid;

/// Decimal features have four places; a tie goes to the even neighbour.
const PLACES: u32 = 4;
/// What `region.heat` compares with: the orders of this long before the window.
const HEAT_BASE: Span = Span::from_hours(24);

/// One remembered order, and what it is compared with.
pub(super) struct View<'a> {
    pub(super) order: &'a Order,
    pub(super) memory: &'a Memory,
    pub(super) entities: &'a mut Entities,
    /// All orders of the merchant.
    pub(super) merchant: &'a Series<Unpaid>,
    /// The latest event time of an order that is no longer remembered.
    pub(super) forgotten: Option<i64>,
}

impl View<'_> {
    /// The value of a feature; `None` also for those that the order's own facts answer.
    pub(super) fn read(&mut self, feature: FeatureRef) -> Option<Value> {
        match feature.feature {
            Feature::CustomerIsNew => self.customer_is_new().map(Value::Bool),
            Feature::DeviceKnown => self.device_known().map(Value::Bool),
            Feature::AddressChanged => self.address_changed().map(Value::Bool),
            Feature::AddressFamiliar => self.address_familiar().map(Value::Bool),
            Feature::Windowed(entity, measure) => self.windowed(entity, measure, feature.window?),
            _ => None,
        }
    }

    fn windowed(&mut self, entity: Entity, measure: Measure, window: Span) -> Option<Value> {
        let key = self.order.key(entity)?;
        let stretch = self.stretch(self.order.position.time, window)?;
        let (order, memory) = (self.order, self.memory);
        let (group, past) = self.entities.group_and_past(entity, key);
        let group = group?;
        let mut distinct = |dimension| Some(count(group.distinct(memory, stretch, dimension)));
        match measure {
            Measure::Orders => Some(count(group.totals(memory, stretch).orders)),
            Measure::Unpaid => Some(count(group.totals(memory, stretch).unpaid)),
            Measure::Abandoned => Some(count(group.abandoned(memory, stretch))),
            Measure::Amount => Some(Value::Int(group.totals(memory, stretch).amount)),
            Measure::Quantity => Some(count(group.totals(memory, stretch).quantity)),
            Measure::SkuQuantity => group.most_units(memory, stretch, order).map(count),
            Measure::Customers => distinct(Dimension::Customer),
            Measure::Devices => distinct(Dimension::Device),
            Measure::Addresses => distinct(Dimension::Address),
            Measure::Phones => distinct(Dimension::Phone),
            Measure::UnfamiliarAddresses => Some(count(group.unfamiliar(memory, stretch, order.position, past))),
            Measure::UnpaidShare => {
                let unpaid = group.totals(memory, stretch).unpaid;
                ratio(unpaid.into(), self.merchant.sum(stretch).0.into())
            }
            Measure::Heat => {
                let orders = group.totals(memory, stretch).orders;
                let base = self.stretch(stretch.after, HEAT_BASE)?;
                let group = self.entities.group(entity, key)?;
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

    fn customer_is_new(&mut self) -> Option<bool> {
        let customer = self.order.key(Entity::Customer)?;
        if self.entities.past(customer).is_some() {
            return Some(false);
        }
        let group = self.entities.group(Entity::Customer, customer)?;
        Some(group.is_first(self.memory, self.order.position))
    }

    fn device_known(&mut self) -> Option<bool> {
        let customer = self.order.key(Entity::Customer)?;
        let device = self.order.key(Entity::Device)?;
        if self.entities.past(customer).is_some_and(|past| past.used(device)) {
            return Some(true);
        }
        let group = self.entities.group(Entity::Customer, customer)?;
        Some(group.device_occurred(self.memory, self.order))
    }

    fn address_changed(&mut self) -> Option<bool> {
        let customer = self.order.key(Entity::Customer)?;
        let address = self.order.key(Entity::Address)?;
        let group = self.entities.group(Entity::Customer, customer)?;
        let remembered = group.address_before(self.memory, self.order.position);
        let before = remembered.or_else(|| self.entities.past(customer)?.last_address())?;
        Some(before != address)
    }

    fn address_familiar(&mut self) -> Option<bool> {
        let customer = self.order.key(Entity::Customer)?;
        let address = self.order.key(Entity::Address)?;
        let (group, past) = self.entities.group_and_past(Entity::Customer, customer);
        Some(group?.is_familiar(self.memory, address, self.order.position, past))
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
