//! What a training step is made of, in few kernels: numbers that go in, sums that are kept, and gradients that are computed
//! where they are used.

use std::rc::Rc;

use burn::tensor::{Device, Tensor};

use super::architecture::Batch;
use super::config::Unit;
use crate::kernels::{Expr, Numbers, Out, Source, compute, compute_one};

/// Factors of the loss, on a batch.
pub struct Terms(Rc<Numbers>);

impl Terms {
    pub fn new(batch: &Batch, unit: Unit, d_out: usize, d_sae: usize) -> Self {
        let (r, s) = (unit.factor(batch.rows(), d_out), unit.factor(batch.rows(), d_sae));
        Self(Numbers::new(vec![r, 2.0 * r, s, batch.coefficient * s, batch.step as f64], &batch.x.device()))
    }

    /// Of the squared error.
    pub fn r(&self) -> Expr {
        Expr::number(&self.0, 0)
    }

    /// Of the squared error's derivative.
    pub fn two_r(&self) -> Expr {
        Expr::number(&self.0, 1)
    }

    /// Of the sparsity term, without its coefficient.
    pub fn s(&self) -> Expr {
        Expr::number(&self.0, 2)
    }

    /// The same with its coefficient.
    pub fn c_s(&self) -> Expr {
        Expr::number(&self.0, 3)
    }

    /// The step's number, from 1.
    pub fn step(&self) -> Expr {
        Expr::number(&self.0, 4)
    }
}

/// Sums over steps, on the device. A term of the loss is kept as a row, whose sum it is.
#[derive(Clone)]
pub struct Tally {
    /// `[1, d_out]`
    pub recon: Tensor<2>,
    /// Without its coefficient; 0 for the top-k family. `[1, d_sae]`
    pub sparsity: Tensor<2>,
    /// Further terms under SAELens's names, their coefficients included.
    pub extra: Vec<(String, Tensor<2>)>,
    /// In how many rows each latent was active, `[1, d_sae]`.
    pub fired: Tensor<2>,
    /// The step in which each latent was last active, 0 for never, `[1, d_sae]`. Exact to 2^24 steps.
    pub last: Tensor<2>,
}

impl Tally {
    pub fn new(d_out: usize, d_sae: usize, device: &Device) -> Self {
        let zeros = |n: usize| Tensor::zeros([1, n], device);
        Self { recon: zeros(d_out), sparsity: zeros(d_sae), extra: Vec::new(), fired: zeros(d_sae), last: zeros(d_sae) }
    }

    /// Adds a batch's squared errors, and gives the sum of `d_y` over the batch, `[1, d_out]`.
    pub fn errors(&mut self, residual: &Tensor<2>, d_y: &Tensor<2>, terms: &Terms) -> Tensor<2> {
        let [rows, d_out] = residual.dims();
        let recon = Self::take(&mut self.recon, residual);
        let source = Source::Columns { rows, of: vec![Expr::from(residual).square(), Expr::from(d_y)] };
        let outs = vec![Out::Over(recon, Expr::old(0) + Expr::sum(0) * terms.r()), Out::New(Expr::sum(1))];
        let Ok([recon, d_b_dec]) = <[_; 2]>::try_from(compute(source, [1, d_out], outs)) else { unreachable!("two outputs") };
        self.recon = recon;
        d_b_dec
    }

    /// Counts the latents that are active in a batch, `[rows, d_sae]` with 1 for those. Besides, `more` is summed over the batch; `then`
    /// makes of these sums what the sparsity term grows by, if it does, and new rows `[1, d_sae]`, which are given back.
    pub fn latents(
        &mut self,
        active: Expr,
        shape: [usize; 2],
        terms: &Terms,
        more: Vec<Expr>,
        then: impl FnOnce(Vec<Expr>) -> (Option<Expr>, Vec<Expr>),
    ) -> Vec<Tensor<2>> {
        let [rows, d_sae] = shape;
        let sums = (1..=more.len()).map(Expr::sum).collect();
        let (sparsity, new) = then(sums);
        let any = self.recon.clone();
        let seen = Expr::sum(0).greater(0.0) * terms.step();
        let mut outs = vec![
            Out::Over(Self::take(&mut self.fired, &any), Expr::old(0) + Expr::sum(0)),
            Out::Over(Self::take(&mut self.last, &any), Expr::old(1).max(seen)),
        ];
        let has_sparsity = sparsity.is_some();
        outs.extend(sparsity.map(|more| Out::Over(Self::take(&mut self.sparsity, &any), Expr::old(2) + more)));
        outs.extend(new.into_iter().map(Out::New));
        let source = Source::Columns { rows, of: [active].into_iter().chain(more).collect() };
        let mut done = compute(source, [1, d_sae], outs).into_iter();
        let mut next = || done.next().expect("as many results as outputs");
        (self.fired, self.last) = (next(), next());
        if has_sparsity {
            self.sparsity = next();
        }
        done.collect()
    }

    /// Adds what is no latent's own, `[1, 1]`, to the sparsity term.
    pub fn add_sparsity(&mut self, term: Tensor<2>) {
        let [_, d_sae] = self.sparsity.dims();
        self.sparsity.inplace(|sparsity| sparsity + term / d_sae as f64);
    }

    /// Adds to a further term.
    pub fn add(&mut self, name: &str, term: Tensor<2>) {
        match self.extra.iter_mut().find(|(of, _)| of == name) {
            Some((_, sum)) => sum.inplace(|sum| sum + term),
            None => self.extra.push((name.to_string(), term)),
        }
    }

    /// Takes a tensor out to be written over; `any` stands in its place until it is back.
    fn take(slot: &mut Tensor<2>, any: &Tensor<2>) -> Tensor<2> {
        std::mem::replace(slot, any.clone())
    }
}

/// A parameter's gradient, computed where it is used: in a training step inside the kernel that moves the parameter.
pub struct Gradient {
    source: Source,
    shape: [usize; 2],
    of: Box<dyn FnOnce(&Expr) -> Expr>,
}

impl Gradient {
    /// What `of` makes of the source's sums and of the parameter.
    pub fn new(source: Source, shape: [usize; 2], of: impl FnOnce(&Expr) -> Expr + 'static) -> Self {
        Self { source, shape, of: Box::new(of) }
    }

    /// The source's sum itself.
    pub fn sum(source: Source, shape: [usize; 2]) -> Self {
        Self::new(source, shape, |_| Expr::sum(0))
    }

    /// With further pairs in its product.
    pub fn with_pairs(mut self, more: impl Iterator<Item = (Tensor<2>, Tensor<2>)>) -> Self {
        if let Source::Product { pairs, .. } = &mut self.source {
            pairs.extend(more);
        }
        self
    }

    /// What `more` makes of it and of the parameter.
    pub fn and(self, more: impl FnOnce(Expr, &Expr) -> Expr + 'static) -> Self {
        let of = self.of;
        Self::new(self.source, self.shape, move |parameter| more(of(parameter), parameter))
    }

    /// On its own, for the parameter as it is.
    pub fn tensor(self, parameter: &Tensor<2>) -> Tensor<2> {
        let expr = (self.of)(&Expr::from(parameter));
        compute_one(self.source, self.shape, expr)
    }

    /// Writes over the parameter and whatever belongs to it what `ending` makes of the gradient and the old values.
    pub fn apply(self, over: Vec<Tensor<2>>, ending: impl FnOnce(Expr) -> Vec<Expr>) -> Vec<Tensor<2>> {
        let outs = ending((self.of)(&Expr::old(0)));
        compute(self.source, self.shape, over.into_iter().zip(outs).map(|(tensor, expr)| Out::Over(tensor, expr)).collect())
    }
}

impl From<Tensor<2>> for Gradient {
    fn from(gradient: Tensor<2>) -> Self {
        Self::new(Source::Each, gradient.dims(), move |_| Expr::from(gradient))
    }
}

/// What a step leaves beside its sums.
pub struct Learnt {
    /// In the order of [`super::Architecture::parameters`].
    pub gradients: Vec<Gradient>,
    /// In the order of [`super::Architecture::buffers`].
    pub buffers: Vec<Tensor<2>>,
}
