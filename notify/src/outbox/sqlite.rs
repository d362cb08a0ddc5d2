//! The outbox in a SQLite file beside the log. What was delivered cannot be told from the log, so a commit waits for the disk.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use domain::time::Timestamp;
use eventlog::Position;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

use super::{
    Agenda, Ahead, Counts, Delivery, Due, Intake, Outbox, OutboxError, Outcome, Replay, State, event, is_gone,
    read_back, stored,
};

const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
const STATEMENTS_MAX: usize = 64;
const SETTINGS: &str =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-16384";

/// `next_at` is null for what is not pending, and for what waits for another of its subject.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS checkpoints (partition INTEGER PRIMARY KEY, position INTEGER NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS messages (
        endpoint TEXT NOT NULL,
        position INTEGER NOT NULL,
        subject TEXT NOT NULL,
        event TEXT NOT NULL,
        state INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        since INTEGER NOT NULL,
        next_at INTEGER,
        last_status INTEGER,
        last_error TEXT,
        PRIMARY KEY (endpoint, position)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS disabled (endpoint TEXT PRIMARY KEY, since INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS messages_due ON messages (endpoint, next_at) WHERE next_at IS NOT NULL;
    CREATE INDEX IF NOT EXISTS messages_waiting ON messages (endpoint, subject, position) WHERE state = 0;
    CREATE INDEX IF NOT EXISTS messages_parked ON messages (endpoint, position) WHERE state = 2;
    CREATE INDEX IF NOT EXISTS messages_settled ON messages (endpoint, since) WHERE state <> 0;
";

/// Makes the earliest waiting message of a subject due.
const PROMOTE: &str = "UPDATE messages SET next_at = ?3, since = ?3 WHERE endpoint = ?1 AND next_at IS NULL AND position = \
                       (SELECT min(position) FROM messages WHERE endpoint = ?1 AND subject = ?2 AND state = 0)";

const ENABLE: &str = "DELETE FROM disabled WHERE endpoint = ?1";

/// Puts all waiting messages of an endpoint in order: the earliest of each subject is due, the others are not.
const HOLD_BACK: &str = "UPDATE messages SET next_at = NULL WHERE endpoint = ?1 AND state = 0 AND next_at IS NOT NULL AND EXISTS \
                         (SELECT 1 FROM messages e WHERE e.endpoint = ?1 AND e.subject = messages.subject AND e.state = 0 \
                         AND e.position < messages.position)";
const LET_GO: &str = "UPDATE messages SET next_at = ?2, since = ?2 WHERE endpoint = ?1 AND state = 0 AND next_at IS NULL AND \
                      NOT EXISTS (SELECT 1 FROM messages e WHERE e.endpoint = ?1 AND e.subject = messages.subject AND \
                      e.state = 0 AND e.position < messages.position)";

pub(super) struct SqliteOutbox {
    /// None once it is closed.
    connection: Arc<Mutex<Option<Connection>>>,
}

impl From<rusqlite::Error> for OutboxError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

impl SqliteOutbox {
    pub(super) async fn open(path: PathBuf) -> Result<Self, OutboxError> {
        let opened = tokio::task::spawn_blocking(move || {
            let connection = Connection::open(path)?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
            connection.execute_batch(SETTINGS)?;
            connection.execute_batch(SCHEMA)?;
            Ok::<_, OutboxError>(connection)
        });
        let connection = opened.await.map_err(|error| OutboxError::Store(error.into()))??;
        Ok(Self { connection: Arc::new(Mutex::new(Some(connection))) })
    }

    /// Does a piece of work in one transaction, to its end, whether or not somebody still waits for it.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, OutboxError> + Send + 'static,
    ) -> Result<T, OutboxError> {
        let connection = Arc::clone(&self.connection);
        let done = tokio::task::spawn_blocking(move || {
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let connection = connection.as_mut().ok_or_else(|| OutboxError::Store("it is closed".into()))?;
            let transaction = connection.transaction()?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        });
        done.await.map_err(|error| OutboxError::Store(error.into()))?
    }
}

#[async_trait]
impl Outbox for SqliteOutbox {
    async fn checkpoint(&self, partition: u32) -> Result<Position, OutboxError> {
        self.run(move |transaction| checkpoint(transaction, partition)).await
    }

    async fn take_in(&self, intake: Intake, now: Timestamp) -> Result<(), OutboxError> {
        self.run(move |transaction| {
            if checkpoint(transaction, intake.partition)? != intake.after {
                return Err(OutboxError::Overtaken(intake.partition));
            }
            let move_on = "INSERT INTO checkpoints VALUES (?1, ?2) ON CONFLICT (partition) DO UPDATE SET position = ?2";
            transaction.prepare_cached(move_on)?.execute(params![intake.partition, stored(intake.to)])?;
            let insert = "INSERT INTO messages (endpoint, position, subject, event, state, attempts, since, next_at) \
                          SELECT ?1, ?2, ?3, ?4, CASE WHEN d.since IS NULL THEN 0 ELSE 2 END, 0, ?5, CASE WHEN \
                          d.since IS NOT NULL OR EXISTS (SELECT 1 FROM messages WHERE endpoint = ?1 AND subject = ?3 AND \
                          state = 0) THEN NULL ELSE ?5 END FROM (SELECT (SELECT since FROM disabled WHERE endpoint = ?1) AS since) d \
                          WHERE true ON CONFLICT DO NOTHING";
            let mut insert = transaction.prepare_cached(insert)?;
            for message in &intake.messages {
                let position = stored(message.position);
                insert.execute(params![message.endpoint, position, message.subject, message.event.name(), now.millis()])?;
            }
            for endpoint in &intake.removed {
                transaction.prepare_cached("DELETE FROM messages WHERE endpoint = ?1")?.execute([endpoint])?;
                transaction.prepare_cached(ENABLE)?.execute([endpoint])?;
            }
            Ok(())
        })
        .await
    }

    async fn set_back(&self, partition: u32, ahead: Ahead, _endpoints: &[Box<str>]) -> Result<(), OutboxError> {
        self.run(move |transaction| {
            if checkpoint(transaction, partition)? != ahead.stored {
                return Err(OutboxError::Overtaken(partition));
            }
            let written = stored(ahead.written);
            let set_back = "UPDATE checkpoints SET position = ?2 WHERE partition = ?1";
            transaction.execute(set_back, params![partition, written])?;
            // A log in a file has one partition, so it is all of them, also those for endpoints that the log does not know any more.
            transaction.execute("DELETE FROM messages WHERE position > ?1", [written])?;
            Ok(())
        })
        .await
    }

    async fn agenda(&self, endpoint: &str, now: Timestamp, limit: u32) -> Result<Agenda, OutboxError> {
        let endpoint: Box<str> = endpoint.into();
        self.run(move |transaction| {
            let select = "SELECT position, attempts, since, next_at, subject FROM messages WHERE endpoint = ?1 AND next_at IS NOT NULL \
                          ORDER BY next_at, position LIMIT ?2";
            let mut select = transaction.prepare_cached(select)?;
            let mut rows = select.query(params![endpoint, limit])?;
            let mut agenda = Agenda::default();
            while let Some(row) = rows.next()? {
                let next_at = Timestamp::from_millis(row.get(3)?);
                if next_at > now {
                    agenda.next_at = Some(next_at);
                    break;
                }
                agenda.now.push(Due {
                    position: read_back(row.get(0)?)?,
                    subject: row.get(4)?,
                    attempts: read_back(row.get(1)?)?,
                    since: Timestamp::from_millis(row.get(2)?),
                });
            }
            Ok(agenda)
        })
        .await
    }

    async fn record(
        &self,
        _partition: u32,
        endpoint: &str,
        outcomes: Vec<Outcome>,
        give_up: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<u64, OutboxError> {
        let endpoint: Box<str> = endpoint.into();
        self.run(move |transaction| {
            outcomes.iter().try_for_each(|outcome| settle(transaction, &endpoint, outcome, now))?;
            if is_gone(&outcomes) {
                let disable = "INSERT INTO disabled VALUES (?1, ?2) ON CONFLICT DO NOTHING";
                transaction.prepare_cached(disable)?.execute(params![endpoint, now.millis()])?;
                let park = "UPDATE messages SET state = 2, next_at = NULL WHERE endpoint = ?1 AND state = 0";
                return Ok(transaction.prepare_cached(park)?.execute([&endpoint])? as u64);
            }
            let Some(give_up) = give_up else { return Ok(0) };
            let park = "UPDATE messages SET state = 2, next_at = NULL WHERE endpoint = ?1 AND next_at IS NOT NULL AND since <= ?2";
            let parked = transaction.prepare_cached(park)?.execute(params![endpoint, give_up.millis()])?;
            if parked > 0 {
                transaction.prepare_cached(LET_GO)?.execute(params![endpoint, now.millis()])?;
            }
            Ok(parked as u64)
        })
        .await
    }

    async fn list(
        &self,
        endpoint: &str,
        state: Option<State>,
        before: Option<Position>,
        limit: u32,
    ) -> Result<Vec<Delivery>, OutboxError> {
        let (endpoint, before): (Box<str>, i64) = (endpoint.into(), before.map_or(i64::MAX, stored));
        self.run(move |transaction| {
            // The state stands in the statement, so that the index of what is parked can serve it.
            let filter = state.map(|state| format!("AND state = {}", state.code())).unwrap_or_default();
            let select = format!(
                "SELECT position, subject, event, state, attempts, next_at, last_status, last_error FROM messages \
                 WHERE endpoint = ?1 AND position < ?2 {filter} ORDER BY position DESC LIMIT ?3"
            );
            let mut select = transaction.prepare_cached(&select)?;
            let mut rows = select.query(params![endpoint, before, limit])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(delivery(row)?);
            }
            Ok(found)
        })
        .await
    }

    async fn replay(&self, _partition: u32, endpoint: &str, which: Replay, now: Timestamp) -> Result<u64, OutboxError> {
        let endpoint: Box<str> = endpoint.into();
        self.run(move |transaction| {
            let again = |condition: &str, parameter: i64| {
                let update = format!(
                    "UPDATE messages SET state = 0, attempts = 0, since = ?2, next_at = NULL WHERE endpoint = ?1 AND state <> 0 \
                     AND {condition}"
                );
                transaction.prepare_cached(&update)?.execute(params![endpoint, now.millis(), parameter])
            };
            let mut due = 0;
            match which {
                Replay::At(positions) => {
                    for position in positions {
                        due += again("position = ?3", stored(position))?;
                    }
                }
                Replay::Parked => due += again("state = ?3", State::Parked.code().into())?,
                Replay::From(position) => due += again("position >= ?3", stored(position))?,
            }
            transaction.prepare_cached(ENABLE)?.execute([&endpoint])?;
            transaction.prepare_cached(HOLD_BACK)?.execute([&endpoint])?;
            transaction.prepare_cached(LET_GO)?.execute(params![endpoint, now.millis()])?;
            Ok(due as u64)
        })
        .await
    }

    async fn disabled_since(&self, endpoint: &str) -> Result<Option<Timestamp>, OutboxError> {
        let endpoint: Box<str> = endpoint.into();
        self.run(move |transaction| {
            let mut select = transaction.prepare_cached("SELECT since FROM disabled WHERE endpoint = ?1")?;
            let since: Option<i64> = select.query_row([endpoint], |row| row.get(0)).optional()?;
            Ok(since.map(Timestamp::from_millis))
        })
        .await
    }

    async fn forget(&self, endpoint: &str, until: Timestamp, limit: u32) -> Result<u64, OutboxError> {
        let endpoint: Box<str> = endpoint.into();
        self.run(move |transaction| {
            let delete = "DELETE FROM messages WHERE endpoint = ?1 AND position IN (SELECT position FROM messages \
                          INDEXED BY messages_settled WHERE endpoint = ?1 AND state <> 0 AND since <= ?2 LIMIT ?3)";
            Ok(transaction.prepare_cached(delete)?.execute(params![endpoint, until.millis(), limit])? as u64)
        })
        .await
    }

    async fn counts(&self) -> Result<Counts, OutboxError> {
        self.run(|transaction| {
            let count = |state: State| -> Result<u64, OutboxError> {
                let select = format!("SELECT count(*) FROM messages WHERE state = {}", state.code());
                let count: i64 = transaction.prepare_cached(&select)?.query_row([], |row| row.get(0))?;
                read_back(count)
            };
            Ok(Counts { pending: count(State::Pending)?, parked: count(State::Parked)? })
        })
        .await
    }

    async fn close(&self) {
        let connection = Arc::clone(&self.connection);
        let closed = tokio::task::spawn_blocking(move || {
            drop(connection.lock().unwrap_or_else(PoisonError::into_inner).take());
        });
        if closed.await.is_err() {
            tracing::warn!("outbox was not closed cleanly; nothing is lost");
        }
    }
}

fn checkpoint(transaction: &Transaction<'_>, partition: u32) -> Result<Position, OutboxError> {
    let mut select = transaction.prepare_cached("SELECT position FROM checkpoints WHERE partition = ?1")?;
    let position: Option<i64> = select.query_row([partition], |row| row.get(0)).optional()?;
    read_back(position.unwrap_or_default())
}

/// Stores what came of one try. What was settled otherwise meanwhile stays as it is.
fn settle(transaction: &Transaction<'_>, endpoint: &str, outcome: &Outcome, now: Timestamp) -> Result<(), OutboxError> {
    let (state, next_at, tries) = outcome.verdict.stored();
    let update = "UPDATE messages SET state = ?3, attempts = attempts + ?7, last_status = ?5, last_error = ?6, next_at = CASE \
                  WHEN EXISTS (SELECT 1 FROM messages e WHERE e.endpoint = ?1 AND e.subject = messages.subject AND e.state = 0 \
                  AND e.position < ?2) THEN NULL ELSE ?4 END WHERE endpoint = ?1 AND position = ?2 AND state = 0 RETURNING subject";
    let position = stored(outcome.position);
    let subject: Option<String> = transaction
        .prepare_cached(update)?
        .query_row(params![endpoint, position, state.code(), next_at, outcome.status, outcome.error, tries], |row| {
            row.get(0)
        })
        .optional()?;
    if let Some(subject) = subject.filter(|_| next_at.is_none()) {
        transaction.prepare_cached(PROMOTE)?.execute(params![endpoint, subject, now.millis()])?;
    }
    Ok(())
}

fn delivery(row: &Row<'_>) -> Result<Delivery, OutboxError> {
    let (name, status): (String, Option<i64>) = (row.get(2)?, row.get(6)?);
    Ok(Delivery {
        position: read_back(row.get(0)?)?,
        subject: row.get(1)?,
        event: event(&name)?,
        state: State::of(row.get(3)?)?,
        attempts: read_back(row.get(4)?)?,
        next_at: row.get::<_, Option<i64>>(5)?.map(Timestamp::from_millis),
        last_status: status.map(read_back).transpose()?,
        last_error: row.get(7)?,
    })
}
