//! A partition's events from end to end, read one page ahead of whoever works on them.

use std::sync::Arc;

use eventlog::{EventLog, LogError, Position, RecordedEvent};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Events read at once.
const PAGE_EVENTS: u32 = 2_000;
/// Pages that are read and wait to be worked on.
const AHEAD_MAX: usize = 2;

/// See the module.
pub(crate) struct Pages {
    pages: mpsc::Receiver<Result<Vec<Arc<RecordedEvent>>, LogError>>,
    /// Reads; ends with this.
    _reader: JoinSet<()>,
}

impl Pages {
    /// The events after a position, up to the end that the log has when it is reached.
    pub(crate) fn after(log: Arc<dyn EventLog>, partition: u32, position: Position) -> Self {
        let (sender, pages) = mpsc::channel(AHEAD_MAX);
        let mut reader = JoinSet::new();
        reader.spawn(async move {
            let mut after = position;
            loop {
                let page = log.read(partition, after, PAGE_EVENTS).await;
                let Some(last) = page.as_ref().map_or(Some(after), |page| page.last().map(|last| last.position)) else {
                    return;
                };
                after = last;
                let failed = page.is_err();
                if sender.send(page).await.is_err() || failed {
                    return;
                }
            }
        });
        Self { pages, _reader: reader }
    }

    /// The next page, which is not empty; `None` at the end of the log.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Arc<RecordedEvent>>>, LogError> {
        self.pages.recv().await.transpose()
    }
}
