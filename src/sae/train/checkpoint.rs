//! A training on its way as one safetensors file, from which it goes on as if nothing had happened.
//!
//! Tensors: `parameter/NAME`, `buffer/NAME`, `adam/first/NAME`, `adam/second/NAME`, `firing/last`,
//! `firing/counts`, `sums/TERM`, `sums/extra/TERM`, `fired/ROWS`, `stream/0` and `stream/1` (a stream's buffer), all f32; `history` and
//! `numbers`, f64, which JSON does not keep to the last bit. The rest stands as JSON in the header's
//! metadata. The file is untrusted when it comes back: safetensors checks that header and length
//! agree, every shape has to be the one that the config asks for, and every value a number.

use std::cell::RefCell;
use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::super::adam::Adam;
use super::super::dead::{AUXILIARY, GHOST};
use super::super::jumprelu::PRE_ACT;
use super::super::{Config, Parameter, Sae};
use super::rows::RowsPosition;
use super::settings::Recipe;
use super::state::{Entry, HeldOutEntry, Optimizer, Position, Sums};
use super::stream::StreamPosition;
use super::walk::WalkPosition;
use crate::error::{LabError, Result, code};
use crate::rng::Rng;
use crate::tensors::{HostTensor, read, upload};

/// The metadata's key.
const KEY: &str = "sae-lab-training";

/// Of the format. In the first, the sums of the loss's terms were single numbers, in the second some.
const VERSION: u32 = 3;

/// Bytes that are put at a time, at most.
const PIECE: usize = 1 << 16;

/// Counters of a file beyond this are not believed.
const MOST: usize = 1 << 31;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    version: u32,
    config: Config,
    optimizer: Option<StoredOptimizer>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredOptimizer {
    settings: Recipe,
    steps: usize,
    rows: u64,
    rng: Rng,
    resampled_at: usize,
    firing_rows: usize,
    firing_steps: usize,
    sums_steps: usize,
    /// The rows of the batches whose firing is in `fired/ROWS`.
    fired: Vec<usize>,
    position: Option<StoredPosition>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum StoredPosition {
    Rows(RowsPosition),
    Stream { walk: WalkPosition, given: usize, serving: usize, rows: usize },
}

/// Takes a file from its start to its end.
pub trait Sink {
    /// How many bytes it will have.
    fn begin(&mut self, bytes: usize);

    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn begin(&mut self, bytes: usize) {
        self.reserve_exact(bytes);
    }

    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// All of `sae`: it may be in training, and is then stored as it is between two steps. No more than one of its tensors is in memory at a time.
pub async fn checkpoint(sae: &RefCell<Sae>, to: &mut impl Sink) -> Result<()> {
    // Everything is taken at once; only then is it read, while a training may go on.
    let (stored, tensors, history, numbers) = {
        let sae = sae.borrow();
        let (tensors, numbers) = tensors(&sae);
        let stored = Stored { version: VERSION, config: sae.config.clone(), optimizer: sae.optimizer.as_ref().map(stored) };
        (stored, tensors, sae.history.iter().flat_map(row).collect::<Vec<f64>>(), numbers)
    };
    let stored = serde_json::to_string(&stored).map_err(|e| bad(format!("The checkpoint can't be written: {e}.")))?;
    let (mut header, mut at) = (Map::new(), 0);
    header.insert("__metadata__".into(), json!({ KEY: stored }));
    let mut describe = |name: &str, dtype: &str, size: u64, shape: &[usize]| {
        let end = at + size * shape.iter().map(|&n| n as u64).product::<u64>();
        header.insert(name.into(), json!({ "dtype": dtype, "shape": shape, "data_offsets": [at, end] }));
        at = end;
    };
    describe("history", "F64", 8, &[history.len() / COLUMNS, COLUMNS]);
    describe("numbers", "F64", 8, &[numbers.len()]);
    tensors.iter().for_each(|(name, tensor)| describe(name, "F32", 4, &tensor.dims()));
    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');

    let bytes = u32::try_from(8 + header.len() as u64 + at).map_err(|_| {
        LabError::new(
            code::BAD_SETTING,
            format!("This training takes {at} bytes, and a checkpoint has 4 GB at most."),
            "Save the SAE itself, without its optimiser.",
        )
    })?;
    to.begin(bytes as usize);
    to.put(&(header.len() as u64).to_le_bytes());
    to.put(&header);
    history.iter().chain(&numbers).for_each(|x| to.put(&x.to_le_bytes()));
    let mut piece = Vec::with_capacity(PIECE);
    for (_, tensor) in tensors {
        for values in read(tensor).await?.data.chunks(PIECE / 4) {
            piece.clear();
            piece.extend(values.iter().flat_map(|x| x.to_le_bytes()));
            to.put(&piece);
        }
    }
    Ok(())
}

/// What is stored as f32 tensors, and as f64 numbers.
fn tensors(sae: &Sae) -> (Vec<(String, Tensor<2>)>, [f64; 3]) {
    let parameters = sae.architecture.parameters();
    let name = |kind: &str, p: &Parameter| format!("{kind}/{}", p.name);
    let mut tensors: Vec<(String, Tensor<2>)> = parameters.iter().map(|p| (name("parameter", p), p.value.clone())).collect();
    tensors.extend(sae.architecture.buffers().iter().map(|p| (name("buffer", p), p.value.clone())));
    let Some(o) = &sae.optimizer else { return (tensors, [sae.input_scale, 0.0, 0.0]) };
    for (p, (first, second)) in parameters.iter().zip(o.adam.moments()) {
        tensors.push((name("adam/first", p), first.clone()));
        tensors.push((name("adam/second", p), second.clone()));
    }
    tensors.push(("firing/last".into(), o.firing.last.clone()));
    tensors.push(("firing/counts".into(), o.firing.counts.clone()));
    for (name, term) in TERMS.into_iter().zip([&o.sums.recon, &o.sums.sparsity, &o.sums.excess]) {
        tensors.extend(term.iter().map(|t| (format!("sums/{name}"), t.clone())));
    }
    tensors.extend(o.sums.extra.iter().map(|(name, term)| (format!("{EXTRA}{name}"), term.clone())));
    tensors.extend(o.sums.fired.iter().map(|(rows, fired)| (format!("fired/{rows}"), fired.clone())));
    if let Some(Position::Stream(p)) = &o.position {
        tensors.extend(p.mixed.iter().enumerate().map(|(k, m)| (format!("stream/{k}"), m.clone())));
    }
    (tensors, [sae.input_scale, o.sums.coefficient, o.sums.lr])
}

fn stored(o: &Optimizer) -> StoredOptimizer {
    let position = o.position.as_ref().map(|p| match p {
        Position::Rows(p) => StoredPosition::Rows(p.clone()),
        Position::Stream(p) => StoredPosition::Stream { walk: p.walk.clone(), given: p.given, serving: p.serving, rows: p.rows },
    });
    StoredOptimizer {
        settings: o.recipe.clone(),
        steps: o.steps,
        rows: o.rows,
        rng: o.rng.clone(),
        resampled_at: o.resampled_at,
        firing_rows: o.firing.rows,
        firing_steps: o.firing.steps,
        sums_steps: o.sums.steps,
        fired: o.sums.fired.iter().map(|(rows, _)| *rows).collect(),
        position,
    }
}

/// The SAE that [`checkpoint`] wrote; `train` with `go_on` and the same data continues it.
pub fn restore(bytes: &[u8], device: &Device) -> Result<Sae> {
    let invalid = |e| bad(format!("This is no checkpoint of a training, or only a part of one: {e}."));
    let file = SafeTensors::deserialize(bytes).map_err(invalid)?;
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(invalid)?;
    let json = header.metadata().as_ref().and_then(|m| m.get(KEY));
    let json = json.ok_or_else(|| bad("This safetensors file is no checkpoint of a training: its header says nothing of one."))?;
    let Stored { version, config, optimizer } = serde_json::from_str(json).map_err(|e| bad(format!("The checkpoint can't be read: {e}.")))?;
    if version != VERSION {
        return Err(bad(format!("The checkpoint is of version {version}; this lab reads version {VERSION}.")));
    }
    config.check()?;
    let file = File { file: &file, device };
    let names = file.file.names().into_iter().filter_map(|n| n.strip_prefix("parameter/").map(str::to_string));
    let weights = names.map(|name| file.weight(&name).map(|w| (name, w))).collect::<Result<BTreeMap<_, _>>>()?;
    let mut sae = Sae::from_weights(config, weights, device)?;
    let buffers = sae.architecture.buffers();
    if !buffers.is_empty() {
        let buffers = buffers.into_iter().map(|b| file.matrix(&format!("buffer/{}", b.name), b.value.dims()));
        sae.architecture = sae.architecture.with_buffers(buffers.collect::<Result<_>>()?);
    }
    let numbers = file.f64s("numbers")?;
    let [input_scale, coefficient, lr] = numbers[..] else { return Err(bad("“numbers” of the checkpoint has not three values.")) };
    if !(input_scale > 0.0 && input_scale.is_finite()) {
        return Err(bad(format!("The checkpoint's input scale is {input_scale}, but it must be above 0.")));
    }
    sae.input_scale = input_scale;
    sae.history = file.f64s("history")?.chunks_exact(COLUMNS).map(entry).collect();
    if let Some(stored) = optimizer {
        sae.optimizer = Some(file.optimizer(&sae, stored, coefficient, lr)?);
    }
    Ok(sae)
}

/// Sums of the loss's terms that every architecture may have, and how the names of the others begin.
const TERMS: [&str; 3] = ["recon", "sparsity", "excess"];
const EXTRA: &str = "sums/extra/";

struct File<'a, 'data> {
    file: &'a SafeTensors<'data>,
    device: &'a Device,
}

impl File<'_, '_> {
    fn optimizer(&self, sae: &Sae, s: StoredOptimizer, coefficient: f64, lr: f64) -> Result<Optimizer> {
        s.settings.check()?;
        for (name, n) in [
            ("steps", s.steps),
            ("resampledAt", s.resampled_at),
            ("firingRows", s.firing_rows),
            ("firingSteps", s.firing_steps),
            ("sumsSteps", s.sums_steps),
        ] {
            believable(name, n)?;
        }
        let mut moments = Vec::new();
        for Parameter { name, value } in sae.architecture.parameters() {
            if s.steps > 0 {
                let moment = |kind: &str| self.matrix(&format!("adam/{kind}/{name}"), value.dims());
                moments.push((moment("first")?, moment("second")?));
            }
        }
        if s.rows >= 1 << 53 {
            return Err(bad(format!("The checkpoint speaks of {} rows.", s.rows)));
        }
        let steps = i32::try_from(s.steps).map_err(|_| bad(format!("The checkpoint speaks of {} steps.", s.steps)))?;
        let d_sae = sae.config.d_sae;
        let mut o = Optimizer::new(0, s.settings, d_sae, self.device);
        (o.adam, o.steps, o.rows, o.rng, o.resampled_at) = (Adam::restore(moments, steps), s.steps, s.rows, s.rng, s.resampled_at);
        (o.firing.last, o.firing.counts) = (self.matrix("firing/last", [1, d_sae])?, self.matrix("firing/counts", [1, d_sae])?);
        (o.firing.rows, o.firing.steps) = (s.firing_rows, s.firing_steps);
        if s.fired.len() > 64 {
            return Err(bad(format!("The checkpoint speaks of batches of {} sizes.", s.fired.len())));
        }
        let mut terms = Vec::with_capacity(TERMS.len());
        for (term, width) in TERMS.into_iter().zip([sae.architecture.outputs(), d_sae, d_sae]) {
            let name = format!("sums/{term}");
            let there = self.file.tensor(&name).is_ok();
            terms.push(if there { Some(self.matrix(&name, [1, width])?) } else { None });
        }
        let Ok([recon, sparsity, excess]) = <[_; 3]>::try_from(terms) else { unreachable!("one for each term") };
        let mut extra = Vec::new();
        for (term, width) in [(AUXILIARY, sae.config.d_out), (GHOST, sae.config.d_out), (PRE_ACT, d_sae)] {
            let name = format!("{EXTRA}{term}");
            if self.file.tensor(&name).is_ok() {
                extra.push((term.to_string(), self.matrix(&name, [1, width])?));
            }
        }
        let fired = s.fired.into_iter().filter(|&rows| rows > 0).map(|rows| Ok((rows, self.matrix(&format!("fired/{rows}"), [1, d_sae])?)));
        o.sums = Sums { steps: s.sums_steps, coefficient, lr, recon, sparsity, extra, excess, fired: fired.collect::<Result<_>>()? };
        o.position = match s.position {
            None => None,
            Some(StoredPosition::Rows(p)) if p.taken <= believable("rows", p.rows)? => Some(Position::Rows(p)),
            Some(StoredPosition::Rows(_)) => return Err(bad("The checkpoint's place in its data does not exist.")),
            Some(StoredPosition::Stream { walk, given, serving, rows }) => {
                believable("rows", rows)?;
                believable("rounds", walk.round)?;
                let mut mixed = Vec::new();
                for (k, width) in [sae.config.d_in, sae.config.d_out].into_iter().take(if sae.config.transcoder { 2 } else { 1 }).enumerate() {
                    let name = format!("stream/{k}");
                    let n = self.view(&name)?.shape().first().copied().unwrap_or(0);
                    mixed.push((n, self.matrix(&name, [n, width])?));
                }
                let n = mixed.first().map_or(0, |m| m.0);
                if n == 0 || mixed.iter().any(|m| m.0 != n) || given > serving || serving >= n {
                    return Err(bad("The checkpoint's place in its stream does not exist."));
                }
                let mixed = mixed.into_iter().map(|m| m.1).collect();
                Some(Position::Stream(StreamPosition { walk, mixed, given, serving, rows }))
            }
        };
        Ok(o)
    }

    fn view(&self, name: &str) -> Result<TensorView<'_>> {
        self.file.tensor(name).map_err(|_| bad(format!("The checkpoint lacks {name}.")))
    }

    /// Exactly `shape`, all of it numbers.
    fn matrix(&self, name: &str, shape: [usize; 2]) -> Result<Tensor<2>> {
        let view = self.view(name)?;
        if view.shape() != shape {
            return Err(bad(format!("{name} of the checkpoint has shape {:?}, but its config asks for {shape:?}.", view.shape())));
        }
        Ok(upload(f32s(name, &view)?, shape, self.device))
    }

    /// A parameter as SAELens has it: vectors without a dimension of 1.
    fn weight(&self, name: &str) -> Result<HostTensor> {
        let view = self.view(&format!("parameter/{name}"))?;
        let shape = match view.shape() {
            [1, n] if !name.starts_with("W_") => vec![*n],
            shape => shape.to_vec(),
        };
        HostTensor::new(f32s(name, &view)?, shape)
    }

    fn f64s(&self, name: &str) -> Result<Vec<f64>> {
        let view = self.view(name)?;
        if view.dtype() != Dtype::F64 {
            return Err(bad(format!("{name} of the checkpoint is stored as {:?} instead of F64.", view.dtype())));
        }
        Ok(view.data().as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect())
    }
}

fn f32s(name: &str, view: &TensorView<'_>) -> Result<Vec<f32>> {
    if view.dtype() != Dtype::F32 {
        return Err(bad(format!("{name} of the checkpoint is stored as {:?} instead of F32.", view.dtype())));
    }
    let data: Vec<f32> = view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    if data.iter().any(|x| !x.is_finite()) {
        return Err(bad(format!("{name} of the checkpoint holds values that are no numbers.")));
    }
    Ok(data)
}

fn believable(name: &str, n: usize) -> Result<usize> {
    if n <= MOST { Ok(n) } else { Err(bad(format!("The checkpoint gives {n} for {name}."))) }
}

fn bad(message: impl Into<String>) -> LabError {
    LabError::new(code::BAD_FILE, message, "Use the unchanged bytes that sae.checkpoint() gave.")
}

/// An entry of the history as a row of numbers.
const COLUMNS: usize = 16;

fn row(e: &Entry) -> [f64; COLUMNS] {
    let n = |count: usize| count as f64;
    let held = e.held_out.as_ref().map_or([f64::NAN; 4], |h| [n(h.rows), h.recon, h.explained_variance.unwrap_or(f64::NAN), h.l0]);
    let [rows, recon, explained, l0] = held;
    let first = [n(e.epoch), e.total, e.recon, e.l1, e.aux, e.frac_active, e.n_active, n(e.dead), n(e.steps), e.rows as f64, e.lr, e.coefficient];
    let mut row = [0.0; COLUMNS];
    row.iter_mut().zip(first.into_iter().chain([rows, recon, explained, l0])).for_each(|(to, from)| *to = from);
    row
}

fn entry(row: &[f64]) -> Entry {
    let at = |k: usize| row.get(k).copied().unwrap_or(f64::NAN);
    let count = |k: usize| at(k) as usize; // saturates, NaN gives 0
    let held_out = (!at(12).is_nan()).then(|| HeldOutEntry {
        rows: count(12),
        recon: at(13),
        explained_variance: Some(at(14)).filter(|x| !x.is_nan()),
        l0: at(15),
    });
    Entry {
        epoch: count(0),
        total: at(1),
        recon: at(2),
        l1: at(3),
        aux: at(4),
        frac_active: at(5),
        n_active: at(6),
        dead: count(7),
        steps: count(8),
        rows: at(9) as u64,
        lr: at(10),
        coefficient: at(11),
        held_out,
    }
}
