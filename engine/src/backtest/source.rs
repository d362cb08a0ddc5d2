//! Where the steps of a back-test come from: the extract as far as it goes, and then the log.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use domain::ids::MerchantId;
use eventlog::{EventLog, LogError, Position, Shown};

use super::asked::Draft;
use super::extract::{Block, Entries, Extract};
use super::step::{Decoder, Step};
use crate::pages::{PAGE_EVENTS, Pages, limit};

/// See the module.
struct Source {
    log: Arc<dyn EventLog>,
    partition: u32,
    merchant: MerchantId,
    draft: Arc<Draft>,
    extract: Option<Extract>,
}

/// The steps of a partition's log, for a draft of a merchant; with the extract in a directory, where there is one.
pub(super) async fn steps(
    log: Arc<dyn EventLog>,
    partition: u32,
    merchant: MerchantId,
    draft: Draft,
    extracts: Option<&Path>,
) -> Result<Pages<Step>, LogError> {
    let extract = match extracts {
        Some(directory) => Extract::open(directory, partition, &*log).await?,
        None => None,
    };
    let source = Arc::new(Source { log, partition, merchant, draft: Arc::new(draft), extract });
    Ok(Pages::read_by(0, move |after, room| source.clone().read(after, room)))
}

/// A page of the log on its way.
struct Page {
    steps: Vec<Step>,
    decoder: Decoder,
    entries: Option<Entries>,
}

impl Source {
    async fn read(self: Arc<Self>, after: Position, room: Vec<Step>) -> Result<Vec<Step>, LogError> {
        let source = self.clone();
        let extracted = tokio::task::spawn_blocking(move || source.extracted(after, room)).await;
        match extracted.map_err(|error| LogError::Store(error.into()))? {
            Ok(steps) => Ok(steps),
            Err(room) => self.scan(after, room).await,
        }
    }

    fn decoder(&self) -> Decoder {
        Decoder::new(self.merchant.clone(), self.draft.clone())
    }

    /// The page after a position, as the extract has it; the room as it was where it has none.
    fn extracted(&self, after: Position, mut room: Vec<Step>) -> Result<Vec<Step>, Vec<Step>> {
        if self.read_extracted(after, &mut room).is_some() && room.len() == PAGE_EVENTS {
            Ok(room)
        } else {
            room.clear();
            Err(room)
        }
    }

    /// `None` where the extract does not go so far, or is damaged there.
    fn read_extracted(&self, after: Position, steps: &mut Vec<Step>) -> Option<()> {
        let bytes = self.extract.as_ref()?.read(after)?;
        let (mut block, mut decoder) = (Block::new(&bytes, self.partition, after), self.decoder());
        while !block.is_at_end() {
            steps.push(block.next(|place, said| decoder.step(place, Ok(said)))?);
        }
        Some(())
    }

    /// The page after a position, as the log has it.
    async fn scan(&self, after: Position, room: Vec<Step>) -> Result<Vec<Step>, LogError> {
        let extract = self.extract.as_ref().filter(|extract| extract.wants(after));
        let entries = extract.map(|_| Entries::default());
        let page = Arc::new(Mutex::new(Some(Page { steps: room, decoder: self.decoder(), entries })));
        let seen = page.clone();
        let look = move |event: Shown<'_>| {
            if let Some(Page { steps, decoder, entries }) = &mut *seen.lock().unwrap_or_else(PoisonError::into_inner) {
                steps.push(decoder.decode(event, entries));
            }
        };
        self.log.scan(self.partition, after, limit(), Box::new(look)).await?;
        let page = page.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Page { steps, entries, .. }) = page else { return Ok(Vec::new()) };
        if let Some(extract) = extract.filter(|_| steps.len() == PAGE_EVENTS) {
            extract.add(after, entries, &*self.log).await?;
        }
        Ok(steps)
    }
}
