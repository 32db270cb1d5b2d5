//! Products of matrices: dense ones in packed panels, others only from what is not zero or only where they are wanted.
//!
//! The result is made in parts that stay in the cache until the expressions over them have been evaluated.

use std::ops::Range;

use burn_flex::FlexTensor;
use sae_lab_loops::Matrix;
use sae_lab_loops::dense::{Panels, Sums, add_product, add_transposed};
use sae_lab_loops::dots::add_dots;
use sae_lab_loops::sparse::{Lists, add_rows, count_among};
use sae_lab_loops::stream::add_row;

use super::flex;
use crate::kernels::compute::Form;

/// Elements of a part: 1 MB. Its columns, at most.
const PART: usize = 1 << 18;
const PART_COLS: usize = 512;
/// Elements that are looked at to tell how many are zero.
const LOOKED_AT: usize = 2048;
/// What a term that is not zero costs by rows, by columns and element by element, where one in the dense way costs 1: measured in Chromium
/// and Node with 1 to 30 % not zero.
const COST: [f32; 3] = [2.5, 3.0, 2.5];
/// Elements of the right matrix that the sparse ways add up from at a time, 512 KB; all of them where they are not twice as many.
const SLAB: usize = 1 << 17;
/// Entries of a row among them that make it worth while, on average.
const ENTRIES: usize = 8;
/// Columns of a result that are made at a time, as rows.
const TURNED: usize = 64;

pub struct Product {
    form: Form,
    pairs: Vec<(FlexTensor, FlexTensor)>,
    only: Option<FlexTensor>,
}

impl Product {
    /// `only` lies row after row.
    pub fn new(form: Form, pairs: Vec<(FlexTensor, FlexTensor)>, only: Option<FlexTensor>) -> Self {
        let forward = |(a, b)| (flex::forward(a), flex::forward(b));
        Self { form, pairs: pairs.into_iter().map(forward).collect(), only: only.map(flex::contiguous) }
    }

    /// Every part of the result `[m, n]` once: its rows, its columns and its sums.
    pub fn parts(&self, [m, n]: [usize; 2], mut part: impl FnMut(Range<usize>, Range<usize>, &Sums)) {
        if m == 0 || n == 0 {
            return;
        }
        let only = self.only.as_ref().map(|only| Matrix::new(flex::floats(only), [m, n]));
        let terms: Vec<Term> = self.pairs.iter().map(|(a, b)| Term::new(self.form, flex::matrix(a), flex::matrix(b), only, [m, n])).collect();
        let (mut sums, mut room) = (Sums::default(), Room::default());
        // Where there are few rows, what costs is reading the matrix, best as it lies.
        let most = if m < 4 { 8 * PART_COLS } else { PART_COLS };
        let wide = n.div_ceil(n.div_ceil(most)).next_multiple_of(8).min(n);
        let tall = PART / wide;
        for left in (0..n).step_by(wide) {
            let cols = left..(left + wide).min(n);
            for top in (0..m).step_by(tall) {
                let rows = top..(top + tall).min(m);
                sums.clear(rows.len(), cols.len());
                terms.iter().for_each(|term| term.add(&mut sums, rows.clone(), cols.clone(), &mut room));
                part(rows, cols.clone(), &sums);
            }
        }
    }
}

/// `a · b`
struct Term<'a> {
    a: Matrix<'a>,
    b: Matrix<'a>,
    way: Way<'a>,
}

enum Way<'a> {
    Dense,
    /// Row by row of `a`, of which there are few.
    Stream,
    /// From what is not zero in each row of `a`.
    Rows(Lists),
    /// From what is not zero in each column of `b`.
    Columns(Lists),
    /// Element by element, where this is not zero or everywhere.
    Dots(Option<Matrix<'a>>),
}

#[derive(Default)]
struct Room {
    panels: Panels,
    copy: Vec<f32>,
    other: Vec<f32>,
}

impl<'a> Term<'a> {
    fn new(form: Form, a: Matrix<'a>, b: Matrix<'a>, only: Option<Matrix<'a>>, [m, n]: [usize; 2]) -> Self {
        let (a, b) = match form {
            Form::Plain => (a, b),
            Form::Transposed => (a, b.transposed()),
            Form::Outer => (a.transposed(), b),
        };
        assert!([a.rows, a.cols, b.cols] == [m, b.rows, n], "{} × {} by {} × {} for {m} × {n}", a.rows, a.cols, b.rows, b.cols);
        Self { a, b, way: Way::of(a, b, only) }
    }

    fn add(&self, sums: &mut Sums, rows: Range<usize>, cols: Range<usize>, room: &mut Room) {
        let k = self.a.cols;
        let b = self.b.part(0..k, cols.clone());
        match &self.way {
            Way::Dense => add_product(sums, self.a.part(rows, 0..k), b, &mut room.panels),
            Way::Stream => rows.enumerate().for_each(|(i, row)| add_row(sums.row_mut(i), self.a.part(row..row + 1, 0..k), b)),
            Way::Rows(lists) => each_slab(b, lists.len() / self.a.rows, &mut room.copy, |b, first| {
                let among = (first as u32)..(first + b.rows) as u32;
                for (i, row) in rows.clone().enumerate() {
                    add_rows(sums.row_mut(i), within(lists.row(row), &among), b, first);
                }
            }),
            Way::Columns(lists) => each_slab(self.a.part(rows.clone(), 0..k).transposed(), lists.len() / self.b.cols, &mut room.copy, |a, first| {
                let among = (first as u32)..(first + a.rows) as u32;
                for left in (0..cols.len()).step_by(TURNED) {
                    let some = left..(left + TURNED).min(cols.len());
                    room.other.clear();
                    room.other.resize(some.len() * rows.len(), 0.0);
                    for (col, to) in some.clone().zip(room.other.chunks_exact_mut(rows.len())) {
                        add_rows(to, within(lists.row(cols.start + col), &among), a, first);
                    }
                    add_transposed(sums, Matrix::new(&room.other, [some.len(), rows.len()]), left);
                }
            }),
            Way::Dots(only) => {
                let a = self.a.part(rows.clone(), 0..k);
                let a = if a.has_rows() { a } else { a.copy_into(&mut room.other) };
                let b = b.transposed();
                let b = if b.has_rows() { b } else { b.copy_into(&mut room.copy) };
                for (i, row) in rows.enumerate() {
                    let only = only.map(|only| &only.row(row)[cols.clone()]);
                    add_dots(sums.row_mut(i), a.row(i), b, only);
                }
            }
        }
    }
}

impl<'a> Way<'a> {
    /// The way that is likely to cost least.
    fn of(a: Matrix, b: Matrix, only: Option<Matrix<'a>>) -> Self {
        if a.rows < 4 {
            // A panel of rows would be mostly empty.
            return match b.has_rows() {
                true if share(a) * COST[0] < 1.0 => Self::Rows(Lists::of_rows(a)),
                true => Self::Stream,
                false => Self::Dots(only),
            };
        }
        let (rows, columns, dots) = (share(a) * COST[0], share(b) * COST[1], only.map_or(1.0, share) * COST[2]);
        let least = rows.min(columns).min(dots);
        if least >= 1.0 {
            Self::Dense
        } else if least == rows {
            Self::Rows(Lists::of_rows(a))
        } else if least == columns {
            Self::Columns(Lists::of_rows(b.transposed()))
        } else {
            Self::Dots(only)
        }
    }
}

/// How much of a matrix is not zero, of a sample.
fn share(m: Matrix) -> f32 {
    let (some, of) = count_among(m, LOOKED_AT);
    some as f32 / of.max(1) as f32
}

/// Some rows of `m` at a time, as slices, with the number of the first one; there are so many entries for each sum over all of them.
fn each_slab(m: Matrix, entries: usize, room: &mut Vec<f32>, mut f: impl FnMut(Matrix, usize)) {
    let enough = (m.rows * ENTRIES).div_ceil(entries.max(1));
    let tall = (SLAB / m.cols.max(1)).max(enough).min(8 * SLAB / m.cols.max(1)).max(1);
    let tall = if 2 * tall > m.rows { m.rows } else { tall };
    for first in (0..m.rows).step_by(tall.max(1)) {
        let slab = m.part(first..(first + tall).min(m.rows), 0..m.cols);
        f(if slab.has_rows() { slab } else { slab.copy_into(room) }, first);
    }
}

fn within<'a>(entries: &'a [(u32, f32)], among: &Range<u32>) -> &'a [(u32, f32)] {
    let from = entries.partition_point(|(i, _)| *i < among.start);
    let to = from + entries[from..].partition_point(|(i, _)| *i < among.end);
    &entries[from..to]
}
