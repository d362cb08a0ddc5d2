//! Orders that share a device, an address or a number with another.

use domain::order::LinkedBy;

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

/// What to look for; nothing where the order has nothing to share.
pub(crate) fn shared(by: LinkedBy, of: &Handles) -> Vec<Handle> {
    match by {
        LinkedBy::Device => of.device.map(Handle::Device).into_iter().collect(),
        LinkedBy::Ip => of.ip.map(Handle::Ip).into_iter().collect(),
        LinkedBy::Ip24 => of.ip24.map(Handle::Ip24).into_iter().collect(),
        LinkedBy::Address => of.address.map(Handle::Address).into_iter().collect(),
        LinkedBy::Phone => {
            let mut numbers: Vec<i64> = [of.buyer_phone, of.recipient_phone].into_iter().flatten().collect();
            numbers.dedup();
            numbers.into_iter().map(Handle::Phone).collect()
        }
    }
}
