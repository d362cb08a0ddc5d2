//! What may fail under a service does fail, while customers order: what was acknowledged is there, what was refused can be sent
//! again, and the service goes on by itself.
//!
//! `docs/SAFETY.md` says what is promised. `ORDERLIGHT_FAULT_ROUNDS` makes the proofs with rounds longer.

mod connections;
mod disk;
mod expiring;
mod killed;
mod ledger;
pub(crate) mod load;
mod slow;
mod space;
mod sync;

/// How many rounds a proof has where the environment does not say.
const ROUNDS: u64 = 3;

/// How many rounds a proof has.
pub(crate) fn rounds() -> u64 {
    let told = std::env::var("ORDERLIGHT_FAULT_ROUNDS");
    told.map_or(ROUNDS, |told| told.parse().expect("ORDERLIGHT_FAULT_ROUNDS is a number"))
}
