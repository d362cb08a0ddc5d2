//! The merchant's own model beside the running program: what it says decides, and what it does not say in time is done without.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::tempdir;
use tokio::runtime::Runtime;

use crate::support::orders::plain;
use crate::support::process::run_on;
use crate::support::service::{Service, serving};

/// How many failures in a row make the service leave a model alone.
const FAILURES_MAX: usize = 5;

/// A model that finds every order bad, but for those about which it never answers.
struct Model {
    url: String,
    asked: Arc<AtomicUsize>,
    _runtime: Runtime,
}

impl Model {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}/score", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        let routes = Router::new().route("/score", post(move |body: String| score(counted, body)));
        runtime.spawn(async move { axum::serve(listener, routes).await });
        Self { url, asked, _runtime: runtime }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn score(asked: Arc<AtomicUsize>, body: String) -> Response {
    asked.fetch_add(1, Ordering::SeqCst);
    let question: Value = serde_json::from_str(&body).unwrap();
    if question["order_id"].as_str().unwrap().starts_with("web:SILENT") {
        std::future::pending::<()>().await;
    }
    axum::Json(json!({"score": "0.9"})).into_response()
}

fn put_in_force(service: &Service) {
    let declared = service.request(Method::PUT, "/v1/signals/model").json(&json!({"subject": "order"}));
    assert_eq!(service.send(declared).status, 201);
    let book = json!({"name": "Model", "tiers": [{"id": "freeze", "from": 100, "action": "freeze"}], "rules": [
        {"id": "model", "points": 100, "when": {"feature": "signal.model", "op": ">=", "value": "0.8"}}]});
    let begun = service.post("/v1/rulebooks", &book);
    assert_eq!(begun.status, 201, "{begun:?}");
    let path = format!("/v1/rulebooks/{}/publish", begun.json()["id"].as_str().unwrap());
    assert_eq!(service.post(&path, &json!({})).status, 200);
}

/// Where an order stands, and what was read of the model.
fn place(service: &Service, order_no: &str) -> (Value, Value) {
    let risk = service.place(&plain(order_no))["risk"].take();
    let why = service.get(&format!("/v1/orders/web:{order_no}/decision")).json();
    (risk["state"].clone(), why["features"]["signal.model"].clone())
}

/// Asks until the model was heard: on a busy machine it may miss its fifty milliseconds.
fn heard(service: &Service, name: &str) {
    for number in 0..100 {
        let (state, model) = place(service, &format!("{name}-{number}"));
        if state == "frozen" {
            assert_eq!(model, "0.9");
            return;
        }
        assert_eq!((state, model), (json!("released"), Value::Null));
        std::thread::sleep(Duration::from_millis(200));
    }
    panic!("{name}: the model was never heard");
}

#[test]
fn a_model_is_heard_within_its_time_and_done_without_when_it_is_silent_or_gone() {
    let (directory, model) = (tempdir().unwrap(), Model::start());
    let mut command = serving(directory.path());
    command.args(["--scorer-url", &model.url]);
    let service = Service::start_as(command);
    put_in_force(&service);
    heard(&service, "FIRST");

    for number in 0..FAILURES_MAX {
        let (state, read) = place(&service, &format!("SILENT-{number}"));
        assert_eq!((state, read), (json!("released"), Value::Null), "SILENT-{number}");
    }
    let asked = model.asked();
    let unasked = place(&service, "SILENT-LAST");
    assert_eq!(unasked, (json!("released"), Value::Null));
    assert_eq!(model.asked(), asked, "after so many failures it is left alone for a while");
    heard(&service, "AGAIN");

    drop(model);
    assert_eq!(place(&service, "GONE"), (json!("released"), Value::Null));
    service.stop().expect_code(0);
    run_on(directory.path(), &["replay"]).expect_code(0);
}
