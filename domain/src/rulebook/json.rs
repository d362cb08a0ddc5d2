//! Bytes to JSON, noting the fields that are given twice: the parser alone would keep the last one and say nothing.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value as Json};

use super::BYTES_MAX;
use super::reader::{Reader, quoted, under};
use crate::fault::Fault;

/// How deep the parser follows nested lists and objects.
const PARSED_DEPTH_MAX: usize = 127;

/// Parses the bytes; fields that are given twice are noted in the reader.
pub(super) fn parse(bytes: &[u8], reader: &mut Reader) -> Result<Json, Fault> {
    if bytes.len() > BYTES_MAX {
        return Err(Fault::new("", format!("expected at most {BYTES_MAX} bytes, found {}", bytes.len())));
    }
    let mut parser = serde_json::Deserializer::from_slice(bytes);
    let parsed = Node { at: String::new(), reader }.deserialize(&mut parser);
    parsed.and_then(|value| parser.end().map(|()| value)).map_err(|error| {
        let place = format!("line {} column {}", error.line(), error.column());
        let text = error.to_string();
        if text.starts_with("recursion limit exceeded") {
            return Fault::new("", format!("nested deeper than {PARSED_DEPTH_MAX} levels at {place}"));
        }
        let reason = text.split(" at line ").next().unwrap_or(&text);
        Fault::new("", format!("not JSON at {place}: {reason}"))
    })
}

struct Node<'a> {
    at: String,
    reader: &'a mut Reader,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(entry) =
            entries.next_element_seed(Node { at: under(&self.at, &list.len()), reader: &mut *self.reader })?
        {
            list.push(entry);
        }
        Ok(Json::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut fields = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            let at = under(&self.at, &name);
            if fields.contains_key(&name) {
                self.reader.fault(&at, format!("field {} is given twice", quoted(&name)));
            }
            let value = entries.next_value_seed(Node { at, reader: &mut *self.reader })?;
            fields.insert(name, value);
        }
        Ok(Json::Object(fields))
    }
}
