//! A real log with an engine on it, notices to send, and a log that fails when told to.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use domain::ids::{MerchantId, OrderId};
use domain::merchant::{MerchantCommand, MerchantRegistered};
use domain::notice::{Notice, read_notice};
use domain::order::RiskState;
use domain::rulebook::Rulebook;
use domain::time::{Span, Timestamp};
use engine::{Engine, OrderWish, Origin, Receipt, Refusal, WhenFull, replay};
use eventlog::sqlite::SqliteLog;
use eventlog::vault::Vault;
use eventlog::{Batch, EventLog, Found, LogError, Look, Position, RecordedEvent, StreamId, Wanted};
use serde_json::{Value, json};
use tokio::sync::watch;

use self::interfered::{Interfered, Interference};

#[path = "../../../eventlog/tests/support/interfered.rs"]
mod interfered;

/// When these tests begin.
pub const START: Timestamp = Timestamp::from_millis(1_794_355_200_000);

/// Long enough for whatever a deadline leads to.
const PATIENCE: Duration = Duration::from_secs(20);

/// An engine on a store of its own.
pub struct Shop {
    pub engine: Engine,
    pub log: Arc<Interfered<Told>>,
    pub vault: Arc<Vault>,
    pub merchant: MerchantId,
    clock: Arc<AtomicI64>,
    directory: tempfile::TempDir,
}

/// What a shop decides by at first. Presets change with what is learned of shops, and not what is asked of the engine.
pub fn first_rulebook() -> Rulebook {
    Rulebook::read(include_bytes!("rulebook.json")).expect("it is a good one")
}

impl Shop {
    pub async fn open() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(AtomicI64::new(START.millis()));
        let shop = Self::open_in(directory, clock).await;
        let registered =
            MerchantRegistered { name: "Shop".into(), time_zone: "Asia/Shanghai".into(), currency: "CNY".into() };
        let command = MerchantCommand::Register(registered);
        shop.engine.command(&shop.merchant, origin(), command).await.expect("registered");
        shop
    }

    async fn open_in(directory: tempfile::TempDir, clock: Arc<AtomicI64>) -> Self {
        let log = SqliteLog::open(&directory.path().join("log.sqlite")).await.expect("a log");
        let log = Arc::new(Interfered::new(Arc::new(log), Told::default()));
        let vault = Arc::new(Vault::open_or_create(&directory.path().join("master.key")).expect("a vault"));
        let told = clock.clone();
        let time: engine::Clock = Arc::new(move || Timestamp::from_millis(told.load(Ordering::SeqCst)));
        let snapshots = directory.path().join("snapshots");
        let engine =
            Engine::open(log.clone(), vault.clone(), time, first_rulebook(), Some(snapshots)).await.expect("an engine");
        let merchant = "default".parse().expect("an id");
        Self { engine, log, vault, merchant, clock, directory }
    }

    /// Ends the engine and begins again from what is stored.
    pub async fn reopen(self) -> Self {
        self.engine.close().await;
        self.log.close().await;
        drop(self.log);
        Self::open_in(self.directory, self.clock).await
    }

    /// Where the log is.
    pub fn log_file(&self) -> PathBuf {
        self.directory.path().join("log.sqlite")
    }

    /// Ends the engine and begins again from the log alone.
    pub async fn without_snapshots(self) -> Self {
        self.engine.close().await;
        self.log.close().await;
        drop(self.log);
        let snapshots = self.directory.path().join("snapshots");
        if snapshots.exists() {
            std::fs::remove_dir_all(snapshots).expect("removed");
        }
        Self::open_in(self.directory, self.clock).await
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.load(Ordering::SeqCst))
    }

    pub fn set_clock(&self, time: Timestamp) {
        self.clock.store(time.millis(), Ordering::SeqCst);
    }

    pub async fn send(&self, line: Value) -> Result<Receipt, Refusal> {
        let pending = self.engine.submit(&self.merchant, origin(), notice(line), WhenFull::Refuse).await?;
        pending.receipt().await
    }

    pub async fn events(&self) -> Vec<Arc<RecordedEvent>> {
        self.log.read(0, 0, 100_000).await.expect("readable")
    }

    /// The events of the orders, as `name` and payload.
    pub async fn order_events(&self) -> Vec<(String, Value)> {
        let events = self.events().await;
        let orders = events.iter().filter(|event| &*event.key.aggregate_type == "order");
        orders
            .map(|event| {
                let payload: Value = serde_json::from_str(&event.payload).expect("json");
                (event.event_type.to_string(), payload[&*event.event_type].clone())
            })
            .collect()
    }
}

pub fn origin() -> Origin {
    Origin { actor: "test".to_owned(), source: "api".to_owned() }
}

pub fn notice(line: Value) -> Notice {
    read_notice(line).expect("a notice")
}

/// So many seconds after [`START`].
pub fn second(second: u32) -> Timestamp {
    START.plus(Span::from_secs(second))
}

/// An order line with a customer, an address, a phone and a device.
pub fn placed(order_no: &str, at: u32) -> Value {
    json!({"kind": "placed", "order": {
        "channel": "web", "order_no": order_no, "placed_at": second(at).to_string(), "currency": "CNY", "amount": 39900,
        "lines": [{"sku": "MASK-01", "quantity": 2, "unit_price": 19950}],
        "customer": {"id": "u-77", "name": "张三", "phone": "13800138000", "level": 2, "registered_at": "2026-01-02T08:00:00Z"},
        "delivery": {"recipient": "李四", "phone": "13900139000", "country": "CN", "province": "浙江省", "city": "杭州市",
                     "street": "文三路 1 号"},
        "device": {"id": "d-9f1c"}, "ip": "203.0.113.7"}})
}

pub fn status(order_no: &str, status: &str, at: u32) -> Value {
    json!({"kind": "status", "order_id": format!("web:{order_no}"), "status": status,
           "occurred_at": second(at).to_string(), "source": "wms"})
}

pub fn id(order_no: &str) -> OrderId {
    format!("web:{order_no}").parse().expect("an id")
}

pub async fn wish(shop: &Shop, order_no: &str, wish: OrderWish) -> Result<Receipt, Refusal> {
    shop.engine.wish(&shop.merchant, origin(), id(order_no), wish).await
}

pub fn state(receipt: &Receipt) -> RiskState {
    receipt.risk.as_ref().expect("placed").state
}

/// An order that scores 80 by the tests' rulebook and is asked about by SMS: who registers and buys at once.
pub fn doubtful(order_no: &str, at: u32) -> Value {
    let mut line = placed(order_no, at);
    line["order"]["customer"] =
        json!({"id": format!("u-{order_no}"), "phone": "13700137000", "registered_at": second(at).to_string()});
    line["order"]["device"]["id"] = format!("d-{order_no}").into();
    line["order"]["delivery"]["street"] = format!("文三路 {order_no} 号").into();
    line["order"]["ip"] = Value::Null;
    line["order"].as_object_mut().expect("an order").remove("ip");
    line
}

/// The payload of the first event of a kind, as soon as there is one.
pub async fn told(shop: &Shop, kind: &str) -> Value {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some((_, payload)) = shop.order_events().await.into_iter().find(|(name, _)| name == kind) {
            return payload;
        }
        assert!(tokio::time::Instant::now() < until, "no {kind}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub async fn count(shop: &Shop, kind: &str) -> usize {
    shop.order_events().await.iter().filter(|(name, _)| name == kind).count()
}

/// Waits until so many events of a kind were recorded.
pub async fn counted(shop: &Shop, kind: &str, wanted: usize) {
    let until = tokio::time::Instant::now() + PATIENCE;
    while count(shop, kind).await < wanted {
        assert!(tokio::time::Instant::now() < until, "no {wanted} of {kind}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub async fn replays(shop: &Shop) {
    let log: Arc<dyn EventLog> = shop.log.clone();
    let replayed = replay(log, 0, |_| {}).await.expect("replayed");
    assert_eq!(replayed.decisions, replayed.identical, "{:?}", replayed.different);
}

/// A real log is told that appends and reads of streams fail or wait, and tells how much was read.
#[derive(Default)]
pub struct Told {
    failures: AtomicUsize,
    panics: AtomicUsize,
    is_held: watch::Sender<bool>,
    arrived: watch::Sender<usize>,
    handed_out: Arc<AtomicUsize>,
    failing_reads: AtomicUsize,
    are_reads_held: watch::Sender<bool>,
    reads: watch::Sender<usize>,
    look_ups: watch::Sender<usize>,
    looked_for: AtomicUsize,
    commits: Mutex<Vec<Vec<&'static str>>>,
}

impl Told {
    /// How many events were read from it since the last call, page by page.
    pub fn handed_out(&self) -> usize {
        self.handed_out.swap(0, Ordering::SeqCst)
    }

    /// What was put to the log since the last call: the types of the events of each batch.
    pub fn commits(&self) -> Vec<Vec<&'static str>> {
        std::mem::take(&mut *self.commits.lock().expect("nobody panics while it is locked"))
    }

    pub fn fail_next(&self, appends: usize) {
        self.failures.store(appends, Ordering::SeqCst);
    }

    /// Appends wait from now on.
    pub fn hold(&self) {
        self.is_held.send_replace(true);
    }

    /// From now on nobody is given what is read of streams.
    pub fn hold_reads(&self) {
        self.are_reads_held.send_replace(true);
    }

    /// They wait no longer.
    pub fn let_go(&self) {
        self.is_held.send_replace(false);
        self.are_reads_held.send_replace(false);
    }

    pub fn fail_next_reads(&self, reads: usize) {
        self.failing_reads.store(reads, Ordering::SeqCst);
    }

    /// Changes whenever streams were read from now on.
    pub fn reads(&self) -> watch::Receiver<usize> {
        self.reads.subscribe()
    }

    /// Changes whenever the writer looks up from now on what a batch needs.
    pub fn look_ups(&self) -> watch::Receiver<usize> {
        self.look_ups.subscribe()
    }

    /// How many orders the writer looked up since the last call.
    pub fn looked_for(&self) -> usize {
        self.looked_for.swap(0, Ordering::SeqCst)
    }

    /// Waits until one more append has begun than at the last call.
    pub async fn append_begins(&self) {
        let mut arrived = self.arrived.subscribe();
        let before = *arrived.borrow_and_update();
        if before == 0 {
            arrived.changed().await.expect("the log is there");
        }
        self.arrived.send_modify(|arrived| *arrived -= 1);
    }

    pub fn panic_next(&self) {
        self.panics.store(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Interference for Told {
    async fn append(&self, log: &dyn EventLog, batch: Batch) -> Result<(), LogError> {
        assert_eq!(self.panics.swap(0, Ordering::SeqCst), 0, "told to panic");
        if *self.is_held.borrow() {
            self.arrived.send_modify(|arrived| *arrived += 1);
            self.is_held.subscribe().wait_for(|is_held| !is_held).await.expect("the log is there");
        }
        fail_one_of(&self.failures)?;
        let types = batch.events.iter().map(|event| event.event_type).collect();
        // Before whoever reads the log can see it.
        self.commits.lock().expect("nobody panics while it is locked").push(types);
        log.append(batch).await
    }

    async fn scan(
        &self,
        log: &dyn EventLog,
        partition: u32,
        after: Position,
        limit: u32,
        mut look: Look,
    ) -> Result<(), LogError> {
        let handed_out = self.handed_out.clone();
        let counted: Look = Box::new(move |event| {
            handed_out.fetch_add(1, Ordering::SeqCst);
            look(event);
        });
        log.scan(partition, after, limit, counted).await
    }

    async fn read_streams(&self, log: &dyn EventLog, streams: &[StreamId]) -> Result<Vec<RecordedEvent>, LogError> {
        fail_one_of(&self.failing_reads)?;
        let read = log.read_streams(streams).await;
        self.reads.send_modify(|reads| *reads += 1);
        self.are_reads_held.subscribe().wait_for(|are_held| !are_held).await.expect("the log is there");
        read
    }

    async fn look_up(&self, log: &dyn EventLog, wanted: Arc<Wanted>) -> Result<Found, LogError> {
        self.looked_for.fetch_add(wanted.streams.len(), Ordering::SeqCst);
        self.look_ups.send_modify(|look_ups| *look_ups += 1);
        log.look_up(wanted).await
    }
}

fn fail_one_of(failures: &AtomicUsize) -> Result<(), LogError> {
    let failing = failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
    if failing.is_ok() { Err(LogError::Damaged("told to fail".to_owned())) } else { Ok(()) }
}
