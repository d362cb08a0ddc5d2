//! One order, and what becomes of it with some facts otherwise.
//!
//! A feature's values fall into ranges that no condition tells apart. Inside a range only graded points move, and they grow
//! with the value. So of every range the value with the fewest points is tried first, and where it passes, each fact is
//! brought back as near to what it was as it can be, by halving.

use std::ops::RangeInclusive;

use crate::feature::{Feature, FeatureRef, Value};
use crate::rulebook::check::space::Space;
use crate::rulebook::{Evaluator, Findings, Points, Rulebook};

/// How far a fact is moved whose values have no distance: as far as a number that becomes nothing.
const WHOLE: u64 = 10_000;
/// Pairs of features that hang together, looked at with the work that evaluating one rule takes.
const PAIRS_A_RULE: usize = 4;

pub(super) struct Trial<'a> {
    pub(super) rulebook: &'a Rulebook,
    evaluate: &'a dyn Fn(&[Option<Value>], &mut Findings),
    pub(super) space: Space,
    /// What is so.
    pub(super) given: Vec<Option<i128>>,
    pub(super) values: Vec<Option<Value>>,
    pub(super) slots: Vec<Slot>,
    /// The slot that says whether the customer's age is known, if some rule asks.
    age_known: Option<usize>,
    findings: Findings,
    /// The points by which each rule can lower the score, at most.
    movable: Vec<i64>,
    /// The points that must go, at least.
    excess: i64,
    /// The work that is left, counted in rules evaluated.
    left: usize,
}

pub(super) struct Slot {
    pub(super) feature: FeatureRef,
    pub(super) cells: Vec<(i128, i128)>,
    /// Whether some rule's points grow with it.
    is_graded: bool,
    /// The most points that go where it is otherwise: of rules that fire and add, and of those that do not and take away.
    loosens: Vec<usize>,
    spares: bool,
}

/// Where a fact is put.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) slot: usize,
    pub(super) number: i128,
    /// The range that no condition tells apart in which it lies.
    pub(super) cell: (i128, i128),
}

impl<'a> Trial<'a> {
    pub(super) fn new(
        rulebook: &'a Rulebook,
        evaluator: &Evaluator,
        values: &[Option<Value>],
        evaluate: &'a dyn Fn(&[Option<Value>], &mut Findings),
        left: usize,
    ) -> Self {
        let space = Space::of(rulebook, evaluator.features());
        let given = values.iter().enumerate().map(|(slot, value)| Some(space.number(slot, value.as_ref()?))).collect();
        let mut findings = Findings::default();
        evaluate(values, &mut findings);
        let movable: Vec<_> = (0..rulebook.rules().len()).map(|rule| movable(rulebook, rule, &findings)).collect();
        let moves: Vec<_> = (0..movable.len()).filter(|rule| movable[*rule] > 0).collect();
        let slot = |(slot, feature): (usize, &FeatureRef)| Slot {
            feature: *feature,
            cells: space.cells(rulebook, slot),
            is_graded: rulebook.rules().iter().any(|rule| {
                matches!(rule.points, Points::Graded { .. }) && rule.when.first_comparison().feature == *feature
            }),
            loosens: moves
                .iter()
                .copied()
                .filter(|rule| rulebook.rules()[*rule].when.features().contains(feature))
                .collect(),
            spares: rulebook.exemptions().iter().any(|exemption| exemption.when.features().contains(feature)),
        };
        let slots = evaluator.features().iter().enumerate().map(slot).collect();
        let age_known = space.slot(Feature::CustomerAgeKnown);
        let lowest = rulebook.tiers().first().map_or(i64::MAX, |tier| tier.threshold.score_min());
        let excess = findings.score.saturating_sub(lowest).saturating_add(1);
        let values = values.to_vec();
        Self { rulebook, evaluate, space, given, values, slots, age_known, findings, movable, excess, left }
    }

    pub(super) fn passes_now(&self) -> bool {
        self.findings.tier.is_none() || self.findings.exemption.is_some()
    }

    pub(super) const fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// Counts work, as that of so many rules evaluated.
    pub(super) const fn spend(&mut self, rules: usize) {
        self.left = self.left.saturating_sub(rules);
    }

    /// Allows so much work from now on, whatever was left.
    pub(super) const fn allow(&mut self, rules: usize) {
        self.left = rules;
    }

    /// The features a change of which can matter: those of rules and exemptions that could help, and whatever hangs together
    /// with them.
    pub(super) fn relevant(&self) -> Vec<usize> {
        let mut relevant: Vec<_> = self.slots.iter().map(|slot| slot.spares || !slot.loosens.is_empty()).collect();
        let mut groups: Vec<Vec<usize>> = self.space.at_most.iter().map(|(less, more)| vec![*less, *more]).collect();
        groups.extend(self.space.not_both.iter().map(|[(one, _), (other, _)]| vec![*one, *other]));
        groups.extend(self.space.known_means.iter().map(|(known, other, _)| vec![*known, *other]));
        groups.extend(
            self.rulebook
                .rules()
                .iter()
                .map(|rule| rule.when.features().into_iter().map(|feature| self.space.slot_of(feature)).collect()),
        );
        loop {
            let before = relevant.iter().filter(|slot| **slot).count();
            for group in groups.iter().filter(|group| group.len() > 1) {
                if group.iter().any(|slot| relevant[*slot]) {
                    group.iter().for_each(|slot| relevant[*slot] = true);
                }
            }
            if relevant.iter().filter(|slot| **slot).count() == before {
                // That an age is known is no fact beside the age: it becomes so with it.
                let is_fact = |slot: &usize| Some(*slot) != self.age_known;
                return (0..relevant.len()).filter(|slot| relevant[*slot]).filter(is_fact).collect();
            }
        }
    }

    /// The nearest values of exactly these features with which the order passes, and how far they are.
    pub(super) fn nearest(&mut self, slots: &[usize]) -> Option<(u64, Vec<Place>)> {
        if !self.could_help(slots) {
            return None;
        }
        let mut best: Option<(u64, Vec<Place>)> = None;
        let ranges: Vec<_> = slots.iter().map(|slot| self.ways(*slot)).collect();
        each_combination(&ranges, &mut |cells| {
            if let Some(places) = self.inside(slots, cells) {
                let distance = places.iter().map(|place| self.distance(place)).sum();
                if best.as_ref().is_none_or(|(least, _)| distance < *least) {
                    best = Some((distance, places));
                }
            }
            !self.is_spent()
        });
        best
    }

    /// Whether enough points could go, or an exemption hold, were these otherwise.
    fn could_help(&mut self, slots: &[usize]) -> bool {
        if slots.iter().any(|slot| self.slots[*slot].spares) {
            return true;
        }
        let mut rules: Vec<_> = slots.iter().flat_map(|slot| &self.slots[*slot].loosens).copied().collect();
        self.spend(rules.len());
        rules.sort_unstable();
        rules.dedup();
        let most = rules.iter().map(|rule| self.movable[*rule]);
        most.fold(0, i64::saturating_add) >= self.excess
    }

    /// The ranges into which a feature can be moved. Its own is one only where lower values have fewer points.
    fn ways(&self, slot: usize) -> Vec<(i128, i128)> {
        let Slot { cells, is_graded, .. } = &self.slots[slot];
        let Some(now) = self.given[slot] else { return cells.clone() };
        let way = |(from, to): &(i128, i128)| match (*from..=*to).contains(&now) {
            false => Some((*from, *to)),
            true => (*is_graded && *from < now).then(|| (*from, now - 1)),
        };
        cells.iter().filter_map(way).collect()
    }

    /// The nearest values inside these ranges that pass; none when the work is used up before they are found.
    fn inside(&mut self, slots: &[usize], cells: &[(i128, i128)]) -> Option<Vec<Place>> {
        let ranges = self.propagated(slots, cells)?;
        let mut numbers = self.before(slots);
        for (slot, range) in slots.iter().zip(&ranges) {
            numbers[*slot] = Some(if self.slots[*slot].is_graded { *range.start() } else { self.toward(*slot, range) });
        }
        self.lower(slots, &mut numbers);
        if !self.passes(slots, &numbers) {
            return None;
        }
        // Again, because a number may be bound by one that comes after it.
        for _ in 0..slots.len() {
            for (slot, range) in slots.iter().zip(&ranges) {
                self.draw_back(slots, *slot, range, &mut numbers);
            }
        }
        if self.is_spent() {
            return None;
        }
        let places = slots.iter().zip(cells);
        Some(
            places
                .filter_map(|(slot, cell)| Some(Place { slot: *slot, number: numbers[*slot]?, cell: *cell }))
                .collect(),
        )
    }

    /// What is so, before these are put elsewhere; with an age it becomes known that there is one.
    pub(super) fn before(&self, slots: &[usize]) -> Vec<Option<i128>> {
        let mut numbers = self.given.clone();
        if let Some(age_known) = self.becomes_known(slots) {
            numbers[age_known] = Some(1);
        }
        numbers
    }

    fn becomes_known(&self, slots: &[usize]) -> Option<usize> {
        self.age_known.filter(|_| slots.iter().any(|slot| self.slots[*slot].feature.feature == Feature::CustomerAge))
    }

    /// The ranges, cut to what each leaves of the others; none when nothing is left.
    pub(super) fn propagated(&mut self, slots: &[usize], cells: &[(i128, i128)]) -> Option<Vec<RangeInclusive<i128>>> {
        let mut all: Vec<_> = self.given.iter().map(|given| given.map(|number| (number, number))).collect();
        for (slot, cell) in slots.iter().zip(cells) {
            all[*slot] = Some(*cell);
        }
        let concerned = |left: usize, right: usize| slots.contains(&left) || slots.contains(&right);
        for _ in 0..=self.space.at_most.len() {
            self.spend(1 + self.space.at_most.len() / PAIRS_A_RULE);
            let mut is_changed = false;
            for (less, more) in &self.space.at_most {
                let (Some((low, high)), Some((from, to))) = (all[*less], all[*more]) else { continue };
                if !concerned(*less, *more) {
                    continue;
                }
                let (cut, raised) = ((low, high.min(to)), (from.max(low), to));
                is_changed |= cut != (low, high) || raised != (from, to);
                (all[*less], all[*more]) = (Some(cut), Some(raised));
                let fixed =
                    |slot: &usize, range: (i128, i128)| !slots.contains(slot) && Some(range.0) != self.given[*slot];
                if cut.0 > cut.1 || raised.0 > raised.1 || fixed(less, cut) || fixed(more, raised) {
                    return None;
                }
            }
            if !is_changed {
                break;
            }
        }
        slots.iter().map(|slot| all[*slot].map(|(from, to)| from..=to)).collect()
    }

    /// The value of a range that is nearest to what is; for what is not known its beginning, or its end where it is the first.
    fn toward(&self, slot: usize, range: &RangeInclusive<i128>) -> i128 {
        let (from, to) = (*range.start(), *range.end());
        match self.given[slot] {
            Some(now) => now.clamp(from, to),
            None if self.slots[slot].cells.first().is_some_and(|first| first.0 == from) => to,
            None => from,
        }
    }

    /// Lowers what may not be more than another to that other.
    fn lower(&self, slots: &[usize], numbers: &mut [Option<i128>]) {
        for _ in 0..=self.space.at_most.len() {
            let mut is_changed = false;
            for (less, more) in self.space.at_most.iter().filter(|(less, _)| slots.contains(less)) {
                if let (Some(low), Some(high)) = (numbers[*less], numbers[*more])
                    && low > high
                {
                    numbers[*less] = Some(high);
                    is_changed = true;
                }
            }
            if !is_changed {
                return;
            }
        }
    }

    /// Brings one value as near to what it was as it can be.
    fn draw_back(&mut self, slots: &[usize], slot: usize, range: &RangeInclusive<i128>, numbers: &mut [Option<i128>]) {
        let Some(mut good) = numbers[slot] else { return };
        let mut goal = self.toward(slot, range);
        while good != goal && !self.is_spent() {
            let middle = if good < goal { good + (goal - good + 1) / 2 } else { good - (good - goal + 1) / 2 };
            numbers[slot] = Some(middle);
            if self.passes(slots, numbers) {
                good = middle;
            } else {
                goal = if good < goal { middle - 1 } else { middle + 1 };
            }
        }
        numbers[slot] = Some(good);
    }

    pub(super) fn passes(&mut self, slots: &[usize], numbers: &[Option<i128>]) -> bool {
        let pairs = self.space.at_most.len() + self.space.not_both.len() + self.space.known_means.len();
        self.spend(1 + self.rulebook.rules().len() + self.rulebook.exemptions().len() + pairs / PAIRS_A_RULE);
        if !self.space.is_possible(numbers, |slot| slots.contains(&slot)) {
            return false;
        }
        let mut values = std::mem::take(&mut self.values);
        let slots = || slots.iter().copied().chain(self.becomes_known(slots));
        let before: Vec<_> = slots().map(|slot| values[slot].take()).collect();
        for slot in slots() {
            values[slot] = numbers[slot].map(|number| self.space.value(slot, number));
        }
        let mut findings = Findings::default();
        (self.evaluate)(&values, &mut findings);
        for (slot, value) in slots().zip(before) {
            values[slot] = value;
        }
        self.values = values;
        findings.tier.is_none() || findings.exemption.is_some()
    }

    /// How far a fact is moved, in ten-thousandths of the larger of what it was and what it becomes.
    fn distance(&self, place: &Place) -> u64 {
        let Some(now) = self.given[place.slot].filter(|_| self.space.is_number(place.slot)) else { return WHOLE };
        let (by, of) = (now.abs_diff(place.number), now.unsigned_abs().max(place.number.unsigned_abs()).max(1));
        u64::try_from(by.saturating_mul(u128::from(WHOLE)) / of).unwrap_or(u64::MAX).min(2 * WHOLE)
    }
}

/// The most points by which a rule can lower the score when a fact is otherwise.
fn movable(rulebook: &Rulebook, rule: usize, findings: &Findings) -> i64 {
    let fired = findings.fired.iter().find(|fired| fired.rule == rule).map_or(0, |fired| fired.points);
    let least = match rulebook.rules()[rule].points {
        Points::Flat(points) => points,
        Points::Graded { base, .. } => base,
    };
    fired.saturating_sub(least.min(0)).max(0)
}

/// Calls `visit` with one of each, in every combination, until it says no.
pub(super) fn each_combination<T: Copy>(of: &[Vec<T>], visit: &mut dyn FnMut(&[T]) -> bool) {
    let mut places = vec![0; of.len()];
    if of.iter().any(Vec::is_empty) {
        return;
    }
    loop {
        let chosen: Vec<_> = places.iter().zip(of).map(|(place, of)| of[*place]).collect();
        if !visit(&chosen) {
            return;
        }
        let Some(at) = (0..of.len()).rev().find(|at| places[*at] + 1 < of[*at].len()) else { return };
        places[at] += 1;
        places[at + 1..].fill(0);
    }
}
