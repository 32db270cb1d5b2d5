//! The forward pass in few steps: kernels of our own on a GPU and on the CPU. What a hook reads or changes inside of a half block goes
//! the plain way ([`super::model`]), half by half.

mod cpu;
#[cfg(target_arch = "wasm32")]
mod gpu;

use burn::tensor::{Device, Tensor};

use super::cache::KvCache;
use super::config::Config;
use super::matrix::Matrix;
use super::model::{Block, LayerNorm};

/// One pass over `[batch, pos]` tokens.
pub enum Pass {
    #[cfg(target_arch = "wasm32")]
    Gpu(gpu::Pass),
    Cpu(cpu::Pass),
}

impl Pass {
    /// `None` where the plain way is the only one.
    pub fn begin(config: &Config, blocks: &[Block], rows: &[&[u32]], cache: Option<&KvCache>, device: &Device) -> Option<Self> {
        let pos = rows.first().map_or(0, |row| row.len());
        let (offset, capacity) = cache.map_or((0, pos), |cache| (cache.len(), cache.capacity(config)));
        if offset + pos > capacity {
            return None;
        }
        #[cfg(target_arch = "wasm32")]
        if let Some(pass) = gpu::Pass::begin(config, blocks, rows, [offset, capacity], device) {
            return Some(Self::Gpu(pass));
        }
        let _ = device;
        cpu::Pass::begin(blocks, [rows.len(), pos], offset).map(Self::Cpu)
    }

    /// `[batch, pos, d_model]`; `None` where the plain way is as good.
    pub fn embed(&self, wte: &Matrix, wpe: &Tensor<2>) -> Option<Tensor<3>> {
        match self {
            #[cfg(target_arch = "wasm32")]
            Self::Gpu(pass) => pass.embed(wte, wpe),
            Self::Cpu(_) => {
                let _ = (wte, wpe);
                None
            }
        }
    }

    /// What attention makes of the residual stream: `x + attention(ln_1(x))`. `None` where the cache is kept the other way.
    pub fn attend(&self, layer: usize, block: &Block, x: &Tensor<3>, cache: &mut Option<&mut KvCache>, config: &Config) -> Option<Tensor<3>> {
        match self {
            #[cfg(target_arch = "wasm32")]
            Self::Gpu(pass) => pass.attend(layer, block, x, cache, config),
            Self::Cpu(pass) => pass.attend(layer, block, x, cache, config),
        }
    }

    /// `x + mlp(ln_2(x))`.
    pub fn think(&self, block: &Block, x: &Tensor<3>) -> Option<Tensor<3>> {
        match self {
            #[cfg(target_arch = "wasm32")]
            Self::Gpu(pass) => pass.think(block, x),
            Self::Cpu(pass) => pass.think(block, x),
        }
    }

    pub fn normalize(&self, x: Tensor<3>, norm: &LayerNorm) -> Tensor<3> {
        match self {
            #[cfg(target_arch = "wasm32")]
            Self::Gpu(pass) => pass.normalize(x, norm),
            Self::Cpu(_) => norm.forward(x),
        }
    }
}
