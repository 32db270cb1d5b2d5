//! Bad input ends in a typed error, and cancelling leaves a usable state.

use std::cell::{Cell, RefCell};

use burn::tensor::{Device, Tensor};
use pollster::block_on;
use sae_lab::gpt2::{self, Config, GenerateSettings, HookPoint, Hooks, LogitsWanted, Precision, Sampling, generate};
use sae_lab::progress::{Checkpoint, Progress, Uninterrupted};
use sae_lab::sae::adam::AdamSettings;
use sae_lab::sae::{Config as SaeConfig, Init, Kind, Recipe, Sae, TrainSettings, init, train};
use sae_lab::tensors::{read, upload};
use sae_lab::tokenizer::Tokenizer;
use sae_lab::{LabError, Result};

use crate::support::{bytes, model, new_sae};

/// Cancels at the n-th checkpoint.
struct After(Cell<usize>);

impl Checkpoint for After {
    async fn reached(&self, _: Progress) -> Result<()> {
        self.0.set(self.0.get() - 1);
        if self.0.get() == 0 { Err(LabError::cancelled()) } else { Ok(()) }
    }
}

fn training(epochs: usize) -> TrainSettings {
    let adam = AdamSettings { lr: 1e-2, beta1: 0.9, beta2: 0.999, eps: 1e-8 };
    let recipe = Recipe { l1: 1e-3, adam, ..Recipe::default() };
    TrainSettings { epochs, batch_size: 8, seed: 5, recipe, ..TrainSettings::default() }
}

fn data() -> Tensor<2> {
    let values = (0..32 * 6).map(|i| ((i * 37 % 101) as f32 / 50.0 - 1.0).sin()).collect();
    upload(values, [32, 6], &Device::flex())
}

fn small_sae() -> RefCell<Sae> {
    RefCell::new(new_sae("tied", 6, 12, 1).unwrap())
}

#[test]
fn cancelled_training_keeps_what_it_learnt_and_goes_on() {
    let sae = small_sae();
    let start = block_on(read(sae.borrow().inference().w_enc())).unwrap();
    let error = block_on(train(&sae, &data(), &training(10), &After(Cell::new(7)))).unwrap_err();
    assert_eq!(error.code, "LAB-CANCELLED");
    assert_ne!(block_on(read(sae.borrow().inference().w_enc())).unwrap(), start);
    assert_eq!(sae.borrow().history.len(), 1); // 4 batches an epoch
    assert!(!sae.borrow().training);
    let more = TrainSettings { go_on: true, ..training(2) };
    let history = block_on(train(&sae, &data(), &more, &Uninterrupted)).unwrap();
    assert_eq!(history.iter().map(|e| e.epoch).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn training_in_two_runs_is_training_in_one() {
    let (one, two) = (small_sae(), small_sae());
    block_on(train(&one, &data(), &training(6), &Uninterrupted)).unwrap();
    block_on(train(&two, &data(), &training(3), &Uninterrupted)).unwrap();
    block_on(train(&two, &data(), &TrainSettings { go_on: true, ..training(3) }, &Uninterrupted)).unwrap();
    let w = |sae: &RefCell<Sae>| block_on(read(sae.borrow().inference().w_enc())).unwrap();
    assert_eq!(w(&one), w(&two));
    assert_eq!(one.borrow().history, two.borrow().history);
}

#[test]
fn a_loss_that_leaves_the_numbers_is_reported_and_undone() {
    let sae = small_sae();
    block_on(train(&sae, &data(), &training(2), &Uninterrupted)).unwrap();
    let w = || block_on(read(sae.borrow().inference().w_enc())).unwrap();
    let (good, steps) = (w(), sae.borrow().optimizer.as_ref().unwrap().steps);
    let mut wild = TrainSettings { go_on: true, ..training(3) };
    wild.recipe.adam = AdamSettings { lr: 10.0, beta1: 0.0, beta2: 0.0, eps: 1e-30 };
    let huge = data() * 1e30; // its square is no f32
    for cancelled_at in [usize::MAX, 2] {
        // Also when the run is cancelled before the epoch's end: what is wrong is not kept.
        let error = block_on(train(&sae, &huge, &wild, &After(Cell::new(cancelled_at)))).unwrap_err();
        assert_eq!(error.code, "LAB-NOT-FINITE");
        assert_eq!(w(), good);
        assert_eq!((sae.borrow().optimizer.as_ref().unwrap().steps, sae.borrow().history.len()), (steps, 2));
    }
    assert_eq!(block_on(train(&sae, &data(), &TrainSettings { go_on: true, ..training(1) }, &Uninterrupted)).unwrap()[0].epoch, 3);
}

#[test]
fn settings_out_of_range_are_named() {
    let sae = small_sae();
    let run = |settings: TrainSettings| block_on(train(&sae, &data(), &settings, &Uninterrupted)).unwrap_err();
    let with = |change: fn(&mut TrainSettings)| {
        let mut settings = training(1);
        change(&mut settings);
        run(settings)
    };
    for (name, error) in [
        ("epochs", with(|s| s.epochs = 0)),
        ("batchSize", with(|s| s.batch_size = 0)),
        ("lr", with(|s| s.recipe.adam.lr = f64::NAN)),
        ("lr", with(|s| s.recipe.adam.lr = -1.0)),
        ("l1", with(|s| s.recipe.l1 = -1.0)),
        ("l1", with(|s| s.recipe.l1 = f64::NAN)),
        ("beta1", with(|s| s.recipe.adam.beta1 = 1.0)),
        ("eps", with(|s| s.recipe.adam.eps = 0.0)),
        ("order", with(|s| s.order = Some(vec![0; 5]))),
        ("order", with(|s| s.order = Some(vec![99; 32]))),
    ] {
        assert_eq!(error.code, "LAB-BAD-SETTING");
        assert!(error.message.starts_with(name), "{}", error.message);
        assert!(!error.hint.is_empty());
    }
    let wrong = Tensor::<2>::zeros([4, 7], &Device::flex());
    assert_eq!(block_on(train(&sae, &wrong, &training(1), &Uninterrupted)).unwrap_err().code, "LAB-WIDTH-MISMATCH");
    let size = |d_in, d_sae| new_sae("tied", d_in, d_sae, 0).err().unwrap().code;
    assert_eq!([size(16384, 262_144), size(16384, 65536), size(0, 4), size(4, 0)], ["LAB-BAD-SETTING"; 4]);
    let init = Init { encoder: init::Matrix::Transposed, decoder: init::Matrix::Transposed, ..Init::of(Kind::Standard) };
    let made = Sae::new(SaeConfig::new(Kind::Standard, 6, 12, 0), &init, &Device::flex());
    assert_eq!(made.err().unwrap().code, "LAB-BAD-SETTING");
    assert_eq!(new_sae("sparse", 6, 12, 0).err().unwrap().code, "LAB-BAD-SETTING");
}

#[test]
fn prompts_that_cannot_be_run() {
    let (model, tokenizer) = model("tiny");
    let forward = |ids: &[u32]| model.forward(&[ids], None, &mut Hooks::default(), LogitsWanted::Last).unwrap_err();
    assert_eq!(forward(&[]).code, "LAB-EMPTY-INPUT");
    let long = forward(&[1; 257]);
    assert_eq!(long.code, "LAB-TOO-LONG");
    assert!(long.message.contains("257") && long.message.contains("256"));
    assert_eq!(forward(&[4096]).code, "LAB-BAD-SETTING");
    assert_eq!(HookPoint::parse("blocks.12.hook_resid_post", &model.config).unwrap_err().code, "LAB-UNKNOWN-HOOK");

    let greedy = Sampling { temperature: 0.0, top_k: None, top_p: None, frequency_penalty: 0.0 };
    let go = |sampling: Sampling, max_new_tokens: usize| {
        let settings = GenerateSettings { max_new_tokens, sampling, seed: 0, stop_at_eos: true, use_cache: true };
        block_on(generate(&model, &tokenizer, &[4095, 5], &settings, &mut Hooks::default(), &Uninterrupted)).unwrap_err().code
    };
    assert_eq!(go(greedy.clone(), 0), "LAB-BAD-SETTING");
    assert_eq!(go(greedy.clone(), 256), "LAB-TOO-LONG");
    assert_eq!(go(greedy.clone(), usize::MAX), "LAB-TOO-LONG");
    assert_eq!(go(Sampling { temperature: f64::NAN, ..greedy.clone() }, 5), "LAB-BAD-SETTING");
    assert_eq!(go(Sampling { temperature: -1.0, ..greedy.clone() }, 5), "LAB-BAD-SETTING");
    assert_eq!(go(Sampling { top_k: Some(0), ..greedy.clone() }, 5), "LAB-BAD-SETTING");
    assert_eq!(go(Sampling { top_p: Some(0.0), ..greedy }, 5), "LAB-BAD-SETTING");
}

#[test]
fn cancelled_generation_ends_at_once() {
    let (model, tokenizer) = model("random");
    let sampling = Sampling { temperature: 0.0, top_k: None, top_p: None, frequency_penalty: 0.0 };
    let settings = GenerateSettings { max_new_tokens: 30, sampling, seed: 0, stop_at_eos: false, use_cache: true };
    let pause = After(Cell::new(3));
    let error = block_on(generate(&model, &tokenizer, &[299, 5], &settings, &mut Hooks::default(), &pause)).unwrap_err();
    assert_eq!((error.code, pause.0.get()), ("LAB-CANCELLED", 0));
}

#[test]
fn files_that_are_no_checkpoint() {
    let config = || Config::from_json(&bytes("tests/reference/models/random/config.json")).unwrap();
    let good = bytes("tests/reference/models/random/model.safetensors");
    let load = |config: Config, file: &[u8]| block_on(gpt2::load(config, Precision::F32, file, &Device::flex())).err().unwrap();
    assert_eq!(load(config(), b"").code, "LAB-BAD-FILE");
    assert_eq!(load(config(), b"<!doctype html><title>404</title>").code, "LAB-BAD-FILE");
    assert_eq!(load(config(), &good[..good.len() / 2]).code, "LAB-BAD-FILE");
    let other = Config { d_model: 96, ..config() };
    let error = load(other, &good);
    assert!(error.code == "LAB-BAD-FILE" && error.message.contains("c_attn.bias has shape [144]") && error.message.contains("[288]"), "{error}");
    let more_layers = Config { n_layers: 3, ..config() };
    assert!(load(more_layers, &good).message.contains("h.2."));
}

#[test]
fn tokenizers_that_are_not_gpt2s() {
    let good: serde_json::Value = serde_json::from_slice(&bytes("www/models/tiny/tokenizer.json")).unwrap();
    let refused = |change: fn(&mut serde_json::Value)| {
        let mut file = good.clone();
        change(&mut file);
        Tokenizer::from_json(file.to_string().as_bytes()).err().expect("should be refused").code
    };
    for code in [
        refused(|file| file["model"]["merges"][0] = serde_json::json!(["Once", "upon"])), // makes no known piece
        refused(|file| file["model"]["merges"][0] = serde_json::json!("alone")),
        refused(|file| file["model"]["dropout"] = serde_json::json!(0.5)),
        refused(|file| file["pre_tokenizer"] = serde_json::json!({"type": "Whitespace"})),
        refused(|file| file["normalizer"] = serde_json::json!({"type": "Lowercase"})),
        refused(|file| file["added_tokens"] = serde_json::json!([])),
        refused(|file| file["model"] = serde_json::json!({"type": "Unigram"})),
    ] {
        assert_eq!(code, "LAB-BAD-FILE");
    }
    assert_eq!(Tokenizer::from_vocab_merges(br#"{"a": 0}"#, b"a b").err().unwrap().code, "LAB-BAD-FILE");
}
