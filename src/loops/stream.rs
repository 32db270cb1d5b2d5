//! One row times a matrix that is read once from end to end, as fast as memory gives it.

use std::ops::Range;

use crate::Matrix;
use crate::lanes::Lanes;

/// Places in a matrix that are read from at once, each up to where the next began. Memory gives more to a few streams that are far apart: 20 to
/// 25 GB/s in Node, where eight rows next to each other get 14 to 19 and one stream 22.
pub const STREAMS: usize = 4;

/// The rows of a matrix with so many as they are read, and those left over.
pub fn together(rows: usize) -> (impl Iterator<Item = [usize; STREAMS]>, Range<usize>) {
    let apart = rows / STREAMS;
    ((0..apart).map(move |row| std::array::from_fn(|i| row + i * apart)), STREAMS * apart..rows)
}

/// `sums += a · b`; the rows of `b` are slices as long as `sums`.
pub fn add_row(sums: &mut [f32], a: Matrix, b: Matrix) {
    assert!(a.rows == 1 && a.cols == b.rows && b.cols == sums.len() && b.has_rows());
    let (streams, rest) = together(b.rows);
    streams.for_each(|rows| add(sums, rows.map(|row| a.at(0, row)), rows.map(|row| b.row(row))));
    rest.for_each(|row| add(sums, [a.at(0, row)], [b.row(row)]));
}

/// `sums += Σ a[i] · b[i]`
#[inline(always)]
pub fn add<const N: usize>(sums: &mut [f32], a: [f32; N], b: [&[f32]; N]) {
    let n = sums.len();
    let (fours, rest) = sums.as_chunks_mut::<4>();
    let b = b.map(|b| b[..n].as_chunks::<4>());
    let lanes = a.map(Lanes::splat);
    for (at, sums) in fours.iter_mut().enumerate() {
        // Two sums, so that an addition need not wait for the one before.
        let mut sum = [Lanes::load(sums), Lanes::splat(0.0)];
        for i in 0..N {
            // SAFETY: each row was cut to as many numbers as there are sums. Checked, it reads 16 GB/s instead of 18 (Node).
            let four = unsafe { b[i].0.get_unchecked(at) };
            sum[i % 2] = sum[i % 2].add_product(lanes[i], Lanes::load(four));
        }
        sum[0].add(sum[1]).store(sums);
    }
    for (at, sum) in rest.iter_mut().enumerate() {
        *sum += (0..N).map(|i| a[i] * b[i].1[at]).sum::<f32>();
    }
}
