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

/// 1 for the `k` largest of each row's candidates, else 0, where `among` has 1 for every column that is one, else 0. `None` where a tensor is
/// not the CPU's.
pub fn largest(values: &Tensor<2>, k: usize, among: &Tensor<2>) -> Option<Tensor<2>> {
    let (values, among) = (flex::contiguous(flex::of(values)?), flex::contiguous(flex::of(among)?));
    let [rows, n] = [values.layout().shape()[0], values.layout().shape()[1]];
    let (values, among) = (floats(&values), floats(&among));
    let mut mask = vec![0.0; rows * n];
    if n == 0 {
        return Some(flex::tensor(mask, [rows, n]));
    }
    let mut room = Vec::new();
    for (values, mask) in values.chunks_exact(n).zip(mask.chunks_exact_mut(n)) {
        let chosen = values.iter().zip(among).filter(|(_, among)| **among == 1.0).map(|(x, _)| *x);
        let kth = if k == 0 { None } else { select::kth_largest(chosen, k, &mut room) };
        select::reach(mask, values, kth.map_or(f32::MAX, bound));
        mask.iter_mut().zip(among).for_each(|(x, chosen)| *x *= chosen);
    }
    Some(flex::tensor(mask, [rows, n]))
}

/// What a value has to reach: the k-th largest, but that all tiny ones count as zero.
fn bound(kth: f32) -> f32 {
    let tiny = TINY as f32;
    if kth.abs() < tiny { -tiny } else { kth.clamp(f32::MIN, f32::MAX) }
}
