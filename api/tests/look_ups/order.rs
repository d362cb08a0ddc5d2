//! One order: its shape, what is masked, and which fact wins.

use domain::merchant::Role;
use serde_json::{Value, json};

use crate::given::{Given, full, plain};

const SECRETS: [&str; 9] =
    ["13800138000", "13900139000", "139-0013-9000", "张三", "四光", "188 号", "d-9f1c-secret", "Mozilla", "203.0.113"];

#[tokio::test]
async fn one_order_is_shown_in_full_and_masked() {
    let given = Given::nothing().await;
    given.placed(full("A1", 0)).await;
    given.status("web:A1", "paid", "wms", "2026-11-11T00:05:00+08:00").await;
    let mut order = given.get("/v1/orders/web:A1").await.good();
    let recorded_at = order["sources"][0]["recorded_at"].take();
    assert!(recorded_at.as_str().unwrap().ends_with('Z'), "{recorded_at}");
    assert_eq!(
        order,
        json!({
            "order_id": "web:A1", "channel": "web", "order_no": "A1", "display_no": "#A1",
            "placed_at": "2026-11-10T16:00:01.250Z", "amount": 39_900, "currency": "CNY",
            "risk": {
                "state": "released", "score": 0, "tier": "pass", "rulebook_version": 1, "exemption": null, "hits": [],
                "challenge": null, "held_since": null, "released_by": "clean"
            },
            "status": {"value": "paid", "occurred_at": "2026-11-10T16:05:00.000Z", "source": "wms"},
            "sources": [{"source": "wms", "status": "paid", "occurred_at": "2026-11-10T16:05:00.000Z",
                         "recorded_at": null}],
            "customer": {"id": "u-77", "level": 2, "phone_masked": "138****8000"},
            "delivery": {"recipient_masked": "李*", "phone_masked": "139****9000", "country": "CN",
                         "province": "浙江省", "city": "杭州市", "district": "西湖区", "street_masked": "文三路****"},
            "links": {"device": 0, "ip": 0, "ip24": 0, "phone": 0, "address": 0}
        })
    );
}

#[tokio::test]
async fn no_look_up_shows_personal_data() {
    let given = Given::nothing().await;
    given.placed(full("A1", 0)).await;
    given.placed(full("A2", 1)).await;
    let service = given.key("default", &[Role::Service]).await;
    for path in [
        "/v1/orders/web:A1",
        "/v1/orders",
        "/v1/orders/web:A1/history",
        "/v1/orders/web:A1/decision",
        "/v1/orders/web:A1/links?by=device",
        "/v1/customers/u-77/orders",
    ] {
        let answer = given.get_as(&service, path).await;
        answer.good();
        for secret in SECRETS {
            assert!(!answer.text.contains(secret), "{path} shows {secret}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn a_held_order_shows_why_and_since_when() {
    let given = Given::nothing().await;
    given.placed(plain("A1", 0, 100_000)).await;
    given.placed(plain("A2", 1, 200_000)).await;
    let asked = given.get("/v1/orders/web:A1").await.good();
    assert_eq!(asked["risk"]["state"], "challenged");
    assert_eq!(asked["risk"]["challenge"]["method"], "sms");
    assert_eq!(asked["risk"]["hits"], json!([{"rule": "large", "points": 80, "evidence": {"order.amount": 100_000}}]));
    assert!(asked["risk"]["held_since"].is_string(), "{asked}");
    assert_eq!(asked["risk"]["released_by"], Value::Null);
    let frozen = given.get("/v1/orders/web:A2").await.good();
    assert_eq!((&frozen["risk"]["state"], &frozen["risk"]["score"]), (&json!("frozen"), &json!(140)));
    assert_eq!(frozen["risk"]["challenge"], Value::Null);
    assert_eq!((&frozen["customer"], &frozen["delivery"]), (&Value::Null, &Value::Null));
    assert!(frozen.get("display_no").is_none());
}

#[tokio::test]
async fn an_order_that_is_known_only_by_statuses_is_found() {
    let given = Given::nothing().await;
    given.status("tmall:T1", "shipped", "wms", "2026-11-11T08:00:00Z").await;
    given.status("tmall:T1", "paid", "tmall", "2026-11-11T07:00:00Z").await;
    let order = given.get("/v1/orders/tmall:T1").await.good();
    for absent in ["placed_at", "amount", "currency", "risk", "customer", "delivery"] {
        assert_eq!(order[absent], Value::Null, "{absent}");
    }
    assert_eq!(order["status"]["value"], "shipped");
    let sources: Vec<_> = order["sources"].as_array().unwrap().iter().map(|source| &source["status"]).collect();
    assert_eq!(sources, ["paid", "shipped"]);
    given.get("/v1/orders/tmall:T1/history").await.good();
    given.get("/v1/orders/tmall:T1/decision").await.problem(404, "not_found");
}

#[tokio::test]
async fn an_older_message_completes_and_never_overrides_what_a_newer_one_said() {
    let given = Given::nothing().await;
    given.placed(plain("A1", 0, 39_900)).await;
    let amend =
        |at: &str, order: Value| json!({"kind": "amended", "order_id": "web:A1", "occurred_at": at, "order": order});
    let newer = json!({"delivery": {"phone": "13911112222", "recipient": "王五"}});
    let older =
        json!({"delivery": {"phone": "13733334444", "street": "延安路 1 号"}, "customer": {"phone": "13655556666"}});
    given.notice(amend("2026-11-11T00:20:00+08:00", newer)).await;
    given.notice(amend("2026-11-11T00:10:00+08:00", older)).await;
    let order = given.get("/v1/orders/web:A1").await.good();
    assert_eq!(order["delivery"]["phone_masked"], "139****2222");
    assert_eq!(order["delivery"]["recipient_masked"], "王*");
    assert_eq!(order["delivery"]["street_masked"], "延安路****");
    assert_eq!(order["customer"]["phone_masked"], "136****6666");
}

#[tokio::test]
async fn a_later_message_corrects() {
    let given = Given::nothing().await;
    given.placed(full("A1", 0)).await;
    let order = json!({"delivery": {"phone": "13911112222", "street": "延安路 1 号"}});
    given
        .notice(json!({"kind": "amended", "order_id": "web:A1", "occurred_at": "2026-11-11T01:00:00+08:00", "order": order}))
        .await;
    let order = given.get("/v1/orders/web:A1").await.good();
    assert_eq!(order["delivery"]["phone_masked"], "139****2222");
    assert_eq!(order["delivery"]["street_masked"], "延安路****");
    assert_eq!(order["delivery"]["recipient_masked"], "李*");
}

#[tokio::test]
async fn links_count_and_list_the_others_only() {
    let given = Given::nothing().await;
    for (order_no, minute) in [("A1", 0), ("A2", 1), ("A3", 2)] {
        given.placed(full(order_no, minute)).await;
    }
    let mut gift = plain("A4", 3, 9_900);
    gift["delivery"] = json!({"phone": "+86 138 0013 8000"});
    given.placed(gift).await;
    let order = given.get("/v1/orders/web:A1").await.good();
    assert_eq!(order["links"], json!({"device": 2, "ip": 2, "ip24": 2, "phone": 3, "address": 2}));
    for by in ["device", "ip", "ip24", "address"] {
        let linked = given.get(&format!("/v1/orders/web:A1/links?by={by}")).await;
        assert_eq!(linked.ids(), ["web:A3", "web:A2"], "{by}");
    }
    assert_eq!(given.get("/v1/orders/web:A4/links?by=phone").await.ids(), ["web:A3", "web:A2", "web:A1"]);
    assert_eq!(given.get("/v1/orders/web:A4/links?by=device").await.ids(), [""; 0]);
    given.get("/v1/orders/web:A9/links?by=device").await.problem(404, "not_found");
    let detail = given.get("/v1/orders/web:A1/links?by=name").await.problem(400, "bad_parameter");
    assert_eq!(detail, "by: expected device, ip, ip24, phone or address");
    let detail = given.get("/v1/orders/web:A1/links").await.problem(400, "bad_parameter");
    assert!(detail.contains("by"), "{detail}");
}

#[tokio::test]
async fn an_id_with_odd_characters_is_percent_decoded() {
    let given = Given::nothing().await;
    given.placed(plain("2026/11 号?#%", 0, 39_900)).await;
    let id = "web%3A2026%2F11%20%E5%8F%B7%3F%23%25";
    assert_eq!(given.get(&format!("/v1/orders/{id}")).await.good()["order_no"], "2026/11 号?#%");
    given.get(&format!("/v1/orders/{id}/history")).await.good();
    given.get("/v1/orders/web:%FF").await.problem(400, "bad_parameter");
}

#[tokio::test]
async fn what_is_not_there_and_what_is_anothers_cannot_be_told_apart() {
    let given = Given::nothing().await;
    given.placed(full("A1", 0)).await;
    let stranger = given.key("other-shop", &[Role::Admin]).await;
    for path in ["", "/history", "/decision", "/links?by=device"] {
        let anothers = given.get_as(&stranger, &format!("/v1/orders/web:A1{path}")).await;
        let nobodys = given.get_as(&stranger, &format!("/v1/orders/web:A2{path}")).await;
        let (anothers, nobodys) = (anothers.problem(404, "not_found"), nobodys.problem(404, "not_found"));
        assert_eq!(anothers.replace("A1", "A2"), nobodys);
    }
    given.get("/v1/orders/nonsense").await.problem(404, "not_found");
    for path in ["/v1/orders", "/v1/orders?phone=13800138000", "/v1/customers/u-77/orders", "/v1/reviews"] {
        assert_eq!(given.get_as(&stranger, path).await.ids(), [""; 0], "{path}");
    }
}

#[tokio::test]
async fn the_same_number_at_two_merchants_is_two_orders() {
    let given = Given::nothing().await;
    let other = given.key("other-shop", &[Role::Service]).await;
    given.placed(full("A1", 0)).await;
    given.notice_for("other-shop", json!({"kind": "placed", "order": plain("A1", 5, 1)})).await;
    assert_eq!(given.get("/v1/orders/web:A1").await.good()["amount"], 39_900);
    assert_eq!(given.get_as(&other, "/v1/orders/web:A1").await.good()["amount"], 1);
}
