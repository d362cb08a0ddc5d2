//! What is under way to one endpoint. Each has its own, so that a receiver that is slow or gone keeps nobody else waiting.

use std::sync::Arc;
use std::time::Duration;

use domain::time::{Span, Timestamp};
use rustc_hash::{FxHashMap, FxHashSet};
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::sleep;

use crate::Clock;
use crate::breaker::Breaker;
use crate::courier::{Courier, Fault, Tried};
use crate::outbox::{Due, Outbox, OutboxError, Outcome, Verdict};
use crate::terms::Terms;

/// The longest wait without a look at the outbox: what another process made due is found by looking.
const LOOK: Duration = Duration::from_secs(1);
/// The pause after the outbox failed.
const RETRY: Duration = Duration::from_millis(500);
/// How long what was delivered or parked can be looked up.
pub const KEPT: Span = Span::from_days(30);
/// How often what is older is forgotten, and how much of it at once.
const FORGET: Span = Span::from_hours(1);
const FORGOTTEN_AT_ONCE_MAX: u32 = 1_000;

pub(crate) struct Lane {
    pub(crate) endpoint: Box<str>,
    pub(crate) partition: u32,
    pub(crate) courier: Arc<Courier>,
    pub(crate) outbox: Arc<dyn Outbox>,
    pub(crate) terms: Terms,
    pub(crate) clock: Clock,
    pub(crate) wake: Arc<Notify>,
}

/// What a lane remembers; nothing of it outlives a failure of the outbox.
#[derive(Default)]
struct Traffic {
    under_way: JoinSet<Tried>,
    of: FxHashMap<Id, Due>,
    /// Of what is under way, or has ended and is not stored so far: of each order one message at a time.
    subjects: FxHashSet<Box<str>>,
    ended: Vec<(Due, Tried)>,
    next_at: Option<Timestamp>,
    forget_at: Option<Timestamp>,
    down: Option<Down>,
}

impl Traffic {
    fn end(&mut self, ended: Result<(Id, Tried), JoinError>) {
        let (id, tried) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                tracing::error!("a try of a notification broke off");
                (error.id(), Tried::broken())
            }
        };
        self.ended.extend(self.of.remove(&id).map(|due| (due, tried)));
    }
}

/// Counts an endpoint as down for as long as it lives.
struct Down(());

impl Down {
    fn counted() -> Self {
        metrics::gauge!("orderlight_notifications_breakers_open").increment(1.0);
        Self(())
    }
}

impl Drop for Down {
    fn drop(&mut self) {
        metrics::gauge!("orderlight_notifications_breakers_open").decrement(1.0);
    }
}

impl Lane {
    /// Sends what is due, for as long as it is let.
    pub(crate) async fn run(self) {
        let mut breaker = Breaker::default();
        loop {
            let Err(error) = self.send(&mut breaker).await;
            tracing::error!(
                endpoint = &*self.endpoint,
                error = &error as &dyn std::error::Error,
                "notifications wait for their outbox"
            );
            sleep(RETRY).await;
        }
    }

    async fn send(&self, breaker: &mut Breaker) -> Result<std::convert::Infallible, OutboxError> {
        let mut traffic = Traffic::default();
        loop {
            while let Some(ended) = traffic.under_way.try_join_next_with_id() {
                traffic.end(ended);
            }
            self.settle(&mut traffic, breaker).await?;
            let now = (self.clock)();
            self.begin(&mut traffic, breaker, now).await?;
            let wait = self.wait(&traffic, breaker, now);
            tokio::select! {
                Some(ended) = traffic.under_way.join_next_with_id() => traffic.end(ended),
                () = self.wake.notified() => {}
                () = sleep(wait) => {}
            }
        }
    }

    /// Begins as many tries as there is room for. What is due is read anew each time, for a replay may have changed it.
    async fn begin(&self, traffic: &mut Traffic, breaker: &Breaker, now: Timestamp) -> Result<(), OutboxError> {
        let (room, taken) = (breaker.room(now, &self.terms), traffic.subjects.len());
        if taken >= room {
            return Ok(());
        }
        // What is under way is due as well, and may have an earlier one of its order beside it that was replayed meanwhile.
        let limit = u32::try_from(room.saturating_add(2 * taken)).unwrap_or(u32::MAX);
        let agenda = self.outbox.agenda(&self.endpoint, now, limit).await?;
        traffic.next_at = agenda.next_at;
        for due in agenda.now {
            if traffic.subjects.len() >= room {
                break;
            }
            if traffic.subjects.insert(due.subject.clone()) {
                let (courier, now, position, attempts) =
                    (Arc::clone(&self.courier), (self.clock)(), due.position, due.attempts);
                let begun = traffic.under_way.spawn(async move { courier.take(position, attempts, now).await });
                traffic.of.insert(begun.id(), due);
            }
        }
        Ok(())
    }

    /// Stores what came of tries, all that have ended in one commit.
    async fn settle(&self, traffic: &mut Traffic, breaker: &mut Breaker) -> Result<(), OutboxError> {
        let now = (self.clock)();
        if traffic.forget_at.is_none_or(|at| at <= now) {
            let forgotten = self.outbox.forget(&self.endpoint, now.minus(KEPT), FORGOTTEN_AT_ONCE_MAX).await?;
            // While there is more of it, some is forgotten with every round.
            traffic.forget_at = (forgotten < u64::from(FORGOTTEN_AT_ONCE_MAX)).then(|| now.plus(FORGET));
        }
        if traffic.ended.is_empty() {
            return Ok(());
        }
        let mut is_down = false;
        let mut outcomes = Vec::with_capacity(traffic.ended.len());
        let mut settled = Vec::with_capacity(traffic.ended.len());
        for (due, tried) in traffic.ended.drain(..) {
            match &tried.result {
                Ok(()) | Err(Fault::Message(_) | Fault::Gone(_)) => breaker.succeeded(),
                Err(Fault::Receiver(_)) => is_down |= breaker.failed(now, &self.terms),
                Err(Fault::Unsendable(_) | Fault::Here(_) | Fault::Settled) => {}
            }
            settled.push(due.subject.clone());
            outcomes.push(self.outcome(&due, tried, now));
        }
        count(&outcomes);
        let give_up = is_down.then(|| self.terms.given_up_before(now));
        let parked = self.outbox.record(self.partition, &self.endpoint, outcomes, give_up, now).await?;
        metrics::counter!("orderlight_notifications_total", "outcome" => "parked").increment(parked);
        for subject in settled {
            traffic.subjects.remove(&subject);
        }
        self.tell_breaker(&mut traffic.down, breaker.is_open());
        Ok(())
    }

    fn outcome(&self, due: &Due, tried: Tried, now: Timestamp) -> Outcome {
        let (verdict, error) = match tried.result {
            Ok(()) => (Verdict::Delivered, None),
            Err(Fault::Message(error) | Fault::Unsendable(error)) => (Verdict::Parked, Some(error)),
            Err(Fault::Gone(error)) => {
                tracing::warn!(endpoint = &*self.endpoint, "endpoint says that it is gone, and is disabled");
                (Verdict::Gone, Some(error))
            }
            Err(Fault::Settled) => {
                (Verdict::Superseded, Some("what it asks for is settled, or its time is over".into()))
            }
            Err(Fault::Receiver(error) | Fault::Here(error)) => {
                let verdict = if due.since <= self.terms.given_up_before(now) {
                    Verdict::Parked
                } else {
                    let draw = draw(&self.endpoint, due);
                    Verdict::Again(now.plus(self.terms.pause(due.attempts.saturating_add(1), draw)))
                };
                (verdict, Some(error))
            }
        };
        Outcome { position: due.position, verdict, status: tried.status, error }
    }

    fn wait(&self, traffic: &Traffic, breaker: &Breaker, now: Timestamp) -> Duration {
        if !traffic.subjects.is_empty() && traffic.subjects.len() >= breaker.room(now, &self.terms) {
            return LOOK;
        }
        let next = match breaker.rests_until(now) {
            Some(until) => Some(until),
            None => traffic.next_at,
        };
        let wait = next.map_or(LOOK, |at| Duration::from_millis(at.since(now).millis().max(1).unsigned_abs()));
        wait.min(LOOK)
    }

    fn tell_breaker(&self, down: &mut Option<Down>, is_open: bool) {
        let endpoint = &*self.endpoint;
        if is_open && down.is_none() {
            *down = Some(Down::counted());
            tracing::warn!(endpoint, "endpoint is down; its notifications wait");
        } else if !is_open && down.take().is_some() {
            tracing::info!(endpoint, "endpoint is back");
        }
    }
}

/// A number for the scatter of pauses; it needs to differ from message to message, and nothing more.
fn draw(endpoint: &str, due: &Due) -> u64 {
    let digest = Sha256::digest(format!("{endpoint}/{}/{}", due.position, due.attempts));
    let mut number = [0; 8];
    number.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(number)
}

fn count(outcomes: &[Outcome]) {
    for outcome in outcomes {
        let outcome = match outcome.verdict {
            Verdict::Delivered => "delivered",
            Verdict::Again(_) => "failed",
            Verdict::Parked | Verdict::Gone => "parked",
            Verdict::Superseded => "superseded",
        };
        metrics::counter!("orderlight_notifications_total", "outcome" => outcome).increment(1);
    }
}
