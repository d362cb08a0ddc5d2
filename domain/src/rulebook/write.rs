//! The canonical stored form: one order of fields, one way to write each constant, nothing that says nothing.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::de::Error;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Action, Comparison, Condition, Exemption, Names, Points, Rule, Rulebook, Test, Threshold, Tier};
use crate::feature::{Feature, Value};

impl Serialize for Rulebook {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("rules", &self.rules)?;
        map.serialize_entry("tiers", &self.tiers)?;
        map.serialize_entry("exemptions", &self.exemptions)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Rulebook {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        Self::from_json(&value).map_err(|faults| {
            let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
            D::Error::custom(format_args!("not a rulebook: {}", faults.join("; ")))
        })
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.id)?;
        if self.name != Names::default() {
            map.serialize_entry("name", &self.name)?;
        }
        map.serialize_entry("when", &self.when)?;
        map.serialize_entry("points", &self.points)?;
        if self.sweep {
            map.serialize_entry("sweep", &true)?;
        }
        map.end()
    }
}

impl Serialize for Names {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (language, name) in [("zh", &self.zh), ("en", &self.en)] {
            if let Some(name) = name {
                map.serialize_entry(language, name)?;
            }
        }
        map.end()
    }
}

impl Serialize for Points {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Flat(points) => serializer.serialize_i64(*points),
            Self::Graded { base, per, above, max } => {
                let mut map = serializer.serialize_map(Some(4))?;
                map.serialize_entry("base", base)?;
                map.serialize_entry("per", &Grade(*per))?;
                map.serialize_entry("above", &Grade(*above))?;
                map.serialize_entry("max", max)?;
                map.end()
            }
        }
    }
}

/// A decimal that is mostly whole: a number then, and a text otherwise.
struct Grade(Decimal);

impl Serialize for Grade {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.to_i64().filter(|_| self.0.is_integer()) {
            Some(whole) => serializer.serialize_i64(whole),
            None => serializer.collect_str(&self.0.normalize()),
        }
    }
}

impl Serialize for Tier {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("id", &self.id)?;
        match self.threshold {
            Threshold::From(score) => map.serialize_entry("from", &score)?,
            Threshold::Above(score) => map.serialize_entry("above", &score)?,
        }
        map.serialize_entry("action", &self.action)?;
        map.end()
    }
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Freeze => serializer.serialize_str("freeze"),
            Self::Challenge(terms) => {
                let mut map = serializer.serialize_map(Some(4))?;
                map.serialize_entry("challenge", &terms.method)?;
                map.serialize_entry("expires_in", &terms.expires_in)?;
                map.serialize_entry("on_fail", &terms.on_fail)?;
                map.serialize_entry("on_expire", &terms.on_expire)?;
                map.end()
            }
        }
    }
}

impl Serialize for Exemption {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.id)?;
        if self.name != Names::default() {
            map.serialize_entry("name", &self.name)?;
        }
        map.serialize_entry("when", &self.when)?;
        map.serialize_entry("action", "release")?;
        map.end()
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Self::Compare(comparison) = self {
            return comparison.serialize(serializer);
        }
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::All(parts) => map.serialize_entry("all", parts)?,
            Self::Any(parts) => map.serialize_entry("any", parts)?,
            Self::Not(part) => map.serialize_entry("not", part)?,
            Self::Compare(_) => {}
        }
        map.end()
    }
}

/// A feature by its name.
struct Named(Feature);

impl Serialize for Named {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl Serialize for Comparison {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("feature", &Named(self.feature.feature))?;
        if let Some(window) = self.feature.window {
            map.serialize_entry("window", &window)?;
        }
        map.serialize_entry("op", self.test.symbol())?;
        match &self.test {
            Test::Is(_, constant) => map.serialize_entry("value", &constant.reading())?,
            Test::In(constants) | Test::NotIn(constants) => {
                let readings: Vec<_> = constants.iter().map(Value::reading).collect();
                map.serialize_entry("value", &readings)?;
            }
        }
        map.end()
    }
}
