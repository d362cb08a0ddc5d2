//! What a writer remembers of its partition between two orders: a fold over the log, thrown away and made anew at will.
//!
//! The live path and a replay go through the same functions in the same order, so that they see the same windows.
//!
//! No more than [`REMEMBERED_MAX`] orders are remembered. Beyond it the merchant with the most of them forgets its earliest
//! ones, so that no merchant's decisions depend on the traffic of a larger one. What is forgotten when is a function of the log.

mod stored;

use std::sync::Arc;

use chrono_tz::Tz;
use domain::feature::Value;
use domain::ids::MerchantId;
use domain::merchant::MerchantEvent;
use domain::order::{Facts, OrderEvent, ScoredCause};
use domain::publication::RulebookEvent;
use domain::rulebook::{Evaluator, Rulebook};
use domain::screening::{Assessment, screen};
use domain::time::Timestamp;
use eventlog::{RecordedEvent, StreamId};
use rustc_hash::FxHashMap;

pub(crate) use stored::KeptMemory;

use crate::windows::Windows;

/// The most orders that the windows of one partition remember, at some 700 to 1,300 bytes each: about 2 GB. Another limit
/// makes other decisions: a log must be replayed under the one it was written under.
pub(crate) const REMEMBERED_MAX: usize = 2_000_000;

/// How many a merchant forgets before it is seen whether it is still the largest.
const FORGOTTEN_AT_ONCE_MAX: usize = 256;

/// The merchants of one partition.
pub(crate) struct Memory {
    merchants: FxHashMap<MerchantId, MerchantMemory>,
    remembered: usize,
    remembered_max: usize,
    has_crowded_out: bool,
    values: Vec<Option<Value>>,
}

/// What decisions about one merchant's orders depend on.
struct MerchantMemory {
    zone: Tz,
    live: Option<Live>,
    windows: Windows,
}

/// The rulebook in force.
struct Live {
    rulebook: Arc<Rulebook>,
    evaluator: Evaluator,
}

impl Live {
    fn new(rulebook: Rulebook, version: u32) -> Self {
        Self { evaluator: rulebook.compile(version), rulebook: Arc::new(rulebook) }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::with_room_for(REMEMBERED_MAX)
    }
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
    fn with_room_for(orders: usize) -> Self {
        Self {
            merchants: FxHashMap::default(),
            remembered: 0,
            remembered_max: orders,
            has_crowded_out: false,
            values: Vec::new(),
        }
    }

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
            ("merchant", "MerchantRegistered" | "SettingsChanged") => {
                self.apply_merchant(&event.key.merchant, &read(event)?);
            }
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
            if self.remembered > self.remembered_max {
                self.crowd_out();
            }
        }
    }

    /// Forgets a little more than it must, so that it looks for the largest merchant only now and then.
    fn crowd_out(&mut self) {
        let target = self.remembered_max - self.remembered_max / 1_024;
        if !self.has_crowded_out {
            self.has_crowded_out = true;
            tracing::warn!(
                limit = self.remembered_max,
                "more orders than are remembered, the earliest are forgotten and windows that reach them are unknown"
            );
        }
        while self.remembered > target {
            let by_size =
                |(id, memory): &(&MerchantId, &mut MerchantMemory)| (memory.windows.remembered(), (*id).clone());
            let Some((_, largest)) = self.merchants.iter_mut().max_by_key(by_size) else { return };
            let before = largest.windows.remembered();
            largest.windows.forget_earliest((self.remembered - target).min(FORGOTTEN_AT_ONCE_MAX));
            let forgotten = before - largest.windows.remembered();
            self.remembered -= forgotten;
            metrics::counter!("orderlight_crowded_out_orders_total").increment(forgotten as u64);
        }
    }

    pub(crate) fn apply_merchant(&mut self, merchant: &MerchantId, event: &MerchantEvent) {
        match event {
            MerchantEvent::MerchantRegistered(registered) => {
                let zone = registered.time_zone.parse().unwrap_or(Tz::UTC);
                let memory = MerchantMemory { zone, live: None, windows: Windows::new() };
                self.merchants.insert(merchant.clone(), memory);
            }
            MerchantEvent::SettingsChanged(settings) => {
                if let Some(merchant) = self.merchants.get_mut(merchant) {
                    merchant.zone = settings.time_zone.parse().unwrap_or(Tz::UTC);
                }
            }
            MerchantEvent::KeyCreated(_) | MerchantEvent::KeyRevoked(_) | MerchantEvent::ChannelConfigured(_) => {}
        }
    }

    /// The version in force; 0 before the first.
    pub(crate) fn live_version(&self, merchant: &MerchantId) -> u32 {
        let live = self.merchants.get(merchant).and_then(|merchant| merchant.live.as_ref());
        live.map_or(0, |live| live.evaluator.version())
    }

    pub(crate) fn apply_rulebook(&mut self, merchant: &MerchantId, event: &RulebookEvent) {
        let RulebookEvent::RulebookPublished(published) = event;
        if let Some(merchant) = self.merchants.get_mut(merchant) {
            merchant.live = Some(Live::new(published.rulebook.clone(), published.version));
        }
    }

    /// Screens an order whose events have been applied, by the rulebook in force. `None` before the first publication.
    pub(crate) fn screen(
        &mut self,
        merchant: &MerchantId,
        stream: StreamId,
        channel: &str,
        facts: &Facts,
        cause: ScoredCause,
    ) -> Option<Assessment> {
        let merchant = self.merchants.get_mut(merchant)?;
        let evaluator = &merchant.live.as_ref()?.evaluator;
        let features = evaluator.features();
        merchant.windows.observe(stream, channel, facts, merchant.zone, features, &mut self.values);
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

#[cfg(test)]
mod tests {
    use domain::feature::{Feature, FeatureRef};
    use domain::ids::Token;
    use domain::merchant::MerchantRegistered;
    use domain::order::Placed;
    use domain::time::Span;

    use super::*;

    fn registered() -> MerchantEvent {
        let (name, time_zone, currency) = ("Shop".into(), "Asia/Shanghai".into(), "CNY".into());
        MerchantEvent::MerchantRegistered(MerchantRegistered { name, time_zone, currency })
    }

    fn place(memory: &mut Memory, merchant: &str, number: u64, second: i64) {
        let at = Timestamp::from_millis(second * 1_000);
        let facts = Facts { placed_at: Some(at), device: Some(Token::new([7; 16])), ..Facts::default() };
        let (channel, order_no) = ("web".parse().unwrap(), "A1".parse().unwrap());
        let event = OrderEvent::Placed(Placed { channel, order_no, as_of: None, facts, vault: None });
        memory.apply_order(&merchant.parse().unwrap(), number, &event, at);
    }

    /// `device.orders` of the device that all orders are from.
    fn orders(memory: &mut Memory, merchant: &str, number: u64, window: Span) -> Option<Value> {
        let windows = &mut memory.merchants.get_mut(&merchant.parse().unwrap()).unwrap().windows;
        let feature = FeatureRef { feature: Feature::named("device.orders").unwrap(), window: Some(window) };
        let mut values = Vec::new();
        windows.observe(number, "web", &Facts::default(), Tz::UTC, &[feature], &mut values);
        values.remove(0)
    }

    #[test]
    fn beyond_the_limit_the_largest_merchant_forgets_its_earliest_orders() {
        let mut memory = Memory::with_room_for(10);
        for merchant in ["large", "small"] {
            memory.apply_merchant(&merchant.parse().unwrap(), &registered());
        }
        (1..=3).for_each(|number| place(&mut memory, "small", number, 0));
        (4..=20).for_each(|number| place(&mut memory, "large", number, number.cast_signed()));
        assert_eq!(memory.remembered(), 10);
        let second = Span::from_secs;
        assert_eq!(orders(&mut memory, "large", 20, second(7)), Some(Value::Int(7)), "seven are remembered");
        assert_eq!(orders(&mut memory, "large", 20, second(8)), None, "what it would hold besides is forgotten");
        assert_eq!(
            orders(&mut memory, "small", 3, second(60)),
            Some(Value::Int(3)),
            "a small merchant forgets nothing"
        );

        place(&mut memory, "large", 21, 13);
        assert_eq!(memory.remembered(), 10);
        assert_eq!(
            orders(&mut memory, "large", 21, second(1)),
            None,
            "it came too late to be in order with the forgotten"
        );
    }
}
