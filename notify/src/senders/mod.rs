//! Senders of text messages and calls: what to ask a provider's API with, and what its answer means.
//!
//! * Nothing here sends, waits, reads a clock or draws a number: a [`Sender`] turns a [`Message`] into a signed
//!   [`Request`], and reads the answer to it.
//! * A request is made anew for every try: its signature holds the time, and a nonce that counts once.
//! * Secrets, phone numbers and codes show in no `Debug` output, no error and no fault.
//! * No provider has a key that makes a second request the first one again. A try whose answer was lost may reach the
//!   customer twice, with the same code.

mod aliyun;
mod settings;
mod tencent;

use std::fmt;

use domain::ids::ChallengeId;
use domain::time::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

/// Whose API is asked, and for what.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Provider {
    /// Alibaba Cloud, a text message.
    AliyunSms,
    /// Alibaba Cloud, a call that reads a template.
    AliyunVoice,
    /// Tencent Cloud, a text message.
    TencentSms,
    /// Tencent Cloud, a call that reads a template, or a code.
    TencentVoice,
}

/// One provider's API with the account to use and what to send by it.
pub struct Sender {
    account: Account,
    service: Service,
    parameters: Vec<Parameter>,
}

/// What a customer is to be told, and where.
pub struct Message<'a> {
    /// The challenge; it goes along as the provider's reference, so that its receipts can be told apart.
    pub challenge: &'a ChallengeId,
    /// The number, in E.164 (`+8613800138000`).
    pub phone: &'a str,
    /// The code to answer with, if one is expected.
    pub code: Option<&'a str>,
    /// The order's number inside its channel.
    pub order_no: &'a str,
    /// When the challenge ends: nothing is sent from then on.
    pub expires_at: Timestamp,
}

/// One HTTP request. Its query, headers and body are secret or personal.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: &'static str,
    /// The whole URL. Its query may hold a phone number and a code: never log it.
    pub url: String,
    /// Names in lower case, each once. `host` is among them, for it is signed: it must leave as it is.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Why a message cannot be sent at all. Another try cannot help.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unsendable {
    /// The challenge has ended.
    #[error("the challenge has ended")]
    Expired,
    /// The number is not one that can be dialled: masked, with an extension, or none.
    #[error("the phone number is not in E.164")]
    NoPhone,
    /// The sender is to tell a code, and the challenge has none.
    #[error("the challenge has no code to tell")]
    NoCode,
}

/// What came of a request, when the message did not leave. The codes are the provider's, or `http_` and the status.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Failure {
    /// Another try may succeed: a limit that passes, too much traffic, or a fault of the provider.
    #[error("the provider cannot take it now: {code}")]
    Passing {
        /// What the provider calls it.
        code: Box<str>,
    },
    /// The same message will never be taken: the account, the template, or the number.
    #[error("the provider refuses it: {code}")]
    Final {
        /// What the provider calls it.
        code: Box<str>,
    },
}

/// What a template is filled with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Parameter {
    /// The code to answer with.
    Code,
    /// For how many more minutes the challenge is open; at least 1.
    Minutes,
    /// The last characters of the order's number, by which customers know it.
    OrderTail,
}

struct Account {
    key_id: String,
    key_secret: SecretString,
    base: Base,
}

/// Where the API is.
struct Base {
    /// Scheme, host and port, without a path.
    url: String,
    /// Host and port as they stand in the header.
    host: String,
}

enum Service {
    Aliyun(aliyun::Service),
    Tencent(tencent::Service),
}

/// One message on its way into a request.
struct Errand<'a> {
    account: &'a Account,
    challenge: &'a str,
    phone: &'a str,
    /// The template's parameters by name, in their order.
    values: Vec<(&'static str, String)>,
    now: Timestamp,
    nonce: &'a str,
}

/// How many characters of an order's number are told.
const ORDER_TAIL_CHARS: usize = 4;
/// How often a call reads its text. Providers allow 1 to 3.
const PLAY_TIMES: u8 = 2;
/// The longest code of an answer that is kept.
const CODE_BYTES_MAX: usize = 80;

impl Provider {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::AliyunSms, Self::AliyunVoice, Self::TencentSms, Self::TencentVoice];

    /// Its name in settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AliyunSms => "aliyun_sms",
            Self::AliyunVoice => "aliyun_voice",
            Self::TencentSms => "tencent_sms",
            Self::TencentVoice => "tencent_voice",
        }
    }

    /// Where its API is, if the settings name no other place.
    const fn base_url(self) -> &'static str {
        match self {
            Self::AliyunSms => "https://dysmsapi.aliyuncs.com",
            Self::AliyunVoice => "https://dyvmsapi.aliyuncs.com",
            Self::TencentSms => "https://sms.tencentcloudapi.com",
            Self::TencentVoice => "https://vms.tencentcloudapi.com",
        }
    }
}

impl Sender {
    /// Whose API it asks.
    pub const fn provider(&self) -> Provider {
        match self.service {
            Service::Aliyun(aliyun::Service::Sms { .. }) => Provider::AliyunSms,
            Service::Aliyun(aliyun::Service::Voice { .. }) => Provider::AliyunVoice,
            Service::Tencent(tencent::Service::Sms { .. }) => Provider::TencentSms,
            Service::Tencent(tencent::Service::Voice { .. }) => Provider::TencentVoice,
        }
    }

    /// Where the requests go: scheme, host and port.
    pub fn base_url(&self) -> &str {
        &self.account.base.url
    }

    /// The request that sends a message. `nonce` is of visible ASCII and differs from that of every other request.
    ///
    /// # Errors
    /// Why there is nothing to send.
    pub fn request(&self, message: &Message<'_>, now: Timestamp, nonce: &str) -> Result<Request, Unsendable> {
        if now >= message.expires_at {
            return Err(Unsendable::Expired);
        }
        if !is_e164(message.phone) {
            return Err(Unsendable::NoPhone);
        }
        let values = self.parameters.iter().map(|parameter| Ok((parameter.name(), parameter.value(message, now)?)));
        let errand = Errand {
            account: &self.account,
            challenge: message.challenge.as_str(),
            phone: message.phone,
            values: values.collect::<Result<_, Unsendable>>()?,
            now,
            nonce,
        };
        Ok(match &self.service {
            Service::Aliyun(service) => service.request(&errand),
            Service::Tencent(service) => service.request(&errand),
        })
    }

    /// What the answer to a request means. Of a long body its first 64 KiB are enough.
    ///
    /// # Errors
    /// Why the message did not leave, and whether another try may succeed.
    pub fn outcome(&self, status: u16, body: &[u8]) -> Result<(), Failure> {
        match &self.service {
            Service::Aliyun(_) => aliyun::outcome(status, body),
            Service::Tencent(service) => service.outcome(status, body),
        }
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base_url = self.base_url();
        f.debug_struct("Sender")
            .field("provider", &self.provider())
            .field("base_url", &base_url)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.url.split_once('?').map_or(&*self.url, |(place, _)| place);
        f.debug_struct("Request").field("method", &self.method).field("url", &place).finish_non_exhaustive()
    }
}

impl Parameter {
    const ALL: [Self; 3] = [Self::Code, Self::Minutes, Self::OrderTail];

    const fn name(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Minutes => "minutes",
            Self::OrderTail => "order_tail",
        }
    }

    fn value(self, message: &Message<'_>, now: Timestamp) -> Result<String, Unsendable> {
        Ok(match self {
            Self::Code => message.code.ok_or(Unsendable::NoCode)?.to_owned(),
            Self::Minutes => (message.expires_at.since(now).millis() / 60_000).max(1).to_string(),
            Self::OrderTail => {
                let before = message.order_no.chars().count().saturating_sub(ORDER_TAIL_CHARS);
                message.order_no.chars().skip(before).collect()
            }
        })
    }
}

impl Failure {
    /// What an answer means in which the provider gave a code of its own: a code that is known to pass, or a status that does.
    fn told(status: u16, code: &str, passes: bool) -> Self {
        let code = readable(code);
        if passes || passes_later(status) { Self::Passing { code } } else { Self::Final { code } }
    }

    /// What an answer means that is not the provider's own: the page of something in between, or half an answer.
    fn untold(status: u16) -> Self {
        let code = format!("http_{status}").into();
        if passes_later(status) || is_success(status) { Self::Passing { code } } else { Self::Final { code } }
    }
}

const fn is_success(status: u16) -> bool {
    matches!(status, 200..=299)
}

/// The statuses that say "later": request timeout, too early, too many requests, and faults of the server.
const fn passes_later(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}

/// A code of an answer, if it looks like one. What stands in an answer is a stranger's text and may repeat the number that
/// was called or the code that was sent; no code that is known holds a digit.
fn readable(code: &str) -> Box<str> {
    let known = code.bytes().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'.' | b'_'));
    if known && (1..=CODE_BYTES_MAX).contains(&code.len()) { code.into() } else { "unreadable".into() }
}

fn is_e164(phone: &str) -> bool {
    let Some(digits) = phone.strip_prefix('+') else { return false };
    (7..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn hmac(key: &[u8], text: &str) -> [u8; 32] {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("any length is a key");
    mac.chain_update(text).finalize().into_bytes().into()
}

fn sha256_hex(bytes: impl AsRef<[u8]>) -> String {
    hex::encode(Sha256::digest(bytes))
}

impl Account {
    fn secret(&self) -> &str {
        self.key_secret.expose_secret()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: &str = "2026-11-28T04:00:00Z";

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn challenge() -> ChallengeId {
        "3-421".parse().expect("an id")
    }

    fn message(challenge: &ChallengeId) -> Message<'_> {
        Message {
            challenge,
            phone: "+8613800138000",
            code: Some("271828"),
            order_no: "4881995531871913482",
            expires_at: at("2026-11-28T04:09:59Z"),
        }
    }

    fn sender() -> Sender {
        let settings = json!({
            "provider": "aliyun_sms", "access_key_id": "LTAIdemoKeyId", "access_key_secret": "demoKeySecret",
            "sign_name": "演示签名", "template_id": "SMS_000000001",
        });
        Sender::read(settings, "").expect("a sender")
    }

    #[test]
    fn nothing_is_sent_that_cannot_be_answered_or_dialled() {
        let (sender, challenge) = (sender(), challenge());
        let refused = |change: fn(&mut Message<'_>)| {
            let mut message = message(&challenge);
            change(&mut message);
            sender.request(&message, at(NOW), "n").err()
        };
        assert_eq!(refused(|_| {}), None);
        assert_eq!(refused(|message| message.expires_at = at(NOW)), Some(Unsendable::Expired));
        assert_eq!(refused(|message| message.code = None), Some(Unsendable::NoCode));
        for phone in
            ["+8613800138000-1234", "13800138000", "+86138****8000", "+", "", "+0123456789", "+8613800138000123"]
        {
            let message = Message { phone, ..message(&challenge) };
            assert_eq!(sender.request(&message, at(NOW), "n").err(), Some(Unsendable::NoPhone), "{phone}");
        }
    }

    #[test]
    fn templates_are_filled_with_the_code_the_minutes_left_and_the_end_of_the_order_number() {
        let challenge = challenge();
        let value = |parameter: Parameter, message: &Message<'_>| parameter.value(message, at(NOW)).expect("a value");
        let whole = message(&challenge);
        assert_eq!(value(Parameter::Code, &whole), "271828");
        assert_eq!(value(Parameter::Minutes, &whole), "9");
        assert_eq!(value(Parameter::OrderTail, &whole), "3482");
        let short = Message { order_no: "单7", expires_at: at("2026-11-28T04:00:01Z"), ..whole };
        assert_eq!(
            (value(Parameter::Minutes, &short), value(Parameter::OrderTail, &short)),
            ("1".into(), "单7".into())
        );
    }

    #[test]
    fn nothing_secret_or_personal_shows() {
        let (sender, challenge) = (sender(), challenge());
        let request = sender.request(&message(&challenge), at(NOW), "n").expect("a request");
        assert!(request.url.contains("13800138000") && request.url.contains("271828"));
        let answer = json!({"Code": "13800138000", "Message": "13800138000 271828"}).to_string();
        let failure = sender.outcome(400, answer.as_bytes()).expect_err("a failure");
        assert_eq!(failure, Failure::Final { code: "unreadable".into() });
        let shown = format!("{sender:?} {request:?} {failure:?} {failure}");
        for hidden in ["13800138000", "271828", "demoKeySecret", "LTAIdemoKeyId", "Signature"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
    }
}
