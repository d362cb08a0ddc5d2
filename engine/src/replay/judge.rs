//! The one who computes every decision again and compares.

use std::num::NonZeroUsize;
use std::sync::Arc;

use domain::order::{
    DowngradeReason, Facts, FrozenCause, Order, OrderCommand, OrderEvent, Readings, ReleasedCause, Scored, ScoredCause,
    decide, evolve,
};
use domain::screening::Occasion;
use domain::time::Timestamp;
use eventlog::{EventLog, Position, StreamId};
use lru::LruCache;
use rustc_hash::FxBuildHasher;

use super::step::{Content, Given, Step, Subject, is_of_screening};
use super::{DIFFERENCES_BYTES_MAX, DIFFERENCES_MAX, Difference, ReplayError, Replayed, Scope};
use crate::before::before;
use crate::memory::Memory;
use crate::placement::Placement;

/// The most orders that are kept as they stand, at some 1,500 bytes each; others are read again from the log, one by one.
const CACHED_ORDERS_MAX: NonZeroUsize = NonZeroUsize::new(100_000).expect("not zero");

pub(super) struct Judge {
    scope: Scope,
    memory: Memory,
    /// Orders whose decisions are asked for, as of their last event.
    orders: LruCache<StreamId, Order, FxBuildHasher>,
    /// The event before, where it makes a screening necessary.
    wanted: Option<Wanted>,
    next: Next,
    found: Replayed,
    listed_bytes: usize,
    /// Room for the payload of a screening.
    recomputed: Vec<u8>,
}

/// A place in an order's stream.
type Place = (StreamId, u64);

/// A message that has its order screened: the screening is recorded with it, as the next event.
struct Wanted {
    by: Step,
    /// The cause that the screening must have.
    cause: ScoredCause,
}

impl Wanted {
    /// Where the screening must stand.
    const fn place(&self) -> Place {
        (self.by.stream, self.by.sequence + 1)
    }
}

/// What the event after a screening must be. A screening and what it leads to are decided, and recorded, together.
enum Next {
    /// Anything: the event before was no screening.
    Any,
    /// Anything in this place: the screening was not asked for, or is named as different already.
    Unjudged(Place),
    /// This, or nothing that a screening leads to.
    Outcome(Due),
}

/// What a screening that is as it should be leads to.
struct Due {
    of: Arc<Subject>,
    place: Place,
    screening: Position,
    payload: Option<String>,
}

impl Judge {
    pub(super) fn new(scope: Scope) -> Self {
        Self {
            scope,
            memory: Memory::default(),
            orders: LruCache::with_hasher(CACHED_ORDERS_MAX, FxBuildHasher),
            wanted: None,
            next: Next::Any,
            found: Replayed::default(),
            listed_bytes: 0,
            recomputed: Vec::new(),
        }
    }

    pub(super) async fn end(mut self, log: &dyn EventLog) -> Result<Replayed, ReplayError> {
        let next = std::mem::replace(&mut self.next, Next::Any);
        self.nothing_follows(next);
        if let Some(wanted) = self.wanted.take() {
            self.no_screening_follows(log, &wanted).await?;
        }
        Ok(self.found)
    }

    /// Takes in the next event. Of one beyond the scope it looks only whether it is what the last screening led to.
    pub(super) async fn take(&mut self, log: &dyn EventLog, mut step: Step) -> Result<(), ReplayError> {
        let mut next = std::mem::replace(&mut self.next, Next::Any);
        let content = std::mem::replace(&mut step.content, Ok(Content::Nothing))?;
        let place = (step.stream, step.sequence);
        let mut cause = None;
        if let Some(wanted) = self.wanted.take() {
            if wanted.place() != place {
                self.no_screening_follows(log, &wanted).await?;
            } else if matches!(content, Content::Screening(..)) {
                cause = Some(wanted.cause);
            } else if self.no_screening_follows(log, &wanted).await? {
                // What the screening led to is a part of the decision that was just named.
                next = Next::Unjudged(place);
                self.next = Next::Unjudged((step.stream, step.sequence + 1));
            }
        }
        if let Content::Outcome(outcome, payload) = content {
            self.compare_outcome(next, &step, outcome.as_deref(), &payload);
            self.found.events += 1;
            if let Some(outcome) = outcome {
                self.memory.apply_order(&step.of.merchant, step.stream, &outcome, step.recorded_at);
                self.track(&step, &outcome);
            }
            return Ok(());
        }
        self.nothing_follows(next);
        if self.scope.to.is_some_and(|to| step.position > to) {
            return Ok(());
        }
        self.found.events += 1;
        match content {
            Content::Placed(placement) => {
                let (Placement { as_of, facts, .. }, merchant) = (*placement, &step.of.merchant);
                self.memory.place_order(merchant, step.stream, &facts, step.recorded_at);
                if self.scope.asks_for(merchant, step.position) {
                    self.place(&step, as_of, facts);
                }
                self.wanted = Some(Wanted { by: step, cause: ScoredCause::Placed });
            }
            Content::Order(event) => {
                self.memory.apply_order(&step.of.merchant, step.stream, &event, step.recorded_at);
                self.track(&step, &event);
                self.wanted = wanted(&event).map(|cause| Wanted { by: step, cause });
            }
            Content::Screening(given, payload) => {
                self.compare_screening(log, &step, cause, given, &payload).await?;
            }
            Content::Other(event) => self.memory.fold(&event)?,
            Content::Outcome(..) | Content::Nothing => {}
        }
        Ok(())
    }

    /// Keeps an order as it stands. One that is not kept is read from the log when it is needed.
    fn track(&mut self, step: &Step, event: &OrderEvent) {
        if !self.scope.asks_for(&step.of.merchant, step.position) {
            return;
        }
        if step.sequence == 1 {
            self.orders.put(step.stream, evolve(Order::default(), event));
        } else if let Some(order) = self.orders.get_mut(&step.stream) {
            *order = evolve(std::mem::take(order), event);
        }
    }

    fn place(&mut self, step: &Step, as_of: Option<Timestamp>, facts: Facts) {
        if step.sequence == 1 {
            self.orders.put(step.stream, Order::default().placed(as_of, facts));
        } else if let Some(order) = self.orders.get_mut(&step.stream) {
            *order = std::mem::take(order).placed(as_of, facts);
        }
    }

    /// Compares a screening; `wanted` is its cause where a message of the order's own makes it necessary.
    async fn compare_screening(
        &mut self,
        log: &dyn EventLog,
        step: &Step,
        wanted: Option<ScoredCause>,
        given: Option<Box<Given>>,
        recorded: &str,
    ) -> Result<(), ReplayError> {
        self.next = Next::Unjudged((step.stream, step.sequence + 1));
        if !self.scope.asks_for(&step.of.merchant, step.position) {
            return Ok(());
        }
        self.learn(log, step.stream, step.position).await?;
        let (told, swept) = given.map(|given| ((given.cause, given.trigger), given.swept)).unzip();
        // What follows from the order's own message has no other order for its cause.
        // When it is placed no rule has counted for it either.
        let swept = swept.filter(|_| wanted != Some(ScoredCause::Placed)).unwrap_or_default();
        let occasion = wanted.map(|cause| (cause, None)).or(told).map(|(cause, trigger)| Occasion {
            cause,
            trigger,
            swept: &swept,
        });
        let decided = occasion.and_then(|occasion| self.decide(step, occasion));
        let mut decided = decided.unwrap_or_default().into_iter();
        self.found.decisions += 1;
        let Some(screening) = decided.next() else {
            self.list(&step.of, step.position, Some(recorded), None);
            return Ok(());
        };
        self.recomputed.clear();
        serde_json::to_writer(&mut self.recomputed, &screening).expect("plain data has a JSON form");
        if self.recomputed == recorded.as_bytes() {
            self.found.identical += 1;
            let outcome = decided.next().filter(is_of_screening);
            let payload = outcome.map(|outcome| serde_json::to_string(&outcome).expect("plain data has a JSON form"));
            let (of, place) = (step.of.clone(), (step.stream, step.sequence + 1));
            self.next = Next::Outcome(Due { of, place, screening: step.position, payload });
        } else {
            let recomputed = String::from_utf8_lossy(&self.recomputed).into_owned();
            self.list(&step.of, step.position, Some(recorded), Some(recomputed));
        }
        if let (Some(order), OrderEvent::Scored(scored)) = (self.orders.get_mut(&step.stream), screening) {
            // Nobody asks for the values that it read.
            order.take_screening(Scored { features: Readings::default(), ..scored });
        }
        Ok(())
    }

    /// Names a screening that a message makes necessary and that does not follow it; tells whether it had to. Its payload is told
    /// unless rules of other orders may count in it, which only the record of it would tell.
    async fn no_screening_follows(&mut self, log: &dyn EventLog, wanted: &Wanted) -> Result<bool, ReplayError> {
        let Wanted { by, cause } = wanted;
        if !self.scope.asks_for(&by.of.merchant, by.position) {
            return Ok(false);
        }
        self.learn(log, by.stream, by.position + 1).await?;
        // Without a rulebook nothing is screened.
        let Some(decided) = self.decide(by, Occasion::of(*cause)) else { return Ok(false) };
        let known = self.orders.peek(&by.stream).and_then(Order::known);
        let last = known.and_then(|known| known.screening.as_ref());
        let is_exact = last.is_none_or(|last| last.hits.is_empty());
        let screening = decided.first().filter(|_| is_exact);
        let payload = screening.map(|event| serde_json::to_string(event).expect("plain data has a JSON form"));
        self.found.decisions += 1;
        self.list(&by.of, by.position, None, payload);
        Ok(true)
    }

    /// Makes sure that an order is kept as it stood before a position.
    async fn learn(&mut self, log: &dyn EventLog, stream: StreamId, position: Position) -> Result<(), ReplayError> {
        if !self.orders.contains(&stream) {
            let order = before(log, stream, position, |order, event, _| evolve(order, &event)).await?;
            self.orders.put(stream, order);
        }
        Ok(())
    }

    /// The screening and what it leads to, as the writer decided them.
    fn decide(&mut self, step: &Step, occasion: Occasion<'_>) -> Option<Vec<OrderEvent>> {
        let order = self.orders.get(&step.stream)?;
        let channel = step.of.id.split(':').next().unwrap_or_default();
        let facts = &order.known()?.facts;
        let screened = self.memory.screen(&step.of.merchant, step.stream, channel, facts, occasion)?;
        let challenge = format!("{}-{}", self.scope.partition, step.position).parse().ok()?;
        let assessment = screened.assessment.by(self.memory.ways(&step.of.merchant, step.recorded_at));
        let assess = OrderCommand::Assess { assessment: Box::new(assessment), challenge, at: step.recorded_at };
        decide(order, assess).ok()
    }

    /// Whether an outcome is what the screening before it leads to; without a screening before it, it must be somebody's word.
    fn compare_outcome(&mut self, next: Next, step: &Step, outcome: Option<&OrderEvent>, recorded: &str) {
        let place = (step.stream, step.sequence);
        match next {
            Next::Unjudged(of) if of == place => {}
            Next::Outcome(due) if due.place == place => {
                let is_due = match &due.payload {
                    Some(payload) => payload == recorded,
                    None => !is_by_score(outcome),
                };
                if !is_due {
                    self.found.identical -= 1;
                    self.list(&due.of, step.position, Some(recorded), due.payload);
                }
            }
            next => {
                self.nothing_follows(next);
                if is_by_score(outcome) && self.scope.asks_for(&step.of.merchant, step.position) {
                    self.found.decisions += 1;
                    self.list(&step.of, step.position, Some(recorded), None);
                }
            }
        }
    }

    /// Notes that the event after a screening is not what it leads to.
    fn nothing_follows(&mut self, next: Next) {
        if let Next::Outcome(Due { of, screening, payload: Some(payload), .. }) = next {
            self.found.identical -= 1;
            self.list(&of, screening, None, Some(payload));
        }
    }

    fn list(&mut self, of: &Subject, position: Position, recorded: Option<&str>, recomputed: Option<String>) {
        let (order, recorded) = (String::from(&*of.id), recorded.map(str::to_owned));
        let difference = Difference { order, partition: self.scope.partition, position, recorded, recomputed };
        let bytes = self.listed_bytes + difference.bytes();
        if self.found.different.len() < DIFFERENCES_MAX && bytes <= DIFFERENCES_BYTES_MAX {
            self.listed_bytes = bytes;
            self.found.different.push(difference);
        }
    }
}

/// Why an event makes a screening necessary, if it does: the one that comes next in its stream.
fn wanted(event: &OrderEvent) -> Option<ScoredCause> {
    match event {
        OrderEvent::Amended(amended) if !amended.changes.is_empty() => Some(ScoredCause::Amended),
        _ => None,
    }
}

/// Whether only a screening leads to an outcome, and neither a person nor a customer nor the time.
fn is_by_score(outcome: Option<&OrderEvent>) -> bool {
    match outcome {
        Some(OrderEvent::Challenged(challenged)) => {
            challenged.instead_of.is_none_or(|other| other.reason != DowngradeReason::Unanswered)
        }
        Some(OrderEvent::Frozen(frozen)) => frozen.cause == FrozenCause::Score,
        Some(OrderEvent::Released(released)) => {
            matches!(released.cause, ReleasedCause::Clean | ReleasedCause::Exempt | ReleasedCause::Rescored)
        }
        Some(_) | None => true,
    }
}
