//! [`super::compute`] in burn's own operations, on any device.

use std::collections::HashMap;

use burn::tensor::{Device, Int, Tensor};

use super::compute::{Form, Out, Source, levels};
use super::expr::{Binary, Expr, Node, Unary};

pub fn compute(source: Source, shape: [usize; 2], outs: Vec<Out>) -> Vec<Tensor<2>> {
    let device = device(&source, &outs);
    let [rows, cols] = shape;
    let sums: Vec<Tensor<2>> = match source {
        Source::Each => Vec::new(),
        Source::Product { form, pairs, only: _ } => {
            pairs.into_iter().map(|(a, b)| product(form, a, b)).reduce(|sum, more| sum + more).into_iter().collect()
        }
        Source::Leveled { form, a, b, ends, only: _ } => {
            let parts = levels(form, &a, &b, &ends).into_iter().map(|(a, b, _)| product(form, a, b)).collect();
            vec![Tensor::cat(parts, if form == Form::Outer { 0 } else { 1 })]
        }
        Source::Columns { rows, of } => {
            let whole = Values::new(&[], &[], [rows, cols], &device);
            of.iter().map(|expr| whole.clone().full(expr).sum_dim(0)).collect()
        }
        Source::Rows { cols, of } => {
            let whole = Values::new(&[], &[], [rows, cols], &device);
            of.iter().map(|expr| whole.clone().full(expr).sum_dim(1)).collect()
        }
    };
    let old: Vec<Option<Tensor<2>>> = outs
        .iter()
        .map(|out| match out {
            Out::New(_) => None,
            Out::Over(old, _) => Some(old.clone()),
        })
        .collect();
    let mut values = Values::new(&sums, &old, shape, &device);
    outs.iter().map(|out| values.full_of(out.expr())).collect()
}

fn product(form: Form, a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    match form {
        Form::Plain => a.matmul(b),
        Form::Transposed => a.matmul(b.transpose()),
        Form::Outer => a.transpose().matmul(b),
    }
}

/// What [`Expr::rows`] means.
pub fn rows(of: &Tensor<2>, order: Option<&Tensor<1, Int>>, start: usize, n: usize) -> Tensor<2> {
    match order {
        Some(order) => of.clone().select(0, order.clone().narrow(0, start, n)),
        None => of.clone().narrow(0, start, n),
    }
}

/// A tensor of the kernel, to know where it runs.
pub fn device(source: &Source, outs: &[Out]) -> Device {
    let in_source = match source {
        Source::Each => None,
        Source::Product { pairs, .. } => pairs.first().map(|(a, _)| a.device()),
        Source::Leveled { a, .. } => Some(a.device()),
        Source::Columns { of, .. } | Source::Rows { of, .. } => of.iter().find_map(of_expr),
    };
    let in_outs = || outs.iter().find_map(|out| if let Out::Over(t, _) = out { Some(t.device()) } else { of_expr(out.expr()) });
    in_source.or_else(in_outs).expect("a kernel reads something")
}

fn of_expr(expr: &Expr) -> Option<Device> {
    match expr.node() {
        Node::Input(x) | Node::Rows { of: x, .. } => Some(x.device()),
        Node::Unary(_, x) => of_expr(x),
        Node::Binary(_, a, b) => of_expr(a).or_else(|| of_expr(b)),
        Node::Number(..) | Node::Sum(_) | Node::Old(_) | Node::Constant(_) => None,
    }
}

/// Parts that are known, by [`Expr::id`].
#[derive(Clone)]
struct Values<'a> {
    sums: &'a [Tensor<2>],
    old: &'a [Option<Tensor<2>>],
    shape: [usize; 2],
    device: Device,
    known: HashMap<usize, Tensor<2>>,
}

impl<'a> Values<'a> {
    fn new(sums: &'a [Tensor<2>], old: &'a [Option<Tensor<2>>], shape: [usize; 2], device: &Device) -> Self {
        Self { sums, old, shape, device: device.clone(), known: HashMap::new() }
    }

    fn full(mut self, expr: &Expr) -> Tensor<2> {
        self.full_of(expr)
    }

    fn full_of(&mut self, expr: &Expr) -> Tensor<2> {
        self.of(expr).expand(self.shape)
    }

    fn of(&mut self, expr: &Expr) -> Tensor<2> {
        if let Some(known) = self.known.get(&expr.id()) {
            return known.clone();
        }
        let number = |x: f32| Tensor::full([1, 1], x, &self.device);
        let value = match expr.node() {
            Node::Input(x) => x.clone(),
            Node::Rows { of, order, start } => rows(of, order.as_ref(), *start, self.shape[0]),
            Node::Number(numbers, at) => number(numbers.value(*at)),
            Node::Constant(x) => number(*x),
            Node::Sum(k) => self.sums[*k].clone(),
            Node::Old(k) => self.old[*k].clone().expect("only what is written over has an old value"),
            Node::Unary(op, x) => {
                let x = self.of(x);
                match op {
                    Unary::Sqrt => x.sqrt(),
                    Unary::Exp => x.exp(),
                    Unary::Tanh => x.tanh(),
                    Unary::Abs => x.abs(),
                }
            }
            Node::Binary(op, a, b) => {
                let (a, b) = (self.of(a), self.of(b));
                match op {
                    Binary::Add => a + b,
                    Binary::Sub => a - b,
                    Binary::Mul => a * b,
                    Binary::Div => a / b,
                    Binary::Max => a.max_pair(b),
                    Binary::Min => a.min_pair(b),
                    Binary::Greater => a.greater(b).float(),
                    Binary::GreaterEqual => a.greater_equal(b).float(),
                }
            }
        };
        self.known.insert(expr.id(), value.clone());
        value
    }
}
