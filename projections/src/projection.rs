//! What a read model has to say of itself; the runner does the rest.

use std::future::Future;

use eventlog::StreamId;
use sqlx::SqliteConnection;

use crate::change::{Envelope, OrderChange};

/// One read model, bound to the table of one of its generations.
///
/// A row is a function of the events of its stream, in the order of positions, and of nothing else.
pub(crate) trait Projection: Send + Sync + Sized + 'static {
    /// The name people see; the view of the live generation bears it.
    const NAME: &'static str;
    /// Raised with every change of `schema` or `apply`; a table of another version is built anew.
    const VERSION: u32;
    /// What is kept of one order.
    type Row: Clone + Send + Sync + 'static;

    /// The statements that make the table and its indexes.
    fn schema(table: &str) -> String;

    /// Binds the read model to a table.
    fn on_table(table: &str) -> Self;

    /// Folds one event. Pure.
    fn apply(row: Option<Self::Row>, change: &OrderChange, envelope: &Envelope) -> Self::Row;

    /// Whether a row is worth storing.
    fn is_kept(_row: &Self::Row) -> bool {
        true
    }

    /// Whether an event makes it necessary to look at the earlier ones of an order that has no stored row.
    /// Only asked where [`Projection::is_kept`] may say no.
    fn wants_history(_change: &OrderChange) -> bool {
        false
    }

    /// The stored rows of some streams.
    fn load(
        &self,
        connection: &mut SqliteConnection,
        streams: &[StreamId],
    ) -> impl Future<Output = Result<Vec<(StreamId, Self::Row)>, sqlx::Error>> + Send;

    /// Writes rows, set by set.
    fn save(
        &self,
        connection: &mut SqliteConnection,
        rows: &[Touched<Self::Row>],
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

/// A row that a page changed.
pub(crate) struct Touched<Row> {
    pub(crate) merchant: i64,
    /// As stored, if it was.
    pub(crate) before: Option<Row>,
    pub(crate) after: Row,
}
