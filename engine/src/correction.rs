//! Decisions that correct themselves: what one order says about others that were screened before it.
//!
//! An order that comes late, or is amended, lies in the windows of later ones; a sweeping rule that fires speaks about all
//! orders in its window. Those orders are screened again, in the same commit as the message that made it necessary, so that
//! no crash can come between. What is decided is a function of the log before it: which orders these are comes out of the
//! windows, how they stand out of their streams, and nothing depends on what happens to be cached.
//!
//! Nothing is recorded where score, tier, exemption and the points of each rule stay as they are, and nothing about an order that has left or is off;
//! but what lies in its window speaks about the others all the same. A rule that counts as fired for an order because it
//! fired for another one does so for as long as that holds.
//!
//! Who has orders screened again is a [`Screener`]: the writer, and a back-test.

mod recorded;
mod swept;

use std::sync::Arc;

use domain::ids::MerchantId;
use domain::order::{Facts, Readings, ScoredCause};
use eventlog::{LogError, StreamId};
use rustc_hash::{FxHashMap, FxHashSet};
pub(crate) use swept::unless_by_itself;

use crate::memory::{Memory, Sweeping};
use crate::windows::Trace;

/// The most orders that one message has screened again because their windows changed; the latest where there are more.
pub const REACHED_MAX: usize = 64;
/// The most orders that one message has screened again because rules swept, or sweep no more; the latest where there are more.
pub const SWEPT_MAX: usize = 256;
/// The most orders that are looked at on the way.
pub const ASKED_FOR_MAX: usize = 1_024;

/// Who has orders screened again, and knows how they stand.
pub(crate) trait Screener {
    /// What an order is called in what becomes of a correction.
    type Name: Clone + PartialEq;

    /// Takes orders in that are not at hand: how they stand.
    async fn take_in(&mut self, streams: &[StreamId]) -> Result<(), LogError>;

    /// Takes in the facts of an order that was taken in, where they are not at hand.
    async fn take_in_facts(&mut self, stream: StreamId) -> Result<(), LogError>;

    /// The stream of an order that has one.
    async fn stream_of(&self, name: &Self::Name) -> Result<Option<StreamId>, LogError>;

    /// The windows, with the rulebook that decides over them.
    fn memory(&self) -> &Memory;

    /// The same, and an order whose facts were taken in.
    fn at(&mut self, stream: StreamId) -> (&mut Memory, Option<Subject<'_, Self::Name>>);

    /// Whether a decision about an order that was taken in can still change anything: it was screened, has not left and is not off.
    fn is_open(&self, stream: StreamId) -> bool;

    /// Whether a sweeping rule counted as fired in the last screening of an order that was taken in.
    fn has_hit(&self, stream: StreamId, rule: &str) -> bool;

    /// The sweeping rules that counted as fired in the last screening of an order that was taken in, by whatever order.
    fn counted(&self, stream: StreamId) -> Vec<Counted<Self::Name>>;

    /// Screens an order whose facts were taken in with rules that count as fired because of others, and keeps what that finds where it
    /// says something new about an order that can still be held. Answers with the sweeping rules that fire for the order itself.
    fn screen_again(
        &mut self,
        stream: StreamId,
        reason: &Reason<Self::Name>,
        swept: &[Counted<Self::Name>],
    ) -> Result<Vec<Sweeping>, LogError>;
}

/// An order as a correction looks at it.
pub(crate) struct Subject<'a, Name> {
    pub(crate) name: &'a Name,
    pub(crate) channel: &'a str,
    pub(crate) facts: &'a Facts,
}

/// A sweeping rule that counts as fired, and the order for which it fires itself.
#[derive(Clone)]
pub(crate) struct Counted<Name> {
    pub(crate) rule: Arc<str>,
    pub(crate) by: Name,
    pub(crate) evidence: Readings,
}

/// What makes a screening necessary.
pub(crate) struct Reason<Name> {
    pub(crate) cause: ScoredCause,
    /// The order that says something new.
    pub(crate) by: Name,
    /// How many orders were too many to be screened again as well.
    pub(crate) left_out: u64,
}

/// How an order lay and what it said of others before it was amended.
pub(crate) struct Before {
    trace: Option<Trace>,
    sweeping: Vec<Sweeping>,
}

impl Before {
    /// `may_have_fired` tells of the sweeping rules whether they may have fired for the order itself when it was last looked at.
    /// Of an order that has left that is not recorded, nor where a rule that counted because of another order came to fire for
    /// this one too.
    pub(crate) fn of(
        memory: &Memory,
        merchant: &MerchantId,
        stream: StreamId,
        may_have_fired: impl Fn(&str) -> bool,
    ) -> Self {
        let mut sweeping = memory.every_sweep(merchant);
        sweeping.retain(|sweeping| may_have_fired(&sweeping.rule));
        Self { trace: memory.trace(merchant, stream), sweeping }
    }
}

/// One message's corrections under way.
pub(crate) struct Correction<'a, S: Screener> {
    screener: &'a mut S,
    merchant: &'a MerchantId,
    /// Orders that were looked at, at most [`ASKED_FOR_MAX`].
    asked_for: FxHashSet<StreamId>,
    /// Whether rules fire for orders themselves, and then with what. Windows do not change on the way.
    evidence: FxHashMap<(StreamId, Arc<str>), Option<Readings>>,
    /// How many more may be screened again because rules swept.
    left: usize,
}

/// An order that speaks about others.
struct Speaker<Name> {
    stream: StreamId,
    name: Name,
    /// The rules that fire for it.
    now: Vec<Sweeping>,
    /// How it was before.
    before: Option<Before>,
}

impl<'a, S: Screener> Correction<'a, S> {
    pub(crate) fn new(screener: &'a mut S, merchant: &'a MerchantId) -> Self {
        let (asked_for, evidence) = (FxHashSet::default(), FxHashMap::default());
        Self { screener, merchant, asked_for, evidence, left: SWEPT_MAX }
    }

    /// Screens again what an order that was just placed or amended says something new about. `now` are the sweeping rules that
    /// fire for it, `before` is how it was when it was amended.
    pub(crate) async fn correct(
        &mut self,
        stream: StreamId,
        name: S::Name,
        now: Vec<Sweeping>,
        before: Option<Before>,
    ) -> Result<(), LogError> {
        let cause = if before.is_some() { ScoredCause::Amended } else { ScoredCause::LateEvidence };
        let reason = Reason { cause, by: name.clone(), left_out: 0 };
        let trace = before.as_ref().and_then(|before| before.trace);
        let reached = self.memory().reached(self.merchant, stream, trace, REACHED_MAX);
        let mut speakers = vec![Speaker { stream, name, now, before }];
        for other in self.ask_for(reached).await? {
            speakers.extend(self.reach(other, &reason).await?);
        }
        for speaker in speakers {
            self.sweep(&speaker).await?;
            self.take_back(&speaker, &reason).await?;
        }
        Ok(())
    }

    /// Screens an order again whose windows changed, and tells what it says of others now.
    async fn reach(
        &mut self,
        stream: StreamId,
        reason: &Reason<S::Name>,
    ) -> Result<Option<Speaker<S::Name>>, LogError> {
        self.screener.take_in_facts(stream).await?;
        let Some(name) = self.screener.at(stream).1.map(|subject| subject.name.clone()) else { return Ok(None) };
        let is_open = self.screener.is_open(stream);
        let may_have_fired = |rule: &str| !is_open || self.screener.has_hit(stream, rule);
        let before = Before::of(self.memory(), self.merchant, stream, may_have_fired);
        let swept = self.swept_so_far(stream).await?;
        let now = self.screener.screen_again(stream, reason, &swept)?;
        Ok(Some(Speaker { stream, name, now, before: Some(before) }))
    }

    /// Screens again the orders in the windows of rules that fire for an order, with the rule counted as fired.
    async fn sweep(&mut self, speaker: &Speaker<S::Name>) -> Result<(), LogError> {
        let stream = speaker.stream;
        let Some(trace) = self.memory().trace(self.merchant, stream) else { return Ok(()) };
        for Sweeping { rule, evidence } in &speaker.now {
            let company = self.memory().counted(self.merchant, stream, trace, rule, SWEPT_MAX);
            let asked = company.orders.len();
            let mut counted = self.ask_for(company.orders).await?;
            let mut left_out = company.left_out + (asked - counted.len()) as u64;
            counted.retain(|other| self.screener.is_open(*other) && !self.screener.has_hit(*other, rule));
            // The latest are the ones that can most likely be held still.
            let too_many = counted.len().saturating_sub(self.left);
            counted.drain(..too_many);
            left_out += too_many as u64;
            self.left -= counted.len();
            let reason = Reason { cause: ScoredCause::Sibling, by: speaker.name.clone(), left_out };
            for other in counted {
                let mut swept = self.swept_so_far(other).await?;
                swept.retain(|swept| swept.rule != *rule);
                swept.push(Counted { rule: rule.clone(), by: speaker.name.clone(), evidence: evidence.clone() });
                self.screener.screen_again(other, &reason, &swept)?;
            }
        }
        Ok(())
    }

    /// Screens again the orders for which rules counted as fired because of an order, where that may hold no more.
    async fn take_back(&mut self, speaker: &Speaker<S::Name>, reason: &Reason<S::Name>) -> Result<(), LogError> {
        let (stream, now) = (speaker.stream, &speaker.now);
        let Some(Before { trace: Some(trace), sweeping }) = &speaker.before else { return Ok(()) };
        let has_moved = self.memory().trace(self.merchant, stream) != Some(*trace);
        for Sweeping { rule, .. } in sweeping {
            if !has_moved && now.iter().any(|now| now.rule == *rule) {
                continue;
            }
            let counted = self.memory().counted(self.merchant, stream, *trace, rule, SWEPT_MAX);
            for other in self.ask_for(counted.orders).await? {
                // Whatever is recorded of why it counts there: that something else had taken its place was not worth an event.
                if self.left == 0 || !self.screener.is_open(other) || !self.screener.has_hit(other, rule) {
                    continue;
                }
                self.left -= 1;
                let swept = self.swept_so_far(other).await?;
                self.screener.screen_again(other, reason, &swept)?;
            }
        }
        Ok(())
    }

    /// Takes orders in that are not at hand; answers with those that may still be looked at.
    async fn ask_for(&mut self, mut streams: Vec<StreamId>) -> Result<Vec<StreamId>, LogError> {
        let asked_for = &mut self.asked_for;
        streams.retain(|stream| {
            asked_for.contains(stream) || (asked_for.len() < ASKED_FOR_MAX && asked_for.insert(*stream))
        });
        self.screener.take_in(&streams).await?;
        Ok(streams)
    }

    fn memory(&self) -> &Memory {
        self.screener.memory()
    }
}
