//! Requests that another process must carry out: those that change what is in a partition which that process writes, and
//! those that ask what its writer remembers.
//!
//! Every process can be asked for everything. A change of a merchant whose partition is not written here goes, as it came, to the
//! process that does, at the address that it registered; its answer comes back as it is. A request is passed on once and not
//! again: while a partition moves, its sender is told to come back.
//!
//! A job is started by such a change and runs where that was carried out. It stays there when the partition moves, so whatever is
//! asked about it goes to the process that its id names.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, MatchedPath, RawPathParams, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::ids::MerchantId;
use engine::{Refusal, Standing};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

use super::App;
use super::body::whole;
use super::jobs::WAIT_MAX;
use super::problem::Problem;
use crate::directory::Caller;

/// Marks a request that was passed on.
const FORWARDED: HeaderName = HeaderName::from_static("orderlight-forwarded");
/// How long what is known of a partition's owner is taken for true.
const OWNER_KNOWN_FOR: Duration = Duration::from_millis(200);
/// How long the owner may take to be reached, and to begin its answer; where a job is waited for, that long besides.
const CONNECT_MAX: Duration = Duration::from_secs(1);
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Routes that only the writer can answer, although they change nothing.
const ASKED_OF_THE_WRITER: [&str; 1] = ["/v1/rulebooks/{id}/shadow"];

type Owners = Mutex<Vec<Option<(Instant, Option<Arc<str>>)>>>;

/// Passes requests on.
#[derive(Clone)]
pub struct Forwarder {
    app: App,
    client: Client<HttpConnector, Body>,
    owners: Arc<Owners>,
}

impl Forwarder {
    /// For the partitions of a service.
    pub fn new(app: App) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_MAX));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let partitions = usize::try_from(app.log.partitions()).unwrap_or_default();
        Self { app, client, owners: Arc::new(Mutex::new(vec![None; partitions])) }
    }

    /// Carries a request out here, or has it carried out where its merchant's log is written.
    pub async fn pass_on(State(forwarder): State<Self>, request: Request, next: Next) -> Response {
        let (job, request) = job_of(request).await;
        if let Some(job) = job {
            return match forwarder.process_of(&job).await {
                Ok(None) => next.run(request).await,
                Ok(Some(_)) if request.headers().contains_key(FORWARDED) => next.run(request).await,
                Ok(Some(process)) => {
                    forwarder.send(&process, request, || {}).await.unwrap_or_else(IntoResponse::into_response)
                }
                Err(problem) => problem.into_response(),
            };
        }
        let (merchant, request) = match merchant_of(request).await {
            Ok(found) => found,
            Err(problem) => return problem.into_response(),
        };
        let Some(merchant) = merchant else { return next.run(request).await };
        let partition = forwarder.app.engine.partition_of(&merchant);
        if *forwarder.app.engine.standing(partition).borrow() != Standing::Elsewhere {
            return next.run(request).await;
        }
        if request.headers().contains_key(FORWARDED) {
            return Problem::from(Refusal::Elsewhere).into_response();
        }
        let sent = async {
            let owner = forwarder.owner(partition).await?.ok_or(Refusal::Elsewhere)?;
            forwarder.send(&owner, request, || forwarder.forget(partition)).await
        };
        sent.await.unwrap_or_else(IntoResponse::into_response)
    }

    /// Has a request carried out by another process.
    async fn send(&self, process: &str, request: Request, on_failure: impl FnOnce()) -> Result<Response, Problem> {
        let answer_max = if waits_for_job(request.uri()) { ANSWER_MAX + WAIT_MAX } else { ANSWER_MAX };
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        parts.uri = format!("{process}{path}").parse::<Uri>().map_err(|error| Problem::internal(&error))?;
        for of_the_connection in [header::HOST, header::CONNECTION, header::TRANSFER_ENCODING, header::EXPECT] {
            parts.headers.remove(of_the_connection);
        }
        parts.headers.insert(FORWARDED, HeaderValue::from_static("1"));
        parts.extensions = axum::http::Extensions::new();
        let answer = timeout(answer_max, self.client.request(Request::from_parts(parts, body))).await;
        match answer {
            Ok(Ok(mut response)) => {
                response.headers_mut().remove(header::CONNECTION);
                Ok(response.map(Body::new))
            }
            Ok(Err(error)) => {
                tracing::warn!(process, error = &error as &dyn std::error::Error, "another process cannot be reached");
                on_failure();
                Err(Refusal::Unavailable.into())
            }
            Err(_) => {
                tracing::warn!(process, "another process does not answer");
                on_failure();
                Err(Refusal::Unavailable.into())
            }
        }
    }

    /// Where the process is reached that a job runs in; `None` when that is this one, or none that lives.
    async fn process_of(&self, job: &str) -> Result<Option<Box<str>>, Problem> {
        let Some(process) = self.app.jobs.elsewhere(job) else { return Ok(None) };
        let members = self.app.log.members().await?;
        Ok(members.into_iter().find(|member| member.id == process).and_then(|member| member.address))
    }

    /// Where a partition's owner is reached; `None` while it has none.
    async fn owner(&self, partition: u32) -> Result<Option<Arc<str>>, Problem> {
        let index = usize::try_from(partition).unwrap_or(usize::MAX);
        let known = self.owners.lock().unwrap_or_else(PoisonError::into_inner).get(index).cloned().flatten();
        if let Some((looked_at, owner)) = known
            && looked_at.elapsed() < OWNER_KNOWN_FOR
        {
            return Ok(owner);
        }
        let owner = self.app.log.owner(partition).await?.and_then(|owner| owner.address).map(Arc::from);
        self.know(index, Some((Instant::now(), owner.clone())));
        Ok(owner)
    }

    fn forget(&self, partition: u32) {
        self.know(usize::try_from(partition).unwrap_or(usize::MAX), None);
    }

    fn know(&self, index: usize, owner: Option<(Instant, Option<Arc<str>>)>) {
        if let Some(place) = self.owners.lock().unwrap_or_else(PoisonError::into_inner).get_mut(index) {
            *place = owner;
        }
    }
}

/// The job that a request is about.
async fn job_of(request: Request) -> (Option<String>, Request) {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    if !matches!(route, Some("/v1/jobs/{job}" | "/v1/jobs/{job}/stream")) {
        return (None, request);
    }
    let (mut parts, body) = request.into_parts();
    let path = RawPathParams::from_request_parts(&mut parts, &()).await.ok();
    let job = path.and_then(|path| path.iter().next().map(|(_, job)| job.to_owned()));
    (job, Request::from_parts(parts, body))
}

/// Whether a request asks to wait for the job that it starts.
fn waits_for_job(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| query.split('&').any(|parameter| parameter == "wait=true"))
}

/// Whose writer must carry a request out, if it takes one.
async fn merchant_of(request: Request) -> Result<(Option<MerchantId>, Request), Problem> {
    let is_change = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(request.method());
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    match route.filter(|route| is_change || ASKED_OF_THE_WRITER.contains(route)) {
        None => Ok((None, request)),
        Some("/v1/webhooks/{merchant}/{channel}") => {
            let (mut parts, body) = request.into_parts();
            let path = RawPathParams::from_request_parts(&mut parts, &()).await.ok();
            let merchant = path.as_ref().and_then(|path| path.iter().find(|(name, _)| *name == "merchant"));
            let named = merchant.and_then(|(_, name)| name.parse().ok());
            Ok((named, Request::from_parts(parts, body)))
        }
        // The one request that names its merchant in the body.
        Some("/v1/merchants") => {
            let (parts, body) = request.into_parts();
            let bytes = whole(body).await?;
            let named = registered(&bytes);
            Ok((named, Request::from_parts(parts, Body::from(bytes))))
        }
        Some(_) => Ok((request.extensions().get::<Caller>().map(|caller| caller.merchant.clone()), request)),
    }
}

fn registered(body: &Bytes) -> Option<MerchantId> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    body.get("id")?.as_str()?.parse().ok()
}
