//! One connection for each partition that is written to.
//!
//! It is taken out of its place for each statement and put back only when that ended in a known state. After any other end it is
//! thrown away; the next statement makes a new one.

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::sync::{Mutex, MutexGuard};

use super::settings::STATEMENT_MAX;
use super::{OpenError, append, settings};
use crate::{Acquired, Batch, LogError, Position};

#[derive(Debug)]
pub(super) struct Writers {
    options: PgConnectOptions,
    places: Vec<Mutex<Place>>,
}

#[derive(Debug)]
enum Place {
    Ready(Box<PgConnection>),
    /// Not needed so far, in use, or thrown away.
    Empty,
    Closed,
}

/// The right to write to a partition from this process, for one at a time.
pub(super) struct Turn<'writers> {
    options: &'writers PgConnectOptions,
    place: MutexGuard<'writers, Place>,
}

impl Writers {
    pub(super) fn new(options: PgConnectOptions, partitions: usize) -> Self {
        Self { options, places: std::iter::repeat_with(|| Mutex::new(Place::Empty)).take(partitions).collect() }
    }

    /// Waits for the turn of a partition that is there.
    pub(super) async fn turn(&self, partition: u32) -> Result<Turn<'_>, LogError> {
        let place = usize::try_from(partition).ok().and_then(|index| self.places.get(index));
        let place = place.ok_or_else(|| not_there(partition, self.places.len()))?.lock().await;
        if matches!(*place, Place::Closed) {
            return Err(sqlx::Error::PoolClosed.into());
        }
        Ok(Turn { options: &self.options, place })
    }

    /// Ends all connections, each after what it is about.
    pub(super) async fn close(&self) {
        for place in &self.places {
            if let Place::Ready(connection) = std::mem::replace(&mut *place.lock().await, Place::Closed) {
                // Nothing is under way on it; the server ends it as well when it only breaks off.
                let _ = tokio::time::timeout(settings::ANSWER_MAX, connection.close()).await;
            }
        }
    }
}

pub(super) fn not_there(partition: u32, partitions: usize) -> LogError {
    LogError::Store(format!("partition {partition} is not there: the log has {partitions}").into())
}

impl Turn<'_> {
    /// Raises the epoch. A connection that was idle while the server was restarted is found broken here, and replaced once.
    pub(super) async fn acquire(&mut self, partition: u32) -> Result<Acquired, LogError> {
        match self.run(async |connection| append::acquire(connection, partition).await).await {
            Err(LogError::Store(_)) => self.run(async |connection| append::acquire(connection, partition).await).await,
            result => result,
        }
    }

    /// Writes a batch and gives the new head.
    pub(super) async fn append(&mut self, batch: &Batch) -> Result<Position, LogError> {
        self.run(async |connection| append::append(connection, batch).await).await
    }

    async fn run<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        let mut connection = match std::mem::replace(&mut *self.place, Place::Empty) {
            Place::Ready(connection) => connection,
            Place::Empty | Place::Closed => Box::new(settings::connect(self.options).await.map_err(failed)?),
        };
        let result = tokio::time::timeout(STATEMENT_MAX, work(&mut connection)).await;
        let result = result.unwrap_or_else(|_| Err(LogError::Store("statement was not answered in time".into())));
        if !matches!(result, Err(LogError::Store(_))) {
            *self.place = Place::Ready(connection);
        }
        result
    }
}

/// A session that cannot be had, or not with what must hold.
pub(super) fn failed(error: OpenError) -> LogError {
    match error {
        OpenError::Store(error) => error.into(),
        error => LogError::Store(error.into()),
    }
}
