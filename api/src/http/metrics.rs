//! `GET /metrics`, and what the HTTP interface itself measures.
//!
//! Routes are counted by their pattern, never by their path, and unknown methods as one: no request can add a series.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::Extension;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use projections::{HoldCause, WholeStanding};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::App;
use super::problem::Problem;
use crate::clock;

/// Upper bounds of durations, in seconds.
const SECONDS: &[f64] = &[
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
    0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Upper bounds of batch sizes.
const BATCH_SIZES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];
/// How often samples are folded into their histograms when nobody reads them.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Begins to record, once in a process. Where another recorder is at work already, nothing can be read here.
pub fn install() {
    RECORDER.get_or_init(|| {
        let handle = recorder().inspect_err(|error| tracing::warn!(%error, "metrics are not recorded")).ok()?;
        let upkeep = handle.clone();
        std::thread::Builder::new()
            .name("metrics-upkeep".to_owned())
            .spawn(move || {
                loop {
                    std::thread::sleep(UPKEEP_INTERVAL);
                    upkeep.run_upkeep();
                }
            })
            .inspect_err(|error| tracing::warn!(%error, "metrics are folded only when they are read"))
            .ok();
        Some(handle)
    });
}

fn recorder() -> Result<PrometheusHandle, BuildError> {
    use metrics_exporter_prometheus::Matcher;
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)?
        .set_buckets_for_metric(Matcher::Full("orderlight_batch_size".to_owned()), BATCH_SIZES)?
        .install_recorder()
}

/// How long a scrape waits for what the read models hold: when they fail, it is the other metrics that are wanted.
const WHOLE_WITHIN: Duration = Duration::from_millis(500);
/// For how many times as long as a look took there is none after it: so looks take no more than a tenth of one reader's time, whatever
/// there is to be counted and however often it is asked for.
const WHOLE_RESTS: u32 = 9;

/// Who looks at what waits for people and is held for customers: one at a time, over all reviews and all stock, and not again until it
/// has rested. Meanwhile what it told before stands.
#[derive(Clone, Default)]
pub struct Whole(Arc<Mutex<Option<Instant>>>);

impl Whole {
    /// Looks, if nobody does and it is time to. A look that takes too long is not waited for, and goes on.
    async fn look(&self, at_all: impl Future<Output = ()> + Send + 'static) {
        let Ok(mut rests_until) = Arc::clone(&self.0).try_lock_owned() else { return };
        let begun = Instant::now();
        if rests_until.is_some_and(|until| begun < until) {
            return;
        }
        let look = tokio::spawn(async move {
            at_all.await;
            let ended = Instant::now();
            *rests_until = ended.checked_add(ended.duration_since(begun) * WHOLE_RESTS);
        });
        if timeout(WHOLE_WITHIN, look).await.is_err() {
            tracing::debug!("what waits and is held cannot be read in time");
        }
    }
}

/// Metrics
///
/// In the text format of Prometheus. They tell counts and times of the whole service, and nothing of any merchant.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "Operations",
    extensions(("x-roles" = json!([]))),
    responses(
        (status = 200, description = "The metrics now", body = String, content_type = "text/plain",
         example = "# TYPE orderlight_mailbox_waiting gauge\norderlight_mailbox_waiting 0\n"),
        (status = 503, description = "Another part of the process records metrics", body = Problem),
    )
)]
pub async fn handle(State(app): State<App>, Extension(whole): Extension<Whole>) -> Result<Response, Problem> {
    let handle = RECORDER.get().and_then(Option::as_ref);
    let handle = handle.ok_or_else(|| Problem::unavailable("metrics_unavailable", "no metrics are recorded"))?;
    let waiting = u32::try_from(app.engine.waiting()).unwrap_or(u32::MAX);
    metrics::gauge!("orderlight_mailbox_waiting").set(f64::from(waiting));
    // Asking for the read models' health sets their gauges.
    app.models.health();
    whole.look(at_all(app)).await;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], handle.render()).into_response())
}

async fn at_all(app: App) {
    match app.models.whole().await {
        Ok(whole) => tell(&whole),
        // What cannot be read now keeps the value it had.
        Err(error) => tracing::debug!(%error, "what waits and is held cannot be read"),
    }
}

/// Sets the gauges of what waits for people and is held for customers.
fn tell(whole: &WholeStanding) {
    let age = whole.oldest_review.map_or(0, |oldest| clock::now().since(oldest).millis() / 1_000);
    metrics::gauge!("orderlight_reviews_waiting").set(whole.reviews as f64);
    metrics::gauge!("orderlight_oldest_review_seconds").set(age as f64);
    for (cause, units) in HoldCause::ALL.iter().zip(whole.held_units) {
        metrics::gauge!("orderlight_held_stock_units", "cause" => cause.name()).set(units as f64);
    }
}

/// Counts a request and how long it took to the head of its answer.
pub async fn track(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let method = method_name(request.method());
    let response = next.run(request).await;
    let status = response.status().as_str().to_owned();
    metrics::counter!("orderlight_http_requests_total", "method" => method, "route" => route.clone(), "status" => status)
        .increment(1);
    metrics::histogram!("orderlight_http_request_seconds", "method" => method, "route" => route)
        .record(started.elapsed().as_secs_f64());
    response
}

fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn nobody_looks_at_all_that_waits_while_somebody_does_or_before_it_has_rested() {
        let (whole, looks, go_on) = (Whole::default(), Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let look = || {
            let (looks, go_on) = (looks.clone(), go_on.clone());
            async move {
                looks.fetch_add(1, Ordering::SeqCst);
                go_on.notified().await;
            }
        };
        whole.look(look()).await;
        whole.look(look()).await;
        assert_eq!(looks.load(Ordering::SeqCst), 1, "the first takes too long to be waited for, and goes on");

        go_on.notify_one();
        drop(whole.0.lock().await);
        whole.look(look()).await;
        assert_eq!(looks.load(Ordering::SeqCst), 1, "it has ended, and rests for much longer than it took");

        *whole.0.lock().await = Some(Instant::now());
        go_on.notify_one();
        whole.look(look()).await;
        assert_eq!(looks.load(Ordering::SeqCst), 2, "it has rested");
    }
}
