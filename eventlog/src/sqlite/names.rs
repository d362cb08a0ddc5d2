//! The names of the streams of a page that is shown: kept for the page alone, in one text, so that none needs room of its own.

use std::ops::Range;

use domain::ids::MerchantId;
use rusqlite::Row;
use rustc_hash::FxHashMap;

use super::read::{merchant, text};
use crate::{LogError, StreamId, StreamName};

/// See the module.
#[derive(Default)]
pub(super) struct Names {
    texts: String,
    /// Neighbours differ: a page is mostly of one merchant.
    merchants: Vec<MerchantId>,
    all: Vec<Name>,
    places: FxHashMap<StreamId, usize>,
    /// The stream that was asked for last: what is decided of an order follows what was said of it.
    last: Option<(StreamId, usize)>,
}

struct Name {
    merchant: usize,
    aggregate_type: Range<usize>,
    aggregate_id: Range<usize>,
}

impl Names {
    /// The place of a stream's name, if it was taken in.
    pub(super) fn find(&mut self, stream: StreamId) -> Option<usize> {
        if let Some((last, place)) = self.last
            && last == stream
        {
            return Some(place);
        }
        let place = *self.places.get(&stream)?;
        self.last = Some((stream, place));
        Some(place)
    }

    /// Takes in a name whose columns begin at `first`; gives its place.
    pub(super) fn take_in(&mut self, stream: StreamId, row: &Row<'_>, first: usize) -> Result<usize, LogError> {
        let whose = text(row, first)?;
        if self.merchants.last().is_none_or(|last| last.as_str() != whose) {
            self.merchants.push(merchant(whose)?);
        }
        let name = Name {
            merchant: self.merchants.len() - 1,
            aggregate_type: self.keep(text(row, first + 1)?),
            aggregate_id: self.keep(text(row, first + 2)?),
        };
        let place = self.all.len();
        self.all.push(name);
        self.places.insert(stream, place);
        self.last = Some((stream, place));
        Ok(place)
    }

    pub(super) fn lent(&self, place: usize) -> StreamName<'_> {
        let Name { merchant, aggregate_type, aggregate_id } = &self.all[place];
        StreamName {
            merchant: &self.merchants[*merchant],
            aggregate_type: &self.texts[aggregate_type.clone()],
            aggregate_id: &self.texts[aggregate_id.clone()],
        }
    }

    fn keep(&mut self, text: &str) -> Range<usize> {
        let start = self.texts.len();
        self.texts.push_str(text);
        start..self.texts.len()
    }
}
