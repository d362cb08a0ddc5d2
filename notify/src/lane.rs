//! What is under way to one endpoint. Each has its own, so that a receiver that is slow or gone keeps nobody else waiting.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use domain::time::{Span, Timestamp};
use eventlog::Position;
use rustc_hash::FxHashSet;
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::Clock;
use crate::breaker::Breaker;
use crate::courier::{Courier, Fault, Tried};
use crate::outbox::{Due, Outbox, OutboxError, Outcome, Verdict};
use crate::terms::Terms;

/// Messages read from the outbox at once.
const AGENDA: u32 = 256;
/// The longest wait without a look at the outbox: what another process made due is found by looking.
const LOOK: Duration = Duration::from_secs(1);
/// The pause after the outbox failed.
const RETRY: Duration = Duration::from_millis(500);
/// How long what was delivered or parked can be looked up.
pub const KEPT: Span = Span::from_days(30);
/// How often what is older is forgotten.
const FORGET: Span = Span::from_hours(1);

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
    queue: VecDeque<Due>,
    under_way: JoinSet<(Due, Tried)>,
    positions: FxHashSet<Position>,
    ended: Vec<(Due, Tried)>,
    next_at: Option<Timestamp>,
    forget_at: Option<Timestamp>,
    down: Option<Down>,
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
            while let Some(ended) = traffic.under_way.try_join_next() {
                traffic.ended.extend(ended.ok());
            }
            self.settle(&mut traffic, breaker).await?;
            let now = (self.clock)();
            self.begin(&mut traffic, breaker, now).await?;
            let wait = self.wait(&traffic, breaker, now);
            tokio::select! {
                Some(ended) = traffic.under_way.join_next() => traffic.ended.extend(ended.ok()),
                () = self.wake.notified() => traffic.queue.clear(),
                () = sleep(wait) => {}
            }
        }
    }

    /// Begins as many tries as there is room for.
    async fn begin(&self, traffic: &mut Traffic, breaker: &Breaker, now: Timestamp) -> Result<(), OutboxError> {
        let room = breaker.room(now, &self.terms);
        if traffic.positions.len() >= room {
            return Ok(());
        }
        if traffic.queue.is_empty() {
            let under_way = u32::try_from(traffic.positions.len()).unwrap_or(u32::MAX);
            let agenda = self.outbox.agenda(&self.endpoint, now, AGENDA.saturating_add(under_way)).await?;
            traffic.queue = agenda.now.into_iter().filter(|due| !traffic.positions.contains(&due.position)).collect();
            traffic.next_at = agenda.next_at;
        }
        while traffic.positions.len() < room {
            let Some(due) = traffic.queue.pop_front() else { break };
            traffic.positions.insert(due.position);
            let (courier, now) = (Arc::clone(&self.courier), (self.clock)());
            traffic.under_way.spawn(async move {
                let tried = courier.take(due.position, due.attempts, now).await;
                (due, tried)
            });
        }
        Ok(())
    }

    /// Stores what came of tries, all that have ended in one commit.
    async fn settle(&self, traffic: &mut Traffic, breaker: &mut Breaker) -> Result<(), OutboxError> {
        let now = (self.clock)();
        if traffic.forget_at.is_none_or(|at| at <= now) {
            self.outbox.forget(&self.endpoint, now.minus(KEPT)).await?;
            traffic.forget_at = Some(now.plus(FORGET));
        }
        if traffic.ended.is_empty() {
            return Ok(());
        }
        let mut is_down = false;
        let mut outcomes = Vec::with_capacity(traffic.ended.len());
        let mut settled = Vec::with_capacity(traffic.ended.len());
        for (due, tried) in traffic.ended.drain(..) {
            match &tried.result {
                Ok(()) | Err(Fault::Message(_)) => breaker.succeeded(),
                Err(Fault::Receiver(_)) => is_down |= breaker.failed(now, &self.terms),
                Err(Fault::Here(_)) => {}
            }
            settled.push(due.position);
            outcomes.push(self.outcome(&due, tried, now));
        }
        count(&outcomes);
        let give_up = is_down.then(|| self.terms.given_up_before(now));
        let parked = self.outbox.record(self.partition, &self.endpoint, outcomes, give_up, now).await?;
        metrics::counter!("orderlight_notifications_total", "outcome" => "parked").increment(parked);
        for position in settled {
            traffic.positions.remove(&position);
        }
        self.tell_breaker(&mut traffic.down, breaker.is_open());
        Ok(())
    }

    fn outcome(&self, due: &Due, tried: Tried, now: Timestamp) -> Outcome {
        let (verdict, error) = match tried.result {
            Ok(()) => (Verdict::Delivered, None),
            Err(Fault::Message(error)) => (Verdict::Parked, Some(error)),
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
        if !traffic.positions.is_empty() && traffic.positions.len() >= breaker.room(now, &self.terms) {
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
            Verdict::Parked => "parked",
        };
        metrics::counter!("orderlight_notifications_total", "outcome" => outcome).increment(1);
    }
}
