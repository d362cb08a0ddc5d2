//! `POST /v1/challenges/{id}/resend`: the customer got no SMS and asks for it again.

use axum::extract::State;
use axum::response::Response;
use engine::OrderWish;

use super::order_of;
use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::INGEST;
use crate::http::body::PathParameters;
use crate::http::problem::Problem;
use crate::http::wishes::{OrderStanding, told, wish};

/// Send the code again
///
/// The same code, as often as the setting `code_resends` says. The time for the answer stays as it is.
#[utoipa::path(
    post,
    path = "/v1/challenges/{id}/resend",
    operation_id = "resend_code",
    tag = "Challenges",
    extensions(("x-roles" = json!(["ingest", "admin"]))),
    params(("id" = String, Path, description = "The challenge's id", example = "0-17")),
    responses(
        (status = 200, description = "It goes out again", body = OrderStanding,
         headers(("Orderlight-Position" = String, description = "How far the log went, for `?after=`"))),
        (status = 404, description = "There is no such challenge", body = Problem),
        (status = 409, description = "`resends_used_up`: it was sent as often as it may be. `no_capacity`: no more SMS can be \
         sent this minute, by the setting `sms_per_minute`; it can be asked for again a little later. `challenge_expired`, \
         `challenge_superseded`, `no_open_challenge`, `code_not_expected`: as for an answer", body = Problem),
        (status = 429, description = "The mailbox is full", body = Problem),
    )
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    PathParameters(id): PathParameters<String>,
) -> Result<Response, Problem> {
    caller.require(INGEST)?;
    let (order, challenge) = order_of(&app, &caller, &id).await?;
    Ok(told(wish(&app, &caller, order, OrderWish::Resend { challenge }).await?))
}
