//! A receiver of signed webhooks, as a real server on the loopback interface.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::json;
use standardwebhooks::Webhook;
use tokio::runtime::Runtime;

use super::process::PATIENCE;
use super::service::Service;
use super::traffic::Random;

/// How often in a row a receiver fails one message at most, so that a short proof stays short.
const FAILURES_MAX: u32 = 4;

/// What a receiver got and took.
#[derive(Default)]
pub(crate) struct Got {
    /// How often each message was tried.
    tries: BTreeMap<String, u32>,
    /// What was taken: id and body, in the order of arrival.
    taken: Vec<(String, Bytes)>,
    /// The ids among them.
    ids: HashSet<String>,
    secret: String,
    random: Option<Random>,
}

/// A receiver on the loopback interface.
pub(crate) struct Receiver {
    address: SocketAddr,
    got: Arc<Mutex<Got>>,
    _runtime: Runtime,
}

impl Receiver {
    /// One that fails three times in ten.
    pub(crate) fn flaky(seed: u64) -> Self {
        let got = Got { random: Some(Random::new(seed)), ..Got::default() };
        Self::start(Arc::new(Mutex::new(got)), |got| Router::new().route("/", post(take)).with_state(got))
    }

    /// One that takes everything.
    pub(crate) fn steady() -> Self {
        Self::start(Arc::default(), |got| Router::new().route("/", post(take)).with_state(got))
    }

    /// One that answers as its routes do.
    pub(crate) fn start(got: Arc<Mutex<Got>>, routes: impl FnOnce(Arc<Mutex<Got>>) -> Router) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let (address, routes) = (listener.local_addr().unwrap(), routes(got.clone()));
        runtime.spawn(async move { axum::serve(listener, routes).await });
        Self { address, got, _runtime: runtime }
    }

    /// Lets a service tell it of some events; answers with the endpoint's id.
    pub(crate) fn subscribe(&self, service: &Service, events: &[&str]) -> String {
        let body = json!({"url": format!("http://{}/", self.address), "events": events});
        let created = service.post("/v1/endpoints", &body);
        assert_eq!(created.status, 201, "{created:?}");
        let created = created.json();
        self.got.lock().unwrap().secret = created["secret"].as_str().unwrap().to_owned();
        created["id"].as_str().unwrap().to_owned()
    }

    /// What it took, in the order of arrival: ids and bodies.
    pub(crate) fn taken(&self) -> Vec<(String, Bytes)> {
        self.got.lock().unwrap().taken.clone()
    }

    /// How many different messages it took.
    pub(crate) fn distinct(&self) -> usize {
        self.got.lock().unwrap().ids.len()
    }

    /// How often it was asked to take a message.
    pub(crate) fn tries(&self) -> usize {
        self.got.lock().unwrap().tries.values().map(|tries| *tries as usize).sum()
    }

    /// Waits until something is true of what it got.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, true_now: impl Fn(&Self) -> bool) {
        self.until_within(PATIENCE, what, true_now);
    }

    /// As [`Receiver::until`], with a patience of its own.
    #[track_caller]
    pub(crate) fn until_within(&self, patience: Duration, what: &str, true_now: impl Fn(&Self) -> bool) {
        let until = Instant::now() + patience;
        while !true_now(self) {
            assert!(Instant::now() < until, "{what}: {} messages", self.distinct());
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }
}

/// Takes a message whose signature is right, unless it is to fail.
pub(crate) async fn take(State(got): State<Arc<Mutex<Got>>>, headers: HeaderMap, body: Bytes) -> Response {
    let mut got = got.lock().unwrap();
    let id = headers["webhook-id"].to_str().unwrap().to_owned();
    if Webhook::new(&got.secret).unwrap().verify(&body, &headers).is_err() {
        // The secret may be on its way to this test.
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let tries = got.tries.entry(id.clone()).or_default();
    *tries += 1;
    let may_fail = *tries <= FAILURES_MAX;
    if may_fail && got.random.as_mut().is_some_and(|random| random.below(10) < 3) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    got.ids.insert(id.clone());
    got.taken.push((id, body));
    StatusCode::NO_CONTENT.into_response()
}
