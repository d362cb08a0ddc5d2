//! Reading single values of a document, with a fault for each that is not what it should be.

use std::fmt::Display;
use std::net::IpAddr;
use std::str::FromStr;

use serde_json::{Map, Number, Value};

use super::limits::{self, Checked};
use super::place::Place;
use crate::fault::Fault;

/// The most faults that are told of one document: a hostile one is not answered at its own length.
const FAULTS_MAX: usize = 1_000;

/// Takes values out of a document and collects what is wrong with them. Every method answers `None` for `null`, without a
/// fault, and for a value with a fault.
#[derive(Default)]
pub(super) struct Fields {
    faults: Vec<Fault>,
}

impl Fields {
    /// What was read, if nothing was wrong.
    pub(super) fn finish<T>(self, read: Option<T>) -> Result<T, Vec<Fault>> {
        match read {
            Some(read) if self.faults.is_empty() => Ok(read),
            _ => Err(self.faults),
        }
    }

    /// Whether nothing was wrong so far.
    pub(super) const fn is_good(&self) -> bool {
        self.faults.is_empty()
    }

    /// Notes a fault.
    pub(super) fn fault(&mut self, place: &Place<'_>, detail: impl Into<String>) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(place.fault(detail));
        }
    }

    /// Notes that there is no field of that name.
    pub(super) fn unknown(&mut self, place: &Place<'_>) {
        self.fault(place, "is not a known field");
    }

    /// Notes which of the fields are missing.
    pub(super) fn require(&mut self, map: &Map<String, Value>, whole: &Place<'_>, names: &[&str]) {
        for name in names {
            if map.get(*name).is_none_or(Value::is_null) {
                self.fault(&whole.field(name), "is required");
            }
        }
    }

    /// An object; as the whole document not even `null` will do.
    pub(super) fn object(&mut self, value: Value, place: &Place<'_>) -> Option<Map<String, Value>> {
        match value {
            Value::Object(map) => Some(map),
            Value::Null if !place.is_whole() => None,
            other => self.wrong(place, "an object", &other),
        }
    }

    /// A list.
    pub(super) fn list(&mut self, value: Value, place: &Place<'_>) -> Option<Vec<Value>> {
        match value {
            Value::Array(list) => Some(list),
            Value::Null => None,
            other => self.wrong(place, "a list", &other),
        }
    }

    /// A string as it is.
    pub(super) fn string(&mut self, value: Value, place: &Place<'_>) -> Option<String> {
        match value {
            Value::String(text) => Some(text),
            Value::Null => None,
            other => self.wrong(place, "a string", &other),
        }
    }

    /// A text within its limit, without the spaces around it.
    pub(super) fn text(&mut self, value: Value, place: &Place<'_>, limit: fn(&str) -> Checked) -> Option<String> {
        let text = trimmed(self.string(value, place)?);
        match limit(&text) {
            Ok(()) => Some(text),
            Err(detail) => {
                self.fault(place, detail);
                None
            }
        }
    }

    /// Any text; a blank one says nothing.
    pub(super) fn free_text(&mut self, value: Value, place: &Place<'_>) -> Option<String> {
        self.text(value, place, limits::free_text).filter(|text| !text.is_empty())
    }

    /// A text that has a form of its own.
    pub(super) fn parsed<T: FromStr<Err: Display>>(&mut self, value: Value, place: &Place<'_>) -> Option<T> {
        let text = self.string(value, place)?;
        match text.parse() {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                self.fault(place, error.to_string());
                None
            }
        }
    }

    /// An IP address.
    pub(super) fn ip(&mut self, value: Value, place: &Place<'_>) -> Option<IpAddr> {
        let text = self.string(value, place)?;
        let address = text.parse().ok();
        if address.is_none() {
            self.fault(place, "expected an IPv4 or IPv6 address");
        }
        address
    }

    /// A whole number within its limit.
    pub(super) fn integer(&mut self, value: Value, place: &Place<'_>, limit: fn(i64) -> Checked) -> Option<i64> {
        let number = match value {
            Value::Number(number) => number,
            Value::Null => return None,
            other => return self.wrong(place, "a whole number", &other),
        };
        let checked = match number.as_i64() {
            Some(whole) => limit(whole).map(|()| whole),
            None => Err(not_whole(&number)),
        };
        match checked {
            Ok(whole) => Some(whole),
            Err(detail) => {
                self.fault(place, detail);
                None
            }
        }
    }

    fn wrong<T>(&mut self, place: &Place<'_>, expected: &str, found: &Value) -> Option<T> {
        let found = match found {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        self.fault(place, format!("expected {expected}, found {found}"));
        None
    }
}

/// Why a number is none of ours. One too large for 64 bits was parsed as a float, whatever its notation was.
fn not_whole(number: &Number) -> String {
    const FIRST_TOO_LARGE: f64 = 9_223_372_036_854_775_808.0;
    if number.is_u64() || number.as_f64().is_some_and(|float| float.abs() >= FIRST_TOO_LARGE) {
        "is out of range".into()
    } else {
        "expected a whole number, written without a fraction or an exponent".into()
    }
}

/// The text without the spaces around it; the same allocation when there are none.
fn trimmed(text: String) -> String {
    let inner = text.trim();
    if inner.len() == text.len() { text } else { inner.to_owned() }
}
