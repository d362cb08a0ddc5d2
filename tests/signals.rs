//! Lists on the running program, on both back ends: in force for the next order, there after a kill, and the same in a replay.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::orders::{at, plain, with};
use crate::support::process::{Finished, Process, orderlight};
use crate::support::service::{Answer, Service};
use crate::support::shop::Shop;

const FAR: &str = "2099-01-01T00:00:00Z";

/// How many devices are on the list besides the one that orders.
const LISTED: u32 = 3_000;

fn put(service: &Service, path: &str, body: &Value) -> Answer {
    service.send(service.request(Method::PUT, path).json(body))
}

fn push(service: &Service, lines: &[Value]) -> Vec<Value> {
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let request = service.request(Method::POST, "/v1/signals").header("content-type", "application/x-ndjson");
    let told = service.send(request.body(body));
    assert_eq!(told.status, 200, "{told:?}");
    told.lines()
}

fn line(device: &str, value: &Value, expires_at: &str) -> Value {
    json!({"name": "blocked", "subject": device, "value": value, "expires_at": expires_at})
}

#[track_caller]
fn put_in_force(service: &Service) {
    let is_on = |list: &str| json!({"feature": format!("signal.{list}"), "op": "==", "value": 1});
    let book = json!({
        "name": "Lists", "tiers": [{"id": "freeze", "from": 100, "action": "freeze"}],
        "rules": [{"id": "blocked", "points": 200, "when": is_on("blocked")}],
        "exemptions": [{"id": "allowed", "when": is_on("allowed"), "action": "release"}],
    });
    assert_eq!(service.post("/v1/rulebooks", &book).status, 422, "nobody declared them");
    assert_eq!(put(service, "/v1/signals/blocked", &json!({"subject": "device"})).status, 201);
    assert_eq!(put(service, "/v1/signals/allowed", &json!({"subject": "customer"})).status, 201);
    let begun = service.post("/v1/rulebooks", &book);
    assert_eq!(begun.status, 201, "{begun:?}");
    let path = format!("/v1/rulebooks/{}/publish", begun.json()["id"].as_str().unwrap());
    assert_eq!(service.post(&path, &json!({})).status, 200);
}

/// Where an order of a device stands that was placed at a time.
fn state(service: &Service, order_no: &str, device: &str, time: i64) -> Value {
    let facts = json!({"placed_at": at(time), "device": {"id": device}});
    service.place(&with(plain(order_no), facts))["risk"]["state"].clone()
}

/// Where an order of a customer from the blocked device stands, and what spared it.
fn spared(service: &Service, order_no: &str, customer: &str, time: i64) -> (Value, Value) {
    let facts = json!({"placed_at": at(time), "device": {"id": "d-1"}, "customer": {"id": customer}});
    let mut risk = service.place(&with(plain(order_no), facts))["risk"].take();
    (risk["state"].take(), risk["exemption"].take())
}

fn lists_are_read_by_the_next_order_and_outlive(end: fn(Service) -> Finished, shop: &Shop) {
    let service = shop.serve();
    put_in_force(&service);
    assert_eq!(state(&service, "A1", "d-1", 0), "released");
    let mut lines: Vec<Value> = (0..LISTED).map(|number| line(&format!("listed-{number}"), &json!(1), FAR)).collect();
    lines.push(line("d-1", &json!(1), FAR));
    lines.push(line("d-2", &json!(1), &at(10_000)));
    lines.push(json!({"name": "allowed", "subject": "u-1", "value": 1, "expires_at": FAR}));
    assert!(push(&service, &lines).iter().all(|answer| answer["ok"] == true && answer["changed"] == true));
    assert_eq!(state(&service, "A2", "d-1", 1_000), "frozen");
    assert_eq!(state(&service, "A4", "d-2", 10_000), "released", "it had expired");
    assert_eq!(state(&service, "A5", "d-3", 1_000), "released", "it is on no list");
    assert_eq!(
        spared(&service, "A6", "u-1", 1_000),
        (json!("released"), json!("allowed")),
        "its customer is on another"
    );
    end(service);

    let service = shop.serve();
    assert_eq!(state(&service, "B1", "d-1", 2_000), "frozen");
    assert_eq!(spared(&service, "B4", "u-1", 2_000), (json!("released"), json!("allowed")));
    assert_eq!(spared(&service, "B5", "u-2", 2_000), (json!("frozen"), Value::Null));
    assert_eq!(state(&service, "B2", "listed-2999", 2_000), "frozen");
    let withdrawn = put(&service, "/v1/signals/blocked/d-1", &json!({"value": null}));
    assert_eq!((withdrawn.status, &withdrawn.json()["changed"]), (200, &json!(true)));
    assert_eq!(state(&service, "B3", "d-1", 3_000), "released");
    service.stop().expect_code(0);
    let service = shop.serve();
    assert_eq!(state(&service, "C1", "d-1", 4_000), "released", "what a start read from a snapshot is the same");
    assert_eq!(state(&service, "C2", "listed-0", 4_000), "frozen");
    service.stop().expect_code(0);
    shop.replay();
}

#[test]
fn lists_in_files_are_read_by_the_next_order_and_outlive_a_kill() {
    lists_are_read_by_the_next_order_and_outlive(Service::kill, &Shop::embedded());
}

#[test]
fn lists_in_a_database_are_read_by_the_next_order_and_outlive_a_start() {
    lists_are_read_by_the_next_order_and_outlive(Service::stop, &Shop::on_postgres());
}

#[test]
fn a_rulebook_file_is_checked_without_a_merchant_and_its_signals_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("enterprise.json");
    let rulebook = domain::rulebook::preset("enterprise").unwrap().to_json();
    std::fs::write(&file, rulebook.replacen("signal.weather", "signal.storms", 1)).unwrap();
    let mut command = orderlight(["rulebook", "check"]);
    command.arg(&file);
    let checked = Process::start(command).wait().expect_code(0).stdout;
    assert!(checked.contains("reads signal.storms, which the merchant must have declared"), "{checked}");
    assert!(checked.contains("reads signal.logistics_pressure, which is declared from the beginning"), "{checked}");
}
