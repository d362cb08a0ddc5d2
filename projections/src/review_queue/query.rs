//! Reading the queue: sorted by urgency, by age, or by what is due first.

use domain::time::{Span, Timestamp};

use super::urgency::look_within;
use super::{ReviewRow, ReviewState};

/// Which reviews, and in which order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReviewQuery {
    /// In this state at [`Self::at`]; `None` is all that are not closed.
    pub state: Option<ReviewState>,
    /// What time it is: a claim whose lease ran out before is none, see [`ReviewRow::state_at`].
    pub at: Timestamp,
    /// Of this tier.
    pub tier: Option<String>,
    /// For which this rule fired.
    pub rule: Option<String>,
    /// Sorted by.
    pub sort: ReviewSort,
    /// The merchant's setting of that name: how soon a person should look; `None` where it is not set.
    pub review_sla: Option<Span>,
}

/// A column that a list is read in the order of. Where there are two, what is stored in the second is short of a span, and the
/// lesser of the two counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SortColumn {
    pub(crate) name: &'static str,
    /// What is added to what is stored.
    pub(crate) more: i64,
    /// Which rows are read by it, besides what is asked for: of two columns only those that say something in it.
    pub(crate) condition: String,
}

/// The order of a list of reviews; ties by order of first appearance.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ReviewSort {
    /// What is escalated, then what is most urgent by what is at stake and how soon it is due.
    #[default]
    Priority,
    /// The oldest first.
    Age,
    /// What is due next first, see [`ReviewRow::due_at`]; what is closed comes last.
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

    /// The list's letter in cursors.
    pub(crate) const fn letter(self) -> char {
        match self {
            Self::Priority => 'u',
            Self::Age => 'a',
            Self::Deadline => 'd',
        }
    }
}

impl ReviewQuery {
    /// The columns that it is read by.
    pub(crate) fn columns(&self) -> Vec<SortColumn> {
        let first = self.first_column();
        let Some((second, more)) = self.second_column() else {
            return vec![SortColumn { name: first, more: 0, condition: String::new() }];
        };
        let is_due_anyway = format!(" AND {first} < {}", i64::MAX);
        let is_to_be_looked_at = " AND state IN ('open', 'claimed') AND open_since IS NOT NULL".to_owned();
        vec![
            SortColumn { name: first, more: 0, condition: is_due_anyway },
            SortColumn { name: second, more, condition: is_to_be_looked_at },
        ]
    }

    const fn first_column(&self) -> &'static str {
        match self.sort {
            ReviewSort::Priority => "rank",
            ReviewSort::Age => "opened_at",
            ReviewSort::Deadline => "due_anyway",
        }
    }

    fn second_column(&self) -> Option<(&'static str, i64)> {
        let name = match (self.sort, self.state) {
            // Nobody has to look at what waits for the customer, or for nothing any more.
            (_, Some(ReviewState::Waiting | ReviewState::Closed)) | (ReviewSort::Age, _) => return None,
            (ReviewSort::Priority, None | Some(ReviewState::Open | ReviewState::Claimed)) => "look_rank",
            (ReviewSort::Deadline, None | Some(ReviewState::Open | ReviewState::Claimed)) => "open_since",
        };
        Some((name, look_within(self.review_sla).millis()))
    }

    /// What it sorts by, ascending, as an expression over the columns.
    pub(crate) fn expression(&self) -> String {
        let first = self.first_column();
        match self.second_column() {
            Some((name, more)) => format!("CASE WHEN {name} + {more} < {first} THEN {name} + {more} ELSE {first} END"),
            None => first.to_owned(),
        }
    }

    /// The same of a row.
    pub(crate) fn key(&self, row: &ReviewRow) -> i64 {
        let millis = |at: Option<Timestamp>| at.map_or(i64::MAX, Timestamp::millis);
        match self.sort {
            ReviewSort::Priority => {
                let look_rank = row.look_rank().map(|rank| rank + look_within(self.review_sla).millis());
                look_rank.map_or(row.rank(), |look_rank| look_rank.min(row.rank()))
            }
            ReviewSort::Age => row.opened_at.millis(),
            ReviewSort::Deadline => millis(row.due_at(self.review_sla)),
        }
    }

    /// The first of those that were read by each of the columns.
    pub(crate) fn first_of(&self, mut rows: Vec<ReviewRow>, count: usize) -> Vec<ReviewRow> {
        rows.sort_by_key(|row| (self.key(row), row.stream));
        rows.dedup_by_key(|row| row.stream);
        rows.truncate(count);
        rows
    }

    /// Which reviews a state means, as a condition in which `?` is [`Self::at`]. It begins with words that the small indexes
    /// are made for.
    pub(crate) const fn condition(&self) -> &'static str {
        match self.state {
            None => "state <> 'closed'",
            Some(ReviewState::Closed) => "state = 'closed'",
            Some(ReviewState::Claimed) => "state <> 'closed' AND state = 'claimed' AND lease_until >= ?",
            Some(ReviewState::Open) => {
                "state IN ('open', 'claimed') AND (state = 'open' OR (deadline IS NULL AND lease_until < ?))"
            }
            Some(ReviewState::Waiting) => {
                "state <> 'closed' AND (state = 'waiting' OR (state = 'claimed' AND deadline IS NOT NULL AND lease_until < ?))"
            }
        }
    }
}
