//! Sparse autoencoders: one file per architecture, one trait, one training loop.

use std::rc::Rc;

use burn::tensor::{Device, Tensor};
use serde::Serialize;

use crate::error::{LabError, Result, check_setting, code};
use crate::rng::Rng;
use crate::tensors::{HostTensor, upload};

pub mod adam;
mod relu;
pub mod tied;
pub mod train;
pub mod untied;

pub use tied::Tied;
pub use train::{EpochStats, TrainSettings, train};
pub use untied::Untied;

/// What every architecture can do. Biases are rows `[1, n]`, so that they broadcast as they are.
/// Shapes: x `[batch, d_in]`, features `[batch, d_sae]`.
pub trait Architecture {
    /// Its name in files and settings.
    fn name(&self) -> &'static str;

    /// `[d_in, d_sae]`
    fn w_enc(&self) -> Tensor<2>;
    /// `[1, d_sae]`
    fn b_enc(&self) -> Tensor<2>;
    /// `[d_sae, d_in]`
    fn w_dec(&self) -> Tensor<2>;
    /// `[1, d_in]`
    fn b_dec(&self) -> Tensor<2>;

    /// Feature activations of `x`.
    fn encode(&self, x: Tensor<2>) -> Tensor<2>;
    /// The reconstruction from features.
    fn decode(&self, features: Tensor<2>) -> Tensor<2>;

    /// What is trained, in a fixed order.
    fn parameters(&self) -> Vec<Tensor<2>>;
    /// The same architecture with other parameters, in the order of [`Architecture::parameters`].
    fn with_parameters(&self, parameters: Vec<Tensor<2>>) -> Rc<dyn Architecture>;
    /// Loss terms on a batch and the gradient of the total with respect to each parameter.
    fn gradients(&self, x: Tensor<2>, l1: f64) -> Step;
}

/// The terms of one batch's loss, each a tensor `[1]` on the device, and the gradients.
pub struct Step {
    /// `mean((x̂ − x)²)` over batch and dimensions.
    pub recon: Tensor<1>,
    /// `mean(|f|)` over batch and features, not multiplied by its coefficient.
    pub l1: Tensor<1>,
    /// Mean number of features above zero, per row.
    pub n_active: Tensor<1>,
    pub gradients: Vec<Tensor<2>>,
}

/// Values in one weight matrix at most: 256 MB as f32, of which training holds about six.
const LARGEST_MATRIX: usize = 1 << 26;

/// Size and kind.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    pub architecture: &'static str,
    pub d_in: usize,
    pub d_sae: usize,
    pub parameters: usize,
    pub seed: u64,
}

/// An SAE with what its training has reached.
pub struct Sae {
    pub architecture: Rc<dyn Architecture>,
    pub config: Config,
    /// One entry per epoch since training was last started anew.
    pub history: Vec<EpochStats>,
    /// What a later run needs to go on.
    pub optimizer: Option<train::Optimizer>,
    /// A training run is in flight.
    pub training: bool,
}

/// Weights given by the caller instead of a random start.
#[derive(Debug, Clone)]
pub struct Weights {
    pub w_enc: HostTensor,
    pub b_enc: HostTensor,
    pub w_dec: Option<HostTensor>,
    pub b_dec: HostTensor,
}

impl Sae {
    /// A new SAE: lab-c4's initialisation from `seed`, or the given weights.
    pub fn new(architecture: &str, d_in: usize, d_sae: usize, seed: u64, weights: Option<Weights>, device: &Device) -> Result<Self> {
        check_setting((1..=1 << 14).contains(&d_in), "dIn", d_in, "from 1 to 16384")?;
        check_setting((1..=1 << 18).contains(&d_sae), "dSae", d_sae, "from 1 to 262144")?;
        let size = d_in.checked_mul(d_sae).filter(|&n| n <= LARGEST_MATRIX);
        check_setting(size.is_some(), "dSae", d_sae, &format!("at most {} for {d_in} dimensions", LARGEST_MATRIX / d_in))?;
        let tied = match architecture {
            "tied" => true,
            "untied" => false,
            other => return Err(LabError::setting("architecture", format!("{other:?}"), "\"tied\" or \"untied\"")),
        };
        let Weights { w_enc, b_enc, w_dec, b_dec } = match weights {
            Some(weights) => weights,
            None => initial(d_in, d_sae, tied, seed),
        };
        w_enc.expect_shape("W_enc", &[d_in, d_sae])?;
        b_enc.expect_shape("b_enc", &[d_sae])?;
        b_dec.expect_shape("b_dec", &[d_in])?;
        let finite = [&w_enc, &b_enc, &b_dec].into_iter().chain(&w_dec).all(|t| t.data.iter().all(|x| x.is_finite()));
        if !finite {
            return Err(LabError::new(
                code::NOT_FINITE,
                "The weights hold values that are no numbers.",
                "Use the weights of a run that did not diverge.",
            ));
        }
        let b_enc = upload(b_enc.data, [1, d_sae], device);
        let b_dec = upload(b_dec.data, [1, d_in], device);
        if let (true, Some(w_dec)) = (tied, &w_dec) {
            w_dec.expect_shape("W_dec", &[d_sae, d_in])?;
            let same = |(at, w): (usize, &f32)| w_enc.data[at % d_in * d_sae + at / d_in] == *w;
            let transposed = w_dec.data.iter().enumerate().all(same);
            check_setting(transposed, "architecture", "\"tied\"", "\"untied\" for weights whose W_dec is not W_enc transposed")?;
        }
        let w_enc = upload(w_enc.data, [d_in, d_sae], device);
        let architecture: Rc<dyn Architecture> = match (tied, w_dec) {
            (true, _) => Rc::new(Tied { w_enc, b_enc, b_dec }),
            (false, Some(w_dec)) => {
                w_dec.expect_shape("W_dec", &[d_sae, d_in])?;
                Rc::new(Untied { w_enc, b_enc, w_dec: upload(w_dec.data, [d_sae, d_in], device), b_dec })
            }
            (false, None) => return Err(LabError::setting("weights", "without W_dec", "complete: an untied SAE has its own decoder")),
        };
        let parameters = architecture.parameters().iter().map(|p| p.dims().iter().product::<usize>()).sum();
        let config = Config { architecture: architecture.name(), d_in, d_sae, parameters, seed };
        Ok(Self { architecture, config, history: Vec::new(), optimizer: None, training: false })
    }

    /// `Err` unless `width` is what this SAE encodes.
    pub fn check_width(&self, width: usize) -> Result<()> {
        check_width(width, self.config.d_in)
    }
}

/// `Err` with both numbers when activations don't have the width that an SAE expects.
pub fn check_width(width: usize, d_in: usize) -> Result<()> {
    if width == d_in {
        return Ok(());
    }
    Err(LabError::new(
        code::WIDTH_MISMATCH,
        format!("This SAE expects {d_in} dimensions, but the activations have {width}."),
        "Use activations of the hook that the SAE was made for, or create an SAE of this width.",
    ))
}

/// lab-c4's start: `W_enc` kaiming-uniform for ReLU, U(±√(6/d_in)); an untied `W_dec`
/// kaiming-uniform for a linear layer, U(±√(3/d_sae)); biases 0.
fn initial(d_in: usize, d_sae: usize, tied: bool, seed: u64) -> Weights {
    let mut rng = Rng::new(seed);
    let mut uniform = |rows: usize, columns: usize, bound: f64| HostTensor { data: rng.symmetric(rows * columns, bound), shape: vec![rows, columns] };
    let zeros = |n: usize| HostTensor { data: vec![0.0; n], shape: vec![n] };
    Weights {
        w_enc: uniform(d_in, d_sae, (6.0 / d_in as f64).sqrt()),
        b_enc: zeros(d_sae),
        w_dec: (!tied).then(|| uniform(d_sae, d_in, (3.0 / d_sae as f64).sqrt())),
        b_dec: zeros(d_in),
    }
}

/// A direction in the residual stream made of one feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// `W_dec[i]`
    Decoder,
    /// `W_dec[i] / ‖W_dec[i]‖`
    DecoderUnit,
    /// `decode(one-hot i)` normalised, as lab-c4 steers: the decoder bias is part of it.
    DecodeOneHotUnit,
}

/// `Err` unless feature `feature` exists.
pub fn check_feature(feature: usize, d_sae: usize) -> Result<()> {
    check_setting(feature < d_sae, "feature", feature, &format!("from 0 to {}", d_sae - 1))
}

/// The direction of `feature`, `[1, d_in]`.
pub fn direction(sae: &dyn Architecture, feature: usize, kind: Direction) -> Result<Tensor<2>> {
    let w_dec = sae.w_dec();
    check_feature(feature, w_dec.dims()[0])?;
    let row = w_dec.narrow(0, feature, 1);
    let unit = |v: Tensor<2>| v.clone() / v.square().sum_dim(1).sqrt();
    Ok(match kind {
        Direction::Decoder => row,
        Direction::DecoderUnit => unit(row),
        Direction::DecodeOneHotUnit => unit(row + sae.b_dec()),
    })
}
