//! A partition's events from end to end, read and decoded ahead of whoever works on them.

use std::convert::identity;
use std::sync::Arc;

use eventlog::{EventLog, LogError, Position, RecordedEvent};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};

/// Events read at once.
const PAGE_EVENTS: u32 = 2_000;
/// Pages that are read, and decoded or being decoded, and wait to be worked on.
const AHEAD_MAX: usize = 2;

/// See the module.
pub(crate) struct Pages<T> {
    pages: mpsc::Receiver<Result<JoinHandle<Vec<T>>, LogError>>,
    /// Reads; ends with this.
    _reader: JoinSet<()>,
}

impl Pages<Arc<RecordedEvent>> {
    /// The events after a position, up to the end that the log has when it is reached.
    pub(crate) fn after(log: Arc<dyn EventLog>, partition: u32, position: Position) -> Self {
        Self::decoded(log, partition, position, identity)
    }
}

impl<T: Send + 'static> Pages<T> {
    /// The same events as `decode` makes them, beside the work on the pages before and the reading of those behind.
    pub(crate) fn decoded(
        log: Arc<dyn EventLog>,
        partition: u32,
        position: Position,
        decode: impl Fn(Arc<RecordedEvent>) -> T + Clone + Send + 'static,
    ) -> Self {
        let (sender, pages) = mpsc::channel(AHEAD_MAX);
        let mut reader = JoinSet::new();
        reader.spawn(async move {
            let mut after = position;
            while let Some(page) = page(&*log, partition, &mut after, decode.clone()).await.transpose() {
                let failed = page.is_err();
                if sender.send(page).await.is_err() || failed {
                    return;
                }
            }
        });
        Self { pages, _reader: reader }
    }

    /// The next page, which is not empty; `None` at the end of the log.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<T>>, LogError> {
        let Some(page) = self.pages.recv().await.transpose()? else { return Ok(None) };
        page.await.map(Some).map_err(|error| LogError::Store(error.into()))
    }
}

/// Reads the page after a position, which then is that of its last event, and begins to decode it.
async fn page<T: Send + 'static>(
    log: &dyn EventLog,
    partition: u32,
    after: &mut Position,
    decode: impl Fn(Arc<RecordedEvent>) -> T + Send + 'static,
) -> Result<Option<JoinHandle<Vec<T>>>, LogError> {
    let events = log.read(partition, *after, PAGE_EVENTS).await?;
    let Some(last) = events.last() else { return Ok(None) };
    *after = last.position;
    // On a thread where it keeps no other task waiting.
    Ok(Some(spawn_blocking(move || events.into_iter().map(decode).collect())))
}
