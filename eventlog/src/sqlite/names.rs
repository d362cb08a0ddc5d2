//! The names of the streams of a page that is shown: kept for the page alone, in one text, so that none needs room of its own.
//! Some are kept beyond it as well.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use domain::ids::MerchantId;
use rusqlite::Row;
use rustc_hash::FxHashMap;

use super::read::{merchant, text};
use crate::{LogError, StreamId, StreamName};

/// How many names are kept beyond their page, at 64 bytes each: what is said of an order comes for some days.
const KNOWN_MAX: usize = if cfg!(test) { 4 } else { 1 << 18 };
/// What such a name may be long.
const KNOWN_BYTES_MAX: usize = 53;

/// Merchant, type of aggregate and id.
type Texts<'a> = [&'a str; 3];

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

    /// Takes in a name; gives its place.
    pub(super) fn take_in(
        &mut self,
        stream: StreamId,
        [whose, aggregate_type, aggregate_id]: Texts<'_>,
    ) -> Result<usize, LogError> {
        if self.merchants.last().is_none_or(|last| last.as_str() != whose) {
            self.merchants.push(merchant(whose)?);
        }
        let name = Name {
            merchant: self.merchants.len() - 1,
            aggregate_type: self.keep(aggregate_type),
            aggregate_id: self.keep(aggregate_id),
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

/// A name whose columns begin at `first`.
pub(super) fn texts<'row>(row: &'row Row<'_>, first: usize) -> Result<Texts<'row>, LogError> {
    Ok([text(row, first)?, text(row, first + 1)?, text(row, first + 2)?])
}

/// Names that scans came by, each in the place that its stream's number gives it, which another may take later. A stream's name
/// never changes. Where events of a page belong to streams that begin before it, each would otherwise have to be looked for.
#[derive(Default)]
pub(super) struct Known(Mutex<Vec<Kept>>);

/// One name; a line of the processor's cache.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Kept {
    /// Zero where there is none.
    stream: StreamId,
    ends: [u8; 3],
    bytes: [u8; KNOWN_BYTES_MAX],
}

const _: () = assert!(size_of::<Kept>() == 64);

impl std::fmt::Debug for Known {
    /// There may be hundreds of thousands.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Known").finish_non_exhaustive()
    }
}

impl Known {
    /// Keeps a name, unless it is a very long one.
    pub(super) fn keep(&self, stream: StreamId, texts: Texts<'_>) {
        let mut kept = Kept { stream, ends: [0; 3], bytes: [0; KNOWN_BYTES_MAX] };
        let mut end = 0;
        for (text, at) in texts.into_iter().zip(&mut kept.ends) {
            let start = end;
            end += text.len();
            let (Some(room), Ok(told)) = (kept.bytes.get_mut(start..end), u8::try_from(end)) else { return };
            room.copy_from_slice(text.as_bytes());
            *at = told;
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.is_empty() {
            *all = vec![Kept { stream: 0, ends: [0; 3], bytes: [0; KNOWN_BYTES_MAX] }; KNOWN_MAX];
        }
        all[place(stream)] = kept;
    }

    /// Has a name taken in that is kept; gives its place there.
    pub(super) fn recall(&self, stream: StreamId, names: &mut Names) -> Result<Option<usize>, LogError> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(place(stream)).copied();
        let Some(Kept { ends, bytes, .. }) = kept.filter(|kept| kept.stream == stream) else { return Ok(None) };
        let [first, second, third] = ends.map(usize::from);
        let texts = [&bytes[..first], &bytes[first..second], &bytes[second..third]].map(str::from_utf8);
        let [Ok(whose), Ok(aggregate_type), Ok(aggregate_id)] = texts else { return Ok(None) };
        names.take_in(stream, [whose, aggregate_type, aggregate_id]).map(Some)
    }
}

/// Numbers of streams are dense, so those that began last have different places.
fn place(stream: StreamId) -> usize {
    usize::try_from(stream % KNOWN_MAX as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name that is kept for a stream.
    fn recalled(known: &Known, stream: StreamId) -> Option<(String, String, String)> {
        let mut names = Names::default();
        let place = known.recall(stream, &mut names).unwrap()?;
        let StreamName { merchant, aggregate_type, aggregate_id } = names.lent(place);
        Some((merchant.to_string(), aggregate_type.to_owned(), aggregate_id.to_owned()))
    }

    #[test]
    fn names_are_kept_until_others_take_their_places() {
        let known = Known::default();
        assert_eq!(recalled(&known, 1), None);
        let told = |stream: StreamId| ("shop".to_owned(), "order".to_owned(), format!("web:{stream}"));
        for stream in 1..=6 {
            let (whose, aggregate_type, aggregate_id) = told(stream);
            known.keep(stream, [&whose, &aggregate_type, &aggregate_id]);
        }
        for stream in 0..=7 {
            let is_kept = (3..=6).contains(&stream);
            assert_eq!(recalled(&known, stream), is_kept.then(|| told(stream)), "{stream}");
        }
    }

    #[test]
    fn a_name_that_is_too_long_is_not_kept() {
        let known = Known::default();
        for (length, is_kept) in [(KNOWN_BYTES_MAX - 9, true), (KNOWN_BYTES_MAX - 8, false), (300, false)] {
            let known = Known::default();
            known.keep(1, ["shop", "order", &"1".repeat(length)]);
            assert_eq!(recalled(&known, 1).is_some(), is_kept, "{length}");
        }
        known.keep(1, ["shop", "order", "店:1"]);
        assert_eq!(recalled(&known, 1).unwrap().2, "店:1");
    }
}
