//! An order that reaches a tier, as ordinary as it can be: what need not be known is not, and every number is as low as it
//! may be while the same rules fire.

use super::combinations::Reached;
use super::{Check, Witness};
use crate::feature::Value;
use crate::order::Readings;
use crate::rulebook::Findings;

impl Check<'_> {
    /// The order of a combination, made plain.
    pub(super) fn witness(&self, reached: &Reached, target: i64) -> Witness {
        let mut numbers: Vec<_> = reached
            .values
            .iter()
            .enumerate()
            .map(|(slot, value)| Some(self.space.number(slot, value.as_ref()?)))
            .collect();
        let mut findings = Findings::default();
        let mut keeps = |numbers: &[Option<i128>]| {
            self.evaluator.evaluate(&self.values(numbers), &mut findings);
            let same = findings.fired.iter().map(|fired| fired.rule).eq(reached.rules.iter().copied());
            same && findings.score >= target && self.space.is_possible(numbers, |_| true)
        };
        // Twice, because what one number may be can depend on another that is only lowered after it.
        for _ in 0..2 {
            for slot in 0..numbers.len() {
                self.plain(slot, &mut numbers, &mut keeps);
            }
        }
        self.evaluator.evaluate(&self.values(&numbers), &mut findings);
        let features = self.evaluator.names.iter().zip(self.values(&numbers));
        let known = features.filter_map(|(name, value)| Some((name.clone(), Some(value?.reading()))));
        Witness { rules: self.ids(&reached.rules), score: findings.score, features: Readings(known.collect()) }
    }

    /// Makes one value unknown, or else as low as it may be.
    fn plain(&self, slot: usize, numbers: &mut [Option<i128>], keeps: &mut impl FnMut(&[Option<i128>]) -> bool) {
        let Some(now) = numbers[slot] else { return };
        let mut holds = |number: Option<i128>, numbers: &mut [Option<i128>]| {
            numbers[slot] = number;
            let holds = keeps(numbers);
            if !holds {
                numbers[slot] = Some(now);
            }
            holds
        };
        if !self.space.is_always_known(slot) && holds(None, numbers) {
            return;
        }
        if !self.space.is_number(slot) {
            return;
        }
        for (from, to) in self.space.cells(self.rulebook, slot) {
            if from >= now || !holds(Some(to.min(now)), numbers) {
                continue;
            }
            // Inside a range only points grow with the value, so the lowest that keeps them is found by halving.
            let (mut low, mut high) = (from, to.min(now));
            while low < high {
                let middle = low + (high - low) / 2;
                if holds(Some(middle), numbers) { high = middle } else { low = middle + 1 }
            }
            numbers[slot] = Some(high);
            return;
        }
    }

    fn values(&self, numbers: &[Option<i128>]) -> Vec<Option<Value>> {
        numbers.iter().enumerate().map(|(slot, number)| Some(self.space.value(slot, (*number)?))).collect()
    }
}
