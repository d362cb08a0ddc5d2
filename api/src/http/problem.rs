//! Errors as RFC 9457 problem details.

use std::any::Any;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::fault::Fault;
use domain::merchant::MerchantRejection;
use domain::order::Rejection;
use engine::Refusal;
use eventlog::LogError;
use projections::LookUpError;
use serde::Serialize;
use utoipa::ToSchema;

/// An error answer, `application/problem+json`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// A URI of the kind of problem.
    #[serde(rename = "type")]
    #[schema(example = "urn:orderlight:problem:invalid_body")]
    kind: String,
    /// The kind of problem in words.
    #[schema(example = "The body is well-formed but invalid")]
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 422)]
    status: u16,
    /// This problem in words.
    detail: String,
    /// A stable name for programs.
    #[schema(example = "invalid_body")]
    code: &'static str,
    /// Where the input is bad: all of its faults.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FaultView>,
    /// After a wrong code: how many the customer may still try.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts_left: Option<u8>,
    #[serde(skip)]
    retry_after_seconds: Option<u16>,
}

/// One fault of an input.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct FaultView {
    /// RFC 6901 pointer to the place.
    #[schema(example = "/lines/0/quantity")]
    pointer: String,
    /// What is wrong and what was expected.
    detail: String,
}

impl From<Fault> for FaultView {
    fn from(Fault { pointer, detail }: Fault) -> Self {
        Self { pointer, detail }
    }
}

impl Problem {
    /// A problem of a kind; `code` is its stable name.
    pub fn new(status: StatusCode, code: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:orderlight:problem:{code}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            code,
            errors: vec![],
            attempts_left: None,
            retry_after_seconds: None,
        }
    }

    /// 400: not even readable.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", "The request cannot be read", detail)
    }

    /// 400: a query or path parameter is wrong.
    pub fn bad_parameter(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_parameter", "A parameter of the request is wrong", detail)
    }

    /// 401: no key, or none that counts.
    pub fn unauthorized() -> Self {
        let detail = "send the header `Authorization: Bearer <key>` with a key that is neither revoked nor expired";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "No valid key", detail)
    }

    /// 403: the key lacks the role.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "role_missing", "The key may not do this", detail)
    }

    /// 404: not there, or not yours.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is no such thing", detail)
    }

    /// 422: readable but wrong; all faults at once.
    pub fn invalid(faults: Vec<Fault>) -> Self {
        let detail = match &faults[..] {
            [only] => only.to_string(),
            _ => format!("the body has {} faults, see `errors`", faults.len()),
        };
        let errors = faults.into_iter().map(FaultView::from).collect();
        let title = "The body is well-formed but invalid";
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_body", title, detail) }
    }

    /// 422: the customer's code is wrong.
    pub fn code_wrong(attempts_left: u8) -> Self {
        let detail = match attempts_left {
            0 => "the code is wrong, and no other can be tried".to_owned(),
            left => format!("the code is wrong; attempts left: {left}"),
        };
        let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "code_wrong", "The code is wrong", detail);
        Self { attempts_left: Some(attempts_left), ..problem }
    }

    /// 503: come back a little later.
    pub fn unavailable(code: &'static str, detail: impl Into<String>) -> Self {
        let title = "The service cannot do this now";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, title, detail).retry_after(1)
    }

    /// 500: a fault of ours. The cause is logged where it is turned into this answer, and not told.
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "request failed");
        let title = "The service failed";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", title, "the failure was logged")
    }

    /// 503: a store cannot be read at the moment. The cause is logged and not told.
    fn unreadable_now(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "store cannot be read");
        Self::unavailable("store_unavailable", "the store cannot be read now")
    }

    /// Says when to come back.
    #[must_use]
    pub fn retry_after(mut self, seconds: u16) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// 500: a handler panicked. What it said may hold what the request held, so it is neither told nor logged here.
    pub fn panicked(_panic: Box<dyn Any + Send>) -> Response {
        tracing::error!("a request handler panicked");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The service failed", "the failure was logged")
            .into_response()
    }

    /// 405: the path is there, the method is not.
    pub fn method_not_allowed() -> Self {
        let detail = "the path does not take this method; the header Allow names those it takes";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "The path does not take this method", detail)
    }

    /// The kind of problem in words.
    pub const fn title(&self) -> &'static str {
        self.title
    }

    /// Its HTTP status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::MailboxFull => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "mailbox_full",
                "Too much is waiting",
                "the merchant's mailbox is full; nothing was taken, send it again later",
            )
            .retry_after(1),
            Refusal::Unavailable => Self::unavailable("commit_unknown", refusal.to_string()),
            Refusal::Elsewhere => Self::unavailable("partition_moving", refusal.to_string()),
            Refusal::UnknownMerchant => Self::not_found(refusal.to_string()),
            Refusal::DeliveryKeyReused => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "delivery_key_reused",
                "The delivery key stands for another message",
                "another body was taken under this delivery key and nothing was stored now; \
                 to change an order use PATCH /v1/orders/{id}, to send another message use a new Idempotency-Key",
            ),
            Refusal::Order(rejection) => rejection.into(),
            Refusal::Merchant(rejection) => rejection.into(),
            Refusal::Draft(rejection) => rejection.into(),
            Refusal::Rulebook(rejection) => rejection.into(),
            Refusal::Shadow(rejection) => rejection.into(),
            Refusal::Signal(rejection) => rejection.into(),
        }
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::UnknownOrder => Self::not_found(rejection.to_string()),
            Rejection::NoCapacity => {
                let title = "No more can be sent this minute";
                Self::new(StatusCode::CONFLICT, rejection.code(), title, rejection.to_string()).retry_after(60)
            }
            _ => {
                Self::new(StatusCode::CONFLICT, rejection.code(), "The order's state forbids it", rejection.to_string())
            }
        }
    }
}

impl From<MerchantRejection> for Problem {
    fn from(rejection: MerchantRejection) -> Self {
        let conflict =
            |code| Self::new(StatusCode::CONFLICT, code, "The merchant's state forbids it", rejection.to_string());
        match rejection {
            MerchantRejection::AlreadyRegistered => conflict("merchant_exists"),
            MerchantRejection::TooManyKeys => conflict("too_many_keys"),
            MerchantRejection::TooManyEndpoints => conflict("too_many_endpoints"),
            MerchantRejection::NotRegistered | MerchantRejection::NoSuchKey | MerchantRejection::NoSuchEndpoint => {
                Self::not_found(rejection.to_string())
            }
        }
    }
}

impl From<LookUpError> for Problem {
    fn from(error: LookUpError) -> Self {
        match error {
            LookUpError::Cursor(error) => Self::bad_parameter(format!("cursor: {error}")),
            LookUpError::Store(_) => Self::unreadable_now(&error),
            LookUpError::Log(error) => error.into(),
        }
    }
}

impl From<LogError> for Problem {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Damaged(_) => Self::internal(&error),
            LogError::Store(_) | LogError::Fenced { .. } | LogError::Owned { .. } | LogError::Conflict(_) => {
                Self::unreadable_now(&error)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, retry_after) = (self.status(), self.retry_after_seconds);
        let mut response = (status, axum::Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_work_later_says_when_to_come_back() {
        for (refusal, status) in [(Refusal::MailboxFull, 429), (Refusal::Unavailable, 503)] {
            let response = Problem::from(refusal).into_response();
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(response.headers()[header::RETRY_AFTER], "1");
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        }
    }

    #[test]
    fn a_reused_delivery_key_names_the_ways_on() {
        let problem = Problem::from(Refusal::DeliveryKeyReused);
        assert_eq!((problem.status, problem.code), (422, "delivery_key_reused"));
        assert!(problem.detail.contains("PATCH") && problem.detail.contains("Idempotency-Key"));
    }

    #[test]
    fn a_panic_is_a_problem_that_tells_nothing_of_it() {
        let response = Problem::panicked(Box::new("a phone number".to_owned()));
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    }
}
