//! Orders screened per second in one thread: taken into the windows, every feature observed, the rulebook evaluated.
//!
//! `cargo run --release -p engine --example screening_rate` screens 250,000 orders of a merchant with a million, by 30 rules
//! over 20 windowed features: once where every customer, device, address and so on has ten orders, once where one device
//! has all of them. It also takes the three steps apart.

#[path = "traffic/mod.rs"]
mod traffic;

use std::time::{Duration, Instant};

use chrono_tz::Tz;
use domain::order::{OrderEvent, ScoredCause};
use domain::rulebook::{Evaluator, Rulebook};
use domain::screening::screen;
use domain::time::Timestamp;
use engine::windows::Windows;
use serde_json::json;

use traffic::{Different, START_MILLIS, Sequence, facts, placed};

/// The one that the service runs with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A hundred orders a second.
const STEP_MILLIS: i64 = 10;
/// As many as a commit holds: their facts are as near as if they had just been read.
const BATCH: u64 = 256;
const FILLED: u64 = 1_000_000;
/// Batches of one round.
const ROUND: u32 = 200;
const ROUNDS: usize = 5;

/// Ten rules with one condition each, and twenty that combine two.
const FEATURES: [(&str, &str, i64); 20] = [
    ("address.customers", "24h", 4),
    ("address.devices", "7d", 20),
    ("address.orders", "1h", 5),
    ("address.sku_quantity", "24h", 40),
    ("customer.abandoned", "7d", 3),
    ("customer.addresses", "24h", 20),
    ("customer.amount", "24h", 500_000),
    ("customer.orders", "5m", 5),
    ("customer.sku_quantity", "24h", 40),
    ("customer.unfamiliar_addresses", "7d", 20),
    ("customer.unpaid", "1h", 5),
    ("device.customers", "24h", 20),
    ("device.orders", "5m", 5),
    ("device.phones", "24h", 20),
    ("ip.customers", "1h", 20),
    ("ip.orders", "5m", 5),
    ("ip24.unpaid", "1h", 50),
    ("phone.customers", "30d", 20),
    ("phone.orders", "1h", 5),
    ("region.orders", "10m", 100_000),
];

fn evaluator() -> Evaluator {
    let compare = |at: usize| {
        let (feature, window, value) = FEATURES[at % FEATURES.len()];
        json!({"feature": feature, "window": window, "op": ">=", "value": value})
    };
    let rules: Vec<serde_json::Value> = (0..30)
        .map(|rule| {
            let when = if rule < 10 { compare(rule) } else { json!({"all": [compare(rule), compare(rule * 3 + 1)]}) };
            json!({"id": format!("rule_{rule}"), "when": when, "points": 10})
        })
        .collect();
    let tiers = json!([{"id": "freeze", "from": 120, "action": "freeze"}]);
    let stored = json!({"name": "Thirty rules", "rules": rules, "tiers": tiers, "exemptions": []});
    Rulebook::from_json(&stored).expect("a rulebook").compile(1)
}

struct Message {
    order: u64,
    event: OrderEvent,
    at: Timestamp,
}

struct Merchant {
    windows: Windows,
    sequence: Sequence,
    orders: u64,
    different: Different,
}

impl Merchant {
    fn messages(&mut self, count: u64) -> Vec<Message> {
        let next = |_| {
            self.orders += 1;
            let at = START_MILLIS + i64::try_from(self.orders).unwrap_or(0) * STEP_MILLIS;
            let event = placed(facts(&mut self.sequence, at, self.different));
            Message { order: self.orders, event, at: Timestamp::from_millis(at) }
        };
        (0..count).map(next).collect()
    }
}

fn main() {
    let evaluator = evaluator();
    assert_eq!(evaluator.features().len(), FEATURES.len());
    for (name, different) in
        [("ten orders each", Different::each(100_000)), ("one device with all", Different::each(100_000).one_device())]
    {
        measure(name, different, &evaluator);
    }
}

/// What is done with an order.
#[derive(Clone, Copy)]
enum Step {
    Apply,
    Observe,
    Screen,
}

fn measure(name: &str, different: Different, evaluator: &Evaluator) {
    let mut merchant = Merchant { windows: Windows::new(), sequence: Sequence(1), orders: 0, different };
    for _ in 0..FILLED / BATCH {
        let messages = merchant.messages(BATCH);
        take(&mut merchant.windows, &messages, Step::Apply, evaluator);
    }
    let mut round = |step| {
        let mut taken = Duration::ZERO;
        for _ in 0..ROUND {
            let messages = merchant.messages(BATCH);
            let start = Instant::now();
            take(&mut merchant.windows, &messages, step, evaluator);
            taken += start.elapsed();
        }
        taken.as_secs_f64() * 1e6 / (f64::from(ROUND) * BATCH as f64)
    };
    // What features need beyond the orders is built when they are first asked for.
    round(Step::Observe);
    let mut screened: Vec<f64> = (0..ROUNDS).map(|_| round(Step::Screen)).collect();
    screened.sort_by(f64::total_cmp);
    let (median, best) = (screened[ROUNDS / 2], screened[0]);
    let (applied, observed) = (round(Step::Apply), round(Step::Observe));
    println!(
        "{name:<20} {:>8.0} orders/s: {median:.2} µs (best round {best:.2}); applied {applied:.2}, and observed {observed:.2}",
        1e6 / median
    );
}

fn take(windows: &mut Windows, messages: &[Message], step: Step, evaluator: &Evaluator) {
    let mut values = Vec::new();
    for Message { order, event, at } in messages {
        windows.apply(*order, event, *at);
        let OrderEvent::Placed(placed) = event else { continue };
        if let Step::Observe | Step::Screen = step {
            windows.observe(*order, "web", &placed.facts, Tz::Asia__Shanghai, evaluator.features(), &mut values);
        }
        if let Step::Screen = step {
            std::hint::black_box(screen(evaluator, &values, ScoredCause::Placed));
        }
    }
}
