//! Extracts: what back-tests need of a partition's log, in a form that is read several times as fast.
//!
//! An extract is a convenience and never the truth: a file beside the snapshots that may be removed at any time. A back-test
//! takes from it what is there, and reads the rest from the log; each page of the log that it has read to the end it adds to the
//! file, so that the next one finds it there. A service does the same when there is time, see [`extract`]. What is used is whole and
//! belongs to this log: every block has a digest over its bytes, and the last one names the events that it ends with, as a snapshot
//! does. Nothing in it depends on the draft that was tried.
//!
//! Tokens stand in it where they stand in the log; personal data is in neither.

mod file;
mod form;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eventlog::{EventLog, LogError, Position, Shown};

use self::file::Blocks;
pub(super) use self::form::{Block, Entries};
use super::step::Said;
use crate::pages::{PAGE_EVENTS, limit};
use crate::snapshot::log_at;

/// Blocks that wait for one in front of them. As many pages of the log are read at the same time at the most.
const WAITING_MAX: usize = 8;

/// Has the extract of a partition in a directory go on by so many pages, at most up to the last whole page of the log, and tells up
/// to where it goes. Does nothing where another one is at it. Whoever drops this ends it at the next page.
///
/// # Errors
/// When the log cannot be read.
pub async fn extract(
    log: &dyn EventLog,
    partition: u32,
    directory: &Path,
    pages_max: u64,
) -> Result<Position, LogError> {
    let Some(extract) = Extract::open(directory, partition, log).await? else { return Ok(0) };
    let head = log.head(partition).await?;
    for _ in 0..pages_max {
        let Some(after) = extract.next().filter(|after| through(1) + after <= head) else { break };
        let entries = Arc::new(Mutex::new(Some(Entries::default())));
        let seen = entries.clone();
        let look = move |event: Shown<'_>| {
            let entries = &mut *seen.lock().unwrap_or_else(PoisonError::into_inner);
            match (Said::of(event, None), entries) {
                (Ok(said), Some(entries)) => entries.add(event, &said),
                (_, entries) => *entries = None,
            }
        };
        log.scan(partition, after, limit(), Box::new(look)).await?;
        let entries = entries.lock().unwrap_or_else(PoisonError::into_inner).take();
        extract.add(after, entries, log).await?;
    }
    Ok(extract.end())
}

/// See the module.
pub(super) struct Extract {
    partition: u32,
    shared: Mutex<Shared>,
}

struct Shared {
    blocks: Blocks,
    waiting: BTreeMap<u64, Vec<u8>>,
    /// Whether pages are added to it, which ends where one cannot be.
    grows: bool,
}

impl Extract {
    /// The extract of a partition in a directory; `None` where there can be none, or where the log has no whole page.
    pub(super) async fn open(directory: &Path, partition: u32, log: &dyn EventLog) -> Result<Option<Self>, LogError> {
        if log.head(partition).await? < through(1) {
            return Ok(None);
        }
        let directory = directory.to_owned();
        let opened = tokio::task::spawn_blocking(move || Blocks::open(&directory, partition)).await;
        let mut blocks = match opened.map_err(std::io::Error::from).flatten() {
            Ok(blocks) => blocks,
            Err(error) => {
                tell(partition, &error, "no extract for back-tests");
                return Ok(None);
            }
        };
        let belongs = match blocks.last() {
            None => true,
            Some((count, named)) => log_at(log, partition, through(count)).await? == Some(named),
        };
        let mut grows = blocks.is_ours();
        if !belongs {
            tracing::warn!(partition, "the extract for back-tests belongs to another log and is made anew");
            grows &= blocks.cut(0).is_ok();
        }
        let shared = Mutex::new(Shared { blocks, waiting: BTreeMap::new(), grows });
        Ok(Some(Self { partition, shared }))
    }

    /// The entries of the page after a position; `None` where they are not there.
    pub(super) fn read(&self, after: Position) -> Option<Vec<u8>> {
        let number = number_of(after)?;
        let Shared { blocks, grows, .. } = &mut *self.shared();
        if number >= blocks.count() {
            return None;
        }
        let block = blocks.read(number);
        if block.is_none() {
            let partition = self.partition;
            tracing::warn!(
                partition,
                block = number,
                "the extract for back-tests is damaged from here on and is made anew"
            );
            *grows &= blocks.cut(number).is_ok();
        }
        block
    }

    /// Up to where it goes.
    fn end(&self) -> Position {
        through(self.shared().blocks.count())
    }

    /// After which position the page begins that is to be added next, if any is.
    fn next(&self) -> Option<Position> {
        let Shared { blocks, grows, .. } = &*self.shared();
        grows.then(|| through(blocks.count()))
    }

    /// Whether the entries of the page after a position are asked for.
    pub(super) fn wants(&self, after: Position) -> bool {
        let Shared { blocks, grows, .. } = &*self.shared();
        *grows && number_of(after).is_some_and(|number| number >= blocks.count())
    }

    /// Adds the entries of the page after a position, as soon as those in front of it are there; without entries nothing behind it
    /// is added either.
    pub(super) async fn add(
        &self,
        after: Position,
        entries: Option<Entries>,
        log: &dyn EventLog,
    ) -> Result<(), LogError> {
        let Some(number) = number_of(after) else { return Ok(()) };
        let named = log_at(log, self.partition, through(number + 1)).await?;
        let block = entries.zip(named).and_then(|(entries, named)| file::block(number, named, &entries.into_bytes()));
        let Shared { blocks, waiting, grows } = &mut *self.shared();
        *grows &= block.is_some() && waiting.len() < WAITING_MAX;
        waiting.extend(block.map(|block| (number, block)));
        while *grows && let Some(block) = waiting.remove(&blocks.count()) {
            if let Err(error) = blocks.add(&block) {
                tell(self.partition, &error, "the extract for back-tests cannot be written");
                *grows = false;
            }
        }
        if !*grows {
            waiting.clear();
        }
        Ok(())
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Blocks are whole pages from the beginning of the log.
fn number_of(after: Position) -> Option<u64> {
    let page = PAGE_EVENTS as u64;
    after.is_multiple_of(page).then_some(after / page)
}

/// The position that so many blocks go up to.
const fn through(blocks: u64) -> Position {
    blocks * PAGE_EVENTS as u64
}

fn tell(partition: u32, error: &std::io::Error, what: &str) {
    tracing::warn!(partition, error = error as &dyn std::error::Error, "{what}");
}
