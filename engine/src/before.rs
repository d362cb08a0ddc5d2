//! What the log tells of orders before an event, for whoever does not have it at hand.

use domain::order::OrderEvent;
use domain::time::Timestamp;
use eventlog::{EventLog, LogError, Position, StreamId};

use crate::memory::read;

/// Folds the events before a position of some orders, with the time at which each was recorded; calls `done` with each order. Decisions that
/// cannot be read are left out: a replay names them where they stand.
pub(crate) async fn before<Told: Default>(
    log: &dyn EventLog,
    streams: &[StreamId],
    position: Position,
    follow: impl Fn(Told, OrderEvent, Timestamp) -> Told,
    mut done: impl FnMut(StreamId, Told),
) -> Result<(), LogError> {
    let events = log.read_streams(streams).await?;
    for events in events.chunk_by(|one, next| one.stream == next.stream) {
        let mut told = Told::default();
        for event in events.iter().take_while(|event| event.position < position) {
            match read(event) {
                Ok(read) => told = follow(told, read, event.recorded_at),
                Err(_)
                    if matches!(
                        &*event.event_type,
                        "Scored" | "Challenged" | "Frozen" | "Released" | "ReviewOpened"
                    ) => {}
                Err(error) => return Err(LogError::Damaged(error.to_string())),
            }
        }
        done(events[0].stream, told);
    }
    Ok(())
}
