//! What a draft's findings about one order say about others, followed as the writer follows it for the rulebook in force.

use eventlog::{EventLog, LogError, Position, StreamId};

use domain::order::{Readings, ScoredCause};

use super::super::TrialError;
use super::super::step::Step;
use super::super::verdict::Verdict;
use super::{Tester, Tracked};
use crate::correction::{Before, Correction, Counted, Reason, Screener, Subject};
use crate::memory::{Memory, Sweeping};

/// Has the draft asked again, at a position of the log.
pub(super) struct Drafted<'a> {
    pub(super) tester: &'a mut Tester,
    pub(super) log: &'a dyn EventLog,
    pub(super) position: Position,
}

impl Tester {
    /// What an order says of others, by the draft, before it is amended.
    pub(super) fn before(&self, stream: StreamId) -> Before {
        let case = self.tested.cases.get(stream);
        let may_have_fired =
            |rule: &str| case.is_some_and(|case| case.marks.have_departed() || self.has_hit(stream, rule));
        Before::of(&self.memory, &self.trial.merchant, stream, may_have_fired)
    }

    /// Asks the draft again about orders about which the one that was just placed or amended says something new. Also one that is not
    /// wanted may come late; what the draft would find of it itself is not asked.
    pub(super) async fn correct(
        &mut self,
        log: &dyn EventLog,
        step: &Step,
        cause: ScoredCause,
        is_wanted: bool,
    ) -> Result<(), TrialError> {
        let before = self.amended.take_if(|(stream, _)| cause == ScoredCause::Amended && *stream == step.stream);
        let has_fired = |rule: &str| is_wanted && self.has_fired(rule);
        let reaches_others = self.memory.reaches_others(&self.trial.merchant, step.stream, has_fired);
        if !reaches_others && before.is_none() {
            return Ok(());
        }
        let merchant = self.trial.merchant.clone();
        let now = if is_wanted { self.sweeping() } else { Vec::new() };
        let mut drafted = Drafted { tester: self, log, position: step.position };
        let before = before.map(|(_, before)| before);
        // Few orders come here, and the others are spared the room that it takes.
        Box::pin(Correction::new(&mut drafted, &merchant).correct(step.stream, (), now, before)).await?;
        Ok(())
    }

    /// Whether the draft counted a rule as fired for an order last.
    fn has_hit(&self, stream: StreamId, rule: &str) -> bool {
        self.drafted(stream).is_some_and(|last| last.rules(&self.trial.rulebook).any(|(fired, _)| fired == rule))
    }

    /// Whether a rule fired for the order itself that the draft was asked about last.
    fn has_fired(&self, rule: &str) -> bool {
        let rules = self.trial.rulebook.rules();
        self.findings.fired.iter().any(|fired| !fired.swept && *rules[fired.rule].id == *rule)
    }

    /// The sweeping ones among them.
    fn sweeping(&self) -> Vec<Sweeping> {
        let mut sweeping = self.memory.every_sweep(&self.trial.merchant);
        sweeping.retain(|sweeping| self.has_fired(&sweeping.rule));
        sweeping
    }
}

impl Screener for Drafted<'_> {
    /// Nobody is told by which order a rule counts.
    type Name = ();

    /// How those stand that are wanted is at hand.
    async fn take_in(&mut self, _streams: &[StreamId]) -> Result<(), LogError> {
        Ok(())
    }

    /// Nothing is decided about orders that are not wanted.
    async fn take_in_facts(&mut self, stream: StreamId) -> Result<(), LogError> {
        if self.tester.tested.cases.get(stream).is_some() {
            self.tester.take_in(self.log, stream, self.position).await?;
        }
        Ok(())
    }

    async fn stream_of(&self, (): &()) -> Result<Option<StreamId>, LogError> {
        Ok(None)
    }

    fn memory(&self) -> &Memory {
        &self.tester.memory
    }

    fn at(&mut self, stream: StreamId) -> (&mut Memory, Option<Subject<'_, ()>>) {
        let Tester { memory, tracked, tested, .. } = &mut *self.tester;
        let tracked = tested.cases.get(stream).and_then(|_| tracked.get(stream));
        let subject = tracked.map(|Tracked { placement, .. }| Subject {
            name: &(),
            channel: placement.channel.as_str(),
            facts: &placement.facts,
        });
        (memory, subject)
    }

    fn is_open(&self, stream: StreamId) -> bool {
        self.tester.tested.cases.get(stream).is_some_and(|case| !case.marks.have_departed())
    }

    fn has_hit(&self, stream: StreamId, rule: &str) -> bool {
        self.tester.has_hit(stream, rule)
    }

    fn counted(&self, stream: StreamId) -> Vec<Counted<()>> {
        let every = self.memory().every_sweep(&self.tester.trial.merchant).into_iter();
        let counted = every.filter(|sweeping| self.tester.has_hit(stream, &sweeping.rule));
        counted.map(|it| Counted { rule: it.rule, by: (), evidence: Readings::default() }).collect()
    }

    fn screen_again(
        &mut self,
        stream: StreamId,
        _reason: &Reason<()>,
        swept: &[Counted<()>],
    ) -> Result<Vec<Sweeping>, LogError> {
        let is_open = self.is_open(stream);
        let tester = &mut *self.tester;
        if !tester.find(stream, swept) {
            return Ok(Vec::new());
        }
        let remembers = tester.memory.remembers(&tester.trial.merchant, stream);
        let says_more = |last: &Verdict| *last != tester.draft && (remembers || tester.draft.score > last.score);
        if is_open && tester.drafted(stream).is_some_and(says_more) {
            let number = tester.tested.verdicts.number(&tester.draft);
            if let Some(case) = tester.tested.cases.get_mut(stream) {
                case.draft = number;
            }
            tester.name(stream);
        }
        Ok(tester.sweeping())
    }
}
