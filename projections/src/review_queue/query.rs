//! Reading the queue: sorted by what is at stake, by age, or by what runs out first.

use super::{ReviewRow, ReviewState};

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

    /// Column, direction, and the list's letter in cursors.
    pub(crate) const fn plan(self) -> (&'static str, &'static str, char) {
        match self {
            Self::Priority => ("priority", "DESC", 'p'),
            Self::Age => ("opened_at", "ASC", 'a'),
            Self::Deadline => ("due_at", "ASC", 'd'),
        }
    }

    pub(crate) fn key(self, row: &ReviewRow) -> i64 {
        match self {
            Self::Priority => row.priority(),
            Self::Age => row.opened_at.millis(),
            Self::Deadline => row.deadline.map_or(i64::MAX, domain::time::Timestamp::millis),
        }
    }
}
