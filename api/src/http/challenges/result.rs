//! `POST /v1/challenges/{id}/result`: whoever called the customer tells what came of it.

use axum::extract::State;
use axum::response::Response;
use domain::order::CallOutcome;
use engine::OrderWish;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::order_of;
use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::INGEST;
use crate::http::body::{JsonBody, PathParameters};
use crate::http::fields::{Fields, Read};
use crate::http::problem::Problem;
use crate::http::wishes::{OrderStanding, told, wish, words};

/// What came of a call.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"outcome": "unclear", "note": "could not name what was ordered"}))]
pub struct ResultBody {
    /// `confirmed`, `denied`, `unclear` or `no_answer`.
    pub outcome: String,
    /// The caller's words, without personal data.
    pub note: Option<String>,
}

/// Tell the result of a call
///
/// `confirmed` verifies and releases the order; with `denied` and `unclear` the tier's `on_fail` applies, and what it leads to has the
/// reason `customer_denied` or `customer_confused`. After `no_answer` the customer is called again, as often as the setting `call_attempts`
/// says; then `on_expire` applies, and so it does in quiet hours.
#[utoipa::path(
    post,
    path = "/v1/challenges/{id}/result",
    operation_id = "report_call",
    tag = "Challenges",
    extensions(("x-roles" = json!(["ingest", "admin"]))),
    params(("id" = String, Path, description = "The challenge's id", example = "0-17")),
    request_body(content = ResultBody),
    responses(
        (status = 200, description = "Recorded, or so already", body = OrderStanding,
         headers(("Orderlight-Position" = String, description = "How far the log went, for `?after=`"))),
        (status = 404, description = "There is no such challenge", body = Problem),
        (status = 409, description = "`challenge_expired`: its time is over. `challenge_superseded`: another one took its place. \
         `no_open_challenge`: it was settled. `call_not_expected`: the customer was sent a code", body = Problem),
        (status = 429, description = "The mailbox is full", body = Problem),
    )
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    PathParameters(id): PathParameters<String>,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    caller.require(INGEST)?;
    let mut fields = Fields::of(body)?;
    let outcome = fields.required("outcome", outcome);
    let note = fields.optional("note", words);
    let outcome = fields.finish(outcome)?;
    let (order, challenge) = order_of(&app, &caller, &id).await?;
    Ok(told(wish(&app, &caller, order, OrderWish::CallResult { challenge, outcome, note }).await?))
}

fn outcome(value: Value) -> Read<CallOutcome> {
    serde_json::from_value(value).map_err(|_| "expected confirmed, denied, unclear or no_answer".to_owned())
}
