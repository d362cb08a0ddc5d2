//! Building read models again from the first event, beside the live ones.

use eventlog::Position;

use super::sweep::tell_left;
use super::{Folding, Runner};
use crate::error::ProjectionError;
use crate::model::Model;
use crate::page::{PAGE_EVENTS_MAX, Page};
use crate::store::{Generation, Saved};

/// How often a new generation follows a live one that goes on meanwhile, before that is held for the last stretch. Each time is
/// shorter than the one before, so once or twice is nearly always enough.
const CATCH_UPS_MAX: u32 = 16;

impl Runner {
    /// Builds read models anew in one pass over the log, and puts each in its place when it is level.
    pub(crate) async fn rebuild(&self, models: &[Model]) -> Result<(), ProjectionError> {
        let building = self.store.building().await?;
        let outcome = self.build_and_replace(models).await;
        let dropped = self.store.drop_others().await;
        drop(building);
        // What was built is in its place, and what it replaced may wait.
        if let Err(error) = dropped {
            tell_left(&error);
            self.sweep();
        }
        self.look_at_checkpoints().await?;
        outcome
    }

    async fn build_and_replace(&self, models: &[Model]) -> Result<(), ProjectionError> {
        let mut generations = Vec::with_capacity(models.len());
        for model in models {
            generations.push(self.store.create(*model).await?);
        }
        let mut positions = vec![0; self.partitions.len()];
        self.build(&generations, &mut positions).await?;
        for generation in &generations {
            self.store.complete(*generation).await?;
        }
        let short_enough = u64::from(PAGE_EVENTS_MAX);
        let mut left = generations.as_slice();
        while let Some((next, rest)) = left.split_first() {
            for _ in 0..CATCH_UPS_MAX {
                if self.build(left, &mut positions).await? <= short_enough {
                    break;
                }
            }
            self.replace(*next, left, &mut positions).await?;
            left = rest;
        }
        Ok(())
    }

    /// Brings generations up to where the live one of a read model is, which stands still meanwhile, and lets one take its place.
    async fn replace(
        &self,
        next: Generation,
        generations: &[Generation],
        positions: &mut [Position],
    ) -> Result<(), ProjectionError> {
        // Those of this process wait here, and not each with one of the sessions that the building needs.
        let mut held = Vec::with_capacity(self.partitions.len());
        for partition in &self.partitions {
            held.push(partition.folding.lock().await);
        }
        let levelling = async {
            let live = self.store.live().await?;
            let marks = live.into_iter().filter(|live| live.generation.model == next.model).flat_map(|live| live.marks);
            for ((partition, position), mark) in (0_u32..).zip(positions).zip(marks) {
                self.build_partition(partition, generations, position, mark.position).await?;
            }
            Ok(())
        };
        self.store.replace(next, Box::pin(levelling)).await?;
        for mut folding in held {
            *folding = Folding::default();
        }
        Ok(())
    }

    /// Folds all partitions up to where their heads are now into generations that nobody reads. Tells how many events that were.
    async fn build(&self, generations: &[Generation], positions: &mut [Position]) -> Result<u64, ProjectionError> {
        let mut folded = 0;
        for (partition, position) in (0_u32..).zip(positions) {
            let (before, head) = (*position, self.log.head(partition).await?);
            self.build_partition(partition, generations, position, head).await?;
            folded += *position - before;
        }
        Ok(folded)
    }

    /// Folds a partition until a position is reached.
    async fn build_partition(
        &self,
        partition: u32,
        generations: &[Generation],
        position: &mut Position,
        until: Position,
    ) -> Result<(), ProjectionError> {
        let mut ahead = None;
        while *position < until {
            if *self.stopping.borrow() {
                return Err(ProjectionError::Stopping);
            }
            let page = match ahead.take() {
                Some(page) => Some(page),
                None => Page::read(&*self.log, partition, *position, PAGE_EVENTS_MAX).await?,
            };
            let Some(page) = page else { break };
            let turned = self.turn(partition, generations, page, PAGE_EVENTS_MAX).await?;
            if let Some((_, poison)) = turned.poisoned.into_iter().next() {
                return Err(poison.into());
            }
            if turned.saved == Saved::Overtaken {
                return Err(ProjectionError::TakenOver(generations.first().map_or("", |g| g.model.name())));
            }
            if let Some(end) = turned.end {
                *position = end.position;
            }
            ahead = turned.ahead;
        }
        Ok(())
    }
}
