//! A service that listens, and what is told to it.

use std::net::SocketAddr;
use std::sync::Arc;

use domain::ids::MerchantId;
use domain::merchant::{MerchantCommand, MerchantRegistered, Role};
use domain::notice::read_notice;
use domain::order::OrderEvent;
use domain::rulebook::Rulebook;
use domain::time::Timestamp;
use engine::{Origin, WhenFull};
use eventlog::{Batch, NewEvent, StreamKey};
use orderlight::http::{App, router};
use orderlight::service::{Service, new_key};
use orderlight::store::{At, Store};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The administrator of the merchant `default`.
pub(crate) const ADMIN: &str = "the-administrator-of-default";

/// A running service with its data.
pub(crate) struct Given {
    pub(crate) service: Arc<Service>,
    address: SocketAddr,
    client: reqwest::Client,
    _directory: tempfile::TempDir,
}

/// What a request was answered with.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: String,
    pub(crate) retry_after: Option<String>,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// The body of a good answer.
    #[track_caller]
    pub(crate) fn good(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text);
        self.json()
    }

    /// The detail of a problem of that status and code.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.content_type, "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        problem["detail"].as_str().unwrap().to_owned()
    }

    /// The ids of a list's orders.
    #[track_caller]
    pub(crate) fn ids(&self) -> Vec<String> {
        let items = self.good()["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["order_id"].as_str().unwrap().to_owned()).collect()
    }
}

impl Given {
    pub(crate) async fn nothing() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&At::Directory(directory.path().to_owned()), None).await.unwrap();
        Self::on(directory, store).await
    }

    /// A log that holds one order's events before the service starts; event number `n` is from minute `n`.
    pub(crate) async fn order(id: &str, events: Vec<Value>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&At::Directory(directory.path().to_owned()), None).await.unwrap();
        let acquired = store.log.acquire(0).await.unwrap();
        let key = StreamKey { merchant: merchant("default"), aggregate_type: "order".into(), aggregate_id: id.into() };
        let events = events.into_iter().zip(1_u32..).map(|(payload, minute)| {
            let event: OrderEvent = serde_json::from_value(payload).unwrap();
            let at = Timestamp::EARLIEST.plus(domain::time::Span::from_mins(minute));
            NewEvent {
                stream: 1,
                sequence: u64::from(minute),
                event_type: event.name(),
                event_version: "1",
                payload: serde_json::to_string(&event).unwrap(),
                metadata: r#"{"actor":"ann","source":"api"}"#.to_owned(),
                occurred_at: at,
                recorded_at: at,
            }
        });
        let batch = Batch {
            epoch: acquired.epoch,
            after: acquired.head,
            streams: vec![(1, key)],
            events: events.collect(),
            ..Batch::default()
        };
        store.log.append(batch).await.unwrap();
        Self::on(directory, store).await
    }

    async fn on(directory: tempfile::TempDir, store: Store) -> Self {
        let service = Arc::new(Service::start(store, rulebook()).await.unwrap());
        service.bootstrap(Some(ADMIN)).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = App::new(Arc::clone(&service));
        tokio::spawn(async move { axum::serve(listener, router(app)).await });
        Self { service, address, client: reqwest::Client::new(), _directory: directory }
    }

    /// As the administrator of `default`.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.get_as(ADMIN, path).await
    }

    pub(crate) async fn get_as(&self, key: &str, path: &str) -> Answer {
        let url = format!("http://{}{path}", self.address);
        let answer = self.client.get(url).bearer_auth(key).send().await.unwrap();
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        Answer {
            status: answer.status(),
            content_type: header("content-type").unwrap_or_default(),
            retry_after: header("retry-after"),
            text: answer.text().await.unwrap(),
        }
    }

    /// Places an order over HTTP; answers with the position to wait for.
    pub(crate) async fn post_order(&self, order: &Value) -> String {
        let url = format!("http://{}/v1/orders", self.address);
        let answer = self.client.post(url).bearer_auth(ADMIN).json(order).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        answer.headers().get("orderlight-position").unwrap().to_str().unwrap().to_owned()
    }

    /// Takes a notice in for `default` and waits until the read models know of it.
    pub(crate) async fn notice(&self, notice: Value) {
        self.notice_for("default", notice).await;
    }

    pub(crate) async fn notice_for(&self, shop: &str, notice: Value) {
        let origin = Origin { actor: "shop-key".to_owned(), source: "api".to_owned() };
        let notice = read_notice(notice).unwrap();
        let pending = self.service.engine.submit(&merchant(shop), origin, notice, WhenFull::Wait).await.unwrap();
        let (partition, position) = pending.receipt().await.unwrap().position;
        for model in self.service.models.names() {
            let limit = std::time::Duration::from_secs(20);
            assert!(self.service.models.wait_for(model, partition, position, limit).await);
        }
    }

    pub(crate) async fn placed(&self, order: Value) {
        self.notice(json!({"kind": "placed", "order": order})).await;
    }

    pub(crate) async fn status(&self, order_id: &str, status: &str, source: &str, occurred_at: &str) {
        let notice = json!({"kind": "status", "order_id": order_id, "status": status, "occurred_at": occurred_at,
                            "source": source, "message_id": format!("{order_id}{status}{source}{occurred_at}")});
        self.notice(notice).await;
    }

    /// A new key of a merchant, which is registered if it is not there.
    pub(crate) async fn key(&self, shop: &str, roles: &[Role]) -> String {
        let shop = merchant(shop);
        if self.service.directory.merchant(&shop).is_none() {
            let registered =
                MerchantRegistered { name: "Shop".into(), time_zone: "Asia/Shanghai".into(), currency: "CNY".into() };
            self.service.command(&shop, "test", MerchantCommand::Register(registered)).await.unwrap();
        }
        let (key, created) = new_key("test", roles.to_vec(), None).unwrap();
        self.service.command(&shop, "test", MerchantCommand::CreateKey(created)).await.unwrap();
        key
    }
}

pub(crate) fn merchant(name: &str) -> MerchantId {
    name.parse().unwrap()
}

/// Over 1 000.00 asks by SMS, over 2 000.00 freezes, level 4 is spared, and a shared device is no more than a hit.
pub(crate) fn rulebook() -> Rulebook {
    let ask = json!({"challenge": "sms", "expires_in": "10m", "on_fail": "freeze", "on_expire": "review"});
    let over = |amount: i64| json!({"feature": "order.amount", "op": ">=", "value": amount});
    Rulebook::from_json(&json!({
        "name": "Look-ups",
        "rules": [
            {"id": "large", "name": {"zh": "大额订单", "en": "Large order"}, "when": over(100_000), "points": 80},
            {"id": "huge", "when": over(200_000), "points": 60},
            {"id": "shared", "points": 10,
             "when": {"feature": "device.orders", "window": "30d", "op": ">=", "value": 2}}
        ],
        "tiers": [{"id": "sms", "from": 80, "action": ask}, {"id": "freeze", "above": 120, "action": "freeze"}],
        "exemptions": [{"id": "vip", "action": "release",
                        "when": {"feature": "customer.level", "op": ">=", "value": 4}}]
    }))
    .unwrap()
}

/// An order with all that can be said, placed at 2026-11-11 00:00 and so many minutes in Shanghai.
pub(crate) fn full(order_no: &str, minute: u32) -> Value {
    json!({
        "channel": "web", "order_no": order_no, "display_no": format!("#{order_no}"),
        "placed_at": format!("2026-11-11T00:{minute:02}:01.250+08:00"), "currency": "CNY", "amount": 39_900,
        "lines": [{"sku": "MASK-01", "title": "面膜", "quantity": 2, "unit_price": 19_950}],
        "customer": {"id": "u-77", "name": "张三丰", "phone": "13800138000", "level": 2,
                     "registered_at": "2026-01-02T08:00:00Z"},
        "delivery": {"recipient": "李四光", "phone": "139-0013-9000", "country": "CN", "province": "浙江",
                     "city": "杭州市", "district": "西湖区", "street": "文三路 188 号", "postcode": "310012"},
        "device": {"id": "d-9f1c-secret", "user_agent": "Mozilla/5.0 Secret"}, "ip": "203.0.113.7"
    })
}

/// An order with as little as can be said.
pub(crate) fn plain(order_no: &str, minute: u32, amount: i64) -> Value {
    json!({"channel": "web", "order_no": order_no, "placed_at": format!("2026-11-11T00:{minute:02}:01.250+08:00"),
           "currency": "CNY", "amount": amount, "lines": [{"sku": "MASK-01", "quantity": 1}]})
}
