//! Following one partition: its events become messages of the outbox, and each endpoint gets a lane that sends them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use eventlog::{LogError, Position};
use rustc_hash::FxHashMap;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::courier::{Courier, NoCourier};
use crate::lane::Lane;
use crate::notifier::Shared;
use crate::outbox::{Ahead, Intake, OutboxError};
use crate::roster::{Endpoint, Roster};

/// Events read at once.
const PAGE: u32 = 1_000;
/// How often the log is looked at without a wake-up.
const POLL: Duration = Duration::from_secs(1);
/// How often it is looked for a first endpoint, while commits follow each other and there is nobody to tell of them.
const LOOK_FOR_ENDPOINTS: Duration = Duration::from_millis(250);
/// The pause after a failure.
const RETRY: Duration = Duration::from_millis(500);
/// The pause before a lane that broke off is begun again, and before one that cannot be begun is tried again.
const LANE_AGAIN: Duration = Duration::from_secs(1);
const ENDPOINT_AGAIN: Duration = Duration::from_secs(60);

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
            match apart(Self::follow(Arc::clone(&shared), partition)).await {
                Some(Err(error)) => tracing::error!(
                    partition,
                    error = &error as &dyn std::error::Error,
                    "notifications fail and are tried again"
                ),
                None => tracing::error!(partition, "notifications broke off and are begun again"),
            }
            sleep(RETRY).await;
        }
    }

    async fn follow(shared: Arc<Shared>, partition: u32) -> Result<Infallible, Trouble> {
        let (stored, roster) = begin(&shared, partition).await?;
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

    /// Begins lanes for endpoints that have none, and ends those of endpoints that are gone. A lane that breaks off is begun again
    /// by what keeps it.
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
            if !self.lanes.contains_key(&id) {
                let lane = keep(Arc::clone(&self.shared), self.partition, endpoint);
                self.lanes.insert(id, self.tasks.spawn(lane));
            }
        }
    }
}

/// Where the outbox stands in a partition, and whom it tells from there on.
///
/// One that is ahead of its log, as when an older copy of the log was restored and the outbox was not, is set back to where the log
/// ends: what the log writes from there on is told like anything else.
async fn begin(shared: &Shared, partition: u32) -> Result<(Position, Roster), Trouble> {
    let stored = shared.outbox.checkpoint(partition).await?;
    // Looked at afterwards, so that what is written meanwhile makes no outbox look as if it were ahead.
    let written = shared.log.head(partition).await?;
    let roster = Roster::at(&*shared.log, partition, stored.min(written)).await?;
    if stored > written {
        let endpoints: Vec<Box<str>> = roster.endpoints().map(|endpoint| endpoint.id.clone()).collect();
        shared.outbox.set_back(partition, Ahead { stored, written }, &endpoints).await?;
        tracing::error!(
            partition,
            checkpoint = stored,
            head = written,
            "the outbox was ahead of the log and is set back to its head; ids of messages beyond it come a second time, for other events"
        );
    }
    let set_back = metrics::counter!("orderlight_notifications_set_back_total", "partition" => partition.to_string());
    set_back.increment(stored.saturating_sub(written));
    Ok((stored.min(written), roster))
}

/// Keeps an endpoint's lane going, for as long as it is let.
async fn keep(shared: Arc<Shared>, partition: u32, endpoint: Arc<Endpoint>) {
    loop {
        match lane(&shared, partition, &endpoint) {
            Ok(lane) => {
                let _broke_off: Option<()> = apart(lane.run()).await;
                tracing::error!(endpoint = &*endpoint.id, "notifications of an endpoint broke off and are begun again");
                sleep(LANE_AGAIN).await;
            }
            Err(error) => {
                tracing::error!(
                    endpoint = &*endpoint.id,
                    error = &error as &dyn std::error::Error,
                    "endpoint cannot be told anything"
                );
                sleep(ENDPOINT_AGAIN).await;
            }
        }
    }
}

fn lane(shared: &Shared, partition: u32, endpoint: &Endpoint) -> Result<Lane, NoCourier> {
    Ok(Lane {
        endpoint: endpoint.id.clone(),
        partition,
        courier: Arc::new(Courier::new(endpoint, partition, shared.composer.clone(), shared.client.clone())?),
        outbox: shared.outbox.clone(),
        terms: shared.terms,
        clock: shared.clock.clone(),
        wake: shared.waker(&endpoint.id),
    })
}

/// Does a piece of work in a task of its own, so that a panic ends nothing but that; `None` where it did.
async fn apart<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Option<T> {
    let mut task = JoinSet::new();
    task.spawn(work);
    task.join_next().await?.ok()
}

/// What wakes a lane, made at first sight.
pub(crate) type Wakers = FxHashMap<Box<str>, Arc<Notify>>;
