//! Sales channels: one file each, which verifies a delivery's signature and translates it into notices, and nothing else.
//!
//! * Signatures are checked over the raw bytes, before anything is read from them, and compared in constant time.
//! * A delivery is taken whole or refused whole, but for those of channels that batch their messages: see
//!   [`Received::faults`].
//! * The same delivery gives the same notices with the same message ids, however often it comes.
//! * [`Received::reply`] may leave only when the notices are durable.

mod credentials;
mod loose;
mod money;
mod standard;

mod douyin;
mod shopify;

use std::borrow::Cow;

use domain::fault::Fault;
use domain::notice::{Notice, validate};
use domain::time::Timestamp;
use serde_json::Value;

/// One delivery, as it came over HTTP.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The query string, without its `?`.
    pub query: &'a str,
    /// Looks a header up by its name in lower case; `None` too for one that is not text.
    pub header: &'a dyn Fn(&str) -> Option<&'a str>,
    /// The raw body.
    pub body: &'a [u8],
    /// When it arrived, by our clock.
    pub received_at: Timestamp,
}

/// What to answer, exactly.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The media type of the body; none for an empty one.
    pub content_type: Option<&'static str>,
    /// The body.
    pub body: Cow<'static, str>,
}

/// A good delivery.
#[derive(Clone, PartialEq, Debug)]
pub struct Received {
    /// What it says; nothing for a test message and for what does not concern us. Each has its message id.
    pub notices: Vec<Notice>,
    /// All that is wrong with the messages that were not taken, with pointers into the body; mostly empty.
    pub faults: Vec<Fault>,
    /// What to answer once the notices are stored.
    pub reply: Reply,
}

/// A delivery that was not taken, with what to answer.
#[derive(Clone, PartialEq, Debug)]
pub struct Refused {
    /// Why.
    pub refusal: Refusal,
    /// What to answer.
    pub reply: Reply,
}

/// Why a delivery was not taken.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum Refusal {
    /// It is not signed, or not with a key of this channel.
    #[error("the signature does not match")]
    BadSignature,
    /// It is signed, but too old or too far ahead of our clock.
    #[error("the time of the delivery is too far from ours")]
    Stale,
    /// It is signed, but does not say what the channel's messages say.
    #[error("the body is not a message of this channel")]
    Malformed {
        /// All that is wrong, with pointers into the body.
        faults: Vec<Fault>,
    },
}

/// One kind of channel.
pub trait Adapter: Send + Sync {
    /// Its name in paths, and the source of its notices.
    fn name(&self) -> &'static str;

    /// Reads a channel's credentials. During their rotation the previous ones count too.
    ///
    /// # Errors
    /// All faults, with pointers that begin with `/credentials` and `/previous_credentials`.
    fn open(&self, credentials: Value, previous: Option<Value>) -> Result<Box<dyn Receiver>, Vec<Fault>>;

    /// What to answer to a good delivery that cannot be stored now, so that it is sent again.
    fn unavailable(&self) -> Reply;
}

/// One channel with its keys.
pub trait Receiver: Send + Sync {
    /// Verifies and translates one delivery.
    ///
    /// # Errors
    /// Why it was not taken, and what to answer.
    fn receive(&self, request: &Request<'_>) -> Result<Received, Refused>;
}

/// All kinds of channels.
pub const CHANNELS: &[&dyn Adapter] = &[&standard::Standard, &shopify::Shopify, &douyin::Douyin];

/// The kind of channel of that name.
pub fn channel(name: &str) -> Option<&'static dyn Adapter> {
    CHANNELS.iter().copied().find(|channel| channel.name() == name)
}

impl Reply {
    const fn empty(status: u16) -> Self {
        Self { status, content_type: None, body: Cow::Borrowed("") }
    }

    fn json(status: u16, body: impl Into<Cow<'static, str>>) -> Self {
        Self { status, content_type: Some("application/json"), body: body.into() }
    }
}

impl Refusal {
    fn malformed(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Malformed { faults: vec![Fault::new(pointer, detail)] }
    }
}

/// Parses a body that must be JSON.
fn json(body: &[u8]) -> Result<Value, Refusal> {
    domain::json::read(body).map_err(|error| {
        // The error's own text may quote the body, which is personal; where it is wrong says enough.
        let (line, column) = (error.line(), error.column());
        Refusal::malformed("", format!("expected JSON; it breaks off or is none at line {line}, column {column}"))
    })
}

/// Gives the notices of one delivery their message ids, told apart by a number when there are several, and holds them to
/// the limits of all notices.
fn identified(mut notices: Vec<Notice>, delivery_id: &str) -> Result<Vec<Notice>, Refusal> {
    let several = notices.len() > 1;
    for (index, notice) in notices.iter_mut().enumerate() {
        notice.message_id = Some(if several { format!("{delivery_id}:{index}") } else { delivery_id.to_owned() });
    }
    within_limits(notices)
}

fn within_limits(notices: Vec<Notice>) -> Result<Vec<Notice>, Refusal> {
    let faults: Vec<Fault> = notices.iter().flat_map(validate).collect();
    if faults.is_empty() { Ok(notices) } else { Err(Refusal::Malformed { faults }) }
}
