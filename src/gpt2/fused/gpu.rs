//! On a GPU: five kernels a layer for one token, seven for more.

use burn::tensor::{Device, Int, Tensor};

use crate::gpt2::cache::KvCache;
use crate::gpt2::config::Config;
use crate::gpt2::matrix::Matrix;
use crate::gpt2::model::{Block, LayerNorm, Linear};
use crate::kernels::attention::{LARGEST_HEAD, attention, embed, layer_norm, pass};
use crate::kernels::products::{Then, Weight, linear};

/// One pass over `[batch, pos]` tokens.
pub struct Pass {
    batch: usize,
    pos: usize,
    /// What the kernels read of it: [`pass`].
    told: Tensor<1, Int>,
    capacity: usize,
    device: Device,
}

/// A half block's matrices, or `None` where they are not for our kernels.
fn weights(parts: [&Linear; 2]) -> Option<[(Weight, &Tensor<1>); 2]> {
    let [a, b] = parts;
    Some([(a.weight.weight()?, &a.bias), (b.weight.weight()?, &b.bias)])
}

impl Pass {
    /// `None` where the matrices are not for our kernels. `place`: positions that the cache holds, and that it has room for.
    pub fn begin(config: &Config, blocks: &[Block], rows: &[&[u32]], place: [usize; 2], device: &Device) -> Option<Self> {
        let ours = |block: &Block| weights([&block.c_attn, &block.attn_c_proj]).is_some() && weights([&block.c_fc, &block.mlp_c_proj]).is_some();
        if config.d_head > LARGEST_HEAD || !blocks.iter().all(ours) {
            return None;
        }
        let ([offset, capacity], pos) = (place, rows.first().map_or(0, |row| row.len()));
        Some(Self { batch: rows.len(), pos, told: pass(pos, offset, capacity, &rows.concat(), device), capacity, device: device.clone() })
    }

    /// `[batch, pos, d_model]`; `None` where the embedding is in several blocks.
    pub fn embed(&self, wte: &Matrix, wpe: &Tensor<2>) -> Option<Tensor<3>> {
        let [_, d] = wpe.dims();
        Some(embed(wte.weight()?, wpe.clone(), self.told.clone()).reshape([self.batch, self.pos, d]))
    }

    /// What attention makes of the residual stream: `x + attention(ln_1(x))`. `None` where the cache is kept the other way.
    pub fn attend(&self, layer: usize, block: &Block, x: &Tensor<3>, cache: &mut Option<&mut KvCache>, config: &Config) -> Option<Tensor<3>> {
        let [(c_attn, bias), (c_proj, proj_bias)] = weights([&block.c_attn, &block.attn_c_proj])?;
        let room = match cache {
            Some(cache) => cache.room(layer, self.batch, config, &self.device)?,
            None => Tensor::empty([self.batch, self.capacity, 2 * config.d_model], &self.device),
        };
        let x = self.rows(x);
        let then = Then::Qkv { cache: room.clone(), pass: self.told.clone() };
        let q = normalized_linear(x.clone(), &block.ln_1, c_attn, bias, then);
        let z = attention(q, room, self.told.clone(), config.d_head);
        Some(self.positions(linear(z, c_proj, Some(proj_bias.clone()), None, Then::Add(x))))
    }

    /// `x + mlp(ln_2(x))`.
    pub fn think(&self, block: &Block, x: &Tensor<3>) -> Option<Tensor<3>> {
        let [(c_fc, bias), (c_proj, proj_bias)] = weights([&block.c_fc, &block.mlp_c_proj])?;
        let x = self.rows(x);
        let hidden = normalized_linear(x.clone(), &block.ln_2, c_fc, bias, Then::Gelu);
        Some(self.positions(linear(hidden, c_proj, Some(proj_bias.clone()), None, Then::Add(x))))
    }

    pub fn normalize(&self, x: Tensor<3>, norm: &LayerNorm) -> Tensor<3> {
        let [batch, pos, d] = x.dims();
        layer_norm(x.reshape([batch * pos, d]), norm.both.clone(), norm.eps).reshape([batch, pos, d])
    }

    fn rows(&self, x: &Tensor<3>) -> Tensor<2> {
        let [batch, pos, d] = x.dims();
        x.clone().reshape([batch * pos, d])
    }

    fn positions(&self, x: Tensor<2>) -> Tensor<3> {
        let [_, d] = x.dims();
        x.reshape([self.batch, self.pos, d])
    }
}

/// A layer norm and a product: one kernel for one row.
fn normalized_linear(x: Tensor<2>, norm: &LayerNorm, weight: Weight, bias: &Tensor<1>, then: Then) -> Tensor<2> {
    let bias = Some(bias.clone());
    if x.dims()[0] == 1 {
        return linear(x, weight, bias, Some((norm.both.clone(), norm.eps)), then);
    }
    linear(layer_norm(x, norm.both.clone(), norm.eps), weight, bias, None, then)
}
