//! A real log whose appends fail when told to.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use eventlog::sqlite::SqliteLog;
use eventlog::vault::Vault;
use eventlog::{Batch, EventLog, LogError};
use projections::Place;

use self::interfered::{Interfered, Interference};
use crate::service::Service;
use crate::store::Store;

#[path = "../../eventlog/tests/support/interfered.rs"]
mod interfered;

#[derive(Default)]
pub(crate) struct Faults {
    lose: AtomicUsize,
    store_unsaid: AtomicUsize,
}

impl Faults {
    /// A service on such a log.
    pub(crate) async fn service(data: &Path) -> (Arc<Interfered<Self>>, Service) {
        let log = SqliteLog::open(&data.join("log.sqlite")).await.unwrap();
        let log = Arc::new(Interfered::new(Arc::new(log), Self::default()));
        let vault = Arc::new(Vault::open_or_create(&data.join("master.key")).unwrap());
        let growth = domain::rulebook::preset("growth").unwrap();
        let models = Place::File(data.join("read.sqlite"));
        let outbox = notify::Place::File(data.join("outbox.sqlite"));
        let store = Store { log: log.clone(), vault, models, outbox, snapshots: None };
        let service = Service::start(store, growth).await.unwrap();
        (log, service)
    }

    /// So many appends fail from now on, and store nothing.
    pub(crate) fn lose(&self, appends: usize) {
        self.lose.store(appends, Ordering::SeqCst);
    }

    /// So many appends fail from now on, after they stored all.
    pub(crate) fn store_unsaid(&self, appends: usize) {
        self.store_unsaid.store(appends, Ordering::SeqCst);
    }
}

fn is_due(faults: &AtomicUsize) -> bool {
    faults.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

#[async_trait]
impl Interference for Faults {
    async fn append(&self, log: &dyn EventLog, batch: Batch) -> Result<(), LogError> {
        if is_due(&self.lose) {
            return Err(LogError::Damaged("told to lose it".to_owned()));
        }
        log.append(batch).await?;
        if is_due(&self.store_unsaid) {
            return Err(LogError::Damaged("told to store it unsaid".to_owned()));
        }
        Ok(())
    }
}
