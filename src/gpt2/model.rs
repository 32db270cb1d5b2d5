//! GPT-2's forward pass (Radford et al. 2019), weights under the checkpoint's own names.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, activation, module};

use super::cache::KvCache;
use super::config::Config;
use super::fused::Pass;
use super::gelu::gelu;
use super::heads;
use super::hook_point::{HookPoint, Site};
use super::hooks::{Hooks, View};
use super::loader::Loaded;
use super::matrix::Matrix;
use super::memory::Precision;
use crate::error::{LabError, Result, code};
use crate::kernels::{Expr, Source, compute_one};
use crate::tensors::{HostTensor, read, upload};

/// Bytes of logits on the device at once where all are wanted.
const LARGEST_LOGITS: usize = 32 << 20;

/// Which logits a pass computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogitsWanted {
    /// None: the pass stops after the last hook wanted.
    None,
    /// Of the last position only.
    Last,
    /// The same without centring, which no probability notices.
    LastRaw,
    All,
    /// None, but what they are made of, of all positions: see [`Gpt2::read_logits`].
    Normalized,
}

/// GPT-2 with its weights on a device.
pub struct Gpt2 {
    pub config: Config,
    pub precision: Precision,
    pub(super) wte: Matrix,
    pub(super) wpe: Tensor<2>,
    pub(super) blocks: Vec<Block>,
    pub(super) ln_f: LayerNorm,
}

pub(super) struct Block {
    pub(super) ln_1: LayerNorm,
    /// What TransformerLens's folding takes out of `hook_z`: `b_V + ln_1.bias · W_V`, `[d_model]`.
    z_shift: Tensor<1>,
    pub(super) c_attn: Linear,
    pub(super) attn_c_proj: Linear,
    pub(super) ln_2: LayerNorm,
    pub(super) c_fc: Linear,
    pub(super) mlp_c_proj: Linear,
}

/// `x · weight + bias`, weight `[in, out]` as Hugging Face's Conv1D stores it.
pub(super) struct Linear {
    pub(super) weight: Matrix,
    pub(super) bias: Tensor<1>,
}

impl Linear {
    fn take(parts: &mut Parts, name: &str) -> Result<Self> {
        Ok(Self { weight: parts.matrix(&format!("{name}.weight"))?, bias: parts.vector(&format!("{name}.bias"))? })
    }

    /// `[batch, pos, in]` to `[batch, pos, out]`.
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.weight.linear(x, &self.bias)
    }
}

pub(super) struct LayerNorm {
    pub(super) weight: Tensor<1>,
    pub(super) bias: Tensor<1>,
    /// Weight and bias behind each other, as kernels of our own read them.
    #[cfg_attr(not(target_arch = "wasm32"), allow(dead_code, reason = "they run on the web only"))]
    pub(super) both: Tensor<1>,
    pub(super) eps: f64,
}

impl LayerNorm {
    fn take(parts: &mut Parts, name: &str, eps: f64) -> Result<Self> {
        let (weight, bias) = (parts.vector(&format!("{name}.weight"))?, parts.vector(&format!("{name}.bias"))?);
        let both = weight.device().memory_persistent_allocations((), |()| Tensor::cat(vec![weight.clone(), bias.clone()], 0));
        Ok(Self { weight, bias, both, eps })
    }

    pub(super) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        module::layer_norm(x, self.weight.clone(), Some(self.bias.clone()), self.eps)
    }

    /// Without weight and bias: TransformerLens's `LayerNormPre`.
    fn normalize(&self, x: Tensor<3>) -> Tensor<3> {
        let [_, _, d_model] = x.dims();
        module::layer_norm(x.clone(), Tensor::ones([d_model], &x.device()), None, self.eps)
    }

    fn scale_and_shift(&self, x: Tensor<3>) -> Tensor<3> {
        x * self.weight.clone().unsqueeze() + self.bias.clone().unsqueeze()
    }
}

/// `x` minus its mean over the last dimension: what TransformerLens's centred writing weights do
/// to everything written into the residual stream.
fn center<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let shape = x.dims();
    let cols = shape[D - 1];
    let rows = shape.iter().product::<usize>() / cols.max(1);
    let x = x.reshape([rows, cols]);
    let source = Source::Rows { cols, of: vec![Expr::from(&x)] };
    let mean = compute_one(source, [rows, 1], Expr::sum(0) / cols as f64);
    compute_one(Source::Each, [rows, cols], Expr::from(x) - mean).reshape(shape)
}

/// The tensors of a checkpoint, taken out one by one.
struct Parts(BTreeMap<String, Loaded>);

impl Parts {
    fn take(&mut self, name: &str) -> Result<Loaded> {
        self.0.remove(name).ok_or_else(|| LabError::file(format!("The weights have no tensor {name}.")))
    }

    fn matrix(&mut self, name: &str) -> Result<Matrix> {
        match self.take(name)? {
            Loaded::Matrix(matrix) => Ok(matrix),
            _ => Err(LabError::file(format!("{name} is no matrix."))),
        }
    }

    fn vector(&mut self, name: &str) -> Result<Tensor<1>> {
        match self.take(name)? {
            Loaded::Vector(vector) => Ok(vector),
            _ => Err(LabError::file(format!("{name} is no vector."))),
        }
    }
}

impl Gpt2 {
    /// From the tensors that [`super::Loader`] has read.
    pub(super) fn new(config: Config, precision: Precision, tensors: BTreeMap<String, Loaded>, device: &Device) -> Result<Self> {
        let mut parts = Parts(tensors);
        let d = config.d_model;
        let wte = parts.matrix("wte.weight")?;
        let Loaded::Rows(wpe) = parts.take("wpe.weight")? else {
            return Err(LabError::file("wpe.weight is no matrix."));
        };
        let ln_f = LayerNorm::take(&mut parts, "ln_f", config.eps)?;
        let mut blocks = Vec::with_capacity(config.n_layers);
        for l in 0..config.n_layers {
            let ln_1 = LayerNorm::take(&mut parts, &format!("h.{l}.ln_1"), config.eps)?;
            let c_attn = Linear::take(&mut parts, &format!("h.{l}.attn.c_attn"))?;
            let folded = c_attn.forward(ln_1.bias.clone().reshape([1, 1, d]));
            let z_shift = device.memory_persistent_allocations((), |()| folded.clone().narrow(2, 2 * d, d).reshape([d]) + 0.0);
            blocks.push(Block {
                ln_1,
                c_attn,
                z_shift,
                attn_c_proj: Linear::take(&mut parts, &format!("h.{l}.attn.c_proj"))?,
                ln_2: LayerNorm::take(&mut parts, &format!("h.{l}.ln_2"), config.eps)?,
                c_fc: Linear::take(&mut parts, &format!("h.{l}.mlp.c_fc"))?,
                mlp_c_proj: Linear::take(&mut parts, &format!("h.{l}.mlp.c_proj"))?,
            });
        }
        Ok(Self { config, precision, wte, wpe, blocks, ln_f })
    }

    pub fn device(&self) -> Device {
        self.wte.device()
    }

    /// Checks that `ids` can be run after `offset` positions.
    pub fn check_ids(&self, ids: &[u32], offset: usize) -> Result<()> {
        if ids.is_empty() {
            return Err(LabError::new(code::EMPTY_INPUT, "There is no token to run.", "Type some text, or switch BOS on."));
        }
        let (len, n_ctx) = (offset + ids.len(), self.config.n_ctx);
        if len > n_ctx {
            return Err(LabError::new(
                code::TOO_LONG,
                format!("The text has {len} tokens, but this model sees at most {n_ctx} at once."),
                "Shorten the text.",
            ));
        }
        match ids.iter().find(|&&id| id as usize >= self.config.d_vocab) {
            Some(id) => Err(LabError::setting("token id", id, &format!("below the vocabulary's {}", self.config.d_vocab))),
            None => Ok(()),
        }
    }

    /// Runs `rows` of token ids, all of one length, through the model.
    ///
    /// Edits and reads at hooks; with a `cache`, the ids continue the positions it holds. Returns
    /// logits `[batch, pos or 1, d_vocab]` in the hooks' view, or `None` when none were wanted.
    pub fn forward(&self, rows: &[&[u32]], mut cache: Option<&mut KvCache>, hooks: &mut Hooks, logits: LogitsWanted) -> Result<Option<Tensor<3>>> {
        let offset = cache.as_ref().map_or(0, |c| c.len());
        hooks.readings.clear();
        hooks.edited_mean = None;
        hooks.check(&self.config)?;
        let pos = rows.first().map_or(0, |row| row.len());
        for row in rows {
            self.check_ids(row, offset)?;
        }
        let stop = match logits {
            LogitsWanted::None => Some(hooks.last_wanted().unwrap_or(HookPoint::new(0, Site::ResidPre))),
            _ => None,
        };
        let past = |layer: usize, site: Site| stop.is_some_and(|s| s < HookPoint::new(layer, site));

        let fused = Pass::begin(&self.config, &self.blocks, rows, cache.as_deref(), &self.device());
        let embedded = fused.as_ref().and_then(|pass| pass.embed(&self.wte, &self.wpe));
        let mut x = embedded.unwrap_or_else(|| self.embed(rows, pos, offset));
        let mut mask = Mask { pos, made: None };
        for (layer, block) in self.blocks.iter().enumerate() {
            let free = |hooks: &Hooks, sites: &[Site]| !sites.iter().any(|&site| hooks.touches(HookPoint::new(layer, site)));
            if past(layer, Site::ResidPre) {
                return Ok(None);
            }
            x = self.residual(HookPoint::new(layer, Site::ResidPre), x, hooks, offset)?;
            if past(layer, Site::Pattern) {
                return Ok(None);
            }
            let pass = fused.as_ref().filter(|_| free(hooks, &[Site::Pattern, Site::Z, Site::AttnOut]));
            x = match pass.and_then(|pass| pass.attend(layer, block, &x, &mut cache, &self.config)) {
                Some(x) => x,
                None => {
                    let attn = self.attention(layer, block, x.clone(), &mut mask, &mut cache, hooks, offset)?;
                    x + self.residual(HookPoint::new(layer, Site::AttnOut), attn, hooks, offset)?
                }
            };
            x = self.residual(HookPoint::new(layer, Site::ResidMid), x, hooks, offset)?;
            if past(layer, Site::MlpPost) {
                return Ok(None);
            }
            let pass = fused.as_ref().filter(|_| free(hooks, &[Site::MlpPost, Site::MlpOut]));
            x = match pass.and_then(|pass| pass.think(block, &x)) {
                Some(x) => x,
                None => {
                    let mlp = gelu(block.c_fc.forward(block.ln_2.forward(x.clone())));
                    let mlp = hooks.vectors(HookPoint::new(layer, Site::MlpPost), mlp, offset)?;
                    x + self.residual(HookPoint::new(layer, Site::MlpOut), block.mlp_c_proj.forward(mlp), hooks, offset)?
                }
            };
            x = self.residual(HookPoint::new(layer, Site::ResidPost), x, hooks, offset)?;
        }
        if let Some(cache) = cache {
            cache.advance(pos);
        }
        let last_only = matches!(logits, LogitsWanted::Last | LogitsWanted::LastRaw);
        if last_only && pos > 1 && !hooks.touches(HookPoint::new(self.config.n_layers, Site::Normalized)) {
            x = x.narrow(1, pos - 1, 1);
        }
        let mut normalized = self.final_norm(x, fused.as_ref(), hooks, offset)?;
        if last_only {
            let [_, left, _] = normalized.dims();
            normalized = normalized.narrow(1, left - 1, 1);
        }
        Ok(match logits {
            LogitsWanted::None => None,
            LogitsWanted::Normalized => Some(normalized),
            LogitsWanted::LastRaw => Some(self.unembed(normalized, View::HuggingFace)),
            LogitsWanted::All | LogitsWanted::Last => Some(self.unembed(normalized, hooks.view)),
        })
    }

    /// Token plus position embedding, `[batch, pos, d_model]`.
    fn embed(&self, rows: &[&[u32]], pos: usize, offset: usize) -> Tensor<3> {
        let tokens = self.wte.gather(&rows.concat()).reshape([rows.len(), pos, self.config.d_model]);
        let positions = self.wpe.clone().narrow(0, offset, pos);
        tokens + positions.unsqueeze_dim(0)
    }

    /// A hook on something that is, or is written into, the residual stream.
    ///
    /// TransformerLens takes means out of the weights, not out of activations: whatever the model
    /// writes has none, but the mean of what an edit put in stays in every later residual.
    fn residual(&self, point: HookPoint, x: Tensor<3>, hooks: &mut Hooks, offset: usize) -> Result<Tensor<3>> {
        if !hooks.touches(point) {
            return Ok(x);
        }
        if hooks.view == View::HuggingFace {
            return hooks.vectors(point, x, offset);
        }
        let is_stream = matches!(point.site, Site::ResidPre | Site::ResidMid | Site::ResidPost);
        let shown = match &hooks.edited_mean {
            Some(mean) if is_stream => center(x) + mean.clone(),
            _ => center(x),
        };
        let edited = hooks.vectors(point, shown, offset)?;
        if hooks.edits_at(point) {
            let mean = edited.clone().mean_dim(2);
            hooks.edited_mean = Some(match hooks.edited_mean.take() {
                Some(earlier) if !is_stream => earlier + mean,
                _ => mean,
            });
        }
        Ok(edited)
    }

    #[allow(clippy::too_many_arguments)] // one call site; a struct would only rename them
    fn attention(
        &self,
        layer: usize,
        block: &Block,
        x: Tensor<3>,
        mask: &mut Mask,
        cache: &mut Option<&mut KvCache>,
        hooks: &mut Hooks,
        offset: usize,
    ) -> Result<Tensor<3>> {
        let [batch, pos, d_model] = x.dims();
        let Config { n_heads, d_head, .. } = self.config;
        let qkv = block.c_attn.forward(block.ln_1.forward(x)); // [batch, pos, 3 * d_model]
        let part = |i: usize| {
            let part = qkv.clone().narrow(2, i * d_model, d_model);
            part.reshape([batch, pos, n_heads, d_head]).swap_dims(1, 2) // [batch, n_heads, pos, d_head]
        };
        let (q, k, v) = (part(0), part(1), part(2));
        let (k, v) = match cache {
            Some(cache) => cache.extend(layer, k, v),
            None => (k, v),
        };
        let scores = heads::product(q, k) / (d_head as f64).sqrt(); // [batch, n_heads, pos, keys]
        let scores = match mask.get(&self.device()) {
            Some(mask) if offset == 0 => scores + mask.clone(),
            Some(mask) => {
                let seen = Tensor::zeros([1, 1, pos, offset], &self.device());
                scores + Tensor::cat(vec![seen, mask.clone()], 3)
            }
            None => scores,
        };
        let pattern = hooks.pattern(HookPoint::new(layer, Site::Pattern), activation::softmax(scores, 3))?;
        let mut z = heads::product(pattern, v.swap_dims(2, 3)).swap_dims(1, 2).reshape([batch, pos, d_model]);
        let point = HookPoint::new(layer, Site::Z);
        if hooks.touches(point) {
            let shift = block.z_shift.clone().unsqueeze::<3>();
            z = match hooks.view {
                View::TransformerLens => hooks.vectors(point, z - shift.clone(), offset)? + shift,
                View::HuggingFace => hooks.vectors(point, z, offset)?,
            };
        }
        Ok(block.attn_c_proj.forward(z))
    }

    fn final_norm(&self, x: Tensor<3>, fused: Option<&Pass>, hooks: &mut Hooks, offset: usize) -> Result<Tensor<3>> {
        let point = HookPoint::new(self.config.n_layers, Site::Normalized);
        if let Some(pass) = fused
            && !hooks.touches(point)
        {
            return Ok(pass.normalize(x, &self.ln_f));
        }
        match hooks.view {
            View::TransformerLens if hooks.touches(point) => {
                let shown = hooks.vectors(point, self.ln_f.normalize(x), offset)?;
                Ok(self.ln_f.scale_and_shift(shown))
            }
            _ => hooks.vectors(point, self.ln_f.forward(x), offset),
        }
    }

    /// Logits `[rows, d_vocab]` of rows as read at `ln_final.hook_normalized` in `view`: through the
    /// tied head, but not centred over the vocabulary, which no probability notices.
    pub fn unembed_rows(&self, normalized: Tensor<2>, view: View) -> Tensor<2> {
        let x = match view {
            View::TransformerLens => normalized * self.ln_f.weight.clone().unsqueeze() + self.ln_f.bias.clone().unsqueeze(),
            View::HuggingFace => normalized,
        };
        self.wte.times_transposed(x)
    }

    /// Logits `[pos, d_vocab]` on the host, of a pass that gave [`LogitsWanted::Normalized`] for one
    /// sequence. On the device are no more at once than a few of the positions'.
    pub async fn read_logits(&self, normalized: Tensor<3>, view: View) -> Result<HostTensor> {
        let [_, pos, _] = normalized.dims();
        let d_vocab = self.config.d_vocab;
        let at_once = (LARGEST_LOGITS / (4 * d_vocab)).max(1);
        let mut data = Vec::new();
        data.try_reserve_exact(pos * d_vocab).map_err(|_| {
            let needed = 4 * pos * d_vocab;
            LabError::new(
                code::DEVICE,
                format!("There is no memory for {needed} bytes of logits."),
                "Ask for those of the last position, or shorten the text.",
            )
        })?;
        for start in (0..pos).step_by(at_once) {
            let rows = normalized.clone().narrow(1, start, at_once.min(pos - start));
            data.extend(read(self.unembed(rows, view)).await?.data);
        }
        Ok(HostTensor { data, shape: vec![pos, d_vocab] })
    }

    /// Logits through the tied head; centred over the vocabulary in TransformerLens's view.
    fn unembed(&self, x: Tensor<3>, view: View) -> Tensor<3> {
        let [batch, pos, d_model] = x.dims();
        let logits = self.wte.times_transposed(x.reshape([batch * pos, d_model]));
        let logits = if view == View::TransformerLens { center(logits) } else { logits };
        logits.reshape([batch, pos, self.config.d_vocab])
    }
}

/// `[1, 1, pos, pos]`: 0 where a query may look, −1e30 where the key lies in its future (−inf is
/// not guaranteed to exist in WGSL; either way the attention there is exactly 0). Made when it is first needed.
struct Mask {
    pos: usize,
    made: Option<Tensor<4>>,
}

impl Mask {
    /// `None` where there is no future.
    fn get(&mut self, device: &Device) -> Option<&Tensor<4>> {
        let pos = self.pos;
        let value = |i: usize| if i % pos > i / pos { -1e30 } else { 0.0 };
        (pos > 1).then(|| &*self.made.get_or_insert_with(|| upload((0..pos * pos).map(value).collect(), [1, 1, pos, pos], device)))
    }
}
