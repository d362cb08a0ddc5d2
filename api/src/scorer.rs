//! The merchants' own model: a service that is asked about every order that is placed, before the writer sees it.
//!
//! Only merchants that declared its signal, with the subject `order`, have it asked.
//! It gets `{"merchant", "order_id", "facts"}`, the facts as the log holds them, without personal data, and answers 200
//! `{"score": …}` or 204 when it has nothing to say. The score is recorded with the order's facts, so a replay asks nobody. An order
//! never waits longer than the budget, and never fails with the model: without an answer the signal is unknown. After
//! [`Terms::failures_max`] failures in a row nobody is asked for [`Terms::pause`]; then one order tries whether it is back.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, Uri, header};
use domain::ids::{MerchantId, OrderId};
use domain::order::Facts;
use domain::signal::{OrderScore, SignalName, SignalValue};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::time::timeout;

/// The longest answer.
const ANSWER_BYTES_MAX: usize = 4_096;

/// The longest budget: every order that is placed may wait for so long.
pub const BUDGET_MAX: Duration = Duration::from_secs(1);

/// How a model is dealt with.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// How long it may take for one order, from the connection to the end of the answer.
    pub budget: Duration,
    /// How many failures in a row mean that it is down.
    pub failures_max: u32,
    /// For how long it is left alone then.
    pub pause: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self { budget: Duration::from_millis(50), failures_max: 5, pause: Duration::from_secs(5) }
    }
}

/// The model, and whether it is worth asking.
pub struct Scorer {
    url: Uri,
    signal: SignalName,
    terms: Terms,
    client: Client<HttpConnector, Body>,
    breaker: Mutex<Breaker>,
}

/// Why a model's address is none.
#[derive(Debug, thiserror::Error)]
#[error("expected an address such as http://127.0.0.1:9000/score")]
pub struct NoAddress;

/// Why a model gave no score.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Failure {
    /// It took too long.
    Slow,
    /// It could not be reached, or broke off.
    Unreachable,
    /// Its answer was none.
    BadAnswer,
}

impl Scorer {
    /// At an address, under a signal's name.
    ///
    /// # Errors
    /// When the address is not one of plain HTTP.
    pub fn new(url: Uri, signal: SignalName, terms: Terms) -> Result<Self, NoAddress> {
        if url.scheme_str() != Some("http") || url.authority().is_none() {
            return Err(NoAddress);
        }
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(terms.budget));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { url, signal, terms, client, breaker: Mutex::default() })
    }

    /// The signal that its answers are values of.
    pub const fn signal(&self) -> &SignalName {
        &self.signal
    }

    /// What it says of an order; `None` when it says nothing, or cannot be asked.
    pub async fn score(&self, merchant: &MerchantId, order: &OrderId, facts: &Facts) -> Option<OrderScore> {
        if !self.breaker().admits(Instant::now()) {
            count("not_asked");
            return None;
        }
        let question = json!({"merchant": merchant, "order_id": order, "facts": facts});
        let answered = timeout(self.terms.budget, self.ask(&question)).await.unwrap_or(Err(Failure::Slow));
        let (outcome, value) = match answered {
            Ok(Some(value)) => ("answered", Some(value)),
            Ok(None) => ("nothing_said", None),
            Err(Failure::Slow) => ("slow", None),
            Err(Failure::Unreachable) => ("unreachable", None),
            Err(Failure::BadAnswer) => ("bad_answer", None),
        };
        count(outcome);
        if self.breaker().learn(answered.is_ok(), Instant::now(), &self.terms) {
            let pause_seconds = self.terms.pause.as_secs();
            tracing::warn!(outcome, pause_seconds, "own model is down; orders are screened without it");
        }
        value.map(|value| OrderScore { signal: self.signal, value })
    }

    async fn ask(&self, question: &Value) -> Result<Option<SignalValue>, Failure> {
        let request = Request::builder().method(Method::POST).uri(self.url.clone());
        let request = request.header(header::CONTENT_TYPE, "application/json").body(Body::from(question.to_string()));
        let request = request.map_err(|_| Failure::Unreachable)?;
        let response = self.client.request(request).await.map_err(|_| Failure::Unreachable)?;
        let status = response.status();
        let body = axum::body::to_bytes(Body::new(response.into_body()), ANSWER_BYTES_MAX).await;
        let body = body.map_err(|_| Failure::BadAnswer)?;
        match status {
            StatusCode::NO_CONTENT => Ok(None),
            StatusCode::OK => {
                let answer: Value = serde_json::from_slice(&body).map_err(|_| Failure::BadAnswer)?;
                let score = answer.get("score").ok_or(Failure::BadAnswer)?;
                SignalValue::rounded(score).map(Some).ok_or(Failure::BadAnswer)
            }
            _ => Err(Failure::BadAnswer),
        }
    }

    fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("orderlight_scorer_total", "outcome" => outcome).increment(1);
}

/// Whether the model is asked: closed until it has failed too often in a row, then open for a while, then open but for one try.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Breaker {
    failures: u32,
    /// Until when it is not asked, while it is down.
    open_until: Option<Instant>,
}

impl Breaker {
    /// Whether it may be asked now.
    fn admits(&mut self, now: Instant) -> bool {
        match self.open_until {
            None => true,
            Some(until) if now < until => false,
            // This one tries; whoever comes while it is under way does not.
            Some(_) => {
                self.open_until = Some(now + TRIAL_MAX);
                true
            }
        }
    }

    /// Takes in how it went; tells whether it is down from now on.
    fn learn(&mut self, is_well: bool, now: Instant, terms: &Terms) -> bool {
        if is_well {
            *self = Self::default();
            return false;
        }
        self.failures = self.failures.saturating_add(1);
        let is_down = self.failures >= terms.failures_max;
        let was_down = self.open_until.is_some();
        if is_down {
            self.open_until = Some(now + terms.pause);
        }
        is_down && !was_down
    }
}

/// How long one try keeps others from trying, should its caller hang up.
const TRIAL_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> Terms {
        Terms { failures_max: 3, pause: Duration::from_secs(5), ..Terms::default() }
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_not_after_single_ones() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        for is_well in [false, false, true, false, false] {
            assert!(breaker.admits(now));
            assert!(!breaker.learn(is_well, now, &terms()));
        }
        assert!(breaker.learn(false, now, &terms()), "it is said once");
        assert!(!breaker.learn(false, now, &terms()), "those that were under way say nothing new");
        assert!(!breaker.admits(now) && !breaker.admits(now + Duration::from_millis(4_999)));
    }

    #[test]
    fn after_the_pause_one_tries_and_it_closes_when_that_went_well() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..3 {
            breaker.learn(false, now, &terms());
        }
        let later = now + Duration::from_secs(5);
        assert!(breaker.admits(later));
        assert!(!breaker.admits(later), "one is enough");
        breaker.learn(false, later, &terms());
        assert!(!breaker.admits(later + Duration::from_millis(4_999)), "it is still down");
        let back = later + Duration::from_secs(5);
        assert!(breaker.admits(back));
        breaker.learn(true, back, &terms());
        assert!(breaker.admits(back) && breaker.admits(back));
    }
}
