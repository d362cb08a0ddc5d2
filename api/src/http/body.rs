//! Bodies and parameters, read so that whatever is wrong becomes a problem that names it.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::{HeaderMap, StatusCode, header, request::Parts};
use domain::ids::OrderId;
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;

use super::App;
use super::problem::Problem;

/// The largest JSON body.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// How much of a larger body is taken off the wire all the same, so that its sender gets to read the answer.
const DISCARDED_BYTES_MAX: usize = 16 << 20;
/// How long a body may take to arrive.
const BODY_TIME_MAX: Duration = Duration::from_secs(30);

/// A JSON body, whatever it holds.
pub struct JsonBody(pub Value);

impl FromRequest<App> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _app: &App) -> Result<Self, Problem> {
        require_content_type(request.headers(), &["application/json"])?;
        let bytes = whole(request.into_body()).await?;
        json(&bytes).map(Self)
    }
}

/// The bytes of a JSON body; none when it is empty, whatever its type.
///
/// # Errors
/// As [`whole`], and 415 when it is of another type.
pub async fn said(request: Request) -> Result<Option<Bytes>, Problem> {
    let (parts, body) = request.into_parts();
    let bytes = whole(body).await?;
    if bytes.trim_ascii().is_empty() {
        return Ok(None);
    }
    require_content_type(&parts.headers, &["application/json"])?;
    Ok(Some(bytes))
}

/// A JSON body; none when it is empty, whatever its type.
pub struct OptionalBody(pub Option<Value>);

impl FromRequest<App> for OptionalBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _app: &App) -> Result<Self, Problem> {
        said(request).await?.map(|bytes| json(&bytes)).transpose().map(Self)
    }
}

/// Reads JSON.
fn json(bytes: &[u8]) -> Result<Value, Problem> {
    domain::json::read(bytes).map_err(|error| Problem::malformed(format!("not JSON: {error}")))
}

/// All bytes of a body that is not larger or slower than allowed.
///
/// # Errors
/// 400 when it ended early, 408 when it took too long, 413 when it is too large.
pub async fn whole(body: Body) -> Result<Bytes, Problem> {
    timeout(BODY_TIME_MAX, gather(body)).await.unwrap_or_else(|_| {
        let detail = format!("the body did not arrive within {} seconds", BODY_TIME_MAX.as_secs());
        Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", "The body is too slow", detail))
    })
}

async fn gather(body: Body) -> Result<Bytes, Problem> {
    let (mut frames, mut gathered, mut length) = (body.into_data_stream(), Vec::new(), 0_usize);
    while let Some(frame) = frames.next().await {
        let frame = frame.map_err(|_| Problem::malformed("the body ended early"))?;
        length = length.saturating_add(frame.len());
        if length <= BODY_BYTES_MAX {
            gathered.extend_from_slice(&frame);
        } else if length > DISCARDED_BYTES_MAX {
            break;
        }
    }
    if length <= BODY_BYTES_MAX { Ok(gathered.into()) } else { Err(too_large("body", BODY_BYTES_MAX)) }
}

/// Refuses a body of another type.
pub fn require_content_type(headers: &HeaderMap, expected: &[&str]) -> Result<(), Problem> {
    let told = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = told.split(';').next().unwrap_or_default().trim();
    if expected.iter().any(|expected| essence.eq_ignore_ascii_case(expected)) {
        return Ok(());
    }
    Err(unsupported_media_type(expected))
}

/// 415.
pub fn unsupported_media_type(expected: &[&str]) -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "The body is of another type",
        format!("expected `Content-Type: {}`", expected.join("` or `")),
    )
}

/// 413.
pub fn too_large(what: &str, bytes_max: usize) -> Problem {
    let detail = format!("a {what} may have at most {bytes_max} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "The request is too large", detail)
}

/// Parameters of the path, percent-decoded.
pub struct PathParameters<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for PathParameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let path = Path::from_request_parts(parts, app).await;
        path.map(|Path(value)| Self(value)).map_err(|error| Problem::bad_parameter(error.body_text()))
    }
}

/// Query parameters of a known form; unknown ones are an error.
pub struct Parameters<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<App> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self, Problem> {
        let query = Query::try_from_uri(&parts.uri);
        query.map(|Query(value)| Self(value)).map_err(|error| {
            let text = error.body_text();
            Problem::bad_parameter(text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text))
        })
    }
}

/// The order of a path. What cannot be an order id is not there.
pub fn order_id(text: &str) -> Result<OrderId, Problem> {
    text.parse().map_err(|_| Problem::not_found(format!("there is no order {text:?}")))
}
