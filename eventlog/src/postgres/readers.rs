//! A few connections that read, each used by one look-up at a time.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::settings;
use super::writers::failed;
use crate::LogError;

/// How many connections read at the same time.
const READERS_MAX: u32 = 8;
/// How many of them go through the log: the others are left to look-ups, however many jobs there are.
const SCANNERS_MAX: usize = 3;

/// A connection that was idle for longer is asked whether it still works: the server may have been restarted.
const TRUSTED: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct Readers {
    options: PgConnectOptions,
    /// One permit for each connection that may be in use; closed with the log.
    room: Semaphore,
    /// One permit for each scan under way.
    scanners: Semaphore,
    /// Connections that nobody uses since some time, the one used last on top.
    idle: Mutex<Vec<(Instant, PgConnection)>>,
}

/// A connection in use. When nobody says how it went, because nobody waited for the answer, it is not used again.
pub(super) struct Reader<'readers> {
    readers: &'readers Readers,
    connection: PgConnection,
    _permit: SemaphorePermit<'readers>,
}

impl Readers {
    pub(super) fn new(options: PgConnectOptions) -> Self {
        let room = Semaphore::new(usize::try_from(READERS_MAX).expect("a small number fits"));
        Self { options, room, scanners: Semaphore::new(SCANNERS_MAX), idle: Mutex::default() }
    }

    /// Waits until one more part of the log may be gone through.
    pub(super) async fn scanner(&self) -> Result<SemaphorePermit<'_>, LogError> {
        Ok(self.scanners.acquire().await.map_err(|_| sqlx::Error::PoolClosed)?)
    }

    /// Waits for a connection.
    pub(super) async fn take(&self) -> Result<Reader<'_>, LogError> {
        let permit = self.room.acquire().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let idle = self.idle().pop();
        let connection = match idle {
            Some((since, connection)) if since.elapsed() < TRUSTED => connection,
            Some((_, mut connection)) => {
                let answer = tokio::time::timeout(settings::ANSWER_MAX, connection.ping()).await;
                if matches!(answer, Ok(Ok(()))) { connection } else { self.replace().await? }
            }
            None => settings::connect(&self.options).await.map_err(failed)?,
        };
        Ok(Reader { readers: self, connection, _permit: permit })
    }

    /// Ends the connections, each after its read; nothing is read afterwards.
    pub(super) async fn close(&self) {
        let all = self.room.acquire_many(READERS_MAX).await;
        self.room.close();
        drop(all);
        self.idle().clear();
    }

    /// Where one is broken, so are those that were idle for longer.
    async fn replace(&self) -> Result<PgConnection, LogError> {
        self.idle().clear();
        settings::connect(&self.options).await.map_err(failed)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(Instant, PgConnection)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader<'_> {
    /// Gives the connection back, unless the store failed.
    pub(super) fn done<T>(self, result: Result<T, LogError>) -> Result<T, LogError> {
        if !matches!(result, Err(LogError::Store(_))) {
            self.readers.idle().push((Instant::now(), self.connection));
        }
        result
    }
}

impl Deref for Reader<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Reader<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}
