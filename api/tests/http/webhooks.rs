//! Deliveries of sales channels.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use standardwebhooks::Webhook;

use crate::given::{Answer, Server, answer, order};

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const DOUYIN_KEY: &str = "7000000000000000001";
const DOUYIN_SECRET: &str = "3f1c0c6e-0000-4000-8000-00000000d0d1";
const SHOPIFY_SECRET: &str = "shpss_0123456789abcdef0123456789abcdef";

pub(crate) async fn configure(server: &Server, channel: &str, body: &Value) -> Answer {
    answer(server.as_admin("PUT", &format!("/v1/channels/{channel}")).json(body)).await
}

async fn deliver_to(server: &Server, path: &str, secret: &str, id: &str, body: &Value) -> Answer {
    deliver_text(server, path, secret, id, &body.to_string()).await
}

async fn deliver_text(server: &Server, path: &str, secret: &str, id: &str, body: &str) -> Answer {
    let seconds = i64::try_from(now_seconds()).unwrap();
    let signature = Webhook::new(secret).unwrap().sign(id, seconds, body.as_bytes()).unwrap();
    let request =
        server.request("POST", path).header("webhook-id", id).header("webhook-timestamp", seconds.to_string());
    answer(request.header("webhook-signature", signature).body(body.to_owned())).await
}

pub(crate) async fn deliver(server: &Server, secret: &str, id: &str, body: &Value) -> Answer {
    deliver_to(server, "/v1/webhooks/default/standard", secret, id, body).await
}

#[expect(clippy::disallowed_methods, reason = "a sender has a clock of its own")]
fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn placed(order_no: &str) -> Value {
    json!({"kind": "placed", "order": order(order_no)})
}

/// Whether an order is placed: only then it can be amended.
async fn is_placed(server: &Server, id: &str) -> bool {
    answer(server.as_admin("PATCH", &format!("/v1/orders/{id}")).json(&json!({"amount": 7}))).await.status == 200
}

async fn count(server: &Server, channel: &str, outcome: &str) -> u64 {
    let metrics = answer(server.request("GET", "/metrics")).await.text;
    let series = format!("orderlight_webhooks_total{{channel=\"{channel}\",outcome=\"{outcome}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok()).unwrap_or_default()
}

#[tokio::test]
async fn a_signed_delivery_is_stored_and_acknowledged_however_often_it_comes() {
    let server = Server::start().await;
    let configured = configure(&server, "standard", &json!({"credentials": {"secret": SECRET}})).await;
    assert_eq!(configured.status, 200, "{configured:?}");
    assert_eq!(configured.json(), json!({"channel": "standard", "shop": "default"}));
    for _ in 0..2 {
        let taken = deliver(&server, SECRET, "m1", &placed("A1")).await;
        assert_eq!((taken.status.as_u16(), taken.text.as_str()), (204, ""), "{taken:?}");
        let path = format!("/v1/orders/web:A1?after={}", taken.header("orderlight-position"));
        assert_eq!(answer(server.as_admin("GET", &path)).await.status, 200, "it can be waited for: {taken:?}");
    }
    assert!(is_placed(&server, "web:A1").await);
    let reused = deliver(&server, SECRET, "m1", &placed("A2")).await;
    assert_eq!(reused.problem(), (422, "delivery_key_reused".to_owned()));
    assert!(!is_placed(&server, "web:A2").await);
}

#[tokio::test]
async fn a_bad_signature_is_refused_and_counted_and_nothing_is_stored() {
    let server = Server::start().await;
    configure(&server, "standard", &json!({"credentials": {"secret": SECRET}})).await;
    let before = count(&server, "standard", "bad_signature").await;
    let refused = deliver(&server, OTHER_SECRET, "m1", &placed("A1")).await;
    assert_eq!(refused.status, 401);
    let unsigned = answer(server.request("POST", "/v1/webhooks/default/standard").json(&placed("A1"))).await;
    assert_eq!(unsigned.status, 401);
    assert!(count(&server, "standard", "bad_signature").await >= before + 2);
    assert!(!is_placed(&server, "web:A1").await);
}

#[tokio::test]
async fn what_is_signed_but_wrong_is_refused_with_its_faults() {
    let server = Server::start().await;
    configure(&server, "standard", &json!({"credentials": {"secret": SECRET}})).await;
    let refused = deliver(&server, SECRET, "m1", &json!([placed("A1"), {"kind": "placed", "order": {}}])).await;
    assert_eq!(refused.status, 422);
    assert!(refused.pointers().contains(&"/1/order/channel".to_owned()), "{refused:?}");
    assert!(!is_placed(&server, "web:A1").await);
}

#[tokio::test]
async fn what_is_signed_but_not_json_is_malformed_as_anywhere_else() {
    let server = Server::start().await;
    configure(&server, "standard", &json!({"credentials": {"secret": SECRET}})).await;
    for body in ["", "{"] {
        let refused = deliver_text(&server, "/v1/webhooks/default/standard", SECRET, "m1", body).await;
        assert_eq!(refused.problem(), (400, "malformed".to_owned()), "{body}");
    }
    let unsigned = answer(server.request("POST", "/v1/webhooks/default/standard").body("{")).await;
    assert_eq!(unsigned.problem(), (401, "bad_signature".to_owned()));
    let invalid = deliver(&server, SECRET, "m1", &json!({})).await;
    assert_eq!(invalid.problem(), (422, "invalid_notice".to_owned()));
}

#[tokio::test]
async fn a_channel_that_is_not_configured_is_not_there() {
    let server = Server::start().await;
    configure(&server, "standard", &json!({"credentials": {"secret": SECRET}})).await;
    for path in
        ["default/shopify", "default/nothing", "nobody/standard", "NOBODY!/standard", "default/standard?shop=north"]
    {
        for method in ["POST", "GET"] {
            let refused = answer(server.request(method, &format!("/v1/webhooks/{path}"))).await;
            assert_eq!(refused.problem(), (404, "not_found".to_owned()), "{method} {path}");
        }
    }
    let large = server.request("POST", "/v1/webhooks/default/standard").body(vec![b' '; (1 << 20) + 1]);
    assert_eq!(answer(large).await.problem(), (413, "too_large".to_owned()));
}

#[tokio::test]
async fn each_shop_has_credentials_of_its_own_and_both_count_while_they_rotate() {
    let server = Server::start().await;
    configure(&server, "standard", &json!({"credentials": {"secret": SECRET}})).await;
    configure(&server, "standard", &json!({"shop": "north", "credentials": {"secret": OTHER_SECRET}})).await;
    let north = "/v1/webhooks/default/standard?shop=north";
    assert_eq!(deliver_to(&server, north, SECRET, "m1", &placed("A1")).await.status, 401);
    assert_eq!(deliver_to(&server, north, OTHER_SECRET, "m1", &placed("A1")).await.status, 204);
    let rotating = json!({"credentials": {"secret": OTHER_SECRET}, "previous_credentials": {"secret": SECRET}});
    assert_eq!(configure(&server, "standard", &rotating).await.status, 200);
    assert_eq!(deliver(&server, SECRET, "m2", &placed("A2")).await.status, 204);
    configure(&server, "standard", &json!({"credentials": {"secret": OTHER_SECRET}})).await;
    assert_eq!(deliver(&server, SECRET, "m3", &placed("A3")).await.status, 401);
}

#[tokio::test]
async fn the_status_of_a_channel_is_told_under_its_name() {
    let server = Server::start().await;
    configure(&server, "standard", &json!({"credentials": {"secret": SECRET}})).await;
    let shipped =
        json!({"kind": "status", "order_id": "web:A1", "status": "shipped", "occurred_at": "2026-11-11T02:00:00Z"});
    assert_eq!(deliver(&server, SECRET, "m1", &shipped).await.status, 204);
    let earlier = json!({"status": "paid", "occurred_at": "2026-11-11T01:00:00Z"});
    let reported = answer(server.as_admin("POST", "/v1/orders/web:A1/status").json(&earlier)).await.json();
    assert_eq!(
        reported["status"],
        json!({"value": "shipped", "occurred_at": "2026-11-11T02:00:00.000Z", "source": "standard"})
    );
}

async fn deliver_shopify(server: &Server, id: &str, topic: &str, body: &Value) -> Answer {
    let body = body.to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(SHOPIFY_SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let signature = BASE64.encode(mac.finalize().into_bytes());
    let request = server.request("POST", "/v1/webhooks/default/shopify").header("x-shopify-hmac-sha256", signature);
    answer(request.header("x-shopify-topic", topic).header("x-shopify-webhook-id", id).body(body)).await
}

#[tokio::test]
async fn an_update_that_overtakes_its_order_places_it() {
    let server = Server::start().await;
    configure(&server, "shopify", &json!({"credentials": {"secret": SHOPIFY_SECRET}})).await;
    let order = |total: &str, updated_at: &str| {
        json!({
            "id": 450_789_469, "name": "#1001", "currency": "CNY", "total_price": total, "financial_status": "pending",
            "created_at": "2026-11-11T08:00:00+08:00", "updated_at": updated_at,
            "line_items": [{"sku": "MASK-01", "title": "Mask", "quantity": 1, "price": total}]
        })
    };
    let updated = order("399.00", "2026-11-11T08:05:00+08:00");
    for _ in 0..2 {
        let taken = deliver_shopify(&server, "w2", "orders/updated", &updated).await;
        assert_eq!((taken.status.as_u16(), taken.text.as_str()), (200, ""), "{taken:?}");
    }
    let created = order("199.00", "2026-11-11T08:00:00+08:00");
    assert_eq!(deliver_shopify(&server, "w1", "orders/create", &created).await.status, 200);
    assert!(is_placed(&server, "shopify:450789469").await);
}

#[tokio::test]
async fn an_order_is_refunded_when_all_of_it_is_paid_back() {
    let server = Server::start().await;
    configure(&server, "shopify", &json!({"credentials": {"secret": SHOPIFY_SECRET}})).await;
    let order = json!({
        "id": 7, "currency": "CNY", "total_price": "129.00", "created_at": "2026-11-11T08:00:00+08:00",
        "line_items": [{"sku": "MASK-01", "quantity": 1, "price": "129.00"}]
    });
    assert_eq!(deliver_shopify(&server, "w1", "orders/create", &order).await.status, 200);
    for (id, amount, status) in [
        ("w2", "10.00", "partially_refunded"),
        ("w2", "10.00", "partially_refunded"),
        ("w3", "118.99", "partially_refunded"),
        ("w4", "0.01", "refunded"),
    ] {
        let refund = json!({
            "order_id": 7, "processed_at": format!("2026-11-11T08:05:0{}+08:00", &id[1..]),
            "transactions": [{"amount": amount, "kind": "refund", "status": "success"}]
        });
        let taken = deliver_shopify(&server, id, "refunds/create", &refund).await;
        assert_eq!(taken.status, 200, "{taken:?}");
        let earlier = json!({"status": "paid", "occurred_at": "2026-11-11T00:01:00Z"});
        let told = answer(server.as_admin("POST", "/v1/orders/shopify:7/status").json(&earlier)).await.json();
        assert_eq!(told["status"]["value"], status, "{id}");
    }
}

#[tokio::test]
async fn what_comes_again_with_other_words_is_a_success_without_effect_and_counted() {
    let server = Server::start().await;
    configure(&server, "shopify", &json!({"credentials": {"secret": SHOPIFY_SECRET}})).await;
    let before = count(&server, "shopify", "reused").await;
    let cancelled = |id: u64| json!({"id": id, "updated_at": "2026-11-11T08:05:00+08:00"});
    for id in [7, 8] {
        assert_eq!(deliver_shopify(&server, "w1", "orders/cancelled", &cancelled(id)).await.status, 200);
    }
    assert!(count(&server, "shopify", "reused").await > before);
    assert_eq!(answer(server.as_admin("GET", "/v1/orders/shopify:8")).await.status, 404);
}

async fn configure_douyin(server: &Server) {
    let app = json!({"app_key": DOUYIN_KEY, "app_secret": DOUYIN_SECRET});
    configure(server, "douyin", &json!({"credentials": app})).await;
}

async fn deliver_douyin(server: &Server, messages: &Value) -> Answer {
    let body = messages.to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(DOUYIN_SECRET.as_bytes()).unwrap();
    mac.update(format!("{DOUYIN_KEY}{body}{DOUYIN_SECRET}").as_bytes());
    let request = server.request("POST", "/v1/webhooks/default/douyin");
    answer(request.header("event-sign", hex::encode(mac.finalize().into_bytes())).body(body)).await
}

#[tokio::test]
async fn one_unreadable_message_of_a_batch_keeps_no_other_from_being_stored() {
    let server = Server::start().await;
    configure_douyin(&server).await;
    let before = count(&server, "douyin", "malformed").await;
    let batch = json!([
        {"tag": "101", "msg_id": "1", "data": "{"},
        {"tag": "100", "msg_id": "2", "data": "{\"p_id\":4881995,\"create_time\":1794355200}"}
    ]);
    for _ in 0..2 {
        let answered = deliver_douyin(&server, &batch).await;
        let failure = r#"{"code":40042,"msg":"malformed message"}"#;
        assert_eq!((answered.status.as_u16(), answered.text.as_str()), (200, failure));
    }
    assert!(is_placed(&server, "douyin:4881995").await);
    assert!(count(&server, "douyin", "malformed").await >= before + 2);
}

#[tokio::test]
async fn what_cannot_be_stored_so_far_is_asked_for_again() {
    let server = Server::start().await;
    configure_douyin(&server).await;
    let deliver = async |message: Value| deliver_douyin(&server, &json!([message])).await;
    let message = |tag: &str, data: Value| json!({"tag": tag, "msg_id": format!("m{tag}"), "data": data.to_string()});
    let success = (200, r#"{"code":0,"msg":"success"}"#.to_owned());
    let told = |answer: Answer| (answer.status.as_u16(), answer.text);
    let changed = || message("109", json!({"p_id": 4_881_995, "update_time": 1_794_355_300, "pay_amount": 12_900}));
    assert_eq!(deliver(changed()).await.status, 503);
    assert_eq!(told(deliver(message("100", json!({"p_id": 4_881_995, "create_time": 1_794_355_200}))).await), success);
    assert_eq!(told(deliver(changed()).await), success);
    assert_eq!(told(deliver(json!({"tag": "0", "msg_id": "0", "data": "2020-09-10T16:27:56+08:00"})).await), success);
    let untimed = || message("101", json!({"p_id": 4_881_995}));
    assert_eq!(told(deliver(untimed()).await), success);
    assert_eq!(told(deliver(untimed()).await), success);
}

#[tokio::test]
async fn every_fault_of_a_configuration_is_told_and_no_secret_is_shown_or_stored_in_the_clear() {
    let server = Server::start().await;
    let body = json!({"shop": "North Shop", "credentials": {"secret": "weak", "other": "x"}, "previous_credentials": [], "key": 1});
    let refused = configure(&server, "standard", &body).await;
    assert_eq!(refused.problem(), (422, "invalid_body".to_owned()));
    assert_eq!(refused.pointers(), ["/shop", "/credentials/other", "/previous_credentials", "/key"]);
    assert_eq!(configure(&server, "standard", &json!({})).await.pointers(), ["/credentials"]);
    assert_eq!(configure(&server, "nothing", &json!({})).await.problem(), (404, "not_found".to_owned()));
    let good = json!({"credentials": {"secret": SECRET}});
    assert!(!configure(&server, "standard", &good).await.text.contains(SECRET));
    let needle = SECRET.strip_prefix("whsec_").unwrap().as_bytes();
    for file in std::fs::read_dir(server.data.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(needle.len()).any(|window| window == needle));
    }
}
