//! `POST /v1/signals`: values as a stream, answered as a stream. What holds for streams of notices holds here.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use domain::signal::SignalName;
use engine::{Effect, Pending, SignalChange, SignalReceipt, WhenFull};
use futures_util::FutureExt;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Wanted, is_withdrawn, origin, told};
use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::SIGNAL;
use crate::http::body::require_content_type;
use crate::http::fields::{Fields, parsed};
use crate::http::notices::Refused;
use crate::http::notices::lines::{Line, NDJSON, answer_lines};
use crate::http::position::LogPosition;
use crate::http::problem::Problem;

/// The answer to one line.
#[derive(Serialize, ToSchema)]
#[schema(as = SignalAnswer)]
#[serde(untagged)]
pub enum Answer {
    /// It was taken.
    Taken(Taken),
    /// It was not.
    Refused(Refused),
}

/// The answer to a line that was taken.
#[derive(Serialize, ToSchema)]
#[schema(as = SignalTaken, example = json!({"line": 1, "ok": true, "name": "blocked", "changed": true, "position": "0-17"}))]
pub struct Taken {
    /// The line's number, from 1; blank lines count.
    line: u64,
    /// True.
    ok: bool,
    /// Which signal.
    name: String,
    /// Whether the value was different before.
    changed: bool,
    /// How far the log went, for `?after=`, as others answer it in the header Orderlight-Position.
    position: String,
}

/// Push many values
///
/// One value a line. Each line is answered by one line, in order, as soon as it is durable. A bad line does not stop the others.
/// `null` as the value takes it away. The subject of an address is an object as in an order's `delivery`. A line has at most
/// 1 MiB, a request at most 1,000,000 lines. Read the answers while sending.
#[utoipa::path(
    post,
    path = "/v1/signals",
    operation_id = "push_signals",
    tag = "Signals",
    extensions(("x-roles" = json!(["ingest", "analyst", "admin"]))),
    request_body(content = crate::http::schema::SignalLine, content_type = "application/x-ndjson"),
    responses((status = 200, description = "One line per line", body = Answer, content_type = "application/x-ndjson"))
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.require(SIGNAL)?;
    require_content_type(&headers, &[NDJSON])?;
    let caller = Arc::new(caller);
    Ok(answer_lines(body, std::future::ready, move |line| {
        submit(app.clone(), Arc::clone(&caller), line).map(Submitted::answer)
    }))
}

/// A line in the mailbox, or one that will not get there.
struct Submitted {
    line: u64,
    pending: Result<(SignalName, Pending<SignalReceipt>), Problem>,
}

/// Reads a line and puts it into the mailbox, waiting for room.
async fn submit(app: App, caller: Arc<Caller>, line: Line) -> Submitted {
    let number = line.number;
    let pending = async {
        let (name, change) = read(&line.bytes()?)?;
        let pending = app.engine.signal(&caller.merchant, origin(&caller), name, change, WhenFull::Wait).await?;
        Ok((name, pending))
    };
    Submitted { line: number, pending: pending.await }
}

fn read(line: &[u8]) -> Result<(SignalName, SignalChange), Problem> {
    let body = domain::json::read(line).map_err(|error| Problem::malformed(format!("not JSON: {error}")))?;
    let is_withdrawn = is_withdrawn(&body);
    let mut fields = Fields::of(body)?;
    let name = fields.required("name", parsed::<SignalName>);
    let subject = fields.required("subject", told);
    let wanted = Wanted::read(&mut fields, is_withdrawn);
    let read = name.zip(subject).zip(wanted);
    fields.finish(read.map(|((name, subject), wanted)| (name, wanted.change(subject))))
}

impl Submitted {
    /// The answer, when it is durable.
    async fn answer(self) -> Answer {
        let Self { line, pending } = self;
        let answered = async {
            let (name, pending) = pending?;
            Ok::<_, Problem>((name, pending.receipt().await?))
        };
        match answered.await {
            Ok((name, receipt)) => {
                let changed = receipt.effect != Effect::None;
                let position = LogPosition::from(receipt.position).to_string();
                Answer::Taken(Taken { line, ok: true, name: name.to_string(), changed, position })
            }
            Err(problem) => Answer::Refused(Refused::new(line, problem)),
        }
    }
}
