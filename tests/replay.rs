//! One byte of one recorded score altered in a copy of a store: the replay names exactly that order, on the command line and over
//! HTTP, and on either back end.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::service::{Answer, Service};
use crate::support::shop::Shop;
use crate::support::traffic;

/// Another merchant in the same store.
const OTHER: &str = "north";

/// What a replay must find: the score of one order, altered by one byte.
struct Alteration {
    order: String,
    partition: u32,
    position: u64,
    recorded: String,
    recomputed: String,
}

impl Alteration {
    /// Of a screening in the middle of the log that fired a rule.
    fn of(shop: &Shop) -> Self {
        let events = shop.events();
        let scored = |event: &&eventlog::RecordedEvent| {
            *event.event_type == *"Scored"
                && event.payload.contains("\"score\":30,")
                && event.key.merchant.as_str() != OTHER
        };
        let all: Vec<_> = events.iter().filter(scored).collect();
        let event = all[all.len() / 2];
        let recorded = event.payload.replacen("\"score\":30,", "\"score\":31,", 1);
        let (order, recomputed) = (event.key.aggregate_id.to_string(), event.payload.to_string());
        let differing = recorded.bytes().zip(recomputed.bytes()).filter(|(one, other)| one != other).count();
        assert_eq!((recorded.len(), differing), (recomputed.len(), 1), "one byte is altered");
        Self { order, partition: event.partition, position: event.position, recorded, recomputed }
    }

    fn statement(&self, has_partitions: bool) -> String {
        let partition = if has_partitions { format!(" AND partition = {}", self.partition) } else { String::new() };
        let altered = "replace(payload, '\"score\":30,', '\"score\":31,')";
        format!("UPDATE log SET payload = {altered} WHERE position = {}{partition}", self.position)
    }

    fn told(&self) -> Value {
        json!([{"order_id": self.order, "position": self.position, "recorded": self.recorded, "recomputed": self.recomputed}])
    }
}

/// Fills a shop with orders of two merchants, and alters a copy.
fn tampered(shop: &Shop, is_postgres: bool) -> (Alteration, Shop, u64) {
    let service = shop.serve();
    let answers = service.notices(traffic::lines(11, 400).join("\n"));
    assert!(answers.lines().iter().all(|line| line["ok"] == true), "{answers:?}");
    let key = register_other(&service);
    let order = json!({"channel": "web", "order_no": "N1", "placed_at": "2026-11-11T00:00:00Z", "currency": "CNY", "amount": 1,
                       "lines": [{"sku": "A", "quantity": 1, "unit_price": 1}]});
    let placed = service.send(service.anonymous(Method::POST, "/v1/orders").bearer_auth(&key).json(&order));
    assert_eq!(placed.status, 201, "{placed:?}");
    service.stop().expect_code(0);
    shop.replay();
    let alteration = Alteration::of(shop);
    let decisions = shop.events().iter().filter(|event| &*event.event_type == "Scored").count();
    let copy = shop.tampered_copy(&alteration.statement(is_postgres));
    (alteration, copy, u64::try_from(decisions).expect("a small number"))
}

fn register_other(service: &Service) -> String {
    let registered = service.post("/v1/merchants", &json!({"id": OTHER, "name": "North"}));
    assert_eq!(registered.status, 201, "{registered:?}");
    registered.json()["key"].as_str().expect("a key").to_owned()
}

fn new_key(service: &Service, role: &str) -> String {
    let made = service.post("/v1/keys", &json!({"name": role, "roles": [role]}));
    made.json()["key"].as_str().expect("a key").to_owned()
}

/// A replay over HTTP that is waited for.
fn replay(service: &Service, key: &str, body: &Value) -> Answer {
    service.send(service.anonymous(Method::POST, "/v1/audit/replay?wait=true").bearer_auth(key).json(body))
}

fn names_exactly_that_order(shop: &Shop, is_postgres: bool) {
    let (alteration, copy, decisions) = tampered(shop, is_postgres);
    let (partition, position) = (alteration.partition.to_string(), alteration.position);

    let found = copy.run(&["replay"]).expect_code(1);
    let place = format!("{} at {partition}-{position}", alteration.order);
    let named: Vec<_> = found.stdout.lines().filter(|line| line.contains(" at ")).collect();
    assert_eq!(named, [place], "{found:?}");
    assert_eq!(found.stdout.lines().filter(|line| line.ends_with(" 1 different")).count(), 1, "{found:?}");
    assert!(
        found
            .stdout
            .contains(&format!("  recorded   {}\n  recomputed {}\n", alteration.recorded, alteration.recomputed))
    );
    let between = |from: u64, to: u64| {
        let (from, to) = (from.to_string(), to.to_string());
        copy.run(&["replay", "--partition", &partition, "--from", &from, "--to", &to])
    };
    between(1, position - 1).expect_code(0);
    between(position + 1, position + 2).expect_code(0);
    assert!(between(position, position).expect_code(1).stdout.contains(" 1 decisions, 0 identical, 1 different"));
    between(position, position - 1).expect_code(2);

    let service = copy.serve();
    let auditor = new_key(&service, "auditor");
    let whole = replay(&service, &auditor, &json!({}));
    assert_eq!(whole.status, 200, "{whole:?}");
    let expected = json!({"decisions": decisions - 1, "identical": decisions - 2, "different": alteration.told()});
    assert_eq!(whole.json(), expected, "the decision of {OTHER} is not counted");
    let before = replay(&service, &auditor, &json!({"partition": alteration.partition, "to_position": position - 1}));
    assert_eq!(before.json()["different"], json!([]), "{before:?}");
    let from = replay(&service, &auditor, &json!({"from_position": position}));
    assert_eq!(from.json()["different"], alteration.told(), "{from:?}");
    assert_eq!(service.send(service.anonymous(Method::POST, "/v1/audit/replay").json(&json!({}))).status, 401);
    service.stop().expect_code(0);
    shop.replay();
}

#[test]
fn an_altered_score_is_named_on_the_embedded_store() {
    names_exactly_that_order(&Shop::embedded(), false);
}

#[test]
fn an_altered_score_is_named_on_postgres() {
    names_exactly_that_order(&Shop::on_postgres(), true);
}

#[test]
fn an_auditor_of_another_merchant_is_told_nothing_of_it() {
    let shop = Shop::embedded();
    let (_, copy, _) = tampered(&shop, false);
    let service = copy.serve();
    let platform = service.post("/v1/merchants", &json!({"id": "third", "name": "Third"}));
    let third = platform.json()["key"].as_str().expect("a key").to_owned();
    let found = replay(&service, &third, &json!({}));
    assert_eq!(found.json(), json!({"decisions": 0, "identical": 0, "different": []}));
    let elsewhere = replay(&service, &third, &json!({"partition": 1}));
    assert_eq!(elsewhere.status, 404, "{elsewhere:?}");
    service.stop().expect_code(0);
}
