//! `douyin`: message push of the Douyin shop platform.

mod delivery;

use channels::{Receiver, Refusal, Refused, channel};
use delivery::{Delivery, lines, open, vectors};
use domain::notice::Content;
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use serde_json::{Value, json};
use sha2::Sha256;

const KEY: &str = "7000000000000000001";
const SECRET: &str = "3f1c0c6e-0000-4000-8000-00000000d0d1";
const NOW: &str = "2026-11-11T00:00:05Z";
const SUCCESS: &str = r#"{"code":0,"msg":"success"}"#;

fn md5(key: &str, secret: &str, body: &str) -> String {
    hex::encode(Md5::digest(format!("{key}{body}{secret}")))
}

fn hmac(key: &str, secret: &str, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key");
    hex::encode(mac.chain_update(format!("{key}{body}{secret}")).finalize().into_bytes())
}

fn receiver() -> Box<dyn Receiver> {
    open("douyin", json!({"app_key": KEY, "app_secret": SECRET}))
}

fn signed(body: &str) -> Delivery {
    Delivery::new(body, NOW).header("event-sign", hmac(KEY, SECRET, body))
}

fn message(tag: &str, data: &Value) -> Value {
    json!({"tag": tag, "msg_id": format!("m{tag}"), "data": data.to_string()})
}

fn said(body: &Value) -> Vec<String> {
    let received = signed(&body.to_string()).to(&*receiver()).expect("a good delivery");
    assert_eq!((received.reply.status, &*received.reply.body), (200, SUCCESS));
    assert_eq!(received.reply.content_type, Some("application/json"));
    lines(&received.notices)
}

/// What is wrong with a delivery of which nothing can be read, or with messages of one, and what is taken all the same.
fn faulty(body: &str) -> (Vec<String>, Vec<String>) {
    let (reply, faults, notices) = match signed(body).to(&*receiver()) {
        Ok(received) => (received.reply, received.faults, received.notices),
        Err(Refused { refusal: Refusal::Malformed { faults }, reply }) => (reply, faults, vec![]),
        Err(other) => panic!("{other:?}"),
    };
    assert_eq!((reply.status, &*reply.body), (200, r#"{"code":40042,"msg":"malformed message"}"#));
    (faults.into_iter().map(|fault| fault.pointer).collect(), lines(&notices))
}

#[test]
fn the_vectors_verify_under_either_sign() {
    for vector in vectors("doudian") {
        let text = |name: &str| vector["inputs"][name].as_str().expect("a text");
        let delivery =
            Delivery::new(text("body"), NOW).header("event-sign", vector["expected"].as_str().expect("a sign"));
        let credentials = json!({"app_key": text("app_key"), "app_secret": text("app_secret")});
        let received = delivery.to(&*open("douyin", credentials)).expect("a good delivery");
        assert_eq!((received.reply.status, &*received.reply.body), (200, SUCCESS));
        let paid = "douyin:4881995531871913482 paid 2025-10-09T08:53:20.000Z \
                    101:7012345678901234567:101:1760000000:4881995531871913482";
        let expected = if vector["name"].as_str().expect("a name").contains("ping") { vec![] } else { vec![paid] };
        assert_eq!(lines(&received.notices), expected, "{vector}");
    }
}

#[test]
fn each_tag_says_what_it_says_when_its_own_field_says() {
    for (tag, field, what) in [
        ("100", "create_time", "placed"),
        ("101", "pay_time", "paid"),
        ("102", "update_time", "shipped"),
        ("103", "complete_time", "completed"),
        ("106", "cancel_time", "cancelled"),
        ("108", "update_time", "partially_shipped"),
        ("200", "apply_time", "refund_requested"),
        ("206", "success_time", "refunded"),
    ] {
        let data = json!({"p_id": 4_881_995_531_871_913_482_i64, field: 1_794_355_200});
        let expected = format!("douyin:4881995531871913482 {what} 2026-11-11T00:00:00.000Z {tag}:m{tag}");
        assert_eq!(said(&json!([message(tag, &data)])), [expected]);
    }
}

#[test]
fn a_new_order_is_thin() {
    let body = json!([message("100", &json!({"p_id": 7, "create_time": 1_794_355_200}))]).to_string();
    let received = signed(&body).to(&*receiver()).expect("a good delivery");
    let Content::Placed(facts) = &received.notices[0].content else { panic!("placed") };
    assert_eq!(facts.placed_at, received.notices[0].occurred_at);
    assert_eq!((facts.amount, &facts.lines), (None, &None));
}

#[test]
fn a_changed_amount_amends_when_it_is_told() {
    let data = json!({"p_id": 7, "update_time": 1_794_355_200, "pay_amount": 12_900});
    let body = json!([message("109", &data)]).to_string();
    let received = signed(&body).to(&*receiver()).expect("a good delivery");
    let Content::Amended(facts) = &received.notices[0].content else { panic!("amended") };
    assert_eq!((facts.amount, facts.currency.as_deref()), (Some(12_900), Some("CNY")));
    assert_eq!(said(&json!([message("109", &json!({"p_id": 7}))])), Vec::<String>::new());
}

#[test]
fn what_does_not_concern_us_is_acknowledged() {
    for tag in ["0", "104", "105", "111", "112", "113", "207", "999"] {
        assert_eq!(said(&json!([{"tag": tag, "msg_id": "1", "data": "not even JSON"}])), Vec::<String>::new());
    }
    assert_eq!(said(&json!([])), Vec::<String>::new());
}

#[test]
fn every_form_that_was_seen_is_read() {
    let expected = ["douyin:4881995531871913482 paid 2026-11-11T00:00:00.000Z 101:9"];
    for message in [
        json!({"tag": 101, "msgId": 9, "data": {"p_id": "4881995531871913482", "pay_time": "1794355200"}}),
        json!({"tag": "101", "msg_id": "9", "data": "{\"p_id\":4881995531871913482,\"pay_time\":1794355200}"}),
        json!({"tag": "101", "msg_id": "9", "data": {"p_id": 4_881_995_531_871_913_482_i64, "update_time": 1_794_355_200}}),
    ] {
        assert_eq!(said(&json!([message])), expected);
    }
    let without_time = json!([{"tag": "101", "msg_id": "9", "data": {"p_id": 7}}]);
    assert_eq!(said(&without_time), ["douyin:7 paid - 101:9"]);
}

#[test]
fn messages_that_come_together_keep_their_own_ids() {
    let paid = message("101", &json!({"p_id": 7, "pay_time": 1_794_355_200}));
    let placed = message("100", &json!({"p_id": 7, "create_time": 1_794_355_199}));
    let together = said(&json!([placed, {"tag": "113", "msg_id": "x"}, paid]));
    assert_eq!(together, [said(&json!([placed])), said(&json!([paid]))].concat());
}

#[test]
fn what_was_changed_or_signed_by_others_is_refused() {
    let body = json!([message("101", &json!({"p_id": 7}))]).to_string();
    let tampered = body.replace(":7", ":8");
    assert_ne!(tampered, body);
    for (body, sign) in [
        (&tampered, hmac(KEY, SECRET, &body)),
        (&tampered, md5(KEY, SECRET, &body)),
        (&body, hmac(KEY, "another secret", &body)),
        (&body, md5("another key", SECRET, &body)),
        (&body, hmac(KEY, SECRET, &body)[..32].to_owned()),
        (&body, "zz".into()),
        (&body, String::new()),
    ] {
        let refused =
            Delivery::new(body.clone(), NOW).header("event-sign", sign).to(&*receiver()).expect_err("a refusal");
        assert_eq!((refused.refusal, refused.reply.status), (Refusal::BadSignature, 401));
        assert_eq!(refused.reply.body, r#"{"code":40041,"msg":"bad signature"}"#);
    }
    let unsigned_test = r#"[{"tag":"0","msg_id":"0","data":"2020-09-10T16:27:56.52842897+08:00"}]"#;
    assert!(Delivery::new(unsigned_test, NOW).to(&*receiver()).is_err());
}

#[test]
fn signs_in_capitals_are_the_same_signs() {
    let body = "[]";
    for sign in [md5(KEY, SECRET, body), hmac(KEY, SECRET, body)] {
        let delivery = Delivery::new(body, NOW).header("event-sign", sign.to_uppercase());
        assert!(delivery.to(&*receiver()).is_ok());
    }
}

#[test]
fn both_apps_count_while_they_rotate() {
    let douyin = channel("douyin").expect("a channel");
    let (new, old) = (json!({"app_key": KEY, "app_secret": "new"}), json!({"app_key": KEY, "app_secret": SECRET}));
    let rotating = douyin.open(new.clone(), Some(old)).expect("keys");
    assert!(signed("[]").to(&*rotating).is_ok());
    assert!(signed("[]").to(&*open("douyin", new)).is_err());
}

#[test]
fn what_cannot_be_read_is_told_and_keeps_nothing_else_from_being_taken() {
    let good = message("101", &json!({"p_id": 7, "pay_time": 1_794_355_200}));
    let (pointers, taken) = faulty(
        &json!([
            {"msg_id": "1"},
            {"tag": "101", "data": {"p_id": 7}},
            good,
            {"tag": "101", "msg_id": "1", "data": "{"},
            {"tag": "101", "msg_id": "1", "data": {"p_id": 1.5}},
            {"tag": "101", "msg_id": "1", "data": {"p_id": 7, "pay_time": 1_794_355_200_000_i64}},
            {"tag": "109", "msg_id": "1", "data": {"p_id": 7, "pay_amount": 1.5}},
            {"tag": "109", "msg_id": "1", "data": {"p_id": 7, "pay_amount": -1}},
            {"tag": "101", "msg_id": "1".repeat(300), "data": {"p_id": 7}},
            7
        ])
        .to_string(),
    );
    let expected =
        ["/0/tag", "/1/msg_id", "/3/data", "/4/data", "/5/data", "/6/data", "/7/amount", "/8/message_id", "/9/tag"];
    assert_eq!(pointers, expected);
    assert_eq!(taken, said(&json!([good])));
    let many = json!(vec![json!({"tag": "0"}); 1_001]).to_string();
    for nothing in ["{}", "", "{", &many] {
        assert_eq!(faulty(nothing), (vec![String::new()], vec![]));
    }
}

#[test]
fn an_order_number_beyond_64_bits_is_refused_rather_than_rounded() {
    let body = r#"[{"tag":"101","msg_id":"1","data":{"p_id":48819955318719134820000}}]"#;
    assert_eq!(faulty(body).1, Vec::<String>::new());
}
