//! `POST /v1/rulebooks/{id}/backtest`: what a rulebook would have decided about the orders of a period.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::ids::MerchantId;
use domain::time::Timestamp;
use engine::{ORDERS_MAX, Trial, TrialError, backtest};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::forecast::share;
use super::{no_rulebook, shelf};
use crate::backtest::{BacktestView, ExpectedView};
use crate::directory::Caller;
use crate::http::App;
use crate::http::audit::replay::failed as unreadable;
use crate::http::auth::DRAFT;
use crate::http::body::{JsonBody, Parameters, PathParameters};
use crate::http::fields::{Fields, parsed};
use crate::http::jobs::{JobStarted, Wait, begin};
use crate::http::problem::Problem;
use crate::jobs::JobKind;
use crate::jobs::State::Done;
use crate::rulebooks::Card;

const BACKTEST: JobKind = JobKind { name: "backtest", roles: DRAFT };

/// Which orders to try it on.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"from": "2026-11-04T00:00:00+08:00", "to": "2026-11-11T00:00:00+08:00"}))]
pub struct BacktestBody {
    /// Orders placed at this time or after it, by the channel's clock,
    from: String,
    /// and before this one.
    to: String,
}

/// Back-test a rulebook
///
/// Tries a draft, or a version, on the orders of a period as they are in the log: each order's last recorded decision beside the one
/// that this rulebook comes to at the same place, over the same windows. Nothing is changed. The job's progress counts positions of
/// the log. Live traffic goes before it.
#[utoipa::path(
    post,
    path = "/v1/rulebooks/{id}/backtest",
    operation_id = "backtest",
    tag = "Rules",
    extensions(("x-roles" = json!(["analyst", "admin"]))),
    params(("id" = String, Path, description = "A draft's id or a version's number", example = "d-4f1c9a2be0d35786"), Wait),
    request_body(content = BacktestBody),
    responses(
        (status = 202, description = "Started: ask after it at `/v1/jobs/{job}`", body = JobStarted,
         headers(("Location" = String, description = "Where to ask after it"))),
        (status = 200, description = "With `wait`: what the back-test found", body = BacktestView),
        (status = 409, description = "With `wait`: `job_cancelled`, somebody ended the job", body = Problem),
        (status = 422, description = "With `wait` also `too_many_orders`: the period has more than 4,000,000", body = Problem),
        (status = 429, description = "`too_many_jobs`: 2 jobs of the merchant are running, or 4 altogether; \
         of the 4 the last is for a merchant that has none", body = Problem),
        (status = 500, description = "With `wait`: `log_damaged`, the log has a gap or an event that cannot be read", body = Problem),
    )
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    PathParameters(id): PathParameters<String>,
    Parameters(wait): Parameters<Wait>,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    caller.require(DRAFT)?;
    let (from, to) = period(body)?;
    let place = match shelf(&app, &caller.merchant).await?.find(&id).ok_or_else(|| no_rulebook(&id))? {
        Card::Version(card) => card.place,
        Card::Draft(card) => card.place,
    };
    let rulebook = app.rulebooks.text(place).await?;
    let hash = rulebook.hash();
    let trial = Trial { merchant: caller.merchant.clone(), rulebook, from, to };
    let (log, extracts) = (app.log.clone(), app.extracts.clone());
    let partition = app.engine.partition_of(&caller.merchant);
    begin(&app, &caller, BACKTEST, wait, async move |progress| {
        let began = Instant::now();
        let found = backtest(log, partition, trial, extracts.as_deref(), |done, total| progress.tell(done, total));
        let found = found.await.map_err(failed)?;
        let elapsed = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(BacktestView::of(hash, found, elapsed))
    })
    .await
}

fn period(body: Value) -> Result<(Timestamp, Timestamp), Problem> {
    let mut fields = Fields::of(body)?;
    let from: Option<Timestamp> = fields.required("from", parsed);
    let to: Option<Timestamp> = fields.required("to", parsed);
    let period = from.zip(to);
    if let Some((from, to)) = period
        && from >= to
    {
        fields.fault("/to", format!("expected a time after `from`, {from}"));
    }
    fields.finish(period)
}

/// What a back-test told that a publication can be bound to.
pub(super) struct Found {
    /// The shares of the orders that are challenged and frozen, in parts per million.
    pub(super) shares: (u32, u32),
    /// The hash of the text that was tried.
    pub(super) hash: Box<str>,
}

/// What the back-test of a job told.
///
/// # Errors
/// What there is in place of a back-test with a result.
pub(super) fn found(app: &App, merchant: &MerchantId, job: &str) -> Result<Found, String> {
    let Some(job) = app.jobs.find(merchant, job) else {
        return Err(
            "expected a back-test that ended within the hour, in the process that writes the merchant's log".to_owned()
        );
    };
    if job.kind.name != BACKTEST.name {
        return Err(format!("expected a back-test, found a {}", job.kind.name));
    }
    let state = job.watch().borrow().state.clone();
    let Done(result, _) = state else {
        return Err(format!("expected a back-test with a result, found one that is {}", state.name()));
    };
    let tried: Tried = serde_json::from_str(result.get()).map_err(|error| error.to_string())?;
    if tried.orders == 0 {
        return Err("expected a back-test of some orders, found one of none".to_owned());
    }
    let ExpectedView { challenge_rate, freeze_rate } = tried.expected;
    let shares = share(&challenge_rate.into()).zip(share(&freeze_rate.into()));
    shares.map(|shares| Found { shares, hash: tried.hash }).ok_or_else(|| "expected shares".to_owned())
}

/// A result as far as a publication asks for it.
#[derive(Deserialize)]
struct Tried {
    hash: Box<str>,
    orders: u64,
    expected: ExpectedView,
}

const _: () = assert!(ORDERS_MAX == 4_000_000, "as the document says");

fn failed(error: TrialError) -> Problem {
    match error {
        TrialError::Replay(error) => unreadable(error),
        TrialError::TooManyOrders => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "too_many_orders",
            "The period has too many orders",
            format!("{error}; ask for a shorter one"),
        ),
    }
}
