//! Why a person has to look, in the words of the events that say so.

use domain::order::{ReopenCause, ReviewCause};

/// Why a person has to look.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenedFor {
    /// What it came from.
    pub cause: OpenCause,
    /// What the customer said to a call, where that is why.
    pub reason_code: Option<Box<str>>,
}

/// What made a person have to look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenCause {
    /// What happened to the order.
    Opened(ReviewCause),
    /// Somebody who wanted it looked at again.
    Reopened(ReopenCause),
}

impl OpenCause {
    /// Every cause.
    pub const ALL: [Self; 8] = [
        Self::Opened(ReviewCause::ChallengeFailed),
        Self::Opened(ReviewCause::ChallengeExpired),
        Self::Opened(ReviewCause::NoChannel),
        Self::Opened(ReviewCause::Frozen),
        Self::Opened(ReviewCause::Departed),
        Self::Opened(ReviewCause::Resumed),
        Self::Reopened(ReopenCause::Appeal),
        Self::Reopened(ReopenCause::Reopened),
    ];

    /// The word for it in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opened(ReviewCause::ChallengeFailed) => "challenge_failed",
            Self::Opened(ReviewCause::ChallengeExpired) => "challenge_expired",
            Self::Opened(ReviewCause::NoChannel) => "no_channel",
            Self::Opened(ReviewCause::Frozen) => "frozen",
            Self::Opened(ReviewCause::Departed) => "departed",
            Self::Opened(ReviewCause::Resumed) => "resumed",
            Self::Reopened(ReopenCause::Appeal) => "appeal",
            Self::Reopened(ReopenCause::Reopened) => "reopened",
        }
    }

    /// The cause of a word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_events_and_each_is_one_causes_own() {
        for cause in OpenCause::ALL {
            let word = match cause {
                OpenCause::Opened(cause) => serde_json::to_value(cause),
                OpenCause::Reopened(cause) => serde_json::to_value(cause),
            };
            assert_eq!(word.unwrap(), cause.name());
            assert_eq!(OpenCause::from_name(cause.name()), Some(cause));
        }
        assert_eq!(OpenCause::from_name("score"), None);
    }
}
