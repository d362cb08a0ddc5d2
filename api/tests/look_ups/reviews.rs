//! The review queue.

use domain::merchant::Role;
use serde_json::{Value, json};

use crate::given::{Given, full, plain};

#[tokio::test]
async fn an_item_holds_what_a_reviewer_decides_by() {
    let given = Given::nothing().await;
    given.placed(full("A1", 0)).await;
    let mut large = full("A2", 1);
    large["amount"] = json!(100_000);
    given.placed(large).await;
    let item = given.get("/v1/reviews").await.good()["items"][0].clone();
    assert_eq!((&item["order_id"], &item["state"]), (&json!("web:A2"), &json!("waiting")));
    assert_eq!((&item["score"], &item["tier"], &item["priority"]), (&json!(90), &json!("sms"), &json!(9_000_000)));
    let rules: Vec<_> = item["hits"].as_array().unwrap().iter().map(|hit| &hit["rule"]).collect();
    assert_eq!(rules, ["large", "shared"]);
    assert_eq!(item["links"], json!({"device": 1, "ip": 1, "ip24": 1, "phone": 1, "address": 1}));
    assert_eq!(item["order"], given.get("/v1/orders?order_no=A2").await.good()["items"][0]);
    assert_eq!(item["deadline"], item["order"]["risk"]["challenge"]["expires_at"]);
    assert_eq!(item["opened_at"], item["order"]["risk"]["held_since"]);
    assert!((0..60).contains(&item["age_seconds"].as_i64().unwrap()), "{item}");
    assert_eq!(item["claim"], Value::Null);
    assert_eq!(
        (&item["due_at"], &item["escalated_at"], &item["reopened"]),
        (&item["deadline"], &Value::Null, &json!(0))
    );
}

#[tokio::test]
async fn a_claim_that_has_run_out_is_none() {
    let given = Given::order(
        "web:A1",
        vec![
            json!({"Placed": {"channel": "web", "order_no": "A1", "facts": {"placed_at": "2026-11-11T00:00:00Z"}}}),
            json!({"Scored": {"score": 140, "tier": "freeze", "hits": [], "features": {}, "rulebook_version": 1,
                              "rulebook_hash": "00", "cause": "placed"}}),
            json!({"Frozen": {"cause": "score"}}),
            json!({"ReviewClaimed": {"reviewer": "ann", "lease_until": "2026-01-11T00:10:00Z"}}),
        ],
    )
    .await;
    given.placed(plain("A2", 0, 100_000)).await;
    let answer = given.get("/v1/reviews?state=open").await;
    assert_eq!(answer.ids(), ["web:A1"]);
    let item = answer.good()["items"][0].clone();
    assert_eq!((&item["state"], &item["claim"]), (&json!("open"), &Value::Null));
    assert_eq!(given.get("/v1/reviews?state=claimed").await.ids(), [""; 0]);
}

#[tokio::test]
async fn the_queue_is_filtered_and_sorted() {
    let given = Given::nothing().await;
    given.placed(plain("A1", 0, 100_000)).await;
    given.placed(plain("A2", 1, 150_000)).await;
    given.placed(plain("A3", 2, 200_000)).await;
    given.placed(plain("A4", 3, 9_900)).await;
    for (query, found) in [
        // The customers of the first two have ten minutes, and a person an hour for the third.
        ("", &["web:A2", "web:A1", "web:A3"][..]),
        ("sort=priority", &["web:A2", "web:A1", "web:A3"]),
        ("sort=age", &["web:A1", "web:A2", "web:A3"]),
        ("sort=deadline", &["web:A1", "web:A2", "web:A3"]),
        ("state=waiting", &["web:A2", "web:A1"]),
        ("state=open", &["web:A3"]),
        ("state=claimed", &[]),
        ("state=closed", &[]),
        ("tier=sms", &["web:A2", "web:A1"]),
        ("rule=huge", &["web:A3"]),
        ("rule=large&state=waiting&sort=age", &["web:A1", "web:A2"]),
        ("rule=shared", &[]),
    ] {
        assert_eq!(given.get(&format!("/v1/reviews?{query}")).await.ids(), found, "{query}");
    }
    let detail = given.get("/v1/reviews?state=lost&sort=colour").await.problem(400, "bad_parameter");
    assert_eq!(detail, "state: expected open, waiting, claimed or closed; sort: expected priority, age or deadline");
}

#[tokio::test]
async fn a_claim_names_the_reviewer_and_the_end_of_the_lease() {
    let hit = json!({"rule": "huge", "points": 140, "evidence": {"order.amount": 200_000}});
    let given = Given::order(
        "web:A1",
        vec![
            json!({"Placed": {"channel": "web", "order_no": "A1", "facts": {"placed_at": "2026-11-11T00:00:00Z"}}}),
            json!({"Scored": {"score": 140, "tier": "freeze", "hits": [hit], "features": {}, "rulebook_version": 1,
                              "rulebook_hash": "00", "cause": "placed"}}),
            json!({"Frozen": {"cause": "score"}}),
            json!({"ReviewClaimed": {"reviewer": "ann", "lease_until": "2099-11-11T00:10:00Z"}}),
        ],
    )
    .await;
    given.placed(plain("A2", 0, 100_000)).await;
    let answer = given.get("/v1/reviews?state=claimed").await;
    assert_eq!(answer.ids(), ["web:A1"]);
    let item = answer.good()["items"][0].clone();
    assert_eq!(item["claim"], json!({"reviewer": "ann", "lease_until": "2099-11-11T00:10:00.000Z"}));
    assert_eq!(item["hits"], json!([hit]));
    let history = given.get("/v1/orders/web:A1/history").await.good();
    assert_eq!(history["items"][3]["summary"]["en"], "ann took the review, held until 2099-11-11 08:10:00");
    assert_eq!(history["items"][3]["actor"], "ann");
}

#[tokio::test]
async fn reviewers_auditors_and_administrators_see_the_queue() {
    let given = Given::nothing().await;
    for role in Role::ALL {
        let key = given.key("default", &[role]).await;
        let answer = given.get_as(&key, "/v1/reviews").await;
        if matches!(role, Role::Reviewer | Role::Auditor | Role::Admin) {
            answer.good();
        } else {
            answer.problem(403, "role_missing");
        }
    }
}
