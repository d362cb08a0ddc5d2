//! `PATCH /v1/orders/{id}`: facts of an order are completed or corrected, and it is screened again.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::notice::read_amendment;

use super::{Decision, answered, idempotency_key, submit};
use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::INGEST;
use crate::http::body::{JsonBody, PathParameters, order_id};
use crate::http::problem::Problem;

/// Complete or correct an order
///
/// Any part of an order's facts; what is left out stays as it is. The newest fact by event time wins, and the order is
/// screened again when something changed.
#[utoipa::path(
    patch,
    path = "/v1/orders/{id}",
    operation_id = "amend_order",
    tag = "Notices in",
    extensions(("x-roles" = json!(["ingest", "admin"]))),
    params(
        ("id" = String, Path, description = "The order, percent-encoded where needed", example = "web:A1001"),
        ("Idempotency-Key" = Option<String>, Header, description = "The message id; facts without one are recognised by what they say"),
    ),
    request_body(content = crate::http::schema::AmendmentBody),
    responses(
        (status = 200, description = "Amended, or known already", body = Decision,
         headers(("Orderlight-Position" = String, description = "How far the log went, for `?after=`"))),
        (status = 404, description = "There is no such order", body = Problem),
        (status = 409, description = "`not_placed`: the order is known by its status alone; POST /v1/orders places it", body = Problem),
        (status = 422, description = "All faults of the body, or a delivery key used for another body", body = Problem),
        (status = 429, description = "The mailbox is full", body = Problem),
        (status = 503, description = "Unknown whether it was saved: send it again", body = Problem),
    )
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    PathParameters(id): PathParameters<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    caller.require(INGEST)?;
    let mut notice = read_amendment(body, order_id(&id)?).map_err(Problem::invalid)?;
    notice.message_id = idempotency_key(&headers)?;
    let receipt = submit(&app, &caller, notice).await?;
    Ok(answered(StatusCode::OK, receipt.position, Decision::from(receipt)))
}
