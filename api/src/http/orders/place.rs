//! `POST /v1/orders`: an order is placed, scored and disposed of.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::notice::read_order;
use engine::Outcome;

use super::{Decision, answered, idempotency_key, submit};
use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::INGEST;
use crate::http::body::JsonBody;
use crate::http::problem::Problem;

/// Take an order in
///
/// The answer goes out when the order's events are on disk. The same delivery again gets the same answer.
#[utoipa::path(
    post,
    path = "/v1/orders",
    operation_id = "place_order",
    tag = "Notices in",
    extensions(("x-roles" = json!(["ingest", "admin"]))),
    params(("Idempotency-Key" = Option<String>, Header, description = "The message id; without it the key is derived from channel, order_no and kind")),
    request_body(content = crate::http::schema::OrderBody),
    responses(
        (status = 201, description = "Placed", body = Decision,
         headers(("Orderlight-Position" = String, description = "How far the log went, for `?after=`"))),
        (status = 200, description = "The same delivery came again, or the order was placed before and is amended", body = Decision,
         headers(("Orderlight-Position" = String, description = "How far the log went, for `?after=`"))),
        (status = 422, description = "All faults of the body, or a delivery key used for another body", body = Problem),
        (status = 429, description = "The mailbox is full", body = Problem),
        (status = 503, description = "Unknown whether it was saved: send it again", body = Problem),
    )
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    caller.require(INGEST)?;
    let mut notice = read_order(body).map_err(Problem::invalid)?;
    notice.message_id = idempotency_key(&headers)?;
    let receipt = submit(&app, &caller, notice).await?;
    let status = if receipt.outcome == Outcome::Created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(answered(status, receipt.position, Decision::from(receipt)))
}
