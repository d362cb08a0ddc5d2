//! `shopify`: webhooks of a Shopify shop.
//!
//! * The signature is the base64 of HMAC-SHA-256 over the raw body under the app's client secret.
//! * Newer deliveries name their headers without the `x-`: both forms are read.
//! * Any 2xx is success; after eight refusals in a row Shopify gives a subscription up, so whatever does not concern us is
//!   acknowledged.
//! * Deliveries come in any order. `updated_at` says from when one is; a retry carries the original body.
//! * The fields are taken from general knowledge of the API, not from a live shop: all but the ids, the currency and the
//!   total of an order may be missing.

mod order;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use domain::fault::Fault;
use domain::ids::{Channel, OrderId};
use domain::notice::{Content, Notice};
use domain::order::Status;
use domain::time::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::credentials::{Keys, secrets};
use crate::loose::{self, needed};
use crate::money::minor_units;
use crate::{Adapter, Received, Receiver, Refusal, Refused, Reply, Request, identified};

/// The kind of channel.
pub(crate) struct Shopify;

struct ShopifyReceiver {
    keys: Keys<SecretString>,
}

impl Adapter for Shopify {
    fn name(&self) -> &'static str {
        "shopify"
    }

    fn open(&self, credentials: Value, previous: Option<Value>) -> Result<Box<dyn Receiver>, Vec<Fault>> {
        let keys = Keys::read(credentials, previous, |value, prefix| {
            secrets(value, prefix, ["secret"]).map(|[secret]| secret)
        })?;
        Ok(Box::new(ShopifyReceiver { keys }))
    }

    fn unavailable(&self) -> Reply {
        Reply::empty(503)
    }
}

impl Receiver for ShopifyReceiver {
    fn receive(&self, request: &Request<'_>) -> Result<Received, Refused> {
        let notices = self.notices(request).map_err(|refusal| {
            let status = if refusal == Refusal::BadSignature { 401 } else { 422 };
            Refused { refusal, reply: Reply::empty(status) }
        })?;
        Ok(Received { notices, faults: Vec::new(), reply: Reply::empty(200) })
    }
}

impl ShopifyReceiver {
    fn notices(&self, request: &Request<'_>) -> Result<Vec<Notice>, Refusal> {
        let offered = header(request, "hmac-sha256").and_then(|text| BASE64.decode(text).ok());
        let offered = offered.ok_or(Refusal::BadSignature)?;
        if !self.keys.any(|secret| signs(secret, request.body, &offered)) {
            return Err(Refusal::BadSignature);
        }
        let topic = needed(header(request, "topic"), "", "a header X-Shopify-Topic")?;
        let Some(translate) = translation(topic) else { return Ok(Vec::new()) };
        let body = crate::json(request.body)?;
        identified(translate(&body, told_at(&body, request))?, &delivery_id(topic, request))
    }
}

/// A header under its name of either generation.
fn header<'a>(request: &Request<'a>, name: &str) -> Option<&'a str> {
    (request.header)(&format!("x-shopify-{name}")).or_else(|| (request.header)(&format!("shopify-{name}")))
}

fn signs(secret: &SecretString, body: &[u8], offered: &[u8]) -> bool {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).expect("any length is a key");
    mac.update(body);
    mac.verify_slice(offered).is_ok()
}

/// The delivery's own id; for one without, what it says stands for it, since a retry says the same.
fn delivery_id(topic: &str, request: &Request<'_>) -> String {
    match header(request, "webhook-id").map(str::trim) {
        Some(id) if !id.is_empty() => id.to_owned(),
        _ => {
            let hash = Sha256::new().chain_update(topic).chain_update([0]).chain_update(request.body).finalize();
            format!("body-{}", hex::encode(&hash[..16]))
        }
    }
}

/// From when a delivery is. `updated_at` grows with every change of an order. A delivery that says nothing at all is from
/// its arrival, which is not written into the notice: a delivery that comes again must read the same.
fn told_at(body: &Value, request: &Request<'_>) -> Option<Timestamp> {
    let said = |name: &str| body[name].as_str()?.parse().ok();
    said("updated_at")
        .or_else(|| said("processed_at"))
        .or_else(|| header(request, "triggered-at")?.parse().ok())
        .or_else(|| said("created_at"))
}

type Translation = fn(&Value, Option<Timestamp>) -> Result<Vec<Notice>, Refusal>;

/// What becomes of each topic; those without an entry do not concern us.
fn translation(topic: &str) -> Option<Translation> {
    Some(match topic {
        "orders/create" => created,
        "orders/updated" | "orders/edited" => changed,
        "orders/paid" => |body, at| report(body, "id", Status::Paid, at),
        "orders/cancelled" | "orders/delete" => |body, at| report(body, "id", Status::Cancelled, at),
        "orders/fulfilled" => |body, at| report(body, "id", Status::Shipped, at),
        "orders/partially_fulfilled" => |body, at| report(body, "id", Status::PartiallyShipped, at),
        "refunds/create" => refunded,
        "fulfillments/create" | "fulfillments/update" => fulfilled,
        _ => return None,
    })
}

fn created(body: &Value, at: Option<Timestamp>) -> Result<Vec<Notice>, Refusal> {
    let facts = order::facts(body)?;
    let mut notices = vec![notice(body, "id", at, Content::Placed(facts))?];
    if body["financial_status"] == "paid" {
        notices.extend(report(body, "id", Status::Paid, at)?);
    }
    Ok(notices)
}

/// An edit's own body lists what was added and removed; the order as a whole follows as `orders/updated`.
fn changed(body: &Value, at: Option<Timestamp>) -> Result<Vec<Notice>, Refusal> {
    if body.get("order_edit").is_some() {
        return Ok(Vec::new());
    }
    Ok(vec![notice(body, "id", at, Content::Amended(order::facts(body)?))?])
}

/// A refund that moves no money, such as putting unpaid goods back on stock, is none. The body says how much is paid back and
/// not of how much: whether it is all, the order knows. One that says no amount is of the whole.
fn refunded(body: &Value, at: Option<Timestamp>) -> Result<Vec<Notice>, Refusal> {
    let Some(transactions) = body["transactions"].as_array() else {
        return report(body, "order_id", Status::Refunded, at);
    };
    let is_or_silent = |value: &Value, word: &str| value.is_null() || value == word;
    let (mut moves_money, mut sum) = (false, Some(0_i64));
    for (index, moved) in transactions.iter().enumerate() {
        if !is_or_silent(&moved["kind"], "refund") || !is_or_silent(&moved["status"], "success") {
            continue;
        }
        moves_money = true;
        sum = match &moved["amount"] {
            Value::Null => None,
            amount => {
                // Where no currency is named, the minor unit is the hundredth, as it mostly is.
                let amount = minor_units(amount, moved["currency"].as_str().unwrap_or("CNY"));
                let expected = "a decimal string of whole minor units";
                let amount = needed(amount, &format!("/transactions/{index}/amount"), expected)?;
                sum.map(|sum| sum.saturating_add(amount))
            }
        };
    }
    let status = if sum.is_some() { Status::PartiallyRefunded } else { Status::Refunded };
    let content = Content::Status { source: None, status, refunded: sum };
    if moves_money { Ok(vec![notice(body, "order_id", at, content)?]) } else { Ok(Vec::new()) }
}

fn fulfilled(body: &Value, at: Option<Timestamp>) -> Result<Vec<Notice>, Refusal> {
    if body["shipment_status"] == "delivered" {
        report(body, "order_id", Status::Delivered, at)
    } else {
        Ok(Vec::new())
    }
}

fn report(body: &Value, id: &str, status: Status, at: Option<Timestamp>) -> Result<Vec<Notice>, Refusal> {
    Ok(vec![notice(body, id, at, Content::Status { source: None, status, refunded: None })?])
}

fn notice(body: &Value, id: &str, at: Option<Timestamp>, content: Content) -> Result<Notice, Refusal> {
    let order_no = loose::id(&body[id]).and_then(|id| id.parse().ok());
    let order_no = needed(order_no, &format!("/{id}"), "an order's id")?;
    let channel: Channel = "shopify".parse().expect("a channel's name");
    Ok(Notice { order: OrderId::new(&channel, &order_no), occurred_at: at, message_id: None, content })
}
