//! A log with an endpoint, an outbox on either store, a clock that is set, and a receiver that does as it is told.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicI64, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use domain::endpoint::{EndpointCreated, EndpointRemoved, Notification, Target};
use domain::merchant::MerchantEvent;
use domain::order::{Frozen, FrozenCause, OrderEvent, Released, ReleasedCause};
use domain::time::{Span, Timestamp};
use eventlog::sqlite::SqliteLog;
use eventlog::vault::Vault;
use eventlog::{Batch, EventLog, NewEvent, Position, StreamId, StreamKey};
use notify::guard::{Resolve, system};
use notify::{Delivery, Notifier, Place, Terms, secret_label};

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// How long something may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long to wait between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// What a receiver got: the id, its signature's headers and the body of each message.
type Got = Arc<Mutex<Vec<(String, HeaderMap, Bytes)>>>;

/// A receiver that answers every message with the status that it was told.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    got: Got,
    status: Arc<AtomicU16>,
}

impl Receiver {
    pub(crate) async fn answering(status: u16) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (got, status) = (Got::default(), Arc::new(AtomicU16::new(status)));
        let receiver = Self { address: listener.local_addr().unwrap(), got, status };
        let routes = Router::new().route("/", post(take)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        receiver
    }

    pub(crate) fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(crate) fn got(&self) -> Vec<(String, HeaderMap, Bytes)> {
        self.got.lock().unwrap().clone()
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.got().into_iter().map(|(id, ..)| id).collect()
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let id = headers["webhook-id"].to_str().unwrap().to_owned();
    receiver.got.lock().unwrap().push((id, headers, body));
    StatusCode::from_u16(receiver.status.load(Ordering::SeqCst)).unwrap()
}

/// A log that is filled batch by batch.
pub(crate) struct Given {
    directory: tempfile::TempDir,
    database: Option<test_postgres::Database>,
    log: Arc<SqliteLog>,
    vault: Arc<Vault>,
    clock: Arc<AtomicI64>,
    pub(crate) resolve: Resolve,
    pub(crate) terms: Terms,
    epoch: u64,
    pub(crate) head: Position,
    streams: HashMap<StreamKey, (StreamId, u64)>,
}

impl Given {
    pub(crate) async fn nothing(on: Backend) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = Arc::new(SqliteLog::open(&directory.path().join("log.sqlite")).await.unwrap());
        let acquired = log.acquire(0).await.unwrap();
        let database = match on {
            Backend::Sqlite => None,
            Backend::Postgres => Some(test_postgres::Database::fresh().await),
        };
        Self {
            directory,
            database,
            log,
            vault: Arc::new(Vault::from_bytes([7; 32])),
            clock: Arc::new(AtomicI64::new(1_794_355_200_000)),
            resolve: system(),
            terms: Terms { allow_private: true, ..Terms::default() },
            epoch: acquired.epoch,
            head: acquired.head,
            streams: HashMap::new(),
        }
    }

    /// A notifier that follows the log.
    pub(crate) async fn notifier(&self) -> Notifier {
        let place = match &self.database {
            None => Place::File(self.directory.path().join("outbox.sqlite")),
            Some(database) => Place::Postgres { url: database.url().to_owned(), session_name: None },
        };
        let (log, clock) = (self.log.clone() as Arc<dyn EventLog>, self.clock.clone());
        let clock = Arc::new(move || Timestamp::from_millis(clock.load(Ordering::SeqCst)));
        let (vault, resolve) = (self.vault.clone(), self.resolve.clone());
        let notifier = Notifier::open(&place, log, vault, clock, self.terms, resolve).await.unwrap();
        notifier.follow(0);
        notifier
    }

    pub(crate) fn later(&self, span: Span) {
        self.clock.fetch_add(span.millis(), Ordering::SeqCst);
    }

    pub(crate) async fn endpoint(&mut self, id: &str, url: &str, events: &[Notification]) {
        let merchant = "shop".parse().unwrap();
        let sealed = self.vault.seal_secret(&merchant, &secret_label(id), SECRET.as_bytes()).unwrap();
        let target = Target::Url(url.into());
        let created =
            EndpointCreated { id: id.into(), target, events: events.to_vec(), secret: BASE64.encode(sealed).into() };
        self.merchant(&MerchantEvent::EndpointCreated(created)).await;
    }

    pub(crate) async fn removed(&mut self, id: &str) {
        self.merchant(&MerchantEvent::EndpointRemoved(EndpointRemoved { id: id.into() })).await;
    }

    async fn merchant(&mut self, event: &MerchantEvent) {
        self.append("merchant", "shop", vec![(event.name(), serde_json::to_string(event).unwrap())]).await;
    }

    /// Appends events of one order, in one batch; answers with the position of the last.
    pub(crate) async fn order(&mut self, id: &str, events: &[OrderEvent]) -> Position {
        let events = events.iter().map(|event| (event.name(), serde_json::to_string(event).unwrap())).collect();
        self.append("order", id, events).await;
        self.head
    }

    async fn append(&mut self, kind: &str, id: &str, payloads: Vec<(&'static str, String)>) {
        let key = StreamKey { merchant: "shop".parse().unwrap(), aggregate_type: kind.into(), aggregate_id: id.into() };
        let next = StreamId::try_from(self.streams.len()).unwrap() + 1;
        let mut batch = Batch { partition: 0, epoch: self.epoch, after: self.head, ..Batch::default() };
        let (stream, sequence) = self.streams.entry(key.clone()).or_insert_with(|| {
            batch.streams.push((next, key));
            (next, 0)
        });
        for (event_type, payload) in payloads {
            *sequence += 1;
            self.head += 1;
            let at = Timestamp::from_millis(1_794_355_200_000);
            batch.events.push(NewEvent {
                stream: *stream,
                sequence: *sequence,
                event_type,
                event_version: "1",
                payload,
                metadata: "{}".into(),
                occurred_at: at,
                recorded_at: at,
            });
        }
        self.log.append(batch).await.unwrap();
    }
}

pub(crate) fn frozen() -> OrderEvent {
    OrderEvent::Frozen(Frozen {
        cause: FrozenCause::Score,
        actor: None,
        reason_code: None,
        note: Some("a word".into()),
    })
}

pub(crate) fn released() -> OrderEvent {
    let cause = ReleasedCause::Reviewer;
    let (actor, reason_code) = (Some("key".into()), Some("called".into()));
    OrderEvent::Released(Released { actor, reason_code, ..Released::by_itself(cause) })
}

/// An answer of every name: these addresses.
pub(crate) fn resolving_to(addresses: &'static [IpAddr]) -> Resolve {
    Arc::new(move |_| Box::pin(async move { Ok(addresses.to_vec()) }))
}

/// All messages of an endpoint once something is true of them.
pub(crate) async fn until(
    notifier: &Notifier,
    endpoint: &str,
    true_now: impl Fn(&[Delivery]) -> bool,
) -> Vec<Delivery> {
    let until = Instant::now() + PATIENCE;
    loop {
        let found = notifier.deliveries(endpoint, None, None, 200).await.unwrap();
        if true_now(&found) {
            return found;
        }
        assert!(Instant::now() < until, "{endpoint} does not get on: {found:?}");
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}
