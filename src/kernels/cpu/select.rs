//! The k largest values on the CPU, by selection.

use burn::tensor::Tensor;
use sae_lab_loops::select;

use super::flex::{self, floats};
use crate::kernels::select::{Per, TINY};

/// [`crate::kernels::select::kth_largest`]; `None` where the tensor is not the CPU's.
pub fn kth_largest(values: &Tensor<2>, k: usize, per: Per) -> Option<Tensor<2>> {
    let values = flex::contiguous(flex::of(values)?);
    let [rows, n] = [values.layout().shape()[0], values.layout().shape()[1]];
    let values = floats(&values);
    let mut room = Vec::new();
    let mut least = |values: &[f32]| {
        let positive = values.iter().copied().filter(|x| *x >= TINY as f32);
        select::kth_largest(positive, k, &mut room).map_or(TINY as f32, |kth| kth.min(f32::MAX))
    };
    Some(match per {
        Per::Matrix => flex::tensor(vec![least(values)], [1, 1]),
        Per::Row => flex::tensor((0..rows).map(|row| least(&values[row * n..][..n])).collect(), [rows, 1]),
    })
}

/// [`crate::kernels::select::largest`]; `None` where a tensor is not the CPU's.
pub fn largest(values: &Tensor<2>, k: usize, per: Per, among: Option<&Tensor<2>>) -> Option<Tensor<2>> {
    let values = flex::contiguous(flex::of(values)?);
    let among = match among {
        Some(among) => Some(flex::contiguous(flex::of(among)?)),
        None => None,
    };
    let [rows, n] = [values.layout().shape()[0], values.layout().shape()[1]];
    let (values, among) = (floats(&values), among.as_ref().map(floats));
    let mut mask = vec![0.0; rows * n];
    if n == 0 {
        return Some(flex::tensor(mask, [rows, n]));
    }
    let mut room = Vec::new();
    let tall = match per {
        Per::Row => 1,
        Per::Matrix => rows.max(1),
    };
    for (values, mask) in values.chunks_exact(n * tall).zip(mask.chunks_exact_mut(n * tall)) {
        let chosen =
            values.iter().zip(std::iter::repeat_n(among, tall).flat_map(|among| (0..n).map(move |at| among.is_none_or(|among| among[at] == 1.0))));
        let kth = match k {
            0 => None,
            k => select::kth_largest(chosen.filter(|(_, chosen)| *chosen).map(|(x, _)| *x), k, &mut room),
        };
        select::reach(mask, values, kth.map_or(f32::MAX, bound));
        if let Some(among) = among {
            mask.chunks_exact_mut(n).for_each(|mask| mask.iter_mut().zip(among).for_each(|(x, chosen)| *x *= chosen));
        }
    }
    Some(flex::tensor(mask, [rows, n]))
}

/// What a value has to reach: the k-th largest, but that all tiny ones count as zero.
fn bound(kth: f32) -> f32 {
    let tiny = TINY as f32;
    if kth.abs() < tiny { -tiny } else { kth.clamp(f32::MIN, f32::MAX) }
}
