//! What a signal is called.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest name, in bytes.
const BYTES_MAX: usize = 32;

/// A signal's name: 1 to 32 of `a-z 0-9 _`. Held in place, so that a feature that names a signal is copied like any other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignalName([u8; BYTES_MAX]);

/// Why a text is no name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected 1 to {BYTES_MAX} of the characters a-z, 0-9 and _")]
pub struct SignalNameError;

impl SignalName {
    /// Stands in the catalogue for all of them; no text is read as it.
    pub(crate) const ANY: Self = Self([0; BYTES_MAX]);

    /// The name as text.
    pub fn as_str(&self) -> &str {
        let length = self.0.iter().position(|byte| *byte == 0).unwrap_or(BYTES_MAX);
        std::str::from_utf8(&self.0[..length]).unwrap_or_default()
    }
}

impl FromStr for SignalName {
    type Err = SignalNameError;

    fn from_str(text: &str) -> Result<Self, SignalNameError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if !(1..=BYTES_MAX).contains(&text.len()) || !text.bytes().all(plain) {
            return Err(SignalNameError);
        }
        let mut bytes = [0; BYTES_MAX];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Self(bytes))
    }
}

impl fmt::Display for SignalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SignalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl Serialize for SignalName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for SignalName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_to_thirty_two_plain_characters_and_sorts_as_its_text() {
        let longest = "x".repeat(BYTES_MAX);
        for text in ["a", "weather", "block_list_2", &longest] {
            assert_eq!(text.parse::<SignalName>().expect("a name").as_str(), text);
        }
        for text in ["", "Weather", "a.b", "a-b", "天气", "a\0", &"x".repeat(BYTES_MAX + 1)] {
            assert_eq!(text.parse::<SignalName>(), Err(SignalNameError), "{text:?}");
        }
        let name = |text: &str| text.parse::<SignalName>().expect("a name");
        assert!(name("a") < name("a_") && name("a_") < name("ab") && name("ab") < name("b"));
    }
}
