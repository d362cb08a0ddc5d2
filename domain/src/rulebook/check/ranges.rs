//! Rules that divide one number into steps: where two steps overlap, both give points; where they leave a gap, none does.
//!
//! Steps are rules that add points and ask for the same in all else. One step inside another is no overlap but an
//! implication, which is told as such, and two steps that leave out the middle of what a number can be are meant so.

use super::space::{Set, intersect};
use super::{Check, WarningCode, flatten, points_max};
use crate::feature::Value;
use crate::order::Reading;
use crate::rulebook::{Condition, Rule};

/// A rule as a step.
struct Step<'a> {
    rule: &'a Rule,
    slot: usize,
    range: (i128, i128),
    /// What it asks for besides.
    rest: Vec<&'a Condition>,
}

impl<'a> Check<'a> {
    /// Looks at all steps that belong together.
    pub(super) fn ranges(&mut self, fires: &[bool]) {
        let rules = self.rulebook.rules().iter().zip(fires);
        let adding = rules.filter(|(rule, fires)| **fires && points_max(rule) > 0).map(|(rule, _)| rule);
        let mut steps: Vec<_> = adding.flat_map(|rule| self.steps(rule)).collect();
        steps.sort_by_key(|step| (step.slot, step.range));
        while !steps.is_empty() {
            let first = steps.remove(0);
            let belongs = |step: &mut Step<'a>| step.slot == first.slot && same(&step.rest, &first.rest);
            let mut stairs: Vec<_> = steps.extract_if(.., belongs).collect();
            stairs.insert(0, first);
            self.stairs(&stairs);
        }
    }

    /// Each way to see a rule as a step: one for each number that it asks about plainly.
    fn steps(&self, rule: &'a Rule) -> Vec<Step<'a>> {
        let mut parts = vec![];
        flatten(&rule.when, &mut parts);
        let mut slots: Vec<_> = parts.iter().filter_map(|part| self.number_of(part)).collect();
        slots.sort_unstable();
        slots.dedup();
        let step = |slot| {
            let (of, rest): (Vec<_>, Vec<_>) = parts.iter().partition(|part| self.number_of(part) == Some(slot));
            let whole = self.space.domains[slot].clone();
            let set = of.into_iter().fold(whole, |set, part: &Condition| match part {
                Condition::Compare(comparison) => intersect(&set, &self.space.passing(comparison, true).1),
                _ => set,
            });
            let [range] = set[..] else { return None };
            Some(Step { rule, slot, range, rest })
        };
        slots.into_iter().filter_map(step).collect()
    }

    fn number_of(&self, part: &Condition) -> Option<usize> {
        let Condition::Compare(comparison) = part else { return None };
        Some(self.space.slot_of(comparison.feature)).filter(|slot| self.space.is_number(*slot))
    }

    /// Steps in ascending order.
    fn stairs(&mut self, stairs: &[Step<'_>]) {
        let mut covered: Option<&Step<'_>> = None;
        for (place, step) in stairs.iter().enumerate() {
            for lower in &stairs[..place] {
                let (low, high) = (step.range.0, lower.range.1);
                if lower.range.0 < low && low <= high && high < step.range.1 {
                    let of = self.span(step.slot, (low, high));
                    let detail = format!("{} and {} both give points where {of}", lower.rule.id, step.rule.id);
                    self.warn(WarningCode::RangesOverlap, ids(lower, step), None, detail);
                }
            }
            if let Some(lower) = covered
                && lower.range.1 + 1 < step.range.0
                && !self.leave_the_middle(lower, step)
            {
                let of = self.span(step.slot, (lower.range.1 + 1, step.range.0 - 1));
                let detail = format!("neither {} nor {} fires where {of}", lower.rule.id, step.rule.id);
                self.warn(WarningCode::RangesLeaveGap, ids(lower, step), None, detail);
            }
            covered = covered.filter(|covered| covered.range.1 >= step.range.1).or(Some(step));
        }
    }

    fn leave_the_middle(&self, lower: &Step<'_>, upper: &Step<'_>) -> bool {
        let ends = |set: &Set| set.first().map(|first| first.0).zip(set.last().map(|last| last.1));
        ends(&self.space.domains[lower.slot]) == Some((lower.range.0, upper.range.1))
    }

    fn span(&self, slot: usize, (from, to): (i128, i128)) -> String {
        let feature = self.space.features[slot];
        let said = |number| match Value::reading(&self.space.value(slot, number)) {
            Reading::Bool(value) => value.to_string(),
            Reading::Int(value) => value.to_string(),
            Reading::Text(value) => value.to_string(),
        };
        if from == to {
            format!("{feature} is {}", said(from))
        } else {
            format!("{feature} is from {} to {}", said(from), said(to))
        }
    }
}

fn ids(lower: &Step<'_>, upper: &Step<'_>) -> Vec<std::sync::Arc<str>> {
    vec![lower.rule.id.clone(), upper.rule.id.clone()]
}

fn same(left: &[&Condition], right: &[&Condition]) -> bool {
    left.len() == right.len() && left.iter().all(|part| right.contains(part))
}
