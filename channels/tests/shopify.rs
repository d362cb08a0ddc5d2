//! `shopify`: webhooks of a Shopify shop.

mod delivery;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use channels::{Receiver, Refusal, channel};
use delivery::{Delivery, lines, open, vectors};
use domain::notice::{Content, OrderFacts, TEXT_BYTES_MAX};
use domain::order::Status;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

const SECRET: &str = "shpss_demo_secret";
const NOW: &str = "2026-11-11T00:00:05Z";

fn sign(secret: &str, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key");
    BASE64.encode(mac.chain_update(body).finalize().into_bytes())
}

fn receiver() -> Box<dyn Receiver> {
    open("shopify", json!({"secret": SECRET}))
}

fn signed(topic: &str, body: &Value) -> Delivery {
    let body = body.to_string();
    let signature = sign(SECRET, &body);
    Delivery::new(body, NOW)
        .header("x-shopify-hmac-sha256", signature)
        .header("x-shopify-topic", topic)
        .header("x-shopify-webhook-id", "w1")
        .header("x-shopify-triggered-at", "2026-11-11T00:00:03.500Z")
}

fn order() -> Value {
    json!({
        "id": 820_982_911_946_154_508_i64, "name": "#1001", "phone": null,
        "created_at": "2026-11-11T08:00:00+08:00", "updated_at": "2026-11-11T08:00:02+08:00",
        "currency": "CNY", "total_price": "399.00", "financial_status": "pending", "browser_ip": "203.0.113.7",
        "client_details": {"user_agent": "Mozilla/5.0", "browser_ip": "203.0.113.8"},
        "customer": {"id": 207_119_551, "phone": "+8613800138000", "first_name": "三", "last_name": "张", "created_at": null},
        "shipping_address": {
            "name": "李四", "phone": "139 0013 9000", "address1": "文三路 1 号", "address2": "3 幢", "city": "杭州市",
            "province": "Zhejiang", "country": "China", "country_code": "CN", "zip": "310000"
        },
        "line_items": [
            {"id": 1, "variant_id": 2, "sku": "MASK-01", "title": "面膜", "quantity": 2, "price": "199.50"},
            {"id": 3, "variant_id": 4, "sku": "", "title": "Gift", "quantity": 1, "price": "0.00"},
            {"id": 5, "sku": "GONE", "title": "Removed", "quantity": 1, "current_quantity": 0, "price": "9.00"}
        ]
    })
}

fn order_with(pointer: &str, value: Value) -> Value {
    let mut order = order();
    *order.pointer_mut(pointer).expect("a field") = value;
    order
}

fn said(topic: &str, body: &Value) -> Vec<String> {
    let received = signed(topic, body).to(&*receiver()).expect("a good delivery");
    assert_eq!((received.reply.status, &*received.reply.body), (200, ""));
    lines(&received.notices)
}

fn facts(topic: &str, body: &Value) -> OrderFacts {
    let received = signed(topic, body).to(&*receiver()).expect("a good delivery");
    match &received.notices[0].content {
        Content::Placed(facts) | Content::Amended(facts) => facts.clone(),
        Content::Status { .. } => panic!("a status has no facts"),
    }
}

fn fault_pointers(topic: &str, body: &Value) -> Vec<String> {
    let refused = signed(topic, body).to(&*receiver()).expect_err("a refusal");
    assert_eq!(refused.reply.status, 422);
    match refused.refusal {
        Refusal::Malformed { faults } => faults.into_iter().map(|fault| fault.pointer).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_vector_verifies() {
    for vector in vectors("shopify") {
        let text = |name: &str| vector["inputs"][name].as_str().expect("a text");
        let delivery = Delivery::new(text("body"), NOW)
            .header("x-shopify-hmac-sha256", vector["expected"].as_str().expect("a signature"))
            .header("x-shopify-topic", "orders/create")
            .header("x-shopify-webhook-id", "w1");
        let received = delivery.to(&*open("shopify", json!({"secret": text("secret")}))).expect("an order");
        assert_eq!(
            lines(&received.notices),
            [
                "shopify:820982911946154508 placed 2026-01-01T04:00:00.000Z w1:0",
                "shopify:820982911946154508 paid 2026-01-01T04:00:00.000Z w1:1",
            ]
        );
    }
}

#[test]
fn an_order_becomes_facts() {
    let facts = facts("orders/create", &order());
    assert_eq!(facts.placed_at.expect("a time").to_string(), "2026-11-11T00:00:00.000Z");
    assert_eq!((facts.display_no.as_deref(), facts.currency.as_deref()), (Some("#1001"), Some("CNY")));
    assert_eq!(facts.amount, Some(39_900));
    let lines = facts.lines.expect("lines");
    let lines: Vec<_> = lines.iter().map(|line| (&*line.sku, line.quantity, line.unit_price)).collect();
    assert_eq!(lines, [("MASK-01", 2, Some(19_950)), ("variant-4", 1, Some(0))]);
    let customer = facts.customer.expect("a customer");
    assert_eq!((customer.id.as_deref(), customer.name.as_deref()), (Some("207119551"), Some("三 张")));
    assert_eq!(customer.phone.as_deref(), Some("+8613800138000"));
    let delivery = facts.delivery.expect("a delivery");
    assert_eq!((delivery.recipient.as_deref(), delivery.country.as_deref()), (Some("李四"), Some("CN")));
    assert_eq!((delivery.street.as_deref(), delivery.city.as_deref()), (Some("文三路 1 号 3 幢"), Some("杭州市")));
    assert_eq!((delivery.postcode.as_deref(), delivery.phone.as_deref()), (Some("310000"), Some("139 0013 9000")));
    assert_eq!(facts.device.expect("a device").user_agent.as_deref(), Some("Mozilla/5.0"));
    assert_eq!(facts.ip.expect("an address").to_string(), "203.0.113.7");
}

#[test]
fn each_topic_says_what_it_says() {
    let (order, at) = (order(), "2026-11-11T00:00:02.000Z");
    let said_of = |what: &str| vec![format!("shopify:820982911946154508 {what} {at} w1")];
    assert_eq!(said("orders/create", &order), said_of("placed"));
    assert_eq!(said("orders/updated", &order), said_of("amended"));
    assert_eq!(said("orders/edited", &order), said_of("amended"));
    assert_eq!(said("orders/paid", &order), said_of("paid"));
    assert_eq!(said("orders/cancelled", &order), said_of("cancelled"));
    assert_eq!(said("orders/fulfilled", &order), said_of("shipped"));
    assert_eq!(said("orders/partially_fulfilled", &order), said_of("partially_shipped"));
}

#[test]
fn a_paid_new_order_is_placed_and_paid() {
    let said = said("orders/create", &order_with("/financial_status", json!("paid")));
    assert_eq!(
        said,
        [
            "shopify:820982911946154508 placed 2026-11-11T00:00:02.000Z w1:0",
            "shopify:820982911946154508 paid 2026-11-11T00:00:02.000Z w1:1",
        ]
    );
}

#[test]
fn refunds_and_fulfilments_name_their_order() {
    let refund = json!({"id": 1, "order_id": 7, "processed_at": "2026-11-11T00:00:01Z", "transactions": [{"id": 1}]});
    assert_eq!(said("refunds/create", &refund), ["shopify:7 refunded 2026-11-11T00:00:01.000Z w1"]);
    let without_money = json!({"id": 1, "order_id": 7, "transactions": []});
    assert_eq!(said("refunds/create", &without_money), Vec::<String>::new());

    let arrived =
        json!({"id": 1, "order_id": "7", "shipment_status": "delivered", "updated_at": "2026-11-11T00:00:04Z"});
    assert_eq!(said("fulfillments/update", &arrived), ["shopify:7 delivered 2026-11-11T00:00:04.000Z w1"]);
    let under_way = json!({"id": 1, "order_id": 7, "shipment_status": "in_transit"});
    assert_eq!(said("fulfillments/create", &under_way), Vec::<String>::new());
}

#[test]
fn a_refund_says_how_much_is_paid_back() {
    let told = |transactions: Value| {
        let body =
            json!({"id": 1, "order_id": 7, "processed_at": "2026-11-11T00:00:01Z", "transactions": transactions});
        let received = signed("refunds/create", &body).to(&*receiver()).expect("a good delivery");
        received.notices.into_iter().next().map(|notice| match notice.content {
            Content::Status { status, refunded, .. } => (status, refunded),
            other => panic!("{other:?}"),
        })
    };
    let moved = |amount: &str, kind: &str, status: &str| json!({"amount": amount, "kind": kind, "status": status});
    let some = |amount| Some((Status::PartiallyRefunded, Some(amount)));
    assert_eq!(told(json!([moved("10.00", "refund", "success")])), some(1_000));
    let two = json!([moved("10.00", "refund", "success"), {"amount": "0.01"}]);
    assert_eq!(told(two), some(1_001));
    let failed = json!([moved("10.00", "refund", "failure"), moved("10.00", "refund", "pending")]);
    assert_eq!(told(failed), None);
    assert_eq!(told(json!([moved("10.00", "void", "success")])), None);
    assert_eq!(told(json!([{"amount": "1000", "currency": "JPY"}])), some(1_000));
    let odd = json!({"order_id": 7, "transactions": [{"amount": "1.005"}]});
    assert_eq!(fault_pointers("refunds/create", &odd), ["/transactions/0/amount"]);
}

#[test]
fn a_deleted_order_is_cancelled_when_that_was_triggered() {
    assert_eq!(said("orders/delete", &json!({"id": 7})), ["shopify:7 cancelled 2026-11-11T00:00:03.500Z w1"]);
}

#[test]
fn what_does_not_concern_us_is_acknowledged() {
    for topic in ["products/create", "customers/redact", "orders/risk_assessment_changed"] {
        assert_eq!(said(topic, &json!({"id": 7})), Vec::<String>::new());
    }
    assert_eq!(said("orders/edited", &json!({"order_edit": {"order_id": 7}})), Vec::<String>::new());
}

#[test]
fn headers_of_either_generation_are_read() {
    let body = json!({"id": 7}).to_string();
    let delivery = Delivery::new(body.clone(), NOW)
        .header("shopify-hmac-sha256", sign(SECRET, &body))
        .header("shopify-topic", "orders/delete")
        .header("shopify-webhook-id", "w2")
        .header("shopify-triggered-at", "2026-11-11T00:00:03Z");
    let received = delivery.to(&*receiver()).expect("a good delivery");
    assert_eq!(lines(&received.notices), ["shopify:7 cancelled 2026-11-11T00:00:03.000Z w2"]);
}

#[test]
fn a_repetition_has_the_same_message_ids() {
    let paid = order_with("/financial_status", json!("paid"));
    let first = signed("orders/create", &paid).to(&*receiver()).expect("notices");
    assert_eq!(signed("orders/create", &paid).to(&*receiver()).expect("notices"), first);
    let nameless = |body: &Value| {
        let delivery = signed("orders/create", body).header("x-shopify-webhook-id", "");
        delivery.to(&*receiver()).expect("notices").notices[0].message_id.clone().expect("an id")
    };
    assert_eq!(nameless(&paid), nameless(&paid));
    assert_ne!(nameless(&paid), nameless(&order()));
}

#[test]
fn what_was_changed_or_signed_by_others_is_refused() {
    let body = order().to_string();
    let refused = [
        Delivery::new(body.replace("399.00", "1.00"), NOW).header("x-shopify-hmac-sha256", sign(SECRET, &body)),
        Delivery::new(body.clone(), NOW).header("x-shopify-hmac-sha256", sign("another secret", &body)),
        Delivery::new(body.clone(), NOW).header("x-shopify-hmac-sha256", "no base64!"),
        Delivery::new(body.clone(), NOW).header("x-shopify-hmac-sha256", ""),
        Delivery::new(body, NOW),
    ];
    for delivery in refused {
        let refused = delivery.header("x-shopify-topic", "orders/create").to(&*receiver()).expect_err("a refusal");
        assert_eq!((refused.refusal, refused.reply.status), (Refusal::BadSignature, 401));
    }
}

#[test]
fn both_secrets_count_while_they_rotate() {
    let shopify = channel("shopify").expect("a channel");
    let rotating = shopify.open(json!({"secret": "new"}), Some(json!({"secret": SECRET}))).expect("keys");
    assert!(signed("orders/create", &order()).to(&*rotating).is_ok());
    let rotated = open("shopify", json!({"secret": "new"}));
    assert!(signed("orders/create", &order()).to(&*rotated).is_err());
}

#[test]
fn money_is_read_by_the_currencys_own_decimals() {
    for (currency, price, minor) in [("JPY", "1000", 1_000), ("KWD", "1.250", 1_250), ("USD", "0.29", 29)] {
        let mut order = order();
        order["currency"] = json!(currency);
        order["total_price"] = json!(price);
        order["line_items"] = json!([{"sku": "S", "quantity": 1, "price": price}]);
        let facts = facts("orders/create", &order);
        assert_eq!((facts.amount, facts.lines.expect("lines")[0].unit_price), (Some(minor), Some(minor)));
    }
}

#[test]
fn what_an_order_cannot_lack_is_named() {
    assert_eq!(fault_pointers("orders/create", &order_with("/id", json!(null))), ["/id"]);
    assert_eq!(fault_pointers("orders/create", &order_with("/currency", json!(null))), ["/currency"]);
    assert_eq!(fault_pointers("orders/create", &order_with("/total_price", json!("1.234"))), ["/total_price"]);
    assert_eq!(fault_pointers("orders/create", &order_with("/total_price", json!(12.5))), ["/total_price"]);
    assert_eq!(fault_pointers("orders/create", &order_with("/created_at", json!("now"))), ["/created_at"]);
    assert_eq!(
        fault_pointers("orders/create", &order_with("/line_items", json!([{"quantity": -1, "price": "x"}]))),
        ["/line_items/0/sku", "/line_items/0/price", "/line_items/0/quantity"]
    );
    assert_eq!(fault_pointers("orders/create", &order_with("/total_price", json!("-1.00"))), ["/amount"]);
    assert_eq!(fault_pointers("refunds/create", &json!({"id": 7})), ["/order_id"]);
    assert_eq!(fault_pointers("orders/paid", &json!([])), ["/id"]);
}

#[test]
fn what_an_order_can_lack_may_be_missing_or_odd() {
    let mut order = order();
    for name in ["customer", "shipping_address", "client_details", "line_items", "browser_ip", "name"] {
        order[name] = Value::Null;
    }
    let facts = facts("orders/create", &order);
    assert_eq!((facts.customer, facts.delivery, facts.device), (None, None, None));
    assert_eq!((facts.lines, facts.ip, facts.display_no), (None, None, None));

    let long = order_with("/client_details/user_agent", json!("u".repeat(TEXT_BYTES_MAX + 9)));
    let facts = self::facts("orders/create", &long);
    assert_eq!(facts.device.expect("a device").user_agent.expect("a text").len(), TEXT_BYTES_MAX);
    let unknown_country = order_with("/shipping_address/country_code", json!("*"));
    let facts = self::facts("orders/create", &unknown_country);
    assert_eq!(facts.delivery.expect("a delivery").country, None);
}
