//! Given events in a real log, then rows: all read models on real SQLite files.

mod given;
mod order_status;
mod review_queue;
mod runner;
mod search;
