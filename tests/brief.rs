//! The case the service was made for: bursts are held, families are not.

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::support::orders::{at, plain, with};
use crate::support::service::Service;

const DAY: i64 = 86_400_000;
const YEAR: i64 = 365 * DAY;

/// What somebody orders for somebody.
struct Gift<'a> {
    order_no: String,
    customer: &'a str,
    phone: &'a str,
    device: Option<&'a str>,
    recipient_phone: String,
    street: String,
    amount: i64,
    at: i64,
}

impl Gift<'_> {
    fn order(&self) -> Value {
        let mut more = json!({
            "placed_at": at(self.at), "amount": self.amount,
            "lines": [{"sku": "PHONE-PRO", "quantity": 1, "unit_price": self.amount}],
            "customer": {"id": self.customer, "phone": self.phone, "level": 1, "registered_at": at(-YEAR)},
            "delivery": {"recipient": "某人", "phone": self.recipient_phone, "country": "CN", "province": "广东省",
                "city": "深圳市", "district": "南山区", "street": self.street},
        });
        if let Some(device) = self.device {
            more["device"] = json!({"id": device});
        }
        with(plain(&self.order_no), more)
    }
}

/// Twelve expensive orders of one account within three seconds, each to another address and a number never seen.
fn burst(device: Option<&str>) -> Vec<Value> {
    let order = |number: i64| {
        Gift {
            order_no: format!("BURST-{number}"),
            customer: "burst",
            phone: "13700000001",
            device,
            recipient_phone: format!("1351234{:04}", 1_000 + number),
            street: format!("科技路 {number} 号"),
            amount: 899_900,
            at: number * 250,
        }
        .order()
    };
    (0..12).map(order).collect()
}

/// Five gifts of a family in the same seconds, to where it has sent before.
fn gifts(count: i64, name: &str, at: impl Fn(i64) -> i64) -> Vec<Value> {
    let order = |number: i64| {
        Gift {
            order_no: format!("{name}-{number}"),
            customer: "family",
            phone: "13600000002",
            device: Some("family-phone"),
            recipient_phone: format!("1381234{:04}", 2_000 + number % 5),
            street: format!("家园路 {} 号", number % 5),
            amount: 59_900,
            at: at(number),
        }
        .order()
    };
    (0..count).map(order).collect()
}

/// The family has sent two parcels to each of five addresses; all were paid and delivered.
fn make_familiar(service: &Service) {
    for (order, number) in gifts(10, "EARLIER", |number| (number - 40) * DAY).iter().zip(0..) {
        let decision = service.place(order);
        assert_eq!(decision["risk"]["state"], "released", "{decision}");
        for (status, later) in [("paid", 1), ("delivered", 2)] {
            let report =
                json!({"status": status, "occurred_at": at((number - 40) * DAY + later * 3_600_000), "source": "wms"});
            let path = format!("/v1/orders/web:EARLIER-{number}/status");
            assert_eq!(service.post(&path, &report).status, 200);
        }
    }
}

/// The burst and the gifts, by the time of their placing; the decisions of each.
fn in_the_same_seconds(service: &Service, burst: Vec<Value>, gifts: Vec<Value>) -> (Vec<Value>, Vec<Value>) {
    let mut orders: Vec<(bool, Value)> =
        burst.into_iter().map(|order| (true, order)).chain(gifts.into_iter().map(|order| (false, order))).collect();
    orders.sort_by_key(|(_, order)| order["placed_at"].to_string());
    let (mut of_burst, mut of_gifts) = (vec![], vec![]);
    for (is_burst, order) in orders {
        let decision = service.place(&order);
        println!("{} {}", decision["order_id"], decision["risk"]);
        if is_burst { &mut of_burst } else { &mut of_gifts }.push(decision);
    }
    (of_burst, of_gifts)
}

#[track_caller]
fn held_while_the_family_passes(device: Option<&str>, held_min: usize) {
    let directory = tempdir().unwrap();
    let service = Service::start(directory.path());
    make_familiar(&service);
    let gifts = gifts(5, "GIFT", |number| 100 + number * 500);
    let (burst, gifts) = in_the_same_seconds(&service, burst(device), gifts);

    let last = &burst[11]["risk"];
    assert!(matches!(last["tier"].as_str(), Some("call" | "freeze")), "{last}");
    assert!(matches!(last["state"].as_str(), Some("challenged" | "frozen")), "{last}");
    let held = burst.iter().filter(|decision| decision["risk"]["state"] != "released").count();
    assert!(held >= held_min, "only {held} of the burst are held");
    for gift in &gifts {
        assert_eq!((&gift["risk"]["state"], &gift["risk"]["tier"]), (&json!("released"), &json!("pass")), "{gift}");
        assert_eq!(gift["risk"]["challenge"], Value::Null, "{gift}");
    }
    service.settle();
    let queue = service.get("/v1/reviews?limit=200").json();
    let reviewed: Vec<&str> =
        queue["items"].as_array().unwrap().iter().filter_map(|item| item["order_id"].as_str()).collect();
    assert!(reviewed.len() >= held, "those that were held at once, and those that were pulled back");
    if device.is_some() {
        // Also the first one, which had no address before it: all of them hold stock that nobody pays for.
        assert_eq!(reviewed.len(), 12, "{reviewed:?}");
    }
    assert!(reviewed.iter().all(|order| order.starts_with("web:BURST-")), "nobody looks at the gifts: {reviewed:?}");
}

#[test]
fn a_burst_from_one_device_is_held_while_a_familys_gifts_in_the_same_seconds_pass() {
    held_while_the_family_passes(Some("burst-device"), 8);
}

#[test]
fn a_burst_without_any_device_is_held_while_a_familys_gifts_in_the_same_seconds_pass() {
    held_while_the_family_passes(None, 3);
}

/// Four orders of a known customer at home, then a fifth within five minutes to a new address.
fn fifth_order(service: &Service, level: i64) -> Value {
    let order = |number: i64| {
        let street = if number < 4 { "文三路 1 号" } else { "天目山路 9 号" };
        with(
            plain(&format!("A{number}")),
            json!({
                "placed_at": at(number * 20_000),
                "customer": {"id": "u-77", "phone": "13800138000", "level": level, "registered_at": at(-YEAR)},
                "delivery": {"recipient": "李四", "country": "CN", "province": "浙江省", "city": "杭州市", "street": street},
                "device": {"id": "d-9f1c"},
            }),
        )
    };
    let mut decisions = (0..5).map(|number| service.place(&order(number)));
    for decision in decisions.by_ref().take(4) {
        assert_eq!(decision["risk"]["state"], "released", "{decision}");
    }
    decisions.next().expect("five orders were placed")
}

fn hits() -> Value {
    json!([
        {"rule": "device_burst", "points": 50, "evidence": {"device.orders[5m]": 5}},
        {"rule": "address_changed", "points": 30, "evidence": {"address.changed": true, "address.familiar": false}},
    ])
}

#[test]
fn the_fifth_order_of_a_device_to_a_new_address_is_asked_about_by_sms() {
    let directory = tempdir().unwrap();
    let service = Service::start(directory.path());
    let decision = fifth_order(&service, 1);
    let risk = &decision["risk"];
    assert_eq!(decision["order_id"], "web:A4");
    assert_eq!(decision["duplicate"], false);
    assert_eq!((&risk["state"], &risk["score"], &risk["tier"]), (&json!("challenged"), &json!(80), &json!("sms")));
    assert_eq!((&risk["rulebook_version"], &risk["exemption"]), (&json!(1), &Value::Null));
    assert_eq!(risk["hits"], hits());
    assert_eq!(risk["challenge"]["method"], "sms");
    assert!(risk["challenge"]["id"].is_string() && risk["challenge"]["expires_at"].is_string(), "{risk}");
    let why = service.get("/v1/orders/web:A4/decision").json();
    assert_eq!(why["hits"], hits());
    assert!(why["explanation"]["zh"].as_str().unwrap().contains("短信"), "{why}");
    assert!(why["explanation"]["en"].as_str().unwrap().contains("SMS"), "{why}");
}

#[test]
fn a_vip_is_scored_and_spared() {
    let directory = tempdir().unwrap();
    let service = Service::start(directory.path());
    let decision = fifth_order(&service, 4);
    let risk = &decision["risk"];
    assert_eq!((&risk["state"], &risk["score"], &risk["tier"]), (&json!("released"), &json!(80), &json!("sms")));
    assert_eq!(risk["exemption"], "vip");
    assert_eq!(risk["hits"], hits());
    assert_eq!(risk["challenge"], Value::Null);
}
