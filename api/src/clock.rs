//! The one clock: everything else gets time as data.

use std::sync::Arc;

use domain::time::Timestamp;
use engine::Clock;

/// What time it is.
#[expect(clippy::disallowed_methods, reason = "this is the one place that may ask")]
pub fn now() -> Timestamp {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// The clock for the engine.
pub fn system() -> Clock {
    Arc::new(now)
}
