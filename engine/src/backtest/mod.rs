//! A back-test: what a draft would have decided about the orders of a period, beside what was decided.
//!
//! The log is streamed once from its beginning, so that the windows are at every position what they were when the order there
//! was screened. What was decided stands in the log and is read from there; the draft is evaluated at the same position, over the
//! values that were read there or over the same windows. Orders before and after the period are folded and not evaluated, but those that may still say something about it.
//!
//! An order counts once, with its last screening on either side. The draft is asked where an order's own messages, or a person,
//! made a screening necessary, and what it finds there speaks about other orders as it would have live: late orders, amendments
//! and its own sweeping rules have them screened again by the same steps that the writer takes, see [`crate::correction`]. Nothing
//! that the draft would have changed in the course of things (a customer asked, an order held and therefore never paid) is made up.

mod asked;
mod cases;
mod extract;
mod found;
mod outcome;
mod reckon;
mod source;
mod step;
mod tester;
mod verdict;

use std::path::Path;
use std::sync::Arc;

use domain::ids::MerchantId;
use domain::rulebook::Rulebook;
use domain::time::Timestamp;
use eventlog::{EventLog, LogError, Position};

pub use cases::ORDERS_MAX;
pub use extract::extract;
pub use found::{
    Backtested, Decision, EXAMPLES_MAX, Example, ExampleKind, Hit, Load, OutcomeCounts, RuleCounts, SideCounts,
};

use crate::memory::FoldError;
use crate::replay::{ReplayError, next};
use asked::Draft;
use tester::Tester;

/// What is tried, and on which orders.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Whose orders.
    pub merchant: MerchantId,
    /// What would decide about them.
    pub rulebook: Rulebook,
    /// Orders placed at this time or after it, by the time at which windows place them,
    pub from: Timestamp,
    /// and before this one.
    pub to: Timestamp,
}

/// Why a back-test could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The log cannot be read or folded.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// More than [`ORDERS_MAX`].
    #[error("the period, with what may speak about its orders, has more than {ORDERS_MAX} orders")]
    TooManyOrders,
}

impl From<LogError> for TrialError {
    fn from(error: LogError) -> Self {
        Self::Replay(error.into())
    }
}

impl From<FoldError> for TrialError {
    fn from(error: FoldError) -> Self {
        Self::Replay(error.into())
    }
}

/// Tries a rulebook on the log of its merchant's partition, up to the end that the log has now. `progress` hears of each page's
/// last position, and of that end. Whoever drops this ends it at the next page. In `extracts`, a directory, stands after it what
/// the next back-test of the partition need not read from the log.
///
/// # Errors
/// When the log cannot be read or is damaged, and when there are too many orders.
pub async fn backtest(
    log: Arc<dyn EventLog>,
    partition: u32,
    trial: Trial,
    extracts: Option<&Path>,
    mut progress: impl FnMut(Position, Position),
) -> Result<Backtested, TrialError> {
    let head = log.head(partition).await?;
    let draft = Draft::of(&trial.rulebook);
    let mut pages = source::steps(log.clone(), partition, trial.merchant.clone(), draft, extracts).await?;
    let mut tester = Tester::new(trial);
    let mut after = 0;
    while after < head {
        let Some(mut page) = pages.next().await? else { break };
        for step in &mut page {
            after = next(partition, after, step.position)?;
            tester.take(&*log, step).await?;
        }
        pages.give_back(page);
        progress(after.min(head), head);
        // Pages may be ready faster than they are worked on: whoever shares the thread, or wants this ended, has a turn.
        tokio::task::yield_now().await;
    }
    reckon::reckon(&*log, partition, tester.end()).await
}
