//! What a message says: made from the log alone, so that every try says the same.
//!
//! Personal data goes to whoever has to ask the customer, and to nobody else: the code and the number where a code is to be sent,
//! the number where the customer is to be called. It comes from the vault at that moment; for an erased customer there is none
//! any more, and the message says so. What reviewers wrote in words stays here.

use std::sync::Arc;

use domain::endpoint::Notification;
use domain::ids::{ChallengeId, OrderId};
use domain::order::{ChallengeMethod, Challenged, Order, OrderEvent, Risk, evolve};
use domain::publication::RulebookEvent;
use domain::time::Timestamp;
use eventlog::vault::Vault;
use eventlog::{EventLog, LogError, Position, RecordedEvent};
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use crate::personal::{self, Phone};

/// How many messages are made at once, so that their reading leaves the log to those who decide and look up.
const MADE_AT_ONCE_MAX: usize = 8;

/// Makes messages.
pub(crate) struct Composer {
    log: Arc<dyn EventLog>,
    vault: Arc<Vault>,
    room: Semaphore,
}

/// A message, ready to be sent.
pub(crate) struct Message {
    /// The body of a webhook.
    pub(crate) body: String,
    /// What a sender is to do.
    pub(crate) errand: Option<Errand>,
}

/// A question that is to be put to a customer.
pub(crate) struct Errand {
    pub(crate) challenge: ChallengeId,
    pub(crate) order: OrderId,
    pub(crate) expires_at: Timestamp,
    pub(crate) code: Option<SecretString>,
    pub(crate) phone: Option<SecretString>,
    is_erased: bool,
}

/// An order's story up to what is told of.
struct Story<'a> {
    recorded: &'a RecordedEvent,
    order: OrderId,
    events: Vec<(Position, OrderEvent)>,
    /// What happened to it since.
    later: Vec<OrderEvent>,
}

impl Composer {
    pub(crate) fn new(log: Arc<dyn EventLog>, vault: Arc<Vault>) -> Self {
        Self { log, vault, room: Semaphore::new(MADE_AT_ONCE_MAX) }
    }

    pub(crate) fn vault(&self) -> &Vault {
        &self.vault
    }

    /// The message about the event at a position; none where it would ask the customer something that is settled by now, or whose
    /// time is over.
    ///
    /// # Errors
    /// When the log or the vault cannot be read, or nobody is told of that event.
    pub(crate) async fn compose(
        &self,
        partition: u32,
        position: Position,
        now: Timestamp,
    ) -> Result<Option<Message>, LogError> {
        // Nobody closes it.
        let _room = self.room.acquire().await.ok();
        let page = self.log.read(partition, position.saturating_sub(1), 1).await?;
        let recorded = page.first().filter(|event| event.position == position).ok_or_else(|| untold(position))?;
        if &*recorded.key.aggregate_type == "rulebook" {
            return rulebook_message(recorded).map(Some);
        }
        let order: OrderId = recorded.key.aggregate_id.parse().map_err(|_| untold(position))?;
        let (mut events, mut later) = (Vec::new(), Vec::new());
        for event in &self.log.read_streams(&[recorded.stream]).await? {
            if event.position <= position {
                events.push((event.position, read(event)?));
            } else {
                later.push(read(event)?);
            }
        }
        let story = Story { recorded, order, events, later };
        let (_, event) = story.events.last().ok_or_else(|| untold(position))?;
        let kind = Notification::of_order(event).ok_or_else(|| untold(position))?;
        if kind.is_errand() && !story.is_open(now) {
            return Ok(None);
        }
        let errand = if kind.is_errand() { self.errand(&story, kind).await? } else { None };
        let mut data = story.facts();
        story.tell(event, errand.as_ref(), &mut data);
        Ok(Some(Message { body: body(kind, recorded, &data), errand }))
    }

    async fn errand(&self, story: &Story<'_>, kind: Notification) -> Result<Option<Errand>, LogError> {
        let Some(challenged) = story.challenge() else { return Ok(None) };
        let merchant = &story.recorded.key.merchant;
        let stream = story.recorded.stream;
        let phone = personal::phone(&*self.log, &self.vault, merchant, &story.order, stream, &story.events).await?;
        let (phone, is_erased) = match phone {
            Phone::Known(phone) => (Some(phone), false),
            Phone::Untold => (None, false),
            Phone::Erased => (None, true),
        };
        let asks_for_code = kind != Notification::ChallengeCall && !is_erased;
        let code = || SecretString::from(self.vault.challenge_code(merchant, &challenged.challenge).as_str());
        Ok(Some(Errand {
            challenge: challenged.challenge.clone(),
            order: story.order.clone(),
            expires_at: challenged.expires_at,
            code: asks_for_code.then(code),
            phone,
            is_erased,
        }))
    }
}

impl Story<'_> {
    /// The last question that was put.
    fn challenge(&self) -> Option<&Challenged> {
        self.events.iter().rev().find_map(|(_, event)| match event {
            OrderEvent::Challenged(challenged) => Some(challenged),
            _ => None,
        })
    }

    /// Whether the question that was put can still be answered, and matters: nobody settled it, its time is not over, and the order
    /// is neither off nor gone.
    fn is_open(&self, now: Timestamp) -> bool {
        let Some(asked) = self.challenge() else { return false };
        let told = self.events.iter().map(|(_, event)| event).chain(&self.later);
        let order = told.fold(Order::default(), evolve);
        let Some(Risk::Challenged(open)) = order.known().map(|known| &known.risk) else { return false };
        open.id == asked.challenge && !open.is_over && now < open.expires_at && !order.reports().departed()
    }

    /// What every message about an order says.
    fn facts(&self) -> Map<String, Value> {
        let scored = self.events.iter().rev().find_map(|(_, event)| match event {
            OrderEvent::Scored(scored) => Some(scored),
            _ => None,
        });
        object(json!({
            "order_id": self.order,
            "channel": self.order.channel(),
            "position": format!("{}-{}", self.recorded.partition, self.recorded.position),
            "score": scored.map(|scored| scored.score),
            "tier": scored.map(|scored| &scored.tier),
        }))
    }

    /// What only this event says.
    fn tell(&self, event: &OrderEvent, errand: Option<&Errand>, data: &mut Map<String, Value>) {
        let said = match event {
            OrderEvent::Challenged(_) => json!({"challenge": self.question(errand)}),
            OrderEvent::ChallengeResent(resent) => json!({"challenge": self.question(errand), "count": resent.count}),
            OrderEvent::CallUnanswered(unanswered) => {
                json!({"challenge": self.question(errand), "attempts_left": unanswered.attempts_left})
            }
            OrderEvent::Verified(verified) => json!({"challenge_id": verified.challenge, "how": verified.how}),
            OrderEvent::Frozen(frozen) => {
                json!({"cause": frozen.cause, "actor": frozen.actor, "reason_code": frozen.reason_code})
            }
            OrderEvent::Released(released) => {
                json!({"cause": released.cause, "actor": released.actor, "reason_code": released.reason_code})
            }
            OrderEvent::ReviewOpened(opened) => {
                json!({"cause": opened.cause, "reason_code": opened.reason_code, "challenge_id": opened.challenge})
            }
            OrderEvent::ReviewClosed(closed) => json!({"cause": closed.cause, "challenge_id": closed.challenge}),
            OrderEvent::FreezeConfirmed(confirmed) => {
                json!({"cause": "freeze_confirmed", "actor": confirmed.actor, "reason_code": confirmed.reason_code})
            }
            OrderEvent::ReviewEscalated(escalated) => json!({"opened_at": escalated.opened_at.to_string()}),
            OrderEvent::ReviewReopened(reopened) => json!({"cause": reopened.cause, "actor": reopened.actor}),
            OrderEvent::StockReleaseDue(due) => {
                json!({"cause": due.cause, "units": due.units, "lines": self.lines()})
            }
            OrderEvent::Placed(_)
            | OrderEvent::Amended(_)
            | OrderEvent::StatusReported(_)
            | OrderEvent::Scored(_)
            | OrderEvent::CodeRejected(_)
            | OrderEvent::ReviewClaimed(_)
            | OrderEvent::ReviewReturned(_)
            | OrderEvent::Noted(_)
            | OrderEvent::PersonalDataRevealed(_) => json!({}),
        };
        data.extend(object(said));
    }

    fn question(&self, errand: Option<&Errand>) -> Value {
        let (Some(challenged), Some(errand)) = (self.challenge(), errand) else { return Value::Null };
        let mut question = json!({
            "id": challenged.challenge,
            "method": challenged.method,
            "expires_at": challenged.expires_at.to_string(),
            "instead_of": challenged.instead_of,
            "phone": errand.phone.as_ref().map(secrecy::ExposeSecret::expose_secret),
            "customer_erased": errand.is_erased,
        });
        if challenged.method == ChallengeMethod::Sms {
            question["code"] = json!(errand.code.as_ref().map(secrecy::ExposeSecret::expose_secret));
        }
        question
    }

    /// What the order holds, by the merchant's own units.
    fn lines(&self) -> Vec<Value> {
        let order = self.events.iter().fold(Order::default(), |order, (_, event)| evolve(order, event));
        let lines = order.known().and_then(|known| known.facts.lines.clone()).unwrap_or_default();
        lines.iter().map(|line| json!({"sku": line.sku, "quantity": line.quantity})).collect()
    }
}

fn rulebook_message(recorded: &RecordedEvent) -> Result<Message, LogError> {
    let event: RulebookEvent = read(recorded)?;
    let kind = Notification::of_rulebook(&event);
    let RulebookEvent::RulebookPublished(published) = event;
    let data = json!({
        "position": format!("{}-{}", recorded.partition, recorded.position),
        "version": published.version,
        "restores": published.restores,
        "hash": published.hash,
        "actor": published.actor,
        "by_forecast": published.forecast_left.is_some(),
    });
    Ok(Message { body: body(kind, recorded, &object(data)), errand: None })
}

fn body(kind: Notification, recorded: &RecordedEvent, data: &Map<String, Value>) -> String {
    json!({"type": kind.name(), "timestamp": recorded.recorded_at.to_string(), "data": data}).to_string()
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

fn read<E: serde::de::DeserializeOwned>(event: &RecordedEvent) -> Result<E, LogError> {
    serde_json::from_str(&event.payload).map_err(|error| LogError::Damaged(error.to_string()))
}

fn untold(position: Position) -> LogError {
    LogError::Damaged(format!("the event at position {position} is none that others are told of"))
}

#[cfg(test)]
#[path = "../../eventlog/tests/support/interfered.rs"]
mod interfered;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use eventlog::sqlite::SqliteLog;
    use tokio::task::JoinSet;

    use super::interfered::{Interfered, Interference};
    use super::*;

    /// Lets nobody read before the test does, and counts who wants to.
    struct Gate {
        reading: AtomicUsize,
        let_through: Semaphore,
    }

    #[async_trait]
    impl Interference for Gate {
        async fn read(
            &self,
            log: &dyn EventLog,
            partition: u32,
            after: Position,
            limit: u32,
        ) -> Result<Vec<Arc<RecordedEvent>>, LogError> {
            self.reading.fetch_add(1, Ordering::SeqCst);
            self.let_through.acquire().await.unwrap().forget();
            self.reading.fetch_sub(1, Ordering::SeqCst);
            log.read(partition, after, limit).await
        }
    }

    #[tokio::test]
    async fn no_more_messages_are_made_at_once_than_leave_the_log_to_others() {
        let directory = tempfile::tempdir().unwrap();
        let log = SqliteLog::open(&directory.path().join("log.sqlite")).await.unwrap();
        let vault = Arc::new(Vault::open_or_create(&directory.path().join("master.key")).unwrap());
        let gate = Gate { reading: AtomicUsize::new(0), let_through: Semaphore::new(0) };
        let log = Arc::new(Interfered::new(Arc::new(log), gate));
        let composer = Arc::new(Composer::new(log.clone(), vault));
        let mut wanted = JoinSet::new();
        for position in 1..=20 {
            let composer = composer.clone();
            wanted.spawn(async move { composer.compose(0, position, Timestamp::default()).await.is_err() });
        }
        for made in 0..20 {
            // In the one thread of this test all have come as far as they can when it is the test's turn again.
            tokio::task::yield_now().await;
            assert_eq!(log.reading.load(Ordering::SeqCst), MADE_AT_ONCE_MAX.min(20 - made));
            log.let_through.add_permits(1);
            assert_eq!(wanted.join_next().await.unwrap().ok(), Some(true), "nobody is told of what is not there");
        }
    }
}
