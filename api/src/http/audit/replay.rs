//! `POST /v1/audit/replay`: every decision computed again from the log alone.
//!
//! A partition holds several merchants. All of them are folded, because what one remembers may depend on the traffic of another,
//! but only the caller's decisions are compared, counted and told.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use engine::{DIFFERENCES_MAX, Difference, ReplayError, Replayed, Scope, replay};
use eventlog::Position;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::AUDIT;
use crate::http::body::{OptionalBody, Parameters};
use crate::http::fields::{Fields, Read};
use crate::http::jobs::{JobStarted, Wait, begin};
use crate::http::problem::Problem;
use crate::jobs::JobKind;

const REPLAY: JobKind = JobKind { name: "replay", roles: AUDIT };

/// Which decisions to compute again; all of the merchant's, when nothing is said.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"from_position": 1, "to_position": 480_000}))]
pub struct ReplayBody {
    /// The merchant's partition; another is not there.
    partition: Option<u32>,
    /// The first position whose decision is compared. All that was before is folded all the same.
    from_position: Option<u64>,
    /// The last one; the end of the log when it is left out.
    to_position: Option<u64>,
}

/// What a replay found.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "decisions": 160_000, "identical": 159_999,
    "different": [{
        "order_id": "web:A1001", "position": 512,
        "recorded": "{\"Scored\":{\"score\":81,…}}", "recomputed": "{\"Scored\":{\"score\":80,…}}"
    }]
}))]
pub struct ReplayView {
    /// Decisions computed again: screenings, each with what it led to.
    decisions: u64,
    /// Those that came out as they are recorded, byte for byte.
    identical: u64,
    /// The others, at most 1,000; `decisions` less `identical` is how many there are.
    different: Vec<DifferenceView>,
}

/// A decision that the log does not give.
#[derive(Serialize, ToSchema)]
pub struct DifferenceView {
    /// Which order.
    #[schema(example = "web:A1001")]
    order_id: String,
    /// Where in the merchant's partition.
    #[schema(example = 512)]
    position: Position,
    /// The payload as stored; null where a message lacks its screening, or a screening what it leads to.
    recorded: Option<String>,
    /// The payload that the log gives; null where it gives none, or where the record that is missing would have to tell a part.
    recomputed: Option<String>,
}

const _: () = assert!(DIFFERENCES_MAX == 1_000, "as the document says");

impl From<Replayed> for ReplayView {
    fn from(found: Replayed) -> Self {
        let different = found.different.into_iter().map(|difference| {
            let Difference { order, partition: _, position, recorded, recomputed } = difference;
            DifferenceView { order_id: order, position, recorded, recomputed }
        });
        Self { decisions: found.decisions, identical: found.identical, different: different.collect() }
    }
}

/// Replay the log
///
/// Computes every decision of the merchant again from the log alone, each by the rulebook that was in force at its position, and
/// names each that differs from what is recorded. The job's progress counts positions of the log. Live traffic goes before it.
#[utoipa::path(
    post,
    path = "/v1/audit/replay",
    operation_id = "replay",
    tag = "Audit",
    extensions(("x-roles" = json!(["auditor", "admin"]))),
    params(Wait),
    request_body(content = Option<ReplayBody>, description = "Left out, or empty: all of the merchant's decisions"),
    responses(
        (status = 202, description = "Started: ask after it at `/v1/jobs/{job}`", body = JobStarted,
         headers(("Location" = String, description = "Where to ask after it"))),
        (status = 200, description = "With `wait`: what the replay found", body = ReplayView),
        (status = 404, description = "The merchant has no such partition", body = Problem),
        (status = 409, description = "With `wait`: `job_cancelled`, somebody ended the job", body = Problem),
        (status = 429, description = "`too_many_jobs`: 2 jobs of the merchant are running, or 4 altogether; \
         of the 4 the last is for a merchant that has none", body = Problem),
        (status = 500, description = "With `wait`: `log_damaged`, the log has a gap or an event that cannot be read", body = Problem),
    )
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Parameters(wait): Parameters<Wait>,
    OptionalBody(body): OptionalBody,
) -> Result<Response, Problem> {
    caller.require(AUDIT)?;
    let asked = body.map_or_else(|| Ok(Asked::default()), read)?;
    let partition = app.engine.partition_of(&caller.merchant);
    if let Some(other) = asked.partition.filter(|asked| *asked != u64::from(partition)) {
        return Err(Problem::not_found(format!("there is no partition {other}")));
    }
    let head = app.log.head(partition).await?;
    let to = asked.to.unwrap_or(head);
    if to > head {
        let detail = format!("the log ends at position {head}");
        return Err(Problem::invalid(vec![domain::fault::Fault::new("/to_position", detail)]));
    }
    let merchant = Some(caller.merchant.clone());
    let scope = Scope { partition, merchant, from: asked.from.unwrap_or_default(), to: Some(to) };
    let log = app.log.clone();
    begin(&app, &caller, REPLAY, wait, async move |progress| {
        progress.tell(0, to);
        let found = replay(log, scope, |position| progress.tell(position.min(to), to)).await;
        found.map(ReplayView::from).map_err(failed)
    })
    .await
}

#[derive(Default)]
struct Asked {
    partition: Option<u64>,
    from: Option<Position>,
    to: Option<Position>,
}

fn read(body: Value) -> Result<Asked, Problem> {
    let mut fields = Fields::of(body)?;
    let partition = fields.optional("partition", |value| {
        value.as_u64().ok_or_else(|| "expected a partition's number, such as 0".to_owned())
    });
    let from = fields.optional("from_position", position);
    let to = fields.optional("to_position", position);
    if let (Some(from), Some(to)) = (from, to)
        && from > to
    {
        fields.fault("/to_position", format!("expected a position not before `from_position`, {from}"));
    }
    fields.finish(Some(Asked { partition, from, to }))
}

#[expect(clippy::needless_pass_by_value, reason = "as fields are read")]
fn position(value: Value) -> Read<Position> {
    let position = value.as_u64().filter(|position| *position > 0);
    position.ok_or_else(|| "expected a position, which is a whole number from 1 on".to_owned())
}

/// A log that cannot be folded is itself something that an auditor looks for.
pub(in crate::http) fn failed(error: ReplayError) -> Problem {
    match error {
        ReplayError::Log(error) => error.into(),
        ReplayError::Fold(_) | ReplayError::Gap { .. } => {
            let detail = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "log_damaged", "The log is damaged", detail)
        }
    }
}
