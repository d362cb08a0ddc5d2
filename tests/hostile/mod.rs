//! Whatever comes in: the right 4xx with the place named, never a 5xx, nothing stored, and the service well afterwards.

mod bodies;
mod lines;
mod quotes;
mod raw;
mod requests;

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::support::orders::plain;
use crate::support::process::Finished;
use crate::support::service::{Answer, Service};
use crate::support::store;

/// The order that every proof begins with.
const FIRST: &str = "FIRST";

/// A request that must be refused.
struct Case {
    name: String,
    method: Method,
    path: String,
    /// The key; none for a request without the header.
    key: Key,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    status: u16,
    code: &'static str,
    /// The places that are named, in any order.
    pointers: Vec<&'static str>,
    /// What the detail says.
    mentions: &'static str,
}

/// Who sends it.
enum Key {
    Admin,
    Ingest,
    Service,
    Nobody,
    /// The header as it is.
    Text(&'static str),
}

impl Case {
    fn new(name: impl Into<String>, method: Method, path: impl Into<String>, status: u16, code: &'static str) -> Self {
        Self {
            name: name.into(),
            method,
            path: path.into(),
            key: Key::Admin,
            headers: vec![],
            body: vec![],
            status,
            code,
            pointers: vec![],
            mentions: "",
        }
    }

    fn key(mut self, key: Key) -> Self {
        self.key = key;
        self
    }

    fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn json(self, body: &Value) -> Self {
        self.text(body.to_string())
    }

    fn text(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("content-type", "application/json")
    }

    fn pointers(mut self, pointers: &[&'static str]) -> Self {
        self.pointers = pointers.to_vec();
        self
    }

    fn mentions(mut self, text: &'static str) -> Self {
        self.mentions = text;
        self
    }

    /// Sends it and holds the answer to what must be; a fault is told, so that all of them are seen at once.
    fn fault(&self, service: &Service, keys: &Keys) -> Option<String> {
        let mut request = service.anonymous(self.method.clone(), &self.path);
        request = match &self.key {
            Key::Admin => request.bearer_auth(crate::support::service::TOKEN),
            Key::Ingest => request.bearer_auth(&keys.ingest),
            Key::Service => request.bearer_auth(&keys.service),
            Key::Nobody => request,
            Key::Text(text) => request.header("authorization", *text),
        };
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let answer = service.send(request.body(self.body.clone()));
        let found = self.fault_of(&answer)?;
        Some(format!("{}: {found}\n    {} {}", self.name, answer.status, String::from_utf8_lossy(&answer.body)))
    }

    fn fault_of(&self, answer: &Answer) -> Option<String> {
        if answer.status != self.status {
            return Some(format!("expected {}", self.status));
        }
        if self.code.is_empty() {
            return None;
        }
        if answer.header("content-type") != "application/problem+json" {
            return Some(format!("is {:?}", answer.header("content-type")));
        }
        problem_fault(&answer.json(), self.status, self.code, &self.pointers, self.mentions)
    }
}

/// What is wrong with a problem.
fn problem_fault(problem: &Value, status: u16, code: &str, pointers: &[&str], mentions: &str) -> Option<String> {
    if problem["status"] != json!(status) || problem["code"] != code {
        return Some(format!("expected {status} {code}"));
    }
    if !["type", "title", "detail"].iter().all(|name| problem[*name].as_str().is_some_and(|text| !text.is_empty())) {
        return Some("type, title or detail is missing".to_owned());
    }
    let errors = problem["errors"].as_array().cloned().unwrap_or_default();
    let mut named: Vec<&str> = errors.iter().filter_map(|error| error["pointer"].as_str()).collect();
    let mut pointers = pointers.to_vec();
    named.sort_unstable();
    pointers.sort_unstable();
    if named != pointers {
        return Some(format!("expected the places {pointers:?}"));
    }
    let detail = problem["detail"].as_str().unwrap_or_default();
    (!detail.contains(mentions)).then(|| format!("expected {mentions:?} in the detail"))
}

/// Keys with few roles.
struct Keys {
    ingest: String,
    service: String,
}

/// A service with one order, two keys and three channels.
fn started(data: &std::path::Path) -> (Service, Keys) {
    let service = Service::start(data);
    let key = |role: &str| {
        let made = service.post("/v1/keys", &json!({"name": role, "roles": [role]}));
        assert_eq!(made.status, 201, "{made:?}");
        made.json()["key"].as_str().unwrap().to_owned()
    };
    let keys = Keys { ingest: key("ingest"), service: key("service") };
    for (channel, credentials) in [
        ("standard", json!({"secret": "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"})),
        ("shopify", json!({"secret": "a secret of shopify"})),
        ("douyin", json!({"app_key": "app", "app_secret": "a secret of douyin"})),
    ] {
        let body = json!({"credentials": credentials});
        let answer = service.send(service.request(Method::PUT, &format!("/v1/channels/{channel}")).json(&body));
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    service.place(&plain(FIRST));
    (service, keys)
}

/// How far the log is: a delivery that comes again stores nothing and says it.
#[track_caller]
fn head(service: &Service) -> String {
    let answer = service.post("/v1/orders", &plain(FIRST));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["duplicate"], true);
    answer.header("orderlight-position").to_owned()
}

/// The service takes a good order, is ready, and stops cleanly without having stumbled.
#[track_caller]
fn well_afterwards(service: Service) -> Finished {
    for path in ["/healthz", "/readyz"] {
        assert_eq!(service.get(path).status, 200, "{path}");
    }
    let answer = service.post("/v1/orders", &plain("LAST"));
    assert_eq!(answer.status, 201, "{answer:?}");
    let position = answer.header("orderlight-position").to_owned();
    let found = service.get(&format!("/v1/orders/web:LAST?after={position}"));
    assert_eq!((found.status, found.json()["risk"]["state"].as_str()), (200, Some("released")));
    let stopped = service.stop().expect_code(0);
    assert!(!stopped.stderr.contains("panicked") && !stopped.stderr.contains("ERROR"), "{}", stopped.stderr);
    stopped
}

#[test]
fn hostile_requests_are_refused_by_name_and_leave_nothing_behind() {
    let directory = tempdir().unwrap();
    let (service, keys) = started(directory.path());
    let before = head(&service);
    service.settle();
    let cases: Vec<Case> = bodies::cases().into_iter().chain(requests::cases()).collect();
    assert!(cases.len() >= 100, "only {} cases", cases.len());
    let (mut faults, mut was) = (Vec::new(), before.clone());
    for case in &cases {
        faults.extend(case.fault(&service, &keys));
        let now = head(&service);
        if now != was {
            faults.push(format!("{}: the log went from {was} to {now}", case.name));
            was = now;
        }
    }
    assert!(faults.is_empty(), "{} of {} cases:\n{}", faults.len(), cases.len(), faults.join("\n"));
    assert_eq!(service.all_orders("").len(), 1, "nothing but the first order is found");
    well_afterwards(service);
    let placed = store::events(directory.path()).iter().filter(|event| &*event.event_type == "Placed").count();
    assert_eq!(placed, 2, "the first order and the last");
}
