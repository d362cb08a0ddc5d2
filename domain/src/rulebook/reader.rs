//! Reading JSON by hand, so that every fault of an input is found and not only the first.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::{FAULTS_MAX, ID_CHARS_MAX};
use crate::fault::{Fault, escape};

/// The most characters of somebody else's text that a fault repeats.
const QUOTED_CHARS_MAX: usize = 64;

/// Collects the faults of one input.
#[derive(Default)]
pub(super) struct Reader {
    faults: Vec<Fault>,
    overlooked: usize,
    /// The parts of conditions that were read so far.
    pub(super) condition_nodes: usize,
}

impl Reader {
    /// Notes a fault; past [`FAULTS_MAX`] they are only counted.
    pub(super) fn fault(&mut self, at: &str, detail: impl Into<String>) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Fault::new(at, detail));
        } else {
            self.overlooked += 1;
        }
    }

    /// What was read, when nothing was wrong.
    pub(super) fn finish<T>(mut self, read: Option<T>) -> Result<T, Vec<Fault>> {
        if self.overlooked > 0 {
            self.faults.push(Fault::new("", format!("and {} more faults", self.overlooked)));
        }
        match read {
            Some(read) if self.faults.is_empty() => Ok(read),
            _ => Err(self.faults),
        }
    }

    /// The fields of an object; those that are not expected are faults.
    pub(super) fn object<'a>(&mut self, at: &str, value: &'a Json, expected: &[&str]) -> Option<&'a Map<String, Json>> {
        let Some(fields) = value.as_object() else {
            self.fault(at, format!("expected an object, found {}", kind(value)));
            return None;
        };
        for name in fields.keys().filter(|name| !expected.contains(&name.as_str())) {
            let hint = nearest(name, expected.iter().copied());
            let expected = expected.join(", ");
            self.fault(&under(at, name), format!("unknown field {}{hint}; expected {expected}", quoted(name)));
        }
        Some(fields)
    }

    /// A field that must be there.
    pub(super) fn required<'a>(&mut self, at: &str, fields: &'a Map<String, Json>, name: &str) -> Option<&'a Json> {
        let value = fields.get(name);
        if value.is_none() {
            self.fault(&under(at, name), format!("missing field {}", quoted(name)));
        }
        value
    }

    /// The entries of a list; what is past the limit is a fault and is not looked at.
    pub(super) fn list<'a>(&mut self, at: &str, value: &'a Json, max: usize, entries: &str) -> &'a [Json] {
        let Some(list) = value.as_array() else {
            self.fault(at, format!("expected a list of {entries}, found {}", kind(value)));
            return &[];
        };
        if list.len() > max {
            self.fault(at, format!("expected at most {max} {entries}, found {}", list.len()));
        }
        &list[..list.len().min(max)]
    }

    /// A text of 1 to `max` characters, none of them a control character and no space at either end.
    pub(super) fn text(&mut self, at: &str, value: &Json, max: usize) -> Option<Arc<str>> {
        let Some(text) = value.as_str() else {
            self.fault(at, format!("expected a text, found {}", kind(value)));
            return None;
        };
        let sound =
            (1..=max).contains(&text.chars().count()) && text.trim() == text && !text.chars().any(char::is_control);
        if !sound {
            let detail = "with no control characters and no space at either end";
            self.fault(at, format!("expected a text of 1 to {max} characters {detail}"));
        }
        sound.then(|| text.into())
    }

    /// An id.
    pub(super) fn id(&mut self, at: &str, value: &Json) -> Option<Arc<str>> {
        let sound = |id: &&str| {
            (1..=ID_CHARS_MAX).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte))
        };
        let id = value.as_str().filter(sound);
        if id.is_none() {
            let found = value.as_str().map_or_else(|| kind(value).to_owned(), quoted);
            self.fault(at, format!("expected 1 to {ID_CHARS_MAX} of the characters a-z, 0-9, _ and -, found {found}"));
        }
        id.map(Into::into)
    }

    /// An integer between `-max` and `max`.
    pub(super) fn integer(&mut self, at: &str, value: &Json, max: i64) -> Option<i64> {
        let number = value.as_i64().filter(|number| (-max..=max).contains(number));
        if number.is_none() {
            self.fault(at, format!("expected an integer from -{max} to {max}, found {}", shown(value)));
        }
        number
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&mut self, at: &str, value: &Json, words: &[(&str, T)]) -> Option<T> {
        let found = words.iter().find(|(word, _)| value.as_str() == Some(word)).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let expected: Vec<_> = words.iter().map(|(word, _)| quoted(word)).collect();
            self.fault(at, format!("expected {}, found {}", expected.join(" or "), shown(value)));
        }
        found
    }
}

/// The pointer to a field or an entry of the place that `at` points to.
pub(super) fn under(at: &str, token: &(impl ToString + ?Sized)) -> String {
    format!("{at}/{}", escape(&token.to_string()))
}

/// A field that may be left out; `null` counts as left out.
pub(super) fn optional<'a>(fields: &'a Map<String, Json>, name: &str) -> Option<&'a Json> {
    fields.get(name).filter(|value| !value.is_null())
}

/// A text in quotation marks, cut where it is long.
pub(super) fn quoted(text: &str) -> String {
    if text.chars().count() <= QUOTED_CHARS_MAX {
        return format!("{text:?}");
    }
    let start: String = text.chars().take(QUOTED_CHARS_MAX).collect();
    format!("{start:?}…")
}

/// A value as a fault shows it: scalars as they are, the rest by their kind.
pub(super) fn shown(value: &Json) -> String {
    match value {
        Json::String(text) => quoted(text),
        Json::Number(_) | Json::Bool(_) => value.to_string(),
        Json::Null | Json::Array(_) | Json::Object(_) => kind(value).to_owned(),
    }
}

/// What kind of value it is.
pub(super) fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "a truth value",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

/// `; did you mean …?` with the candidate that takes the fewest edits; empty where none is near.
pub(super) fn nearest<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> String {
    if text.chars().count() > QUOTED_CHARS_MAX {
        return String::new();
    }
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(text, candidate), candidate))
        .filter(|(edits, candidate)| *edits <= candidate.len().max(3) / 2)
        .min()
        .map_or_else(String::new, |(_, candidate)| format!("; did you mean {candidate:?}?"))
}
