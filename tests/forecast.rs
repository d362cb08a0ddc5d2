//! Publications that are bound to what they are expected to do, on the real program: what explodes is taken back by itself, at
//! the order at which the log says so, whatever is killed in between; what does as expected stays.

use eventlog::RecordedEvent;
use serde_json::{Value, json};

use crate::support::orders::{plain, with};
use crate::support::process::Finished;
use crate::support::receiver::Receiver;
use crate::support::service::Service;
use crate::support::shop::Shop;

/// How many orders are sent.
const ORDERS: u32 = 130;
/// From which on all are large.
const LARGE_FROM: u32 = 95;

/// Publishes a book that freezes large orders, expected to freeze one in fifty; answers with its version.
fn publish(service: &Service) -> Value {
    let book = json!({
        "name": "Large ones",
        "rules": [{"id": "large", "when": {"feature": "order.amount", "op": ">=", "value": 500_000}, "points": 80}],
        "tiers": [{"id": "hold", "from": 80, "action": "freeze"}]
    });
    let id = service.post("/v1/rulebooks", &book).json()["id"].as_str().expect("a draft has an id").to_owned();
    let expected = json!({"challenge_rate": "0", "freeze_rate": "0.02", "factor": "2", "after_orders": 100});
    let published = service.post(&format!("/v1/rulebooks/{id}/publish"), &json!({"expected": expected}));
    assert_eq!(published.status, 200, "{published:?}");
    published.json()["version"].take()
}

fn order(number: u32, amount: u32) -> Value {
    with(plain(&format!("F-{number}")), json!({"amount": amount, "lines": [{"sku": "MASK-01", "quantity": 1}]}))
}

/// The version that decided an order.
fn place(service: &Service, number: u32, amount: u32) -> u64 {
    service.place(&order(number, amount))["risk"]["rulebook_version"].as_u64().expect("a version")
}

fn amount(number: u32) -> u32 {
    if number >= LARGE_FROM { 899_900 } else { 39_900 }
}

/// What the log says of the publication that came by itself, and which order decided it.
fn taken_back(shop: &Shop) -> (Value, String) {
    let events = shop.events();
    let is_rollback = |payload: &str| payload.contains("forecast_left");
    let found = events.iter().filter(|event| &*event.event_type == "RulebookPublished" && is_rollback(&event.payload));
    let [rollback] = &found.collect::<Vec<_>>()[..] else { panic!("one publication came by itself") };
    let is_before =
        |event: &&RecordedEvent| event.position < rollback.position && event.partition == rollback.partition;
    let scored = events.iter().rfind(|event| is_before(event) && &*event.event_type == "Scored");
    let scored = scored.expect("an order shows it");
    let payload: Value = serde_json::from_str(&rollback.payload).expect("an event is JSON");
    (payload["RulebookPublished"].clone(), scored.key.aggregate_id.to_string())
}

/// Sends the orders, and ends the process after those that are told; answers with what the log holds of the rollback.
fn explodes(shop: &Shop, end: fn(Service) -> Finished, ends_after: &[u32]) -> (Value, String) {
    let mut service = shop.serve();
    assert_eq!(publish(&service), 2);
    let mut versions = vec![];
    for number in 1..=ORDERS {
        versions.push(place(&service, number, amount(number)));
        if ends_after.contains(&number) {
            end(service);
            service = shop.serve();
        }
    }
    let live = service.get("/v1/rulebook").json();
    assert_eq!((&live["version"], &live["restores"], &live["approver"]), (&json!(3), &json!(1), &json!("orderlight")));
    assert_eq!(live["forecast_left"]["rate"], "freeze");
    service.stop().expect_code(0);
    shop.replay();
    let (rollback, order) = taken_back(shop);
    let last: u32 = order.rsplit('-').next().and_then(|number| number.parse().ok()).expect("a number");
    let by_version = |number: u32| if number <= last { 2 } else { 3 };
    assert!((1..).zip(&versions).all(|(number, version)| by_version(number) == *version), "{last}: {versions:?}");
    assert!(last > LARGE_FROM && last < ORDERS, "{last}");
    (rollback, order)
}

#[test]
fn a_version_that_freezes_far_more_than_expected_is_taken_back_at_the_same_order_whatever_is_killed() {
    let undisturbed = explodes(&Shop::embedded(), Service::kill, &[]);
    assert_eq!(undisturbed, explodes(&Shop::embedded(), Service::kill, &[50, 100, 103, 105]), "the count goes on");
}

#[test]
fn it_is_taken_back_at_the_same_order_on_postgres() {
    let embedded = explodes(&Shop::embedded(), Service::stop, &[]);
    assert_eq!(embedded, explodes(&Shop::on_postgres(), Service::stop, &[100]));
}

/// A receiver is told of the publication, and then of the one that came by itself.
fn others_are_told_of_it(shop: &Shop) {
    let mut command = shop.serving();
    command.env("ORDERLIGHT_ALLOW_PRIVATE_ENDPOINTS", "true");
    let service = Service::start_as(command);
    let receiver = Receiver::steady();
    receiver.subscribe(&service, &["rulebook.published", "rulebook.rolled_back"]);
    assert_eq!(publish(&service), 2);
    let versions: Vec<u64> = (1..=ORDERS).map(|number| place(&service, number, amount(number))).collect();
    assert_eq!(versions.last(), Some(&3), "it was taken back");
    receiver.until("both arrive", |receiver| receiver.distinct() == 2);
    let live = service.get("/v1/rulebook").json();
    service.stop().expect_code(0);

    let told: Vec<Value> =
        receiver.taken().iter().map(|(_, body)| serde_json::from_slice(body).expect("a message is JSON")).collect();
    let [published, rolled_back] = &told[..] else { panic!("each comes once: {told:?}") };
    assert_eq!((&published["type"], &published["data"]["version"]), (&json!("rulebook.published"), &json!(2)));
    assert_eq!(published["data"]["by_forecast"], false, "somebody published it");
    assert_eq!(rolled_back["type"], "rulebook.rolled_back");
    let data = &rolled_back["data"];
    assert_eq!((&data["version"], &data["restores"], &data["actor"]), (&json!(3), &json!(1), &json!("orderlight")));
    assert_eq!((&data["by_forecast"], &data["hash"]), (&json!(true), &live["hash"]));
    let (rollback, _) = taken_back(shop);
    assert_eq!(
        (&rollback["version"], &rollback["forecast_left"]["version"]),
        (&json!(3), &json!(2)),
        "as the log has it"
    );
}

#[test]
fn others_are_told_when_a_version_is_taken_back_by_itself() {
    others_are_told_of_it(&Shop::embedded());
}

#[test]
fn others_are_told_when_a_version_is_taken_back_by_itself_on_postgres() {
    others_are_told_of_it(&Shop::on_postgres());
}

#[test]
fn a_version_that_does_what_is_expected_stays_through_starts_and_bursts() {
    let shop = Shop::embedded();
    let service = shop.serve();
    assert_eq!(publish(&service), 2);
    for number in 1..=200 {
        place(&service, number, if number % 50 == 0 { 899_900 } else { 39_900 });
    }
    service.stop().expect_code(0);
    let service = shop.serve();
    for number in 201..=400 {
        // Five in a row are a burst, and still within what chance explains.
        let amount = if (300..305).contains(&number) { 899_900 } else { 39_900 };
        assert_eq!(place(&service, number, amount), 2);
    }
    assert_eq!(service.get("/v1/rulebook").json()["version"], 2);
    service.stop().expect_code(0);
    shop.replay();
}
