//! Screening: features in, score, tier and disposition out.
//!
//! A pure function: the same rulebook and the same values give the same event, byte for byte.

use crate::feature::Value;
use crate::ids::DraftId;
use crate::order::{ChallengeMethod, Hit, OnExpire, OnFail, Readings, Scored, ScoredCause, Swept, Trigger};
use crate::rulebook::{Action, Evaluator, Findings};
use crate::shadow::Shadowed;
use crate::time::Span;

/// Screens one order: `values` holds the value of each of [`Evaluator::features`], `None` where it is not known.
///
/// # Panics
///
/// When there is not one value for each feature.
pub fn screen(evaluator: &Evaluator, values: &[Option<Value>], cause: ScoredCause) -> Assessment {
    screen_on(evaluator, values, Occasion::of(cause))
}

/// Why an order is screened, and what other orders add to it.
#[derive(Clone, Debug)]
pub struct Occasion<'a> {
    /// Why.
    pub cause: ScoredCause,
    /// Which other order made it necessary.
    pub trigger: Option<Trigger>,
    /// Rules that count as fired, each once; what the rulebook does not know of them has no effect.
    pub swept: &'a [Swept],
}

impl Occasion<'_> {
    /// Without any other order.
    pub const fn of(cause: ScoredCause) -> Self {
        Self { cause, trigger: None, swept: &[] }
    }
}

/// Screens one order like [`screen`], with what other orders add to it.
///
/// # Panics
///
/// When there is not one value for each feature.
pub fn screen_on(evaluator: &Evaluator, values: &[Option<Value>], occasion: Occasion<'_>) -> Assessment {
    let Occasion { cause, trigger, swept } = occasion;
    let mut findings = Findings::default();
    evaluator.evaluate_swept(values, |rule| swept.iter().any(|swept| swept.rule == *rule), &mut findings);
    let counted =
        |swept: &&Swept| findings.fired.iter().any(|fired| fired.swept && evaluator.rules[fired.rule].id == swept.rule);
    let readings = |slots: &mut dyn Iterator<Item = usize>| {
        let entries = slots.map(|slot| (evaluator.names[slot].clone(), values[slot].as_ref().map(Value::reading)));
        Readings(entries.collect())
    };
    let hits = findings.fired.iter().map(|fired| {
        let rule = &evaluator.rules[fired.rule];
        Hit { rule: rule.id.clone(), points: fired.points, evidence: readings(&mut rule.evidence.iter().copied()) }
    });
    let scored = Scored {
        score: findings.score,
        tier: evaluator.tier_id(findings.tier).clone(),
        hits: hits.collect(),
        features: readings(&mut (0..values.len())),
        rulebook_version: evaluator.version,
        rulebook_hash: evaluator.hash.clone(),
        exemption: findings.exemption.map(|exemption| evaluator.exemptions[exemption].id.clone()),
        cause,
        trigger,
        swept: swept.iter().filter(counted).cloned().collect(),
        shadow: None,
    };
    let disposition = match (findings.tier.map(|tier| evaluator.tiers[tier].action), findings.exemption) {
        (None, _) => Disposition::Pass,
        (Some(_), Some(_)) => Disposition::Exempt,
        (Some(Action::Challenge(terms)), None) => Disposition::Challenge(terms),
        (Some(Action::Freeze), None) => Disposition::Freeze,
    };
    Assessment { scored, disposition }
}

/// What a draft in the shadow finds of an order, of which it decides nothing.
///
/// # Panics
///
/// When there is not one value for each feature.
pub fn shadow(evaluator: &Evaluator, values: &[Option<Value>], draft: DraftId, revision: u32) -> Shadowed {
    let mut findings = Findings::default();
    evaluator.evaluate(values, &mut findings);
    Shadowed {
        draft,
        revision,
        score: findings.score,
        tier: evaluator.tier_id(findings.tier).clone(),
        hits: findings.fired.iter().map(|fired| evaluator.rule_id(*fired).clone()).collect(),
        exemption: findings.exemption.map(|exemption| evaluator.exemptions[exemption].id.clone()),
    }
}

/// What a screening found, and what it leads to.
#[derive(Clone, PartialEq, Debug)]
pub struct Assessment {
    /// The event to be recorded.
    pub scored: Scored,
    /// What is to be done with the order.
    pub disposition: Disposition,
}

/// What a score leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Disposition {
    /// No tier applies.
    Pass,
    /// A tier applies and an exemption spares the order.
    Exempt,
    /// The customer is to be asked.
    Challenge(ChallengeTerms),
    /// The order is to be held.
    Freeze,
}

/// How a challenge is put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChallengeTerms {
    /// How the customer is asked.
    pub method: ChallengeMethod,
    /// How long the answer counts.
    pub expires_in: Span,
    /// What a wrong answer leads to.
    pub on_fail: OnFail,
    /// What silence leads to.
    pub on_expire: OnExpire,
}
