//! Causal attention, one head after the other.

use crate::Matrix;
use crate::dense::{Panels, Sums, add_product};
use crate::dots::dots;
use crate::lanes::Lanes;
use crate::stream::{add, together};

/// Queries whose scores are computed together.
const QUERIES: usize = 64;

/// Room for what is computed on the way, kept from call to call.
#[derive(Default)]
pub struct Room {
    scores: Sums,
    mixed: Sums,
    panels: Panels,
    weights: Vec<f32>,
}

/// `z = softmax(q·kᵀ/√d_head) v` of one head, where query `i` sees the keys up to `offset + i`. Row `i` of `z` starts at `i · down`.
///
/// # Shapes
/// q `[n, d_head]`, k and v `[offset + n, d_head]`; the rows of all are slices
pub fn head(q: Matrix, k: Matrix, v: Matrix, offset: usize, z: &mut [f32], down: usize, room: &mut Room) {
    let (n, d_head) = (q.rows, q.cols);
    assert!(k.rows == offset + n && v.rows == offset + n && k.cols == d_head && v.cols == d_head);
    let scale = 1.0 / (d_head as f32).sqrt();
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

/// The same of one query, which sees all keys, and of all heads, which lie side by side: keys and values are read from end to end, not head by head.
///
/// # Shapes
/// q and z `[d]`, k and v `[keys, d]`; the rows of both are slices
pub fn one(q: &[f32], k: Matrix, v: Matrix, d_head: usize, z: &mut [f32], room: &mut Room) {
    let keys = k.rows;
    assert!(v.rows == keys && k.cols == q.len() && v.cols == q.len() && z.len() == q.len());
    let weights = &mut room.weights; // [head, keys]
    weights.resize(q.len() / d_head * keys, 0.0);
    let (streams, rest) = together(keys);
    streams.for_each(|rows| scores(q, k, rows, d_head, weights));
    rest.for_each(|row| scores(q, k, [row], d_head, weights));
    weights.chunks_exact_mut(keys).for_each(|scores| softmax(scores, 1.0 / (d_head as f32).sqrt()));
    z.fill(0.0);
    let (streams, rest) = together(keys);
    streams.for_each(|rows| mix(weights, v, rows, d_head, z));
    rest.for_each(|row| mix(weights, v, [row], d_head, z));
}

/// `scores[h, row] = q · k[row]` of each head and of some rows.
#[inline(always)]
fn scores<const N: usize>(q: &[f32], k: Matrix, rows: [usize; N], d_head: usize, scores: &mut [f32]) {
    let keys = rows.map(|row| k.row(row));
    for (h, (q, scores)) in q.chunks_exact(d_head).zip(scores.chunks_exact_mut(k.rows)).enumerate() {
        let dots = dots(q, keys.map(|key| &key[h * d_head..][..d_head]));
        rows.into_iter().zip(dots).for_each(|(row, dot)| scores[row] = dot);
    }
}

/// `z[h] += Σ weights[h, row] · v[row]` over some rows, of each head.
#[inline(always)]
fn mix<const N: usize>(weights: &[f32], v: Matrix, rows: [usize; N], d_head: usize, z: &mut [f32]) {
    let values = rows.map(|row| v.row(row));
    for (h, (weights, z)) in weights.chunks_exact(v.rows).zip(z.chunks_exact_mut(d_head)).enumerate() {
        add(z, rows.map(|row| weights[row]), values.map(|value| &value[h * d_head..][..d_head]));
    }
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
