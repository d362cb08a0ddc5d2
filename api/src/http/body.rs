//! Bodies and parameters, read so that whatever is wrong becomes a problem that names it.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::{HeaderMap, StatusCode, header, request::Parts};
use domain::ids::OrderId;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::App;
use super::problem::Problem;

/// The largest JSON body.
pub const BODY_BYTES_MAX: usize = 1 << 20;

/// A JSON body, whatever it holds.
pub struct JsonBody(pub Value);

impl FromRequest<App> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        require_content_type(request.headers(), &["application/json"])?;
        let bytes = Bytes::from_request(request, app).await.map_err(|rejection| unreadable(&rejection))?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| Problem::malformed(format!("not JSON: {error}")))
    }
}

/// Refuses a body of another type.
pub fn require_content_type(headers: &HeaderMap, expected: &[&str]) -> Result<(), Problem> {
    let told = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = told.split(';').next().unwrap_or_default().trim();
    if expected.iter().any(|expected| essence.eq_ignore_ascii_case(expected)) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "The body is of another type",
        format!("expected `Content-Type: {}`", expected.join("` or `")),
    ))
}

/// The problem of a body that could not be taken whole.
pub fn unreadable(rejection: &BytesRejection) -> Problem {
    match rejection {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => too_large(BODY_BYTES_MAX),
        _ => Problem::malformed("the body ended early"),
    }
}

/// 413.
pub fn too_large(bytes_max: usize) -> Problem {
    let detail = format!("a body may have at most {bytes_max} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "The body is too large", detail)
}

/// Query parameters of a known form; unknown ones are an error.
pub struct Parameters<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<App> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self, Problem> {
        let query = Query::try_from_uri(&parts.uri);
        query.map(|Query(value)| Self(value)).map_err(|error| Problem::bad_parameter(error.body_text()))
    }
}

/// The order of a path. What cannot be an order id is not there.
pub fn order_id(text: &str) -> Result<OrderId, Problem> {
    text.parse().map_err(|_| Problem::not_found(format!("there is no order {text:?}")))
}
