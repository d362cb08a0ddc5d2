//! What a writer remembers of its partition between two orders: a fold over the log, thrown away and made anew at will.
//!
//! The live path and a replay go through the same functions in the same order, so that they see the same windows.
//!
//! No more than [`REMEMBERED_MAX`] orders are remembered. Beyond it the merchant with the most of them forgets its earliest
//! ones, so that no merchant's decisions depend on the traffic of a larger one. What is forgotten when is a function of the log.

mod company;
mod handling;
mod room;
mod shadow;
mod signals;
mod stored;
mod trial;
mod watch;

use std::sync::Arc;

use chrono_tz::Tz;
use domain::feature::{FeatureRef, Value};
use domain::forecast::{Forecast, ForecastLeft};
use domain::ids::{DraftId, IdError, MerchantId};
use domain::merchant::MerchantEvent;
use domain::order::{Facts, OrderEvent, Scored};
use domain::publication::RulebookEvent;
use domain::rulebook::{Evaluator, Rulebook};
use domain::screening::{Assessment, Occasion, screen_on};
use domain::shadow::{Shadow, ShadowEvent};
use domain::signal::{SignalEvent, SignalName, SignalNameError, ValueEvent};
use domain::time::Timestamp;
use eventlog::{RecordedEvent, StreamId};
use rustc_hash::FxHashMap;

pub(crate) use company::Sweeping;
use company::reaches_others;
use handling::Handling;
use shadow::Seat;
use signals::Signals;
pub(crate) use signals::{Known, Tail};
pub(crate) use stored::KeptMemory;
use trial::Tried;
pub(crate) use watch::Before;
use watch::Watch;

use crate::deadlines::{Deadlines, Whose};
use crate::windows::Windows;
use crate::work::Comparison;

/// The most orders that the windows of one partition remember, at some 700 to 1,300 bytes each: about 2 GB. Another limit
/// makes other decisions: a log must be replayed under the one it was written under.
pub(crate) const REMEMBERED_MAX: usize = 2_000_000;

/// The merchants of one partition.
pub(crate) struct Memory {
    merchants: FxHashMap<MerchantId, MerchantMemory>,
    remembered: usize,
    remembered_max: usize,
    has_crowded_out: bool,
    values: Vec<Option<Value>>,
    /// `None` where all merchants' orders are screened by what they publish.
    tried: Option<Tried>,
    pub(crate) deadlines: Deadlines,
}

/// What decisions about one merchant's orders depend on.
struct MerchantMemory {
    handling: Handling,
    live: Option<Live>,
    shadow: Seat,
    watch: Option<Watch>,
    windows: Windows,
    signals: Signals,
}

/// A screening, and whether the order may have others screened again: it lies in their windows, or a sweeping rule fired.
pub(crate) struct Screened {
    pub(crate) assessment: Assessment,
    pub(crate) reaches_others: bool,
}

/// The rulebook in force.
struct Live {
    rulebook: Arc<Rulebook>,
    evaluator: Evaluator,
    author: Option<Box<str>>,
}

impl Live {
    fn new(rulebook: Rulebook, version: u32, author: Option<Box<str>>) -> Self {
        Self { evaluator: rulebook.compile(version), rulebook: Arc::new(rulebook), author }
    }
}

impl MerchantMemory {
    fn new(handling: Handling, windows: Windows) -> Self {
        Self { handling, live: None, shadow: Seat::default(), watch: None, windows, signals: Signals::default() }
    }

    /// Takes a screening into what is counted of them.
    fn count(&mut self, scored: &Scored) {
        self.shadow.count(scored);
        if let (Some(watch), Some(live)) = (&mut self.watch, &self.live) {
            watch.count(scored, &live.rulebook);
        }
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

impl FoldError {
    fn of(event: &RecordedEvent, error: impl std::fmt::Display) -> Self {
        Self { position: event.position, event_type: event.event_type.clone(), source: serde::de::Error::custom(error) }
    }
}

impl Memory {
    fn with_room_for(orders: usize) -> Self {
        Self {
            merchants: FxHashMap::default(),
            remembered: 0,
            remembered_max: orders,
            has_crowded_out: false,
            values: Vec::new(),
            tried: None,
            deadlines: Deadlines::default(),
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
            ("order", "Placed" | "Amended" | "StatusReported") => self.fold_order(event, &read(event)?)?,
            // What is done about a score waits for somebody or something.
            (
                "order",
                "Challenged" | "ChallengeResent" | "CallUnanswered" | "Frozen" | "FreezeConfirmed" | "ReviewOpened"
                | "ReviewClosed" | "ReviewReopened" | "StockReleaseDue",
            ) => self.fold_order(event, &read(event)?)?,
            ("order", "Released") if self.deadlines.has(event.stream) => self.fold_order(event, &read(event)?)?,
            ("merchant", "MerchantRegistered" | "SettingsChanged") => {
                self.apply_merchant(&event.key.merchant, &read(event)?);
            }
            // A screening is a consequence; it is read only where somebody counts them.
            ("order", "Scored") if self.is_counting(&event.key.merchant) => {
                self.apply_order(&event.key.merchant, event.stream, &read(event)?, event.recorded_at);
            }
            ("rulebook_shadow", "ShadowStarted" | "ShadowEnded") => {
                self.apply_shadow(&event.key.merchant, &read(event)?, event.recorded_at);
            }
            ("rulebook", "RulebookPublished") => self.apply_rulebook(&event.key.merchant, &read(event)?),
            ("signal", _) => {
                let (merchant, name) = (&event.key.merchant, signal_name(event)?);
                self.apply_signal(merchant, name, event.stream, &read(event)?);
            }
            ("signal_values", _) => {
                let (merchant, name) = (&event.key.merchant, signal_name(event)?);
                self.apply_value(merchant, name, event.stream, &read(event)?, event.recorded_at);
            }
            _ => {}
        }
        Ok(())
    }

    fn fold_order(&mut self, event: &RecordedEvent, said: &OrderEvent) -> Result<(), FoldError> {
        let merchant = &event.key.merchant;
        self.apply_order(merchant, event.stream, said, event.recorded_at);
        let settings = self.merchants.get(merchant).map(|merchant| &merchant.handling.settings);
        if let Some(settings) = settings.filter(|settings| self.deadlines.concerns(event.stream, said, settings)) {
            let order = event.key.aggregate_id.parse().map_err(|error: IdError| FoldError::of(event, error))?;
            let whose = Whose { merchant, order: &order, stream: event.stream };
            self.deadlines.apply(&whose, said, event.recorded_at, settings);
        }
        Ok(())
    }

    /// Notes what an order waits for after an event.
    pub(crate) fn wait_for(&mut self, whose: &Whose<'_>, event: &OrderEvent, recorded_at: Timestamp) {
        let settings = self.merchants.get(whose.merchant).map(|merchant| &merchant.handling.settings);
        if let Some(settings) = settings.filter(|settings| self.deadlines.concerns(whose.stream, event, settings)) {
            self.deadlines.apply(whose, event, recorded_at, settings);
        }
    }

    /// A merchant's signals; `None` when it is not registered.
    pub(crate) fn signals(&self, merchant: &MerchantId) -> Option<&Signals> {
        self.merchants.get(merchant).map(|merchant| &merchant.signals)
    }

    pub(crate) fn apply_signal(
        &mut self,
        merchant: &MerchantId,
        name: SignalName,
        stream: StreamId,
        event: &SignalEvent,
    ) {
        if let Some(merchant) = self.merchants.get_mut(merchant) {
            merchant.signals.declare(name, stream, event);
        }
    }

    pub(crate) fn apply_value(
        &mut self,
        merchant: &MerchantId,
        name: SignalName,
        stream: StreamId,
        event: &ValueEvent,
        recorded_at: Timestamp,
    ) {
        if let Some(merchant) = self.merchants.get_mut(merchant) {
            merchant.signals.apply(name, stream, event, recorded_at);
        }
    }

    pub(crate) fn apply_order(
        &mut self,
        merchant: &MerchantId,
        stream: StreamId,
        event: &OrderEvent,
        recorded_at: Timestamp,
    ) {
        if let Some(merchant) = self.merchants.get_mut(merchant) {
            if let OrderEvent::Scored(scored) = event {
                return merchant.count(scored);
            }
            merchant.handling.count(event, recorded_at);
        }
        self.remember(merchant, |windows| windows.apply(stream, event, recorded_at));
    }

    pub(crate) fn apply_merchant(&mut self, merchant: &MerchantId, event: &MerchantEvent) {
        match event {
            MerchantEvent::MerchantRegistered(registered) => {
                let windows = self.tried.as_ref().map_or_else(Windows::new, |tried| tried.windows(merchant));
                self.merchants.insert(merchant.clone(), MerchantMemory::new(Handling::of(registered), windows));
            }
            MerchantEvent::SettingsChanged(settings) => {
                if let Some(merchant) = self.merchants.get_mut(merchant) {
                    merchant.handling.change(settings);
                }
            }
            MerchantEvent::KeyCreated(_)
            | MerchantEvent::KeyRevoked(_)
            | MerchantEvent::ChannelConfigured(_)
            | MerchantEvent::EndpointCreated(_)
            | MerchantEvent::EndpointRemoved(_) => {}
        }
    }

    /// The version in force; 0 before the first.
    pub(crate) fn live_version(&self, merchant: &MerchantId) -> u32 {
        let live = self.merchants.get(merchant).and_then(|merchant| merchant.live.as_ref());
        live.map_or(0, |live| live.evaluator.version())
    }

    pub(crate) fn apply_rulebook(&mut self, merchant: &MerchantId, event: &RulebookEvent) {
        let RulebookEvent::RulebookPublished(published) = event;
        let Some(merchant) = self.merchants.get_mut(merchant) else { return };
        let live = Live::new(published.rulebook.clone(), published.version, published.author.clone());
        merchant.shadow.stand_beside(&live.evaluator);
        let before = merchant.live.replace(live);
        merchant.watch = published.expected.zip(before).map(|(expected, before)| {
            let Live { rulebook, evaluator, author } = before;
            Watch::new(expected, Before { version: evaluator.version(), rulebook, author })
        });
    }

    /// What the version in force is expected to do.
    pub(crate) fn expected(&self, merchant: &MerchantId) -> Option<Forecast> {
        self.merchants.get(merchant)?.watch.as_ref().map(Watch::forecast)
    }

    /// What the version in force did in place of what it is expected to do, and what must come back for it. It is due after
    /// the screening that shows it, and until the next publication.
    pub(crate) fn forecast_left(&self, merchant: &MerchantId) -> Option<(ForecastLeft, Before)> {
        let merchant = self.merchants.get(merchant)?;
        merchant.watch.as_ref()?.left_by(merchant.live.as_ref()?.evaluator.version())
    }

    pub(crate) fn apply_shadow(&mut self, merchant: &MerchantId, event: &ShadowEvent, recorded_at: Timestamp) {
        if let Some(merchant) = self.merchants.get_mut(merchant) {
            merchant.shadow.apply(event, merchant.live.as_ref().map(|live| &live.evaluator), recorded_at);
        }
    }

    /// A merchant's shadow as of its last event, and how many it has.
    pub(crate) fn shadow(&self, merchant: &MerchantId) -> (Shadow, u64) {
        self.merchants.get(merchant).map(|merchant| merchant.shadow.aggregate()).unwrap_or_default()
    }

    /// The draft that runs in a merchant's shadow.
    pub(crate) fn in_shadow(&self, merchant: &MerchantId) -> Option<&DraftId> {
        self.merchants.get(merchant)?.shadow.running()
    }

    /// How a draft that runs or ran last in the shadow compares with what was live.
    pub(crate) fn comparison(&self, merchant: &MerchantId, draft: &DraftId) -> Option<Comparison> {
        self.merchants.get(merchant)?.shadow.comparison(draft)
    }

    fn is_counting(&self, merchant: &MerchantId) -> bool {
        let merchant = self.merchants.get(merchant);
        merchant.is_some_and(|merchant| merchant.watch.is_some() || merchant.shadow.running().is_some())
    }

    /// Screens an order whose events have been applied, by the rulebook in force and, where a draft runs in the shadow, by that
    /// beside it, and tells whether others may have to be screened again. `None` before the first publication.
    pub(crate) fn screen(
        &mut self,
        merchant: &MerchantId,
        stream: StreamId,
        channel: &str,
        facts: &Facts,
        occasion: Occasion<'_>,
    ) -> Option<Screened> {
        let MerchantMemory { handling, live, shadow, windows, signals, .. } = self.merchants.get_mut(merchant)?;
        let evaluator = &live.as_ref()?.evaluator;
        let features = shadow.row().unwrap_or(evaluator.features());
        Applied { stream, channel, facts }.read(windows, signals, handling.zone, features, &mut self.values);
        let mut assessment = screen_on(evaluator, &self.values[..evaluator.features().len()], occasion);
        if handling.holds_out(stream) {
            assessment = assessment.held_out();
        }
        assessment.scored.shadow = shadow.find(&self.values);
        let hits = &assessment.scored.hits;
        let reaches_others =
            reaches_others(evaluator, windows, stream, |rule| hits.iter().any(|hit| &*hit.rule == rule));
        Some(Screened { assessment, reaches_others })
    }
}

/// An order whose events have been applied.
struct Applied<'a> {
    stream: StreamId,
    channel: &'a str,
    facts: &'a Facts,
}

impl Applied<'_> {
    /// Reads features of it, from everything that a feature comes from.
    fn read(
        &self,
        windows: &mut Windows,
        signals: &Signals,
        zone: Tz,
        features: &[FeatureRef],
        out: &mut Vec<Option<Value>>,
    ) {
        windows.observe(self.stream, self.channel, self.facts, zone, features, out);
        let time = || windows.time_of(self.stream).or(self.facts.placed_at);
        signals.observe(self.facts, time, features, out);
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

/// The signal that an event is about.
fn signal_name(event: &RecordedEvent) -> Result<SignalName, FoldError> {
    event.key.aggregate_id.parse().map_err(|error: SignalNameError| FoldError::of(event, error))
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
