//! The service as its clients see it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use axum::body::{Body, BodyDataStream};
use axum::http::{Method, Request, StatusCode, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// How often something is sent that the service could not take now, and the pause before it is sent again.
const TRIES_MAX: u32 = 50;
const TRY_AGAIN_IN: Duration = Duration::from_millis(200);

/// A client of the service, with an administrator's key.
#[derive(Clone)]
pub(super) struct Api {
    address: SocketAddr,
    key: String,
    client: Client<HttpConnector, Body>,
}

/// What the service answered.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// Null where the body is none or not JSON.
    pub(super) body: Value,
}

impl Api {
    pub(super) fn new(address: SocketAddr, key: &str) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { address, key: key.to_owned(), client }
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::GET, path, None, &Value::Null).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.send(Method::POST, path, None, body).await
    }

    /// Sends something until the service takes it or says why not; under a message id that is safe.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        message_id: Option<&str>,
        body: &Value,
    ) -> anyhow::Result<Answer> {
        let mut tries = 0;
        loop {
            let answer = self.send_once(method.clone(), path, message_id, body).await?;
            let is_for_later = matches!(answer.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
            tries += 1;
            if !is_for_later || tries == TRIES_MAX {
                return Ok(answer);
            }
            tokio::time::sleep(TRY_AGAIN_IN).await;
        }
    }

    /// Sends notices, one a line; answers with the answer to each.
    pub(super) async fn notices(&self, lines: String) -> anyhow::Result<Vec<Value>> {
        let request = self.request(Method::POST, "/v1/notices").header(header::CONTENT_TYPE, "application/x-ndjson");
        let request = request.body(Body::from(lines)).context("a request is one")?;
        let response = self.client.request(request).await.context("the service cannot be reached")?;
        ensure!(response.status() == StatusCode::OK, "notices were answered with {}", response.status());
        let answers = axum::body::to_bytes(Body::new(response.into_body()), ANSWER_BYTES_MAX).await;
        let answers = answers.context("the answer to notices broke off")?;
        let lines = answers.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).context("an answer is JSON")).collect()
    }

    /// The pieces of an answer that has no end.
    pub(super) async fn stream(&self, path: &str) -> anyhow::Result<BodyDataStream> {
        let request = self.request(Method::GET, path).body(Body::empty()).context("a request is one")?;
        let response = self.client.request(request).await.context("the service cannot be reached")?;
        ensure!(response.status() == StatusCode::OK, "{path} answered {}", response.status());
        Ok(Body::new(response.into_body()).into_data_stream())
    }

    async fn send_once(
        &self,
        method: Method,
        path: &str,
        message_id: Option<&str>,
        body: &Value,
    ) -> anyhow::Result<Answer> {
        let mut request = self.request(method, path);
        if let Some(message_id) = message_id {
            request = request.header("idempotency-key", message_id);
        }
        let request = if body.is_null() {
            request.body(Body::empty())
        } else {
            request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string()))
        };
        let request = request.context("a request is one")?;
        let response = self.client.request(request).await.context("the service cannot be reached")?;
        let status = response.status();
        let bytes = axum::body::to_bytes(Body::new(response.into_body()), ANSWER_BYTES_MAX).await;
        let bytes = bytes.with_context(|| format!("the answer to {path} broke off"))?;
        Ok(Answer { status, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) })
    }

    fn request(&self, method: Method, path: &str) -> axum::http::request::Builder {
        let uri = format!("http://{}{path}", self.address);
        let key = format!("Bearer {}", self.key);
        Request::builder().method(method).uri(uri).header(header::AUTHORIZATION, key)
    }
}

impl Answer {
    /// The body, where the answer is a good one.
    pub(super) fn good(self, what: &str) -> anyhow::Result<Value> {
        ensure!(self.status.is_success(), "{what} was answered with {}: {}", self.status, self.body);
        Ok(self.body)
    }
}
