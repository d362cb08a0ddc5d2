//! A partition's events from end to end, read and decoded ahead of whoever works on them.
//!
//! Positions have no gaps, so where a page begins is known before the one in front of it is read: several are read at the same time.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use eventlog::{EventLog, LogError, Position, RecordedEvent, Shown};
use futures_util::future::BoxFuture;
use serde::Deserialize;
use tokio::task::JoinHandle;

use crate::memory::FoldError;

/// Events read at once.
pub const PAGE_EVENTS: usize = 2_000;
/// Pages that are being read, or were, and wait to be worked on.
const AHEAD_MAX: usize = 3;

pub(crate) type Page<T> = Result<Vec<T>, LogError>;

/// See the module.
pub(crate) struct Pages<T> {
    read: Box<dyn Fn(Position) -> BoxFuture<'static, Page<T>> + Send>,
    room: Room<T>,
    /// After this position the first of those ahead begins.
    after: Position,
    ahead: VecDeque<Ahead<T>>,
}

/// A page that is being read. Nobody waits for it when this is gone, and it ends.
struct Ahead<T>(JoinHandle<Page<T>>);

impl<T> Drop for Ahead<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Pages<Arc<RecordedEvent>> {
    /// The events after a position, up to the end that the log has when it is reached.
    pub(crate) fn after(log: Arc<dyn EventLog>, partition: u32, position: Position) -> Self {
        Self::new(position, move |after| {
            let log = log.clone();
            async move { log.read(partition, after, limit()).await }
        })
    }
}

impl<T: Send + 'static> Pages<T> {
    /// The same events as they are decoded where they are read, beside the work on the pages before. `decoder` gives what decodes
    /// the events of one page.
    pub(crate) fn decoded<Decode>(
        log: Arc<dyn EventLog>,
        partition: u32,
        position: Position,
        decoder: impl Fn() -> Decode + Send + 'static,
    ) -> Self
    where
        Decode: FnMut(Shown<'_>) -> T + Send + 'static,
    {
        Self::read_by(position, move |after, room| scan(log.clone(), partition, after, room, decoder()))
    }

    /// What is read after a position and those that follow, each time so many events and into room that is given.
    pub(crate) fn read_by<Read>(position: Position, read: impl Fn(Position, Vec<T>) -> Read + Send + 'static) -> Self
    where
        Read: Future<Output = Page<T>> + Send + 'static,
    {
        let room = Room::default();
        let given_back = room.clone();
        Self { room, ..Self::new(position, move |after| read(after, given_back.take())) }
    }

    fn new<Read>(after: Position, read: impl Fn(Position) -> Read + Send + 'static) -> Self
    where
        Read: Future<Output = Page<T>> + Send + 'static,
    {
        let read = move |after| -> BoxFuture<'static, Page<T>> { Box::pin(read(after)) };
        let mut pages = Self { read: Box::new(read), room: Room::default(), after, ahead: VecDeque::new() };
        pages.read_ahead();
        pages
    }

    /// The next page, which is not empty; `None` at the end of the log.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<T>>, LogError> {
        self.read_ahead();
        let Some(first) = self.ahead.front_mut() else { return Ok(None) };
        let page = (&mut first.0).await;
        self.ahead.pop_front();
        let page = page.map_err(|error| LogError::Store(error.into()))??;
        self.after += page.len() as u64;
        if page.len() < PAGE_EVENTS {
            // The log ended there. What was appended since follows from there on, and not where those ahead begin; it is asked for when
            // somebody asks.
            self.ahead.clear();
        } else {
            self.read_ahead();
        }
        Ok((!page.is_empty()).then_some(page))
    }

    /// Gives the room of a page back that was worked on, for one that is read from now on. Whoever reads that lets go of what is still in it.
    pub(crate) fn give_back(&self, page: Vec<T>) {
        self.room.give(page);
    }

    fn read_ahead(&mut self) {
        while self.ahead.len() < AHEAD_MAX {
            let page = (self.read)(self.after + (self.ahead.len() * PAGE_EVENTS) as u64);
            self.ahead.push_back(Ahead(tokio::spawn(page)));
        }
    }
}

/// Room of pages that were worked on. Made anew for each page it would come from the operating system, which clears it.
struct Room<T>(Arc<Mutex<Vec<Vec<T>>>>);

impl<T> Clone for Room<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Room<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Room<T> {
    fn take(&self) -> Vec<T> {
        let given_back = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut room = given_back.unwrap_or_else(|| Vec::with_capacity(PAGE_EVENTS));
        room.clear();
        room
    }

    fn give(&self, page: Vec<T>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(page);
    }
}

/// Reads the payload of an event where it is shown.
pub(crate) fn read<'a, E: Deserialize<'a>>(event: Shown<'a>) -> Result<E, FoldError> {
    serde_json::from_str(event.payload).map_err(|error| FoldError::in_shown(event, error))
}

/// [`PAGE_EVENTS`], as a log is asked for them.
pub(crate) fn limit() -> u32 {
    u32::try_from(PAGE_EVENTS).expect("a page is small")
}

/// Reads the page after a position, and decodes each event where it is shown.
async fn scan<T: Send + 'static>(
    log: Arc<dyn EventLog>,
    partition: u32,
    after: Position,
    room: Vec<T>,
    mut decode: impl FnMut(Shown<'_>) -> T + Send + 'static,
) -> Page<T> {
    let page = Arc::new(Mutex::new(room));
    let decoded = page.clone();
    let look = move |event: Shown<'_>| {
        let event = decode(event);
        decoded.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    };
    log.scan(partition, after, limit(), Box::new(look)).await?;
    Ok(std::mem::take(&mut *page.lock().unwrap_or_else(PoisonError::into_inner)))
}

#[cfg(test)]
mod tests {
    use domain::time::Timestamp;
    use eventlog::sqlite::SqliteLog;
    use eventlog::{Batch, NewEvent, StreamKey};

    use super::*;

    fn event(sequence: u64) -> NewEvent {
        NewEvent {
            stream: 1,
            sequence,
            event_type: "Noted",
            event_version: "1",
            payload: sequence.to_string(),
            metadata: "{}".into(),
            occurred_at: Timestamp::default(),
            recorded_at: Timestamp::default(),
        }
    }

    /// Appends the events of one stream after the first so many, up to this one.
    async fn append(log: &dyn EventLog, after: u64, through: u64) {
        let epoch = log.acquire(0).await.unwrap().epoch;
        let key =
            StreamKey { merchant: "shop".parse().unwrap(), aggregate_type: "order".into(), aggregate_id: "A1".into() };
        let streams = if after == 0 { vec![(1, key)] } else { vec![] };
        let events = (after + 1..=through).map(event).collect();
        log.append(Batch { epoch, after, streams, events, ..Batch::default() }).await.unwrap();
    }

    #[tokio::test]
    async fn every_event_comes_in_its_place_also_what_is_appended_meanwhile() {
        let directory = tempfile::tempdir().unwrap();
        let log: Arc<dyn EventLog> = Arc::new(SqliteLog::open(&directory.path().join("log.sqlite")).await.unwrap());
        append(&*log, 0, 5_000).await;
        let mut pages =
            Pages::decoded(log.clone(), 0, 0, || |event: Shown<'_>| (event.position, event.payload.to_owned()));
        let mut all = pages.next().await.unwrap().unwrap();
        assert_eq!(all.len(), PAGE_EVENTS);
        for through in [6_500, 13_000] {
            let before = log.head(0).await.unwrap();
            append(&*log, before, through).await;
            while let Some(page) = pages.next().await.unwrap() {
                all.extend(page);
            }
        }
        assert_eq!(all, (1..=13_000).map(|position: u64| (position, position.to_string())).collect::<Vec<_>>());

        let after = Pages::after(log.clone(), 0, 12_999).next().await.unwrap().unwrap();
        assert_eq!(after.iter().map(|event| event.position).collect::<Vec<_>>(), [13_000]);
        log.close().await;
        let failed = Pages::decoded(log, 0, 0, || |event: Shown<'_>| event.position).next().await;
        assert!(matches!(failed, Err(LogError::Store(_))));
    }
}
