//! A checkpoint that arrives in pieces, in f32 and f16, and the check of what came of it.

use burn::tensor::Device;
use half::f16;
use pollster::block_on;
use sae_lab::gpt2::{Config, Gpt2, Hooks, Loader, LogitsWanted, Precision, View, check, load};
use sae_lab::progress::Uninterrupted;
use sae_lab::tensors::read;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::support::bytes;

const IDS: [u32; 5] = [7, 200, 12, 299, 41];

fn config() -> Config {
    Config::from_json(&bytes("tests/reference/models/random/config.json")).unwrap()
}

fn weights() -> Vec<u8> {
    bytes("tests/reference/models/random/model.safetensors")
}

fn logits(model: &Gpt2) -> Vec<f32> {
    let mut hooks = Hooks::editing(Vec::new(), View::HuggingFace);
    block_on(read(model.forward(&[&IDS], None, &mut hooks, LogitsWanted::All).unwrap().unwrap())).unwrap().data
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn loaded_in(precision: Precision, lengths: &[usize], known: bool) -> Gpt2 {
    let file = weights();
    let mut loader = Loader::new(config(), precision, &Device::flex());
    loader.begin_file("model.safetensors", known.then_some(file.len() as u64)).unwrap();
    let (mut at, mut turn) = (0, 0);
    while at < file.len() {
        let end = file.len().min(at + lengths[turn % lengths.len()]);
        let told = block_on(loader.feed(&file[at..end])).unwrap();
        assert!(told.is_none_or(|n| n == file.len() as u64));
        (at, turn) = (end, turn + 1);
    }
    loader.end_file().unwrap();
    loader.finish().unwrap()
}

/// The weights cut as `[names that fit] -> file`, as a sharded checkpoint has them.
fn part_of(file: &SafeTensors<'_>, fits: impl Fn(&str) -> bool) -> Vec<u8> {
    let chosen: Vec<_> = file.tensors().into_iter().filter(|(name, _)| fits(name)).collect();
    safetensors::serialize(chosen, None).unwrap()
}

#[test]
fn cut_anywhere_it_is_the_same_model() {
    let whole = logits(&block_on(load(config(), Precision::F32, &weights(), &Device::flex())).unwrap());
    for (lengths, known) in [(&[1000][..], true), (&[1, 2, 3, 5, 7, 4099], false), (&[1 << 20], false)] {
        assert_eq!(logits(&loaded_in(Precision::F32, lengths, known)), whole);
    }
}

#[test]
fn several_files_are_one_model() {
    let (file, whole) = (weights(), logits(&block_on(load(config(), Precision::F32, &weights(), &Device::flex())).unwrap()));
    let file = SafeTensors::deserialize(&file).unwrap();
    let (layers, rest) = (part_of(&file, |name| name.contains(".h.")), part_of(&file, |name| !name.contains(".h.")));
    let mut loader = Loader::new(config(), Precision::F32, &Device::flex());
    for part in [&rest, &layers] {
        loader.begin_file("part", Some(part.len() as u64)).unwrap();
        block_on(loader.feed(part)).unwrap();
        loader.end_file().unwrap();
    }
    assert_eq!(logits(&loader.finish().unwrap()), whole);

    let mut twice = Loader::new(config(), Precision::F32, &Device::flex());
    twice.begin_file("one", None).unwrap();
    block_on(twice.feed(&rest)).unwrap();
    twice.end_file().unwrap();
    twice.begin_file("two", None).unwrap();
    assert!(block_on(twice.feed(&rest)).unwrap_err().message.contains("was there before"));

    let mut half = Loader::new(config(), Precision::F32, &Device::flex());
    half.begin_file("layers", None).unwrap();
    block_on(half.feed(&layers)).unwrap();
    half.end_file().unwrap();
    let error = half.finish().err().unwrap();
    assert!(error.code == "LAB-BAD-FILE" && error.message.contains("ln_f.bias") && error.message.contains("3 others"), "{error}");
}

/// Both ways to have f16: the lab rounds the matrices, or they come rounded.
#[test]
fn f16_is_the_model_with_its_matrices_rounded() {
    let bytes = weights();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let rounded: Vec<(String, Vec<u8>, Vec<usize>)> = file
        .tensors()
        .into_iter()
        .filter(|(_, view)| view.dtype() == Dtype::F32)
        .map(|(name, view)| {
            let matrix = view.shape().len() == 2 && !name.ends_with("wpe.weight");
            let values = view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b));
            let data = values.flat_map(|x| if matrix { f16::from_f32(x).to_f32() } else { x }.to_le_bytes()).collect();
            (name, data, view.shape().to_vec())
        })
        .collect();
    let views = rounded.iter().map(|(name, data, shape)| (name, TensorView::new(Dtype::F32, shape.clone(), data).unwrap()));
    let rounded = safetensors::serialize(views, None).unwrap();
    let expected = logits(&block_on(load(config(), Precision::F32, &rounded, &Device::flex())).unwrap());
    let ours = logits(&loaded_in(Precision::F16, &[4097], true));
    // f32 goes through kernels of our own, f16 through burn's: their sums are rounded in another order.
    assert!(largest_difference(&ours, &expected) < 1e-5, "{}", largest_difference(&ours, &expected));
    let full = logits(&loaded_in(Precision::F32, &[1 << 20], true));
    let cost = largest_difference(&ours, &full);
    assert!((2e-5..0.05).contains(&cost), "{cost}");
}

#[test]
fn the_check_agrees_with_a_plain_pass() {
    for precision in [Precision::F32, Precision::F16] {
        let model = loaded_in(precision, &[1 << 20], true);
        let check = block_on(check(&model, &IDS, &Uninterrupted)).unwrap();
        assert!(check.passed && check.error < 1e-4 && check.error > 0.0, "{check:?}");
    }
    // One position alone, and as many as the model sees.
    let model = loaded_in(Precision::F32, &[1 << 20], true);
    assert!(block_on(check(&model, &IDS[..1], &Uninterrupted)).unwrap().passed);
    let all: Vec<u32> = (0..config().n_ctx as u32).collect();
    assert!(block_on(check(&model, &all, &Uninterrupted)).unwrap().passed);
}
