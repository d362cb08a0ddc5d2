//! Notices: a batch is read for in a few queries, decided in order, committed once, and then answered.

use std::time::{Duration, Instant};

use domain::ids::{ChallengeId, Token};
use domain::order::{Facts, Known, Order, OrderCommand, OrderEvent, Placed, ScoredCause, StatusReported};
use domain::time::{Timestamp, is_future_dated};
use eventlog::vault::Sealed;
use eventlog::{DeliveryKey, LogError, NewDelivery, Position};
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;

use crate::batch::{Draft, Recording};
use crate::drive::drive;
use crate::orders::{CachedOrder, OrderKey, order_at, stream_key};
use crate::work::{Delivery, NoticeWork, Outcome, Personal, Receipt, Refusal, WorkContent, answer};
use crate::writer::Writer;

type Answer = Result<Receipt, Refusal>;
type Waiting = (oneshot::Sender<Answer>, Answer);

/// Deliveries that were dealt with before.
struct Deliveries {
    /// In earlier batches.
    stored: FxHashMap<DeliveryKey, NewDelivery>,
    /// In this batch, with their answers.
    taken: FxHashMap<DeliveryKey, ([u8; 16], Receipt)>,
}

/// What a notice wants of its order.
struct Wish<'a> {
    command: OrderCommand,
    /// When the order was placed or the status reached, as told.
    occurred_at: Timestamp,
    /// From when the facts are, as told; the command never takes them to be from the future.
    told_of: Timestamp,
    personal: Option<&'a Personal>,
}

impl Writer {
    /// Decides, commits and answers. On an error all of these have been refused.
    pub(crate) async fn process_notices(&mut self, notices: Vec<NoticeWork>) -> Result<(), LogError> {
        if notices.is_empty() {
            return Ok(());
        }
        metrics::histogram!("orderlight_batch_size")
            .record(f64::from(u32::try_from(notices.len()).unwrap_or(u32::MAX)));
        let mut answers: Vec<Waiting> = Vec::with_capacity(notices.len());
        let mut notices = notices.into_iter();
        let done = self.decide_and_commit(&mut notices, &mut answers).await;
        if done.is_err() {
            answers.into_iter().for_each(|(reply, _)| answer(reply, Err(Refusal::Unavailable)));
            notices.for_each(|notice| answer(notice.reply, Err(Refusal::Unavailable)));
            return done;
        }
        answers.into_iter().for_each(|(reply, receipt)| answer(reply, receipt));
        Ok(())
    }

    async fn decide_and_commit(
        &mut self,
        notices: &mut std::vec::IntoIter<NoticeWork>,
        answers: &mut Vec<Waiting>,
    ) -> Result<(), LogError> {
        let mut deliveries = self.load(notices.as_slice()).await?;
        let mut draft = self.draft();
        for notice in notices.by_ref() {
            let known = notice.delivery.and_then(|delivery| deliveries.stored.get(&delivery.key).copied());
            let receipt = match known {
                Some(known) => self.tell_again(&notice, known).await?,
                None => self.decide(&notice, &mut deliveries.taken, &mut draft)?,
            };
            answers.push((notice.reply, receipt));
        }
        self.commit(draft).await
    }

    /// Reads all that the batch needs, each kind in one query.
    async fn load(&mut self, notices: &[NoticeWork]) -> Result<Deliveries, LogError> {
        let log = self.tools.log.clone();
        let orders: Vec<OrderKey> = notices.iter().map(order_key).collect();
        let keys: Vec<DeliveryKey> = notices.iter().filter_map(|notice| Some(notice.delivery.as_ref()?.key)).collect();
        let find_deliveries = async { if keys.is_empty() { Ok(vec![]) } else { log.find_deliveries(&keys).await } };
        let ((), stored) = tokio::try_join!(self.orders.load(&*log, &orders), find_deliveries)?;
        let mut subjects = Vec::with_capacity(notices.len());
        for notice in notices {
            let Some(personal) = personal(notice) else { continue };
            subjects.push((notice.merchant.clone(), personal.subject));
            let customer = self.orders.get(&order_key(notice)).and_then(|cached| customer(&cached.order));
            subjects.extend(customer.map(|customer| (notice.merchant.clone(), customer)));
        }
        self.sealing.load(&*log, subjects).await?;
        let stored = stored.into_iter().flatten().map(|delivery| (delivery.key, delivery)).collect();
        Ok(Deliveries { stored, taken: FxHashMap::default() })
    }

    /// The answer of the time when the delivery was dealt with.
    async fn tell_again(&mut self, notice: &NoticeWork, known: NewDelivery) -> Result<Answer, LogError> {
        if notice.delivery.is_none_or(|delivery| delivery.body != known.body) {
            return Ok(Err(Refusal::DeliveryKeyReused));
        }
        let position = (self.numbers.partition, self.numbers.head);
        let cached = match self.orders.get(&order_key(notice)) {
            Some(cached) if cached.sequence == known.sequence => cached.clone(),
            _ => order_at(&*self.tools.log, known.stream, known.sequence).await?,
        };
        Ok(Ok(Receipt::new(notice.order.clone(), &cached.order, position, Outcome::Duplicate, Duration::ZERO)))
    }

    fn decide(
        &mut self,
        notice: &NoticeWork,
        taken: &mut FxHashMap<DeliveryKey, ([u8; 16], Receipt)>,
        draft: &mut Draft,
    ) -> Result<Answer, LogError> {
        if !self.memory.knows(&notice.merchant) {
            return Ok(Err(Refusal::UnknownMerchant));
        }
        if let Some((delivery, (body, receipt))) =
            notice.delivery.and_then(|delivery| Some((delivery, taken.get(&delivery.key)?)))
        {
            let same = delivery.body == *body;
            let again = Receipt { outcome: Outcome::Duplicate, ..receipt.clone() };
            return Ok(if same { Ok(again) } else { Err(Refusal::DeliveryKeyReused) });
        }
        let started = Instant::now();
        let key = order_key(notice);
        let mut cached = self.orders.take(&key);
        let outcome = self.act(notice, &mut cached, draft);
        let decided_in = started.elapsed();
        let answer = match outcome? {
            Err(refusal) => Err(refusal),
            Ok(outcome) => {
                metrics::histogram!("orderlight_decision_seconds").record(decided_in.as_secs_f64());
                let position = (draft.numbers.partition, draft.numbers.head);
                let receipt = Receipt::new(notice.order.clone(), &cached.order, position, outcome, decided_in);
                if let (Some(Delivery { key, body }), Some(stream)) = (notice.delivery, cached.stream) {
                    draft.delivery(NewDelivery { key, body, stream, sequence: cached.sequence });
                    taken.insert(key, (body, receipt.clone()));
                }
                Ok(receipt)
            }
        };
        self.orders.put(key, cached);
        Ok(answer)
    }

    /// What the notice says, then what the screening says of it.
    fn act(
        &mut self,
        notice: &NoticeWork,
        cached: &mut CachedOrder,
        draft: &mut Draft,
    ) -> Result<Result<Outcome, Refusal>, LogError> {
        let Wish { mut command, occurred_at, told_of, personal } = wish(notice, draft.recorded_at);
        let sealed = match personal {
            None => None,
            Some(personal) => {
                let subject = sealed_for(notice, &cached.order, personal);
                let sealed = self.sealing.seal(&notice.merchant, notice.order.as_str(), subject, &personal.json, draft);
                Some(sealed.map_err(|error| LogError::Damaged(error.to_string()))?)
            }
        };
        commit_to(&mut command, sealed.as_ref().map(|(_, sealed)| sealed));
        let events = match drive(&mut cached.order, command) {
            Ok(events) => events,
            Err(rejection) => return Ok(Err(rejection.into())),
        };
        let is_amended = events.iter().any(|event| matches!(event, OrderEvent::Amended(_)));
        let occurred_at = if is_amended { told_of } else { occurred_at };
        let first = self.record(notice, cached, &events, occurred_at, None, draft)?;
        if let (Some(position), Some((subject_key, sealed))) = (first, sealed) {
            draft.vault_row(position, subject_key, sealed.blob);
        }
        let cause = events.iter().find_map(screening_cause);
        if let (Some(cause), Some(position), Some(known)) = (cause, first, cached.order.known()) {
            let assess = self.assess(notice, cached.stream.unwrap_or_default(), known, cause, draft);
            if let Some(assess) = assess {
                let consequences = match drive(&mut cached.order, assess) {
                    Ok(consequences) => consequences,
                    Err(rejection) => return Ok(Err(rejection.into())),
                };
                self.record(notice, cached, &consequences, draft.recorded_at, Some(position), draft)?;
            }
        }
        let created = events.iter().any(|event| matches!(event, OrderEvent::Placed(_)));
        Ok(Ok(if created { Outcome::Created } else { Outcome::Updated }))
    }

    fn assess(
        &mut self,
        notice: &NoticeWork,
        stream: u64,
        known: &Known,
        cause: ScoredCause,
        draft: &Draft,
    ) -> Option<OrderCommand> {
        let assessment = self.memory.screen(&notice.merchant, stream, notice.order.channel(), known, cause)?;
        metrics::counter!("orderlight_scored_total", "tier" => assessment.scored.tier.to_string()).increment(1);
        // The position of the screening makes the id unique, and the same in every replay.
        let id = format!("{}-{}", draft.numbers.partition, draft.numbers.head + 1);
        let challenge: ChallengeId = id.parse().expect("digits and a dash are an id");
        Some(OrderCommand::Assess { assessment: Box::new(assessment), challenge, at: draft.recorded_at })
    }

    /// Puts events into the batch and into the windows; answers with the position of the first.
    fn record(
        &mut self,
        notice: &NoticeWork,
        cached: &mut CachedOrder,
        events: &[OrderEvent],
        occurred_at: Timestamp,
        causation: Option<Position>,
        draft: &mut Draft,
    ) -> Result<Option<Position>, LogError> {
        let mut first = None;
        for event in events {
            let stream =
                *cached.stream.get_or_insert_with(|| draft.stream(stream_key(&notice.merchant, &notice.order)));
            let message_id = notice.message_id.as_deref();
            let recording = Recording { stream, origin: &notice.origin, message_id, causation };
            cached.sequence += 1;
            let payload = serde_json::to_string(event).map_err(|error| LogError::Damaged(error.to_string()))?;
            let position = draft.event(&recording, cached.sequence, event.name(), payload, occurred_at);
            first.get_or_insert(position);
            self.memory.apply_order(&notice.merchant, stream, event, draft.recorded_at);
        }
        Ok(first)
    }
}

fn order_key(notice: &NoticeWork) -> OrderKey {
    (notice.merchant.clone(), notice.order.clone())
}

const fn personal(notice: &NoticeWork) -> Option<&Personal> {
    match &notice.content {
        WorkContent::Placed(_, personal) | WorkContent::Amended(_, personal) => personal.as_ref(),
        WorkContent::Status { .. } => None,
    }
}

/// The customer whose order it is, as far as earlier messages told.
fn customer(order: &Order) -> Option<Token> {
    order.known()?.facts.customer.as_ref()?.token
}

/// Whose data key seals what a message tells: the customer's whom it names, else the order's, else the message's own subject.
fn sealed_for(notice: &NoticeWork, order: &Order, personal: &Personal) -> Token {
    let (WorkContent::Placed(facts, _) | WorkContent::Amended(facts, _)) = &notice.content else {
        return personal.subject;
    };
    let named = facts.customer.as_ref().and_then(|named| named.token);
    named.or_else(|| customer(order)).unwrap_or(personal.subject)
}

/// The command for a notice. Facts are from when the sender says, else from placement, else from their arrival; and from
/// their arrival at the latest, so that no clock that runs ahead keeps later corrections out.
fn wish(notice: &NoticeWork, recorded_at: Timestamp) -> Wish<'_> {
    let occurred_at = notice.occurred_at.unwrap_or(recorded_at);
    match &notice.content {
        WorkContent::Placed(facts, personal) => {
            let placed_at = facts.placed_at.unwrap_or(occurred_at);
            let told_of = notice.occurred_at.unwrap_or(placed_at);
            let as_of = Some(told_of.min(recorded_at)).filter(|as_of| facts.placed_at != Some(*as_of));
            let command = place(notice, facts.clone(), as_of);
            Wish { command, occurred_at: placed_at, told_of, personal: personal.as_ref() }
        }
        WorkContent::Amended(facts, personal) => {
            let as_of = occurred_at.min(recorded_at);
            let command = OrderCommand::Amend { as_of, facts: facts.clone(), vault: None };
            Wish { command, occurred_at, told_of: occurred_at, personal: personal.as_ref() }
        }
        WorkContent::Status { source, status } => {
            let counts_from = is_future_dated(occurred_at, recorded_at).then_some(recorded_at);
            let report = StatusReported { source: source.clone(), status: *status, occurred_at, counts_from };
            Wish { command: OrderCommand::Report(report), occurred_at, told_of: occurred_at, personal: None }
        }
    }
}

fn place(notice: &NoticeWork, facts: Facts, as_of: Option<Timestamp>) -> OrderCommand {
    let id = &notice.order;
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
