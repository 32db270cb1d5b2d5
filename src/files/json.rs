//! JSON from outside: bounded in size and depth, and no key twice.

use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::bad;
use crate::error::LabError;

/// Bytes of a JSON text at most. An SAE's header has about 600, its cfg.json about 1,300.
pub const LARGEST: usize = 1 << 20;

/// The object in `text`; `name` says where it stands. Of two equal keys parsers keep different ones,
/// so that a file could show one thing to a check and another to its reader.
pub fn object(name: &str, text: &[u8], depth: usize) -> Result<Map<String, Value>, LabError> {
    let text = utf8(name, text, LARGEST)?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Strict { depth }.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    match value.map_err(|e| unreadable(name, e))? {
        Value::Object(map) => Ok(map),
        other => Err(bad(format!("{name} is {}, but must be an object {{…}}.", show(&other)))),
    }
}

/// The value in a text of at most `largest` bytes, straight into its own type. Equal keys are refused by
/// derived structs and by [`unique_keys`]; what the type does not name is skipped.
pub fn typed<T: DeserializeOwned>(name: &str, text: &[u8], largest: usize) -> Result<T, LabError> {
    serde_json::from_str(utf8(name, text, largest)?).map_err(|e| unreadable(name, e))
}

/// A text of at most `largest` bytes.
pub fn utf8<'a>(name: &str, text: &'a [u8], largest: usize) -> Result<&'a str, LabError> {
    super::sniff(name, text)?;
    if text.len() > largest {
        return Err(bad(format!("{name} has {} bytes; at most {largest} are read.", text.len())));
    }
    std::str::from_utf8(text).map_err(|e| bad(format!("{name} is no UTF-8 text: byte {} fits in no character.", e.valid_up_to())))
}

fn unreadable(name: &str, error: serde_json::Error) -> LabError {
    bad(format!("{name} can't be read: {}.", excerpt(&error.to_string(), 240)))
}

/// A value as it should stand in a message.
pub fn show(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
        other => excerpt(&other.to_string(), 60),
    }
}

/// The first `most` characters of a text, as it should stand in a message.
pub fn excerpt(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into(),
    }
}

/// For `#[serde(deserialize_with)]`: a map of at most 2^20 entries, none of them twice.
pub fn unique_keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HashMap<String, u32>, D::Error> {
    struct Entries;
    impl<'de> Visitor<'de> for Entries {
        type Value = HashMap<String, u32>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of whole numbers")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let mut map = HashMap::new();
            while let Some((key, value)) = entries.next_entry::<String, u32>()? {
                if map.len() == 1 << 20 {
                    return Err(A::Error::custom("it has more than 1048576 entries"));
                }
                if map.contains_key(&key) {
                    return Err(twice(&key));
                }
                map.insert(key, value);
            }
            Ok(map)
        }
    }
    deserializer.deserialize_map(Entries)
}

fn twice<E: Error>(key: &str) -> E {
    E::custom(format!("{:?} stands in it twice", excerpt(key, 60)))
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
                return Err(twice(&key));
            }
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}
