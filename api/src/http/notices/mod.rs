//! `POST /v1/notices`: notices as a stream, answered as a stream. See [`lines`].

pub(in crate::http) mod lines;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use domain::notice::{Content, Notice, read_notice};
use domain::signal::OrderScore;
use engine::{Pending, Receipt, WhenFull};
use futures_util::FutureExt;
use serde::Serialize;
use utoipa::ToSchema;

use self::lines::{Line, NDJSON, answer_lines};
use super::App;
use super::auth::INGEST;
use super::body::require_content_type;
use super::position::LogPosition;
use super::problem::Problem;
use super::view::{Risk, UnifiedStatus};
use crate::directory::Caller;
use crate::service::notice_origin;

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
    "line": 1, "ok": true, "order_id": "web:A1001", "duplicate": false, "position": "0-17",
    "risk": {"state": "released", "score": 0, "tier": "pass", "rulebook_version": 1, "exemption": null, "hits": [], "challenge": null}
}))]
pub struct Taken {
    /// The line's number, from 1; blank lines count.
    line: u64,
    /// True.
    ok: bool,
    /// Which order.
    order_id: String,
    /// Whether the same delivery had been dealt with before, or said nothing new, so that nothing was recorded.
    duplicate: bool,
    /// How far the log went, for `?after=`, as others answer it in the header Orderlight-Position.
    position: String,
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

impl Refused {
    /// For a line that was not taken.
    pub(in crate::http) const fn new(line: u64, problem: Problem) -> Self {
        Self { line, ok: false, problem }
    }
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
    let caller = Arc::new(caller);
    let prepare = {
        let (app, caller) = (app.clone(), Arc::clone(&caller));
        move |line| prepare(app.clone(), Arc::clone(&caller), line)
    };
    Ok(answer_lines(body, prepare, move |prepared| {
        submit(app.clone(), Arc::clone(&caller), prepared).map(Submitted::answer)
    }))
}

/// A line that was read, with what the merchants' own model says of its order.
struct Prepared {
    line: u64,
    notice: Result<(Notice, Option<OrderScore>), Problem>,
}

async fn prepare(app: App, caller: Arc<Caller>, line: Line) -> Prepared {
    let number = line.number;
    let notice = match line.bytes().and_then(|line| read(&line)) {
        Ok(notice) => {
            let score = app.score(&caller.merchant, &notice).await;
            Ok((notice, score))
        }
        Err(problem) => Err(problem),
    };
    Prepared { line: number, notice }
}

/// A line in the mailbox, or one that will not get there.
struct Submitted {
    line: u64,
    is_status: bool,
    pending: Result<Pending, Problem>,
}

/// Puts a line into the mailbox, waiting for room.
async fn submit(app: App, caller: Arc<Caller>, Prepared { line, notice }: Prepared) -> Submitted {
    let (notice, score) = match notice {
        Ok(read) => read,
        Err(problem) => return Submitted { line, is_status: false, pending: Err(problem) },
    };
    let is_status = matches!(notice.content, Content::Status { .. });
    let origin = notice_origin(&caller.key, &notice);
    let pending = app.engine.submit_scored(&caller.merchant, origin, notice, score, WhenFull::Wait).await;
    Submitted { line, is_status, pending: pending.map_err(Problem::from) }
}

fn read(line: &[u8]) -> Result<Notice, Problem> {
    let value = domain::json::read(line).map_err(|error| Problem::malformed(format!("not JSON: {error}")))?;
    read_notice(value).map_err(Problem::invalid)
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
            Err(problem) => Answer::Refused(Refused::new(line, problem)),
        }
    }
}

impl Taken {
    fn new(line: u64, is_status: bool, receipt: Receipt) -> Self {
        Self {
            line,
            ok: true,
            order_id: receipt.order.to_string(),
            duplicate: receipt.outcome.is_duplicate(),
            position: LogPosition::from(receipt.position).to_string(),
            risk: receipt.risk.map(Risk::from),
            status: receipt.status.filter(|_| is_status).map(UnifiedStatus::from),
        }
    }
}
