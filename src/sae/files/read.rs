//! SAELens's weights onto the device, tensor by tensor: in memory at once are the piece of the file
//! that is being read and one tensor as f32.

use std::collections::{BTreeMap, VecDeque};

use burn::tensor::{Device, Tensor as DeviceTensor};
use serde_json::{Map, Value};

use super::{CFG, SPARSITY, WEIGHTS, bad, read_config};
use crate::error::{LabError, Result, code};
use crate::files::{Header, Stored, Tensor, head_length};
use crate::sae::config::{Config, Kind};
use crate::sae::{Named, Sae};
use crate::tensors::{self, HostTensor, upload};

/// What SAELens's list of releases says about an SAE beside its files.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Release {
    /// Keys of cfg.json that it replaces.
    pub overrides: Map<String, Value>,
    /// `norm_scaling_factor`: what inputs are multiplied with where the file says
    /// `expected_average_only_in` and the factor was not folded into the weights.
    pub input_scale: Option<f64>,
}

/// A tensor's bytes in the weights file: `start..end` of the whole file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub name: String,
    pub start: u64,
    pub end: u64,
}

/// An SAE of which cfg.json and the weights' header have been read and agree. Its tensors are given
/// to [`Loader::feed`] in the order of [`Loader::parts`].
pub struct Loader {
    config: Config,
    input_scale: f64,
    device: Device,
    parts: Vec<Part>,
    /// Those still to come, the first of them under way.
    waiting: VecDeque<(String, Tensor)>,
    values: Vec<f32>,
    uploaded: BTreeMap<String, DeviceTensor<2>>,
    last: Option<String>,
    /// What is not uploaded as it is: SAELens's running threshold of a batch top-k in training.
    host: BTreeMap<String, HostTensor>,
}

impl Loader {
    /// Checks all that can be checked before the tensors themselves are read. `head` are the first
    /// [`head_length`] bytes of a weights file with `file_length`.
    pub fn open(cfg: &[u8], head: &[u8], file_length: u64, release: &Release, device: &Device) -> Result<Self> {
        let config = read_config(cfg, &release.overrides)?;
        let header = Header::parse(WEIGHTS, head, file_length)?;
        header.check_readable(WEIGHTS)?;
        check_names_and_shapes(&config, &header)?;
        let input_scale = match release.input_scale {
            Some(scale) if !(scale.is_finite() && scale > 0.0) => return Err(LabError::setting("inputScale", scale, "above 0")),
            Some(scale) if config.normalize_activations == crate::sae::Normalization::ExpectedAverageOnlyIn => scale,
            _ => 1.0,
        };
        let mut tensors: Vec<_> = header.tensors.into_iter().collect();
        tensors.sort_by_key(|(_, t)| t.start);
        let parts = tensors.iter().map(|(name, t)| Part { name: name.clone(), start: t.start, end: t.end }).collect();
        let waiting = tensors.into();
        Ok(Self {
            config,
            input_scale,
            device: device.clone(),
            parts,
            waiting,
            values: Vec::new(),
            uploaded: BTreeMap::new(),
            last: None,
            host: BTreeMap::new(),
        })
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// In the order of the file.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Values of the largest tensor.
    pub fn largest(&self) -> usize {
        self.waiting.iter().map(|(_, t)| t.shape.iter().product()).max().unwrap_or(0)
    }

    /// The next bytes of the tensor under way: a whole number of its values, none to make room for them.
    /// Its last ones upload it.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        let Some((name, tensor)) = self.waiting.front() else {
            return Err(bad(format!("{WEIGHTS}: {} bytes came after the last tensor.", bytes.len())));
        };
        let size: usize = tensor.shape.iter().product();
        if self.values.is_empty() {
            // Checked against cfg.json, whose sizes are bounded.
            self.values.try_reserve_exact(size).map_err(|_| {
                LabError::new(
                    code::DEVICE,
                    format!("There is no memory for the {size} values of {name}."),
                    "Close other tabs or dispose of what is not needed; a smaller SAE needs less.",
                )
            })?;
        }
        let had = self.values.len();
        if !bytes.len().is_multiple_of(tensor.stored.bytes()) || had + bytes.len() / tensor.stored.bytes() > size {
            return Err(bad(format!("{WEIGHTS}: {} bytes are no part of {name}, of whose {size} values {had} were read.", bytes.len())));
        }
        tensor.stored.append(bytes, &mut self.values);
        if let Some(at) = self.values[had..].iter().position(|x| !x.is_finite()) {
            let (at, value) = (had + at, self.values[had + at]);
            return Err(LabError::new(
                code::NOT_FINITE,
                format!("{WEIGHTS}: value {at} of {name} is {value}, no number that can be used."),
                "Use the weights of a run that did not diverge.",
            ));
        }
        if self.values.len() == size
            && let Some((name, tensor)) = self.waiting.pop_front()
        {
            let values = std::mem::take(&mut self.values);
            self.finish_tensor(name, &tensor.shape, values)?;
        }
        Ok(())
    }

    fn finish_tensor(&mut self, name: String, shape: &[usize], mut values: Vec<f32>) -> Result<()> {
        match name.as_str() {
            // SAELens wrote ones for a time and drops them; others it does not load either.
            "scaling_factor" => {
                if let Some(at) = values.iter().position(|x| (x - 1.0).abs() > 1e-5) {
                    return Err(bad(format!(
                        "{WEIGHTS}: scaling_factor {at} is {}, but only factors of 1 can be used: SAELens 6 refuses others too.",
                        values[at]
                    )));
                }
                return Ok(());
            }
            "topk_threshold" => {
                self.host.insert(name, HostTensor { shape: vec![values.len()], data: values });
                return Ok(());
            }
            "log_threshold" => {
                values.iter_mut().for_each(|x| *x = x.exp());
                if let Some(at) = values.iter().position(|x| !x.is_finite()) {
                    return Err(bad(format!("{WEIGHTS}: log_threshold {at} is too large for a threshold.")));
                }
            }
            _ => {}
        }
        let (rows, columns) = match *shape {
            [rows, columns] => (rows, columns),
            _ => (1, values.len()),
        };
        let name = if name == "log_threshold" { "threshold".into() } else { name };
        self.last = Some(name.clone());
        self.uploaded.insert(name, upload(values, [rows, columns], &self.device));
        Ok(())
    }

    /// Waits until what was uploaded last is on the device: until then its bytes stay in memory as well.
    pub async fn settle(&self) -> Result<()> {
        if let Some(tensor) = self.last.as_ref().and_then(|name| self.uploaded.get(name)) {
            tensors::read(tensor.clone().narrow(0, 0, 1).narrow(1, 0, 1)).await?;
        }
        Ok(())
    }

    /// The SAE, once every tensor was fed.
    pub fn finish(self) -> Result<Sae> {
        if let Some((name, _)) = self.waiting.front() {
            return Err(bad(format!("{WEIGHTS}: {name} was not read to its end.")));
        }
        let mut sae = Sae::from_named(self.config, Named::new(self.host, &self.device).with_uploaded(self.uploaded))?;
        sae.input_scale = self.input_scale;
        Ok(sae)
    }
}

type Shapes = Vec<(&'static str, Vec<usize>)>;

/// The tensors that an SAE of this configuration has, and those that a file may hold besides.
fn expected(config: &Config, header: &Header) -> (Shapes, Shapes) {
    let Config { d_in, d_out, d_sae, .. } = *config;
    let mut needed = vec![("W_enc", vec![d_in, d_sae]), ("W_dec", vec![d_sae, d_out]), ("b_dec", vec![d_out])];
    let mut allowed = vec![("scaling_factor", vec![d_sae])];
    match config.architecture {
        Kind::Gated => needed.extend(["b_gate", "b_mag", "r_mag"].map(|name| (name, vec![d_sae]))),
        _ => needed.push(("b_enc", vec![d_sae])),
    }
    match config.architecture {
        Kind::JumpRelu if header.tensors.contains_key("log_threshold") => needed.push(("log_threshold", vec![d_sae])),
        Kind::JumpRelu => needed.push(("threshold", vec![d_sae])),
        Kind::BatchTopK | Kind::Matryoshka => allowed.push(("topk_threshold", vec![])),
        _ => {}
    }
    if config.skip {
        needed.push(("W_skip", vec![d_out, d_in]));
    }
    (needed, allowed)
}

fn check_names_and_shapes(config: &Config, header: &Header) -> Result<()> {
    let (needed, allowed) = expected(config, header);
    let architecture = super::config::architecture_name(config.architecture, config.transcoder, config.skip).unwrap_or("this");
    for (name, _) in &needed {
        if !header.tensors.contains_key(*name) {
            let there: Vec<&str> = header.tensors.keys().map(String::as_str).take(12).collect();
            return Err(bad(format!("{WEIGHTS} lacks {name}, which the {architecture} SAE of {CFG} has; it holds {}.", there.join(", "))));
        }
    }
    for (name, tensor) in &header.tensors {
        let Some((_, shape)) = needed.iter().chain(&allowed).find(|(known, _)| known == name) else {
            return Err(bad(format!("{WEIGHTS} holds {name}, which the {architecture} SAE of {CFG} does not have.")));
        };
        if &tensor.shape != shape {
            return Err(bad(format!("{WEIGHTS}: {name} has shape {:?}, but {CFG} asks for {shape:?}.", tensor.shape)));
        }
    }
    Ok(())
}

/// An SAE from whole files. `sparsity` is the third file, where there is one.
pub fn read(cfg: &[u8], weights: &[u8], sparsity: Option<&[u8]>, release: &Release, device: &Device) -> Result<Sae> {
    let length = weights.len() as u64;
    let head = head_length(WEIGHTS, weights, length)?;
    let mut loader = Loader::open(cfg, weights.get(..head).unwrap_or_default(), length, release, device)?;
    let log_sparsity = sparsity.map(|file| read_sparsity(file, loader.config().d_sae)).transpose()?;
    for part in loader.parts().to_vec() {
        loader.feed(weights.get(part.start as usize..part.end as usize).unwrap_or_default())?;
    }
    let mut sae = loader.finish()?;
    sae.log_sparsity = log_sparsity;
    Ok(sae)
}

/// `log10(how often a latent is active + 1e-10)`, of every latent.
pub fn read_sparsity(file: &[u8], d_sae: usize) -> Result<Vec<f32>> {
    let length = file.len() as u64;
    let head = head_length(SPARSITY, file, length)?;
    let header = Header::parse(SPARSITY, file.get(..head).unwrap_or_default(), length)?;
    header.check_readable(SPARSITY)?;
    let tensor = header.tensors.get("sparsity").filter(|_| header.tensors.len() == 1);
    let tensor = tensor.ok_or_else(|| bad(format!("{SPARSITY} must hold one tensor, named sparsity.")))?;
    if tensor.shape != [d_sae] {
        return Err(bad(format!("{SPARSITY} has shape {:?}, but {CFG} asks for {:?}.", tensor.shape, [d_sae])));
    }
    let mut values = Vec::with_capacity(d_sae);
    Stored::append(tensor.stored, file.get(tensor.start as usize..tensor.end as usize).unwrap_or_default(), &mut values);
    if let Some(at) = values.iter().position(|x| x.is_nan() || *x > 1e-3) {
        return Err(bad(format!("{SPARSITY}: value {at} is {}, but the logarithm of a frequency is at most 0.", values[at])));
    }
    Ok(values)
}
