//! `POST /v1/orders/{id}/notes`: somebody writes down what others should know.

use axum::extract::State;
use axum::response::Response;
use domain::merchant::Role;
use engine::OrderWish;
use serde::Serialize;
use utoipa::ToSchema;

use crate::directory::Caller;
use crate::http::App;
use crate::http::body::{JsonBody, PathParameters, order_id};
use crate::http::fields::Fields;
use crate::http::problem::Problem;
use crate::http::wishes::{OrderStanding, told, wish, words};

/// Those who talk to customers and those who look at orders.
const AUTHORS: &[Role] = &[Role::Service, Role::Reviewer, Role::Admin];

/// What somebody writes down.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"text": "The customer wrote in the chat that all five parcels are theirs."}))]
pub struct NoteBody {
    /// 1 to 2,000 bytes, lines and all. It stays for good, so it may hold nothing personal; a phone number, an e-mail address or the number of an identity card is refused.
    pub text: String,
}

/// Add a note
///
/// Stands in the order's history with its author and time.
#[utoipa::path(
    post,
    path = "/v1/orders/{id}/notes",
    operation_id = "add_note",
    tag = "Looking up",
    extensions(("x-roles" = json!(["service", "reviewer", "admin"]))),
    params(("id" = String, Path, description = "`{channel}:{order_no}`, percent-encoded", example = "web:A1001")),
    request_body(content = NoteBody),
    responses(
        (status = 200, description = "Noted", body = OrderStanding,
         headers(("Orderlight-Position" = String, description = "How far the log went, for `?after=`"))),
        (status = 404, description = "There is no such order, or it is not placed", body = Problem),
        (status = 429, description = "The mailbox is full", body = Problem),
    )
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    PathParameters(id): PathParameters<String>,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    caller.require(AUTHORS)?;
    let mut fields = Fields::of(body)?;
    let text = fields.required("text", words);
    let text = fields.finish(text)?;
    Ok(told(wish(&app, &caller, order_id(&id)?, OrderWish::Note { text }).await?))
}
