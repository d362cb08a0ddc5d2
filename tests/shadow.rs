//! A draft in the shadow on the real program: what it is told to compare with is what the log holds, through ends and starts.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use crate::faults::load::Load;
use crate::support::orders::{at, plain, with};
use crate::support::process::Finished;
use crate::support::service::Service;
use crate::support::shop::Shop;

type Matrix = BTreeMap<String, BTreeMap<String, u64>>;

/// Holds the third order of a device in an hour; no preset looks at so long a window of it.
fn draft(service: &Service) -> String {
    let third = json!({"feature": "device.orders", "window": "1h", "op": ">=", "value": 3});
    let book = json!({
        "name": "Third", "rules": [{"id": "third", "when": third, "points": 80}],
        "tiers": [{"id": "hold", "from": 80, "action": "freeze"}]
    });
    let begun = service.post("/v1/rulebooks", &book);
    format!("/v1/rulebooks/{}/shadow", begun.json()["id"].as_str().expect("a draft has an id"))
}

/// An order of one of two devices.
fn place(service: &Service, number: u32) {
    let fields = json!({"placed_at": at(i64::from(number) * 1_000), "device": {"id": format!("d-{}", number % 2)}});
    service.place(&with(plain(&format!("S-{number}")), fields));
}

fn compared(service: &Service, method: Method, shadow: &str) -> (Value, Matrix) {
    let answer = service.send(service.request(method, shadow));
    assert_eq!(answer.status, 200, "{answer:?}");
    let told = answer.json();
    let matrix: Matrix = serde_json::from_value(told["matrix"].clone()).expect("a matrix");
    let orders: u64 = matrix.values().flat_map(BTreeMap::values).sum();
    assert_eq!(told["orders"], orders, "every order has its place");
    (told, matrix)
}

/// What the log says of the orders that a draft ran beside, each by its first screening: later ones count nothing.
fn in_the_log(shop: &Shop) -> Matrix {
    let mut matrix = Matrix::new();
    for event in shop.events().iter().filter(|event| &*event.event_type == "Scored") {
        let payload: Value = serde_json::from_str(&event.payload).expect("an event is JSON");
        let scored = &payload["Scored"];
        if scored["cause"] != "placed" {
            continue;
        }
        if let (Some(live), Some(found)) = (scored["tier"].as_str(), scored["shadow"]["tier"].as_str()) {
            *matrix.entry(live.to_owned()).or_default().entry(found.to_owned()).or_default() += 1;
        }
    }
    matrix
}

fn runs_through_starts(shop: &Shop, end: fn(Service) -> Finished) {
    let service = shop.serve();
    let shadow = draft(&service);
    (0..4).for_each(|number| place(&service, number));
    assert_eq!(compared(&service, Method::POST, &shadow).1, Matrix::new());
    (4..10).for_each(|number| place(&service, number));
    let (before, matrix) = compared(&service, Method::GET, &shadow);
    let held: u64 = matrix.values().filter_map(|row| row.get("hold")).sum();
    assert_eq!(held, 6, "what was ordered before it began is in its windows: {matrix:?}");
    end(service);
    let service = shop.serve();
    assert_eq!(compared(&service, Method::GET, &shadow).0, before, "nothing is lost at a start");
    (10..12).for_each(|number| place(&service, number));
    let load = Load::start(&service, 0);
    load.until_acknowledged(100);
    let (ended, matrix) = compared(&service, Method::DELETE, &shadow);
    load.until_acknowledged(20);
    assert_eq!(load.refused(), 0, "no request failed");
    load.stop();
    place(&service, 12);
    assert_eq!(compared(&service, Method::GET, &shadow).0, ended, "it has ended");
    service.stop().expect_code(0);
    shop.replay();
    assert_eq!(in_the_log(shop), matrix, "it is what the log holds");
}

#[test]
fn the_comparison_is_what_the_log_holds_through_a_kill_on_the_embedded_store() {
    runs_through_starts(&Shop::embedded(), Service::kill);
}

#[test]
fn the_comparison_is_what_the_log_holds_through_a_start_on_postgres() {
    runs_through_starts(&Shop::on_postgres(), Service::stop);
}
