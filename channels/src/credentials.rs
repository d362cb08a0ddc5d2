//! A channel's credentials: an object of named secrets, and during their rotation the object before it.

use domain::fault::{Fault, escape};
use secrecy::SecretString;
use serde_json::Value;

/// The longest single credential, in bytes.
const CREDENTIAL_BYTES_MAX: usize = 4_096;

/// Credentials in force: the current ones, and the previous ones while they rotate.
pub(crate) struct Keys<T> {
    current: T,
    previous: Option<T>,
}

impl<T> Keys<T> {
    /// Reads both with the same reader, and collects the faults of both.
    pub(crate) fn read(
        current: Value,
        previous: Option<Value>,
        read: impl Fn(Value, &str) -> Result<T, Vec<Fault>>,
    ) -> Result<Self, Vec<Fault>> {
        let current = read(current, "/credentials");
        let previous = previous.map(|previous| read(previous, "/previous_credentials")).transpose();
        match (current, previous) {
            (Ok(current), Ok(previous)) => Ok(Self { current, previous }),
            (current, previous) => Err(current.err().into_iter().chain(previous.err()).flatten().collect()),
        }
    }

    /// Whether either verifies. The current ones are asked first: they nearly always do.
    pub(crate) fn any(&self, verifies: impl Fn(&T) -> bool) -> bool {
        verifies(&self.current) || self.previous.as_ref().is_some_and(verifies)
    }
}

/// Takes the named secrets, and nothing else, out of an object.
pub(crate) fn secrets<const N: usize>(
    value: Value,
    prefix: &str,
    names: [&str; N],
) -> Result<[SecretString; N], Vec<Fault>> {
    let Value::Object(mut map) = value else {
        return Err(vec![Fault::new(prefix, format!("expected an object with {}", names.join(", ")))]);
    };
    let mut faults = Vec::new();
    let secrets = names.map(|name| {
        let place = format!("{prefix}/{name}");
        match map.remove(name) {
            Some(Value::String(text)) if (1..=CREDENTIAL_BYTES_MAX).contains(&text.len()) => return text.into(),
            Some(Value::String(_)) => {
                faults.push(Fault::new(place, format!("expected 1 to {CREDENTIAL_BYTES_MAX} bytes")));
            }
            Some(_) => faults.push(Fault::new(place, "expected a string")),
            None => faults.push(Fault::new(place, "is required")),
        }
        SecretString::default()
    });
    faults.extend(map.keys().map(|name| Fault::new(format!("{prefix}/{}", escape(name)), "is not a known field")));
    if faults.is_empty() { Ok(secrets) } else { Err(faults) }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;
    use serde_json::json;

    use super::*;

    #[test]
    fn every_fault_of_both_credentials_is_told() {
        let read = |value: Value, prefix: &str| secrets(value, prefix, ["key", "secret"]);
        let current = json!({"key": "", "other/one": 1});
        let faults = Keys::read(current, Some(json!([])), read).err().expect("faults");
        let pointers: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            ["/credentials/key", "/credentials/secret", "/credentials/other~1one", "/previous_credentials"]
        );
    }

    #[test]
    fn either_credentials_may_verify() {
        let read = |value: Value, prefix: &str| secrets(value, prefix, ["key"]);
        let keys = Keys::read(json!({"key": "new"}), Some(json!({"key": "old"})), read).expect("keys");
        for (offered, verifies) in [("new", true), ("old", true), ("other", false)] {
            assert_eq!(keys.any(|[key]| key.expose_secret() == offered), verifies);
        }
    }
}
