//! JSON from outside: bounded in size and depth, and no key twice.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::bad;
use crate::error::LabError;

/// Bytes of a JSON text at most. An SAE's header has about 600, its cfg.json about 1,300.
pub const LARGEST: usize = 1 << 20;

/// The object in `text`; `name` says where it stands. Of two equal keys parsers keep different ones,
/// so that a file could show one thing to a check and another to its reader.
pub fn object(name: &str, text: &[u8], depth: usize) -> Result<Map<String, Value>, LabError> {
    if text.len() > LARGEST {
        return Err(bad(format!("{name} has {} bytes; at most {LARGEST} are read.", text.len())));
    }
    let text = std::str::from_utf8(text).map_err(|e| bad(format!("{name} is no UTF-8 text: byte {} fits in no character.", e.valid_up_to())))?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Strict { depth }.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    match value.map_err(|e| bad(format!("{name} can't be read: {e}.")))? {
        Value::Object(map) => Ok(map),
        other => Err(bad(format!("{name} is {}, but must be an object {{…}}.", show(&other)))),
    }
}

/// A value as it should stand in a message.
pub fn show(value: &Value) -> String {
    let text = match value {
        Value::Array(_) => return "a list".into(),
        Value::Object(_) => return "an object".into(),
        other => other.to_string(),
    };
    if text.chars().count() <= 60 { text } else { text.chars().take(60).chain(['…']).collect() }
}

struct Strict {
    /// How many more levels may open.
    depth: usize,
}

impl Strict {
    fn deeper<E: Error>(&self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom("its objects and lists lie too deep in each other"))?;
        Ok(Self { depth })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(self.deeper()?)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(self.deeper()?)?;
            if map.contains_key(&key) {
                return Err(A::Error::custom(format!("{key:?} stands in it twice")));
            }
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}
