//! The numbers of signals.

use std::fmt;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;

use crate::rulebook::decimal_of;

/// A decimal with at most four places, as rules compare with; stored as text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SignalValue(Decimal);

impl SignalValue {
    /// What a message says: a decimal as text or a number of at most 15 digits; `None` for anything else.
    pub fn read(value: &Json) -> Option<Self> {
        decimal_of(value).map(Self)
    }

    /// The number.
    pub const fn decimal(self) -> Decimal {
        self.0
    }

    /// Its 16 bytes.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.serialize()
    }

    /// From [`Self::to_bytes`].
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Decimal::deserialize(bytes))
    }
}

impl fmt::Display for SignalValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.normalize(), f)
    }
}

impl fmt::Debug for SignalValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for SignalValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SignalValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Decimal::from_str_exact(&text).map(Self).map_err(serde::de::Error::custom)
    }
}
