//! Rulebooks: rules with points, tiers that a score reaches, and exemptions, in their checked form.
//!
//! The stored form is JSON. A [`Rulebook`] exists only when that JSON was checked in full against the catalogue and the
//! limits below, so whoever holds one may rely on it. Its canonical form has one order of fields and one way to write each
//! constant: equal rulebooks have equal bytes, and therefore equal hashes.

pub mod check;
mod compile;
mod condition;
mod diff;
mod json;
mod presets;
mod read;
mod read_condition;
mod read_constant;
mod reader;
mod signals;
mod write;

use std::sync::Arc;

use rust_decimal::Decimal;
use sha2::{Digest, Sha256};

use crate::fault::Fault;
use crate::screening::ChallengeTerms;
use crate::time::Span;

pub use compile::{Evaluator, Findings, Fired, Sweep};
pub use condition::{Comparison, Condition, Relation, Test};
pub use diff::{Change, Difference, FieldChange, Part};
pub use presets::{DEFAULT_PRESET, PRESETS, preset};
pub(crate) use read_constant::decimal_of;

/// The most bytes a rulebook's JSON can have.
pub const BYTES_MAX: usize = 1 << 20;
/// The most faults that are reported of one rulebook.
pub const FAULTS_MAX: usize = 1_000;
/// The most rules of one rulebook.
pub const RULES_MAX: usize = 200;
/// The most tiers of one rulebook.
pub const TIERS_MAX: usize = 16;
/// The most exemptions of one rulebook.
pub const EXEMPTIONS_MAX: usize = 50;
/// How deep a condition can be nested; a comparison alone has depth one.
pub const CONDITION_DEPTH_MAX: usize = 16;
/// The most parts that all conditions of one rulebook can have together: comparisons, `all`, `any` and `not`.
pub const CONDITION_NODES_MAX: usize = 2_000;
/// The most entries of one list inside a condition.
pub const LIST_MAX: usize = 100;
/// The most characters of a name.
pub const NAME_CHARS_MAX: usize = 100;
/// The most characters of an id.
pub const ID_CHARS_MAX: usize = 64;
/// The most characters of a text that a feature is compared with.
pub const TEXT_CHARS_MAX: usize = 128;
/// The most points that a rule can add or take away.
pub const POINTS_MAX: i64 = 1_000_000;
/// The farthest that a tier's threshold can lie from zero; no sum of points can exceed it.
pub const THRESHOLD_MAX: i64 = 1_000_000_000;
/// The farthest that a decimal can lie from zero. It has at most [`DECIMAL_PLACES_MAX`] places.
pub const DECIMAL_MAX: i64 = 1_000_000_000_000_000;
/// The most places of a decimal.
pub const DECIMAL_PLACES_MAX: u32 = 4;
/// The shortest time a customer can be given to answer a challenge.
pub const EXPIRES_IN_MIN: Span = Span::from_secs(1);
/// The longest time a customer can be given to answer a challenge.
pub const EXPIRES_IN_MAX: Span = Span::from_days(30);
/// The tier of an order whose score reaches none; no tier of a rulebook can have this id.
pub const PASS: &str = "pass";

/// A checked set of rules, tiers and exemptions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rulebook {
    name: Arc<str>,
    rules: Vec<Rule>,
    tiers: Vec<Tier>,
    exemptions: Vec<Exemption>,
}

/// A condition with points.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// Unique among the rules.
    pub id: Arc<str>,
    /// What people call it.
    pub name: Names,
    /// When it fires.
    pub when: Condition,
    /// What it adds to the score when it fires.
    pub points: Points,
    /// Whether the open orders that its window counted are screened again when it fires.
    pub sweep: bool,
}

/// What people call a rule or an exemption; its id where a language has no name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Names {
    /// In Chinese.
    pub zh: Option<Arc<str>>,
    /// In English.
    pub en: Option<Arc<str>>,
}

/// What a rule adds to the score.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Points {
    /// The same every time.
    Flat(i64),
    /// More the higher the value of the rule's first comparison, whose feature is an int or a decimal:
    /// `base + per × (value − above)`, rounded down, at least `base` and at most `max`.
    Graded {
        /// The points up to `above`, and when the value is not known.
        base: i64,
        /// The points for each unit above `above`; greater than zero.
        per: Decimal,
        /// From which value on there is more than `base`.
        above: Decimal,
        /// The most points; not less than `base`.
        max: i64,
    },
}

impl Points {
    /// What it adds where no value raises it.
    pub(crate) const fn least(self) -> i64 {
        match self {
            Self::Flat(points) => points,
            Self::Graded { base, .. } => base,
        }
    }
}

/// What a score leads to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tier {
    /// Unique among the tiers, and not [`PASS`].
    pub id: Arc<str>,
    /// From which score on it applies.
    pub threshold: Threshold,
    /// What is done with the order.
    pub action: Action,
}

/// Where a tier begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Threshold {
    /// At this score.
    From(i64),
    /// Past this score.
    Above(i64),
}

impl Threshold {
    /// The lowest score that reaches it.
    pub const fn score_min(self) -> i64 {
        match self {
            Self::From(score) => score,
            Self::Above(score) => score.saturating_add(1),
        }
    }
}

/// What a tier does with an order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// The customer is asked.
    Challenge(ChallengeTerms),
    /// The order is held.
    Freeze,
}

/// Who is spared although a tier applies. Its action is always to release.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exemption {
    /// Unique among the exemptions.
    pub id: Arc<str>,
    /// What people call it.
    pub name: Names,
    /// Whom it spares.
    pub when: Condition,
}

impl Rulebook {
    /// Reads and checks the stored form.
    ///
    /// # Errors
    ///
    /// All faults at once, each with its place. Text that is no JSON, or is nested too deep to be read, is one fault.
    pub fn read(bytes: &[u8]) -> Result<Self, Vec<Fault>> {
        read::rulebook_from_bytes(bytes)
    }

    /// Checks a parsed stored form, in which a field that was given twice can no longer be seen.
    ///
    /// # Errors
    ///
    /// All faults at once, each with its place.
    pub fn from_json(value: &serde_json::Value) -> Result<Self, Vec<Fault>> {
        read::rulebook(value)
    }

    /// The canonical stored form: reads back equal, and equal rulebooks have equal texts.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("every part of a rulebook has a JSON form and every key is a text")
    }

    /// Hex SHA-256 of the canonical stored form.
    pub fn hash(&self) -> String {
        hex::encode(Sha256::digest(self.to_json()))
    }

    /// The evaluator of this rulebook as the given version.
    pub fn compile(&self, version: u32) -> Evaluator {
        Evaluator::new(self, version)
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its rules, in the order in which hits are listed.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule of that id.
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| &*rule.id == id)
    }

    /// Its tiers, lowest first.
    pub fn tiers(&self) -> &[Tier] {
        &self.tiers
    }

    /// The tier of that id.
    pub fn tier(&self, id: &str) -> Option<&Tier> {
        self.tiers.iter().find(|tier| &*tier.id == id)
    }

    /// Its exemptions, in the order in which they are looked at.
    pub fn exemptions(&self) -> &[Exemption] {
        &self.exemptions
    }

    /// The exemption of that id.
    pub fn exemption(&self, id: &str) -> Option<&Exemption> {
        self.exemptions.iter().find(|exemption| &*exemption.id == id)
    }
}
