//! Greedy and steered continuations, and the order of operations in sampling.

use std::collections::BTreeMap;
use std::rc::Rc;

use burn::tensor::Device;
use pollster::block_on;
use sae_lab::gpt2::{
    Edit, EditKind, GenerateSettings, HookPoint, Hooks, LogitsWanted, Positions, Sampling, View, filtered_probabilities, generate, sample,
};
use sae_lab::progress::Uninterrupted;
use sae_lab::rng::Rng;
use sae_lab::sae::{Kind, Sae};
use sae_lab::tensors::{HostTensor, upload};
use serde_json::Value;

use crate::support::{ids, json, model, numbers};

const GREEDY: Sampling = Sampling { temperature: 0.0, top_k: None, top_p: None, frequency_penalty: 0.0 };

fn continuations(name: &str, cases: &Value, edit: Option<Edit>, use_cache: bool) {
    let (model, tokenizer) = model(name);
    for case in cases.as_array().unwrap() {
        let prompt = tokenizer.encode(case["prompt"].as_str().unwrap(), true).unwrap();
        let expected = ids(&case["new_ids"]);
        let settings = GenerateSettings { max_new_tokens: expected.len(), sampling: GREEDY, seed: 0, stop_at_eos: false, use_cache };
        let mut hooks = Hooks::editing(edit.clone().into_iter().collect(), View::default());
        let made = block_on(generate(&model, &tokenizer, &prompt, &settings, &mut hooks, &Uninterrupted)).unwrap();
        assert_eq!(made.ids, [ids(&case["ids"]), expected.clone()].concat(), "{}", case["prompt"]);
        assert_eq!(made.new_ids, expected, "{}", case["prompt"]);
        assert!(made.text.starts_with(case["prompt"].as_str().unwrap()));
        let logprobs = case["logprobs"].as_array().unwrap();
        assert_eq!(made.logprobs.len(), logprobs.len());
        for (ours, theirs) in made.logprobs.iter().zip(logprobs) {
            assert!((f64::from(*ours) - theirs.as_f64().unwrap()).abs() < 1e-4, "{}", case["prompt"]);
        }
    }
}

#[test]
fn greedy_continuations_are_hugging_faces() {
    let expected = json("generate");
    assert_eq!(expected["tiny"].as_array().unwrap().len(), 10);
    continuations("tiny", &expected["tiny"], None, true);
    continuations("random", &expected["random"], None, true);
    continuations("random", &expected["random"], None, false);
}

#[test]
fn steered_continuations_are_transformer_lens() {
    let steered = &json("generate")["steered"];
    let vector = numbers("steering")["vector"].clone();
    let config = model("tiny").0.config;
    let edit = Edit {
        point: HookPoint::parse(steered["hook"].as_str().unwrap(), &config).unwrap(),
        kind: EditKind::Add(upload(vector.data, [96], &Device::flex())),
        positions: Positions::All,
    };
    for use_cache in [true, false] {
        continuations("tiny", &steered["prompts"], Some(edit.clone()), use_cache);
    }
}

#[test]
fn sampling_keeps_transformer_lens_order_of_operations() {
    for case in json("sampling").as_array().unwrap() {
        let number = |value: &Value| value.as_f64().unwrap();
        let options = &case["options"];
        let how = Sampling {
            temperature: options.get("temperature").map_or(1.0, number),
            top_k: options.get("topK").map(|k| number(k) as usize),
            top_p: options.get("topP").map(number),
            frequency_penalty: options.get("frequencyPenalty").map_or(0.0, number),
        };
        let logits: Vec<f32> = case["logits"].as_array().unwrap().iter().map(|x| number(x) as f32).collect();
        let tokens = ids(&case["tokens"]);
        if let Some(token) = case["expected"].get("token") {
            assert_eq!(sample(&logits, &tokens, &how, &mut Rng::new(0)), token.as_u64().unwrap() as u32);
            continue;
        }
        let probabilities = filtered_probabilities(&logits, &tokens, &how);
        for (ours, theirs) in probabilities.iter().zip(case["expected"]["probs"].as_array().unwrap()) {
            assert!((ours - number(theirs)).abs() < 1e-6, "{case}: {probabilities:?}");
        }
        // What is drawn follows these probabilities.
        let mut rng = Rng::new(11);
        let mut counts = vec![0.0; logits.len()];
        for _ in 0..20_000 {
            counts[sample(&logits, &tokens, &how, &mut rng) as usize] += 1.0 / 20_000.0;
        }
        for (count, p) in counts.iter().zip(&probabilities) {
            assert!((count - p).abs() < 0.02, "{case}: {counts:?}");
        }
    }
}

#[test]
fn a_seed_gives_the_same_sample_again() {
    let (model, tokenizer) = model("random");
    let prompt = tokenizer.encode("The weather", true).unwrap();
    let run = |seed: u64| {
        let sampling = Sampling { temperature: 1.0, top_k: Some(50), ..GREEDY };
        let settings = GenerateSettings { max_new_tokens: 12, sampling, seed, stop_at_eos: false, use_cache: true };
        block_on(generate(&model, &tokenizer, &prompt, &settings, &mut Hooks::default(), &Uninterrupted)).unwrap().new_ids
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn edits_at_chosen_positions_are_the_same_with_a_cache_and_without() {
    let (model, tokenizer) = model("tiny");
    let vector = || upload(numbers("steering")["vector"].data.clone(), [96], &Device::flex());
    let prompt = tokenizer.encode("The weather today is", true).unwrap();
    let run = |positions: Positions, use_cache: bool| {
        let point = HookPoint::parse("blocks.6.hook_resid_post", &model.config).unwrap();
        let edit = Edit { point, kind: EditKind::Add(vector() * 2.0), positions };
        let settings = GenerateSettings { max_new_tokens: 12, sampling: GREEDY, seed: 0, stop_at_eos: false, use_cache };
        let mut hooks = Hooks::editing(vec![edit], View::default());
        block_on(generate(&model, &tokenizer, &prompt, &settings, &mut hooks, &Uninterrupted)).unwrap().new_ids
    };
    let mut seen = std::collections::HashSet::new();
    for positions in [Positions::All, Positions::Prompt, Positions::Generated, Positions::Last, Positions::At(vec![]), Positions::At(vec![2, 6])] {
        let with_cache = run(positions.clone(), true);
        assert_eq!(with_cache, run(positions.clone(), false), "{positions:?}");
        seen.insert(with_cache);
    }
    assert!(seen.len() >= 4, "the positions make no difference");
}

#[test]
fn generation_stops_at_the_end_of_text() {
    let (model, tokenizer) = model("tiny");
    let eos = model.config.eos;
    let run = |stop_at_eos: bool| {
        // All but the end of text is filtered out by its own logit raised: steer with its unembedding.
        let row = numbers_row_of_wte(eos);
        let point = HookPoint::parse("ln_final.hook_normalized", &model.config).unwrap();
        let edit =
            Edit { point, kind: EditKind::Add(upload(row.iter().map(|x| x * 1e3).collect(), [96], &Device::flex())), positions: Positions::All };
        let settings = GenerateSettings { max_new_tokens: 5, sampling: GREEDY, seed: 0, stop_at_eos, use_cache: true };
        let mut hooks = Hooks::editing(vec![edit], View::HuggingFace);
        block_on(generate(&model, &tokenizer, &[5, 6], &settings, &mut hooks, &Uninterrupted)).unwrap().new_ids
    };
    assert_eq!(run(true), [eos]);
    assert_eq!(run(false), [eos; 5]);
}

/// A row of the tiny model's `wte`, read from its file.
fn numbers_row_of_wte(id: u32) -> Vec<f32> {
    let bytes = crate::support::bytes("www/models/tiny/model.safetensors");
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let data = file.tensor("wte.weight").unwrap().data().to_vec();
    let row = &data[id as usize * 96 * 2..(id as usize + 1) * 96 * 2];
    row.chunks_exact(2).map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
}

#[test]
fn scaling_a_feature_adds_its_share_of_the_decoder_row() {
    let (model, tokenizer) = model("random");
    let ids = tokenizer.encode("The weather today is", true).unwrap();
    let point = HookPoint::parse("blocks.0.hook_resid_post", &model.config).unwrap();
    let values = |k: f32| (0..48).map(|i| (i as f32 * k).sin()).collect::<Vec<f32>>();
    let (w_enc, w_dec, factor) = (values(0.7), values(1.3), 3.0);
    let read = |edits: Vec<Edit>| {
        let mut hooks = Hooks::editing(edits, View::TransformerLens);
        hooks.wanted = vec![point];
        model.forward(&[&ids], None, &mut hooks, LogitsWanted::None).unwrap();
        block_on(hooks.read_one(point, &model.config)).unwrap()
    };
    // Two features; the second is left alone.
    let two = |first: &[f32], second: f32| first.iter().flat_map(|&w| [w, second]).collect::<Vec<f32>>();
    let host = |data: Vec<f32>, shape: &[usize]| HostTensor { data, shape: shape.to_vec() };
    let weights = BTreeMap::from([
        ("W_enc".to_string(), host(two(&w_enc, 0.1), &[48, 2])),
        ("b_enc".to_string(), host(vec![0.25, 0.5], &[2])),
        ("W_dec".to_string(), host([w_dec.clone(), vec![0.2; 48]].concat(), &[2, 48])),
        ("b_dec".to_string(), host(vec![0.3; 48], &[48])),
    ]);
    let sae = Sae::from_weights(sae_lab::sae::Config::new(Kind::Untied, 48, 2, 0), weights, &Device::flex()).unwrap().inference();
    let kind = EditKind::Map(Rc::new(move |x| sae.scale_feature(x, 0, factor)));
    let scaled = read(vec![Edit { point, kind, positions: Positions::All }]);
    let (mut active, plain) = (0, read(Vec::new()));
    for (x, y) in plain.data.chunks_exact(48).zip(scaled.data.chunks_exact(48)) {
        let f = (x.iter().zip(&w_enc).map(|(x, w)| x * w).sum::<f32>() + 0.25).max(0.0);
        active += usize::from(f > 0.0);
        for i in 0..48 {
            assert!((y[i] - (x[i] + (factor - 1.0) * f * w_dec[i])).abs() < 1e-4);
        }
    }
    assert!(active > 0);
}
