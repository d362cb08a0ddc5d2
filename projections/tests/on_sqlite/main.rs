//! Given events in a real log, then rows: all read models on real SQLite files.

#[cfg(test)]
mod given;
#[cfg(test)]
mod order_status;
#[cfg(test)]
mod review_queue;
#[cfg(test)]
mod runner;
#[cfg(test)]
mod search;
