//! `/v1/rulebooks/{id}/shadow`: a draft beside the live rulebook, on the traffic as it comes.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use engine::{Comparison, ShadowWish};
use serde::Serialize;
use utoipa::ToSchema;

use super::{changeable, draft_id, no_rulebook, origin, shelf};
use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::{DRAFT, LOOK_UP};
use crate::http::body::{Parameters, PathParameters};
use crate::http::orders::answered;
use crate::http::position::{After, log_reached};
use crate::http::problem::Problem;

/// How a draft in the shadow compares with what is live
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "id": "d-4f1c9a2be0d35786", "revision": 2, "hash": "3b2c35c74be3509114cc0729c2275d7b87c69ede6eb567e616a0841b8fb4e22b",
    "state": "running", "since": "2026-11-10T16:00:01.310Z", "until": null, "orders": 5210,
    "matrix": {"pass": {"pass": 5100, "sms": 9}, "sms": {"pass": 61, "sms": 40}}
}))]
pub struct ShadowView {
    /// The draft.
    id: String,
    /// The revision that is evaluated, whatever was written after it.
    revision: u32,
    /// Hex SHA-256 of its canonical form.
    hash: String,
    /// `running` or `ended`.
    state: &'static str,
    /// When it began.
    since: String,
    /// When it ended; null while it runs.
    until: Option<String>,
    /// Orders that were placed meanwhile, each counted by its first screening.
    orders: u64,
    /// How many of them fell into which tier of the draft, by the tier of the live rulebook.
    matrix: BTreeMap<String, BTreeMap<String, u64>>,
}

impl From<Comparison> for ShadowView {
    fn from(comparison: Comparison) -> Self {
        let row = |row: BTreeMap<_, u64>| {
            row.into_iter().map(|(tier, orders): (std::sync::Arc<str>, _)| (tier.to_string(), orders))
        };
        Self {
            id: comparison.draft.to_string(),
            revision: comparison.revision,
            hash: comparison.hash.into(),
            state: if comparison.until.is_some() { "ended" } else { "running" },
            since: comparison.since.to_string(),
            until: comparison.until.map(|until| until.to_string()),
            orders: comparison.orders,
            matrix: comparison
                .matrix
                .into_iter()
                .map(|(tier, cells)| (tier.to_string(), row(cells).collect()))
                .collect(),
        }
    }
}

/// Run a draft in the shadow
///
/// From the next order on the draft, as it is now, is evaluated beside the live rulebook; it decides nothing. What it finds is
/// recorded with each screening. One draft of a merchant runs at a time. An edit changes nothing of what runs; asked again after it, the
/// comparison begins anew with the new text. It ends by `DELETE`, or when the draft is published.
#[utoipa::path(
    post,
    path = "/v1/rulebooks/{id}/shadow",
    operation_id = "start_shadow",
    tag = "Rules",
    extensions(("x-roles" = json!(["analyst", "admin"]))),
    params(("id" = String, Path, description = "A draft's id", example = "d-4f1c9a2be0d35786")),
    responses(
        (status = 200, description = "It runs", body = ShadowView,
         headers(("Orderlight-Position" = String, description = "How far the log went, for `?after=`"))),
        (status = 409, description = "`shadow_taken`: another draft runs. `draft_published`: it is a version by now", body = Problem),
    )
)]
pub async fn start(
    State(app): State<App>,
    caller: Caller,
    PathParameters(id): PathParameters<String>,
) -> Result<Response, Problem> {
    caller.require(DRAFT)?;
    let draft = changeable(&app, &caller.merchant, &id).await?;
    meet(&app, &caller, ShadowWish::Start(draft)).await
}

/// Compare a draft in the shadow
///
/// What every order so far came to by the live rulebook and by the draft. After its end the comparison can be seen until another
/// one begins.
#[utoipa::path(
    get,
    path = "/v1/rulebooks/{id}/shadow",
    operation_id = "get_shadow",
    tag = "Rules",
    extensions(("x-roles" = json!(["service", "reviewer", "analyst", "approver", "auditor", "admin"]))),
    params(("id" = String, Path, description = "A draft's id", example = "d-4f1c9a2be0d35786"), After),
    responses(
        (status = 200, description = "The comparison, with all that was answered before", body = ShadowView,
         headers(("Orderlight-Position" = String, description = "Up to where in the log it goes"))),
        (status = 404, description = "There is no such draft, or it does not run and was not the last one that did", body = Problem),
    )
)]
pub async fn get(
    State(app): State<App>,
    caller: Caller,
    PathParameters(id): PathParameters<String>,
    Parameters(After { after }): Parameters<After>,
) -> Result<Response, Problem> {
    caller.require(LOOK_UP)?;
    log_reached(&app, after.as_deref()).await?;
    meet(&app, &caller, ShadowWish::See(draft_id(&id)?)).await
}

/// End a draft's shadow
///
/// Answers with the comparison. Ending it again changes nothing.
#[utoipa::path(
    delete,
    path = "/v1/rulebooks/{id}/shadow",
    operation_id = "end_shadow",
    tag = "Rules",
    extensions(("x-roles" = json!(["analyst", "admin"]))),
    params(("id" = String, Path, description = "A draft's id", example = "d-4f1c9a2be0d35786")),
    responses(
        (status = 200, description = "It ended", body = ShadowView,
         headers(("Orderlight-Position" = String, description = "How far the log went, for `?after=`"))),
        (status = 404, description = "There is no such draft, or it does not run and was not the last one that did", body = Problem),
    )
)]
pub async fn end(
    State(app): State<App>,
    caller: Caller,
    PathParameters(id): PathParameters<String>,
) -> Result<Response, Problem> {
    caller.require(DRAFT)?;
    meet(&app, &caller, ShadowWish::End(draft_id(&id)?)).await
}

async fn meet(app: &App, caller: &Caller, wish: ShadowWish) -> Result<Response, Problem> {
    let (ShadowWish::Start(draft) | ShadowWish::See(draft) | ShadowWish::End(draft)) = &wish;
    if shelf(app, &caller.merchant).await?.draft_of(draft).is_none() {
        return Err(no_rulebook(draft.as_str()));
    }
    let receipt = app.engine.shadow(&caller.merchant, origin(caller), wish).await?;
    Ok(answered(StatusCode::OK, receipt.position, ShadowView::from(receipt.comparison)))
}
