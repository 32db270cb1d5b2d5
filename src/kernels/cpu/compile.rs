//! Expressions as steps over blocks of numbers.

use std::collections::HashMap;

use burn_flex::FlexTensor;
use sae_lab_loops::program::{Arg, Binary, Op, Step, Unary};

use super::flex;
use crate::kernels::expr::{self, Expr, Node};
use crate::kernels::plain;

/// Slices that a program reads, at most.
pub const SLICES: usize = 32;

/// How a matrix is cut into blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Parts of one row: a column's number is one for the whole block.
    Parts,
    /// Several rows.
    Rows,
}

pub struct Compiled {
    pub slices: Vec<Slice>,
    /// One for a whole block each. Those of columns and what is computed from them follow per row.
    pub numbers: Vec<f32>,
    /// Where the numbers of columns go.
    pub columns: Vec<(usize, FlexTensor)>,
    /// Steps whose registers are numbers.
    pub row_steps: Vec<Step>,
    pub steps: Vec<Step>,
    /// No slices.
    pub outs: Vec<Arg>,
}

/// Where the numbers of a block come from. Tensors lie row after row.
pub enum Slice {
    /// One for each element.
    Full(FlexTensor),
    /// `[1, cols]`
    Row(FlexTensor),
    /// `[rows, 1]`
    Column(FlexTensor),
    Sum(usize),
    Old(usize),
}

/// `None` where a tensor is not the CPU's, or where there are too many.
pub fn compile(exprs: &[&Expr], shape: [usize; 2], cut: Cut) -> Option<Compiled> {
    let mut compiler = Compiler { shape, cut, known: HashMap::new(), out: Compiled::empty() };
    let mut outs = Vec::with_capacity(exprs.len());
    for expr in exprs {
        let mut value = compiler.value(expr)?;
        if let Value::Slice(at) = value {
            value = compiler.step(Op::Unary(Unary::Copy, Arg::Slice(at)));
        }
        outs.push(value);
    }
    let Compiler { mut out, .. } = compiler;
    out.outs = outs.into_iter().map(Value::arg).collect();
    share_registers(&mut out);
    (out.slices.len() <= SLICES).then_some(out)
}

impl Compiled {
    fn empty() -> Self {
        Self { slices: Vec::new(), numbers: Vec::new(), columns: Vec::new(), row_steps: Vec::new(), steps: Vec::new(), outs: Vec::new() }
    }
}

struct Compiler {
    shape: [usize; 2],
    cut: Cut,
    known: HashMap<usize, Value>,
    /// Each step has a register of its own at first.
    out: Compiled,
}

#[derive(Clone, Copy)]
enum Value {
    /// The same in every block.
    Known(usize),
    /// The same in a row.
    OfRow(usize),
    Slice(usize),
    Register(usize),
}

impl Value {
    fn arg(self) -> Arg {
        match self {
            Self::Known(at) | Self::OfRow(at) => Arg::Number(at),
            Self::Slice(at) => Arg::Slice(at),
            Self::Register(at) => Arg::Register(at),
        }
    }
}

impl Compiler {
    fn value(&mut self, expr: &Expr) -> Option<Value> {
        if let Some(known) = self.known.get(&expr.id()) {
            return Some(*known);
        }
        let value = match expr.node() {
            Node::Input(x) => self.input(flex::of(x)?),
            Node::Rows { of, order, start } => self.input(flex::of(&plain::rows(of, order.as_ref(), *start, self.shape[0]))?),
            Node::Number(numbers, at) => self.number(numbers.value(*at)),
            Node::Constant(x) => self.number(*x),
            Node::Sum(k) => self.slice(Slice::Sum(*k)),
            Node::Old(k) => self.slice(Slice::Old(*k)),
            Node::Unary(op, x) => {
                let x = self.value(x)?;
                self.op(Op::Unary(unary(*op), x.arg()), &[x])
            }
            Node::Binary(op, a, b) => {
                let (a, b) = (self.value(a)?, self.value(b)?);
                self.op(Op::Binary(binary(*op), a.arg(), b.arg()), &[a, b])
            }
        };
        self.known.insert(expr.id(), value);
        Some(value)
    }

    fn input(&mut self, x: FlexTensor) -> Value {
        let dims = [x.layout().shape()[0], x.layout().shape()[1]];
        let [rows, cols] = self.shape;
        let x = flex::contiguous(x);
        if dims == [1, 1] {
            self.number(flex::floats(&x)[0])
        } else if dims == self.shape {
            self.slice(Slice::Full(x))
        } else if dims == [1, cols] {
            self.slice(Slice::Row(x))
        } else if dims == [rows, 1] && self.cut == Cut::Parts {
            self.out.numbers.push(0.0);
            let at = self.out.numbers.len() - 1;
            self.out.columns.push((at, x));
            Value::OfRow(at)
        } else if dims == [rows, 1] {
            self.slice(Slice::Column(x))
        } else {
            panic!("{dims:?} is no input of a kernel over {rows} × {cols}")
        }
    }

    fn number(&mut self, x: f32) -> Value {
        self.out.numbers.push(x);
        Value::Known(self.out.numbers.len() - 1)
    }

    fn slice(&mut self, slice: Slice) -> Value {
        self.out.slices.push(slice);
        Value::Slice(self.out.slices.len() - 1)
    }

    fn step(&mut self, op: Op) -> Value {
        let to = self.out.steps.len();
        self.out.steps.push(Step { op, to });
        Value::Register(to)
    }

    fn op(&mut self, op: Op, args: &[Value]) -> Value {
        if args.iter().all(|x| matches!(x, Value::Known(_))) {
            let x = of_numbers(op, &self.out.numbers);
            self.number(x)
        } else if args.iter().all(|x| matches!(x, Value::Known(_) | Value::OfRow(_))) {
            let to = self.out.numbers.len();
            self.out.numbers.push(0.0);
            self.out.row_steps.push(Step { op, to });
            Value::OfRow(to)
        } else {
            self.step(op)
        }
    }
}

/// An operation on numbers alone.
pub fn of_numbers(op: Op, numbers: &[f32]) -> f32 {
    let of = |arg| match arg {
        Arg::Number(at) => numbers[at],
        Arg::Slice(_) | Arg::Register(_) => unreachable!("only numbers are computed once"),
    };
    match op {
        Op::Unary(op, x) => op.of(of(x)),
        Op::Binary(op, a, b) => op.of(of(a), of(b)),
    }
}

/// Gives steps the registers of others whose results nobody needs any more: fewer stay in the cache.
fn share_registers(out: &mut Compiled) {
    let mut last = vec![usize::MAX; out.steps.len()];
    for (at, step) in out.steps.iter().enumerate() {
        for arg in args(&step.op) {
            if let Arg::Register(x) = arg {
                last[*x] = at;
            }
        }
    }
    for arg in &out.outs {
        if let Arg::Register(x) = arg {
            last[*x] = usize::MAX;
        }
    }
    let mut given = vec![0; out.steps.len()];
    let (mut free, mut used) = (Vec::new(), 0);
    for (at, step) in out.steps.iter_mut().enumerate() {
        // The step's own register is one that it does not read.
        let to = free.pop().unwrap_or_else(|| {
            used += 1;
            used - 1
        });
        given[step.to] = to;
        step.to = to;
        let mut done = Vec::new();
        for arg in args_mut(&mut step.op) {
            if let Arg::Register(x) = arg {
                if last[*x] == at && !done.contains(x) {
                    done.push(*x);
                }
                *arg = Arg::Register(given[*x]);
            }
        }
        free.extend(done.into_iter().map(|x| given[x]));
    }
    for arg in &mut out.outs {
        if let Arg::Register(x) = arg {
            *arg = Arg::Register(given[*x]);
        }
    }
}

fn args(op: &Op) -> impl Iterator<Item = &Arg> {
    let (first, second) = match op {
        Op::Unary(_, x) => (x, None),
        Op::Binary(_, a, b) => (a, Some(b)),
    };
    std::iter::once(first).chain(second)
}

fn args_mut(op: &mut Op) -> impl Iterator<Item = &mut Arg> {
    let (first, second) = match op {
        Op::Unary(_, x) => (x, None),
        Op::Binary(_, a, b) => (a, Some(b)),
    };
    std::iter::once(first).chain(second)
}

fn unary(op: expr::Unary) -> Unary {
    match op {
        expr::Unary::Sqrt => Unary::Sqrt,
        expr::Unary::Exp => Unary::Exp,
        expr::Unary::Tanh => Unary::Tanh,
        expr::Unary::Abs => Unary::Abs,
    }
}

fn binary(op: expr::Binary) -> Binary {
    match op {
        expr::Binary::Add => Binary::Add,
        expr::Binary::Sub => Binary::Sub,
        expr::Binary::Mul => Binary::Mul,
        expr::Binary::Div => Binary::Div,
        expr::Binary::Max => Binary::Max,
        expr::Binary::Min => Binary::Min,
        expr::Binary::Greater => Binary::Greater,
        expr::Binary::GreaterEqual => Binary::GreaterEqual,
    }
}
