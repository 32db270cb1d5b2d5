//! Products one element at a time: of one row, or where few of them are wanted.

use crate::Matrix;
use crate::lanes::Lanes;
use crate::stream::together;

/// `sums[j] += a · b[j]`, for every `j` or for those where `only` is not 0. The rows of `b` are slices as long as `a`.
pub fn add_dots(sums: &mut [f32], a: &[f32], b: Matrix, only: Option<&[f32]>) {
    assert!(b.rows == sums.len() && b.cols == a.len() && b.has_rows());
    let Some(only) = only else {
        let (streams, rest) = together(b.rows);
        streams.for_each(|rows| rows.into_iter().zip(dots(a, rows.map(|row| b.row(row)))).for_each(|(row, dot)| sums[row] += dot));
        rest.for_each(|row| sums[row] += dots(a, [b.row(row)])[0]);
        return;
    };
    let mut wanted = [0; 4];
    let mut n = 0;
    for (j, only) in only.iter().enumerate() {
        if *only == 0.0 {
            continue;
        }
        wanted[n] = j;
        n += 1;
        if n == 4 {
            for (j, dot) in wanted.into_iter().zip(dots(a, wanted.map(|j| b.row(j)))) {
                sums[j] += dot;
            }
            n = 0;
        }
    }
    for &j in &wanted[..n] {
        sums[j] += dots(a, [b.row(j)])[0];
    }
}

/// `a · b[i]` for each `i`, all as long as `a`.
#[inline(always)]
pub fn dots<const N: usize>(a: &[f32], b: [&[f32]; N]) -> [f32; N] {
    let mut sums = [[Lanes::splat(0.0); 2]; N];
    let (whole, rest) = a.as_chunks::<8>();
    let b = b.map(|b| b[..a.len()].as_chunks::<8>());
    for (i, a) in whole.iter().enumerate() {
        let a = a.as_chunks::<4>().0;
        let a = [Lanes::load(&a[0]), Lanes::load(&a[1])];
        for (sum, b) in sums.iter_mut().zip(b) {
            let b = b.0[i].as_chunks::<4>().0;
            for j in 0..2 {
                sum[j] = sum[j].add_product(a[j], Lanes::load(&b[j]));
            }
        }
    }
    std::array::from_fn(|j| sums[j][0].add(sums[j][1]).total() + rest.iter().zip(b[j].1).map(|(a, b)| a * b).sum::<f32>())
}
