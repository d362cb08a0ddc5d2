//! A log in a directory of its own, a place for read models, and the events to fill the log with.

use std::collections::HashMap;
use std::sync::Arc;

use domain::ids::{MerchantId, OrderId, Token};
use domain::order::{
    Amended, ChallengeMethod, Challenged, CustomerFacts, DeliveryFacts, Facts, Frozen, FrozenCause, Hit, IpFacts,
    OnExpire, OnFail, OrderEvent, PhoneFacts, Placed, Reading, Readings, Released, ReleasedCause, ReviewCause,
    ReviewClaimed, ReviewOpened, ReviewReturned, Scored, ScoredCause, Status, StatusReported,
};
use domain::phone::PhoneKind;
use domain::time::{Span, Timestamp};
use eventlog::sqlite::SqliteLog;
use eventlog::{Batch, EventLog, NewEvent, Position, StreamId, StreamKey};
use projections::{OrderStatusRow, Place, ReadModels, ReviewRow};

pub(crate) const SHOP: &str = "default";

/// 2026-11-11T00:00:00Z and so many minutes.
pub(crate) fn minute(minutes: u32) -> Timestamp {
    Timestamp::from_millis(1_794_355_200_000).plus(Span::from_mins(minutes))
}

/// The token of a name.
pub(crate) fn token(name: &str) -> Token {
    let mut bytes = [0; 16];
    for (place, byte) in bytes.iter_mut().zip(name.bytes()) {
        *place = byte;
    }
    Token::new(bytes)
}

pub(crate) fn merchant(name: &str) -> MerchantId {
    name.parse().unwrap()
}

pub(crate) fn order_id(id: &str) -> OrderId {
    id.parse().unwrap()
}

/// What the read models are stored in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// A place for read models that is theirs alone.
pub(crate) enum Somewhere {
    Directory(tempfile::TempDir),
    Database(test_postgres::Database),
}

impl Somewhere {
    pub(crate) async fn fresh(on: Backend) -> Self {
        match on {
            Backend::Sqlite => Self::Directory(tempfile::tempdir().unwrap()),
            Backend::Postgres => Self::Database(test_postgres::Database::fresh().await),
        }
    }

    fn place(&self) -> Place {
        match self {
            Self::Directory(directory) => Place::File(directory.path().join("read.sqlite")),
            Self::Database(database) => Place::Postgres { url: database.url().to_owned(), session_name: None },
        }
    }
}

/// A log that is filled batch by batch; event number `n` is recorded at second `n`.
pub(crate) struct Given {
    _directory: tempfile::TempDir,
    pub(crate) place: Somewhere,
    pub(crate) log: Arc<SqliteLog>,
    epoch: u64,
    pub(crate) head: Position,
    streams: HashMap<StreamKey, (StreamId, u64)>,
}

impl Given {
    pub(crate) async fn nothing(on: Backend) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = Arc::new(SqliteLog::open(&directory.path().join("log.sqlite")).await.unwrap());
        let acquired = log.acquire(0).await.unwrap();
        let place = Somewhere::fresh(on).await;
        let (epoch, head) = (acquired.epoch, acquired.head);
        Self { _directory: directory, place, log, epoch, head, streams: HashMap::new() }
    }

    pub(crate) async fn read_models(&self) -> ReadModels {
        self.read_models_in(&self.place).await
    }

    pub(crate) async fn read_models_in(&self, place: &Somewhere) -> ReadModels {
        ReadModels::open(&place.place(), Arc::clone(&self.log) as Arc<dyn EventLog>).await.unwrap()
    }

    /// Appends events of one order of the default merchant, in one batch.
    pub(crate) async fn order(&mut self, id: &str, events: impl IntoIterator<Item = OrderEvent>) {
        self.order_of(SHOP, id, events).await;
    }

    pub(crate) async fn order_of(&mut self, shop: &str, id: &str, events: impl IntoIterator<Item = OrderEvent>) {
        let payloads = events.into_iter().map(|event| (event.name(), serde_json::to_string(&event).unwrap())).collect();
        self.raw(shop, "order", id, payloads).await;
    }

    pub(crate) async fn raw(&mut self, shop: &str, kind: &str, id: &str, payloads: Vec<(&'static str, String)>) {
        let key = StreamKey { merchant: merchant(shop), aggregate_type: kind.into(), aggregate_id: id.into() };
        let next = StreamId::try_from(self.streams.len()).unwrap() + 1;
        let mut batch = Batch { partition: 0, epoch: self.epoch, after: self.head, ..Batch::default() };
        let (stream, sequence) = self.streams.entry(key.clone()).or_insert_with(|| {
            batch.streams.push((next, key));
            (next, 0)
        });
        for (event_type, payload) in payloads {
            *sequence += 1;
            self.head += 1;
            let recorded_at = recorded_at(self.head);
            batch.events.push(NewEvent {
                stream: *stream,
                sequence: *sequence,
                event_type,
                event_version: "1",
                payload,
                metadata: "{}".into(),
                occurred_at: recorded_at,
                recorded_at,
            });
        }
        self.log.append(batch).await.unwrap();
    }

    /// All that the log holds, folded.
    pub(crate) async fn folded(&self) -> ReadModels {
        let models = self.read_models().await;
        models.catch_up().await.unwrap();
        models
    }
}

/// When the event at a position was recorded.
pub(crate) fn recorded_at(position: Position) -> Timestamp {
    minute(0).plus(Span::from_secs(u32::try_from(position).unwrap()))
}

pub(crate) async fn row(models: &ReadModels, id: &str) -> OrderStatusRow {
    models.order(&merchant(SHOP), &order_id(id)).await.unwrap().unwrap()
}

pub(crate) async fn review(models: &ReadModels, id: &str) -> Option<ReviewRow> {
    models.review(&merchant(SHOP), &order_id(id)).await.unwrap()
}

/// Facts of an order placed at a minute, with nothing that identifies anybody.
pub(crate) fn facts(placed_minute: u32) -> Facts {
    Facts {
        placed_at: Some(minute(placed_minute)),
        currency: Some("CNY".into()),
        amount: Some(39_900),
        ..Facts::default()
    }
}

pub(crate) fn phone(name: &str) -> PhoneFacts {
    PhoneFacts { token: token(name), kind: PhoneKind::Mobile }
}

/// Facts with every handle, each named after `name`.
pub(crate) fn full_facts(placed_minute: u32, name: &str) -> Facts {
    Facts {
        display_no: Some(format!("#{name}").into()),
        customer: Some(CustomerFacts {
            token: Some(token(&format!("cust-{name}"))),
            phone: Some(phone(&format!("buyer-{name}"))),
            level: Some(2),
            registered_at: None,
        }),
        delivery: Some(DeliveryFacts {
            address: Some(token(&format!("addr-{name}"))),
            phone: Some(phone(&format!("recv-{name}"))),
            ..DeliveryFacts::default()
        }),
        device: Some(token(&format!("dev-{name}"))),
        ip: Some(IpFacts { token: token(&format!("ip-{name}")), net: token(&format!("net-{name}")) }),
        ..facts(placed_minute)
    }
}

pub(crate) fn placed(id: &str, facts: Facts) -> OrderEvent {
    let id = order_id(id);
    OrderEvent::Placed(Placed {
        channel: id.channel().parse().unwrap(),
        order_no: id.order_no().parse().unwrap(),
        as_of: None,
        facts,
        vault: None,
    })
}

pub(crate) fn amended(changes: Facts) -> OrderEvent {
    OrderEvent::Amended(Amended { as_of: minute(1), changes, superseded: facts(99), vault: None })
}

pub(crate) fn reported(source: &str, status: Status, occurred_at: Timestamp) -> OrderEvent {
    OrderEvent::StatusReported(StatusReported {
        source: source.into(),
        status,
        occurred_at,
        counts_from: None,
        refunded: None,
    })
}

/// A report that is dated too far ahead and counts from another time.
pub(crate) fn reported_ahead(source: &str, status: Status, at: Timestamp, counts_from: Timestamp) -> OrderEvent {
    let (source, counts_from) = (source.into(), Some(counts_from));
    OrderEvent::StatusReported(StatusReported { source, status, occurred_at: at, counts_from, refunded: None })
}

pub(crate) fn scored(score: i64, tier: &str) -> OrderEvent {
    let evidence = Readings(vec![("device.orders[5m]".into(), Some(Reading::Int(5)))]);
    OrderEvent::Scored(Scored {
        score,
        tier: tier.into(),
        hits: vec![Hit { rule: "device_burst".into(), points: score, evidence: evidence.clone() }],
        features: evidence,
        rulebook_version: 3,
        rulebook_hash: "00".into(),
        exemption: None,
        cause: ScoredCause::Placed,
        trigger: None,
        swept: vec![],
        shadow: None,
    })
}

pub(crate) fn challenged(id: &str, expires_at: Timestamp) -> OrderEvent {
    OrderEvent::Challenged(Challenged {
        challenge: id.parse().unwrap(),
        method: ChallengeMethod::Sms,
        expires_at,
        on_fail: OnFail::Freeze,
        on_expire: OnExpire::Review,
        instead_of: None,
    })
}

pub(crate) fn verified(id: &str) -> OrderEvent {
    OrderEvent::Verified(domain::order::Verified { challenge: id.parse().unwrap(), how: ChallengeMethod::Sms })
}

pub(crate) fn frozen(cause: FrozenCause) -> OrderEvent {
    OrderEvent::Frozen(Frozen::by_itself(cause))
}

pub(crate) fn released(cause: ReleasedCause, actor: Option<&str>) -> OrderEvent {
    OrderEvent::Released(Released { actor: actor.map(Into::into), ..Released::by_itself(cause) })
}

pub(crate) fn review_opened(challenge: &str) -> OrderEvent {
    let challenge = Some(challenge.parse().unwrap());
    OrderEvent::ReviewOpened(ReviewOpened::by_itself(challenge, ReviewCause::ChallengeExpired))
}

/// A review that was opened for what the customer said to a call.
pub(crate) fn said(challenge: &str, reason: &str) -> OrderEvent {
    let opened = ReviewOpened::by_itself(Some(challenge.parse().unwrap()), ReviewCause::ChallengeFailed);
    OrderEvent::ReviewOpened(ReviewOpened { reason_code: Some(reason.into()), ..opened })
}

pub(crate) fn claimed(reviewer: &str, lease_until: Timestamp) -> OrderEvent {
    OrderEvent::ReviewClaimed(ReviewClaimed { reviewer: reviewer.into(), lease_until })
}

pub(crate) fn returned(reviewer: &str) -> OrderEvent {
    OrderEvent::ReviewReturned(ReviewReturned { reviewer: reviewer.into() })
}

/// An order that nobody minds.
pub(crate) fn clean(id: &str, facts: Facts) -> [OrderEvent; 3] {
    [placed(id, facts), scored(0, "pass"), released(ReleasedCause::Clean, None)]
}

pub(crate) fn confirmed(reviewer: &str) -> OrderEvent {
    let (actor, reason_code) = (reviewer.into(), "stock_hoarding".into());
    OrderEvent::FreezeConfirmed(domain::order::FreezeConfirmed {
        actor,
        reason_code,
        note: None,
        part_of: None,
        claim_until: None,
    })
}

pub(crate) fn nobody_can_be_asked() -> OrderEvent {
    OrderEvent::ReviewOpened(ReviewOpened::by_itself(None, ReviewCause::NoChannel))
}

pub(crate) fn escalated(opened_at: Timestamp) -> OrderEvent {
    OrderEvent::ReviewEscalated(domain::order::ReviewEscalated { opened_at })
}

pub(crate) fn complained(actor: &str) -> OrderEvent {
    let (actor, cause) = (actor.into(), domain::order::ReopenCause::Appeal);
    OrderEvent::ReviewReopened(domain::order::ReviewReopened { actor, cause, text: None })
}

pub(crate) fn wrong_code(challenge: &str) -> OrderEvent {
    let challenge = challenge.parse().unwrap();
    OrderEvent::CodeRejected(domain::order::CodeRejected { challenge, attempts_left: 4 })
}
