//! Notices: what they need is looked up in one go, then they are decided in order into the open batch.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::ids::Token;
use domain::order::{Facts, Order, OrderCommand, OrderEvent, Placed, Rejection, ScoredCause, StatusReported};
use domain::screening::{Assessment, Occasion};
use domain::time::{Timestamp, is_future_dated};
use eventlog::vault::Sealed;
use eventlog::{DeliveryKey, LogError, NewDelivery, Position, Wanted};
use rustc_hash::FxHashMap;

use crate::batch::{Draft, Recording};
use crate::deadlines::Whose;
use crate::drive::drive;
use crate::orders::{CachedOrder, OrderKey, order_at, stream_key};
use crate::pipeline::{Answer, Committing, OpenBatch};
use crate::wishes::next_challenge;
use crate::work::{Delivery, Message, NoticeWork, Outcome, Personal, Receipt, Refusal, WorkContent, answer};
use crate::writer::Writer;

/// Deliveries that the log holds.
type Stored = FxHashMap<DeliveryKey, NewDelivery>;

/// What a notice wants of its order.
struct Wish {
    command: OrderCommand,
    /// When the order was placed or the status reached, as told.
    occurred_at: Timestamp,
    /// From when the facts are, as told; the command never takes them to be from the future.
    told_of: Timestamp,
    /// The customer whom the message names.
    customer: Option<Token>,
    personal: Option<Personal>,
}

/// What became of a notice, and the event by which it may have other orders screened again.
struct Acted {
    outcome: Outcome,
    reaches_others: Option<Position>,
}

impl Writer {
    /// Decides notices into the open batch. On an error all of these and all in the batch have been refused.
    pub(crate) async fn decide_notices(&mut self, notices: Vec<NoticeWork>) -> Result<(), LogError> {
        if notices.is_empty() {
            return Ok(());
        }
        let mut open = self.open.take().unwrap_or_else(|| OpenBatch::new(self.draft()));
        let mut notices = notices.into_iter();
        let done = self.decide_into(&mut open, &mut notices).await;
        if done.is_ok() {
            self.open = Some(open);
        } else {
            open.give_up();
            notices.for_each(|notice| answer(notice.reply, Err(Refusal::Unavailable)));
        }
        done
    }

    async fn decide_into(
        &mut self,
        open: &mut OpenBatch,
        notices: &mut std::vec::IntoIter<NoticeWork>,
    ) -> Result<(), LogError> {
        let stored = self.load(open, notices.as_slice()).await?;
        for NoticeWork { message, content, reply } in notices {
            if self.orders.is_full() {
                self.make_durable(open).await?;
            }
            match self.decide_one(&message, content, &stored, open).await {
                Ok(answer) => open.answer_later(reply, answer),
                Err(error) => {
                    answer(reply, Err(Refusal::Unavailable));
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Reads all that these notices need, each kind once; what batches under way hold is not asked for.
    async fn load(&mut self, open: &OpenBatch, notices: &[NoticeWork]) -> Result<Stored, LogError> {
        let log = self.tools.log.clone();
        let orders = self.orders.at_hand(notices.iter().map(|notice| order_key(&notice.message)));
        let subjects = notices
            .iter()
            .filter_map(|notice| Some((notice.message.merchant.clone(), personal(&notice.content)?.subject)));
        let subjects = self.sealing.at_hand(subjects);
        let deliveries = notices.iter().filter_map(|notice| Some(notice.message.delivery.as_ref()?.key));
        let deliveries = deliveries.filter(|key| taken(open, self.committing.as_ref(), key).is_none()).collect();
        let streams = orders.iter().map(|(merchant, order)| stream_key(merchant, order)).collect();
        let wanted = Arc::new(Wanted { partition: self.numbers.partition, streams, deliveries, subjects });
        let found = log.look_up(wanted.clone()).await?;
        self.orders.learn(orders, &found.streams, &found.events)?;
        self.sealing.learn(&wanted.subjects, found.subject_keys)?;
        self.load_customers(notices).await?;
        Ok(found.deliveries.into_iter().flatten().map(|delivery| (delivery.key, delivery)).collect())
    }

    /// The keys of customers whom only earlier messages about an order named.
    async fn load_customers(&mut self, notices: &[NoticeWork]) -> Result<(), LogError> {
        let named = notices.iter().filter(|notice| personal(&notice.content).is_some()).filter_map(|notice| {
            let order = &self.orders.get(&order_key(&notice.message))?.order;
            Some((notice.message.merchant.clone(), customer(order)?))
        });
        let subjects = self.sealing.also_at_hand(named);
        if subjects.is_empty() {
            return Ok(());
        }
        let found = self.tools.log.find_subject_keys(&subjects).await?;
        self.sealing.learn(&subjects, found)
    }

    async fn decide_one(
        &mut self,
        message: &Message,
        content: WorkContent,
        stored: &Stored,
        open: &mut OpenBatch,
    ) -> Result<Answer, LogError> {
        let Some(delivery) = message.delivery else { return self.decide_new(message, content, open).await };
        if let Some((body, receipt)) = taken(open, self.committing.as_ref(), &delivery.key) {
            let same = delivery.body == *body;
            let again = Receipt { outcome: Outcome::Duplicate, ..receipt.clone() };
            return Ok(if same { Ok(again) } else { Err(Refusal::DeliveryKeyReused) });
        }
        match stored.get(&delivery.key) {
            Some(known) if delivery.body == known.body => self.tell_again(message, *known).await.map(Ok),
            Some(_) => Ok(Err(Refusal::DeliveryKeyReused)),
            None => self.decide_new(message, content, open).await,
        }
    }

    /// Decides a message that was not dealt with before, and what its screening shows of the rulebook.
    async fn decide_new(
        &mut self,
        message: &Message,
        content: WorkContent,
        open: &mut OpenBatch,
    ) -> Result<Answer, LogError> {
        let answer = self.decide(message, content, open).await?;
        self.keep_to_forecast(&message.merchant, &mut open.draft).await?;
        Ok(answer)
    }

    /// The answer of the time when the delivery was dealt with.
    async fn tell_again(&mut self, message: &Message, known: NewDelivery) -> Result<Receipt, LogError> {
        let position = (self.numbers.partition, self.numbers.head);
        let cached = match self.orders.get(&order_key(message)) {
            Some(cached) if cached.sequence == known.sequence => cached.clone(),
            _ => order_at(&*self.tools.log, known.stream, known.sequence).await?,
        };
        Ok(Receipt::new(message.order.clone(), &cached.order, position, Outcome::Duplicate, Duration::ZERO))
    }

    /// Commits all that was decided, and begins the next batch, which goes on to know what was delivered.
    async fn make_durable(&mut self, open: &mut OpenBatch) -> Result<(), LogError> {
        let mut taken = open.taken.clone();
        taken.extend(self.committing.iter().flat_map(|committing| committing.taken.clone()));
        self.open = Some(std::mem::replace(open, OpenBatch::new(self.draft())));
        self.flush().await?;
        *open = OpenBatch::new(self.draft());
        open.taken = taken;
        Ok(())
    }

    async fn decide(
        &mut self,
        message: &Message,
        content: WorkContent,
        open: &mut OpenBatch,
    ) -> Result<Answer, LogError> {
        if !self.memory.knows(&message.merchant) {
            return Ok(Err(Refusal::UnknownMerchant));
        }
        let started = Instant::now();
        let key = order_key(message);
        let mut cached = self.orders.take(&key);
        let before = match (&content, cached.stream, cached.order.known()) {
            (WorkContent::Placed(..) | WorkContent::Amended(..), Some(stream), Some(known)) => {
                Some(self.before(&message.merchant, stream, known))
            }
            _ => None,
        };
        let acted = self.act(message, content, &mut cached, &mut open.draft).await?;
        let answer = match acted {
            Err(refusal) => Err(refusal),
            Ok(Acted { outcome, reaches_others }) => {
                if let (Some(causation), Some(stream)) = (reaches_others, cached.stream) {
                    self.orders.name(stream, key.clone());
                    self.orders.put(key.clone(), cached);
                    // Few orders come here, and the others are spared the room that it takes.
                    Box::pin(self.correct(message, stream, before, causation, &mut open.draft)).await?;
                    cached = self.orders.take(&key);
                }
                let decided_in = started.elapsed();
                metrics::histogram!("orderlight_decision_seconds").record(decided_in.as_secs_f64());
                let position = (open.draft.numbers.partition, open.draft.numbers.head);
                let receipt = Receipt::new(message.order.clone(), &cached.order, position, outcome, decided_in);
                if let (Some(Delivery { key, body }), Some(stream)) = (message.delivery, cached.stream) {
                    open.draft.delivery(NewDelivery { key, body, stream, sequence: cached.sequence });
                    open.taken.insert(key, (body, receipt.clone()));
                }
                Ok(receipt)
            }
        };
        self.orders.put(key, cached);
        Ok(answer)
    }

    /// What the notice says, then what the screening says of it.
    async fn act(
        &mut self,
        message: &Message,
        content: WorkContent,
        cached: &mut CachedOrder,
        draft: &mut Draft,
    ) -> Result<Result<Acted, Refusal>, LogError> {
        let is_due = matches!(content, WorkContent::Due(_));
        let is_notice = !is_due && !matches!(content, WorkContent::Wish(_));
        if !is_notice && cached.stream.is_none() {
            return Ok(Err(Rejection::UnknownOrder.into()));
        }
        let Wish { mut command, occurred_at, told_of, customer: named, personal } = self.wish(message, content, draft);
        let sealed = match personal {
            None => None,
            Some(Personal { subject, json }) => {
                // Sealed for the customer whom the message names, else for the order's, else for the message's own subject.
                let subject = named.or_else(|| customer(&cached.order)).unwrap_or(subject);
                let sealed = self.sealing.seal(&message.merchant, message.order.as_str(), subject, &json, draft);
                Some(sealed.map_err(|error| LogError::Damaged(error.to_string()))?)
            }
        };
        commit_to(&mut command, sealed.as_ref().map(|(_, sealed)| sealed));
        let events = match drive(&mut cached.order, command) {
            Ok(events) => events,
            Err(rejection) => {
                if is_due {
                    tracing::debug!(order = message.order.as_str(), %rejection, "a deadline led to nothing");
                }
                return Ok(Err(rejection.into()));
            }
        };
        let is_amended = events.iter().any(|event| matches!(event, OrderEvent::Amended(_)));
        let occurred_at = if is_amended { told_of } else { occurred_at };
        let first = self.record(message, cached, &events, occurred_at, None, draft)?;
        if let (Some(position), Some((subject_key, sealed))) = (first, sealed) {
            draft.vault_row(position, subject_key, sealed.blob);
        }
        let cause = events.iter().find_map(screening_cause);
        let mut reaches_others = None;
        if let (Some(cause), Some(position), Some(known)) = (cause, first, cached.order.known()) {
            let stream = cached.stream.unwrap_or_default();
            let swept = match &known.screening {
                Some(last) if !last.hits.is_empty() => {
                    Box::pin(self.still_swept(message, stream, known, position, draft)).await?
                }
                _ => Vec::new(),
            };
            let occasion = Occasion { cause, trigger: None, swept: &swept };
            let channel = message.order.channel();
            if let Some(screened) = self.memory.screen(&message.merchant, stream, channel, &known.facts, occasion) {
                let assessment = screened.assessment.by(self.memory.ways(&message.merchant, draft.recorded_at));
                let consequences = match drive(&mut cached.order, assess(assessment, draft)) {
                    Ok(consequences) => consequences,
                    Err(rejection) => return Ok(Err(rejection.into())),
                };
                self.record(message, cached, &consequences, draft.recorded_at, Some(position), draft)?;
                let is_amended = cause == ScoredCause::Amended;
                reaches_others = Some(position).filter(|_| screened.reaches_others || is_amended);
            }
        }
        let outcome = match events.first() {
            Some(OrderEvent::Placed(_)) => Outcome::Created,
            Some(OrderEvent::CodeRejected(rejected)) => Outcome::CodeWrong { attempts_left: rejected.attempts_left },
            Some(_) => Outcome::Updated,
            None => Outcome::Unchanged,
        };
        Ok(Ok(Acted { outcome, reaches_others }))
    }

    /// The command for a notice. Facts are from when the sender says, else from placement, else from their arrival; and from
    /// their arrival at the latest, so that no clock that runs ahead keeps later corrections out.
    fn wish(&self, message: &Message, content: WorkContent, draft: &Draft) -> Wish {
        let recorded_at = draft.recorded_at;
        let occurred_at = message.occurred_at.unwrap_or(recorded_at);
        match content {
            WorkContent::Placed(facts, personal) => {
                let placed_at = facts.placed_at.unwrap_or(occurred_at);
                let told_of = message.occurred_at.unwrap_or(placed_at);
                let as_of = Some(told_of.min(recorded_at)).filter(|as_of| facts.placed_at != Some(*as_of));
                let customer = named(&facts);
                Wish { command: place(message, facts, as_of), occurred_at: placed_at, told_of, customer, personal }
            }
            WorkContent::Amended(facts, personal) => {
                let as_of = occurred_at.min(recorded_at);
                let customer = named(&facts);
                let command = OrderCommand::Amend { as_of, facts, vault: None };
                Wish { command, occurred_at, told_of: occurred_at, customer, personal }
            }
            WorkContent::Status { source, status, refunded } => {
                let counts_from = is_future_dated(occurred_at, recorded_at).then_some(recorded_at);
                let report = StatusReported { source, status, occurred_at, counts_from, refunded };
                let command = OrderCommand::Report(report);
                Wish { command, occurred_at, told_of: occurred_at, customer: None, personal: None }
            }
            WorkContent::Wish(wish) => now(self.command_of(message, wish, draft), recorded_at),
            WorkContent::Due(due) => now(self.command_due(message, due, draft), recorded_at),
        }
    }

    /// Puts events into the batch and into the windows; answers with the position of the first.
    pub(crate) fn record(
        &mut self,
        message: &Message,
        cached: &mut CachedOrder,
        events: &[OrderEvent],
        occurred_at: Timestamp,
        causation: Option<Position>,
        draft: &mut Draft,
    ) -> Result<Option<Position>, LogError> {
        let mut first = None;
        if let (Some(stream), None, Some(_)) = (cached.stream, causation, events.first()) {
            draft.known_stream(stream, stream_key(&message.merchant, &message.order));
        }
        for event in events {
            let stream = match cached.stream {
                Some(stream) => stream,
                None => {
                    let stream = draft.stream(stream_key(&message.merchant, &message.order));
                    self.orders.name(stream, order_key(message));
                    *cached.stream.insert(stream)
                }
            };
            let message_id = message.message_id.as_deref();
            let recording = Recording { stream, origin: &message.origin, message_id, causation };
            cached.sequence += 1;
            let payload = serde_json::to_string(event).map_err(|error| LogError::Damaged(error.to_string()))?;
            let position = draft.event(&recording, cached.sequence, event.name(), payload, occurred_at);
            first.get_or_insert(position);
            self.memory.apply_order(&message.merchant, stream, event, draft.recorded_at);
            let whose = Whose { merchant: &message.merchant, order: &message.order, stream };
            self.memory.wait_for(&whose, event, draft.recorded_at);
        }
        Ok(first)
    }
}

/// The command for a screening that comes next in a batch.
pub(crate) fn assess(assessment: Assessment, draft: &Draft) -> OrderCommand {
    metrics::counter!("orderlight_scored_total", "tier" => assessment.scored.tier.clone()).increment(1);
    let challenge = next_challenge(draft);
    OrderCommand::Assess { assessment: Box::new(assessment), challenge, at: draft.recorded_at }
}

fn order_key(message: &Message) -> OrderKey {
    (message.merchant.clone(), message.order.clone())
}

/// What became of a delivery of the open batch, or of the one before it.
fn taken<'a>(
    open: &'a OpenBatch,
    committing: Option<&'a Committing>,
    key: &DeliveryKey,
) -> Option<&'a ([u8; 16], Receipt)> {
    open.taken.get(key).or_else(|| committing?.taken.get(key))
}

const fn personal(content: &WorkContent) -> Option<&Personal> {
    match content {
        WorkContent::Placed(_, personal) | WorkContent::Amended(_, personal) => personal.as_ref(),
        WorkContent::Status { .. } | WorkContent::Wish(_) | WorkContent::Due(_) => None,
    }
}

/// The customer whose order it is, as far as earlier messages told.
fn customer(order: &Order) -> Option<Token> {
    order.known()?.facts.customer.as_ref()?.token
}

/// A command that is about now.
const fn now(command: OrderCommand, at: Timestamp) -> Wish {
    Wish { command, occurred_at: at, told_of: at, customer: None, personal: None }
}

fn named(facts: &Facts) -> Option<Token> {
    facts.customer.as_ref()?.token
}

fn place(message: &Message, facts: Facts, as_of: Option<Timestamp>) -> OrderCommand {
    let id = &message.order;
    OrderCommand::Place(Placed {
        channel: id.channel().parse().expect("an order id holds a channel"),
        order_no: id.order_no().parse().expect("an order id holds an order number"),
        as_of,
        facts,
        vault: None,
    })
}

/// Puts the commitment to the vault row into the event that will stand beside it.
fn commit_to(command: &mut OrderCommand, sealed: Option<&Sealed>) {
    let (OrderCommand::Place(Placed { vault, .. }) | OrderCommand::Amend { vault, .. }) = command else { return };
    *vault = sealed.map(|sealed| sealed.commitment.as_str().into());
}

/// Why an event makes a screening necessary, if it does.
fn screening_cause(event: &OrderEvent) -> Option<ScoredCause> {
    match event {
        OrderEvent::Placed(_) => Some(ScoredCause::Placed),
        OrderEvent::Amended(amended) if !amended.changes.is_empty() => Some(ScoredCause::Amended),
        _ => None,
    }
}
