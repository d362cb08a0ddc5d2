//! `PUT /v1/signals/{name}`: says what a signal is.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::signal::{DESCRIPTION_CHARS_MAX, Declaration, SignalName, SignalNameError, SubjectKind, UNIT_CHARS_MAX};
use engine::{Effect, SignalChange};
use serde_json::Value;

use super::change;
use super::list::SignalView;
use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::SIGNAL;
use crate::http::body::{JsonBody, PathParameters};
use crate::http::fields::{Fields, Read, parsed, string};
use crate::http::orders::answered;
use crate::http::problem::Problem;

/// Declare a signal
///
/// From then on values can be pushed for it, and rules can read it as `signal.<name>`. What it is about never changes; unit and
/// description may. The signals that every merchant has from the beginning can be declared otherwise before a value is pushed for them. A
/// merchant declares at most 100 signals.
#[utoipa::path(
    put,
    path = "/v1/signals/{name}",
    operation_id = "declare_signal",
    tag = "Signals",
    extensions(("x-roles" = json!(["ingest", "analyst", "admin"]))),
    params(("name" = String, Path, description = "1 to 32 of `a-z 0-9 _`", example = "weather")),
    request_body(content = crate::http::schema::SignalBody),
    responses(
        (status = 201, description = "It is new", body = SignalView,
         headers(("Orderlight-Position" = String, description = "How far the log went, for `?after=`"))),
        (status = 200, description = "It was there; its unit and description are these now", body = SignalView,
         headers(("Orderlight-Position" = String, description = "How far the log went, for `?after=`"))),
        (status = 422, description = "All faults of the body; `/name` is that of the path", body = Problem),
        (status = 409, description = "`other_subject`: it is about something else. `too_many_signals`: there are 100", body = Problem),
    )
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    PathParameters(called): PathParameters<String>,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    caller.require(SIGNAL)?;
    let mut fields = Fields::of(body)?;
    let name: Option<SignalName> =
        called.parse().map_err(|error: SignalNameError| fields.fault("/name", error.to_string())).ok();
    let subject = fields.required("subject", parsed::<SubjectKind>);
    let unit = fields.optional("unit", |value| short(value, UNIT_CHARS_MAX)).unwrap_or_default();
    let description = fields.optional("description", |value| short(value, DESCRIPTION_CHARS_MAX)).unwrap_or_default();
    let declaration =
        subject.map(|subject| Declaration { subject, unit: unit.into(), description: description.into() });
    let (name, declaration) = fields.finish(name.zip(declaration))?;
    let receipt = change(&app, &caller, name, SignalChange::Declare(declaration.clone())).await?;
    let status = if receipt.effect == Effect::New { StatusCode::CREATED } else { StatusCode::OK };
    Ok(answered(status, receipt.position, SignalView::new(name, &declaration)))
}

/// A text for people to read, which may be empty.
fn short(value: Value, chars_max: usize) -> Read<String> {
    let text = string(value)?.trim().to_owned();
    if text.chars().count() <= chars_max && !text.chars().any(char::is_control) {
        Ok(text)
    } else {
        Err(format!("expected at most {chars_max} characters, none of them a control character"))
    }
}
