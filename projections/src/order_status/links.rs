//! Orders that share a device, an address or a number with another.

use std::str::FromStr;

use domain::ids::{MerchantId, OrderId};
use sqlx::{QueryBuilder, Row as _, Sqlite, SqlitePool};

use super::search::{Handle, LIST, OrderQuery, PHONES, Wanted, list, order, push_merchant};
use super::{Handles, OrderStatusRow};
use crate::cursor::{Cursor, Listing};
use crate::database::to_stored;
use crate::error::LookUpError;

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
    /// The columns to look in, and what for; none where the order has nothing to share.
    fn handles(self, of: &Handles) -> Vec<Handle> {
        let one = |column, token: Option<i64>| token.map(|token| Handle::Token(column, token)).into_iter().collect();
        match self {
            Self::Device => one("device", of.device),
            Self::Ip => one("ip", of.ip),
            Self::Ip24 => one("ip24", of.ip24),
            Self::Address => one("address", of.address),
            Self::Phone => {
                let mut numbers: Vec<i64> = [of.buyer_phone, of.recipient_phone].into_iter().flatten().collect();
                numbers.dedup();
                let either_side = |number| PHONES.map(|column| Handle::Token(column, number));
                numbers.into_iter().flat_map(either_side).collect()
            }
        }
    }
}

pub(crate) async fn link_counts(
    pool: &SqlitePool,
    merchant: &MerchantId,
    row: &OrderStatusRow,
) -> Result<LinkCounts, LookUpError> {
    let all = [LinkedBy::Device, LinkedBy::Ip, LinkedBy::Ip24, LinkedBy::Phone, LinkedBy::Address];
    let mut sql = QueryBuilder::<Sqlite>::new("SELECT ");
    for (index, by) in all.into_iter().enumerate() {
        if index > 0 {
            sql.push(", ");
        }
        push_count(&mut sql, merchant, row, &by.handles(&row.facts.handles));
    }
    let counts = sql.build().fetch_one(pool).await?;
    let [device, ip, ip24, phone, address] = [0_usize, 1, 2, 3, 4].map(|index| counts.try_get::<u32, _>(index));
    Ok(LinkCounts { device: device?, ip: ip?, ip24: ip24?, phone: phone?, address: address? })
}

fn push_count(sql: &mut QueryBuilder<Sqlite>, merchant: &MerchantId, row: &OrderStatusRow, handles: &[Handle]) {
    if handles.is_empty() {
        sql.push("0");
        return;
    }
    sql.push("(SELECT count(*) FROM (");
    for (index, handle) in handles.iter().enumerate() {
        sql.push(if index > 0 { " UNION " } else { "" });
        sql.push("SELECT stream FROM (SELECT stream FROM order_status WHERE ");
        push_merchant(sql, merchant);
        handle.push(sql, " AND ");
        sql.push(" AND stream <> ").push_bind(to_stored(row.stream));
        sql.push(" LIMIT ").push_bind(LINK_COUNT_MAX).push(")");
    }
    sql.push(" LIMIT ").push_bind(LINK_COUNT_MAX).push("))");
}

/// The other orders that share something with an order, newest placed first; `None` when there is no such order.
pub(crate) async fn linked(
    pool: &SqlitePool,
    merchant: &MerchantId,
    order_id: &OrderId,
    by: LinkedBy,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Option<Listing<OrderStatusRow>>, LookUpError> {
    let Some(row) = order(pool, merchant, order_id).await? else { return Ok(None) };
    let handles = by.handles(&row.facts.handles);
    if handles.is_empty() {
        Cursor::read(cursor, LIST)?;
        return Ok(Some(Listing { items: Vec::new(), next_cursor: None }));
    }
    let query = OrderQuery::default();
    let wanted = Wanted { merchant, any_of: vec![handles], query: &query, not: Some(row.stream) };
    list(pool, &wanted, cursor, limit).await.map(Some)
}
