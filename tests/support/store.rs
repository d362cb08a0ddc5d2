//! The log of a data directory that no process has open, read back.

use std::path::Path;
use std::sync::Arc;

use eventlog::sqlite::SqliteLog;
use eventlog::{EventLog, RecordedEvent};

/// How many events are read at once.
const PAGE: u32 = 5_000;

/// All events of the log, which must have no gap and end at the head.
pub(crate) fn events(data: &Path) -> Vec<RecordedEvent> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let log = SqliteLog::open(&data.join("log.sqlite")).await.expect("the log opens");
        let mut events: Vec<RecordedEvent> = Vec::new();
        loop {
            let after = events.last().map_or(0, |event| event.position);
            let page = log.read(0, after, PAGE).await.expect("the log is read");
            if page.is_empty() {
                break;
            }
            events.extend(page.into_iter().map(Arc::unwrap_or_clone));
        }
        for (expected, event) in (1..).zip(&events) {
            assert_eq!(event.position, expected, "a position is missing");
        }
        let head = log.head(0).await.expect("the head is read");
        assert_eq!(usize::try_from(head).ok(), Some(events.len()), "the head is not the last event");
        log.close().await;
        events
    })
}
