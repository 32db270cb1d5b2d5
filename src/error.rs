//! The one error type: a stable code for programs, what happened, and what to do now.

use std::fmt;

pub type Result<T> = std::result::Result<T, LabError>;

/// An error a visitor can act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabError {
    /// Stable, for programs: one of the constants in [`code`].
    pub code: &'static str,
    /// What happened, with the numbers involved.
    pub message: String,
    /// What to do now.
    pub hint: String,
}

/// The codes that the Rust side gives.
pub mod code {
    pub const EMPTY_INPUT: &str = "LAB-EMPTY-INPUT";
    pub const TOO_LONG: &str = "LAB-TOO-LONG";
    pub const UNKNOWN_HOOK: &str = "LAB-UNKNOWN-HOOK";
    pub const BAD_SETTING: &str = "LAB-BAD-SETTING";
    pub const WIDTH_MISMATCH: &str = "LAB-WIDTH-MISMATCH";
    pub const BAD_FILE: &str = "LAB-BAD-FILE";
    pub const RELEASED: &str = "LAB-RELEASED";
    pub const CANCELLED: &str = "LAB-CANCELLED";
    pub const BUSY: &str = "LAB-BUSY";
    pub const NOT_FINITE: &str = "LAB-NOT-FINITE";
    pub const DEVICE: &str = "LAB-DEVICE";
}

impl LabError {
    pub fn new(code: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: hint.into() }
    }

    /// A setting outside its range; `allowed` completes "it must be …".
    pub fn setting(name: &str, value: impl fmt::Display, allowed: &str) -> Self {
        Self::new(code::BAD_SETTING, format!("{name} is {value}, but it must be {allowed}."), format!("Set {name} to {allowed}."))
    }

    /// A file that is not what it should be.
    pub fn file(message: impl Into<String>) -> Self {
        Self::new(code::BAD_FILE, message, "Use the unchanged files of a GPT-2 checkpoint in Hugging Face's format.")
    }

    pub fn cancelled() -> Self {
        Self::new(code::CANCELLED, "Stopped before the end.", "Run it again, or go on where it stopped.")
    }

    /// The device failed underneath (out of memory, lost, an invalid kernel).
    pub fn device(cause: impl fmt::Display) -> Self {
        Self::new(
            code::DEVICE,
            format!("The processor gave no result: {cause}"),
            "Restart the engine; if it happens again, choose the CPU or smaller settings.",
        )
    }
}

impl fmt::Display for LabError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.code, self.message, self.hint)
    }
}

impl std::error::Error for LabError {}

/// `Ok` when `ok`, else [`LabError::setting`].
pub fn check_setting(ok: bool, name: &str, value: impl fmt::Display, allowed: &str) -> Result<()> {
    if ok { Ok(()) } else { Err(LabError::setting(name, value, allowed)) }
}
