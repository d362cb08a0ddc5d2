//! A screening in full.

use serde_json::{Value, json};

use crate::given::{Given, plain, rulebook};

#[tokio::test]
async fn the_last_screening_is_told_in_full() {
    let given = Given::nothing().await;
    given.placed(plain("A1", 0, 100_000)).await;
    let mut decision = given.get("/v1/orders/web:A1/decision").await.good();
    let (position, decided_at) = (decision["position"].take(), decision["decided_at"].take());
    let explanation = decision["explanation"].take();
    for told in ["would_pass_if", "customer_wording"] {
        assert!(decision.as_object_mut().unwrap().remove(told).is_some(), "{told}");
    }
    assert_eq!(
        decision,
        json!({
            "order_id": "web:A1", "position": null, "score": 80, "tier": "sms",
            "features": {"order.amount": 100_000, "device.orders[30d]": null, "customer.level": null},
            "hits": [{"rule": "large", "points": 80, "evidence": {"order.amount": 100_000}}],
            "exemption": null, "cause": "placed",
            "rulebook": {"version": 1, "hash": rulebook().hash(), "name": "Look-ups"},
            "decided_at": null, "explanation": null
        })
    );
    assert!(position.as_str().unwrap().starts_with("0-"), "{position}");
    assert!(decided_at.as_str().unwrap().ends_with('Z'), "{decided_at}");
    assert!(explanation["zh"].as_str().unwrap().contains("大额订单"), "{explanation}");
    assert!(explanation["en"].as_str().unwrap().contains("Large order"), "{explanation}");
}

#[tokio::test]
async fn what_would_have_let_it_pass_is_told_with_values_and_in_words() {
    let given = Given::nothing().await;
    given.placed(plain("A1", 0, 100_000)).await;
    let decision = given.get("/v1/orders/web:A1/decision").await.good();
    let answers = decision["would_pass_if"].as_array().unwrap();
    assert_eq!(
        answers[0],
        json!({
            "changes": [{"feature": "order.amount", "from": 100_000, "to": {"op": "<=", "value": 99_999}}],
            "explanation": {
                "zh": "如果订单金额不超过 99999（最小货币单位）（当时为 100000（最小货币单位）），订单就会直接放行。",
                "en": "The order would have passed if the order's amount had been at most 99999 minor units instead of 100000 minor units."
            }
        })
    );
    assert!(answers.iter().any(|it| it["changes"][0]["feature"] == "customer.level"), "{answers:?}");
    given.placed(plain("A2", 0, 100)).await;
    let decision = given.get("/v1/orders/web:A2/decision").await.good();
    assert_eq!(decision["would_pass_if"], json!([]), "it passed");
}

#[tokio::test]
async fn the_customer_is_told_how_the_order_stands_and_not_why() {
    let given = Given::nothing().await;
    given.placed(plain("A1", 0, 100_000)).await;
    let told = given.get("/v1/orders/web:A1/decision").await.good()["customer_wording"].take();
    assert!(told["zh"].as_str().unwrap().contains("短信"), "{told}");
    assert!(!told.to_string().contains("大额") && !told.to_string().contains("80"), "{told}");
    given.placed(plain("A2", 0, 100)).await;
    let told = given.get("/v1/orders/web:A2/decision").await.good()["customer_wording"].take();
    assert_eq!(told["en"], "Your order is confirmed and is being processed.");
}

#[tokio::test]
async fn an_earlier_screening_is_found_by_its_position() {
    let given = Given::nothing().await;
    given.placed(plain("A1", 0, 100_000)).await;
    let mut first = given.get("/v1/orders/web:A1/decision").await.good();
    let order = json!({"customer": {"level": 5}});
    given
        .notice(json!({"kind": "amended", "order_id": "web:A1", "occurred_at": "2026-11-11T00:10:00Z", "order": order}))
        .await;
    let last = given.get("/v1/orders/web:A1/decision").await.good();
    assert_eq!((&last["exemption"], &last["cause"]), (&json!("vip"), &json!("amended")));
    let at = |position: &Value| format!("/v1/orders/web:A1/decision?position={}", position.as_str().unwrap());
    let told = given.get(&at(&first["position"])).await.good();
    assert_eq!(told["customer_wording"], last["customer_wording"], "the customer is told how it stands now");
    first["customer_wording"] = last["customer_wording"].clone();
    assert_eq!(told, first);
    assert_eq!(given.get(&at(&last["position"])).await.good(), last);
}

#[tokio::test]
async fn what_was_not_screened_has_no_decision() {
    let given = Given::order(
        "web:A1",
        vec![json!({"Placed": {"channel": "web", "order_no": "A1", "facts": {"placed_at": "2026-11-11T00:00:00Z"}}})],
    )
    .await;
    given.placed(plain("A2", 0, 100_000)).await;
    let detail = given.get("/v1/orders/web:A1/decision").await.problem(404, "not_found");
    assert!(detail.contains("not screened"), "{detail}");
    let decision = given.get("/v1/orders/web:A2/decision").await.good();
    let elsewhere = decision["position"].as_str().unwrap();
    given.get(&format!("/v1/orders/web:A1/decision?position={elsewhere}")).await.problem(404, "not_found");
    given.get("/v1/orders/web:A2/decision?position=0-1").await.problem(404, "not_found");
    let detail = given.get("/v1/orders/web:A2/decision?position=first").await.problem(400, "bad_parameter");
    assert!(detail.starts_with("position: "), "{detail}");
}
