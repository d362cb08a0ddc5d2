//! Reading the queue: sorted by urgency, by age, or by what is due first.

use domain::time::Timestamp;

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

    /// The column that it sorts by, ascending, and the list's letter in cursors.
    pub(crate) const fn plan(self) -> (&'static str, char) {
        match self {
            Self::Priority => ("rank", 'u'),
            Self::Age => ("opened_at", 'a'),
            Self::Deadline => ("due_at", 'd'),
        }
    }

    pub(crate) fn key(self, row: &ReviewRow) -> i64 {
        match self {
            Self::Priority => row.rank(),
            Self::Age => row.opened_at.millis(),
            Self::Deadline => row.due_at().map_or(i64::MAX, Timestamp::millis),
        }
    }
}

impl ReviewQuery {
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
