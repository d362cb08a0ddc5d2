//! The one connection that writes.
//!
//! It is taken out of its place for each transaction and put back only when the transaction ended in a known state. After any
//! other end it is thrown away, and SQLite rolls back what was open; the next transaction makes a new one.

use std::sync::{Arc, PoisonError};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{Mutex, MutexGuard, watch};

use super::lock::FileLock;
use super::{OpenError, append, settings};
use crate::{Acquired, Batch, LogError, Position};

#[derive(Debug)]
pub(super) struct Writer {
    options: SqliteConnectOptions,
    place: Mutex<Place>,
    /// Lives as long as a transaction can be under way, and ends with [`Writer::close`].
    lock: std::sync::Mutex<Option<FileLock>>,
    head: watch::Sender<Position>,
}

#[derive(Debug)]
enum Place {
    Ready(SqliteConnection),
    /// In use, or thrown away.
    Empty,
    Closed,
}

impl Writer {
    pub(super) fn new(
        lock: FileLock,
        options: SqliteConnectOptions,
        connection: SqliteConnection,
        head: watch::Sender<Position>,
    ) -> Self {
        Self { options, place: Mutex::new(Place::Ready(connection)), lock: std::sync::Mutex::new(Some(lock)), head }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Position> {
        self.head.subscribe()
    }

    /// Raises the epoch.
    pub(super) async fn acquire(self: Arc<Self>, partition: u32) -> Result<Acquired, LogError> {
        to_the_end(async move {
            let mut transaction = self.begin().await?;
            let result = append::acquire(&mut transaction.connection, partition).await;
            let acquired = transaction.end(result).await?;
            self.announce(acquired.head);
            Ok(acquired)
        })
        .await
    }

    /// Writes a batch and announces the new head.
    pub(super) async fn append(self: Arc<Self>, batch: Batch) -> Result<(), LogError> {
        to_the_end(async move {
            let mut transaction = self.begin().await?;
            let result = append::append(&mut transaction.connection, batch).await;
            let head = transaction.end(result).await?;
            self.announce(head);
            Ok(())
        })
        .await
    }

    /// Ends the connection, folding the write-ahead log into the file.
    pub(super) async fn close(&self) {
        let mut place = self.place.lock().await;
        if let Place::Ready(connection) = std::mem::replace(&mut *place, Place::Closed)
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "log file was not closed cleanly; nothing is lost");
        }
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn begin(&self) -> Result<Transaction<'_>, LogError> {
        let mut place = self.place.lock().await;
        let mut connection = match std::mem::replace(&mut *place, Place::Empty) {
            Place::Ready(connection) => connection,
            Place::Empty => self.connect().await?,
            Place::Closed => {
                *place = Place::Closed;
                return Err(sqlx::Error::PoolClosed.into());
            }
        };
        sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await?;
        Ok(Transaction { connection, place })
    }

    async fn connect(&self) -> Result<SqliteConnection, LogError> {
        let mut connection = SqliteConnection::connect_with(&self.options).await?;
        match settings::verify(&mut connection).await {
            Ok(()) => Ok(connection),
            Err(OpenError::Store(error)) => Err(error.into()),
            Err(error) => Err(LogError::Store(error.into())),
        }
    }

    fn announce(&self, head: Position) {
        self.head.send_if_modified(|known| {
            let moved = *known < head;
            *known = head.max(*known);
            moved
        });
    }
}

struct Transaction<'writer> {
    connection: SqliteConnection,
    place: MutexGuard<'writer, Place>,
}

impl Transaction<'_> {
    /// Commits what went well and rolls back what did not.
    async fn end<T>(mut self, result: Result<T, LogError>) -> Result<T, LogError> {
        let result = match result {
            Ok(value) => {
                sqlx::query("COMMIT").execute(&mut self.connection).await.map(|_| value).map_err(append::refused)
            }
            Err(error) => Err(error),
        };
        let in_known_state = match &result {
            Ok(_) => true,
            Err(LogError::Store(_)) => false,
            Err(_) => sqlx::query("ROLLBACK").execute(&mut self.connection).await.is_ok(),
        };
        if in_known_state {
            *self.place = Place::Ready(self.connection);
        }
        result
    }
}

/// Runs work in a task of its own, so that it ends even when nobody waits for it any longer.
async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, LogError>> + Send + 'static,
) -> Result<T, LogError> {
    match tokio::spawn(work).await {
        Ok(result) => result,
        // The runtime is going down, or the work panicked; the connection it had is gone, and its transaction with it.
        Err(_) => Err(sqlx::Error::WorkerCrashed.into()),
    }
}
