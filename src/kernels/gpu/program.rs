//! Expressions as WGSL.

use std::collections::HashMap;
use std::fmt::Write;

use burn_wgpu::into_contiguous;

use super::buffers::{Buffers, Place, Slots, on_gpu};
use crate::kernels::expr::{Binary, Expr, Node, Unary};
use crate::kernels::launch::ints;

/// Expressions in the order in which they are computed, each part once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Program {
    ops: Vec<Op>,
    results: Vec<usize>,
    width: usize,
}

/// Operands are places in the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Op {
    Input { slot: usize, place: Place },
    Rows { slot: usize, order: Option<usize>, start: usize },
    Number(usize),
    Sum(usize),
    Old(usize),
    Constant(u32),
    Unary(Unary, usize),
    Binary(Binary, usize, usize),
}

/// What [`Expr::sum`] stands for.
#[derive(Clone, Copy)]
pub enum Sums {
    /// An argument.
    Known,
    /// An element of a tensor.
    Read,
}

/// What a program's text calls the type of its values, and the place of its element. `col` and `n` count by the program's width; `m` and `n` are
/// rows and columns.
pub struct Names {
    pub kind: &'static str,
    pub row: &'static str,
    pub col: &'static str,
    pub m: &'static str,
    pub n: &'static str,
}

struct Builder<'a> {
    program: Program,
    buffers: &'a mut Buffers,
    shape: [usize; 2],
    sums: Sums,
    /// The slots of what is written over.
    old: &'a [Option<usize>],
    /// Parts by [`Expr::id`], and by what they are.
    known: HashMap<usize, usize>,
    same: HashMap<Op, usize>,
}

impl Program {
    /// For elements of a matrix of `shape`, `width` (4 or 1) neighbours of a row at a time. `None` where WGSL has no words for it.
    pub fn new<'a>(
        exprs: impl IntoIterator<Item = &'a Expr>,
        shape: [usize; 2],
        width: usize,
        sums: Sums,
        old: &[Option<usize>],
        buffers: &mut Buffers,
    ) -> Option<Self> {
        let program = Self { ops: Vec::new(), results: Vec::new(), width };
        let mut builder = Builder { program, buffers, shape, sums, old, known: HashMap::new(), same: HashMap::new() };
        for expr in exprs {
            let result = builder.add(expr)?;
            builder.program.results.push(result);
        }
        Some(builder.program)
    }

    /// The name of the k-th result in the text.
    pub fn result(&self, k: usize) -> String {
        format!("t{}", self.results[k])
    }

    pub fn results(&self) -> usize {
        self.results.len()
    }

    /// Declarations in WGSL; sums are `s0`, `s1` …
    pub fn text(&self, slots: &Slots, names: &Names) -> String {
        let Names { kind, row, col, m, n } = names;
        let width = self.width;
        let mut text = String::new();
        for (i, op) in self.ops.iter().enumerate() {
            let value = match *op {
                Op::Input { slot, place } => match place {
                    Place::Whole => slots.at(slot, width, &format!("{row} * {n} + {col}")),
                    Place::Row => slots.at(slot, width, col),
                    Place::Column => format!("{kind}({})", slots.at(slot, 1, row)),
                    Place::One => format!("{kind}({})", slots.at(slot, 1, "0u")),
                    Place::Turned => {
                        let parts: Vec<String> = (0..width).map(|j| slots.at(slot, 1, &format!("({width}u * {col} + {j}u) * {m} + {row}"))).collect();
                        format!("{kind}({})", parts.join(", "))
                    }
                },
                Op::Rows { slot, order, start } => {
                    let at = format!("{} + {row}", Slots::number(start));
                    let row = order.map_or(at.clone(), |order| format!("u32({})", slots.at(order, 1, &at)));
                    slots.at(slot, width, &format!("({row}) * {n} + {col}"))
                }
                Op::Number(k) => format!("{kind}(bitcast<f32>({}))", Slots::number(k)),
                Op::Sum(k) => format!("s{k}"),
                Op::Old(slot) => slots.at(slot, width, &format!("{row} * {n} + {col}")),
                Op::Constant(bits) => format!("{kind}({:e})", f32::from_bits(bits)),
                Op::Unary(op, x) => match op {
                    Unary::Sqrt => format!("sqrt(t{x})"),
                    Unary::Exp => format!("exp(t{x})"),
                    // Some GPUs compute it from exponentials that overflow.
                    Unary::Tanh => format!("tanh(clamp(t{x}, {kind}(-20.0), {kind}(20.0)))"),
                    Unary::Abs => format!("abs(t{x})"),
                },
                Op::Binary(op, a, b) => match op {
                    Binary::Add => format!("t{a} + t{b}"),
                    Binary::Sub => format!("t{a} - t{b}"),
                    Binary::Mul => format!("t{a} * t{b}"),
                    Binary::Div => format!("t{a} / t{b}"),
                    Binary::Max => format!("max(t{a}, t{b})"),
                    Binary::Min => format!("min(t{a}, t{b})"),
                    Binary::Greater => format!("select({kind}(0.0), {kind}(1.0), t{a} > t{b})"),
                    Binary::GreaterEqual => format!("select({kind}(0.0), {kind}(1.0), t{a} >= t{b})"),
                },
            };
            writeln!(text, "  let t{i} = {value};").ok();
        }
        text
    }
}

impl Builder<'_> {
    fn add(&mut self, expr: &Expr) -> Option<usize> {
        if let Some(&known) = self.known.get(&expr.id()) {
            return Some(known);
        }
        let (shape, width) = (self.shape, self.program.width);
        let op = match expr.node() {
            Node::Input(x) => {
                let (slot, place) = self.buffers.input(x, shape, width)?;
                Op::Input { slot, place }
            }
            Node::Rows { of, order, start } => {
                let slot = self.buffers.read(into_contiguous(on_gpu(of)?), width == 4);
                let order = match order {
                    Some(order) => Some(self.buffers.ints(ints(order.clone()))),
                    None => None,
                };
                Op::Rows { slot, order, start: self.buffers.size(*start as u32) }
            }
            Node::Number(numbers, at) => Op::Number(self.buffers.number(numbers, *at)),
            Node::Sum(k) => match self.sums {
                Sums::Known => Op::Sum(*k),
                Sums::Read => Op::Input { slot: self.buffers.sum(*k, width), place: Place::Whole },
            },
            Node::Old(k) => Op::Old(self.old[*k].expect("only what is written over has an old value")),
            Node::Constant(x) if x.is_finite() => Op::Constant(x.to_bits()),
            Node::Constant(_) => return None,
            Node::Unary(op, x) => Op::Unary(*op, self.add(x)?),
            Node::Binary(op, a, b) => Op::Binary(*op, self.add(a)?, self.add(b)?),
        };
        let ops = &mut self.program.ops;
        let at = *self.same.entry(op).or_insert_with(|| {
            ops.push(op);
            ops.len() - 1
        });
        self.known.insert(expr.id(), at);
        Some(at)
    }
}
