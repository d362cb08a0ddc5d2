//! One request to a receiver: no redirect is followed, nobody is waited for too long, and little of an answer is read.

use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{Method, Request, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pooled;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;

use crate::guard::{Guard, Refused};

/// The longest head of an answer.
const HEAD_BYTES_MAX: usize = 16_384;
/// How much of an answer is read of which the status alone counts, and how long that may take: enough for the connection of a decent
/// receiver to be used again.
const LEFT_BYTES_MAX: usize = 4_096;
const LEFT_WITHIN: Duration = Duration::from_millis(500);
/// How long a connection that nobody uses is kept.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// Speaks to receivers.
pub(crate) struct Client {
    pool: Pooled<HttpsConnector<HttpConnector<Guard>>, Full<Bytes>>,
    guard: Guard,
    answer_within: Duration,
}

/// What is sent.
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Vec<u8>,
    pub(crate) wanted: Wanted,
}

/// What of an answer counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wanted {
    /// Its status, whatever follows, and however that ends.
    Status,
    /// All of it, up to so many bytes.
    Body {
        /// How many.
        bytes_max: usize,
    },
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

/// Why nothing usable came back. No text of a receiver is repeated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error("{0}")]
    Refused(#[from] Refused),
    #[error("did not answer in time")]
    Slow,
    #[error("could not be reached")]
    Unreachable,
    #[error("broke off")]
    BrokenOff,
    #[error("answered with a body that is too long")]
    TooLong(u16),
}

impl Client {
    pub(crate) fn new(guard: Guard, answer_within: Duration, idle_max: usize) -> Self {
        let mut connector = HttpConnector::new_with_resolver(guard.clone());
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(answer_within));
        let connector =
            HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().wrap_connector(connector);
        let pool = Pooled::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(idle_max)
            .http1_max_buf_size(HEAD_BYTES_MAX)
            .build(connector);
        Self { pool, guard, answer_within }
    }

    pub(crate) async fn send(&self, outgoing: Outgoing) -> Result<Answer, NoAnswer> {
        let uri = self.guard.read(&outgoing.url)?;
        let wanted = outgoing.wanted;
        let asked = self.pool.request(request(uri, outgoing));
        match wanted {
            Wanted::Status => {
                let response = timeout(self.answer_within, asked).await.map_err(|_| NoAnswer::Slow)?;
                let response = response.map_err(|error| why(&error))?;
                let status = response.status().as_u16();
                let left = Limited::new(response.into_body(), LEFT_BYTES_MAX).collect();
                // What it says, and whether it says it to its end, is of no interest.
                drop(timeout(LEFT_WITHIN, left).await);
                Ok(Answer { status, body: Bytes::new() })
            }
            Wanted::Body { bytes_max } => {
                let exchange = async {
                    let response = asked.await.map_err(|error| why(&error))?;
                    let status = response.status().as_u16();
                    match Limited::new(response.into_body(), bytes_max).collect().await {
                        Ok(body) => Ok(Answer { status, body: body.to_bytes() }),
                        Err(error) if error.is::<LengthLimitError>() => Err(NoAnswer::TooLong(status)),
                        Err(_) => Err(NoAnswer::BrokenOff),
                    }
                };
                timeout(self.answer_within, exchange).await.unwrap_or(Err(NoAnswer::Slow))
            }
        }
    }
}

fn request(uri: Uri, outgoing: Outgoing) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::from(outgoing.body));
    *request.method_mut() = outgoing.method;
    *request.uri_mut() = uri;
    request.headers_mut().extend(outgoing.headers);
    request
}

fn why(error: &hyper_util::client::legacy::Error) -> NoAnswer {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = source {
        let inner = cause.downcast_ref::<std::io::Error>().and_then(|error| error.get_ref());
        if inner.is_some_and(<dyn std::error::Error + Send + Sync>::is::<Refused>) {
            return NoAnswer::Refused(Refused::Private);
        }
        source = cause.source();
    }
    if error.is_connect() { NoAnswer::Unreachable } else { NoAnswer::BrokenOff }
}
