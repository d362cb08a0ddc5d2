//! The engine: notices in, decisions out.
//!
//! One writer per partition takes what waits in its bounded mailbox, decides it in order, commits it in one transaction and
//! only then answers. What it remembers (windows, hot orders, data keys) is a fold over the log and can be thrown away.

mod alone;
mod batch;
mod bytes;
mod drive;
mod engine;
mod keeper;
mod keys;
mod memory;
mod merchants;
mod notices;
mod orders;
mod pages;
mod pipeline;
mod published;
mod replay;
mod rulebooks;
mod sealing;
mod snapshot;
pub mod windows;
mod work;
mod writer;

pub use engine::{Engine, MAILBOX_MAX, Pending, WhenFull};
pub use keeper::Standing;
pub use memory::FoldError;
pub use replay::{DIFFERENCES_MAX, Difference, ReplayError, Replayed, replay};
pub use work::{
    DraftChange, DraftReceipt, InForce, MerchantReceipt, Origin, Outcome, Publication, PublicationReceipt, Receipt,
    Refusal, RiskView,
};
pub use writer::{Clock, OpenError};
