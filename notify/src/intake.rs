//! Following one partition: its events become messages of the outbox, and each endpoint gets a lane that sends them.

use std::sync::Arc;
use std::time::Duration;

use eventlog::{LogError, Position};
use rustc_hash::FxHashMap;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::courier::Courier;
use crate::lane::Lane;
use crate::notifier::Shared;
use crate::outbox::{Intake, OutboxError};
use crate::roster::{Endpoint, Roster};

/// Events read at once.
const PAGE: u32 = 1_000;
/// How often the log is looked at without a wake-up.
const POLL: Duration = Duration::from_secs(1);
/// How often it is looked for a first endpoint, while commits follow each other and there is nobody to tell of them.
const LOOK_FOR_ENDPOINTS: Duration = Duration::from_millis(250);
/// The pause after a failure.
const RETRY: Duration = Duration::from_millis(500);

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("event log cannot be read")]
    Log(#[from] LogError),
    #[error(transparent)]
    Outbox(#[from] OutboxError),
}

/// A partition that is followed.
pub(crate) struct Follower {
    shared: Arc<Shared>,
    partition: u32,
    roster: Roster,
    /// Where the outbox's checkpoint stands.
    stored: Position,
    /// How far the log was looked through; beyond the checkpoint while there is nobody to tell.
    reached: Position,
    lanes: FxHashMap<Box<str>, tokio::task::AbortHandle>,
    /// Ends all lanes when it goes.
    tasks: JoinSet<()>,
}

impl Follower {
    /// Follows a partition, for as long as it is let.
    pub(crate) async fn run(shared: Arc<Shared>, partition: u32) {
        loop {
            let Err(error) = Self::follow(Arc::clone(&shared), partition).await;
            tracing::error!(
                partition,
                error = &error as &dyn std::error::Error,
                "notifications fail and are tried again"
            );
            sleep(RETRY).await;
        }
    }

    async fn follow(shared: Arc<Shared>, partition: u32) -> Result<std::convert::Infallible, Trouble> {
        let stored = shared.outbox.checkpoint(partition).await?;
        let written = shared.log.head(partition).await?;
        if stored > written {
            // As when an older copy of the log was restored, and the outbox was not.
            tracing::error!(
                partition,
                checkpoint = stored,
                head = written,
                "the outbox is ahead of the log, and what is written up to its checkpoint will be told to nobody"
            );
        }
        let roster = Roster::at(&*shared.log, partition, stored).await?;
        let mut head = shared.log.watch(partition);
        let (lanes, tasks) = (FxHashMap::default(), JoinSet::new());
        let mut follower = Self { shared, partition, roster, stored, reached: stored, lanes, tasks };
        follower.keep_lanes();
        loop {
            head.borrow_and_update();
            let is_at_head = if follower.roster.is_empty() { follower.skip().await? } else { follower.step().await? };
            if follower.roster.is_empty() {
                sleep(LOOK_FOR_ENDPOINTS).await;
            }
            if is_at_head && matches!(timeout(POLL, head.changed()).await, Ok(Err(_))) {
                std::future::pending::<()>().await;
            }
        }
    }

    /// While nobody is to be told, looks only for the first endpoint.
    async fn skip(&mut self) -> Result<bool, Trouble> {
        let log = &*self.shared.log;
        let head = log.head(self.partition).await?;
        let page = log.read_type(self.partition, "merchant", self.reached, PAGE).await?;
        if let Some(created) = page.iter().find(|event| &*event.event_type == "EndpointCreated") {
            self.reached = created.position - 1;
            self.step().await?;
            return Ok(false);
        }
        let is_whole = page.len() < PAGE as usize;
        let last = page.last().map_or(self.reached, |last| last.position);
        self.reached = if is_whole { head.max(last) } else { last };
        Ok(is_whole)
    }

    /// Takes a page in; answers whether the log ends there.
    async fn step(&mut self) -> Result<bool, Trouble> {
        let page = self.shared.log.read(self.partition, self.reached, PAGE).await?;
        let Some(last) = page.last() else { return Ok(true) };
        let mut intake = Intake {
            partition: self.partition,
            after: self.stored,
            to: last.position,
            messages: Vec::new(),
            removed: Vec::new(),
        };
        for event in &page {
            if let Some(removed) = self.roster.fold(event)? {
                intake.messages.retain(|message| message.endpoint != removed);
                intake.removed.push(removed);
            }
            intake.messages.extend(self.roster.messages(event)?);
        }
        let told: Vec<Box<str>> = intake.messages.iter().map(|message| message.endpoint.clone()).collect();
        self.shared.outbox.take_in(intake, (self.shared.clock)()).await?;
        (self.stored, self.reached) = (last.position, last.position);
        self.keep_lanes();
        told.iter().for_each(|endpoint| self.shared.wake(endpoint));
        Ok(page.len() < PAGE as usize)
    }

    /// Begins lanes for endpoints that have none, and ends those of endpoints that are gone.
    fn keep_lanes(&mut self) {
        let wanted: FxHashMap<Box<str>, Arc<Endpoint>> =
            self.roster.endpoints().map(|endpoint| (endpoint.id.clone(), Arc::clone(endpoint))).collect();
        self.lanes.retain(|id, lane| {
            let is_wanted = wanted.contains_key(id);
            if !is_wanted {
                lane.abort();
                self.shared.forget(id);
            }
            is_wanted
        });
        for (id, endpoint) in wanted {
            if !self.lanes.contains_key(&id)
                && let Some(lane) = self.lane(&endpoint)
            {
                self.lanes.insert(id, self.tasks.spawn(lane.run()));
            }
        }
    }

    fn lane(&self, endpoint: &Endpoint) -> Option<Lane> {
        let shared = &self.shared;
        let courier = Courier::new(endpoint, self.partition, shared.composer.clone(), shared.client.clone());
        let courier = courier.inspect_err(|error| {
            let error = error as &dyn std::error::Error;
            tracing::error!(endpoint = &*endpoint.id, error, "endpoint cannot be told anything");
        });
        Some(Lane {
            endpoint: endpoint.id.clone(),
            partition: self.partition,
            courier: Arc::new(courier.ok()?),
            outbox: shared.outbox.clone(),
            terms: shared.terms,
            clock: shared.clock.clone(),
            wake: shared.waker(&endpoint.id),
        })
    }
}

/// What wakes a lane, made at first sight.
pub(crate) type Wakers = FxHashMap<Box<str>, Arc<Notify>>;
