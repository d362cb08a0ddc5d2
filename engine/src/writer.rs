//! The single writer of a partition: takes what is waiting, decides it in order, commits it once, and only then answers. While
//! one batch is committed the next is decided, see [`crate::pipeline`].
//!
//! If a commit fails, everything in memory is thrown away and folded anew from the log; there is no other repair.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::rulebook::Rulebook;
use domain::time::{Span, Timestamp};
use eventlog::vault::Vault;
use eventlog::{EventLog, LogError};
use futures_util::FutureExt;
use tokio::sync::{Notify, mpsc, watch};

use crate::ahead::Ahead;
use crate::batch::{Draft, Numbers};
use crate::memory::{FoldError, Memory};
use crate::orders::Orders;
use crate::pages::Pages;
use crate::pipeline::{Committing, OpenBatch};
use crate::published::{self, Published};
use crate::rulebooks::Drafts;
use crate::sealing::Sealing;
use crate::snapshot::{self, Loaded, Saver, Snapshot};
use crate::wishes::DUE_ALONG_MAX;
use crate::work::{NoticeWork, Refusal, Work};

/// The most pieces of work in one commit.
pub(crate) const BATCH_MAX: usize = 256;

/// How often the clock is asked while something waits for a time: it may be set forward.
const CLOCK_ASKED_EVERY: Duration = Duration::from_millis(250);

/// For how long deadlines are gathered: a commit for each would cost whoever places orders meanwhile more than a later and larger one.
pub(crate) const DUE_GATHERED_FOR: Span = Span::from_millis(10);

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
    /// Where snapshots of memory are kept, if they are.
    pub(crate) snapshots: Option<PathBuf>,
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

/// How a writer ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    /// Its mailbox was closed, and all in it is committed.
    Closed,
    /// The partition is not wanted here any more; all that was taken is committed.
    Unwanted,
    /// What it remembers cannot be trusted any more.
    Failed,
}

pub(crate) struct Writer {
    pub(crate) tools: Tools,
    pub(crate) numbers: Numbers,
    pub(crate) memory: Memory,
    pub(crate) orders: Orders,
    pub(crate) sealing: Sealing,
    pub(crate) drafts: Drafts,
    /// What was decided and is not on its way to the disk.
    pub(crate) open: Option<OpenBatch>,
    /// What is on its way there.
    pub(crate) committing: Option<Committing>,
    last_recorded_at: Timestamp,
    pub(crate) ahead: Ahead,
    /// Deadlines were taken out of memory and are not decided so far.
    pub(crate) has_due_under_way: bool,
    saver: Option<Saver>,
    /// Of memory as it will be after the commit that is under way.
    snapshot: Option<Snapshot>,
}

impl Writer {
    /// Takes the partition over and folds its log, from a snapshot on if there is one that belongs to it.
    pub(crate) async fn open(tools: Tools, partition: u32) -> Result<Self, OpenError> {
        let numbers = Numbers::new(partition, tools.log.acquire(partition).await?);
        let loaded = match &tools.snapshots {
            Some(directory) => snapshot::load(directory, partition, &*tools.log).await,
            None => None,
        };
        let saver = |directory| {
            Saver::new(directory, partition, tools.log.clone(), loaded.as_ref().map_or(0, |it| it.position))
        };
        let saver = tools.snapshots.clone().map(saver);
        let Loaded { mut memory, position: mut after, recorded_at: mut last_recorded_at } = loaded.unwrap_or_default();
        let mut pages = Pages::after(tools.log.clone(), partition, after);
        while after < numbers.head {
            let page = pages.next().await?.unwrap_or_default();
            let Some(last) = page.last() else {
                return Err(LogError::Damaged(format!("no event after position {after}")).into());
            };
            after = last.position;
            last_recorded_at = last.recorded_at;
            page.iter().try_for_each(|event| memory.fold(event))?;
        }
        let sealing = Sealing::new(tools.vault.clone());
        let (orders, open, committing) = (Orders::new(), None, None);
        let (drafts, snapshot) = (Drafts::new(), None);
        Ok(Self {
            tools,
            numbers,
            memory,
            orders,
            sealing,
            drafts,
            open,
            committing,
            last_recorded_at,
            ahead: Ahead::Idle,
            has_due_under_way: false,
            saver,
            snapshot,
        })
    }

    /// Works until the mailbox is closed and empty, the partition is not wanted here any more, or something failed; whatever was
    /// under way then is answered as unknown, and nothing in memory may be used again.
    pub(crate) async fn run(
        mut self,
        mailbox: &mut mpsc::Receiver<Work>,
        wanted: &mut watch::Receiver<bool>,
        lost: &Notify,
    ) -> Ended {
        let partition = self.numbers.partition;
        let _published = Published::of(partition, self.memory.remembered());
        let ended = match AssertUnwindSafe(self.work(mailbox, wanted, lost)).catch_unwind().await {
            Ok(Ok(ended)) => {
                self.save_at_end(ended).await;
                return ended;
            }
            Ok(Err(LogError::Fenced { .. })) => {
                tracing::error!(partition, "partition was lost to another writer");
                Ended::Failed
            }
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(partition, error, "commit failed, folding the log anew");
                Ended::Failed
            }
            Err(_) => {
                tracing::error!(partition, "writer panicked, folding the log anew");
                Ended::Failed
            }
        };
        if let Some(open) = self.open.take() {
            open.give_up();
        }
        ended
    }

    /// Takes work until the mailbox is closed or the partition is not wanted, and all is committed.
    async fn work(
        &mut self,
        mailbox: &mut mpsc::Receiver<Work>,
        wanted: &mut watch::Receiver<bool>,
        lost: &Notify,
    ) -> Result<Ended, LogError> {
        let mut waiting = Vec::with_capacity(BATCH_MAX);
        let mut ending = None;
        while ending.is_none() || self.committing.is_some() {
            let room = BATCH_MAX - self.open.as_ref().map_or(0, OpenBatch::len);
            self.forget_settled();
            let (first, clock) = (self.memory.deadlines.next(), &self.tools.clock);
            tokio::select! {
                biased;
                ended = ended(&mut self.committing) => {
                    ended?;
                    self.committed();
                }
                () = lost.notified() => {
                    // The word may have been meant for a writer before this one.
                    let partition = self.numbers.partition;
                    if !self.tools.log.holds(partition) {
                        return Err(LogError::Fenced { partition });
                    }
                }
                () = unwanted(wanted), if ending.is_none() => ending = Some(Ended::Unwanted),
                read = self.ahead.end() => self.take_read(read),
                () = over_for(DUE_GATHERED_FOR, first, clock), if room > 0 && ending.is_none() && self.ahead.is_read() => {
                    waiting.extend(self.take_due(room));
                    while waiting.len() < room && let Ok(work) = mailbox.try_recv() {
                        waiting.push(work);
                    }
                    self.take_or_refuse(&mut waiting).await?;
                    self.ahead = Ahead::Idle;
                }
                () = over_for(Span::from_millis(0), first, clock), if ending.is_none() && self.ahead.is_idle() => self.read_ahead(),
                received = mailbox.recv_many(&mut waiting, room), if room > 0 && ending.is_none() => {
                    ending = (received == 0).then_some(Ended::Closed);
                    if received > 0 {
                        // What was due before decides first, as it would without these.
                        let along = self.take_due((room - received).min(DUE_ALONG_MAX));
                        waiting.splice(..0, along);
                    }
                    self.take_or_refuse(&mut waiting).await?;
                }
            }
            if self.committing.is_none() {
                self.begin_commit();
            }
        }
        Ok(ending.unwrap_or(Ended::Closed))
    }

    /// Deals with all that waits; at an error what is left of it is refused.
    async fn take_or_refuse(&mut self, waiting: &mut Vec<Work>) -> Result<(), LogError> {
        let taken = self.take(waiting).await;
        self.has_due_under_way = false;
        if taken.is_err() {
            waiting.drain(..).for_each(|work| work.refuse(Refusal::Unavailable));
        }
        taken
    }

    /// Deals with all that waits, in order: notices go into the open batch, a command about a merchant or its rulebooks is
    /// decided alone when all before it is committed, and so are changes of signals, as many together as follow each other.
    async fn take(&mut self, waiting: &mut Vec<Work>) -> Result<(), LogError> {
        let mut notices: Vec<NoticeWork> = Vec::with_capacity(waiting.len());
        // Taken from the end, so that what is left at an error can be refused by the caller.
        waiting.reverse();
        let mut signals = Vec::new();
        while let Some(work) = waiting.pop() {
            if !matches!(work, Work::Signal(_)) {
                self.process_signals(std::mem::take(&mut signals)).await?;
            }
            match work {
                Work::Notice(notice) => notices.push(*notice),
                Work::Signal(signal) => {
                    self.decide_all(&mut notices).await?;
                    signals.push(*signal);
                }
                Work::Merchant(asked) => {
                    self.decide_all(&mut notices).await?;
                    self.process_merchant(*asked).await?;
                }
                Work::Draft(asked) => {
                    self.decide_all(&mut notices).await?;
                    self.process_draft(*asked).await?;
                }
                Work::Publication(asked) => {
                    self.decide_all(&mut notices).await?;
                    self.process_publication(*asked).await?;
                }
                Work::Shadow(asked) => {
                    self.decide_all(&mut notices).await?;
                    self.process_shadow(*asked).await?;
                }
            }
        }
        self.process_signals(signals).await?;
        self.decide_notices(notices).await
    }

    /// Decides and commits all that was taken so far.
    async fn decide_all(&mut self, notices: &mut Vec<NoticeWork>) -> Result<(), LogError> {
        self.decide_notices(std::mem::take(notices)).await?;
        self.flush().await
    }

    /// Begins the commit of the open batch; the one before it has ended.
    fn begin_commit(&mut self) {
        debug_assert!(self.committing.is_none(), "commits follow each other");
        if let Some(open) = self.open.take() {
            self.advance(&open.draft);
            self.committing = Some(open.commit(self.tools.log.clone()));
            // What was decided so far is what this commit makes durable; the next batch is not begun.
            let saver = self.saver.as_mut().filter(|_| !self.has_due_under_way);
            self.snapshot = saver.and_then(|it| it.take(&self.memory, self.numbers.head, self.last_recorded_at));
            published::tell(self.numbers.partition, self.memory.remembered());
        }
    }

    /// The commit under way has ended well.
    fn committed(&mut self) {
        self.committing = None;
        if let (Some(saver), Some(snapshot)) = (&mut self.saver, self.snapshot.take()) {
            saver.save(snapshot);
        }
    }

    /// Saves what was decided last, so that the next start has nothing to fold. Whoever waits for the partition is not kept
    /// waiting for that.
    async fn save_at_end(&mut self, ended: Ended) {
        if let (Some(saver), Ended::Closed) = (self.saver.take(), ended) {
            saver.end(&self.memory, self.numbers.head, self.last_recorded_at).await;
        }
    }

    /// Commits all that was decided.
    pub(crate) async fn flush(&mut self) -> Result<(), LogError> {
        loop {
            if let Some(committing) = &mut self.committing {
                committing.end().await?;
                self.committed();
            }
            if self.open.is_none() {
                self.orders.settle();
                return Ok(());
            }
            self.begin_commit();
        }
    }

    /// An empty batch after the last one.
    pub(crate) fn draft(&self) -> Draft {
        // Our clock may be set back; the log's does not go back.
        Draft::new(self.numbers, (self.tools.clock)().max(self.last_recorded_at))
    }

    /// What is decided from now on comes after this draft.
    pub(crate) const fn advance(&mut self, draft: &Draft) {
        (self.numbers, self.last_recorded_at) = (draft.numbers, draft.recorded_at);
    }
}

/// Waits until a partition is not wanted any more.
async fn unwanted(wanted: &mut watch::Receiver<bool>) {
    if wanted.wait_for(|wanted| !wanted).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Waits until the first deadline has been over for some time, by the clock that times are taken from; for ever where there is none.
async fn over_for(span: Span, first: Option<Timestamp>, clock: &Clock) {
    let Some(first) = first else { return std::future::pending().await };
    let until = first.plus(span);
    loop {
        let now = clock();
        if now > until {
            return;
        }
        let left = u64::try_from(until.since(now).millis()).unwrap_or_default();
        tokio::time::sleep(Duration::from_millis(left + 1).min(CLOCK_ASKED_EVERY)).await;
    }
}

/// Waits for the end of a commit; for ever when none is under way.
async fn ended(committing: &mut Option<Committing>) -> Result<(), LogError> {
    match committing {
        Some(committing) => committing.end().await,
        None => std::future::pending().await,
    }
}
