//! Causal attention, one head after the other.

use crate::Matrix;
use crate::dense::{Panels, Sums, add_product};
use crate::dots::add_dots;
use crate::lanes::Lanes;
use crate::sparse::add_rows;

/// Queries whose scores are computed together.
const QUERIES: usize = 64;

/// Room for what is computed on the way, kept from call to call.
#[derive(Default)]
pub struct Room {
    scores: Sums,
    mixed: Sums,
    panels: Panels,
    weights: Weights,
}

/// Of one query.
#[derive(Default)]
struct Weights {
    scores: Vec<f32>,
    entries: Vec<(u32, f32)>,
}

/// `z = softmax(q·kᵀ/√d_head) v` of one head, where query `i` sees the keys up to `offset + i`. Row `i` of `z` starts at `i · down`.
///
/// # Shapes
/// q `[n, d_head]`, k and v `[offset + n, d_head]`; the rows of all are slices
pub fn head(q: Matrix, k: Matrix, v: Matrix, offset: usize, z: &mut [f32], down: usize, room: &mut Room) {
    let (n, d_head) = (q.rows, q.cols);
    assert!(k.rows == offset + n && v.rows == offset + n && k.cols == d_head && v.cols == d_head);
    let scale = 1.0 / (d_head as f32).sqrt();
    if n == 1 {
        return one(q.row(0), k, v, scale, &mut z[..d_head], &mut room.weights);
    }
    for top in (0..n).step_by(QUERIES) {
        let queries = top..(top + QUERIES).min(n);
        let keys = 0..offset + queries.end;
        let Room { scores, mixed, panels, .. } = room;
        scores.clear(queries.len(), keys.len());
        add_product(scores, q.part(queries.clone(), 0..d_head), k.part(keys.clone(), 0..d_head).transposed(), panels);
        for i in 0..queries.len() {
            let (seen, future) = scores.row_mut(i).split_at_mut(offset + top + i + 1);
            softmax(seen, scale);
            future.fill(0.0);
        }
        mixed.clear(queries.len(), d_head);
        add_product(mixed, scores.matrix(queries.len()), v.part(keys, 0..d_head), panels);
        for (i, query) in queries.enumerate() {
            z[query * down..][..d_head].copy_from_slice(mixed.row(i));
        }
    }
}

/// One query, which sees all keys.
fn one(q: &[f32], k: Matrix, v: Matrix, scale: f32, z: &mut [f32], weights: &mut Weights) {
    let Weights { scores, entries } = weights;
    scores.clear();
    scores.resize(k.rows, 0.0);
    add_dots(scores, q, k, None);
    softmax(scores, scale);
    entries.clear();
    entries.extend((0..).zip(scores.iter().copied()));
    z.fill(0.0);
    add_rows(z, entries, v, 0);
}

/// `x = softmax(scale · x)`
fn softmax(x: &mut [f32], scale: f32) {
    let largest = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (whole, rest) = x.as_chunks_mut::<4>();
    let (shift, times) = (Lanes::splat(-largest * scale), Lanes::splat(scale));
    let mut sum = Lanes::splat(0.0);
    for four in whole.iter_mut() {
        let e = shift.add_product(Lanes::load(four), times).exp();
        e.store(four);
        sum = sum.add(e);
    }
    let mut sum = sum.total();
    for x in rest {
        *x = (*x * scale - largest * scale).exp();
        sum += *x;
    }
    x.iter_mut().for_each(|x| *x /= sum);
}
