//! What is done first with a model, rehearsed while its weights are still on their way: the GPU's shaders depend on its
//! configuration alone.

use burn::tensor::{Device, Tensor};

use crate::activations::{moments, run_pass};
use crate::error::Result;
use crate::gpt2::{Config, Gpt2, HookPoint, Hooks, KvCache, LogitsWanted, Precision, Site, View};
use crate::kernels::rehearse;

/// Positions that the products' kernels tell apart: one, few, and many.
const POSITIONS: [usize; 3] = [1, 2, 8];

/// A model to rehearse with. All blocks have the same kernels.
fn hollow(config: &Config, precision: Precision, device: &Device) -> Result<Gpt2> {
    Gpt2::hollow(Config { n_layers: 1, ..config.clone() }, precision, device)
}

/// Asks for the shaders of loading and checking, and of a short prompt and each token after it. Whether there are any, as
/// [`rehearse`] has it.
pub fn rehearse_loading(config: &Config, precision: Precision, device: &Device) -> bool {
    rehearse(device, || {
        let model = hollow(config, precision, device)?;
        for n in [2, 1].into_iter().filter(|&n| n <= config.n_ctx) {
            passes(&model, n, View::HuggingFace, &[LogitsWanted::All, LogitsWanted::LastRaw])?;
        }
        Ok(())
    })
}

/// The same of what may come next: longer prompts, TransformerLens's view, and activations collected from the residual stream. What is wanted inside
/// a half block, steering and analyses need others. In parts, each of which takes a moment; `None` behind the last one.
pub fn rehearse_use(config: &Config, precision: Precision, device: &Device, part: usize) -> Option<bool> {
    let views = [View::TransformerLens, View::HuggingFace];
    let sizes = POSITIONS.into_iter().rev().filter(|&n| n <= config.n_ctx);
    let (n, view) = sizes.flat_map(|n| views.map(|view| (n, view))).nth(part)?;
    Some(rehearse(device, || {
        let model = hollow(config, precision, device)?;
        passes(&model, n, view, &[LogitsWanted::Last, LogitsWanted::LastRaw, LogitsWanted::All])?;
        let kept: Vec<(usize, usize)> = (0..n).map(|position| (0, position)).collect();
        let rows = run_pass(&model, &[&vec![config.eos; n]], &[HookPoint::new(0, Site::ResidPost)], view, &kept)?;
        rows.iter().for_each(|rows| drop(moments(&Tensor::cat(vec![rows.clone(), rows.clone()], 0))));
        Ok(())
    }))
}

/// Of one sequence of `n` tokens, one for each kind of logits.
fn passes(model: &Gpt2, n: usize, view: View, wanted: &[LogitsWanted]) -> Result<()> {
    for &wanted in wanted {
        let mut cache = KvCache::with_room(n);
        model.forward(&[&vec![model.config.eos; n]], Some(&mut cache), &mut Hooks::reading(&[], view), wanted)?;
    }
    Ok(())
}
