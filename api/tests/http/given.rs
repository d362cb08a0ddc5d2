//! A running service with a new store, and what the tests send to it.

use std::sync::Arc;

use domain::rulebook::Rulebook;
use eventlog::EventLog;
use orderlight::http::{App, router};
use orderlight::scorer::Scorer;
use orderlight::service::Service;
use orderlight::store::{At, Store};
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// The token that acts as an administrator's key of the merchant `default`.
pub(crate) const BOOTSTRAP: &str = "bootstrap-token-of-the-tests";

/// A service that listens on the loopback interface until its test ends.
pub(crate) struct Server {
    pub(crate) address: String,
    pub(crate) data: TempDir,
    pub(crate) service: Arc<Service>,
    client: reqwest::Client,
}

/// An answer that was read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(None).await
    }

    /// With a model that is asked about orders.
    pub(crate) async fn start_with(scorer: Option<Scorer>) -> Self {
        Self::start_by(domain::rulebook::preset("growth").unwrap(), scorer).await
    }

    /// By a rulebook of the test's own.
    pub(crate) async fn start_by(rulebook: Rulebook, scorer: Option<Scorer>) -> Self {
        Self::start_on(|log| log, rulebook, scorer).await
    }

    /// On a log that stands before the store's.
    pub(crate) async fn start_on(
        before: impl FnOnce(Arc<dyn EventLog>) -> Arc<dyn EventLog>,
        rulebook: Rulebook,
        scorer: Option<Scorer>,
    ) -> Self {
        let data = TempDir::new().unwrap();
        let mut store = Store::open(&At::Directory(data.path().to_owned()), Some(&"07".repeat(32))).await.unwrap();
        store.log = before(store.log);
        let mut service = Service::start(store, rulebook).await.unwrap();
        service.scorer = scorer;
        service.bootstrap(Some(BOOTSTRAP)).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let service = Arc::new(service);
        tokio::spawn(axum::serve(listener, router(App::new(service.clone()))).into_future());
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { address, data, service, client }
    }

    /// A request without a key.
    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    /// A request with the bootstrap token.
    pub(crate) fn as_admin(&self, method: &str, path: &str) -> RequestBuilder {
        self.request(method, path).bearer_auth(BOOTSTRAP)
    }

    /// A new key of the merchant `default`; answers with its id and itself.
    pub(crate) async fn key(&self, roles: &[&str]) -> (String, String) {
        let made = answer(self.as_admin("POST", "/v1/keys").json(&json!({"name": "test", "roles": roles}))).await;
        assert_eq!(made.status, 201, "{made:?}");
        let made = made.json();
        (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
    }
}

/// Sends a request and reads its answer whole; of the live stream, which has no end, the head. A job's stream ends with the job.
pub(crate) async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    if response.url().path() == "/v1/stream" && status == StatusCode::OK {
        return Answer { status, headers, text: String::new() };
    }
    Answer { status, headers, text: response.text().await.unwrap() }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The status and code of a problem; checks that it is one.
    pub(crate) fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16(), "{self:?}");
        let code = problem["code"].as_str().unwrap();
        assert_eq!(problem["type"], format!("urn:orderlight:problem:{code}"));
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{self:?}");
        (self.status.as_u16(), code.to_owned())
    }

    /// The pointers of a problem's faults.
    pub(crate) fn pointers(&self) -> Vec<String> {
        let problem = self.json();
        let errors = problem["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|fault| fault["pointer"].as_str().unwrap().to_owned()).collect()
    }
}

/// The least that places an order.
pub(crate) fn order(order_no: &str) -> Value {
    json!({
        "channel": "web", "order_no": order_no, "placed_at": "2026-11-11T00:00:01.250+08:00", "currency": "CNY",
        "amount": 39900, "lines": [{"sku": "MASK-01", "quantity": 2, "unit_price": 19950}]
    })
}
