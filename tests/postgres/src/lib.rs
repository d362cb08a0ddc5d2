//! Throw-away Postgres for tests: an empty database in a cluster that serves many tests, or a whole cluster for a test that stops
//! and kills it.
//!
//! A test may not go on without what it asked for, so everything here panics where it fails.

mod cluster;
mod database;

pub use cluster::{Cluster, Frozen};
pub use database::Database;
