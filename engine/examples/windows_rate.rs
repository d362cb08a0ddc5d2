//! Orders per second through the sliding windows in one thread, and bytes per remembered order.
//!
//! `cargo run --release -p engine --example windows_rate` runs each scenario in a process of its own: a merchant with a
//! million orders, a hundred a second, 2 % of them late by up to five seconds, takes 100,000 more, and reads twenty windowed
//! features of each. Memory (Linux) is what the process grew by, over the orders remembered.

use std::process::Command;
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

    /// One of some different tokens, or a new one.
    fn token(&mut self, different: u64) -> Token {
        let number = if different == 0 { self.next() } else { Self(self.next() % different).next() };
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        Token::new(bytes)
    }
}

/// How many orders share an entity.
#[derive(Clone, Copy)]
struct Scenario {
    name: &'static str,
    /// Different customers, phones, addresses, devices, IP addresses and networks; 0 for a new one each time.
    different: [u64; 6],
}

const SCENARIOS: [Scenario; 5] = [
    Scenario { name: "all entities new", different: [0; 6] },
    Scenario { name: "all entities with 10 orders", different: [100_000; 6] },
    Scenario {
        name: "one device with all, the others with 10",
        different: [100_000, 100_000, 100_000, 1, 100_000, 100_000],
    },
    Scenario {
        name: "one customer with all, the others with 10",
        different: [1, 100_000, 100_000, 100_000, 100_000, 100_000],
    },
    Scenario { name: "one or two of each entity with all", different: [2, 2, 2, 2, 1, 1] },
];

fn facts(sequence: &mut Sequence, time: i64, scenario: Scenario) -> Facts {
    let [customer, phone, address, device, ip, net] = scenario.different.map(|different| sequence.token(different));
    let line =
        Line { sku: format!("SKU-{}", sequence.next() % 100).into(), title: None, quantity: 2, unit_price: None };
    Facts {
        placed_at: Some(Timestamp::from_millis(time)),
        amount: Some(9_900),
        lines: Some(vec![line]),
        customer: Some(CustomerFacts {
            token: Some(customer),
            phone: Some(PhoneFacts { token: phone, kind: PhoneKind::Mobile }),
            ..CustomerFacts::default()
        }),
        delivery: Some(DeliveryFacts {
            address: Some(address),
            province: Some(["浙江省", "广东省", "江苏省"][usize::try_from(sequence.next() % 3).unwrap_or(0)].into()),
            ..DeliveryFacts::default()
        }),
        device: Some(device),
        ip: Some(IpFacts { token: ip, net }),
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

    fn events(&mut self, count: u64, scenario: Scenario) -> Vec<(u64, OrderEvent, Timestamp)> {
        let next = |_| {
            self.orders += 1;
            let now = START_MILLIS + i64::try_from(self.orders).unwrap_or(0) * STEP_MILLIS;
            let late = if self.sequence.next().is_multiple_of(50) { self.sequence.next() % 5_000 } else { 0 };
            let facts = facts(&mut self.sequence, now - i64::try_from(late).unwrap_or(0), scenario);
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

/// Resident memory of this process; `None` elsewhere than on Linux.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1_024)
}

fn main() -> std::io::Result<()> {
    let wanted = std::env::args().nth(1);
    for scenario in SCENARIOS {
        match &wanted {
            None => drop(Command::new(std::env::current_exe()?).arg(scenario.name).status()?),
            Some(name) if name == scenario.name => measure(scenario),
            Some(_) => {}
        }
    }
    Ok(())
}

fn measure(scenario: Scenario) {
    let mut traffic = Traffic::new();
    let mut before = None;
    for _ in 0..20 {
        let events = traffic.events(50_000, scenario);
        before = before.or_else(resident_bytes);
        traffic.run(&events);
    }
    let grown = resident_bytes().unwrap_or_default().saturating_sub(before.unwrap_or_default());
    let remembered = u64::try_from(traffic.windows.remembered()).unwrap_or(u64::MAX);
    let events = traffic.events(100_000, scenario);
    let micros = traffic.run(&events);
    let (name, rate, bytes) = (scenario.name, 1e6 / micros, grown / remembered);
    println!("{name:<44} {rate:>9.0} orders/s {micros:>7.2} µs {bytes:>7} bytes an order");
}
