//! Orders that share a device, an address or a number with another.

use std::str::FromStr;

use super::{Handle, Handles};

/// Links are counted up to here: a count this high says "many", and counting on would make a hot address slow.
pub const LINK_COUNT_MAX: u32 = 10_000;

/// How many other orders share something with an order; never the order itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LinkCounts {
    /// The device.
    pub device: u32,
    /// The IP address.
    pub ip: u32,
    /// Its /24, or /48 for IPv6.
    pub ip24: u32,
    /// The buyer's or the recipient's number, on either side.
    pub phone: u32,
    /// The delivery address.
    pub address: u32,
}

/// What orders can share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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

impl LinkedBy {
    /// What to look for; nothing where the order has nothing to share.
    pub(crate) fn handles(self, of: &Handles) -> Vec<Handle> {
        match self {
            Self::Device => of.device.map(Handle::Device).into_iter().collect(),
            Self::Ip => of.ip.map(Handle::Ip).into_iter().collect(),
            Self::Ip24 => of.ip24.map(Handle::Ip24).into_iter().collect(),
            Self::Address => of.address.map(Handle::Address).into_iter().collect(),
            Self::Phone => {
                let mut numbers: Vec<i64> = [of.buyer_phone, of.recipient_phone].into_iter().flatten().collect();
                numbers.dedup();
                numbers.into_iter().map(Handle::Phone).collect()
            }
        }
    }
}
