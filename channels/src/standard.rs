//! `standard`: notices of our own form under [Standard Webhooks](https://www.standardwebhooks.com) signatures.
//!
//! The signature is computed by the crate `standardwebhooks`; its `verify` is not used because it reads the clock, and
//! here the time of arrival comes in as data.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use domain::fault::Fault;
use domain::notice::{Notice, read_notice_at};
use domain::time::{Span, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use subtle::ConstantTimeEq;

use crate::credentials::{Keys, secrets};
use crate::{Adapter, Received, Receiver, Refusal, Refused, Reply, Request, identified};

/// How far the time of a delivery may be from ours, in either direction.
const TOLERANCE: Span = Span::from_mins(5);
/// The most notices of one delivery.
const NOTICES_MAX: usize = 100;
/// The most signatures that are tried: a sender that rotates its keys has two.
const SIGNATURES_MAX: usize = 8;
/// How long a key may be, in bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Secrets with and without padding are in use.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The kind of channel.
pub(crate) struct Standard;

struct StandardReceiver {
    keys: Keys<Webhook>,
}

impl Adapter for Standard {
    fn name(&self) -> &'static str {
        "standard"
    }

    fn open(&self, credentials: Value, previous: Option<Value>) -> Result<Box<dyn Receiver>, Vec<Fault>> {
        let keys = Keys::read(credentials, previous, |value, prefix| {
            let [secret] = secrets(value, prefix, ["secret"])?;
            webhook(&secret).ok_or_else(|| {
                vec![Fault::new(format!("{prefix}/secret"), "expected whsec_ and the base64 of 24 to 64 bytes")]
            })
        })?;
        Ok(Box::new(StandardReceiver { keys }))
    }

    fn unavailable(&self) -> Reply {
        let title = "The service cannot do this now";
        problem(503, "cannot_commit", title, "the delivery could not be stored now; send it again", &[])
    }
}

impl Receiver for StandardReceiver {
    fn receive(&self, request: &Request<'_>) -> Result<Received, Refused> {
        let refused = |refusal| Refused { reply: refusal_reply(&refusal), refusal };
        let id = self.delivery_id(request).map_err(refused)?;
        let body = crate::json(request.body).map_err(unreadable)?;
        let notices = read(body).and_then(|notices| identified(notices, id)).map_err(refused)?;
        Ok(Received { notices, faults: Vec::new(), reply: Reply::empty(204) })
    }
}

impl StandardReceiver {
    /// The id of a delivery that is signed and from now.
    fn delivery_id<'a>(&self, request: &Request<'a>) -> Result<&'a str, Refusal> {
        let id = self.verified_id(request).ok_or(Refusal::BadSignature)?;
        let sent_at = sent_at(request).ok_or(Refusal::BadSignature)?;
        let (earlier, later) = (sent_at.min(request.received_at), sent_at.max(request.received_at));
        if later.since(earlier) > TOLERANCE {
            return Err(Refusal::Stale);
        }
        Ok(id)
    }

    /// The delivery's id, if one of its signatures is by one of our keys. The time is judged after this, so that only who
    /// has a key learns what is wrong with it.
    fn verified_id<'a>(&self, request: &Request<'a>) -> Option<&'a str> {
        let id = (request.header)("webhook-id").filter(|id| !id.is_empty())?;
        let seconds = sent_at(request)?.millis() / 1_000;
        let offered = (request.header)("webhook-signature")?;
        let verifies = |key: &Webhook| {
            key.sign(id, seconds, request.body).is_ok_and(|expected| {
                offered.split(' ').take(SIGNATURES_MAX).any(|one| one.as_bytes().ct_eq(expected.as_bytes()).into())
            })
        };
        self.keys.any(verifies).then_some(id)
    }
}

fn webhook(secret: &SecretString) -> Option<Webhook> {
    let secret = secret.expose_secret();
    let key = BASE64.decode(secret.strip_prefix("whsec_").unwrap_or(secret)).ok()?;
    if KEY_BYTES.contains(&key.len()) { Webhook::from_bytes(key).ok() } else { None }
}

fn sent_at(request: &Request<'_>) -> Option<Timestamp> {
    let seconds: i64 = (request.header)("webhook-timestamp")?.parse().ok()?;
    seconds.checked_mul(1_000).map(Timestamp::from_millis)
}

fn read(body: Value) -> Result<Vec<Notice>, Refusal> {
    let Value::Array(list) = body else {
        return read_notice_at(body, "").map(|notice| vec![notice]).map_err(|faults| Refusal::Malformed { faults });
    };
    if !(1..=NOTICES_MAX).contains(&list.len()) {
        let found = list.len();
        return Err(Refusal::malformed("", format!("expected 1 to {NOTICES_MAX} notices, found {found}")));
    }
    let (mut notices, mut faults) = (Vec::with_capacity(list.len()), Vec::new());
    for (index, value) in list.into_iter().enumerate() {
        match read_notice_at(value, &format!("/{index}")) {
            Ok(notice) => notices.push(notice),
            Err(found) => faults.extend(found),
        }
    }
    if faults.is_empty() { Ok(notices) } else { Err(Refusal::Malformed { faults }) }
}

fn refusal_reply(refusal: &Refusal) -> Reply {
    let detail = refusal.to_string();
    match refusal {
        Refusal::BadSignature => problem(401, "bad_signature", "The signature does not match", &detail, &[]),
        Refusal::Stale => problem(401, "stale_delivery", "The delivery is not from now", &detail, &[]),
        Refusal::Malformed { faults } => {
            problem(422, "invalid_notice", "The body is well-formed but invalid", &detail, faults)
        }
    }
}

/// The answer to what is signed and is no JSON.
fn unreadable(refusal: Refusal) -> Refused {
    let reply = problem(400, "malformed", "The request cannot be read", "the body is not JSON", &[]);
    Refused { refusal, reply }
}

/// A problem as the API tells it.
fn problem(status: u16, code: &str, title: &str, detail: &str, faults: &[Fault]) -> Reply {
    let errors: Vec<Value> =
        faults.iter().map(|fault| json!({"pointer": fault.pointer, "detail": fault.detail})).collect();
    let kind = format!("urn:orderlight:problem:{code}");
    let mut body = json!({"type": kind, "title": title, "status": status, "detail": detail, "code": code});
    if !errors.is_empty() {
        body["errors"] = errors.into();
    }
    Reply { status, content_type: Some("application/problem+json"), body: body.to_string().into() }
}
