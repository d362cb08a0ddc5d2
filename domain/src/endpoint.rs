//! Endpoints: other systems that a merchant has told of what happens, and what they can be told of.
//!
//! An endpoint hears of what happens after it was created, until it is removed. Its events lie in the merchant's stream; what of
//! it is secret stands there sealed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::order::OrderEvent;
use crate::publication::RulebookEvent;

/// The most endpoints of one merchant at a time.
pub const ENDPOINTS_MAX: usize = 16;

/// See [`MerchantEvent::EndpointCreated`](crate::merchant::MerchantEvent::EndpointCreated).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EndpointCreated {
    /// Its id, which is no secret.
    pub id: Box<str>,
    /// Who is told.
    pub target: Target,
    /// Of what, each once.
    pub events: Vec<Notification>,
    /// What messages are signed with, or the settings of the sender, sealed under the merchant's key, in base64.
    pub secret: Box<str>,
}

/// See [`MerchantEvent::EndpointRemoved`](crate::merchant::MerchantEvent::EndpointRemoved).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EndpointRemoved {
    /// Which one.
    pub id: Box<str>,
}

/// Who is told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A system of the merchant, by signed webhooks.
    Url(Box<str>),
    /// The customer, by a provider of text messages or calls: its name.
    Sender(Box<str>),
}

macro_rules! notifications {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What an endpoint can be told of. The names are part of the API and of the storage format.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        pub enum Notification {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl Notification {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

notifications! {
    /// A code is to be sent to the customer.
    ChallengeSms = "challenge.sms",
    /// The customer is to be called, for the first time or again.
    ChallengeCall = "challenge.call",
    /// The same code is to be sent once more.
    ChallengeResent = "challenge.resent",
    /// An order is held.
    OrderFrozen = "order.frozen",
    /// An order may go on.
    OrderReleased = "order.released",
    /// The customer proved it.
    OrderVerified = "order.verified",
    /// A person has to look.
    ReviewOpened = "review.opened",
    /// A person should have looked by now.
    ReviewEscalated = "review.escalated",
    /// A review that was closed is open again.
    ReviewReopened = "review.reopened",
    /// Nobody has to look any more, and nobody is asked: a held order was confirmed to stay so, or it left or is off.
    ReviewClosed = "review.closed",
    /// Stock that an order holds is to be set free.
    StockReleaseDue = "stock.release_due",
    /// Another rulebook is in force.
    RulebookPublished = "rulebook.published",
    /// An earlier rulebook is in force again, by somebody's hand or because of its forecast.
    RulebookRolledBack = "rulebook.rolled_back",
}

/// Why a text names nothing that an endpoint can be told of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnknownNotification;

impl fmt::Display for UnknownNotification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = Notification::ALL.iter().map(|known| known.name()).collect();
        write!(f, "expected one of {}", names.join(", "))
    }
}

impl FromStr for Notification {
    type Err = UnknownNotification;

    fn from_str(text: &str) -> Result<Self, UnknownNotification> {
        Self::ALL.iter().copied().find(|known| known.name() == text).ok_or(UnknownNotification)
    }
}

impl Notification {
    /// Whether this tells a sender of texts or calls what to do; others have nothing to send.
    pub const fn is_errand(self) -> bool {
        matches!(self, Self::ChallengeSms | Self::ChallengeCall | Self::ChallengeResent)
    }

    /// What others are told when this happens to an order; `None` for what concerns nobody outside.
    pub fn of_order(event: &OrderEvent) -> Option<Self> {
        use crate::order::ChallengeMethod;
        match event {
            OrderEvent::Challenged(challenged) => Some(match challenged.method {
                ChallengeMethod::Sms => Self::ChallengeSms,
                ChallengeMethod::Call => Self::ChallengeCall,
            }),
            OrderEvent::CallUnanswered(unanswered) => (unanswered.attempts_left > 0).then_some(Self::ChallengeCall),
            OrderEvent::ChallengeResent(_) => Some(Self::ChallengeResent),
            OrderEvent::Verified(_) => Some(Self::OrderVerified),
            OrderEvent::Frozen(_) => Some(Self::OrderFrozen),
            OrderEvent::Released(_) => Some(Self::OrderReleased),
            OrderEvent::ReviewOpened(_) => Some(Self::ReviewOpened),
            OrderEvent::ReviewEscalated(_) => Some(Self::ReviewEscalated),
            OrderEvent::ReviewReopened(_) => Some(Self::ReviewReopened),
            OrderEvent::ReviewClosed(_) | OrderEvent::FreezeConfirmed(_) => Some(Self::ReviewClosed),
            OrderEvent::StockReleaseDue(_) => Some(Self::StockReleaseDue),
            OrderEvent::Placed(_)
            | OrderEvent::Amended(_)
            | OrderEvent::StatusReported(_)
            | OrderEvent::Scored(_)
            | OrderEvent::CodeRejected(_)
            | OrderEvent::ReviewClaimed(_)
            | OrderEvent::ReviewReturned(_)
            | OrderEvent::Noted(_)
            | OrderEvent::PersonalDataRevealed(_) => None,
        }
    }

    /// What others are told when this happens to the live rulebook.
    pub const fn of_rulebook(event: &RulebookEvent) -> Self {
        let RulebookEvent::RulebookPublished(published) = event;
        if published.restores.is_some() { Self::RulebookRolledBack } else { Self::RulebookPublished }
    }

    /// Whether events of this name may be told of at all, so that the others need not be read.
    pub fn may_tell(event_type: &str) -> bool {
        const TOLD: [&str; 13] = [
            "Challenged",
            "CallUnanswered",
            "ChallengeResent",
            "Verified",
            "Frozen",
            "Released",
            "ReviewOpened",
            "ReviewEscalated",
            "ReviewReopened",
            "ReviewClosed",
            "FreezeConfirmed",
            "StockReleaseDue",
            "RulebookPublished",
        ];
        TOLD.contains(&event_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back() {
        for known in Notification::ALL {
            assert_eq!(known.name().parse(), Ok(*known));
            assert_eq!(serde_json::to_value(known).unwrap(), known.name());
        }
        assert_eq!("order.placed".parse::<Notification>(), Err(UnknownNotification));
    }
}
