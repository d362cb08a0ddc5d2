//! The live stream from outside: over a restart, and with a reader that does not read.

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::support::orders::{at, plain, with};
use crate::support::reader::Reader;
use crate::support::service::Service;

/// More than lies between a service and somebody who does not read: what the system keeps for a connection, and the buffers.
const MANY: usize = 40_000;

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
    let directory = tempdir().unwrap();
    let service = Service::start(directory.path());
    let mut reader = Reader::begun(&service, None);
    (0..6).for_each(|number| drop(service.place(&order(number))));
    let mut seen = reader.take(4);
    (6..9).for_each(|number| drop(service.place(&order(number))));
    service.kill();

    let service = Service::start(directory.path());
    let last = seen.last().expect("it saw some").id.clone();
    let mut reader = Reader::begun(&service, Some(&last));
    seen.extend(reader.take(5));
    (9..12).for_each(|number| drop(service.place(&order(number))));
    seen.extend(reader.take(3));

    let orders: Vec<String> = (0..12).map(|number| format!("web:A{number}")).collect();
    let told: Vec<&str> = seen.iter().map(|seen| seen.data["order_id"].as_str().unwrap()).collect();
    assert_eq!(told, orders);
    let mut whole = Reader::begun(&service, Some("0-0"));
    assert_eq!(whole.take(12), seen, "told live, after the restart, and from the beginning: the same");
    service.stop().expect_code(0);
}

#[test]
fn a_reader_that_does_not_read_is_dropped_while_others_go_on() {
    let directory = tempdir().unwrap();
    let mut service = Service::start(directory.path());
    let lines = (0..MANY).map(|number| json!({"kind": "placed", "order": plain(&format!("P{number}"))}).to_string());
    let mut answers = 0;
    service.stream(lines.collect(), |_, _| answers += 1);
    assert_eq!(answers, MANY);

    let never = Reader::narrow(&service, Some("0-0"));
    let mut live = Reader::begun(&service, Some("0-0"));
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
