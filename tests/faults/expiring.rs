//! kill -9 while challenges expire.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::rounds;
use crate::support::orders::{plain, with};
use crate::support::process::PATIENCE;
use crate::support::service::Service;
use crate::support::shop::Shop;

/// The most orders that a round places before the first of them expires.
const ROUND_MAX: usize = 2_000;
/// The pause before an order is sent again to a service that begins.
const COME_BACK: Duration = Duration::from_millis(50);

#[test]
fn challenges_that_expire_while_the_service_is_killed_expire_once_in_files() {
    kill_while_they_expire(&Shop::embedded());
}

#[test]
fn challenges_that_expire_while_the_service_is_killed_expire_once_on_postgres() {
    kill_while_they_expire(&Shop::on_postgres());
}

/// Each round asks customers until the time of the first of them is over, so that it is killed between two of them.
fn kill_while_they_expire(shop: &Shop) {
    let mut asked = 0;
    for round in 0..rounds() {
        let service = Service::start_as(serving(shop));
        let first = ask(&service, asked);
        asked += 1;
        let until = asked + ROUND_MAX;
        while is_asked(&service, &first) {
            assert!(asked < until, "{first} does not expire");
            ask(&service, asked);
            asked += 1;
        }
        assert_eq!(service.kill().code, None, "it ended by a signal");
        let expired: usize = expiries(shop).values().sum();
        println!("round {round}: killed, {expired} of {asked} had expired");
        assert!(0 < expired && expired < asked, "it was not killed in the middle: {expired} of {asked} had expired");
    }
    let service = Service::start_as(serving(shop));
    let until = Instant::now() + PATIENCE;
    for number in 0..asked {
        while is_asked(&service, &id(number)) {
            assert!(Instant::now() < until, "{} does not expire", id(number));
            std::thread::park_timeout(COME_BACK);
        }
    }
    service.stop().expect_code(0);
    let once: BTreeMap<String, usize> = (0..asked).map(|number| (id(number), 1)).collect();
    assert_eq!(expiries(shop), once);
    shop.replay();
}

/// A shop that asks about every order, for the time of two breaths.
fn serving(shop: &Shop) -> Command {
    let sms = json!({"challenge": "sms", "expires_in": "2s", "on_fail": "freeze", "on_expire": "review"});
    let rulebook = json!({
        "name": "Everybody", "tiers": [{"id": "sms", "from": 10, "action": sms}],
        "rules": [{"id": "any_order", "when": {"feature": "order.amount", "op": ">", "value": 0}, "points": 10}],
    });
    let file = shop.data().with_file_name("rulebook.json");
    std::fs::write(&file, rulebook.to_string()).expect("a file can be written");
    let mut command = shop.serving();
    command.arg("--rulebook").arg(file);
    command
}

fn id(number: usize) -> String {
    format!("web:{number}")
}

/// Places an order whose customer is asked, as soon as the service takes it; answers with its id.
#[track_caller]
fn ask(service: &Service, number: usize) -> String {
    let customer = json!({"id": format!("u-{number}"), "name": "王五", "phone": "13800138000"});
    let order = with(plain(&number.to_string()), json!({"customer": customer}));
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = service.post("/v1/orders", &order);
        if matches!(answer.status, 200 | 201) {
            let decision = answer.json();
            assert_eq!(decision["risk"]["challenge"]["method"], "sms", "{decision}");
            return id(number);
        }
        assert!(answer.status == 503 && Instant::now() < until, "{answer:?}");
        std::thread::park_timeout(COME_BACK);
    }
}

/// Whether the customer may still answer; a look-up may not have seen yet that they were asked.
fn is_asked(service: &Service, order: &str) -> bool {
    let found = service.get(&format!("/v1/orders/{order}/history?order=arrival&limit=200"));
    match found.status {
        200 => {
            let history = found.json();
            let mut items = history["items"].as_array().expect("a list has items").iter();
            items.all(|item| item["type"] != "ReviewOpened")
        }
        404 | 503 => true,
        _ => panic!("{found:?}"),
    }
}

/// How often the log says of each order that nobody answered.
fn expiries(shop: &Shop) -> BTreeMap<String, usize> {
    let mut expiries = BTreeMap::new();
    for event in shop.events().iter().filter(|event| &*event.event_type == "ReviewOpened") {
        let told: Value = serde_json::from_str(&event.payload).expect("an event is JSON");
        assert_eq!(told["ReviewOpened"]["cause"], "challenge_expired", "{told}");
        *expiries.entry(event.key.aggregate_id.to_string()).or_default() += 1;
    }
    expiries
}
