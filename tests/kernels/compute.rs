//! [`sae_lab::kernels::compute`]: random expressions after sums of every kind.

use std::collections::HashMap;

use burn::tensor::{Device, Tensor};
use sae_lab::kernels::expr::{Binary, Node, Unary};
use sae_lab::kernels::{Expr, Form, Numbers, Out, Source, compute};
use sae_lab::rng::Rng;
use sae_lab::tensors::{upload, upload_indices};
use serde::Deserialize;

use crate::Answer;
use crate::held::{DIVISION_ERROR, Held, Near, ROOT_ERROR, U, exp_error, sum_error};
use crate::inputs::{Draw, limited, poisoned};

/// Elements `[m, n]`. `k` is what is added: of a product, or rows or columns. `source`: "each", "plain", "transposed", "outer", "columns" (m is 1) or
/// "rows" (n is 1).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compute {
    seed: u64,
    source: String,
    m: usize,
    n: usize,
    k: usize,
    /// Products that are added.
    #[serde(default = "one")]
    pairs: usize,
    /// Operands of products lie in memory as their transposes do.
    #[serde(default)]
    turned: [bool; 2],
    /// Outputs that are new, that are written over, and that are written over while another holds the tensor.
    outs: [usize; 3],
    /// How deep the expressions are; 0: the sums, old values or inputs themselves.
    depth: usize,
    /// Tensors that the expressions read, at most.
    #[serde(default = "two")]
    inputs: usize,
    /// Small whole numbers.
    whole: bool,
    /// Operations of one dispatch, at most; 0: as many as ever.
    #[serde(default)]
    most: u64,
}

fn one() -> usize {
    1
}

fn two() -> usize {
    2
}

/// A tensor that the host knows too.
struct Known {
    values: Vec<f32>,
    dims: [usize; 2],
    expr: Expr,
}

/// What expressions of one shape may read.
struct Leaves {
    known: Vec<Known>,
    numbers: std::rc::Rc<Numbers>,
    sums: usize,
    olds: Vec<usize>,
}

pub async fn compute_case(device: &Device, sizes: Compute) -> Answer {
    let Compute { seed, ref source, m, n, k, pairs, turned, outs: [new, over, shared], depth, inputs, whole, most } = sizes;
    let mut draw = Draw::new(seed, whole);
    let mut rng = Rng::new(seed ^ 0x5eed);
    let numbers = Numbers::new(draw.values(5).into_iter().map(f64::from).collect());
    let mut read = HashMap::new();
    let mut leaves = |shape: [usize; 2], sums: usize, olds: Vec<usize>, rng: &mut Rng| {
        let known: Vec<Known> = (0..inputs).map(|_| known(shape, &mut draw, rng, device)).collect();
        for one in &known {
            read.insert(one.expr.id(), (one.values.clone(), one.dims));
        }
        Leaves { known, numbers: numbers.clone(), sums, olds }
    };
    // What is added.
    let mut sums_of = Vec::new();
    let of_shape = match source.as_str() {
        "columns" => [k, n],
        _ => [m, k],
    };
    if ["columns", "rows"].contains(&source.as_str()) {
        let leaves = leaves(of_shape, 0, Vec::new(), &mut rng);
        sums_of = (0..pairs).map(|_| leaves.expr(depth, &mut rng)).collect();
    }
    let sums = if source == "each" { 0 } else { sums_of.len().max(1) };
    let olds: Vec<usize> = (new..new + over + shared).collect();
    let ending = leaves([m, n], sums, olds, &mut rng);
    let exprs: Vec<Expr> = (0..new + over + shared).map(|_| ending.expr(depth, &mut rng)).collect();

    let mut operands = Vec::new();
    // As long as it is held, its memory is given to no output.
    let mut held_operands: Vec<(Tensor<2>, Tensor<2>)> = Vec::new();
    let form = match source.as_str() {
        "plain" => Some(Form::Plain),
        "transposed" => Some(Form::Transposed),
        "outer" => Some(Form::Outer),
        _ => None,
    };
    let source = match form {
        Some(form) => {
            operands = (0..pairs).map(|_| (draw.values(m * k), draw.values(k * n))).collect();
            let a_dims = if form == Form::Outer { [k, m] } else { [m, k] };
            let b_dims = if form == Form::Transposed { [n, k] } else { [k, n] };
            let on = |values: &[f32], dims: [usize; 2], turned: bool| {
                if turned { turn(values, dims, device) } else { upload(values.to_vec(), dims, device) }
            };
            held_operands = operands.iter().map(|(a, b)| (on(a, a_dims, turned[0]), on(b, b_dims, turned[1]))).collect();
            Source::Product { form, pairs: held_operands.clone(), only: None }
        }
        None if source == "each" => Source::Each,
        None if source == "columns" => Source::Columns { rows: k, of: sums_of.clone() },
        None => Source::Rows { cols: k, of: sums_of.clone() },
    };
    let old: Vec<Vec<f32>> = (0..over + shared).map(|_| draw.values(m * n)).collect();
    let mut kept = Vec::new();
    let mut outs: Vec<Out> = exprs[..new].iter().map(|expr| Out::New(expr.clone())).collect();
    for (i, values) in old.iter().enumerate() {
        let tensor = upload(values.clone(), [m, n], device);
        if i >= over {
            kept.push((i, tensor.clone()));
        }
        outs.push(Out::Over(tensor, exprs[new + i].clone()));
    }
    poisoned(device).await?;
    let got = limited(most, || compute(source, [m, n], outs));
    drop(held_operands);

    let truth = Truth { read: &read, numbers: &numbers, old: &old, new };
    let mut sums = vec![Vec::new(); sums];
    if let Some(form) = form {
        sums[0] = (0..m * n).map(|at| product(form, &operands, [m, n, k], [at / n, at % n], whole)).collect();
    } else {
        for (sum, expr) in sums.iter_mut().zip(&sums_of) {
            let whole_shape = of_shape;
            let terms: Vec<Near> = (0..whole_shape[0] * whole_shape[1]).map(|at| truth.of(expr, whole_shape, at, &[], &mut HashMap::new())).collect();
            let line = |at: usize, i: usize| if m == 1 && whole_shape[0] == k { i * n + at } else { at * k + i };
            *sum = (0..m * n).map(|at| total((0..k).map(|i| terms[line(at, i)]))).collect();
        }
    }
    let mut known: Vec<HashMap<usize, Near>> = vec![HashMap::new(); m * n];
    let mut held = Held::default();
    for (at_out, (expr, got)) in exprs.iter().zip(got).enumerate() {
        let elements =
            known.iter_mut().enumerate().map(|(at, known)| truth.of(expr, [m, n], at, &sums.iter().map(|sum| sum[at]).collect::<Vec<_>>(), known));
        held = held.against(&format!("output {at_out}"), got, elements.collect::<Vec<_>>()).await?;
    }
    for (i, tensor) in kept {
        held = held.against(&format!("what another holds of output {}", new + i), tensor, old[i].iter().map(|x| Near::exactly(*x))).await?;
    }
    Ok(held)
}

/// A matrix whose memory is its transpose's.
fn turn(values: &[f32], [rows, cols]: [usize; 2], device: &Device) -> Tensor<2> {
    let turned: Vec<f32> = (0..rows * cols).map(|at| values[at % rows * cols + at / rows]).collect();
    upload(turned, [cols, rows], device).transpose()
}

/// A random tensor that elements of `shape` can read.
fn known([rows, cols]: [usize; 2], draw: &mut Draw, rng: &mut Rng, device: &Device) -> Known {
    let kind = rng.below(9);
    let dims = match kind {
        0 => [1, cols],
        1 => [rows, 1],
        2 => [1, 1],
        _ => [rows, cols],
    };
    if kind >= 7 {
        // Rows of a longer matrix, from one on, or those that a list names from there on.
        let (start, more) = (rng.below(3), 1 + rng.below(4));
        let all = draw.values((start + rows + more) * cols);
        let of = upload(all.clone(), [start + rows + more, cols], device);
        let order: Vec<u32> = (0..start + rows).map(|_| rng.below(start + rows + more) as u32).collect();
        let at = |row: usize| if kind == 7 { start + row } else { order[start + row] as usize };
        let values = (0..rows * cols).map(|i| all[at(i / cols) * cols + i % cols]).collect();
        let order = (kind == 8).then(|| upload_indices(&order, [order.len()], device));
        return Known { values, dims, expr: Expr::rows(&of, order.as_ref(), start) };
    }
    let values = draw.values(dims[0] * dims[1]);
    let (values, tensor) = match kind {
        3 => (values.clone(), turn(&values, dims, device)),
        4 => {
            // A row that is spread over all.
            let row = values[..cols].to_vec();
            (row.repeat(rows), upload(row, [1, cols], device).expand([rows, cols]))
        }
        _ => (values.clone(), upload(values, dims, device)),
    };
    Known { values, dims, expr: Expr::from(tensor) }
}

impl Leaves {
    fn leaf(&self, rng: &mut Rng) -> Expr {
        match rng.below(6) {
            0 if self.sums > 0 => Expr::sum(rng.below(self.sums)),
            1 if !self.olds.is_empty() => Expr::old(self.olds[rng.below(self.olds.len())]),
            2 => Expr::number(&self.numbers, rng.below(5)),
            3 if rng.below(2) == 0 => Expr::constant(0.75),
            _ if !self.known.is_empty() => self.known[rng.below(self.known.len())].expr.clone(),
            _ => Expr::constant(-1.5),
        }
    }

    /// Everything that it has in some way where `depth` is 0, else at random.
    fn expr(&self, depth: usize, rng: &mut Rng) -> Expr {
        if depth == 0 {
            let olds = self.olds.iter().map(|k| Expr::old(*k));
            let all = (0..self.sums).map(Expr::sum).chain(olds).chain(self.known.iter().map(|one| one.expr.clone()));
            return all.reduce(|a, b| a + b).unwrap_or(Expr::constant(2.0));
        }
        self.random(depth, rng)
    }

    fn random(&self, depth: usize, rng: &mut Rng) -> Expr {
        if depth == 0 {
            return self.leaf(rng);
        }
        let a = self.random(depth - 1, rng);
        let b = if rng.below(4) == 0 { a.clone() } else { self.random(depth - 1, rng) };
        match rng.below(13) {
            0 | 1 => a + b,
            2 => a - b,
            3 | 4 => a.max(-4.0).min(4.0) * b,
            5 => a / (b.abs() + 0.5),
            6 => a.max(b),
            7 => a.min(b),
            8 => a.greater(b),
            9 => a.greater_equal(b),
            10 => (a.abs() + 0.25).sqrt(),
            11 => a.min(3.0).exp(),
            _ => a.tanh(),
        }
    }
}

fn product(form: Form, operands: &[(Vec<f32>, Vec<f32>)], [m, n, k]: [usize; 3], [row, col]: [usize; 2], exact: bool) -> Near {
    let (mut is, mut all) = (0.0, 0.0);
    for (a, b) in operands {
        for t in 0..k {
            let a = f64::from(if form == Form::Outer { a[t * m + row] } else { a[row * k + t] });
            let b = f64::from(if form == Form::Transposed { b[col * k + t] } else { b[t * n + col] });
            is += a * b;
            all += (a * b).abs();
        }
    }
    Near { is, off: if exact { 0.0 } else { sum_error(operands.len() * k + 1) * all } }
}

/// A sum, which is exact in whatever order where all terms are sixteenths and small.
fn total(terms: impl Iterator<Item = Near>) -> Near {
    let (mut is, mut all, mut off, mut count, mut sixteenths) = (0.0, 0.0, 0.0, 0, true);
    for term in terms {
        sixteenths &= term.off == 0.0 && (16.0 * term.is).fract() == 0.0;
        is += term.is;
        all += term.is.abs() + term.off;
        off += term.off;
        count += 1;
    }
    let exact = sixteenths && 16.0 * all * U < 1.0;
    Near { is, off: if exact { 0.0 } else { off + sum_error(count + 1) * all } }
}

/// Below it f32 may be 0.
const SMALLEST: f64 = 1.2e-38;

/// Values of expressions in 64 bits.
struct Truth<'a> {
    read: &'a HashMap<usize, (Vec<f32>, [usize; 2])>,
    numbers: &'a Numbers,
    old: &'a [Vec<f32>],
    /// Outputs before those that have an old value.
    new: usize,
}

impl Truth<'_> {
    fn of(&self, expr: &Expr, shape: [usize; 2], at: usize, sums: &[Near], known: &mut HashMap<usize, Near>) -> Near {
        if let Some(known) = known.get(&expr.id()) {
            return *known;
        }
        let value = match expr.node() {
            Node::Input(_) | Node::Rows { .. } => {
                let (values, dims) = &self.read[&expr.id()];
                let (row, col) = (at / shape[1], at % shape[1]);
                let place = |at: usize, dim: usize| if dim == 1 { 0 } else { at };
                Near::exactly(values[place(row, dims[0]) * dims[1] + place(col, dims[1])])
            }
            Node::Number(_, i) => Near::exactly(self.numbers.value(*i)),
            Node::Sum(i) => sums[*i],
            Node::Old(i) => Near::exactly(self.old[*i - self.new][at]),
            Node::Constant(x) => Near::exactly(*x),
            Node::Unary(op, x) => unary(*op, self.of(x, shape, at, sums, known)),
            Node::Binary(op, a, b) => {
                let a = self.of(a, shape, at, sums, known);
                binary(*op, a, self.of(b, shape, at, sums, known))
            }
        };
        known.insert(expr.id(), value);
        value
    }
}

/// The largest that a growing function changes within the error, and its own error.
fn growing(x: Near, f: impl Fn(f64) -> f64, own: impl Fn(f64) -> f64) -> Near {
    let is = f(x.is);
    let off = (f(x.is + x.off) - is).max(is - f(x.is - x.off));
    Near { is, off: off + own(is + off) }
}

fn unary(op: Unary, x: Near) -> Near {
    match op {
        Unary::Sqrt => growing(x, |x| x.max(0.0).sqrt(), |is| (ROOT_ERROR + DIVISION_ERROR) * is),
        Unary::Exp => growing(x, f64::exp, |is| exp_error(x.is.abs() + x.off) * is + SMALLEST),
        // WGSL allows so much, as an absolute error.
        Unary::Tanh => growing(x, f64::tanh, |_| 1.1e-5),
        Unary::Abs => Near { is: x.is.abs(), off: x.off },
    }
}

fn binary(op: Binary, a: Near, b: Near) -> Near {
    let rounded = |is: f64, off: f64, unit: f64| {
        let whole = off == 0.0 && is == f64::from(is as f32) && unit == U;
        Near { is, off: if whole { 0.0 } else { off + unit * (is.abs() + off) + SMALLEST } }
    };
    match op {
        Binary::Add => rounded(a.is + b.is, a.off + b.off, U),
        Binary::Sub => rounded(a.is - b.is, a.off + b.off, U),
        Binary::Mul => rounded(a.is * b.is, a.off * (b.is.abs() + b.off) + a.is.abs() * b.off, U),
        Binary::Div => {
            let is = a.is / b.is;
            let nearest = b.is.abs() - b.off;
            if nearest <= 0.0 { Near { is, off: f64::INFINITY } } else { rounded(is, (a.off + is.abs() * b.off) / nearest, DIVISION_ERROR) }
        }
        Binary::Max => Near { is: a.is.max(b.is), off: a.off.max(b.off) },
        Binary::Min => Near { is: a.is.min(b.is), off: a.off.max(b.off) },
        Binary::Greater => step(a.is > b.is, a, b),
        Binary::GreaterEqual => step(a.is >= b.is, a, b),
    }
}

/// 1 or 0; either where the two are as near each other as they are uncertain.
fn step(is: bool, a: Near, b: Near) -> Near {
    let certain = (a.is - b.is).abs() > a.off + b.off || a.off + b.off == 0.0;
    Near { is: f64::from(u8::from(is)), off: if certain { 0.0 } else { 1.0 } }
}
