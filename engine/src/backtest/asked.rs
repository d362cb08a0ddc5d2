//! The draft, asked where a recorded screening is decoded.
//!
//! What each feature was for an order stands in the log beside the decision, as a replay proves. So where everything that the draft
//! reads was read then, it is asked about the recorded values, by whoever decodes them and beside the one who folds.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use domain::feature::Value;
use domain::order::Reading;
use domain::rulebook::{Evaluator, Findings, Rulebook};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::verdict::DRAFT;

/// The values that a screening read, by the names of their features.
#[cfg_attr(test, derive(PartialEq, Debug))]
pub(super) struct Told<'a>(pub(super) Vec<(Name<'a>, Option<Reading>)>);

/// A feature's name, lent where it stands.
#[derive(Deserialize)]
#[cfg_attr(test, derive(PartialEq, Debug))]
pub(super) struct Name<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Told<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Told<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of feature values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Told<'de>, A::Error> {
                let mut entries = Vec::with_capacity(32);
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Told(entries))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

/// See the module.
pub(super) struct Asked {
    draft: Arc<Draft>,
    values: Vec<Option<Value>>,
}

/// A draft, and what the features that it reads are called.
pub(super) struct Draft {
    evaluator: Evaluator,
    names: Vec<String>,
}

impl Draft {
    pub(super) fn of(rulebook: &Rulebook) -> Self {
        let evaluator = rulebook.compile(DRAFT);
        Self { names: evaluator.features().iter().map(ToString::to_string).collect(), evaluator }
    }
}

impl Asked {
    pub(super) fn new(draft: Arc<Draft>) -> Self {
        Self { values: vec![None; draft.names.len()], draft }
    }

    /// What the draft finds of an order for which nothing counts because of others; `None` where it reads what was not read then.
    pub(super) fn findings(&mut self, told: &Told<'_>) -> Option<Findings> {
        let Self { draft, values } = self;
        let Draft { evaluator, names } = &**draft;
        // Both are in the order of the names.
        let mut told = told.0.iter();
        for ((name, feature), value) in names.iter().zip(evaluator.features()).zip(&mut *values) {
            let (_, reading) = told.find(|(told, _)| told.0 == **name)?;
            *value = match reading {
                Some(reading) => Some(Value::read(reading, feature.feature.spec().feature_type)?),
                None => None,
            };
        }
        let mut findings = Findings::default();
        evaluator.evaluate(values, &mut findings);
        Some(findings)
    }
}
