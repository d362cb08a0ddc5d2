//! `standard`: notices of our own form under Standard Webhooks signatures.

mod delivery;

use channels::{Refusal, channel};
use delivery::{Delivery, lines, open, vectors};
use domain::fault::Fault;
use serde_json::{Value, json};
use standardwebhooks::Webhook;

const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u";
const OTHER_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NOW: &str = "2026-11-11T00:00:00Z";
const NOW_SECONDS: i64 = 1_794_355_200;

fn status(order: &str) -> Value {
    json!({"kind": "status", "order_id": order, "status": "paid", "occurred_at": "2026-11-11T00:00:00Z"})
}

fn sign(secret: &str, id: &str, seconds: i64, body: &str) -> String {
    Webhook::new(secret).expect("a secret").sign(id, seconds, body.as_bytes()).expect("a signature")
}

fn signed(id: &str, seconds: i64, body: &str) -> Delivery {
    Delivery::new(body, NOW)
        .header("webhook-id", id)
        .header("webhook-timestamp", seconds.to_string())
        .header("webhook-signature", sign(SECRET, id, seconds, body))
}

fn receiver() -> Box<dyn channels::Receiver> {
    open("standard", json!({"secret": SECRET}))
}

fn refusal(delivery: &Delivery) -> (Refusal, u16) {
    let refused = delivery.to(&*receiver()).expect_err("a refusal");
    assert_eq!(refused.reply.content_type, Some("application/problem+json"));
    (refused.refusal, refused.reply.status)
}

fn faults(body: &Value) -> Vec<Fault> {
    match refusal(&signed("m1", NOW_SECONDS, &body.to_string())) {
        (Refusal::Malformed { faults }, 422) => faults,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_published_vectors_verify() {
    for vector in vectors("standard_webhooks") {
        let inputs = &vector["inputs"];
        let time = rfc3339(inputs["timestamp"].as_i64().expect("seconds"));
        let text = |name: &str| inputs[name].as_str().expect("a text");
        let delivery = Delivery::new(text("body"), &time)
            .header("webhook-id", text("id"))
            .header("webhook-timestamp", inputs["timestamp"].to_string())
            .header("webhook-signature", vector["expected"].as_str().expect("a signature"));
        let refused =
            delivery.to(&*open("standard", json!({"secret": text("secret")}))).expect_err("no notice of ours");
        assert!(matches!(refused.refusal, Refusal::Malformed { .. }), "{vector}: {refused:?}");
    }
}

fn rfc3339(seconds: i64) -> String {
    domain::time::Timestamp::from_millis(seconds * 1_000).to_string()
}

#[test]
fn one_notice_takes_the_delivery_id() {
    let received = signed("msg_1", NOW_SECONDS, &status("web:A1").to_string()).to(&*receiver()).expect("a notice");
    assert_eq!(lines(&received.notices), ["web:A1 paid 2026-11-11T00:00:00.000Z msg_1"]);
    assert_eq!((received.reply.status, &*received.reply.body), (204, ""));
    let list_of_one = json!([status("web:A1")]).to_string();
    let received = signed("msg_1", NOW_SECONDS, &list_of_one).to(&*receiver()).expect("a notice");
    assert_eq!(received.notices[0].message_id.as_deref(), Some("msg_1"));
}

#[test]
fn several_notices_are_numbered_and_a_repetition_numbers_them_alike() {
    let delivery = signed("msg_1", NOW_SECONDS, &json!([status("web:A1"), status("web:A2")]).to_string());
    let received = delivery.to(&*receiver()).expect("notices");
    let ids: Vec<_> = received.notices.iter().filter_map(|notice| notice.message_id.as_deref()).collect();
    assert_eq!(ids, ["msg_1:0", "msg_1:1"]);
    assert_eq!(delivery.to(&*receiver()).expect("notices"), received);
}

#[test]
fn a_placed_order_comes_with_its_facts() {
    let order = json!({
        "channel": "web", "order_no": "A1", "placed_at": NOW, "currency": "CNY", "amount": 39900,
        "lines": [{"sku": "S", "quantity": 1}]
    });
    let body = json!({"kind": "placed", "order": order}).to_string();
    let received = signed("msg_1", NOW_SECONDS, &body).to(&*receiver()).expect("a notice");
    assert_eq!(lines(&received.notices), ["web:A1 placed - msg_1"]);
}

#[test]
fn what_was_changed_on_the_way_is_refused() {
    let body = status("web:A1").to_string();
    let good = || signed("m1", NOW_SECONDS, &body);
    assert!(good().to(&*receiver()).is_ok());
    let tampered = Delivery::new(body.replace("paid", "refunded"), NOW)
        .header("webhook-id", "m1")
        .header("webhook-timestamp", NOW_SECONDS.to_string())
        .header("webhook-signature", sign(SECRET, "m1", NOW_SECONDS, &body));
    let signature = sign(SECRET, "m1", NOW_SECONDS, &body);
    for delivery in [
        tampered,
        good().header("webhook-id", "m2"),
        good().header("webhook-id", ""),
        good().header("webhook-timestamp", (NOW_SECONDS + 1).to_string()),
        good().header("webhook-timestamp", "now"),
        good().header("webhook-timestamp", i64::MAX.to_string()),
        good().header("webhook-signature", sign(OTHER_SECRET, "m1", NOW_SECONDS, &body)),
        good().header("webhook-signature", ""),
        good().header("webhook-signature", "v1,"),
        good().header("webhook-signature", signature.replace("v1,", "v2,")),
        good().header("webhook-signature", &signature[..signature.len() - 4]),
        Delivery::new(body.clone(), NOW),
    ] {
        assert_eq!(refusal(&delivery), (Refusal::BadSignature, 401));
    }
}

#[test]
fn one_good_signature_among_several_is_enough() {
    let body = status("web:A1").to_string();
    let list = format!("v1a,AAAA v1,AAAA {}", sign(SECRET, "m1", NOW_SECONDS, &body));
    assert!(signed("m1", NOW_SECONDS, &body).header("webhook-signature", list).to(&*receiver()).is_ok());
}

#[test]
fn a_delivery_may_be_five_minutes_off_and_no_more() {
    let body = status("web:A1").to_string();
    for seconds in [NOW_SECONDS - 300, NOW_SECONDS + 300] {
        assert!(signed("m1", seconds, &body).to(&*receiver()).is_ok());
    }
    for seconds in [NOW_SECONDS - 301, NOW_SECONDS + 301, 0] {
        assert_eq!(refusal(&signed("m1", seconds, &body)), (Refusal::Stale, 401));
    }
}

#[test]
fn both_secrets_count_while_they_rotate() {
    let body = status("web:A1").to_string();
    let standard = channel("standard").expect("a channel");
    let rotating = standard.open(json!({"secret": OTHER_SECRET}), Some(json!({"secret": SECRET}))).expect("keys");
    assert!(signed("m1", NOW_SECONDS, &body).to(&*rotating).is_ok());
    let new =
        signed("m1", NOW_SECONDS, &body).header("webhook-signature", sign(OTHER_SECRET, "m1", NOW_SECONDS, &body));
    assert!(new.to(&*rotating).is_ok());
    let rotated = open("standard", json!({"secret": OTHER_SECRET}));
    assert!(signed("m1", NOW_SECONDS, &body).to(&*rotated).is_err());
}

#[test]
fn secrets_that_are_none_are_refused_by_name() {
    let standard = channel("standard").expect("a channel");
    for secret in ["whsec_", "whsec_AAAA", "whsec_***", "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG0"] {
        let faults = standard.open(json!({"secret": secret}), None).err().expect("a fault");
        assert_eq!(faults[0].pointer, "/credentials/secret");
    }
    let unpadded = "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ubw";
    assert!(standard.open(json!({"secret": unpadded}), None).is_ok());
    let faults = standard.open(json!({"secret": SECRET, "key": 1}), Some(json!({}))).err().expect("faults");
    let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    assert_eq!(pointers, ["/credentials/key", "/previous_credentials/secret"]);
}

#[test]
fn all_faults_of_all_notices_are_told_and_none_is_taken() {
    let found = faults(&json!([status("web:A1"), {"kind": "placed", "order": {"amount": 1.5}}, 7]));
    let pointers: Vec<_> = found.iter().map(|fault| fault.pointer.as_str()).collect();
    assert!(pointers.contains(&"/1/order/amount") && pointers.contains(&"/1/order/lines"), "{pointers:?}");
    assert_eq!(pointers.last(), Some(&"/2"));
    assert_eq!(faults(&json!([])).len(), 1);
    assert_eq!(faults(&json!(vec![status("web:A1"); 101])).len(), 1);
    assert_eq!(faults(&json!("notice"))[0].pointer, "");
}

#[test]
fn a_body_that_is_no_json_is_malformed_and_not_quoted() {
    let refused = signed("m1", NOW_SECONDS, "{\"phone\": 13800138000").to(&*receiver()).expect_err("a refusal");
    assert!(matches!(refused.refusal, Refusal::Malformed { .. }));
    assert!(!refused.reply.body.contains("138"), "{}", refused.reply.body);
}

#[test]
fn numbers_of_any_size_are_told_from_whole_ones_in_range() {
    let body = json!({"kind": "amended", "order_id": "web:A1", "order": {"amount": 0}}).to_string();
    for (amount, good) in [("1000000000000", true), ("18446744073709551616", false), ("1e3", false)] {
        let body = body.replace("\"amount\":0", &format!("\"amount\":{amount}"));
        assert_eq!(signed("m1", NOW_SECONDS, &body).to(&*receiver()).is_ok(), good, "{amount}");
    }
}
