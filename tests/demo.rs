//! The demonstration: what a newcomer sees within a minute.

use std::collections::BTreeSet;
use std::process::Command;

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
    let service = Service::start_as(demonstrating(shop));
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
    let mut process = service.into_process();
    process.line("The day is over.");
    for told in ["  needed a person", "  good ones stopped", "  asked by sms", "  honest, and asked"] {
        let line = process.line(told);
        assert!(line.bytes().any(|byte| byte.is_ascii_digit()), "{line}");
    }
    process.signal(rustix::process::Signal::INT);
    process.wait().expect_code(0);

    let refused = Process::start(demonstrating(shop)).wait().expect_code(1);
    assert!(refused.stderr.contains("the store holds orders already"), "{refused:?}");
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
