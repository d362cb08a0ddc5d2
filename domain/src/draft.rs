//! A rulebook on its way into force: written, edited, submitted, published.
//!
//! A draft is one aggregate. Its revision grows with each edit, and whoever edits says which revision it was made from, so that
//! nobody overwrites what he has not seen. What was published stays as it is: the next change begins as another draft.

use std::collections::BTreeSet;

use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use serde::{Deserialize, Serialize};

use crate::rulebook::Rulebook;

/// The most drafts of one merchant, published ones included.
pub const DRAFTS_MAX: usize = 100_000;
/// The most revisions of one draft.
pub const REVISIONS_MAX: u32 = 200;

/// What happened to a draft.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum DraftEvent {
    /// Somebody began it.
    RulebookDrafted(Revision),
    /// Somebody wrote it anew. A submission does not cover what was written after it.
    RulebookEdited(Revision),
    /// Somebody asks for its publication.
    RulebookSubmitted(RulebookSubmitted),
    /// It came into force.
    DraftPublished(DraftPublished),
}

/// What a draft said from then on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Revision {
    /// From 1, without gaps.
    pub revision: u32,
    /// The whole of it.
    pub rulebook: Rulebook,
    /// Hex SHA-256 of its canonical form.
    pub hash: Box<str>,
    /// Who wrote it.
    pub actor: Box<str>,
}

/// See [`DraftEvent::RulebookSubmitted`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RulebookSubmitted {
    /// Which revision.
    pub revision: u32,
    /// Who asks.
    pub actor: Box<str>,
}

/// See [`DraftEvent::DraftPublished`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DraftPublished {
    /// Which revision.
    pub revision: u32,
    /// As which version.
    pub version: u32,
    /// Who put it in force.
    pub actor: Box<str>,
}

/// A draft; `None` inside before it was begun.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RulebookDraft(Option<Draft>);

/// A draft that was begun.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Draft {
    /// What it says now.
    pub content: Revision,
    /// Everybody who wrote a revision of it.
    pub authors: BTreeSet<Box<str>>,
    /// How far it is.
    pub standing: Standing,
}

/// How far a draft is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It is being written.
    Open,
    /// What it says now was submitted.
    Submitted,
    /// It came into force.
    Published {
        /// As this version.
        version: u32,
    },
}

/// How many people it takes to publish.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Eyes {
    /// One is enough.
    Two,
    /// One submits, and another who wrote nothing of it publishes.
    Four,
}

/// What somebody wants of a draft.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DraftCommand {
    /// Begin it.
    Begin {
        /// What it says.
        rulebook: Rulebook,
        /// Who writes.
        actor: Box<str>,
        /// How many drafts the merchant has.
        drafts: usize,
    },
    /// Write it anew.
    Edit {
        /// What it says from now on.
        rulebook: Rulebook,
        /// The revision that the writer saw.
        revision: u32,
        /// Who writes.
        actor: Box<str>,
    },
    /// Ask for its publication.
    Submit {
        /// Who asks.
        actor: Box<str>,
    },
    /// Put it in force.
    Publish {
        /// Who.
        actor: Box<str>,
        /// How many people it takes.
        eyes: Eyes,
        /// The version in force so far.
        live: u32,
        /// The hash of what it must say, where it was tried before.
        tried: Option<Box<str>>,
    },
}

/// Why a command was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DraftRejection {
    /// It was never begun.
    #[error("there is no such draft")]
    NoSuchDraft,
    /// The id stands for another draft.
    #[error("the draft was begun already")]
    AlreadyBegun,
    /// More than [`DRAFTS_MAX`].
    #[error("the merchant has 100000 drafts already")]
    TooManyDrafts,
    /// More than [`REVISIONS_MAX`].
    #[error("the draft has 200 revisions already; begin another one with what it says")]
    TooManyRevisions,
    /// Somebody edited it meanwhile.
    #[error("the draft is at revision {revision} by now; read it again and put your change into that")]
    Stale {
        /// The revision it is at.
        revision: u32,
    },
    /// It is a version by now, and versions do not change.
    #[error(
        "the draft was published as version {version}, which does not change; begin another one, or roll back to it"
    )]
    Published {
        /// Which version.
        version: u32,
    },
    /// It was edited after it was tried.
    #[error("the draft does not say what was tried; try it again as it is now")]
    NotAsTried,
    /// Four eyes: nobody submitted what it says now.
    #[error("the merchant asks for four eyes: what the draft says now must be submitted first")]
    NotSubmitted,
    /// Four eyes: it is the caller's own work.
    #[error("the merchant asks for four eyes: somebody who wrote nothing of the draft must publish it")]
    OwnWork,
}

impl RulebookDraft {
    /// The draft; `None` when it was not begun.
    pub const fn begun(&self) -> Option<&Draft> {
        self.0.as_ref()
    }
}

/// The draft after an event.
pub fn evolve(draft: RulebookDraft, event: DraftEvent) -> RulebookDraft {
    let with = |standing| draft.0.clone().map(|draft| Draft { standing, ..draft });
    RulebookDraft(match event {
        DraftEvent::RulebookDrafted(content) => {
            Some(Draft { authors: BTreeSet::from([content.actor.clone()]), content, standing: Standing::Open })
        }
        DraftEvent::RulebookEdited(content) => draft.0.map(|mut draft| {
            draft.authors.insert(content.actor.clone());
            Draft { content, standing: Standing::Open, ..draft }
        }),
        DraftEvent::RulebookSubmitted(_) => with(Standing::Submitted),
        DraftEvent::DraftPublished(published) => with(Standing::Published { version: published.version }),
    })
}

/// What follows from a command. `Ok(vec![])`: already so.
pub fn decide(draft: &RulebookDraft, command: DraftCommand) -> Result<Vec<DraftEvent>, DraftRejection> {
    let Some(draft) = &draft.0 else {
        return match command {
            DraftCommand::Begin { drafts: DRAFTS_MAX.., .. } => Err(DraftRejection::TooManyDrafts),
            DraftCommand::Begin { rulebook, actor, .. } => {
                Ok(vec![DraftEvent::RulebookDrafted(Revision::new(1, rulebook, actor))])
            }
            DraftCommand::Edit { .. } | DraftCommand::Submit { .. } | DraftCommand::Publish { .. } => {
                Err(DraftRejection::NoSuchDraft)
            }
        };
    };
    let revision = draft.content.revision;
    match (draft.standing, command) {
        (_, DraftCommand::Begin { .. }) => Err(DraftRejection::AlreadyBegun),
        (Standing::Published { version }, DraftCommand::Publish { live, .. }) if version == live => Ok(vec![]),
        (Standing::Published { version }, _) => Err(DraftRejection::Published { version }),
        (_, DraftCommand::Edit { revision: seen, .. }) if seen != revision => Err(DraftRejection::Stale { revision }),
        (_, DraftCommand::Edit { .. }) if revision >= REVISIONS_MAX => Err(DraftRejection::TooManyRevisions),
        (_, DraftCommand::Edit { rulebook, actor, .. }) => {
            Ok(vec![DraftEvent::RulebookEdited(Revision::new(revision + 1, rulebook, actor))])
        }
        (Standing::Submitted, DraftCommand::Submit { .. }) => Ok(vec![]),
        (Standing::Open, DraftCommand::Submit { actor }) => {
            Ok(vec![DraftEvent::RulebookSubmitted(RulebookSubmitted { revision, actor })])
        }
        (_, DraftCommand::Publish { tried: Some(tried), .. }) if tried != draft.content.hash => {
            Err(DraftRejection::NotAsTried)
        }
        (Standing::Open, DraftCommand::Publish { eyes: Eyes::Four, .. }) => Err(DraftRejection::NotSubmitted),
        (_, DraftCommand::Publish { eyes: Eyes::Four, actor, .. }) if draft.authors.contains(&actor) => {
            Err(DraftRejection::OwnWork)
        }
        (_, DraftCommand::Publish { actor, live, .. }) => {
            Ok(vec![DraftEvent::DraftPublished(DraftPublished { revision, version: live + 1, actor })])
        }
    }
}

impl Revision {
    fn new(revision: u32, rulebook: Rulebook, actor: Box<str>) -> Self {
        Self { revision, hash: rulebook.hash().into(), rulebook, actor }
    }
}

impl DraftEvent {
    /// The event's name in the log.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RulebookDrafted(_) => "RulebookDrafted",
            Self::RulebookEdited(_) => "RulebookEdited",
            Self::RulebookSubmitted(_) => "RulebookSubmitted",
            Self::DraftPublished(_) => "DraftPublished",
        }
    }
}

impl DomainEvent for DraftEvent {
    fn event_type(&self) -> String {
        self.name().to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

impl Aggregate for RulebookDraft {
    const TYPE: &'static str = "rulebook_draft";
    type Command = DraftCommand;
    type Event = DraftEvent;
    type Error = DraftRejection;
    type Services = ();

    async fn handle(
        &mut self,
        command: DraftCommand,
        _services: &(),
        sink: &EventSink<Self>,
    ) -> Result<(), DraftRejection> {
        for event in decide(self, command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: DraftEvent) {
        *self = evolve(std::mem::take(self), event);
    }
}

#[cfg(test)]
mod tests {
    use cqrs_es::test::{AggregateTestExecutor, TestFramework};

    use super::*;

    fn given(events: Vec<DraftEvent>) -> AggregateTestExecutor<RulebookDraft> {
        TestFramework::<RulebookDraft>::with(()).given(events)
    }

    fn book(points: u32) -> Rulebook {
        let large = serde_json::json!({"feature": "order.amount", "op": ">=", "value": 100_000});
        let book = serde_json::json!({
            "name": "Small", "rules": [{"id": "large", "points": points, "when": large}],
            "tiers": [{"id": "hold", "from": 80, "action": "freeze"}]
        });
        Rulebook::from_json(&book).expect("a rulebook")
    }

    fn drafted(actor: &str) -> DraftEvent {
        DraftEvent::RulebookDrafted(Revision::new(1, book(80), actor.into()))
    }

    fn edited(revision: u32, actor: &str) -> DraftEvent {
        DraftEvent::RulebookEdited(Revision::new(revision, book(90), actor.into()))
    }

    fn submitted(revision: u32, actor: &str) -> DraftEvent {
        DraftEvent::RulebookSubmitted(RulebookSubmitted { revision, actor: actor.into() })
    }

    fn published(revision: u32, version: u32, actor: &str) -> DraftEvent {
        DraftEvent::DraftPublished(DraftPublished { revision, version, actor: actor.into() })
    }

    fn begin(drafts: usize) -> DraftCommand {
        DraftCommand::Begin { rulebook: book(80), actor: "ana".into(), drafts }
    }

    fn edit(revision: u32) -> DraftCommand {
        DraftCommand::Edit { rulebook: book(90), revision, actor: "ben".into() }
    }

    fn submit() -> DraftCommand {
        DraftCommand::Submit { actor: "ana".into() }
    }

    fn publish(actor: &str, eyes: Eyes, live: u32) -> DraftCommand {
        DraftCommand::Publish { actor: actor.into(), eyes, live, tried: None }
    }

    fn publish_tried(points: u32, live: u32) -> DraftCommand {
        DraftCommand::Publish { actor: "rita".into(), eyes: Eyes::Two, live, tried: Some(book(points).hash().into()) }
    }

    #[test]
    fn a_draft_is_begun_once_and_within_the_limit() {
        given(vec![]).when(begin(0)).then_expect_events(vec![drafted("ana")]);
        given(vec![]).when(begin(DRAFTS_MAX)).then_expect_error(DraftRejection::TooManyDrafts);
        given(vec![drafted("ana")]).when(begin(1)).then_expect_error(DraftRejection::AlreadyBegun);
        for command in [edit(1), submit(), publish("rita", Eyes::Two, 1)] {
            given(vec![]).when(command).then_expect_error(DraftRejection::NoSuchDraft);
        }
    }

    #[test]
    fn an_edit_follows_the_revision_that_its_writer_saw() {
        given(vec![drafted("ana")]).when(edit(1)).then_expect_events(vec![edited(2, "ben")]);
        for seen in [0, 2, 3] {
            given(vec![drafted("ana")]).when(edit(seen)).then_expect_error(DraftRejection::Stale { revision: 1 });
        }
        let full = std::iter::once(drafted("ana")).chain((2..=REVISIONS_MAX).map(|revision| edited(revision, "ana")));
        given(full.collect()).when(edit(REVISIONS_MAX)).then_expect_error(DraftRejection::TooManyRevisions);
    }

    #[test]
    fn a_submission_is_recorded_once_and_an_edit_takes_it_back() {
        let once = vec![drafted("ana"), submitted(1, "ana")];
        given(vec![drafted("ana")]).when(submit()).then_expect_events(vec![submitted(1, "ana")]);
        given(once.clone()).when(submit()).then_expect_events(vec![]);
        let again = [once, vec![edited(2, "ben")]].concat();
        given(again.clone()).when(publish("rita", Eyes::Four, 1)).then_expect_error(DraftRejection::NotSubmitted);
        given(again).when(submit()).then_expect_events(vec![submitted(2, "ana")]);
    }

    #[test]
    fn two_eyes_publish_what_nobody_submitted() {
        given(vec![drafted("ana")]).when(publish("ana", Eyes::Two, 7)).then_expect_events(vec![published(1, 8, "ana")]);
    }

    #[test]
    fn four_eyes_publish_what_was_submitted_and_what_they_did_not_write() {
        let open = vec![drafted("ana"), edited(2, "ben")];
        let sent = [open.clone(), vec![submitted(2, "ben")]].concat();
        given(open).when(publish("rita", Eyes::Four, 1)).then_expect_error(DraftRejection::NotSubmitted);
        for author in ["ana", "ben"] {
            given(sent.clone()).when(publish(author, Eyes::Four, 1)).then_expect_error(DraftRejection::OwnWork);
        }
        given(sent).when(publish("rita", Eyes::Four, 1)).then_expect_events(vec![published(2, 2, "rita")]);
    }

    #[test]
    fn what_was_tried_is_published_and_nothing_else() {
        let open = || vec![drafted("ana")];
        let edited = || vec![drafted("ana"), edited(2, "ben")];
        given(open()).when(publish_tried(80, 1)).then_expect_events(vec![published(1, 2, "rita")]);
        given(edited()).when(publish_tried(80, 1)).then_expect_error(DraftRejection::NotAsTried);
        given(edited()).when(publish_tried(90, 1)).then_expect_events(vec![published(2, 2, "rita")]);
        let done = || vec![drafted("ana"), published(1, 2, "rita")];
        given(done()).when(publish_tried(80, 2)).then_expect_events(vec![]);
    }

    #[test]
    fn a_published_draft_stays_as_it_is() {
        let done = || vec![drafted("ana"), submitted(1, "ana"), published(1, 2, "rita")];
        given(done()).when(publish("rita", Eyes::Four, 2)).then_expect_events(vec![]);
        for command in [edit(1), submit(), publish("rita", Eyes::Four, 3)] {
            given(done()).when(command).then_expect_error(DraftRejection::Published { version: 2 });
        }
    }
}
