//! Sparse autoencoders: one file per architecture, one trait, one training loop.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use burn::tensor::{Device, Tensor};

use crate::device::largest_tensor;
use crate::error::{LabError, Result, check_setting, code};
use crate::tensors::HostTensor;

pub mod adam;
mod affine;
mod architecture;
mod batchtopk;
pub mod config;
mod dead;
pub mod files;
mod gated;
mod inference;
pub mod init;
mod jumprelu;
mod learn;
mod matryoshka;
mod named;
mod relu;
mod standard;
mod tied;
mod topk;
pub mod train;

pub use affine::Affine;
pub use architecture::{Architecture, Batch, Parameter, Saved, Step};
pub use config::{Config, Extras, JumpPenalty, Kind, Metadata, Normalization, Unit};
pub use dead::Dead;
pub use inference::{Inference, normalize, rows_per_pass};
pub use init::Init;
pub use learn::{Gradient, Learnt, Tally};
pub use named::Named;
pub use train::{Entry, Recipe, TrainSettings, train};

/// An SAE with what its training has reached.
pub struct Sae {
    /// The weights as they are trained: where `input_scale` is not 1, for inputs times that.
    pub architecture: Rc<dyn Architecture>,
    pub config: Config,
    /// √d_in / mean‖x‖ with `expected_average_only_in`, from when training has estimated it; else 1.
    pub input_scale: f64,
    /// One entry per epoch, or per so many steps of a stream, since training was last started anew.
    pub history: Vec<Entry>,
    /// What a later run needs to go on.
    pub optimizer: Option<train::Optimizer>,
    /// A training run is in flight.
    pub training: bool,
    /// The sparsity coefficient that the run in flight shall use from its next step on.
    pub coefficient: Cell<Option<f64>>,
    /// `log10(how often each latent is active + 1e-10)`, `[d_sae]`, where that is known: SAELens's sparsity file.
    pub log_sparsity: Option<Vec<f32>>,
    /// The recipe and the rows of a batch that steps were last rehearsed for.
    rehearsed: Option<(Recipe, usize)>,
}

impl Sae {
    /// A new SAE with random weights.
    pub fn new(config: Config, init: &Init, device: &Device) -> Result<Self> {
        config.check()?;
        let most = largest_tensor(device) / (4 * config.d_in.max(config.d_out) as u64);
        check_setting(config.d_sae as u64 <= most, "dSae", config.d_sae, &format!("at most {most} on this device"))?;
        init.check(&config)?;
        let weights = init.weights(&config);
        Self::from_weights(config, weights, device)
    }

    /// An SAE with the given weights under SAELens's names: vectors `[n]`, matrices as in [`Affine`].
    pub fn from_weights(config: Config, weights: BTreeMap<String, HostTensor>, device: &Device) -> Result<Self> {
        Self::from_named(config, Named::new(weights, device))
    }

    /// As [`Sae::from_weights`], from tensors that may be on the device already.
    pub fn from_named(mut config: Config, mut named: Named) -> Result<Self> {
        config.check()?;
        let architecture = build(&config, &mut named)?;
        if let Some(stranger) = named.left().first() {
            return Err(LabError::new(
                code::BAD_FILE,
                format!("The weights hold {stranger}, which a {} SAE does not have.", config.architecture.name()),
                "Use the weights of this architecture, or name the architecture that they belong to.",
            ));
        }
        config.parameters = architecture.parameters().iter().map(|p| p.value.dims().iter().product::<usize>()).sum();
        Ok(Self {
            architecture,
            config,
            input_scale: 1.0,
            history: Vec::new(),
            optimizer: None,
            training: false,
            coefficient: Cell::new(None),
            log_sparsity: None,
            rehearsed: None,
        })
    }

    /// Another that holds the same, whose training leaves this one alone.
    fn to_rehearse(&self) -> Self {
        Self {
            architecture: self.architecture.clone(),
            config: self.config.clone(),
            input_scale: self.input_scale,
            history: Vec::new(),
            optimizer: self.optimizer.clone(),
            training: true,
            coefficient: Cell::new(None),
            log_sparsity: None,
            rehearsed: None,
        }
    }

    /// The SAE as it is used on activations.
    pub fn inference(&self) -> Inference {
        let architecture = match self.input_scale {
            1.0 => self.architecture.clone(),
            scale => self.architecture.with_scale_folded(scale),
        };
        Inference::new(architecture, self.config.normalize_activations)
    }

    /// Rows as a step of training reads them, scaled and normalised, with their target (the rows
    /// themselves but for a transcoder).
    pub fn batch(&self, x: Tensor<2>, target: Option<Tensor<2>>, coefficient: f64) -> Batch {
        let scaled = |t: Tensor<2>| if self.input_scale == 1.0 { t } else { t * self.input_scale };
        let x = scaled(x);
        let target = target.map_or_else(|| x.clone(), scaled);
        let (x, denormalize) = normalize(self.config.normalize_activations, x);
        Batch { target, denormalize, ..Batch::new(x, coefficient) }
    }

    /// Rows that the stream it was trained on last has given; `None` where that was no stream.
    pub fn stream_rows(&self) -> Option<usize> {
        match self.optimizer.as_ref()?.position.as_ref()? {
            train::Position::Stream(position) => Some(position.rows),
            train::Position::Rows(_) => None,
        }
    }

    /// Where its weights are.
    pub fn device(&self) -> Device {
        self.architecture.affine().w_enc.device()
    }

    /// `Err` unless the latents of so many rows, `[rows, d_sae]`, fit into a tensor.
    fn check_batch(&self, rows: usize) -> Result<()> {
        let of_row = 4 * self.config.d_sae as u64;
        let most = largest_tensor(&self.device()) / of_row;
        check_setting(rows as u64 <= most, "batchSize", rows, &format!("at most {most} for {} features on this device", self.config.d_sae))
    }

    /// After a step over so many rows: what takes a GPU long goes to it by itself, so that between two steps it can do something else, draw a page.
    fn submit_large_step(&self, rows: usize) {
        /// Products of a number with another, of which each of the five or six products of matrices in a step has as many: a step takes some ms.
        const LARGE: f64 = 1e8;
        if rows as f64 * self.config.d_in as f64 * self.config.d_sae as f64 > LARGE {
            // What is wrong with the device shows at the next reading.
            self.device().flush().ok();
        }
    }

    /// `Err` unless `width` is what this SAE encodes.
    pub fn check_width(&self, width: usize) -> Result<()> {
        check_width(width, self.config.d_in)
    }
}

/// The architecture that `config` names, from its weights.
fn build(config: &Config, weights: &mut Named) -> Result<Rc<dyn Architecture>> {
    Ok(match config.architecture {
        Kind::Tied => Rc::new(tied::Tied::new(config, weights)?),
        Kind::Untied | Kind::Standard => Rc::new(standard::Standard::new(config, weights)?),
        Kind::TopK => Rc::new(topk::TopK::new(config, weights)?),
        Kind::BatchTopK => Rc::new(batchtopk::BatchTopK::new(config, weights)?),
        Kind::JumpRelu => Rc::new(jumprelu::JumpRelu::new(config, weights)?),
        Kind::Gated => Rc::new(gated::Gated::new(config, weights)?),
        Kind::Matryoshka => Rc::new(matryoshka::Matryoshka::new(config, weights)?),
    })
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

/// The direction of `feature`, `[1, d_out]`.
pub fn direction(sae: &Inference, feature: usize, kind: Direction) -> Result<Tensor<2>> {
    check_feature(feature, sae.d_sae())?;
    let row = sae.w_dec().narrow(0, feature, 1);
    let unit = |v: Tensor<2>| v.clone() / v.square().sum_dim(1).sqrt();
    Ok(match kind {
        Direction::Decoder => row,
        Direction::DecoderUnit => unit(row),
        Direction::DecodeOneHotUnit => unit(row + sae.b_dec()),
    })
}
