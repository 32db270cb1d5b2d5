//! What a kernel makes of each element, as an expression: one description for the GPU, the CPU and burn's own operations.
//!
//! Elements are those of a matrix `[rows, cols]`. An input has that shape, or is a row `[1, cols]`, a column `[rows, 1]` or one
//! number `[1, 1]` that all elements share. A part that occurs twice is computed once.

use std::ops::{Add, Div, Mul, Neg, Sub};
use std::rc::Rc;

use burn::tensor::{Int, Tensor};

/// A number for each element.
#[derive(Clone)]
pub struct Expr(Rc<Node>);

pub enum Node {
    Input(Tensor<2>),
    /// Row `start + row` of a longer matrix, or the row that the `start + row`-th of these numbers names.
    Rows {
        of: Tensor<2>,
        order: Option<Tensor<1, Int>>,
        start: usize,
    },
    /// One of the numbers that the step brings along.
    Number(Rc<Numbers>, usize),
    /// The k-th sum of the kernel's source.
    Sum(usize),
    /// What the k-th output, which is written over, held before.
    Old(usize),
    /// Part of the compiled kernel: for what does not change from step to step.
    Constant(f32),
    Unary(Unary, Expr),
    Binary(Binary, Expr, Expr),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unary {
    Sqrt,
    Exp,
    Tanh,
    Abs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    Max,
    Min,
    /// 1 or 0
    Greater,
    /// 1 or 0
    GreaterEqual,
}

/// Numbers that change from step to step: each kernel brings along those that it reads.
pub struct Numbers(Vec<f32>);

impl Numbers {
    pub fn new(values: Vec<f64>) -> Rc<Self> {
        Rc::new(Self(values.into_iter().map(|x| x as f32).collect()))
    }

    pub fn value(&self, at: usize) -> f32 {
        self.0[at]
    }
}

impl Expr {
    pub fn node(&self) -> &Node {
        &self.0
    }

    /// Names the part: equal for clones of it only.
    pub fn id(&self) -> usize {
        Rc::as_ptr(&self.0).addr()
    }

    fn of(node: Node) -> Self {
        Self(Rc::new(node))
    }

    pub fn number(numbers: &Rc<Numbers>, at: usize) -> Self {
        Self::of(Node::Number(numbers.clone(), at))
    }

    /// The rows of `of`, of which there may be more than elements have, from row `start` on; with `order` those that its numbers name from there on.
    pub fn rows(of: &Tensor<2>, order: Option<&Tensor<1, Int>>, start: usize) -> Self {
        Self::of(Node::Rows { of: of.clone(), order: order.cloned(), start })
    }

    pub fn sum(k: usize) -> Self {
        Self::of(Node::Sum(k))
    }

    pub fn old(k: usize) -> Self {
        Self::of(Node::Old(k))
    }

    pub fn constant(x: f64) -> Self {
        Self::of(Node::Constant(x as f32))
    }

    pub fn sqrt(&self) -> Self {
        Self::of(Node::Unary(Unary::Sqrt, self.clone()))
    }

    pub fn exp(&self) -> Self {
        Self::of(Node::Unary(Unary::Exp, self.clone()))
    }

    pub fn tanh(&self) -> Self {
        Self::of(Node::Unary(Unary::Tanh, self.clone()))
    }

    pub fn abs(&self) -> Self {
        Self::of(Node::Unary(Unary::Abs, self.clone()))
    }

    pub fn square(&self) -> Self {
        self * self
    }

    fn with(self, op: Binary, other: Self) -> Self {
        Self::of(Node::Binary(op, self, other))
    }

    pub fn max(&self, other: impl Into<Self>) -> Self {
        self.clone().with(Binary::Max, other.into())
    }

    pub fn min(&self, other: impl Into<Self>) -> Self {
        self.clone().with(Binary::Min, other.into())
    }

    pub fn relu(&self) -> Self {
        self.max(0.0)
    }

    /// 1 where it is above `other`, else 0.
    pub fn greater(&self, other: impl Into<Self>) -> Self {
        self.clone().with(Binary::Greater, other.into())
    }

    /// 1 where it is not below `other`, else 0.
    pub fn greater_equal(&self, other: impl Into<Self>) -> Self {
        self.clone().with(Binary::GreaterEqual, other.into())
    }
}

impl From<f64> for Expr {
    fn from(x: f64) -> Self {
        Self::constant(x)
    }
}

impl From<&Tensor<2>> for Expr {
    fn from(x: &Tensor<2>) -> Self {
        Self::of(Node::Input(x.clone()))
    }
}

impl From<Tensor<2>> for Expr {
    fn from(x: Tensor<2>) -> Self {
        Self::of(Node::Input(x))
    }
}

impl From<&Expr> for Expr {
    fn from(x: &Expr) -> Self {
        x.clone()
    }
}

macro_rules! operator {
    ($name:ident, $method:ident) => {
        impl<T: Into<Expr>> $name<T> for Expr {
            type Output = Expr;
            fn $method(self, other: T) -> Expr {
                self.with(Binary::$name, other.into())
            }
        }

        impl<T: Into<Expr>> $name<T> for &Expr {
            type Output = Expr;
            fn $method(self, other: T) -> Expr {
                self.clone().with(Binary::$name, other.into())
            }
        }
    };
}

operator!(Add, add);
operator!(Sub, sub);
operator!(Mul, mul);
operator!(Div, div);

impl Neg for Expr {
    type Output = Self;
    fn neg(self) -> Self {
        Self::constant(0.0) - self
    }
}
