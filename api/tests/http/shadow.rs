//! Drafts in the shadow, and publications that are bound to what they are expected to do.

use serde_json::{Value, json};

use crate::given::{Answer, BOOTSTRAP, Server, answer, order};

/// Freezes every order of so much.
fn book(amount: u32) -> Value {
    json!({
        "name": "By amount",
        "rules": [{"id": "large", "when": {"feature": "order.amount", "op": ">=", "value": amount}, "points": 80}],
        "tiers": [{"id": "hold", "from": 80, "action": "freeze"}], "exemptions": []
    })
}

async fn post(server: &Server, path: &str, body: &Value) -> Answer {
    answer(server.as_admin("POST", path).json(body)).await
}

async fn get(server: &Server, path: &str) -> Answer {
    answer(server.as_admin("GET", path)).await
}

/// A new draft's id.
async fn draft(server: &Server, amount: u32) -> String {
    post(server, "/v1/rulebooks", &book(amount)).await.json()["id"].as_str().unwrap().to_owned()
}

async fn shadow(server: &Server, method: &str, draft: &str) -> Answer {
    answer(server.as_admin(method, &format!("/v1/rulebooks/{draft}/shadow"))).await
}

async fn place(server: &Server, number: u32, amount: u32) -> Value {
    let mut order = order(&format!("A{number}"));
    order["amount"] = amount.into();
    order["lines"][0].as_object_mut().unwrap().remove("unit_price");
    let placed = post(server, "/v1/orders", &order).await;
    assert_eq!(placed.status, 201, "{placed:?}");
    placed.json()
}

#[tokio::test]
async fn a_draft_runs_beside_the_live_rulebook_and_is_compared_with_it() {
    let server = Server::start().await;
    let id = draft(&server, 5_000).await;
    let begun = shadow(&server, "POST", &id).await;
    assert_eq!(begun.status, 200, "{begun:?}");
    assert!(!begun.header("orderlight-position").is_empty());
    let begun = begun.json();
    assert_eq!((&begun["id"], &begun["revision"], &begun["state"]), (&json!(id), &json!(1), &json!("running")));
    assert_eq!((&begun["until"], &begun["orders"], &begun["matrix"]), (&Value::Null, &json!(0), &json!({})));
    let hash = domain::rulebook::Rulebook::from_json(&book(5_000)).unwrap().hash();
    assert_eq!(begun["hash"], hash);
    for (number, amount) in (1..).zip([4_000, 5_000, 6_000]) {
        assert_eq!(place(&server, number, amount).await["risk"]["state"], "released", "it decides nothing");
    }
    let seen = shadow(&server, "GET", &id).await.json();
    assert_eq!((&seen["orders"], &seen["matrix"]), (&json!(3), &json!({"pass": {"pass": 1, "hold": 2}})));
    assert_eq!(seen["since"], begun["since"]);
    let ended = shadow(&server, "DELETE", &id).await.json();
    assert_eq!((&ended["state"], &ended["matrix"]), (&json!("ended"), &seen["matrix"]));
    assert!(ended["until"].is_string());
    place(&server, 4, 6_000).await;
    assert_eq!(shadow(&server, "GET", &id).await.json(), ended, "the last comparison stays to be seen");
}

#[tokio::test]
async fn one_draft_runs_at_a_time_and_it_must_be_a_draft() {
    let server = Server::start().await;
    let (one, other) = (draft(&server, 1).await, draft(&server, 2).await);
    for method in ["GET", "DELETE"] {
        assert_eq!(shadow(&server, method, &one).await.problem(), (404, "not_found".to_owned()));
    }
    assert_eq!(shadow(&server, "POST", "1").await.problem(), (409, "draft_published".to_owned()), "it is a version");
    for nothing in ["d-0000000000000000", "no%20id"] {
        for method in ["POST", "GET", "DELETE"] {
            assert_eq!(shadow(&server, method, nothing).await.problem(), (404, "not_found".to_owned()), "{nothing}");
        }
    }
    assert_eq!(shadow(&server, "POST", &one).await.status, 200);
    assert_eq!(shadow(&server, "POST", &one).await.status, 200, "it runs already");
    let taken = shadow(&server, "POST", &other).await;
    assert_eq!(taken.problem(), (409, "shadow_taken".to_owned()));
    assert!(taken.text.contains(&one), "{taken:?}");
    let published = post(&server, &format!("/v1/rulebooks/{one}/publish"), &json!({})).await;
    assert_eq!(published.status, 200, "{published:?}");
    assert_eq!(shadow(&server, "GET", &one).await.json()["state"], "ended", "it came into force");
    assert_eq!(shadow(&server, "POST", &one).await.problem(), (409, "draft_published".to_owned()));
    assert_eq!(shadow(&server, "POST", &other).await.status, 200);
}

#[tokio::test]
async fn analysts_run_drafts_in_the_shadow_and_everybody_who_looks_things_up_sees_them() {
    let server = Server::start().await;
    let id = draft(&server, 1).await;
    let path = format!("/v1/rulebooks/{id}/shadow");
    let (_, ana) = server.key(&["analyst"]).await;
    let (_, service) = server.key(&["service"]).await;
    let (_, ingest) = server.key(&["ingest"]).await;
    let ask = |method: &'static str, key: &str| answer(server.request(method, &path).bearer_auth(key));
    for (method, key, status) in [
        ("POST", &service, 403),
        ("POST", &ana, 200),
        ("GET", &service, 200),
        ("GET", &ingest, 403),
        ("DELETE", &service, 403),
        ("DELETE", &ana, 200),
    ] {
        assert_eq!(ask(method, key).await.status, status, "{method}");
    }
    let registered = json!({"id": "other", "name": "Other", "time_zone": "Asia/Shanghai", "currency": "CNY"});
    let other = post(&server, "/v1/merchants", &registered).await.json();
    let stranger = other["key"].as_str().unwrap_or_else(|| panic!("{other}"));
    for method in ["POST", "GET", "DELETE"] {
        assert_eq!(ask(method, stranger).await.problem(), (404, "not_found".to_owned()), "it is another merchant's");
    }
}

#[tokio::test]
async fn a_version_that_leaves_its_forecast_is_taken_back_and_everybody_sees_why() {
    let server = Server::start().await;
    let id = draft(&server, 5_000).await;
    let expected = json!({"challenge_rate": "0.02", "freeze_rate": 0.001, "factor": "2", "after_orders": 100});
    let publish = json!({"note": "tested", "expected": expected});
    let published = post(&server, &format!("/v1/rulebooks/{id}/publish"), &publish).await;
    assert_eq!(published.json()["version"], 2, "{published:?}");
    let other =
        json!({"expected": {"challenge_rate": "0.5", "freeze_rate": "0.5", "factor": "2", "after_orders": 100}});
    let again = post(&server, &format!("/v1/rulebooks/{id}/publish"), &other).await;
    assert_eq!(again.problem(), (409, "forecast_too_late".to_owned()), "it is in force, and bound to something else");
    let bound = get(&server, "/v1/rulebook").await.json();
    let written = json!({"challenge_rate": "0.02", "freeze_rate": "0.001", "factor": "2", "after_orders": 100});
    assert_eq!((&bound["expected"], &bound["forecast_left"]), (&written, &Value::Null));
    for number in 1..=100 {
        assert_eq!(place(&server, number, 1_000 + number * 100).await["risk"]["rulebook_version"], 2);
    }
    assert_eq!(place(&server, 101, 9_000).await["risk"]["rulebook_version"], 3);
    let live = get(&server, "/v1/rulebook").await.json();
    assert_eq!((&live["version"], &live["restores"]), (&json!(3), &json!(1)));
    assert_eq!(
        (&live["approver"], &live["note"], &live["expected"]),
        (&json!("orderlight"), &Value::Null, &Value::Null)
    );
    let left = json!({"version": 2, "rate": "freeze", "expected": "0.001", "factor": "2", "found": "0.61", "held": 61, "orders": 100});
    assert_eq!(live["forecast_left"], left);
    assert_eq!(get(&server, "/v1/rulebooks?limit=1").await.json()["items"][0]["forecast_left"], left);
    assert_eq!(get(&server, "/v1/rulebooks/2").await.json()["state"], "replaced");
    assert!(get(&server, "/metrics").await.text.contains("orderlight_forecast_rollbacks_total"));
    let again = post(&server, &format!("/v1/rulebooks/{id}/publish"), &publish).await;
    assert_eq!(again.problem(), (409, "draft_published".to_owned()), "it is not put in force again unseen");
}

#[tokio::test]
async fn everything_wrong_with_what_is_expected_is_told_with_its_place() {
    let server = Server::start().await;
    let path = format!("/v1/rulebooks/{}/publish", draft(&server, 1).await);
    let wrong = json!({"expected": {"challenge_rate": "many", "factor": 1, "after_orders": 1, "sure": true}});
    let refused = answer(server.request("POST", &path).bearer_auth(BOOTSTRAP).json(&wrong)).await;
    assert_eq!(refused.problem(), (422, "invalid_body".to_owned()));
    let places = ["challenge_rate", "freeze_rate", "factor", "after_orders", "sure"];
    assert_eq!(refused.pointers(), places.map(|name| format!("/expected/{name}")));
    assert_eq!(get(&server, "/v1/rulebook").await.json()["version"], 1, "nothing was published");
}
