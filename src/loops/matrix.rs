//! A matrix that lies anywhere in a slice.

use std::ops::Range;

use crate::lanes::Lanes;

/// Element `(row, col)` is `data[row · down + col · across]`.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    data: &'a [f32],
    pub rows: usize,
    pub cols: usize,
    down: usize,
    across: usize,
}

impl<'a> Matrix<'a> {
    /// `[rows, cols]`, row after row.
    pub fn new(data: &'a [f32], [rows, cols]: [usize; 2]) -> Self {
        Self::strided(data, [rows, cols], [cols, 1])
    }

    /// # Panics
    /// Where an element would lie outside.
    pub fn strided(data: &'a [f32], [rows, cols]: [usize; 2], [down, across]: [usize; 2]) -> Self {
        let last = if rows == 0 || cols == 0 { None } else { Some((rows - 1) * down + (cols - 1) * across) };
        assert!(last.is_none_or(|last| last < data.len()), "{rows} × {cols} elements, {down} and {across} apart, among {}", data.len());
        Self { data, rows, cols, down, across }
    }

    pub fn transposed(self) -> Self {
        Self { rows: self.cols, cols: self.rows, down: self.across, across: self.down, ..self }
    }

    /// Some of its rows and columns.
    pub fn part(self, rows: Range<usize>, cols: Range<usize>) -> Self {
        let empty = rows.is_empty() || cols.is_empty();
        let from = if empty { 0 } else { rows.start * self.down + cols.start * self.across };
        Self::strided(&self.data[from..], [rows.len(), cols.len()], [self.down, self.across])
    }

    #[inline(always)]
    pub fn at(&self, row: usize, col: usize) -> f32 {
        self.data[row * self.down + col * self.across]
    }

    /// Whether each row is a slice.
    pub fn has_rows(&self) -> bool {
        self.across == 1 || self.cols <= 1
    }

    /// Row `row` where [`Matrix::has_rows`].
    #[inline(always)]
    pub fn row(&self, row: usize) -> &'a [f32] {
        let from = row * self.down;
        &self.data[from..from + self.cols]
    }

    /// Its elements row after row, written to the start of `to`, which grows to hold them.
    pub fn copy_into<'b>(&self, to: &'b mut Vec<f32>) -> Matrix<'b> {
        let (rows, cols) = (self.rows, self.cols);
        if to.len() < rows * cols {
            to.resize(rows * cols, 0.0);
        }
        let out = &mut to[..rows * cols];
        if cols == 0 {
        } else if self.has_rows() {
            for (row, out) in out.chunks_exact_mut(cols).enumerate() {
                out.copy_from_slice(self.row(row));
            }
        } else if self.down == 1 {
            transpose(self.transposed(), out);
        } else {
            for (row, out) in out.chunks_exact_mut(cols).enumerate() {
                out.iter_mut().enumerate().for_each(|(col, out)| *out = self.at(row, col));
            }
        }
        Matrix::new(out, [rows, cols])
    }
}

/// A tile is so many rows of the source, and so many of its columns: a cache line of each row that is written.
const TILE: [usize; 2] = [16, 64];

/// `from`, whose rows are slices, transposed into `to`.
fn transpose(from: Matrix, to: &mut [f32]) {
    let width = from.rows;
    for top in (0..from.rows).step_by(TILE[0]) {
        let rows = top..(top + TILE[0]).min(from.rows);
        for left in (0..from.cols).step_by(TILE[1]) {
            let cols = left..(left + TILE[1]).min(from.cols);
            let whole = rows.start + rows.len() / 4 * 4;
            for row in (rows.start..whole).step_by(4) {
                let source: [&[f32]; 4] = std::array::from_fn(|i| &from.row(row + i)[cols.clone()]);
                let chunks = source.map(|x| x.as_chunks::<4>().0);
                let [a, b, c, d] = chunks;
                for (i, (((a, b), c), d)) in a.iter().zip(b).zip(c).zip(d).enumerate() {
                    let columns = Lanes::transpose([a, b, c, d].map(Lanes::load));
                    for (j, column) in columns.into_iter().enumerate() {
                        let at = (cols.start + 4 * i + j) * width + row;
                        column.store(to[at..].first_chunk_mut().expect("four rows"));
                    }
                }
                for col in cols.len() / 4 * 4..cols.len() {
                    source.iter().enumerate().for_each(|(i, x)| to[(cols.start + col) * width + row + i] = x[col]);
                }
            }
            for row in whole..rows.end {
                from.row(row)[cols.clone()].iter().enumerate().for_each(|(col, x)| to[(cols.start + col) * width + row] = *x);
            }
        }
    }
}
