//! The demonstration: what a newcomer sees within a minute.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use domain::order::OrderEvent;
use eventlog::RecordedEvent;
use market::{Kind, Market};
use serde_json::Value;
use tempfile::tempdir;

use crate::support::process::{Process, orderlight};
use crate::support::reader::{Reader, Seen};
use crate::support::service::Service;
use crate::support::shop::Shop;

/// A day of the shop in some ten seconds.
const SPEED: &str = "5000";
/// What the demo's market is made of.
const SEED: u64 = 1;
/// The most of the good orders that are stopped, where those that passed are known to be good as well.
const STOPPED_MAX: f64 = 0.2;

fn demonstrating(shop: &Shop) -> Command {
    let mut command = shop.serving();
    command.args(["--demo", "--demo-speed", SPEED]);
    command
}

/// What happened, and why where that makes a difference.
fn word(seen: &Seen) -> String {
    let cause = seen.data["cause"].as_str().unwrap_or_default();
    let method = seen.data["challenge"]["method"].as_str().unwrap_or_default();
    match &*seen.name {
        "order.challenged" => format!("asked by {method}"),
        "order.released" | "order.frozen" => format!("{} {cause}", seen.name),
        name => name.to_owned(),
    }
}

#[test]
fn orders_pass_are_asked_verified_frozen_and_reviewed_within_a_demonstration() {
    demonstrated(&Shop::embedded());
}

#[test]
fn orders_pass_are_asked_verified_frozen_and_reviewed_within_a_demonstration_on_postgres() {
    demonstrated(&Shop::on_postgres());
}

fn demonstrated(shop: &Shop) {
    let mut service = Service::start_as(demonstrating(shop));
    let mut reader = Reader::begun(&service, Some(&shop.beginning()));
    let mut awaited: BTreeSet<&str> = BTreeSet::from([
        "order.released clean",
        "asked by sms",
        "asked by call",
        "order.verified",
        "order.released verified",
        "order.frozen score",
        "review.opened",
        "review.claimed",
        "review.closed",
    ]);
    while !awaited.is_empty() {
        let seen = reader.next();
        awaited.remove(&*word(&seen));
    }
    drop(reader);
    let asked = summed_up(&mut service);
    let process = service.into_process();
    process.signal(rustix::process::Signal::INT);
    process.wait().expect_code(0);
    assert_eq!(asked_and_let_go(&shop.events()), asked);

    let refused = Process::start(demonstrating(shop)).wait().expect_code(1);
    assert!(refused.stderr.contains("the store holds orders already"), "{refused:?}");
}

/// How many honest people were asked, and how many orders were let go after their customers were asked: none of an attacker.
fn asked_and_let_go(events: &[RecordedEvent]) -> (usize, usize) {
    let (mut asked, mut released) = (BTreeSet::new(), BTreeSet::new());
    let orders: Vec<&RecordedEvent> = events.iter().filter(|event| &*event.key.aggregate_type == "order").collect();
    for event in &orders {
        let order = &*event.key.aggregate_id;
        match serde_json::from_str(&event.payload).expect("an event of an order") {
            OrderEvent::Challenged(_) => {
                asked.insert(order);
                released.remove(order);
            }
            OrderEvent::Released(_) if asked.contains(order) => _ = released.insert(order),
            OrderEvent::Frozen(_) => _ = released.remove(order),
            _ => {}
        }
    }
    let began = orders.first().expect("an order").recorded_at;
    let labels = Market::small_day(SEED, began).filter_map(|message| message.label);
    let labels: BTreeMap<String, Kind> = labels.map(|label| (label.order_id, label.kind)).collect();
    let is_honest = |order: &&&str| matches!(labels.get(**order).expect("an order of the market"), Kind::Honest(_));
    assert!(asked.iter().any(|order| !is_honest(&order)), "attackers are asked as well");
    let attackers: Vec<_> = released.iter().filter(|order| !is_honest(order)).collect();
    assert!(attackers.is_empty(), "let go after they were asked: {attackers:?}");
    (asked.iter().filter(is_honest).count(), released.len())
}

/// What the day came to is what the summary says, and none of it is nothing. How many honest people were asked, as it says, and how many
/// orders were let go after that.
fn summed_up(service: &mut Service) -> (usize, usize) {
    let told = [
        "The day is over, and ",
        "  needed a person",
        "  good ones stopped",
        "  asked by call",
        "  asked by sms",
        "  honest ones asked",
        "  asked and let go",
    ];
    let [all, manual, stopped, call, sms, honest, waited] = told.map(|beginning| numbers(&service.line(beginning)));
    let summary = service.get("/v1/metrics/summary").json();
    let figures = |of: &Value, names: &[&str]| -> Vec<f64> {
        names.iter().map(|name| of[name].as_f64().unwrap_or_else(|| panic!("{name} of {of}"))).collect()
    };
    let [arrived, screened] = all[..] else { panic!("{all:?}") };
    assert_eq!(vec![screened], figures(&summary["orders"], &["screened"]), "{summary}");
    assert!(screened / 2.0 < arrived && arrived < screened, "{all:?}");
    assert_eq!(manual, figures(&summary["manual"], &["count", "of", "share"]), "{summary}");
    assert!(0.0 < manual[0] && manual[0] < manual[1], "{manual:?}");
    assert_eq!(stopped, figures(&summary["good_orders_stopped"], &["count", "of", "share"]), "{summary}");
    assert!(0.0 < stopped[2] && stopped[2] < STOPPED_MAX, "those that passed are told to be good as well: {stopped:?}");
    let asked = |method: &str| {
        let challenges = summary["challenges"].as_array().expect("a list");
        let of_method = challenges.iter().find(|challenge| challenge["method"] == method).expect("it was asked so");
        figures(of_method, &["asked", "verified"])
    };
    assert_eq!((&sms, &call), (&asked("sms"), &asked("call")), "{summary}");
    assert!(sms[0] > 0.0 && call[0] > 0.0 && sms[1] > 0.0, "{summary}");
    let [orders, seconds, minutes] = waited[..] else { panic!("{waited:?}") };
    let found = figures(&summary["time_to_release_when_asked"], &["orders", "median_seconds"]);
    assert_eq!(vec![orders, seconds], found, "{summary}");
    // Whoever proves it is let go at once, and so are those whom the reviewer believes.
    assert!(sms[1] + call[1] <= orders && orders <= sms[0] + call[0], "{waited:?}");
    let speed: f64 = SPEED.parse().expect("a number");
    let of_the_day = seconds * speed / 60.0;
    assert!((minutes - of_the_day).abs() < 0.0501, "by the speed of the day, to a decimal: {waited:?}");
    let whole = |number: f64| format!("{number}").parse().expect("a whole number");
    (whole(honest[0]), whole(orders))
}

/// The numbers of a line.
fn numbers(line: &str) -> Vec<f64> {
    let words = line.split(|c: char| !(c.is_ascii_digit() || c == '.')).map(|word| word.trim_matches('.'));
    words.filter(|word| !word.is_empty()).map(|word| word.parse().expect("digits are a number")).collect()
}

#[test]
fn a_demonstration_without_a_store_leaves_nothing_behind() {
    let directory = tempdir().unwrap();
    let mut command = orderlight(["serve", "--listen", "127.0.0.1:0", "--demo", "--demo-speed", SPEED]);
    command.current_dir(directory.path()).env("TMPDIR", directory.path());
    let mut process = Process::start(command);
    process.line("orderlight listens on http://");
    let key = process.line("  key      olk_");
    assert!(key.len() > "  key      olk_".len() + 32, "the key can be used: {key}");
    process.signal(rustix::process::Signal::INT);
    process.wait().expect_code(0);
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
