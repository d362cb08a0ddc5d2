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

mod swept;

use std::sync::Arc;

use domain::ids::{MerchantId, OrderId};
use domain::order::{Known, Readings, Scored, ScoredCause, Swept, Trigger};
use domain::screening::{Assessment, Occasion};
use eventlog::{LogError, Position, StreamId};
use rustc_hash::{FxHashMap, FxHashSet};
pub(crate) use swept::counted_so_far;

use crate::batch::Draft;
use crate::drive::drive;
use crate::memory::Sweeping;
use crate::notices::assess;
use crate::orders::stream_key;
use crate::windows::Trace;
use crate::work::{Message, Origin};
use crate::writer::Writer;

/// The most orders that one message has screened again because their windows changed; the latest where there are more.
pub const REACHED_MAX: usize = 64;
/// The most orders that one message has screened again because rules swept, or sweep no more; the latest where there are more.
pub const SWEPT_MAX: usize = 256;
/// The most orders that are looked at on the way.
pub const ASKED_FOR_MAX: usize = 1_024;

/// How an order lay and what it said of others before it was amended.
pub(crate) struct Before {
    trace: Option<Trace>,
    sweeping: Vec<Sweeping>,
}

/// One message's corrections under way.
pub(crate) struct Correction {
    merchant: MerchantId,
    /// Orders that were looked at, at most [`ASKED_FOR_MAX`].
    asked_for: FxHashSet<StreamId>,
    /// Whether rules fire for orders themselves, and then with what. Windows do not change on the way.
    evidence: FxHashMap<(StreamId, Arc<str>), Option<Readings>>,
    /// How many more may be screened again because rules swept.
    left: usize,
}

/// What makes a screening necessary.
struct Reason {
    cause: ScoredCause,
    trigger: Trigger,
    /// The event of the message.
    causation: Position,
}

/// An order that speaks about others.
struct Speaker {
    stream: StreamId,
    order: OrderId,
    /// The rules that fire for it.
    now: Vec<Sweeping>,
    /// Those that fired for it before.
    before: Vec<Sweeping>,
    /// Where it lay then.
    trace_before: Option<Trace>,
}

impl Correction {
    pub(crate) fn new(merchant: &MerchantId) -> Self {
        let (asked_for, evidence) = (FxHashSet::default(), FxHashMap::default());
        Self { merchant: merchant.clone(), asked_for, evidence, left: SWEPT_MAX }
    }
}

impl Writer {
    /// What an order says of others before a message amends it.
    pub(crate) fn before(&self, merchant: &MerchantId, stream: StreamId, known: &Known) -> Before {
        Before { trace: self.memory.trace(merchant, stream), sweeping: self.said(merchant, known) }
    }

    /// The sweeping rules that may have fired for an order itself when it was last looked at. Of one that has left that is not
    /// recorded, nor where a rule that counted because of another order came to fire for this one too.
    fn said(&self, merchant: &MerchantId, known: &Known) -> Vec<Sweeping> {
        let Some(last) = &known.screening else { return Vec::new() };
        let mut said = self.memory.every_sweep(merchant);
        if !known.reports.departed() {
            said.retain(|sweeping| last.hits.iter().any(|hit| hit.rule == sweeping.rule));
        }
        said
    }

    /// Screens again what an order that was just placed or amended says something new about. `before` is how it was when it was
    /// amended, `causation` the event of the message.
    pub(crate) async fn correct(
        &mut self,
        message: &Message,
        stream: StreamId,
        before: Option<Before>,
        causation: Position,
        draft: &mut Draft,
    ) -> Result<(), LogError> {
        let mut correction = Correction::new(&message.merchant);
        let cause = if before.is_some() { ScoredCause::Amended } else { ScoredCause::LateEvidence };
        let reason = Reason { cause, trigger: Trigger { order: message.order.clone(), left_out: 0 }, causation };
        let Before { trace, sweeping } = before.unwrap_or(Before { trace: None, sweeping: Vec::new() });

        let reached = self.memory.reached(&message.merchant, stream, trace, REACHED_MAX);
        let now = self.last_screening(stream).map(|scored| self.memory.sweeping(&message.merchant, scored));
        let (order, now) = (message.order.clone(), now.unwrap_or_default());
        let mut speakers = vec![Speaker { stream, order, now, before: sweeping, trace_before: trace }];
        let reached = self.ask_for(&mut correction, reached).await?;
        for other in reached {
            speakers.extend(self.reach(&mut correction, other, &reason, draft).await?);
        }
        for speaker in speakers {
            self.sweep(&mut correction, &speaker, causation, draft).await?;
            self.take_back(&mut correction, &speaker, &reason, draft).await?;
        }
        Ok(())
    }

    /// Screens an order again whose windows changed, and tells what it says of others now.
    async fn reach(
        &mut self,
        correction: &mut Correction,
        stream: StreamId,
        reason: &Reason,
        draft: &mut Draft,
    ) -> Result<Option<Speaker>, LogError> {
        let Some(known) = self.known(stream) else { return Ok(None) };
        let before = self.said(&correction.merchant, known);
        let swept = self.swept_so_far(correction, stream).await?;
        let Some(assessment) = self.screen_again(correction, stream, reason, &swept) else { return Ok(None) };
        let now = self.memory.sweeping(&correction.merchant, &assessment.scored);
        let trace_before = self.memory.trace(&correction.merchant, stream);
        let order = self.record_again(stream, assessment, reason, draft)?;
        Ok(order.map(|order| Speaker { stream, order, now, before, trace_before }))
    }

    /// Screens again the orders in the windows of rules that fire for an order, with the rule counted as fired.
    async fn sweep(
        &mut self,
        correction: &mut Correction,
        speaker: &Speaker,
        causation: Position,
        draft: &mut Draft,
    ) -> Result<(), LogError> {
        let Some(trace) = self.memory.trace(&correction.merchant, speaker.stream) else { return Ok(()) };
        for Sweeping { rule, evidence } in &speaker.now {
            let company = self.memory.counted(&correction.merchant, speaker.stream, trace, rule, SWEPT_MAX);
            let asked = company.orders.len();
            let mut counted = self.ask_for(correction, company.orders).await?;
            let mut left_out = company.left_out + (asked - counted.len()) as u64;
            counted.retain(|other| self.known(*other).is_some_and(|known| is_open(known) && !has_hit(known, rule)));
            // The latest are the ones that can most likely be held still.
            let too_many = counted.len().saturating_sub(correction.left);
            counted.drain(..too_many);
            left_out += too_many as u64;
            correction.left -= counted.len();
            let trigger = Trigger { order: speaker.order.clone(), left_out };
            let reason = Reason { cause: ScoredCause::Sibling, trigger, causation };
            for other in counted {
                let mut swept = self.swept_so_far(correction, other).await?;
                swept.retain(|swept| swept.rule != *rule);
                swept.push(Swept { rule: rule.clone(), by: speaker.order.clone(), evidence: evidence.clone() });
                if let Some(assessment) = self.screen_again(correction, other, &reason, &swept) {
                    self.record_again(other, assessment, &reason, draft)?;
                }
            }
        }
        Ok(())
    }

    /// Screens again the orders for which rules counted as fired because of an order, where that may hold no more.
    async fn take_back(
        &mut self,
        correction: &mut Correction,
        speaker: &Speaker,
        reason: &Reason,
        draft: &mut Draft,
    ) -> Result<(), LogError> {
        let Some(trace) = speaker.trace_before else { return Ok(()) };
        let has_moved = self.memory.trace(&correction.merchant, speaker.stream) != Some(trace);
        for Sweeping { rule, .. } in &speaker.before {
            if !has_moved && speaker.now.iter().any(|now| now.rule == *rule) {
                continue;
            }
            let counted = self.memory.counted(&correction.merchant, speaker.stream, trace, rule, SWEPT_MAX);
            for other in self.ask_for(correction, counted.orders).await? {
                // Whatever is recorded of why it counts there: that something else had taken its place was not worth an event.
                if correction.left == 0
                    || !self.known(other).is_some_and(|known| is_open(known) && has_hit(known, rule))
                {
                    continue;
                }
                correction.left -= 1;
                let swept = self.swept_so_far(correction, other).await?;
                if let Some(assessment) = self.screen_again(correction, other, reason, &swept) {
                    self.record_again(other, assessment, reason, draft)?;
                }
            }
        }
        Ok(())
    }

    fn screen_again(
        &mut self,
        correction: &Correction,
        stream: StreamId,
        reason: &Reason,
        swept: &[Swept],
    ) -> Option<Assessment> {
        let (key, cached) = self.orders.of_stream(stream)?;
        let occasion = Occasion { cause: reason.cause, trigger: Some(reason.trigger.clone()), swept };
        let facts = &cached.order.known()?.facts;
        let screened = self.memory.screen(&correction.merchant, stream, key.1.channel(), facts, occasion)?;
        Some(screened.assessment)
    }

    /// Records a screening and what it leads to where it says something new about an order that can still be held. Answers
    /// with the order's name.
    fn record_again(
        &mut self,
        stream: StreamId,
        assessment: Assessment,
        reason: &Reason,
        draft: &mut Draft,
    ) -> Result<Option<OrderId>, LogError> {
        let Some((key, cached)) = self.orders.of_stream(stream) else { return Ok(None) };
        let order = key.1.clone();
        let remembers = self.memory.remembers(&key.0, stream);
        let says_more = |known: &Known| is_open(known) && says_more(known, &assessment.scored, remembers);
        if !cached.order.known().is_some_and(says_more) {
            return Ok(Some(order));
        }
        let Some((key, mut cached)) = self.orders.take_of_stream(stream) else { return Ok(None) };
        let message = Message {
            merchant: key.0.clone(),
            order: order.clone(),
            origin: Origin { actor: String::new(), source: String::new() },
            occurred_at: None,
            message_id: None,
            delivery: None,
        };
        metrics::counter!("orderlight_corrected_total").increment(1);
        let assessment = assessment.by(self.memory.ways(&key.0, draft.recorded_at));
        // Every state may be scored.
        let events = drive(&mut cached.order, assess(assessment, draft))
            .map_err(|error| LogError::Damaged(error.to_string()))?;
        draft.known_stream(stream, stream_key(&key.0, &key.1));
        self.record(&message, &mut cached, &events, draft.recorded_at, Some(reason.causation), draft)?;
        self.orders.put(key, cached);
        Ok(Some(order))
    }

    /// Takes orders in that are not at hand; answers with those that may still be looked at.
    async fn ask_for(
        &mut self,
        correction: &mut Correction,
        mut streams: Vec<StreamId>,
    ) -> Result<Vec<StreamId>, LogError> {
        let asked_for = &mut correction.asked_for;
        streams.retain(|stream| {
            asked_for.contains(stream) || (asked_for.len() < ASKED_FOR_MAX && asked_for.insert(*stream))
        });
        let missing = self.orders.unknown(&streams);
        if !missing.is_empty() {
            let events = self.tools.log.read_streams(&missing).await?;
            self.orders.take_in(&events)?;
            if let Some(lost) = missing.iter().find(|stream| self.orders.of_stream(**stream).is_none()) {
                return Err(LogError::Damaged(format!("stream {lost} has no events")));
            }
        }
        Ok(streams)
    }

    fn known(&self, stream: StreamId) -> Option<&Known> {
        self.orders.of_stream(stream)?.1.order.known()
    }

    fn last_screening(&self, stream: StreamId) -> Option<&Scored> {
        self.known(stream)?.screening.as_ref()
    }
}

fn has_hit(known: &Known, rule: &str) -> bool {
    known.screening.as_ref().is_some_and(|scored| scored.hits.iter().any(|hit| &*hit.rule == rule))
}

/// Whether a decision about an order can still change anything.
fn is_open(known: &Known) -> bool {
    known.screening.is_some() && !known.reports.departed()
}

/// Whether a screening leads to something else than the last one. What has been forgotten since takes nothing back.
fn says_more(known: &Known, scored: &Scored, remembers: bool) -> bool {
    let Some(last) = &known.screening else { return false };
    let hits = |scored: &Scored| scored.hits.iter().map(|hit| (hit.rule.clone(), hit.points)).collect::<Vec<_>>();
    let told = |scored: &Scored| (scored.score, scored.tier.clone(), scored.exemption.clone(), hits(scored));
    told(last) != told(scored) && (remembers || scored.score > last.score)
}
