//! What orders are looked for by: number, handle, channel, state, status, tier and time; newest placed first.
//!
//! A list is sorted by (`listed_at`, `stream`), both descending. What an order is found by (a number, a phone) leads to it through
//! an index that ends with `listed_at`, so that a page is read in order and no more than it; all else only narrows.

use domain::ids::{Channel, Token};
use domain::order::{RiskState, Status};
use domain::time::Timestamp;
use eventlog::StreamId;

use super::OrderStatusRow;

/// The list's letter in cursors.
pub(crate) const LIST: char = 'o';

/// What to look for; all that is set must hold.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct OrderQuery {
    /// The order number or the display number.
    pub order_no: Option<String>,
    /// The buyer's or the recipient's number.
    pub phone: Option<Token>,
    /// The customer.
    pub customer: Option<Token>,
    /// The channel.
    pub channel: Option<Channel>,
    /// The risk state.
    pub state: Option<RiskState>,
    /// The unified status.
    pub status: Option<Status>,
    /// The tier of the last screening.
    pub tier: Option<String>,
    /// Placed at this time or later.
    pub placed_from: Option<Timestamp>,
    /// Placed before this time.
    pub placed_to: Option<Timestamp>,
}

impl OrderQuery {
    /// What leads to the orders, the most telling first.
    fn handles(&self) -> Vec<Vec<Handle>> {
        // Display numbers such as #1001 are told without their sign, too.
        let number = self.order_no.as_ref().map(|number| {
            let signed = (!number.starts_with('#')).then(|| Handle::Number(format!("#{number}")));
            [Handle::Number(number.clone())].into_iter().chain(signed).collect()
        });
        let phone = self.phone.map(|phone| vec![Handle::Phone(phone.short())]);
        let customer = self.customer.map(|customer| vec![Handle::Customer(customer.short())]);
        [number, phone, customer].into_iter().flatten().collect()
    }

    fn is_met_by(&self, row: &OrderStatusRow) -> bool {
        let is_timed = self.placed_from.is_some() || self.placed_to.is_some();
        self.channel.as_ref().is_none_or(|channel| channel.as_str() == row.order_id.channel())
            && self.state.is_none_or(|state| row.risk.state == Some(state))
            && self.status.is_none_or(|status| row.status.as_ref().is_some_and(|known| known.value == status))
            && self.tier.as_deref().is_none_or(|tier| row.risk.tier.as_deref() == Some(tier))
            && (!is_timed || row.facts.placed_at.is_some())
            && self.placed_from.is_none_or(|from| row.facts.listed_at >= from)
            && self.placed_to.is_none_or(|to| row.facts.listed_at < to)
    }
}

/// Something that an order is found by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Handle {
    /// The order number or the display number.
    Number(String),
    Customer(i64),
    /// The buyer's or the recipient's.
    Phone(i64),
    Device(i64),
    Ip(i64),
    Ip24(i64),
    Address(i64),
}

impl Handle {
    pub(crate) fn is_of(&self, row: &OrderStatusRow) -> bool {
        let handles = &row.facts.handles;
        match self {
            Self::Number(number) => {
                row.order_id.order_no() == number || row.facts.display_no.as_deref() == Some(number)
            }
            Self::Customer(token) => handles.customer == Some(*token),
            Self::Phone(token) => handles.buyer_phone == Some(*token) || handles.recipient_phone == Some(*token),
            Self::Device(token) => handles.device == Some(*token),
            Self::Ip(token) => handles.ip == Some(*token),
            Self::Ip24(token) => handles.ip24 == Some(*token),
            Self::Address(token) => handles.address == Some(*token),
        }
    }
}

/// A search as the back ends see it.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Wanted {
    /// Of each group one must hold. The first group leads through its indexes, the others only narrow it.
    pub(crate) any_of: Vec<Vec<Handle>>,
    pub(crate) query: OrderQuery,
    /// An order that is not to be shown.
    pub(crate) not: Option<StreamId>,
}

impl Wanted {
    pub(crate) fn by(query: &OrderQuery) -> Self {
        Self { any_of: query.handles(), query: query.clone(), not: None }
    }

    /// The other orders that share one of some handles.
    pub(crate) fn sharing(handles: Vec<Handle>, not: StreamId) -> Self {
        Self { any_of: vec![handles], query: OrderQuery::default(), not: Some(not) }
    }

    pub(crate) fn is_met_by(&self, row: &OrderStatusRow) -> bool {
        self.not != Some(row.stream)
            && self.any_of.iter().all(|group| group.iter().any(|handle| handle.is_of(row)))
            && self.query.is_met_by(row)
    }
}
