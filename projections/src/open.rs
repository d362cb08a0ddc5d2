//! Opening: finding the builds that can be gone on with, and beginning anew where there is none.

use eventlog::{EventLog, LogError};

use crate::error::ProjectionError;
use crate::model::Model;
use crate::page::Mark;
use crate::store::{Live, Store};

/// Makes sure that every read model has a live generation of this version that was folded from this log. One that is made here
/// is empty and behind for a while.
pub(crate) async fn open_all(store: &dyn Store, log: &dyn EventLog) -> Result<(), ProjectionError> {
    if unusable(store, log).await?.is_empty() {
        return Ok(());
    }
    let _building = store.building().await?;
    // Another process may have made them meanwhile.
    for model in unusable(store, log).await? {
        let generation = store.create(model).await?;
        store.complete(generation).await?;
        // Where an unusable one is does not matter.
        store.replace(generation, Box::pin(async { Ok(()) })).await?;
    }
    Ok(())
}

async fn unusable(store: &dyn Store, log: &dyn EventLog) -> Result<Vec<Model>, ProjectionError> {
    let live = store.live().await?;
    let mut unusable = Vec::new();
    for model in Model::ALL {
        let found = live.iter().find(|live| live.generation.model == model);
        if !matches!(found, Some(live) if is_usable(live, log).await?) {
            unusable.push(model);
        }
    }
    Ok(unusable)
}

async fn is_usable(live: &Live, log: &dyn EventLog) -> Result<bool, LogError> {
    let model = live.generation.model;
    if live.version != model.version() {
        tracing::warn!(
            projection = model.name(),
            from = live.version,
            to = model.version(),
            "read model has a new form and is built anew"
        );
        return Ok(false);
    }
    for (partition, mark) in (0_u32..).zip(&live.marks).filter(|(_, mark)| mark.position > 0) {
        let at_mark = log.read(partition, mark.position - 1, 1).await?;
        if at_mark.first().map(|event| Mark::of(event)).as_ref() != Some(mark) {
            let head = log.head(partition).await?;
            tracing::error!(
                projection = model.name(),
                partition,
                checkpoint = mark.position,
                head,
                "read model was folded from another or a longer log than this one and is built anew"
            );
            return Ok(false);
        }
    }
    Ok(true)
}
