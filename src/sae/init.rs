//! The start of the weights.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::config::{Config, Kind};
use crate::error::{Result, check_setting};
use crate::rng::Rng;
use crate::tensors::HostTensor;

/// How a matrix starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Matrix {
    /// U(±√(6/fan_in)), torch's `kaiming_uniform_` for ReLU.
    Kaiming,
    /// U(±√(3/fan_in)), torch's `kaiming_uniform_` for a linear layer.
    KaimingLinear,
    /// N(0, 1/fan_in), week 7.
    Normal,
    /// The other matrix transposed.
    Transposed,
}

/// How an encoder bias starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bias {
    Zeros,
    /// U(±1/√d_in), torch's default of a linear layer.
    TorchLinear,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Init {
    pub encoder: Matrix,
    pub decoder: Matrix,
    /// Decoder rows are brought to this norm; `None` leaves them.
    pub decoder_norm: Option<f64>,
    pub encoder_bias: Bias,
}

impl Init {
    /// lab-c4's for tied and untied; SAELens's 6 else: decoder kaiming with rows of norm 0.1, encoder its transpose.
    pub fn of(kind: Kind) -> Self {
        match kind {
            Kind::Tied | Kind::Untied => {
                Self { encoder: Matrix::Kaiming, decoder: Matrix::KaimingLinear, decoder_norm: None, encoder_bias: Bias::Zeros }
            }
            _ => Self { encoder: Matrix::Transposed, decoder: Matrix::Kaiming, decoder_norm: Some(0.1), encoder_bias: Bias::Zeros },
        }
    }

    /// `Err` where one matrix cannot be made from the other.
    pub fn check(&self, config: &Config) -> Result<()> {
        let both = self.encoder == Matrix::Transposed && self.decoder == Matrix::Transposed && config.architecture != Kind::Tied;
        check_setting(!both, "init.decoder", "\"transposed\"", "another start where the encoder is the decoder transposed")?;
        let fits = self.decoder != Matrix::Transposed || config.d_in == config.d_out;
        check_setting(fits, "init.decoder", "\"transposed\"", "another start where dOut is not dIn")
    }

    /// Every tensor of a new SAE, under SAELens's names. The fan-in of the encoder is `d_in`; that
    /// of the decoder is `d_sae`, but in SAELens's way of storing it (`Kaiming`) `d_out`.
    pub fn weights(&self, config: &Config) -> BTreeMap<String, HostTensor> {
        let Config { d_in, d_out, d_sae, seed, .. } = *config;
        let mut rng = Rng::new(seed);
        let (mut w_enc, mut w_dec) = (Vec::new(), Vec::new());
        if self.encoder != Matrix::Transposed {
            w_enc = draw(&mut rng, self.encoder, d_in * d_sae, d_in);
        }
        if config.architecture != Kind::Tied {
            if self.decoder == Matrix::Transposed {
                w_dec = transpose(&w_enc, d_in, d_sae);
            } else {
                w_dec = draw(&mut rng, self.decoder, d_sae * d_out, if self.decoder == Matrix::Kaiming { d_out } else { d_sae });
            }
            if let Some(norm) = self.decoder_norm {
                for row in w_dec.chunks_mut(d_out) {
                    let length = row.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>().sqrt().max(1e-12);
                    row.iter_mut().for_each(|w| *w = (f64::from(*w) * norm / length) as f32);
                }
            }
            if self.encoder == Matrix::Transposed {
                w_enc = if d_in == d_out { transpose(&w_dec, d_sae, d_out) } else { draw(&mut rng, Matrix::Kaiming, d_in * d_sae, d_in) };
            }
        }
        if w_enc.is_empty() {
            w_enc = draw(&mut rng, Matrix::Kaiming, d_in * d_sae, d_in);
        }
        let b_enc = match self.encoder_bias {
            Bias::Zeros => vec![0.0; d_sae],
            Bias::TorchLinear => rng.symmetric(d_sae, 1.0 / (d_in as f64).sqrt()),
        };
        let vector = |data: Vec<f32>| HostTensor { shape: vec![data.len()], data };
        let zeros = |n: usize| vector(vec![0.0; n]);
        let mut out =
            BTreeMap::from([("W_enc".to_string(), HostTensor { data: w_enc, shape: vec![d_in, d_sae] }), ("b_dec".to_string(), zeros(d_out))]);
        if config.architecture != Kind::Tied {
            out.insert("W_dec".into(), HostTensor { data: w_dec, shape: vec![d_sae, d_out] });
        }
        if config.skip {
            out.insert("W_skip".into(), HostTensor { data: vec![0.0; d_out * d_in], shape: vec![d_out, d_in] });
        }
        match config.architecture {
            Kind::Gated => {
                for name in ["b_gate", "b_mag", "r_mag"] {
                    out.insert(name.into(), zeros(d_sae));
                }
            }
            Kind::JumpRelu => {
                out.insert("b_enc".into(), vector(b_enc));
                out.insert("threshold".into(), vector(vec![config.extras.jumprelu_init_threshold as f32; d_sae]));
            }
            _ => {
                out.insert("b_enc".into(), vector(b_enc));
            }
        }
        out
    }
}

fn draw(rng: &mut Rng, law: Matrix, n: usize, fan_in: usize) -> Vec<f32> {
    let fan_in = fan_in as f64;
    match law {
        Matrix::Kaiming | Matrix::Transposed => rng.symmetric(n, (6.0 / fan_in).sqrt()),
        Matrix::KaimingLinear => rng.symmetric(n, (3.0 / fan_in).sqrt()),
        Matrix::Normal => (0..n).map(|_| (rng.normal() / fan_in.sqrt()) as f32).collect(),
    }
}

/// `[rows, columns]` to `[columns, rows]`.
fn transpose(matrix: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..rows * columns).map(|at| matrix[at % rows * columns + at / rows]).collect()
}
