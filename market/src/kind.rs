//! Who is who: the truth about each order.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A kind of honest customer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Honest {
    /// Established customers who buy for themselves.
    Ordinary,
    /// Their first orders, hours or minutes after they registered.
    New,
    /// Customers of the highest levels.
    Vip,
    /// Presents to family and friends, one order an address.
    GiftSender,
    /// A family behind one connection, with a tablet that all use.
    Household,
    /// Students behind one campus address, who buy together and lend each other phones.
    Dormitory,
    /// A shop's till: one device, all of the shop's customers.
    StoreTill,
    /// People who move house while we look.
    Mover,
    /// Customers of a platform that hides their numbers.
    PlatformPrivacy,
    /// People with a virtual operator's number.
    VirtualCarrier,
    /// Resellers who buy in quantity, for shops of theirs or straight to their customers.
    Wholesaler,
    /// People who order and think better of it.
    Abandoner,
    /// Everybody, in the hour after midnight when the sale begins.
    MidnightRush,
}

/// A kind of attack.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attack {
    /// Scripts that order faster than people.
    Bot,
    /// Accounts made for the day on a rack of devices.
    AccountFarm,
    /// A rented /24 that orders what it never pays, so that nobody else can.
    SegmentHolder,
    /// Dealers who clear a promotion through accounts of their own.
    HoardingDistributor,
    /// Limited goods, a few a day, through many accounts.
    SlowScalper,
    /// A customer's account in other hands.
    HijackedAccount,
    /// Programs that probe prices and stock by ordering and cancelling.
    Crawler,
}

impl Honest {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Ordinary,
        Self::New,
        Self::Vip,
        Self::GiftSender,
        Self::Household,
        Self::Dormitory,
        Self::StoreTill,
        Self::Mover,
        Self::PlatformPrivacy,
        Self::VirtualCarrier,
        Self::Wholesaler,
        Self::Abandoner,
        Self::MidnightRush,
    ];
}

impl Attack {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Bot,
        Self::AccountFarm,
        Self::SegmentHolder,
        Self::HoardingDistributor,
        Self::SlowScalper,
        Self::HijackedAccount,
        Self::Crawler,
    ];
}

/// Whose order it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(tag = "side", content = "kind", rename_all = "snake_case")]
pub enum Kind {
    /// A customer's.
    Honest(Honest),
    /// An attacker's.
    Attack(Attack),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Honest(kind) => kind.serialize(f),
            Self::Attack(kind) => kind.serialize(f),
        }
    }
}

/// The truth about one order: a line of `labels.ndjson`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Label {
    /// The order, as `{channel}:{order_no}`.
    pub order_id: String,
    /// Whose it is.
    #[serde(flatten)]
    pub kind: Kind,
    /// Which action of attackers it belongs to, from 1.
    pub burst: Option<u64>,
    /// Which of that action's orders it is, by the time of placement, from 1.
    pub place: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_one_flat_line() {
        let label =
            Label { order_id: "web:1".into(), kind: Kind::Attack(Attack::AccountFarm), burst: Some(3), place: Some(1) };
        let line = r#"{"order_id":"web:1","side":"attack","kind":"account_farm","burst":3,"place":1}"#;
        assert_eq!(serde_json::to_string(&label).unwrap(), line);
        assert_eq!(serde_json::from_str::<Label>(line).unwrap(), label);
        assert_eq!(label.kind.to_string(), "account_farm");
    }
}
