//! Orders: taken in, completed, reported on, looked up.

pub mod amend;
pub mod decision;
pub mod get;
pub mod history;
pub mod links;
pub mod note;
pub mod place;
pub mod report;
pub mod reveal;
pub mod search;
pub mod story;

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, http::HeaderValue};
use domain::notice::Notice;
use engine::{Receipt, WhenFull};
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::position::{LogPosition, ORDERLIGHT_POSITION};
use super::problem::Problem;
use super::view::Risk;
use crate::directory::Caller;
use crate::service::notice_origin;

/// The longest `Idempotency-Key`.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 256;

/// The answer to a notice about an order's facts.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "order_id": "web:A1001",
    "risk": {
        "state": "challenged", "score": 80, "tier": "sms", "rulebook_version": 1, "exemption": null,
        "hits": [
            {"rule": "device_burst", "points": 50, "evidence": {"device.orders[5m]": 5}},
            {"rule": "address_changed", "points": 30, "evidence": {"address.changed": true, "address.familiar": false}}
        ],
        "challenge": {"id": "0-17", "method": "sms", "expires_at": "2026-11-10T16:10:01.250Z"}
    },
    "duplicate": false
}))]
pub struct Decision {
    /// Which order.
    #[schema(example = "web:A1001")]
    pub order_id: String,
    /// Where it stands; null while it is not placed.
    pub risk: Option<Risk>,
    /// Whether the same delivery had been dealt with before, or said nothing new, so that nothing was recorded.
    pub duplicate: bool,
}

impl From<Receipt> for Decision {
    fn from(receipt: Receipt) -> Self {
        Self {
            order_id: receipt.order.to_string(),
            risk: receipt.risk.map(Risk::from),
            duplicate: receipt.outcome.is_duplicate(),
        }
    }
}

/// Puts a notice from the API to the engine and waits for the durable answer.
pub(super) async fn submit(app: &App, caller: &Caller, notice: Notice) -> Result<Receipt, Problem> {
    let origin = notice_origin(&caller.key, &notice);
    let score = app.score(&caller.merchant, &notice).await;
    let pending = app.engine.submit_scored(&caller.merchant, origin, notice, score, WhenFull::Refuse).await?;
    Ok(pending.receipt().await?)
}

/// The message id of a request, if it has one.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text.is_empty() || text.len() > IDEMPOTENCY_KEY_BYTES_MAX {
        let detail = format!("Idempotency-Key must be 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible ASCII characters");
        return Err(Problem::bad_parameter(detail));
    }
    Ok(Some(text.to_owned()))
}

/// An answer that says how far the log went.
pub(super) fn answered(status: StatusCode, position: (u32, u64), body: impl Serialize) -> Response {
    let mut response = (status, Json(body)).into_response();
    response.headers_mut().insert(ORDERLIGHT_POSITION, HeaderValue::from(LogPosition::from(position)));
    response
}
