//! Whether conditions can hold together: a search over the alternatives that they offer, with a limit on its work.
//!
//! What stands between features says only that one is at most another. So once every range is cut to that, taking all of the
//! lowest, or all of the highest, satisfies everything, and a branch without alternatives is decided outright. Being
//! unknown binds nothing: a value that may be unknown is.

use super::space::{Set, Space, complement, intersect};
use crate::feature::Value;
use crate::rulebook::{Comparison, Condition};

/// What is wanted of a condition.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Aim {
    True,
    False,
    /// False or unknown.
    NotTrue,
    /// True or unknown.
    NotFalse,
}

impl Aim {
    const fn of_opposite(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::NotTrue => Self::NotFalse,
            Self::NotFalse => Self::NotTrue,
        }
    }

    const fn wants_holding(self) -> bool {
        matches!(self, Self::True | Self::NotFalse)
    }

    const fn allows_unknown(self) -> bool {
        matches!(self, Self::NotTrue | Self::NotFalse)
    }
}

/// Something that must come about.
#[derive(Clone)]
pub(super) enum Goal<'a> {
    Holds(&'a Condition, Aim),
    /// That it is so of one comparison, which need be no part of a rulebook.
    Compares(Comparison, Aim),
    /// That the feature of a slot has a value.
    Known(usize),
    /// One of these; an empty one among them asks for nothing.
    Either(Vec<Vec<Goal<'a>>>),
}

/// How a search ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// The visitor was content.
    Found,
    /// Everything was looked at.
    Exhausted,
    /// The work allowed was used up.
    Cut,
}

/// How much work is left. Counted, never timed, so that equal rulebooks have equal answers.
pub(super) struct Budget(pub(super) usize);

#[derive(Clone)]
struct State {
    sets: Vec<Set>,
    /// Those that must have a value.
    needed: Vec<bool>,
}

/// Visits an order for each way to reach the goals, with the highest numbers that way allows, until `visit` is content.
pub(super) fn search(
    space: &Space,
    goals: Vec<Goal<'_>>,
    budget: &mut Budget,
    visit: &mut impl FnMut(&[Option<Value>]) -> bool,
) -> End {
    let needed = (0..space.features.len()).map(|slot| space.is_always_known(slot)).collect();
    descend(space, goals, State { sets: space.domains.clone(), needed }, budget, visit)
}

fn descend<'a>(
    space: &Space,
    mut goals: Vec<Goal<'a>>,
    mut state: State,
    budget: &mut Budget,
    visit: &mut impl FnMut(&[Option<Value>]) -> bool,
) -> End {
    let cost = 1 + goals.len() + space.features.len() + space.at_most.len();
    let Some(left) = budget.0.checked_sub(cost) else { return End::Cut };
    budget.0 = left;
    let mut choices: Vec<Vec<Vec<Goal<'a>>>> = Vec::new();
    while let Some(goal) = goals.pop() {
        match goal {
            Goal::Known(slot) => state.needed[slot] = true,
            Goal::Either(ways) => choices.push(ways),
            Goal::Compares(comparison, aim) => state.compare(space, &comparison, aim),
            Goal::Holds(Condition::Compare(comparison), aim) => state.compare(space, comparison, aim),
            Goal::Holds(Condition::Not(part), aim) => goals.push(Goal::Holds(part, aim.of_opposite())),
            Goal::Holds(Condition::All(parts), aim) if aim.wants_holding() => {
                goals.extend(parts.iter().map(|part| Goal::Holds(part, aim)));
            }
            Goal::Holds(Condition::Any(parts), aim) if !aim.wants_holding() => {
                goals.extend(parts.iter().map(|part| Goal::Holds(part, aim)));
            }
            Goal::Holds(Condition::All(parts) | Condition::Any(parts), aim) => {
                choices.push(parts.iter().map(|part| vec![Goal::Holds(part, aim)]).collect());
            }
        }
    }
    if !state.propagate(space) {
        return End::Exhausted;
    }
    choices.retain(|ways| !ways.iter().any(|way| state.has(space, way)));
    let Some(ways) = choices.pop() else {
        return if visit(&state.witness(space)) { End::Found } else { End::Exhausted };
    };
    let rest: Vec<_> = choices.into_iter().map(Goal::Either).collect();
    for way in ways {
        let goals = rest.iter().cloned().chain(way).collect();
        match descend(space, goals, state.clone(), budget, visit) {
            End::Exhausted => {}
            end => return end,
        }
    }
    End::Exhausted
}

impl State {
    fn compare(&mut self, space: &Space, comparison: &Comparison, aim: Aim) {
        let (slot, passing) = space.passing(comparison, aim.wants_holding());
        self.sets[slot] = intersect(&self.sets[slot], &passing);
        self.needed[slot] |= !aim.allows_unknown();
    }

    /// Whether one comparison is so already, whatever else is decided.
    fn has(&self, space: &Space, way: &[Goal<'_>]) -> bool {
        let [Goal::Holds(Condition::Compare(comparison), aim)] = way else { return false };
        let (slot, passing) = space.passing(comparison, aim.wants_holding());
        (self.needed[slot] || aim.allows_unknown()) && intersect(&self.sets[slot], &passing) == self.sets[slot]
    }

    /// Cuts every range to what the others leave; `false` when nothing is left of one that is needed.
    fn propagate(&mut self, space: &Space) -> bool {
        for (known, other, set) in &space.known_means {
            if self.needed[*known] && self.needed[*other] {
                self.sets[*other] = intersect(&self.sets[*other], set);
            }
        }
        for [left, right] in &space.not_both {
            for ((one, in_one), (other, in_other)) in [(*left, *right), (*right, *left)] {
                let is_so = complement(&[in_one], &self.sets[one]).is_empty();
                if self.needed[one] && self.needed[other] && is_so {
                    self.sets[other] = complement(&[in_other], &self.sets[other]);
                }
            }
        }
        loop {
            if self.sets.iter().zip(&self.needed).any(|(set, needed)| *needed && set.is_empty()) {
                return false;
            }
            let mut changed = false;
            for (less, more) in &space.at_most {
                if self.needed[*less] && self.needed[*more] {
                    let (Some((low, _)), Some((_, high))) = (self.sets[*less].first(), self.sets[*more].last()) else {
                        return false;
                    };
                    let (low, high) = (*low, *high);
                    changed |= self.cut(*less, (i128::MIN, high));
                    changed |= self.cut(*more, (low, i128::MAX));
                }
            }
            if !changed {
                return true;
            }
        }
    }

    fn cut(&mut self, slot: usize, range: (i128, i128)) -> bool {
        let cut = intersect(&self.sets[slot], &[range]);
        let changed = cut != self.sets[slot];
        self.sets[slot] = cut;
        changed
    }

    fn witness(&self, space: &Space) -> Vec<Option<Value>> {
        let value = |slot: usize| {
            let set = &self.sets[slot];
            let number =
                if space.is_number(slot) { set.last().map(|range| range.1) } else { set.first().map(|range| range.0) };
            number.filter(|_| self.needed[slot]).map(|number| space.value(slot, number))
        };
        (0..space.features.len()).map(value).collect()
    }
}
