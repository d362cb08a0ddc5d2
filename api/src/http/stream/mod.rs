//! `GET /v1/stream`: what is decided about a merchant's orders, and what becomes of its queue, as it happens.
//!
//! * It is read from the log, by every process alike, so a reader that comes back with the last id it saw misses nothing and sees
//!   nothing twice. The log only wakes the stream up; the writer does not know that it is there.
//! * Of the store's few connections that read, readers of streams take two at most between them.
//! * A reader is never waited for: what it has not taken waits in a buffer of [`WAITING_MAX`] events, and when that stays full for
//!   [`STALL_MAX`] the stream ends. Where even its end is not taken within [`LAST_WORDS`], the connection is cut.
//! * A key that does not count any more is noticed within [`LOOK_EVERY`].

mod telling;

use std::convert::Infallible;
use std::future::pending;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Extension;
use axum::extract::{ConnectInfo, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use eventlog::{LogError, Position};
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};
use utoipa::IntoParams;

use self::telling::{Told, tell};
use super::App;
use super::auth::LOOK_UP;
use super::body::Parameters;
use super::position::LogPosition;
use super::problem::Problem;
use crate::clock;
use crate::connection::Connection;
use crate::directory::Caller;

/// Events of the log that are read at once.
const PAGE_EVENTS: u32 = 500;
/// Events that wait for their reader.
const WAITING_MAX: usize = 256;
/// How long the reader may take nothing while the buffer is full.
const STALL_MAX: Duration = Duration::from_secs(10);
/// How long the end of a stream may take to be read.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How often the log and the key are looked at without a wake-up.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How far reads lie apart, so that a rush is read in pages and not event by event.
const GATHER: Duration = Duration::from_millis(20);
/// What a browser is told to wait before it comes back.
const COME_BACK_IN: Duration = Duration::from_secs(1);
/// Where a reader says how far it was.
const LAST_EVENT_ID: &str = "last-event-id";

/// Where to begin.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Query {
    /// The id of the last event that was seen, or what a write answered as Orderlight-Position: begins right after it. The header
    /// `Last-Event-ID` goes before it. Without either the stream begins with what happens next.
    #[param(example = "0-17")]
    after: Option<String>,
}

/// Watch decisions and the queue
///
/// Server-sent events without an end, one for each decision about an order of the merchant and for each change of its review queue,
/// in the order of the log. `id` is the event's position; whoever comes back with it, to whichever process, goes on right after it.
///
/// | event | when |
/// |---|---|
/// | `order.released` | it may go on: it passed, was spared, the customer verified it, or a reviewer released it |
/// | `order.challenged` | the customer is asked |
/// | `order.verified` | the customer proved it; `order.released` follows |
/// | `order.frozen` | it is held |
/// | `order.scored` | it was screened again, and nothing follows from that |
/// | `review.opened`, `review.claimed`, `review.returned`, `review.escalated`, `review.reopened` | the queue changed, and the order did not |
/// | `review.closed` | a reviewer confirmed that the order stays frozen, or it left or is off, and nobody has to look |
///
/// `data` is one line of JSON: `order_id`, `at`, `state`, `score`, `tier`, `rules` (those that fired), `cause`, and `review`: `waiting`,
/// `open`, `claimed`, `closed` or null, which is where the order stands in the queue after *every* event, also those named
/// `order.…`. Besides, where there is one: `challenge` (`id`, `method`, `expires_at`), `reviewer` with `lease_until`, `reason_code`. All
/// of it is as of that event, and none of it is personal. Names may be added; pass over what you do not know.
///
/// Comments come every 15 seconds when nothing else does. Who takes nothing for 10 seconds although much waits is dropped with a
/// comment, and may come back. The stream ends when its key is revoked or has expired.
#[utoipa::path(
    get,
    path = "/v1/stream",
    operation_id = "watch_orders",
    tag = "Looking up",
    extensions(("x-roles" = json!(["service", "reviewer", "analyst", "approver", "auditor", "admin"]))),
    params(
        Query,
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was seen", example = "0-17"),
    ),
    responses(
        (status = 200, description = "Events", body = String, content_type = "text/event-stream",
         example = "event: order.challenged\nid: 0-17\ndata: {\"order_id\":\"web:A1001\",\"at\":\"2026-11-10T16:00:01.310Z\",\
                    \"state\":\"challenged\",\"score\":80,\"tier\":\"sms\",\"rules\":[\"device_burst\",\"address_changed\"],\
                    \"cause\":null,\"review\":\"waiting\",\"challenge\":{\"id\":\"0-16\",\"method\":\"sms\",\
                    \"expires_at\":\"2026-11-10T16:10:01.310Z\"}}\n\n"),
        (status = 400, description = "There is no such position, or it is of another merchant's partition", body = Problem),
        (status = 429, description = "`too_many_streams`: 32 read the merchant's stream here", body = Problem),
        (status = 503, description = "`streams_full`: 256 read streams of this process", body = Problem),
    )
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    connection: Option<Extension<ConnectInfo<Connection>>>,
    Parameters(Query { after }): Parameters<Query>,
) -> Result<Response, Problem> {
    caller.require(LOOK_UP)?;
    let last_seen = headers.get(LAST_EVENT_ID).map(|id| id.to_str().unwrap_or("?")).filter(|id| !id.is_empty());
    let after = begins_after(&app, &caller, last_seen.or(after.as_deref())).await?;
    let seat = app.streams.seat(&caller.merchant)?;
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    let (reading, read) = oneshot::channel::<()>();
    let ended = Arc::new(OnceLock::new());
    let reader = Reader { app, caller, at: after, sender: sender.clone() };
    let why = Arc::clone(&ended);
    tokio::spawn(async move {
        let end = reader.follow().await;
        if end == End::TooSlow {
            tracing::info!("a reader of the live stream took nothing and was dropped");
            metrics::counter!("orderlight_stream_readers_dropped_total").increment(1);
        }
        let _first = why.set(end);
        // The answer ends with its last sender, when nothing of the service is held any more.
        drop((seat, sender));
        if timeout(LAST_WORDS, read).await.is_err()
            && let Some(Extension(ConnectInfo(connection))) = connection
        {
            connection.cut();
        }
    });
    let first = Event::default().id(after.to_string()).retry(COME_BACK_IN).comment("from here on");
    let events = stream::unfold(Some(Body { first: Some(first), receiver, ended, _reading: reading }), next);
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

/// What goes over the wire.
struct Body {
    first: Option<Event>,
    receiver: mpsc::Receiver<Event>,
    ended: Arc<OnceLock<End>>,
    /// Gone when nothing more is to be read.
    _reading: oneshot::Sender<()>,
}

/// The next event for the wire; after the last one, why there are no more.
async fn next(body: Option<Body>) -> Option<(Result<Event, Infallible>, Option<Body>)> {
    let mut body = body?;
    let event = match body.first.take() {
        Some(first) => Some(first),
        None => body.receiver.recv().await,
    };
    let (event, rest) = match event {
        Some(event) => (event, Some(body)),
        None => (Event::default().comment(body.ended.get().map_or("the stream failed", |end| end.words())), None),
    };
    Some((Ok(event), rest))
}

/// After which position a stream begins.
async fn begins_after(app: &App, caller: &Caller, asked: Option<&str>) -> Result<LogPosition, Problem> {
    let partition = app.engine.partition_of(&caller.merchant);
    let head = LogPosition { partition, position: app.log.head(partition).await? };
    let Some(asked) = asked else { return Ok(head) };
    let after: LogPosition = asked.parse()?;
    if after.partition != partition || after.position > head.position {
        let detail = format!("the merchant's log has no position {after}: it goes up to {head}");
        return Err(Problem::bad_parameter(detail));
    }
    Ok(after)
}

/// Why a stream ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    HungUp,
    TooSlow,
    KeyGone,
    Unreadable,
    Stopping,
}

impl End {
    const fn words(self) -> &'static str {
        match self {
            Self::HungUp => "nobody listens",
            Self::TooSlow => "dropped, because too little was read; come back with the last id",
            Self::KeyGone => "the key does not count any more",
            Self::Unreadable => "the log cannot be read now; come back with the last id",
            Self::Stopping => "the service stops; come back with the last id",
        }
    }
}

/// Reads the log for one reader of the stream.
struct Reader {
    app: App,
    caller: Caller,
    at: LogPosition,
    sender: mpsc::Sender<Event>,
}

impl Reader {
    /// Tells what comes, until there is a reason to end.
    async fn follow(mut self) -> End {
        let mut stopping = self.app.streams.stopping();
        let mut head = self.app.log.watch(self.at.partition);
        loop {
            if *stopping.borrow() {
                return End::Stopping;
            }
            if !self.app.directory.counts(&self.caller, clock::now()) {
                return End::KeyGone;
            }
            let page = match self.page().await {
                Ok(page) => page,
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "the live stream cannot read the log");
                    return End::Unreadable;
                }
            };
            for told in page.told {
                if let Err(end) = self.send(told, &mut stopping).await {
                    return end;
                }
            }
            self.at.position = page.reached;
            if page.is_full {
                continue;
            }
            tokio::select! {
                () = stopped(&mut stopping) => return End::Stopping,
                () = self.sender.closed() => return End::HungUp,
                () = moved_past(&mut head, page.reached) => sleep(GATHER).await,
                () = sleep(LOOK_EVERY) => {}
            }
        }
    }

    async fn page(&self) -> Result<Page, LogError> {
        let LogPosition { partition, position } = self.at;
        let _turn = self.app.streams.turn().await;
        let events = self.app.log.read(partition, position, PAGE_EVENTS).await?;
        let is_full = u32::try_from(events.len()).is_ok_and(|read| read >= PAGE_EVENTS);
        let (told, reached) = tell(&*self.app.log, &self.caller.merchant, &events, is_full).await?;
        Ok(Page { told, reached: reached.unwrap_or(position), is_full })
    }

    async fn send(&self, told: Told, stopping: &mut watch::Receiver<bool>) -> Result<(), End> {
        let event = Event::default().event(told.name).id(told.id.to_string()).data(told.data);
        tokio::select! {
            sent = self.sender.send_timeout(event, STALL_MAX) => sent.map_err(|failed| match failed {
                SendTimeoutError::Timeout(_) => End::TooSlow,
                SendTimeoutError::Closed(_) => End::HungUp,
            }),
            () = stopped(stopping) => Err(End::Stopping),
        }
    }
}

/// A page of the log as it is told.
struct Page {
    told: Vec<Told>,
    reached: Position,
    is_full: bool,
}

/// Waits until streams are to end; they are as well when whoever says so is gone.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    let _gone = stopping.wait_for(|stopping| *stopping).await.is_err();
}

/// Waits until a head is beyond a position. One whose sender is gone never moves again.
async fn moved_past(head: &mut watch::Receiver<Position>, position: Position) {
    if head.wait_for(|head| *head > position).await.is_err() {
        pending::<()>().await;
    }
}
