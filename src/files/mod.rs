//! Files from outside that nobody vouches for: JSON and safetensors headers. Nothing is allocated that a
//! file only claims to hold.

mod header;
mod json;

pub use header::{Header, Stored, Tensor, check_readable, head_length, sniff};
pub use json::{excerpt, object, show, typed, unique_keys, utf8};

use crate::error::{LabError, code};

fn bad(message: impl Into<String>) -> LabError {
    LabError::new(code::BAD_FILE, message, "Use the file unchanged, as it was saved or published; a download may have been cut off.")
}
