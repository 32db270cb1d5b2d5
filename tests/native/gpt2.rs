//! Logits, log-probabilities, loss and every hook, in both views, against Hugging Face and
//! TransformerLens.

use pollster::block_on;
use sae_lab::gpt2::{Edit, EditKind, HookPoint, Hooks, KvCache, LogitsWanted, Positions, View, log_softmax, mean_loss};
use sae_lab::tensors::{HostTensor, read};

use crate::support::{assert_close, assert_close_f64, assert_close_relative, ids, json, model, numbers};

const VIEWS: [(&str, View); 2] = [("hf", View::HuggingFace), ("tl", View::TransformerLens)];

fn logits_and_hooks(name: &str) {
    let (model, tokenizer) = model(name);
    let (text, numbers) = (json(&format!("gpt2_{name}")), numbers(&format!("gpt2_{name}")));
    let mut compared = 0;
    for (n, prompt) in text["prompts"].as_array().unwrap().iter().enumerate() {
        let expected = ids(&prompt["ids"]);
        let ids = tokenizer.encode(prompt["text"].as_str().unwrap(), true).unwrap();
        assert_eq!(ids, expected, "prompt {n}");
        for (view_name, view) in VIEWS {
            let wanted = HookPoint::all(&model.config);
            let mut hooks = Hooks::reading(&wanted, view);
            let logits = model.forward(&[&ids], None, &mut hooks, LogitsWanted::All).unwrap().unwrap();
            let logits = block_on(read(logits)).unwrap();
            let loss = mean_loss(&logits.data, &ids, model.config.d_vocab);
            assert_close_f64(&format!("loss {n}"), loss, prompt["loss"]["f64"].as_f64().unwrap(), 1e-5);

            let theirs = &numbers[&format!("{view_name}/logits/{n}")];
            let kept = logits.data[logits.data.len() - theirs.data.len()..].to_vec();
            let ours = HostTensor { data: kept, shape: theirs.shape.clone() };
            assert_close(&format!("{view_name} logits {n}"), &ours, theirs, 1e-3);
            if let Some(theirs) = numbers.get(&format!("hf/logprobs/{n}")) {
                let rows = logits.data.chunks_exact(model.config.d_vocab);
                let data = rows.flat_map(log_softmax).map(|x| x as f32).collect();
                assert_close("logprobs", &HostTensor { data, shape: theirs.shape.clone() }, theirs, 1e-4);
            }
            for point in wanted {
                if let Some(theirs) = numbers.get(&format!("{view_name}/{point}/{n}")) {
                    let ours = block_on(hooks.read_one(point, &model.config)).unwrap();
                    assert_close_relative(&format!("{view_name} {point} {n}"), &ours, theirs, 1e-4);
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 40, "only {compared} hooks compared");
}

#[test]
fn tiny_logits_and_hooks() {
    logits_and_hooks("tiny");
}

#[test]
fn random_logits_and_hooks() {
    logits_and_hooks("random");
}

#[test]
fn a_cache_gives_the_logits_of_a_whole_pass() {
    let (model, tokenizer) = model("tiny");
    let ids = tokenizer.encode("Once upon a time, there was a brave knight who", true).unwrap();
    let mut hooks = Hooks::default();
    let whole = model.forward(&[&ids], None, &mut hooks, LogitsWanted::All).unwrap().unwrap();
    let whole = block_on(read(whole)).unwrap();
    let mut cache = KvCache::default();
    let mut parts = Vec::new();
    for part in [&ids[..4], &ids[4..5], &ids[5..]] {
        let logits = model.forward(&[part], Some(&mut cache), &mut hooks, LogitsWanted::All).unwrap().unwrap();
        parts.extend(block_on(read(logits)).unwrap().data);
    }
    assert_eq!(cache.len(), ids.len());
    assert_close("cached", &HostTensor { data: parts, shape: whole.shape.clone() }, &whole, 1e-4);
}

#[test]
fn a_pass_without_logits_stops_after_the_last_hook_and_reads_the_same() {
    let (model, tokenizer) = model("random");
    let ids = tokenizer.encode("The weather today is", true).unwrap();
    for point in HookPoint::all(&model.config) {
        let mut alone = Hooks::reading(&[point], View::TransformerLens);
        let trap = HookPoint::parse("blocks.1.hook_mlp_out", &model.config).unwrap();
        if point.layer == 0 {
            // An edit that fails when the pass goes on to it.
            let kind = EditKind::Replace(HostTensor { data: vec![0.0], shape: vec![1] });
            alone.edits.push(Edit { point: trap, kind, positions: Positions::All });
        }
        assert!(model.forward(&[&ids], None, &mut alone, LogitsWanted::None).unwrap().is_none());
        let mut whole = Hooks::reading(&[point], View::TransformerLens);
        model.forward(&[&ids], None, &mut whole, LogitsWanted::Last).unwrap();
        let (a, b) = (block_on(alone.read_one(point, &model.config)), block_on(whole.read_one(point, &model.config)));
        assert_eq!(a.unwrap(), b.unwrap(), "{point}");
    }
}

#[test]
fn rows_run_together_give_what_each_gives_alone() {
    let (model, _) = model("random");
    let (a, b) = ([299u32, 5, 6, 7], [299u32, 80, 81, 82]);
    let run = |rows: &[&[u32]]| {
        let logits = model.forward(rows, None, &mut Hooks::default(), LogitsWanted::All).unwrap().unwrap();
        block_on(read(logits)).unwrap().data
    };
    let together = run(&[&a, &b]);
    let apart = [run(&[&a]), run(&[&b])].concat();
    assert!(crate::support::largest_difference(&together, &apart) < 1e-5);
}
