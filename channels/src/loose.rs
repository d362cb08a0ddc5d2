//! Reading what platforms send: numbers that are sometimes strings, texts of any length, and much that may be missing.

use domain::fault::Fault;
use domain::notice::TEXT_BYTES_MAX;
use domain::time::Timestamp;
use serde_json::Value;

use crate::Refusal;

/// An id that comes as a number or as a string. Ids exceed 2^53, so one that was parsed as a float has lost digits and is
/// none.
pub(crate) fn id(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        _ => None,
    }
}

/// A whole number that comes as a number or as a string.
pub(crate) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_i64(),
    }
}

/// A text that people wrote: control characters become spaces, and it is cut at the limit of all texts, because a platform
/// does not keep to it and its order counts all the same. `None` for a blank one.
pub(crate) fn text(value: &Value) -> Option<String> {
    let clean: String = value.as_str()?.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let text = clean.trim();
    let cut = &text[..text.floor_char_boundary(TEXT_BYTES_MAX)];
    (!cut.is_empty()).then(|| cut.trim_end().to_owned())
}

/// The Unix seconds `value` as a time; `None` outside the range that messages may carry.
pub(crate) fn unix_seconds(value: &Value) -> Option<Timestamp> {
    let time = Timestamp::from_millis(integer(value)?.checked_mul(1_000)?);
    (Timestamp::EARLIEST..=Timestamp::LATEST).contains(&time).then_some(time)
}

/// What was read at a pointer, or that it is needed there.
pub(crate) fn needed<T>(read: Option<T>, pointer: &str, expected: &str) -> Result<T, Refusal> {
    read.ok_or_else(|| Refusal::Malformed { faults: vec![Fault::new(pointer, format!("expected {expected}"))] })
}

#[cfg(test)]
mod tests {
    use serde_json::{from_str, json};

    use super::*;

    #[test]
    fn ids_keep_every_digit_or_are_none() {
        for (json, expected) in [
            ("4881995531871913482", Some("4881995531871913482")),
            ("18446744073709551615", Some("18446744073709551615")),
            ("\"4881995531871913482\"", Some("4881995531871913482")),
            ("18446744073709551616", None),
            ("1.5", None),
            ("\" \"", None),
            ("null", None),
        ] {
            let value: Value = from_str(json).expect("json");
            assert_eq!(id(&value).as_deref(), expected, "{json}");
        }
    }

    #[test]
    fn texts_are_cut_between_characters_and_cleaned() {
        assert_eq!(text(&json!(" a\nb ")).as_deref(), Some("a b"));
        assert_eq!(text(&json!("  ")), None);
        let cut = text(&json!("张".repeat(400))).expect("a text");
        assert_eq!(cut.len(), 510);
    }

    #[test]
    fn seconds_come_as_numbers_and_strings() {
        let time = Timestamp::from_millis(1_760_000_000_000);
        assert_eq!(unix_seconds(&json!(1_760_000_000)), Some(time));
        assert_eq!(unix_seconds(&json!("1760000000")), Some(time));
        assert_eq!(unix_seconds(&json!(1_760_000_000_000_i64)), None);
        assert_eq!(unix_seconds(&json!(i64::MAX)), None);
        assert_eq!(unix_seconds(&json!(1.5)), None);
    }
}
