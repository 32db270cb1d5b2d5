//! The hand-derived gradients against burn's automatic differentiation of the losses as SAELens writes them
//! (norms multiplied in and divided out, constants detached), also where SAELens has no numbers: ghost
//! gradients, the auxiliary top-k of every architecture and of normalised rows, transcoders.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, activation};
use sae_lab::rng::Rng;
use sae_lab::sae::{Batch, Config, Dead, JumpPenalty, Kind, Normalization, Sae, Unit, normalize};
use sae_lab::tensors::{HostTensor, upload};

use crate::architectures::host;
use crate::support::{assert_close_f64, assert_close_relative};

const ROWS: usize = 24;
const DEAD: [usize; 9] = [0, 3, 4, 11, 12, 17, 18, 22, 23];

fn random(rng: &mut Rng, shape: [usize; 2], scale: f64) -> Tensor<2> {
    upload((0..shape[0] * shape[1]).map(|_| (rng.normal() * scale) as f32).collect(), shape, &Device::flex())
}

/// An SAE with weights that have nothing special about them, biases included.
fn random_sae(config: &Config, rng: &mut Rng) -> Sae {
    let Config { d_in, d_out, d_sae, .. } = *config;
    let mut weights = BTreeMap::new();
    let mut add = |name: &str, shape: Vec<usize>, scale: f64, shift: f64| {
        let n = shape.iter().product();
        let data = (0..n).map(|_| (rng.normal() * scale + shift) as f32).collect();
        weights.insert(name.to_string(), HostTensor { data, shape });
    };
    add("W_enc", vec![d_in, d_sae], 0.4, 0.0);
    add("b_dec", vec![d_out], 0.2, 0.0);
    if config.architecture != Kind::Tied {
        add("W_dec", vec![d_sae, d_out], 0.4, 0.0);
    }
    if config.skip {
        add("W_skip", vec![d_out, d_in], 0.2, 0.0);
    }
    if config.architecture == Kind::Gated {
        for name in ["b_gate", "b_mag", "r_mag"] {
            add(name, vec![d_sae], 0.3, 0.1);
        }
    } else {
        add("b_enc", vec![d_sae], 0.3, 0.1);
    }
    if config.architecture == Kind::JumpRelu {
        add("threshold", vec![d_sae], 0.1, 0.3);
    }
    Sae::from_weights(config.clone(), weights, &Device::flex()).unwrap()
}

fn dead(d_sae: usize) -> Tensor<2> {
    let mut mask = vec![0.0; d_sae];
    DEAD.iter().for_each(|&latent| mask[latent] = 1.0);
    upload(mask, [1, d_sae], &Device::flex())
}

/// 1 for the dead latents' `k` largest of each row, by sorting.
fn auxiliary_mask(rank: Tensor<2>, k: usize, latents: std::ops::Range<usize>) -> Tensor<2> {
    let rank = host(rank.inner());
    let [rows, n] = rank.shape[..] else { panic!("a matrix") };
    let mut mask = vec![0.0; rows * n];
    for row in 0..rows {
        let mut order: Vec<usize> = DEAD.iter().copied().filter(|latent| latents.contains(latent)).collect();
        order.sort_by(|&a, &b| rank.data[row * n + b].total_cmp(&rank.data[row * n + a]));
        order.iter().take(k).for_each(|latent| mask[row * n + latent] = 1.0);
    }
    upload(mask, [rows, n], &Device::flex()).autodiff()
}

fn number(t: Tensor<1>) -> f64 {
    f64::from(host(t.inner().reshape([1, 1])).data[0])
}

/// The loss as SAELens writes it, with every parameter a leaf.
struct Oracle<'a> {
    config: &'a Config,
    leaves: BTreeMap<&'static str, Tensor<2>>,
    /// Of the batch top-k architectures and top-k.
    mask: Tensor<2>,
    batch: &'a Batch,
    r: f64,
    s: f64,
}

impl Oracle<'_> {
    fn leaf(&self, name: &str) -> Tensor<2> {
        match (name, self.leaves.get(name)) {
            (_, Some(leaf)) => leaf.clone(),
            ("W_dec", None) => self.leaves["W_enc"].clone().transpose(),
            _ => panic!("no {name}"),
        }
    }

    fn x(&self) -> Tensor<2> {
        self.batch.x.clone().autodiff()
    }

    fn norms(&self) -> Tensor<2> {
        self.leaf("W_dec").square().sum_dim(1).sqrt().transpose()
    }

    /// In the target's units; `shift` is left out for what is no whole output.
    fn denormalized(&self, y: Tensor<2>, shifted: bool) -> Tensor<2> {
        match &self.batch.denormalize {
            Some((scale, shift)) => y * scale.clone().autodiff() + shift.clone().autodiff() * if shifted { 1.0 } else { 0.0 },
            None => y,
        }
    }

    fn centred(&self) -> Tensor<2> {
        if self.config.apply_b_dec_to_input { self.x() - self.leaf("b_dec") } else { self.x() }
    }

    fn residual(&self, y: Tensor<2>) -> Tensor<2> {
        self.denormalized(y, true) - self.batch.target.clone().autodiff()
    }

    fn loss(&self) -> Tensor<1> {
        let Config { architecture, d_in, d_sae, .. } = *self.config;
        let (e, c) = (&self.config.extras, self.batch.coefficient);
        let (r, s) = (self.r, self.s);
        let (w_dec, b_dec, norms) = (self.leaf("W_dec"), self.leaf("b_dec"), self.norms());
        let weights = if self.config.l1_weighted { norms.clone() } else { norms.ones_like() };
        let decode = |f: Tensor<2>| {
            let y = f.matmul(w_dec.clone()) + b_dec.clone();
            if self.config.skip { y + self.x().matmul(self.leaf("W_skip").transpose()) } else { y }
        };
        let squared = |residual: Tensor<2>| residual.square().sum() * r;
        let pi = self.centred().matmul(self.leaf("W_enc"));
        if architecture == Kind::Gated {
            let mu = self.centred().matmul(self.leaf("W_enc") * self.leaf("r_mag").exp()) + self.leaf("b_mag");
            let pi = pi + self.leaf("b_gate");
            let open = pi.clone().greater_elem(0.0).float().detach();
            let via_gate = activation::relu(pi);
            let l1 = (via_gate.clone() * weights).sum() * (c * s);
            return squared(self.residual(decode(open * activation::relu(mu)))) + l1 + squared(self.residual(decode(via_gate)));
        }
        let pre = pi + self.leaf("b_enc");
        let ranked = architecture.is_top_k() && e.rescale_acts_by_decoder_norm;
        let rank = if ranked { pre.clone() * norms.clone() } else { pre.clone() };
        let unrank = |f: Tensor<2>| if ranked { f * norms.clone().recip() } else { f };
        let mut loss: Tensor<1> = Tensor::zeros([1], &pre.device());
        let features = match architecture {
            Kind::JumpRelu => {
                // Straight-through: constant values times what passes the gradient.
                let theta = self.leaf("threshold");
                let open = pre.clone().greater(theta.clone()).float().detach();
                let rectangle = ((pre.clone() - theta.clone()) / e.jumprelu_bandwidth).abs().lower_elem(0.5).float().detach();
                let from = if e.jumprelu_ste_to_input { pre.clone() } else { pre.clone().detach() };
                let gap = from - theta.clone();
                let passing = (gap.clone() - gap.detach()) * rectangle / e.jumprelu_bandwidth; // 0 in value
                let f = pre.clone() * open.clone() + passing.clone() * theta.clone().detach();
                let step = open + passing;
                loss = loss
                    + match e.jumprelu_penalty {
                        JumpPenalty::Step => step.sum() * (c * s),
                        JumpPenalty::Quadratic => (step.sum_dim(1) - e.jumprelu_target_l0).square().sum() * (c * s * 2.0 / e.jumprelu_target_l0),
                        JumpPenalty::Tanh => (f.clone() * norms.clone() * e.jumprelu_tanh_scale).tanh().sum() * (c * s),
                    };
                if e.pre_act_loss_coefficient != 0.0 {
                    let below = activation::relu(theta - pre.clone()) * dead(d_sae).autodiff() * norms.clone();
                    loss = loss + below.sum() * (e.pre_act_loss_coefficient * s);
                }
                f
            }
            kind if kind.is_top_k() => unrank(activation::relu(rank.clone()) * self.mask.clone()),
            _ => {
                let f = activation::relu(pre.clone());
                loss = loss + (f.clone() * weights).sum() * (c * s);
                f
            }
        };
        let widths = if architecture == Kind::Matryoshka { e.matryoshka_widths.clone() } else { vec![d_sae] };
        let starts = std::iter::once(0).chain(widths.iter().copied());
        let levels: Vec<_> = starts.zip(&widths).map(|(start, &width)| start..width).collect();
        let mut residuals = Vec::new();
        for level in &levels {
            let prefix = (0..d_sae).map(|latent| if latent < level.end { 1.0 } else { 0.0 }).collect();
            let prefix = features.clone() * upload(prefix, [1, d_sae], &Device::flex()).autodiff();
            let residual = self.residual(decode(prefix));
            loss = loss + squared(residual.clone());
            residuals.push(residual.detach());
        }
        let whole = residuals.last().unwrap().clone();
        let dead = dead(d_sae).autodiff();
        if self.batch.aux_k != 0.0 {
            let k_aux = d_in / 2;
            let own = e.matryoshka_aux_loss && architecture == Kind::Matryoshka;
            let pairs: Vec<_> = if own { levels.into_iter().zip(residuals).collect() } else { std::iter::once((0..d_sae, whole)).collect() };
            for (level, residual) in pairs {
                let n_dead = DEAD.iter().filter(|latent| level.contains(latent)).count();
                let acts = unrank(rank.clone() * auxiliary_mask(rank.clone(), k_aux, level));
                let recons = self.denormalized(acts.matmul(w_dec.clone()), false);
                let scale = (n_dead as f64 / k_aux as f64).min(1.0);
                loss = loss + squared(recons + residual) * (self.batch.aux_k * scale);
            }
        } else if self.batch.ghost {
            let [rows, d_out] = whole.dims();
            let length = |t: Tensor<2>| t.square().sum_dim(1).sqrt();
            let out = self.denormalized((pre.exp() * dead).matmul(w_dec), false);
            let factor = length(whole.clone()) / (length(out.clone()) * 2.0 + 1e-6);
            let squared = (out * factor.detach() + whole.clone()).square();
            let rescaling = (whole.square() / (squared.clone() + 1e-6)).detach();
            loss = loss + (squared * rescaling).sum() / (rows * d_out) as f64;
        }
        loss
    }
}

fn check(name: &str, config: &Config, aux_k: f64, ghost: bool) {
    let mut rng = Rng::new(11);
    let sae = random_sae(config, &mut rng);
    let raw = random(&mut rng, [ROWS, config.d_in], 1.5);
    let target = if config.transcoder { random(&mut rng, [ROWS, config.d_out], 1.0) } else { raw.clone() };
    let (x, denormalize) = normalize(config.normalize_activations, raw);
    let batch = Batch { target, denormalize, dead: Some(Dead::These(dead(config.d_sae))), aux_k, ghost, ..Batch::new(x, 0.3) };
    let step = sae.architecture.step(&batch);

    let parameters = sae.architecture.parameters();
    let leaves = parameters.iter().map(|p| (p.name, p.value.clone().autodiff().require_grad())).collect();
    let mask = sae.architecture.encode_batch(batch.x.clone()).greater_elem(0.0).float().autodiff();
    let (r, s) = (config.loss_unit.factor(ROWS, config.d_out), config.loss_unit.factor(ROWS, config.d_sae));
    let oracle = Oracle { config, leaves, mask, batch: &batch, r, s };
    let loss = oracle.loss();
    let total = step.extra.iter().fold(step.recon + step.sparsity * batch.coefficient, |sum, (_, term)| sum + term.clone());
    assert_close_f64(&format!("{name} loss"), number(total.autodiff()), number(loss.clone()), 2e-6);
    let gradients = loss.backward();
    // Ghosts divide by errors that may nearly cancel, which magnifies their rounding.
    let tolerance = if ghost { 3e-4 } else { 1e-5 };
    assert_eq!(step.gradients.len(), parameters.len());
    for (parameter, ours) in parameters.iter().zip(step.gradients) {
        let auto = host(oracle.leaves[parameter.name].grad(&gradients).unwrap());
        assert_close_relative(&format!("{name} gradient of {}", parameter.name), &host(ours), &auto, tolerance);
    }
}

fn config(kind: Kind) -> Config {
    let mut config = Config::new(kind, 10, 24, 0);
    config.extras.k = 5.0;
    config.extras.jumprelu_bandwidth = 0.7;
    config.extras.jumprelu_target_l0 = 6.0;
    config.extras.matryoshka_widths = vec![7, 16, 24];
    config
}

fn with(kind: Kind, change: impl FnOnce(&mut Config)) -> Config {
    let mut config = config(kind);
    change(&mut config);
    config.check().unwrap();
    config
}

fn transcoder(kind: Kind, skip: bool) -> Config {
    with(kind, |c| (c.transcoder, c.skip, c.d_out, c.apply_b_dec_to_input) = (true, skip, 6, false))
}

#[test]
fn gradients_of_every_architecture_are_autodiffs() {
    for kind in Kind::ALL {
        let name = kind.name();
        for unit in [Unit::Sum, Unit::Mean] {
            check(name, &with(kind, |c| c.loss_unit = unit), 0.0, false);
        }
        check(&format!("{name}, b_dec the other way"), &with(kind, |c| c.apply_b_dec_to_input ^= true), 0.0, false);
        check(&format!("{name}, penalty the other way"), &with(kind, |c| c.l1_weighted ^= true), 0.0, false);
        if kind.is_top_k() {
            check(&format!("{name}, not rescaled"), &with(kind, |c| c.extras.rescale_acts_by_decoder_norm = false), 0.5, false);
        }
        for normalization in [Normalization::LayerNorm, Normalization::ConstantNormRescale] {
            check(&format!("{name} {normalization:?}"), &with(kind, |c| c.normalize_activations = normalization), 0.5, false);
            check(&format!("{name} {normalization:?}, ghosts"), &with(kind, |c| c.normalize_activations = normalization), 0.0, true);
        }
    }
}

#[test]
fn gradients_of_dead_latents_are_autodiffs() {
    for kind in Kind::ALL {
        for unit in [Unit::Sum, Unit::Mean] {
            check(&format!("{} auxiliary", kind.name()), &with(kind, |c| c.loss_unit = unit), 0.7, false);
            check(&format!("{} ghosts", kind.name()), &with(kind, |c| c.loss_unit = unit), 0.0, true);
        }
    }
    check("levels", &with(Kind::Matryoshka, |c| c.extras.matryoshka_aux_loss = true), 0.7, false);
}

#[test]
fn gradients_of_jumprelus_penalties_are_autodiffs() {
    for penalty in [JumpPenalty::Step, JumpPenalty::Tanh, JumpPenalty::Quadratic] {
        for ste in [false, true] {
            for pre_act in [0.0, 0.2] {
                let config = with(Kind::JumpRelu, |c| {
                    let e = &mut c.extras;
                    (e.jumprelu_penalty, e.jumprelu_ste_to_input, e.pre_act_loss_coefficient) = (penalty, ste, pre_act);
                });
                check(&format!("{penalty:?} {ste} {pre_act}"), &config, 0.0, false);
            }
        }
    }
}

#[test]
fn gradients_of_transcoders_are_autodiffs() {
    for kind in [Kind::Untied, Kind::Standard, Kind::TopK, Kind::BatchTopK, Kind::JumpRelu] {
        for skip in [false, true] {
            check(&format!("{} transcoder", kind.name()), &transcoder(kind, skip), 0.0, false);
            check(&format!("{} transcoder, auxiliary", kind.name()), &transcoder(kind, skip), 0.4, false);
        }
    }
}
