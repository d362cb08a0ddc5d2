//! Dropping the generations that nobody uses any more: those that were replaced, and those whose building was cut short.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use super::Runner;
use crate::error::StoreError;
use crate::store::Store;

/// The pause after a first failure; doubled after each further one.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// The longest pause.
const RETRY_LAST: Duration = Duration::from_secs(600);

impl Runner {
    /// Drops what earlier builds left, beside all else: nothing waits for it, and nothing fails with it.
    pub(crate) fn sweep(&self) {
        let mut sweeping = self.sweeping.lock().unwrap_or_else(PoisonError::into_inner);
        while sweeping.try_join_next().is_some() {}
        if sweeping.is_empty() {
            sweeping.spawn(sweep(Arc::clone(&self.store)));
        }
    }

    /// What is not dropped then, the next start drops.
    pub(super) fn end_sweeping(&self) {
        self.sweeping.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

async fn sweep(store: Arc<dyn Store>) {
    let mut pause = RETRY_FIRST;
    loop {
        match sweep_once(&*store).await {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => tell_left(&error),
        }
        sleep(pause).await;
        pause = (pause * 2).min(RETRY_LAST);
    }
}

/// False where somebody builds now, whose tables may not be taken for left ones.
async fn sweep_once(store: &dyn Store) -> Result<bool, StoreError> {
    let Some(_building) = store.try_building().await? else { return Ok(false) };
    store.drop_others().await?;
    Ok(true)
}

/// Tables of earlier builds cost room and nothing else.
pub(super) fn tell_left(error: &StoreError) {
    tracing::warn!(
        error = error as &dyn std::error::Error,
        "tables of earlier builds of read models are left, and are dropped later"
    );
}
