//! Expressions over blocks of numbers: each step is one loop over a block, whose numbers are in the first-level cache.

use crate::lanes::Lanes;

/// Numbers of a block, at most.
pub const BLOCK: usize = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unary {
    Sqrt,
    Exp,
    Tanh,
    Abs,
    /// The number itself.
    Copy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    /// The first where it is no number.
    Max,
    Min,
    /// 1 or 0
    Greater,
    GreaterEqual,
}

/// Where a step finds its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arg {
    /// One for the whole block.
    Number(usize),
    /// What the caller gives.
    Slice(usize),
    /// What another step has computed.
    Register(usize),
}

#[derive(Debug, Clone, Copy)]
pub enum Op {
    Unary(Unary, Arg),
    Binary(Binary, Arg, Arg),
}

#[derive(Debug, Clone, Copy)]
pub struct Step {
    pub op: Op,
    /// A register that the step does not read.
    pub to: usize,
}

impl Unary {
    #[inline(always)]
    pub fn of(self, x: f32) -> f32 {
        match self {
            Self::Sqrt => x.sqrt(),
            Self::Exp => x.exp(),
            Self::Tanh => x.tanh(),
            Self::Abs => x.abs(),
            Self::Copy => x,
        }
    }
}

impl Binary {
    #[inline(always)]
    pub fn of(self, a: f32, b: f32) -> f32 {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
            Self::Max => {
                if a < b {
                    b
                } else {
                    a
                }
            }
            Self::Min => {
                if a > b {
                    b
                } else {
                    a
                }
            }
            Self::Greater => f32::from(u8::from(a > b)),
            Self::GreaterEqual => f32::from(u8::from(a >= b)),
        }
    }
}

/// Registers, each a block.
#[derive(Default)]
pub struct Machine {
    registers: Vec<Vec<f32>>,
}

enum Values<'a> {
    One(f32),
    Each(&'a [f32]),
}

impl Machine {
    /// The first numbers of a register.
    pub fn register(&self, at: usize, n: usize) -> &[f32] {
        &self.registers[at][..n]
    }

    /// Takes the steps over `n` numbers.
    pub fn run(&mut self, steps: &[Step], numbers: &[f32], slices: &[&[f32]], n: usize) {
        for step in steps {
            if self.registers.len() <= step.to {
                self.registers.resize_with(step.to + 1, || vec![0.0; BLOCK]);
            }
            let mut to = std::mem::take(&mut self.registers[step.to]);
            let out = &mut to[..n];
            let of = |arg| match arg {
                Arg::Number(at) => Values::One(numbers[at]),
                Arg::Slice(at) => Values::Each(&slices[at][..n]),
                Arg::Register(at) => Values::Each(&self.registers[at][..n]),
            };
            match step.op {
                Op::Unary(op, x) => unary(op, out, of(x)),
                Op::Binary(op, a, b) => binary(op, out, of(a), of(b)),
            }
            self.registers[step.to] = to;
        }
    }
}

fn unary(op: Unary, out: &mut [f32], x: Values) {
    match x {
        Values::One(x) => out.fill(op.of(x)),
        Values::Each(x) => match op {
            Unary::Sqrt => each(out, x, |x| Unary::Sqrt.of(x)),
            Unary::Exp => exp(out, x),
            Unary::Tanh => each(out, x, |x| Unary::Tanh.of(x)),
            Unary::Abs => each(out, x, |x| Unary::Abs.of(x)),
            Unary::Copy => out.copy_from_slice(x),
        },
    }
}

fn exp(out: &mut [f32], x: &[f32]) {
    let ((out, out_rest), (x, rest)) = (out.as_chunks_mut::<4>(), x.as_chunks::<4>());
    for (out, x) in out.iter_mut().zip(x) {
        Lanes::load(x).exp().store(out);
    }
    for (out, x) in out_rest.iter_mut().zip(rest) {
        let mut four = [0.0; 4];
        Lanes::splat(*x).exp().store(&mut four);
        *out = four[0];
    }
}

fn binary(op: Binary, out: &mut [f32], a: Values, b: Values) {
    macro_rules! with {
        ($($name:ident),*) => {
            match op {
                $(Binary::$name => pairs(out, a, b, |a, b| Binary::$name.of(a, b)),)*
            }
        };
    }
    with!(Add, Sub, Mul, Div, Max, Min, Greater, GreaterEqual);
}

#[inline(always)]
fn each(out: &mut [f32], x: &[f32], f: impl Fn(f32) -> f32) {
    for (out, x) in out.iter_mut().zip(x) {
        *out = f(*x);
    }
}

#[inline(always)]
fn pairs(out: &mut [f32], a: Values, b: Values, f: impl Fn(f32, f32) -> f32) {
    match (a, b) {
        (Values::One(a), Values::One(b)) => out.fill(f(a, b)),
        (Values::One(a), Values::Each(b)) => each(out, b, |b| f(a, b)),
        (Values::Each(a), Values::One(b)) => each(out, a, |a| f(a, b)),
        (Values::Each(a), Values::Each(b)) => {
            for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
                *out = f(*a, *b);
            }
        }
    }
}
