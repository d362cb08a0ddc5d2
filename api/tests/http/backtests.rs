//! Back-tests over HTTP: a draft is tried on what was decided, waited for or asked after, and tells who may not start one.

use std::sync::Arc;
use std::time::Duration;

use domain::notice::read_notice;
use engine::WhenFull;
use orderlight::service::notice_origin;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::gate::Gate;
use crate::given::{Server, answer, order};
use crate::interfered::Interfered;
use crate::jobs::{read_until, rest};

/// Only something that hangs takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Every order from this amount on is asked about.
fn asks_from(amount: u32) -> Value {
    let challenge = json!({"challenge": "sms", "expires_in": "10m", "on_fail": "freeze", "on_expire": "review"});
    json!({
        "name": "By amount",
        "rules": [{"id": "large", "when": {"feature": "order.amount", "op": ">=", "value": amount}, "points": 90}],
        "tiers": [{"id": "sms", "from": 80, "action": challenge}], "exemptions": []
    })
}

async fn place(server: &Server, order_no: &str, amount: u32, hour: u32) {
    let mut body = order(order_no);
    body["amount"] = amount.into();
    body["placed_at"] = format!("2026-11-11T{hour:02}:00:00Z").into();
    assert_eq!(answer(server.as_admin("POST", "/v1/orders").json(&body)).await.status, 201);
}

async fn draft(server: &Server, rulebook: &Value) -> String {
    let begun = answer(server.as_admin("POST", "/v1/rulebooks").json(rulebook)).await.json();
    begun["id"].as_str().unwrap().to_owned()
}

fn day() -> Value {
    json!({"from": "2026-11-11T00:00:00Z", "to": "2026-11-12T00:00:00Z"})
}

/// Three orders in three hours, of which the preset stops none.
async fn with_orders() -> Server {
    let server = Server::start().await;
    for (order_no, amount, hour) in [("A1", 10_000, 1), ("A2", 50_000, 2), ("A3", 90_000, 3)] {
        place(&server, order_no, amount, hour).await;
    }
    server
}

#[tokio::test]
async fn a_draft_is_tried_on_what_was_decided() {
    let server = with_orders().await;
    let delivered = json!({"status": "delivered", "occurred_at": "2026-11-11T05:00:00Z", "source": "wms"});
    assert_eq!(answer(server.as_admin("POST", "/v1/orders/web:A2/status").json(&delivered)).await.status, 200);
    let id = draft(&server, &asks_from(50_000)).await;
    let path = format!("/v1/rulebooks/{id}/backtest?wait=true");
    let tried = answer(server.as_admin("POST", &path).json(&day())).await;
    assert_eq!(tried.status, 200, "{tried:?}");
    let tried = tried.json();
    assert_eq!((&tried["orders"], &tried["unchanged"]), (&json!(3), &json!(1)));
    assert_eq!(tried["matrix"], json!({"pass": {"pass": 1, "sms": 2}}));
    let nothing = json!({"fired": 0, "decisive": 0});
    assert_eq!(tried["per_rule"], json!([{"rule": "large", "actual": nothing, "draft": {"fired": 2, "decisive": 2}}]));
    assert_eq!((&tried["challenges_per_hour_max"], &tried["reviews_per_hour_max"]), (&json!(1), &json!(0)));
    assert_eq!((&tried["newly_hit_good"], &tried["newly_caught_bad"]), (&json!(1), &json!(0)));
    assert_eq!(
        tried["examples"][0],
        json!({
            "order_id": "web:A2", "change": "newly_hit", "outcome": "good", "vip": false, "familiar": false,
            "actual": {"tier": "pass", "score": 0, "exemption": null, "hits": []},
            "draft": {"tier": "sms", "score": 90, "exemption": null, "hits": [{"rule": "large", "points": 90}]}
        })
    );
    let hours = json!({"from": "2026-11-11T02:00:00Z", "to": "2026-11-11T03:00:00Z"});
    let part = answer(server.as_admin("POST", &path).json(&hours)).await.json();
    assert_eq!(part["matrix"], json!({"pass": {"sms": 1}}), "the period is half-open");
    let live = answer(server.as_admin("POST", "/v1/rulebooks/1/backtest?wait=true").json(&day())).await.json();
    assert_eq!((&live["orders"], &live["unchanged"]), (&json!(3), &json!(3)), "a version is tried like a draft");
}

#[tokio::test]
async fn a_back_test_is_a_job_that_can_be_asked_after() {
    let server = with_orders().await;
    let (_, analyst) = server.key(&["analyst"]).await;
    let id = draft(&server, &asks_from(50_000)).await;
    let request = |method: &str, path: &str| server.request(method, path).bearer_auth(&analyst);
    let started = answer(request("POST", &format!("/v1/rulebooks/{id}/backtest")).json(&day())).await;
    assert_eq!(started.status, 202, "{started:?}");
    let job = started.json()["job"].as_str().unwrap().to_owned();
    assert_eq!(started.header("location"), format!("/v1/jobs/{job}"));
    let stream = answer(request("GET", &format!("/v1/jobs/{job}/stream")));
    let stream = timeout(PATIENCE, stream).await.expect("the job ends");
    assert!(stream.text.contains("event: result"), "{stream:?}");
    let done = answer(request("GET", &format!("/v1/jobs/{job}"))).await.json();
    assert_eq!((&done["kind"], &done["state"]), (&json!("backtest"), &json!("done")));
    assert_eq!(done["orders"], 3);
    assert_eq!(done["progress"]["done"], done["progress"]["total"]);
}

/// So many orders at once.
async fn place_many(server: &Server, orders: u32) {
    let merchant = "default".parse().unwrap();
    let mut pending = Vec::new();
    for number in 0..orders {
        let mut order = order(&format!("B{number}"));
        order["placed_at"] = "2026-11-11T01:00:00Z".into();
        let notice = read_notice(json!({"kind": "placed", "order": order})).unwrap();
        let origin = notice_origin("test", &notice);
        pending.push(server.service.engine.submit(&merchant, origin, notice, WhenFull::Wait).await.unwrap());
    }
    for pending in pending {
        pending.receipt().await.unwrap();
    }
}

#[tokio::test]
async fn a_back_test_tells_page_by_page_how_far_it_is_and_is_ended_between_two() {
    const ORDERS: u32 = 800;
    let gate = watch::Sender::new(0);
    let opened_to = gate.subscribe();
    let growth = domain::rulebook::preset("growth").unwrap();
    let server = Server::start_on(|log| Arc::new(Interfered::new(log, Gate(opened_to))), growth, None).await;
    place_many(&server, ORDERS).await;
    let id = draft(&server, &asks_from(10_000)).await;
    let events = server.service.log.head(0).await.unwrap();
    let first_page = 2_000;
    assert!(events > first_page, "the log has more than a page: {events}");
    let halfway = json!({"done": first_page, "total": events});
    let told = format!("event: progress\ndata: {halfway}\n\n");

    let begin = async || {
        let started = answer(server.as_admin("POST", &format!("/v1/rulebooks/{id}/backtest")).json(&day())).await;
        let path = format!("/v1/jobs/{}", started.json()["job"].as_str().unwrap());
        let mut watched = server.as_admin("GET", &format!("{path}/stream")).send().await.unwrap();
        read_until(&mut watched, &told).await;
        let running = answer(server.as_admin("GET", &path)).await.json();
        assert_eq!((&running["state"], &running["progress"]), (&json!("running"), &halfway));
        (path, watched)
    };
    let (path, watched) = begin().await;
    let ended = answer(server.as_admin("DELETE", &path)).await;
    assert_eq!((ended.status.as_u16(), &ended.json()["state"]), (200, &json!("cancelled")), "{ended:?}");
    assert_eq!(rest(watched).await, "event: cancelled\ndata: {}\n\n");

    let (path, watched) = begin().await;
    gate.send_replace(u64::MAX);
    assert!(rest(watched).await.contains("event: result\ndata: {"));
    assert_eq!(answer(server.as_admin("GET", &path)).await.json()["orders"], ORDERS);
}

/// A back-test of a day that has ended; answers with its job.
async fn tried(server: &Server, id: &str) -> String {
    let started = answer(server.as_admin("POST", &format!("/v1/rulebooks/{id}/backtest")).json(&day())).await;
    let job = started.json()["job"].as_str().unwrap().to_owned();
    let stream = answer(server.as_admin("GET", &format!("/v1/jobs/{job}/stream")));
    timeout(PATIENCE, stream).await.expect("the job ends");
    job
}

#[tokio::test]
async fn a_publication_is_bound_to_what_a_back_test_of_its_text_told() {
    let server = with_orders().await;
    let id = draft(&server, &asks_from(50_000)).await;
    let other = tried(&server, &draft(&server, &asks_from(90_000)).await).await;
    let publish = |id: &str, job: &str| {
        let body = json!({"expected": {"from_backtest": job, "factor": 2}});
        answer(server.as_admin("POST", &format!("/v1/rulebooks/{id}/publish")).json(&body))
    };
    let replay = answer(server.as_admin("POST", "/v1/audit/replay").json(&json!({}))).await.json();
    let none = json!({"from": "2025-11-11T00:00:00Z", "to": "2025-11-12T00:00:00Z"});
    let none = answer(server.as_admin("POST", &format!("/v1/rulebooks/{id}/backtest")).json(&none)).await.json();
    for job in [&replay, &none].map(|started| started["job"].as_str().unwrap().to_owned()) {
        timeout(PATIENCE, answer(server.as_admin("GET", &format!("/v1/jobs/{job}/stream")))).await.expect("it ends");
        let refused = publish(&id, &job).await;
        assert_eq!((refused.problem().0, refused.pointers()), (422, vec!["/expected/from_backtest".to_owned()]));
    }
    let refused = publish(&id, "j-0-none").await;
    assert_eq!((refused.problem().0, refused.pointers()), (422, vec!["/expected/from_backtest".to_owned()]));
    assert_eq!(publish(&id, &other).await.problem(), (409, "draft_changed".to_owned()));
    let job = tried(&server, &id).await;
    assert_eq!(publish("d-none", &job).await.problem().0, 404);
    let edit = server.as_admin("PUT", &format!("/v1/rulebooks/{id}")).header("if-match", "1").json(&asks_from(60_000));
    assert_eq!(answer(edit).await.status, 200);
    assert_eq!(publish(&id, &job).await.problem(), (409, "draft_changed".to_owned()), "another text was tried");
    assert_eq!(answer(server.as_admin("GET", "/v1/rulebook")).await.json()["version"], 1, "nothing came into force");
    let job = tried(&server, &id).await;
    let published = publish(&id, &job).await;
    assert_eq!(published.status, 200, "{published:?}");
    let live = answer(server.as_admin("GET", "/v1/rulebook")).await.json();
    let expected = json!({"challenge_rate": "0.333333", "freeze_rate": "0", "factor": "2", "after_orders": 200});
    assert_eq!((&live["version"], &live["expected"]), (&json!(2), &expected));
}

#[tokio::test]
async fn what_is_wrong_with_the_question_is_told() {
    let server = with_orders().await;
    let id = draft(&server, &asks_from(1)).await;
    let ask =
        |body: Value| answer(server.as_admin("POST", &format!("/v1/rulebooks/{id}/backtest?wait=true")).json(&body));
    for (body, pointers) in [
        (json!({}), vec!["/from", "/to"]),
        (json!({"from": "yesterday", "to": "2026-11-11T00:00:00Z"}), vec!["/from"]),
        (json!({"from": "2026-11-11T00:00:00Z", "to": "2026-11-11T00:00:00Z"}), vec!["/to"]),
        (json!({"from": "2026-11-11T00:00:00Z", "to": "2026-11-12T00:00:00Z", "at": 1}), vec!["/at"]),
    ] {
        let refused = ask(body.clone()).await;
        assert_eq!(refused.problem(), (422, "invalid_body".to_owned()), "{body}");
        assert_eq!(refused.pointers(), pointers, "{body}");
    }
    for unknown in ["d-none", "99"] {
        let path = format!("/v1/rulebooks/{unknown}/backtest?wait=true");
        assert_eq!(answer(server.as_admin("POST", &path).json(&day())).await.problem(), (404, "not_found".to_owned()));
    }
    let registered =
        answer(server.as_admin("POST", "/v1/merchants").json(&json!({"id": "north", "name": "North"}))).await.json();
    let north = registered["key"].as_str().unwrap();
    let elsewhere = server.request("POST", &format!("/v1/rulebooks/{id}/backtest?wait=true")).bearer_auth(north);
    assert_eq!(answer(elsewhere.json(&day())).await.problem(), (404, "not_found".to_owned()));
    let own = server.request("POST", "/v1/rulebooks/1/backtest?wait=true").bearer_auth(north);
    assert_eq!(answer(own.json(&day())).await.json()["orders"], 0, "another merchant's orders are not there");
}
