//! Bytes to JSON, with a fault that names the place where they are none.

use serde_json::Value as Json;

use super::BYTES_MAX;
use crate::fault::Fault;

/// How deep the parser follows nested lists and objects.
const PARSED_DEPTH_MAX: usize = 127;

/// Parses the bytes.
pub(super) fn parse(bytes: &[u8]) -> Result<Json, Fault> {
    if bytes.len() > BYTES_MAX {
        return Err(Fault::new("", format!("expected at most {BYTES_MAX} bytes, found {}", bytes.len())));
    }
    crate::json::read(bytes).map_err(|error| {
        let place = format!("line {} column {}", error.line(), error.column());
        let text = error.to_string();
        if text.starts_with("recursion limit exceeded") {
            return Fault::new("", format!("nested deeper than {PARSED_DEPTH_MAX} levels at {place}"));
        }
        let reason = text.split(" at line ").next().unwrap_or(&text);
        Fault::new("", format!("not JSON at {place}: {reason}"))
    })
}
