//! Notifications: none is lost, each order's come in their order, and one that comes twice has the same id and says the same.
//! `ORDERLIGHT_NOTIFICATIONS=100000` makes the proof long.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::Redirect;
use axum::routing::post;
use domain::endpoint::Notification;
use domain::order::OrderEvent;
use eventlog::RecordedEvent;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::orders::plain;
use crate::support::process::PATIENCE;
use crate::support::receiver::{Got, Receiver, take};
use crate::support::service::Service;
use crate::support::shop::Shop;

/// How many messages one order makes here.
const OF_ONE_ORDER: usize = 3;
/// How many messages the proof has where the environment does not say.
const MESSAGES: usize = 3_000;
/// How much longer each of them makes the longest wait.
const EACH: Duration = Duration::from_millis(10);
/// How many orders are sent at once.
const SENT_AT_ONCE: usize = 2_000;

fn messages() -> usize {
    std::env::var("ORDERLIGHT_NOTIFICATIONS").map_or(MESSAGES, |told| told.parse().expect("a number"))
}

/// How long so many messages may take: what hangs does so with few of them too, and many take their time.
fn patience(messages: usize) -> Duration {
    PATIENCE + EACH * u32::try_from(messages).expect("a number of messages")
}

/// Freezes each order, lets it go when it is made small, and freezes it again.
fn send(service: &Service, orders: std::ops::Range<usize>) {
    let mut lines = String::new();
    for number in orders {
        let mut order = plain(&format!("N{number}"));
        order["amount"] = json!(600_000);
        lines += &format!("{}\n", json!({"kind": "placed", "order": order}));
        for (step, amount) in [(1, 5), (2, 700_000)] {
            let (id, message) = (format!("web:N{number}"), format!("N{number}-{step}"));
            let amended =
                json!({"kind": "amended", "order_id": id, "message_id": message, "order": {"amount": amount}});
            lines += &format!("{amended}\n");
        }
    }
    let until = Instant::now() + PATIENCE;
    loop {
        let answers = service.notices(lines.clone()).lines();
        let refused = answers.iter().find(|answer| answer["ok"] != true);
        let Some(refused) = refused else { return };
        // Whoever follows a process that was killed keeps its orders after a while.
        let codes = [&refused["code"], &refused["problem"]["code"]];
        assert!(codes.contains(&&json!("partition_moving")), "{refused}");
        assert!(Instant::now() < until, "nobody takes the orders: {refused}");
    }
}

/// Freezes large orders.
fn serve(shop: &Shop) -> Service {
    shop.serve_by(&json!({
        "name": "Large orders",
        "rules": [{"id": "large", "when": {"feature": "order.amount", "op": ">=", "value": 500_000}, "points": 80}],
        "tiers": [{"id": "freeze", "from": 80, "action": "freeze"}],
        "exemptions": [],
    }))
}

/// What an endpoint that asked for what is frozen and released is to be told of a log: the ids by order, in their order.
fn due(events: &[RecordedEvent], endpoint: &str) -> BTreeMap<String, Vec<String>> {
    let mut due: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in events.iter().filter(|event| &*event.key.aggregate_type == "order") {
        let told: OrderEvent = serde_json::from_str(&event.payload).unwrap();
        if let Some(Notification::OrderFrozen | Notification::OrderReleased) = Notification::of_order(&told) {
            let order = due.entry(event.key.aggregate_id.to_string()).or_default();
            order.push(notify::message_id(endpoint, event.position));
        }
    }
    due
}

fn none_is_lost_in(shop: &Shop) {
    let orders = messages().div_ceil(OF_ONE_ORDER);
    let patience = patience(orders * OF_ONE_ORDER);
    let receiver = Receiver::flaky(21);
    let service = serve(shop);
    let endpoint = receiver.subscribe(&service, &["order.released", "order.frozen"]);
    let begun = Instant::now();
    // Two thirds are sent before the kill, which comes when half of all have arrived, and a third after it.
    let (before_kill, all) = (orders * 2 / 3, orders * OF_ONE_ORDER);
    for first in (0..before_kill).step_by(SENT_AT_ONCE) {
        send(&service, first..before_kill.min(first + SENT_AT_ONCE));
    }
    receiver.until_within(patience, "half arrive", |receiver| receiver.distinct() >= all / 2);
    assert_eq!(service.kill().code, None, "it ended by a signal");
    let arrived = receiver.distinct();
    assert!(arrived < before_kill * OF_ONE_ORDER, "nothing was left to be sent after the kill");
    let service = serve(shop);
    // One by itself, for it may have to be sent again until the new process keeps the orders of the one that was killed.
    send(&service, before_kill..before_kill + 1);
    for first in (before_kill + 1..orders).step_by(SENT_AT_ONCE) {
        send(&service, first..orders.min(first + SENT_AT_ONCE));
    }
    receiver.until_within(patience, "all arrive", |receiver| receiver.distinct() >= all);
    let (took, tries, taken) = (begun.elapsed(), receiver.tries(), receiver.taken().len());
    println!(
        "{all} messages in {} s: {arrived} before the kill; {tries} tries, {} refused, {} taken twice",
        took.as_secs(),
        tries - taken,
        taken - all,
    );
    let pending = format!("/v1/endpoints/{endpoint}/deliveries?state=pending&limit=1");
    receiver.until("the outbox knows", |_| service.get(&pending).json()["items"].as_array().is_some_and(Vec::is_empty));
    service.stop().expect_code(0);

    let due = due(&shop.events(), &endpoint);
    assert!(due.values().all(|of_one| of_one.len() == OF_ONE_ORDER), "each order makes three");
    let mut bodies: BTreeMap<String, Bytes> = BTreeMap::new();
    let mut arrived: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (id, body) in receiver.taken() {
        if let Some(before) = bodies.get(&id) {
            assert_eq!(*before, body, "{id} says something else the second time");
            continue;
        }
        let said: Value = serde_json::from_slice(&body).unwrap();
        arrived.entry(said["data"]["order_id"].as_str().unwrap().to_owned()).or_default().push(id.clone());
        bodies.insert(id, body);
    }
    assert_eq!(arrived, due, "none is lost, none is made up, and each order's come in their order");
}

#[test]
fn none_is_lost_by_a_flaky_receiver_and_a_kill_in_the_middle() {
    none_is_lost_in(&Shop::embedded());
}

#[test]
fn none_is_lost_on_postgres_either() {
    none_is_lost_in(&Shop::on_postgres());
}

#[test]
fn a_private_address_is_refused_and_a_redirect_is_not_followed() {
    let shop = Shop::embedded();
    let service = Service::start_as(shop.serving());
    let create = |service: &Service, url: &str| {
        service.post("/v1/endpoints", &json!({"url": url, "events": ["order.released"]}))
    };
    for url in [
        "http://127.0.0.1:9/",
        "http://localhost:9/",
        "http://[::1]/",
        "http://169.254.169.254/latest",
        "ftp://example.com/",
    ] {
        let refused = create(&service, url);
        assert_eq!(
            (refused.status, &refused.json()["errors"][0]["pointer"]),
            (422, &json!("/url")),
            "{url}: {refused:?}"
        );
    }
    // Nor is a provider's request sent there, whatever the sender says of where the provider is.
    for base_url in ["https://10.0.0.1", "https://localhost"] {
        let sender = json!({
            "provider": "aliyun_sms", "access_key_id": "AKIDdemo", "access_key_secret": "demoSecretKey",
            "sign_name": "演示签名", "template_id": "SMS_1", "base_url": base_url,
        });
        let refused = service.post("/v1/endpoints", &json!({"sender": sender, "events": ["challenge.sms"]}));
        let faults = &refused.json()["errors"];
        assert_eq!(
            (refused.status, &faults[0]["pointer"]),
            (422, &json!("/sender/base_url")),
            "{base_url}: {refused:?}"
        );
        assert_eq!(faults.as_array().unwrap().len(), 1, "{base_url}: {refused:?}");
    }
    service.stop().expect_code(0);

    let got = Arc::new(Mutex::new(Got::default()));
    let receiver = Receiver::start(got, |got| {
        let moved = Router::new().route("/", post(async || Redirect::temporary("/elsewhere")));
        moved.route("/elsewhere", post(take)).with_state(got)
    });
    let service = serve(&shop);
    let endpoint = receiver.subscribe(&service, &["order.released"]);
    service.place(&plain("R1"));
    let failed = format!("/v1/endpoints/{endpoint}/deliveries");
    receiver.until("it is tried", |_| service.get(&failed).json()["items"][0]["last_status"] == 307);
    assert_eq!(receiver.taken(), vec![]);
    let removed = service.send(service.request(Method::DELETE, &format!("/v1/endpoints/{endpoint}")));
    assert_eq!(removed.status, 204, "{removed:?}");
    assert_eq!(service.get(&failed).status, 404);
    drop(service);
}

#[test]
fn whoever_is_told_codes_and_numbers_is_told_them_by_https_or_on_this_machine() {
    let shop = Shop::embedded();
    let service = serve(&shop);
    for (url, event, status) in [
        ("http://10.0.0.1/hooks", "challenge.sms", 422),
        ("http://10.0.0.1/hooks", "challenge.call", 422),
        ("http://localhost/hooks", "challenge.resent", 422),
        ("http://10.0.0.1/hooks", "order.frozen", 201),
        ("https://10.0.0.1/hooks", "challenge.sms", 201),
        ("http://127.0.0.1/hooks", "challenge.sms", 201),
    ] {
        let answer = service.post("/v1/endpoints", &json!({"url": url, "events": ["order.released", event]}));
        assert_eq!(answer.status, status, "{event} to {url}: {answer:?}");
        if status == 422 {
            let fault = &answer.json()["errors"][0];
            assert_eq!(fault["pointer"], "/url", "{fault}");
            assert!(fault["detail"].as_str().is_some_and(|detail| detail.contains(event)), "{fault}");
        }
    }
    service.stop().expect_code(0);
}

#[test]
fn a_receiver_that_answers_gone_is_listed_as_disabled_until_it_is_replayed_to() {
    let shop = Shop::embedded();
    let service = serve(&shop);
    let gone = Receiver::start(Arc::default(), |_| Router::new().route("/", post(async || StatusCode::GONE)));
    let endpoint = gone.subscribe(&service, &["order.released"]);
    let disabled = || service.get("/v1/endpoints").json()["items"][0]["disabled"].clone();
    assert_eq!(disabled(), Value::Null);
    service.place(&plain("G1"));
    gone.until("it is disabled", |_| disabled()["last_status"] == 410);
    assert!(disabled()["since"].as_str().is_some_and(|since| since.ends_with('Z')), "{}", disabled());
    service.place(&plain("G2"));
    let parked = format!("/v1/endpoints/{endpoint}/deliveries?state=parked");
    let parked = || service.get(&parked).json()["items"].as_array().unwrap().len();
    gone.until("what comes is parked", |_| parked() == 2);
    let replayed = service.post(&format!("/v1/endpoints/{endpoint}/replay"), &json!({"parked": true}));
    assert_eq!(replayed.json(), json!({"due": 2}));
    gone.until("it is told again, and is gone", |_| parked() == 2 && disabled()["last_status"] == 410);
    service.stop().expect_code(0);
}

/// How many messages to one receiver are under way at once.
const AT_ONCE: usize = 16;

#[test]
fn a_receiver_that_hangs_keeps_no_other_waiting() {
    let shop = Shop::embedded();
    let service = serve(&shop);
    let begun = Arc::<AtomicUsize>::default();
    let hanging = Receiver::start(Arc::default(), |_| {
        let begun = begun.clone();
        let hang = async move || -> StatusCode {
            begun.fetch_add(1, Ordering::SeqCst);
            std::future::pending().await
        };
        Router::new().route("/", post(hang))
    });
    hanging.subscribe(&service, &["order.frozen", "order.released"]);
    send(&service, 0..AT_ONCE);
    hanging.until("all that goes at once is under way", |_| begun.load(Ordering::SeqCst) >= AT_ONCE);
    let well = Receiver::steady();
    well.subscribe(&service, &["order.frozen", "order.released"]);
    let orders = AT_ONCE..2 * AT_ONCE;
    send(&service, orders.clone());
    well.until("all arrive", |well| well.distinct() == orders.len() * OF_ONE_ORDER);
    drop(service.kill());
}
