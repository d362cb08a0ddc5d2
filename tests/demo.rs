//! The demonstration: what a newcomer sees within a minute.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;
use tempfile::tempdir;

use crate::support::process::{Process, orderlight};
use crate::support::reader::{Reader, Seen};
use crate::support::service::Service;
use crate::support::shop::Shop;

/// A day of the shop in some ten seconds.
const SPEED: &str = "5000";

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
    summed_up(&mut service);
    let process = service.into_process();
    process.signal(rustix::process::Signal::INT);
    process.wait().expect_code(0);

    let refused = Process::start(demonstrating(shop)).wait().expect_code(1);
    assert!(refused.stderr.contains("the store holds orders already"), "{refused:?}");
}

/// What the day came to is what the summary says, and none of it is nothing.
fn summed_up(service: &mut Service) {
    let told = [
        "The day is over.",
        "  needed a person",
        "  good ones stopped",
        "  asked by call",
        "  asked by sms",
        "  asked and let go",
    ];
    let [all, manual, stopped, call, sms, waited] = told.map(|beginning| numbers(&service.line(beginning)));
    let summary = service.get("/v1/metrics/summary").json();
    let figures = |of: &Value, names: &[&str]| -> Vec<f64> {
        names.iter().map(|name| of[name].as_f64().unwrap_or_else(|| panic!("{name} of {of}"))).collect()
    };
    assert_eq!(all, figures(&summary["orders"], &["screened"]), "{summary}");
    assert_eq!(manual, figures(&summary["manual"], &["count", "of", "share"]), "{summary}");
    assert!(0.0 < manual[0] && manual[0] < manual[1], "{manual:?}");
    assert_eq!(stopped, figures(&summary["good_orders_stopped"], &["count", "of", "share"]), "{summary}");
    assert!(0.0 < stopped[1], "{stopped:?}");
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
    assert!((minutes - seconds * speed / 60.0).abs() <= 0.05, "by the speed of the day, to a decimal: {waited:?}");
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
