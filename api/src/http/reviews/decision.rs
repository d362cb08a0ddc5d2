//! `POST /v1/reviews/{order_id}/decision`: a reviewer lets an order go, or holds it.

use axum::extract::State;
use axum::response::Response;
use domain::order::{Order, OrderCommand, OrderEvent, PartOf, Rejection, Verdict, decide};
use domain::time::Timestamp;
use engine::{OrderWish, ReviewAction};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::reasons::check;
use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::REVIEW;
use crate::http::body::{JsonBody, PathParameters, order_id};
use crate::http::fields::{Fields, Read, string};
use crate::http::problem::Problem;
use crate::http::wishes::{OrderStanding, told, wish, words};

/// What a reviewer decides.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"action": "freeze", "reason_code": "customer_confused", "note": "could not name what was ordered"}))]
pub struct DecisionBody {
    /// `release` or `freeze`.
    pub action: String,
    /// Why: a code of `GET /v1/reason-codes` that is for this action.
    pub reason_code: String,
    /// In words, without personal data; required with the code `other`.
    pub note: Option<String>,
}

/// Decide a review
///
/// One that nobody holds is claimed in the same step. The claim outlasts the decision by the setting `review_lease`: meanwhile another reviewer
/// cannot decide otherwise, and whoever decided can correct it. To freeze an order that is frozen already confirms that and closes its
/// review. A decision that already holds is answered with 200 and recorded no more.
#[utoipa::path(
    post,
    path = "/v1/reviews/{order_id}/decision",
    operation_id = "decide_review",
    tag = "Reviews",
    extensions(("x-roles" = json!(["reviewer", "admin"]))),
    params(("order_id" = String, Path, description = "`{channel}:{order_no}`, percent-encoded", example = "web:A1001")),
    request_body(content = DecisionBody),
    responses(
        (status = 200, description = "Decided, or so already", body = OrderStanding,
         headers(("Orderlight-Position" = String, description = "How far the log went, for `?after=`"))),
        (status = 404, description = "There is no such order", body = Problem),
        (status = 409, description = "`claimed_by_other`: somebody else holds it, or decided otherwise a moment ago. `order_departed`: it has left or is off, and cannot be \
         held. `transition_not_allowed`: it was not screened so far", body = Problem),
        (status = 429, description = "The mailbox is full", body = Problem),
    )
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    PathParameters(id): PathParameters<String>,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    caller.require(REVIEW)?;
    let mut fields = Fields::of(body)?;
    let ruling = Ruling::read(&mut fields);
    let ruling = fields.finish(ruling)?;
    Ok(told(wish(&app, &caller, order_id(&id)?, ruling.wish(None)).await?))
}

/// A decision that can be made about any order.
#[derive(Clone, Debug)]
pub(super) struct Ruling {
    pub(super) action: ReviewAction,
    pub(super) reason_code: Box<str>,
    pub(super) note: Option<Box<str>>,
}

impl Ruling {
    /// Reads the fields of a body; what is wrong with them is noted there.
    pub(super) fn read(fields: &mut Fields) -> Option<Self> {
        let action = fields.required("action", |value| action(&value));
        let reason_code = fields.required("reason_code", string);
        let note = fields.optional("note", words);
        let (action, reason_code) = (action?, reason_code?);
        check(fields, action, &reason_code, note.as_deref());
        Some(Self { action, reason_code: reason_code.into(), note })
    }

    /// As a decision about one order, which may be part of one about many.
    pub(super) fn wish(&self, part_of: Option<PartOf>) -> OrderWish {
        let Self { action, reason_code, note } = self.clone();
        OrderWish::Decide { action, reason_code, note, part_of: part_of.map(Box::new) }
    }

    /// What it would come to for an order as it stands, at a time.
    pub(super) fn foreseen(&self, order: &Order, caller: &Caller, at: Timestamp) -> Result<Vec<OrderEvent>, Rejection> {
        let Self { action, reason_code, note } = self.clone();
        let verdict =
            Verdict { reviewer: caller.key.as_str().into(), reason_code, note, at, claim_until: at, part_of: None };
        let command = match action {
            ReviewAction::Release => OrderCommand::Release(verdict),
            ReviewAction::Freeze => OrderCommand::Freeze(verdict),
        };
        decide(order, command)
    }
}

fn action(value: &Value) -> Read<ReviewAction> {
    match value.as_str() {
        Some("release") => Ok(ReviewAction::Release),
        Some("freeze") => Ok(ReviewAction::Freeze),
        _ => Err("expected release or freeze".to_owned()),
    }
}
