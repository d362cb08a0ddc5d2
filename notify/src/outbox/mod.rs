//! The outbox: which message waits for which endpoint, and how far each partition of the log was looked through.
//!
//! * A page's messages and the checkpoint move in one transaction, so an event is taken in once.
//! * Of a message its event's position is kept, and nothing of what it says: that is made from the log when it is sent.
//! * A receiver that says that it is gone disables its endpoint: what waits for it and what comes for it is parked until it is asked
//!   for.
//! * Of one order's messages to one endpoint the earliest alone is due; the next one becomes due in the transaction in which that
//!   one is delivered or parked.

mod postgres;
mod sqlite;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use domain::endpoint::Notification;
use domain::time::Timestamp;
use eventlog::Position;

pub(crate) use postgres::migrate;

/// Where the outbox lies.
#[derive(Clone, Debug)]
pub enum Place {
    /// In a SQLite file of its own.
    File(PathBuf),
    /// In the schema `orderlight_outbox` of a Postgres database.
    Postgres {
        /// `postgres://user@host/name`.
        url: String,
        /// What its sessions are called.
        session_name: Option<String>,
    },
}

/// Why the outbox failed.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// It cannot be reached, or cannot write now.
    #[error("outbox failed")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Another process has taken the page in.
    #[error("another process takes partition {0} in")]
    Overtaken(u32),
    /// A stored row is not what was written.
    #[error("outbox holds a damaged row: {0}")]
    Damaged(&'static str),
}

/// A page of the log, looked through.
#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) partition: u32,
    /// Where the checkpoint stands; what comes after it is in the page.
    pub(crate) after: Position,
    /// Where it stands afterwards.
    pub(crate) to: Position,
    /// What is to be told, in the order of positions.
    pub(crate) messages: Vec<NewMessage>,
    /// Endpoints that were removed; what they were told, or were not, goes with them.
    pub(crate) removed: Vec<Box<str>>,
}

/// A checkpoint beyond the end of its log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ahead {
    /// Where it stands.
    pub(crate) stored: Position,
    /// Where the log ends.
    pub(crate) written: Position,
}

#[derive(Debug)]
pub(crate) struct NewMessage {
    pub(crate) endpoint: Box<str>,
    pub(crate) position: Position,
    /// What keeps its messages in order: an order's id, or another aggregate's.
    pub(crate) subject: Box<str>,
    pub(crate) event: Notification,
}

/// A message that may be sent now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Due {
    pub(crate) position: Position,
    pub(crate) subject: Box<str>,
    pub(crate) attempts: u32,
    /// Since when nothing before it is in its way.
    pub(crate) since: Timestamp,
}

/// What is due, and when the next one will be.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    pub(crate) now: Vec<Due>,
    pub(crate) next_at: Option<Timestamp>,
}

/// What came of a try.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Outcome {
    pub(crate) position: Position,
    pub(crate) verdict: Verdict,
    /// The HTTP status, where there was an answer.
    pub(crate) status: Option<u16>,
    /// What was wrong. No text of a stranger.
    pub(crate) error: Option<Box<str>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    Delivered,
    Again(Timestamp),
    Parked,
    /// It was parked, and so is all that waits for its endpoint or comes for it: the receiver wants to be told nothing more.
    Gone,
    /// It was not sent: what it asks for was settled meanwhile.
    Superseded,
}

impl Verdict {
    /// How far the message is afterwards, when it is tried next, and whether this was a try.
    fn stored(self) -> (State, Option<i64>, i32) {
        match self {
            Self::Delivered => (State::Delivered, None, 1),
            Self::Again(at) => (State::Pending, Some(at.millis()), 1),
            Self::Parked | Self::Gone => (State::Parked, None, 1),
            Self::Superseded => (State::Superseded, None, 0),
        }
    }
}

/// How far a message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It waits, or is tried again.
    Pending,
    /// The receiver has it.
    Delivered,
    /// It is not tried any more, unless it is asked for.
    Parked,
    /// It asks the customer something that was settled before it could be sent, and is not sent.
    Superseded,
}

/// A message as people see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    /// The position of its event.
    pub position: Position,
    /// The order's id, or the id of what else it is about.
    pub subject: Box<str>,
    /// What is told.
    pub event: Notification,
    /// How far it is.
    pub state: State,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next; none while another of its order has to go first.
    pub next_at: Option<Timestamp>,
    /// The last answer's status.
    pub last_status: Option<u16>,
    /// What was wrong with the last try.
    pub last_error: Option<Box<str>>,
}

/// Which messages of an endpoint are to be told again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Replay {
    /// Those at these positions.
    At(Vec<Position>),
    /// Those that are parked.
    Parked,
    /// Those from a position on.
    From(Position),
}

/// How many messages wait, and how many do no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) pending: u64,
    pub(crate) parked: u64,
}

#[async_trait]
pub(crate) trait Outbox: Send + Sync {
    /// How far a partition was looked through.
    async fn checkpoint(&self, partition: u32) -> Result<Position, OutboxError>;

    /// Stores a page's messages and moves the checkpoint. Those for an endpoint that is disabled are parked.
    async fn take_in(&self, intake: Intake, now: Timestamp) -> Result<(), OutboxError>;

    /// Sets a checkpoint that is ahead of its log back to where the log ends, and forgets what was taken in from beyond that for
    /// these endpoints: all those of the partition that the log knows. What is there for others is sent to nobody.
    async fn set_back(&self, partition: u32, ahead: Ahead, endpoints: &[Box<str>]) -> Result<(), OutboxError>;

    /// At most so many messages of an endpoint that have become due, earliest first.
    async fn agenda(&self, endpoint: &str, now: Timestamp, limit: u32) -> Result<Agenda, OutboxError>;

    /// Stores what came of tries, and makes due what they were in the way of. What is to be tried again waits while an earlier one
    /// of its subject does, as when that one was replayed meanwhile. What has been due since `give_up` or longer is parked, where
    /// that is given, and when the receiver is gone all that waits is, and the endpoint is disabled. Answers how many were parked
    /// for either.
    async fn record(
        &self,
        partition: u32,
        endpoint: &str,
        outcomes: Vec<Outcome>,
        give_up: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<u64, OutboxError>;

    /// Messages of an endpoint before a position, newest first.
    async fn list(
        &self,
        endpoint: &str,
        state: Option<State>,
        before: Option<Position>,
        limit: u32,
    ) -> Result<Vec<Delivery>, OutboxError>;

    /// Makes messages due again that no longer waited, as if they were new; those of an order in their order, and before later ones
    /// of it that wait. An endpoint that was disabled is so no more.
    async fn replay(&self, partition: u32, endpoint: &str, which: Replay, now: Timestamp) -> Result<u64, OutboxError>;

    /// Since when an endpoint is disabled; `None` for one that is not.
    async fn disabled_since(&self, endpoint: &str) -> Result<Option<Timestamp>, OutboxError>;

    /// Forgets what was settled of an endpoint up to a time, so many at most; answers how many.
    async fn forget(&self, endpoint: &str, until: Timestamp, limit: u32) -> Result<u64, OutboxError>;

    /// How many wait.
    async fn counts(&self) -> Result<Counts, OutboxError>;

    /// Ends all connections.
    async fn close(&self);
}

/// Opens the outbox of a place, making it where it is not there.
pub(crate) async fn open(place: &Place) -> Result<Arc<dyn Outbox>, OutboxError> {
    Ok(match place {
        Place::File(path) => Arc::new(sqlite::SqliteOutbox::open(path.clone()).await?),
        Place::Postgres { url, session_name } => {
            Arc::new(postgres::PostgresOutbox::open(url, session_name.as_deref()).await?)
        }
    })
}

impl State {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Delivered, Self::Parked, Self::Superseded];

    /// The word for it in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Parked => "parked",
            Self::Superseded => "superseded",
        }
    }

    const fn code(self) -> i16 {
        match self {
            Self::Pending => 0,
            Self::Delivered => 1,
            Self::Parked => 2,
            Self::Superseded => 3,
        }
    }

    fn of(code: i16) -> Result<Self, OutboxError> {
        Self::ALL.into_iter().find(|state| state.code() == code).ok_or(OutboxError::Damaged("no such state"))
    }
}

/// Whether a receiver said that it is gone.
fn is_gone(outcomes: &[Outcome]) -> bool {
    outcomes.iter().any(|outcome| outcome.verdict == Verdict::Gone)
}

fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn read_back<T: TryFrom<i64>>(number: i64) -> Result<T, OutboxError> {
    T::try_from(number).map_err(|_| OutboxError::Damaged("a number out of range"))
}

fn event(name: &str) -> Result<Notification, OutboxError> {
    name.parse().map_err(|_| OutboxError::Damaged("no such event"))
}
