//! The HTTP interface over real connections, on a store of its own for each test.

#[cfg(test)]
mod administration;
#[cfg(test)]
mod authorization;
#[cfg(test)]
mod backtests;
#[cfg(test)]
mod bulk;
#[cfg(test)]
mod challenges;
#[cfg(test)]
mod checks;
#[cfg(test)]
mod document;
#[cfg(test)]
mod gate;
#[cfg(test)]
mod given;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod held;
#[cfg(test)]
#[path = "../../../eventlog/tests/support/interfered.rs"]
mod interfered;
#[cfg(test)]
mod jobs;
#[cfg(test)]
mod notes;
#[cfg(test)]
mod notices;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod problems;
#[cfg(test)]
mod reviews;
#[cfg(test)]
mod rulebooks;
#[cfg(test)]
mod scorer;
#[cfg(test)]
mod shadow;
#[cfg(test)]
mod signals;
#[cfg(test)]
mod stream;
#[cfg(test)]
mod webhooks;
