//! A draft in the shadow: evaluated beside the live rulebook on every order, and deciding nothing.
//!
//! Beginning and end are events in the merchant's partition, so which text ran beside which order is fixed for ever, and a
//! replay gives the same findings. The text is that of the revision at the beginning: who edits the draft meanwhile does not
//! change what is compared, and begins anew when the new text is to be seen.

use std::sync::Arc;

use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use serde::{Deserialize, Serialize};

use crate::ids::DraftId;
use crate::rulebook::Rulebook;

/// The id of a merchant's one stream of shadows.
pub const SHADOW: &str = "shadow";

/// What happened in the shadow of a merchant's live rulebook.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ShadowEvent {
    /// A draft is evaluated from now on; one that was before is not any more.
    ShadowStarted(ShadowStarted),
    /// It is evaluated no longer.
    ShadowEnded(ShadowEnded),
}

/// See [`ShadowEvent::ShadowStarted`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ShadowStarted {
    /// Which draft.
    pub draft: DraftId,
    /// Which revision of it.
    pub revision: u32,
    /// The whole of it.
    pub rulebook: Rulebook,
    /// Hex SHA-256 of its canonical form.
    pub hash: Box<str>,
    /// Who wants it.
    pub actor: Box<str>,
}

/// See [`ShadowEvent::ShadowEnded`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ShadowEnded {
    /// Which draft.
    pub draft: DraftId,
    /// Why.
    pub cause: ShadowEnding,
    /// Who ended it.
    pub actor: Box<str>,
}

/// Why a shadow ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShadowEnding {
    /// Somebody asked for it.
    Asked,
    /// The draft came into force.
    Published,
}

/// What a draft in the shadow found of one order; recorded with the screening that it ran beside.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Shadowed {
    /// Which draft.
    pub draft: DraftId,
    /// Which revision of it.
    pub revision: u32,
    /// The sum of the hits' points.
    pub score: i64,
    /// `pass` or the id of the draft's tier that the score reaches.
    pub tier: Arc<str>,
    /// The rules that fired, in the draft's order.
    pub hits: Vec<Arc<str>>,
    /// The exemption that would have been used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exemption: Option<Arc<str>>,
}

/// The last shadow of a merchant; `None` inside before the first.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Shadow(Option<Last>);

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Last {
    draft: DraftId,
    revision: u32,
    standing: Standing,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Standing {
    Running,
    Ended,
}

/// What somebody wants of the shadow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ShadowCommand {
    /// Evaluate a draft from now on.
    Start {
        /// Which draft.
        draft: DraftId,
        /// The revision that it is at.
        revision: u32,
        /// What that says.
        rulebook: Rulebook,
        /// Who wants it.
        actor: Box<str>,
    },
    /// Evaluate it no longer.
    End {
        /// Which draft.
        draft: DraftId,
        /// Why.
        cause: ShadowEnding,
        /// Who wants it.
        actor: Box<str>,
    },
}

/// Why a command was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ShadowRejection {
    /// One at a time, and what a colleague looks at is not thrown away unasked.
    #[error("the draft {draft} runs in the shadow; end that first")]
    AnotherRuns {
        /// Which one.
        draft: DraftId,
    },
    /// It was not the last one there.
    #[error("the draft is not in the shadow")]
    NotThere,
}

impl Shadow {
    /// Of a draft that runs.
    pub const fn running(draft: DraftId, revision: u32) -> Self {
        Self(Some(Last { draft, revision, standing: Standing::Running }))
    }

    /// Of a draft that ran last.
    pub const fn ended(draft: DraftId, revision: u32) -> Self {
        Self(Some(Last { draft, revision, standing: Standing::Ended }))
    }
}

/// The shadow after an event.
pub fn evolve(shadow: Shadow, event: &ShadowEvent) -> Shadow {
    match event {
        ShadowEvent::ShadowStarted(started) => Shadow::running(started.draft.clone(), started.revision),
        ShadowEvent::ShadowEnded(_) => Shadow(shadow.0.map(|last| Last { standing: Standing::Ended, ..last })),
    }
}

/// What follows from a command. `Ok(vec![])`: already so.
pub fn decide(shadow: &Shadow, command: ShadowCommand) -> Result<Vec<ShadowEvent>, ShadowRejection> {
    let running = shadow.0.as_ref().filter(|last| last.standing == Standing::Running);
    match (command, running) {
        (ShadowCommand::Start { draft, .. }, Some(other)) if other.draft != draft => {
            Err(ShadowRejection::AnotherRuns { draft: other.draft.clone() })
        }
        (ShadowCommand::Start { revision, .. }, Some(same)) if same.revision == revision => Ok(vec![]),
        (ShadowCommand::Start { draft, revision, rulebook, actor }, _) => {
            let hash = rulebook.hash().into();
            Ok(vec![ShadowEvent::ShadowStarted(ShadowStarted { draft, revision, rulebook, hash, actor })])
        }
        (ShadowCommand::End { draft, cause, actor }, Some(running)) if running.draft == draft => {
            Ok(vec![ShadowEvent::ShadowEnded(ShadowEnded { draft, cause, actor })])
        }
        (ShadowCommand::End { draft, .. }, _) => match &shadow.0 {
            Some(last) if last.draft == draft => Ok(vec![]),
            _ => Err(ShadowRejection::NotThere),
        },
    }
}

impl ShadowEvent {
    /// The event's name in the log.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ShadowStarted(_) => "ShadowStarted",
            Self::ShadowEnded(_) => "ShadowEnded",
        }
    }
}

impl DomainEvent for ShadowEvent {
    fn event_type(&self) -> String {
        self.name().to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

impl Aggregate for Shadow {
    const TYPE: &'static str = "rulebook_shadow";
    type Command = ShadowCommand;
    type Event = ShadowEvent;
    type Error = ShadowRejection;
    type Services = ();

    async fn handle(
        &mut self,
        command: ShadowCommand,
        _services: &(),
        sink: &EventSink<Self>,
    ) -> Result<(), ShadowRejection> {
        for event in decide(self, command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: ShadowEvent) {
        *self = evolve(std::mem::take(self), &event);
    }
}

#[cfg(test)]
mod tests {
    use cqrs_es::test::{AggregateTestExecutor, TestFramework};

    use super::*;

    fn given(events: Vec<ShadowEvent>) -> AggregateTestExecutor<Shadow> {
        TestFramework::<Shadow>::with(()).given(events)
    }

    fn book() -> Rulebook {
        Rulebook::read(br#"{"name": "None", "rules": [], "tiers": []}"#).expect("a rulebook")
    }

    fn id(draft: &str) -> DraftId {
        draft.parse().expect("an id")
    }

    fn start(draft: &str, revision: u32) -> ShadowCommand {
        ShadowCommand::Start { draft: id(draft), revision, rulebook: book(), actor: "ana".into() }
    }

    fn end(draft: &str) -> ShadowCommand {
        ShadowCommand::End { draft: id(draft), cause: ShadowEnding::Asked, actor: "ana".into() }
    }

    fn started(draft: &str, revision: u32) -> ShadowEvent {
        let (rulebook, hash) = (book(), book().hash().into());
        ShadowEvent::ShadowStarted(ShadowStarted { draft: id(draft), revision, rulebook, hash, actor: "ana".into() })
    }

    fn ended(draft: &str) -> ShadowEvent {
        ShadowEvent::ShadowEnded(ShadowEnded { draft: id(draft), cause: ShadowEnding::Asked, actor: "ana".into() })
    }

    #[test]
    fn a_draft_runs_until_it_is_ended() {
        given(vec![]).when(start("d1", 2)).then_expect_events(vec![started("d1", 2)]);
        given(vec![started("d1", 2)]).when(end("d1")).then_expect_events(vec![ended("d1")]);
        given(vec![started("d1", 2), ended("d1")]).when(start("d1", 2)).then_expect_events(vec![started("d1", 2)]);
    }

    #[test]
    fn what_is_so_already_is_no_event() {
        given(vec![started("d1", 2)]).when(start("d1", 2)).then_expect_events(vec![]);
        given(vec![started("d1", 2), ended("d1")]).when(end("d1")).then_expect_events(vec![]);
    }

    #[test]
    fn an_edited_draft_begins_anew_when_somebody_asks() {
        given(vec![started("d1", 2)]).when(start("d1", 3)).then_expect_events(vec![started("d1", 3)]);
    }

    #[test]
    fn another_draft_waits_until_the_first_is_ended() {
        let another_runs = || ShadowRejection::AnotherRuns { draft: id("d1") };
        given(vec![started("d1", 2)]).when(start("d2", 1)).then_expect_error(another_runs());
        given(vec![started("d1", 2), ended("d1")]).when(start("d2", 1)).then_expect_events(vec![started("d2", 1)]);
    }

    #[test]
    fn what_is_not_there_cannot_be_ended() {
        given(vec![]).when(end("d1")).then_expect_error(ShadowRejection::NotThere);
        given(vec![started("d1", 2)]).when(end("d2")).then_expect_error(ShadowRejection::NotThere);
    }
}
