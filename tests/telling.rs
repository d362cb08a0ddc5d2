//! What other systems are told, event by event, by the real service; and what is told when its outbox does not fit its log.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::orders::{asking, plain, reachable, with};
use crate::support::receiver::Receiver;
use crate::support::service::Service;
use crate::support::shop::Shop;

fn serve(shop: &Shop) -> Service {
    shop.serve_by(&asking("Large orders", "review"))
}

/// Has the customer asked about an order of two kinds of goods; answers with the challenge's id.
fn asked(service: &Service, order_no: &str, amount: u32) -> String {
    service.ask_about(&with(reachable(order_no, amount), json!({"lines": lines()})))
}

fn lines() -> Value {
    json!([{"sku": "PHONE-PRO", "quantity": 3}, {"sku": "CASE-02", "quantity": 1}])
}

/// Says on the phone that the order is not theirs.
fn denied(service: &Service, challenge: &str) {
    let denied = json!({"outcome": "denied", "note": "a word"});
    done(service, &format!("/v1/challenges/{challenge}/result"), &denied);
}

#[track_caller]
fn done(service: &Service, path: &str, body: &Value) -> Value {
    let answer = service.post(path, body);
    assert!(matches!(answer.status, 200 | 201), "{path}: {answer:?}");
    answer.json()
}

/// Waits for the only message of its kind; answers with what it tells.
#[track_caller]
fn told(systems: &Receiver, event: &str) -> Value {
    let of_kind = || -> Vec<Value> {
        let taken = systems.taken().into_iter();
        let messages = taken.map(|(_, body)| serde_json::from_slice::<Value>(&body).expect("a message is JSON"));
        messages.filter(|message| message["type"] == event).collect()
    };
    systems.until(event, |_| !of_kind().is_empty());
    let [message] = &of_kind()[..] else { panic!("{event} came more than once") };
    message["data"].clone()
}

/// All fields of a message are as expected; it may have others.
#[track_caller]
fn says(message: &Value, expected: Value) {
    let Value::Object(expected) = expected else { panic!("expectations are objects") };
    for (field, value) in expected {
        assert_eq!(message[&field], value, "{field} of {message}");
    }
}

#[test]
fn others_are_told_of_questions_answers_reviews_and_rulebooks() {
    questions_answers_reviews_and_rulebooks(&Shop::embedded());
}

#[test]
fn others_are_told_of_questions_answers_reviews_and_rulebooks_on_postgres() {
    questions_answers_reviews_and_rulebooks(&Shop::on_postgres());
}

fn questions_answers_reviews_and_rulebooks(shop: &Shop) {
    let service = serve(shop);
    let systems = Receiver::steady();
    systems.subscribe(
        &service,
        &[
            "challenge.sms",
            "challenge.resent",
            "challenge.call",
            "order.verified",
            "review.opened",
            "rulebook.published",
            "rulebook.rolled_back",
        ],
    );

    let asked_by_sms = asked(&service, "S1", 600_000);
    let question = told(&systems, "challenge.sms");
    says(&question, json!({"order_id": "web:S1", "channel": "web", "tier": "sms", "score": 80}));
    let (code, phone) = (&question["challenge"]["code"], &question["challenge"]["phone"]);
    assert_eq!((&question["challenge"]["id"], phone), (&json!(asked_by_sms), &json!("+8613800138000")), "{question}");
    done(&service, &format!("/v1/challenges/{asked_by_sms}/resend"), &json!({}));
    let resent = told(&systems, "challenge.resent");
    says(&resent, json!({"order_id": "web:S1", "count": 1, "challenge": question["challenge"]}));
    done(&service, &format!("/v1/challenges/{asked_by_sms}/answer"), &json!({"code": code}));
    says(&told(&systems, "order.verified"), json!({"order_id": "web:S1", "challenge_id": asked_by_sms, "how": "sms"}));

    let asked_by_call = asked(&service, "C1", 1_000_000);
    let call = told(&systems, "challenge.call");
    assert_eq!(call["challenge"]["id"], asked_by_call, "{call}");
    assert!(call["challenge"].get("code").is_none(), "nobody reads a code out: {call}");
    denied(&service, &asked_by_call);
    let opened = told(&systems, "review.opened");
    says(&opened, json!({"order_id": "web:C1", "cause": "challenge_failed", "challenge_id": asked_by_call}));
    assert_eq!(opened["reason_code"], "customer_denied", "whoever looks knows what the customer said: {opened}");
    service.settle();
    let queue = service.get("/v1/reviews?state=open").json();
    let [item] = &queue["items"].as_array().expect("a list")[..] else { panic!("one of them: {queue}") };
    says(item, json!({"order_id": "web:C1", "cause": "challenge_failed", "reason_code": "customer_denied"}));
    let kept = happened(&service, "web:C1", "ReviewOpened");
    let zh = &kept["summary"]["zh"];
    assert_eq!((&kept["data"]["reason_code"], &kept["data"]["note"]), (&json!("customer_denied"), &json!("a word")));
    assert_eq!(zh, "客户未通过验证，转人工审核（原因：客户否认下单）");
    assert!(!opened.to_string().contains("a word"), "what people wrote stays here: {opened}");

    let draft = done(&service, "/v1/rulebooks", &asking("Larger orders", "review"));
    let publish = format!("/v1/rulebooks/{}/publish", draft["id"].as_str().expect("a draft has an id"));
    done(&service, &publish, &json!({"note": "larger"}));
    let published = told(&systems, "rulebook.published");
    says(&published, json!({"version": 2, "restores": null, "by_forecast": false}));
    done(&service, "/v1/rulebook/rollback", &json!({"to_version": 1}));
    let back = told(&systems, "rulebook.rolled_back");
    says(&back, json!({"version": 3, "restores": 1, "by_forecast": false, "actor": published["actor"]}));
    assert_ne!(back["hash"], published["hash"]);
    service.stop().expect_code(0);
}

#[test]
fn others_are_told_of_reviews_that_wait_or_begin_again_and_of_stock_to_be_set_free() {
    reviews_that_wait_or_begin_again_and_stock(&Shop::embedded());
}

#[test]
fn others_are_told_of_reviews_that_wait_or_begin_again_and_of_stock_to_be_set_free_on_postgres() {
    reviews_that_wait_or_begin_again_and_stock(&Shop::on_postgres());
}

fn reviews_that_wait_or_begin_again_and_stock(shop: &Shop) {
    let service = serve(shop);
    let settings = json!({"review_sla": "10s", "stock_release_after": "1m"});
    assert_eq!(service.send(service.request(Method::PUT, "/v1/settings").json(&settings)).status, 200);
    let systems = Receiver::steady();
    systems.subscribe(&service, &["review.escalated", "review.reopened", "stock.release_due"]);

    // A person holds the one, and does so again when its customer complains; nobody looks at the other.
    denied(&service, &asked(&service, "F1", 1_000_000));
    let freeze = json!({"action": "freeze", "reason_code": "customer_confused"});
    done(&service, "/v1/reviews/web:F1/decision", &freeze);
    done(&service, "/v1/reviews/web:F1/reopen", &json!({"cause": "appeal", "note": "a word"}));
    done(&service, "/v1/reviews/web:F1/decision", &freeze);
    denied(&service, &asked(&service, "E1", 1_000_000));

    let reopened = told(&systems, "review.reopened");
    let by = happened(&service, "web:F1", "ReviewReopened")["actor"].clone();
    says(&reopened, json!({"order_id": "web:F1", "channel": "web", "cause": "appeal", "actor": by}));
    assert!(by.is_string() && !reopened.to_string().contains("a word"), "what people wrote stays here: {reopened}");
    let opened_at = happened(&service, "web:E1", "ReviewOpened")["recorded_at"].clone();
    says(&told(&systems, "review.escalated"), json!({"order_id": "web:E1", "tier": "call", "opened_at": opened_at}));
    let due = told(&systems, "stock.release_due");
    says(&due, json!({"order_id": "web:F1", "cause": "frozen", "units": 4, "lines": lines()}));
    service.stop().expect_code(0);
}

/// The entry of an order's history of which there is one of its kind.
#[track_caller]
fn happened(service: &Service, order: &str, kind: &str) -> Value {
    let history = service.get(&format!("/v1/orders/{order}/history?limit=200")).json();
    let items = history["items"].as_array().expect("a list has items").iter();
    let of_kind: Vec<&Value> = items.filter(|item| item["type"] == kind).collect();
    let [item] = of_kind[..] else { panic!("one {kind} in {history}") };
    item.clone()
}

/// Copies the files of a directory, but for one.
fn copy_files_but(left_out: &str, from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() && !entry.file_name().to_string_lossy().starts_with(left_out) {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn a_log_that_was_restored_without_its_outbox_tells_of_all_that_it_writes() {
    let shop = Shop::embedded();
    let (data, backup) = (shop.data(), shop.data().with_file_name("backup"));
    let service = serve(&shop);
    let systems = Receiver::steady();
    systems.subscribe(&service, &["order.released"]);
    service.stop().expect_code(0);
    copy_files_but("outbox", &data, &backup);

    let service = serve(&shop);
    for number in 0..3 {
        service.place(&plain(&format!("A{number}")));
    }
    systems.until("all arrive", |systems| systems.distinct() == 3);
    service.stop().expect_code(0);

    copy_files_but("outbox", &backup, &data);
    for left in ["log.sqlite-wal", "log.sqlite-shm"] {
        let _not_there = std::fs::remove_file(data.join(left));
    }
    let mut service = serve(&shop);
    service.told("the outbox was ahead of the log");
    let metrics = String::from_utf8(service.get("/metrics").body).unwrap();
    assert!(metrics.contains("orderlight_notifications_set_back_total{partition=\"0\"} 9"), "{metrics}");
    let ready = service.send(service.anonymous(Method::GET, "/readyz"));
    assert_eq!(ready.status, 200, "what needs no mending by hand keeps no orders away: {ready:?}");
    // From the first on, though the outbox had seen nine events more.
    for number in 0..4 {
        service.place(&plain(&format!("B{number}")));
    }
    let told = |order: &str| {
        let order = format!("web:{order}");
        let said = |body: &[u8]| serde_json::from_slice::<Value>(body).expect("a message is JSON");
        systems.taken().iter().any(|(_, body)| said(body)["data"]["order_id"] == order)
    };
    systems.until("all of the new ones are told", |_| ["B0", "B1", "B2", "B3"].into_iter().all(told));
    service.stop().expect_code(0);
}
