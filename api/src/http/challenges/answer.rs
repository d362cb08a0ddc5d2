//! `POST /v1/challenges/{id}/answer`: the customer answers with a code.

use axum::extract::State;
use axum::response::Response;
use engine::OrderWish;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::order_of;
use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::INGEST;
use crate::http::body::{JsonBody, PathParameters};
use crate::http::fields::{Fields, Read, string};
use crate::http::problem::Problem;
use crate::http::wishes::{OrderStanding, told, wish};

/// How many digits a code has.
const CODE_DIGITS: usize = 6;

/// What the customer entered.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"code": "493021"}))]
pub struct AnswerBody {
    /// The six digits of the SMS.
    pub code: String,
}

/// Answer with a code
///
/// The code that the customer was sent by SMS. The right one verifies and releases the order. A wrong one is recorded and answered
/// with 422 and `attempts_left`; after the last one the tier's `on_fail` applies. What cannot be a code at all costs no
/// attempt.
#[utoipa::path(
    post,
    path = "/v1/challenges/{id}/answer",
    operation_id = "answer_challenge",
    tag = "Challenges",
    extensions(("x-roles" = json!(["ingest", "admin"]))),
    params(("id" = String, Path, description = "The challenge's id", example = "0-17")),
    request_body(content = AnswerBody),
    responses(
        (status = 200, description = "The code is right; also when the order was verified before", body = OrderStanding,
         headers(("Orderlight-Position" = String, description = "How far the log went, for `?after=`"))),
        (status = 404, description = "There is no such challenge", body = Problem),
        (status = 409, description = "`challenge_expired`: its time is over. `challenge_superseded`: another one took its place. \
         `no_open_challenge`: it was settled. `code_not_expected`: the customer is called", body = Problem),
        (status = 422, description = "`code_wrong`, with `attempts_left`; or all faults of the body", body = Problem),
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
    let code = fields.required("code", code);
    let code = fields.finish(code)?;
    let (order, challenge) = order_of(&app, &caller, &id).await?;
    Ok(told(wish(&app, &caller, order, OrderWish::Answer { challenge, code }).await?))
}

fn code(value: Value) -> Read<Box<str>> {
    let code = string(value)?;
    let code = code.trim();
    if code.len() == CODE_DIGITS && code.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(code.into())
    } else {
        // Not what it was: it may be a code of something else.
        Err(format!("expected the {CODE_DIGITS} digits of the SMS"))
    }
}
