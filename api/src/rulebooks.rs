//! A merchant's rulebooks as the log holds them: versions and drafts.
//!
//! What is kept in memory is a card for each, with the position of the event that holds its text: a fold over the log that goes on
//! from where it stood whenever somebody asks, so it shows every commit that was answered before. A text is read from the log when
//! it is asked for. A version never changes, and neither does its card.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cqrs_es::Aggregate;
use domain::draft::RulebookDraft;
use domain::forecast::{Forecast, ForecastLeft};
use domain::ids::{DraftId, MerchantId};
use domain::publication::LiveRulebook;
use domain::rulebook::Rulebook;
use domain::time::Timestamp;
use eventlog::{EventLog, LogError, Position, RecordedEvent};
use serde::Deserialize;
use tokio::sync::Mutex;

/// Events read at once; each may be as large as a rulebook.
const PAGE: u32 = 50;

/// The rulebooks of all merchants.
pub struct Rulebooks {
    log: Arc<dyn EventLog>,
    partitions: Vec<Mutex<Folded>>,
}

/// The rulebooks of a partition's merchants, as far as they were folded.
#[derive(Default)]
struct Folded {
    versions_after: Position,
    drafts_after: Position,
    shelves: HashMap<MerchantId, Arc<Shelf>>,
}

/// A merchant's rulebooks.
#[derive(Clone, Default)]
pub struct Shelf {
    versions: Vec<VersionCard>,
    drafts: BTreeMap<Position, DraftCard>,
    places: HashMap<DraftId, Position>,
}

/// A version.
#[derive(Clone, Debug)]
pub struct VersionCard {
    /// From 1.
    pub version: u32,
    /// What it is called.
    pub name: Box<str>,
    /// Hex SHA-256 of its canonical form.
    pub hash: Box<str>,
    /// Who wrote it, where it was written here.
    pub author: Option<Box<str>>,
    /// Who put it in force.
    pub approver: Box<str>,
    /// Why.
    pub note: Option<Box<str>>,
    /// The draft that it was.
    pub draft: Option<DraftId>,
    /// The version that it brings back.
    pub restores: Option<u32>,
    /// What it was expected to do.
    pub expected: Option<Forecast>,
    /// What the version before it did in place of that, where it came back by itself.
    pub forecast_left: Option<ForecastLeft>,
    /// Where its publication, with the text, lies.
    pub place: (u32, Position),
    /// When it came into force.
    pub published_at: Timestamp,
}

/// A draft.
#[derive(Clone, Debug)]
pub struct DraftCard {
    /// Its id.
    pub id: DraftId,
    /// From 1.
    pub revision: u32,
    /// What it is called.
    pub name: Box<str>,
    /// Hex SHA-256 of its canonical form.
    pub hash: Box<str>,
    /// Who wrote its last revision.
    pub author: Box<str>,
    /// Who asked for its publication as it is now.
    pub submitted_by: Option<Box<str>>,
    /// The version that it became.
    pub version: Option<u32>,
    /// Where its last revision, with the text, lies.
    pub place: (u32, Position),
    /// When it was begun.
    pub created_at: Timestamp,
    /// When something last happened to it.
    pub updated_at: Timestamp,
}

/// A version or a draft.
#[derive(Clone, Copy, Debug)]
pub enum Card<'a> {
    /// One that is or was in force.
    Version(&'a VersionCard),
    /// One that is on its way.
    Draft(&'a DraftCard),
}

impl Rulebooks {
    /// Of a log; nothing is read before somebody asks.
    pub fn new(log: Arc<dyn EventLog>) -> Self {
        let partitions = (0..log.partitions()).map(|_| Mutex::default()).collect();
        Self { log, partitions }
    }

    /// A merchant's rulebooks, with everything that was committed so far.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn of(&self, partition: u32, merchant: &MerchantId) -> Result<Arc<Shelf>, LogError> {
        let mut folded = self.folded(partition).lock().await;
        folded.catch_up(&*self.log, partition).await?;
        Ok(folded.shelves.get(merchant).cloned().unwrap_or_default())
    }

    /// A version as it came into force; `None` when it never did.
    ///
    /// # Errors
    /// When the log cannot be read, or holds what this version of the service cannot read.
    pub async fn version(
        &self,
        partition: u32,
        merchant: &MerchantId,
        version: u32,
    ) -> Result<Option<Rulebook>, LogError> {
        let known = self.folded(partition).lock().await.shelves.get(merchant).cloned().unwrap_or_default();
        let shelf = if known.version(version).is_some() { known } else { self.of(partition, merchant).await? };
        match shelf.version(version) {
            Some(card) => self.text(card.place).await.map(Some),
            None => Ok(None),
        }
    }

    /// The rulebook whose event lies there.
    ///
    /// # Errors
    /// When the log cannot be read, or holds what this version of the service cannot read.
    pub async fn text(&self, (partition, position): (u32, Position)) -> Result<Rulebook, LogError> {
        #[derive(Deserialize)]
        struct Text {
            rulebook: Rulebook,
        }
        let events = self.log.read(partition, position - 1, 1).await?;
        let event = events.first().filter(|event| event.position == position);
        let event = event.ok_or_else(|| LogError::Damaged(format!("no event at {partition}-{position}")))?;
        read::<Text>(event).map(|text| text.rulebook)
    }

    fn folded(&self, partition: u32) -> &Mutex<Folded> {
        &self.partitions[usize::try_from(partition).expect("a partition is an index")]
    }
}

impl Folded {
    async fn catch_up(&mut self, log: &dyn EventLog, partition: u32) -> Result<(), LogError> {
        loop {
            let page = log.read_type(partition, LiveRulebook::TYPE, self.versions_after, PAGE).await?;
            let Some(last) = page.last() else { break };
            for event in &page {
                self.shelf(&event.key.merchant).publish(event)?;
            }
            self.versions_after = last.position;
        }
        loop {
            let page = log.read_type(partition, RulebookDraft::TYPE, self.drafts_after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            for event in &page {
                self.shelf(&event.key.merchant).draft(event)?;
            }
            self.drafts_after = last.position;
        }
    }

    fn shelf(&mut self, merchant: &MerchantId) -> &mut Shelf {
        Arc::make_mut(self.shelves.entry(merchant.clone()).or_default())
    }
}

impl Shelf {
    /// The version in force; `None` before the first.
    pub fn live(&self) -> Option<&VersionCard> {
        self.versions.last()
    }

    /// A version; `None` when it was never in force.
    pub fn version(&self, version: u32) -> Option<&VersionCard> {
        self.versions.get(usize::try_from(version.checked_sub(1)?).ok()?)
    }

    /// A draft; `None` when the merchant has none of that id.
    pub fn draft_of(&self, id: &DraftId) -> Option<&DraftCard> {
        self.drafts.get(self.places.get(id)?)
    }

    /// What a text names: a version's number or a draft's id.
    pub fn find(&self, id: &str) -> Option<Card<'_>> {
        if id.bytes().all(|byte| byte.is_ascii_digit()) {
            return self.version(id.parse().ok()?).map(Card::Version);
        }
        self.draft_of(&id.parse().ok()?).map(Card::Draft)
    }

    /// How many drafts there are.
    pub fn drafts(&self) -> usize {
        self.drafts.len()
    }

    /// Versions and drafts by the position at which each was made, newest first, from before a position on.
    pub fn newest_first(&self, before: Position) -> impl Iterator<Item = (Position, Card<'_>)> {
        let older = self.versions.partition_point(|card| card.place.1 < before);
        let mut versions =
            self.versions[..older].iter().rev().map(|card| (card.place.1, Card::Version(card))).peekable();
        let mut drafts = self.drafts.range(..before).rev().map(|(place, card)| (*place, Card::Draft(card))).peekable();
        std::iter::from_fn(move || match (versions.peek(), drafts.peek()) {
            (Some((version, _)), Some((draft, _))) if version > draft => versions.next(),
            (Some(_), None) => versions.next(),
            (_, _) => drafts.next(),
        })
    }

    fn publish(&mut self, event: &RecordedEvent) -> Result<(), LogError> {
        let published: Published = read(event)?;
        let expected = self.versions.len() + 1;
        if usize::try_from(published.version) != Ok(expected) {
            return Err(LogError::Damaged(format!("rulebook version {} in place of {expected}", published.version)));
        }
        self.versions.push(VersionCard {
            version: published.version,
            name: published.rulebook.name,
            hash: published.hash,
            author: published.author,
            approver: published.actor,
            note: published.note,
            draft: published.draft,
            restores: published.restores,
            expected: published.expected,
            forecast_left: published.forecast_left,
            place: (event.partition, event.position),
            published_at: event.recorded_at,
        });
        Ok(())
    }

    fn draft(&mut self, event: &RecordedEvent) -> Result<(), LogError> {
        let id: DraftId = event.key.aggregate_id.parse().map_err(|_| LogError::Damaged("not a draft's id".into()))?;
        let stray = || LogError::Damaged(format!("{} of a draft that was not begun", event.event_type));
        match &*event.event_type {
            "RulebookDrafted" => {
                let card = DraftCard::begun(id.clone(), event)?;
                self.places.insert(id, event.position);
                self.drafts.insert(event.position, card);
            }
            event_type => {
                let card = self.places.get(&id).and_then(|place| self.drafts.get_mut(place)).ok_or_else(stray)?;
                match event_type {
                    "RulebookEdited" => {
                        let begun = DraftCard::begun(id, event)?;
                        *card = DraftCard { created_at: card.created_at, ..begun };
                    }
                    "RulebookSubmitted" => card.submitted_by = Some(read::<By>(event)?.actor),
                    "DraftPublished" => card.version = Some(read::<Became>(event)?.version),
                    _ => {}
                }
                card.updated_at = event.recorded_at;
            }
        }
        Ok(())
    }
}

impl DraftCard {
    fn begun(id: DraftId, event: &RecordedEvent) -> Result<Self, LogError> {
        let written: Written = read(event)?;
        Ok(Self {
            id,
            revision: written.revision,
            name: written.rulebook.name,
            hash: written.hash,
            author: written.actor,
            submitted_by: None,
            version: None,
            place: (event.partition, event.position),
            created_at: event.recorded_at,
            updated_at: event.recorded_at,
        })
    }
}

/// As much of a publication as its card needs: a rulebook is checked in full only when its text is asked for.
#[derive(Deserialize)]
struct Published {
    version: u32,
    rulebook: Called,
    hash: Box<str>,
    actor: Box<str>,
    author: Option<Box<str>>,
    draft: Option<DraftId>,
    restores: Option<u32>,
    note: Option<Box<str>>,
    expected: Option<Forecast>,
    forecast_left: Option<ForecastLeft>,
}

#[derive(Deserialize)]
struct Written {
    revision: u32,
    rulebook: Called,
    hash: Box<str>,
    actor: Box<str>,
}

#[derive(Deserialize)]
struct Called {
    name: Box<str>,
}

#[derive(Deserialize)]
struct By {
    actor: Box<str>,
}

#[derive(Deserialize)]
struct Became {
    version: u32,
}

/// The fields of an event, which are stored under its name.
fn read<T: serde::de::DeserializeOwned>(event: &RecordedEvent) -> Result<T, LogError> {
    let mut named: HashMap<Box<str>, T> =
        serde_json::from_str(&event.payload).map_err(|error| LogError::Damaged(error.to_string()))?;
    named.remove(&event.event_type).ok_or_else(|| LogError::Damaged(format!("no {} where it is", event.event_type)))
}
