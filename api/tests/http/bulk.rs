//! One decision about many orders.

use serde_json::{Value, json};

use crate::given::{Server, answer, order};
use crate::held::{FREEZE, Person, events, place, placed, shop};

const BULK: &str = "/v1/reviews/bulk";

/// Three orders from one device, one of them worth holding, and one from another device.
async fn siblings(server: &Server) {
    for (order_no, amount, device) in
        [("A1", FREEZE, "d-1"), ("A2", 9_900, "d-1"), ("A3", 9_900, "d-1"), ("B1", 9_900, "d-2")]
    {
        let mut body = order(order_no);
        body["amount"] = json!(amount);
        body["device"] = json!({"id": device});
        place(server, &body).await;
    }
    let left = json!({"status": "shipped", "occurred_at": "2026-11-11T01:00:00+08:00", "source": "wms"});
    let told = answer(server.as_admin("POST", "/v1/orders/web:A3/status").json(&left)).await;
    let after = told.header("orderlight-position");
    let seen = answer(server.as_admin("GET", &format!("/v1/orders?limit=1&after={after}"))).await;
    assert_eq!(seen.status, 200, "{seen:?}");
}

fn results(bulk: &Value) -> Vec<(&str, Value, Value)> {
    let results = bulk["results"].as_array().unwrap().iter();
    results
        .map(|it| (it["order_id"].as_str().unwrap(), it["unchanged"].clone(), it["problem"]["code"].clone()))
        .collect()
}

/// What the last event of an order says of the decision that it was part of.
async fn part_of(server: &Server, order: &str) -> Value {
    let history = answer(server.as_admin("GET", &format!("/v1/orders/{order}/history?order=arrival"))).await.json();
    let items = history["items"].as_array().unwrap();
    items.last().unwrap()["data"]["part_of"].clone()
}

fn linked(preview: bool) -> Value {
    json!({"action": "freeze", "reason_code": "bot_or_script", "note": "all from one device",
           "linked_to": {"order_id": "web:A1", "by": "device"}, "preview": preview})
}

#[tokio::test]
async fn a_preview_tells_what_would_be_decided_and_decides_nothing() {
    let server = shop().await;
    let ann = Person::with(&server, "reviewer").await;
    siblings(&server).await;
    let preview = ann.post(&server, BULK, linked(true)).await;
    assert_eq!((preview.status.as_u16(), preview.header("orderlight-position")), (200, ""));
    let preview = preview.json();
    assert_eq!(preview["preview"], true);
    assert_eq!(
        results(&preview),
        [("web:A1", json!(false), Value::Null), ("web:A2", json!(false), Value::Null)],
        "what has left is not concerned"
    );
    assert_eq!(events(&server, "web:A2").await.last().unwrap(), "Released");

    let decided = ann.post(&server, BULK, linked(false)).await;
    assert!(decided.header("orderlight-position").starts_with("0-"), "{decided:?}");
    assert_eq!(results(&decided.json()), results(&preview), "as it was told");
    assert_eq!(events(&server, "web:A1").await.last().unwrap(), "FreezeConfirmed");
    assert_eq!(events(&server, "web:A2").await.last().unwrap(), "Frozen");
    assert_eq!(events(&server, "web:B1").await.last().unwrap(), "Released");
    let decision = json!({"orders": 2, "linked_to": {"order_id": "web:A1", "by": "device"}});
    assert_eq!([part_of(&server, "web:A1").await, part_of(&server, "web:A2").await], [decision.clone(), decision]);

    let again = ann.post(&server, BULK, linked(false)).await;
    assert!(
        again.header("orderlight-position").starts_with("0-"),
        "nothing is recorded, and it can be waited for: {again:?}"
    );
    assert_eq!(results(&again.json())[0], ("web:A1", json!(true), Value::Null), "the one that it is about");
}

#[tokio::test]
async fn each_order_is_decided_by_itself() {
    let server = shop().await;
    let (ann, bob) = (Person::with(&server, "reviewer").await, Person::with(&server, "reviewer").await);
    for order_no in ["A1", "A2", "A3"] {
        placed(&server, order_no, FREEZE).await;
    }
    let north = answer(server.as_admin("POST", "/v1/merchants").json(&json!({"id": "north", "name": "North"}))).await;
    let theirs = server.request("POST", "/v1/orders").bearer_auth(north.json()["key"].as_str().unwrap());
    assert_eq!(answer(theirs.json(&order("N1"))).await.status, 201);
    bob.post(&server, "/v1/reviews/web:A2/claim", Value::Null).await;
    bob.decide(&server, "web:A3", "release", "false_alarm").await;
    let body = json!({"action": "release", "reason_code": "false_alarm",
                      "order_ids": ["web:A1", "web:A2", "web:A3", "web:none", "nonsense", "web:N1", "web:A1"]});
    let expected = [
        ("web:A1", json!(false), Value::Null),
        ("web:A2", Value::Null, json!("claimed_by_other")),
        ("web:A3", json!(true), Value::Null),
        ("web:none", Value::Null, json!("not_found")),
        ("nonsense", Value::Null, json!("not_found")),
        ("web:N1", Value::Null, json!("not_found")),
    ];
    let mut preview = body.clone();
    preview["preview"] = json!(true);
    assert_eq!(results(&ann.post(&server, BULK, preview).await.json()), expected);
    assert_eq!(results(&ann.post(&server, BULK, body).await.json()), expected);
    assert_eq!(events(&server, "web:A1").await.last().unwrap(), "Released");
    assert_eq!(events(&server, "web:A2").await.last().unwrap(), "ReviewClaimed");
    assert_eq!(part_of(&server, "web:A1").await, json!({"orders": 3}), "one decision about the three that there are");

    // A decision about one is a decision about one, however it is asked for.
    let alone = json!({"action": "freeze", "reason_code": "bot_or_script", "order_ids": ["web:A1", "web:none"]});
    let bulk = ann.post(&server, BULK, alone).await.json();
    assert_eq!(results(&bulk)[0], ("web:A1", json!(false), Value::Null));
    assert_eq!(part_of(&server, "web:A1").await, Value::Null);

    // What another decided a moment ago is the other's, while what this one decided can be corrected.
    let both = json!({"action": "freeze", "reason_code": "bot_or_script", "order_ids": ["web:A1", "web:A3"]});
    let expected = [("web:A1", json!(true), Value::Null), ("web:A3", Value::Null, json!("claimed_by_other"))];
    let mut preview = both.clone();
    preview["preview"] = json!(true);
    assert_eq!(results(&ann.post(&server, BULK, preview).await.json()), expected);
    assert_eq!(results(&ann.post(&server, BULK, both).await.json()), expected);
    assert_eq!(events(&server, "web:A3").await.last().unwrap(), "Released");
}

#[tokio::test]
async fn whose_orders_are_meant_is_said_in_one_way_and_has_a_limit() {
    let server = shop().await;
    let ann = Person::with(&server, "reviewer").await;
    let many: Vec<String> = (0..201).map(|number| format!("web:{number}")).collect();
    for (more, pointer) in [
        (json!({}), "/order_ids"),
        (json!({"order_ids": []}), "/order_ids"),
        (json!({"order_ids": many}), "/order_ids"),
        (json!({"order_ids": ["web:A1", 7]}), "/order_ids"),
        (json!({"order_ids": ["web:A1"], "linked_to": {"order_id": "web:A1", "by": "ip"}}), "/linked_to"),
        (json!({"linked_to": {"order_id": "web:A1"}}), "/linked_to/by"),
        (json!({"linked_to": {"order_id": "web:A1", "by": "moon"}}), "/linked_to/by"),
        (json!({"linked_to": {"order_id": "web:A1", "by": "ip", "a/b": 1}}), "/linked_to/a~1b"),
        (json!({"order_ids": ["web:A1"], "preview": "yes"}), "/preview"),
    ] {
        let mut body = json!({"action": "release", "reason_code": "false_alarm"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let refused = ann.post(&server, BULK, body.clone()).await;
        assert_eq!(refused.problem(), (422, "invalid_body".to_owned()), "{body}");
        assert_eq!(refused.pointers(), [pointer], "{body}: {refused:?}");
    }
    let nobody = json!({"action": "release", "reason_code": "false_alarm",
                        "linked_to": {"order_id": "web:none", "by": "device"}});
    assert_eq!(ann.post(&server, BULK, nobody).await.problem(), (404, "not_found".to_owned()));
}

/// Places orders of some numbers from one device.
async fn farm(server: &Server, numbers: std::ops::Range<u32>) {
    let placed = |number| {
        let mut body = order(&format!("F{number}"));
        body["device"] = json!({"id": "d-1"});
        json!({"kind": "placed", "order": body})
    };
    let lines: Vec<String> = numbers.map(|number| placed(number).to_string()).collect();
    let request = server.as_admin("POST", "/v1/notices").header("content-type", "application/x-ndjson");
    assert_eq!(answer(request.body(lines.join("\n"))).await.status, 200);
}

/// Waits until linked orders are found as they are, after one more write.
async fn settled(server: &Server, write: &str) {
    let told = answer(server.as_admin("PATCH", "/v1/orders/web:F0").json(&json!({"display_no": write}))).await;
    let after = told.header("orderlight-position");
    let seen = answer(server.as_admin("GET", &format!("/v1/orders?limit=1&after={after}"))).await;
    assert_eq!(seen.status, 200, "{seen:?}");
}

#[tokio::test]
async fn what_is_linked_is_decided_up_to_a_thousand_orders_that_the_decision_would_change() {
    let server = shop().await;
    let ann = Person::with(&server, "reviewer").await;
    let decision = json!({
        "action": "freeze", "reason_code": "bot_or_script", "linked_to": {"order_id": "web:F0", "by": "device"}
    });
    let decided = async || ann.post(&server, BULK, decision.clone()).await;
    farm(&server, 0..1_001).await;
    settled(&server, "one too many").await;
    assert_eq!(decided().await.problem(), (422, "too_many_orders".to_owned()));
    assert_eq!(events(&server, "web:F1").await.last().unwrap(), "Released");

    // One of them has left.
    let left = json!({"status": "shipped", "occurred_at": "2026-11-11T01:00:00+08:00", "source": "wms"});
    answer(server.as_admin("POST", "/v1/orders/web:F1000/status").json(&left)).await;
    settled(&server, "as many as can be").await;
    let bulk = decided().await.json();
    let found = results(&bulk);
    assert_eq!(found.len(), 1_000);
    assert!(found.iter().all(|(_, unchanged, _)| *unchanged == json!(false)), "{found:?}");
    assert_eq!(part_of(&server, "web:F999").await["orders"], 1_000);

    // What is frozen already, and by a reviewer, is no part of the next decision; but the one that it is about.
    farm(&server, 1_001..1_003).await;
    settled(&server, "two more").await;
    let bulk = decided().await.json();
    let expected = [("web:F0", true), ("web:F1002", false), ("web:F1001", false)];
    assert_eq!(results(&bulk), expected.map(|(id, so_already)| (id, json!(so_already), Value::Null)));
    assert_eq!(part_of(&server, "web:F1001").await["orders"], 3);
}
