//! What can be proved of a rulebook before any order meets it: rules that cannot fire, rules that another brings with it,
//! tiers that no score reaches, and the smallest combinations of rules that reach each.
//!
//! Nothing is guessed: a finding is made only where a search over all that the features' values can be found no way round
//! it, and every combination was evaluated. The searches are bounded; where one was cut, the report says so and claims less.

mod combinations;
mod ranges;
mod scores;
mod solve;
pub(crate) mod space;
mod witness;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::{Comparison, Condition, Evaluator, Findings, Points, Relation, Rule, Rulebook, Test};
use crate::fault::Fault;
use crate::feature::{Feature, FeatureRef, Value};
use crate::order::{Reading, Readings};
use solve::{Aim, Budget, End, Goal, search};
use space::Space;

/// The work allowed to one question about one or two rules, and to all of them together.
const QUESTION_STEPS_MAX: usize = 50_000;
const QUESTIONS_STEPS_MAX: usize = 20_000_000;

/// What a check found.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Report {
    /// Why it is no rulebook at all; everything else is empty then.
    pub errors: Vec<Fault>,
    /// What it says without effect, or otherwise than it seems.
    pub warnings: Vec<Warning>,
    /// The smallest combinations of rules that reach each tier, by the tier's id.
    pub combinations: Combinations,
    /// An order that reaches each tier, by the tier's id.
    pub witnesses: BTreeMap<Arc<str>, Witness>,
}

/// Combinations of rules by the id of the tier that they reach.
pub type Combinations = BTreeMap<Arc<str>, Vec<Vec<Arc<str>>>>;

/// An order that reaches a tier: evaluated, not only thought out.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Witness {
    /// The rules that fire.
    pub rules: Vec<Arc<str>>,
    /// The sum of their points.
    pub score: i64,
    /// What is known of it; everything else need not be.
    pub features: Readings,
}

/// One thing to be looked at again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Warning {
    /// What kind it is.
    pub code: WarningCode,
    /// The rules it is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Arc<str>>,
    /// The tier it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<Arc<str>>,
    /// In words.
    pub detail: String,
}

/// The kinds of warnings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningCode {
    /// No combination of rules reaches the tier.
    TierUnreachable,
    /// The rule's condition is never true.
    RuleNeverFires,
    /// Whenever the first rule fires, the second does.
    RuleImplied,
    /// Parts of the rule's condition contradict each other, or an exemption's condition contradicts itself.
    ConditionContradictory,
    /// The rule adds points, and only for numbers that a platform put in place of the real ones.
    RuleOnlyPlatformNumbers,
    /// Two rules that ask for the same but for the range of one number add up in a part of it only.
    RangesOverlap,
    /// Two rules that ask for the same but for the range of one number leave values between them for which neither fires.
    RangesLeaveGap,
    /// Orders reach the tiers around it, but no sum of points ends in it.
    TierSkipped,
    /// A graded rule never gives its most points.
    PointsMaxUnreachable,
    /// A search was cut, so that what it was about is not known.
    CheckIncomplete,
}

/// Checks a stored form: its faults, or what can be proved of it.
pub fn check_bytes(bytes: &[u8]) -> Report {
    match Rulebook::read(bytes) {
        Ok(rulebook) => check(&rulebook),
        Err(errors) => Report { errors, ..Report::default() },
    }
}

/// Finds what can be proved of a rulebook. A pure function, and bounded whatever the rulebook.
pub fn check(rulebook: &Rulebook) -> Report {
    let evaluator = rulebook.compile(0);
    let space = Space::of(rulebook, evaluator.features());
    let mut check = Check {
        rulebook,
        evaluator: &evaluator,
        space: &space,
        left: QUESTIONS_STEPS_MAX,
        cut: false,
        warnings: vec![],
    };
    let fires: Vec<_> = rulebook.rules().iter().map(|rule| check.rule(rule)).collect();
    check.exemptions();
    check.implied(&fires);
    check.ranges(&fires);
    if check.cut {
        let detail =
            "the conditions leave too much to search: some rules may never fire or be implied without being named";
        check.warn(WarningCode::CheckIncomplete, vec![], None, detail.to_owned());
    }
    let (combinations, witnesses) = check.combinations();
    Report { errors: vec![], warnings: check.warnings, combinations, witnesses }
}

struct Check<'a> {
    rulebook: &'a Rulebook,
    evaluator: &'a Evaluator,
    space: &'a Space,
    /// Of [`QUESTIONS_STEPS_MAX`].
    left: usize,
    cut: bool,
    warnings: Vec<Warning>,
}

impl<'a> Check<'a> {
    fn warn(&mut self, code: WarningCode, rules: Vec<Arc<str>>, tier: Option<Arc<str>>, detail: String) {
        self.warnings.push(Warning { code, rules, tier, detail });
    }

    /// Whether the goals cannot all come about; `false`, too, when that could not be found out.
    fn is_impossible(&mut self, goals: Vec<Goal<'a>>) -> bool {
        let mut budget = Budget(QUESTION_STEPS_MAX.min(self.left));
        let given = budget.0;
        let end = search(self.space, goals, &mut budget, &mut |_| true);
        self.left -= given - budget.0;
        self.cut |= end == End::Cut;
        end == End::Exhausted
    }

    /// Looks at one rule by itself; says whether it may fire.
    fn rule(&mut self, rule: &'a Rule) -> bool {
        let id = || vec![rule.id.clone()];
        if self.is_impossible(vec![Goal::Holds(&rule.when, Aim::True)]) {
            self.never(rule);
            return false;
        }
        if let Some(part) = self.contradictory_part(&rule.when) {
            let detail = format!("{}: the alternative {} contradicts itself: it is never true", rule.id, said(part));
            self.warn(WarningCode::ConditionContradictory, id(), None, detail);
        }
        let kind = FeatureRef { feature: Feature::PhoneKind, window: None };
        if points_max(rule) > 0 && rule.when.features().contains(&kind) {
            let privacy = Comparison { feature: kind, test: Test::Is(Relation::Equal, Value::Text("privacy".into())) };
            if self.is_impossible(vec![Goal::Holds(&rule.when, Aim::True), Goal::Compares(privacy, Aim::NotTrue)]) {
                let why = "fires only for numbers that a platform put in place of the real ones, which are never evidence against the customer";
                self.warn(WarningCode::RuleOnlyPlatformNumbers, id(), None, format!("{} {why}", rule.id));
            }
        }
        self.graded(rule);
        true
    }

    /// Names what of a condition cannot be: as little of it as already cannot.
    fn never(&mut self, rule: &'a Rule) {
        let mut parts = vec![];
        flatten(&rule.when, &mut parts);
        let (mut core, mut at) = (parts, 0);
        while core.len() > 1 && at < core.len() {
            let part = core.remove(at);
            if !self.is_impossible(core.iter().map(|part| Goal::Holds(part, Aim::True)).collect()) {
                core.insert(at, part);
                at += 1;
            }
        }
        let id = vec![rule.id.clone()];
        let said: Vec<_> = core.iter().map(|part| said(part)).collect();
        let detail = match &said[..] {
            [only] => format!("{} never fires: {only} is never true", rule.id),
            several => format!("{} never fires: {} cannot be true at once", rule.id, several.join(" and ")),
        };
        self.warn(WarningCode::RuleNeverFires, id.clone(), None, detail);
        if said.len() > 1 {
            let detail = format!("{}: {} contradict each other", rule.id, said.join(" and "));
            self.warn(WarningCode::ConditionContradictory, id, None, detail);
        }
    }

    fn graded(&mut self, rule: &'a Rule) {
        let Points::Graded { base, max, .. } = rule.points else { return };
        if base == max {
            return;
        }
        let place =
            self.rulebook.rules().iter().position(|other| other.id == rule.id).expect("the rule is of the rulebook");
        let goals = vec![Goal::Holds(&rule.when, Aim::True), self.highest(rule)];
        let (mut findings, mut most) = (Findings::default(), base);
        let mut budget = Budget(QUESTION_STEPS_MAX.min(self.left));
        let given = budget.0;
        let end = search(self.space, goals, &mut budget, &mut |values| {
            self.evaluator.evaluate(values, &mut findings);
            let points = findings.fired.iter().find(|fired| fired.rule == place).map_or(base, |fired| fired.points);
            most = most.max(points);
            most == max
        });
        self.left -= given - budget.0;
        self.cut |= end == End::Cut;
        if end == End::Exhausted {
            let detail = format!(
                "{}: gives at most {most} points, since its condition leaves its value no room to reach {max}",
                rule.id
            );
            self.warn(WarningCode::PointsMaxUnreachable, vec![rule.id.clone()], None, detail);
        }
    }

    /// That the value of a graded rule is known, or need not be: both are looked at.
    fn highest(&self, rule: &Rule) -> Goal<'a> {
        let slot = self.space.slot_of(rule.when.first_comparison().feature);
        Goal::Either(vec![vec![Goal::Known(slot)], vec![]])
    }

    /// The outermost alternative that is never true.
    fn contradictory_part(&mut self, condition: &'a Condition) -> Option<&'a Condition> {
        match condition {
            Condition::Any(parts) => {
                for part in parts {
                    if self.is_impossible(vec![Goal::Holds(part, Aim::True)]) {
                        return Some(part);
                    }
                }
                parts.iter().find_map(|part| self.contradictory_part(part))
            }
            Condition::All(parts) => parts.iter().find_map(|part| self.contradictory_part(part)),
            Condition::Not(_) | Condition::Compare(_) => None,
        }
    }

    fn exemptions(&mut self) {
        for exemption in self.rulebook.exemptions() {
            if self.is_impossible(vec![Goal::Holds(&exemption.when, Aim::True)]) {
                let detail =
                    format!("the exemption {} never spares anybody: its condition is never true", exemption.id);
                self.warn(WarningCode::ConditionContradictory, vec![], None, detail);
            }
        }
    }

    fn implied(&mut self, fires: &[bool]) {
        let rules = self.rulebook.rules();
        for (first, _) in rules.iter().zip(fires).filter(|(_, fires)| **fires) {
            let first_features = first.when.features();
            for (second, _) in rules.iter().zip(fires).filter(|(_, fires)| **fires) {
                // What speaks of other entities altogether is never brought about.
                if first.id == second.id || !related(&first_features, &second.when.features()) {
                    continue;
                }
                let goals = vec![Goal::Holds(&first.when, Aim::True), Goal::Holds(&second.when, Aim::NotTrue)];
                if self.is_impossible(goals) {
                    let detail = format!(
                        "whenever {} fires, {} fires too: their points always come together",
                        first.id, second.id
                    );
                    self.warn(WarningCode::RuleImplied, vec![first.id.clone(), second.id.clone()], None, detail);
                }
            }
        }
    }
}

/// The parts that all must hold.
fn flatten<'a>(condition: &'a Condition, parts: &mut Vec<&'a Condition>) {
    match condition {
        Condition::All(inner) => inner.iter().for_each(|part| flatten(part, parts)),
        other => parts.push(other),
    }
}

/// A condition as one would write it on paper.
fn said(condition: &Condition) -> String {
    let joined = |parts: &[Condition], word: &str| {
        let parts: Vec<_> = parts.iter().map(said).collect();
        format!("({})", parts.join(word))
    };
    let constant = |value: &Value| match value.reading() {
        Reading::Bool(value) => value.to_string(),
        Reading::Int(value) => value.to_string(),
        Reading::Text(value) => value.to_string(),
    };
    match condition {
        Condition::All(parts) => joined(parts, " and "),
        Condition::Any(parts) => joined(parts, " or "),
        Condition::Not(part) => format!("not {}", said(part)),
        Condition::Compare(Comparison { feature, test }) => match test {
            Test::Is(relation, value) => format!("{feature} {} {}", relation.symbol(), constant(value)),
            Test::In(values) | Test::NotIn(values) => {
                let values: Vec<_> = values.iter().map(constant).collect();
                format!("{feature} {} [{}]", test.symbol(), values.join(", "))
            }
        },
    }
}

/// Whether some feature of the one could say something about some feature of the other.
fn related(left: &[FeatureRef], right: &[FeatureRef]) -> bool {
    let group = |feature: &FeatureRef| feature.feature.spec().name.split('.').next();
    let is_customer = |feature: &FeatureRef| {
        matches!(
            feature.feature,
            Feature::CustomerIsNew
                | Feature::AddressChanged
                | Feature::AddressFamiliar
                | Feature::DeviceKnown
                | Feature::DeviceKnownFor
        )
    };
    left.iter()
        .any(|one| right.iter().any(|other| group(one) == group(other) || is_customer(one) && is_customer(other)))
}

/// The most points that a rule says it gives.
const fn points_max(rule: &Rule) -> i64 {
    match rule.points {
        Points::Flat(points) => points,
        Points::Graded { max, .. } => max,
    }
}
