//! The numbers of signals.

use std::fmt;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;

use super::SignalName;
use crate::rulebook::{DECIMAL_MAX, DECIMAL_PLACES_MAX, decimal_of};

/// A decimal with at most four places, as rules compare with; stored as text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SignalValue(Decimal);

impl SignalValue {
    /// What a message says: a decimal as text or a number of at most 15 digits; `None` for anything else.
    pub fn read(value: &Json) -> Option<Self> {
        decimal_of(value).map(Self)
    }

    /// What a model says: as [`Self::read`], but a number may have more places, of which four are kept.
    pub fn rounded(value: &Json) -> Option<Self> {
        let Json::Number(number) = value else { return Self::read(value) };
        let text = number.to_string();
        let decimal = Decimal::from_str_exact(&text).or_else(|_| Decimal::from_scientific(&text)).ok()?;
        let decimal = decimal.round_dp(DECIMAL_PLACES_MAX).normalize();
        (decimal.abs() <= Decimal::from(DECIMAL_MAX)).then_some(Self(decimal))
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

/// What a merchant's own model says of one order, recorded with its facts: a signal whose subject is the order itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OrderScore {
    /// Which signal it is.
    pub signal: SignalName,
    /// The number.
    pub value: SignalValue,
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_model_may_say_more_places_than_are_kept() {
        let rounded = |value: &Json| SignalValue::rounded(value).map(|value| value.to_string());
        for (said, kept) in [
            (json!(0.123_456_789), Some("0.1235")),
            (json!(0.999_999_999_999_999_9), Some("1")),
            (json!(1e-9), Some("0")),
            (json!(-3), Some("-3")),
            (json!("0.5"), Some("0.5")),
            (json!(1e300), None),
            (json!("much"), None),
            (json!(null), None),
        ] {
            assert_eq!(rounded(&said).as_deref(), kept, "{said}");
        }
        assert_eq!(SignalValue::read(&json!(0.123_45)), None, "whoever pushes says what is meant");
    }
}
