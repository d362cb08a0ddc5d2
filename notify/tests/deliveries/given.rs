//! A log with an endpoint, an outbox on either store, a clock that is set, and a receiver that does as it is told.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU16, AtomicU32, Ordering};
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
use notify::{Delivery, Notifier, Place, State as DeliveryState, Terms, secret_label};
use serde_json::json;
use tokio::sync::Semaphore;

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// How long something may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long to wait between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// Makes two tests of each function.
macro_rules! on_both_stores {
    ($($name:ident,)*) => {
        mod sqlite { $(#[tokio::test(flavor = "multi_thread")] async fn $name() { super::$name(crate::given::Backend::Sqlite).await; })* }
        mod postgres { $(#[tokio::test(flavor = "multi_thread")] async fn $name() { super::$name(crate::given::Backend::Postgres).await; })* }
    };
}

/// What the clock says at first.
const BEGINNING: i64 = 1_794_355_200_000;
/// More answers than any receiver is asked for.
const ANSWERS: usize = 1_000_000;

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
    /// How many answers may be given.
    answers: Arc<Semaphore>,
    /// How many messages of each order wait for their answers, and how many did at most.
    together: Arc<Mutex<(HashMap<String, usize>, usize)>>,
}

impl Receiver {
    pub(crate) async fn answering(status: u16) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (got, status) = (Got::default(), Arc::new(AtomicU16::new(status)));
        let (answers, together) = (Arc::new(Semaphore::new(ANSWERS)), Arc::default());
        let receiver = Self { address: listener.local_addr().unwrap(), got, status, answers, together };
        let routes = Router::new().route("/", post(take)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        receiver
    }

    pub(crate) fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// From now on answers wait until they are let go.
    pub(crate) fn hold(&self) {
        self.answers.forget_permits(ANSWERS);
    }

    /// Lets so many answers go, in the order of what they answer.
    pub(crate) fn let_go(&self, count: usize) {
        self.answers.add_permits(count);
    }

    /// The most messages of one order that waited for their answers at once.
    pub(crate) fn together_max(&self) -> usize {
        self.together.lock().unwrap().1
    }

    /// Waits until something is true of what it got.
    pub(crate) async fn until(&self, true_now: impl Fn(&[String]) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !true_now(&self.ids()) {
            assert!(Instant::now() < until, "does not get on: {:?}", self.ids());
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(crate) fn got(&self) -> Vec<(String, HeaderMap, Bytes)> {
        self.got.lock().unwrap().clone()
    }

    /// The order of each message that it got.
    pub(crate) fn orders(&self) -> Vec<String> {
        let order = |body: &Bytes| -> serde_json::Value {
            serde_json::from_slice::<serde_json::Value>(body).unwrap()["data"]["order_id"].take()
        };
        self.got().iter().map(|(.., body)| order(body).as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.got().into_iter().map(|(id, ..)| id).collect()
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let id = headers["webhook-id"].to_str().unwrap().to_owned();
    let said: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let order = said["data"]["order_id"].to_string();
    {
        let (waiting, most) = &mut *receiver.together.lock().unwrap();
        let of_order = waiting.entry(order.clone()).or_default();
        *of_order += 1;
        *most = (*most).max(*of_order);
    }
    receiver.got.lock().unwrap().push((id, headers, body));
    receiver.answers.acquire().await.unwrap().forget();
    *receiver.together.lock().unwrap().0.get_mut(&order).unwrap() -= 1;
    StatusCode::from_u16(receiver.status.load(Ordering::SeqCst)).unwrap()
}

/// The log as it was once.
pub(crate) struct Backup {
    log: PathBuf,
    streams: HashMap<StreamKey, (StreamId, u64)>,
}

/// A log that is filled batch by batch.
pub(crate) struct Given {
    directory: tempfile::TempDir,
    database: Option<test_postgres::Database>,
    log: Arc<SqliteLog>,
    vault: Arc<Vault>,
    clock: Arc<AtomicI64>,
    breaks: Arc<AtomicU32>,
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
            clock: Arc::new(AtomicI64::new(BEGINNING)),
            breaks: Arc::default(),
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
        let (log, clock, breaks) = (self.log.clone() as Arc<dyn EventLog>, self.clock.clone(), self.breaks.clone());
        let clock = Arc::new(move || {
            let breaks = breaks.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            assert!(breaks.is_err(), "the clock breaks, as it was told to");
            Timestamp::from_millis(clock.load(Ordering::SeqCst))
        });
        let (vault, resolve) = (self.vault.clone(), self.resolve.clone());
        let notifier = Notifier::open(&place, log, vault, clock, self.terms, resolve).await.unwrap();
        notifier.follow(0);
        notifier
    }

    pub(crate) fn later(&self, span: Span) {
        self.clock.fetch_add(span.millis(), Ordering::SeqCst);
    }

    /// Lets whoever asks for the time next panic; comes back when somebody did.
    pub(crate) async fn break_the_clock(&self) {
        self.breaks.store(1, Ordering::SeqCst);
        let until = Instant::now() + PATIENCE;
        while self.breaks.load(Ordering::SeqCst) > 0 {
            assert!(Instant::now() < until, "nobody asks for the time");
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }

    /// Copies the log as it is now.
    pub(crate) fn copy_the_log(&self) -> Backup {
        let (here, there) = (self.directory.path(), self.directory.path().join("backup"));
        std::fs::create_dir(&there).unwrap();
        for entry in std::fs::read_dir(here).unwrap() {
            let name = entry.unwrap().file_name();
            if name.to_string_lossy().starts_with("log.sqlite") {
                std::fs::copy(here.join(&name), there.join(&name)).unwrap();
            }
        }
        Backup { log: there.join("log.sqlite"), streams: self.streams.clone() }
    }

    /// Goes on with a copy of the log, and leaves the outbox as it is.
    pub(crate) async fn restore(&mut self, backup: Backup) {
        let log = Arc::new(SqliteLog::open(&backup.log).await.unwrap());
        let acquired = log.acquire(0).await.unwrap();
        (self.log, self.epoch, self.head, self.streams) = (log, acquired.epoch, acquired.head, backup.streams);
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
            let at = Timestamp::from_millis(BEGINNING);
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
    OrderEvent::Frozen(Frozen { note: Some("a word".into()), ..Frozen::by_itself(FrozenCause::Score) })
}

pub(crate) fn released() -> OrderEvent {
    let cause = ReleasedCause::Reviewer;
    let (actor, reason_code) = (Some("key".into()), Some("called".into()));
    OrderEvent::Released(Released { actor, reason_code, ..Released::by_itself(cause) })
}

/// An order that can be asked about.
pub(crate) fn placed() -> OrderEvent {
    event(json!({"Placed": {"channel": "web", "order_no": "A1", "facts": {}}}))
}

/// Asked for a code, for ten minutes.
pub(crate) fn challenged(challenge: &str) -> OrderEvent {
    let expires_at = Timestamp::from_millis(BEGINNING).plus(Span::from_mins(10)).to_string();
    event(json!({"Challenged": {
        "challenge": challenge, "method": "sms", "expires_at": expires_at, "on_fail": "freeze", "on_expire": "review",
    }}))
}

/// An event as it is stored.
pub(crate) fn event(stored: serde_json::Value) -> OrderEvent {
    serde_json::from_value(stored).unwrap()
}

/// There are so many messages, and all are so far.
pub(crate) fn all(state: DeliveryState, count: usize) -> impl Fn(&[Delivery]) -> bool {
    move |found| found.len() == count && found.iter().all(|delivery| delivery.state == state)
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

/// Waits until something is so.
pub(crate) async fn so(true_now: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !true_now() {
        assert!(Instant::now() < until, "it does not come to be so");
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}
