//! The constants of a condition, checked against the type of the feature they are compared with.
//!
//! Decimals are texts or numbers. A number is taken by its decimal digits, never by its binary value; since the parser
//! keeps 15 digits of it for sure, longer ones have to be texts.

use std::ops::RangeInclusive;

use rust_decimal::Decimal;
use serde_json::Value as Json;

use super::reader::{Reader, nearest, quoted, shown};
use super::{DECIMAL_MAX, DECIMAL_PLACES_MAX, TEXT_CHARS_MAX};
use crate::feature::{Feature, FeatureType, Value};
use crate::time::Span;

/// The digits of a JSON number that are sure to be those that were written.
const NUMBER_DIGITS_MAX: usize = 15;

impl Reader {
    /// A constant of the feature's type.
    pub(super) fn constant(&mut self, at: &str, value: &Json, feature: Feature) -> Option<Value> {
        let spec = feature.spec();
        match spec.feature_type {
            FeatureType::Bool => match value {
                Json::Bool(value) => Some(Value::Bool(*value)),
                _ => self.wrong(at, value, feature, "true or false"),
            },
            FeatureType::Int => match value.as_i64() {
                Some(value) => Some(Value::Int(value)),
                None => self.wrong(at, value, feature, "an integer"),
            },
            FeatureType::Decimal => self.decimal(at, value).map(Value::Decimal),
            FeatureType::Duration => match value.as_str().map(str::parse) {
                Some(Ok(span)) => Some(Value::Duration(span)),
                _ => self.wrong(at, value, feature, "a duration such as \"90s\", \"5m\", \"24h\" or \"7d\""),
            },
            FeatureType::Text => {
                if !value.is_string() {
                    return self.wrong(at, value, feature, "a text");
                }
                let text = self.text(at, value, TEXT_CHARS_MAX)?;
                if !spec.values.is_empty() && !spec.values.contains(&&*text) {
                    let hint = nearest(&text, spec.values.iter().copied());
                    let expected = spec.values.join(", ");
                    self.fault(at, format!("{feature} is never {}{hint}; it is one of {expected}", quoted(&text)));
                    return None;
                }
                Some(Value::Text(text))
            }
        }
    }

    /// A decimal, as text or as number.
    pub(super) fn decimal(&mut self, at: &str, value: &Json) -> Option<Decimal> {
        let decimal = decimal_of(value);
        if decimal.is_none() {
            let expected = format!("expected a decimal from -{DECIMAL_MAX} to {DECIMAL_MAX}");
            let places = format!("with at most {DECIMAL_PLACES_MAX} places");
            let form = format!("as a text (or a number of at most {NUMBER_DIGITS_MAX} digits)");
            self.fault(at, format!("{expected} {places}, {form}, found {}", shown(value)));
        }
        decimal
    }

    /// A length of time inside a range.
    pub(super) fn span(&mut self, at: &str, value: &Json, range: RangeInclusive<Span>) -> Option<Span> {
        let span = value.as_str().and_then(|text| text.parse().ok()).filter(|span| range.contains(span));
        if span.is_none() {
            let expected = format!("expected a duration from \"{}\" to \"{}\"", range.start(), range.end());
            self.fault(at, format!("{expected}, such as \"5m\", found {}", shown(value)));
        }
        span
    }

    fn wrong<T>(&mut self, at: &str, value: &Json, feature: Feature, expected: &str) -> Option<T> {
        let feature_type = feature.spec().feature_type.name();
        self.fault(at, format!("{feature} is of type {feature_type}: expected {expected}, found {}", shown(value)));
        None
    }
}

/// A decimal within its limits, as text or as number.
pub(crate) fn decimal_of(value: &Json) -> Option<Decimal> {
    let parsed = match value {
        Json::String(text) if is_plain_decimal(text) => Decimal::from_str_exact(text).ok(),
        Json::Number(number) => {
            let text = number.to_string();
            let digits = text.trim_start_matches(['-', '0', '.']).bytes().filter(u8::is_ascii_digit).count();
            let kept = number.is_i64() || digits <= NUMBER_DIGITS_MAX;
            kept.then(|| Decimal::from_str_exact(&text).or_else(|_| Decimal::from_scientific(&text)).ok()).flatten()
        }
        _ => None,
    };
    let limit = Decimal::from(DECIMAL_MAX);
    let decimal = parsed.map(|decimal| decimal.normalize());
    decimal.filter(|decimal| decimal.scale() <= DECIMAL_PLACES_MAX && decimal.abs() <= limit)
}

/// Whether a text is digits with at most one point between them, and perhaps a minus sign before them.
fn is_plain_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, places) = digits.split_once('.').unwrap_or((digits, "0"));
    [whole, places].iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}
