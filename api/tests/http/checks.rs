//! What a check over HTTP tells.

use serde_json::{Value, json};

use crate::given::{Answer, BOOTSTRAP, Server, answer};

/// The three rules that everybody begins with, in flat points.
fn three() -> Value {
    let challenge =
        |method: &str| json!({"challenge": method, "expires_in": "10m", "on_fail": "freeze", "on_expire": "review"});
    json!({
        "name": "Three",
        "rules": [
            {"id": "device_burst", "when": {"feature": "device.orders", "window": "5m", "op": ">=", "value": 5}, "points": 50},
            {"id": "address_changed", "when": {"all": [
                {"feature": "address.changed", "op": "==", "value": true},
                {"not": {"feature": "address.familiar", "op": "==", "value": true}}
            ]}, "points": 30},
            {"id": "virtual_phone", "when": {"feature": "phone.kind", "op": "==", "value": "virtual"}, "points": 40}
        ],
        "tiers": [
            {"id": "sms", "from": 80, "action": challenge("sms")}, {"id": "call", "from": 100, "action": challenge("call")},
            {"id": "freeze", "above": 120, "action": "freeze"}
        ]
    })
}

async fn check(server: &Server, key: &str, id: &str, body: Option<&Value>) -> Answer {
    let request = server.request("POST", &format!("/v1/rulebooks/{id}/check")).bearer_auth(key);
    answer(match body {
        Some(body) => request.json(body),
        None => request,
    })
    .await
}

async fn draft(server: &Server, book: &Value) -> String {
    let begun = answer(server.as_admin("POST", "/v1/rulebooks").json(book)).await;
    assert_eq!(begun.status, 201, "{begun:?}");
    begun.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_tier_over_120_cannot_be_reached_with_three_rules_and_the_check_says_so() {
    let server = Server::start().await;
    let id = draft(&server, &three()).await;
    let report = check(&server, BOOTSTRAP, &id, None).await.json();
    assert_eq!(report["errors"], json!([]));
    assert_eq!(
        report["warnings"],
        json!([{"code": "tier_unreachable", "tier": "freeze", "detail": "no order reaches freeze, which needs 121 points"}])
    );
    assert_eq!(
        report["combinations"],
        json!({"sms": [["device_burst", "virtual_phone"], ["device_burst", "address_changed"]],
               "call": [["device_burst", "address_changed", "virtual_phone"]], "freeze": []})
    );
    assert_eq!(
        report["witnesses"]["sms"],
        json!({"rules": ["device_burst", "virtual_phone"], "score": 90,
               "features": {"device.orders[5m]": 5, "phone.kind": "virtual"}})
    );
    assert_eq!(
        check(&server, BOOTSTRAP, &id, Some(&json!({}))).await.json(),
        report,
        "an empty object asks for nothing else"
    );
}

#[tokio::test]
async fn a_text_is_checked_before_it_is_saved_and_its_faults_have_their_places() {
    let server = Server::start().await;
    let id = draft(&server, &three()).await;
    let mut wrong = three();
    wrong["rules"][0]["when"]["feature"] = "device.oders".into();
    wrong["tiers"][0]["from"] = "many".into();
    let report = check(&server, BOOTSTRAP, &id, Some(&wrong)).await;
    assert_eq!(report.status, 200, "{report:?}");
    let report = report.json();
    let pointers: Vec<_> = report["errors"].as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
    assert_eq!(pointers, [&json!("/rules/0/when/feature"), &json!("/tiers/0/from")]);
    assert!(report["errors"][0]["detail"].as_str().unwrap().contains("device.orders"), "the nearest name: {report}");
    assert_eq!((&report["warnings"], &report["combinations"]), (&json!([]), &json!({})));
    let stored = answer(server.as_admin("GET", &format!("/v1/rulebooks/{id}"))).await.json();
    assert_eq!(stored["revision"], 1, "nothing was written");
}

#[tokio::test]
async fn versions_are_checked_too_and_what_is_not_there_is_not() {
    let server = Server::start().await;
    let (_, approver) = server.key(&["approver"]).await;
    let report = check(&server, &approver, "1", None).await.json();
    assert_eq!(report["warnings"], json!([]), "the preset is clean");
    assert_eq!(check(&server, BOOTSTRAP, "9", None).await.problem(), (404, "not_found".to_owned()));
    let (_, reviewer) = server.key(&["reviewer"]).await;
    assert_eq!(check(&server, &reviewer, "1", None).await.problem(), (403, "role_missing".to_owned()));
    let text = server.as_admin("POST", "/v1/rulebooks/1/check").header("content-type", "text/plain").body("rules");
    assert_eq!(answer(text).await.problem(), (415, "unsupported_media_type".to_owned()));
}
