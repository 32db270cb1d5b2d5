//! Attention on the CPU, keys and values where the cache has them.

use burn::tensor::{DType, Tensor, TensorData};
use burn_flex::{Flex, FlexTensor};
use sae_lab_loops::Matrix;
use sae_lab_loops::attention::{Room, head, one};

/// The positions of a pass.
#[derive(Clone, Copy)]
pub struct New {
    pub batch: usize,
    pub pos: usize,
    pub d_head: usize,
}

fn flex<const D: usize>(x: Tensor<D>) -> Option<FlexTensor> {
    let x = x.try_into_primitive::<Flex>().ok().filter(|x| x.dtype() == DType::F32)?;
    Some(if x.is_contiguous() { x } else { x.to_contiguous() })
}

/// Whether a tensor is f32 in the CPU's memory.
pub fn is_ours(x: &Tensor<2>) -> bool {
    x.clone().try_into_primitive::<Flex>().is_ok_and(|x| x.dtype() == DType::F32)
}

/// What attention makes of queries, keys and values side by side, `[batch · pos, 3 d]`: `[batch · pos, d]`. With a cache of keys and values side by
/// side, `[batch, capacity, 2 d]`, in which so many positions are filled, the new ones are written behind those and seen together with them.
///
/// # Panics
/// Where the tensors are not the CPU's, see [`is_ours`], or there is no room.
pub fn attention(qkv: &Tensor<2>, new: New, cache: Option<(Tensor<3>, usize)>) -> (Tensor<2>, Option<Tensor<3>>) {
    let New { batch, pos, d_head } = new;
    let ours = "tensors of the CPU";
    let d = qkv.dims()[1] / 3;
    let qkv = flex(qkv.clone()).expect(ours);
    let qkv: &[f32] = qkv.as_slice().expect(ours);
    let mut z = vec![0.0; batch * pos * d];
    let mut room = Room::default();
    let mut cache = cache.map(|(cache, offset)| (cache.dims()[1], flex(cache).expect(ours), offset));
    if let Some((capacity, cache, offset)) = &mut cache {
        let cache: &mut [f32] = cache.storage_mut();
        for (row, new) in qkv.chunks_exact(3 * d).enumerate() {
            let at = row / pos * *capacity + *offset + row % pos;
            cache[at * 2 * d..][..2 * d].copy_from_slice(&new[d..]);
        }
    }
    // Keys and values: how they start, how far their rows are apart, and how many are seen by the first.
    let held = match &cache {
        Some((capacity, cache, offset)) => {
            Held { data: cache.as_slice().expect(ours), sequence: capacity * 2 * d, down: 2 * d, keys: 0, offset: *offset }
        }
        None => Held { data: qkv, sequence: pos * 3 * d, down: 3 * d, keys: d, offset: 0 },
    };
    let seen = held.offset + pos;
    let part = |from: usize, rows: usize, cols: usize| Matrix::strided(&held.data[from..], [rows, cols], [held.down, 1]);
    for sequence in 0..batch {
        let from = sequence * held.sequence + held.keys;
        let q = &qkv[sequence * pos * 3 * d..];
        let z = &mut z[sequence * pos * d..][..pos * d];
        if pos == 1 {
            one(&q[..d], part(from, seen, d), part(from + d, seen, d), d_head, z, &mut room);
            continue;
        }
        for at in (0..d).step_by(d_head) {
            let q = Matrix::strided(&q[at..], [pos, d_head], [3 * d, 1]);
            head(q, part(from + at, seen, d_head), part(from + at + d, seen, d_head), held.offset, &mut z[at..], d, &mut room);
        }
    }
    let z = FlexTensor::from_data(TensorData::new(z, [batch * pos, d]));
    (Tensor::from_primitive::<Flex>(z), cache.map(|(_, cache, _)| Tensor::from_primitive::<Flex>(cache)))
}

struct Held<'a> {
    data: &'a [f32],
    sequence: usize,
    down: usize,
    keys: usize,
    offset: usize,
}
