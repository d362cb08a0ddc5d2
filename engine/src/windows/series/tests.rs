//! A series and the distinct values on it, against plain lists, over many blocks.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::distinct::Distinct;
use super::super::order::Key;
use super::super::tally::Units;
use super::*;

/// Something done to a series, at a time and with a number.
#[derive(Clone, Debug)]
enum Change {
    Append,
    Insert(i64),
    Remove(prop::sample::Index),
    Evict,
    Update(prop::sample::Index),
}

fn changes() -> impl Strategy<Value = Vec<(Change, u64)>> {
    let change = prop_oneof![
        10 => Just(Change::Append),
        4 => (0..400i64).prop_map(Change::Insert),
        1 => any::<prop::sample::Index>().prop_map(Change::Remove),
        2 => Just(Change::Evict),
        2 => any::<prop::sample::Index>().prop_map(Change::Update),
    ];
    prop::collection::vec((change, 0..9u64), 0..1_500)
}

fn stretches(newest: i64) -> impl Iterator<Item = Stretch> {
    let ends = [0, newest / 3, newest / 2, newest - 3, newest, newest + 1];
    ends.into_iter().flat_map(move |through| [1, 7, 100, newest].map(|w| Stretch { after: through - w, through }))
}

/// The entries that a series should hold, and the latest time that was evicted.
#[derive(Default)]
struct Plain {
    entries: BTreeMap<(i64, u64), u64>,
    evicted: i64,
    newest: i64,
    arrivals: u64,
}

impl Plain {
    fn place(&mut self, time: i64) -> Position {
        self.arrivals += 1;
        self.newest = self.newest.max(time);
        Position { time, arrival: self.arrivals }
    }

    fn chosen(&self, index: prop::sample::Index) -> Option<Position> {
        let length = self.entries.len();
        let key = (length > 0).then(|| self.entries.keys().nth(index.index(length)))??;
        Some(Position { time: key.0, arrival: key.1 })
    }

    /// Where a change takes place.
    fn position(&mut self, change: &Change) -> Option<Position> {
        match change {
            Change::Append => Some(self.place(self.newest + 1)),
            Change::Insert(late) => Some(self.place((self.newest - late).max(self.evicted + 1))),
            Change::Remove(index) | Change::Update(index) => self.chosen(*index),
            Change::Evict => {
                let first = self.entries.keys().next().copied();
                first.map(|(time, arrival)| Position { time, arrival })
            }
        }
    }

    fn within(&self, stretch: Stretch) -> impl Iterator<Item = u64> {
        self.entries.iter().filter(move |((time, _), _)| stretch.holds(*time)).map(|(_, value)| *value)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_series_sums_what_a_list_sums(changes in changes()) {
        let (mut plain, mut series) = (Plain::default(), Series::default());
        for (change, units) in changes {
            let Some(position) = plain.position(&change) else { continue };
            let key = (position.time, position.arrival);
            match change {
                Change::Append | Change::Insert(_) => {
                    plain.entries.insert(key, units);
                    series.insert(Units { position, units });
                }
                Change::Remove(_) | Change::Evict => {
                    let removed = series.remove(position).map(|entry| entry.units);
                    prop_assert_eq!(removed, plain.entries.remove(&key));
                }
                Change::Update(_) => {
                    plain.entries.insert(key, units);
                    series.update(position, |entry| entry.units = units);
                }
            }
            let first = series.first().map(|entry| (entry.position.time, entry.position.arrival));
            prop_assert_eq!(first, plain.entries.keys().next().copied());
            let before = series.before(position).map(|entry| entry.units);
            prop_assert_eq!(before, plain.entries.range(..key).next_back().map(|(_, units)| *units));
        }
        prop_assert_eq!(series.is_empty(), plain.entries.is_empty());
        for stretch in stretches(plain.newest) {
            let listed: Vec<u64> = plain.within(stretch).collect();
            prop_assert_eq!(series.sum(stretch).0, listed.iter().sum::<u64>());
            prop_assert_eq!(series.within(stretch).map(|entry| entry.units).collect::<Vec<_>>(), listed);
        }
    }

    #[test]
    fn distinct_values_are_those_of_a_list(changes in changes(), values in 1..200u64) {
        let (mut plain, mut distinct) = (Plain::default(), Distinct::default());
        for (change, number) in changes {
            let Some(position) = plain.position(&change) else { continue };
            let key = (position.time, position.arrival);
            let value = Key::new(1 + (number * 31 + position.arrival * 17) % values).unwrap();
            let known = plain.entries.get(&key).and_then(|value| Key::new(*value));
            if plain.arrivals.is_multiple_of(97) {
                // From here on the openings of this window are kept up.
                distinct.count(Stretch { after: plain.newest / 2 - 100, through: plain.newest / 2 });
            }
            match (change, known) {
                (Change::Remove(_) | Change::Update(_), Some(known)) => {
                    distinct.remove(position, known);
                    plain.entries.remove(&key);
                }
                (Change::Evict, _) => {
                    // Orders of equal time are forgotten together.
                    while let Some(((time, arrival), value)) = plain.entries.first_key_value() {
                        if *time > position.time {
                            break;
                        }
                        distinct.evict(Position { time: *time, arrival: *arrival }, Key::new(*value).unwrap());
                        plain.entries.pop_first();
                    }
                    plain.evicted = plain.evicted.max(position.time);
                }
                _ => {
                    distinct.insert(position, value);
                    distinct.mark(value, is_marked(value));
                    plain.entries.insert(key, value.get());
                }
            }
        }
        for stretch in stretches(plain.newest).filter(|stretch| stretch.after >= plain.evicted) {
            let mut listed: Vec<u64> = plain.within(stretch).collect();
            listed.sort_unstable();
            listed.dedup();
            prop_assert_eq!(distinct.count(stretch), listed.len());
            let all = (1..=values).filter_map(Key::new);
            let (known, later) = (all.clone().filter(|value| is_known(*value)), all.filter(|value| is_marked(*value)));
            let unknown = distinct.count_unknown(stretch, later.filter(|value| !is_known(*value)), known, is_known);
            listed.retain(|value| Key::new(*value).is_some_and(|value| !is_known(value)));
            prop_assert_eq!(unknown, listed.len());
        }
    }
}

const fn is_marked(value: Key) -> bool {
    value.get().is_multiple_of(3)
}

/// Marked ones, and not all of these.
const fn is_known(value: Key) -> bool {
    value.get().is_multiple_of(6)
}
