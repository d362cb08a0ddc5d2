//! Rulebooks published on a running service, while customers order: no request fails, and each order is decided by the version
//! that was in force at its place in the log.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use reqwest::Method;
use serde_json::{Value, json};

use crate::faults::load::{Load, Outcome};
use crate::support::orders::{at, plain, with};
use crate::support::service::{Answer, Service};
use crate::support::shop::Shop;

/// How many drafts come into force one after another.
const PUBLICATIONS: u32 = 1_000;
/// How many do on Postgres, where each takes longer and the same code publishes.
const PUBLICATIONS_ON_POSTGRES: u32 = 250;
/// How many of them between two orders of the witness.
const WITNESSED_EVERY: u32 = 50;
/// How many orders are answered between two publications.
const ORDERS_BETWEEN: u64 = 40;

/// A rulebook that nobody had before: its windows are asked for by no other.
fn book(number: u32) -> Value {
    let window = format!("{}s", 3_600 + number);
    let count = |feature: &str| json!({"feature": feature, "window": window, "op": ">=", "value": 1});
    json!({
        "name": format!("Book {number}"),
        "rules": [
            {"id": "device", "when": count("device.orders"), "points": {"base": 0, "per": 1, "above": 0, "max": 1_000_000}},
            {"id": "customer", "when": count("customer.quantity"), "points": 1},
        ],
        "tiers": [{"id": "hold", "from": 1_000_000_000, "action": "freeze"}], "exemptions": []
    })
}

/// Publishes a new draft; answers with its version and the position of its publication.
#[track_caller]
fn publish(service: &Service, number: u32) -> (u64, u64) {
    let begun = service.post("/v1/rulebooks", &book(number));
    assert_eq!(begun.status, 201, "{begun:?}");
    let id = begun.json()["id"].as_str().expect("a draft has an id").to_owned();
    in_force(&service.post(&format!("/v1/rulebooks/{id}/publish"), &json!({"note": format!("number {number}")})))
}

#[track_caller]
fn roll_back(service: &Service, to_version: u64) -> (u64, u64) {
    in_force(&service.post("/v1/rulebook/rollback", &json!({"to_version": to_version})))
}

#[track_caller]
fn in_force(answer: &Answer) -> (u64, u64) {
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    let (_, position) = body["position"].as_str().and_then(|it| it.split_once('-')).expect("a position");
    (body["version"].as_u64().expect("a version"), position.parse().expect("a position"))
}

/// Every answer of the load is a good one, and the version that it tells is the one that the log had in force there.
#[track_caller]
fn check(shop: &Shop, outcome: &Outcome, publications: &BTreeMap<u64, u64>) {
    assert!(outcome.unknown.is_empty(), "{:?}", outcome.unknown);
    let mut told: BTreeMap<String, u64> = BTreeMap::new();
    for answer in outcome.acknowledged.values() {
        assert_eq!((answer.status, &answer.body["duplicate"]), (201, &json!(false)), "{answer:?}");
        let id = answer.body["order_id"].as_str().expect("an order has an id").to_owned();
        told.insert(id, answer.body["risk"]["rulebook_version"].as_u64().expect("a version"));
    }
    let mut live = BTreeMap::new();
    let mut switched = BTreeMap::new();
    let mut scored = 0;
    for event in shop.events() {
        let payload: Value = serde_json::from_str(&event.payload).expect("an event is JSON");
        let merchant = event.key.merchant.as_str().to_owned();
        match &*event.event_type {
            "RulebookPublished" => {
                let version = payload["RulebookPublished"]["version"].as_u64().expect("a version");
                assert_eq!(live.insert(merchant, version).unwrap_or(0) + 1, version, "versions follow each other");
                switched.insert(version, event.position);
            }
            "Scored" => {
                let version = payload["Scored"]["rulebook_version"].as_u64().expect("a version");
                assert_eq!(Some(&version), live.get(&merchant), "at {}", event.position);
                // What bursts have corrected later is not what was answered.
                let is_first = payload["Scored"]["cause"] == "placed";
                if let Some(told) = told.get(&*event.key.aggregate_id).filter(|_| is_first) {
                    assert_eq!(*told, version, "{}", event.key.aggregate_id);
                    scored += 1;
                }
            }
            _ => {}
        }
    }
    assert_eq!(scored, told.len(), "every answered order is in the log");
    for (version, position) in publications {
        assert_eq!(switched.get(version), Some(position), "version {version} was told to come into force there");
    }
}

/// An order of a device that nobody else has, placed with all before it inside the shortest window.
fn witness(number: u32) -> Value {
    let fields =
        json!({"placed_at": at(i64::from(number)), "device": {"id": "witness"}, "customer": {"id": "witness"}});
    with(plain(&format!("WITNESS-{number}")), fields)
}

/// The witness's order, the number of which its device's orders must show.
#[track_caller]
fn look(service: &Service, number: u32) {
    let risk = service.place(&witness(number))["risk"].take();
    let hits = risk["hits"].as_array().expect("hits").clone();
    let device = hits.iter().find(|hit| hit["rule"] == "device").unwrap_or_else(|| panic!("{risk}"));
    let seen: Vec<_> = device["evidence"].as_object().expect("evidence").values().collect();
    assert_eq!(seen, [&json!(number)], "{risk}");
    assert_eq!(device["points"], number);
}

fn publishes_while_orders_flow(shop: &Shop) {
    let service = shop.serve();
    let load = Load::start(&service, 0);
    load.until_acknowledged(ORDERS_BETWEEN);
    let mut publications = BTreeMap::new();
    for number in 1..=5 {
        let (version, position) = publish(&service, number);
        assert_eq!(version, u64::from(number) + 1);
        publications.insert(version, position);
        load.until_acknowledged(ORDERS_BETWEEN);
    }
    let (version, position) = roll_back(&service, 2);
    publications.insert(version, position);
    load.until_acknowledged(ORDERS_BETWEEN);
    assert_eq!(load.refused(), 0, "no request failed");
    let outcome = load.stop();
    let versions: BTreeSet<_> =
        outcome.acknowledged.values().map(|answer| answer.body["risk"]["rulebook_version"].as_u64()).collect();
    assert_eq!(versions.len(), 7, "orders met each version: {versions:?}");
    service.stop().expect_code(0);
    shop.replay();
    check(shop, &outcome, &publications);
}

#[test]
fn the_version_of_decisions_switches_exactly_where_it_was_published_on_the_embedded_store() {
    publishes_while_orders_flow(&Shop::embedded());
}

#[test]
fn the_version_of_decisions_switches_exactly_where_it_was_published_on_postgres() {
    publishes_while_orders_flow(&Shop::on_postgres());
}

fn one_publication_follows_another(shop: &Shop, publications_in_all: u32) {
    let service = shop.serve();
    publish(&service, 0);
    let load = Load::start(&service, 0);
    let begun = Instant::now();
    let (mut publications, mut witnessed) = (BTreeMap::new(), 0);
    for number in 1..=publications_in_all {
        let (version, position) = publish(&service, number);
        assert_eq!(version, u64::from(number) + 2, "no version is left out");
        publications.insert(version, position);
        if number % WITNESSED_EVERY == 0 {
            witnessed += 1;
            look(&service, witnessed);
        }
    }
    let took = begun.elapsed();
    assert_eq!(load.refused(), 0, "no request failed");
    let outcome = load.stop();
    println!("{publications_in_all} publications in {took:?} beside {} orders", outcome.acknowledged.len());
    let newest = service.send(service.request(Method::GET, "/v1/rulebooks?limit=1")).json();
    assert_eq!(newest["items"][0]["version"], publications_in_all + 2);
    service.stop().expect_code(0);
    let service = shop.serve();
    look(&service, witnessed + 1);
    service.stop().expect_code(0);
    shop.replay();
    check(shop, &outcome, &publications);
}

#[test]
fn a_thousand_drafts_published_in_a_row_lose_no_window_and_no_request() {
    one_publication_follows_another(&Shop::embedded(), PUBLICATIONS);
}

#[test]
fn two_hundred_and_fifty_drafts_published_in_a_row_lose_no_window_and_no_request_on_postgres() {
    one_publication_follows_another(&Shop::on_postgres(), PUBLICATIONS_ON_POSTGRES);
}
