//! Deliveries as the tests make them: headers, a body and a time of arrival, given to a channel with its credentials.

use std::collections::BTreeMap;

use channels::{Received, Receiver, Refused, Request, channel};
use domain::notice::Notice;
use domain::time::Timestamp;
use serde_json::Value;

/// One delivery.
pub(crate) struct Delivery {
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
    received_at: Timestamp,
}

impl Delivery {
    pub(crate) fn new(body: impl Into<Vec<u8>>, received_at: &str) -> Self {
        let received_at = received_at.parse().expect("a time");
        Self { headers: BTreeMap::new(), body: body.into(), received_at }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }

    pub(crate) fn to(&self, receiver: &dyn Receiver) -> Result<Received, Refused> {
        let header = |name: &str| self.headers.get(name).map(String::as_str);
        receiver.receive(&Request { query: "", header: &header, body: &self.body, received_at: self.received_at })
    }
}

/// A channel with current credentials alone.
pub(crate) fn open(name: &str, credentials: Value) -> Box<dyn Receiver> {
    channel(name).expect("a channel").open(credentials, None).unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// The published vectors of one channel.
pub(crate) fn vectors(channel: &str) -> Vec<Value> {
    let all: Vec<Value> = serde_json::from_str(include_str!("../vectors.json")).expect("vectors");
    let own: Vec<Value> = all.into_iter().filter(|vector| vector["channel"] == channel).collect();
    assert!(!own.is_empty());
    own
}

/// The notices as `order kind-or-status occurred_at message_id`, one a line.
pub(crate) fn lines(notices: &[Notice]) -> Vec<String> {
    notices
        .iter()
        .map(|notice| {
            let what = match &notice.content {
                domain::notice::Content::Status { status, .. } => {
                    serde_json::to_value(status).expect("json").as_str().expect("a name").to_owned()
                }
                other => other.kind().to_owned(),
            };
            let at = notice.occurred_at.map_or_else(|| "-".into(), |at| at.to_string());
            format!("{} {what} {at} {}", notice.order, notice.message_id.as_deref().unwrap_or("-"))
        })
        .collect()
}
