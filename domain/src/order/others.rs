//! What other orders have to do with a screening: part of the storage format, like [`Scored`](super::Scored) itself.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Readings;
use crate::ids::OrderId;

/// The order that made a screening of another one necessary.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Trigger {
    /// Which.
    pub order: OrderId,
    /// How many other orders of the same window were left as they are, because one order has no more screened again at once.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives references")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A rule that fired for another order and counts for this one too.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Swept {
    /// The rule's id.
    pub rule: Arc<str>,
    /// The order for which it fired.
    pub by: OrderId,
    /// What the rule's window held for that order.
    pub evidence: Readings,
}
