//! The engine: notices in, decisions out.
//!
//! One writer per partition takes what waits in its bounded mailbox, decides it in order, commits it in one transaction and
//! only then answers. What it remembers (windows, hot orders, data keys) is a fold over the log and can be thrown away.

mod ahead;
mod alone;
mod backtest;
mod batch;
mod before;
mod bytes;
mod correction;
mod deadlines;
mod dense;
mod drive;
mod engine;
mod forecast;
mod keeper;
mod keys;
mod memory;
mod merchants;
mod notices;
mod orders;
mod pages;
mod pipeline;
mod placement;
mod published;
mod replay;
mod rulebooks;
mod sealing;
mod shadow;
mod signals;
mod snapshot;
pub mod windows;
mod wishes;
mod work;
mod writer;

pub use backtest::{
    Backtested, Decision, EXAMPLES_MAX, Example, ExampleKind, Hit, Load, ORDERS_MAX, OutcomeCounts, RuleCounts,
    SideCounts, Trial, TrialError, backtest, extract,
};
pub use correction::{ASKED_FOR_MAX, REACHED_MAX, SWEPT_MAX};
pub use engine::{Engine, MAILBOX_MAX, Pending, WhenFull};
pub use keeper::Standing;
pub use memory::FoldError;
pub use pages::PAGE_EVENTS;
pub use replay::{DIFFERENCES_MAX, Difference, ReplayError, Replayed, Scope, replay};
pub use signals::{Effect, SignalChange, SignalReceipt};
pub use work::{
    Comparison, DraftChange, DraftReceipt, InForce, Matrix, MerchantReceipt, OrderWish, Origin, Outcome, Publication,
    PublicationReceipt, Receipt, Refusal, ReviewAction, RiskView, ShadowReceipt, ShadowWish,
};
pub use writer::{Clock, OpenError};
