//! `POST /v1/notices`: notices as a stream, answered as a stream.
//!
//! * A line is decided and durable before it is answered; answers come in the order of the lines.
//! * At most [`IN_FLIGHT_MAX`] lines are between reading and answering. A sender that reads no answers is slowed down to a halt
//!   once [`ANSWER_BYTES_MAX`] of them wait for it.
//! * A bad line is answered with its problem and does not stop the others.

mod lines;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::notice::{Content, read_notice};
use engine::{Outcome, Pending, Receipt, WhenFull};
use futures_util::{Stream, StreamExt, stream};
use serde::Serialize;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use utoipa::ToSchema;

use self::lines::{LINE_BYTES_MAX, Line, LineFault, Lines};
use super::App;
use super::auth::INGEST;
use super::body::{require_content_type, too_large};
use super::problem::Problem;
use super::view::{Risk, UnifiedStatus};
use crate::directory::Caller;
use crate::service::notice_origin;

/// The media type of both streams.
const NDJSON: &str = "application/x-ndjson";
/// Lines between reading and answering.
const IN_FLIGHT_MAX: usize = 512;
/// Lines of one request.
const LINES_MAX: u64 = 1_000_000;
/// How long a sender may say nothing.
const QUIET_MAX: Duration = Duration::from_secs(300);
/// Answers that leave in one piece, when they are there.
const ANSWERS_AT_ONCE: usize = 128;
/// Answers that wait for their receiver, in bytes. Many senders write all before they read anything; this much of an answer
/// does not stop them.
const ANSWER_BYTES_MAX: u32 = 16 << 20;

/// The answer to one line.
#[derive(Serialize, ToSchema)]
#[schema(as = NoticeAnswer)]
#[serde(untagged)]
pub enum Answer {
    /// It was taken.
    Taken(Taken),
    /// It was not.
    Refused(Refused),
}

/// The answer to a line that was taken.
#[derive(Serialize, ToSchema)]
#[schema(as = NoticeTaken, example = json!({
    "line": 1, "ok": true, "order_id": "web:A1001", "duplicate": false,
    "risk": {"state": "released", "score": 0, "tier": "pass", "rulebook_version": 1, "exemption": null, "hits": [], "challenge": null}
}))]
pub struct Taken {
    /// The line's number, from 1; blank lines count.
    line: u64,
    /// True.
    ok: bool,
    /// Which order.
    order_id: String,
    /// Whether the same delivery had been dealt with before.
    duplicate: bool,
    /// Where the order stands; null while it is not placed.
    risk: Option<Risk>,
    /// For a status: how far the order is by all sources.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<UnifiedStatus>,
}

/// The answer to a line that was not taken.
#[derive(Serialize, ToSchema)]
#[schema(as = NoticeRefused)]
pub struct Refused {
    /// The line's number, from 1; blank lines count.
    line: u64,
    /// False.
    ok: bool,
    /// Why.
    problem: Problem,
}

/// Take many notices in
///
/// One notice a line, of any kind: `placed` and `amended` carry an `order`, `status` an `order_id`. Each line is answered by one
/// line, in order, as soon as it is durable. A bad line does not stop the others. A line has at most 1 MiB, a request at
/// most 1,000,000 lines. Read the answers while sending: a sender that does not is slowed down in the end.
#[utoipa::path(
    post,
    path = "/v1/notices",
    operation_id = "send_notices",
    tag = "Notices in",
    extensions(("x-roles" = json!(["ingest", "admin"]))),
    request_body(content = crate::http::schema::NoticeLine, content_type = "application/x-ndjson"),
    responses((status = 200, description = "One line per line", body = Answer, content_type = "application/x-ndjson"))
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.require(INGEST)?;
    require_content_type(&headers, &[NDJSON])?;
    let lines = Lines::new(Box::pin(until_quiet(body)));
    let answers = Body::from_stream(held(answers(app, caller, lines)));
    Ok(([(header::CONTENT_TYPE, NDJSON)], answers).into_response())
}

/// The body, until nothing of it came for [`QUIET_MAX`].
fn until_quiet(body: Body) -> impl Stream<Item = Result<Bytes, ()>> + Send {
    stream::unfold(body.into_data_stream(), async |mut frames| {
        let frame = match timeout(QUIET_MAX, frames.next()).await {
            Ok(frame) => frame?.map_err(drop),
            Err(_) => Err(()),
        };
        Some((frame, frames))
    })
}

/// The answers to all lines, in order, in pieces of several lines.
fn answers<S, E>(app: App, caller: Caller, lines: Lines<S>) -> impl Stream<Item = Bytes> + Send
where
    S: Stream<Item = Result<Bytes, E>> + Unpin + Send,
    E: Send,
{
    let caller = Arc::new(caller);
    let lines = stream::unfold(Some(lines), async |lines| {
        let mut lines = lines?;
        let line = lines.next().await?;
        let more = line.number <= LINES_MAX;
        Some((line, more.then_some(lines)))
    });
    lines
        .then(move |line| submit(app.clone(), Arc::clone(&caller), line))
        .map(Submitted::answer)
        .buffered(IN_FLIGHT_MAX)
        .ready_chunks(ANSWERS_AT_ONCE)
        .map(|answers| encode(&answers))
}

/// A line in the mailbox, or one that will not get there.
struct Submitted {
    line: u64,
    is_status: bool,
    pending: Result<Pending, Problem>,
}

/// Reads a line and puts it into the mailbox, waiting for room.
async fn submit(app: App, caller: Arc<Caller>, Line { number, content }: Line) -> Submitted {
    let refused = |problem| Submitted { line: number, is_status: false, pending: Err(problem) };
    if number > LINES_MAX {
        return refused(too_many_lines());
    }
    let notice = match content.map_err(Problem::from).and_then(|line| read(&line)) {
        Ok(notice) => notice,
        Err(problem) => return refused(problem),
    };
    let is_status = matches!(notice.content, Content::Status { .. });
    let origin = notice_origin(&caller.key, &notice);
    let pending = app.engine.submit(&caller.merchant, origin, notice, WhenFull::Wait).await;
    Submitted { line: number, is_status, pending: pending.map_err(Problem::from) }
}

fn read(line: &[u8]) -> Result<domain::notice::Notice, Problem> {
    let value = domain::json::read(line).map_err(|error| Problem::malformed(format!("not JSON: {error}")))?;
    read_notice(value).map_err(Problem::invalid)
}

impl From<LineFault> for Problem {
    fn from(fault: LineFault) -> Self {
        match fault {
            LineFault::TooLong => too_large("line", LINE_BYTES_MAX),
            LineFault::Broken => Self::malformed("the body ended early, or nothing of it came for 5 minutes"),
        }
    }
}

fn too_many_lines() -> Problem {
    let status = StatusCode::PAYLOAD_TOO_LARGE;
    let detail = format!("a request may have at most {LINES_MAX} lines; this one and those after it were not read");
    Problem::new(status, "too_large", "The request is too large", detail)
}

impl Submitted {
    /// The answer, when it is durable.
    async fn answer(self) -> Answer {
        let Self { line, is_status, pending } = self;
        let receipt = match pending {
            Ok(pending) => pending.receipt().await.map_err(Problem::from),
            Err(problem) => Err(problem),
        };
        match receipt {
            Ok(receipt) => Answer::Taken(Taken::new(line, is_status, receipt)),
            Err(problem) => Answer::Refused(Refused { line, ok: false, problem }),
        }
    }
}

impl Taken {
    fn new(line: u64, is_status: bool, receipt: Receipt) -> Self {
        Self {
            line,
            ok: true,
            order_id: receipt.order.to_string(),
            duplicate: receipt.outcome == Outcome::Duplicate,
            risk: receipt.risk.map(Risk::from),
            status: receipt.status.filter(|_| is_status).map(UnifiedStatus::from),
        }
    }
}

fn encode(answers: &[Answer]) -> Bytes {
    let mut lines = Vec::with_capacity(answers.len() * 512);
    for answer in answers {
        serde_json::to_writer(&mut lines, answer).expect("an answer has a JSON form, and memory takes it");
        lines.push(b'\n');
    }
    lines.into()
}

/// Lets the work go on while the receiver is slow, until [`ANSWER_BYTES_MAX`] wait for it. When the receiver hangs up, no
/// further line is read; those in the mailbox are decided all the same.
fn held(answers: impl Stream<Item = Bytes> + Send + 'static) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let room = Arc::new(Semaphore::new(ANSWER_BYTES_MAX as usize));
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn({
        let room = Arc::clone(&room);
        async move {
            let mut answers = std::pin::pin!(answers);
            loop {
                let piece: Option<Bytes> = tokio::select! {
                    piece = answers.next() => piece,
                    () = sender.closed() => None,
                };
                let Some(piece) = piece else { return };
                let length = u32::try_from(piece.len()).unwrap_or(u32::MAX).min(ANSWER_BYTES_MAX);
                let Ok(taken) = Arc::clone(&room).acquire_many_owned(length).await else { return };
                if sender.send((piece, taken)).is_err() {
                    return;
                }
            }
        }
    });
    stream::unfold(receiver, async |mut receiver| {
        let (piece, _taken) = receiver.recv().await?;
        Some((Ok(piece), receiver))
    })
}
