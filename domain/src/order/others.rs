//! What other orders have to do with a screening, or with a decision about one: part of the storage format, like [`Scored`](super::Scored)
//! itself.

use std::str::FromStr;
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

/// The one decision about many orders that a decision about one of them was part of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PartOf {
    /// About how many orders it was that were there, this one among them; of some it may have been refused.
    pub orders: u32,
    /// How they were found, where nobody named them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linked_to: Option<LinkedTo>,
}

/// Orders that share something with one: that one and the others.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LinkedTo {
    /// The one. It was stored as `order` before, and is still read as that.
    #[serde(rename = "order_id", alias = "order")]
    pub order: OrderId,
    /// What they share.
    pub by: LinkedBy,
}

/// What orders can share.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkedBy {
    /// The device.
    Device,
    /// The IP address.
    Ip,
    /// Its /24, or /48 for IPv6.
    Ip24,
    /// The buyer's or the recipient's number, on either side.
    Phone,
    /// The delivery address.
    Address,
}

/// The word is none of `device`, `ip`, `ip24`, `phone` and `address`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("expected device, ip, ip24, phone or address")]
pub struct LinkedByError;

impl FromStr for LinkedBy {
    type Err = LinkedByError;

    fn from_str(word: &str) -> Result<Self, LinkedByError> {
        match word {
            "device" => Ok(Self::Device),
            "ip" => Ok(Self::Ip),
            "ip24" => Ok(Self::Ip24),
            "phone" => Ok(Self::Phone),
            "address" => Ok(Self::Address),
            _ => Err(LinkedByError),
        }
    }
}
