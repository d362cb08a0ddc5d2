//! Why a rule counts as fired for an order for which it does not fire itself: another order, in whose window it lies.
//!
//! That is looked up whenever it may have changed, and mostly it has not. So the order for which the rule was found to fire is asked first,
//! it is asked about this one rule, and nobody is asked where the rule fires for the order itself by now.

use std::sync::Arc;

use domain::ids::{MerchantId, OrderId};
use domain::order::{Known, Swept};
use eventlog::{LogError, StreamId, Wanted};

use super::{Correction, SWEPT_MAX};
use crate::memory::Memory;
use crate::orders::stream_key;
use crate::writer::Writer;

/// How many of those that may make a rule count are looked up at once: mostly one of the first does.
const LOOKED_AT_ONCE_MAX: usize = 32;

impl Writer {
    /// See [`Self::still_swept`], for an order at hand.
    pub(super) async fn swept_so_far(
        &mut self,
        correction: &mut Correction,
        stream: StreamId,
    ) -> Result<Vec<Swept>, LogError> {
        let Self { orders, memory, .. } = self;
        let Some(((merchant, own), cached)) = orders.of_stream(stream) else { return Ok(Vec::new()) };
        let Some(known) = cached.order.known() else { return Ok(Vec::new()) };
        let counted = counted_so_far(memory, merchant, stream, own, known);
        let own = own.clone();
        self.still_swept(correction, stream, &own, counted).await
    }

    /// Of rules that counted as fired for an order those that do because of others: they fire for the same one as before, or
    /// for another in whose window it lies. Where that could not be looked at everything stays as it is: a rule goes on to count by the
    /// order that it fired for, which may be the order itself.
    pub(crate) async fn still_swept(
        &mut self,
        correction: &mut Correction,
        stream: StreamId,
        own: &OrderId,
        counted: Vec<Swept>,
    ) -> Result<Vec<Swept>, LogError> {
        let mut still = Vec::new();
        for entry in counted {
            if !self.memory.has_sweep(&correction.merchant, &entry.rule) {
                continue;
            }
            // Mostly it is the one that it was, and nobody else must be looked at.
            if entry.by != *own
                && let Some(found) = self.swept_as_before(correction, stream, &entry).await?
            {
                still.push(found);
                continue;
            }
            match self.swept_by_any(correction, stream, &entry.rule).await? {
                (Some(found), _) => still.push(found),
                (None, false) => still.push(entry),
                (None, true) => {}
            }
        }
        Ok(still)
    }

    /// The sweep of a rule by the order that it was found for before.
    async fn swept_as_before(
        &mut self,
        correction: &mut Correction,
        stream: StreamId,
        entry: &Swept,
    ) -> Result<Option<Swept>, LogError> {
        let by = self.stream_of(&correction.merchant, &entry.by).await?;
        let by = by.filter(|by| self.memory.counts_for(&correction.merchant, stream, *by, &entry.rule));
        let asked = self.ask_for(correction, by.into_iter().collect()).await?;
        Ok(asked.first().and_then(|by| self.swept_by(correction, *by, &entry.rule)))
    }

    /// The sweep of a rule by any order in whose window an order lies, and whether all of these were looked at where there is
    /// none.
    async fn swept_by_any(
        &mut self,
        correction: &mut Correction,
        stream: StreamId,
        rule: &Arc<str>,
    ) -> Result<(Option<Swept>, bool), LogError> {
        let counting = self.memory.counting(&correction.merchant, stream, rule, SWEPT_MAX);
        let mut were_looked_at = counting.left_out == 0;
        for some in counting.orders.chunks(LOOKED_AT_ONCE_MAX) {
            let others = self.ask_for(correction, some.to_vec()).await?;
            were_looked_at &= others.len() == some.len();
            let found = others.into_iter().find_map(|other| self.swept_by(correction, other, rule));
            if found.is_some() {
                return Ok((found, were_looked_at));
            }
        }
        Ok((None, were_looked_at))
    }

    /// The sweep of a rule by an order, if the rule fires for it.
    fn swept_by(&mut self, correction: &mut Correction, stream: StreamId, rule: &Arc<str>) -> Option<Swept> {
        let Self { orders, memory, .. } = self;
        let ((merchant, order), cached) = orders.of_stream(stream)?;
        let facts = &cached.order.known()?.facts;
        let evidence = correction.evidence.entry((stream, rule.clone()));
        let evidence = evidence.or_insert_with(|| memory.evidence(merchant, stream, order.channel(), facts, rule));
        Some(Swept { rule: rule.clone(), by: order.clone(), evidence: evidence.clone()? })
    }

    /// The stream of an order that has one.
    async fn stream_of(&self, merchant: &MerchantId, order: &OrderId) -> Result<Option<StreamId>, LogError> {
        if let Some(stream) = self.orders.stream_of(&(merchant.clone(), order.clone())) {
            return Ok(Some(stream));
        }
        let (partition, streams) = (self.numbers.partition, vec![stream_key(merchant, order)]);
        let wanted = Wanted { partition, streams, deliveries: Vec::new(), subjects: Vec::new() };
        let found = self.tools.log.look_up(Arc::new(wanted)).await?;
        Ok(found.streams.into_iter().next().flatten())
    }
}

/// The sweeping rules that counted as fired in an order's last screening and do not fire for the order itself by now: those that
/// did may from now on do so because of another one.
pub(crate) fn counted_so_far(
    memory: &mut Memory,
    merchant: &MerchantId,
    stream: StreamId,
    own: &OrderId,
    known: &Known,
) -> Vec<Swept> {
    let Some(last) = &known.screening else { return Vec::new() };
    let by_itself = memory.sweeping(merchant, last).into_iter();
    let by_itself = by_itself.map(|it| Swept { rule: it.rule, by: own.clone(), evidence: it.evidence });
    let mut counted: Vec<Swept> = by_itself.chain(last.swept.iter().cloned()).collect();
    counted.retain(|it| memory.evidence(merchant, stream, own.channel(), &known.facts, &it.rule).is_none());
    counted
}
