//! What a writer remembers of its partition between two orders: a fold over the log, thrown away and made anew at will.
//!
//! The live path and a replay go through the same functions in the same order, so that they see the same windows.

use std::sync::Arc;

use chrono_tz::Tz;
use domain::feature::Value;
use domain::ids::MerchantId;
use domain::merchant::MerchantEvent;
use domain::order::{Known, OrderEvent, ScoredCause};
use domain::publication::RulebookEvent;
use domain::rulebook::Evaluator;
use domain::screening::{Assessment, screen};
use domain::time::Timestamp;
use eventlog::{RecordedEvent, StreamId};
use rustc_hash::FxHashMap;

use crate::windows::Windows;

/// The merchants of one partition.
#[derive(Default)]
pub(crate) struct Memory {
    merchants: FxHashMap<MerchantId, MerchantMemory>,
    remembered: usize,
    values: Vec<Option<Value>>,
}

/// What decisions about one merchant's orders depend on.
struct MerchantMemory {
    zone: Tz,
    evaluator: Option<Arc<Evaluator>>,
    windows: Windows,
}

/// Why a stored event could not be folded.
#[derive(Debug, thiserror::Error)]
#[error("{event_type} at position {position} cannot be read")]
pub struct FoldError {
    position: u64,
    event_type: Box<str>,
    source: serde_json::Error,
}

impl Memory {
    pub(crate) fn knows(&self, merchant: &MerchantId) -> bool {
        self.merchants.contains_key(merchant)
    }

    /// Orders that windows hold, over all merchants.
    pub(crate) const fn remembered(&self) -> usize {
        self.remembered
    }

    /// Folds one event of the log; events without a part in decisions cost nothing.
    pub(crate) fn fold(&mut self, event: &RecordedEvent) -> Result<(), FoldError> {
        match (&*event.key.aggregate_type, &*event.event_type) {
            ("order", "Placed" | "Amended" | "StatusReported") => {
                self.apply_order(&event.key.merchant, event.stream, &read(event)?, event.recorded_at);
            }
            ("merchant", "MerchantRegistered") => self.apply_merchant(&event.key.merchant, &read(event)?),
            ("rulebook", "RulebookPublished") => self.apply_rulebook(&event.key.merchant, &read(event)?),
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn apply_order(
        &mut self,
        merchant: &MerchantId,
        stream: StreamId,
        event: &OrderEvent,
        recorded_at: Timestamp,
    ) {
        if let Some(merchant) = self.merchants.get_mut(merchant) {
            self.remembered -= merchant.windows.remembered();
            merchant.windows.apply(stream, event, recorded_at);
            self.remembered += merchant.windows.remembered();
        }
    }

    pub(crate) fn apply_merchant(&mut self, merchant: &MerchantId, event: &MerchantEvent) {
        if let MerchantEvent::MerchantRegistered(registered) = event {
            let zone = registered.time_zone.parse().unwrap_or(Tz::UTC);
            let memory = MerchantMemory { zone, evaluator: None, windows: Windows::new() };
            self.merchants.insert(merchant.clone(), memory);
        }
    }

    pub(crate) fn apply_rulebook(&mut self, merchant: &MerchantId, event: &RulebookEvent) {
        let RulebookEvent::RulebookPublished(published) = event;
        if let Some(merchant) = self.merchants.get_mut(merchant) {
            merchant.evaluator = Some(Arc::new(published.rulebook.compile(published.version)));
        }
    }

    /// Screens an order whose events have been applied, by the rulebook in force. `None` before the first publication.
    pub(crate) fn screen(
        &mut self,
        merchant: &MerchantId,
        stream: StreamId,
        channel: &str,
        order: &Known,
        cause: ScoredCause,
    ) -> Option<Assessment> {
        let merchant = self.merchants.get_mut(merchant)?;
        let evaluator = merchant.evaluator.as_ref()?;
        let features = evaluator.features();
        merchant.windows.observe(stream, channel, &order.facts, merchant.zone, features, &mut self.values);
        Some(screen(evaluator, &self.values, cause))
    }
}

/// Reads an event's payload.
pub(crate) fn read<E: serde::de::DeserializeOwned>(event: &RecordedEvent) -> Result<E, FoldError> {
    serde_json::from_str(&event.payload).map_err(|source| FoldError {
        position: event.position,
        event_type: event.event_type.clone(),
        source,
    })
}
