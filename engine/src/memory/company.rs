//! What one order's screening means for others: rules that swept, and who is in whose windows.

use std::sync::Arc;

use domain::feature::Feature;
use domain::ids::MerchantId;
use domain::order::{Facts, Readings, Scored};
use domain::rulebook::{Evaluator, Sweep};
use eventlog::StreamId;

use super::{Applied, Memory, MerchantMemory};
use crate::windows::{Company, Trace, Windows};

/// A sweeping rule that fired for an order itself, with what its window held.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Sweeping {
    pub(crate) rule: Arc<str>,
    pub(crate) evidence: Readings,
}

/// Whether an order may have others screened again: a sweeping rule fired for it, or it came late and lies in their windows.
pub(super) fn reaches_others(
    evaluator: &Evaluator,
    windows: &Windows,
    order: StreamId,
    has_fired: impl Fn(&str) -> bool,
) -> bool {
    evaluator.sweeps().iter().any(|sweep| has_fired(&sweep.rule))
        || (windows.came_late() && windows.reaches_others(order, evaluator.features()))
}

impl Memory {
    /// Whether an order may have others screened again, which the live rulebook finds to have fired rules.
    pub(crate) fn reaches_others(
        &self,
        merchant: &MerchantId,
        order: StreamId,
        has_fired: impl Fn(&str) -> bool,
    ) -> bool {
        self.merchants.get(merchant).is_some_and(|MerchantMemory { live, windows, .. }| {
            live.as_ref().is_some_and(|live| reaches_others(&live.evaluator, windows, order, has_fired))
        })
    }

    /// Where an order lies; `None` when it is not remembered.
    pub(crate) fn trace(&self, merchant: &MerchantId, order: StreamId) -> Option<Trace> {
        self.merchants.get(merchant)?.windows.trace(order)
    }

    /// The rules of the live rulebook that sweep and fired for a screened order itself.
    pub(crate) fn sweeping(&self, merchant: &MerchantId, scored: &Scored) -> Vec<Sweeping> {
        let sweeps = self.sweeps(merchant).iter();
        let fired = sweeps.filter_map(|sweep| {
            let hit = scored.hits.iter().find(|hit| hit.rule == sweep.rule)?;
            if scored.swept.iter().any(|swept| swept.rule == sweep.rule) {
                return None;
            }
            let value = hit.evidence.get(&sweep.name).cloned();
            Some(Sweeping { rule: sweep.rule.clone(), evidence: Readings(vec![(sweep.name.clone(), value)]) })
        });
        fired.collect()
    }

    /// The rules of the live rulebook that sweep, without evidence.
    pub(crate) fn every_sweep(&self, merchant: &MerchantId) -> Vec<Sweeping> {
        let sweeps = self.sweeps(merchant).iter();
        sweeps.map(|sweep| Sweeping { rule: sweep.rule.clone(), evidence: Readings::default() }).collect()
    }

    /// Whether all is remembered that a screening of an order looks at.
    pub(crate) fn remembers(&self, merchant: &MerchantId, order: StreamId) -> bool {
        let Some(MerchantMemory { live: Some(live), windows, signals, .. }) = self.merchants.get(merchant) else {
            return false;
        };
        let features = live.evaluator.features();
        let reads_signals = features.iter().any(|feature| matches!(feature.feature, Feature::Signal(_)));
        let signals_too = !reads_signals || windows.time_of(order).is_some_and(|time| signals.remember(time));
        signals_too && windows.remembers(order, features)
    }

    /// The orders that look back at an order where it is or was.
    pub(crate) fn reached(
        &self,
        merchant: &MerchantId,
        order: StreamId,
        before: Option<Trace>,
        max: usize,
    ) -> Vec<StreamId> {
        let Some(MerchantMemory { live: Some(live), windows, .. }) = self.merchants.get(merchant) else {
            return Vec::new();
        };
        let mut traces: Vec<Trace> = before.into_iter().chain(windows.trace(order)).collect();
        traces.dedup();
        windows.reached(order, &traces, live.evaluator.features(), max)
    }

    /// The other orders that a sweeping rule's window holds for an order where it lies, or lay.
    pub(crate) fn counted(&self, merchant: &MerchantId, order: StreamId, at: Trace, rule: &str, max: usize) -> Company {
        match (self.merchants.get(merchant), self.sweep(merchant, rule)) {
            (Some(merchant), Some(sweep)) => merchant.windows.counted(order, at, sweep.feature, max),
            _ => Company::default(),
        }
    }

    /// The other orders for which a sweeping rule's window holds an order.
    pub(crate) fn counting(&self, merchant: &MerchantId, order: StreamId, rule: &str, max: usize) -> Company {
        match (self.merchants.get(merchant), self.sweep(merchant, rule)) {
            (Some(merchant), Some(sweep)) => merchant.windows.counting(order, sweep.feature, max),
            _ => Company::default(),
        }
    }

    /// Whether a sweeping rule's window holds an order for another one.
    pub(crate) fn counts_for(&self, merchant: &MerchantId, order: StreamId, other: StreamId, rule: &str) -> bool {
        match (self.merchants.get(merchant), self.sweep(merchant, rule)) {
            (Some(merchant), Some(sweep)) => merchant.windows.counts_for(order, other, sweep.feature),
            _ => false,
        }
    }

    /// Whether a sweeping rule of the live rulebook fires for an order itself, and then with what: as in a screening of it, of
    /// which only the features of this one rule are read.
    pub(crate) fn evidence(
        &mut self,
        merchant: &MerchantId,
        order: StreamId,
        channel: &str,
        facts: &Facts,
        rule: &str,
    ) -> Option<Readings> {
        let MerchantMemory { handling, live, windows, signals, .. } = self.merchants.get_mut(merchant)?;
        let sweep = live.as_ref()?.evaluator.sweeps().iter().find(|sweep| &*sweep.rule == rule)?;
        let applied = Applied { stream: order, channel, facts };
        applied.read(windows, signals, handling.zone, sweep.features(), &mut self.values);
        sweep.evidence(&self.values)
    }

    /// Whether the live rulebook has a rule that sweeps under this id.
    pub(crate) fn has_sweep(&self, merchant: &MerchantId, rule: &str) -> bool {
        self.sweep(merchant, rule).is_some()
    }

    fn sweep(&self, merchant: &MerchantId, rule: &str) -> Option<&Sweep> {
        self.sweeps(merchant).iter().find(|sweep| &*sweep.rule == rule)
    }

    fn sweeps(&self, merchant: &MerchantId) -> &[Sweep] {
        let live = self.merchants.get(merchant).and_then(|merchant| merchant.live.as_ref());
        live.map_or(&[], |live| live.evaluator.sweeps())
    }
}
