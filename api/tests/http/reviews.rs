//! Reviews: handed out, claimed, returned, decided, opened again.

use std::collections::BTreeSet;

use domain::time::{Span, Timestamp};
use serde_json::{Value, json};

use crate::given::{Answer, Server, answer};
use crate::held::{FREEZE, Person, SMS, events, place, placed, shop, story};

async fn settled(server: &Server) {
    let position = answer(server.as_admin("POST", "/v1/orders/web:A0/status").json(&json!({
        "status": "paid", "occurred_at": "2026-11-11T00:03:00+08:00", "source": "wms"
    })))
    .await;
    let after = position.header("orderlight-position").to_owned();
    let seen = answer(server.as_admin("GET", &format!("/v1/reviews?limit=1&after={after}"))).await;
    assert_eq!(seen.status, 200, "{seen:?}");
}

fn claim_of(told: &Answer) -> (u16, Value) {
    (told.status.as_u16(), told.json()["review"]["claim"]["reviewer"].clone())
}

#[tokio::test]
async fn a_claimed_order_is_one_reviewers_until_it_is_returned() {
    let server = shop().await;
    let (ann, bob) = (Person::with(&server, "reviewer").await, Person::with(&server, "reviewer").await);
    placed(&server, "A1", FREEZE).await;
    let claim = "/v1/reviews/web:A1/claim";
    let give_back = "/v1/reviews/web:A1/return";
    let claimed = ann.post(&server, claim, Value::Null).await;
    assert_eq!(claim_of(&claimed), (200, json!(ann.id)));
    assert!(claimed.header("orderlight-position").starts_with("0-"), "{claimed:?}");
    assert_eq!(claim_of(&ann.post(&server, claim, Value::Null).await), (200, json!(ann.id)), "renewed");
    for refused in [
        bob.post(&server, claim, Value::Null).await,
        bob.post(&server, give_back, Value::Null).await,
        bob.decide(&server, "web:A1", "release", "false_alarm").await,
    ] {
        assert_eq!(refused.problem(), (409, "claimed_by_other".to_owned()));
    }
    let returned = ann.post(&server, give_back, Value::Null).await;
    assert_eq!(returned.json()["review"], json!({"state": "open", "claim": null}));
    assert_eq!(ann.post(&server, give_back, Value::Null).await.problem(), (409, "not_claimed".to_owned()));
    assert_eq!(claim_of(&bob.post(&server, claim, Value::Null).await), (200, json!(bob.id)));
}

#[tokio::test]
async fn a_decision_claims_holds_and_is_recorded_once() {
    let server = shop().await;
    let ann = Person::with(&server, "reviewer").await;
    placed(&server, "A1", FREEZE).await;
    let body = json!({"action": "release", "reason_code": "other", "note": "agreed with the buyer"});
    let released = ann.post(&server, "/v1/reviews/web:A1/decision", body.clone()).await;
    assert_eq!(released.status, 200, "{released:?}");
    let told = released.json();
    assert_eq!((&told["risk"]["state"], &told["review"]["state"]), (&json!("released"), &json!("closed")));
    let before = events(&server, "web:A1").await;
    assert_eq!(ann.post(&server, "/v1/reviews/web:A1/decision", body).await.status, 200);
    assert_eq!(events(&server, "web:A1").await, before, "it holds already");
    assert_eq!(ann.post(&server, "/v1/reviews/web:A1/claim", Value::Null).await.problem().1, "not_under_review");
}

#[tokio::test]
async fn who_decides_holds_the_order_for_a_while_and_may_correct_himself() {
    let server = shop().await;
    let (ann, bob) = (Person::with(&server, "reviewer").await, Person::with(&server, "reviewer").await);
    placed(&server, "A1", FREEZE).await;
    assert_eq!(ann.decide(&server, "web:A1", "release", "false_alarm").await.status, 200);
    assert_eq!(events(&server, "web:A1").await[3..], ["ReviewOpened", "ReviewClaimed", "Released"]);
    let refused = bob.decide(&server, "web:A1", "freeze", "stolen_account").await;
    assert_eq!(refused.problem(), (409, "claimed_by_other".to_owned()));
    let before = events(&server, "web:A1").await;
    assert_eq!(bob.decide(&server, "web:A1", "release", "false_alarm").await.status, 200, "it holds already");
    assert_eq!(events(&server, "web:A1").await, before);
    let corrected = ann.decide(&server, "web:A1", "freeze", "stolen_account").await;
    assert_eq!((corrected.status.as_u16(), &corrected.json()["risk"]["state"]), (200, &json!("frozen")));
    let refused = bob.decide(&server, "web:A1", "release", "false_alarm").await;
    assert_eq!(refused.problem(), (409, "claimed_by_other".to_owned()));
    let appeal = json!({"cause": "appeal", "note": "says that it is a present"});
    assert_eq!(bob.post(&server, "/v1/reviews/web:A1/reopen", appeal).await.status, 200);
    assert_eq!(bob.decide(&server, "web:A1", "release", "family_or_gift").await.status, 200, "it is open to all");

    // An order that nobody ever had to look at can be decided about.
    placed(&server, "A2", 100).await;
    assert_eq!(ann.decide(&server, "web:A2", "freeze", "stolen_account").await.status, 200);
    assert_eq!(events(&server, "web:A2").await[2..], ["Released", "Frozen"], "there is no review to claim");
}

#[tokio::test]
async fn freezing_what_is_frozen_confirms_it_and_closes_the_review() {
    let server = shop().await;
    let ann = Person::with(&server, "reviewer").await;
    placed(&server, "A1", FREEZE).await;
    let confirmed = ann.decide(&server, "web:A1", "freeze", "stock_hoarding").await.json();
    assert_eq!((&confirmed["risk"]["state"], &confirmed["review"]["state"]), (&json!("frozen"), &json!("closed")));
    assert_eq!(events(&server, "web:A1").await.last().unwrap(), "FreezeConfirmed");
}

#[tokio::test]
async fn a_reason_is_one_of_the_list_that_fits_the_decision() {
    let server = shop().await;
    let ann = Person::with(&server, "reviewer").await;
    placed(&server, "A1", FREEZE).await;
    for (body, pointers) in [
        (json!({"action": "release", "reason_code": "because"}), vec!["/reason_code"]),
        (json!({"action": "release", "reason_code": "stolen_account"}), vec!["/reason_code"]),
        (json!({"action": "freeze", "reason_code": "family_or_gift"}), vec!["/reason_code"]),
        (json!({"action": "freeze", "reason_code": "other"}), vec!["/note"]),
        (json!({"action": "keep", "colour": "red"}), vec!["/action", "/colour", "/reason_code"]),
        (json!({"action": "freeze", "reason_code": "other", "note": "call 13800138000"}), vec!["/note"]),
    ] {
        let refused = ann.post(&server, "/v1/reviews/web:A1/decision", body.clone()).await;
        assert_eq!(refused.problem(), (422, "invalid_body".to_owned()), "{body}");
        let told: BTreeSet<String> = refused.pointers().into_iter().collect();
        assert!(pointers.iter().all(|pointer| told.contains(*pointer)), "{body}: {told:?}");
    }
    assert_eq!(events(&server, "web:A1").await.last().unwrap(), "ReviewOpened", "nothing is decided");
    let reasons = answer(server.as_admin("GET", "/v1/reason-codes")).await.json();
    let reasons = reasons["items"].as_array().unwrap();
    let codes: Vec<_> = reasons.iter().map(|reason| reason["code"].as_str().unwrap()).collect();
    for needed in ["customer_confirmed", "family_or_gift", "customer_confused", "stock_hoarding", "duplicate", "other"]
    {
        assert!(codes.contains(&needed), "{codes:?}");
    }
    for reason in reasons {
        assert!(reason["label"]["zh"].is_string() && reason["label"]["en"].is_string(), "{reason}");
        for action in reason["actions"].as_array().unwrap() {
            let body = json!({"action": action, "reason_code": reason["code"], "note": "as agreed"});
            let decided = ann.post(&server, "/v1/reviews/web:A1/decision", body).await;
            assert_eq!(decided.status, 200, "{reason}: {decided:?}");
        }
    }
}

#[tokio::test]
async fn the_next_one_is_the_most_urgent_and_never_the_same_for_two() {
    let server = shop().await;
    let people = [Person::with(&server, "reviewer").await, Person::with(&server, "reviewer").await];
    for (order_no, amount) in [("A1", FREEZE), ("A2", 100 * FREEZE), ("A3", 10 * FREEZE), ("A4", SMS)] {
        placed(&server, order_no, amount).await;
    }
    settled(&server).await;
    let mut given = vec![];
    for turn in 0..3 {
        let reviewer = &people[turn % 2];
        let next = reviewer.post(&server, "/v1/reviews/next", Value::Null).await;
        assert_eq!(next.status, 200, "{next:?}");
        assert!(next.header("orderlight-position").starts_with("0-"), "{next:?}");
        let item = next.json();
        assert_eq!((&item["state"], &item["claim"]["reviewer"]), (&json!("claimed"), &json!(reviewer.id)));
        assert_eq!(item["order"]["order_id"], item["order_id"]);
        assert_eq!((&item["cause"], &item["reason_code"]), (&json!("frozen"), &Value::Null));
        assert!(item["due_at"].is_string() && item["escalated_at"].is_null() && item["reopened"] == 0, "{item}");
        given.push(item["order_id"].as_str().unwrap().to_owned());
    }
    assert_eq!(given, ["web:A2", "web:A3", "web:A1"], "the customer of A4 is being asked");
    let none = people[0].post(&server, "/v1/reviews/next", Value::Null).await;
    assert_eq!((none.status.as_u16(), &*none.text), (204, ""));
    let returned = people[0].post(&server, "/v1/reviews/web:A2/return", Value::Null).await;
    assert_eq!(returned.status, 200, "{returned:?}");
    settled_at(&server, &returned).await;
    let again = people[1].post(&server, "/v1/reviews/next", Value::Null).await.json();
    assert_eq!(again["order_id"], "web:A2");
}

#[tokio::test]
async fn how_soon_a_person_should_look_follows_the_setting_at_once() {
    let server = shop().await;
    let ann = Person::with(&server, "reviewer").await;
    placed(&server, "A1", FREEZE).await;
    // The customer has half an hour, and the difference of what is at stake is worth nine minutes.
    placed(&server, "A2", SMS).await;
    let time = |item: &Value| item.as_str().unwrap().parse::<Timestamp>().unwrap();
    for (review_sla, minutes, first) in [
        (json!("15m"), 15, "web:A1"),
        (json!("4h"), 240, "web:A2"),
        (json!(null), 60, "web:A2"),
        (json!("10m"), 10, "web:A1"),
    ] {
        let changed = server.as_admin("PUT", "/v1/settings").json(&json!({"review_sla": review_sla}));
        let changed = answer(changed).await;
        let after = changed.header("orderlight-position");
        for sort in ["deadline", "priority"] {
            let path = format!("/v1/reviews?sort={sort}&after={after}");
            let reviews = answer(server.as_admin("GET", &path)).await.json();
            let items = reviews["items"].as_array().unwrap();
            assert_eq!(items[0]["order_id"], first, "{sort} by {review_sla}: {reviews}");
            let held = items.iter().find(|item| item["order_id"] == "web:A1").unwrap();
            let due_at = time(&held["opened_at"]).plus(Span::from_mins(minutes));
            assert_eq!(time(&held["due_at"]), due_at, "{review_sla}: {held}");
        }
    }
    let next = ann.post(&server, "/v1/reviews/next", Value::Null).await.json();
    assert_eq!(time(&next["due_at"]), time(&next["opened_at"]).plus(Span::from_mins(10)), "{next}");
}

async fn settled_at(server: &Server, write: &Answer) {
    let after = write.header("orderlight-position");
    let seen = answer(server.as_admin("GET", &format!("/v1/reviews?limit=1&after={after}"))).await;
    assert_eq!(seen.status, 200, "{seen:?}");
}

#[tokio::test]
async fn a_frozen_order_whose_customer_complains_is_looked_at_again_with_its_history() {
    let server = shop().await;
    let (ann, eve) = (Person::with(&server, "reviewer").await, Person::with(&server, "service").await);
    placed(&server, "A1", FREEZE).await;
    let reopen = "/v1/reviews/web:A1/reopen";
    let appeal = json!({"cause": "appeal", "note": "says that it is a present"});
    let refused = eve.post(&server, reopen, appeal.clone()).await;
    assert_eq!(refused.problem(), (409, "review_not_closed".to_owned()));
    ann.decide(&server, "web:A1", "freeze", "stock_hoarding").await;
    for (body, pointer) in [(json!({"cause": "appeal"}), "/note"), (json!({"cause": "whim", "note": "x"}), "/cause")] {
        assert_eq!(eve.post(&server, reopen, body).await.pointers(), [pointer]);
    }
    let opened = eve.post(&server, reopen, appeal.clone()).await;
    assert_eq!(opened.status, 200, "{opened:?}");
    let told = opened.json();
    assert_eq!((&told["risk"]["state"], &told["review"]["state"]), (&json!("frozen"), &json!("open")));
    settled_at(&server, &opened).await;
    let item = ann.post(&server, "/v1/reviews/next", Value::Null).await.json();
    assert_eq!((&item["order_id"], &item["reopened"]), (&json!("web:A1"), &json!(1)));
    assert_eq!((&item["cause"], &item["reason_code"]), (&json!("appeal"), &Value::Null));
    ann.decide(&server, "web:A1", "release", "family_or_gift").await;
    assert_eq!(eve.post(&server, reopen, appeal).await.problem(), (409, "order_not_frozen".to_owned()));
    let kinds: Vec<_> = story(&server, "web:A1").await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds[..3], ["Placed", "Scored", "Frozen"]);
    assert_eq!(kinds[3..6], ["ReviewOpened", "ReviewClaimed", "FreezeConfirmed"]);
    assert_eq!(kinds[6..], ["ReviewReopened", "ReviewClaimed", "Released"]);
}

#[tokio::test]
async fn an_order_that_is_not_there_is_not_found() {
    let server = shop().await;
    let ann = Person::with(&server, "reviewer").await;
    let decision = json!({"action": "release", "reason_code": "false_alarm"});
    let reopening = json!({"cause": "reopened", "note": "x"});
    for order in ["web:none", "nonsense"] {
        for (what, body) in
            [("claim", &Value::Null), ("return", &Value::Null), ("decision", &decision), ("reopen", &reopening)]
        {
            let refused = ann.post(&server, &format!("/v1/reviews/{order}/{what}"), body.clone()).await;
            assert_eq!(refused.problem(), (404, "not_found".to_owned()), "{order} {what}");
        }
    }
}

#[tokio::test]
async fn what_has_left_can_no_longer_be_held() {
    let server = shop().await;
    let ann = Person::with(&server, "reviewer").await;
    place(&server, &crate::given::order("A1")).await;
    let shipped = json!({"status": "shipped", "occurred_at": "2026-11-11T01:00:00+08:00", "source": "wms"});
    answer(server.as_admin("POST", "/v1/orders/web:A1/status").json(&shipped)).await;
    let refused = ann.decide(&server, "web:A1", "freeze", "stolen_account").await;
    assert_eq!(refused.problem(), (409, "order_departed".to_owned()));
}
