//! Notifications: what other systems are told of orders.
//!
//! * The outbox is a reader of the log with its own checkpoint; what is told follows from events alone, so nothing that was
//!   acknowledged is ever told of too little.
//! * At least once: a try that nobody answered is made again, under the same id.
//! * In order for each endpoint and order: the next message goes when the one before it is delivered or parked.
//! * Each endpoint has a lane of its own; a dead receiver keeps nobody else waiting.
//! * No receiver makes this service speak to what only it can reach, see [`guard`].

mod breaker;
mod client;
mod courier;
pub mod guard;
mod intake;
mod lane;
mod message;
mod notifier;
mod outbox;
mod personal;
mod roster;
pub mod senders;
mod terms;

pub use courier::{message_id, secret_label};
pub use guard::Refused;
pub use lane::KEPT;
pub use notifier::{Clock, Notifier};
pub use outbox::{Delivery, OutboxError, Place, Replay, State};
pub use terms::Terms;

/// Makes the schema of [`Place::Postgres`] as a role that may, and lets `runtime_role`, a role that is there already and that the
/// service is then run as, use its tables.
///
/// # Errors
/// When the database cannot be reached or refuses.
pub async fn migrate(url: &str, runtime_role: Option<&str>) -> Result<(), OutboxError> {
    outbox::migrate(url, runtime_role).await
}
