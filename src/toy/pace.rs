//! When long work comes to a checkpoint.

use crate::error::Result;
use crate::progress::{Checkpoint, Progress};

/// Multiplications between two checkpoints, two or three milliseconds of a browser's; a checkpoint costs some microseconds.
pub const SLICE: usize = 1 << 18;

#[derive(Debug, Default)]
pub struct Pace {
    since: usize,
}

impl Pace {
    /// Counts about `work` multiplications that have been done.
    pub async fn pay(&mut self, work: usize, progress: impl FnOnce() -> Progress, pause: &impl Checkpoint) -> Result<()> {
        self.since += work;
        if self.since < SLICE {
            return Ok(());
        }
        self.since = 0;
        pause.reached(progress()).await
    }
}
