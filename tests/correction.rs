//! Decisions that correct themselves, seen from outside: a burst pulls its first orders back, also when the one that makes it a
//! burst comes late, and lets them go when the evidence is gone.

use serde_json::{Value, json};

use crate::support::orders::{at, plain, with};
use crate::support::service::Service;
use crate::support::shop::Shop;

const DAY: i64 = 86_400_000;
const SMS: &str = "“Device burst” (orders from this device within 5 minutes: 5)";

/// An order of a customer with a number of a virtual operator, so many seconds after midnight, from one device.
fn order(order_no: &str, second: i64) -> Value {
    with(
        plain(order_no),
        json!({
            "placed_at": at(second * 1_000),
            "customer": {"id": "u-77", "name": "张三", "phone": "17012345678", "level": 1, "registered_at": at(-3 * DAY)},
            "delivery": {"recipient": "李四", "country": "CN", "province": "浙江省", "city": "杭州市", "street": "文三路 1 号"},
            "device": {"id": "d-9f1c"},
        }),
    )
}

/// What happened to an order, in the order of arrival, as the kinds of its events.
fn kinds(history: &Value) -> Vec<&str> {
    history["items"].as_array().expect("items").iter().map(|item| item["type"].as_str().expect("a type")).collect()
}

fn history(service: &Service, order_no: &str) -> Value {
    service.get(&format!("/v1/orders/web:{order_no}/history?order=arrival")).json()
}

fn state(service: &Service, order_no: &str) -> Value {
    service.get(&format!("/v1/orders/web:{order_no}")).json()["risk"]["state"].clone()
}

/// The orders in the review queue.
fn reviewed(service: &Service) -> Vec<String> {
    service.settle();
    let queue = service.get("/v1/reviews?limit=200").json();
    let items = queue["items"].as_array().expect("items").iter();
    let mut orders: Vec<String> = items.map(|item| item["order_id"].as_str().expect("an id").to_owned()).collect();
    orders.sort();
    orders
}

#[track_caller]
fn corrects_itself(shop: &Shop) {
    let service = shop.serve();
    for (order_no, second) in [("A0", 0), ("A1", 20), ("A2", 60), ("A3", 80)] {
        let decision = service.place(&order(order_no, second));
        assert_eq!(decision["risk"]["state"], "released", "{decision}");
    }
    let shipped = json!({"status": "shipped", "occurred_at": at(90_000), "source": "wms"});
    assert_eq!(service.post("/v1/orders/web:A0/status", &shipped).status, 200);

    // Placed as the third of five, and the last to arrive.
    let late = service.place(&order("A4", 40));
    assert_eq!((&late["risk"]["state"], &late["risk"]["score"]), (&json!("challenged"), &json!(90)), "{late}");
    assert_eq!(reviewed(&service), ["web:A1", "web:A2", "web:A3", "web:A4"]);
    assert_eq!(kinds(&history(&service, "A0")), ["Placed", "Scored", "Released", "StatusReported"], "it has left");
    assert_eq!(state(&service, "A0"), "released");
    for order_no in ["A1", "A2", "A3"] {
        assert_eq!(state(&service, order_no), "challenged");
        assert_eq!(
            kinds(&history(&service, order_no)),
            ["Placed", "Scored", "Released", "Scored", "Challenged"],
            "{order_no}"
        );
    }
    let summary = |order_no: &str| history(&service, order_no)["items"][3]["summary"].clone();
    let why = summary("A1");
    assert_eq!(
        why["en"],
        format!(
            "Scored again because order web:A3 made {SMS} fire, which counts for this one too: 90, which reaches tier \
                 “sms”; fired: “Device burst” +50, “Virtual operator number” +40"
        )
    );
    let zh = why["zh"].as_str().expect("a text");
    assert!(zh.starts_with("因订单 web:A3 触发“同设备短时多单”（5 分钟内同一设备的订单数：5 单），"), "{zh}");
    assert!(
        summary("A3")["en"].as_str().expect("a text").starts_with("Scored again because order web:A4 arrived late: 90")
    );
    let explanation = service.get("/v1/orders/web:A1/decision").json()["explanation"].clone();
    assert!(explanation["en"].as_str().expect("a text").contains("(fired for order web:A3, "), "{explanation}");

    let moved = service.patch("/v1/orders/web:A4", &json!({"device": {"id": "another"}}));
    assert_eq!(moved.status, 200, "{moved:?}");
    service.settle();
    for order_no in ["A0", "A1", "A2", "A3", "A4"] {
        assert_eq!(state(&service, order_no), "released", "{order_no}");
    }
    let told = history(&service, "A1");
    assert_eq!(kinds(&told)[5..], ["Scored", "Released"]);
    let why = told["items"][5]["summary"]["en"].as_str().expect("a text");
    assert!(why.starts_with("Scored again because the facts of order web:A4 changed: 40"), "{why}");
    assert_eq!(told["items"][6]["data"]["cause"], "rescored");
    assert_eq!(reviewed(&service), Vec::<String>::new());
    service.stop();
    shop.replay();
}

#[test]
fn a_burst_is_pulled_back_by_its_late_fifth_order_and_let_go_when_that_was_from_elsewhere() {
    corrects_itself(&Shop::embedded());
}

#[test]
fn a_burst_is_pulled_back_by_its_late_fifth_order_and_let_go_when_that_was_from_elsewhere_on_postgres() {
    corrects_itself(&Shop::on_postgres());
}
