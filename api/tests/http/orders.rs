//! Orders placed, completed and reported on.

use serde_json::{Value, json};

use crate::given::{Answer, Server, answer, order};

async fn place(server: &Server, body: &Value) -> Answer {
    answer(server.as_admin("POST", "/v1/orders").json(body)).await
}

async fn amend(server: &Server, id: &str, body: &Value) -> Answer {
    answer(server.as_admin("PATCH", &format!("/v1/orders/{id}")).json(body)).await
}

async fn report(server: &Server, id: &str, body: &Value) -> Answer {
    answer(server.as_admin("POST", &format!("/v1/orders/{id}/status")).json(body)).await
}

#[tokio::test]
async fn an_order_is_placed_once_and_a_repetition_gets_the_same_answer() {
    let server = Server::start().await;
    let first = place(&server, &order("A1")).await;
    assert_eq!(first.status, 201, "{first:?}");
    assert!(first.header("orderlight-position").starts_with("0-"), "{first:?}");
    let again = place(&server, &order("A1")).await;
    assert_eq!(again.status, 200);
    assert_eq!(again.json()["duplicate"], true);
    assert_eq!(again.json()["risk"], first.json()["risk"]);
    let mut changed = order("A1");
    changed["amount"] = json!(1);
    assert_eq!(place(&server, &changed).await.problem(), (422, "delivery_key_reused".to_owned()));
}

#[tokio::test]
async fn facts_are_completed_by_a_patch_and_the_order_is_screened_again() {
    let server = Server::start().await;
    place(&server, &order("A1")).await;
    let body = json!({"customer": {"id": "u-1", "phone": "17000000001"}});
    let amended = amend(&server, "web:A1", &body).await;
    assert_eq!(amended.status, 200, "{amended:?}");
    assert!(amended.header("orderlight-position").starts_with("0-"));
    let decision = amended.json();
    assert_eq!((&decision["order_id"], &decision["duplicate"]), (&json!("web:A1"), &json!(false)));
    assert!(decision["risk"]["score"].is_i64(), "{decision}");
}

#[tokio::test]
async fn a_patch_with_a_key_is_taken_once() {
    let server = Server::start().await;
    place(&server, &order("A1")).await;
    let send = async |amount: i64| {
        let request = server.as_admin("PATCH", "/v1/orders/web%3AA1").header("Idempotency-Key", "m-1");
        answer(request.json(&json!({"amount": amount}))).await
    };
    assert_eq!(send(5).await.json()["duplicate"], false);
    assert_eq!(send(5).await.json()["duplicate"], true);
    assert_eq!(send(6).await.problem(), (422, "delivery_key_reused".to_owned()));
}

#[tokio::test]
async fn what_says_nothing_new_is_a_duplicate_without_a_key_as_well() {
    let server = Server::start().await;
    place(&server, &order("A1")).await;
    let body = json!({"customer": {"id": "u-1", "level": 2}});
    let twice = [amend(&server, "web:A1", &body).await, amend(&server, "web:A1", &body).await];
    assert_eq!(twice.each_ref().map(|told| told.json()["duplicate"].clone()), [json!(false), json!(true)]);
    let (first, second) = (twice[0].header("orderlight-position"), twice[1].header("orderlight-position"));
    assert_eq!(first, second, "nothing was recorded");
    let paid = json!({"status": "paid", "occurred_at": "2026-11-11T00:05:00+08:00", "source": "wms"});
    let twice = [report(&server, "web:A1", &paid).await, report(&server, "web:A1", &paid).await];
    assert_eq!(twice.each_ref().map(|told| told.json()["duplicate"].clone()), [json!(false), json!(true)]);
    assert_eq!(twice[1].json()["status"]["value"], "paid");
    let copy = server.as_admin("POST", "/v1/orders").header("idempotency-key", "copy").json(&order("A1"));
    let copy = answer(copy).await;
    assert_eq!((copy.status.as_u16(), &copy.json()["duplicate"]), (200, &json!(true)), "another source said the same");
}

#[tokio::test]
async fn an_order_that_is_known_by_its_status_alone_cannot_be_amended_or_decided() {
    let server = Server::start().await;
    let paid = json!({"status": "paid", "occurred_at": "2026-11-11T00:05:00+08:00"});
    let after = report(&server, "web:A1", &paid).await.header("orderlight-position").to_owned();
    let seen = answer(server.as_admin("GET", &format!("/v1/orders/web:A1?after={after}"))).await;
    assert_eq!(seen.status, 200, "{seen:?}");
    assert_eq!(amend(&server, "web:A1", &json!({"amount": 5})).await.problem(), (409, "not_placed".to_owned()));
    let post = async |path: &str, body: Value| answer(server.as_admin("POST", path).json(&body)).await.problem();
    for (path, body) in [
        ("/v1/orders/web:A1/reveal", json!({"reason": "to call the customer back"})),
        ("/v1/reviews/web:A1/decision", json!({"action": "freeze", "reason_code": "stolen_account"})),
    ] {
        assert_eq!(post(path, body).await, (409, "not_placed".to_owned()), "{path}");
    }
    assert_eq!(place(&server, &order("A1")).await.status, 201, "placed by the notice that is for it");
}

#[tokio::test]
async fn an_order_that_is_not_there_cannot_be_amended() {
    let server = Server::start().await;
    assert_eq!(amend(&server, "web:A1", &json!({"amount": 5})).await.problem(), (404, "not_found".to_owned()));
    assert_eq!(amend(&server, "A1", &json!({"amount": 5})).await.problem(), (404, "not_found".to_owned()));
}

#[tokio::test]
async fn every_fault_of_a_patch_is_told() {
    let server = Server::start().await;
    let body = json!({"channel": "store", "amount": -1, "lines": [], "colour": "red"});
    let refused = amend(&server, "web:A1", &body).await;
    assert_eq!(refused.problem(), (422, "invalid_body".to_owned()));
    let mut pointers = refused.pointers();
    pointers.sort();
    assert_eq!(pointers, ["/amount", "/channel", "/colour", "/lines"]);
}

#[tokio::test]
async fn a_status_is_kept_until_the_order_is_placed() {
    let server = Server::start().await;
    let early = json!({"status": "paid", "occurred_at": "2026-11-11T00:05:00+08:00"});
    let reported = report(&server, "web:A1", &early).await;
    assert_eq!(reported.status, 200, "{reported:?}");
    assert!(reported.header("orderlight-position").starts_with("0-"));
    let expected = json!({
        "order_id": "web:A1", "duplicate": false,
        "status": {"value": "paid", "occurred_at": "2026-11-10T16:05:00.000Z", "source": "api"}
    });
    assert_eq!(reported.json(), expected);
    assert_eq!(place(&server, &order("A1")).await.status, 201);
}

#[tokio::test]
async fn the_unified_status_is_the_newest_by_event_time() {
    let server = Server::start().await;
    let cancelled = json!({"status": "cancelled", "occurred_at": "2026-11-11T02:00:00Z", "source": "shop"});
    report(&server, "web:A1", &cancelled).await;
    let late = json!({"status": "paid", "occurred_at": "2026-11-11T01:00:00Z", "source": "wms"});
    let reported = report(&server, "web:A1", &late).await.json();
    assert_eq!(reported["status"]["value"], "cancelled");
    assert_eq!(reported["status"]["source"], "shop");
}

#[tokio::test]
async fn a_message_id_belongs_to_its_source() {
    let server = Server::start().await;
    let body = |source: &str, status: &str| json!({"status": status, "occurred_at": "2026-11-11T02:00:00Z", "source": source, "message_id": "1"});
    assert_eq!(report(&server, "web:A1", &body("wms", "paid")).await.json()["duplicate"], false);
    assert_eq!(report(&server, "web:A1", &body("wms", "paid")).await.json()["duplicate"], true);
    assert_eq!(report(&server, "web:A1", &body("erp", "shipped")).await.json()["duplicate"], false);
    let reused = report(&server, "web:A1", &body("wms", "shipped")).await;
    assert_eq!(reused.problem(), (422, "delivery_key_reused".to_owned()));
}

#[tokio::test]
async fn an_order_number_may_hold_any_character() {
    let server = Server::start().await;
    assert_eq!(place(&server, &order("A/1 ü?#%")).await.status, 201);
    let id = "web:A%2F1%20%C3%BC%3F%23%25";
    let amended = amend(&server, id, &json!({"amount": 5})).await;
    assert_eq!(amended.json()["order_id"], "web:A/1 ü?#%");
    let paid = json!({"status": "paid", "occurred_at": "2026-11-11T02:00:00Z"});
    assert_eq!(report(&server, id, &paid).await.json()["order_id"], "web:A/1 ü?#%");
}
