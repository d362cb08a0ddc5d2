//! Screening: features in, score, tier and disposition out.
//!
//! A pure function: the same rulebook and the same values give the same event, byte for byte.

use crate::feature::Value;
use crate::ids::DraftId;
use crate::order::{
    ChallengeMethod, Downgrade, DowngradeReason, Hit, OnExpire, OnFail, Readings, Scored, ScoredCause, Swept, Trigger,
};
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
        (Some(Action::Challenge(terms)), None) => Disposition::Challenge(terms, None),
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
    /// The customer is to be asked, perhaps in place of something stronger.
    Challenge(ChallengeTerms, Option<Downgrade>),
    /// The customer should be asked and cannot be now, so that a person is to look: the way that was due, and the one in its place.
    Review(Downgrade, Option<Downgrade>),
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

/// Recorded as the exemption of an order that passes whatever it scores, so that it can be measured what rules do. No rulebook
/// may name one of its own so.
pub const HOLD_OUT: &str = "hold_out";

/// Which ways to ask a customer are open now, and why not where one is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ways {
    /// By SMS.
    pub sms: Result<(), DowngradeReason>,
    /// By a call.
    pub call: Result<(), DowngradeReason>,
}

impl Assessment {
    /// With a challenge turned into what can be done now: an SMS in place of a call, and a person's look where neither is open.
    #[must_use]
    pub fn by(mut self, ways: Ways) -> Self {
        let Disposition::Challenge(terms, None) = self.disposition else { return self };
        let closed = |method, way: Result<(), DowngradeReason>| way.err().map(|reason| Downgrade { method, reason });
        let (sms, call) = (closed(ChallengeMethod::Sms, ways.sms), closed(ChallengeMethod::Call, ways.call));
        self.disposition = match (terms.method, call, sms) {
            (ChallengeMethod::Call, None, _) | (ChallengeMethod::Sms, _, None) => return self,
            (ChallengeMethod::Call, Some(call), None) => {
                Disposition::Challenge(ChallengeTerms { method: ChallengeMethod::Sms, ..terms }, Some(call))
            }
            (ChallengeMethod::Call, Some(call), Some(sms)) => Disposition::Review(call, Some(sms)),
            (ChallengeMethod::Sms, _, Some(sms)) => Disposition::Review(sms, None),
        };
        self
    }

    /// Spares the order what its score leads to, if it leads to anything.
    #[must_use]
    pub fn held_out(mut self) -> Self {
        if matches!(self.disposition, Disposition::Challenge(..) | Disposition::Review(..) | Disposition::Freeze) {
            self.scored.exemption = Some(HOLD_OUT.into());
            self.disposition = Disposition::Exempt;
        }
        self
    }
}
