//! [`Readings`] as a JSON object whose order is kept.

use std::fmt;
use std::sync::Arc;

use serde::de::{Error, MapAccess, Unexpected, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Reading, Readings};

impl Readings {
    /// The value of a feature, when it was read and known.
    pub fn get(&self, name: &str) -> Option<&Reading> {
        self.0.iter().find(|(key, _)| &**key == name).and_then(|(_, value)| value.as_ref())
    }
}

impl Serialize for Readings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// By the kind of the value alone: a screening holds dozens, and none is tried as something that it is not.
impl<'de> Deserialize<'de> for Reading {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Value;

        impl Visitor<'_> for Value {
            type Value = Reading;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a truth value, a whole number or a text")
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Reading, E> {
                Ok(Reading::Bool(value))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Reading, E> {
                Ok(Reading::Int(value))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Reading, E> {
                let number = i64::try_from(value);
                number.map(Reading::Int).map_err(|_| E::invalid_value(Unexpected::Unsigned(value), &self))
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Reading, E> {
                Ok(Reading::Text(value.into()))
            }
        }

        deserializer.deserialize_any(Value)
    }
}

impl<'de> Deserialize<'de> for Readings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Readings;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of feature values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Readings, A::Error> {
                let mut entries = Vec::with_capacity(map.size_hint().unwrap_or(0));
                while let Some(entry) = map.next_entry::<Arc<str>, Option<Reading>>()? {
                    entries.push(entry);
                }
                Ok(Readings(entries))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}
