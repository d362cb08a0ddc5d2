//! `stock_holds`: units per SKU held by orders that are not paid, asked about or frozen, summed over the rows of `order_status`.
//!
//! An order counts once, under its strongest cause: frozen, else challenged, else unpaid. What is paid and not held otherwise holds
//! nothing, nor does what left, was refunded, or is cancelled. Sums are kept for each minute from which stock is held, so that
//! the oldest is known without the orders.

use domain::order::RiskState;
use domain::time::Timestamp;

use crate::order_status::OrderStatusRow;
use crate::order_status::course::{PAID, is_over};
use crate::sums::Deltas;

const MINUTE_MS: i64 = 60_000;

/// Why an order holds stock, the weakest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum HoldCause {
    /// It is not paid.
    Unpaid,
    /// Its customer is being asked, or a person looks at what came of that.
    Challenged,
    /// It is frozen.
    Frozen,
}

impl HoldCause {
    /// Every cause.
    pub const ALL: [Self; 3] = [Self::Unpaid, Self::Challenged, Self::Frozen];

    /// The cause of a word.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.name() == name)
    }

    /// The word for it in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unpaid => "unpaid",
            Self::Challenged => "challenged",
            Self::Frozen => "frozen",
        }
    }
}

/// What is held of one SKU.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StockHold {
    /// Which.
    pub sku: Box<str>,
    /// Units by cause, in the order of [`HoldCause::ALL`].
    pub units: [u64; 3],
    /// How many orders hold some of it.
    pub orders: u64,
    /// Since when the first of them does, to the minute: since its placement where it is not paid, else since it was asked about or
    /// frozen.
    pub oldest_held_since: Timestamp,
}

/// Which SKUs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StockQuery {
    /// This one alone.
    pub sku: Option<String>,
}

/// The list's letter in cursors, which end with the last SKU that was shown.
pub(crate) const LIST: char = 's';

/// What an order's stock counts under.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Hold {
    cause: HoldCause,
    minute: i64,
}

/// One sum: of the merchant of a page's order, in the order of the table.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct HoldKey {
    pub(crate) merchant: usize,
    pub(crate) sku: Box<str>,
    pub(crate) cause: HoldCause,
    /// Since this minute.
    pub(crate) minute: i64,
}

/// Units and orders.
pub(crate) type HoldSums = Deltas<HoldKey, 2>;

/// `None` when the order holds nothing.
pub(crate) fn hold(row: &OrderStatusRow) -> Option<Hold> {
    if is_over(row) {
        return None;
    }
    let is_paid = row.course.has(PAID);
    let cause = match row.risk.state? {
        RiskState::Frozen => HoldCause::Frozen,
        RiskState::Challenged => HoldCause::Challenged,
        RiskState::Placed | RiskState::Scored | RiskState::Verified | RiskState::Released if is_paid => return None,
        RiskState::Placed | RiskState::Scored | RiskState::Verified | RiskState::Released => HoldCause::Unpaid,
    };
    Some(Hold { cause, minute: held_since(row).millis().div_euclid(MINUTE_MS) })
}

/// Since when an order holds stock, or held it before it was over.
pub(crate) fn held_since(row: &OrderStatusRow) -> Timestamp {
    let placed_at = row.facts.listed_at;
    if row.course.has(PAID) { row.risk.held_since.unwrap_or(placed_at) } else { placed_at }
}

/// Counts an order's stock.
pub(crate) fn count(sums: &mut HoldSums, merchant: usize, row: &OrderStatusRow, hold: Hold, times: i64) {
    for line in &row.facts.stock {
        let key = HoldKey { merchant, sku: line.sku.clone(), cause: hold.cause, minute: hold.minute };
        sums.add(key, [i64::try_from(line.units).unwrap_or(i64::MAX).saturating_mul(times), times]);
    }
}

/// The first moment of a minute of [`HoldKey::minute`].
pub(crate) const fn minute_begin(minute: i64) -> Timestamp {
    Timestamp::from_millis(minute.saturating_mul(MINUTE_MS))
}
