//! A few connections that read, each used by one look-up at a time, on threads where waiting for the disk hurts nobody.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::names::Known;
use super::settings;
use crate::LogError;

/// How many connections read at the same time.
const READERS_MAX: usize = 4;
/// How many of them go through the log: the others are left to look-ups, however many jobs there are.
const SCANNERS_MAX: usize = 2;

#[derive(Clone, Debug)]
pub(super) struct Readers(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    /// One permit for each connection that may be in use; closed with the log.
    room: Arc<Semaphore>,
    /// One permit for each scan under way.
    scanners: Arc<Semaphore>,
    /// Connections that nobody uses, the one used last on top; those that go through the log apart.
    idle: Mutex<Vec<Connection>>,
    idle_scanners: Mutex<Vec<Connection>>,
    /// Of what scans came by.
    known: Known,
}

/// What a connection is for.
#[derive(Clone, Copy)]
enum Purpose {
    LookUps,
    Scans,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        let [idle, idle_scanners] = [READERS_MAX, SCANNERS_MAX].map(|max| Mutex::new(Vec::with_capacity(max)));
        let [room, scanners] = [READERS_MAX, SCANNERS_MAX].map(|max| Arc::new(Semaphore::new(max)));
        Self(Arc::new(Shared { path, room, scanners, idle, idle_scanners, known: Known::default() }))
    }

    /// Reads as [`read`](Self::read) does, for a part of the log at a time.
    pub(super) async fn scan<T: Send + 'static>(
        &self,
        scan: impl FnOnce(&Connection, &Known) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let Ok(permit) = Arc::clone(&self.0.scanners).acquire_owned().await else { return Err(closed()) };
        let shared = Arc::clone(&self.0);
        let scan = move |connection: &Connection| {
            let _permit = permit;
            scan(connection, &shared.known)
        };
        self.read_by(Purpose::Scans, scan).await
    }

    /// Reads with one of the connections. After a failure of the store the connection is not used again.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        self.read_by(Purpose::LookUps, read).await
    }

    async fn read_by<T: Send + 'static>(
        &self,
        purpose: Purpose,
        read: impl FnOnce(&Connection) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let Ok(permit) = Arc::clone(&self.0.room).acquire_owned().await else { return Err(closed()) };
        let shared = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || {
            // It stays until the read has ended, also when nobody waits for that any longer.
            let _permit = permit;
            let idle = shared.idle(purpose).pop();
            let connection = match (idle, purpose) {
                (Some(connection), _) => connection,
                (None, Purpose::LookUps) => settings::open_reader(&shared.path)?,
                (None, Purpose::Scans) => settings::open_scanner(&shared.path)?,
            };
            let found = read(&connection);
            if !matches!(found, Err(LogError::Store(_))) && !shared.room.is_closed() {
                shared.idle(purpose).push(connection);
            }
            found
        });
        done.await.unwrap_or_else(|error| Err(LogError::Store(error.into())))
    }

    /// Ends the connections; nothing is read afterwards.
    pub(super) async fn close(&self) {
        // Whoever reads now is waited for.
        let all = self.0.room.acquire_many(u32::try_from(READERS_MAX).unwrap_or(u32::MAX)).await;
        self.0.room.close();
        drop(all);
        self.0.idle(Purpose::LookUps).clear();
        self.0.idle(Purpose::Scans).clear();
    }
}

impl Shared {
    fn idle(&self, purpose: Purpose) -> MutexGuard<'_, Vec<Connection>> {
        let idle = match purpose {
            Purpose::LookUps => &self.idle,
            Purpose::Scans => &self.idle_scanners,
        };
        idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a log answers after it was closed.
pub(super) fn closed() -> LogError {
    LogError::Store("event log is closed".into())
}
