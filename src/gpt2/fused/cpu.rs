//! On the CPU: a product, its bias and what follows it in one pass over memory, and attention that reads the cache where it lies.

use burn::tensor::Tensor;

use crate::gpt2::cache::KvCache;
use crate::gpt2::config::Config;
use crate::gpt2::gelu::gelu_of;
use crate::gpt2::model::{Block, LayerNorm, Linear};
use crate::kernels::cpu::attention::{New, attention, is_ours};
use crate::kernels::{Expr, Form, Source, compute_one};

pub struct Pass {
    batch: usize,
    pos: usize,
    offset: usize,
}

impl Pass {
    /// `None` where the matrices are not f32 on the CPU, each in one piece.
    pub fn begin(blocks: &[Block], [batch, pos]: [usize; 2], offset: usize) -> Option<Self> {
        let ours = |linear: &Linear| linear.weight.floats().is_some_and(is_ours);
        let all = |b: &Block| [&b.c_attn, &b.attn_c_proj, &b.c_fc, &b.mlp_c_proj].into_iter().all(ours);
        blocks.iter().all(all).then_some(Self { batch, pos, offset })
    }

    pub fn attend(&self, layer: usize, block: &Block, x: &Tensor<3>, cache: &mut Option<&mut KvCache>, config: &Config) -> Option<Tensor<3>> {
        let qkv = linear(&self.normalized(x, &block.ln_1), &block.c_attn, |sum| sum)?;
        let new = New { batch: self.batch, pos: self.pos, d_head: config.d_head };
        let z = match cache {
            Some(cache) => cache.fill(layer, self.batch, config, &qkv.device(), |room| attention(&qkv, new, Some((room, self.offset))))?,
            None => attention(&qkv, new, None).0,
        };
        let x = self.rows(x);
        let [rows, d] = x.dims();
        Some(linear(&z, &block.attn_c_proj, |sum| sum + &x)?.reshape([self.batch, rows / self.batch, d]))
    }

    pub fn think(&self, block: &Block, x: &Tensor<3>) -> Option<Tensor<3>> {
        let hidden = linear(&self.normalized(x, &block.ln_2), &block.c_fc, |sum| gelu_of(&sum))?;
        let x = self.rows(x);
        let [rows, d] = x.dims();
        Some(linear(&hidden, &block.mlp_c_proj, |sum| sum + &x)?.reshape([self.batch, rows / self.batch, d]))
    }

    fn normalized(&self, x: &Tensor<3>, norm: &LayerNorm) -> Tensor<2> {
        self.rows(&norm.forward(x.clone()))
    }

    fn rows(&self, x: &Tensor<3>) -> Tensor<2> {
        let [batch, pos, d] = x.dims();
        x.clone().reshape([batch * pos, d])
    }
}

/// What becomes of `x · weight + bias`, `[rows, n]`.
fn linear(x: &Tensor<2>, linear: &Linear, of: impl FnOnce(Expr) -> Expr) -> Option<Tensor<2>> {
    let weight = linear.weight.floats()?;
    let ([rows, _], [_, n]) = (x.dims(), weight.dims());
    let bias = linear.bias.clone().reshape([1, n]);
    Some(compute_one(Source::product(Form::Plain, x, weight), [rows, n], of(Expr::sum(0) + bias)))
}
