//! A log that no process writes to, read back.

use std::path::Path;
use std::sync::Arc;

use eventlog::sqlite::SqliteLog;
use eventlog::{EventLog, RecordedEvent};

use super::shop::log_file;

/// How many events are read at once.
const PAGE: u32 = 5_000;

/// All events of a data directory's log.
pub(crate) fn events(data: &Path) -> Vec<RecordedEvent> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { read_back(&SqliteLog::open(&log_file(data)).await.expect("the log opens")).await })
}

/// All events of a log, which is closed then. No partition may have a gap, and each must end at its head.
pub(crate) async fn read_back(log: &dyn EventLog) -> Vec<RecordedEvent> {
    let mut events = Vec::new();
    for partition in 0..log.partitions() {
        let mut position = 0;
        loop {
            let page = log.read(partition, position, PAGE).await.expect("the log is read");
            if page.is_empty() {
                break;
            }
            for event in page {
                position += 1;
                assert_eq!(event.position, position, "a position of partition {partition} is missing");
                events.push(Arc::unwrap_or_clone(event));
            }
        }
        let head = log.head(partition).await.expect("the head is read");
        assert_eq!(head, position, "the head of partition {partition} is not its last event");
    }
    log.close().await;
    events
}
