//! Commands about rulebooks: drafts on their way into force, and what is in force.
//!
//! A publication is one commit of two events, the draft's and, after it, the live rulebook's. The writer compiles the rulebook
//! when it has decided that event, so the next order is screened by it, and windows need nothing: they hold every order whether a
//! rule asks for it or not. A shadow of the draft ends in the same commit.

use std::num::NonZeroUsize;

use domain::draft::{DraftCommand, DraftEvent, DraftRejection, Eyes, RulebookDraft};
use domain::forecast::Forecast;
use domain::ids::{DraftId, MerchantId};
use domain::publication::{LIVE, LiveRulebook, RulebookCommand, RulebookEvent, RulebookRejection};
use domain::rulebook::Rulebook;
use domain::shadow::ShadowEnding;
use eventlog::LogError;
use lru::LruCache;
use rustc_hash::FxBuildHasher;

use crate::alone::{Decided, Loaded};
use crate::batch::Draft;
use crate::drive::drive;
use crate::work::{Asked, DraftChange, DraftReceipt, InForce, Origin, Publication, PublicationReceipt, Refusal};
use crate::writer::Writer;

/// The most drafts kept: each is at most as large as a rulebook.
const CACHED_DRAFTS_MAX: NonZeroUsize = NonZeroUsize::new(16).expect("not zero");

/// Drafts that were touched last, so that one is not folded again for each step that is done with it.
pub(crate) struct Drafts(LruCache<(MerchantId, DraftId), Loaded<RulebookDraft>, FxBuildHasher>);

impl Drafts {
    pub(crate) fn new() -> Self {
        Self(LruCache::with_hasher(CACHED_DRAFTS_MAX, FxBuildHasher))
    }
}

/// How a draft is to be published.
struct Terms {
    eyes: Eyes,
    note: Option<Box<str>>,
    expected: Option<Forecast>,
    tried: Option<Box<str>>,
}

impl Writer {
    pub(crate) async fn process_draft(&mut self, asked: Asked<DraftChange, DraftReceipt>) -> Result<(), LogError> {
        let Asked { merchant, origin, command, reply } = asked;
        let mut draft = self.draft();
        let decided = if self.memory.knows(&merchant) {
            self.change_draft(&merchant, &origin, command, &mut draft).await
        } else {
            Ok(Err(Refusal::UnknownMerchant))
        };
        self.conclude(draft, decided, reply, |revision, position| DraftReceipt { revision, position }).await
    }

    pub(crate) async fn process_publication(
        &mut self,
        asked: Asked<Publication, PublicationReceipt>,
    ) -> Result<(), LogError> {
        let Asked { merchant, origin, command, reply } = asked;
        let mut draft = self.draft();
        let decided = match command {
            _ if !self.memory.knows(&merchant) => Ok(Err(Refusal::UnknownMerchant)),
            Publication::OfDraft { draft: id, eyes, note, expected, tried } => {
                let terms = Terms { eyes, note, expected, tried };
                self.publish_draft(&merchant, &origin, id, terms, &mut draft).await
            }
            Publication::RollBack { to_version, rulebook, author, note } => {
                let actor = origin.actor.as_str().into();
                let forecast_left = None;
                let command = RulebookCommand::RollBack { to_version, rulebook, author, actor, note, forecast_left };
                let published = self.publish(&merchant, &origin, command, &mut draft).await;
                published.map(|published| published.map(|version| (version, InForce::Now)))
            }
        };
        let receipt = |(version, since), position| PublicationReceipt { version, since, position };
        self.conclude(draft, decided, reply, receipt).await
    }

    /// What leaves the live rulebook alone; answers with the revision.
    async fn change_draft(
        &mut self,
        merchant: &MerchantId,
        origin: &Origin,
        change: DraftChange,
        batch: &mut Draft,
    ) -> Decided<u32> {
        let actor: Box<str> = origin.actor.as_str().into();
        let (id, command) = match change {
            DraftChange::Begin { draft, rulebook, drafts } => (draft, DraftCommand::Begin { rulebook, actor, drafts }),
            DraftChange::Edit { draft, rulebook, revision } => {
                (draft, DraftCommand::Edit { rulebook, revision, actor })
            }
            DraftChange::Submit { draft } => (draft, DraftCommand::Submit { actor }),
        };
        let mut loaded = self.take_draft(merchant, &id).await?;
        let decided = decide_draft(&mut loaded, origin, command, batch)?;
        let revision = loaded.aggregate.begun().map_or(0, |draft| draft.content.revision);
        self.drafts.0.put((merchant.clone(), id), loaded);
        Ok(decided.map(|_| revision))
    }

    async fn publish_draft(
        &mut self,
        merchant: &MerchantId,
        origin: &Origin,
        id: DraftId,
        terms: Terms,
        batch: &mut Draft,
    ) -> Decided<(u32, InForce)> {
        let Terms { eyes, note, expected, tried } = terms;
        let (live, actor): (_, Box<str>) = (self.memory.live_version(merchant), origin.actor.as_str().into());
        let mut loaded = self.take_draft(merchant, &id).await?;
        let command = DraftCommand::Publish { actor: actor.clone(), eyes, live, tried };
        let decided = decide_draft(&mut loaded, origin, command, batch)?;
        let content =
            loaded.aggregate.begun().map(|draft| (draft.content.rulebook.clone(), draft.content.actor.clone()));
        self.drafts.0.put((merchant.clone(), id.clone()), loaded);
        let (rulebook, author) = match (decided, content) {
            (Err(refusal), _) => return Ok(Err(refusal)),
            (Ok(_), None) => return Ok(Err(DraftRejection::NoSuchDraft.into())),
            (Ok(events), Some(_)) if events.is_empty() => {
                // Whoever asks again because the answer was lost expects what was recorded.
                let is_told = expected.is_none() || self.memory.expected(merchant) == expected;
                return Ok(if is_told {
                    Ok((live, InForce::Before))
                } else {
                    Err(RulebookRejection::ForecastTooLate { version: live }.into())
                });
            }
            (Ok(_), Some(content)) => content,
        };
        let (author, draft) = (Some(author), Some(id.clone()));
        let command = RulebookCommand::Publish { rulebook, actor, author, draft, note, expected };
        let published = self.publish(merchant, origin, command, batch).await?;
        if published.is_err() {
            // The draft took in what is not recorded.
            self.drafts.0.pop(&(merchant.clone(), id));
        }
        Ok(published.map(|version| (version, InForce::Now)))
    }

    /// Every merchant starts with a live version 1.
    pub(crate) async fn publish_first_rulebook(
        &mut self,
        merchant: &MerchantId,
        origin: &Origin,
        batch: &mut Draft,
    ) -> Result<(), LogError> {
        let rulebook: Rulebook = (*self.tools.first_rulebook).clone();
        let actor = origin.actor.as_str().into();
        let publish =
            RulebookCommand::Publish { rulebook, actor, author: None, draft: None, note: None, expected: None };
        let published = self.publish(merchant, origin, publish, batch).await?;
        debug_assert!(published.is_ok(), "a merchant without a version has room for one");
        Ok(())
    }

    /// Puts a rulebook in force for everything that is decided from now on. Which version is in force memory knows: a fold over
    /// the same events, so the stream, which holds every version in full, is not read.
    pub(crate) async fn publish(
        &mut self,
        merchant: &MerchantId,
        origin: &Origin,
        command: RulebookCommand,
        batch: &mut Draft,
    ) -> Decided<u32> {
        let version = self.memory.live_version(merchant);
        let mut live = self.find_aggregate(merchant, LIVE, version.into(), LiveRulebook::at(version)).await?;
        let events = match drive(&mut live.aggregate, command) {
            Ok(events) => events,
            Err(rejection) => return Ok(Err(rejection.into())),
        };
        for event in &events {
            let RulebookEvent::RulebookPublished(published) = event;
            if let Some(draft) = published.draft.as_ref().filter(|draft| self.memory.in_shadow(merchant) == Some(draft))
            {
                let ended = self.end_shadow(merchant, origin, draft, ShadowEnding::Published, batch).await?;
                debug_assert!(ended.is_ok(), "what runs can be ended");
            }
            live.record(origin, event.name(), serde_json::to_string(event), batch)?;
            self.memory.apply_rulebook(merchant, event);
        }
        Ok(Ok(live.aggregate.version()))
    }

    pub(crate) async fn take_draft(
        &mut self,
        merchant: &MerchantId,
        id: &DraftId,
    ) -> Result<Loaded<RulebookDraft>, LogError> {
        match self.drafts.0.pop(&(merchant.clone(), id.clone())) {
            Some(loaded) => Ok(loaded),
            None => self.load_aggregate(merchant, id.as_str()).await,
        }
    }

    pub(crate) fn keep_draft(&mut self, merchant: &MerchantId, id: &DraftId, loaded: Loaded<RulebookDraft>) {
        self.drafts.0.put((merchant.clone(), id.clone()), loaded);
    }
}

fn decide_draft(
    loaded: &mut Loaded<RulebookDraft>,
    origin: &Origin,
    command: DraftCommand,
    batch: &mut Draft,
) -> Decided<Vec<DraftEvent>> {
    let events = match drive(&mut loaded.aggregate, command) {
        Ok(events) => events,
        Err(rejection) => return Ok(Err(rejection.into())),
    };
    for event in &events {
        loaded.record(origin, event.name(), serde_json::to_string(event), batch)?;
    }
    Ok(Ok(events))
}
