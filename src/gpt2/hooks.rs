//! What is read and changed at hook points during a forward pass.
//!
//! A [`View`] says in whose coordinates values are read and written. In TransformerLens's view
//! (weights folded and centred at loading) residual-stream values are Hugging Face's minus their
//! mean over d_model, `hook_z` lacks the value bias (and what the first
//! layer norm's bias adds to the values), and `ln_final.hook_normalized` lacks the final
//! layer norm's weight and bias. The model itself is one and the same: every block reads through
//! a layer norm, which removes the mean.

use std::collections::BTreeMap;
use std::rc::Rc;

use burn::tensor::{Device, Tensor};

use super::config::Config;
use super::hook_point::{HookPoint, Site};
use crate::error::{LabError, Result, code};
use crate::tensors::{HostTensor, read, upload};

/// Whose coordinates: TransformerLens's processed weights or Hugging Face's raw ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum View {
    #[default]
    TransformerLens,
    HuggingFace,
}

/// At which positions an edit applies. The prompt includes BOS; with a KV cache or without, the
/// same positions are meant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Positions {
    #[default]
    All,
    Prompt,
    Generated,
    /// The prompt's last position, from which the first new token is predicted.
    Last,
    /// These, counted from 0.
    At(Vec<usize>),
}

/// A function of rows `[n, width]`, each treated alone, to rows of the same shape.
pub type RowMap = Rc<dyn Fn(Tensor<2>) -> Tensor<2>>;

/// What to do with the value at a hook.
#[derive(Clone)]
pub enum EditKind {
    /// `x + v`, v `[width]`.
    Add(Tensor<1>),
    /// `x := v`, v as large as what is there (one sequence).
    Replace(HostTensor),
    /// `x := f(x)`: an SAE spliced in, a feature scaled or clamped.
    Map(RowMap),
}

#[derive(Clone)]
pub struct Edit {
    pub point: HookPoint,
    pub kind: EditKind,
    pub positions: Positions,
}

/// A value read at a hook.
#[derive(Debug, Clone)]
pub enum Reading {
    /// `[batch, pos, width]`; `hook_z` has its heads side by side.
    Vectors(Tensor<3>),
    /// Attention `[batch, n_heads, query, key]`.
    Pattern(Tensor<4>),
}

/// What to read and what to change during forward passes, and what was read in the last one.
#[derive(Default)]
pub struct Hooks {
    pub view: View,
    pub wanted: Vec<HookPoint>,
    pub edits: Vec<Edit>,
    /// Positions that belong to the prompt; later ones count as generated.
    pub prompt_len: usize,
    pub readings: BTreeMap<HookPoint, Reading>,
    /// Mean over d_model `[batch, pos, 1]` that edits have left in this pass's residual stream.
    pub(super) edited_mean: Option<Tensor<3>>,
}

impl Hooks {
    pub fn reading(points: &[HookPoint], view: View) -> Self {
        Self { view, wanted: points.to_vec(), ..Self::default() }
    }

    pub fn editing(edits: Vec<Edit>, view: View) -> Self {
        Self { view, edits, ..Self::default() }
    }

    /// The last point anything is wanted of; a pass that needs no logits stops there.
    pub fn last_wanted(&self) -> Option<HookPoint> {
        self.wanted.iter().max().copied()
    }

    /// One reading of the last pass as host values, without the batch dimension (of one sequence):
    /// `[pos, width]`, `[pos, n_heads, d_head]` for `hook_z`, `[n_heads, query, key]` for patterns.
    pub async fn read_one(&self, point: HookPoint, config: &Config) -> Result<HostTensor> {
        let mut host = match self.readings.get(&point).cloned() {
            Some(Reading::Vectors(x)) => read(x).await?,
            Some(Reading::Pattern(x)) => read(x).await?,
            None => return Err(LabError::new(code::UNKNOWN_HOOK, format!("{point} was not read."), "Ask for it before the run.")),
        };
        host.shape.remove(0);
        if point.site == Site::Z {
            host.shape = vec![host.shape[0], config.n_heads, config.d_head];
        }
        Ok(host)
    }

    /// Checks that every edit fits the model.
    pub fn check(&self, config: &Config) -> Result<()> {
        for edit in &self.edits {
            let expected = match &edit.kind {
                EditKind::Replace(_) if edit.point.site == Site::Pattern && edit.positions != Positions::All => {
                    return Err(LabError::setting("positions", "a choice", "\"all\" for an attention pattern"));
                }
                EditKind::Replace(_) | EditKind::Map(_) => continue, // the shape shows in the pass
                EditKind::Add(v) => v.dims()[0],
            };
            let width = edit.point.vector_width(config)?;
            if expected != width {
                return Err(LabError::new(
                    code::WIDTH_MISMATCH,
                    format!("The direction has {expected} dimensions, but {} of this model has {width}.", edit.point),
                    "Use an SAE or a vector made for this model and hook.",
                ));
            }
        }
        Ok(())
    }

    pub(super) fn touches(&self, point: HookPoint) -> bool {
        self.wanted.contains(&point) || self.edits_at(point)
    }

    pub(super) fn edits_at(&self, point: HookPoint) -> bool {
        self.edits.iter().any(|e| e.point == point)
    }

    /// Applies the edits of `point` to a value given in the view's coordinates, then records it.
    pub(super) fn vectors(&mut self, point: HookPoint, mut x: Tensor<3>, offset: usize) -> Result<Tensor<3>> {
        let [batch, pos, width] = x.dims();
        for edit in self.edits.iter().filter(|e| e.point == point) {
            let device = x.device();
            let changed = match &edit.kind {
                EditKind::Add(v) => x.clone() + v.clone().reshape([1, 1, width]),
                EditKind::Replace(value) => {
                    // [pos, width], or [pos, n_heads, d_head] with the heads apart
                    let fits = value.shape.first() == Some(&(batch * pos)) && value.data.len() == batch * pos * width;
                    if !fits {
                        value.expect_shape(&point.to_string(), &[batch * pos, width])?;
                    }
                    upload(value.data.clone(), [batch, pos, width], &device)
                }
                EditKind::Map(map) => map(x.clone().reshape([batch * pos, width])).reshape([batch, pos, width]),
            };
            x = match self.position_mask(&edit.positions, offset, pos, &device) {
                Mask::All => changed,
                Mask::None => x,
                Mask::Some(mask) => x * (1.0 - mask.clone()) + changed * mask,
            };
        }
        if self.wanted.contains(&point) {
            self.readings.insert(point, Reading::Vectors(x.clone()));
        }
        Ok(x)
    }

    pub(super) fn pattern(&mut self, point: HookPoint, mut x: Tensor<4>) -> Result<Tensor<4>> {
        for edit in self.edits.iter().filter(|e| e.point == point) {
            if let EditKind::Replace(value) = &edit.kind {
                let dims = x.dims();
                value.expect_shape(&point.to_string(), &dims[1..])?;
                x = upload(value.data.clone(), dims, &x.device());
            }
        }
        if self.wanted.contains(&point) {
            self.readings.insert(point, Reading::Pattern(x.clone()));
        }
        Ok(x)
    }

    /// Which of the `pos` positions from `offset` an edit applies to.
    fn position_mask(&self, positions: &Positions, offset: usize, pos: usize, device: &Device) -> Mask {
        let applies = |p: usize| match positions {
            Positions::All => true,
            Positions::Prompt => p < self.prompt_len,
            Positions::Generated => p >= self.prompt_len,
            Positions::Last => p + 1 == self.prompt_len,
            Positions::At(list) => list.contains(&p),
        };
        let mask: Vec<f32> = (offset..offset + pos).map(|p| f32::from(u8::from(applies(p)))).collect();
        if mask.iter().all(|&m| m == 1.0) {
            Mask::All
        } else if mask.iter().all(|&m| m == 0.0) {
            Mask::None
        } else {
            Mask::Some(upload(mask, [1, pos, 1], device))
        }
    }
}

enum Mask {
    All,
    None,
    Some(Tensor<3>),
}
