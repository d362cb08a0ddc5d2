//! The one who folds the log and asks the draft about each screening of the period.

mod corrected;
mod tracked;

use std::sync::Arc;

use domain::feature::{Feature, FeatureRef, Value};
use domain::forecast::Tally;
use domain::order::ScoredCause;
use domain::rulebook::{Findings, Rulebook};
use domain::time::Timestamp;
use eventlog::{EventLog, LogError, Position, StreamId};
use rustc_hash::FxHashSet;

use super::cases::{Case, Cases, Naming};
use super::outcome::Marks;
use super::step::{Content, Screened, Step};
use super::verdict::{DRAFT, Verdict, Verdicts};
use super::{Trial, TrialError};
use crate::before::before;
use crate::correction::{Before, Correction, Counted};
use crate::memory::Memory;
use corrected::Drafted;
use tracked::{AtHand, EarlyMarks, Told, Tracked};

const FAMILIAR: FeatureRef = FeatureRef { feature: Feature::AddressFamiliar, window: None };

/// See the module.
pub(super) struct Tester {
    trial: Trial,
    /// With the draft in force.
    memory: Memory,
    /// The version that was in force.
    in_force: Option<(u32, Arc<Rulebook>)>,
    tracked: AtHand,
    early: EarlyMarks,
    /// Orders that are held by somebody's word.
    held: FxHashSet<StreamId>,
    /// The order that was amended last, as it was before.
    amended: Option<(StreamId, Before)>,
    tested: Tested,
    findings: Findings,
    draft: Verdict,
}

/// What was found of the orders.
pub(super) struct Tested {
    pub(super) cases: Cases,
    pub(super) verdicts: Verdicts,
    /// What the draft comes to by first screenings.
    pub(super) first: Tally,
    /// When the last event was recorded.
    pub(super) end: Timestamp,
}

impl Tester {
    pub(super) fn new(trial: Trial) -> Self {
        let evaluator = trial.rulebook.compile(DRAFT);
        let reach = evaluator.sweeps().iter().filter_map(|sweep| sweep.feature.window).max().unwrap_or_default();
        let features = evaluator.features().iter().copied().chain([FAMILIAR]).collect();
        Self {
            memory: Memory::trying(trial.merchant.clone(), features),
            in_force: None,
            tracked: AtHand::default(),
            early: EarlyMarks::default(),
            held: FxHashSet::default(),
            amended: None,
            tested: Tested {
                cases: Cases::new(trial.from, trial.to, reach),
                verdicts: Verdicts::new(trial.rulebook.clone()),
                first: Tally::default(),
                end: Timestamp::default(),
            },
            findings: Findings::default(),
            draft: Verdict::default(),
            trial,
        }
    }

    pub(super) fn end(self) -> Tested {
        self.tested
    }

    /// Takes in the next event, of which nothing is left, and leaves there what is to be let go.
    pub(super) async fn take(&mut self, log: &dyn EventLog, step: &mut Step) -> Result<(), TrialError> {
        self.tested.end = step.recorded_at;
        let (stream, recorded_at) = (step.stream, step.recorded_at);
        let merchant = step.other.as_ref().unwrap_or(&self.trial.merchant);
        match std::mem::replace(&mut step.content, Ok(Content::Nothing))? {
            Content::Placed(placement) => {
                self.memory.place_order(merchant, stream, &placement.facts, recorded_at);
                // One of which not all that came before is at hand is read from the log when it is needed.
                if step.other.is_none()
                    && let Some(marks) = self.early.take(stream, step.sequence)
                {
                    // The step takes away what there is no more room for.
                    let gone = self.tracked.put(stream, Tracked::placed(placement, recorded_at, marks));
                    step.content = Ok(gone.map_or(Content::Nothing, |gone| Content::Placed(gone.placement)));
                }
            }
            Content::Amended(event) => {
                if step.other.is_none() {
                    self.amended = Some((stream, self.before(stream)));
                }
                self.memory.apply_order(merchant, stream, &event, recorded_at);
                if let Some(tracked) = self.tracked.get_mut(stream) {
                    tracked.follow(&event);
                }
            }
            Content::Reported(status, at) => {
                self.memory.report_on_order(merchant, stream, status, recorded_at);
                let report = |marks: &mut Marks| marks.report(status, at);
                if step.other.is_none() && !self.mark(stream, report) {
                    self.early.note(stream, step.sequence, report);
                }
            }
            Content::Screened(screened) => self.screened(log, step, screened).await?,
            Content::Held(is_held) => self.hold(step.stream, is_held),
            Content::Published(published) => {
                self.memory.try_out(&self.trial.merchant, &self.trial.rulebook);
                self.in_force = Some((published.version, Arc::new(published.rulebook)));
            }
            Content::Nothing => {}
            Content::Other(event) => self.memory.fold(&event)?,
        }
        Ok(())
    }

    /// Notes what became of an order: with what was found of it, or until something is. `false` where it is not at hand.
    fn mark(&mut self, stream: StreamId, mark: impl Fn(&mut Marks)) -> bool {
        let case = self.tested.cases.get_mut(stream).map(|case| &mut case.marks);
        let marks = case.or_else(|| self.tracked.get_mut(stream).map(|tracked| &mut tracked.marks));
        marks.map(mark).is_some()
    }

    /// Nearly every order is let go when it comes, and was never held.
    fn hold(&mut self, stream: StreamId, is_held: bool) {
        let is_news = if is_held { self.held.insert(stream) } else { self.held.remove(&stream) };
        if is_news {
            self.mark(stream, |marks| marks.hold(is_held));
        }
    }

    /// Has an order tracked as it stood before a position.
    async fn take_in(&mut self, log: &dyn EventLog, stream: StreamId, at: Position) -> Result<(), LogError> {
        if !self.tracked.keep(stream)
            && let Some(told) = before(log, stream, at, Told::with).await?.placed
        {
            self.tracked.put(stream, told);
        }
        Ok(())
    }

    /// Takes in a recorded screening, and asks the draft where the order's own messages made it necessary.
    async fn screened(&mut self, log: &dyn EventLog, step: &Step, screened: Screened) -> Result<(), TrialError> {
        let (stream, is_own, cause) = (step.stream, screened.is_own, screened.cause);
        self.take_in(log, stream, step.position).await?;
        let tracked = self.tracked.get(stream);
        let tracked = tracked.ok_or_else(|| damaged(step, "is of an order that is not placed"))?;
        let time = tracked.time();
        let is_wanted = self.tested.cases.wants(time);
        if !is_wanted {
            if let (Some(case), Some(tracked)) = (self.tested.cases.leave(stream), self.tracked.get_mut(stream)) {
                tracked.marks = case.marks;
            }
        } else if is_own {
            self.ask(log, step, screened, time).await?;
        } else {
            let actual = self.recorded(step, &screened)?;
            if let Some(case) = self.tested.cases.get_mut(stream) {
                (case.position, case.actual) = (step.position, actual);
            }
            self.name(stream);
        }
        if is_own {
            self.correct(log, step, cause, is_wanted).await?;
        }
        Ok(())
    }

    /// The number of what was decided.
    fn recorded(&mut self, step: &Step, screened: &Screened) -> Result<u32, TrialError> {
        let in_force = self.in_force.as_ref();
        let (version, book) = in_force.ok_or_else(|| damaged(step, "is before the first rulebook"))?;
        let verdicts = &mut self.tested.verdicts;
        let book = verdicts.book_or(*version, book);
        let actual = Verdict::recorded(*version, &book.rulebook, screened)
            .ok_or_else(|| damaged(step, "names what its rulebook does not have"))?;
        Ok(verdicts.number(&actual))
    }

    /// Asks the draft about an order that is screened because of its own messages.
    async fn ask(
        &mut self,
        log: &dyn EventLog,
        step: &Step,
        screened: Screened,
        time: Timestamp,
    ) -> Result<(), TrialError> {
        let (stream, actual) = (step.stream, self.recorded(step, &screened)?);
        let mut swept = Vec::new();
        let is_new = screened.cause == ScoredCause::Placed;
        if !is_new && self.drafted(stream).is_some_and(|last| !last.hits.is_empty()) {
            let merchant = self.trial.merchant.clone();
            let mut drafted = Drafted { tester: self, log, position: step.position };
            swept = Correction::new(&mut drafted, &merchant).swept_so_far(stream).await?;
        }
        if let Some(found) = screened.found {
            self.findings = found;
            self.conclude(stream);
        } else if !self.find(stream, &swept) {
            return Err(damaged(step, "is of an unknown merchant"));
        }
        let Tested { cases, verdicts, first, .. } = &mut self.tested;
        if is_new && cases.is_of_period(time) {
            first.count(self.draft.action(&self.trial.rulebook));
        }
        let tracked = self.tracked.get(stream);
        let Tracked { placement, marks, .. } =
            tracked.ok_or_else(|| damaged(step, "is of an order that is not placed"))?;
        let case = Case {
            position: step.position,
            time,
            payment_due_at: placement.facts.payment_due_at.unwrap_or(Timestamp::from_millis(i64::MAX)),
            actual,
            draft: verdicts.number(&self.draft),
            marks: *marks,
            naming: Naming::default(),
        };
        let differ = verdicts.get(actual).is_hit() != self.draft.is_hit();
        cases.put(stream, case)?;
        if differ {
            self.name(stream);
        }
        Ok(())
    }

    /// What the draft finds of an order that is tracked, with rules that count as fired because of others. `false` for a merchant
    /// that is not known.
    fn find(&mut self, stream: StreamId, swept: &[Counted<()>]) -> bool {
        let Self { trial: Trial { merchant, .. }, memory, tracked, findings, .. } = self;
        let Some(Tracked { placement, .. }) = tracked.get(stream) else { return false };
        let is_swept = |rule: &Arc<str>| swept.iter().any(|swept| swept.rule == *rule);
        let is_found = memory.find(merchant, stream, placement, is_swept, findings).is_some();
        if is_found {
            self.conclude(stream);
        }
        is_found
    }

    /// What the draft does with an order after what was found of it.
    fn conclude(&mut self, stream: StreamId) {
        self.draft.find(&self.findings);
        // Who is held out of what rules do is so by whatever rulebook.
        if self.memory.holds_out(&self.trial.merchant, stream) {
            self.draft.hold_out();
        }
    }

    /// What the draft found of an order last.
    fn drafted(&self, stream: StreamId) -> Option<&Verdict> {
        let Tested { cases, verdicts, .. } = &self.tested;
        cases.get(stream).map(|case| verdicts.get(case.draft))
    }

    /// Notes what makes an order one to be named apart, where the two sides differ in whether they stop it.
    fn name(&mut self, stream: StreamId) {
        let Self { trial: Trial { merchant, .. }, memory, tracked, tested, .. } = self;
        let (Some(case), Some(tracked)) = (tested.cases.get_mut(stream), tracked.get(stream)) else { return };
        let verdicts = &tested.verdicts;
        let actual = verdicts.get(case.actual);
        if actual.is_hit() == verdicts.get(case.draft).is_hit() {
            case.naming = Naming::default();
            return;
        }
        let vip_level =
            [DRAFT, actual.version].into_iter().filter_map(|version| verdicts.book(version).vip_level).min();
        let level = tracked.placement.facts.customer.as_ref().and_then(|customer| customer.level);
        let values = memory.look(merchant, stream, &tracked.placement, &[FAMILIAR]);
        let is_familiar = values.is_some_and(|values| *values == [Some(Value::Bool(true))]);
        let is_vip = vip_level.zip(level).is_some_and(|(vip, level)| i64::from(level) >= vip);
        case.naming = Naming { is_vip, is_familiar };
    }
}

fn damaged(step: &Step, what: &str) -> TrialError {
    LogError::Damaged(format!("the screening at position {} {what}", step.position)).into()
}
