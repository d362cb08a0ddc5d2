//! What an order costs the sliding windows, in one thread: of an entity with ten orders, and of one with a million.
//!
//! `cargo run --release -p engine --example windows_rate [kind]` takes a merchant with a million orders in 30 days through
//! 50,000 more, for each kind of feature alone and for twenty features together; each order is applied and observed. They
//! come in order; with 2 % of them late by up to 20 minutes, which is some 460 orders; and with 2 % of them late by up to
//! 30 days. Where familiar addresses matter, each order is reported delivered as well. Memory (Linux) is what the process
//! grew by, over the orders remembered. Each kind runs in a process of its own.

#[path = "traffic/mod.rs"]
mod traffic;

use std::process::Command;
use std::time::Instant;

use chrono_tz::Tz;
use domain::feature::{Feature, FeatureRef, Value};
use domain::order::{OrderEvent, Status, StatusReported};
use domain::time::{Span, Timestamp};
use engine::windows::Windows;

use traffic::{Different, START_MILLIS, Sequence, facts, placed, resident_bytes};

/// The one that the service runs with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a large rulebook reads.
const TWENTY: &str = "address.customers[24h] address.devices[7d] address.orders[1h] address.sku_quantity[24h] \
    customer.abandoned[7d] customer.addresses[24h] customer.amount[24h] customer.orders[5m] customer.sku_quantity[24h] \
    customer.unfamiliar_addresses[7d] customer.unpaid[1h] device.customers[24h] device.orders[5m] device.phones[24h] \
    ip.customers[1h] ip.orders[5m] ip24.unpaid_share[1h] phone.customers[30d] phone.orders[1h] region.heat[10m]";

/// A million orders in 30 days.
const STEP_MILLIS: i64 = 2_592;
const FILLED: u64 = 1_000_000;
const MEASURED: u64 = 50_000;
/// With 100,000 of each, every entity has ten orders.
const TEN_EACH: Different = Different::each(100_000);

struct Kind {
    name: &'static str,
    features: &'static str,
    hot: Different,
    delivered: bool,
}

const KINDS: [Kind; 8] = [
    Kind { name: "count", features: "device.orders[7d]", hot: TEN_EACH.one_device(), delivered: false },
    Kind { name: "sum", features: "device.amount[7d]", hot: TEN_EACH.one_device(), delivered: false },
    Kind { name: "abandoned", features: "customer.abandoned[7d]", hot: TEN_EACH.one_customer(), delivered: false },
    Kind { name: "distinct", features: "device.customers[7d]", hot: TEN_EACH.one_device(), delivered: false },
    Kind { name: "sku", features: "device.sku_quantity[7d]", hot: TEN_EACH.one_device(), delivered: false },
    Kind {
        name: "unfamiliar",
        features: "customer.unfamiliar_addresses[7d]",
        hot: TEN_EACH.one_customer(),
        delivered: true,
    },
    Kind { name: "twenty, device", features: TWENTY, hot: TEN_EACH.one_device(), delivered: false },
    Kind { name: "twenty, customer", features: TWENTY, hot: TEN_EACH.one_customer(), delivered: false },
];

/// By how much 2 % of the orders may be late, in milliseconds.
const LATE: [(&str, i64); 3] = [("in order", 1), ("20 min late", 1_200_000), ("30 d late", 2_592_000_000)];

/// A merchant's stream of orders.
struct Merchant<'a> {
    windows: Windows,
    sequence: Sequence,
    orders: u64,
    kind: &'a Kind,
    different: Different,
    features: Vec<FeatureRef>,
    values: Vec<Option<Value>>,
}

struct Message {
    order: u64,
    event: OrderEvent,
    recorded_at: Timestamp,
}

impl<'a> Merchant<'a> {
    fn new(kind: &'a Kind, different: Different) -> Self {
        let features = kind.features.split_whitespace().map(feature).collect();
        Self {
            windows: Windows::new(),
            sequence: Sequence(1),
            orders: 0,
            kind,
            different,
            features,
            values: Vec::new(),
        }
    }

    fn messages(&mut self, count: u64, late_millis: i64) -> Vec<Message> {
        let next = |_| {
            self.orders += 1;
            let now = START_MILLIS + i64::try_from(self.orders).unwrap_or(0) * STEP_MILLIS;
            let is_late = self.sequence.next().is_multiple_of(50);
            let late = self.sequence.below(late_millis) * i64::from(is_late);
            let event = placed(facts(&mut self.sequence, now - late, self.different));
            Message { order: self.orders, event, recorded_at: Timestamp::from_millis(now) }
        };
        (0..count).map(next).collect()
    }

    /// Microseconds an order.
    fn take(&mut self, messages: &[Message], observed: bool) -> f64 {
        let start = Instant::now();
        for Message { order, event, recorded_at } in messages {
            self.windows.apply(*order, event, *recorded_at);
            if let (OrderEvent::Placed(placed), true) = (event, observed) {
                let (features, values) = (&self.features, &mut self.values);
                self.windows.observe(*order, "web", &placed.facts, Tz::Asia__Shanghai, features, values);
            }
            if self.kind.delivered {
                self.windows.apply(*order, &delivered(*recorded_at), *recorded_at);
            }
        }
        let orders = u32::try_from(messages.len()).unwrap_or(u32::MAX);
        start.elapsed().as_secs_f64() * 1e6 / f64::from(orders)
    }
}

fn feature(text: &str) -> FeatureRef {
    let (name, window) = text.trim_end_matches(']').split_once('[').expect("a window");
    FeatureRef {
        feature: Feature::named(name).expect("the catalogue has it"),
        window: Some(window.parse::<Span>().expect("a duration")),
    }
}

fn delivered(at: Timestamp) -> OrderEvent {
    OrderEvent::StatusReported(StatusReported {
        source: "web".into(),
        status: Status::Delivered,
        occurred_at: at,
        counts_from: None,
        refunded: None,
    })
}

fn main() -> std::io::Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    match wanted.as_slice() {
        [kind, shape] => {
            for kind in KINDS.iter().filter(|known| known.name == kind) {
                measure(kind, if shape == "hot" { kind.hot } else { TEN_EACH });
            }
        }
        kinds => {
            println!(
                "{:<18} {:<4} {:>42} {:>20}",
                "µs an order", "", "in order   20 min late   30 d late", "bytes an order"
            );
            for kind in KINDS.iter().filter(|kind| kinds.is_empty() || kinds.iter().any(|name| name == kind.name)) {
                for shape in ["ten", "hot"] {
                    Command::new(std::env::current_exe()?).args([kind.name, shape]).status()?;
                }
            }
        }
    }
    Ok(())
}

fn measure(kind: &Kind, different: Different) {
    let shape = std::env::args().nth(2).unwrap_or_default();
    let mut merchant = Merchant::new(kind, different);
    let mut before = None;
    for _ in 0..FILLED / MEASURED {
        let messages = merchant.messages(MEASURED, 1);
        before = before.or_else(resident_bytes);
        merchant.take(&messages, false);
    }
    let micros = LATE.map(|(_, late_millis)| {
        // What features need beyond the orders is built when they are first asked for.
        let first = merchant.messages(1_000, late_millis);
        merchant.take(&first, true);
        let messages = merchant.messages(MEASURED, late_millis);
        merchant.take(&messages, true)
    });
    let grown = resident_bytes().unwrap_or_default().saturating_sub(before.unwrap_or_default());
    let remembered = u64::try_from(merchant.windows.remembered()).unwrap_or(u64::MAX);
    let [in_order, late, very_late] = micros;
    println!("{:<18} {shape:<4} {in_order:>19.2} {late:>13.2} {very_late:>11.2} {:>19}", kind.name, grown / remembered);
}
