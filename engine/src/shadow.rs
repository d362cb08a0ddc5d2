//! Commands about the draft in the shadow.
//!
//! The comparison is told from memory, a fold over the screenings since the beginning, when everything before the question is
//! committed: so it is exact, and holds for the position of the answer.

use domain::draft::{DraftRejection, Standing};
use domain::ids::{DraftId, MerchantId};
use domain::shadow::{SHADOW, ShadowCommand, ShadowEnding, ShadowRejection};
use eventlog::LogError;

use crate::alone::Decided;
use crate::batch::Draft;
use crate::drive::drive;
use crate::work::{Asked, Comparison, Origin, Refusal, ShadowReceipt, ShadowWish};
use crate::writer::Writer;

impl Writer {
    pub(crate) async fn process_shadow(&mut self, asked: Asked<ShadowWish, ShadowReceipt>) -> Result<(), LogError> {
        let Asked { merchant, origin, command, reply } = asked;
        let mut batch = self.draft();
        let decided = if self.memory.knows(&merchant) {
            self.meet(&merchant, &origin, command, &mut batch).await
        } else {
            Ok(Err(Refusal::UnknownMerchant))
        };
        self.conclude(batch, decided, reply, |comparison, position| ShadowReceipt { comparison, position }).await
    }

    async fn meet(
        &mut self,
        merchant: &MerchantId,
        origin: &Origin,
        wish: ShadowWish,
        batch: &mut Draft,
    ) -> Decided<Comparison> {
        let (draft, done) = match wish {
            ShadowWish::Start(draft) => {
                let done = self.start_shadow(merchant, origin, &draft, batch).await?;
                (draft, done)
            }
            ShadowWish::End(draft) => {
                let done = self.end_shadow(merchant, origin, &draft, ShadowEnding::Asked, batch).await?;
                (draft, done)
            }
            ShadowWish::See(draft) => (draft, Ok(())),
        };
        let comparison = || self.memory.comparison(merchant, &draft).ok_or_else(|| ShadowRejection::NotThere.into());
        Ok(done.and_then(|()| comparison()))
    }

    async fn start_shadow(
        &mut self,
        merchant: &MerchantId,
        origin: &Origin,
        id: &DraftId,
        batch: &mut Draft,
    ) -> Decided<()> {
        let loaded = self.take_draft(merchant, id).await?;
        let begun = loaded.aggregate.begun().cloned();
        self.keep_draft(merchant, id, loaded);
        let Some(begun) = begun else { return Ok(Err(DraftRejection::NoSuchDraft.into())) };
        if let Standing::Published { version } = begun.standing {
            return Ok(Err(DraftRejection::Published { version }.into()));
        }
        let (revision, rulebook) = (begun.content.revision, begun.content.rulebook);
        let actor = origin.actor.as_str().into();
        let start = ShadowCommand::Start { draft: id.clone(), revision, rulebook, actor };
        self.decide_shadow(merchant, origin, start, batch).await
    }

    /// Ends the shadow of a draft.
    pub(crate) async fn end_shadow(
        &mut self,
        merchant: &MerchantId,
        origin: &Origin,
        draft: &DraftId,
        cause: ShadowEnding,
        batch: &mut Draft,
    ) -> Decided<()> {
        let end = ShadowCommand::End { draft: draft.clone(), cause, actor: origin.actor.as_str().into() };
        self.decide_shadow(merchant, origin, end, batch).await
    }

    /// What runs memory knows, so the stream, which holds every text in full, is not read.
    async fn decide_shadow(
        &mut self,
        merchant: &MerchantId,
        origin: &Origin,
        command: ShadowCommand,
        batch: &mut Draft,
    ) -> Decided<()> {
        let (shadow, events) = self.memory.shadow(merchant);
        let mut loaded = self.find_aggregate(merchant, SHADOW, events, shadow).await?;
        let events = match drive(&mut loaded.aggregate, command) {
            Ok(events) => events,
            Err(rejection) => return Ok(Err(rejection.into())),
        };
        for event in &events {
            loaded.record(origin, event.name(), serde_json::to_string(event), batch)?;
            self.memory.apply_shadow(merchant, event, batch.recorded_at);
        }
        Ok(Ok(()))
    }
}
