//! [`super::compute`] on the CPU, in burn-flex's memory: no sum and no result is written that the kernel does not put out.

pub mod attention;
mod blocks;
mod compile;
mod flex;
mod product;
pub mod select;
mod sums;

use std::ops::Range;

use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use super::compute::{Form, Out, Source, levels};
use super::expr::Expr;
use blocks::{Evaluator, Sums};
use compile::{Compiled, compile};
use flex::Buffer;
use product::Product;

/// Gives its arguments back where the tensors are not f32 in the CPU's memory, or are more than it reads at a time.
pub fn compute(source: Source, shape: [usize; 2], outs: Vec<Out>) -> Result<Vec<Tensor<2>>, (Source, Vec<Out>)> {
    let Some((sums, ending)) = prepare(&source, shape, &outs) else { return Err((source, outs)) };
    drop(source);
    let mut buffers: Vec<Buffer> = outs
        .into_iter()
        .map(|out| match out {
            Out::New(_) => Buffer::new(shape),
            Out::Over(old, _) => Buffer::over(flex::taken(old), shape),
        })
        .collect();
    let mut outs: Vec<&mut [f32]> = buffers.iter_mut().map(Buffer::floats).collect();
    let mut evaluator = Evaluator::new(&ending, shape[1]);
    let mut whole = |sums: &[Vec<f32>]| evaluator.write(0..shape[0], 0..shape[1], &Sums::Each(sums), &mut outs);
    match sums {
        Prepared::Each => whole(&[]),
        Prepared::Columns(of, rows) => whole(&sums::of_columns(&of, [rows, shape[1]])),
        Prepared::Rows(of, cols) => whole(&sums::of_rows(&of, [shape[0], cols])),
        Prepared::Leveled(form, levels) => whole(&[leveled(form, levels, shape)]),
        Prepared::Product(product) => product.parts(shape, |rows, cols, sums| {
            let (top, left) = (rows.start, cols.start);
            evaluator.write(rows, cols, &Sums::Part(sums, top, left), &mut outs);
        }),
    }
    Ok(buffers.into_iter().map(Buffer::tensor).collect())
}

/// All products, each in its place.
fn leveled(form: Form, levels: Vec<(Product, Range<usize>)>, [m, n]: [usize; 2]) -> Vec<f32> {
    let mut all = vec![0.0; m * n];
    for (product, part) in levels {
        let (shape, [down, right]) = match form {
            Form::Outer => ([part.len(), n], [part.start, 0]),
            Form::Plain | Form::Transposed => ([m, part.len()], [0, part.start]),
        };
        product.parts(shape, |rows, cols, sums| {
            for (i, row) in rows.enumerate() {
                all[(row + down) * n + cols.start + right..][..cols.len()].copy_from_slice(sums.row(i));
            }
        });
    }
    all
}

/// A [`Source`] as it is computed.
enum Prepared {
    Each,
    Product(Product),
    /// One after the other: the rows or the columns of the result that each is.
    Leveled(Form, Vec<(Product, Range<usize>)>),
    Columns(Compiled, usize),
    Rows(Compiled, usize),
}

/// `None` where the CPU's kernels cannot compute it.
fn prepare(source: &Source, shape: [usize; 2], outs: &[Out]) -> Option<(Prepared, Compiled)> {
    let program = |exprs: &[&Expr], shape: [usize; 2]| compile(exprs, shape, blocks::cut(shape[1]));
    if outs.iter().any(|out| matches!(out, Out::Over(old, _) if flex::of(old).is_none())) {
        return None;
    }
    let ending = program(&outs.iter().map(Out::expr).collect::<Vec<_>>(), shape)?;
    let sums = match source {
        Source::Each => Prepared::Each,
        Source::Columns { rows, of } => Prepared::Columns(program(&of.iter().collect::<Vec<_>>(), [*rows, shape[1]])?, *rows),
        Source::Rows { cols, of } => Prepared::Rows(program(&of.iter().collect::<Vec<_>>(), [shape[0], *cols])?, *cols),
        Source::Leveled { form, a, b, ends, only } => {
            let only_in = |part: &Range<usize>| match only {
                Some(only) if *form == Form::Transposed => flex::of(&only.clone().narrow(1, part.start, part.len())).map(Some),
                Some(only) => flex::of(&only.clone().narrow(0, part.start, part.len())).map(Some),
                None => Some(None),
            };
            let product = |(a, b, part): (Tensor<2>, Tensor<2>, Range<usize>)| {
                Some((Product::new(*form, vec![(flex::of(&a)?, flex::of(&b)?)], only_in(&part)?), part))
            };
            Prepared::Leveled(*form, levels(*form, a, b, ends).into_iter().map(product).collect::<Option<_>>()?)
        }
        Source::Product { form, pairs, only } => {
            let pairs: Option<Vec<(FlexTensor, FlexTensor)>> = pairs.iter().map(|(a, b)| flex::of(a).zip(flex::of(b))).collect();
            let only = match only {
                Some(only) => Some(flex::of(only)?),
                None => None,
            };
            Prepared::Product(Product::new(*form, pairs?, only))
        }
    };
    Some((sums, ending))
}
