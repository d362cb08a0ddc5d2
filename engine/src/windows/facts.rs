//! Features that an order's own facts answer.

use chrono::Timelike;
use chrono_tz::Tz;
use domain::feature::{Feature, Value};
use domain::order::{CustomerFacts, Facts};
use domain::phone::PhoneKind;
use domain::time::{Span, Timestamp};

/// What an order knows of itself.
#[derive(Clone, Copy)]
pub(super) struct Own<'a> {
    pub(super) facts: &'a Facts,
    pub(super) channel: &'a str,
    /// Where the windows place it.
    pub(super) time: Option<Timestamp>,
    /// The merchant's time zone.
    pub(super) zone: Tz,
}

impl Own<'_> {
    /// The value of a feature; `None` also for those that look at other orders.
    pub(super) fn read(&self, feature: Feature) -> Option<Value> {
        let facts = self.facts;
        let customer = facts.customer.as_ref();
        match feature {
            Feature::OrderAmount => facts.amount.map(Value::Int),
            Feature::OrderQuantity => self.quantities(|quantities| quantities.sum()),
            Feature::OrderLines => self.quantities(|quantities| quantities.map(|_| 1).sum()),
            Feature::OrderMaxLineQuantity => self.quantities(|quantities| quantities.max().unwrap_or(0)),
            Feature::OrderHour => {
                let local = self.time?.to_datetime().with_timezone(&self.zone);
                Some(Value::Int(local.hour().into()))
            }
            Feature::OrderChannel => Some(Value::Text(self.channel.into())),
            Feature::OrderCurrency => facts.currency.as_deref().map(|currency| Value::Text(currency.into())),
            Feature::CustomerLevel => customer?.level.map(|level| Value::Int(level.into())),
            Feature::CustomerAge => self.age(customer?).map(Value::Duration),
            Feature::CustomerAgeKnown => Some(Value::Bool(self.age(customer?).is_some())),
            Feature::PhoneKind => facts.phone().map(|phone| Value::Text(kind_name(phone.kind).into())),
            Feature::CustomerIsNew
            | Feature::DeviceKnown
            | Feature::DeviceKnownFor
            | Feature::AddressChanged
            | Feature::AddressFamiliar
            | Feature::Windowed(..)
            | Feature::Signal(_) => None,
        }
    }

    /// Registered after ordering: the clocks of two systems differ, and nothing is known of the time between.
    fn age(&self, customer: &CustomerFacts) -> Option<Span> {
        let (registered_at, time) = (customer.registered_at?, self.time?);
        (registered_at <= time).then(|| time.since(registered_at))
    }

    fn quantities(&self, measure: impl FnOnce(&mut dyn Iterator<Item = i64>) -> i64) -> Option<Value> {
        let lines = self.facts.lines.as_ref()?;
        Some(Value::Int(measure(&mut lines.iter().map(|line| i64::from(line.quantity)))))
    }
}

/// As in [`PhoneKind::NAMES`].
const fn kind_name(kind: PhoneKind) -> &'static str {
    match kind {
        PhoneKind::Mobile => "mobile",
        PhoneKind::Virtual => "virtual",
        PhoneKind::Privacy => "privacy",
        PhoneKind::Landline => "landline",
        PhoneKind::Foreign => "foreign",
        PhoneKind::Unknown => "unknown",
    }
}
