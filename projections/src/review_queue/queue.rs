//! Reading the queue: sorted by what is at stake, by age, or by what runs out first.

use domain::ids::{MerchantId, OrderId};
use sqlx::{QueryBuilder, Sqlite, SqlitePool};

use super::table::read_row;
use super::{ReviewRow, ReviewState};
use crate::cursor::{Cursor, LIMIT_MAX, Listing};
use crate::database::to_stored;
use crate::error::LookUpError;
use crate::order_status::push_merchant;

/// Which reviews, and in which order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReviewQuery {
    /// In this state; `None` is all that are not closed.
    pub state: Option<ReviewState>,
    /// Of this tier.
    pub tier: Option<String>,
    /// For which this rule fired.
    pub rule: Option<String>,
    /// Sorted by.
    pub sort: ReviewSort,
}

/// The order of a list of reviews; ties by order of first appearance.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ReviewSort {
    /// What is at stake, most first; see [`ReviewRow::priority`].
    #[default]
    Priority,
    /// The oldest first.
    Age,
    /// The next deadline first; what has none comes last.
    Deadline,
}

impl ReviewSort {
    /// The sort of a word of the API: `priority`, `age` or `deadline`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "priority" => Some(Self::Priority),
            "age" => Some(Self::Age),
            "deadline" => Some(Self::Deadline),
            _ => None,
        }
    }

    /// Column, direction, what lies behind a cursor, and the list's letter in cursors.
    const fn plan(self) -> (&'static str, &'static str, char) {
        match self {
            Self::Priority => ("priority", "DESC", 'p'),
            Self::Age => ("opened_at", "ASC", 'a'),
            Self::Deadline => ("due_at", "ASC", 'd'),
        }
    }

    fn key(self, row: &ReviewRow) -> i64 {
        match self {
            Self::Priority => row.priority(),
            Self::Age => row.opened_at.millis(),
            Self::Deadline => row.deadline.map_or(i64::MAX, domain::time::Timestamp::millis),
        }
    }
}

pub(crate) async fn review(
    pool: &SqlitePool,
    merchant: &MerchantId,
    order_id: &OrderId,
) -> Result<Option<ReviewRow>, LookUpError> {
    let mut sql = QueryBuilder::<Sqlite>::new("SELECT * FROM review_queue WHERE ");
    push_merchant(&mut sql, merchant);
    sql.push(" AND order_id = ").push_bind(order_id.as_str().to_owned());
    let row = sql.build().fetch_optional(pool).await?;
    Ok(row.as_ref().map(read_row).transpose()?)
}

pub(crate) async fn reviews(
    pool: &SqlitePool,
    merchant: &MerchantId,
    query: &ReviewQuery,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Listing<ReviewRow>, LookUpError> {
    let (column, direction, list) = query.sort.plan();
    let cursor = Cursor::read(cursor, list)?;
    let limit = limit.clamp(1, LIMIT_MAX);
    let mut sql = QueryBuilder::<Sqlite>::new("SELECT * FROM review_queue WHERE ");
    push_merchant(&mut sql, merchant);
    if query.state != Some(ReviewState::Closed) {
        // Said in these words so that the small index of pending reviews applies.
        sql.push(" AND state <> 'closed'");
    }
    if let Some(state) = query.state {
        sql.push(" AND state = ").push_bind(state.name());
    }
    if let Some(tier) = &query.tier {
        sql.push(" AND tier = ").push_bind(tier.clone());
    }
    if let Some(rule) = &query.rule {
        sql.push(" AND EXISTS (SELECT 1 FROM json_each(rules) WHERE value = ").push_bind(rule.clone()).push(")");
    }
    if let Some(Cursor { key, stream, .. }) = cursor {
        let beyond = if direction == "DESC" { "<" } else { ">" };
        sql.push(format!(" AND ({column} {beyond} ")).push_bind(key);
        sql.push(format!(" OR ({column} = ")).push_bind(key).push(" AND stream > ").push_bind(stream).push("))");
    }
    sql.push(format!(" ORDER BY {column} {direction}, stream LIMIT ")).push_bind(i64::from(limit) + 1);
    let rows = sql.build().fetch_all(pool).await?;
    let rows = rows.iter().map(read_row).collect::<Result<Vec<_>, _>>()?;
    Ok(Listing::from_rows(rows, limit, |row| Cursor { list, key: query.sort.key(row), stream: to_stored(row.stream) }))
}
