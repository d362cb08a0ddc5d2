//! `douyin`: message push of the Douyin shop platform (Doudian, op.jinritemai.com).
//!
//! * The sign is over `app_key + raw body + app_secret`: MD5, or HMAC-SHA-256 under the secret, as the app chose in its
//!   console. Their lengths tell them apart; the header `sign-method` is not to be relied on.
//! * Nothing in a delivery says when it was signed: what guards against replays is the message id alone.
//! * A delivery is a list of messages, each with its `data` as JSON inside a string. Objects, `msgId` and numeric tags were
//!   seen too and are read.
//! * Messages are thin: they say that something happened to an order, not what is in it.
//! * Saving the address in the console sends a message of tag 0, signed like any other.
//! * Whatever is signed is answered with HTTP 200; success is exactly `{"code":0,"msg":"success"}`. How often a refused
//!   delivery is sent again is not known.
//! * A message that says nothing we can read does not keep the others of its delivery from being taken. The delivery is
//!   answered with a failure all the same, so that it comes again: the others are then known.
//!
//! Field names and times follow the vendor's Java SDK; the tags are from third-party SDKs.

use domain::fault::Fault;
use domain::ids::{Channel, OrderId};
use domain::notice::{Content, Notice, OrderFacts, validate};
use domain::order::Status;
use domain::time::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::credentials::{Keys, secrets};
use crate::{Adapter, Received, Receiver, Refusal, Refused, Reply, Request, loose};

/// The most messages of one delivery.
const MESSAGES_MAX: usize = 1_000;

/// The kind of channel.
pub(crate) struct Douyin;

struct App {
    key: SecretString,
    secret: SecretString,
}

struct DouyinReceiver {
    apps: Keys<App>,
}

impl Adapter for Douyin {
    fn name(&self) -> &'static str {
        "douyin"
    }

    fn open(&self, credentials: Value, previous: Option<Value>) -> Result<Box<dyn Receiver>, Vec<Fault>> {
        let apps = Keys::read(credentials, previous, |value, prefix| {
            secrets(value, prefix, ["app_key", "app_secret"]).map(|[key, secret]| App { key, secret })
        })?;
        Ok(Box::new(DouyinReceiver { apps }))
    }

    fn unavailable(&self) -> Reply {
        Reply::json(503, r#"{"code":50003,"msg":"not stored, send again"}"#)
    }
}

impl Receiver for DouyinReceiver {
    fn receive(&self, request: &Request<'_>) -> Result<Received, Refused> {
        let (notices, faults) = self.notices(request).map_err(|refusal| {
            let reply = match refusal {
                Refusal::Malformed { .. } => malformed(),
                Refusal::BadSignature | Refusal::Stale => Reply::json(401, r#"{"code":40041,"msg":"bad signature"}"#),
            };
            Refused { refusal, reply }
        })?;
        let reply = if faults.is_empty() { Reply::json(200, r#"{"code":0,"msg":"success"}"#) } else { malformed() };
        Ok(Received { notices, faults, reply })
    }
}

fn malformed() -> Reply {
    Reply::json(200, r#"{"code":40042,"msg":"malformed message"}"#)
}

impl DouyinReceiver {
    /// The notices of the messages that can be read, and all that is wrong with the others.
    fn notices(&self, request: &Request<'_>) -> Result<(Vec<Notice>, Vec<Fault>), Refusal> {
        let offered = (request.header)("event-sign").and_then(|sign| hex::decode(sign).ok());
        let offered = offered.ok_or(Refusal::BadSignature)?;
        if !self.apps.any(|app| app.signs(request.body, &offered)) {
            return Err(Refusal::BadSignature);
        }
        let Value::Array(messages) = crate::json(request.body)? else {
            return Err(Refusal::malformed("", "expected a list of messages"));
        };
        if messages.len() > MESSAGES_MAX {
            return Err(Refusal::malformed("", format!("expected at most {MESSAGES_MAX} messages")));
        }
        let (mut notices, mut faults) = (Vec::with_capacity(messages.len()), Vec::new());
        for (index, message) in messages.iter().enumerate() {
            let wrong = match translate(message, request.received_at) {
                Ok(None) => continue,
                Ok(Some(notice)) => {
                    let wrong = validate(&notice);
                    if wrong.is_empty() {
                        notices.push(notice);
                    }
                    wrong
                }
                Err((pointer, detail)) => vec![Fault::new(pointer, detail)],
            };
            faults
                .extend(wrong.into_iter().map(|fault| Fault::new(format!("/{index}{}", fault.pointer), fault.detail)));
        }
        Ok((notices, faults))
    }
}

impl App {
    fn signs(&self, body: &[u8], offered: &[u8]) -> bool {
        let (key, secret) = (self.key.expose_secret().as_bytes(), self.secret.expose_secret().as_bytes());
        match offered.len() {
            16 => {
                let sum = Md5::new().chain_update(key).chain_update(body).chain_update(secret).finalize();
                sum.as_slice().ct_eq(offered).into()
            }
            32 => {
                let mac = Hmac::<Sha256>::new_from_slice(secret).expect("any length is a key");
                mac.chain_update(key).chain_update(body).chain_update(secret).verify_slice(offered).is_ok()
            }
            _ => false,
        }
    }
}

/// What a message of one tag means.
enum Meaning {
    Placed,
    Reported(Status),
    AmountChanged,
}

/// Each tag's meaning, and the field of its data that says when it happened. Those without an entry do not concern us, or
/// say only that something has to be looked up.
fn meaning(tag: &str) -> Option<(Meaning, &'static str)> {
    Some(match tag {
        "100" => (Meaning::Placed, "create_time"),
        "101" => (Meaning::Reported(Status::Paid), "pay_time"),
        "102" => (Meaning::Reported(Status::Shipped), "update_time"),
        "103" => (Meaning::Reported(Status::Completed), "complete_time"),
        "106" => (Meaning::Reported(Status::Cancelled), "cancel_time"),
        "108" => (Meaning::Reported(Status::PartiallyShipped), "update_time"),
        "109" => (Meaning::AmountChanged, "update_time"),
        "200" => (Meaning::Reported(Status::RefundRequested), "apply_time"),
        "206" => (Meaning::Reported(Status::Refunded), "success_time"),
        _ => return None,
    })
}

/// One message as a notice, if it is one. A fault is told with its pointer inside the message.
fn translate(message: &Value, received_at: Timestamp) -> Result<Option<Notice>, (&'static str, &'static str)> {
    let tag = loose::id(&message["tag"]).ok_or(("/tag", "expected a tag"))?;
    let Some((meaning, time_field)) = meaning(&tag) else { return Ok(None) };
    let message_id = loose::id(&message["msg_id"]).or_else(|| loose::id(&message["msgId"]));
    let message_id = message_id.ok_or(("/msg_id", "expected the message's id"))?;
    let data = data(&message["data"])?;
    let order_no = loose::id(&data["p_id"]).and_then(|id| id.parse().ok());
    let order_no = order_no.ok_or(("/data", "expected the order's number as p_id"))?;
    let occurred_at = occurred_at(&data, time_field)?;
    let content = match meaning {
        Meaning::Placed => {
            Content::Placed(OrderFacts { placed_at: occurred_at.or(Some(received_at)), ..OrderFacts::default() })
        }
        Meaning::Reported(status) => Content::Status { source: None, status, refunded: None },
        Meaning::AmountChanged => match data.get("pay_amount") {
            None => return Ok(None),
            Some(amount) => Content::Amended(amount_in_fen(amount)?),
        },
    };
    let channel: Channel = "douyin".parse().expect("a channel's name");
    let order = OrderId::new(&channel, &order_no);
    Ok(Some(Notice { order, occurred_at, message_id: Some(format!("{tag}:{message_id}")), content }))
}

/// The data of a message, out of its string if it is in one.
fn data(data: &Value) -> Result<Value, (&'static str, &'static str)> {
    let parsed = match data {
        Value::String(text) => serde_json::from_str(text).unwrap_or(Value::Null),
        other => other.clone(),
    };
    if parsed.is_object() { Ok(parsed) } else { Err(("/data", "expected an object, or one as JSON in a string")) }
}

/// When it happened. Messages of every tag were seen without their time; they are from their arrival, which is not written
/// into the notice: a message that comes again must read the same.
fn occurred_at(data: &Value, field: &'static str) -> Result<Option<Timestamp>, (&'static str, &'static str)> {
    match data.get(field).or_else(|| data.get("update_time")) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => loose::unix_seconds(value).map(Some).ok_or(("/data", "expected its time in Unix seconds")),
    }
}

fn amount_in_fen(amount: &Value) -> Result<OrderFacts, (&'static str, &'static str)> {
    let fen = loose::integer(amount).ok_or(("/data", "expected pay_amount in fen"))?;
    Ok(OrderFacts { amount: Some(fen), currency: Some("CNY".into()), ..OrderFacts::default() })
}
