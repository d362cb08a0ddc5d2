//! Which orders are in each other's windows: what a late order or an amendment reaches, and what a rule's window holds.
//!
//! Nothing here is kept: it is looked up in the groups when somebody asks, which for most orders nobody does. Answers are
//! bounded, and the same for the same log.

use domain::feature::{Entity, Feature, FeatureRef, Measure};
use domain::time::Span;

use super::entities::ALL;
use super::observe::{HEAT_BASE, looks_at};
use super::order::{Key, Order, Position, SkuUnits};
use super::series::Stretch;
use super::tally::{Tally, is_abandoned};
use super::{RETENTION, Windows};

/// The most orders of one window that are looked at for the ones that are wanted.
const LOOKED_AT_MAX: u64 = 1_024;

/// Where an order lies and whose it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Trace {
    position: Position,
    keys: [Option<Key>; ALL.len()],
}

impl Trace {
    fn of(order: &Order) -> Self {
        Self { position: order.position, keys: ALL.map(|entity| order.key(entity)) }
    }
}

/// Some orders of a window, by their stream numbers, earliest first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Company {
    pub(crate) orders: Vec<u64>,
    /// Those that were too many to be looked at.
    pub(crate) left_out: u64,
}

impl Windows {
    /// Whether the order that was placed last lies not behind all others.
    pub(crate) const fn came_late(&self) -> bool {
        self.came_late
    }

    /// Where an order lies; `None` when it is not remembered.
    pub(crate) fn trace(&self, order: u64) -> Option<Trace> {
        self.remembered_order(order).map(Trace::of)
    }

    /// Whether all is remembered that features of an order can look at.
    pub(crate) fn remembers(&self, order: u64, features: &[FeatureRef]) -> bool {
        let (Some(order), Some(forgotten)) = (self.remembered_order(order), self.forgotten) else {
            return self.forgotten.is_none();
        };
        let reach = |feature: &FeatureRef| match (feature.feature, feature.window) {
            (Feature::Windowed(_, Measure::Heat), Some(window)) => window.millis() + HEAT_BASE.millis(),
            (_, window) => window.map_or(0, Span::millis),
        };
        let reach = features.iter().map(reach).max().unwrap_or_default();
        order.position.time.saturating_sub(reach) >= forgotten
    }

    /// Whether an order lies in the window of another one; allocates nothing.
    pub(crate) fn reaches_others(&self, order: u64, features: &[FeatureRef]) -> bool {
        let Some(own) = self.remembered_order(order) else { return false };
        looked_at(features).any(|(entity, reach)| {
            let stretch = behind(own.position.time, reach);
            let group = own.key(entity).and_then(|key| self.entities.group(entity, key));
            group.is_some_and(|group| group.holds_another(&self.memory, stretch, own.position))
        })
    }

    /// The orders that look back at an order where it is or was: of each of its entities, as far as the one of `features` looks that
    /// looks farthest among the entity's orders; the latest ones where there are more than `max`, earliest first.
    pub(crate) fn reached(&self, order: u64, traces: &[Trace], features: &[FeatureRef], max: usize) -> Vec<u64> {
        let mut found: Vec<(Position, u64)> = Vec::new();
        for (entity, reach) in looked_at(features) {
            for trace in traces {
                let Some(group) = trace.keys[entity as usize].and_then(|key| self.entities.group(entity, key)) else {
                    continue;
                };
                let others = group.latest(&self.memory, behind(trace.position.time, reach));
                let others = others.filter(|other| other.number != order).take(max);
                found.extend(others.map(|other| (other.position, other.number)));
            }
        }
        found.sort_unstable();
        found.dedup();
        found.drain(..found.len().saturating_sub(max));
        found.into_iter().map(|(_, number)| number).collect()
    }

    /// The other orders that a feature counts for an order where it is or was: the latest that have not left, at most `max`.
    pub(crate) fn counted(&self, order: u64, trace: Trace, feature: FeatureRef, max: usize) -> Company {
        let (Feature::Windowed(entity, measure), Some(window)) = (feature.feature, feature.window) else {
            return Company::default();
        };
        let Some(group) = trace.keys[entity as usize].and_then(|key| self.entities.group(entity, key)) else {
            return Company::default();
        };
        let through = trace.position.time;
        let skus = self.remembered_order(order).and_then(|order| order.skus.known()).unwrap_or_default();
        let stretch = Stretch { after: through.saturating_sub(window.millis()), through };
        let mut company = Company::default();
        for (looked_at, other) in (0..).zip(group.latest(&self.memory, stretch)) {
            if company.orders.len() == max || looked_at == LOOKED_AT_MAX {
                company.left_out = u64::from(group.totals(&self.memory, stretch).orders).saturating_sub(looked_at);
                break;
            }
            if other.number != order && !other.reported.has_left() && counts(measure, other, through, skus) {
                company.orders.push(other.number);
            }
        }
        company.orders.reverse();
        company
    }

    /// Whether a feature counts an order for another one.
    pub(crate) fn counts_for(&self, order: u64, other: u64, feature: FeatureRef) -> bool {
        let (Feature::Windowed(entity, measure), Some(window)) = (feature.feature, feature.window) else {
            return false;
        };
        let (Some(own), Some(other)) = (self.remembered_order(order), self.remembered_order(other)) else {
            return false;
        };
        let is_alike = own.key(entity).is_some_and(|key| other.key(entity) == Some(key));
        let (stretch, now) = (behind(own.position.time, window), other.position.time);
        let lies_behind = stretch.after < now && now <= stretch.through;
        is_alike && lies_behind && counts(measure, own, now, other.skus.known().unwrap_or_default())
    }

    /// The other orders for which a feature counts an order: at most `max`, earliest first.
    pub(crate) fn counting(&self, order: u64, feature: FeatureRef, max: usize) -> Company {
        let (Feature::Windowed(entity, measure), Some(window)) = (feature.feature, feature.window) else {
            return Company::default();
        };
        let Some(own) = self.remembered_order(order) else { return Company::default() };
        let Some(group) = own.key(entity).and_then(|key| self.entities.group(entity, key)) else {
            return Company::default();
        };
        let stretch = behind(own.position.time, window);
        let mut company = Company::default();
        // What does not count at the end of a stretch, beside its own SKUs, counts nowhere in it.
        if !counts(measure, own, stretch.through, own.skus.known().unwrap_or_default()) {
            return company;
        }
        for (looked_at, other) in (0..).zip(group.earliest(&self.memory, stretch)) {
            if company.orders.len() == max || looked_at == LOOKED_AT_MAX {
                company.left_out = u64::from(group.totals(&self.memory, stretch).orders).saturating_sub(looked_at);
                break;
            }
            let skus = other.skus.known().unwrap_or_default();
            if other.number != order && counts(measure, own, other.position.time, skus) {
                company.orders.push(other.number);
            }
        }
        company
    }

    fn remembered_order(&self, order: u64) -> Option<&Order> {
        self.memory.get(self.arrivals.get(order)?)
    }
}

/// The entities whose orders some features look at, and how far back; without a window that is as far as orders are
/// remembered. A province has nobody screened again.
fn looked_at(features: &[FeatureRef]) -> impl Iterator<Item = (Entity, Span)> {
    let reach = |entity| {
        let of_entity = features.iter().filter(move |feature| looks_at(feature.feature) == Some(entity));
        of_entity.map(|feature| feature.window.unwrap_or(RETENTION)).max()
    };
    ALL.into_iter().filter(|entity| *entity != Entity::Region).filter_map(move |entity| Some((entity, reach(entity)?)))
}

/// The times of the orders whose windows hold a time.
const fn behind(time: i64, window: Span) -> Stretch {
    Stretch { after: time.saturating_sub(1), through: time.saturating_add(window.millis() - 1) }
}

/// Whether a measure at a time counts an order, for one with these SKUs.
fn counts(measure: Measure, order: &Order, now: i64, skus: &[SkuUnits]) -> bool {
    match measure {
        Measure::Unpaid | Measure::UnpaidShare => order.reported.is_unpaid(),
        Measure::Abandoned => is_abandoned(&Tally::of(order), now),
        Measure::SkuQuantity => order.skus.iter().any(|units| skus.iter().any(|other| other.sku == units.sku)),
        Measure::Orders
        | Measure::Amount
        | Measure::Quantity
        | Measure::Customers
        | Measure::Devices
        | Measure::Addresses
        | Measure::UnfamiliarAddresses
        | Measure::Phones
        | Measure::Heat => true,
    }
}

#[cfg(test)]
mod tests {
    use domain::ids::Token;
    use domain::order::{Facts, Line, OrderEvent, Placed, Status, StatusReported};
    use domain::time::Timestamp;

    use super::*;

    /// Orders of two devices and of none within two minutes, in no order of time, of two SKUs; the fourth is paid.
    fn windows() -> Windows {
        let mut windows = Windows::new();
        let devices = [Some(1), Some(1), Some(2), Some(1), None, Some(1), Some(2), Some(1)];
        let seconds = [0, 60, 60, 10, 10, 61, 0, 60];
        for (number, (device, second)) in (1..).zip(devices.into_iter().zip(seconds)) {
            let at = Timestamp::from_millis(second * 1_000);
            let sku = if number % 3 == 0 { "B" } else { "A" };
            let line = Line { sku: sku.into(), title: None, quantity: 1, unit_price: None };
            let device = device.map(|device| Token::new([device; 16]));
            let facts = Facts { placed_at: Some(at), device, lines: Some(vec![line]), ..Facts::default() };
            let (channel, order_no) = ("web".parse().unwrap(), "A1".parse().unwrap());
            windows.apply(
                number,
                &OrderEvent::Placed(Placed { channel, order_no, as_of: None, facts, vault: None }),
                at,
            );
        }
        let at = Timestamp::from_millis(120_000);
        let paid = StatusReported {
            source: "wms".into(),
            status: Status::Paid,
            occurred_at: at,
            counts_from: None,
            refunded: None,
        };
        windows.apply(4, &OrderEvent::StatusReported(paid), at);
        windows
    }

    #[test]
    fn an_order_counts_for_another_exactly_where_it_is_found_in_its_window() {
        let windows = windows();
        for (name, pairs) in [("device.orders", 8), ("device.unpaid", 5), ("device.sku_quantity", 5)] {
            let feature = FeatureRef { feature: Feature::named(name).unwrap(), window: Some(Span::from_secs(60)) };
            let mut found = 0;
            for (order, other) in (1..=8).flat_map(|order| (1..=8).map(move |other| (order, other))) {
                let is_counted = order != other && windows.counts_for(order, other, feature);
                let counting = windows.counting(order, feature, 8);
                let counted = windows.counted(other, windows.trace(other).unwrap(), feature, 8);
                assert_eq!(is_counted, counting.orders.contains(&other), "{name} of {other} counts {order}");
                assert_eq!(is_counted, counted.orders.contains(&order), "{name} of {other} counts {order}");
                found += usize::from(is_counted);
            }
            assert_eq!(found, pairs, "{name}");
        }
    }
}
