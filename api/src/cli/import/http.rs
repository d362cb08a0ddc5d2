//! The file's lines, sent to a running service: a batch at a time, each answered before the next leaves.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use axum::body::{Body, to_bytes};
use axum::http::uri::Scheme;
use axum::http::{HeaderValue, Request, StatusCode, Uri, header};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use indicatif::ProgressBar;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::lines::Line;
use super::summary::{Stored, Summary};
use crate::cli::stop::StopSignals;

/// The most lines of one request, and the bytes after which one is full.
const BATCH_LINES_MAX: usize = 500;
const BATCH_BYTES: usize = 1 << 20;
/// How long a request may take, and how many bytes its answer may have.
const ANSWER_WITHIN: Duration = Duration::from_secs(180);
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// How often lines are sent again that the service could not take now, and the pause before. A process of several takes over within five
/// seconds what belonged to one that is gone.
const REPEATS_MAX: u32 = 10;
const REPEAT_PAUSE: Duration = Duration::from_secs(1);

/// Where a service takes notices.
#[derive(Clone)]
pub(super) struct Service {
    notices: Uri,
}

impl Service {
    /// Reads what comes before `/v1/notices`.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let expected = || "expected a URL such as https://orderlight.example.com".to_owned();
        let uri: Uri = text.parse().map_err(|_| expected())?;
        let is_http = uri.scheme().is_some_and(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS);
        let is_plain = uri.query().is_none() && uri.authority().is_some_and(|it| !it.as_str().contains('@'));
        if !is_http || !is_plain {
            return Err(expected());
        }
        let notices = format!("{}/v1/notices", text.trim_end_matches('/')).parse().map_err(|_| expected())?;
        Ok(Self { notices })
    }
}

/// An import under way.
pub(super) struct Sending {
    service: Service,
    key: HeaderValue,
    client: Client<HttpsConnector<HttpConnector>, Body>,
    progress: ProgressBar,
    pub(super) summary: Summary,
}

/// Lines that were read and not sent so far.
#[derive(Default)]
struct Batch {
    lines: Vec<Numbered>,
    bytes: usize,
}

/// A line as it leaves, or why it does not.
struct Numbered {
    number: u64,
    is_placed: bool,
    text: Result<String, String>,
}

impl Sending {
    pub(super) fn new(service: Service, key: &str, progress: ProgressBar) -> anyhow::Result<Self> {
        let mut key = HeaderValue::try_from(format!("Bearer {key}")).context("the key cannot be one")?;
        key.set_sensitive(true);
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        let connector =
            HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { service, key, client, progress, summary: Summary::new()? })
    }

    /// Sends every line, in order; true when it was asked to stop.
    pub(super) async fn send_all(
        &mut self,
        mut lines: mpsc::Receiver<Line>,
        mut signals: StopSignals,
    ) -> anyhow::Result<bool> {
        let mut batch = Batch::default();
        loop {
            let line = tokio::select! {
                biased;
                () = signals.next() => return self.send(batch).await.map(|()| true),
                line = lines.recv() => line,
            };
            let Some(line) = line else { return self.send(batch).await.map(|()| false) };
            self.progress.set_position(line.read_bytes);
            batch.take(line);
            if batch.is_full() {
                self.send(std::mem::take(&mut batch)).await?;
            }
        }
    }

    /// Sends a batch, and what the service could not take of it again.
    async fn send(&mut self, batch: Batch) -> anyhow::Result<()> {
        let (mut left, mut repeats) = (batch.lines, 0);
        while !left.is_empty() {
            let may_repeat = repeats < REPEATS_MAX;
            let sent: Vec<&str> = left.iter().filter_map(|line| line.text.as_deref().ok()).collect();
            let answers = if sent.is_empty() { vec![] } else { self.ask(&sent, may_repeat).await? };
            left = self.settle(left, answers, may_repeat);
            if !left.is_empty() {
                repeats += 1;
                sleep(REPEAT_PAUSE).await;
            }
        }
        Ok(())
    }

    /// Takes answers in, and gives the lines back that are to be sent again: those that could not be taken now, and those refused after
    /// them, which may have needed them; all, where no answer came.
    fn settle(&mut self, lines: Vec<Numbered>, answers: Vec<Answer>, may_repeat: bool) -> Vec<Numbered> {
        let (mut answers, mut again) = (answers.into_iter(), vec![]);
        for line in lines {
            if let Err(why) = &line.text {
                self.summary.refuse(line.number, why, &self.progress);
                continue;
            }
            let Some(answer) = answers.next() else {
                again.push(line);
                continue;
            };
            match answer.problem {
                None => self.summary.store(stored(line.is_placed, answer), &self.progress),
                Some(problem) if may_repeat && (problem.is_for_later() || !again.is_empty()) => again.push(line),
                Some(problem) => self.summary.refuse(line.number, &problem.told(), &self.progress),
            }
        }
        again
    }

    /// The answers to lines, one each; none when the service can take none of them now and may be asked again.
    async fn ask(&self, lines: &[&str], may_repeat: bool) -> anyhow::Result<Vec<Answer>> {
        let url = &self.service.notices;
        let mut body = lines.join("\n");
        body.push('\n');
        let request = Request::post(url.clone())
            .header(header::AUTHORIZATION, self.key.clone())
            .header(header::CONTENT_TYPE, "application/x-ndjson")
            .body(Body::from(body))
            .context("a request is one")?;
        let exchange = async {
            let response = self.client.request(request).await.with_context(|| format!("cannot reach {url}"))?;
            let status = response.status();
            let body = to_bytes(Body::new(response.into_body()), ANSWER_BYTES_MAX).await;
            anyhow::Ok((status, body.with_context(|| format!("the answer of {url} broke off"))?))
        };
        let exchange = timeout(ANSWER_WITHIN, exchange).await;
        let (status, body) =
            exchange.with_context(|| format!("{url} did not answer within {} s", ANSWER_WITHIN.as_secs()))??;
        if is_for_later(status.as_u16()) && may_repeat {
            return Ok(vec![]);
        }
        if status != StatusCode::OK {
            let problem: Option<Problem> = serde_json::from_slice(&body).ok();
            bail!("{url} answered {status}: {}", problem.map_or_else(|| "no more is told".to_owned(), |it| it.told()));
        }
        let answers = body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        let answers: Result<Vec<Answer>, _> = answers.map(serde_json::from_slice).collect();
        let answers = answers.with_context(|| format!("{url} answered what is not of Orderlight"))?;
        ensure!(answers.len() == lines.len(), "the answer of {url} broke off");
        Ok(answers)
    }
}

impl Batch {
    fn take(&mut self, Line { number, content, .. }: Line) {
        let text = match content {
            Ok(Value::Null) => return,
            content => content,
        };
        let is_placed = text.as_ref().is_ok_and(|notice| notice["kind"] == "placed");
        let text = text.map(|notice| notice.to_string());
        self.bytes += text.as_ref().map_or(0, String::len);
        self.lines.push(Numbered { number, is_placed, text });
    }

    const fn is_full(&self) -> bool {
        self.lines.len() >= BATCH_LINES_MAX || self.bytes >= BATCH_BYTES
    }
}

/// What is read of the answer to a line.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    duplicate: bool,
    risk: Option<Risk>,
    problem: Option<Problem>,
}

#[derive(Deserialize)]
struct Risk {
    tier: Option<String>,
}

#[derive(Deserialize)]
struct Problem {
    status: u16,
    detail: String,
    #[serde(default)]
    errors: Vec<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    pointer: String,
    detail: String,
}

impl Problem {
    fn is_for_later(&self) -> bool {
        is_for_later(self.status)
    }

    /// Its faults, or what it says where it names none.
    fn told(&self) -> String {
        if self.errors.is_empty() {
            return self.detail.clone();
        }
        let told = |fault: &Fault| domain::fault::Fault::new(&*fault.pointer, &*fault.detail).to_string();
        self.errors.iter().map(told).collect::<Vec<_>>().join("; ")
    }
}

const fn is_for_later(status: u16) -> bool {
    matches!(status, 429 | 503)
}

fn stored(is_placed: bool, answer: Answer) -> Stored {
    match (answer.duplicate, is_placed) {
        (true, _) => Stored::Known,
        (false, true) => Stored::Order { tier: answer.risk.and_then(|risk| risk.tier) },
        (false, false) => Stored::Update,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_named_by_what_comes_before_its_paths() {
        for (text, notices) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/v1/notices"),
            ("https://shop.example/orderlight/", "https://shop.example/orderlight/v1/notices"),
        ] {
            assert_eq!(Service::read(text).map(|service| service.notices.to_string()), Ok(notices.to_owned()));
        }
        for wrong in ["shop.example", "ftp://shop.example", "https://", "https://a@b", "https://a/?x=1", "/v1"] {
            assert!(Service::read(wrong).is_err(), "{wrong}");
        }
    }
}
