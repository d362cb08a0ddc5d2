//! Keeps the read models level with the log, one task for each partition that this process folds.
//!
//! A page is read and decoded once for all read models that stand at its beginning, which is nearly always all of them, folded
//! in memory, and written with their checkpoints in one transaction: what a crash takes back, it takes back wholly. One that is
//! behind goes alone until it is level. An event that cannot be read stops its read model right before it, loudly, and nothing
//! else. A store that fails is tried again, with growing pauses. Where somebody else moved a checkpoint the page is dropped
//! and the checkpoint is read anew.

mod follow;
mod rebuild;
mod sweep;

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use eventlog::{EventLog, Position};
use tokio::sync::{Mutex, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::change::PoisonEvent;
use crate::error::{ProjectionError, StoreError};
use crate::fold::{Fold, Loaded};
use crate::model::Model;
use crate::page::{Mark, Page};
use crate::store::{Generation, Saved, Store, Turn};

/// How often the checkpoints are looked at for somebody who waits for what another process folds.
const FOREIGN_POLL: Duration = Duration::from_millis(25);

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

/// Runs all read models.
pub(crate) struct Runner {
    store: Arc<dyn Store>,
    log: Arc<dyn EventLog>,
    partitions: Vec<Partition>,
    stopping: watch::Sender<bool>,
    /// Drops what earlier builds left; ends with this.
    sweeping: std::sync::Mutex<JoinSet<()>>,
}

/// One partition of the log.
struct Partition {
    number: u32,
    /// Held for each page.
    folding: Mutex<Folding>,
    /// Whether this process folds it. A partition's events are folded by one process at a time; should there be two for a moment,
    /// each page is written by one of them.
    is_ours: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
    /// For each read model, how far it is.
    reached: [watch::Sender<Position>; Model::ALL.len()],
    /// The highest position that somebody waits or waited for.
    awaited: watch::Sender<Position>,
    troubles: [std::sync::Mutex<Option<Trouble>>; Model::ALL.len()],
    /// Held by the one who looks at another process's checkpoints for all who wait.
    looking: Mutex<()>,
}

#[derive(Default)]
struct Folding {
    /// `None` while the checkpoints are to be read.
    standings: Option<Vec<Standing>>,
    /// A page that was read while another was written.
    ahead: Option<Page>,
}

/// Where a read model stands in a partition.
struct Standing {
    generation: Generation,
    position: Position,
    poison: Option<PoisonEvent>,
}

/// What became of a page.
struct Turned {
    saved: Saved,
    /// Where the read models stand now; `None` where nothing could be folded.
    end: Option<Mark>,
    /// The event that stops some of them, or all.
    poisoned: Vec<(Model, PoisonEvent)>,
    ahead: Option<Page>,
    /// Whether the log holds more.
    is_full: bool,
}

impl Turned {
    /// One of the generations is not there any more.
    const fn overtaken() -> Self {
        Self { saved: Saved::Overtaken, end: None, poisoned: Vec::new(), ahead: None, is_full: false }
    }
}

impl Runner {
    /// Stands where the checkpoints are; nothing is folded so far.
    pub(crate) async fn new(store: Arc<dyn Store>, log: Arc<dyn EventLog>) -> Result<Self, StoreError> {
        let partitions = (0..log.partitions()).map(|number| Partition {
            number,
            folding: Mutex::default(),
            is_ours: watch::Sender::new(false),
            task: Mutex::new(None),
            reached: Model::ALL.map(|_| watch::Sender::new(0)),
            awaited: watch::Sender::new(0),
            troubles: Model::ALL.map(|_| std::sync::Mutex::new(None)),
            looking: Mutex::new(()),
        });
        let (stopping, sweeping) = (watch::Sender::new(false), std::sync::Mutex::default());
        let runner = Self { partitions: partitions.collect(), store, log, stopping, sweeping };
        runner.look_at_checkpoints().await?;
        Ok(runner)
    }

    /// The numbers of all partitions.
    pub(crate) fn partitions(&self) -> std::ops::Range<u32> {
        0..self.log.partitions()
    }

    fn partition(&self, number: u32) -> Option<&Partition> {
        self.partitions.get(usize::try_from(number).ok()?)
    }

    /// Tells how far everybody is, as the store has it.
    async fn look_at_checkpoints(&self) -> Result<(), StoreError> {
        for live in self.store.live().await? {
            for (partition, mark) in self.partitions.iter().zip(&live.marks) {
                partition.tell_reached(live.generation.model, mark.position);
            }
        }
        Ok(())
    }

    /// Folds what the log holds now, without following it.
    pub(crate) async fn catch_up(&self) -> Result<(), ProjectionError> {
        for partition in &self.partitions {
            partition.is_ours.send_replace(true);
            while self.step(partition).await? == Step::Moved {}
            let folding = partition.folding.lock().await;
            let standings = folding.standings.iter().flatten();
            if let Some(poison) = standings.filter_map(|standing| standing.poison.clone()).next() {
                return Err(poison.into());
            }
        }
        Ok(())
    }

    /// Folds a page into some generations that stand at its beginning, and reads the next one meanwhile where `read_ahead`
    /// gives the most events it may have.
    async fn turn(
        &self,
        partition: u32,
        generations: &[Generation],
        page: Page,
        read_ahead: u32,
    ) -> Result<Turned, ProjectionError> {
        let models: Vec<Model> = generations.iter().map(|generation| generation.model).collect();
        let known = page.known_streams();
        let loaded = if known.is_empty() {
            Some(Loaded::nothing_of(&models))
        } else {
            self.store.load(generations, known).await?
        };
        let Some(loaded) = loaded else { return Ok(Turned::overtaken()) };
        // A large page is some milliseconds of work, which the tasks of others need not wait for.
        let folding = tokio::task::spawn_blocking(move || {
            let fold = Fold::of(&page, loaded);
            (page, fold)
        });
        let (page, fold) = folding.await.map_err(StoreError::new)?;
        let missing = fold.missing(&page);
        let histories = if missing.is_empty() { Vec::new() } else { self.log.read_streams(&missing).await? };
        let mut poisoned: Vec<(Model, PoisonEvent)> = Vec::new();
        if let Some(poison) = &fold.poison {
            poisoned.extend(models.iter().map(|model| (*model, poison.clone())));
        }
        let Some(end) = fold.end(&page) else {
            return Ok(Turned { saved: Saved::Moved, end: None, poisoned, ahead: None, is_full: false });
        };
        let (mut rows, unreadable) = fold.finish(&page, &histories);
        let going_on: Vec<Generation> = generations
            .iter()
            .copied()
            .filter(|generation| unreadable.iter().all(|(model, _)| *model != generation.model))
            .collect();
        for (model, _) in &unreadable {
            rows.remove(*model);
        }
        let is_full = page.is_full;
        let goes_on = is_full && poisoned.is_empty() && unreadable.is_empty();
        poisoned.extend(unreadable);
        let turn = Turn { partition, generations: going_on, page: Arc::new(page), rows, end: end.clone() };
        // What goes wrong in reading ahead is told when the page is asked for.
        let ahead = async {
            if !goes_on || read_ahead == 0 {
                return None;
            }
            Page::read(&*self.log, partition, end.position, read_ahead).await.ok().flatten()
        };
        let (saved, ahead) = tokio::join!(self.store.save(turn), ahead);
        tracing::debug!(partition, position = end.position, ?models, "page folded");
        Ok(Turned { saved: saved?, end: Some(end), poisoned, ahead, is_full })
    }

    pub(crate) fn health(&self) -> Vec<Health> {
        let ours = self.partitions.iter().filter(|partition| *partition.is_ours.borrow());
        let of = |partition: &Partition| {
            Model::ALL.map(|model| {
                let position = *partition.reached[model.index()].borrow();
                let head = (*self.log.watch(partition.number).borrow()).max(position);
                let trouble = partition.trouble(model);
                Health { name: model.name(), partition: partition.number, position, head, trouble }
            })
        };
        ours.flat_map(of).collect()
    }

    /// Waits until a position is folded, here or by another process; false when that took too long or the partition is unknown.
    pub(crate) async fn wait_for(&self, model: Model, number: u32, position: Position, limit: Duration) -> bool {
        let Some(partition) = self.partition(number) else { return false };
        partition.awaited.send_if_modified(|awaited| {
            let is_later = position > *awaited;
            *awaited = position.max(*awaited);
            is_later
        });
        let mut reached = partition.reached[model.index()].subscribe();
        let looking = async {
            loop {
                let mut is_ours = partition.is_ours.subscribe();
                if *is_ours.borrow_and_update() {
                    if is_ours.changed().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                } else {
                    let _looking = partition.looking.lock().await;
                    // A store that fails now is told to whoever reads next.
                    if let Err(error) = self.look_at_checkpoints().await {
                        tracing::debug!(%error, "checkpoints cannot be read");
                    }
                    sleep(FOREIGN_POLL).await;
                }
            }
        };
        let waiting = async {
            tokio::select! {
                waited = reached.wait_for(|reached| *reached >= position) => waited.is_ok(),
                () = looking => false,
            }
        };
        timeout(limit, waiting).await.is_ok_and(|reached| reached)
    }

    /// Ends after the pages at hand.
    pub(crate) async fn stop(&self) {
        self.stopping.send_replace(true);
        self.end_sweeping();
        for partition in &self.partitions {
            partition.end_task().await;
        }
    }
}

/// What a step did.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// There may be more.
    Moved,
    /// There was nothing more to fold.
    AtHead,
}

impl Partition {
    fn tell_reached(&self, model: Model, position: Position) {
        self.reached[model.index()].send_if_modified(|reached| std::mem::replace(reached, position) != position);
    }

    fn trouble(&self, model: Model) -> Option<Trouble> {
        self.troubles[model.index()].lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_trouble(&self, model: Model, trouble: Option<Trouble>) {
        let mut known = self.troubles[model.index()].lock().unwrap_or_else(PoisonError::into_inner);
        if *known == trouble {
            return;
        }
        let is_stopped = matches!(trouble, Some(Trouble::Stopped(_)));
        let labels = [("projection", model.name().to_owned()), ("partition", self.number.to_string())];
        metrics::gauge!("orderlight_projection_stopped", &labels).set(if is_stopped { 1.0 } else { 0.0 });
        *known = trouble;
    }

    async fn end_task(&self) {
        if let Some(task) = self.task.lock().await.take()
            && task.await.is_err()
        {
            tracing::error!(partition = self.number, "read models' task ended by a panic");
        }
    }
}
