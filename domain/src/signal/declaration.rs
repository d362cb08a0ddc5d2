//! A signal as an aggregate: what it is about and in which unit. Its values are another one, so that whoever asks which
//! signals there are need not read their values.

use std::sync::Arc;

use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use serde::{Deserialize, Serialize};

use super::{SIGNALS_MAX, SignalName, SignalRejection, SubjectKind};

/// What happened to a signal.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SignalEvent {
    /// Somebody said what it is, for the first time or in other words.
    SignalDeclared(Declaration),
}

/// What a signal is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Declaration {
    /// What its values are about; never changes.
    pub subject: SubjectKind,
    /// The unit of its values, such as `0..1`; empty where there is none.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub unit: Arc<str>,
    /// What it says, in the merchant's words.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub description: Arc<str>,
}

/// A signal; not declared by the merchant to begin with.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Signal {
    declared: Option<Declaration>,
}

impl Signal {
    /// What it is; `None` before the merchant said it.
    pub const fn declared(&self) -> Option<&Declaration> {
        self.declared.as_ref()
    }
}

/// What somebody wants of a signal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SignalCommand {
    /// Say what it is.
    Declare {
        /// What it is called.
        name: SignalName,
        /// What it is.
        declaration: Declaration,
        /// How many signals the merchant has declared.
        signals: usize,
        /// What it was told of so far, where it was, which may be without a declaration.
        told: Option<SubjectKind>,
    },
}

/// What follows from a command.
///
/// # Errors
/// When the signal is about something else, or there are too many.
fn decide(signal: &Signal, command: SignalCommand) -> Result<Vec<SignalEvent>, SignalRejection> {
    let SignalCommand::Declare { name, declaration, signals, told } = command;
    let about = signal.declared.as_ref().map(|declared| declared.subject).or(told);
    if let Some(declared) = about.filter(|subject| *subject != declaration.subject) {
        return Err(SignalRejection::OtherSubject { name, declared });
    }
    match &signal.declared {
        Some(declared) if *declared == declaration => Ok(vec![]),
        None if signals >= SIGNALS_MAX => Err(SignalRejection::TooManySignals),
        Some(_) | None => Ok(vec![SignalEvent::SignalDeclared(declaration)]),
    }
}

impl SignalEvent {
    /// The event's name in the log.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::SignalDeclared(_) => "SignalDeclared",
        }
    }
}

impl DomainEvent for SignalEvent {
    fn event_type(&self) -> String {
        self.name().to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

impl Aggregate for Signal {
    const TYPE: &'static str = "signal";
    type Command = SignalCommand;
    type Event = SignalEvent;
    type Error = SignalRejection;
    type Services = ();

    async fn handle(
        &mut self,
        command: SignalCommand,
        _services: &(),
        sink: &EventSink<Self>,
    ) -> Result<(), SignalRejection> {
        for event in decide(self, command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: SignalEvent) {
        let SignalEvent::SignalDeclared(declaration) = event;
        self.declared = Some(declaration);
    }
}

#[cfg(test)]
mod tests {
    use cqrs_es::test::TestFramework;

    use super::*;

    fn declaration(subject: SubjectKind, unit: &str) -> Declaration {
        Declaration { subject, unit: unit.into(), description: "".into() }
    }

    fn declare(declaration: Declaration, signals: usize) -> SignalCommand {
        SignalCommand::Declare { name: "weather".parse().expect("a name"), declaration, signals, told: None }
    }

    fn given(declarations: &[Declaration]) -> cqrs_es::test::AggregateTestExecutor<Signal> {
        let events = declarations.iter().cloned().map(SignalEvent::SignalDeclared).collect();
        TestFramework::<Signal>::with(()).given(events)
    }

    #[test]
    fn a_signal_is_declared_once_and_its_words_may_change() {
        let (plain, worded) = (declaration(SubjectKind::Region, ""), declaration(SubjectKind::Region, "0..1"));
        let declared = |it: &Declaration| vec![SignalEvent::SignalDeclared(it.clone())];
        given(&[]).when(declare(plain.clone(), 0)).then_expect_events(declared(&plain));
        given(std::slice::from_ref(&plain)).when(declare(plain.clone(), 1)).then_expect_events(vec![]);
        given(&[plain]).when(declare(worded.clone(), SIGNALS_MAX)).then_expect_events(declared(&worded));
    }

    #[test]
    fn what_a_signal_is_about_never_changes_and_there_are_only_so_many() {
        let other =
            SignalRejection::OtherSubject { name: "weather".parse().expect("a name"), declared: SubjectKind::Region };
        let region = declaration(SubjectKind::Region, "");
        given(std::slice::from_ref(&region))
            .when(declare(declaration(SubjectKind::Ip, ""), 1))
            .then_expect_error(other);
        given(&[]).when(declare(region, SIGNALS_MAX)).then_expect_error(SignalRejection::TooManySignals);
    }

    #[test]
    fn what_values_were_told_of_holds_without_a_declaration() {
        let told_of_regions = |subject| {
            let SignalCommand::Declare { name, declaration, signals, .. } = declare(declaration(subject, ""), 0);
            SignalCommand::Declare { name, declaration, signals, told: Some(SubjectKind::Region) }
        };
        let name = "weather".parse().expect("a name");
        given(&[])
            .when(told_of_regions(SubjectKind::Ip))
            .then_expect_error(SignalRejection::OtherSubject { name, declared: SubjectKind::Region });
        let declared = SignalEvent::SignalDeclared(declaration(SubjectKind::Region, ""));
        given(&[]).when(told_of_regions(SubjectKind::Region)).then_expect_events(vec![declared]);
    }
}
