//! Replay: every decision computed again from the log alone, and compared with the recorded one byte for byte.
//!
//! A decision is a screening and what it led to. The log is streamed once. While the decisions of one page are computed, the next
//! ones are read and decoded by other threads, where also stays what is not needed of them. Of a recorded screening only its cause
//! is decoded, which counts only where nothing else in the log tells it, and what other orders added to it: the rest must come out of
//! what was before.

mod judge;
mod step;

use std::sync::Arc;

use domain::ids::MerchantId;
use eventlog::{EventLog, LogError, Position};

use self::judge::Judge;
use self::step::Decoder;
use crate::memory::FoldError;
use crate::pages::Pages;

/// The most differences that are listed; all are counted.
pub const DIFFERENCES_MAX: usize = 1_000;
/// The most of their payloads together.
const DIFFERENCES_BYTES_MAX: usize = 8 << 20;

/// Which decisions are computed again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scope {
    /// Of this partition.
    pub partition: u32,
    /// Of one merchant; `None` for all of them.
    pub merchant: Option<MerchantId>,
    /// Recorded at this position or after it. What was before is folded and not compared.
    pub from: Position,
    /// Recorded at this position or before it; `None` for all up to the end that the log has when it is reached.
    pub to: Option<Position>,
}

/// All decisions of a partition.
impl From<u32> for Scope {
    fn from(partition: u32) -> Self {
        Self { partition, merchant: None, from: 0, to: None }
    }
}

impl Scope {
    fn asks_for(&self, merchant: &MerchantId, position: Position) -> bool {
        let is_inside = position >= self.from && self.to.is_none_or(|to| position <= to);
        is_inside && self.merchant.as_ref().is_none_or(|only| only == merchant)
    }
}

/// What a replay found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Replayed {
    /// Events read.
    pub events: u64,
    /// Decisions computed again.
    pub decisions: u64,
    /// Those equal to the recorded ones.
    pub identical: u64,
    /// The others: at most [`DIFFERENCES_MAX`], and no more than fit 8 MiB.
    pub different: Vec<Difference>,
}

/// A recorded decision that the log does not give.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Which order.
    pub order: String,
    /// In which partition.
    pub partition: u32,
    /// Where: the screening, what it led to when the screening itself is as it should be, or the message that no screening follows.
    pub position: Position,
    /// The payload in the log; `None` where nothing follows a message or a screening and something should.
    pub recorded: Option<String>,
    /// The payload that it should be; `None` where nothing should be, and where a screening is missing whose payload depends on what
    /// other orders added to it.
    pub recomputed: Option<String>,
}

impl Difference {
    fn bytes(&self) -> usize {
        [&self.recorded, &self.recomputed].into_iter().flatten().map(String::len).sum()
    }
}

/// Why a replay could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The log cannot be read.
    #[error("event log cannot be read")]
    Log(#[from] LogError),
    /// The log holds what this version cannot read.
    #[error("event log cannot be folded")]
    Fold(#[from] FoldError),
    /// A position is missing.
    #[error("partition {partition} has position {found} where {expected} was expected")]
    Gap {
        /// Where.
        partition: u32,
        /// What should have come.
        expected: Position,
        /// What came.
        found: Position,
    },
}

/// The position after another, if it is the one that was found there.
pub(crate) const fn next(partition: u32, after: Position, found: Position) -> Result<Position, ReplayError> {
    let expected = after + 1;
    if found == expected { Ok(found) } else { Err(ReplayError::Gap { partition, expected, found }) }
}

/// Replays one partition from empty; `progress` hears of each page's last position.
pub async fn replay(
    log: Arc<dyn EventLog>,
    scope: impl Into<Scope>,
    mut progress: impl FnMut(Position),
) -> Result<Replayed, ReplayError> {
    let scope = scope.into();
    let (partition, to) = (scope.partition, scope.to.unwrap_or(Position::MAX));
    let mut pages = Pages::decoded(log.clone(), partition, 0, || {
        let mut decoder = Decoder::default();
        move |event| decoder.decode(event)
    });
    let mut judge = Judge::new(scope);
    let mut after = 0;
    while let Some(mut page) = pages.next().await? {
        for step in page.drain(..) {
            after = next(partition, after, step.position)?;
            let is_beyond = after > to;
            judge.take(&*log, step).await?;
            if is_beyond {
                return judge.end(&*log).await;
            }
        }
        pages.give_back(page);
        progress(after);
        // Pages may be ready faster than they are worked on: whoever shares the thread, or wants this ended, has a turn.
        tokio::task::yield_now().await;
    }
    judge.end(&*log).await
}
