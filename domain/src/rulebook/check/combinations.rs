//! The smallest combinations of rules that reach a tier.
//!
//! Rules that add points are put together level by level, one more each time, and no more where a smaller combination
//! reaches the tier already, where they cannot fire together, or where all that could still join would not be enough. A
//! combination counts when some order fires exactly these, which is evaluated. Rules that take points away join only where
//! they cannot be avoided, and are named then.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::solve::{Aim, Budget, End, Goal, search};
use super::{Check, Combinations, WarningCode, Witness, points_max};
use crate::feature::Value;
use crate::rulebook::{Condition, Findings, Points, Tier};

/// The most combinations that are listed of one tier.
pub(super) const LISTED_MAX: usize = 500;
/// The work allowed to one combination, and to all of one tier.
const COMBINATION_STEPS_MAX: usize = 1_000_000;
const TIER_STEPS_MAX: usize = 20_000_000;
/// The most combinations that are carried to the next level.
const LEVEL_MAX: usize = 5_000;

struct Found {
    combinations: Vec<Reached>,
    cut: bool,
}

/// The rules that fire for some order, and that order.
#[derive(Clone)]
pub(super) struct Reached {
    pub(super) rules: Vec<usize>,
    pub(super) values: Vec<Option<Value>>,
}

impl Check<'_> {
    pub(super) fn combinations(&mut self) -> (Combinations, BTreeMap<Arc<str>, Witness>) {
        let (mut listed, mut witnesses) = (BTreeMap::new(), BTreeMap::new());
        let scores = self.scores();
        for tier in self.rulebook.tiers() {
            let Found { combinations, cut } = self.of_tier(tier);
            let whole = Some(tier.id.clone());
            if cut {
                let detail = format!(
                    "the search for combinations that reach {} was cut: there may be more than those listed",
                    tier.id
                );
                self.warn(WarningCode::CheckIncomplete, vec![], whole, detail);
            } else if combinations.is_empty() && tier.threshold.score_min() > 0 {
                let detail = format!("no order reaches {}, which needs {} points", tier.id, tier.threshold.score_min());
                self.warn(WarningCode::TierUnreachable, vec![], whole, detail);
            }
            if let Some(first) = combinations.first() {
                self.skipped(tier, scores.as_ref());
                witnesses.insert(tier.id.clone(), self.witness(first, tier.threshold.score_min()));
            }
            let ids = |reached: Reached| self.ids(&reached.rules);
            listed.insert(tier.id.clone(), combinations.into_iter().map(ids).collect());
        }
        (listed, witnesses)
    }

    pub(super) fn ids(&self, rules: &[usize]) -> Vec<Arc<str>> {
        rules.iter().map(|rule| self.rulebook.rules()[*rule].id.clone()).collect()
    }

    fn of_tier(&self, tier: &Tier) -> Found {
        let target = tier.threshold.score_min();
        let mut adding: Vec<_> = (0..self.rulebook.rules().len()).filter(|rule| self.most(*rule) > 0).collect();
        adding.sort_by_key(|rule| std::cmp::Reverse(self.most(*rule)));
        let mut found = Found { combinations: vec![], cut: false };
        let mut left = TIER_STEPS_MAX;
        let total = |rules: &[usize]| rules.iter().fold(0_i64, |sum, rule| sum.saturating_add(self.most(*rule)));
        // Each with the place in `adding` from which on more may join.
        let mut level: Vec<(Vec<usize>, usize)> = vec![(vec![], 0)];
        let mut reached: Vec<Vec<usize>> = vec![];
        while !level.is_empty() {
            let mut next = vec![];
            for (rules, from) in level {
                if reached.iter().any(|smaller| smaller.iter().all(|rule| rules.contains(rule))) {
                    continue;
                }
                if total(&rules) >= target {
                    if found.combinations.len() == LISTED_MAX {
                        found.cut = true;
                        return found;
                    }
                    let (fired, end) = self.reaching(&rules, &adding, target, &mut left);
                    found.cut |= end == End::Cut;
                    if let Some(fired) = fired {
                        found.combinations.push(fired);
                        reached.push(rules);
                        continue;
                    }
                }
                if total(&rules).saturating_add(total(&adding[from..])) < target {
                    continue;
                }
                if !rules.is_empty() && self.ask(self.all_fire(&rules), &mut left, &mut |_| true) == End::Exhausted {
                    continue;
                }
                for (place, rule) in adding.iter().enumerate().skip(from) {
                    let more = rules.iter().copied().chain([*rule]).collect();
                    next.push((more, place + 1));
                }
                if next.len() > LEVEL_MAX || left == 0 {
                    found.cut = true;
                    return found;
                }
            }
            level = next;
        }
        found
    }

    /// The rules that fire for some order that fires these and no others that add points, and reaches the score.
    fn reaching(&self, rules: &[usize], adding: &[usize], target: i64, left: &mut usize) -> (Option<Reached>, End) {
        let others: Vec<_> = (0..self.rulebook.rules().len()).filter(|rule| !rules.contains(rule)).collect();
        let mut avoided: Vec<_> = others.iter().copied().filter(|rule| adding.contains(rule)).collect();
        let mut cut = false;
        let mut attempt = |avoided: &[usize]| {
            let mut goals = self.all_fire(rules);
            goals.extend(avoided.iter().map(|rule| Goal::Holds(self.when(*rule), Aim::NotTrue)));
            let (mut findings, mut fired) = (Findings::default(), None);
            let end = self.ask(goals, left, &mut |values| {
                self.evaluator.evaluate(values, &mut findings);
                let these: Vec<_> = findings.fired.iter().map(|fired| fired.rule).collect();
                let reaches = findings.score >= target && !these.iter().any(|rule| avoided.contains(rule));
                if reaches {
                    fired = Some(Reached { rules: these, values: values.to_vec() });
                }
                reaches
            });
            cut |= end == End::Cut;
            fired
        };
        if let Some(fired) = attempt(&others) {
            return (Some(fired), End::Found);
        }
        let mut best = if avoided.len() < others.len() { attempt(&avoided) } else { None };
        let unwanted = best.clone().map_or(vec![], |best| best.rules);
        for rule in unwanted.into_iter().filter(|rule| !rules.contains(rule)) {
            avoided.push(rule);
            match attempt(&avoided) {
                Some(fewer) => best = Some(fewer),
                None => drop(avoided.pop()),
            }
        }
        let end = if best.is_none() && cut { End::Cut } else { End::Exhausted };
        (best, end)
    }

    /// That all of these fire, and with the most points that they can give.
    fn all_fire(&self, rules: &[usize]) -> Vec<Goal<'_>> {
        let graded = rules.iter().map(|rule| &self.rulebook.rules()[*rule]);
        let graded = graded.filter(|rule| matches!(rule.points, Points::Graded { .. }));
        let fire = rules.iter().map(|rule| Goal::Holds(self.when(*rule), Aim::True));
        graded.map(|rule| self.highest(rule)).chain(fire).collect()
    }

    fn ask(&self, goals: Vec<Goal<'_>>, left: &mut usize, visit: &mut impl FnMut(&[Option<Value>]) -> bool) -> End {
        let mut budget = Budget(COMBINATION_STEPS_MAX.min(*left));
        let given = budget.0;
        let end = search(self.space, goals, &mut budget, visit);
        *left -= given - budget.0;
        if end == End::Cut && given < COMBINATION_STEPS_MAX {
            *left = 0;
        }
        end
    }

    fn when(&self, rule: usize) -> &Condition {
        &self.rulebook.rules()[rule].when
    }

    fn most(&self, rule: usize) -> i64 {
        points_max(&self.rulebook.rules()[rule])
    }
}
