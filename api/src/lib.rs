//! Orderlight's service: the HTTP interface, the command line, and what holds them together.

#[macro_use]
mod say;

pub mod backtest;
pub mod cli;
pub mod clock;
pub mod connection;
pub mod demo;
pub mod directory;
mod extracts;
#[cfg(test)]
mod faulty_log;
pub mod http;
pub mod jobs;
pub mod rulebooks;
pub mod scorer;
pub mod service;
pub mod signals;
pub mod store;
pub mod streams;
pub mod wording;
