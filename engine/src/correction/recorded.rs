//! The writer's corrections: what a screening finds is recorded in the batch at hand, with what it leads to.

use std::sync::Arc;

use domain::ids::{MerchantId, OrderId};
use domain::order::{Known, Scored, Swept, Trigger};
use domain::screening::{Assessment, Occasion};
use eventlog::{LogError, Position, StreamId, Wanted};

use super::{Before, Correction, Counted, Reason, Screener, Subject, unless_by_itself};
use crate::batch::Draft;
use crate::drive::drive;
use crate::memory::{Memory, Sweeping};
use crate::notices::assess;
use crate::orders::stream_key;
use crate::work::{Message, Origin};
use crate::writer::Writer;

impl Writer {
    /// What an order says of others before a message amends it.
    pub(crate) fn before(&self, merchant: &MerchantId, stream: StreamId, known: &Known) -> Before {
        let has_departed = known.reports.departed();
        let may_have_fired = |rule: &str| known.screening.is_some() && (has_departed || has_hit(known, rule));
        Before::of(&self.memory, merchant, stream, may_have_fired)
    }

    /// The rules that count as fired for the order of a message because they do for others; it counted so in its last screening.
    pub(crate) async fn still_swept(
        &mut self,
        message: &Message,
        stream: StreamId,
        known: &Known,
        causation: Position,
        draft: &mut Draft,
    ) -> Result<Vec<Swept>, LogError> {
        let (merchant, own) = (&message.merchant, &message.order);
        let counted = counted(&self.memory, merchant, own, known);
        let counted = unless_by_itself(&mut self.memory, merchant, stream, &Subject::of(own, known), counted);
        let mut recorder = Recorder { writer: self, merchant, causation, draft };
        let still = Correction::new(&mut recorder, merchant).still_swept(stream, own, counted).await?;
        Ok(still.into_iter().map(Swept::from).collect())
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
        let merchant = &message.merchant;
        let last = self.orders.of_stream(stream).and_then(|(_, cached)| cached.order.known()?.screening.as_ref());
        let now = last.map(|scored| self.memory.sweeping(merchant, scored)).unwrap_or_default();
        let mut recorder = Recorder { writer: self, merchant, causation, draft };
        Correction::new(&mut recorder, merchant).correct(stream, message.order.clone(), now, before).await
    }
}

/// See the module.
struct Recorder<'a> {
    writer: &'a mut Writer,
    merchant: &'a MerchantId,
    /// The event of the message.
    causation: Position,
    draft: &'a mut Draft,
}

impl Recorder<'_> {
    fn known(&self, stream: StreamId) -> Option<&Known> {
        self.writer.orders.of_stream(stream)?.1.order.known()
    }

    fn record(&mut self, stream: StreamId, assessment: Assessment) -> Result<(), LogError> {
        let Self { writer, merchant, causation, draft } = self;
        let Some((key, mut cached)) = writer.orders.take_of_stream(stream) else { return Ok(()) };
        let message = Message {
            merchant: (*merchant).clone(),
            order: key.1.clone(),
            origin: Origin { actor: String::new(), source: String::new() },
            occurred_at: None,
            message_id: None,
            delivery: None,
        };
        metrics::counter!("orderlight_corrected_total").increment(1);
        let assessment = assessment.by(writer.memory.ways(merchant, draft.recorded_at));
        // Every state may be scored.
        let events = drive(&mut cached.order, assess(assessment, draft))
            .map_err(|error| LogError::Damaged(error.to_string()))?;
        draft.known_stream(stream, stream_key(&key.0, &key.1));
        let recorded_at = draft.recorded_at;
        writer.record(&message, &mut cached, &events, recorded_at, Some(*causation), draft)?;
        writer.orders.put(key, cached);
        Ok(())
    }
}

impl Screener for Recorder<'_> {
    type Name = OrderId;

    async fn take_in(&mut self, streams: &[StreamId]) -> Result<(), LogError> {
        let Writer { orders, tools, .. } = &mut *self.writer;
        let missing = orders.unknown(streams);
        if !missing.is_empty() {
            orders.take_in(&tools.log.read_streams(&missing).await?)?;
            if let Some(lost) = missing.iter().find(|stream| orders.of_stream(**stream).is_none()) {
                return Err(LogError::Damaged(format!("stream {lost} has no events")));
            }
        }
        Ok(())
    }

    /// An order is taken in as a whole.
    async fn take_in_facts(&mut self, _stream: StreamId) -> Result<(), LogError> {
        Ok(())
    }

    async fn stream_of(&self, order: &OrderId) -> Result<Option<StreamId>, LogError> {
        let Writer { orders, tools, numbers, .. } = &*self.writer;
        if let Some(stream) = orders.stream_of(&(self.merchant.clone(), order.clone())) {
            return Ok(Some(stream));
        }
        let (partition, streams) = (numbers.partition, vec![stream_key(self.merchant, order)]);
        let wanted = Wanted { partition, streams, deliveries: Vec::new(), subjects: Vec::new() };
        let found = tools.log.look_up(Arc::new(wanted)).await?;
        Ok(found.streams.into_iter().next().flatten())
    }

    fn memory(&self) -> &Memory {
        &self.writer.memory
    }

    fn at(&mut self, stream: StreamId) -> (&mut Memory, Option<Subject<'_, OrderId>>) {
        let Writer { memory, orders, .. } = &mut *self.writer;
        let subject =
            orders.of_stream(stream).and_then(|((_, name), cached)| Some(Subject::of(name, cached.order.known()?)));
        (memory, subject)
    }

    fn is_open(&self, stream: StreamId) -> bool {
        self.known(stream).is_some_and(|known| known.screening.is_some() && !known.reports.departed())
    }

    fn has_hit(&self, stream: StreamId, rule: &str) -> bool {
        self.known(stream).is_some_and(|known| has_hit(known, rule))
    }

    fn counted(&self, stream: StreamId) -> Vec<Counted<OrderId>> {
        let Some(((_, own), cached)) = self.writer.orders.of_stream(stream) else { return Vec::new() };
        cached.order.known().map(|known| counted(&self.writer.memory, self.merchant, own, known)).unwrap_or_default()
    }

    fn screen_again(
        &mut self,
        stream: StreamId,
        reason: &Reason<OrderId>,
        swept: &[Counted<OrderId>],
    ) -> Result<Vec<Sweeping>, LogError> {
        let merchant = self.merchant;
        let (memory, Some(Subject { channel, facts, .. })) = self.at(stream) else { return Ok(Vec::new()) };
        let trigger = Trigger { order: reason.by.clone(), left_out: reason.left_out };
        let swept: Vec<Swept> = swept.iter().cloned().map(Swept::from).collect();
        let occasion = Occasion { cause: reason.cause, trigger: Some(trigger), swept: &swept };
        let Some(screened) = memory.screen(merchant, stream, channel, facts, occasion) else { return Ok(Vec::new()) };
        let assessment = screened.assessment;
        let now = memory.sweeping(merchant, &assessment.scored);
        let remembers = memory.remembers(merchant, stream);
        if self.known(stream).is_some_and(|known| says_more(known, &assessment.scored, remembers)) {
            self.record(stream, assessment)?;
        }
        Ok(now)
    }
}

impl<'a> Subject<'a, OrderId> {
    fn of(name: &'a OrderId, known: &'a Known) -> Self {
        Self { name, channel: name.channel(), facts: &known.facts }
    }
}

impl From<Counted<OrderId>> for Swept {
    fn from(Counted { rule, by, evidence }: Counted<OrderId>) -> Self {
        Self { rule, by, evidence }
    }
}

/// The sweeping rules that counted as fired in an order's last screening, with the order that each was found for.
fn counted(memory: &Memory, merchant: &MerchantId, own: &OrderId, known: &Known) -> Vec<Counted<OrderId>> {
    let Some(last) = &known.screening else { return Vec::new() };
    let by_itself = memory.sweeping(merchant, last).into_iter();
    let by_itself = by_itself.map(|it| Counted { rule: it.rule, by: own.clone(), evidence: it.evidence });
    let by_others = last.swept.iter().cloned().map(|Swept { rule, by, evidence }| Counted { rule, by, evidence });
    by_itself.chain(by_others).collect()
}

/// Whether a rule counted as fired in an order's last screening.
fn has_hit(known: &Known, rule: &str) -> bool {
    known.screening.as_ref().is_some_and(|scored| scored.hits.iter().any(|hit| &*hit.rule == rule))
}

/// Whether a screening leads to something else than the last one, of an order that can still be held. What has been forgotten since
/// takes nothing back.
fn says_more(known: &Known, scored: &Scored, remembers: bool) -> bool {
    let Some(last) = known.screening.as_ref().filter(|_| !known.reports.departed()) else { return false };
    let hits = |scored: &Scored| scored.hits.iter().map(|hit| (hit.rule.clone(), hit.points)).collect::<Vec<_>>();
    let told = |scored: &Scored| (scored.score, scored.tier.clone(), scored.exemption.clone(), hits(scored));
    told(last) != told(scored) && (remembers || scored.score > last.score)
}
