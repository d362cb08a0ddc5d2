//! The order as a `cqrs-es` aggregate: `handle` forwards to [`decide`], `apply` to [`evolve`].

use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};

use super::{Order, OrderCommand, OrderEvent, Rejection, decide, evolve};

/// The version of the form in which events are stored today.
pub(crate) const EVENT_VERSION: &str = "1";

impl OrderEvent {
    /// The event's name in the log.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Placed(_) => "Placed",
            Self::Amended(_) => "Amended",
            Self::StatusReported(_) => "StatusReported",
            Self::Scored(_) => "Scored",
            Self::Challenged(_) => "Challenged",
            Self::ChallengeResent(_) => "ChallengeResent",
            Self::CodeRejected(_) => "CodeRejected",
            Self::CallUnanswered(_) => "CallUnanswered",
            Self::Verified(_) => "Verified",
            Self::Frozen(_) => "Frozen",
            Self::FreezeConfirmed(_) => "FreezeConfirmed",
            Self::Released(_) => "Released",
            Self::ReviewOpened(_) => "ReviewOpened",
            Self::ReviewClosed(_) => "ReviewClosed",
            Self::ReviewEscalated(_) => "ReviewEscalated",
            Self::ReviewReopened(_) => "ReviewReopened",
            Self::ReviewClaimed(_) => "ReviewClaimed",
            Self::ReviewReturned(_) => "ReviewReturned",
            Self::Noted(_) => "Noted",
            Self::PersonalDataRevealed(_) => "PersonalDataRevealed",
            Self::StockReleaseDue(_) => "StockReleaseDue",
        }
    }
}

impl DomainEvent for OrderEvent {
    fn event_type(&self) -> String {
        self.name().to_owned()
    }

    fn event_version(&self) -> String {
        EVENT_VERSION.to_owned()
    }
}

impl Aggregate for Order {
    const TYPE: &'static str = "order";
    type Command = OrderCommand;
    type Event = OrderEvent;
    type Error = Rejection;
    type Services = ();

    async fn handle(&mut self, command: OrderCommand, _services: &(), sink: &EventSink<Self>) -> Result<(), Rejection> {
        for event in decide(self, command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: OrderEvent) {
        *self = evolve(std::mem::take(self), &event);
    }
}
