//! Why a read model cannot answer or cannot go on. One variant per decision the caller can make.

use eventlog::LogError;

use crate::change::PoisonEvent;
use crate::cursor::CursorError;

/// Why a look-up failed.
#[derive(Debug, thiserror::Error)]
pub enum LookUpError {
    /// The request's cursor is none.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// The read models' file cannot be read now.
    #[error("read models cannot be read")]
    Store(#[from] sqlx::Error),
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
    /// The read models' file cannot be written now.
    #[error("read models cannot be written")]
    Store(#[from] sqlx::Error),
    /// There is no read model of this name.
    #[error("there is no read model named {0}")]
    UnknownName(String),
    /// The read models are being stopped.
    #[error("read models are being stopped")]
    Stopping,
}
