//! The merchants' own model, as a real HTTP server beside the service.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use domain::rulebook::Rulebook;
use orderlight::scorer::{Scorer, Terms};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::given::{Server, answer, order};
use crate::webhooks::{SECRET, configure, deliver};

/// What the model does with a question.
#[derive(Clone, Debug)]
enum Manner {
    Says(Value),
    SaysNothing,
    Fails,
    NeverAnswers,
    AwaitsQuestions(usize),
}

/// A model that listens on the loopback interface.
struct Model {
    manner: watch::Sender<Manner>,
    asked: Arc<AtomicUsize>,
    questions: watch::Sender<Vec<Value>>,
    url: String,
}

type Shared = (watch::Receiver<Manner>, Arc<AtomicUsize>, watch::Sender<Vec<Value>>);

impl Model {
    async fn start(manner: Manner) -> Self {
        let (manner, asked, questions) =
            (watch::Sender::new(manner), Arc::new(AtomicUsize::new(0)), watch::Sender::new(vec![]));
        let shared: Shared = (manner.subscribe(), asked.clone(), questions.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/score", listener.local_addr().unwrap());
        let router = Router::new().route("/score", post(respond)).with_state(shared);
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { manner, asked, questions, url }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn respond(State((manner, asked, questions)): State<Shared>, body: String) -> Response {
    asked.fetch_add(1, Ordering::SeqCst);
    questions.send_modify(|questions| questions.push(serde_json::from_str(&body).unwrap()));
    let manner = manner.borrow().clone();
    match manner {
        Manner::Says(score) => axum::Json(json!({"score": score})).into_response(),
        Manner::SaysNothing => StatusCode::NO_CONTENT.into_response(),
        Manner::Fails => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Manner::NeverAnswers => std::future::pending().await,
        Manner::AwaitsQuestions(count) => {
            questions.subscribe().wait_for(|questions| questions.len() >= count).await.unwrap();
            axum::Json(json!({"score": "0.5"})).into_response()
        }
    }
}

/// Long enough for any answer that comes at all.
const PATIENT: Duration = Duration::from_secs(20);

fn terms(budget: Duration, pause: Duration) -> Terms {
    Terms { budget, failures_max: 3, pause }
}

async fn served(model: &Model, terms: Terms) -> Server {
    let scorer = Scorer::new(model.url.parse().unwrap(), "model".parse().unwrap(), terms).unwrap();
    let server = Server::start_with(Some(scorer)).await;
    let declared = answer(server.as_admin("PUT", "/v1/signals/model").json(&json!({"subject": "order"}))).await;
    assert_eq!(declared.status, 201, "{declared:?}");
    let book = json!({"name": "Model", "tiers": [{"id": "freeze", "from": 100, "action": "freeze"}], "rules": [
        {"id": "model", "points": 100, "when": {"feature": "signal.model", "op": ">=", "value": "0.8"}}]});
    assert!(Rulebook::from_json(&book).is_ok());
    let begun = answer(server.as_admin("POST", "/v1/rulebooks").json(&book)).await;
    let path = format!("/v1/rulebooks/{}/publish", begun.json()["id"].as_str().unwrap());
    assert_eq!(answer(server.as_admin("POST", &path).json(&json!({}))).await.status, 200);
    server
}

/// Places an order; answers with what was read of the model, and where the order stands.
async fn place(server: &Server, order_no: &str) -> (Value, Value) {
    let mut body = order(order_no);
    body["customer"] = json!({"id": "kunde-qzx-77120", "phone": "13677024181"});
    let placed = answer(server.as_admin("POST", "/v1/orders").json(&body)).await;
    assert_eq!(placed.status, 201, "{placed:?}");
    let decision = answer(server.as_admin("GET", &format!("/v1/orders/web:{order_no}/decision"))).await;
    (decision.json()["features"]["signal.model"].clone(), placed.json()["risk"]["state"].clone())
}

#[tokio::test]
async fn what_the_model_says_is_read_by_rules_and_it_gets_no_personal_data() {
    let model = Model::start(Manner::Says(json!(0.912_345))).await;
    let server = served(&model, terms(PATIENT, PATIENT)).await;
    assert_eq!(place(&server, "A1").await, (json!("0.9123"), json!("frozen")));
    let question = model.questions.borrow()[0].clone();
    assert_eq!((&question["merchant"], &question["order_id"]), (&json!("default"), &json!("web:A1")));
    assert_eq!(question["facts"]["amount"], 39_900);
    for personal in ["kunde-qzx-77120", "13677024181"] {
        assert!(!question.to_string().contains(personal), "{question}");
    }
    model.manner.send_replace(Manner::Says(json!("0.1")));
    assert_eq!(place(&server, "A2").await, (json!("0.1"), json!("released")));
    model.manner.send_replace(Manner::SaysNothing);
    assert_eq!(place(&server, "A3").await, (Value::Null, json!("released")));
    let again = answer(server.as_admin("POST", "/v1/orders").json(&{
        let mut body = order("A1");
        body["customer"] = json!({"id": "kunde-qzx-77120", "phone": "13677024181"});
        body
    }))
    .await;
    assert_eq!((again.status.as_u16(), &again.json()["duplicate"]), (200, &json!(true)), "whatever it says now");
}

#[tokio::test]
async fn nobody_asks_about_orders_of_a_merchant_that_did_not_declare_the_signal() {
    let model = Model::start(Manner::Says(json!(0.9))).await;
    let scorer = Scorer::new(model.url.parse().unwrap(), "model".parse().unwrap(), terms(PATIENT, PATIENT)).unwrap();
    let server = Server::start_with(Some(scorer)).await;
    for (name, subject) in [("another", "order"), ("model", "device")] {
        place(&server, &format!("BEFORE-{name}")).await;
        let path = format!("/v1/signals/{name}");
        assert_eq!(answer(server.as_admin("PUT", &path).json(&json!({"subject": subject}))).await.status, 201);
        place(&server, &format!("AFTER-{name}")).await;
    }
    assert_eq!(model.asked(), 0);
}

#[tokio::test]
async fn an_order_that_comes_again_changed_keeps_its_first_answer() {
    let model = Model::start(Manner::Says(json!("0.1"))).await;
    let server = served(&model, terms(PATIENT, PATIENT)).await;
    assert_eq!(place(&server, "A1").await, (json!("0.1"), json!("released")));
    model.manner.send_replace(Manner::Says(json!("0.9")));
    let mut body = order("A1");
    body["amount"] = json!(40_000);
    let again = server.as_admin("POST", "/v1/orders").header("idempotency-key", "another");
    let again = answer(again.json(&body)).await;
    assert!(again.status.is_success(), "{again:?}");
    assert_eq!(model.asked(), 2);
    let decision = answer(server.as_admin("GET", "/v1/orders/web:A1/decision")).await;
    assert_eq!(decision.json()["features"]["signal.model"], "0.1");
}

#[tokio::test]
async fn the_orders_of_one_delivery_are_asked_about_side_by_side() {
    // It answers when it has been asked about all of them.
    let model = Model::start(Manner::AwaitsQuestions(4)).await;
    let server = served(&model, terms(PATIENT, PATIENT)).await;
    configure(&server, "standard", &json!({"credentials": {"secret": SECRET}})).await;
    let numbers = ["A0", "A1", "A2", "A3"];
    let orders: Vec<Value> = numbers.iter().map(|no| json!({"kind": "placed", "order": order(no)})).collect();
    assert_eq!(deliver(&server, SECRET, "m1", &json!(orders)).await.status, 204);
    for order_no in numbers {
        let decision = answer(server.as_admin("GET", &format!("/v1/orders/web:{order_no}/decision"))).await;
        assert_eq!(decision.json()["features"]["signal.model"], "0.5", "{order_no}");
    }
}

#[tokio::test]
async fn lines_of_a_stream_are_scored_as_single_orders_are() {
    let model = Model::start(Manner::Says(json!(0.9))).await;
    let server = served(&model, terms(PATIENT, PATIENT)).await;
    let lines: String = (0..5)
        .map(|number| format!("{}\n", json!({"kind": "placed", "order": order(&format!("A{number}"))})))
        .chain([format!(
            "{}\n",
            json!({"kind": "status", "order_id": "web:A0", "status": "paid", "occurred_at": "2026-11-11T02:00:00Z"})
        )])
        .collect();
    let request = server.as_admin("POST", "/v1/notices").header("content-type", "application/x-ndjson").body(lines);
    let told = answer(request).await;
    let states: Vec<Value> =
        told.text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["risk"]["state"].clone()).collect();
    assert_eq!(states, vec![json!("frozen"); 6]);
    assert_eq!(model.asked(), 5, "a status is nothing to score");
}

#[tokio::test]
async fn orders_are_screened_without_a_model_that_takes_too_long() {
    let model = Model::start(Manner::NeverAnswers).await;
    let server = served(&model, terms(Duration::from_millis(50), PATIENT)).await;
    assert_eq!(place(&server, "A1").await, (Value::Null, json!("released")));
    assert_eq!(model.asked(), 1);
}

#[tokio::test]
async fn a_model_that_is_down_is_left_alone() {
    let model = Model::start(Manner::Fails).await;
    let server = served(&model, terms(PATIENT, Duration::from_secs(3_600))).await;
    for number in 0..3 {
        assert_eq!(place(&server, &format!("A{number}")).await, (Value::Null, json!("released")));
    }
    model.manner.send_replace(Manner::Says(json!(0.9)));
    assert_eq!(place(&server, "A4").await, (Value::Null, json!("released")));
    assert_eq!(model.asked(), 3, "after three failures nobody asks");
}

#[tokio::test]
async fn a_model_that_is_not_there_keeps_no_order_and_one_that_comes_back_is_asked_again() {
    let model = Model::start(Manner::Fails).await;
    let server = served(&model, terms(PATIENT, Duration::from_millis(1))).await;
    for number in 0..3 {
        assert_eq!(place(&server, &format!("A{number}")).await.0, Value::Null);
    }
    model.manner.send_replace(Manner::Says(json!(0.9)));
    let back = async {
        let mut number = 3;
        while place(&server, &format!("A{number}")).await.0 == Value::Null {
            number += 1;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), back).await.expect("it is asked again");
    assert_eq!(
        place(&server, "B1").await,
        (json!("0.9"), json!("frozen")),
        "from then on it is asked about every order"
    );

    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/score", nobody.local_addr().unwrap());
    drop(nobody);
    let gone = Model { url, ..model };
    let server = served(&gone, terms(PATIENT, PATIENT)).await;
    assert_eq!(place(&server, "A1").await, (Value::Null, json!("released")));
}
