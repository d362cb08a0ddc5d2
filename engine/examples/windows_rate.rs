//! Orders per second through the sliding windows in one thread, and bytes per remembered order.
//!
//! `cargo run --release -p engine --example windows_rate` prints: orders whose entities are all new; orders of one hot
//! customer, device, IP address, phone and address that already has 10 or 1,000,000 orders, 2 % of them late by up to five
//! seconds; and what a remembered order costs in memory (Linux).

use std::time::Instant;

use chrono_tz::Tz;
use domain::feature::{Feature, FeatureRef, Value};
use domain::ids::Token;
use domain::order::{CustomerFacts, DeliveryFacts, Facts, IpFacts, Line, OrderEvent, PhoneFacts, Placed};
use domain::phone::PhoneKind;
use domain::time::{Span, Timestamp};
use engine::windows::Windows;

/// What a large rulebook reads.
const FEATURES: [(&str, &str); 20] = [
    ("address.customers", "24h"),
    ("address.devices", "7d"),
    ("address.orders", "1h"),
    ("address.sku_quantity", "24h"),
    ("customer.abandoned", "7d"),
    ("customer.addresses", "24h"),
    ("customer.amount", "24h"),
    ("customer.orders", "5m"),
    ("customer.sku_quantity", "24h"),
    ("customer.unfamiliar_addresses", "7d"),
    ("customer.unpaid", "1h"),
    ("device.customers", "24h"),
    ("device.orders", "5m"),
    ("device.phones", "24h"),
    ("ip.customers", "1h"),
    ("ip.orders", "5m"),
    ("ip24.unpaid_share", "1h"),
    ("phone.customers", "30d"),
    ("phone.orders", "1h"),
    ("region.heat", "10m"),
];

/// A hundred orders a second.
const STEP_MILLIS: i64 = 10;
const START_MILLIS: i64 = 1_794_326_400_000;

/// Numbers that look random and are the same in every run.
struct Sequence(u64);

impl Sequence {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn token(&mut self) -> Token {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.next().to_be_bytes());
        Token::new(bytes)
    }
}

/// Draws the tokens of the next order.
type Draw<'a> = &'a mut dyn FnMut(&mut Sequence) -> Token;

fn facts(sequence: &mut Sequence, time: i64, draw: Draw<'_>) -> Facts {
    let line =
        Line { sku: format!("SKU-{}", sequence.next() % 100).into(), title: None, quantity: 2, unit_price: None };
    Facts {
        placed_at: Some(Timestamp::from_millis(time)),
        amount: Some(9_900),
        lines: Some(vec![line]),
        customer: Some(CustomerFacts {
            token: Some(draw(sequence)),
            phone: Some(PhoneFacts { token: draw(sequence), kind: PhoneKind::Mobile }),
            ..CustomerFacts::default()
        }),
        delivery: Some(DeliveryFacts {
            address: Some(draw(sequence)),
            province: Some(["浙江省", "广东省", "江苏省"][usize::try_from(sequence.next() % 3).unwrap_or(0)].into()),
            ..DeliveryFacts::default()
        }),
        device: Some(draw(sequence)),
        ip: Some(IpFacts { token: draw(sequence), net: draw(sequence) }),
        payment_due_at: Some(Timestamp::from_millis(time + 900_000)),
        ..Facts::default()
    }
}

/// A merchant's stream of orders.
struct Traffic {
    windows: Windows,
    sequence: Sequence,
    orders: u64,
    features: Vec<FeatureRef>,
    values: Vec<Option<Value>>,
}

impl Traffic {
    fn new() -> Self {
        let feature = |(name, window): (&str, &str)| FeatureRef {
            feature: Feature::named(name).expect("the catalogue has it"),
            window: Some(window.parse::<Span>().expect("a duration")),
        };
        let features = FEATURES.into_iter().map(feature).collect();
        Self { windows: Windows::new(), sequence: Sequence(1), orders: 0, features, values: Vec::new() }
    }

    fn events(&mut self, count: u64, draw: Draw<'_>) -> Vec<(u64, OrderEvent, Timestamp)> {
        let next = |_| {
            self.orders += 1;
            let now = START_MILLIS + i64::try_from(self.orders).unwrap_or(0) * STEP_MILLIS;
            let late = if self.sequence.next().is_multiple_of(50) { self.sequence.next() % 5_000 } else { 0 };
            let facts = facts(&mut self.sequence, now - i64::try_from(late).unwrap_or(0), draw);
            let (channel, order_no) = ("web".parse().expect("a channel"), "A1".parse().expect("a number"));
            let event = OrderEvent::Placed(Placed { channel, order_no, as_of: None, facts, vault: None });
            (self.orders, event, Timestamp::from_millis(now))
        };
        (0..count).map(next).collect()
    }

    /// Microseconds for one order, applied and observed.
    fn run(&mut self, events: &[(u64, OrderEvent, Timestamp)]) -> f64 {
        let start = Instant::now();
        for (order, event, recorded_at) in events {
            self.windows.apply(*order, event, *recorded_at);
            if let OrderEvent::Placed(placed) = event {
                let (features, values) = (&self.features, &mut self.values);
                self.windows.observe(*order, "web", &placed.facts, Tz::Asia__Shanghai, features, values);
            }
        }
        let events = u32::try_from(events.len()).unwrap_or(u32::MAX);
        start.elapsed().as_secs_f64() * 1e6 / f64::from(events)
    }
}

fn report(name: &str, micros: f64) {
    println!("{name:<58} {:>10.0} orders/s {micros:>8.2} µs", 1e6 / micros);
}

/// Resident memory of this process; `None` elsewhere than on Linux.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1_024)
}

fn main() {
    cold();
    for (name, many) in [("two values each", false), ("new values", true)] {
        hot(name, 10, 4, 5_000, many);
        hot(name, 1_000_000, 100_000, 1, many);
    }
}

/// Prints what one of `measured` orders costs that come to entities which have `orders` already, `times` over.
/// Of each order all entities are hot, or in turn one while the others are new.
fn hot(name: &str, orders: u64, measured: u64, times: u32, many: bool) {
    let mut micros = 0.0;
    for _ in 0..times {
        let mut traffic = Traffic::new();
        let mut entity = 0;
        let mut draw = move |sequence: &mut Sequence| {
            entity = (entity + 1) % 7;
            if many && entity != 0 {
                sequence.token()
            } else {
                Token::new([u8::try_from(sequence.next() % 2).unwrap_or(0); 16])
            }
        };
        let before = traffic.events(orders, &mut draw);
        traffic.run(&before);
        drop(before);
        let events = traffic.events(measured, &mut draw);
        micros += traffic.run(&events) / f64::from(times);
    }
    report(&format!("hot entities with {orders} orders, {name}"), micros);
}

fn cold() {
    let mut traffic = Traffic::new();
    let mut draw = Sequence::token;
    traffic.run(&Traffic::new().events(1, &mut draw));
    let (mut micros, mut before) = (0.0, None);
    let mut spent = 0;
    for _ in 0..20 {
        let events = traffic.events(50_000, &mut draw);
        before = before.or_else(resident_bytes);
        micros += traffic.run(&events) / 20.0;
        spent += events.len();
    }
    report(&format!("{spent} orders whose entities are all new"), micros);
    if let (Some(before), Some(after)) = (before, resident_bytes()) {
        let orders = u64::try_from(traffic.windows.remembered()).unwrap_or(u64::MAX);
        println!("{:<58} {:>10} bytes", "memory of a remembered order", after.saturating_sub(before) / orders);
    }
}
