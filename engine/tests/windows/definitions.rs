//! What every feature means, written down plainly: a list of all orders, looked through from end to end each time.

use std::collections::BTreeSet;

use chrono::Timelike;
use domain::feature::{Entity, Feature, FeatureRef, Measure, Value};
use domain::ids::Token;
use domain::order::{Facts, OrderEvent, Status};
use domain::phone::PhoneKind;
use domain::time::{Span, Timestamp, window_time};
use rust_decimal::Decimal;

use crate::given::ZONE;

const RETENTION_MILLIS: i64 = 60 * 86_400_000;
const DAY_MILLIS: i64 = 86_400_000;

/// One order as it stands, or as it stood when it was evicted.
pub(crate) struct Known {
    number: u64,
    recorded_at: Timestamp,
    pub(crate) facts: Facts,
    statuses: BTreeSet<Status>,
    evicted: bool,
}

/// Everything that happened.
#[derive(Default)]
pub(crate) struct Definitions {
    orders: Vec<Known>,
    early: Vec<(u64, Status)>,
    forgotten: Option<i64>,
}

impl Known {
    fn time(&self) -> i64 {
        self.facts.placed_at.map_or(self.recorded_at, |placed_at| window_time(placed_at, self.recorded_at)).millis()
    }

    fn is_unpaid(&self) -> bool {
        self.statuses.iter().all(|status| *status == Status::Cancelled)
    }

    fn is_abandoned(&self, now: i64) -> bool {
        let overdue = self.facts.payment_due_at.is_some_and(|due| due.millis() <= now);
        self.is_unpaid() && (self.statuses.contains(&Status::Cancelled) || overdue)
    }

    fn is_good(&self) -> bool {
        let arrived = self.statuses.contains(&Status::Delivered) || self.statuses.contains(&Status::Completed);
        arrived && !self.statuses.contains(&Status::Refunded)
    }

    fn customer(&self) -> Option<Token> {
        self.facts.customer.as_ref()?.token
    }

    fn address(&self) -> Option<Token> {
        self.facts.delivery.as_ref()?.address
    }

    fn phone(&self) -> Option<Token> {
        self.facts.phone().filter(|phone| phone.kind != PhoneKind::Privacy).map(|phone| phone.token)
    }

    fn entity(&self, entity: Entity) -> Option<String> {
        Some(match entity {
            Entity::Customer => self.customer()?.to_string(),
            Entity::Device => self.facts.device?.to_string(),
            Entity::Ip => self.facts.ip?.token.to_string(),
            Entity::Ip24 => self.facts.ip?.net.to_string(),
            Entity::Phone => self.phone()?.to_string(),
            Entity::Address => self.address()?.to_string(),
            Entity::Region => self.facts.delivery.as_ref()?.province.as_deref()?.to_owned(),
        })
    }

    fn units(&self, sku: &str) -> i64 {
        let lines = self.facts.lines.iter().flatten();
        lines.filter(|line| &*line.sku == sku).map(|line| i64::from(line.quantity)).sum()
    }
}

impl Definitions {
    pub(crate) fn apply(&mut self, number: u64, event: &OrderEvent, recorded_at: Timestamp) {
        let live = self.orders.iter_mut().find(|order| order.number == number);
        match event {
            OrderEvent::Placed(placed) => {
                let early = self.early.iter().filter(|(other, _)| *other == number);
                let statuses = early.map(|(_, status)| *status).collect();
                let facts = placed.facts.clone();
                self.orders.push(Known { number, recorded_at, facts, statuses, evicted: false });
            }
            OrderEvent::Amended(amended) => {
                if let Some(order) = live.filter(|order| !order.evicted) {
                    order.facts = merged(&order.facts, &amended.changes);
                }
            }
            OrderEvent::StatusReported(report) => match live {
                Some(order) if order.evicted => {}
                Some(order) => {
                    order.statuses.insert(report.status);
                }
                None => self.early.push((number, report.status)),
            },
            _ => unreachable!("histories hold no other events"),
        }
        self.evict();
    }

    pub(crate) fn order(&self, number: u64) -> Option<&Known> {
        self.orders.iter().find(|order| order.number == number)
    }

    pub(crate) fn remembered(&self) -> usize {
        self.orders.iter().filter(|order| !order.evicted).count()
    }

    /// What is behind the horizon, and what comes behind something that is forgotten already.
    fn evict(&mut self) {
        let Some(newest) = self.orders.iter().map(Known::time).max() else { return };
        let horizon = self.forgotten.map_or(newest - RETENTION_MILLIS, |time| time.max(newest - RETENTION_MILLIS));
        for index in 0..self.orders.len() {
            if self.orders[index].time() < horizon {
                self.forget(index);
            }
        }
    }

    pub(crate) fn forget_earliest(&mut self, count: usize) {
        for _ in 0..count {
            let remembered = (0..self.orders.len()).filter(|index| !self.orders[*index].evicted);
            let Some(earliest) = remembered.min_by_key(|index| (self.orders[*index].time(), *index)) else { return };
            self.forget(earliest);
        }
    }

    fn forget(&mut self, index: usize) {
        let order = &mut self.orders[index];
        if !order.evicted {
            order.evicted = true;
            self.forgotten = self.forgotten.max(Some(order.time()));
        }
    }

    pub(crate) fn value(&self, number: u64, feature: FeatureRef) -> Option<Value> {
        let index = self.orders.iter().position(|order| order.number == number)?;
        let order = &self.orders[index];
        let facts = &order.facts;
        let time = if order.evicted { facts.placed_at } else { Some(Timestamp::from_millis(order.time())) };
        let lines = facts.lines.as_ref();
        let quantities = || lines.into_iter().flatten().map(|line| i64::from(line.quantity));
        let customer = facts.customer.as_ref();
        Some(match feature.feature {
            Feature::OrderAmount => Value::Int(facts.amount?),
            Feature::OrderQuantity => Value::Int(lines.map(|_| quantities().sum())?),
            Feature::OrderLines => Value::Int(lines.map(|_| quantities().fold(0, |count, _| count + 1))?),
            Feature::OrderMaxLineQuantity => Value::Int(lines.map(|_| quantities().fold(0, i64::max))?),
            Feature::OrderHour => Value::Int(time?.to_datetime().with_timezone(&ZONE).hour().into()),
            Feature::OrderChannel => Value::Text("web".into()),
            Feature::OrderCurrency => Value::Text(facts.currency.as_deref()?.into()),
            Feature::CustomerLevel => Value::Int(customer?.level?.into()),
            Feature::CustomerAge => {
                let registered_at = customer?.registered_at.filter(|registered_at| Some(*registered_at) <= time)?;
                Value::Duration(time?.since(registered_at))
            }
            Feature::CustomerAgeKnown => {
                Value::Bool(customer?.registered_at.is_some_and(|registered_at| Some(registered_at) <= time))
            }
            Feature::PhoneKind => {
                let kind = serde_json::to_value(facts.phone()?.kind).unwrap();
                Value::Text(kind.as_str().unwrap().into())
            }
            Feature::Signal(_) => unreachable!("windows hold no signals"),
            Feature::CustomerIsNew
            | Feature::DeviceKnown
            | Feature::DeviceKnownFor
            | Feature::AddressChanged
            | Feature::AddressFamiliar
            | Feature::Windowed(..) => return if order.evicted { None } else { self.among_others(index, feature) },
        })
    }

    /// The customer's other orders that are earlier, earliest first.
    fn earlier(&self, index: usize) -> Option<Vec<&Known>> {
        let customer = self.orders[index].customer()?;
        let place = |index: usize| (self.orders[index].time(), index);
        let mut earlier: Vec<usize> = (0..self.orders.len())
            .filter(|other| self.orders[*other].customer() == Some(customer) && place(*other) < place(index))
            .collect();
        earlier.sort_by_key(|other| place(*other));
        Some(earlier.into_iter().map(|other| &self.orders[other]).collect())
    }

    fn is_familiar(earlier: &[&Known], address: Token) -> bool {
        earlier.iter().filter(|order| order.address() == Some(address) && order.is_good()).count() >= 2
    }

    fn among_others(&self, index: usize, feature: FeatureRef) -> Option<Value> {
        let order = &self.orders[index];
        Some(match feature.feature {
            Feature::CustomerIsNew => Value::Bool(self.earlier(index)?.is_empty()),
            Feature::DeviceKnown => {
                let device = order.facts.device?;
                Value::Bool(self.earlier(index)?.iter().any(|other| other.facts.device == Some(device)))
            }
            Feature::DeviceKnownFor => {
                let device = order.facts.device?;
                let mut earlier = self.earlier(index)?.into_iter();
                let first = earlier.find(|other| other.facts.device == Some(device)).unwrap_or(order);
                Value::Duration(Span::from_millis(order.time() - first.time()))
            }
            Feature::AddressChanged => {
                let before = self.earlier(index)?.iter().rev().find_map(|other| other.address());
                Value::Bool(order.address()? != before?)
            }
            Feature::AddressFamiliar => Value::Bool(Self::is_familiar(&self.earlier(index)?, order.address()?)),
            Feature::Windowed(entity, measure) => {
                let window = feature.window.unwrap().millis();
                let key = order.entity(entity)?;
                let of_entity = |other: &&Known| other.entity(entity).as_ref() == Some(&key);
                let all = self.within(order.time(), window)?;
                let counted: Vec<&Known> = all.iter().copied().filter(of_entity).collect();
                let base = self.within(order.time() - window, DAY_MILLIS);
                match measure {
                    Measure::UnpaidShare => {
                        let unpaid = |orders: &[&Known]| orders.iter().filter(|other| other.is_unpaid()).count();
                        quotient(unpaid(&counted), unpaid(&all), Decimal::ONE)?
                    }
                    Measure::Heat => {
                        let base = base?.iter().copied().filter(of_entity).count();
                        quotient(counted.len(), base, Decimal::from(DAY_MILLIS) / Decimal::from(window))?
                    }
                    measure => Value::Int(self.measure(index, measure, &counted)?),
                }
            }
            _ => unreachable!("the order's own facts answer that"),
        })
    }

    /// All orders of the merchant in a window that ends at `time`; `None` when some of them may be forgotten.
    fn within(&self, time: i64, window: i64) -> Option<Vec<&Known>> {
        if self.forgotten.is_some_and(|forgotten| time - window < forgotten) {
            return None;
        }
        Some(self.orders.iter().filter(|order| time - window < order.time() && order.time() <= time).collect())
    }

    fn measure(&self, index: usize, measure: Measure, orders: &[&Known]) -> Option<i64> {
        let order = &self.orders[index];
        let count = |test: &dyn Fn(&Known) -> bool| orders.iter().filter(|other| test(other)).count();
        let distinct = |value: &dyn Fn(&Known) -> Option<Token>| {
            orders.iter().filter_map(|other| value(other)).collect::<BTreeSet<_>>().len()
        };
        let counted = match measure {
            Measure::Orders => orders.len(),
            Measure::Unpaid => count(&Known::is_unpaid),
            Measure::Abandoned => count(&|other| other.is_abandoned(order.time())),
            Measure::Customers => distinct(&Known::customer),
            Measure::Devices => distinct(&|other| other.facts.device),
            Measure::Addresses => distinct(&Known::address),
            Measure::Phones => distinct(&Known::phone),
            Measure::UnfamiliarAddresses => {
                let earlier = self.earlier(index)?;
                distinct(&|other| other.address().filter(|address| !Self::is_familiar(&earlier, *address)))
            }
            Measure::Amount => return Some(orders.iter().filter_map(|other| other.facts.amount).sum()),
            Measure::Quantity => {
                let lines = orders.iter().flat_map(|other| other.facts.lines.iter().flatten());
                return Some(lines.map(|line| i64::from(line.quantity)).sum());
            }
            Measure::SkuQuantity => {
                let skus = order.facts.lines.as_ref()?.iter().map(|line| &line.sku);
                return skus.map(|sku| orders.iter().map(|other| other.units(sku)).sum()).max();
            }
            Measure::UnpaidShare | Measure::Heat => unreachable!("these are no counts"),
        };
        Some(i64::try_from(counted).unwrap())
    }
}

fn quotient(part: usize, whole: usize, factor: Decimal) -> Option<Value> {
    (whole > 0).then(|| Value::Decimal((Decimal::from(part) * factor / Decimal::from(whole)).round_dp(4)))
}

/// The facts with the changes in place of what they change.
fn merged(facts: &Facts, changes: &Facts) -> Facts {
    let (mut stored, changes) = (serde_json::to_value(facts).unwrap(), serde_json::to_value(changes).unwrap());
    merge_json(&mut stored, changes, 0);
    serde_json::from_value(stored).unwrap()
}

fn merge_json(stored: &mut serde_json::Value, changes: serde_json::Value, depth: usize) {
    match (stored, changes) {
        // Facts, and the groups `customer` and `delivery` inside; a phone or an IP address is one fact.
        (serde_json::Value::Object(stored), serde_json::Value::Object(changes)) if depth < 2 => {
            for (name, change) in changes {
                merge_json(stored.entry(name).or_insert(serde_json::Value::Null), change, depth + 1);
            }
        }
        (stored, change) => *stored = change,
    }
}
