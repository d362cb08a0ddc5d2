//! `POST /v1/reviews/{order_id}/reopen`: a frozen order goes back into the queue.

use axum::extract::State;
use axum::response::Response;
use domain::merchant::Role;
use domain::order::ReopenCause;
use engine::OrderWish;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::directory::Caller;
use crate::http::App;
use crate::http::body::{JsonBody, PathParameters, order_id};
use crate::http::fields::{Fields, Read};
use crate::http::problem::Problem;
use crate::http::wishes::{OrderStanding, told, wish, words};

/// Those whom customers complain to, and those who look again.
const REOPENERS: &[Role] = &[Role::Service, Role::Reviewer, Role::Admin];

/// Why an order is to be looked at again.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"cause": "appeal", "note": "says that it was a present for a colleague"}))]
pub struct ReopenBody {
    /// `appeal` when the customer complains, `reopened` when somebody of the shop wants it.
    pub cause: String,
    /// What speaks for it, without personal data.
    pub note: String,
}

/// Open a closed review again
///
/// A frozen order's customer complains, or somebody has doubts: the order goes back into the queue with all of its history, stays
/// frozen until somebody decides, and shows in `reopened` how often that was so.
#[utoipa::path(
    post,
    path = "/v1/reviews/{order_id}/reopen",
    operation_id = "reopen_review",
    tag = "Reviews",
    extensions(("x-roles" = json!(["service", "reviewer", "admin"]))),
    params(("order_id" = String, Path, description = "`{channel}:{order_no}`, percent-encoded", example = "web:A1001")),
    request_body(content = ReopenBody),
    responses(
        (status = 200, description = "It is open again", body = OrderStanding,
         headers(("Orderlight-Position" = String, description = "How far the log went, for `?after=`"))),
        (status = 404, description = "There is no such order", body = Problem),
        (status = 409, description = "`review_not_closed`: it is open. `order_not_frozen`: it is not held. `not_under_review`: nobody \
         ever had to look", body = Problem),
        (status = 429, description = "The mailbox is full", body = Problem),
    )
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    PathParameters(id): PathParameters<String>,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    caller.require(REOPENERS)?;
    let mut fields = Fields::of(body)?;
    let (cause, text) = (fields.required("cause", cause), fields.required("note", words));
    let cause = fields.finish(cause)?;
    Ok(told(wish(&app, &caller, order_id(&id)?, OrderWish::Reopen { cause, text }).await?))
}

fn cause(value: Value) -> Read<ReopenCause> {
    serde_json::from_value(value).map_err(|_| "expected appeal or reopened".to_owned())
}
