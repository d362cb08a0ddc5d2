//! The sliding windows against plain definitions, case by case and over generated histories.

#[cfg(test)]
mod definitions;
#[cfg(test)]
mod given;
#[cfg(test)]
mod history;
#[cfg(test)]
mod reports;
#[cfg(test)]
mod retention;
#[cfg(test)]
mod semantics;
