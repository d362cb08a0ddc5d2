//! The notifier of a process: follows the partitions that it keeps, and answers what became of messages.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::time::Timestamp;
use eventlog::vault::Vault;
use eventlog::{EventLog, Position};
use rustc_hash::FxHashMap;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::client::Client;
use crate::guard::{Guard, Refused, Resolve};
use crate::intake::{Follower, Wakers};
use crate::message::Composer;
use crate::outbox::{self, Delivery, Outbox, OutboxError, Place, Replay, State};
use crate::terms::Terms;

/// Says what time it is.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How often the messages that wait are counted.
const COUNT: Duration = Duration::from_secs(5);

/// What everything here works with.
pub(crate) struct Shared {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) outbox: Arc<dyn Outbox>,
    pub(crate) composer: Arc<Composer>,
    pub(crate) client: Arc<Client>,
    pub(crate) terms: Terms,
    pub(crate) clock: Clock,
    wakers: Mutex<Wakers>,
}

/// See the module.
pub struct Notifier {
    shared: Arc<Shared>,
    guard: Guard,
    followers: Mutex<FxHashMap<u32, JoinHandle<()>>>,
    counting: JoinHandle<()>,
}

impl Notifier {
    /// Opens the outbox; follows nothing yet.
    ///
    /// # Errors
    /// When the outbox cannot be opened.
    pub async fn open(
        place: &Place,
        log: Arc<dyn EventLog>,
        vault: Arc<Vault>,
        clock: Clock,
        terms: Terms,
        resolve: Resolve,
    ) -> Result<Self, OutboxError> {
        let outbox = outbox::open(place).await?;
        let guard = Guard::new(resolve, terms.allow_private);
        let client = Arc::new(Client::new(guard.clone(), terms.answer_within, terms.at_once_max));
        let composer = Arc::new(Composer::new(log.clone(), vault));
        let counting = tokio::spawn(count(outbox.clone()));
        let shared = Shared { log, outbox, composer, client, terms, clock, wakers: Mutex::default() };
        Ok(Self { shared: Arc::new(shared), guard, followers: Mutex::default(), counting })
    }

    /// Says where receivers may be.
    pub const fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Begins to follow a partition and to tell of it.
    pub fn follow(&self, partition: u32) {
        let mut followers = self.followers();
        if followers.get(&partition).is_none_or(JoinHandle::is_finished) {
            followers.insert(partition, tokio::spawn(Follower::run(Arc::clone(&self.shared), partition)));
        }
    }

    /// Ends it. What is under way is tried again by whoever follows the partition next.
    pub async fn unfollow(&self, partition: u32) {
        let follower = self.followers().remove(&partition);
        end(follower).await;
    }

    /// Messages of an endpoint before a position, newest first.
    ///
    /// # Errors
    /// When the outbox cannot be read.
    pub async fn deliveries(
        &self,
        endpoint: &str,
        state: Option<State>,
        before: Option<Position>,
        limit: u32,
    ) -> Result<Vec<Delivery>, OutboxError> {
        self.shared.outbox.list(endpoint, state, before, limit).await
    }

    /// Since when an endpoint is told nothing, because its receiver said that it is gone; `None` for one that is told.
    ///
    /// # Errors
    /// When the outbox cannot be read.
    pub async fn disabled_since(&self, endpoint: &str) -> Result<Option<Timestamp>, OutboxError> {
        self.shared.outbox.disabled_since(endpoint).await
    }

    /// Makes messages due again; answers how many. Those that wait already are not counted. Of an order they go before later ones
    /// that wait; one that is under way at this moment ends first. An endpoint that was disabled is told again.
    ///
    /// # Errors
    /// When the outbox cannot be written.
    pub async fn replay(&self, partition: u32, endpoint: &str, which: Replay) -> Result<u64, OutboxError> {
        let now = (self.shared.clock)();
        let due = self.shared.outbox.replay(partition, endpoint, which, now).await?;
        self.shared.wake(endpoint);
        Ok(due)
    }

    /// Whether a URL may be told of anything.
    ///
    /// # Errors
    /// Why not.
    pub async fn look_at(&self, url: &str) -> Result<(), Refused> {
        self.guard.look_at(url).await
    }

    /// Ends all of it.
    pub async fn stop(&self) {
        self.counting.abort();
        let followers = std::mem::take(&mut *self.followers());
        for follower in followers.into_values() {
            end(Some(follower)).await;
        }
        self.shared.outbox.close().await;
    }

    fn followers(&self) -> std::sync::MutexGuard<'_, FxHashMap<u32, JoinHandle<()>>> {
        self.followers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn wakers(&self) -> std::sync::MutexGuard<'_, Wakers> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What wakes an endpoint's lane.
    pub(crate) fn waker(&self, endpoint: &str) -> Arc<Notify> {
        Arc::clone(self.wakers().entry(endpoint.into()).or_default())
    }

    /// Has an endpoint's lane look at the outbox, where it is here.
    pub(crate) fn wake(&self, endpoint: &str) {
        if let Some(waker) = self.wakers().get(endpoint) {
            waker.notify_one();
        }
    }

    pub(crate) fn forget(&self, endpoint: &str) {
        self.wakers().remove(endpoint);
    }
}

async fn end(follower: Option<JoinHandle<()>>) {
    if let Some(follower) = follower {
        follower.abort();
        // It ends as it was asked to.
        drop(follower.await);
    }
}

async fn count(outbox: Arc<dyn Outbox>) {
    loop {
        match outbox.counts().await {
            Ok(counts) => {
                metrics::gauge!("orderlight_notifications_pending").set(counts.pending as f64);
                metrics::gauge!("orderlight_notifications_parked").set(counts.parked as f64);
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "notifications that wait cannot be counted");
            }
        }
        sleep(COUNT).await;
    }
}
