//! Commands that are committed alone, when all before them is: about merchants and about rulebooks. They are rare, so each
//! reads what it needs, is decided and is on disk before the next piece of work is looked at.

use cqrs_es::Aggregate;
use domain::ids::MerchantId;
use eventlog::{LogError, Position, StreamId, StreamKey};
use tokio::sync::oneshot;

use crate::batch::{Draft, Recording};
use crate::memory::read;
use crate::pipeline::append;
use crate::work::{Origin, Refusal, answer};
use crate::writer::Writer;

/// What was decided, or why not; the error outside is the log's.
pub(crate) type Decided<T> = Result<Result<T, Refusal>, LogError>;

/// An aggregate as of its last event.
pub(crate) struct Loaded<A> {
    key: StreamKey,
    stream: Option<StreamId>,
    sequence: u64,
    pub(crate) aggregate: A,
}

impl Writer {
    /// Commits what was decided, and only then answers. A refusal commits nothing, but is answered likewise: not from what
    /// somebody else may have made untrue.
    pub(crate) async fn conclude<T, R>(
        &mut self,
        draft: Draft,
        decided: Decided<T>,
        reply: oneshot::Sender<Result<R, Refusal>>,
        receipt: impl FnOnce(T, (u32, Position)) -> R,
    ) -> Result<(), LogError> {
        let done = match decided {
            Ok(Ok(done)) => done,
            Ok(Err(refusal)) => {
                let still_true = append(&*self.tools.log, self.draft()).await;
                answer(reply, Err(if still_true.is_ok() { refusal } else { Refusal::Unavailable }));
                return still_true;
            }
            Err(error) => {
                answer(reply, Err(Refusal::Unavailable));
                return Err(error);
            }
        };
        let position = (draft.numbers.partition, draft.numbers.head);
        self.advance(&draft);
        let committed = append(&*self.tools.log, draft).await;
        answer(reply, if committed.is_ok() { Ok(receipt(done, position)) } else { Err(Refusal::Unavailable) });
        committed
    }

    /// Folds an aggregate's stream.
    pub(crate) async fn load_aggregate<A: Aggregate>(
        &self,
        merchant: &MerchantId,
        id: &str,
    ) -> Result<Loaded<A>, LogError> {
        let mut loaded = self.find_aggregate(merchant, id, 0, A::default()).await?;
        for event in self.tools.log.read_streams(loaded.stream.as_slice()).await? {
            loaded.aggregate.apply(read(&event).map_err(|error| LogError::Damaged(error.to_string()))?);
            loaded.sequence = event.sequence;
        }
        Ok(loaded)
    }

    /// An aggregate whose state is known without its stream.
    pub(crate) async fn find_aggregate<A: Aggregate>(
        &self,
        merchant: &MerchantId,
        id: &str,
        sequence: u64,
        aggregate: A,
    ) -> Result<Loaded<A>, LogError> {
        let key = StreamKey { merchant: merchant.clone(), aggregate_type: A::TYPE.into(), aggregate_id: id.into() };
        let stream = self.tools.log.find_streams(std::slice::from_ref(&key)).await?.into_iter().flatten().next();
        Ok(Loaded { key, stream, sequence, aggregate })
    }
}

impl<A> Loaded<A> {
    /// Adds an event after the last one.
    pub(crate) fn record(
        &mut self,
        origin: &Origin,
        name: &'static str,
        payload: serde_json::Result<String>,
        draft: &mut Draft,
    ) -> Result<(), LogError> {
        let payload = payload.map_err(|error| LogError::Damaged(error.to_string()))?;
        let stream = match self.stream {
            Some(stream) => {
                draft.known_stream(stream, self.key.clone());
                stream
            }
            None => *self.stream.insert(draft.stream(self.key.clone())),
        };
        self.sequence += 1;
        let recording = Recording { stream, origin, message_id: None, causation: None };
        draft.event(&recording, self.sequence, name, payload, draft.recorded_at);
        Ok(())
    }
}
