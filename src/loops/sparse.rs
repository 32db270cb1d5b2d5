//! Products with a matrix that is mostly zeros.

use crate::Matrix;
use crate::lanes::Lanes;

/// What is not zero in each row of a matrix: columns, ascending, and values.
pub struct Lists {
    ends: Vec<usize>,
    entries: Vec<(u32, f32)>,
}

/// Elements that are looked at together: where all are zeros, none is looked at alone.
const STEP: usize = 16;

impl Lists {
    pub fn of_rows(m: Matrix) -> Self {
        if m.has_rows() { Self::along(m) } else { Self::across(m) }
    }

    /// Row after row.
    fn along(m: Matrix) -> Self {
        let (mut ends, mut entries) = (Vec::with_capacity(m.rows), Vec::new());
        for row in 0..m.rows {
            each_nonzero(m.row(row), |col, x| entries.push((col as u32, x)));
            ends.push(entries.len());
        }
        Self { ends, entries }
    }

    /// From a matrix that lies column after column: counted first, then put where they belong.
    fn across(m: Matrix) -> Self {
        let columns = m.transposed();
        let mut ends = vec![0; m.rows];
        let mut own = Vec::new();
        let columns = if columns.has_rows() { columns } else { columns.copy_into(&mut own) };
        for col in 0..m.cols {
            each_nonzero(columns.row(col), |row, _| ends[row] += 1);
        }
        let mut total = 0;
        for end in &mut ends {
            (*end, total) = (total, total + *end);
        }
        let mut entries = vec![(0, 0.0); total];
        for col in 0..m.cols {
            each_nonzero(columns.row(col), |row, x| {
                entries[ends[row]] = (col as u32, x);
                ends[row] += 1;
            });
        }
        Self { ends, entries }
    }

    /// How many there are in all.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn row(&self, row: usize) -> &[(u32, f32)] {
        let from = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.entries[from..self.ends[row]]
    }
}

#[inline(always)]
fn each_nonzero(row: &[f32], mut f: impl FnMut(usize, f32)) {
    let (chunks, rest) = row.as_chunks::<STEP>();
    for (i, chunk) in chunks.iter().enumerate() {
        if chunk.iter().fold(0, |bits, x| bits | (x.to_bits() << 1)) != 0 {
            for (j, x) in chunk.iter().enumerate() {
                if *x != 0.0 {
                    f(i * STEP + j, *x);
                }
            }
        }
    }
    for (j, x) in rest.iter().enumerate() {
        if *x != 0.0 {
            f(chunks.len() * STEP + j, *x);
        }
    }
}

/// How many of so many elements, evenly spread, are not zero.
pub fn count_among(m: Matrix, most: usize) -> (usize, usize) {
    let total = m.rows * m.cols;
    let step = total.div_ceil(most.max(1)).max(1);
    // Not every time the same columns.
    let step = if step > 1 && m.cols.is_multiple_of(step) { step + 1 } else { step };
    let looked_at = (0..total).step_by(step);
    (looked_at.clone().filter(|at| m.at(at / m.cols, at % m.cols) != 0.0).count(), looked_at.len())
}

/// `sums += Σ x · b[i − first]` over the entries `(i, x)`; the rows of `b` are slices as long as `sums`.
pub fn add_rows(sums: &mut [f32], entries: &[(u32, f32)], b: Matrix, first: usize) {
    assert!(b.cols == sums.len() && b.has_rows());
    let mut from = 0;
    while sums.len() - from >= 32 {
        add_part::<8>(&mut sums[from..], entries, b, first, from);
        from += 32;
    }
    while sums.len() - from >= 4 {
        add_part::<1>(&mut sums[from..], entries, b, first, from);
        from += 4;
    }
    for (at, sum) in sums.iter_mut().enumerate().skip(from) {
        *sum += entries.iter().map(|&(i, x)| x * b.at(i as usize - first, at)).sum::<f32>();
    }
}

/// `4 N` of the sums, which stay in registers.
#[inline(always)]
fn add_part<const N: usize>(sums: &mut [f32], entries: &[(u32, f32)], b: Matrix, first: usize, from: usize) {
    let sums = sums.as_chunks_mut::<4>().0.first_chunk_mut::<N>().expect("as many as are added");
    let mut sum: [Lanes; N] = std::array::from_fn(|j| Lanes::load(&sums[j]));
    for &(i, x) in entries {
        let row = b.row(i as usize - first)[from..].as_chunks::<4>().0.first_chunk::<N>().expect("as long as the sums");
        let x = Lanes::splat(x);
        for j in 0..N {
            sum[j] = sum[j].add_product(x, Lanes::load(&row[j]));
        }
    }
    for (to, sum) in sums.iter_mut().zip(sum) {
        sum.store(to);
    }
}
