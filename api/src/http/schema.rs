//! The request bodies as the OpenAPI document shows them. The bodies themselves are read by `domain::notice`, which reports
//! every fault at once; a test reads the examples of these shapes with it.

use serde::Serialize;
use utoipa::ToSchema;

/// An order as it is taken in.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "channel": "web", "order_no": "A1001", "placed_at": "2026-11-11T00:00:01.250+08:00",
    "currency": "CNY", "amount": 39900,
    "lines": [{"sku": "MASK-01", "title": "面膜", "quantity": 2, "unit_price": 19950}],
    "customer": {"id": "u-77", "name": "张三", "phone": "13800138000", "level": 2, "registered_at": "2026-01-02T08:00:00Z"},
    "delivery": {"recipient": "李四", "phone": "13900139000", "country": "CN", "province": "浙江省", "city": "杭州市",
                 "district": "西湖区", "street": "文三路 1 号", "postcode": "310000"},
    "device": {"id": "d-9f1c", "user_agent": "Mozilla/5.0"}, "ip": "203.0.113.7",
    "payment_due_at": "2026-11-11T00:30:01+08:00"
}))]
pub struct OrderBody {
    /// Where it was placed: 1 to 32 of `a-z 0-9 _`.
    pub channel: String,
    /// Its number there.
    pub order_no: String,
    /// The number people see, where it is another one.
    pub display_no: Option<String>,
    /// When it was placed, RFC 3339.
    pub placed_at: String,
    /// ISO 4217.
    pub currency: String,
    /// Minor units.
    pub amount: i64,
    /// 1 to 200 lines.
    pub lines: Vec<LineBody>,
    /// The buyer.
    pub customer: Option<CustomerBody>,
    /// Where it goes.
    pub delivery: Option<DeliveryBody>,
    /// The device it was placed with.
    pub device: Option<DeviceBody>,
    /// The address it was placed from.
    pub ip: Option<String>,
    /// Until when it must be paid.
    pub payment_due_at: Option<String>,
}

/// A line of an order.
#[derive(Serialize, ToSchema)]
pub struct LineBody {
    /// Stock keeping unit.
    pub sku: String,
    /// What it is called.
    pub title: Option<String>,
    /// Units, at least 1.
    pub quantity: u32,
    /// Minor units a unit.
    pub unit_price: Option<i64>,
}

/// The buyer.
#[derive(Serialize, ToSchema)]
pub struct CustomerBody {
    /// The merchant's id of the customer, the same over all channels.
    pub id: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// The number, in any notation.
    pub phone: Option<String>,
    /// The merchant's own level.
    pub level: Option<u32>,
    /// Since when the customer is one.
    pub registered_at: Option<String>,
}

/// Where an order goes.
#[derive(Serialize, ToSchema)]
pub struct DeliveryBody {
    /// The name on the parcel.
    pub recipient: Option<String>,
    /// The recipient's number, in any notation.
    pub phone: Option<String>,
    /// ISO 3166 alpha-2.
    pub country: Option<String>,
    /// The province.
    pub province: Option<String>,
    /// The city.
    pub city: Option<String>,
    /// The district.
    pub district: Option<String>,
    /// Street and number.
    pub street: Option<String>,
    /// The postcode.
    pub postcode: Option<String>,
}

/// A device.
#[derive(Serialize, ToSchema)]
pub struct DeviceBody {
    /// What identifies it.
    pub id: Option<String>,
    /// What its browser says of itself.
    pub user_agent: Option<String>,
}

/// Facts of an order: any part of an order's body, at least one. Channel and number, where given, must be the order's own.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"delivery": {"recipient": "李四", "phone": "13900139000", "province": "浙江省", "city": "杭州市"}}))]
pub struct AmendmentBody {
    /// The order's own channel.
    pub channel: Option<String>,
    /// The order's own number.
    pub order_no: Option<String>,
    /// The number people see, where it is another one.
    pub display_no: Option<String>,
    /// When it was placed, RFC 3339.
    pub placed_at: Option<String>,
    /// ISO 4217.
    pub currency: Option<String>,
    /// Minor units.
    pub amount: Option<i64>,
    /// 1 to 200 lines; they take the place of all lines before.
    pub lines: Option<Vec<LineBody>>,
    /// The buyer.
    pub customer: Option<CustomerBody>,
    /// Where it goes.
    pub delivery: Option<DeliveryBody>,
    /// The device it was placed with.
    pub device: Option<DeviceBody>,
    /// The address it was placed from.
    pub ip: Option<String>,
    /// Until when it must be paid.
    pub payment_due_at: Option<String>,
}

/// How far an order is.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"status": "paid", "occurred_at": "2026-11-11T00:03:00+08:00", "source": "wms", "message_id": "wms-55121"}))]
pub struct StatusBody {
    /// `paid`, `partially_shipped`, `shipped`, `delivered`, `completed`, `cancelled`, `refund_requested`, `partially_refunded` or
    /// `refunded`.
    pub status: String,
    /// When, by the source's clock, RFC 3339.
    pub occurred_at: String,
    /// Who says so; `api` when it is left out.
    pub source: Option<String>,
    /// Tells this message from others of its source.
    pub message_id: Option<String>,
}

/// One line of a stream of notices.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schema(example = json!({
    "kind": "status", "order_id": "web:A1001", "status": "paid", "occurred_at": "2026-11-11T00:03:00+08:00", "source": "wms",
    "message_id": "wms-55121"
}))]
pub enum NoticeLine {
    /// The order exists, with these facts.
    Placed {
        /// Tells this message from others.
        message_id: Option<String>,
        /// From when the facts are, where that is not the time of placement.
        occurred_at: Option<String>,
        /// The order.
        order: OrderBody,
    },
    /// These facts of the order are new or different.
    Amended {
        /// Tells this message from others.
        message_id: Option<String>,
        /// From when the facts are.
        occurred_at: Option<String>,
        /// Which order, where `order` does not name its channel and number.
        order_id: Option<String>,
        /// The facts.
        order: AmendmentBody,
    },
    /// The order is so far.
    Status {
        /// Which order.
        order_id: String,
        /// As in a report of a status.
        status: String,
        /// When, by the source's clock, RFC 3339.
        occurred_at: String,
        /// Who says so; `api` when it is left out.
        source: Option<String>,
        /// Tells this message from others of its source.
        message_id: Option<String>,
    },
}

/// A merchant to be registered.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"id": "north", "name": "North Store", "time_zone": "Asia/Shanghai", "currency": "CNY"}))]
pub struct MerchantBody {
    /// 1 to 64 of `a-z 0-9 _ -`.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Of the IANA database; `Asia/Shanghai` when it is left out.
    pub time_zone: Option<String>,
    /// ISO 4217; `CNY` when it is left out.
    pub currency: Option<String>,
}

/// A key to be made.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"name": "till 3", "roles": ["ingest"], "expires_at": "2027-01-01T00:00:00Z"}))]
pub struct KeyBody {
    /// What people call it.
    pub name: String,
    /// What it may do: one or more of `ingest`, `service`, `reviewer`, `analyst`, `approver`, `auditor`, `admin`, `platform`.
    pub roles: Vec<String>,
    /// Until when, RFC 3339; for good when it is left out.
    pub expires_at: Option<String>,
}

/// A channel to be configured.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"shop": "default", "credentials": {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}}))]
pub struct ChannelBody {
    /// Which of the merchant's shops there; `default` when it is left out.
    pub shop: Option<String>,
    /// Named as the channel asks.
    #[schema(value_type = Object)]
    pub credentials: serde_json::Value,
    /// Those that count as well while they are being changed.
    #[schema(value_type = Option<Object>)]
    pub previous_credentials: Option<serde_json::Value>,
}

/// An endpoint to be created: either `url` or `sender`.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "url": "https://oms.example.com/hooks/orderlight", "events": ["order.frozen", "order.released", "review.opened"]
}))]
pub struct EndpointBody {
    /// Where signed webhooks go: https or http, without credentials.
    pub url: Option<String>,
    /// A provider of text messages or calls with its settings: `docs/SENDERS.md`.
    #[schema(value_type = Option<Object>)]
    pub sender: Option<serde_json::Value>,
    /// What it is told of: `docs/NOTIFICATIONS.md` lists the events.
    pub events: Vec<String>,
}

/// What is to be told again: one of the three.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"parked": true}))]
pub struct ReplayDeliveriesBody {
    /// 1 to 1,000 messages by their ids.
    pub ids: Option<Vec<String>>,
    /// All that are parked.
    pub parked: Option<bool>,
    /// All from this position on, such as `0-17`.
    pub from_position: Option<String>,
}

/// A rulebook: `docs/RULEBOOKS.md` says what may stand in it.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "name": "Double Eleven",
    "rules": [
        {"id": "device_burst", "name": {"zh": "同设备短时多单", "en": "Device burst"}, "sweep": true,
         "when": {"feature": "device.orders", "window": "5m", "op": ">=", "value": 5},
         "points": {"base": 50, "per": 4, "above": 5, "max": 80}},
        {"id": "address_changed", "name": {"zh": "换地址", "en": "New address"},
         "when": {"all": [{"feature": "address.changed", "op": "==", "value": true},
                          {"feature": "address.familiar", "op": "==", "value": false}]},
         "points": 30}
    ],
    "tiers": [
        {"id": "sms", "from": 80,
         "action": {"challenge": "sms", "expires_in": "10m", "on_fail": "freeze", "on_expire": "review"}},
        {"id": "freeze", "above": 120, "action": "freeze"}
    ],
    "exemptions": [{"id": "vip", "when": {"feature": "customer.level", "op": ">=", "value": 4}, "action": "release"}]
}))]
pub struct RulebookBody {
    /// What people call it.
    pub name: String,
    /// Conditions with points, at most 200.
    #[schema(value_type = Vec<Object>)]
    pub rules: Vec<serde_json::Value>,
    /// What a score leads to, at most 16, lowest first.
    #[schema(value_type = Vec<Object>)]
    pub tiers: Vec<serde_json::Value>,
    /// Who is spared, at most 50.
    #[schema(value_type = Option<Vec<Object>>)]
    pub exemptions: Option<Vec<serde_json::Value>>,
}

/// A publication.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "note": "more room for wholesalers",
    "expected": {"challenge_rate": "0.012", "freeze_rate": "0.0005", "factor": "2", "after_orders": 200}
}))]
pub struct PublishBody {
    /// Why.
    pub note: Option<String>,
    /// What it is expected to do. When the orders show something else the version before comes back by
    /// itself. Without it the version stays, whatever comes.
    pub expected: Option<super::rulebooks::forecast::ForecastBody>,
}

/// A rollback.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"to_version": 1, "note": "too many wholesalers were asked"}))]
pub struct RollbackBody {
    /// The version whose text comes into force again.
    pub to_version: u32,
    /// Why.
    pub note: Option<String>,
}

/// What a signal is.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"subject": "region", "unit": "0..1", "description": "how much the weather hinders delivery"}))]
pub struct SignalBody {
    /// What its values are about: `region`, `ip`, `ip24`, `phone`, `device`, `customer`, `address`, `merchant`, or
    /// `order` for what the merchants' own model says.
    pub subject: String,
    /// The unit of its values, at most 32 characters.
    pub unit: Option<String>,
    /// What it says, at most 200 characters.
    pub description: Option<String>,
}

/// A value of a signal.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"value": "0.8", "expires_at": "2026-11-12T00:00:00Z"}))]
pub struct SignalValueBody {
    /// A decimal with at most 4 places, as a text or a number of at most 15 digits; null takes the value away.
    #[schema(value_type = Option<String>)]
    pub value: Option<serde_json::Value>,
    /// Orders from before then read it, RFC 3339. Required with a value.
    pub expires_at: Option<String>,
}

/// A value of a signal, as a line.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"name": "blocked", "subject": "d-9f1c", "value": 1, "expires_at": "2027-01-01T00:00:00Z"}))]
pub struct SignalLine {
    /// Which signal.
    pub name: String,
    /// What the value is about: a text, or for an address an object as in an order's `delivery`.
    #[schema(value_type = Object)]
    pub subject: serde_json::Value,
    /// A decimal with at most 4 places, as a text or a number of at most 15 digits; null takes the value away.
    #[schema(value_type = Option<String>)]
    pub value: Option<serde_json::Value>,
    /// Orders from before then read it, RFC 3339. Required with a value.
    pub expires_at: Option<String>,
}

/// Settings to be changed; those that are left out stay.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "time_zone": "Asia/Shanghai", "four_eyes": true, "call_attempts": 3, "code_attempts": 5, "review_lease": "10m",
    "stock_release_after": "2h", "quiet_hours": {"from": "22:00", "to": "08:00"}, "hold_out_share": 0.01
}))]
pub struct SettingsBody {
    /// Of the IANA database.
    pub time_zone: Option<String>,
    /// Whether a rulebook is submitted by one person and published by another.
    pub four_eyes: Option<bool>,
    /// 1 to 20.
    pub call_attempts: Option<u8>,
    /// 1 to 20.
    pub code_attempts: Option<u8>,
    /// 1 to 20.
    pub code_resends: Option<u8>,
    /// `1m` to `7d`; null for never.
    pub call_after_sms: Option<String>,
    /// 1 to 100000; null for no limit.
    pub sms_per_minute: Option<u32>,
    /// 1 to 100000; null for no limit.
    pub calls_per_minute: Option<u32>,
    /// `10s` to `1d`.
    pub review_lease: Option<String>,
    /// `10s` to `30d`; null for never. Reviews that wait for a person already are escalated when they would have been.
    pub review_sla: Option<String>,
    /// `1m` to `30d`; null for never. Stock that is held already is to be released when it would have been.
    pub stock_release_after: Option<String>,
    /// Two times of day; null for never.
    #[schema(value_type = Option<Object>)]
    pub quiet_hours: Option<serde_json::Value>,
    /// From 0 to 1 with at most four places, as a number or a text.
    pub hold_out_share: Option<f64>,
}
