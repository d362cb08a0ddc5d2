//! What the orders of the period come to.

use std::collections::BTreeMap;

use domain::rulebook::Action;
use domain::time::Span;
use eventlog::{EventLog, LogError};
use rustc_hash::FxHashMap;

use super::TrialError;
use super::cases::Case;
use super::found::{
    Backtested, Decision, EXAMPLES_MAX, Example, ExampleKind, Hit, Load, OutcomeCounts, RuleCounts, SideCounts,
};
use super::outcome::Outcome;
use super::tester::Tested;
use super::verdict::{DRAFT, Verdict, Verdicts};

const HOUR: Span = Span::from_hours(1);

/// What makes examples alike: what changes, the outcome, and whether they are named apart.
type Alike = (ExampleKind, u8, bool);

/// One of the two sides of a case.
type Side = fn(&Case) -> u32;
const ACTUAL: Side = |case| case.actual;
const DRAFTED: Side = |case| case.draft;

/// Counts, and reads from the log what the examples are called.
pub(super) async fn reckon(log: &dyn EventLog, partition: u32, tested: Tested) -> Result<Backtested, TrialError> {
    let Tested { cases, verdicts, first, end } = tested;
    let mut found = Backtested {
        actual: load(&verdicts, cases.iter(), ACTUAL),
        draft: load(&verdicts, cases.iter(), DRAFTED),
        first,
        ..Backtested::default()
    };
    let mut pairs: FxHashMap<(u32, u32), u64> = FxHashMap::default();
    let mut alike: BTreeMap<Alike, Vec<(&Case, Outcome)>> = BTreeMap::new();
    for case in cases.iter() {
        *pairs.entry((case.actual, case.draft)).or_default() += 1;
        let Some(kind) = kind(&verdicts, case) else { continue };
        let outcome = case.marks.outcome(case.payment_due_at, end);
        match kind {
            ExampleKind::NewlyHit => count(&mut found.newly_hit, case, outcome),
            ExampleKind::NoLongerHit => count(&mut found.no_longer_hit, case, outcome),
            ExampleKind::OtherTier => {}
        }
        let named = case.naming.is_vip || case.naming.is_familiar;
        let alike = alike.entry((kind, outcome as u8, named)).or_default();
        if alike.len() < EXAMPLES_MAX {
            alike.push((case, outcome));
        }
    }
    compare(&verdicts, &pairs, &mut found);
    let mut examples: Vec<_> = alike.into_values().flatten().collect();
    examples.sort_by_key(|(case, _)| case.position);
    for (case, outcome) in examples {
        let event = log.read(partition, case.position - 1, 1).await?.into_iter().next();
        let event = event.ok_or_else(|| LogError::Damaged(format!("no event at {partition}-{}", case.position)))?;
        let Some(kind) = kind(&verdicts, case) else { continue };
        found.examples.push(Example {
            order: String::from(&*event.key.aggregate_id),
            kind,
            good: match outcome {
                Outcome::Good => Some(true),
                Outcome::Bad => Some(false),
                Outcome::Open => None,
            },
            vip: case.naming.is_vip,
            familiar: case.naming.is_familiar,
            actual: decision(&verdicts, case.actual),
            draft: decision(&verdicts, case.draft),
        });
    }
    Ok(found)
}

/// What changes for an order; `None` when neither its tier nor whether it is stopped does.
fn kind(verdicts: &Verdicts, case: &Case) -> Option<ExampleKind> {
    let (actual, draft) = (verdicts.get(case.actual), verdicts.get(case.draft));
    let tier = |verdict: &Verdict| verdict.tier_id(verdicts.rulebook(verdict)).to_owned();
    match (actual.is_hit(), draft.is_hit()) {
        (false, true) => Some(ExampleKind::NewlyHit),
        (true, false) => Some(ExampleKind::NoLongerHit),
        // Most orders reach no tier on either side, and then there is nothing to compare.
        (false, false) if actual.tier.is_none() && draft.tier.is_none() => None,
        (true, true) | (false, false) => (tier(actual) != tier(draft)).then_some(ExampleKind::OtherTier),
    }
}

fn count(counts: &mut OutcomeCounts, case: &Case, outcome: Outcome) {
    let is_good = outcome == Outcome::Good;
    counts.orders += 1;
    counts.good += u64::from(is_good);
    counts.good_vip += u64::from(is_good && case.naming.is_vip);
    counts.good_familiar += u64::from(is_good && case.naming.is_familiar);
    counts.bad += u64::from(outcome == Outcome::Bad);
}

/// What one side gives to do.
fn load<'a>(verdicts: &Verdicts, cases: impl Iterator<Item = &'a Case>, side: Side) -> Load {
    let mut load = Load::default();
    let mut hours: FxHashMap<i64, (u64, u64)> = FxHashMap::default();
    for case in cases {
        let verdict = verdicts.get(side(case));
        load.exempt += u64::from(verdict.exemption.is_some());
        let Some(action) = verdict.action(verdicts.rulebook(verdict)) else { continue };
        let (challenges, reviews) = hours.entry(case.time.millis().div_euclid(HOUR.millis())).or_default();
        match action {
            Action::Challenge(_) => (load.challenged, *challenges) = (load.challenged + 1, *challenges + 1),
            Action::Freeze => (load.frozen, *reviews) = (load.frozen + 1, *reviews + 1),
        }
    }
    load.challenges_per_hour_max = hours.values().map(|(challenges, _)| *challenges).max().unwrap_or(0);
    load.reviews_per_hour_max = hours.values().map(|(_, reviews)| *reviews).max().unwrap_or(0);
    load
}

/// Counts what depends on the two decisions alone, once for all orders of which they are the same.
fn compare(verdicts: &Verdicts, pairs: &FxHashMap<(u32, u32), u64>, found: &mut Backtested) {
    let mut rules: BTreeMap<String, RuleCounts> = BTreeMap::new();
    for (&(actual, draft), &orders) in pairs {
        let (actual, draft) = (verdicts.get(actual), verdicts.get(draft));
        let (actual_book, draft_book) = (verdicts.rulebook(actual), verdicts.rulebook(draft));
        found.orders += orders;
        let row = found.matrix.entry(actual.tier_id(actual_book).to_owned()).or_default();
        *row.entry(draft.tier_id(draft_book).to_owned()).or_default() += orders;
        let is_same = actual.score == draft.score
            && actual.tier_id(actual_book) == draft.tier_id(draft_book)
            && actual.exemption_id(actual_book) == draft.exemption_id(draft_book)
            && actual.rules(actual_book).eq(draft.rules(draft_book));
        found.unchanged += if is_same { orders } else { 0 };
        let mut count = |verdict: &Verdict, side: fn(&mut RuleCounts) -> &mut SideCounts| {
            let book = verdicts.rulebook(verdict);
            for (rule, points) in verdict.rules(book) {
                let counts = side(rules.entry(rule.to_owned()).or_default());
                counts.fired += orders;
                counts.decisive += if verdict.turns_on(book, points) { orders } else { 0 };
            }
        };
        count(actual, |counts| &mut counts.actual);
        count(draft, |counts| &mut counts.draft);
    }
    let named = |rule: &str, counts: RuleCounts| RuleCounts { rule: rule.to_owned(), ..counts };
    let draft = verdicts.book(DRAFT).rulebook.rules().iter();
    found.per_rule = draft.map(|rule| named(&rule.id, rules.remove(&*rule.id).unwrap_or_default())).collect();
    found.per_rule.extend(rules.into_iter().map(|(rule, counts)| named(&rule, counts)));
}

fn decision(verdicts: &Verdicts, number: u32) -> Decision {
    let verdict = verdicts.get(number);
    let book = verdicts.rulebook(verdict);
    Decision {
        tier: verdict.tier_id(book).to_owned(),
        score: verdict.score,
        exemption: verdict.exemption_id(book).map(str::to_owned),
        hits: verdict.rules(book).map(|(rule, points)| Hit { rule: rule.to_owned(), points }).collect(),
    }
}
