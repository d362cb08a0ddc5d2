//! The order: what can happen to it ([`event`]), where it stands ([`state`]), what is decided about it ([`decide`]).
//!
//! Everything here is synchronous and pure. [`evolve`] is total: any sequence of events gives a state.
//! [`decide`] answers with events, with none when things are already so, or with a [`Rejection`] that has a name.

mod address;
mod aggregate;
mod challenge;
mod decide;
mod event;
mod facts;
mod handling;
mod others;
mod readings;
mod review;
mod state;

pub use address::address;
pub(crate) use address::plain;
pub use decide::{CallOutcome, NextChallenge, OrderCommand, Rejection, SOURCES_MAX, Verdict, decide, transition};
pub use event::*;
pub use facts::FactTimes;
pub use handling::*;
pub use others::{LinkedBy, LinkedByError, LinkedTo, PartOf, Swept, Trigger};
pub use state::{ChallengeState, Decider, Known, Order, PASS, Pool, Reports, Review, Risk, RiskState, evolve};
