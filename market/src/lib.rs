//! A made-up market: seeded traffic whose truth is known, and the judge of what was decided about it.
//!
//! [`Market`] yields messages in the order of their arrival, in the form of `POST /v1/notices`, and beside them who was honest
//! and who was not. Whoever screens the messages never sees the labels; [`Judge`] lays decisions and labels side by side.
//!
//! The same plan gives the same bytes everywhere: the generator of random numbers is one whose values are part of its contract,
//! and nothing here counts in floating point or walks a hash map. Nobody is tuned to the rules: people and attackers do what
//! `docs/SIMULATOR.md` says they do, and for the reason it gives.

mod attacks;
mod calendar;
mod course;
mod honest;
mod judge;
mod kind;
mod market;
mod people;
mod places;
mod purchase;
mod random;

pub use judge::{Fate, Judge, Report, Share};
pub use kind::{Attack, Honest, Kind, Label};
pub use market::{DAYS_MAX, FOLLOWED_MAX, Market, Message, ORDERS_MAX, Plan};
