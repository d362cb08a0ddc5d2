//! What a rulebook that is not in force finds of orders, over the same windows.

use std::sync::Arc;

use domain::feature::{FeatureRef, Value};
use domain::ids::MerchantId;
use domain::order::Facts;
use domain::rulebook::Rulebook;
use eventlog::{Shown, StreamId};

use super::{Applied, FoldError, Memory, MerchantMemory};

impl FoldError {
    /// Of an event that was shown.
    pub(crate) fn in_shown(event: Shown<'_>, source: serde_json::Error) -> Self {
        Self { position: event.position, event_type: event.event_type.into(), source }
    }
}

impl Memory {
    /// The rulebook in force and its version; `None` before the first publication.
    pub(crate) fn in_force(&self, merchant: &MerchantId) -> Option<(u32, &Arc<Rulebook>)> {
        let live = self.merchants.get(merchant)?.live.as_ref()?;
        Some((live.evaluator.version(), &live.rulebook))
    }

    /// Reads features of an order whose events have been applied, as a screening at this position would read them. `None` for a
    /// merchant that is not known.
    pub(crate) fn look(
        &mut self,
        merchant: &MerchantId,
        stream: StreamId,
        channel: &str,
        facts: &Facts,
        features: &[FeatureRef],
    ) -> Option<&[Option<Value>]> {
        let MerchantMemory { handling, windows, signals, .. } = self.merchants.get_mut(merchant)?;
        Applied { stream, channel, facts }.read(windows, signals, handling.zone, features, &mut self.values);
        Some(&self.values)
    }

    /// Whether an order passes whatever it scores, by the merchant's settings at this position.
    pub(crate) fn holds_out(&self, merchant: &MerchantId, stream: StreamId) -> bool {
        self.merchants.get(merchant).is_some_and(|merchant| merchant.handling.holds_out(stream))
    }
}
