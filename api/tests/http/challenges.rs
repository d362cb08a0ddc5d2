//! Challenges: answers, results of calls, and codes that are sent again.

use serde_json::{Value, json};

use crate::given::{Answer, Server, answer};
use crate::held::{CALL, SMS, challenge, code, events, placed, shop, wrong_code};

async fn ask(server: &Server, id: &str, what: &str, body: &Value) -> Answer {
    let request = server.as_admin("POST", &format!("/v1/challenges/{id}/{what}"));
    answer(if body.is_null() { request } else { request.json(body) }).await
}

async fn enter(server: &Server, id: &str, code: &str) -> Answer {
    ask(server, id, "answer", &json!({"code": code})).await
}

async fn called(server: &Server, id: &str, outcome: &str) -> Answer {
    ask(server, id, "result", &json!({"outcome": outcome})).await
}

/// Where the events of an order stand in the log.
async fn places(server: &Server, order: &str) -> Vec<String> {
    let history = answer(server.as_admin("GET", &format!("/v1/orders/{order}/history"))).await.json();
    let items = history["items"].as_array().unwrap().iter();
    items.map(|item| item["position"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_right_code_verifies_and_releases_the_order_once() {
    let server = shop().await;
    let id = challenge(&placed(&server, "A1", SMS).await);
    let right = enter(&server, &id, &code(&server, &id)).await;
    assert_eq!(right.status, 200, "{right:?}");
    assert!(right.header("orderlight-position").starts_with("0-"), "{right:?}");
    let told = right.json();
    assert_eq!((&told["order_id"], &told["risk"]["state"]), (&json!("web:A1"), &json!("released")));
    assert_eq!(told["risk"]["challenge"], Value::Null);
    assert_eq!(told["review"], json!({"state": "closed", "claim": null}));
    assert_eq!(enter(&server, &id, &code(&server, &id)).await.status, 200, "it was right before");
    assert_eq!(events(&server, "web:A1").await, ["Placed", "Scored", "Challenged", "Verified", "Released"]);
}

#[tokio::test]
async fn a_wrong_code_costs_an_attempt_and_the_last_one_fails_the_challenge() {
    let server = shop().await;
    let id = challenge(&placed(&server, "A1", SMS).await);
    for left in [4, 3, 2, 1, 0] {
        let wrong = enter(&server, &id, wrong_code(&server, &id)).await;
        assert_eq!(wrong.problem(), (422, "code_wrong".to_owned()));
        assert_eq!(wrong.json()["attempts_left"], left, "{wrong:?}");
        assert!(wrong.header("orderlight-position").starts_with("0-"), "it is recorded: {wrong:?}");
    }
    assert_eq!(enter(&server, &id, &code(&server, &id)).await.problem(), (409, "no_open_challenge".to_owned()));
    let told = events(&server, "web:A1").await;
    assert_eq!(told[3..8], ["CodeRejected"; 5]);
    assert_eq!(told[8..], ["Frozen", "ReviewOpened"], "a person is told to look");
}

#[tokio::test]
async fn what_cannot_be_a_code_costs_no_attempt_and_is_not_repeated() {
    let server = shop().await;
    let id = challenge(&placed(&server, "A1", SMS).await);
    for body in [json!({"code": "12345"}), json!({"code": "12345x"}), json!({"code": 123_456}), json!({}), json!([])] {
        let refused = ask(&server, &id, "answer", &body).await;
        assert_eq!(refused.problem(), (422, "invalid_body".to_owned()), "{body}");
        assert!(!refused.text.contains("12345"), "{refused:?}");
    }
    assert_eq!(enter(&server, &id, wrong_code(&server, &id)).await.json()["attempts_left"], 4);
}

#[tokio::test]
async fn what_came_of_a_call_decides() {
    let server = shop().await;
    for (order_no, outcome, state, last) in [
        ("A1", "confirmed", "released", "Released"),
        ("A2", "denied", "frozen", "ReviewOpened"),
        ("A3", "unclear", "frozen", "ReviewOpened"),
    ] {
        let id = challenge(&placed(&server, order_no, CALL).await);
        let told = called(&server, &id, outcome).await;
        assert_eq!(told.status, 200, "{told:?}");
        assert_eq!(told.json()["risk"]["state"], state, "{outcome}");
        assert_eq!(events(&server, &format!("web:{order_no}")).await.last().unwrap(), last, "{outcome}");
    }
    let id = challenge(&placed(&server, "A4", CALL).await);
    let refused = called(&server, &id, "maybe").await;
    assert_eq!(
        (refused.problem(), refused.pointers()),
        ((422, "invalid_body".to_owned()), vec!["/outcome".to_owned()])
    );
}

#[tokio::test]
async fn who_does_not_answer_is_called_again_and_at_last_a_person_looks() {
    let server = shop().await;
    let id = challenge(&placed(&server, "A1", CALL).await);
    for (call, review) in [(1, "waiting"), (2, "waiting"), (3, "open")] {
        let told = called(&server, &id, "no_answer").await.json();
        assert_eq!(
            (&told["risk"]["state"], &told["review"]["state"]),
            (&json!("challenged"), &json!(review)),
            "{call}"
        );
    }
    let told = events(&server, "web:A1").await;
    assert_eq!(told[3..], ["CallUnanswered", "CallUnanswered", "CallUnanswered", "ReviewOpened"]);
    assert_eq!(called(&server, &id, "confirmed").await.problem(), (409, "no_open_challenge".to_owned()));
}

#[tokio::test]
async fn a_code_is_sent_again_as_often_as_the_merchant_lets_it() {
    let server = shop().await;
    let id = challenge(&placed(&server, "A1", SMS).await);
    for _ in 0..2 {
        let again = ask(&server, &id, "resend", &Value::Null).await;
        assert_eq!((again.status.as_u16(), &again.json()["risk"]["challenge"]["id"]), (200, &json!(id)));
    }
    assert_eq!(ask(&server, &id, "resend", &Value::Null).await.problem(), (409, "resends_used_up".to_owned()));
    assert_eq!(enter(&server, &id, &code(&server, &id)).await.status, 200, "the same code");
}

#[tokio::test]
async fn a_code_that_cannot_be_sent_again_this_minute_says_so() {
    let server = shop().await;
    let settings = server.as_admin("PUT", "/v1/settings").json(&json!({"sms_per_minute": 1}));
    assert_eq!(answer(settings).await.status, 200);
    let id = challenge(&placed(&server, "A1", SMS).await);
    let refused = ask(&server, &id, "resend", &Value::Null).await;
    assert_eq!((refused.problem(), refused.header("retry-after")), ((409, "no_capacity".to_owned()), "60"));
    assert_eq!(enter(&server, &id, &code(&server, &id)).await.status, 200, "the first one counts");
}

#[tokio::test]
async fn nobody_is_asked_about_an_order_that_is_called_off() {
    let server = shop().await;
    let id = challenge(&placed(&server, "A1", SMS).await);
    let cancelled = json!({"status": "cancelled", "occurred_at": "2026-11-11T00:10:00Z", "source": "web"});
    let told = answer(server.as_admin("POST", "/v1/orders/web:A1/status").json(&cancelled)).await;
    let after = told.header("orderlight-position").to_owned();
    for (what, body) in [("resend", Value::Null), ("answer", json!({"code": code(&server, &id)}))] {
        assert_eq!(ask(&server, &id, what, &body).await.problem(), (409, "no_open_challenge".to_owned()), "{what}");
    }
    let waiting = answer(server.as_admin("GET", &format!("/v1/reviews?after={after}"))).await.json();
    assert_eq!(waiting["items"], json!([]), "it is in no queue");
    assert_eq!(events(&server, "web:A1").await.last().unwrap(), "ReviewClosed");
}

#[tokio::test]
async fn a_call_takes_no_code_and_an_sms_no_result_of_a_call() {
    let server = shop().await;
    let sms = challenge(&placed(&server, "A1", SMS).await);
    let call = challenge(&placed(&server, "A2", CALL).await);
    assert_eq!(called(&server, &sms, "confirmed").await.problem(), (409, "call_not_expected".to_owned()));
    assert_eq!(enter(&server, &call, &code(&server, &call)).await.problem(), (409, "code_not_expected".to_owned()));
    assert_eq!(ask(&server, &call, "resend", &Value::Null).await.problem(), (409, "code_not_expected".to_owned()));
}

#[tokio::test]
async fn a_stronger_question_takes_the_place_of_a_weaker_one() {
    let server = shop().await;
    let sms = challenge(&placed(&server, "A1", SMS).await);
    let amended = answer(server.as_admin("PATCH", "/v1/orders/web:A1").json(&json!({"amount": CALL}))).await.json();
    assert_eq!(amended["risk"]["challenge"]["method"], "call", "{amended}");
    let refused = enter(&server, &sms, &code(&server, &sms)).await;
    assert_eq!(refused.problem(), (409, "challenge_superseded".to_owned()));
    let call = challenge(&amended["risk"]);
    assert_eq!(called(&server, &call, "confirmed").await.json()["risk"]["state"], "released");
}

#[tokio::test]
async fn a_challenge_that_is_not_there_or_anothers_is_not_found() {
    let server = shop().await;
    let id = challenge(&placed(&server, "A1", SMS).await);
    let shop = json!({"id": "north", "name": "North"});
    let north = answer(server.as_admin("POST", "/v1/merchants").json(&shop)).await.json();
    let north = north["key"].as_str().unwrap().to_owned();
    let body = json!({"code": code(&server, &id)});
    let theirs = server.request("POST", &format!("/v1/challenges/{id}/answer")).bearer_auth(&north).json(&body);
    assert_eq!(answer(theirs).await.problem(), (404, "not_found".to_owned()));
    // None, of no order, beyond the end, and not as the service writes it.
    let mut none: Vec<String> = ["c-1", "0-1", "0-99999", "0-0", "7-3", "00-3", "%20"].map(str::to_owned).into();
    none.push(format!("{id}0"));
    // Of what else happened to an order, asked about or not.
    placed(&server, "A2", 9_900).await;
    for order in ["web:A1", "web:A2"] {
        none.extend(places(&server, order).await.into_iter().filter(|place| *place != id));
    }
    assert_eq!(none.len(), 8 + 2 + 3, "all but the challenge's own: {none:?}");
    for id in &none {
        assert_eq!(enter(&server, id, "123456").await.problem(), (404, "not_found".to_owned()), "{id}");
        assert_eq!(called(&server, id, "confirmed").await.problem(), (404, "not_found".to_owned()), "{id}");
        assert_eq!(ask(&server, id, "resend", &Value::Null).await.problem(), (404, "not_found".to_owned()), "{id}");
    }
    assert_eq!(events(&server, "web:A1").await.len(), 3);
    assert_eq!(enter(&server, &id, &code(&server, &id)).await.status, 200, "its own id");
}
