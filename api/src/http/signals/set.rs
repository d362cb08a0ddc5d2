//! `PUT /v1/signals/{name}/{subject}`: gives one subject a value, or takes it away.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::signal::Told;
use engine::Effect;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Wanted, change, is_withdrawn, name};
use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::SIGNAL;
use crate::http::body::{JsonBody, PathParameters};
use crate::http::fields::Fields;
use crate::http::orders::answered;
use crate::http::problem::Problem;

/// What became of a value.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"name": "weather", "value": "0.8", "expires_at": "2026-11-12T00:00:00.000Z", "changed": true}))]
pub struct ValueView {
    /// The signal.
    name: String,
    /// The value, a decimal as text; null when there is none any more.
    value: Option<String>,
    /// Orders from before then read it.
    expires_at: Option<String>,
    /// Whether it was different before.
    changed: bool,
}

/// Push a value
///
/// Orders placed before `expires_at` read it, from the next one on. `null` as the value takes it away at once. A merchant has at
/// most 200,000 values; one that has expired goes 60 days later. The subject of an address is the JSON of a delivery, as in an
/// order, percent-encoded; what should not stand in a path can be sent to `POST /v1/signals`.
#[utoipa::path(
    put,
    path = "/v1/signals/{name}/{subject}",
    operation_id = "push_signal",
    tag = "Signals",
    extensions(("x-roles" = json!(["ingest", "analyst", "admin"]))),
    params(
        ("name" = String, Path, description = "The signal", example = "weather"),
        ("subject" = String, Path, description = "What the value is about: a province, an IP address, a network such as \
            `203.0.113.0%2F24`, a phone number, a device's or customer's id, the merchant's own id", example = "浙江省"),
    ),
    request_body(content = crate::http::schema::SignalValueBody),
    responses(
        (status = 200, description = "It has the value", body = ValueView,
         headers(("Orderlight-Position" = String, description = "How far the log went, for `?after=`"))),
        (status = 409, description = "`too_many_values`: the merchant has 200,000", body = Problem),
    )
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    PathParameters((called, subject)): PathParameters<(String, String)>,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    caller.require(SIGNAL)?;
    let name = name(&called)?;
    let is_withdrawn = is_withdrawn(&body);
    let mut fields = Fields::of(body)?;
    let wanted = Wanted::read(&mut fields, is_withdrawn);
    let wanted = fields.finish(wanted)?;
    let (value, expires_at) = (wanted.value, wanted.expires_at.filter(|_| !is_withdrawn));
    let receipt = change(&app, &caller, name, wanted.change(Told::Text(subject))).await?;
    let view = ValueView {
        name: name.to_string(),
        value: value.map(|value| value.to_string()),
        expires_at: expires_at.map(|expires_at| expires_at.to_string()),
        changed: receipt.effect != Effect::None,
    };
    Ok(answered(StatusCode::OK, receipt.position, view))
}
