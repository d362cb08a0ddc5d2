//! Orders, reports and questions in few words.

use chrono_tz::Tz;
use domain::feature::{Feature, FeatureRef, Value};
use domain::ids::Token;
use domain::order::{
    Amended, CustomerFacts, DeliveryFacts, Facts, IpFacts, Line, OrderEvent, PhoneFacts, Placed, Status, StatusReported,
};
use domain::phone::PhoneKind;
use domain::time::{Span, Timestamp};
use engine::windows::Windows;

pub(crate) const ZONE: Tz = Tz::Asia__Shanghai;

/// A second of the test's own time; zero is 2026-11-11T00:00:00+08:00.
pub(crate) const fn second(second: i64) -> Timestamp {
    Timestamp::from_millis(1_794_326_400_000 + second * 1_000)
}

pub(crate) const fn day(day: i64) -> Timestamp {
    second(day * 86_400)
}

/// Some token: equal numbers give equal tokens.
pub(crate) fn token(number: u8) -> Token {
    let mut bytes = [number; 16];
    bytes[0] = number.wrapping_mul(37);
    Token::new(bytes)
}

/// Facts, one after the other.
#[derive(Clone, Default)]
pub(crate) struct Order(pub(crate) Facts);

pub(crate) fn order() -> Order {
    Order::default()
}

impl Order {
    fn buyer(&mut self) -> &mut CustomerFacts {
        self.0.customer.get_or_insert_default()
    }

    fn delivery(&mut self) -> &mut DeliveryFacts {
        self.0.delivery.get_or_insert_default()
    }

    pub(crate) fn at(mut self, time: Timestamp) -> Self {
        self.0.placed_at = Some(time);
        self
    }

    pub(crate) fn customer(mut self, number: u8) -> Self {
        self.buyer().token = Some(token(number));
        self
    }

    pub(crate) fn buyer_phone(mut self, number: u8, kind: PhoneKind) -> Self {
        self.buyer().phone = Some(PhoneFacts { token: token(number), kind });
        self
    }

    pub(crate) fn recipient_phone(mut self, number: u8, kind: PhoneKind) -> Self {
        self.delivery().phone = Some(PhoneFacts { token: token(number), kind });
        self
    }

    pub(crate) fn address(mut self, number: u8) -> Self {
        self.delivery().address = Some(token(number));
        self
    }

    pub(crate) fn province(mut self, name: &str) -> Self {
        self.delivery().province = Some(name.into());
        self
    }

    pub(crate) fn device(mut self, number: u8) -> Self {
        self.0.device = Some(token(number));
        self
    }

    pub(crate) fn ip(mut self, number: u8, net: u8) -> Self {
        self.0.ip = Some(IpFacts { token: token(number), net: token(net) });
        self
    }

    pub(crate) fn amount(mut self, amount: i64) -> Self {
        self.0.amount = Some(amount);
        self
    }

    pub(crate) fn line(mut self, sku: &str, quantity: u32) -> Self {
        let line = Line { sku: sku.into(), title: None, quantity, unit_price: None };
        self.0.lines.get_or_insert_default().push(line);
        self
    }

    pub(crate) fn due(mut self, time: Timestamp) -> Self {
        self.0.payment_due_at = Some(time);
        self
    }
}

/// A merchant whose orders are known by the numbers that the test gives them.
#[derive(Default)]
pub(crate) struct Merchant {
    pub(crate) windows: Windows,
    facts: std::collections::HashMap<u64, Facts>,
}

impl Merchant {
    /// Places an order; it is recorded when it claims to be placed.
    pub(crate) fn place(&mut self, number: u64, order: Order) -> &mut Self {
        let recorded_at = order.0.placed_at.unwrap_or(second(0));
        self.place_recorded(number, order, recorded_at)
    }

    pub(crate) fn place_recorded(&mut self, number: u64, order: Order, recorded_at: Timestamp) -> &mut Self {
        self.facts.insert(number, order.0.clone());
        self.windows.apply(number, &placed(order.0), recorded_at);
        self
    }

    /// Amends windows only: what is observed of the order's own facts stays as placed.
    pub(crate) fn amend(&mut self, number: u64, order: Order) -> &mut Self {
        self.windows.apply(number, &amended(order.0), second(0));
        self
    }

    pub(crate) fn report(&mut self, number: u64, status: Status) -> &mut Self {
        self.windows.apply(number, &reported(status), second(0));
        self
    }

    pub(crate) fn report_all(&mut self, number: u64, statuses: &[Status]) -> &mut Self {
        for status in statuses {
            self.report(number, *status);
        }
        self
    }

    /// Reads `device.orders[5m]` and the like.
    pub(crate) fn see(&mut self, number: u64, feature: &str) -> Option<Value> {
        let facts = self.facts.get(&number).cloned().unwrap_or_default();
        // What was read before must not stay.
        let mut out = vec![Some(Value::Bool(true))];
        self.windows.observe(number, "web", &facts, ZONE, &[feature_ref(feature)], &mut out);
        assert_eq!(out.len(), 1);
        out.remove(0)
    }
}

pub(crate) fn feature_ref(text: &str) -> FeatureRef {
    let (name, window) = text.split_once('[').map_or((text, None), |(name, rest)| (name, Some(rest)));
    let window = window.map(|rest| rest.trim_end_matches(']').parse::<Span>().unwrap());
    FeatureRef { feature: Feature::named(name).unwrap(), window }
}

pub(crate) fn placed(facts: Facts) -> OrderEvent {
    let (channel, order_no) = ("web".parse().unwrap(), "A1".parse().unwrap());
    OrderEvent::Placed(Placed { channel, order_no, as_of: None, facts, vault: None })
}

pub(crate) fn amended(changes: Facts) -> OrderEvent {
    // What was superseded must have no effect, so it says something wild.
    let superseded = order().customer(250).device(250).amount(7_777).at(second(-86_400)).0;
    OrderEvent::Amended(Amended { as_of: second(0), changes, superseded, vault: None })
}

pub(crate) fn reported(status: Status) -> OrderEvent {
    OrderEvent::StatusReported(StatusReported {
        source: "web".into(),
        status,
        occurred_at: second(0),
        counts_from: None,
        refunded: None,
    })
}
