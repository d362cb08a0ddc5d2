//! The words of enumerations as rows keep them: those of the API.

use domain::order::{ChallengeMethod, ReleasedCause, RiskState, Status};

const STATUSES: [Status; 9] = [
    Status::Paid,
    Status::PartiallyShipped,
    Status::Shipped,
    Status::Delivered,
    Status::Completed,
    Status::Cancelled,
    Status::RefundRequested,
    Status::PartiallyRefunded,
    Status::Refunded,
];

/// The word for a status.
pub(crate) const fn status_word(status: Status) -> &'static str {
    match status {
        Status::Paid => "paid",
        Status::PartiallyShipped => "partially_shipped",
        Status::Shipped => "shipped",
        Status::Delivered => "delivered",
        Status::Completed => "completed",
        Status::Cancelled => "cancelled",
        Status::RefundRequested => "refund_requested",
        Status::PartiallyRefunded => "partially_refunded",
        Status::Refunded => "refunded",
    }
}

/// The status of a word.
pub(crate) fn read_status(word: &str) -> Option<Status> {
    STATUSES.into_iter().find(|status| status_word(*status) == word)
}

/// The word for a risk state; `none` for an order that is known only by its reports.
pub(crate) const fn state_word(state: Option<RiskState>) -> &'static str {
    match state {
        None => "none",
        Some(state) => state.name(),
    }
}

/// The risk state of a word; `None` where the word is none.
pub(crate) fn read_state(word: &str) -> Option<Option<RiskState>> {
    if word == "none" {
        return Some(None);
    }
    RiskState::ALL.into_iter().find(|state| state.name() == word).map(Some)
}

/// The word for a method.
pub(crate) const fn method_word(method: ChallengeMethod) -> &'static str {
    match method {
        ChallengeMethod::Sms => "sms",
        ChallengeMethod::Call => "call",
    }
}

/// The method of a word.
pub(crate) fn read_method(word: &str) -> Option<ChallengeMethod> {
    [ChallengeMethod::Sms, ChallengeMethod::Call].into_iter().find(|method| method_word(*method) == word)
}

/// The word for what released an order.
pub(crate) const fn released_word(cause: ReleasedCause) -> &'static str {
    match cause {
        ReleasedCause::Clean => "clean",
        ReleasedCause::Verified => "verified",
        ReleasedCause::Exempt => "exempt",
        ReleasedCause::Reviewer => "reviewer",
        ReleasedCause::Rescored => "rescored",
        ReleasedCause::ChallengeExpired => "challenge_expired",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_events() {
        for status in STATUSES {
            assert_eq!(serde_json::to_value(status).unwrap(), status_word(status));
            assert_eq!(read_status(status_word(status)), Some(status));
        }
        for method in [ChallengeMethod::Sms, ChallengeMethod::Call] {
            assert_eq!(serde_json::to_value(method).unwrap(), method_word(method));
            assert_eq!(read_method(method_word(method)), Some(method));
        }
        for state in RiskState::ALL.into_iter().map(Some).chain([None]) {
            assert_eq!(read_state(state_word(state)), Some(state));
        }
        assert_eq!(serde_json::to_value(ReleasedCause::ChallengeExpired).unwrap(), "challenge_expired");
        assert_eq!(read_state("gone"), None);
    }
}
