//! The endpoints of a partition's merchants, as of a position of the log.

use std::sync::Arc;

use domain::endpoint::{Notification, Target};
use domain::ids::MerchantId;
use domain::merchant::MerchantEvent;
use domain::order::OrderEvent;
use domain::publication::RulebookEvent;
use eventlog::{EventLog, LogError, Position, RecordedEvent};
use rustc_hash::FxHashMap;

use crate::outbox::NewMessage;

/// Events about merchants read at once.
const PAGE: u32 = 1_000;

/// Another system that is told.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) id: Box<str>,
    pub(crate) merchant: MerchantId,
    pub(crate) target: Target,
    pub(crate) events: Vec<Notification>,
    /// Sealed, in base64.
    pub(crate) secret: Box<str>,
}

#[derive(Default)]
pub(crate) struct Roster {
    merchants: FxHashMap<MerchantId, Vec<Arc<Endpoint>>>,
}

impl Roster {
    /// As of a position.
    pub(crate) async fn at(log: &dyn EventLog, partition: u32, position: Position) -> Result<Self, LogError> {
        let mut roster = Self::default();
        let mut after = 0;
        loop {
            let page = log.read_type(partition, "merchant", after, PAGE).await?;
            for event in page.iter().take_while(|event| event.position <= position) {
                roster.fold(event)?;
            }
            match page.last() {
                Some(last) if last.position < position => after = last.position,
                Some(_) | None => return Ok(roster),
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.merchants.is_empty()
    }

    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.merchants.values().flatten()
    }

    /// Takes an event about a merchant in; answers with the endpoint that it removed, if it did.
    pub(crate) fn fold(&mut self, event: &RecordedEvent) -> Result<Option<Box<str>>, LogError> {
        if &*event.key.aggregate_type != "merchant"
            || !matches!(&*event.event_type, "EndpointCreated" | "EndpointRemoved")
        {
            return Ok(None);
        }
        let merchant = &event.key.merchant;
        match read(event)? {
            MerchantEvent::EndpointCreated(created) => {
                let endpoint = Endpoint {
                    id: created.id,
                    merchant: merchant.clone(),
                    target: created.target,
                    events: created.events,
                    secret: created.secret,
                };
                self.merchants.entry(merchant.clone()).or_default().push(Arc::new(endpoint));
                Ok(None)
            }
            MerchantEvent::EndpointRemoved(removed) => {
                if let Some(endpoints) = self.merchants.get_mut(merchant) {
                    endpoints.retain(|endpoint| endpoint.id != removed.id);
                    if endpoints.is_empty() {
                        self.merchants.remove(merchant);
                    }
                }
                Ok(Some(removed.id))
            }
            MerchantEvent::MerchantRegistered(_)
            | MerchantEvent::KeyCreated(_)
            | MerchantEvent::KeyRevoked(_)
            | MerchantEvent::ChannelConfigured(_)
            | MerchantEvent::SettingsChanged(_) => Ok(None),
        }
    }

    /// The messages that an event makes. Most events make none, and are told from others by their names alone.
    pub(crate) fn messages(&self, event: &RecordedEvent) -> Result<Vec<NewMessage>, LogError> {
        if !Notification::may_tell(&event.event_type) {
            return Ok(vec![]);
        }
        let Some(endpoints) = self.merchants.get(&event.key.merchant) else { return Ok(vec![]) };
        let told = match &*event.key.aggregate_type {
            "order" => Notification::of_order(&read::<OrderEvent>(event)?),
            "rulebook" => Some(Notification::of_rulebook(&read::<RulebookEvent>(event)?)),
            _ => None,
        };
        let Some(told) = told else { return Ok(vec![]) };
        let asking = endpoints.iter().filter(|endpoint| endpoint.events.contains(&told));
        let message = |endpoint: &Arc<Endpoint>| NewMessage {
            endpoint: endpoint.id.clone(),
            position: event.position,
            subject: event.key.aggregate_id.clone(),
            event: told,
        };
        Ok(asking.map(message).collect())
    }
}

fn read<E: serde::de::DeserializeOwned>(event: &RecordedEvent) -> Result<E, LogError> {
    serde_json::from_str(&event.payload).map_err(|error| LogError::Damaged(error.to_string()))
}
