//! The values of one signal as an aggregate. There may be many, so they are kept by whoever drives it: a command brings the
//! value that it changes with it.

use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use serde::{Deserialize, Serialize};

use super::{SignalRejection, SignalValue, Subject, VALUES_MAX};
use crate::time::Timestamp;

/// What happened to a signal's values.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ValueEvent {
    /// A subject has a value now.
    SignalSet(SignalSet),
    /// A subject has none any more.
    SignalWithdrawn(SignalWithdrawn),
}

/// See [`ValueEvent::SignalSet`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SignalSet {
    /// Whose.
    pub subject: Subject,
    /// How much.
    pub value: SignalValue,
    /// Orders from before then read it.
    pub expires_at: Timestamp,
}

/// See [`ValueEvent::SignalWithdrawn`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SignalWithdrawn {
    /// Whose.
    pub subject: Subject,
}

/// One signal's values; they stand with whoever drives it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SignalValues;

/// What somebody wants of a value, beside what it is now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ValueCommand {
    /// Give a subject a value.
    Set {
        /// The value.
        set: SignalSet,
        /// What it has.
        known: Option<(SignalValue, Timestamp)>,
        /// How many values the merchant has.
        values: usize,
    },
    /// Take a subject's value away.
    Withdraw {
        /// Whose.
        subject: Subject,
        /// What it has.
        known: Option<(SignalValue, Timestamp)>,
    },
}

/// What follows from a command.
///
/// # Errors
/// When there are too many values.
fn decide(command: ValueCommand) -> Result<Vec<ValueEvent>, SignalRejection> {
    Ok(match command {
        ValueCommand::Set { set, known, .. } if known == Some((set.value, set.expires_at)) => vec![],
        ValueCommand::Set { known: None, values, .. } if values >= VALUES_MAX => {
            return Err(SignalRejection::TooManyValues);
        }
        ValueCommand::Set { set, .. } => vec![ValueEvent::SignalSet(set)],
        ValueCommand::Withdraw { known: None, .. } => vec![],
        ValueCommand::Withdraw { subject, known: Some(_) } => {
            vec![ValueEvent::SignalWithdrawn(SignalWithdrawn { subject })]
        }
    })
}

impl ValueEvent {
    /// The event's name in the log.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::SignalSet(_) => "SignalSet",
            Self::SignalWithdrawn(_) => "SignalWithdrawn",
        }
    }
}

impl DomainEvent for ValueEvent {
    fn event_type(&self) -> String {
        self.name().to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

impl Aggregate for SignalValues {
    const TYPE: &'static str = "signal_values";
    type Command = ValueCommand;
    type Event = ValueEvent;
    type Error = SignalRejection;
    type Services = ();

    async fn handle(
        &mut self,
        command: ValueCommand,
        _services: &(),
        sink: &EventSink<Self>,
    ) -> Result<(), SignalRejection> {
        for event in decide(command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, _event: ValueEvent) {}
}

#[cfg(test)]
mod tests {
    use cqrs_es::test::TestFramework;
    use serde_json::json;

    use super::*;

    fn value(text: &str) -> SignalValue {
        SignalValue::read(&json!(text)).expect("a value")
    }

    fn set(text: &str, second: i64) -> SignalSet {
        let expires_at = Timestamp::from_millis(second * 1_000);
        SignalSet { subject: Subject::Region("浙江省".into()), value: value(text), expires_at }
    }

    #[track_caller]
    fn leads_to(command: ValueCommand, events: Vec<ValueEvent>) {
        TestFramework::<SignalValues>::with(()).given_no_previous_events().when(command).then_expect_events(events);
    }

    #[test]
    fn a_value_is_set_once_and_again_when_it_or_its_expiry_is_another() {
        let known = |set: &SignalSet| Some((set.value, set.expires_at));
        let now = set("0.8", 10);
        let told = |it: &SignalSet| vec![ValueEvent::SignalSet(it.clone())];
        leads_to(ValueCommand::Set { set: now.clone(), known: None, values: 0 }, told(&now));
        leads_to(ValueCommand::Set { set: set("0.80", 10), known: known(&now), values: 1 }, vec![]);
        for other in [set("0.9", 10), set("0.8", 11)] {
            let command = ValueCommand::Set { set: other.clone(), known: known(&now), values: VALUES_MAX };
            leads_to(command, told(&other));
        }
    }

    #[test]
    fn a_value_is_withdrawn_once() {
        let subject = || Subject::Region("浙江省".into());
        let known = Some((value("1"), Timestamp::from_millis(0)));
        let withdrawn = ValueEvent::SignalWithdrawn(SignalWithdrawn { subject: subject() });
        leads_to(ValueCommand::Withdraw { subject: subject(), known }, vec![withdrawn]);
        leads_to(ValueCommand::Withdraw { subject: subject(), known: None }, vec![]);
    }

    #[test]
    fn there_are_only_so_many_values() {
        let refused = decide(ValueCommand::Set { set: set("1", 10), known: None, values: VALUES_MAX });
        assert_eq!(refused, Err(SignalRejection::TooManyValues));
    }
}
