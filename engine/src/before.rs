//! What the log tells of an order before an event, for whoever does not have it at hand.

use domain::order::OrderEvent;
use domain::time::Timestamp;
use eventlog::{EventLog, LogError, Position, StreamId};

use crate::memory::read;

/// Folds an order's events before a position, with the time at which each was recorded. Decisions that cannot be read are left
/// out: a replay names them where they stand.
pub(crate) async fn before<Told: Default>(
    log: &dyn EventLog,
    stream: StreamId,
    position: Position,
    follow: impl Fn(Told, OrderEvent, Timestamp) -> Told,
) -> Result<Told, LogError> {
    let mut told = Told::default();
    for event in log.read_streams(&[stream]).await?.iter().take_while(|event| event.position < position) {
        match read(event) {
            Ok(read) => told = follow(told, read, event.recorded_at),
            Err(_)
                if matches!(&*event.event_type, "Scored" | "Challenged" | "Frozen" | "Released" | "ReviewOpened") => {}
            Err(error) => return Err(LogError::Damaged(error.to_string())),
        }
    }
    Ok(told)
}
