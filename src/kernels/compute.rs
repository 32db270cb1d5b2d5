//! One kernel: sums, and what becomes of them element by element.
//!
//! On a GPU each call is one dispatch, of a very large product several ([`super::gpu`]), on the CPU one pass over memory ([`super::cpu`]);
//! [`super::plain`] is the same in burn's own operations, against which both are tested.

use std::ops::Range;
use std::rc::Rc;

use burn::tensor::Tensor;

use super::expr::Expr;
use super::levels::spans;
use super::{cpu, plain};

/// What a kernel adds up before its expressions are evaluated.
pub enum Source {
    /// Nothing.
    Each,
    /// Sum 0 is the product, over all pairs one after the other: `Σ a·b`.
    Product { form: Form, pairs: Vec<(Tensor<2>, Tensor<2>)>, only: Option<Tensor<2>> },
    /// A product with a matrix of which each level has a block of columns: those of `a` in [`Form::Transposed`], where a column of the result is
    /// of the level that has it, those of `b` in [`Form::Outer`], where a row is. A level ends where `ends` says, and begins where the one before ends.
    /// `only` is as it is there.
    Leveled { form: Form, a: Tensor<2>, b: Tensor<2>, ends: Rc<[usize]>, only: Option<Tensor<2>> },
    /// Sum k is that of the k-th expression over the rows of a matrix with so many; the elements are one row's.
    Columns { rows: usize, of: Vec<Expr> },
    /// Sum k is that of the k-th expression over the columns of a matrix with so many; the elements are one column's.
    Rows { cols: usize, of: Vec<Expr> },
}

/// How the matrices of a product lie, for a result `[m, n]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// `[m, k] · [k, n]`
    Plain,
    /// `[m, k] · [n, k]ᵀ`
    Transposed,
    /// `[k, m]ᵀ · [k, n]`
    Outer,
}

impl Source {
    pub fn product(form: Form, a: &Tensor<2>, b: &Tensor<2>) -> Self {
        Self::Product { form, pairs: vec![(a.clone(), b.clone())], only: None }
    }

    /// A product that is not wanted where `only`, of the result's shape, is 0: every output multiplies the sum by 0 there.
    pub fn product_where(form: Form, a: &Tensor<2>, b: &Tensor<2>, only: &Tensor<2>) -> Self {
        Self::Product { form, pairs: vec![(a.clone(), b.clone())], only: Some(only.clone()) }
    }
}

/// The parts of a [`Source::Leveled`], one level after the other: the product's operands, and the columns of the result that they are, or the rows.
pub fn levels(form: Form, a: &Tensor<2>, b: &Tensor<2>, ends: &[usize]) -> Vec<(Tensor<2>, Tensor<2>, Range<usize>)> {
    let block = |x: &Tensor<2>, level: usize| {
        let width = x.dims()[1] / ends.len();
        x.clone().narrow(1, level * width, width)
    };
    let operands = |(level, part): (usize, Range<usize>)| match form {
        Form::Transposed => (block(a, level), b.clone().narrow(0, part.start, part.len()), part),
        Form::Outer => (a.clone().narrow(1, part.start, part.len()), block(b, level), part),
        Form::Plain => panic!("a plain product has no levels"),
    };
    spans(ends).enumerate().map(operands).collect()
}

/// Where a result goes.
pub enum Out {
    New(Expr),
    /// Over a tensor of the outputs' shape, which is given up: nothing else in the same kernel may read it but by [`Expr::old`].
    /// What other holders of the tensor see does not change.
    Over(Tensor<2>, Expr),
}

impl Out {
    pub fn expr(&self) -> &Expr {
        match self {
            Self::New(expr) | Self::Over(_, expr) => expr,
        }
    }
}

/// The outputs, `shape` each, in their order.
pub fn compute(source: Source, shape: [usize; 2], outs: Vec<Out>) -> Vec<Tensor<2>> {
    #[cfg(target_arch = "wasm32")]
    let (source, outs) = match super::gpu::compute(source, shape, outs) {
        Ok(done) => return done,
        Err(given_back) => given_back,
    };
    match cpu::compute(source, shape, outs) {
        Ok(done) => done,
        Err((source, outs)) => plain::compute(source, shape, outs),
    }
}

/// The product of two matrices.
pub fn product(form: Form, a: &Tensor<2>, b: &Tensor<2>) -> Tensor<2> {
    let ([a_rows, a_cols], [b_rows, b_cols]) = (a.dims(), b.dims());
    let shape = match form {
        Form::Plain => [a_rows, b_cols],
        Form::Transposed => [a_rows, b_rows],
        Form::Outer => [a_cols, b_cols],
    };
    compute_one(Source::product(form, a, b), shape, Expr::sum(0))
}

/// [`compute`] with one new output.
pub fn compute_one(source: Source, shape: [usize; 2], expr: Expr) -> Tensor<2> {
    compute(source, shape, vec![Out::New(expr)]).swap_remove(0)
}
