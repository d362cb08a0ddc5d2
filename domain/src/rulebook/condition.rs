//! Conditions: what a rule or an exemption asks about an order.

use serde_json::{Value as Json, json};

use crate::feature::{FeatureRef, Value};

/// A condition over the features of one order; true, false, or unknown where a value is not known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Condition {
    /// All of them; at least one. False as soon as one is false.
    All(Vec<Condition>),
    /// At least one of them; at least one is given. True as soon as one is true.
    Any(Vec<Condition>),
    /// The opposite. Unknown stays unknown.
    Not(Box<Condition>),
    /// A feature against constants.
    Compare(Comparison),
}

/// A feature against constants of its type; unknown where the feature's value is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Comparison {
    /// What is asked for.
    pub feature: FeatureRef,
    /// What is asked of it.
    pub test: Test,
}

/// What is asked of a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Test {
    /// How it stands to one constant.
    Is(Relation, Value),
    /// Whether it is one of these; at least one is given.
    In(Vec<Value>),
    /// Whether it is none of these; at least one is given.
    NotIn(Vec<Value>),
}

/// How a value stands to a constant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Relation {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

impl Relation {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Equal, Self::NotEqual, Self::Less, Self::AtMost, Self::Greater, Self::AtLeast];

    /// How rules write it.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
        }
    }

    /// Whether it asks for an order, which only numbers and durations have.
    pub const fn needs_order(self) -> bool {
        !matches!(self, Self::Equal | Self::NotEqual)
    }
}

impl Test {
    /// How rules write it.
    pub const fn symbol(&self) -> &'static str {
        match self {
            Self::Is(relation, _) => relation.symbol(),
            Self::In(_) => "in",
            Self::NotIn(_) => "not_in",
        }
    }

    /// What is compared with, as rules write it: a constant or a list of them.
    pub fn constant(&self) -> Json {
        match self {
            Self::Is(_, constant) => json!(constant.reading()),
            Self::In(constants) | Self::NotIn(constants) => constants.iter().map(|it| json!(it.reading())).collect(),
        }
    }
}

impl Condition {
    /// Calls `visit` for every comparison, in the order in which they are written.
    pub fn for_each_comparison<'a>(&'a self, visit: &mut impl FnMut(&'a Comparison)) {
        match self {
            Self::All(parts) | Self::Any(parts) => {
                for part in parts {
                    part.for_each_comparison(visit);
                }
            }
            Self::Not(part) => part.for_each_comparison(visit),
            Self::Compare(comparison) => visit(comparison),
        }
    }

    /// The comparison that is written first; a graded rule takes its value.
    pub fn first_comparison(&self) -> &Comparison {
        match self {
            Self::All(parts) | Self::Any(parts) => {
                parts.first().expect("reading refuses a list without conditions").first_comparison()
            }
            Self::Not(part) => part.first_comparison(),
            Self::Compare(comparison) => comparison,
        }
    }

    /// The features it names, each once, in the order in which they are written.
    pub fn features(&self) -> Vec<FeatureRef> {
        let mut features = Vec::new();
        self.for_each_comparison(&mut |comparison| {
            if !features.contains(&comparison.feature) {
                features.push(comparison.feature);
            }
        });
        features
    }
}
