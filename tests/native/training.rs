//! The trainer against SAELens and torch, against itself after every kind of interruption, and
//! what streaming text costs.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};

use burn::tensor::{Device, Tensor};
use pollster::block_on;
use sae_lab::gpt2::{Gpt2, HookPoint, View};
use sae_lab::progress::{Checkpoint, Progress, Uninterrupted};
use sae_lab::rng::Rng;
use sae_lab::sae::adam::{Adam, AdamSettings};
use sae_lab::sae::train::clip::clip;
use sae_lab::sae::train::dead_latents::{Anew, directions, losses};
use sae_lab::sae::train::schedule::Schedule;
use sae_lab::sae::train::start::{geometric_median, input_scale};
use sae_lab::sae::train::{BDecInit, Data, DecoderNorm, LrSchedule, Position, Remedy, Rows, StreamSettings, checkpoint, norm, restore, train_stream};
use sae_lab::sae::{Architecture, Batch, Config, Gradient, Init, Kind, Normalization, Parameter, Recipe, Sae, TrainSettings, train};
use sae_lab::tensors::{HostTensor, read, upload, upload_indices};
use sae_lab::tokenizer::Tokenizer;
use sae_lab::{LabError, Result};
use serde_json::Value;

use crate::support::{assert_close_f64, ids, json, largest_difference, model, new_sae, numbers};

type Numbers = HashMap<String, HostTensor>;

/// Cancels at the n-th checkpoint.
struct After(Cell<usize>);

impl After {
    fn steps(n: usize) -> Self {
        Self(Cell::new(n))
    }
}

impl Checkpoint for After {
    async fn reached(&self, _: Progress) -> Result<()> {
        self.0.set(self.0.get() - 1);
        if self.0.get() == 0 { Err(LabError::cancelled()) } else { Ok(()) }
    }
}

fn matrix(t: &HostTensor) -> Tensor<2> {
    let [rows, columns] = t.shape[..] else { return upload(t.data.clone(), [1, t.data.len()], &Device::flex()) };
    upload(t.data.clone(), [rows, columns], &Device::flex())
}

fn values(t: Tensor<2>) -> Vec<f32> {
    block_on(read(t)).unwrap().data
}

fn stored(sae: &RefCell<Sae>) -> Vec<u8> {
    let mut bytes = Vec::new();
    block_on(checkpoint(sae, &mut bytes)).unwrap();
    bytes
}

fn weights(sae: &RefCell<Sae>) -> Vec<Vec<f32>> {
    let parameters = sae.borrow().architecture.parameters();
    parameters.into_iter().map(|p| values(p.value)).collect()
}

/// Rows that are no multiples of each other, `[n, width]`.
fn rows(n: usize, width: usize) -> Tensor<2> {
    let value = |i: usize| ((i * 37 % 101) as f32 / 50.0 - 1.0).sin() + ((i % width) as f32 * 0.7).cos() * 0.5;
    upload((0..n * width).map(value).collect(), [n, width], &Device::flex())
}

fn recipe() -> Recipe {
    let adam = AdamSettings { lr: 1e-2, beta1: 0.9, beta2: 0.999, eps: 1e-8 };
    Recipe { l1: 1e-2, adam, ..Recipe::default() }
}

fn settings(epochs: usize) -> TrainSettings {
    TrainSettings { epochs, batch_size: 8, seed: 5, recipe: recipe(), ..TrainSettings::default() }
}

fn small(architecture: &str) -> RefCell<Sae> {
    RefCell::new(new_sae(architecture, 6, 12, 1).unwrap())
}

fn assert_near(name: &str, ours: Tensor<2>, theirs: &HostTensor, tolerance: f32) {
    let difference = largest_difference(&values(ours), &theirs.data);
    assert!(difference <= tolerance, "{name}: differs by {difference:e}");
}

// Against SAELens and torch.

#[test]
fn schedules_are_saelenss() {
    let description = json("schedules");
    let mut compared = 0;
    for case in description["lr"].as_array().unwrap() {
        let name = case["scheduler_name"].as_str().unwrap();
        let lr_schedule = match name {
            "constant" => LrSchedule::Constant,
            "cosineannealing" => LrSchedule::Cosine,
            _ => continue, // warm restarts are not offered
        };
        let number = |key: &str| case[key].as_u64().unwrap() as usize;
        let recipe = Recipe {
            adam: AdamSettings { lr: case["lr"].as_f64().unwrap(), ..recipe().adam },
            lr_schedule,
            lr_warm_up_steps: number("warm_up_steps"),
            lr_decay_steps: number("decay_steps"),
            lr_end: case["lr_end"].as_f64(),
            ..recipe()
        };
        let schedule = Schedule::new(&recipe, number("training_steps")).unwrap();
        for (step, theirs) in case["values"].as_array().unwrap().iter().enumerate() {
            assert_close_f64(&format!("{name} step {step}"), schedule.lr(step), theirs.as_f64().unwrap(), 1e-9);
        }
        compared += 1;
    }
    assert!(compared >= 12);
    for case in description["coefficient"].as_array().unwrap() {
        let recipe = Recipe { l1_warm_up_steps: case["warm_up_steps"].as_u64().unwrap() as usize, ..recipe() };
        let schedule = Schedule::new(&recipe, 14).unwrap();
        for (step, theirs) in case["values"].as_array().unwrap().iter().enumerate() {
            let ours = schedule.coefficient(case["final_value"].as_f64().unwrap(), step);
            assert!((ours - theirs.as_f64().unwrap()).abs() < 1e-15);
        }
    }
    let long = Recipe { lr_warm_up_steps: 8, lr_decay_steps: 7, ..recipe() };
    assert_eq!(Schedule::new(&long, 14).unwrap_err().code, "LAB-BAD-SETTING");
}

fn saelens_sae(case: &Value, numbers: &Numbers) -> RefCell<Sae> {
    let (name, theirs) = (case["name"].as_str().unwrap(), &case["config"]);
    let kind = Kind::parse("standard").unwrap();
    let mut config = Config::new(kind, 16, 48, 0);
    config.apply_b_dec_to_input = theirs["apply_b_dec_to_input"].as_bool().unwrap();
    config.normalize_activations = Normalization::parse(theirs["normalize_activations"].as_str().unwrap()).unwrap();
    if let Some(d_out) = theirs["d_out"].as_u64() {
        (config.transcoder, config.d_out, config.skip) = (true, d_out as usize, name.starts_with("skip"));
    }
    let prefix = format!("{name}/init/");
    let weights: BTreeMap<_, _> = numbers.iter().filter_map(|(key, t)| key.strip_prefix(&prefix).map(|n| (n.to_string(), t.clone()))).collect();
    RefCell::new(Sae::from_weights(config, weights, &Device::flex()).unwrap())
}

/// Ten steps of SAELens's trainer: clipping, schedules, scale and normalisation are in them.
#[test]
fn ten_steps_of_the_trainer_are_saelenss() {
    let (description, numbers) = (json("saelens"), numbers("saelens"));
    let stacked = |key: &str| {
        let t = &numbers[key];
        upload(t.data.clone(), [t.shape[0] * t.shape[1], t.shape[2]], &Device::flex())
    };
    let (x, targets) = (stacked("batches"), stacked("targets"));
    let names = ["standard", "standard_no_b_dec", "standard_warm_up", "standard_small", "standard_layer_norm"];
    let names = [&names[..], &["standard_constant_norm_rescale", "transcoder", "skip_transcoder"]].concat();
    let mut compared = 0;
    for case in description["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        if !names.contains(&name) {
            continue;
        }
        let sae = saelens_sae(case, &numbers);
        let scale = case["scale"].as_f64().unwrap();
        if scale != 1.0 {
            sae.borrow_mut().config.normalize_activations = Normalization::ExpectedAverageOnlyIn;
            sae.borrow_mut().input_scale = scale;
        }
        let trainer = &case["trainer"];
        let steps = |key: &str| trainer[key].as_u64().unwrap() as usize;
        let recipe = Recipe {
            l1: case["config"]["l1_coefficient"].as_f64().unwrap_or(0.1),
            l1_warm_up_steps: case["config"]["l1_warm_up_steps"].as_u64().unwrap_or(0) as usize,
            adam: AdamSettings { lr: trainer["lr"].as_f64().unwrap(), beta1: 0.9, beta2: 0.999, eps: 1e-8 },
            lr_schedule: if trainer["lr_scheduler_name"] == "constant" { LrSchedule::Constant } else { LrSchedule::Cosine },
            lr_warm_up_steps: steps("lr_warm_up_steps"),
            lr_decay_steps: steps("lr_decay_steps"),
            lr_end: trainer["lr_end"].as_f64(),
            gradient_clip: Some(1.0),
            ..Recipe::default()
        };
        let l1 = recipe.l1;
        let target = sae.borrow().config.transcoder.then(|| targets.clone());
        let data = Data { rows: Rows { x: x.clone(), target }, sequences: None, origin: None };
        let settings = TrainSettings { epochs: 1, batch_size: 32, order: Some((0..320).collect()), recipe, ..TrainSettings::default() };
        let entries = block_on(train(&sae, data, &settings, &Uninterrupted)).unwrap();
        for Parameter { name: weight, value } in sae.borrow().architecture.parameters() {
            assert_near(&format!("{name} {weight}"), value, &numbers[&format!("{name}/after/{weight}")], 1e-5);
        }
        let losses = case["losses"]["f64"].as_array().unwrap();
        let mean = |key: &str| losses.iter().map(|l| l[key].as_f64().unwrap()).sum::<f64>() / losses.len() as f64;
        assert_close_f64(&format!("{name} total"), entries[0].total, mean("overall_loss"), 1e-5);
        assert_close_f64(&format!("{name} mse"), entries[0].recon, mean("mse_loss"), 1e-5);
        assert_close_f64(&format!("{name} lr"), entries[0].lr, case["lr"][9].as_f64().unwrap(), 1e-9);
        assert_eq!((entries[0].coefficient, entries[0].rows, entries[0].steps), (l1, 320, 10));
        compared += 1;
    }
    assert_eq!(compared, names.len());
    let theirs = description["expected_average_only_in"]["scalingFactor"].as_f64().unwrap();
    assert_close_f64("scale", block_on(input_scale(&x)).unwrap(), theirs, 1e-6);
}

#[test]
fn gradients_are_clipped_as_torch_does() {
    let make = || vec![upload(vec![3.0, 0.0], [1, 2], &Device::flex()), upload(vec![0.0, 4.0], [2, 1], &Device::flex())];
    // What they make of the parameter does not matter here.
    let alone = |g: Gradient| values(g.tensors(&[Tensor::zeros([1, 1], &Device::flex())]).swap_remove(0));
    let clipped: Vec<f32> = clip(make(), 1.0).into_iter().flat_map(alone).collect();
    let factor = 1.0 / (5.0 + 1e-6);
    assert!(largest_difference(&clipped, &[3.0 * factor, 0.0, 0.0, 4.0 * factor]) < 1e-7);
    let untouched: Vec<f32> = clip(make(), 6.0).into_iter().flat_map(alone).collect();
    assert_eq!(untouched, [3.0, 0.0, 0.0, 4.0]);
}

fn reference_sae(numbers: &Numbers) -> Sae {
    let config = Config::new(Kind::Standard, 16, 48, 0);
    let weights = ["W_enc", "b_enc", "W_dec", "b_dec"].into_iter().map(|n| (n.to_string(), numbers[&format!("init/{n}")].clone()));
    Sae::from_weights(config, weights.collect(), &Device::flex()).unwrap()
}

fn reference_batches(numbers: &Numbers) -> Vec<Tensor<2>> {
    let t = &numbers["batches"];
    let all = upload(t.data.clone(), [t.shape[0] * t.shape[1], t.shape[2]], &Device::flex());
    (0..t.shape[0]).map(|n| all.clone().narrow(0, n * t.shape[1], t.shape[1])).collect()
}

#[test]
fn unit_decoder_rows_are_the_references() {
    let (description, numbers) = (json("dead_latents"), numbers("dead_latents"));
    let batches = reference_batches(&numbers);
    for run in description["unitDecoder"].as_array().unwrap() {
        let name = run["name"].as_str().unwrap();
        let sae = RefCell::new(reference_sae(&numbers));
        let data = Data::from(&Tensor::cat(batches[..5].to_vec(), 0));
        let recipe = Recipe {
            l1: description["l1"].as_f64().unwrap(),
            adam: AdamSettings { lr: description["lr"].as_f64().unwrap(), beta1: 0.9, beta2: 0.999, eps: 1e-8 },
            gradient_clip: run["clip"].as_f64(),
            decoder_norm: DecoderNorm::Unit,
            ..Recipe::default()
        };
        let settings = TrainSettings { epochs: 1, batch_size: 32, order: Some((0..160).collect()), recipe, ..TrainSettings::default() };
        let entries = block_on(train(&sae, data, &settings, &Uninterrupted)).unwrap();
        for Parameter { name: weight, value } in sae.borrow().architecture.parameters() {
            assert_near(&format!("{name} {weight}"), value, &numbers[&format!("unitDecoder/{name}/after/{weight}")], 1e-6);
        }
        let losses = run["losses"]["f64"].as_array().unwrap();
        let total = losses.iter().map(|l| l.as_f64().unwrap()).sum::<f64>() / losses.len() as f64;
        assert_close_f64(name, entries[0].total, total, 1e-5);
    }
    // Of a tied SAE these are the encoder's columns.
    let tied = small("tied");
    let recipe = Recipe { decoder_norm: DecoderNorm::Unit, ..recipe() };
    block_on(train(&tied, &rows(32, 6), &TrainSettings { recipe, ..settings(2) }, &Uninterrupted)).unwrap();
    let lengths = values(tied.borrow().architecture.affine().decoder_norms());
    assert!(lengths.iter().all(|l| (l - 1.0).abs() < 1e-6), "{lengths:?}");
}

#[test]
fn resampled_latents_are_the_references() {
    let (description, numbers) = (json("dead_latents"), numbers("dead_latents"));
    let (r, batches) = (&description["resampling"], reference_batches(&numbers));
    let (l1, lr) = (description["l1"].as_f64().unwrap(), description["lr"].as_f64().unwrap());
    let (replaced, chosen) = (ids(&r["replaced"]), ids(&r["rows"]));
    let adam_settings = AdamSettings { lr, beta1: 0.9, beta2: 0.999, eps: 1e-8 };
    for (variant, centred) in [("saelens_l2", true), ("saelens_anthropic", false)] {
        let mut architecture = reference_sae(&numbers).architecture;
        let mut adam = Adam::default();
        let steps = |architecture: &mut std::rc::Rc<dyn Architecture>, adam: &mut Adam, batches: &[Tensor<2>]| {
            for x in batches {
                let gradients = architecture.step(&Batch::new(x.clone(), l1)).gradients;
                let parameters = architecture.parameters().into_iter().map(|p| p.value).collect();
                *architecture = architecture.with_parameters(adam.step(parameters, gradients, &adam_settings));
            }
        };
        let compare = |what: &str, architecture: &dyn Architecture| {
            for Parameter { name, value } in architecture.parameters() {
                assert_near(&format!("{variant} {what} {name}"), value, &numbers[&format!("resampling/{what}/{name}")], 1e-6);
            }
        };
        steps(&mut architecture, &mut adam, &batches[..5]);
        compare("before", &*architecture);
        let batch = Batch::new(batches[4].clone(), l1);
        let losses = values(losses(&*architecture, &batch));
        let sum: f32 = losses.iter().map(|l| l * l).sum();
        let probabilities: Vec<f32> = losses.iter().map(|l| l * l / sum).collect();
        assert!(largest_difference(&probabilities, &numbers["resampling/probabilities/loss_squared"].data) < 1e-6);

        let (mut encoder, mut decoder) = directions(&*architecture, &batch, &chosen, false);
        if !centred {
            // The same of an SAE that does not subtract b_dec.
            encoder = batches[4].clone().select(0, upload_indices(&chosen, [chosen.len()], &Device::flex()));
            decoder = encoder.clone();
        }
        let anew = Anew { dead: &replaced, encoder, decoder, scale: r["scale"].as_f64().unwrap(), threshold: 0.0 };
        architecture = anew.replace(&architecture, &mut adam);
        compare(&format!("{variant}/resampled"), &*architecture);
        for (parameter, (first, second)) in architecture.parameters().iter().zip(adam.moments()) {
            for (kind, moment) in [("exp_avg", first), ("exp_avg_sq", second)] {
                let key = format!("resampling/{variant}/{kind}/{}", parameter.name);
                assert_near(&key, moment.clone(), &numbers[&key], 1e-6);
            }
        }
        steps(&mut architecture, &mut adam, &batches[5..]);
        compare(&format!("{variant}/after"), &*architecture);
    }
}

#[test]
fn geometric_medians_are_the_references() {
    let (description, numbers) = (json("dead_latents"), numbers("dead_latents"));
    for run in description["geometricMedian"]["runs"].as_array().unwrap() {
        let (name, points) = (run["name"].as_str().unwrap(), run["points"].as_str().unwrap());
        let points = matrix(&numbers[&format!("geometricMedian/{points}")]);
        let median = geometric_median(points, run["maxiter"].as_u64().unwrap() as usize);
        assert_near(name, median, &numbers[&format!("geometricMedian/{name}/median")], 1e-6);
    }
}

// What is done before the first step.

#[test]
fn b_dec_and_the_scale_start_where_they_should() {
    let data = rows(40, 6) * 3.0 + 1.0;
    // With a rate of (almost) 0 the start is what is left.
    let still = |b_dec_init| Recipe { adam: AdamSettings { lr: 1e-30, ..recipe().adam }, b_dec_init, ..recipe() };
    let start = |architecture: &str, normalization, b_dec_init| {
        let sae = small(architecture);
        sae.borrow_mut().config.normalize_activations = normalization;
        block_on(train(&sae, &data, &TrainSettings { recipe: still(b_dec_init), ..settings(1) }, &Uninterrupted)).unwrap();
        let sae = sae.into_inner();
        (values(sae.architecture.affine().b_dec.clone()), sae.input_scale, values(sae.inference().b_dec()))
    };
    let mean = values(data.clone().mean_dim(0));
    let scale = block_on(input_scale(&data)).unwrap();
    for architecture in ["tied", "untied", "standard"] {
        assert!(start(architecture, Normalization::None, BDecInit::Keep).0.iter().all(|b| b.abs() < 1e-20));
        assert!(largest_difference(&start(architecture, Normalization::None, BDecInit::Mean).0, &mean) < 1e-6);
        let (b_dec, found, folded) = start(architecture, Normalization::ExpectedAverageOnlyIn, BDecInit::Mean);
        assert_eq!(found, scale);
        let scaled: Vec<f32> = mean.iter().map(|m| m * scale as f32).collect();
        assert!(largest_difference(&b_dec, &scaled) < 1e-6 && largest_difference(&folded, &mean) < 1e-5);
    }
    let median = values(geometric_median(data.clone(), 100));
    assert!(largest_difference(&median, &mean) > 1e-3);
    assert!(largest_difference(&start("standard", Normalization::None, BDecInit::GeometricMedian).0, &median) < 1e-6);
    let zeros = Tensor::<2>::zeros([8, 6], &Device::flex());
    let sae = small("standard");
    sae.borrow_mut().config.normalize_activations = Normalization::ExpectedAverageOnlyIn;
    assert_eq!(block_on(train(&sae, &zeros, &settings(1), &Uninterrupted)).unwrap_err().code, "LAB-NOT-FINITE");
}

// Interruptions.

/// Everything switched on that has a state.
fn elaborate(architecture: &str, epochs: usize) -> TrainSettings {
    let aux_k = Kind::parse(architecture).unwrap().is_top_k(); // by default
    let recipe = Recipe {
        l1_warm_up_steps: 7,
        lr_schedule: LrSchedule::Cosine,
        lr_warm_up_steps: 4,
        lr_decay_steps: 5,
        gradient_clip: Some(1.0),
        decoder_norm: DecoderNorm::Unit,
        b_dec_init: BDecInit::GeometricMedian,
        dead_window: 3,
        remedy: if aux_k { None } else { Some(Remedy::Resample) },
        resample_every: 5,
        ..recipe()
    };
    TrainSettings { held_out: 0.2, recipe, ..settings(epochs) }
}

/// An SAE most of whose latents begin dead.
fn half_dead(architecture: &str) -> RefCell<Sae> {
    let kind = Kind::parse(architecture).unwrap();
    let mut config = Config::new(kind, 6, 12, 1);
    config.normalize_activations = Normalization::ExpectedAverageOnlyIn;
    (config.extras.k, config.extras.matryoshka_widths) = (2.0, vec![4, 12]);
    let mut weights = Init::of(kind).weights(&config);
    for (name, bias) in &mut weights {
        if ["b_enc", "b_gate", "b_mag"].contains(&name.as_str()) {
            bias.data.iter_mut().take(8).for_each(|b| *b = -100.0);
        }
    }
    RefCell::new(Sae::from_weights(config, weights, &Device::flex()).unwrap())
}

#[test]
fn an_aborted_run_goes_on_bit_by_bit_wherever_it_stopped() {
    let data = rows(40, 6); // 32 rows to train on: 4 steps an epoch
    for architecture in Kind::ALL.map(Kind::name) {
        let whole = half_dead(architecture);
        block_on(train(&whole, &data, &elaborate(architecture, 5), &Uninterrupted)).unwrap();
        let top_k = whole.borrow().config.architecture.is_top_k();
        assert_eq!(whole.borrow().optimizer.as_ref().unwrap().resampled_at > 0, !top_k);
        assert_eq!(whole.borrow().history.iter().any(|e| e.aux > 0.0), top_k || architecture == "gated", "{architecture}");
        assert!(whole.borrow().history.iter().any(|e| e.dead > 0) && whole.borrow().history[4].held_out.is_some());
        for stop in 1..=20 {
            let parts = half_dead(architecture);
            let error = block_on(train(&parts, &data, &elaborate(architecture, 5), &After::steps(stop))).unwrap_err();
            assert_eq!(error.code, "LAB-CANCELLED");
            assert_eq!(parts.borrow().optimizer.as_ref().unwrap().steps, stop);
            let done = parts.borrow().history.len();
            if done < 5 {
                block_on(train(&parts, &data, &TrainSettings { go_on: true, ..elaborate(architecture, 5 - done) }, &Uninterrupted)).unwrap();
            }
            assert_eq!(weights(&parts), weights(&whole), "{architecture} stopped after {stop}");
            assert_eq!(parts.borrow().history, whole.borrow().history);
        }
    }
}

#[test]
fn a_checkpoint_goes_on_bit_by_bit() {
    let data = rows(40, 6);
    for architecture in Kind::ALL.map(Kind::name) {
        let whole = half_dead(architecture);
        block_on(train(&whole, &data, &elaborate(architecture, 5), &Uninterrupted)).unwrap();
        for stop in [1, 3, 4, 10, 19, 20] {
            let parts = half_dead(architecture);
            block_on(train(&parts, &data, &elaborate(architecture, 5), &After::steps(stop))).unwrap_err();
            let bytes = stored(&parts);
            let restored = RefCell::new(restore(&bytes, &Device::flex()).unwrap());
            assert_eq!(weights(&restored), weights(&parts));
            assert_eq!(restored.borrow().config, parts.borrow().config);
            assert_eq!(stored(&restored), bytes);
            let done = restored.borrow().history.len();
            if done < 5 {
                block_on(train(&restored, &data, &TrainSettings { go_on: true, ..elaborate(architecture, 5 - done) }, &Uninterrupted)).unwrap();
            }
            assert_eq!(weights(&restored), weights(&whole), "{architecture} stopped after {stop}");
            assert_eq!(restored.borrow().history, whole.borrow().history);
        }
    }
    // One that was never trained, too.
    let fresh = small("standard");
    let restored = restore(&stored(&fresh), &Device::flex()).unwrap();
    assert!(restored.optimizer.is_none() && restored.history.is_empty());
    assert_eq!(weights(&RefCell::new(restored)), weights(&fresh));
}

#[test]
fn checkpoints_that_are_none_are_refused() {
    let sae = half_dead("standard");
    block_on(train(&sae, &rows(40, 6), &elaborate("standard", 5), &After::steps(6))).unwrap_err();
    let good = stored(&sae);
    let refused = |bytes: &[u8]| {
        let error = restore(bytes, &Device::flex()).err().expect("should be refused");
        assert!(error.code == "LAB-BAD-FILE" || error.code == "LAB-BAD-SETTING" || error.code == "LAB-WIDTH-MISMATCH", "{error}");
        error
    };
    for bytes in [&b""[..], b"<!doctype html><title>404</title>", &[0xff; 64]] {
        refused(bytes);
    }
    for length in [7, 8, 100, good.len() / 2, good.len() - 1] {
        refused(&good[..length]);
    }
    let no_training = safetensors::serialize(
        [("a", safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![1], &[0; 4]).unwrap())],
        Some(HashMap::new()),
    );
    assert!(refused(&no_training.unwrap()).message.contains("no checkpoint"));

    // The same file with another text in its header, padded to the same length.
    let header = u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    let text = std::str::from_utf8(&good[8..8 + header]).unwrap().trim_end();
    let with = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}: {text}");
        let changed = text.replace(from, to).into_bytes();
        [&(changed.len() as u64).to_le_bytes()[..], &changed, &good[8 + header..]].concat()
    };
    assert!(restore(&with("standard", "standard"), &Device::flex()).is_ok());
    let recon = text.split_inclusive('}').find(|part| part.contains("sums/recon")).unwrap();
    for (from, to) in [
        (r#"\"version\":3"#, r#"\"version\":4"#),
        (r#"\"dSae\":12"#, r#"\"dSae\":262144"#),
        (r#"\"dSae\":12"#, r#"\"dSae\":1234567890123"#),
        (r#"\"dSae\":12"#, r#"\"dSae\":-1"#),
        (r#"\"steps\":6"#, r#"\"steps\":18446744073709551615"#),
        (r#"\"taken\":16"#, r#"\"taken\":33"#),
        (r#"\"lr\":0.01"#, r#"\"lr\":1e300"#),
        (recon, &*recon.replace("[1,6]", "[6,1]")),
        ("parameter/b_dec", "parameter/b_dek"),
        ("adam/first/W_enc", "adam/fyrst/W_enc"),
    ] {
        refused(&with(from, to));
    }
    let mut nan = good.clone();
    let at = good.len() - 4; // the last value of the last f32 tensor
    nan[at..].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(refused(&nan).message.contains("no numbers"));
}

/// Sets another coefficient after six steps; cancels after so many.
struct Change<'a>(&'a RefCell<Sae>, Cell<usize>, usize);

impl Checkpoint for Change<'_> {
    async fn reached(&self, _: Progress) -> Result<()> {
        self.1.set(self.1.get() + 1);
        if self.1.get() == 6 {
            self.0.borrow().coefficient.set(Some(0.5));
        }
        if self.1.get() == self.2 { Err(LabError::cancelled()) } else { Ok(()) }
    }
}

#[test]
fn the_coefficient_changes_while_training_runs() {
    let data = rows(32, 6);
    let changed = |steps: usize| {
        let sae = small("standard");
        let run = block_on(train(&sae, &data, &settings(3), &Change(&sae, Cell::new(0), steps)));
        assert_eq!(run.is_err(), steps <= 12);
        sae
    };
    // Six steps with the first coefficient, six with the second, in two runs.
    let (live, plain) = (changed(13), small("standard"));
    block_on(train(&plain, &data, &settings(3), &After::steps(6))).unwrap_err();
    let other = TrainSettings { go_on: true, recipe: Recipe { l1: 0.5, ..recipe() }, ..settings(2) };
    block_on(train(&plain, &data, &other, &Uninterrupted)).unwrap();
    assert_eq!(weights(&live), weights(&plain));
    assert_eq!(live.borrow().history, plain.borrow().history);
    assert_eq!(live.borrow().history.iter().map(|e| e.coefficient).collect::<Vec<_>>(), [1e-2, 0.5, 0.5]);

    // The total of the epoch in which it changed counts each step with its own coefficient.
    let mut rng = Rng::new(5);
    let order = [rng.permutation(32), rng.permutation(32)].concat();
    let total = |n: usize| {
        let x = data.clone().select(0, upload_indices(&order[8 * n..8 * n + 8], [8], &Device::flex()));
        let l1 = if n < 6 { 1e-2 } else { 0.5 };
        let step = changed(n).borrow().architecture.step(&Batch::new(x, l1));
        let number = |t: Tensor<1>| f64::from(block_on(read(t)).unwrap().data[0]);
        number(step.recon) + l1 * number(step.sparsity)
    };
    assert_close_f64("total", live.borrow().history[1].total, (4..8).map(total).sum::<f64>() / 4.0, 1e-6);
}

#[test]
fn rows_are_held_out_by_sequence() {
    // Two sequences that are worlds apart: what is held out is never learnt.
    let near = rows(24, 6);
    let far = rows(24, 6) * 0.1 + 20.0;
    let data = Data {
        rows: Rows { x: Tensor::cat(vec![near, far], 0), target: None },
        sequences: Some((0..48).map(|row| row / 24).collect()),
        origin: None,
    };
    let sae = small("untied");
    let held = TrainSettings { held_out: 0.1, ..settings(40) };
    let entries = block_on(train(&sae, data.clone(), &held, &Uninterrupted)).unwrap();
    let last = entries.last().unwrap();
    let measured = last.held_out.as_ref().unwrap();
    assert_eq!((measured.rows, last.rows, last.steps), (24, 40 * 24, 40 * 3));
    assert!(measured.recon > 10.0 * last.recon, "{measured:?} {last:?}");
    // The figures are what anybody would compute from the weights.
    let seen = values(data.rows.x.clone());
    let held_rows = if Rng::substream(5, 3).permutation(2)[0] == 0 { &seen[..24 * 6] } else { &seen[24 * 6..] };
    let x = upload(held_rows.to_vec(), [24, 6], &Device::flex());
    let (features, out) = sae.borrow().inference().reconstruct(x.clone());
    let error = f64::from(values(out - x.clone()).iter().map(|e| e * e).sum::<f32>());
    let variance = f64::from(values(x.clone() - x.mean_dim(0)).iter().map(|e| e * e).sum::<f32>());
    assert_close_f64("recon", measured.recon, error / (24.0 * 6.0), 1e-5);
    assert_close_f64("explained variance", measured.explained_variance.unwrap(), 1.0 - error / variance, 1e-4);
    let active = values(features).iter().filter(|f| **f > 0.0).count();
    assert_close_f64("l0", measured.l0, active as f64 / 24.0, 1e-6);
}

// Streams.

fn texts() -> Vec<String> {
    let sentences =
        ["The weather today is cold.", "A small model of language", "reads", "", "one token after another, and each changes what comes next."];
    (0..20).map(|n| format!("{} {n}", sentences[n % sentences.len()]).repeat(1 + n % 3)).collect()
}

struct Tiny {
    model: Gpt2,
    tokenizer: Tokenizer,
}

impl Tiny {
    fn open() -> Self {
        let (model, tokenizer) = model("random");
        Self { model, tokenizer }
    }

    fn stream(&self, tokens: usize) -> StreamSettings {
        StreamSettings {
            point: HookPoint::parse("blocks.1.hook_resid_pre", &self.model.config).unwrap(),
            target: None,
            view: View::TransformerLens,
            prepend_bos: true,
            context_size: Some(16),
            skip_position_0: false,
            tokens,
            buffer_rows: 96,
            batch_size: 16,
            entry_every: 4,
            seed: 3,
            held_out: 0.0,
            go_on: false,
        }
    }

    fn run(&self, saes: &[(&RefCell<Sae>, Recipe)], settings: &StreamSettings, pause: &impl Checkpoint) -> Result<Vec<Vec<sae_lab::sae::Entry>>> {
        block_on(train_stream(&self.model, &self.tokenizer, &texts(), saes, settings, pause))
    }
}

fn of_stream(architecture: &str, seed: u64) -> RefCell<Sae> {
    RefCell::new(new_sae(architecture, 48, 96, seed).unwrap())
}

/// Keeps the largest buffer that it has seen.
struct Watched<'a>(&'a RefCell<Sae>, Cell<usize>, Cell<usize>);

impl Checkpoint for Watched<'_> {
    async fn reached(&self, progress: Progress) -> Result<()> {
        if let Progress::Train { .. } = progress
            && let Some(Position::Stream(p)) = self.0.borrow().optimizer.as_ref().and_then(|o| o.position.clone())
        {
            self.1.set(self.1.get().max(p.mixed[0].dims()[0]));
            self.2.set(p.walk.round);
        }
        Ok(())
    }
}

#[test]
fn a_stream_holds_no_more_than_its_buffer_and_repeats_its_texts() {
    let tiny = Tiny::open();
    let sae = of_stream("standard", 0);
    let watched = Watched(&sae, Cell::new(0), Cell::new(0));
    let history = tiny.run(&[(&sae, recipe())], &tiny.stream(8000), &watched).unwrap();
    assert!((96..=96 + 512).contains(&watched.1.get()), "{}", watched.1.get());
    assert!(watched.2.get() >= 3, "{} rounds", watched.2.get());
    let last = history[0].last().unwrap();
    assert_eq!((last.rows, last.steps, history[0].len()), (8000, 500, 125));
    assert!(last.recon < 0.5 * history[0][0].recon, "{} {}", history[0][0].recon, last.recon);
    // The same again.
    let again = of_stream("standard", 0);
    tiny.run(&[(&again, recipe())], &tiny.stream(8000), &Uninterrupted).unwrap();
    assert_eq!(weights(&again), weights(&sae));
    let other = of_stream("standard", 0);
    tiny.run(&[(&other, recipe())], &StreamSettings { seed: 4, ..tiny.stream(8000) }, &Uninterrupted).unwrap();
    assert_ne!(weights(&other), weights(&sae));
}

#[test]
fn several_saes_on_one_stream_are_trained_as_each_alone() {
    let tiny = Tiny::open();
    let stream = StreamSettings { held_out: 0.2, skip_position_0: true, ..tiny.stream(1000) };
    let resampled = Recipe { remedy: Some(Remedy::Resample), dead_window: 5, resample_every: 10, l1: 5.0, ..recipe() };
    let kinds = [("standard", recipe()), ("tied", Recipe { l1: 0.1, gradient_clip: Some(1.0), ..recipe() }), ("untied", resampled)];
    let make = || kinds.iter().zip(0..).map(|((kind, recipe), seed)| (of_stream(kind, seed), recipe.clone())).collect::<Vec<_>>();
    let (together, alone) = (make(), make());
    let saes: Vec<_> = together.iter().map(|(sae, recipe)| (sae, recipe.clone())).collect();
    let histories = tiny.run(&saes, &stream, &Uninterrupted).unwrap();
    for ((sae, recipe), (history, (joint, _))) in alone.iter().zip(histories.iter().zip(&together)) {
        let own = tiny.run(&[(sae, recipe.clone())], &stream, &Uninterrupted).unwrap();
        assert_eq!(weights(sae), weights(joint));
        assert_eq!(&own[0], history);
        assert_eq!((history.len(), history[0].steps), (16, 4)); // 63 steps, the last entry of 3
        assert!(history.iter().all(|e| e.held_out.as_ref().is_some_and(|h| h.rows > 0 && h.explained_variance.is_some())));
    }
    let twice = [(saes[0].0, recipe()), (saes[0].0, recipe())];
    assert_eq!(tiny.run(&twice, &stream, &Uninterrupted).unwrap_err().code, "LAB-BUSY");
    assert!(!together[0].0.borrow().training);
}

#[test]
fn a_stream_goes_on_bit_by_bit_from_an_abort_and_from_checkpoints() {
    let tiny = Tiny::open();
    let stream = tiny.stream(640); // 40 steps
    let recipes = [recipe(), Recipe { remedy: Some(Remedy::Resample), dead_window: 5, resample_every: 7, l1: 5.0, ..elaborate("untied", 1).recipe }];
    let make = || [of_stream("standard", 0), of_stream("untied", 1)];
    fn with<'a>(saes: &'a [RefCell<Sae>; 2], recipes: &[Recipe; 2]) -> [(&'a RefCell<Sae>, Recipe); 2] {
        [(&saes[0], recipes[0].clone()), (&saes[1], recipes[1].clone())]
    }
    let whole = make();
    tiny.run(&with(&whole, &recipes), &stream, &Uninterrupted).unwrap();
    let go_on = StreamSettings { go_on: true, ..stream.clone() };
    // Every checkpoint up to the end: while the buffer fills for the first time, between steps, while it fills again, at entries.
    for stop in (1..70).step_by(3) {
        let parts = make();
        if tiny.run(&with(&parts, &recipes), &stream, &After::steps(stop)).is_ok() {
            continue;
        }
        let stored = parts.each_ref().map(stored);
        let restored = stored.each_ref().map(|bytes| RefCell::new(restore(bytes, &Device::flex()).unwrap()));
        for saes in [&parts, &restored] {
            tiny.run(&with(saes, &recipes), &go_on, &Uninterrupted).unwrap();
            for (ours, whole) in saes.iter().zip(&whole) {
                assert_eq!(weights(ours), weights(whole), "stopped at {stop}");
                assert_eq!(ours.borrow().history, whole.borrow().history, "stopped at {stop}");
            }
        }
    }
    // Apart from each other they can't go on together.
    let parts = make();
    tiny.run(&with(&parts, &recipes), &stream, &After::steps(20)).unwrap_err();
    tiny.run(&with(&parts, &recipes)[..1], &go_on, &Uninterrupted).unwrap();
    assert_eq!(tiny.run(&with(&parts, &recipes), &go_on, &Uninterrupted).unwrap_err().code, "LAB-BAD-SETTING");
}

#[test]
fn a_transcoder_learns_what_a_layer_does() {
    let tiny = Tiny::open();
    let point = |name: &str| HookPoint::parse(name, &tiny.model.config).unwrap();
    let stream = StreamSettings { point: point("blocks.1.hook_resid_mid"), target: Some(point("blocks.1.hook_mlp_out")), ..tiny.stream(16_000) };
    let make = |skip| {
        let mut config = Config::new(Kind::Standard, 48, 96, 0);
        (config.transcoder, config.apply_b_dec_to_input, config.skip) = (true, false, skip);
        RefCell::new(Sae::new(config, &Init::of(Kind::Standard), &Device::flex()).unwrap())
    };
    for skip in [false, true] {
        let sae = make(skip);
        let recipe = Recipe { l1: 1e-3, adam: AdamSettings { lr: 3e-3, ..recipe().adam }, ..recipe() };
        let stream = StreamSettings { held_out: 0.2, ..stream.clone() };
        let history = tiny.run(&[(&sae, recipe)], &stream, &Uninterrupted).unwrap();
        let explained = |n: usize| history[0][n].held_out.as_ref().unwrap().explained_variance.unwrap();
        assert!(explained(history[0].len() - 1) > 0.8, "{} {}", explained(0), explained(history[0].len() - 1));
    }
    let sae = make(false);
    let without = StreamSettings { target: None, ..stream.clone() };
    assert_eq!(tiny.run(&[(&sae, recipe())], &without, &Uninterrupted).unwrap_err().code, "LAB-BAD-SETTING");
    let plain = of_stream("standard", 0);
    assert_eq!(tiny.run(&[(&plain, recipe())], &stream, &Uninterrupted).unwrap_err().code, "LAB-BAD-SETTING");
    assert!(!plain.borrow().training && plain.borrow().optimizer.is_none());
}

#[test]
fn settings_of_streams_and_recipes_out_of_range_are_named() {
    let tiny = Tiny::open();
    let sae = of_stream("standard", 0);
    let stream = |change: fn(&mut StreamSettings)| {
        let mut settings = tiny.stream(100);
        change(&mut settings);
        tiny.run(&[(&sae, recipe())], &settings, &Uninterrupted).unwrap_err()
    };
    let with = |change: fn(&mut Recipe)| {
        let mut recipe = recipe();
        change(&mut recipe);
        tiny.run(&[(&sae, recipe)], &tiny.stream(100), &Uninterrupted).unwrap_err()
    };
    for (name, error) in [
        ("tokens", stream(|s| s.tokens = 0)),
        ("batchSize", stream(|s| s.batch_size = 0)),
        ("bufferRows", stream(|s| s.buffer_rows = 31)),
        ("bufferRows", stream(|s| s.buffer_rows = usize::MAX)),
        ("entryEvery", stream(|s| s.entry_every = 0)),
        ("contextSize", stream(|s| s.context_size = Some(65))),
        ("contextSize", stream(|s| s.context_size = Some(1))),
        ("heldOut", stream(|s| s.held_out = 1.0)),
        ("gradientClip", with(|r| r.gradient_clip = Some(0.0))),
        ("deadWindow", with(|r| r.dead_window = 0)),
        ("resampleEvery", with(|r| r.resample_every = 0)),
        ("resampleScale", with(|r| r.resample_scale = f64::NAN)),
        ("auxKCoefficient", with(|r| r.aux_k_coefficient = -1.0)),
        ("lrEnd", with(|r| r.lr_end = Some(1.0))),
        ("lrDecaySteps", with(|r| (r.lr_end, r.lr_decay_steps, r.lr_schedule) = (Some(0.0), 2, LrSchedule::Cosine))),
        ("lrWarmUpSteps", with(|r| r.lr_warm_up_steps = 1000)),
    ] {
        assert_eq!(error.code, "LAB-BAD-SETTING");
        assert!(error.message.starts_with(name), "{}", error.message);
    }
    let run = |texts: &[String], skip| {
        let settings = StreamSettings { skip_position_0: skip, prepend_bos: !skip, ..tiny.stream(100) };
        block_on(train_stream(&tiny.model, &tiny.tokenizer, texts, &[(&sae, recipe())], &settings, &Uninterrupted)).unwrap_err().code
    };
    assert_eq!(run(&[], false), "LAB-EMPTY-INPUT");
    assert_eq!(run(&["".into(), "".into()], false), "LAB-EMPTY-INPUT");
    let one_token = tiny.tokenizer.decode_token(5);
    assert_eq!(run(&[one_token], true), "LAB-EMPTY-INPUT");
    assert!(!sae.borrow().training);
}

#[test]
fn dead_latents_are_counted_and_resampling_brings_them_back() {
    let data = rows(64, 6);
    let run = |remedy| {
        let sae = half_dead("standard");
        let recipe = Recipe { dead_window: 8, remedy: Some(remedy), resample_every: 10, l1: 1e-3, ..recipe() };
        block_on(train(&sae, &data, &TrainSettings { recipe, ..settings(10) }, &Uninterrupted)).unwrap();
        let sae = sae.into_inner();
        (sae.history.iter().map(|e| e.dead).collect::<Vec<_>>(), sae.optimizer.unwrap().firing.log_sparsity().map(values).unwrap())
    };
    let (none, sparsity) = run(Remedy::None);
    assert_eq!(none[0], 0); // eight steps: none can be dead yet
    assert!(none[1..].iter().all(|&dead| dead >= 8), "{none:?}");
    assert!(sparsity[..8].iter().all(|&s| (s + 10.0).abs() < 1e-4) && sparsity[8..].iter().any(|&s| s > -2.0));
    let (resampled, _) = run(Remedy::Resample);
    assert!(resampled[9] < 3, "{resampled:?}");
}

#[test]
fn a_decoder_row_has_no_gradient_along_itself() {
    let w = norm::unit(rows(5, 6), 1);
    let g = norm::without_parallel((rows(5, 6) * 2.0 + 1.0).into(), &w, 1).tensors(std::slice::from_ref(&w)).swap_remove(0);
    assert!(values((g * w).sum_dim(1)).iter().all(|d| d.abs() < 1e-5));
}
