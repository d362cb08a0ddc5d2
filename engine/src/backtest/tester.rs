//! The one who folds the log and asks the draft about each screening of the period.

use std::num::NonZeroUsize;
use std::sync::Arc;

use domain::feature::{Feature, FeatureRef, Value};
use domain::forecast::Tally;
use domain::order::{OrderEvent, Placed, ScoredCause};
use domain::rulebook::{Evaluator, Findings};
use domain::time::{Timestamp, window_time};
use eventlog::{EventLog, LogError, StreamId};
use lru::LruCache;
use rustc_hash::{FxBuildHasher, FxHashSet};

use super::cases::{Case, Cases, Naming};
use super::outcome::Marks;
use super::step::{Content, Screened, Step, is_somebodys_word};
use super::verdict::{DRAFT, Verdict, Verdicts};
use super::{Trial, TrialError};
use crate::before::before;
use crate::memory::Memory;
use crate::placement::Placement;

/// The most orders whose facts are kept; those of others are read again from the log when they are needed.
const TRACKED_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");
const FAMILIAR: FeatureRef = FeatureRef { feature: Feature::AddressFamiliar, window: None };

/// See the module.
pub(super) struct Tester {
    trial: Trial,
    evaluator: Evaluator,
    memory: Memory,
    tracked: LruCache<StreamId, Tracked, FxBuildHasher>,
    /// Orders that are held by somebody's word.
    held: FxHashSet<StreamId>,
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

/// An order of the merchant as far as it is needed.
struct Tracked {
    placement: Box<Placement>,
    recorded_at: Timestamp,
    marks: Marks,
}

impl Tracked {
    fn placed(placement: Box<Placement>, recorded_at: Timestamp) -> Self {
        Self { placement, recorded_at, marks: Marks::default() }
    }

    /// Takes in what happened to it after its placement.
    fn follow(&mut self, event: &OrderEvent) {
        match event {
            OrderEvent::Amended(amended) => self.placement.facts.absorb(&amended.changes),
            OrderEvent::StatusReported(report) => self.marks.report(report.status),
            OrderEvent::Frozen(frozen) => self.marks.hold(is_somebodys_word(frozen.cause)),
            OrderEvent::FreezeConfirmed(_) => self.marks.hold(true),
            OrderEvent::Released(_) => self.marks.hold(false),
            _ => {}
        }
    }

    /// The time at which windows place it.
    fn time(&self) -> Timestamp {
        let placed_at = self.placement.facts.placed_at.unwrap_or(self.recorded_at);
        window_time(placed_at, self.recorded_at)
    }
}

impl Tester {
    pub(super) fn new(trial: Trial) -> Self {
        Self {
            evaluator: trial.rulebook.compile(DRAFT),
            memory: Memory::default(),
            tracked: LruCache::with_hasher(TRACKED_MAX, FxBuildHasher),
            held: FxHashSet::default(),
            tested: Tested {
                cases: Cases::default(),
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

    /// Takes in the next event.
    pub(super) async fn take(&mut self, log: &dyn EventLog, mut step: Step) -> Result<(), TrialError> {
        self.tested.end = step.recorded_at;
        let (stream, recorded_at) = (step.stream, step.recorded_at);
        let merchant = step.other.as_ref().unwrap_or(&self.trial.merchant);
        match std::mem::replace(&mut step.content, Ok(Content::Nothing))? {
            Content::Placed(placement) => {
                self.memory.place_order(merchant, stream, &placement.facts, recorded_at);
                // One that was reported on before, or that is not kept, is read from the log when it is needed.
                if step.other.is_none() && step.sequence == 1 {
                    self.tracked.put(stream, Tracked::placed(placement, recorded_at));
                }
            }
            Content::Amended(event) => {
                self.memory.apply_order(merchant, stream, &event, recorded_at);
                if let Some(tracked) = self.tracked.get_mut(&stream) {
                    tracked.follow(&event);
                }
            }
            Content::Reported(status) => {
                self.memory.report_on_order(merchant, stream, status, recorded_at);
                if step.other.is_none() {
                    self.mark(stream, |marks| marks.report(status));
                }
            }
            Content::Screened(screened) => self.screened(log, &step, &screened).await?,
            Content::Held(is_held) => self.hold(step.stream, is_held),
            Content::Nothing => {}
            Content::Other(event) => self.memory.fold(&event)?,
        }
        Ok(())
    }

    /// Notes what became of an order, wherever it is kept.
    fn mark(&mut self, stream: StreamId, mark: impl Fn(&mut Marks)) {
        let kept = self.tracked.get_mut(&stream).map(|tracked| &mut tracked.marks);
        kept.into_iter().chain(self.tested.cases.marks(stream)).for_each(mark);
    }

    /// Nearly every order is let go when it comes, and was never held.
    fn hold(&mut self, stream: StreamId, is_held: bool) {
        let is_news = if is_held { self.held.insert(stream) } else { self.held.remove(&stream) };
        if is_news {
            self.mark(stream, |marks| marks.hold(is_held));
        }
    }

    async fn screened(&mut self, log: &dyn EventLog, step: &Step, screened: &Screened) -> Result<(), TrialError> {
        if !self.tracked.contains(&step.stream) {
            let tracked = before(log, step.stream, step.sequence, tracked).await?;
            let tracked = tracked.placed.ok_or_else(|| damaged(step, "is of an order that is not placed"))?;
            self.tracked.put(step.stream, tracked);
        }
        let tracked = self.tracked.get(&step.stream).expect("it was just put there");
        let Tested { cases, verdicts, first, .. } = &mut self.tested;
        let time = tracked.time();
        if time < self.trial.from || time >= self.trial.to {
            cases.leave(step.stream);
            return Ok(());
        }
        let merchant = &self.trial.merchant;
        let in_force = self.memory.in_force(merchant);
        let (version, book) = in_force.ok_or_else(|| damaged(step, "is before the first rulebook"))?;
        let book = verdicts.book_or(version, book);
        let actual = Verdict::recorded(version, &book.rulebook, screened)
            .ok_or_else(|| damaged(step, "names what its rulebook does not have"))?;
        let Placement { channel, facts, .. } = &*tracked.placement;
        let channel = channel.as_str();
        let features = self.evaluator.features();
        let values = self.memory.look(merchant, step.stream, channel, facts, features);
        let values = values.ok_or_else(|| damaged(step, "is of an unknown merchant"))?;
        // A rule that the draft has as it is in force sweeps in the draft as well. What only the draft would sweep is not looked for.
        let is_swept = |rule: &Arc<str>| {
            let was_swept = screened.swept.iter().any(|swept| *swept.rule == **rule);
            was_swept && book.rulebook.rule(rule) == self.trial.rulebook.rule(rule)
        };
        self.evaluator.evaluate_swept(values, is_swept, &mut self.findings);
        self.draft.find(&self.findings);
        // Who is held out of what rules do is so by whatever rulebook.
        if self.memory.holds_out(merchant, step.stream) {
            self.draft.hold_out();
        }
        if screened.cause == ScoredCause::Placed {
            first.count(self.draft.action(&self.trial.rulebook));
        }
        let mut naming = Naming::default();
        if actual.is_hit() != self.draft.is_hit() {
            let vip_level = [DRAFT, version].into_iter().filter_map(|version| verdicts.book(version).vip_level).min();
            let level = facts.customer.as_ref().and_then(|customer| customer.level);
            let values = self.memory.look(merchant, step.stream, channel, facts, &[FAMILIAR]);
            let is_familiar = values.is_some_and(|values| *values == [Some(Value::Bool(true))]);
            let is_vip = vip_level.zip(level).is_some_and(|(vip, level)| i64::from(level) >= vip);
            naming = Naming { is_vip, is_familiar };
        }
        let case = Case {
            position: step.position,
            time,
            payment_due_at: facts.payment_due_at.unwrap_or(Timestamp::from_millis(i64::MAX)),
            actual: verdicts.number(&actual),
            draft: verdicts.number(&self.draft),
            marks: tracked.marks,
            naming,
        };
        cases.put(step.stream, case)
    }
}

fn damaged(step: &Step, what: &str) -> TrialError {
    LogError::Damaged(format!("the screening at position {} {what}", step.position)).into()
}

/// What the log tells of an order that may not be placed yet: reports may come before the placement.
#[derive(Default)]
struct Told {
    placed: Option<Tracked>,
    marks: Marks,
}

fn tracked(mut told: Told, event: OrderEvent, recorded_at: Timestamp) -> Told {
    match (&mut told.placed, event) {
        (Some(tracked), event) => tracked.follow(&event),
        (None, OrderEvent::Placed(Placed { channel, as_of, facts, .. })) => {
            let placed = Box::new(Placement { channel, as_of, facts });
            told.placed = Some(Tracked { marks: told.marks, ..Tracked::placed(placed, recorded_at) });
        }
        (None, OrderEvent::StatusReported(report)) => told.marks.report(report.status),
        (None, _) => {}
    }
    told
}
