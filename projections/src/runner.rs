//! Keeps one read model level with the log.
//!
//! A runner reads a page, folds it in memory, writes its rows set by set, and moves its checkpoint in the same
//! transaction: what a crash takes back, it takes back wholly. An event that cannot be read stops its read model right
//! before it, loudly, and nothing else. A store that fails is tried again, with growing pauses.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use eventlog::Position;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::database::Database;
use crate::error::ProjectionError;
use crate::generation::{self, Generation};
use crate::pages::Pages;
use crate::projection::Projection;

/// How often the log is looked at without a wake-up, for events that another process appended.
const POLL: Duration = Duration::from_secs(1);
/// How long events are gathered before they are folded, unless somebody waits for them: rows and index pages that many
/// events touch are then written once, and the log's disk writes are less in the way.
const GATHER: Duration = Duration::from_millis(50);
/// The pause after a first failure; doubled after each further one.
const RETRY_FIRST: Duration = Duration::from_millis(200);
/// The longest pause.
const RETRY_LAST: Duration = Duration::from_secs(10);

/// How a read model is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Health {
    /// Its name.
    pub name: &'static str,
    /// The partition.
    pub partition: u32,
    /// The last position that was folded.
    pub position: Position,
    /// The last position of the log, as far as this process heard.
    pub head: Position,
    /// Why it does not go on, when it does not.
    pub trouble: Option<Trouble>,
}

impl Health {
    /// Events that are not folded so far.
    pub const fn lag(&self) -> u64 {
        self.head.saturating_sub(self.position)
    }
}

/// Why a read model does not go on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// An event cannot be read. Only a newer version of the service, or a rebuild by one, goes on.
    Stopped(String),
    /// A store fails; it is tried again.
    Retrying(String),
}

/// A read model as the list of all of them sees it.
#[async_trait]
pub(crate) trait ReadModel: Send + Sync {
    fn name(&self) -> &'static str;
    /// Begins to follow the log.
    fn start(self: Arc<Self>);
    /// Folds what the log holds now, without following it.
    async fn catch_up(&self) -> Result<(), ProjectionError>;
    /// Builds it beside the live one and puts it in its place.
    async fn rebuild(&self) -> Result<(), ProjectionError>;
    fn health(&self) -> Vec<Health>;
    /// Waits until a position is folded; false when that took too long or the partition is unknown.
    async fn wait_for(&self, partition: u32, position: Position, limit: Duration) -> bool;
    /// Ends after the page at hand.
    async fn stop(&self);
}

/// Runs one read model.
pub(crate) struct Runner<P> {
    database: Arc<Database>,
    pages: Arc<Pages>,
    /// Held for each page, and by a rebuild while it takes the live one's place.
    live: Mutex<Generation<P>>,
    rebuilding: Mutex<()>,
    /// Raised when another generation became the live one.
    replaced: watch::Sender<u64>,
    reached: Vec<watch::Sender<Position>>,
    /// The highest position that somebody waits or waited for.
    awaited: Vec<watch::Sender<Position>>,
    troubles: Vec<std::sync::Mutex<Option<Trouble>>>,
    stopping: watch::Sender<bool>,
    tasks: std::sync::Mutex<Vec<JoinHandle<()>>>,
}

/// What a step did.
#[derive(PartialEq, Eq)]
enum Step {
    /// There may be more.
    Moved,
    /// There was nothing more to fold.
    AtHead,
}

impl<P: Projection> Runner<P> {
    pub(crate) async fn open(database: Arc<Database>, pages: Arc<Pages>) -> Result<Arc<Self>, ProjectionError> {
        let live = generation::open::<P>(&database, pages.log()).await?;
        let reached = live.marks.iter().map(|mark| watch::Sender::new(mark.position)).collect();
        let awaited = live.marks.iter().map(|_| watch::Sender::new(0)).collect();
        let troubles = live.marks.iter().map(|_| std::sync::Mutex::new(None)).collect();
        Ok(Arc::new(Self {
            database,
            pages,
            live: Mutex::new(live),
            rebuilding: Mutex::new(()),
            replaced: watch::Sender::new(0),
            reached,
            awaited,
            troubles,
            stopping: watch::Sender::new(false),
            tasks: std::sync::Mutex::new(Vec::new()),
        }))
    }

    /// Folds one page of the live generation.
    async fn step(&self, partition: u32) -> Result<Step, ProjectionError> {
        let mut live = self.live.lock().await;
        let Some(page) = self.pages.shared(partition, live.mark(partition)).await? else {
            return Ok(Step::AtHead);
        };
        let folded = page.end.position - live.mark(partition).position;
        if folded > 0 {
            // The next page is read meanwhile; what goes wrong there is told when it is asked for.
            let read_ahead = async {
                if page.full && page.poison.is_none() {
                    drop(self.pages.shared(partition, &page.end).await);
                }
            };
            let (outcome, ()) = tokio::join!(live.fold(&self.database, self.pages.log(), partition, &page), read_ahead);
            outcome?;
            self.tell_reached(partition, page.end.position);
            metrics::counter!("orderlight_projection_events_total", "projection" => P::NAME).increment(folded);
        }
        match &page.poison {
            Some(poison) => Err(poison.clone().into()),
            None if page.full => Ok(Step::Moved),
            None => Ok(Step::AtHead),
        }
    }

    fn tell_reached(&self, partition: u32, position: Position) {
        if let Some(reached) = usize::try_from(partition).ok().and_then(|index| self.reached.get(index)) {
            reached.send_replace(position);
        }
    }

    fn set_trouble(&self, partition: u32, trouble: Option<Trouble>) {
        let is_stopped = matches!(trouble, Some(Trouble::Stopped(_)));
        metrics::gauge!("orderlight_projection_stopped", "projection" => P::NAME, "partition" => partition.to_string())
            .set(if is_stopped { 1.0 } else { 0.0 });
        if let Some(place) = usize::try_from(partition).ok().and_then(|index| self.troubles.get(index)) {
            *place.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = trouble;
        }
    }

    async fn follow(self: Arc<Self>, partition: u32) {
        let mut head = self.pages.log().watch(partition);
        let Some(awaited) = usize::try_from(partition).ok().and_then(|index| self.awaited.get(index)) else { return };
        let mut awaited = awaited.subscribe();
        let mut stopping = self.stopping.subscribe();
        let mut replaced = self.replaced.subscribe();
        let mut pause = RETRY_FIRST;
        while !*stopping.borrow_and_update() {
            replaced.borrow_and_update();
            let wait = match self.step(partition).await {
                Ok(step) => {
                    self.set_trouble(partition, None);
                    pause = RETRY_FIRST;
                    if step == Step::Moved {
                        continue;
                    }
                    Some(POLL)
                }
                Err(ProjectionError::Poison(poison)) => {
                    tracing::error!(projection = P::NAME, error = %poison, "read model stopped at an event it cannot read");
                    self.set_trouble(partition, Some(Trouble::Stopped(poison.to_string())));
                    None
                }
                Err(error) => {
                    tracing::error!(
                        projection = P::NAME,
                        partition,
                        error = &error as &dyn std::error::Error,
                        "read model fails and is tried again"
                    );
                    self.set_trouble(partition, Some(Trouble::Retrying(error.to_string())));
                    let wait = pause;
                    pause = (pause * 2).min(RETRY_LAST);
                    tokio::select! { () = sleep(wait) => {}, _ = stopping.changed() => {} }
                    continue;
                }
            };
            let reached = self.reached(partition);
            tokio::select! {
                _ = stopping.changed() => {}
                _ = replaced.changed() => {}
                () = moved_past(&mut head, reached), if wait.is_some() => {
                    tokio::select! {
                        _ = stopping.changed() => {}
                        () = moved_past(&mut awaited, reached) => {}
                        () = sleep(GATHER) => {}
                    }
                }
                () = sleep(wait.unwrap_or(POLL)), if wait.is_some() => {}
            }
        }
    }

    fn reached(&self, partition: u32) -> Position {
        let reached = usize::try_from(partition).ok().and_then(|index| self.reached.get(index));
        reached.map_or(0, |position| *position.borrow())
    }

    /// Folds the log into a generation that nobody reads, until nothing is left.
    async fn build(&self, next: &mut Generation<P>, partition: u32, level: Position) -> Result<(), ProjectionError> {
        while let Some(page) = self.pages.fresh(partition, next.mark(partition)).await? {
            if *self.stopping.borrow() {
                return Err(ProjectionError::Stopping);
            }
            if page.end.position > next.mark(partition).position {
                next.fold(&self.database, self.pages.log(), partition, &page).await?;
            }
            if let Some(poison) = &page.poison {
                return Err(poison.clone().into());
            }
            if !page.full && next.mark(partition).position >= level {
                break;
            }
        }
        Ok(())
    }

    async fn build_and_replace(&self, mut next: Generation<P>) -> Result<(), ProjectionError> {
        let partitions = self.pages.log().partitions();
        for partition in 0..partitions {
            self.build(&mut next, partition, 0).await?;
        }
        // The live one stands still from here on, for the few events that came meanwhile.
        let mut live = self.live.lock().await;
        for partition in 0..partitions {
            self.build(&mut next, partition, live.mark(partition).position).await?;
        }
        generation::make_live::<P>(&self.database, next.number).await?;
        for partition in 0..partitions {
            self.tell_reached(partition, next.mark(partition).position);
            self.set_trouble(partition, None);
        }
        *live = next;
        Ok(())
    }
}

/// Waits until a position is beyond another. One whose sender is gone never moves again.
async fn moved_past(position: &mut watch::Receiver<Position>, reached: Position) {
    if position.wait_for(|position| *position > reached).await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[async_trait]
impl<P: Projection> ReadModel for Runner<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn start(self: Arc<Self>) {
        let mut tasks = self.tasks.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for partition in 0..self.pages.log().partitions() {
            tasks.push(tokio::spawn(Arc::clone(&self).follow(partition)));
        }
    }

    async fn catch_up(&self) -> Result<(), ProjectionError> {
        for partition in 0..self.pages.log().partitions() {
            while self.step(partition).await? == Step::Moved {}
        }
        Ok(())
    }

    async fn rebuild(&self) -> Result<(), ProjectionError> {
        let _only_one = self.rebuilding.lock().await;
        let next = generation::create::<P>(&self.database, self.pages.log().partitions()).await?;
        let outcome = self.build_and_replace(next).await;
        self.replaced.send_modify(|count| *count += 1);
        generation::drop_others::<P>(&self.database).await?;
        outcome
    }

    fn health(&self) -> Vec<Health> {
        let of = |(partition, (reached, trouble)): (u32, (&watch::Sender<Position>, &std::sync::Mutex<_>))| {
            let position = *reached.borrow();
            let head = (*self.pages.log().watch(partition).borrow()).max(position);
            let trouble: Option<Trouble> =
                Option::clone(&trouble.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
            Health { name: P::NAME, partition, position, head, trouble }
        };
        (0..).zip(self.reached.iter().zip(&self.troubles)).map(of).collect()
    }

    async fn wait_for(&self, partition: u32, position: Position, limit: Duration) -> bool {
        let Some(index) = usize::try_from(partition).ok().filter(|index| *index < self.reached.len()) else {
            return false;
        };
        self.awaited[index].send_if_modified(|awaited| {
            let is_later = position > *awaited;
            *awaited = position.max(*awaited);
            is_later
        });
        let mut reached = self.reached[index].subscribe();
        timeout(limit, reached.wait_for(|reached| *reached >= position)).await.is_ok_and(|waited| waited.is_ok())
    }

    async fn stop(&self) {
        self.stopping.send_replace(true);
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        for task in tasks {
            if task.await.is_err() {
                tracing::error!(projection = P::NAME, "read model's task ended by a panic");
            }
        }
    }
}
