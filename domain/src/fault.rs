//! What is wrong with an input, and where: bad input is never answered with less than all of its faults.

use std::fmt;

use serde::Serialize;

/// One fault of an input.
#[derive(Clone, PartialEq, Eq, Debug, PartialOrd, Ord, Serialize)]
pub struct Fault {
    /// RFC 6901 pointer to the place; empty for the whole.
    pub pointer: String,
    /// What is wrong and what was expected.
    pub detail: String,
}

impl Fault {
    /// A fault at a place.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", if self.pointer.is_empty() { "/" } else { &self.pointer }, self.detail)
    }
}

/// A reference token of a pointer, escaped as RFC 6901 asks.
pub fn escape(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}
