//! The pure core of Orderlight: what an order is, what can happen to it, and how it is screened.
//!
//! No I/O, clock, randomness, async runtime or logging here; times, ids and random bytes come in as data.
//! The same inputs give the same outputs, byte for byte, today and in a replay years later.

pub mod draft;
pub mod endpoint;
pub mod explain;
pub mod fault;
pub mod feature;
pub mod forecast;
pub mod ids;
pub mod json;
pub mod merchant;
pub mod money;
pub mod notice;
pub mod order;
pub mod phone;
pub mod publication;
pub mod region;
pub mod rulebook;
pub mod screening;
pub mod settings;
pub mod shadow;
pub mod share;
pub mod signal;
pub mod time;
