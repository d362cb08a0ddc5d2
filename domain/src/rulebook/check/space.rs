//! What values the features of a rulebook can have, each as a set of whole numbers, and what is known between them.
//!
//! Ints are themselves, decimals ten-thousandths, durations milliseconds, booleans 0 and 1, and a text its place among the
//! texts that the rulebook names, with one more for every other text. What is not said here is held to be possible, so that
//! nothing is called impossible that could happen.

use std::sync::Arc;

use rust_decimal::Decimal;

use crate::feature::{Entity, Feature, FeatureRef, FeatureType, Measure, Value};
use crate::rulebook::{Comparison, Condition, DECIMAL_MAX, DECIMAL_PLACES_MAX, Relation, Rulebook, Test};
use crate::time::Span;

/// Disjoint ranges in ascending order, both ends included.
pub(crate) type Set = Vec<(i128, i128)>;

/// The features that a rulebook names, and what their values can be.
pub(crate) struct Space {
    pub(crate) features: Vec<FeatureRef>,
    pub(crate) domains: Vec<Set>,
    /// The first is never more than the second, where both are known.
    pub(crate) at_most: Vec<(usize, usize)>,
    /// Both known and each in its range is impossible.
    pub(crate) not_both: Vec<[(usize, (i128, i128)); 2]>,
    /// Where the first is known, the second, if known, is in the set.
    pub(crate) known_means: Vec<(usize, usize, Set)>,
    texts: Vec<Vec<Arc<str>>>,
}

impl Space {
    pub(crate) fn of(rulebook: &Rulebook, features: &[FeatureRef]) -> Self {
        let texts: Vec<_> = features.iter().map(|feature| texts(rulebook, *feature)).collect();
        let domains = features.iter().zip(&texts).map(|(feature, texts)| domain(feature.feature, texts)).collect();
        let pairs = || (0..features.len()).flat_map(|left| (0..features.len()).map(move |right| (left, right)));
        let at_most = pairs().filter(|(left, right)| is_at_most(features[*left], features[*right])).collect();
        let mut space =
            Self { features: features.to_vec(), domains, at_most, not_both: vec![], known_means: vec![], texts };
        space.relate();
        space
    }

    /// What a first order rules out, and what a counted number cannot be.
    fn relate(&mut self) {
        const NO: (i128, i128) = (0, 0);
        const YES: (i128, i128) = (1, 1);
        const SOME: (i128, i128) = (1, i128::MAX);
        let mut not_both = |one, in_one, other, in_other| {
            let slots = self.slot(one).zip(self.slot(other));
            self.not_both.extend(slots.map(|(one, other)| [(one, in_one), (other, in_other)]));
        };
        not_both(Feature::CustomerIsNew, YES, Feature::DeviceKnown, YES);
        not_both(Feature::CustomerIsNew, YES, Feature::DeviceKnownFor, SOME);
        not_both(Feature::CustomerIsNew, YES, Feature::AddressFamiliar, YES);
        not_both(Feature::DeviceKnown, NO, Feature::DeviceKnownFor, SOME);
        if let Some(is_new) = self.slot(Feature::CustomerIsNew) {
            let changed = self.slot(Feature::AddressChanged);
            self.known_means.extend(changed.map(|changed| (changed, is_new, vec![NO])));
        }
        if let Some((age, age_known)) = self.slot(Feature::CustomerAge).zip(self.slot(Feature::CustomerAgeKnown)) {
            self.known_means.push((age, age_known, vec![YES]));
        }
        if let Some(kind) = self.slot(Feature::PhoneKind) {
            let privacy = self.texts[kind].iter().position(|text| &**text == "privacy");
            let privacy = code(privacy.expect("every kind of number has a place"));
            let others = complement(&[(privacy, privacy)], &self.domains[kind]);
            let counts = |feature: &FeatureRef| matches!(feature.feature, Feature::Windowed(Entity::Phone, _));
            let counted = (0..self.features.len()).filter(|slot| counts(&self.features[*slot]));
            self.known_means.extend(counted.map(|slot| (slot, kind, others.clone())));
        }
    }

    /// The slot of a feature that takes no window.
    pub(crate) fn slot(&self, feature: Feature) -> Option<usize> {
        self.features.iter().position(|other| other.feature == feature)
    }

    pub(crate) fn slot_of(&self, feature: FeatureRef) -> usize {
        self.features
            .iter()
            .position(|other| *other == feature)
            .expect("every feature of a condition has been given a slot")
    }

    /// Whether the feature of a slot has a value for every order.
    pub(crate) fn is_always_known(&self, slot: usize) -> bool {
        self.features[slot].feature == Feature::OrderChannel
    }

    pub(crate) fn is_number(&self, slot: usize) -> bool {
        let of = self.features[slot].feature.spec().feature_type;
        matches!(of, FeatureType::Int | FeatureType::Decimal | FeatureType::Duration)
    }

    /// The values for which a comparison is true, or false where `holds` says so.
    pub(crate) fn passing(&self, comparison: &Comparison, holds: bool) -> (usize, Set) {
        let slot = self.slot_of(comparison.feature);
        let all = &self.domains[slot];
        let points = |constants: &[Value]| union(constants.iter().map(|constant| self.number(slot, constant)));
        let (set, negated) = match &comparison.test {
            Test::In(constants) => (points(constants), false),
            Test::NotIn(constants) => (points(constants), true),
            Test::Is(relation, constant) => {
                let at = self.number(slot, constant);
                match relation {
                    Relation::Equal => (vec![(at, at)], false),
                    Relation::NotEqual => (vec![(at, at)], true),
                    Relation::Less => (vec![(i128::MIN, at - 1)], false),
                    Relation::AtMost => (vec![(i128::MIN, at)], false),
                    Relation::Greater => (vec![(i128::MIN, at)], true),
                    Relation::AtLeast => (vec![(i128::MIN, at - 1)], true),
                }
            }
        };
        (slot, if negated == holds { complement(&set, all) } else { intersect(&set, all) })
    }

    /// The number that stands for a value.
    pub(crate) fn number(&self, slot: usize, value: &Value) -> i128 {
        match value {
            Value::Bool(value) => i128::from(*value),
            Value::Int(value) => i128::from(*value),
            Value::Duration(value) => i128::from(value.millis()),
            Value::Text(text) => {
                code(self.texts[slot].iter().position(|other| other == text).unwrap_or(self.texts[slot].len()))
            }
            Value::Decimal(value) => {
                let mut scaled = *value;
                scaled.rescale(DECIMAL_PLACES_MAX);
                scaled.mantissa()
            }
        }
    }

    /// The ranges of a feature's values that no condition of the rulebook tells apart, in ascending order.
    pub(crate) fn cells(&self, rulebook: &Rulebook, slot: usize) -> Set {
        let mut beginnings = vec![];
        for condition in conditions(rulebook) {
            condition.for_each_comparison(&mut |comparison| {
                if comparison.feature == self.features[slot] {
                    let (_, passing) = self.passing(comparison, true);
                    beginnings.extend(passing.iter().flat_map(|(from, to)| [*from, to.saturating_add(1)]));
                }
            });
        }
        beginnings.sort_unstable();
        beginnings.dedup();
        let mut cells = vec![];
        for (from, to) in &self.domains[slot] {
            let mut from = *from;
            for beginning in beginnings.iter().filter(|beginning| **beginning <= *to) {
                if *beginning > from {
                    cells.push((from, beginning - 1));
                    from = *beginning;
                }
            }
            cells.push((from, *to));
        }
        cells
    }

    /// Whether an order can have these values; `None` is not known. Only what concerns the slots that are asked about is
    /// looked at.
    pub(crate) fn is_possible(&self, numbers: &[Option<i128>], concerns: impl Fn(usize) -> bool) -> bool {
        let both = |left: usize, right: usize| {
            if concerns(left) || concerns(right) { numbers[left].zip(numbers[right]) } else { None }
        };
        self.at_most.iter().all(|(less, more)| both(*less, *more).is_none_or(|(less, more)| less <= more))
            && self.not_both.iter().all(|[(left, in_left), (right, in_right)]| {
                both(*left, *right).is_none_or(|(left, right)| !(holds(*in_left, left) && holds(*in_right, right)))
            })
            && self.known_means.iter().all(|(known, other, set)| {
                both(*known, *other).is_none_or(|(_, other)| set.iter().any(|range| holds(*range, other)))
            })
    }

    /// Whether some condition compares the feature with this value.
    pub(crate) fn is_named(rulebook: &Rulebook, feature: FeatureRef, value: &Value) -> bool {
        let mut is_named = false;
        for condition in conditions(rulebook) {
            condition.for_each_comparison(&mut |comparison| {
                is_named |= comparison.feature == feature
                    && match &comparison.test {
                        Test::Is(_, constant) => constant == value,
                        Test::In(constants) | Test::NotIn(constants) => constants.contains(value),
                    };
            });
        }
        is_named
    }

    /// The texts that numbers below their count stand for; one more stands for every other text, where there can be others.
    pub(crate) fn texts(&self, slot: usize) -> &[Arc<str>] {
        &self.texts[slot]
    }

    /// The value that a number stands for.
    pub(crate) fn value(&self, slot: usize, number: i128) -> Value {
        let int = i64::try_from(number).unwrap_or(if number < 0 { i64::MIN } else { i64::MAX });
        match self.features[slot].feature.spec().feature_type {
            FeatureType::Bool => Value::Bool(number == 1),
            FeatureType::Int => Value::Int(int),
            FeatureType::Duration => Value::Duration(Span::from_millis(int)),
            FeatureType::Decimal => Value::Decimal(Decimal::from_i128_with_scale(number, DECIMAL_PLACES_MAX)),
            FeatureType::Text => {
                let named = usize::try_from(number).ok().and_then(|place| self.texts[slot].get(place).cloned());
                Value::Text(named.unwrap_or_else(|| unnamed(&self.texts[slot])))
            }
        }
    }
}

fn code(place: usize) -> i128 {
    i128::try_from(place).expect("a place in a short list")
}

/// A text that no rule names.
fn unnamed(texts: &[Arc<str>]) -> Arc<str> {
    let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
    "x".repeat(longest + 1).into()
}

/// The texts that a feature is compared with, or all that it can have.
fn texts(rulebook: &Rulebook, feature: FeatureRef) -> Vec<Arc<str>> {
    let mut texts: Vec<Arc<str>> = feature.feature.spec().values.iter().map(|text| Arc::from(*text)).collect();
    let mut add = |value: &Value| {
        if let Value::Text(text) = value {
            texts.push(text.clone());
        }
    };
    for condition in conditions(rulebook) {
        condition.for_each_comparison(&mut |comparison| {
            if comparison.feature == feature {
                match &comparison.test {
                    Test::Is(_, constant) => add(constant),
                    Test::In(constants) | Test::NotIn(constants) => constants.iter().for_each(&mut add),
                }
            }
        });
    }
    texts.sort();
    texts.dedup();
    texts
}

fn conditions(rulebook: &Rulebook) -> impl Iterator<Item = &Condition> {
    let rules = rulebook.rules().iter().map(|rule| &rule.when);
    rules.chain(rulebook.exemptions().iter().map(|exemption| &exemption.when))
}

fn domain(feature: Feature, texts: &[Arc<str>]) -> Set {
    const DECIMAL_UNIT: i128 = 10_i128.pow(DECIMAL_PLACES_MAX);
    let counted = i128::from(i64::MAX);
    let range = match feature {
        Feature::OrderHour => (0, 23),
        Feature::Windowed(_, Measure::Orders) => (1, counted),
        Feature::Windowed(_, Measure::UnpaidShare) => (0, DECIMAL_UNIT),
        Feature::Windowed(_, Measure::Heat) => (0, Decimal::MAX.mantissa()),
        Feature::Signal(_) => (-i128::from(DECIMAL_MAX) * DECIMAL_UNIT, i128::from(DECIMAL_MAX) * DECIMAL_UNIT),
        Feature::OrderAmount | Feature::Windowed(_, Measure::Amount) => (i128::from(i64::MIN), counted),
        _ => match feature.spec().feature_type {
            FeatureType::Bool => (0, 1),
            FeatureType::Text => {
                let others = usize::from(feature.spec().values.is_empty());
                (0, code(texts.len() + others) - 1)
            }
            FeatureType::Int | FeatureType::Duration | FeatureType::Decimal => (0, counted),
        },
    };
    vec![range]
}

/// Whether the first is never more than the second. A shorter window holds no more than a longer one, and no order counts
/// twice.
fn is_at_most(left: FeatureRef, right: FeatureRef) -> bool {
    if left == right {
        return false;
    }
    if left.feature == Feature::OrderMaxLineQuantity && right.feature == Feature::OrderQuantity {
        return true;
    }
    let (Feature::Windowed(of, less), Feature::Windowed(of_other, more)) = (left.feature, right.feature) else {
        return false;
    };
    let never_more = match (less, more) {
        (Measure::UnpaidShare | Measure::Heat | Measure::Amount, _) => false,
        (less, more) if less == more => true,
        (Measure::Quantity | Measure::SkuQuantity, Measure::Orders) => false,
        (_, Measure::Orders)
        | (Measure::Abandoned, Measure::Unpaid)
        | (Measure::UnfamiliarAddresses, Measure::Addresses) => true,
        (Measure::SkuQuantity, Measure::Quantity) => true,
        _ => false,
    };
    of == of_other && never_more && left.window <= right.window
}

fn holds((from, to): (i128, i128), number: i128) -> bool {
    (from..=to).contains(&number)
}

pub(crate) fn intersect(left: &[(i128, i128)], right: &[(i128, i128)]) -> Set {
    let pairs = left.iter().flat_map(|a| right.iter().map(move |b| (a.0.max(b.0), a.1.min(b.1))));
    let mut set: Set = pairs.filter(|(from, to)| from <= to).collect();
    set.sort_unstable();
    set
}

/// What of `all` is not in `set`.
pub(crate) fn complement(set: &[(i128, i128)], all: &[(i128, i128)]) -> Set {
    let mut rest = all.to_vec();
    for (from, to) in set {
        let before = (*from > i128::MIN).then(|| (i128::MIN, from - 1));
        let after = (*to < i128::MAX).then(|| (to + 1, i128::MAX));
        rest = intersect(&rest, &before.into_iter().chain(after).collect::<Set>());
    }
    rest
}

fn union(points: impl Iterator<Item = i128>) -> Set {
    let mut points: Vec<_> = points.collect();
    points.sort_unstable();
    points.dedup();
    points.into_iter().map(|point| (point, point)).collect()
}
