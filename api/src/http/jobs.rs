//! `/v1/jobs/{job}`: long tasks, asked after, watched and ended.
//!
//! A job runs in the process that started it, and its id names that process, so every process can be asked for every job: see
//! [`super::forward`].

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use domain::merchant::Role;
use futures_util::{Stream, stream};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::watch;
use tokio::time::timeout;
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::body::{Parameters, PathParameters};
use super::position::{After, log_reached};
use super::problem::Problem;
use crate::directory::Caller;
use crate::jobs::{Job, JobKind, Progress, Standing, State as JobState};

/// How long `?wait=true` waits; the job goes on after that.
pub const WAIT_MAX: Duration = Duration::from_secs(600);
/// The pause between two events about how far a job is.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);
/// How many may watch one job.
const WATCHERS_MAX: usize = 32;

/// Whether to wait for a job's result.
#[derive(Clone, Copy, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wait {
    /// Waits for the result, at most 10 minutes, and answers 200 with it. Who hangs up meanwhile ends the job.
    #[serde(default)]
    pub wait: bool,
}

/// A job that was started.
#[derive(Serialize, ToSchema)]
pub struct JobStarted {
    /// What to ask after at `/v1/jobs/{job}`.
    #[schema(example = "j-0-4f1c9a2be0d35786")]
    job: String,
}

/// How far a job is.
#[derive(Serialize, ToSchema)]
pub struct ProgressView {
    /// How much is done: events of the log, or whatever this kind of job counts.
    #[schema(example = 120_000)]
    done: u64,
    /// Of how much; 0 while that is not known.
    #[schema(example = 480_000)]
    total: u64,
}

/// A job.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "job": "j-0-4f1c9a2be0d35786", "kind": "replay", "state": "done", "progress": {"done": 480_000, "total": 480_000},
    "started_by": "b07e11d2c4a9f835", "started_at": "2026-11-12T02:00:00.000Z",
    "decisions": 160_000, "identical": 160_000, "different": []
}))]
pub struct JobView {
    /// Its id.
    job: String,
    /// What it does: `backtest` or `replay`.
    kind: &'static str,
    /// `running`, `done`, `failed` or `cancelled`.
    state: &'static str,
    /// How far it is.
    progress: ProgressView,
    /// The key that it was started with.
    started_by: String,
    /// When.
    started_at: String,
    /// Of one that `failed`: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
    /// Of one that is `done`: what it was started for, as `?wait=true` answers it: the fields of `BacktestView` or `ReplayView`.
    #[serde(flatten)]
    #[schema(value_type = BTreeMap<String, Object>)]
    result: BTreeMap<String, Box<RawValue>>,
}

impl JobView {
    fn of(job: &Job, standing: Standing) -> Result<Self, Problem> {
        let state = standing.state.name();
        let (result, problem) = match standing.state {
            JobState::Running | JobState::Cancelled(_) => (BTreeMap::new(), None),
            JobState::Done(result, _) => {
                (serde_json::from_str(result.get()).map_err(|error| Problem::internal(&error))?, None)
            }
            JobState::Failed(problem, _) => (BTreeMap::new(), Some(*problem)),
        };
        Ok(Self {
            job: job.id.clone(),
            kind: job.kind.name,
            state,
            progress: ProgressView { done: standing.done, total: standing.total },
            started_by: job.started_by.clone(),
            started_at: job.started_at.to_string(),
            problem,
            result,
        })
    }
}

/// Starts a job for a caller who may, and answers 202 with its id; or waits for it and answers 200 with its result.
///
/// # Errors
/// 429 `too_many_jobs`; and with `wait` whatever the job failed with, or 409 `job_cancelled`.
pub async fn begin<R, Work>(
    app: &App,
    caller: &Caller,
    kind: JobKind,
    Wait { wait }: Wait,
    work: impl FnOnce(Progress) -> Work + Send + 'static,
) -> Result<Response, Problem>
where
    R: Serialize,
    Work: Future<Output = Result<R, Problem>> + Send,
{
    caller.require(kind.roles)?;
    let job = app.jobs.start(&caller.merchant, &caller.key, kind, work)?;
    if !wait {
        return Ok(started(&job));
    }
    let mut wanted = Wanted(Some(&job));
    let mut standing = job.watch();
    let over = timeout(WAIT_MAX, standing.wait_for(|standing| standing.state.is_over())).await;
    wanted.0 = None;
    match over.map(|over| over.map(|standing| standing.state.clone())) {
        Ok(Ok(JobState::Done(result, _))) => Ok(Json(result).into_response()),
        Ok(Ok(JobState::Failed(problem, _))) => Err(*problem),
        Ok(Ok(JobState::Cancelled(_)) | Err(_)) => Err(cancelled()),
        Ok(Ok(JobState::Running)) | Err(_) => Ok(started(&job)),
    }
}

/// A job that somebody waits for. Who hangs up never learns its id.
struct Wanted<'job>(Option<&'job Job>);

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        if let Some(job) = self.0 {
            job.cancel();
        }
    }
}

fn started(job: &Job) -> Response {
    let place = HeaderValue::try_from(format!("/v1/jobs/{}", job.id)).expect("an id is a header value");
    (StatusCode::ACCEPTED, [(header::LOCATION, place)], Json(JobStarted { job: job.id.clone() })).into_response()
}

fn cancelled() -> Problem {
    let detail = "the job was ended before it had a result; start it again";
    Problem::new(StatusCode::CONFLICT, "job_cancelled", "The job was cancelled", detail)
}

/// Ask after a job
///
/// Open to whoever may start such a job, and to auditors. A job that ended is kept for an hour, the last 16 of a merchant; none outlives the
/// process that it runs in.
#[utoipa::path(
    get,
    path = "/v1/jobs/{job}",
    operation_id = "get_job",
    tag = "Jobs",
    extensions(("x-roles" = json!(["analyst", "auditor", "admin"]))),
    params(("job" = String, Path, description = "The job's id", example = "j-0-4f1c9a2be0d35786"), After),
    responses((status = 200, description = "The job, with the fields of its result beside the others once it is `done`", body = JobView))
)]
pub async fn get(
    State(app): State<App>,
    caller: Caller,
    PathParameters(id): PathParameters<String>,
    Parameters(After { after }): Parameters<After>,
) -> Result<Json<JobView>, Problem> {
    let job = readable(&app, &caller, &id)?;
    log_reached(&app, after.as_deref()).await?;
    let standing = job.watch().borrow().clone();
    JobView::of(&job, standing).map(Json)
}

/// End a job
///
/// A job that has ended stays as it is.
#[utoipa::path(
    delete,
    path = "/v1/jobs/{job}",
    operation_id = "cancel_job",
    tag = "Jobs",
    extensions(("x-roles" = json!(["analyst", "auditor", "admin"]))),
    params(("job" = String, Path, description = "The job's id", example = "j-0-4f1c9a2be0d35786")),
    responses((status = 200, description = "The job as it ended", body = JobView))
)]
pub async fn cancel(
    State(app): State<App>,
    caller: Caller,
    PathParameters(id): PathParameters<String>,
) -> Result<Json<JobView>, Problem> {
    let job = job(&app, &caller, &id)?;
    caller.require(job.kind.roles)?;
    job.cancel();
    let standing = job.watch().borrow().clone();
    JobView::of(&job, standing).map(Json)
}

/// Watch a job
///
/// Server-sent events: `progress` with `{"done", "total"}` now and whenever more is done, and at the end one of `result` with the
/// result, `problem` with the problem, or `cancelled`. Then the stream ends.
#[utoipa::path(
    get,
    path = "/v1/jobs/{job}/stream",
    operation_id = "watch_job",
    tag = "Jobs",
    extensions(("x-roles" = json!(["analyst", "auditor", "admin"]))),
    params(("job" = String, Path, description = "The job's id", example = "j-0-4f1c9a2be0d35786"), After),
    responses(
        (status = 200, description = "Events until the job's end", body = String, content_type = "text/event-stream",
         example = "event: progress\ndata: {\"done\":120000,\"total\":480000}\n\nevent: result\n\
                    data: {\"decisions\":160000,\"identical\":160000,\"different\":[]}\n\n"),
        (status = 429, description = "`too_many_watchers`: 32 watch this job", body = Problem),
    )
)]
pub async fn watch(
    State(app): State<App>,
    caller: Caller,
    PathParameters(id): PathParameters<String>,
    Parameters(After { after }): Parameters<After>,
) -> Result<Response, Problem> {
    let job = readable(&app, &caller, &id)?;
    log_reached(&app, after.as_deref()).await?;
    if job.watchers() >= WATCHERS_MAX {
        let detail = format!("{WATCHERS_MAX} watch this job");
        let title = "Too many watch this job";
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_watchers", title, detail).retry_after(5));
    }
    Ok(Sse::new(events(job)).keep_alive(KeepAlive::default()).into_response())
}

fn events(job: Arc<Job>) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    let standing = job.watch();
    stream::unfold(Some(Watching { job, standing, told: None }), async |watching| {
        let mut watching = watching?;
        let standing = watching.next().await;
        let event = event(&standing);
        Some((Ok(event), (!standing.state.is_over()).then_some(watching)))
    })
}

/// A job on its way to a watcher.
struct Watching {
    standing: watch::Receiver<Standing>,
    /// Keeps the sender of what is received there.
    job: Arc<Job>,
    told: Option<(u64, u64)>,
}

impl Watching {
    /// What is there to tell next: not more often than [`PROGRESS_EVERY`], but of the end at once.
    async fn next(&mut self) -> Standing {
        if let Some(told) = self.told {
            let over = self.standing.wait_for(|standing| standing.state.is_over());
            if timeout(PROGRESS_EVERY, over).await.is_err() {
                let news = |standing: &Standing| standing.state.is_over() || (standing.done, standing.total) != told;
                // The sender is in the job that is held here.
                drop(self.standing.wait_for(news).await);
            }
        }
        let standing = self.job.watch().borrow().clone();
        self.told = Some((standing.done, standing.total));
        standing
    }
}

fn event(standing: &Standing) -> Event {
    let json = |name: &str, json: serde_json::Result<String>| {
        Event::default().event(name).data(json.expect("plain data has a JSON form"))
    };
    match &standing.state {
        JobState::Running => {
            let progress = ProgressView { done: standing.done, total: standing.total };
            json("progress", serde_json::to_string(&progress))
        }
        JobState::Done(result, _) => Event::default().event("result").data(result.get()),
        JobState::Failed(problem, _) => json("problem", serde_json::to_string(problem)),
        JobState::Cancelled(_) => Event::default().event("cancelled").data("{}"),
    }
}

/// The job of a path.
fn job(app: &App, caller: &Caller, id: &str) -> Result<Arc<Job>, Problem> {
    let job = app.jobs.find(&caller.merchant, id);
    job.ok_or_else(|| Problem::not_found(format!("there is no job {id:?}, or it ended too long ago")))
}

/// The job of a path, for a caller who may start such a job, or reads everything.
fn readable(app: &App, caller: &Caller, id: &str) -> Result<Arc<Job>, Problem> {
    let job = job(app, caller, id)?;
    if !caller.roles.contains(&Role::Auditor) {
        caller.require(job.kind.roles)?;
    }
    Ok(job)
}
