//! Building read models again from the first event, beside the live ones.

use super::Runner;
use crate::error::ProjectionError;
use crate::model::Model;
use crate::page::{PAGE_EVENTS_MAX, Page};
use crate::store::{Generation, Replaced, Saved};

/// How often a new generation catches up with a live one that goes on meanwhile; once is nearly always enough.
const CATCH_UPS_MAX: u32 = 1_000;

impl Runner {
    /// Builds read models anew in one pass over the log, and puts each in its place when it is level.
    pub(crate) async fn rebuild(&self, models: &[Model]) -> Result<(), ProjectionError> {
        let _building = self.store.building().await?;
        let outcome = self.build_and_replace(models).await;
        self.store.drop_others().await?;
        for partition in &self.partitions {
            partition.folding.lock().await.standings = None;
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
        let mut left = generations.as_slice();
        while let Some((next, rest)) = left.split_first() {
            let mut tries = 0;
            loop {
                self.build(left, &mut positions).await?;
                if self.store.replace(*next, false).await? == Replaced::Done {
                    break;
                }
                tries += 1;
                if tries == CATCH_UPS_MAX {
                    return Err(ProjectionError::TakenOver(next.model.name()));
                }
            }
            left = rest;
        }
        Ok(())
    }

    /// Folds all partitions up to their heads into generations that nobody reads.
    async fn build(&self, generations: &[Generation], positions: &mut [u64]) -> Result<(), ProjectionError> {
        for (partition, position) in (0_u32..).zip(positions) {
            let mut ahead = None;
            loop {
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
                if ahead.is_none() && !turned.is_full {
                    break;
                }
            }
        }
        Ok(())
    }
}
