//! `POST /v1/reviews/{order_id}/return`: a reviewer gives an order back.

use axum::extract::State;
use axum::response::Response;
use engine::OrderWish;

use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::REVIEW;
use crate::http::body::{PathParameters, order_id};
use crate::http::problem::Problem;
use crate::http::wishes::{OrderStanding, told, wish};

/// Return a review
///
/// It is free for others at once, and waits for whom it waited for before.
#[utoipa::path(
    post,
    path = "/v1/reviews/{order_id}/return",
    operation_id = "return_review",
    tag = "Reviews",
    extensions(("x-roles" = json!(["reviewer", "admin"]))),
    params(("order_id" = String, Path, description = "`{channel}:{order_no}`, percent-encoded", example = "web:A1001")),
    responses(
        (status = 200, description = "It is nobody's", body = OrderStanding,
         headers(("Orderlight-Position" = String, description = "How far the log went, for `?after=`"))),
        (status = 404, description = "There is no such order", body = Problem),
        (status = 409, description = "`not_claimed`: nobody holds it. `claimed_by_other`: somebody else does", body = Problem),
        (status = 429, description = "The mailbox is full", body = Problem),
    )
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    PathParameters(id): PathParameters<String>,
) -> Result<Response, Problem> {
    caller.require(REVIEW)?;
    Ok(told(wish(&app, &caller, order_id(&id)?, OrderWish::Return).await?))
}
