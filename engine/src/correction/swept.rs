//! Why a rule counts as fired for an order for which it does not fire itself: another order, in whose window it lies.
//!
//! That is looked up whenever it may have changed, and mostly it has not. So the order for which the rule was found to fire is asked first,
//! it is asked about this one rule, and nobody is asked where the rule fires for the order itself by now.

use std::sync::Arc;

use domain::ids::MerchantId;
use eventlog::{LogError, StreamId};

use super::{Correction, Counted, SWEPT_MAX, Screener, Subject};
use crate::memory::Memory;

/// How many of those that may make a rule count are looked up at once: mostly one of the first does.
const LOOKED_AT_ONCE_MAX: usize = 32;

impl<S: Screener> Correction<'_, S> {
    /// See [`Self::still_swept`], for an order at hand.
    pub(crate) async fn swept_so_far(&mut self, stream: StreamId) -> Result<Vec<Counted<S::Name>>, LogError> {
        self.screener.take_in_facts(stream).await?;
        let counted = self.screener.counted(stream);
        let (memory, Some(subject)) = self.screener.at(stream) else { return Ok(Vec::new()) };
        let counted = unless_by_itself(memory, self.merchant, stream, &subject, counted);
        let own = subject.name.clone();
        self.still_swept(stream, &own, counted).await
    }

    /// Of rules that counted as fired for an order those that do because of others: they fire for the same one as before, or
    /// for another in whose window it lies. Where that could not be looked at everything stays as it is: a rule goes on to count by the
    /// order that it fired for, which may be the order itself.
    pub(crate) async fn still_swept(
        &mut self,
        stream: StreamId,
        own: &S::Name,
        counted: Vec<Counted<S::Name>>,
    ) -> Result<Vec<Counted<S::Name>>, LogError> {
        let mut still = Vec::new();
        for entry in counted {
            if !self.screener.memory().has_sweep(self.merchant, &entry.rule) {
                continue;
            }
            // Mostly it is the one that it was, and nobody else must be looked at.
            if entry.by != *own
                && let Some(found) = self.swept_as_before(stream, &entry).await?
            {
                still.push(found);
                continue;
            }
            match self.swept_by_any(stream, &entry.rule).await? {
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
        stream: StreamId,
        entry: &Counted<S::Name>,
    ) -> Result<Option<Counted<S::Name>>, LogError> {
        let by = self.screener.stream_of(&entry.by).await?;
        let (memory, merchant) = (self.screener.memory(), self.merchant);
        let by = by.filter(|by| memory.counts_for(merchant, stream, *by, &entry.rule));
        match self.ask_for(by.into_iter().collect()).await?.first() {
            Some(by) => self.swept_by(*by, &entry.rule).await,
            None => Ok(None),
        }
    }

    /// The sweep of a rule by any order in whose window an order lies, and whether all of these were looked at where there is
    /// none.
    async fn swept_by_any(
        &mut self,
        stream: StreamId,
        rule: &Arc<str>,
    ) -> Result<(Option<Counted<S::Name>>, bool), LogError> {
        let counting = self.screener.memory().counting(self.merchant, stream, rule, SWEPT_MAX);
        let mut were_looked_at = counting.left_out == 0;
        for some in counting.orders.chunks(LOOKED_AT_ONCE_MAX) {
            let others = self.ask_for(some.to_vec()).await?;
            were_looked_at &= others.len() == some.len();
            for other in others {
                let found = self.swept_by(other, rule).await?;
                if found.is_some() {
                    return Ok((found, were_looked_at));
                }
            }
        }
        Ok((None, were_looked_at))
    }

    /// The sweep of a rule by an order, if the rule fires for it.
    async fn swept_by(&mut self, stream: StreamId, rule: &Arc<str>) -> Result<Option<Counted<S::Name>>, LogError> {
        if let Some(None) = self.evidence.get(&(stream, rule.clone())) {
            return Ok(None);
        }
        self.screener.take_in_facts(stream).await?;
        let (memory, Some(Subject { name, channel, facts })) = self.screener.at(stream) else { return Ok(None) };
        let evidence = self.evidence.entry((stream, rule.clone()));
        let evidence = evidence.or_insert_with(|| memory.evidence(self.merchant, stream, channel, facts, rule));
        let found = |evidence| Counted { rule: rule.clone(), by: name.clone(), evidence };
        Ok(evidence.clone().map(found))
    }
}

/// Of the sweeping rules that counted as fired in an order's last screening those that do not fire for the order itself by now.
/// Those that did may from now on do so because of another one.
pub(crate) fn unless_by_itself<Name>(
    memory: &mut Memory,
    merchant: &MerchantId,
    stream: StreamId,
    subject: &Subject<'_, Name>,
    mut counted: Vec<Counted<Name>>,
) -> Vec<Counted<Name>> {
    let Subject { channel, facts, .. } = *subject;
    counted.retain(|it| memory.evidence(merchant, stream, channel, facts, &it.rule).is_none());
    counted
}
