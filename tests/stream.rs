//! The live stream from outside: over a restart, and with a reader that does not read.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::orders::{at, plain, with};
use crate::support::process::PATIENCE;
use crate::support::reader::Reader;
use crate::support::service::Service;
use crate::support::shop::Shop;

/// More than lies between a service and somebody who does not read: what the system keeps for a connection, and the buffers.
const MANY: usize = 40_000;

/// The pause between two tries of what cannot be taken now.
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// An order that passes, or one that its customer is asked about.
fn order(number: usize) -> Value {
    let order = plain(&format!("A{number}"));
    if !number.is_multiple_of(3) {
        return order;
    }
    let (id, phone) = (format!("u-{number}"), format!("170{number:08}"));
    with(order, json!({"customer": {"id": id, "phone": phone, "registered_at": at(-20_000)}}))
}

#[test]
fn a_reader_that_comes_back_after_a_restart_misses_nothing_and_sees_nothing_twice() {
    comes_back(&Shop::embedded());
}

#[test]
fn a_reader_that_comes_back_after_a_restart_misses_nothing_and_sees_nothing_twice_on_postgres() {
    comes_back(&Shop::on_postgres());
}

fn comes_back(shop: &Shop) {
    let service = shop.serve();
    let mut reader = Reader::begun(&service, None);
    (0..6).for_each(|number| drop(service.place(&order(number))));
    let mut seen = reader.take(4);
    (6..9).for_each(|number| drop(service.place(&order(number))));
    service.kill();

    let service = shop.serve();
    let last = seen.last().expect("it saw some").id.clone();
    let mut reader = Reader::begun(&service, Some(&last));
    seen.extend(reader.take(5));
    place_after_a_start(&service, &order(9));
    (10..12).for_each(|number| drop(service.place(&order(number))));
    seen.extend(reader.take(3));

    let orders: Vec<String> = (0..12).map(|number| format!("web:A{number}")).collect();
    let told: Vec<&str> = seen.iter().map(|seen| seen.data["order_id"].as_str().unwrap()).collect();
    assert_eq!(told, orders);
    let mut whole = Reader::begun(&service, Some(&shop.beginning()));
    assert_eq!(whole.take(12), seen, "told live, after the restart, and from the beginning: the same");
    service.stop().expect_code(0);
}

/// A database believes for some seconds in a process that was killed, and nothing is taken for it meanwhile.
fn place_after_a_start(service: &Service, order: &Value) {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = service.post("/v1/orders", order);
        match answer.status {
            201 => return,
            503 => assert!(Instant::now() < until, "{answer:?}"),
            _ => panic!("{answer:?}"),
        }
        std::thread::park_timeout(BETWEEN_TRIES);
    }
}

#[test]
fn a_reader_that_does_not_read_is_dropped_while_others_go_on() {
    does_not_read(&Shop::embedded());
}

#[test]
fn a_reader_that_does_not_read_is_dropped_while_others_go_on_on_postgres() {
    does_not_read(&Shop::on_postgres());
}

fn does_not_read(shop: &Shop) {
    let mut service = shop.serve();
    let lines = (0..MANY).map(|number| json!({"kind": "placed", "order": plain(&format!("P{number}"))}).to_string());
    let mut answers = 0;
    service.stream(lines.collect(), |_, _| answers += 1);
    assert_eq!(answers, MANY);

    let beginning = shop.beginning();
    let never = Reader::narrow(&service, Some(&beginning));
    let mut live = Reader::begun(&service, Some(&beginning));
    assert_eq!(live.take(MANY).len(), MANY);
    service.place(&plain("A1"));
    assert_eq!(live.next().data["order_id"], "web:A1");
    service.told("took nothing and was dropped");
    service.place(&plain("A2"));
    assert_eq!(live.next().data["order_id"], "web:A2");
    let metrics = service.get("/metrics").body;
    let metrics = String::from_utf8_lossy(&metrics);
    assert!(metrics.contains("orderlight_stream_readers 1\n"), "the place is free again: {metrics}");
    drop(never);
    service.stop().expect_code(0);
}
