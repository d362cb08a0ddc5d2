//! What may be said of the values that were found: as much as all of it passes.

use super::FactChange;
use super::trial::{Place, Trial, each_combination};
use crate::feature::Value;
use crate::rulebook::check::space::Space;
use crate::rulebook::{Relation, Test};

/// The most corners of an answer that are looked at to word it as a range.
const CORNERS_MAX: usize = 256;

impl Trial<'_> {
    /// The changes with what may be said of each: a whole range where all of it passes, and the value itself where not.
    pub(super) fn worded(&mut self, places: &[Place]) -> Vec<FactChange> {
        let narrow: Vec<_> = places.iter().map(|place| vec![self.narrow(place)]).collect();
        let wide: Vec<_> = (0..places.len()).map(|at| self.reach(places, at, &narrow)).collect();
        let reaches = if self.all_pass(places, &wide) { wide } else { narrow };
        places.iter().zip(reaches).map(|(place, reach)| self.change(place, &reach)).collect()
    }

    fn narrow(&self, place: &Place) -> (i128, i128) {
        if self.space.is_number(place.slot) { (place.number, place.number) } else { place.cell }
    }

    /// The ranges that one would like to name: all from the value on away from what was, or all texts that pass as well.
    fn reach(&mut self, places: &[Place], at: usize, narrow: &[Vec<(i128, i128)>]) -> Vec<(i128, i128)> {
        let place = places[at];
        let cells = self.slots[place.slot].cells.clone();
        if !self.space.is_number(place.slot) {
            let mut reaches = narrow.to_vec();
            let own = self.given[place.slot];
            let passes = |cell: &(i128, i128)| {
                reaches[at] = vec![*cell];
                self.all_pass(places, &reaches)
            };
            let others = cells.into_iter().filter(|(from, to)| own.is_none_or(|own| !(*from..=*to).contains(&own)));
            return others.filter(passes).collect();
        }
        let is_lower = match self.given[place.slot] {
            Some(now) => place.number < now,
            None => cells.first().is_some_and(|first| first.1 >= place.number),
        };
        let cut = |(from, to): (i128, i128)| {
            if is_lower { (from, to.min(place.number)) } else { (from.max(place.number), to) }
        };
        cells.into_iter().map(cut).filter(|(from, to)| from <= to).collect()
    }

    /// Whether an order passes wherever in these ranges its facts are, as far as they can be there.
    fn all_pass(&mut self, places: &[Place], reaches: &[Vec<(i128, i128)>]) -> bool {
        let corners = reaches.iter().fold(1_usize, |all, reach| all.saturating_mul(reach.len()));
        if corners > CORNERS_MAX || self.is_spent() {
            return false;
        }
        let slots: Vec<_> = places.iter().map(|place| place.slot).collect();
        let mut holds = true;
        each_combination(reaches, &mut |cells| {
            let Some(ranges) = self.propagated(&slots, cells) else { return true };
            let mut numbers = self.before(&slots);
            for (slot, range) in slots.iter().zip(&ranges) {
                numbers[*slot] = Some(*range.end());
            }
            let is_possible = self.space.is_possible(&numbers, |slot| slots.contains(&slot));
            holds = !is_possible || self.passes(&slots, &numbers);
            holds
        });
        holds
    }

    fn change(&self, place: &Place, reach: &[(i128, i128)]) -> FactChange {
        let slot = place.slot;
        let (feature, from) = (self.slots[slot].feature, self.values[slot].clone());
        let nearest = self.space.value(slot, place.number);
        let to = match &nearest {
            Value::Text(_) => self.one_of(slot, reach),
            Value::Bool(_) => Test::Is(Relation::Equal, nearest.clone()),
            _ if reach == [(place.number, place.number)] => Test::Is(Relation::Equal, nearest.clone()),
            _ => {
                let is_lower = reach.last().is_some_and(|last| last.1 == place.number);
                self.bound(place, is_lower)
            }
        };
        FactChange { feature, from, to, nearest }
    }

    /// A bound, with the constant that the rules name where they name one there.
    fn bound(&self, place: &Place, is_lower: bool) -> Test {
        let slot = &self.slots[place.slot];
        let next = if is_lower { place.number + 1 } else { place.number - 1 };
        let is_named =
            |number: i128| Space::is_named(self.rulebook, slot.feature, &self.space.value(place.slot, number));
        let is_fine = !matches!(self.space.value(place.slot, next), Value::Int(_));
        let (relation, number) = match (is_lower, is_fine && is_named(next) && !is_named(place.number)) {
            (true, true) => (Relation::Less, next),
            (true, false) => (Relation::AtMost, place.number),
            (false, true) => (Relation::Greater, next),
            (false, false) => (Relation::AtLeast, place.number),
        };
        Test::Is(relation, self.space.value(place.slot, number))
    }

    /// The texts of some ranges; where texts that no rule names are among them, all but the others.
    fn one_of(&self, slot: usize, reach: &[(i128, i128)]) -> Test {
        let texts = self.space.texts(slot);
        let holds = |place: usize| {
            let code = i128::try_from(place).unwrap_or(i128::MAX);
            reach.iter().any(|(from, to)| (*from..=*to).contains(&code))
        };
        let (inside, outside): (Vec<_>, Vec<_>) = (0..texts.len()).partition(|place| holds(*place));
        let values =
            |places: &[usize]| places.iter().map(|place| Value::Text(texts[*place].clone())).collect::<Vec<_>>();
        let is_open = holds(texts.len());
        let are_all =
            self.space.domains[slot].last().is_some_and(|(_, last)| usize::try_from(*last) != Ok(texts.len()));
        match (is_open || are_all && outside.len() < inside.len(), &inside[..], &outside[..]) {
            (true, _, [only]) => Test::Is(Relation::NotEqual, Value::Text(texts[*only].clone())),
            (true, _, outside) => Test::NotIn(values(outside)),
            (false, [only], _) => Test::Is(Relation::Equal, Value::Text(texts[*only].clone())),
            (false, inside, _) => Test::In(values(inside)),
        }
    }
}
