//! Commands about merchants: rare, so each is read, decided and committed alone, when all before it is.

use cqrs_es::Aggregate;
use domain::ids::MerchantId;
use domain::merchant::{Merchant, MerchantEvent};
use domain::publication::{LIVE, LiveRulebook, RulebookCommand, RulebookEvent};
use eventlog::{LogError, StreamId, StreamKey};

use crate::batch::{Draft, Recording};
use crate::drive::drive;
use crate::memory::read;
use crate::pipeline::append;
use crate::work::{MerchantReceipt, MerchantWork, Origin, Refusal, answer};
use crate::writer::Writer;

/// An aggregate as of its last event.
struct Loaded<A> {
    key: StreamKey,
    stream: Option<StreamId>,
    sequence: u64,
    aggregate: A,
}

impl Writer {
    pub(crate) async fn process_merchant(&mut self, work: MerchantWork) -> Result<(), LogError> {
        let MerchantWork { merchant, origin, command, reply } = work;
        let mut draft = self.draft();
        let events = match self.decide_merchant(&merchant, &origin, command, &mut draft).await {
            Ok(Ok(events)) => events,
            Ok(Err(refusal)) => {
                answer(reply, Err(refusal));
                return Ok(());
            }
            Err(error) => {
                answer(reply, Err(Refusal::Unavailable));
                return Err(error);
            }
        };
        let position = (draft.numbers.partition, draft.numbers.head);
        self.advance(&draft);
        let committed = append(&*self.tools.log, draft).await;
        answer(
            reply,
            if committed.is_ok() { Ok(MerchantReceipt { events, position }) } else { Err(Refusal::Unavailable) },
        );
        committed
    }

    async fn decide_merchant(
        &mut self,
        merchant: &MerchantId,
        origin: &Origin,
        command: domain::merchant::MerchantCommand,
        draft: &mut Draft,
    ) -> Result<Result<Vec<MerchantEvent>, Refusal>, LogError> {
        let mut loaded: Loaded<Merchant> = self.load_aggregate(merchant, merchant.as_str()).await?;
        let events = match drive(&mut loaded.aggregate, command) {
            Ok(events) => events,
            Err(rejection) => return Ok(Err(rejection.into())),
        };
        for event in &events {
            record(&mut loaded, origin, event.name(), serde_json::to_string(event), draft)?;
            self.memory.apply_merchant(merchant, event);
            if matches!(event, MerchantEvent::MerchantRegistered(_)) {
                self.publish_first_rulebook(merchant, origin, draft).await?;
            }
        }
        Ok(Ok(events))
    }

    /// Every merchant starts with a live version 1.
    async fn publish_first_rulebook(
        &mut self,
        merchant: &MerchantId,
        origin: &Origin,
        draft: &mut Draft,
    ) -> Result<(), LogError> {
        let mut live: Loaded<LiveRulebook> = self.load_aggregate(merchant, LIVE).await?;
        let rulebook = (*self.tools.first_rulebook).clone();
        let publish = RulebookCommand::Publish { rulebook, actor: origin.actor.as_str().into(), note: None };
        let Ok(events) = drive(&mut live.aggregate, publish);
        for event in &events {
            let RulebookEvent::RulebookPublished(_) = event;
            record(&mut live, origin, event.name(), serde_json::to_string(event), draft)?;
            self.memory.apply_rulebook(merchant, event);
        }
        Ok(())
    }

    async fn load_aggregate<A: Aggregate>(&self, merchant: &MerchantId, id: &str) -> Result<Loaded<A>, LogError> {
        let key = StreamKey { merchant: merchant.clone(), aggregate_type: A::TYPE.into(), aggregate_id: id.into() };
        let stream = self.tools.log.find_streams(std::slice::from_ref(&key)).await?.into_iter().flatten().next();
        let mut loaded = Loaded { key, stream, sequence: 0, aggregate: A::default() };
        for event in self.tools.log.read_streams(stream.as_slice()).await? {
            loaded.aggregate.apply(read(&event).map_err(|error| LogError::Damaged(error.to_string()))?);
            loaded.sequence = event.sequence;
        }
        Ok(loaded)
    }
}

fn record<A>(
    loaded: &mut Loaded<A>,
    origin: &Origin,
    name: &'static str,
    payload: serde_json::Result<String>,
    draft: &mut Draft,
) -> Result<(), LogError> {
    let payload = payload.map_err(|error| LogError::Damaged(error.to_string()))?;
    let stream = match loaded.stream {
        Some(stream) => {
            draft.known_stream(stream, loaded.key.clone());
            stream
        }
        None => *loaded.stream.insert(draft.stream(loaded.key.clone())),
    };
    loaded.sequence += 1;
    let recording = Recording { stream, origin, message_id: None, causation: None };
    draft.event(&recording, loaded.sequence, name, payload, draft.recorded_at);
    Ok(())
}
