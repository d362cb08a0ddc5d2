//! A rulebook made ready to be evaluated: features by slot, conditions in one flat row, texts shared.
//!
//! Evaluation is a pure function of the values and allocates nothing once the buffer for its findings has grown.

use std::cmp::Ordering;
use std::sync::Arc;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::{Action, Condition, PASS, Points, Relation, Rule, Rulebook, Test};
use crate::feature::{Entity, Feature, FeatureRef, Value};
use crate::order::Readings;

/// A rulebook of a certain version, compiled.
#[derive(Clone, Debug)]
pub struct Evaluator {
    pub(crate) version: u32,
    pub(crate) hash: Arc<str>,
    features: Vec<FeatureRef>,
    /// The display name of each slot's feature.
    pub(crate) names: Vec<Arc<str>>,
    conditions: Conditions,
    pub(crate) rules: Vec<CompiledRule>,
    pub(crate) tiers: Vec<CompiledTier>,
    pub(crate) exemptions: Vec<CompiledExemption>,
    pub(crate) pass: Arc<str>,
    sweeps: Vec<Sweep>,
}

/// A rule that has the orders in its window screened again when it fires. It can be asked alone whether it does.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// The rule's id.
    pub rule: Arc<str>,
    /// Whose orders it counts, and how far back: the first feature of its condition that counts orders of one entity in a
    /// window. A province is none: what its orders have in common is no evidence against any one of them.
    pub feature: FeatureRef,
    /// That feature's display name.
    pub name: Arc<str>,
    features: Vec<FeatureRef>,
    conditions: Conditions,
}

impl Sweep {
    fn of(rule: &Rule) -> Option<Self> {
        let counts =
            |feature: &FeatureRef| matches!(feature.feature, Feature::Windowed(entity, _) if entity != Entity::Region);
        let features = rule.when.features();
        let feature = features.iter().copied().find(counts).filter(|_| rule.sweep)?;
        let mut conditions = Conditions::default();
        conditions.add(&rule.when, &features);
        Some(Self { rule: rule.id.clone(), feature, name: feature.to_string().into(), features, conditions })
    }

    /// The features that the rule's condition reads.
    pub fn features(&self) -> &[FeatureRef] {
        &self.features
    }

    /// Whether the rule fires for an order itself, and then what its window holds. `values` has one for each of
    /// [`Self::features`].
    ///
    /// # Panics
    ///
    /// When there is not one value for each feature.
    pub fn evidence(&self, values: &[Option<Value>]) -> Option<Readings> {
        assert_eq!(values.len(), self.features.len(), "one value for each feature of the rule");
        let holds = self.conditions.truth(0, values) == Truth::True;
        let value = || values[slot_of(&self.features, self.feature)].as_ref().map(Value::reading);
        holds.then(|| Readings(vec![(self.name.clone(), value())]))
    }
}

#[derive(Clone, Debug)]
pub(crate) struct CompiledRule {
    pub(crate) id: Arc<str>,
    /// The slots of the features that its condition names, in the order in which they are written.
    pub(crate) evidence: Box<[usize]>,
    condition: usize,
    points: Points,
}

#[derive(Clone, Debug)]
pub(crate) struct CompiledTier {
    pub(crate) id: Arc<str>,
    pub(crate) action: Action,
    score_min: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct CompiledExemption {
    pub(crate) id: Arc<str>,
    condition: usize,
}

/// Conditions in one flat row.
#[derive(Clone, Debug, Default)]
struct Conditions(Vec<Node>);

/// A part of a condition. The parts inside it follow it directly, up to `end`.
#[derive(Clone, Debug)]
struct Node {
    end: usize,
    kind: NodeKind,
}

#[derive(Clone, Debug)]
enum NodeKind {
    All,
    Any,
    Not,
    Compare { slot: usize, test: Test },
}

/// What an evaluation found. Made once and used again for every order, so that it stops allocating.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Findings {
    /// The rules that fired, in the rulebook's order.
    pub fired: Vec<Fired>,
    /// The sum of their points; stays at the end of the range instead of leaving it.
    pub score: i64,
    /// The highest tier that applies, by its place in the rulebook.
    pub tier: Option<usize>,
    /// The first exemption that holds, by its place in the rulebook; looked for only when a tier applies.
    pub exemption: Option<usize>,
}

/// A rule that fired.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fired {
    /// Its place in the rulebook.
    pub rule: usize,
    /// What it adds to the score.
    pub points: i64,
    /// Whether it does not hold for the order, and counts because it fired for another one.
    pub swept: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Truth {
    True,
    False,
    Unknown,
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

impl Evaluator {
    pub(super) fn new(rulebook: &Rulebook, version: u32) -> Self {
        let conditions = rulebook.rules().iter().map(|rule| &rule.when);
        let conditions = conditions.chain(rulebook.exemptions().iter().map(|exemption| &exemption.when));
        let mut slots: Vec<(Arc<str>, FeatureRef)> =
            conditions.flat_map(Condition::features).map(|feature| (feature.to_string().into(), feature)).collect();
        slots.sort();
        slots.dedup();
        let (names, features): (_, Vec<_>) = slots.into_iter().unzip();

        let mut conditions = Conditions::default();
        let rules = rulebook.rules().iter().map(|rule| CompiledRule {
            id: rule.id.clone(),
            evidence: rule.when.features().iter().map(|feature| slot_of(&features, *feature)).collect(),
            condition: conditions.add(&rule.when, &features),
            points: rule.points,
        });
        let rules = rules.collect();
        let exemptions = rulebook.exemptions().iter().map(|exemption| CompiledExemption {
            id: exemption.id.clone(),
            condition: conditions.add(&exemption.when, &features),
        });
        let exemptions = exemptions.collect();
        let tiers = rulebook.tiers().iter().map(|tier| CompiledTier {
            id: tier.id.clone(),
            action: tier.action,
            score_min: tier.threshold.score_min(),
        });
        Self {
            version,
            hash: rulebook.hash().into(),
            names,
            conditions,
            rules,
            tiers: tiers.collect(),
            exemptions,
            pass: PASS.into(),
            features,
            sweeps: rulebook.rules().iter().filter_map(Sweep::of).collect(),
        }
    }

    /// The version it was compiled as.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The rulebook's hash.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The features it reads, in the order of their display names: the slots of the values it wants.
    pub fn features(&self) -> &[FeatureRef] {
        &self.features
    }

    /// The rules that sweep.
    pub fn sweeps(&self) -> &[Sweep] {
        &self.sweeps
    }

    /// The values that were read, one for each of [`Self::features`]; what is not among the readings is not known.
    pub fn values(&self, readings: &Readings) -> Vec<Option<Value>> {
        let read = |(feature, name): (&FeatureRef, &Arc<str>)| {
            readings.get(name).and_then(|reading| Value::read(reading, feature.feature.spec().feature_type))
        };
        self.features.iter().zip(&self.names).map(read).collect()
    }

    /// The id of a tier that was found, or [`PASS`].
    pub fn tier_id(&self, tier: Option<usize>) -> &Arc<str> {
        tier.map_or(&self.pass, |tier| &self.tiers[tier].id)
    }

    /// The id of a rule that fired.
    pub fn rule_id(&self, fired: Fired) -> &Arc<str> {
        &self.rules[fired.rule].id
    }

    /// Evaluates one order.
    ///
    /// # Panics
    ///
    /// When there is not one value for each of [`Self::features`].
    pub fn evaluate(&self, values: &[Option<Value>], findings: &mut Findings) {
        self.evaluate_swept(values, |_| false, findings);
    }

    /// Evaluates one order for which the rules that `is_swept` knows by their ids fired because of another order: where they do not
    /// hold for this one they count all the same, with the least points that they give. Not where what they say of the order alone,
    /// outside of windows, is false: that its window was not full yet is what another order tells about, not who ordered.
    ///
    /// # Panics
    ///
    /// When there is not one value for each of [`Self::features`].
    pub fn evaluate_swept(
        &self,
        values: &[Option<Value>],
        is_swept: impl Fn(&Arc<str>) -> bool,
        findings: &mut Findings,
    ) {
        assert_eq!(values.len(), self.features.len(), "one value for each feature of the rulebook");
        debug_assert!(
            self.features.iter().zip(values).all(|(feature, value)| {
                value.as_ref().is_none_or(|value| value.feature_type() == feature.feature.spec().feature_type)
            }),
            "every value has its feature's type"
        );
        findings.fired.clear();
        findings.score = 0;
        for (place, rule) in self.rules.iter().enumerate() {
            let swept = self.conditions.truth(rule.condition, values) != Truth::True;
            if swept && !(is_swept(&rule.id) && self.may_hold(rule, values)) {
                continue;
            }
            let points = if swept { rule.points.least() } else { rule.points(values) };
            findings.fired.push(Fired { rule: place, points, swept });
            findings.score = findings.score.saturating_add(points);
        }
        findings.tier = self.tiers.iter().rposition(|tier| findings.score >= tier.score_min);
        findings.exemption = findings.tier.and_then(|_| {
            self.exemptions
                .iter()
                .position(|exemption| self.conditions.truth(exemption.condition, values) == Truth::True)
        });
    }

    /// Whether a rule could hold for the order if its windows held something else.
    fn may_hold(&self, rule: &CompiledRule, values: &[Option<Value>]) -> bool {
        let outside_of_windows = |slot: usize| values[slot].as_ref().filter(|_| self.features[slot].window.is_none());
        self.conditions.truth_of(rule.condition, &outside_of_windows) != Truth::False
    }
}

impl Conditions {
    /// Appends a condition in the order in which it is written and gives its place.
    fn add(&mut self, condition: &Condition, features: &[FeatureRef]) -> usize {
        let at = self.0.len();
        let (kind, parts) = match condition {
            Condition::All(parts) => (NodeKind::All, parts.as_slice()),
            Condition::Any(parts) => (NodeKind::Any, parts.as_slice()),
            Condition::Not(part) => (NodeKind::Not, std::slice::from_ref(&**part)),
            Condition::Compare(comparison) => {
                let slot = slot_of(features, comparison.feature);
                (NodeKind::Compare { slot, test: comparison.test.clone() }, &[][..])
            }
        };
        self.0.push(Node { end: at + 1, kind });
        for part in parts {
            self.add(part, features);
        }
        self.0[at].end = self.0.len();
        at
    }

    fn truth(&self, at: usize, values: &[Option<Value>]) -> Truth {
        self.truth_of(at, &|slot| values[slot].as_ref())
    }

    /// Kleene's logic: what is not known decides nothing, but need not stand in the way of what is.
    fn truth_of<'v>(&self, at: usize, value: &impl Fn(usize) -> Option<&'v Value>) -> Truth {
        let Node { end, kind } = &self.0[at];
        match kind {
            NodeKind::All => self.join(at + 1, *end, value, Truth::False, Truth::True),
            NodeKind::Any => self.join(at + 1, *end, value, Truth::True, Truth::False),
            NodeKind::Not => match self.truth_of(at + 1, value) {
                Truth::True => Truth::False,
                Truth::False => Truth::True,
                Truth::Unknown => Truth::Unknown,
            },
            NodeKind::Compare { slot, test } => {
                value(*slot).and_then(|value| test.holds(value)).map_or(Truth::Unknown, Truth::from)
            }
        }
    }

    /// `decisive` as soon as one part is, else unknown when one part is, else `otherwise`.
    fn join<'v>(
        &self,
        from: usize,
        end: usize,
        value: &impl Fn(usize) -> Option<&'v Value>,
        decisive: Truth,
        otherwise: Truth,
    ) -> Truth {
        let mut joined = otherwise;
        let mut at = from;
        while at < end {
            match self.truth_of(at, value) {
                truth if truth == decisive => return decisive,
                Truth::Unknown => joined = Truth::Unknown,
                Truth::True | Truth::False => {}
            }
            at = self.0[at].end;
        }
        joined
    }
}

impl CompiledRule {
    fn points(&self, values: &[Option<Value>]) -> i64 {
        match self.points {
            Points::Flat(points) => points,
            Points::Graded { base, per, above, max } => {
                let first = self.evidence.first().and_then(|slot| values[*slot].as_ref());
                let value = match first {
                    Some(Value::Int(value)) => Decimal::from(*value),
                    Some(Value::Decimal(value)) => *value,
                    _ => return base,
                };
                if value <= above {
                    return base;
                }
                let more = value.checked_sub(above).and_then(|over| over.checked_mul(per));
                more.and_then(|more| more.floor().to_i64()).map_or(max, |more| base.saturating_add(more).min(max))
            }
        }
    }
}

impl Test {
    /// Whether the value passes; `None` when it is of another type than the constant.
    fn holds(&self, value: &Value) -> Option<bool> {
        match self {
            Self::Is(relation, constant) => compare(value, constant).map(|order| match relation {
                Relation::Equal => order.is_eq(),
                Relation::NotEqual => order.is_ne(),
                Relation::Less => order.is_lt(),
                Relation::AtMost => order.is_le(),
                Relation::Greater => order.is_gt(),
                Relation::AtLeast => order.is_ge(),
            }),
            Self::In(constants) => {
                Some(constants.iter().any(|constant| compare(value, constant) == Some(Ordering::Equal)))
            }
            Self::NotIn(constants) => {
                Some(constants.iter().all(|constant| compare(value, constant) != Some(Ordering::Equal)))
            }
        }
    }
}

fn compare(value: &Value, constant: &Value) -> Option<Ordering> {
    match (value, constant) {
        (Value::Bool(value), Value::Bool(constant)) => Some(value.cmp(constant)),
        (Value::Int(value), Value::Int(constant)) => Some(value.cmp(constant)),
        (Value::Decimal(value), Value::Decimal(constant)) => Some(value.cmp(constant)),
        (Value::Text(value), Value::Text(constant)) => Some(value.cmp(constant)),
        (Value::Duration(value), Value::Duration(constant)) => Some(value.cmp(constant)),
        _ => None,
    }
}

fn slot_of(features: &[FeatureRef], feature: FeatureRef) -> usize {
    features.iter().position(|other| *other == feature).expect("every feature of a condition has been given a slot")
}
