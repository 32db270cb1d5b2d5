//! [`sae_lab::kernels::DeviceBuffer`].

use burn::tensor::Device;
use sae_lab::LabError;
use sae_lab::kernels::DeviceBuffer;
use sae_lab::rng::Rng;
use serde::Deserialize;

use crate::Answer;
use crate::held::{Held, Near};
use crate::inputs::{Draw, poisoned};

/// `n` numbers in pieces of at most `piece`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Append {
    seed: u64,
    n: usize,
    piece: usize,
}

pub async fn append(device: &Device, Append { seed, n, piece }: Append) -> Answer {
    let values = Draw::new(seed, false).values(n);
    let mut rng = Rng::new(seed);
    poisoned(device).await?;
    let mut buffer = DeviceBuffer::new(device, 4 * n).ok_or_else(|| LabError::device("no GPU"))?;
    let mut left = &values[..];
    while !left.is_empty() {
        let (now, later) = left.split_at(rng.below(piece.min(left.len()) + 1));
        buffer.append(now.iter().flat_map(|x| x.to_le_bytes()).collect());
        left = later;
    }
    Held::default().against("buffer", buffer.into_floats([n]), values.iter().map(|&x| Near::exactly(x))).await
}
