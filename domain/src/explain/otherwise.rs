//! What would have had to be otherwise for an order to pass: the smallest sets of facts with the nearest values.
//!
//! Sets of features are tried by size, smaller ones first, and none that holds a set that was found. What cannot be is not
//! tried: a shorter window never holds more than a longer one. What is known does not become unknown; what is unknown may
//! become known. Every answer was evaluated, and as no smaller part of it is left untried, no part of it would have been
//! enough. The work is counted, that of choices which cannot help as well, and has an end; where it ends early, the answers
//! found so far stand, smallest first.

mod said;
mod trial;

use crate::feature::{FeatureRef, Value};
use crate::rulebook::{Evaluator, Findings, Rulebook, Test};
use trial::{Place, Trial};

/// The most facts that are changed together.
pub const FACTS_MAX: usize = 4;
/// The most answers.
pub const ANSWERS_MAX: usize = 20;
/// The work of the search: rules and exemptions evaluated, each time counted, and all else as so many of them.
const RULES_EVALUATED_MAX: usize = 3_000_000;
/// The work of wording what was found, counted likewise. What it does not suffice for is told as the nearest value alone.
const WORDING_MAX: usize = 3_000_000;

/// Facts that would have let an order pass if they had been so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Otherwise {
    /// What would have to be otherwise, in the order of the features' names.
    pub changes: Vec<FactChange>,
}

/// A fact that would have to be otherwise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FactChange {
    /// Which.
    pub feature: FeatureRef,
    /// What it was; `None` is not known.
    pub from: Option<Value>,
    /// What it would have to be.
    pub to: Test,
    /// The nearest such value.
    pub nearest: Value,
}

/// The smallest changes of fact that would have let an order pass; empty when it passed, or nothing within the limits would
/// have. `evaluate` evaluates values of the evaluator's features, which `values` are.
///
/// # Panics
///
/// When there is not one value for each feature.
pub fn would_pass_if(
    rulebook: &Rulebook,
    evaluator: &Evaluator,
    values: &[Option<Value>],
    evaluate: &dyn Fn(&[Option<Value>], &mut Findings),
) -> Vec<Otherwise> {
    assert_eq!(values.len(), evaluator.features().len(), "one value for each feature of the rulebook");
    let mut trial = Trial::new(rulebook, evaluator, values, evaluate, RULES_EVALUATED_MAX);
    if trial.passes_now() {
        return vec![];
    }
    let found = search(&mut trial);
    trial.allow(WORDING_MAX);
    found.iter().map(|places| Otherwise { changes: trial.worded(places) }).collect()
}

/// The smallest changes with which the order passes, as far as the work suffices: the fewest facts first, and of equally many
/// the nearest.
fn search(trial: &mut Trial<'_>) -> Vec<Vec<Place>> {
    let relevant = trial.relevant();
    let mut found: Vec<(u64, Vec<Place>)> = vec![];
    for facts in 1..=FACTS_MAX.min(relevant.len()) {
        let mut of_size = vec![];
        let mut chosen = Vec::with_capacity(facts);
        choose(&relevant, facts, &mut chosen, &mut |slots| {
            trial.spend(1 + found.len());
            let holds_found = found.iter().any(|(_, places)| places.iter().all(|place| slots.contains(&place.slot)));
            if !holds_found && let Some(answer) = trial.nearest(slots) {
                of_size.push(answer);
            }
            !trial.is_spent()
        });
        of_size.sort_by_key(|(distance, _)| *distance);
        found.extend(of_size);
        if trial.is_spent() || found.len() >= ANSWERS_MAX {
            break;
        }
    }
    found.truncate(ANSWERS_MAX);
    found.into_iter().map(|(_, places)| places).collect()
}

/// Calls `visit` with every choice of so many, until it says no.
fn choose(from: &[usize], count: usize, chosen: &mut Vec<usize>, visit: &mut dyn FnMut(&[usize]) -> bool) -> bool {
    if count == 0 {
        return visit(chosen);
    }
    for at in 0..=from.len().saturating_sub(count) {
        let Some((first, rest)) = from[at..].split_first() else { return true };
        chosen.push(*first);
        let goes_on = choose(rest, count - 1, chosen, visit);
        chosen.pop();
        if !goes_on {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn choices_that_cannot_help_are_counted_as_well() {
        let rule = |minutes: u32| {
            json!({"id": format!("r{minutes}"), "points": 50,
                   "when": {"feature": "device.orders", "window": format!("{minutes}m"), "op": ">=", "value": 5}})
        };
        let rules: Vec<_> = (1..=200).map(rule).collect();
        let book = json!({"name": "Many", "rules": rules, "tiers": [{"id": "hold", "from": 80, "action": "freeze"}]});
        let rulebook = Rulebook::from_json(&book).expect("the book is a good one");
        let evaluator = rulebook.compile(1);
        let values = vec![Some(Value::Int(9)); evaluator.features().len()];
        let evaluate = |values: &[Option<Value>], findings: &mut Findings| evaluator.evaluate(values, findings);
        let mut trial = Trial::new(&rulebook, &evaluator, &values, &evaluate, 50_000);
        assert!(!trial.passes_now());
        assert!(search(&mut trial).is_empty(), "whatever four of them are, the others have 9800 points");
        assert!(trial.is_spent(), "the search ends long before all choices of four are looked at");
    }
}
