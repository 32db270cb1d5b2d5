//! Compiled expressions over a matrix, block after block.

use std::borrow::Cow;
use std::ops::Range;

use sae_lab_loops::dense;
use sae_lab_loops::program::{Arg, BLOCK, Machine};

use super::compile::{Compiled, Cut, SLICES, Slice, of_numbers};
use super::flex::floats;

/// `n` elements from `(row, col)` on: of one row, or of whole rows.
#[derive(Debug, Clone, Copy)]
pub struct Block {
    pub row: usize,
    pub col: usize,
    pub n: usize,
}

/// How a matrix of so many columns is cut.
pub fn cut(cols: usize) -> Cut {
    if cols > BLOCK / 2 { Cut::Parts } else { Cut::Rows }
}

/// The blocks of some rows and columns of a matrix of `of` columns: all columns where rows are not cut.
pub fn blocks(rows: Range<usize>, cols: Range<usize>, of: usize) -> impl Iterator<Item = Block> {
    let tall = match cut(of) {
        Cut::Parts => 1,
        Cut::Rows => BLOCK / of.max(1),
    };
    let (end, right) = (rows.end, cols.end);
    rows.step_by(tall).flat_map(move |row| {
        cols.clone().step_by(BLOCK).map(move |col| {
            let wide = BLOCK.min(right - col);
            Block { row, col, n: wide * tall.min(end - row) }
        })
    })
}

/// What [`Slice::Sum`] means.
pub enum Sums<'a> {
    /// A sum for each element, in the matrix's order.
    Each(&'a [Vec<f32>]),
    /// One for the elements from `(row, col)` on.
    Part(&'a dense::Sums, usize, usize),
}

pub struct Evaluator<'a> {
    compiled: &'a Compiled,
    cols: usize,
    /// Of slices that are the same in every run: rows repeated where a block has several.
    data: Vec<Cow<'a, [f32]>>,
    /// Numbers of columns, each repeated along its row, and sums whose rows are apart.
    gathered: Vec<Vec<f32>>,
    columns: Vec<(usize, &'a [f32])>,
    numbers: Vec<f32>,
    /// The row that the numbers are of.
    row: Option<usize>,
    machine: Machine,
    n: usize,
}

/// A result of a block.
pub enum Result<'a> {
    One(f32),
    Each(&'a [f32]),
}

impl<'a> Evaluator<'a> {
    pub fn new(compiled: &'a Compiled, cols: usize) -> Self {
        let data = compiled.slices.iter().map(|slice| match slice {
            Slice::Full(x) => Cow::Borrowed(floats(x)),
            Slice::Row(x) if cut(cols) == Cut::Parts => Cow::Borrowed(floats(x)),
            Slice::Row(x) => Cow::Owned(floats(x).repeat(BLOCK / cols.max(1))),
            Slice::Column(_) | Slice::Sum(_) | Slice::Old(_) => Cow::default(),
        });
        Self {
            compiled,
            cols,
            data: data.collect(),
            gathered: vec![Vec::new(); compiled.slices.len()],
            columns: compiled.columns.iter().map(|(at, x)| (*at, floats(x))).collect(),
            numbers: compiled.numbers.clone(),
            row: None,
            machine: Machine::default(),
            n: 0,
        }
    }

    /// Evaluates all for a block, where outputs hold their old values still.
    pub fn evaluate(&mut self, block: Block, sums: &Sums, outs: &[&mut [f32]]) {
        let Block { row, col, n } = block;
        if self.row != Some(row) {
            self.row = Some(row);
            for (at, column) in &self.columns {
                self.numbers[*at] = column[row];
            }
            for step in &self.compiled.row_steps {
                self.numbers[step.to] = of_numbers(step.op, &self.numbers);
            }
        }
        let cols = self.cols;
        let several = row..row + (n / cols).max(1);
        for (slice, gathered) in self.compiled.slices.iter().zip(&mut self.gathered) {
            match (slice, sums) {
                (Slice::Column(x), _) => {
                    gathered.clear();
                    floats(x)[several.clone()].iter().for_each(|x| gathered.extend(std::iter::repeat_n(*x, cols)));
                }
                (Slice::Sum(_), Sums::Part(part, top, _)) if n > cols => {
                    gathered.clear();
                    several.clone().for_each(|row| gathered.extend_from_slice(part.row(row - top)));
                }
                _ => {}
            }
        }
        let at = row * cols + col;
        let mut slices: [&[f32]; SLICES] = [&[]; SLICES];
        for (i, slice) in self.compiled.slices.iter().enumerate() {
            slices[i] = match slice {
                Slice::Full(_) => &self.data[i][at..at + n],
                Slice::Row(_) => &self.data[i][col..col + n],
                Slice::Column(_) => &self.gathered[i],
                Slice::Old(k) => &outs[*k][at..at + n],
                Slice::Sum(k) => match sums {
                    Sums::Each(sums) => &sums[*k][at..at + n],
                    Sums::Part(part, top, left) if n <= cols => &part.row(row - top)[col - left..][..n],
                    Sums::Part(..) => &self.gathered[i],
                },
            };
        }
        self.machine.run(&self.compiled.steps, &self.numbers, &slices, n);
        self.n = n;
    }

    /// Result `k` of the block that was evaluated last.
    pub fn result(&self, k: usize) -> Result<'_> {
        match self.compiled.outs[k] {
            Arg::Number(at) => Result::One(self.numbers[at]),
            Arg::Register(at) => Result::Each(self.machine.register(at, self.n)),
            Arg::Slice(_) => unreachable!("slices are copied into registers"),
        }
    }

    /// Evaluates some rows and columns and writes the results over the outputs.
    pub fn write(&mut self, rows: Range<usize>, cols: Range<usize>, sums: &Sums, outs: &mut [&mut [f32]]) {
        for block in blocks(rows, cols, self.cols) {
            self.evaluate(block, sums, outs);
            for (k, out) in outs.iter_mut().enumerate() {
                let out = &mut out[block.row * self.cols + block.col..][..block.n];
                match self.result(k) {
                    Result::One(x) => out.fill(x),
                    Result::Each(x) => out.copy_from_slice(x),
                }
            }
        }
    }
}
