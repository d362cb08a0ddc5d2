//! What a rulebook that is not in force finds of orders, over the same windows.

use std::sync::Arc;

use domain::feature::{FeatureRef, Value};
use domain::ids::MerchantId;
use domain::order::Facts;
use domain::rulebook::Rulebook;
use eventlog::StreamId;

use super::{Applied, Memory, MerchantMemory};

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
}
