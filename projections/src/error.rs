//! Why a read model cannot answer or cannot go on. One variant per decision the caller can make.

use eventlog::{Cause, LogError};

use crate::change::PoisonEvent;
use crate::cursor::CursorError;

/// What Postgres calls a table that is not there.
const UNDEFINED_TABLE: &str = "42P01";

/// What the read models' database says of a failure, whatever its driver.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StoreError(Cause);

impl StoreError {
    /// From what a driver says, or from a text of ours.
    pub(crate) fn new(cause: impl Into<Cause>) -> Self {
        Self(cause.into())
    }

    /// Whether Postgres says that a table is not there.
    pub(crate) fn is_missing_table(&self) -> bool {
        let error = self.0.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error);
        error.and_then(sqlx::error::DatabaseError::code).is_some_and(|code| code == UNDEFINED_TABLE)
    }

    /// A column that does not hold what was written there.
    pub(crate) fn damaged(column: &str, error: impl std::fmt::Display) -> Self {
        Self(format!("column {column} is damaged: {error}").into())
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self(error.into())
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self(error.into())
    }
}

/// Why a look-up failed.
#[derive(Debug, thiserror::Error)]
pub enum LookUpError {
    /// The request's cursor is none.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// The read models cannot be read now.
    #[error("read models cannot be read")]
    Store(#[from] StoreError),
    /// The log cannot be read now.
    #[error("event log cannot be read")]
    Log(#[from] LogError),
}

/// Why a read model could not be opened, folded or rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum ProjectionError {
    /// An event of the log cannot be folded; only a newer version can go on.
    #[error(transparent)]
    Poison(#[from] PoisonEvent),
    /// The log cannot be read now.
    #[error("event log cannot be read")]
    Log(#[from] LogError),
    /// The read models cannot be written now.
    #[error("read models cannot be written")]
    Store(#[from] StoreError),
    /// There is no read model of this name.
    #[error("there is no read model named {0}")]
    UnknownName(String),
    /// Another version of the service, or another rebuild, has taken the read model over.
    #[error("read model {0} was taken over by another process")]
    TakenOver(&'static str),
    /// The read models are being stopped.
    #[error("read models are being stopped")]
    Stopping,
}
