//! Reading the fields of a small JSON object, so that everything wrong with it is told at once.

use std::fmt::Display;
use std::str::FromStr;

use domain::fault::{Fault, escape};
use domain::notice::TEXT_BYTES_MAX;
use serde_json::{Map, Value};

use super::problem::Problem;

/// A field's value, or what was expected.
pub type Read<T> = Result<T, String>;

/// The fields of an object that are not read so far, and the faults of those that are. A `null` says as little as an absent
/// field.
pub struct Fields {
    rest: Map<String, Value>,
    faults: Vec<Fault>,
}

impl Fields {
    /// Of a body.
    ///
    /// # Errors
    /// 422 when it is no object.
    pub fn of(body: Value) -> Result<Self, Problem> {
        match body {
            Value::Object(rest) => Ok(Self { rest, faults: vec![] }),
            _ => Err(Problem::invalid(vec![Fault::new("", "expected an object")])),
        }
    }

    /// Whether a field is there that was not read so far.
    pub fn has(&self, name: &str) -> bool {
        self.rest.get(name).is_some_and(|value| !value.is_null())
    }

    /// A field that may be left out.
    pub fn optional<T>(&mut self, name: &str, read: impl FnOnce(Value) -> Read<T>) -> Option<T> {
        let value = self.rest.remove(name).filter(|value| !value.is_null())?;
        read(value).map_err(|expected| self.fault(format!("/{name}"), expected)).ok()
    }

    /// A field that must be there.
    pub fn required<T>(&mut self, name: &str, read: impl FnOnce(Value) -> Read<T>) -> Option<T> {
        if !self.has(name) {
            self.rest.remove(name);
            self.fault(format!("/{name}"), "is required");
            return None;
        }
        self.optional(name, read)
    }

    /// Notes a fault.
    pub fn fault(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.faults.push(Fault::new(pointer, detail));
    }

    /// What was read, if nothing was wrong and no field is left over.
    ///
    /// # Errors
    /// 422 with all faults.
    pub fn finish<T>(mut self, read: Option<T>) -> Result<T, Problem> {
        for name in self.rest.keys() {
            self.faults.push(Fault::new(format!("/{}", escape(name)), "is not a known field"));
        }
        match read {
            Some(read) if self.faults.is_empty() => Ok(read),
            _ => Err(Problem::invalid(self.faults)),
        }
    }
}

/// Any string.
pub fn string(value: Value) -> Read<String> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err("expected a string".to_owned()),
    }
}

/// A text for people to read, without the spaces around it.
pub fn text(value: Value) -> Read<String> {
    let text = string(value)?.trim().to_owned();
    if (1..=TEXT_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control) {
        Ok(text)
    } else {
        Err(format!("expected 1 to {TEXT_BYTES_MAX} bytes without control characters"))
    }
}

/// A text with a form of its own.
pub fn parsed<T: FromStr<Err: Display>>(value: Value) -> Read<T> {
    string(value)?.parse().map_err(|error: T::Err| error.to_string())
}

/// Any value.
pub fn any(value: Value) -> Read<Value> {
    Ok(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_fault_of_an_object_is_told_at_once() {
        let mut fields = Fields::of(json!({"name": " ", "count": null, "a/b": 1})).unwrap();
        assert_eq!(fields.required("name", text), None);
        assert_eq!(fields.required("count", string), None);
        assert_eq!(fields.optional("note", text), None);
        let problem = serde_json::to_value(fields.finish(Some(())).unwrap_err()).unwrap();
        let pointers: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|fault| &fault["pointer"]).collect();
        assert_eq!(pointers, ["/name", "/count", "/a~1b"]);
    }

    #[test]
    fn a_good_object_is_read_without_the_spaces_around_its_texts() {
        let mut fields = Fields::of(json!({"name": " till 3 "})).unwrap();
        let name = fields.required("name", text);
        assert_eq!(fields.finish(name), Ok("till 3".to_owned()));
    }
}
