//! What a training step is made of, in few kernels: numbers that go in, sums that are kept, and gradients that are computed
//! where they are used.

use std::rc::Rc;

use burn::tensor::{Device, Tensor};

use super::architecture::Batch;
use super::config::Unit;
use crate::kernels::{Expr, Numbers, Out, Source, compute};

/// Factors of the loss, on a batch.
pub struct Terms(Rc<Numbers>);

impl Terms {
    pub fn new(batch: &Batch, unit: Unit, d_out: usize, d_sae: usize) -> Self {
        let (r, s) = (unit.factor(batch.rows(), d_out), unit.factor(batch.rows(), d_sae));
        Self(Numbers::new(vec![r, 2.0 * r, s, batch.coefficient * s, batch.step as f64]))
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
    /// `[1, d_out]`; before it, side by side, those of [`super::Architecture::inner`].
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
    /// `outputs` is how many numbers the reconstructions have in all.
    pub fn new(outputs: usize, d_sae: usize, device: &Device) -> Self {
        let zeros = |n: usize| Tensor::zeros([1, n], device);
        Self { recon: zeros(outputs), sparsity: zeros(d_sae), extra: Vec::new(), fired: zeros(d_sae), last: zeros(d_sae) }
    }

    /// Adds a batch's squared errors, and those of `other` to the further term of that name. The sum of the gradients with respect to the outputs over
    /// the batch, `[1, d_out]`.
    pub fn errors(&mut self, residual: &Tensor<2>, d_y: &Tensor<2>, terms: &Terms, other: Option<Other>) -> Tensor<2> {
        let [rows, d_out] = residual.dims();
        let mut of = vec![Expr::from(residual).square()];
        let mut outs = vec![Out::Over(Self::take(&mut self.recon, residual), Expr::old(0) + Expr::sum(0) * terms.r())];
        let mut gradient = Expr::from(d_y);
        let mut name = None;
        if let Some(other) = other {
            of.push(Expr::from(&other.residual).square());
            outs.push(Out::Over(self.take_extra(other.name, d_out), Expr::old(1) + Expr::sum(1) * other.factor));
            if let Some(d_y) = other.d_y {
                gradient = gradient + d_y;
            }
            name = Some(other.name);
        }
        outs.push(Out::New(Expr::sum(of.len())));
        of.push(gradient);
        let mut done = compute(Source::Columns { rows, of }, [1, d_out], outs).into_iter();
        let mut next = || done.next().expect("as many results as outputs");
        self.recon = next();
        if let Some(name) = name {
            self.extra.push((name.to_string(), next()));
        }
        next()
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

    /// Adds squared errors by themselves.
    pub fn add_squares(&mut self, other: Option<Other>) {
        if let Some(Other { name, residual, factor, .. }) = other {
            self.add_sums(name, Expr::from(&residual).square(), residual.dims(), factor);
        }
    }

    /// Adds to the further term of that name the columns' sums of a matrix of so many elements, times `factor`.
    pub fn add_sums(&mut self, name: &str, of: Expr, [rows, cols]: [usize; 2], factor: Expr) {
        let old = self.take_extra(name, cols);
        let sums = Source::Columns { rows, of: vec![of] };
        let term = compute(sums, [1, cols], vec![Out::Over(old, Expr::old(0) + Expr::sum(0) * factor)]).swap_remove(0);
        self.extra.push((name.to_string(), term));
    }

    /// Adds to a further term.
    pub fn add(&mut self, name: &str, term: Tensor<2>) {
        match self.extra.iter_mut().find(|(of, _)| of == name) {
            Some((_, sum)) => sum.inplace(|sum| sum + term),
            None => self.extra.push((name.to_string(), term)),
        }
    }

    /// A further term of so many numbers, taken out to be written over; zeros if there is none yet.
    fn take_extra(&mut self, name: &str, cols: usize) -> Tensor<2> {
        let term = self.extra.iter().position(|(of, _)| of == name).map(|at| self.extra.swap_remove(at).1);
        term.unwrap_or_else(|| Tensor::zeros([1, cols], &self.recon.device()))
    }

    /// Takes a tensor out to be written over; `any` stands in its place until it is back.
    fn take(slot: &mut Tensor<2>, any: &Tensor<2>) -> Tensor<2> {
        std::mem::replace(slot, any.clone())
    }
}

/// Squared errors beside those of the reconstruction.
pub struct Other {
    pub name: &'static str,
    pub residual: Tensor<2>,
    /// Of their sum in the loss.
    pub factor: Expr,
    /// The gradient with respect to an output that has `b_dec` too.
    pub d_y: Option<Tensor<2>>,
}

/// The gradient of a parameter, or of several of one shape whose gradients need the same sums. It is computed where it is used: in a training step
/// inside the kernel that moves the parameters.
pub struct Gradient {
    source: Source,
    shape: [usize; 2],
    of: Vec<Of>,
}

/// What a parameter's gradient is, given the parameter.
type Of = Box<dyn FnOnce(&Expr) -> Expr>;

impl Gradient {
    /// What `of` makes of the source's sums and of the parameter.
    pub fn new(source: Source, shape: [usize; 2], of: impl FnOnce(&Expr) -> Expr + 'static) -> Self {
        Self { source, shape, of: vec![Box::new(of)] }
    }

    /// And that of the next parameter.
    pub fn with_next(mut self, of: impl FnOnce(&Expr) -> Expr + 'static) -> Self {
        self.of.push(Box::new(of));
        self
    }

    /// How many parameters it is of.
    pub fn parameters(&self) -> usize {
        self.of.len()
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
    pub fn and(mut self, more: impl FnOnce(Expr, &Expr) -> Expr + 'static) -> Self {
        let of = self.of.remove(0);
        self.of.insert(0, Box::new(move |parameter| more(of(parameter), parameter)));
        self
    }

    /// Each on its own, for the parameters as they are, of which the first ones are these gradients'.
    pub fn tensors(self, parameters: &[Tensor<2>]) -> Vec<Tensor<2>> {
        let exprs = self.of.into_iter().zip(parameters).map(|(of, parameter)| of(&Expr::from(parameter)));
        compute(self.source, self.shape, exprs.map(Out::New).collect())
    }

    /// Writes over each parameter and the two tensors that belong to it what `ending` makes of its gradient and the old values, of which the parameter's
    /// is the number that it is given.
    pub fn apply(self, over: Vec<[Tensor<2>; 3]>, ending: impl Fn(Expr, usize) -> [Expr; 3]) -> Vec<[Tensor<2>; 3]> {
        let outs = self.of.into_iter().zip(over).enumerate().flat_map(|(i, (of, over))| {
            let outs = ending(of(&Expr::old(3 * i)), 3 * i);
            over.into_iter().zip(outs).map(|(tensor, expr)| Out::Over(tensor, expr))
        });
        let done = compute(self.source, self.shape, outs.collect());
        done.as_chunks::<3>().0.to_vec()
    }
}

/// All gradients on their own, in the order of their parameters.
pub fn tensors(gradients: Vec<Gradient>, parameters: &[Tensor<2>]) -> Vec<Tensor<2>> {
    let mut at = 0;
    let mut all = Vec::with_capacity(parameters.len());
    for gradient in gradients {
        let n = gradient.parameters();
        all.extend(gradient.tensors(&parameters[at..at + n]));
        at += n;
    }
    all
}

impl From<Tensor<2>> for Gradient {
    fn from(gradient: Tensor<2>) -> Self {
        Self::new(Source::Each, gradient.dims(), move |_| Expr::from(gradient))
    }
}

/// What a step leaves beside its sums.
pub struct Learnt {
    /// Of all parameters, in the order of [`super::Architecture::parameters`].
    pub gradients: Vec<Gradient>,
    /// In the order of [`super::Architecture::buffers`].
    pub buffers: Vec<Tensor<2>>,
}
