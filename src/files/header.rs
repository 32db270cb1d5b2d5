//! The header of a safetensors file that nobody vouches for: 8 bytes that say how long it is, then
//! JSON with each tensor's type, shape and place. Reading it allocates no more than the header is long.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{bad, json};
use crate::error::{LabError, Result, code};

/// How a file stores numbers; those that can be read become f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    F64,
    F32,
    F16,
    BF16,
    /// Whole numbers: there may be such tensors in a file, but none that is used.
    Other {
        name: &'static str,
        bytes: usize,
    },
}

impl Stored {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "F64" => Self::F64,
            "F32" => Self::F32,
            "F16" => Self::F16,
            "BF16" => Self::BF16,
            other => {
                const OTHERS: [(&str, usize); 9] =
                    [("I64", 8), ("U64", 8), ("I32", 4), ("U32", 4), ("I16", 2), ("U16", 2), ("I8", 1), ("U8", 1), ("BOOL", 1)];
                let (name, bytes) = OTHERS.into_iter().find(|(name, _)| *name == other)?;
                Self::Other { name, bytes }
            }
        })
    }

    pub fn bytes(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Other { bytes, .. } => bytes,
        }
    }

    /// The numbers in `bytes`, which hold whole ones; none of [`Stored::Other`].
    pub fn append(self, bytes: &[u8], values: &mut Vec<f32>) {
        match self {
            Self::F64 => values.extend(bytes.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b) as f32)),
            Self::F32 => values.extend(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b))),
            Self::F16 => values.extend(bytes.as_chunks::<2>().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32())),
            Self::BF16 => values.extend(bytes.as_chunks::<2>().0.iter().map(|b| half::bf16::from_le_bytes(*b).to_f32())),
            Self::Other { .. } => {}
        }
    }
}

/// A tensor of a file: its bytes are `start..end` of the whole file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    pub stored: Stored,
    pub shape: Vec<usize>,
    pub start: u64,
    pub end: u64,
}

/// What a file says that it holds, where that agrees with itself and with the file's length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub tensors: BTreeMap<String, Tensor>,
    /// Length of the whole file.
    pub length: u64,
}

/// Refuses what is known to be something else than `name`, by its first bytes.
pub fn sniff(name: &str, start: &[u8]) -> Result<()> {
    let text = String::from_utf8_lossy(start.get(..64.min(start.len())).unwrap_or_default()).trim_start().to_ascii_lowercase();
    let (what, hint) = if text.starts_with("<!doctype") || text.starts_with("<html") || text.starts_with("<head") || text.starts_with("<?xml") {
        ("a web page", "Download the file itself: on the Hugging Face hub its address has /resolve/ in it, not /blob/.")
    } else if text.starts_with("version https://git-lfs") {
        (
            "a git-lfs pointer, which only says where the file is",
            "Fetch the file itself: git lfs pull, or the hub's address with /resolve/ in it, not /raw/.",
        )
    } else if start.starts_with(b"PK\x03\x04") || is_pickle(start) {
        (
            "a PyTorch pickle or an archive",
            "Load it in Python and save it as safetensors (an SAE with SAELens): a pickle can run any code, and no browser reads it.",
        )
    } else {
        return Ok(());
    };
    Err(LabError::new(code::BAD_FILE, format!("{name} is {what}."), hint))
}

/// Protocol 2 and its first opcodes. A safetensors file whose header has 640 bytes begins with the same two, and six zeros.
fn is_pickle(start: &[u8]) -> bool {
    start.starts_with(&[0x80, 0x02]) && start.get(2..8).is_none_or(|rest| rest.iter().any(|&byte| byte != 0))
}

/// How many bytes a file of `file_length` begins with before its tensors, from its first eight:
/// read as many and give them to [`Header::parse`]. Where the file's length is not known, `u64::MAX`.
pub fn head_length(name: &str, start: &[u8], file_length: u64) -> Result<usize> {
    sniff(name, start)?;
    let Some(length) = start.first_chunk::<8>().filter(|_| file_length >= 8) else {
        let there = file_length.min(start.len() as u64);
        return Err(bad(format!("{name} has {there} bytes; a safetensors file begins with 8 that give its header's length.")));
    };
    let length = u64::from_le_bytes(*length);
    if length > json::LARGEST as u64 {
        return Err(bad(format!("{name} says that its header has {length} bytes; at most {} are read.", json::LARGEST)));
    }
    if length > file_length - 8 {
        return Err(bad(format!("{name} says that its header has {length} bytes, but only {} follow: the file is cut off.", file_length - 8)));
    }
    Ok(8 + length as usize)
}

impl Header {
    /// From a file's first [`head_length`] bytes.
    pub fn parse(name: &str, head: &[u8], file_length: u64) -> Result<Self> {
        let header = Self::parse_unbounded(name, head, file_length)?;
        if header.length != file_length {
            return Err(bad(format!("{name} has {file_length} bytes, but its tensors end at {}.", header.length)));
        }
        Ok(header)
    }

    /// Of a file whose length is not known before it has been read: what the header says.
    pub fn parse_stream(name: &str, head: &[u8]) -> Result<Self> {
        Self::parse_unbounded(name, head, u64::MAX)
    }

    fn parse_unbounded(name: &str, head: &[u8], file_length: u64) -> Result<Self> {
        let data_start = head_length(name, head, file_length)?;
        let Some(text) = head.get(8..data_start) else {
            return Err(bad(format!("{name}: {data_start} bytes of header are needed, but {} were read.", head.len())));
        };
        if text.first() != Some(&b'{') {
            return Err(bad(format!("{name} is no safetensors file: its header does not begin with {{.")));
        }
        let entries = json::object(&format!("{name}'s header"), text, 3)?;
        let data_length = file_length - data_start as u64;
        let mut tensors = BTreeMap::new();
        for (key, entry) in entries {
            if key == "__metadata__" {
                let all_text = entry.as_object().is_some_and(|map| map.values().all(Value::is_string));
                if !all_text {
                    return Err(bad(format!("{name}: __metadata__ must hold text only.")));
                }
                continue;
            }
            let tensor = Self::tensor(name, &key, &entry, data_start as u64, data_length)?;
            tensors.insert(key, tensor);
        }
        let length = check_cover(name, &tensors, data_start as u64)?;
        Ok(Self { tensors, length })
    }

    /// Refuses tensors of a kind that can't be read, where all of them are needed.
    pub fn check_readable(&self, name: &str) -> Result<()> {
        self.tensors.iter().try_for_each(|(key, tensor)| check_readable(name, key, tensor))
    }

    fn tensor(name: &str, key: &str, entry: &Value, data_start: u64, data_length: u64) -> Result<Tensor> {
        let refuse = |what: String| bad(format!("{name}: {key} {what}."));
        let fields: &Map<String, Value> =
            entry.as_object().ok_or_else(|| refuse(format!("is {}, but must be described by an object", json::show(entry))))?;
        if let Some(stranger) = fields.keys().find(|k| !matches!(k.as_str(), "dtype" | "shape" | "data_offsets")) {
            return Err(refuse(format!("has a field {stranger:?}, which safetensors does not know")));
        }
        let field = |field: &str| fields.get(field).ok_or_else(|| refuse(format!("has no {field}")));
        let dtype = field("dtype")?;
        let stored = dtype
            .as_str()
            .and_then(Stored::parse)
            .ok_or_else(|| refuse(format!("is stored as {}; F32, F16, BF16 and F64 can be read", json::show(dtype))))?;
        let whole = |what: &str| -> Result<Vec<u64>> {
            let list = field(what)?.as_array().filter(|list| list.len() <= 8);
            let list = list.and_then(|list| list.iter().map(Value::as_u64).collect::<Option<Vec<_>>>());
            list.ok_or_else(|| refuse(format!("has a {what} that is no short list of whole numbers, 0 or more")))
        };
        let shape = whole("shape")?;
        let bytes = shape.iter().try_fold(stored.bytes() as u64, |n, &size| n.checked_mul(size));
        let bytes = bytes.ok_or_else(|| refuse(format!("has shape {shape:?}, which is more than any file holds")))?;
        let offsets = whole("data_offsets")?;
        let [begin, end] = offsets[..] else {
            return Err(refuse(format!("has {} data_offsets, but needs 2", offsets.len())));
        };
        if begin > end {
            return Err(refuse(format!("begins at byte {begin}, after its end at {end}")));
        }
        if end > data_length {
            return Err(refuse(format!("ends at byte {end}, but the file has {data_length} after its header: it is cut off")));
        }
        if end - begin != bytes {
            return Err(refuse(format!("has {} bytes, but shape {shape:?} as {} needs {bytes}", end - begin, json::show(dtype))));
        }
        let shape = shape
            .iter()
            .map(|&n| usize::try_from(n))
            .collect::<std::result::Result<_, _>>()
            .map_err(|_| refuse(format!("has shape {shape:?}, too large for this computer")))?;
        Ok(Tensor { stored, shape, start: data_start + begin, end: data_start + end })
    }
}

/// `Err` when a tensor is stored in a way that can't be read.
pub fn check_readable(name: &str, key: &str, tensor: &Tensor) -> Result<()> {
    match tensor.stored {
        Stored::Other { name: dtype, .. } => Err(bad(format!("{name}: {key} is stored as {dtype:?}; F32, F16, BF16 and F64 can be read."))),
        _ => Ok(()),
    }
}

/// Tensors lie behind each other, without gaps, from the header to the file's end, which is the answer.
fn check_cover(name: &str, tensors: &BTreeMap<String, Tensor>, data_start: u64) -> Result<u64> {
    let mut order: Vec<_> = tensors.iter().collect();
    order.sort_by_key(|(_, t)| (t.start, t.end));
    let mut at = data_start;
    for (key, tensor) in order {
        let (begin, previous) = (tensor.start - data_start, at - data_start);
        if tensor.start < at {
            return Err(bad(format!("{name}: {key} begins at byte {begin}, inside the tensor before it, which ends at {previous}.")));
        }
        if tensor.start > at {
            return Err(bad(format!(
                "{name}: {key} begins at byte {begin}, but the tensor before it ends at {previous}: the bytes between belong to none."
            )));
        }
        at = tensor.end;
    }
    Ok(at)
}
