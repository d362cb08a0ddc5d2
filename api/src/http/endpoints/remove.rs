//! `DELETE /v1/endpoints/{id}`: has another system told no more.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::endpoint::EndpointRemoved;
use domain::merchant::MerchantCommand;

use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::ADMIN;
use crate::http::body::PathParameters;
use crate::http::position::{LogPosition, ORDERLIGHT_POSITION};
use crate::http::problem::Problem;

/// Remove an endpoint
///
/// What waits for it is not sent any more, and what it was told is forgotten.
#[utoipa::path(
    delete,
    path = "/v1/endpoints/{id}",
    operation_id = "remove_endpoint",
    tag = "Notifications",
    extensions(("x-roles" = json!(["admin"]))),
    params(("id" = String, Path, description = "The endpoint's id", example = "4f1c9a2be0d35786")),
    responses(
        (status = 204, description = "Removed",
         headers(("Orderlight-Position" = String, description = "How far the log went, for `?after=`"))),
        (status = 404, description = "The merchant has no such endpoint", body = Problem),
    )
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    PathParameters(id): PathParameters<String>,
) -> Result<Response, Problem> {
    caller.require(ADMIN)?;
    let command = MerchantCommand::RemoveEndpoint(EndpointRemoved { id: id.into() });
    let receipt = app.carry_out(&caller.merchant, &caller.key, command).await?;
    let position = HeaderValue::from(LogPosition::from(receipt.position));
    Ok((StatusCode::NO_CONTENT, [(ORDERLIGHT_POSITION, position)]).into_response())
}
