//! Signals: declared, set, withdrawn. What comes together is committed together, after all that was decided before it.

use std::sync::Arc;

use cqrs_es::Aggregate;
use domain::ids::MerchantId;
use domain::signal::{
    Declaration, Signal, SignalCommand, SignalName, SignalRejection, SignalSet, SignalValue, SignalValues, Subject,
    Told, ValueCommand,
};
use domain::time::Timestamp;
use eventlog::{LogError, Position, StreamKey};
use tokio::sync::oneshot;

use crate::batch::{Draft, Recording};
use crate::drive::drive;
use crate::keys::Keys;
use crate::memory::{Known, Tail};
use crate::pipeline::append;
use crate::work::{Origin, Refusal, answer};
use crate::writer::Writer;

/// What somebody wants of a signal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SignalChange {
    /// Say what it is.
    Declare(Declaration),
    /// Give a subject a value.
    Set {
        /// Whose.
        subject: Told,
        /// How much.
        value: SignalValue,
        /// Orders from before then read it.
        expires_at: Timestamp,
    },
    /// Take a subject's value away.
    Withdraw {
        /// Whose.
        subject: Told,
    },
}

/// The durable answer to a change of a signal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SignalReceipt {
    /// What became of it.
    pub effect: Effect,
    /// The partition, and the position up to which its log holds it.
    pub position: (u32, Position),
}

/// What became of a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// The signal is new.
    New,
    /// It changed something.
    Changed,
    /// It was so already.
    None,
}

/// A change on its way to the writer, which alone knows what the signal is about and so what its subject means.
pub(crate) struct SignalWork {
    pub(crate) merchant: MerchantId,
    pub(crate) origin: Origin,
    pub(crate) name: SignalName,
    pub(crate) change: SignalChange,
    pub(crate) keys: Arc<Keys>,
    pub(crate) reply: oneshot::Sender<Result<SignalReceipt, Refusal>>,
}

impl Writer {
    /// Decides changes in order and commits them together; all before them is committed.
    pub(crate) async fn process_signals(&mut self, works: Vec<SignalWork>) -> Result<(), LogError> {
        if works.is_empty() {
            return Ok(());
        }
        let mut draft = self.draft();
        let mut answers = Vec::with_capacity(works.len());
        let mut failed = None;
        for work in works {
            let decided = match failed {
                None => self.decide_signal(&work, &mut draft),
                Some(_) => Ok(Err(Refusal::Unavailable)),
            };
            answers.push((
                work.reply,
                decided.unwrap_or_else(|error| {
                    failed = Some(error);
                    Err(Refusal::Unavailable)
                }),
            ));
        }
        let committed = match failed {
            Some(error) => Err(error),
            None => {
                self.advance(&draft);
                append(&*self.tools.log, draft).await
            }
        };
        let position = (self.numbers.partition, self.numbers.head);
        for (reply, decided) in answers {
            let receipt = decided.map(|effect| SignalReceipt { effect, position });
            answer(reply, if committed.is_ok() { receipt } else { Err(Refusal::Unavailable) });
        }
        committed
    }

    fn decide_signal(&mut self, work: &SignalWork, draft: &mut Draft) -> Result<Result<Effect, Refusal>, LogError> {
        let SignalWork { merchant, name, change, .. } = work;
        let Some(signals) = self.memory.signals(merchant) else { return Ok(Err(Refusal::UnknownMerchant)) };
        let new = Known::new(*name);
        let known = signals.find(*name).unwrap_or(&new);
        if let SignalChange::Declare(declaration) = change {
            let mut signal = known.signal.clone();
            let is_new = signal.declared().is_none();
            let (name, declaration) = (*name, declaration.clone());
            let command = SignalCommand::Declare { name, declaration, signals: signals.count(), told: known.told() };
            let tail = known.declared;
            let events = match drive(&mut signal, command) {
                Ok(events) => events,
                Err(rejection) => return Ok(Err(rejection.into())),
            };
            for event in &events {
                let stream = record::<Signal>(work, tail, event.name(), serde_json::to_string(event), draft)?;
                self.memory.apply_signal(merchant, name, stream, event);
            }
            let effect = if is_new { Effect::New } else { Effect::Changed };
            return Ok(Ok(if events.is_empty() { Effect::None } else { effect }));
        }
        let Some(kind) = known.subject() else {
            return Ok(Err(SignalRejection::NotDeclared { name: *name }.into()));
        };
        let read = |told: &Told| Subject::read(kind, told, merchant, &work.keys.tokeniser);
        let command = match change {
            SignalChange::Set { subject, value, expires_at } => read(subject).map(|subject| {
                let (held, values) = (known.held(&subject), signals.values(draft.recorded_at));
                let set = SignalSet { subject, value: *value, expires_at: *expires_at };
                ValueCommand::Set { set, known: held, values }
            }),
            SignalChange::Withdraw { subject } => read(subject).map(|subject| {
                let held = known.held(&subject);
                ValueCommand::Withdraw { subject, known: held }
            }),
            SignalChange::Declare(_) => return Ok(Ok(Effect::None)),
        };
        let tail = known.set;
        let decided = command.map_err(|expected| SignalRejection::BadSubject { expected: expected.into() });
        let events = match decided.and_then(|command| drive(&mut SignalValues, command)) {
            Ok(events) => events,
            Err(rejection) => return Ok(Err(rejection.into())),
        };
        for event in &events {
            let stream = record::<SignalValues>(work, tail, event.name(), serde_json::to_string(event), draft)?;
            self.memory.apply_value(merchant, *name, stream, event, draft.recorded_at);
        }
        Ok(Ok(if events.is_empty() { Effect::None } else { Effect::Changed }))
    }
}

/// Puts an event of a signal behind the end of its stream; answers with the stream.
fn record<A: Aggregate>(
    work: &SignalWork,
    tail: Tail,
    name: &'static str,
    payload: serde_json::Result<String>,
    draft: &mut Draft,
) -> Result<u64, LogError> {
    let payload = payload.map_err(|error| LogError::Damaged(error.to_string()))?;
    let key = StreamKey {
        merchant: work.merchant.clone(),
        aggregate_type: A::TYPE.into(),
        aggregate_id: work.name.as_str().into(),
    };
    let stream = match tail.stream {
        Some(stream) => {
            draft.known_stream(stream, key);
            stream
        }
        None => draft.stream(key),
    };
    let recording = Recording { stream, origin: &work.origin, message_id: None, causation: None };
    draft.event(&recording, tail.sequence + 1, name, payload, draft.recorded_at);
    Ok(stream)
}
