//! Two batches at a time: one on its way to the disk, one being decided.
//!
//! A batch takes notices in for as long as the one before it is being committed; then its own commit begins. What it was decided
//! by may thus not be durable yet, which is why nothing is answered before its own commit, why commits follow each other, and
//! why a failed one throws away everything after it.

use std::sync::Arc;
use std::time::Instant;

use eventlog::{DeliveryKey, EventLog, LogError};
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;

use crate::batch::{Draft, Numbers};
use crate::work::{Receipt, Refusal, answer};

pub(crate) type Answer = Result<Receipt, Refusal>;

/// Deliveries that were dealt with, by digest of their body and answer.
pub(crate) type Taken = FxHashMap<DeliveryKey, ([u8; 16], Receipt)>;

/// A batch that still takes notices in.
pub(crate) struct OpenBatch {
    pub(crate) draft: Draft,
    answers: Vec<(oneshot::Sender<Answer>, Answer)>,
    pub(crate) taken: Taken,
}

impl OpenBatch {
    pub(crate) fn new(draft: Draft) -> Self {
        Self { draft, answers: Vec::new(), taken: Taken::default() }
    }

    /// Notices in it.
    pub(crate) const fn len(&self) -> usize {
        self.answers.len()
    }

    /// Keeps an answer until the commit.
    pub(crate) fn answer_later(&mut self, reply: oneshot::Sender<Answer>, answer: Answer) {
        self.answers.push((reply, answer));
    }

    /// Answers everything as unknown.
    pub(crate) fn give_up(self) {
        refuse(self.answers);
    }

    /// Begins the commit, which goes on by itself and answers when it has ended.
    pub(crate) fn commit(self, log: Arc<dyn EventLog>) -> Committing {
        metrics::histogram!("orderlight_batch_size").record(f64::from(u32::try_from(self.len()).unwrap_or(u32::MAX)));
        let Self { draft, answers, taken } = self;
        let (end, ended) = oneshot::channel();
        tokio::spawn(async move {
            let committed = append(&*log, draft).await;
            let is_committed = committed.is_ok();
            // First the writer: of the tasks that are woken here the runtime goes on with the last one in this thread.
            drop(end.send(committed));
            if is_committed {
                answers.into_iter().for_each(|(reply, receipt)| answer(reply, receipt));
            } else {
                refuse(answers);
            }
        });
        Committing { ended, taken }
    }
}

fn refuse(answers: Vec<(oneshot::Sender<Answer>, Answer)>) {
    answers.into_iter().for_each(|(reply, _)| answer(reply, Err(Refusal::Unavailable)));
}

/// A batch on its way to the disk.
pub(crate) struct Committing {
    ended: oneshot::Receiver<Result<(), LogError>>,
    pub(crate) taken: Taken,
}

impl Committing {
    /// Waits for its end. May be dropped and called again.
    pub(crate) async fn end(&mut self) -> Result<(), LogError> {
        let ended = (&mut self.ended).await;
        ended.unwrap_or_else(|_| Err(LogError::Store("commit ended without a word".into())))
    }
}

/// Commits what is in a draft. Where there is nothing, what was refused or told again is right only if nobody else has written
/// to the partition: a process that was paused may have been followed without knowing it.
pub(crate) async fn append(log: &dyn EventLog, draft: Draft) -> Result<(), LogError> {
    if draft.is_empty() {
        let Numbers { partition, head, .. } = draft.numbers;
        return if log.head(partition).await? == head { Ok(()) } else { Err(LogError::Fenced { partition }) };
    }
    let started = Instant::now();
    log.append(draft.into_batch()).await?;
    metrics::histogram!("orderlight_commit_seconds").record(started.elapsed().as_secs_f64());
    Ok(())
}
