//! `POST /v1/reviews/{order_id}/claim`: a reviewer takes one order, or keeps it longer.

use axum::extract::State;
use axum::response::Response;
use engine::OrderWish;

use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::REVIEW;
use crate::http::body::{PathParameters, order_id};
use crate::http::problem::Problem;
use crate::http::wishes::{OrderStanding, told, wish};

/// Claim a review
///
/// Nobody else can decide the order until `lease_until`, which the setting `review_lease` sets; claiming it again renews the lease. Also an
/// order whose customer is being asked can be claimed.
#[utoipa::path(
    post,
    path = "/v1/reviews/{order_id}/claim",
    operation_id = "claim_review",
    tag = "Reviews",
    extensions(("x-roles" = json!(["reviewer", "admin"]))),
    params(("order_id" = String, Path, description = "`{channel}:{order_no}`, percent-encoded", example = "web:A1001")),
    responses(
        (status = 200, description = "It is the caller's", body = OrderStanding,
         headers(("Orderlight-Position" = String, description = "How far the log went, for `?after=`"))),
        (status = 404, description = "There is no such order", body = Problem),
        (status = 409, description = "`claimed_by_other`: somebody else holds it. `not_under_review`: it needs no look, or no more", body = Problem),
        (status = 429, description = "The mailbox is full", body = Problem),
    )
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    PathParameters(id): PathParameters<String>,
) -> Result<Response, Problem> {
    caller.require(REVIEW)?;
    Ok(told(wish(&app, &caller, order_id(&id)?, OrderWish::Claim).await?))
}
