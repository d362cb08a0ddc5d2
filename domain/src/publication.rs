//! Publishing rulebooks: which version is in force from which position on.
//!
//! A publication is an event in its merchant's partition, so the version in force at each position is fixed for ever.

use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use serde::{Deserialize, Serialize};

use crate::rulebook::Rulebook;

/// The id of a merchant's one stream of publications.
pub const LIVE: &str = "live";

/// What happened to a merchant's live rulebook.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum RulebookEvent {
    /// A version came into force.
    RulebookPublished(RulebookPublished),
}

/// See [`RulebookEvent::RulebookPublished`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RulebookPublished {
    /// From 1, without gaps.
    pub version: u32,
    /// The whole of it.
    pub rulebook: Rulebook,
    /// Hex SHA-256 of its canonical form.
    pub hash: Box<str>,
    /// Who put it in force.
    pub actor: Box<str>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Box<str>>,
}

/// A merchant's live rulebook.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct LiveRulebook {
    published: Option<RulebookPublished>,
}

impl LiveRulebook {
    /// The version in force; `None` before the first.
    pub const fn published(&self) -> Option<&RulebookPublished> {
        self.published.as_ref()
    }
}

/// What somebody wants of the live rulebook.
#[derive(Clone, PartialEq, Debug)]
pub enum RulebookCommand {
    /// Put this one in force.
    Publish {
        /// The whole of it.
        rulebook: Rulebook,
        /// Who.
        actor: Box<str>,
        /// Why.
        note: Option<Box<str>>,
    },
}

/// Publishing cannot be refused: what may be published is decided before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RulebookRejection {}

/// What follows from a command.
pub fn decide(live: &LiveRulebook, command: RulebookCommand) -> Vec<RulebookEvent> {
    let RulebookCommand::Publish { rulebook, actor, note } = command;
    let version = live.published.as_ref().map_or(0, |published| published.version) + 1;
    let hash = rulebook.hash().into();
    vec![RulebookEvent::RulebookPublished(RulebookPublished { version, rulebook, hash, actor, note })]
}

impl RulebookEvent {
    /// The event's name in the log.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RulebookPublished(_) => "RulebookPublished",
        }
    }
}

impl DomainEvent for RulebookEvent {
    fn event_type(&self) -> String {
        self.name().to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

impl Aggregate for LiveRulebook {
    const TYPE: &'static str = "rulebook";
    type Command = RulebookCommand;
    type Event = RulebookEvent;
    type Error = RulebookRejection;
    type Services = ();

    async fn handle(
        &mut self,
        command: RulebookCommand,
        _services: &(),
        sink: &EventSink<Self>,
    ) -> Result<(), RulebookRejection> {
        for event in decide(self, command) {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: RulebookEvent) {
        let RulebookEvent::RulebookPublished(published) = event;
        self.published = Some(published);
    }
}
