//! A few connections that read, each used by one look-up at a time, on threads where waiting for the disk hurts nobody.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::settings;
use crate::error::StoreError;

/// How many connections read at the same time.
const READERS_MAX: usize = 8;

#[derive(Clone)]
pub(super) struct Readers(Arc<Shared>);

struct Shared {
    path: PathBuf,
    /// One permit for each connection that may be in use; closed with the file.
    room: Semaphore,
    /// Connections that nobody uses, the one used last on top.
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        let idle = Mutex::new(Vec::with_capacity(READERS_MAX));
        Self(Arc::new(Shared { path, room: Semaphore::new(READERS_MAX), idle }))
    }

    /// Reads with one of the connections. After a failure the connection is not used again.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let Ok(_permit) = self.0.room.acquire().await else { return Err(closed()) };
        let shared = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || {
            let idle = shared.idle().pop();
            let connection = match idle {
                Some(connection) => connection,
                None => settings::open_reader(&shared.path)?,
            };
            let found = read(&connection);
            if found.is_ok() && !shared.room.is_closed() {
                shared.idle().push(connection);
            }
            found
        });
        done.await.unwrap_or_else(|error| Err(StoreError::new(error)))
    }

    /// Ends the connections; nothing is read afterwards.
    pub(super) async fn close(&self) {
        // Whoever reads now is waited for.
        let all = self.0.room.acquire_many(u32::try_from(READERS_MAX).unwrap_or(u32::MAX)).await;
        self.0.room.close();
        drop(all);
        self.0.idle().clear();
    }
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What read models answer after they were closed.
pub(super) fn closed() -> StoreError {
    StoreError::new("read models are closed")
}
