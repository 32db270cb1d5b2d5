//! A checkpoint onto the device while its files arrive, in pieces cut anywhere: in memory at once are the
//! piece, and what is left over of the one before. The files are untrusted.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use burn::tensor::{Device, Tensor as DeviceTensor};

use super::config::Config;
use super::matrix::{Builder, Layout, Matrix};
use super::memory::Precision;
use super::model::Gpt2;
use crate::error::{LabError, Result, code};
use crate::files::{Header, Tensor, check_readable, head_length, sniff};
use crate::tensors::{read, upload};

/// Bytes turned into numbers at once: few, so that what comes and goes during a load fits between what stays.
pub const STEP: usize = 256 << 10;
/// Bytes given to the device before the loader waits for it.
const AHEAD: usize = 32 << 20;

/// The weights of one model, from one safetensors file or several.
pub struct Loader {
    config: Config,
    precision: Precision,
    device: Device,
    /// Names and shapes that the configuration asks for, and what was read of them.
    wanted: BTreeMap<String, Vec<usize>>,
    ready: BTreeMap<String, Loaded>,
    file: Option<File>,
    ahead: usize,
}

/// A tensor on the device.
pub enum Loaded {
    Matrix(Matrix),
    Rows(DeviceTensor<2>),
    Vector(DeviceTensor<1>),
}

struct File {
    name: String,
    /// `u64::MAX` where it is not known.
    length: u64,
    at: u64,
    head: Vec<u8>,
    /// Those still to come, in the order of the file; none before the header is read.
    waiting: Option<VecDeque<Waiting>>,
    /// Bytes of a number that was cut.
    cut: Vec<u8>,
}

struct Waiting {
    name: String,
    tensor: Tensor,
    target: Option<Target>,
}

/// Where the values of the tensor under way go; `None` in [`Waiting`] for those the model does not need.
enum Target {
    Matrix(Builder),
    Host(Vec<f32>),
}

impl Loader {
    pub fn new(config: Config, precision: Precision, device: &Device) -> Self {
        let wanted = wanted(&config);
        Self { config, precision, device: device.clone(), wanted, ready: BTreeMap::new(), file: None, ahead: 0 }
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The next file begins; `length` where it is known.
    pub fn begin_file(&mut self, name: &str, length: Option<u64>) -> Result<()> {
        if let Some(file) = &self.file {
            return Err(LabError::file(format!("{} was not read to its end.", file.name)));
        }
        let length = length.unwrap_or(u64::MAX);
        self.file = Some(File { name: name.into(), length, at: 0, head: Vec::new(), waiting: None, cut: Vec::new() });
        Ok(())
    }

    /// The next bytes of the file. Answers its length, once its header has told it.
    pub async fn feed(&mut self, mut bytes: &[u8]) -> Result<Option<u64>> {
        while !bytes.is_empty() {
            let Some(file) = &mut self.file else {
                return Err(LabError::file("Bytes came before any file had begun."));
            };
            if file.at == 0 {
                sniff(&file.name, bytes)?;
            }
            if file.waiting.is_none() {
                bytes = file.take_head(bytes)?;
                self.open_header()?;
            } else {
                bytes = self.feed_tensor(bytes)?;
            }
            if self.ahead >= AHEAD {
                self.settle().await?;
            }
        }
        Ok(self.file.as_ref().filter(|file| file.waiting.is_some()).map(|file| file.length))
    }

    /// The file is over; `Err` when it was cut off.
    pub fn end_file(&mut self) -> Result<()> {
        let Some(file) = self.file.take() else { return Err(LabError::file("No file had begun.")) };
        match file.waiting {
            Some(waiting) if waiting.is_empty() && file.at == file.length => Ok(()),
            Some(_) => Err(LabError::file(format!("{} is cut off: it has {} of {} bytes.", file.name, file.at, file.length))),
            None => Err(LabError::file(format!("{} is cut off after {} bytes, inside its header.", file.name, file.at))),
        }
    }

    /// The model, once all files were read.
    pub fn finish(self) -> Result<Gpt2> {
        if let Some(file) = &self.file {
            return Err(LabError::file(format!("{} was not read to its end.", file.name)));
        }
        if let Some(name) = self.wanted.keys().next() {
            let n = self.wanted.len();
            let others = if n == 1 { String::new() } else { format!(", nor {} others that config.json asks for", n - 1) };
            return Err(LabError::file(format!("The weights have no tensor {name}{others}.")));
        }
        Gpt2::new(self.config, self.precision, self.ready, &self.device)
    }

    /// Once the header is whole: which of its tensors are wanted, and that they have the right shapes.
    fn open_header(&mut self) -> Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let Some(header) = file.header()? else { return Ok(()) };
        file.length = header.length;
        file.head = Vec::new();
        let mut order: Vec<_> = header.tensors.into_iter().collect();
        order.sort_by_key(|(_, t)| (t.start, t.end));
        let mut waiting = VecDeque::with_capacity(order.len());
        let mut seen = BTreeSet::new();
        for (key, tensor) in order {
            // A whole GPT2LMHeadModel has this prefix before every name of the model proper.
            let name = key.strip_prefix("transformer.").unwrap_or(&key).to_owned();
            let target = match self.wanted.get(&name) {
                None if self.ready.contains_key(&name) => {
                    return Err(LabError::file(format!("{}: {key} was there before, in this file or another.", file.name)));
                }
                None => None,
                Some(shape) if *shape != tensor.shape => {
                    return Err(LabError::file(format!("{}: {key} has shape {:?}, but config.json asks for {shape:?}.", file.name, tensor.shape)));
                }
                Some(shape) => {
                    check_readable(&file.name, &key, &tensor)?;
                    Some(match shape[..] {
                        [rows, cols] if name != "wpe.weight" => {
                            Target::Matrix(Builder::new(&name, Layout::new(rows, cols, self.precision), &self.device))
                        }
                        _ => Target::Host(Vec::new()),
                    })
                }
            };
            if target.is_some() && !seen.insert(name.clone()) {
                return Err(LabError::file(format!("{}: {key} is there twice, with and without its prefix.", file.name)));
            }
            waiting.push_back(Waiting { name, tensor, target });
        }
        file.waiting = Some(waiting);
        self.finish_tensors()
    }

    /// The next bytes of the tensor under way; gives back those behind it.
    fn feed_tensor<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8]> {
        let Some(file) = &mut self.file else { return Ok(bytes) };
        let Some(waiting) = file.waiting.as_mut().and_then(VecDeque::front_mut) else {
            return Err(LabError::file(format!("{} goes on after its last tensor, at byte {}.", file.name, file.at)));
        };
        let left = (waiting.tensor.end - file.at).min(STEP as u64) as usize;
        let (now, later) = bytes.split_at(bytes.len().min(left));
        file.at += now.len() as u64;
        if let Some(target) = &mut waiting.target {
            let size = waiting.tensor.stored.bytes();
            file.cut.extend_from_slice(now);
            let whole = file.cut.len() / size * size;
            let mut values = Vec::with_capacity(whole / size);
            waiting.tensor.stored.append(&file.cut[..whole], &mut values);
            file.cut.drain(..whole);
            if let Some(x) = values.iter().find(|x| !x.is_finite()) {
                return Err(LabError::new(
                    code::NOT_FINITE,
                    format!("{}: {} holds {x}, which is no number that can be used.", file.name, waiting.name),
                    "Use the weights of a training that did not diverge, as they were saved.",
                ));
            }
            self.ahead += 4 * values.len();
            match target {
                Target::Matrix(builder) => builder.push(&values)?,
                Target::Host(all) => all.extend(values),
            }
        }
        self.finish_tensors()?;
        Ok(later)
    }

    /// Moves what is complete to the device; a tensor may have no values at all.
    fn finish_tensors(&mut self) -> Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let Some(waiting) = &mut file.waiting else { return Ok(()) };
        while waiting.front().is_some_and(|w| w.tensor.end <= file.at)
            && let Some(Waiting { name, tensor, target }) = waiting.pop_front()
        {
            let loaded = match (target, &tensor.shape[..]) {
                (None, _) => continue,
                (Some(Target::Matrix(builder)), _) => Loaded::Matrix(builder.finish()?),
                (Some(Target::Host(values)), &[rows, cols]) => Loaded::Rows(keep(values, [rows, cols], &self.device)),
                (Some(Target::Host(values)), _) => {
                    let n = values.len();
                    Loaded::Vector(keep(values, [n], &self.device))
                }
            };
            self.wanted.remove(&name);
            self.ready.insert(name, loaded);
        }
        Ok(())
    }

    /// Waits until the device has taken what it was given, so that no more than that waits in memory.
    async fn settle(&mut self) -> Result<()> {
        self.ahead = 0;
        read(DeviceTensor::<1>::zeros([1], &self.device)).await.map(drop)
    }
}

/// For as long as the model lives: in a buffer of exactly its size.
fn keep<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> DeviceTensor<D> {
    device.memory_persistent_allocations((), |()| upload(values.clone(), shape, device))
}

impl File {
    /// Takes what the header still needs and gives back the rest.
    fn take_head<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8]> {
        let needed = if self.head.len() < 8 { 8 } else { head_length(&self.name, &self.head, self.length)? };
        let (now, later) = bytes.split_at(bytes.len().min(needed - self.head.len()));
        self.head.extend_from_slice(now);
        self.at += now.len() as u64;
        if self.head.len() == 8 {
            head_length(&self.name, &self.head, self.length)?;
        }
        Ok(later)
    }

    /// `None` while it is not whole.
    fn header(&self) -> Result<Option<Header>> {
        if self.head.len() < 8 || self.head.len() < head_length(&self.name, &self.head, self.length)? {
            return Ok(None);
        }
        match self.length {
            u64::MAX => Header::parse_stream(&self.name, &self.head),
            length => Header::parse(&self.name, &self.head, length),
        }
        .map(Some)
    }
}

/// The tensors of a model with this configuration, under Hugging Face's names. Conv1D stores `[in, out]`.
fn wanted(config: &Config) -> BTreeMap<String, Vec<usize>> {
    let Config { n_layers, d_model: d, d_mlp, d_vocab, n_ctx, .. } = *config;
    let mut all = BTreeMap::from([
        ("wte.weight".to_owned(), vec![d_vocab, d]),
        ("wpe.weight".to_owned(), vec![n_ctx, d]),
        ("ln_f.weight".to_owned(), vec![d]),
        ("ln_f.bias".to_owned(), vec![d]),
    ]);
    for l in 0..n_layers {
        for (part, weight, bias) in [
            ("ln_1", vec![d], d),
            ("attn.c_attn", vec![d, 3 * d], 3 * d),
            ("attn.c_proj", vec![d, d], d),
            ("ln_2", vec![d], d),
            ("mlp.c_fc", vec![d, d_mlp], d_mlp),
            ("mlp.c_proj", vec![d_mlp, d], d),
        ] {
            all.insert(format!("h.{l}.{part}.weight"), weight);
            all.insert(format!("h.{l}.{part}.bias"), vec![bias]);
        }
    }
    all
}

impl Gpt2 {
    /// A model without weights, and on a GPU without the memory for them: for rehearsals ([`crate::kernels::rehearse`]).
    pub fn hollow(config: Config, precision: Precision, device: &Device) -> Result<Self> {
        let tensor = |(name, shape): (String, Vec<usize>)| {
            let loaded = match shape[..] {
                [rows, cols] if name == "wpe.weight" => Loaded::Rows(DeviceTensor::empty([rows, cols], device)),
                [rows, cols] => Loaded::Matrix(Matrix::hollow(Layout::new(rows, cols, precision), device)),
                _ => Loaded::Vector(DeviceTensor::empty([shape[0]], device)),
            };
            (name, loaded)
        };
        let tensors = wanted(&config).into_iter().map(tensor).collect();
        Self::new(config, precision, tensors, device)
    }
}

/// A model from a whole safetensors file.
pub async fn load(config: Config, precision: Precision, file: &[u8], device: &Device) -> Result<Gpt2> {
    let mut loader = Loader::new(config, precision, device);
    loader.begin_file("model.safetensors", Some(file.len() as u64))?;
    loader.feed(file).await?;
    loader.end_file()?;
    loader.finish()
}
