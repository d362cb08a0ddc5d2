//! `POST /v1/rulebooks/{id}/check`: what can be proved of a rulebook before any order meets it.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use domain::fault::Fault;
use domain::merchant::Role;
use domain::rulebook::Rulebook;
use domain::rulebook::check::{Report, check};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::spawn_blocking;
use utoipa::ToSchema;

use super::get::view;
use super::{no_rulebook, shelf, undeclared};
use crate::directory::Caller;
use crate::http::App;
use crate::http::body::{PathParameters, said};
use crate::http::problem::{FaultView, Problem};

/// Those that write or approve rulebooks.
const CHECK: &[Role] = &[Role::Analyst, Role::Approver, Role::Admin];
/// The checks of all merchants that may wait for their turn.
const WAITING_MAX: usize = 4;
static QUEUE: Queue = Queue::new();

/// Checks, one at a time: each is bounded, but may take a processor for a second or two; orders keep the others.
struct Queue {
    running: Semaphore,
    /// For the one that runs and those that wait.
    room: Semaphore,
}

/// A check's turn, with its place in the queue.
struct Turn {
    _running: SemaphorePermit<'static>,
    _room: SemaphorePermit<'static>,
}

impl Queue {
    const fn new() -> Self {
        Self { running: Semaphore::const_new(1), room: Semaphore::const_new(1 + WAITING_MAX) }
    }

    /// A place in the queue, if there is one.
    fn room(&self) -> Result<SemaphorePermit<'_>, Problem> {
        self.room.try_acquire().map_err(|_| {
            let detail = format!("{WAITING_MAX} checks wait for the one that runs");
            let title = "Too many checks are waiting";
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_checks", title, detail).retry_after(5)
        })
    }

    async fn turn(&'static self) -> Result<Turn, Problem> {
        let room = self.room()?;
        Ok(Turn { _running: self.running.acquire().await.expect("nobody closes it"), _room: room })
    }
}

/// What was found.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "errors": [],
    "warnings": [{"code": "tier_unreachable", "tier": "freeze", "detail": "no order reaches freeze, which needs 121 points"}],
    "combinations": {
        "sms": [["device_burst", "virtual_phone"], ["device_burst", "address_changed"]],
        "call": [["device_burst", "address_changed", "virtual_phone"]], "freeze": []
    },
    "witnesses": {
        "sms": {"rules": ["device_burst", "virtual_phone"], "score": 90,
                "features": {"device.orders[5m]": 5, "phone.kind": "virtual"}},
        "call": {"rules": ["device_burst", "address_changed", "virtual_phone"], "score": 120,
                 "features": {"address.changed": true, "device.orders[5m]": 5, "phone.kind": "virtual"}}
    }
}))]
pub struct CheckView {
    /// Why the text that was sent is no rulebook; everything else is empty then.
    errors: Vec<FaultView>,
    /// What it says without effect, or otherwise than it seems.
    warnings: Vec<WarningView>,
    /// The smallest combinations of rules that reach each tier, by the tier's id.
    #[schema(value_type = std::collections::BTreeMap<String, Vec<Vec<String>>>)]
    combinations: Value,
    /// Facts of an order that reaches each tier, by the tier's id; what is not named need not be known.
    #[schema(value_type = std::collections::BTreeMap<String, WitnessView>)]
    witnesses: Value,
}

/// One thing to be looked at again.
#[derive(Serialize, ToSchema)]
pub struct WarningView {
    /// `tier_unreachable`, `rule_never_fires`, `rule_implied`, `condition_contradictory`, `rule_only_platform_numbers`,
    /// `points_max_unreachable`, `ranges_overlap`, `ranges_leave_gap`, `tier_skipped` or `check_incomplete`.
    #[schema(value_type = String, example = "rule_implied")]
    code: Value,
    /// The rules it is about; left out where it is about none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    rules: Vec<String>,
    /// The tier it is about; left out where it is about none.
    #[serde(skip_serializing_if = "Option::is_none")]
    tier: Option<String>,
    /// In words.
    detail: String,
}

/// An order that reaches a tier. The document's shape; the value is the core's own.
#[derive(Serialize, ToSchema)]
pub struct WitnessView {
    /// The rules that fire.
    rules: Vec<String>,
    /// The sum of their points.
    score: i64,
    /// What is known of it.
    #[schema(value_type = Object, example = json!({"device.orders[5m]": 5}))]
    features: Value,
}

/// Check a rulebook
///
/// Proves what can be proved of a draft or a version: tiers that no order reaches, rules that never fire or that another
/// brings with it, conditions that contradict themselves, ranges that overlap or leave a gap, and the smallest combinations of
/// rules that reach each tier. A draft that is stored has no faults; send the text of a rulebook to have that one checked
/// in its place before it is saved: its faults are then `errors`, each with its place and the nearest name. Nothing is written.
#[utoipa::path(
    post,
    path = "/v1/rulebooks/{id}/check",
    operation_id = "check_rulebook",
    tag = "Rules",
    extensions(("x-roles" = json!(["analyst", "approver", "admin"]))),
    params(("id" = String, Path, description = "A draft's id or a version's number", example = "d-4f1c9a2be0d35786")),
    request_body(content = Option<crate::http::schema::RulebookBody>,
                 description = "Left out, or empty: the stored rulebook is checked"),
    responses(
        (status = 200, description = "What was found; warnings forbid nothing", body = CheckView),
        (status = 429, description = "`too_many_checks`: 4 wait for the one that runs", body = Problem),
    )
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    PathParameters(id): PathParameters<String>,
    request: Request,
) -> Result<Json<CheckView>, Problem> {
    caller.require(CHECK)?;
    let shelf = shelf(&app, &caller.merchant).await?;
    let card = shelf.find(&id).ok_or_else(|| no_rulebook(&id))?;
    let rulebook = match text(request).await? {
        None => Ok(view(&app, &shelf, card).await?.rulebook),
        Some(sent) => read(&app, &caller, &sent).await?,
    };
    let report = match rulebook {
        Err(errors) => Report { errors, ..Report::default() },
        Ok(rulebook) => {
            let turn = QUEUE.turn().await?;
            // The turn goes with the work, which does not end when its caller leaves.
            let report = spawn_blocking(move || {
                let _turn = turn;
                check(&rulebook)
            });
            report.await.map_err(|error| Problem::internal(&error))?
        }
    };
    Ok(Json(CheckView::from(report)))
}

/// The rulebook of a text, or all faults for which it could not be saved.
async fn read(app: &App, caller: &Caller, sent: &[u8]) -> Result<Result<Rulebook, Vec<Fault>>, Problem> {
    let rulebook = match Rulebook::read(sent) {
        Ok(rulebook) => rulebook,
        Err(faults) => return Ok(Err(faults)),
    };
    let faults = undeclared(app, caller, &rulebook).await?;
    Ok(if faults.is_empty() { Ok(rulebook) } else { Err(faults) })
}

/// The rulebook of the body; none when it says nothing.
async fn text(request: Request) -> Result<Option<Bytes>, Problem> {
    let Some(bytes) = said(request).await? else { return Ok(None) };
    let is_empty = domain::json::read(&bytes).is_ok_and(|body| body == json!({}));
    Ok((!is_empty).then_some(bytes))
}

impl From<Report> for CheckView {
    fn from(report: Report) -> Self {
        let warnings = report.warnings.into_iter().map(|warning| WarningView {
            code: json!(warning.code),
            rules: warning.rules.iter().map(ToString::to_string).collect(),
            tier: warning.tier.as_ref().map(ToString::to_string),
            detail: warning.detail,
        });
        Self {
            errors: report.errors.into_iter().map(FaultView::from).collect(),
            warnings: warnings.collect(),
            combinations: json!(report.combinations),
            witnesses: json!(report.witnesses),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_a_few_that_wait_a_check_is_refused_until_one_has_ended() {
        let queue = Queue::new();
        let mut taken: Vec<_> = (0..=WAITING_MAX).map(|_| queue.room().unwrap()).collect();
        let refused = queue.room().unwrap_err();
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(json!(refused)["code"], "too_many_checks");
        taken.pop();
        assert!(queue.room().is_ok());
    }
}
