//! What people, customers and callers want of an order: put to the engine in the caller's name, and answered, after the commit,
//! with where the order stands then.

use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::ids::OrderId;
use domain::order::Review;
use engine::{OrderWish, Origin, Outcome, Receipt};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::App;
use super::fields::{Read, string};
use super::orders::answered;
use super::personal_in::personal_in;
use super::position::{LogPosition, ORDERLIGHT_POSITION};
use super::problem::Problem;
use super::view::Risk;
use crate::directory::Caller;

/// The most that somebody can write: a note, a reason, a complaint.
pub const WORDS_BYTES_MAX: usize = 2_000;

/// Where an order and its review stand.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "order_id": "web:A1001",
    "risk": {
        "state": "frozen", "score": 110, "tier": "call", "rulebook_version": 3, "exemption": null,
        "hits": [{"rule": "device_burst", "points": 110, "evidence": {"device.orders[5m]": 13}}], "challenge": null
    },
    "review": {"state": "claimed", "claim": {"reviewer": "4f1c9a2be0d35781", "lease_until": "2026-11-10T16:20:01.310Z"}}
}))]
pub struct OrderStanding {
    /// Which order.
    #[schema(example = "web:A1001")]
    pub order_id: String,
    /// Whether it may go on.
    pub risk: Option<Risk>,
    /// Whether a person has to look.
    pub review: ReviewStanding,
}

/// Where a review stands.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ReviewStanding {
    /// `none` for an order that needs none, `waiting` for the customer, `open` for a person, `claimed` or `closed`.
    #[schema(example = "claimed")]
    pub state: &'static str,
    /// Who looks at it; null when nobody does.
    pub claim: Option<ClaimView>,
}

/// A reviewer's lease.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ClaimView {
    /// The id of the reviewer's key.
    #[schema(example = "4f1c9a2be0d35781")]
    pub reviewer: String,
    /// Until when nobody else can.
    pub lease_until: String,
}

impl From<Review> for ReviewStanding {
    fn from(review: Review) -> Self {
        let (state, claim) = match review {
            Review::None => ("none", None),
            Review::Waiting => ("waiting", None),
            Review::Open => ("open", None),
            Review::Claimed { reviewer, lease_until, .. } => {
                let claim = ClaimView { reviewer: reviewer.into(), lease_until: lease_until.to_string() };
                ("claimed", Some(claim))
            }
            Review::Closed => ("closed", None),
        };
        Self { state, claim }
    }
}

impl From<Receipt> for OrderStanding {
    fn from(receipt: Receipt) -> Self {
        Self { order_id: receipt.order.to_string(), risk: receipt.risk.map(Risk::from), review: receipt.review.into() }
    }
}

/// Has the engine decide what a caller wants of an order.
///
/// # Errors
/// 404 when there is no such order, 409 when its state forbids it, 429 and 503 as any change.
pub(super) async fn wish(app: &App, caller: &Caller, order: OrderId, wish: OrderWish) -> Result<Receipt, Problem> {
    let origin = Origin { actor: caller.key.clone(), source: "api".to_owned() };
    Ok(app.engine.wish(&caller.merchant, origin, order, wish).await?)
}

/// The answer to it: where the order stands, or that the code was wrong, which is recorded as well.
pub(super) fn told(receipt: Receipt) -> Response {
    let Outcome::CodeWrong { attempts_left } = receipt.outcome else {
        return answered(StatusCode::OK, receipt.position, OrderStanding::from(receipt));
    };
    let mut response = Problem::code_wrong(attempts_left).into_response();
    let position = HeaderValue::from(LogPosition::from(receipt.position));
    response.headers_mut().insert(ORDERLIGHT_POSITION, position);
    response
}

/// What somebody writes for others to read, over several lines if need be. It stands in the log for good, which holds nothing
/// personal, so what looks like a phone number, an e-mail address or the number of an identity card is refused.
pub(super) fn words(value: Value) -> Read<Box<str>> {
    let text = string(value)?.trim().replace("\r\n", "\n");
    let is_printable = !text.chars().any(|c| c.is_control() && c != '\n');
    if !(1..=WORDS_BYTES_MAX).contains(&text.len()) || !is_printable {
        return Err(format!("expected 1 to {WORDS_BYTES_MAX} bytes without control characters"));
    }
    if let Some(what) = personal_in(&text) {
        return Err(format!("expected no {what}: what is written here stays in the log, which holds nothing personal"));
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_may_have_lines_and_nothing_personal() {
        assert_eq!(&*words(json!(" told us twice\r\nthat it is theirs ")).unwrap(), "told us twice\nthat it is theirs");
        assert!(words(json!("call 13800138000")).unwrap_err().contains("phone number"));
        for wrong in [json!(""), json!(" \n "), json!(7), json!("a\u{7}b"), json!("x".repeat(2_001))] {
            assert!(words(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
