//! Publications while orders flow: how long after a publication is sent the first order is decided by it.
//!
//! Every second a draft that was begun before is published. Each has a window that no rulebook had before it. An order tells in
//! its answer which version decided it; the moment at which the first such answer has come counts, so a figure is never too
//! short. Orders go on at their fixed rate all the while, and each must be taken.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use measure::Sender;
use tokio::task::JoinHandle;
use tokio::time::interval;

use crate::connection::{Connection, Target};

/// Between two publications.
const PAUSE: Duration = Duration::from_secs(1);
/// How an order's answer begins to tell the version that decided it.
const VERSION: &[u8] = b"\"rulebook_version\":";

/// When the first answer came that a version had decided.
#[derive(Default)]
pub(crate) struct Seen {
    versions: Mutex<BTreeMap<u64, Instant>>,
}

impl Seen {
    fn note(&self, body: &[u8]) {
        let Some(version) = number_after(body, VERSION) else { return };
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        versions.entry(version).or_insert_with(Instant::now);
    }
}

/// A connection that looks at which version decided its orders.
pub(crate) struct Watching {
    pub(crate) connection: Connection,
    pub(crate) seen: Arc<Seen>,
}

impl Sender for Watching {
    type Order = Bytes;

    async fn place(&mut self, body: Bytes) -> Result<(), String> {
        self.seen.note(&self.connection.place_and_read(body).await?);
        Ok(())
    }

    async fn recover(&mut self) -> bool {
        self.connection.recover().await
    }
}

/// Publishes in the background.
pub(crate) struct Publisher {
    publishing: JoinHandle<anyhow::Result<Vec<Publication>>>,
    seen: Arc<Seen>,
}

struct Publication {
    version: u64,
    sent: Instant,
    answered_in: Duration,
}

impl Publisher {
    /// Begins as many drafts as there are to publish, and then publishes one a second.
    pub(crate) async fn start(target: &Target, count: u64, seen: Arc<Seen>) -> anyhow::Result<Self> {
        let mut connection = target.connect().await?;
        let mut drafts = Vec::new();
        for number in 0..count {
            let begun = connection.post("/v1/rulebooks".parse()?, book(number).into()).await?;
            let id = text_after(&begun, b"\"id\":\"").context("a draft has an id")?;
            drafts.push(format!("/v1/rulebooks/{id}/publish").parse()?);
        }
        let publishing = tokio::spawn(async move {
            let mut due = interval(PAUSE);
            due.tick().await;
            let mut publications = Vec::new();
            for path in drafts {
                due.tick().await;
                let sent = Instant::now();
                let answer = connection.post(path, Bytes::from_static(b"{}")).await?;
                let answered_in = sent.elapsed();
                let version = number_after(&answer, b"\"version\":").context("a publication has a version")?;
                publications.push(Publication { version, sent, answered_in });
            }
            Ok(publications)
        });
        Ok(Self { publishing, seen })
    }

    /// One line of figures, when the orders have ended.
    pub(crate) async fn finish(self) -> anyhow::Result<String> {
        let publications = self.publishing.await.context("the publisher failed")??;
        let seen = self.seen.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut decided, mut answered) = (Vec::new(), Vec::new());
        for Publication { version, sent, answered_in } in &publications {
            let first = seen.get(version).with_context(|| format!("no order was decided by version {version}"))?;
            decided.push(first.duration_since(*sent));
            answered.push(*answered_in);
        }
        anyhow::ensure!(!decided.is_empty(), "nothing was published");
        let ((decided_p50, decided_max), (answered_p50, answered_max)) =
            (middle_and_last(decided), middle_and_last(answered));
        Ok(format!(
            "publications={} in_force_p50_us={} in_force_max_us={} answered_p50_us={} answered_max_us={}",
            publications.len(),
            decided_p50.as_micros(),
            decided_max.as_micros(),
            answered_p50.as_micros(),
            answered_max.as_micros()
        ))
    }
}

fn middle_and_last(mut all: Vec<Duration>) -> (Duration, Duration) {
    all.sort_unstable();
    (all[all.len() / 2], all[all.len() - 1])
}

/// Ten rules over windows, one of which no other book has.
fn book(number: u64) -> String {
    let features = [
        "device.orders",
        "device.customers",
        "customer.orders",
        "customer.unpaid",
        "ip.orders",
        "ip.customers",
        "ip24.unpaid",
        "phone.orders",
        "address.customers",
        "customer.unfamiliar_addresses",
    ];
    let rule = |feature: &str| {
        let id = feature.replace('.', "_");
        let seconds = 3_600 + number;
        format!(
            r#"{{"id":"{id}","when":{{"feature":"{feature}","window":"{seconds}s","op":">=","value":1000000}},"points":10}}"#
        )
    };
    let rules = features.map(rule).join(",");
    format!(
        r#"{{"name":"Book {number}","rules":[{rules}],"tiers":[{{"id":"hold","from":1000,"action":"freeze"}}],"exemptions":[]}}"#
    )
}

fn after<'a>(body: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let at = body.windows(name.len()).position(|part| part == name)?;
    body.get(at + name.len()..)
}

fn number_after(body: &[u8], name: &[u8]) -> Option<u64> {
    let digits = after(body, name)?.iter().take_while(|byte| byte.is_ascii_digit());
    String::from_utf8(digits.copied().collect()).ok()?.parse().ok()
}

fn text_after(body: &[u8], name: &[u8]) -> Option<String> {
    let text = after(body, name)?.iter().take_while(|byte| **byte != b'"');
    String::from_utf8(text.copied().collect()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_an_answer_is_the_first_it_names() {
        let seen = Seen::default();
        seen.note(br#"{"order_id":"web:A1","risk":{"rulebook_version":12,"score":0}}"#);
        seen.note(br#"{"order_id":"web:A2","risk":null}"#);
        assert_eq!(seen.versions.lock().unwrap().keys().collect::<Vec<_>>(), [&12]);
        assert_eq!(text_after(br#"{"id":"d-1","revision":1}"#, b"\"id\":\""), Some("d-1".to_owned()));
    }
}
