//! Following one partition, step by step.

use std::sync::Arc;
use std::time::Duration;

use eventlog::Position;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::{Folding, Partition, Runner, Standing, Step, Trouble};
use crate::change::PoisonEvent;
use crate::error::ProjectionError;
use crate::model::Model;
use crate::page::{PAGE_EVENTS_MAX, Page};
use crate::store::{Generation, Saved};

/// How often the log is looked at without a wake-up, for events that another process appended.
const POLL: Duration = Duration::from_secs(1);
/// How far folds lie apart at least, unless somebody waits for events: rows and index pages that many events touch are then
/// written once, and the log's disk writes are less in the way. What comes after a silence is folded at once.
const GATHER: Duration = Duration::from_millis(50);
/// The pause after a first failure; doubled after each further one.
const RETRY_FIRST: Duration = Duration::from_millis(200);
/// The longest pause.
const RETRY_LAST: Duration = Duration::from_secs(10);

impl Runner {
    /// Begins to fold a partition, in a task of the current runtime.
    pub(crate) async fn follow(self: &Arc<Self>, number: u32) {
        let Some(partition) = self.partition(number) else { return };
        let mut task = partition.task.lock().await;
        if task.as_ref().is_none_or(tokio::task::JoinHandle::is_finished) {
            // What another process did meanwhile is read from the store.
            *partition.folding.lock().await = Folding::default();
            partition.is_ours.send_replace(true);
            let runner = Arc::clone(self);
            *task = Some(tokio::spawn(async move { runner.follow_to_the_end(number).await }));
        }
    }

    /// Ends to fold a partition, after the page at hand.
    pub(crate) async fn unfollow(&self, number: u32) {
        let Some(partition) = self.partition(number) else { return };
        partition.is_ours.send_replace(false);
        partition.end_task().await;
    }

    async fn follow_to_the_end(&self, number: u32) {
        let Some(partition) = self.partition(number) else { return };
        let mut head = self.log.watch(number);
        let mut awaited = partition.awaited.subscribe();
        let mut stopping = self.stopping.subscribe();
        let mut is_ours = partition.is_ours.subscribe();
        let mut pause = RETRY_FIRST;
        while !*stopping.borrow_and_update() && *is_ours.borrow_and_update() {
            match self.step(partition).await {
                Ok(Step::Moved) => {
                    pause = RETRY_FIRST;
                    continue;
                }
                Ok(Step::AtHead) => pause = RETRY_FIRST,
                Err(error) => {
                    tracing::error!(
                        partition = number,
                        error = &error as &dyn std::error::Error,
                        "read models fail and are tried again"
                    );
                    for model in Model::ALL {
                        partition.set_trouble(model, Some(Trouble::Retrying(error.to_string())));
                    }
                    tokio::select! { () = sleep(pause) => {}, _ = stopping.changed() => {}, _ = is_ours.changed() => {} }
                    pause = (pause * 2).min(RETRY_LAST);
                    continue;
                }
            }
            let (reached, next) = (partition.furthest(), Instant::now() + GATHER);
            tokio::select! {
                _ = stopping.changed() => {}
                _ = is_ours.changed() => {}
                () = moved_past(&mut head, reached) => {
                    tokio::select! {
                        _ = stopping.changed() => {}
                        () = moved_past(&mut awaited, reached) => {}
                        () = sleep_until(next) => {}
                    }
                }
                () = sleep(POLL) => {}
            }
        }
    }

    /// Folds one page for those that stand together, and one each for those that are behind.
    pub(super) async fn step(&self, partition: &Partition) -> Result<Step, ProjectionError> {
        let mut folding = partition.folding.lock().await;
        let stepped = self.step_all(partition, &mut folding).await;
        if stepped.is_err() {
            *folding = Folding::default();
        }
        stepped
    }

    async fn step_all(&self, partition: &Partition, folding: &mut Folding) -> Result<Step, ProjectionError> {
        let is_any_stopped = folding.standings.iter().flatten().any(|standing| standing.poison.is_some());
        // One that is stopped may have been built anew by somebody else.
        if folding.standings.is_none() || is_any_stopped {
            self.read_standings(partition, folding).await?;
        }
        let going_on = folding.standings.iter().flatten().filter(|standing| standing.poison.is_none());
        let mut positions: Vec<Position> = going_on.map(|standing| standing.position).collect();
        positions.sort_unstable();
        positions.dedup();
        let mut all = Step::AtHead;
        for (index, position) in positions.iter().enumerate() {
            // Those behind stop where the next ones stand, and go on together with them.
            let room = positions.get(index + 1).map(|next| u32::try_from(next - position).unwrap_or(u32::MAX));
            if self.step_from(partition, folding, *position, room).await? == Step::Moved {
                all = Step::Moved;
            }
            if folding.standings.is_none() {
                return Ok(Step::Moved);
            }
        }
        Ok(all)
    }

    async fn step_from(
        &self,
        partition: &Partition,
        folding: &mut Folding,
        position: Position,
        room: Option<u32>,
    ) -> Result<Step, ProjectionError> {
        let limit = PAGE_EVENTS_MAX.min(room.unwrap_or(u32::MAX));
        let ahead = folding.ahead.take_if(|page| page.after == position && room.is_none());
        let page = match ahead {
            Some(page) => Some(page),
            None => Page::read(&*self.log, partition.number, position, limit).await?,
        };
        let Some(page) = page else {
            folding.clear_troubles(partition);
            return Ok(Step::AtHead);
        };
        let generations: Vec<Generation> = folding.at(position).map(|standing| standing.generation).collect();
        let read_ahead = if room.is_some() { 0 } else { PAGE_EVENTS_MAX };
        let turned = self.turn(partition.number, &generations, page, read_ahead).await?;
        if turned.saved == Saved::Overtaken {
            *folding = Folding::default();
            return Ok(Step::Moved);
        }
        if room.is_none() {
            folding.ahead = turned.ahead;
        }
        let is_poisoned = !turned.poisoned.is_empty();
        for standing in folding.standings.iter_mut().flatten() {
            if !generations.contains(&standing.generation) {
                continue;
            }
            let model = standing.generation.model;
            let poison = turned.poisoned.iter().find(|(poisoned, _)| *poisoned == model).map(|(_, poison)| poison);
            let is_held_back =
                poison.is_some_and(|poison| turned.end.as_ref().is_some_and(|end| poison.position <= end.position));
            if let Some(end) = turned.end.as_ref().filter(|_| !is_held_back) {
                let folded = end.position - standing.position;
                standing.position = end.position;
                partition.tell_reached(model, end.position);
                metrics::counter!("orderlight_projection_events_total", "projection" => model.name()).increment(folded);
            }
            standing.poison = poison.cloned();
            match poison {
                Some(poison) => partition.stop(model, poison),
                None => partition.set_trouble(model, None),
            }
        }
        Ok(if turned.is_full && !is_poisoned { Step::Moved } else { Step::AtHead })
    }

    /// Where the store says that the read models stand. One that is stopped stays so until it is replaced.
    async fn read_standings(&self, partition: &Partition, folding: &mut Folding) -> Result<(), ProjectionError> {
        let live = self.store.live().await?;
        let index = usize::try_from(partition.number).unwrap_or(usize::MAX);
        let mut standings = Vec::with_capacity(live.len());
        for model in Model::ALL {
            let found = live.iter().find(|live| live.generation.model == model && live.version == model.version());
            let Some(found) = found else {
                let taken_over = ProjectionError::TakenOver(model.name()).to_string();
                partition.set_trouble(model, Some(Trouble::Stopped(taken_over)));
                continue;
            };
            let position = found.marks.get(index).map_or(0, |mark| mark.position);
            let known = folding.standings.iter().flatten().find(|known| known.generation == found.generation);
            let poison = known.and_then(|known| known.poison.clone());
            partition.tell_reached(model, position);
            standings.push(Standing { generation: found.generation, position, poison });
        }
        folding.standings = Some(standings);
        Ok(())
    }
}

impl Folding {
    fn at(&self, position: Position) -> impl Iterator<Item = &Standing> {
        let going_on = self.standings.iter().flatten().filter(|standing| standing.poison.is_none());
        going_on.filter(move |standing| standing.position == position)
    }

    fn clear_troubles(&self, partition: &Partition) {
        for standing in self.standings.iter().flatten().filter(|standing| standing.poison.is_none()) {
            partition.set_trouble(standing.generation.model, None);
        }
    }
}

impl Partition {
    fn stop(&self, model: Model, poison: &PoisonEvent) {
        tracing::error!(projection = model.name(), error = %poison, "read model stopped at an event it cannot read");
        self.set_trouble(model, Some(Trouble::Stopped(poison.to_string())));
    }

    /// How far the one is that is furthest.
    fn furthest(&self) -> Position {
        self.reached.iter().map(|reached| *reached.borrow()).max().unwrap_or_default()
    }
}

/// Waits until a position is beyond another. One whose sender is gone never moves again.
async fn moved_past(position: &mut watch::Receiver<Position>, reached: Position) {
    if position.wait_for(|position| *position > reached).await.is_err() {
        std::future::pending::<()>().await;
    }
}
