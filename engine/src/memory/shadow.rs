//! The draft in the shadow, and how its findings compare with the live ones so far.
//!
//! Windows are observed once for what both books read: the live book's features first, in its own order, and behind them what
//! only the draft names. The comparison counts orders by their first screening, and is bounded: a draft has few tiers, and of
//! live ones no more than [`LIVE_TIERS_MAX`] are told apart.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::feature::{FeatureRef, Value};
use domain::ids::DraftId;
use domain::order::{Scored, ScoredCause};
use domain::rulebook::{Evaluator, Rulebook};
use domain::screening::shadow;
use domain::shadow::{Shadow, ShadowEvent, ShadowStarted, Shadowed};
use domain::time::Timestamp;

use crate::bytes::{Reader, Writer};
use crate::work::{Comparison, Matrix};

/// The most tiers of live books that are told apart while one draft is compared; others are counted together.
const LIVE_TIERS_MAX: usize = 64;
/// What those are counted under; no tier can have this id.
const OTHER_TIERS: &str = "(other)";

/// What is known of a merchant's shadow.
#[derive(Default)]
pub(super) struct Seat {
    /// How many events its stream has.
    events: u64,
    /// The last draft there, which runs until it has an end.
    last: Option<Trial>,
}

/// A draft that runs or ran.
struct Trial {
    standing: Comparison,
    rulebook: Arc<Rulebook>,
    evaluator: Evaluator,
    /// What is observed while it runs.
    row: Vec<FeatureRef>,
    /// Where each of the draft's features lies in the row.
    slots: Vec<usize>,
    values: Vec<Option<Value>>,
}

impl Seat {
    /// The aggregate as of its last event, and how many it has.
    pub(super) fn aggregate(&self) -> (Shadow, u64) {
        let shadow = self.last.as_ref().map_or_else(Shadow::default, |trial| {
            let Comparison { draft, revision, until, .. } = &trial.standing;
            let of = if until.is_some() { Shadow::ended } else { Shadow::running };
            of(draft.clone(), *revision)
        });
        (shadow, self.events)
    }

    /// The draft that runs.
    pub(super) fn running(&self) -> Option<&DraftId> {
        self.trial().map(|trial| &trial.standing.draft)
    }

    /// What is known of the draft that was there last, if it is this one.
    pub(super) fn comparison(&self, draft: &DraftId) -> Option<Comparison> {
        self.last.as_ref().map(|trial| &trial.standing).filter(|standing| standing.draft == *draft).cloned()
    }

    pub(super) fn apply(&mut self, event: &ShadowEvent, live: Option<&Evaluator>, recorded_at: Timestamp) {
        self.events += 1;
        match event {
            ShadowEvent::ShadowStarted(started) => {
                let mut trial = Trial::new(Comparison::begun(started, recorded_at), started.rulebook.clone());
                trial.stand_beside(live);
                self.last = Some(trial);
            }
            ShadowEvent::ShadowEnded(_) => {
                if let Some(trial) = &mut self.last {
                    trial.standing.until = Some(recorded_at);
                }
            }
        }
    }

    /// Another book is live.
    pub(super) fn stand_beside(&mut self, live: &Evaluator) {
        if let Some(trial) = &mut self.last {
            trial.stand_beside(Some(live));
        }
    }

    /// What must be observed for the draft that runs and the live book together, the live book's first.
    pub(super) fn row(&self) -> Option<&[FeatureRef]> {
        self.trial().map(|trial| trial.row.as_slice())
    }

    /// What the draft that runs finds of an order with these values of its row.
    pub(super) fn find(&mut self, row: &[Option<Value>]) -> Option<Box<Shadowed>> {
        let trial = self.last.as_mut().filter(|trial| trial.standing.until.is_none())?;
        trial.values.clear();
        trial.values.extend(trial.slots.iter().map(|slot| row[*slot].clone()));
        let Comparison { draft, revision, .. } = &trial.standing;
        Some(Box::new(shadow(&trial.evaluator, &trial.values, draft.clone(), *revision)))
    }

    /// Takes a screening into the comparison; those after the first of an order count nothing.
    pub(super) fn count(&mut self, scored: &Scored) {
        let Some(found) = scored.shadow.as_ref().filter(|_| scored.cause == ScoredCause::Placed) else { return };
        if let Some(trial) = &mut self.last {
            trial.standing.count(scored.tier.clone(), found.tier.clone());
        }
    }

    fn trial(&self) -> Option<&Trial> {
        self.last.as_ref().filter(|trial| trial.standing.until.is_none())
    }

    /// What a snapshot keeps of it.
    pub(super) fn kept(&self) -> KeptSeat {
        let last = self.last.as_ref().map(|trial| (trial.standing.clone(), trial.rulebook.clone()));
        KeptSeat { events: self.events, last }
    }
}

impl Trial {
    fn new(standing: Comparison, rulebook: impl Into<Arc<Rulebook>>) -> Self {
        let rulebook = rulebook.into();
        // The version means nothing here: what a draft finds is recorded under its own name.
        let evaluator = rulebook.compile(0);
        Self { standing, rulebook, evaluator, row: vec![], slots: vec![], values: vec![] }
    }

    fn stand_beside(&mut self, live: Option<&Evaluator>) {
        self.row = live.map(|live| live.features().to_vec()).unwrap_or_default();
        self.slots.clear();
        for feature in self.evaluator.features() {
            let known = self.row.iter().position(|other| other == feature);
            self.slots.push(known.unwrap_or_else(|| {
                self.row.push(*feature);
                self.row.len() - 1
            }));
        }
    }
}

impl Comparison {
    fn begun(started: &ShadowStarted, since: Timestamp) -> Self {
        let ShadowStarted { draft, revision, hash, .. } = started;
        let (draft, hash) = (draft.clone(), hash.clone());
        Self { draft, revision: *revision, hash, since, until: None, orders: 0, matrix: Matrix::new() }
    }

    fn count(&mut self, live: Arc<str>, draft: Arc<str>) {
        self.orders += 1;
        let has_room = self.matrix.len() < LIVE_TIERS_MAX || self.matrix.contains_key(&live);
        let live = if has_room { live } else { OTHER_TIERS.into() };
        *self.matrix.entry(live).or_default().entry(draft).or_default() += 1;
    }

    fn write(&self, writer: &mut Writer) {
        writer.text(self.draft.as_str());
        writer.number(self.revision.into());
        writer.text(&self.hash);
        writer.signed(self.since.millis());
        writer.byte(self.until.is_some().into());
        writer.signed(self.until.unwrap_or(self.since).millis());
        writer.number(self.orders);
        writer.count(self.matrix.len());
        for (live, row) in &self.matrix {
            writer.text(live);
            writer.count(row.len());
            for (draft, orders) in row {
                writer.text(draft);
                writer.number(*orders);
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let draft = reader.text()?.parse().ok()?;
        let revision = u32::try_from(reader.number()?).ok()?;
        let hash = reader.text()?.into();
        let since = Timestamp::from_millis(reader.signed()?);
        let has_ended = reader.byte()? != 0;
        let until = Some(Timestamp::from_millis(reader.signed()?)).filter(|_| has_ended);
        let orders = reader.number()?;
        let mut matrix = Matrix::new();
        for _ in 0..reader.count()? {
            let live = reader.text()?.into();
            let mut row = BTreeMap::new();
            for _ in 0..reader.count()? {
                row.insert(reader.text()?.into(), reader.number()?);
            }
            matrix.insert(live, row);
        }
        Some(Self { draft, revision, hash, since, until, orders, matrix })
    }
}

/// A [`Seat`] as it was at one moment.
pub(super) struct KeptSeat {
    events: u64,
    last: Option<(Comparison, Arc<Rulebook>)>,
}

impl KeptSeat {
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.number(self.events);
        writer.byte(self.last.is_some().into());
        if let Some((standing, rulebook)) = &self.last {
            standing.write(writer);
            writer.text(&rulebook.to_json());
        }
    }
}

impl Seat {
    /// Reads what [`KeptSeat::write`] wrote.
    pub(super) fn read(reader: &mut Reader<'_>, live: Option<&Evaluator>) -> Option<Self> {
        let events = reader.number()?;
        let last = match reader.byte()? {
            0 => None,
            _ => {
                let standing = Comparison::read(reader)?;
                let mut trial = Trial::new(standing, Rulebook::read(reader.text()?.as_bytes()).ok()?);
                trial.stand_beside(live);
                Some(trial)
            }
        };
        Some(Self { events, last })
    }
}

#[cfg(test)]
mod tests {
    use domain::rulebook::preset;

    use super::*;

    fn begun(rulebook: Rulebook) -> Seat {
        let hash = rulebook.hash().into();
        let started = ShadowStarted { draft: "d1".parse().unwrap(), revision: 1, rulebook, hash, actor: "ana".into() };
        let mut seat = Seat::default();
        let live = preset("growth").unwrap().compile(1);
        seat.apply(&ShadowEvent::ShadowStarted(started), Some(&live), Timestamp::from_millis(0));
        seat
    }

    #[test]
    fn both_books_are_read_from_one_row_without_anything_twice_the_live_ones_first() {
        let (growth, starter) = (preset("growth").unwrap().compile(1), preset("starter").unwrap().compile(0));
        let seat = begun(preset("starter").unwrap());
        let row = seat.row().unwrap();
        let (first, rest) = row.split_at(growth.features().len());
        assert_eq!(first, growth.features());
        assert!(!rest.is_empty() && rest.iter().all(|feature| !first.contains(feature)));
        assert!(rest.len() < starter.features().len(), "what both read is not there twice");
        let slots = &seat.trial().unwrap().slots;
        let read: Vec<_> = slots.iter().map(|slot| row[*slot]).collect();
        assert_eq!(read, starter.features());
    }

    #[test]
    fn tiers_beyond_the_limit_are_counted_together() {
        let mut comparison = begun(preset("starter").unwrap()).comparison(&"d1".parse().unwrap()).unwrap();
        for round in 1..=2 {
            for tier in 0..LIVE_TIERS_MAX + 6 {
                comparison.count(format!("tier-{tier}").into(), "pass".into());
            }
            assert_eq!(comparison.matrix.len(), LIVE_TIERS_MAX + 1);
            assert_eq!(comparison.matrix["tier-0"]["pass"], round);
            assert_eq!(comparison.matrix[OTHER_TIERS]["pass"], 6 * round, "none is lost");
        }
    }
}
