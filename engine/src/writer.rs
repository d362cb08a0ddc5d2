//! The single writer of a partition: takes what is waiting, decides it in order, commits it once, and only then answers.
//!
//! If a commit fails, everything in memory is thrown away and folded anew from the log; there is no other repair.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use domain::rulebook::Rulebook;
use domain::time::Timestamp;
use eventlog::vault::Vault;
use eventlog::{EventLog, LogError};
use futures_util::FutureExt;
use tokio::sync::mpsc;

use crate::batch::{Draft, Numbers};
use crate::memory::{FoldError, Memory};
use crate::orders::Orders;
use crate::sealing::Sealing;
use crate::work::{NoticeWork, Refusal, Work};

/// The most pieces of work in one commit.
pub(crate) const BATCH_MAX: usize = 256;
/// Events read at once when memory is folded from the log.
pub(crate) const FOLD_PAGE: u32 = 2_000;
/// From how many expected pieces of work on the writer waits for them.
const GATHER_FROM: usize = 32;
/// How long it waits at most.
const GATHER_PAUSE: Duration = Duration::from_millis(1);
/// The pause before the log is tried again after it failed.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Tells the time. The one place where the engine learns it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What a writer shares with the rest of the process.
#[derive(Clone)]
pub(crate) struct Tools {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) clock: Clock,
    /// The rulebook that a new merchant starts with.
    pub(crate) first_rulebook: Arc<Rulebook>,
}

/// Why a writer could not begin.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The log cannot be read.
    #[error("event log cannot be opened")]
    Log(#[from] LogError),
    /// The log holds what this version cannot read.
    #[error("event log cannot be folded")]
    Fold(#[from] FoldError),
}

pub(crate) struct Writer {
    pub(crate) tools: Tools,
    pub(crate) numbers: Numbers,
    pub(crate) memory: Memory,
    pub(crate) orders: Orders,
    pub(crate) sealing: Sealing,
    last_recorded_at: Timestamp,
}

impl Writer {
    /// Takes the partition over and folds its log.
    pub(crate) async fn open(tools: Tools, partition: u32) -> Result<Self, OpenError> {
        let numbers = Numbers::new(partition, tools.log.acquire(partition).await?);
        let mut memory = Memory::default();
        let mut after = 0;
        let mut last_recorded_at = Timestamp::default();
        while after < numbers.head {
            let page = tools.log.read(partition, after, FOLD_PAGE).await?;
            let Some(last) = page.last() else {
                return Err(LogError::Damaged(format!("no event after position {after}")).into());
            };
            after = last.position;
            last_recorded_at = last.recorded_at;
            page.iter().try_for_each(|event| memory.fold(event))?;
        }
        let sealing = Sealing::new(tools.vault.clone());
        Ok(Self { tools, numbers, memory, orders: Orders::new(), sealing, last_recorded_at })
    }

    /// Works until the mailbox is closed and empty, or until another writer owns the partition; `at_work` tells whether it
    /// takes work or folds the log anew.
    ///
    /// After a failed commit or a panic it begins again from the log; work that was under way is answered as unknown.
    pub(crate) async fn run(mut self, mut mailbox: mpsc::Receiver<Work>, at_work: Arc<AtomicBool>) {
        let (tools, partition) = (self.tools.clone(), self.numbers.partition);
        loop {
            at_work.store(true, Ordering::Relaxed);
            match AssertUnwindSafe(self.work(&mut mailbox)).catch_unwind().await {
                Ok(Ok(())) => return,
                Ok(Err(LogError::Fenced { partition })) => {
                    tracing::error!(partition, "another writer owns the partition, this one ends");
                    return;
                }
                Ok(Err(error)) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "commit failed, folding the log anew");
                }
                Err(_) => tracing::error!("writer panicked, folding the log anew"),
            }
            at_work.store(false, Ordering::Relaxed);
            metrics::counter!("orderlight_writer_restarts_total").increment(1);
            match begin_again(&tools, partition, &mut mailbox).await {
                Some(writer) => self = writer,
                None => return,
            }
        }
    }

    async fn work(&mut self, mailbox: &mut mpsc::Receiver<Work>) -> Result<(), LogError> {
        let mut waiting = Vec::with_capacity(BATCH_MAX);
        let mut gathering = Gathering::default();
        while mailbox.recv_many(&mut waiting, BATCH_MAX).await > 0 {
            gathering.gather(mailbox, &mut waiting).await;
            if let Err(error) = self.process(&mut waiting).await {
                waiting.drain(..).for_each(|work| work.refuse(Refusal::Unavailable));
                return Err(error);
            }
        }
        Ok(())
    }

    /// Deals with all that waits, in order: notices in one commit, a merchant's command in one of its own.
    async fn process(&mut self, waiting: &mut Vec<Work>) -> Result<(), LogError> {
        let mut notices: Vec<NoticeWork> = Vec::with_capacity(waiting.len());
        // Taken from the end, so that what is left at an error can be refused by the caller.
        waiting.reverse();
        while let Some(work) = waiting.pop() {
            match work {
                Work::Notice(notice) => notices.push(*notice),
                Work::Merchant(merchant) => {
                    self.process_notices(std::mem::take(&mut notices)).await?;
                    self.process_merchant(*merchant).await?;
                }
            }
        }
        self.process_notices(notices).await
    }

    /// An empty batch after the last one.
    pub(crate) fn draft(&self) -> Draft {
        // Our clock may be set back; the log's does not go back.
        Draft::new(self.numbers, (self.tools.clock)().max(self.last_recorded_at))
    }

    /// Commits a batch. Only afterwards may anything be answered.
    pub(crate) async fn commit(&mut self, draft: Draft) -> Result<(), LogError> {
        let (numbers, recorded_at) = (draft.numbers, draft.recorded_at);
        if !draft.is_empty() {
            let started = Instant::now();
            self.tools.log.append(draft.into_batch()).await?;
            metrics::histogram!("orderlight_commit_seconds").record(started.elapsed().as_secs_f64());
        }
        (self.numbers, self.last_recorded_at) = (numbers, recorded_at);
        let remembered = u32::try_from(self.memory.remembered()).unwrap_or(u32::MAX);
        metrics::gauge!("orderlight_remembered_orders").set(f64::from(remembered));
        Ok(())
    }
}

/// Decides whether a commit is worth a short wait. Senders that wait for their answers come in two halves when a commit
/// begins with the first to return: each half then waits for the other's disk write. Once as many are expected as make a
/// write worth sharing, the writer waits for them, and never long.
#[derive(Default)]
struct Gathering {
    last: usize,
    before_last: usize,
}

impl Gathering {
    async fn gather(&mut self, mailbox: &mut mpsc::Receiver<Work>, waiting: &mut Vec<Work>) {
        let expected = (self.last + self.before_last).min(BATCH_MAX);
        if expected >= GATHER_FROM {
            let gathered = async {
                while waiting.len() < expected {
                    if mailbox.recv_many(waiting, expected - waiting.len()).await == 0 {
                        return;
                    }
                }
            };
            // What was received stays in `waiting` when the time is over.
            drop(tokio::time::timeout(GATHER_PAUSE, gathered).await);
        }
        (self.before_last, self.last) = (self.last, waiting.len());
    }
}

/// Begins again from the log, refusing what comes in meanwhile. `None` when the mailbox was closed.
async fn begin_again(tools: &Tools, partition: u32, mailbox: &mut mpsc::Receiver<Work>) -> Option<Writer> {
    loop {
        match Writer::open(tools.clone(), partition).await {
            Ok(writer) => return Some(writer),
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "event log cannot be folded"),
        }
        let pause = tokio::time::sleep(RETRY_PAUSE);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => break,
                work = mailbox.recv() => work?.refuse(Refusal::Unavailable),
            }
        }
    }
}
