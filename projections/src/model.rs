//! What a read model has to say of itself, and the one list of them. Folding and following are the same for all.

use crate::change::{Envelope, OrderChange};
use crate::order_status::OrderStatus;
use crate::review_queue::ReviewQueue;
use crate::sums::Sums;

/// One read model.
///
/// A row is a function of the events of its stream, in the order of positions, and of nothing else; a sum is one of the rows.
pub(crate) trait Projection {
    /// The name people see; the view of the live generation bears it.
    const NAME: &'static str;
    /// Raised with every change of a table or of `apply`; a table of another version is built anew.
    const VERSION: u32;
    /// What is kept of one order.
    type Row: Clone + Send + 'static;
    /// What is summed over all rows, kept beside them.
    type Sums: Sums<Self::Row>;

    /// Folds one event. Pure.
    fn apply(row: Option<Self::Row>, change: &OrderChange<'_>, envelope: &Envelope<'_>) -> Self::Row;

    /// Whether an event is a reason to keep a row of an order that has none so far. The order's earlier events are then read
    /// again, unless this is its first.
    fn is_reason(_change: &OrderChange<'_>) -> bool {
        true
    }

    /// Whether an event can change what a row is found by, so that the row as it was is needed to write it.
    fn moves(_change: &OrderChange<'_>) -> bool {
        false
    }

    /// Whether an event can change what an order counts for, so that it is taken out of the sums while its row still says what that was.
    fn counts_anew(_change: &OrderChange<'_>) -> bool {
        false
    }
}

/// The list of all read models.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Model {
    OrderStatus,
    ReviewQueue,
}

impl Model {
    pub(crate) const ALL: [Self; 2] = [Self::OrderStatus, Self::ReviewQueue];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::OrderStatus => OrderStatus::NAME,
            Self::ReviewQueue => ReviewQueue::NAME,
        }
    }

    pub(crate) const fn version(self) -> u32 {
        match self {
            Self::OrderStatus => OrderStatus::VERSION,
            Self::ReviewQueue => ReviewQueue::VERSION,
        }
    }

    /// Its place in the list.
    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|model| model.name() == name)
    }

    /// The table of one build of it.
    pub(crate) fn table(self, generation: i64) -> String {
        format!("{}_g{generation}", self.name())
    }
}
