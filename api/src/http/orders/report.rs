//! `POST /v1/orders/{id}/status`: a source reports how far an order is.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::notice::read_status;
use engine::Receipt;
use serde::Serialize;
use utoipa::ToSchema;

use super::{answered, idempotency_key, submit};
use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::INGEST;
use crate::http::body::{JsonBody, PathParameters, order_id};
use crate::http::problem::Problem;
use crate::http::view::UnifiedStatus;

/// The answer to a report.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReportedStatus, example = json!({
    "order_id": "web:A1001",
    "status": {"value": "paid", "occurred_at": "2026-11-10T16:03:00.000Z", "source": "wms"},
    "duplicate": false
}))]
pub struct Reported {
    /// Which order.
    #[schema(example = "web:A1001")]
    pub order_id: String,
    /// How far the order is by all sources: the newest report by event time, which need not be this one.
    pub status: Option<UnifiedStatus>,
    /// Whether the same delivery had been dealt with before, or said nothing new, so that nothing was recorded.
    pub duplicate: bool,
}

impl From<Receipt> for Reported {
    fn from(receipt: Receipt) -> Self {
        Self {
            order_id: receipt.order.to_string(),
            status: receipt.status.map(UnifiedStatus::from),
            duplicate: receipt.outcome.is_duplicate(),
        }
    }
}

/// Report how far an order is
///
/// Works before the order is placed: the report is kept until then. The unified status is the newest report by event time,
/// whatever the order of arrival.
#[utoipa::path(
    post,
    path = "/v1/orders/{id}/status",
    operation_id = "report_status",
    tag = "Notices in",
    extensions(("x-roles" = json!(["ingest", "admin"]))),
    params(
        ("id" = String, Path, description = "The order, percent-encoded where needed", example = "web:A1001"),
        ("Idempotency-Key" = Option<String>, Header, description = "Stands in for the body's `message_id`"),
    ),
    request_body(content = crate::http::schema::StatusBody),
    responses(
        (status = 200, description = "Reported, or known already", body = Reported,
         headers(("Orderlight-Position" = String, description = "How far the log went, for `?after=`"))),
        (status = 409, description = "More than 16 sources report on the order", body = Problem),
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
    let mut notice = read_status(body, order_id(&id)?).map_err(Problem::invalid)?;
    let key = idempotency_key(&headers)?;
    notice.message_id = notice.message_id.or(key);
    let receipt = submit(&app, &caller, notice).await?;
    Ok(answered(StatusCode::OK, receipt.position, Reported::from(receipt)))
}
