//! How long work reports and gives way.
//!
//! Long-running functions are `async` and await [`Checkpoint::reached`] between units of work. On
//! the web that lets the worker's event loop turn, so that a message to pause or cancel is seen;
//! in native tests it does nothing.

use serde::Serialize;

use crate::error::Result;
use crate::sae::train::Entry;

/// What has been done, of how much, and the newest result if there is one.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "phase", rename_all = "kebab-case")]
pub enum Progress {
    /// Parts of a checkpoint read: its blocks and the rest.
    Load { done: usize, total: usize },
    /// What comes next was rehearsed ([`crate::kernels::rehearse`]): the GPU's shaders are compiled now. The worker counts them.
    Shaders,
    /// The model's first pass.
    WarmUp,
    /// Layers, and the head, computed a second time to compare (`gpt2::check`).
    Check { done: usize, total: usize },
    /// Sequences run for their activations.
    Collect { done: usize, total: usize },
    /// Tokens generated; `token` is the newest, `text` all new text.
    Generate { done: usize, total: usize, id: u32, token: String, text: String },
    /// Rows of activations collected for a stream's buffer.
    Fill { done: usize, total: usize },
    /// Optimiser steps taken; `entry` is present at the end of an epoch, or of so many steps of a stream.
    Train {
        done: usize,
        total: usize,
        epoch: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        entry: Option<Reported>,
    },
    /// Steps of toy models taken; `losses` are the newest of each instance.
    Toy { done: usize, total: usize, losses: Vec<f32> },
    /// Rows of activations looked at, or sequences run.
    Analyse { done: usize, total: usize },
}

/// A new entry of an SAE's history.
#[derive(Debug, Clone, Serialize)]
pub struct Reported {
    /// Which of the SAEs that are trained together, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sae: Option<usize>,
    #[serde(flatten)]
    pub entry: Entry,
}

/// A place where work can be reported, held and ended.
#[allow(async_fn_in_trait)] // one thread: futures need not be Send
pub trait Checkpoint {
    /// Reports, gives way, waits while paused; `Err` with code `LAB-CANCELLED` ends the work.
    async fn reached(&self, progress: Progress) -> Result<()>;
}

/// Never waits, never cancels.
pub struct Uninterrupted;

impl Checkpoint for Uninterrupted {
    async fn reached(&self, _: Progress) -> Result<()> {
        Ok(())
    }
}
