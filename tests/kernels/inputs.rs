//! What the kernels are given.

use burn::tensor::{Device, Int, Tensor};
use half::f16;
use sae_lab::Result;
use sae_lab::kernels::limit_operations;
use sae_lab::kernels::products::Weight;
use sae_lab::rng::Rng;
use sae_lab::tensors::{read, upload, upload_indices};

/// Random numbers: of [−1, 1), or −2, −1, 1 and 2, whose products and sums are exact in f32, so that not the last bit may differ and no term
/// can be missing unseen.
pub struct Draw {
    rng: Rng,
    whole: bool,
}

impl Draw {
    pub fn new(seed: u64, whole: bool) -> Self {
        Self { rng: Rng::new(seed), whole }
    }

    pub fn values(&mut self, n: usize) -> Vec<f32> {
        if self.whole { (0..n).map(|_| [-2.0, -1.0, 1.0, 2.0][self.rng.below(4)]).collect() } else { self.rng.symmetric(n, 1.0) }
    }

    /// `n` of `0..below`, the first and the last among them where there is room.
    pub fn ids(&mut self, n: usize, below: usize) -> Vec<u32> {
        let mut ids: Vec<u32> = (0..n).map(|_| self.rng.below(below) as u32).collect();
        if let [first, .., last] = &mut ids[..] {
            (*first, *last) = (below as u32 - 1, 0);
        }
        ids
    }

    /// `[rows, cols]` on the device, and its values as the device has them.
    pub fn weight(&mut self, [rows, cols]: [usize; 2], half: bool, device: &Device) -> (Weight, Vec<f32>) {
        let mut values = self.values(rows * cols);
        if !half {
            return (Weight::Full(upload(values.clone(), [rows, cols], device)), values);
        }
        for x in &mut values {
            *x = f16::from_f32(*x).to_f32();
        }
        let bits = |x: f32| u32::from(f16::from_f32(x).to_bits());
        let words: Vec<u32> = values.chunks_exact(2).map(|two| bits(two[0]) | bits(two[1]) << 16).collect();
        (Weight::Half(upload_indices(&words, [rows, cols / 2], device)), values)
    }
}

/// Everything uploaded is on the device, and no buffer that nobody holds is kept: what a kernel writes to next is new, and tests/kernels/guards.js has
/// filled it with what is no number.
pub async fn poisoned(device: &Device) -> Result<()> {
    read(Tensor::<1>::zeros([1], device)).await?;
    device.memory_cleanup();
    Ok(())
}

/// No number anywhere, for what only a part is written of.
pub fn nothing<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    upload(vec![f32::NAN; shape.iter().product()], shape, device)
}

pub fn ids_on(ids: &[u32], device: &Device) -> Tensor<1, Int> {
    upload_indices(ids, [ids.len()], device)
}

/// What `work` gives where a dispatch may have so many operations; 0: as many as ever.
pub fn limited<T>(most: u64, work: impl FnOnce() -> T) -> T {
    if most == 0 {
        return work();
    }
    let before = limit_operations(most);
    let done = work();
    limit_operations(before);
    done
}
