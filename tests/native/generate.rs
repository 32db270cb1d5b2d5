//! Greedy and steered continuations, and the order of operations in sampling.

use burn::tensor::Device;
use pollster::block_on;
use sae_lab::gpt2::{Edit, EditKind, GenerateSettings, HookPoint, Hooks, Positions, Sampling, View, filtered_probabilities, generate, sample};
use sae_lab::progress::Uninterrupted;
use sae_lab::rng::Rng;
use sae_lab::tensors::upload;
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
        for (ours, theirs) in made.logprobs.iter().zip(case["logprobs"].as_array().unwrap()) {
            assert!((f64::from(*ours) - theirs.as_f64().unwrap()).abs() < 1e-3, "{}", case["prompt"]);
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
