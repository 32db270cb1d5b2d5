//! First uses of a model on a GPU, whose shaders the browser compiles when they are first used: while the model loads, and not
//! when the first answer is waited for.

use burn::tensor::Tensor;

use crate::activations::{Activations, Origin, Sequence, run_pass};
use crate::error::Result;
use crate::gpt2::{Gpt2, HookPoint, Hooks, LogitsWanted, Site, View};
use crate::progress::{Checkpoint, Progress};
use crate::tensors::read;

/// From so many rows on the products have a shape of kernel that shorter texts, such as the check's, do not use.
const POSITIONS: usize = 8;

/// What a text's next token and a collection of activations run. What continuing a text needs besides is run by [`crate::gpt2::check`].
/// Nothing to do on the CPU.
pub async fn warm_up(model: &Gpt2, pause: &impl Checkpoint) -> Result<()> {
    if !model.has_own_kernels() {
        return Ok(());
    }
    pause.reached(Progress::WarmUp).await?;
    let ids = vec![model.config.eos; POSITIONS.min(model.config.n_ctx)];
    let mut hooks = Hooks::default();
    if let Some(logits) = model.forward(&[&ids], None, &mut hooks, LogitsWanted::Last)? {
        read(logits).await?;
    }
    let point = HookPoint::new(model.config.n_layers / 2, Site::ResidPre);
    let kept: Vec<(usize, usize)> = (0..2 * ids.len()).map(|i| (i / ids.len(), i % ids.len())).collect();
    let rows = run_pass(model, &[&ids, &ids], &[point], View::default(), &kept)?;
    let origins = kept.iter().map(|&(sequence, position)| Origin { sequence, position }).collect();
    let sequence = Sequence { text: 0, ids };
    let acts = Activations { data: Tensor::cat(rows, 0), origins, sequences: vec![sequence.clone(), sequence], point, view: View::default() };
    acts.stats().await.map(drop)
}
