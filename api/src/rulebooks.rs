//! The rulebooks that a merchant ever put in force, as the log holds them.

use cqrs_es::Aggregate;
use domain::ids::MerchantId;
use domain::publication::{LIVE, LiveRulebook, RulebookEvent, RulebookPublished};
use eventlog::{EventLog, LogError, RecordedEvent, StreamKey};
use serde::Deserialize;

/// A merchant's publications. A rulebook is read only when somebody asks for its version.
pub struct Publications(Vec<RecordedEvent>);

impl Publications {
    /// Reads the merchant's one stream of publications.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn read(log: &dyn EventLog, merchant: &MerchantId) -> Result<Self, LogError> {
        let key = StreamKey {
            merchant: merchant.clone(),
            aggregate_type: LiveRulebook::TYPE.into(),
            aggregate_id: LIVE.into(),
        };
        match log.find_streams(&[key]).await?.into_iter().flatten().next() {
            Some(stream) => Ok(Self(log.read_streams(&[stream]).await?)),
            None => Ok(Self(Vec::new())),
        }
    }

    /// A version; `None` when it was never put in force.
    ///
    /// # Errors
    /// When the log holds what this version of the service cannot read.
    pub fn version(&self, version: u32) -> Result<Option<RulebookPublished>, LogError> {
        for event in &self.0 {
            let peeked: Peeked = read(event)?;
            if peeked.published.is_some_and(|published| published.version == version) {
                let RulebookEvent::RulebookPublished(published) = read(event)?;
                return Ok(Some(published));
            }
        }
        Ok(None)
    }
}

/// As much of an event as tells its version, so that the rulebooks of others are not checked in vain.
#[derive(Deserialize)]
struct Peeked {
    #[serde(rename = "RulebookPublished")]
    published: Option<PeekedVersion>,
}

#[derive(Deserialize)]
struct PeekedVersion {
    version: u32,
}

fn read<'a, T: Deserialize<'a>>(event: &'a RecordedEvent) -> Result<T, LogError> {
    serde_json::from_str(&event.payload).map_err(|error| LogError::Damaged(error.to_string()))
}
