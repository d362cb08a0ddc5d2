//! The sliding windows against plain definitions, case by case and over generated histories.

mod definitions;
mod given;
mod history;
mod retention;
mod semantics;
