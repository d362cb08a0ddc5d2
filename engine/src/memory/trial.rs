//! What a rulebook that is not in force finds of orders, over the same windows.

use std::sync::Arc;

use domain::feature::{FeatureRef, Value};
use domain::ids::MerchantId;
use domain::rulebook::{Findings, Rulebook};
use eventlog::{Shown, StreamId};

use super::{Applied, FoldError, Live, Memory, MerchantMemory};
use crate::placement::Placement;
use crate::windows::Windows;

impl FoldError {
    /// Of an event that was shown.
    pub(crate) fn in_shown(event: Shown<'_>, source: serde_json::Error) -> Self {
        Self { position: event.position, event_type: event.event_type.into(), source }
    }
}

/// Whose rulebook is tried, and what is asked of the windows.
pub(super) struct Tried {
    merchant: MerchantId,
    features: Vec<FeatureRef>,
}

impl Tried {
    /// Of the other merchants only how many orders they have is of interest.
    pub(super) fn windows(&self, merchant: &MerchantId) -> Windows {
        Windows::of(if self.merchant == *merchant { &self.features } else { &[] })
    }
}

impl Memory {
    /// For a rulebook of one merchant to be tried, where no more is looked at than these features.
    pub(crate) fn trying(merchant: MerchantId, features: Vec<FeatureRef>) -> Self {
        Self { tried: Some(Tried { merchant, features }), ..Self::default() }
    }

    /// Puts a rulebook in the place of those that are published, as if it were in force from the beginning.
    pub(crate) fn try_out(&mut self, merchant: &MerchantId, rulebook: &Rulebook) {
        if let Some(merchant) = self.merchants.get_mut(merchant) {
            merchant.live = Some(Live::new(rulebook.clone(), 0, None));
        }
    }

    /// What the rulebook that is tried finds of an order whose events have been applied, with rules that count as fired because of
    /// others. `None` for a merchant that is not known.
    pub(crate) fn find(
        &mut self,
        merchant: &MerchantId,
        stream: StreamId,
        placement: &Placement,
        is_swept: impl Fn(&Arc<str>) -> bool,
        findings: &mut Findings,
    ) -> Option<()> {
        let MerchantMemory { handling, live, windows, signals, .. } = self.merchants.get_mut(merchant)?;
        let evaluator = &live.as_ref()?.evaluator;
        let applied = Applied { stream, channel: placement.channel.as_str(), facts: &placement.facts };
        applied.read(windows, signals, handling.zone, evaluator.features(), &mut self.values);
        evaluator.evaluate_swept(&self.values, is_swept, findings);
        Some(())
    }

    /// Reads features of an order whose events have been applied, as a screening at this position would read them. `None` for a
    /// merchant that is not known.
    pub(crate) fn look(
        &mut self,
        merchant: &MerchantId,
        stream: StreamId,
        placement: &Placement,
        features: &[FeatureRef],
    ) -> Option<&[Option<Value>]> {
        let MerchantMemory { handling, windows, signals, .. } = self.merchants.get_mut(merchant)?;
        let applied = Applied { stream, channel: placement.channel.as_str(), facts: &placement.facts };
        applied.read(windows, signals, handling.zone, features, &mut self.values);
        Some(&self.values)
    }

    /// Whether an order passes whatever it scores, by the merchant's settings at this position.
    pub(crate) fn holds_out(&self, merchant: &MerchantId, stream: StreamId) -> bool {
        self.merchants.get(merchant).is_some_and(|merchant| merchant.handling.holds_out(stream))
    }
}
