//! Orders as windows take them in, and what is forgotten where there is no room for them.

use domain::ids::MerchantId;
use domain::order::{Facts, Status};
use domain::time::Timestamp;
use eventlog::StreamId;

use super::{Memory, MerchantMemory};
use crate::windows::Windows;

/// How many a merchant forgets before it is seen whether it is still the largest.
const FORGOTTEN_AT_ONCE_MAX: usize = 256;

impl Memory {
    /// As [`apply_order`](Self::apply_order) of a placement.
    pub(crate) fn place_order(
        &mut self,
        merchant: &MerchantId,
        stream: StreamId,
        facts: &Facts,
        recorded_at: Timestamp,
    ) {
        self.remember(merchant, |windows| windows.place(stream, facts, recorded_at));
    }

    /// As [`apply_order`](Self::apply_order) of a report.
    pub(crate) fn report_on_order(
        &mut self,
        merchant: &MerchantId,
        stream: StreamId,
        status: Status,
        recorded_at: Timestamp,
    ) {
        self.remember(merchant, |windows| windows.report(stream, status, recorded_at));
    }

    /// Has a merchant's windows take something in, and others forget where there is no room for it.
    pub(super) fn remember(&mut self, merchant: &MerchantId, take_in: impl FnOnce(&mut Windows)) {
        let Some(merchant) = self.merchants.get_mut(merchant) else { return };
        self.remembered -= merchant.windows.remembered();
        take_in(&mut merchant.windows);
        self.remembered += merchant.windows.remembered();
        if self.remembered > self.remembered_max {
            self.crowd_out();
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
}
