//! The SAEs against lab-c4's own code in torch: losses, gradients, ten Adam steps, features.

use std::cell::RefCell;
use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, activation};
use pollster::block_on;
use sae_lab::activations::{CollectSettings, Keep, collect};
use sae_lab::analysis::{ExamplesSettings, HeatmapSettings, Order, examples, heatmap, top_features};
use sae_lab::gpt2::{HookPoint, View};
use sae_lab::progress::Uninterrupted;
use sae_lab::sae::adam::AdamSettings;
use sae_lab::sae::{Batch, Config, Direction, Kind, Parameter, Recipe, Sae, TrainSettings, direction, train};
use sae_lab::tensors::{HostTensor, read, upload};
use serde_json::Value;

use crate::support::{assert_close, assert_close_f64, assert_close_relative, ids, json, largest_difference, model, new_sae, numbers};
type Numbers = std::collections::HashMap<String, HostTensor>;

fn sae(architecture: &str, prefix: &str, numbers: &Numbers) -> RefCell<Sae> {
    let named = |name: &str| numbers.get(&format!("{prefix}/{name}")).map(|t| (name.to_string(), t.clone()));
    let weights: BTreeMap<_, _> = ["W_enc", "b_enc", "W_dec", "b_dec"].into_iter().filter_map(named).collect();
    let [d_in, d_sae] = weights["W_enc"].shape[..] else { panic!("W_enc is a matrix") };
    let config = Config::new(Kind::parse(architecture).unwrap(), d_in, d_sae, 0);
    RefCell::new(Sae::from_weights(config, weights, &Device::flex()).unwrap())
}

fn matrix(t: &HostTensor) -> Tensor<2> {
    upload(t.data.clone(), [t.shape[0], t.shape[1]], &Device::flex())
}

fn settings(description: &Value, l1: f64, epochs: usize, order: Vec<u32>) -> TrainSettings {
    TrainSettings {
        epochs,
        batch_size: description["batchSize"].as_u64().unwrap() as usize,
        order: Some(order),
        recipe: Recipe {
            l1,
            adam: AdamSettings { lr: description["lr"].as_f64().unwrap(), beta1: 0.9, beta2: 0.999, eps: 1e-8 },
            ..Recipe::default()
        },
        ..TrainSettings::default()
    }
}

fn compare_entry(name: &str, ours: [f64; 5], theirs: &Value) {
    for (value, key) in ours.into_iter().zip(["total", "recon", "l1", "fracActive", "nActive"]) {
        assert_close_f64(&format!("{name} {key}"), value, theirs[key].as_f64().unwrap(), 1e-4);
    }
}

/// One run against torch: each step's loss terms (by training the steps one by one), the epochs'
/// means, and the weights at the end.
fn same_losses(data: &Tensor<2>, description: &Value, run: &Value, numbers: &Numbers, l1: f64) -> RefCell<Sae> {
    let architecture = run["architecture"].as_str().unwrap();
    let start = || sae(architecture, &format!("{architecture}/init"), numbers);
    let order = ids(&description["order"]);
    let rows = data.dims()[0];
    let batch_size = description["batchSize"].as_u64().unwrap() as usize;

    // Step by step: every batch as a data set of its own, the optimiser's state going on.
    let steps = run["steps"]["f32"].as_array().unwrap();
    let stepped = start();
    let batches = order.chunks(rows).flat_map(|epoch| epoch.chunks(batch_size));
    let mut compared = 0;
    for ((n, batch), theirs) in batches.enumerate().zip(steps) {
        let indices = sae_lab::tensors::upload_indices(batch, [batch.len()], &Device::flex());
        let x = data.clone().select(0, indices);
        let mut settings = settings(description, l1, 1, (0..batch.len() as u32).collect());
        settings.go_on = n > 0;
        let entry = &block_on(train(&stepped, &x, &settings, &Uninterrupted)).unwrap()[0];
        compare_entry(&format!("{architecture} step {n}"), [entry.total, entry.recon, entry.l1, entry.frac_active, entry.n_active], theirs);
        compared += 1;
    }
    assert!(compared >= 10);

    let whole = start();
    let epochs = order.len() / rows;
    let history = block_on(train(&whole, data, &settings(description, l1, epochs, order.clone()), &Uninterrupted)).unwrap();
    assert_eq!(history.len(), epochs);
    for (entry, theirs) in history.iter().zip(run["epochs"]["f32"].as_array().unwrap()) {
        compare_entry(
            &format!("{architecture} epoch {}", entry.epoch),
            [entry.total, entry.recon, entry.l1, entry.frac_active, entry.n_active],
            theirs,
        );
    }
    whole
}

#[test]
fn training_on_synthetic_rows_is_torchs() {
    let (description, numbers) = (json("sae"), numbers("sae"));
    let data = matrix(&numbers["activations"]);
    for run in description["runs"].as_array().unwrap() {
        let name = run["name"].as_str().unwrap();
        let trained = same_losses(&data, &description, run, &numbers, run["l1"].as_f64().unwrap());
        let parameters = trained.borrow().architecture.parameters();
        for Parameter { name: weight, value: ours } in parameters {
            if let Some(theirs) = numbers.get(&format!("{name}/after/{weight}")) {
                let difference = largest_difference(&block_on(read(ours)).unwrap().data, &theirs.data);
                assert!(difference < 1e-5, "{name} {weight}: {difference:e}");
            }
        }
    }
}

#[test]
fn training_on_the_tiny_models_activations_is_torchs() {
    let (description, numbers) = (json("sae_tiny"), numbers("sae_tiny"));
    let data = matrix(&numbers["activations"]);
    for run in description["runs"].as_array().unwrap() {
        same_losses(&data, &description, run, &numbers, description["l1"].as_f64().unwrap());
    }
}

#[test]
fn hand_derived_gradients_are_torchs_and_autodiffs() {
    let (description, numbers) = (json("sae"), numbers("sae"));
    let data = matrix(&numbers["activations"]);
    let order = ids(&description["order"]);
    let batch = &order[..64];
    let x = data.select(0, sae_lab::tensors::upload_indices(batch, [64], &Device::flex()));
    for run in description["runs"].as_array().unwrap() {
        let (name, architecture, l1) = (run["name"].as_str().unwrap(), run["architecture"].as_str().unwrap(), run["l1"].as_f64().unwrap());
        let sae = sae(architecture, &format!("{architecture}/init"), &numbers);
        let sae = sae.borrow().architecture.clone();
        let ours = sae.step(&Batch::new(x.clone(), l1)).gradients;

        // The same loss through burn's automatic differentiation.
        let leaf = |p: Parameter| p.value.autodiff().require_grad();
        let leaves: Vec<Tensor<2>> = sae.parameters().into_iter().map(leaf).collect();
        let tied = architecture == "tied";
        let (w_enc, b_enc, b_dec) = (leaves[0].clone(), leaves[leaves.len() - 2].clone(), leaves[leaves.len() - 1].clone());
        let w_dec = if tied { w_enc.clone().transpose() } else { leaves[1].clone() };
        let input = x.clone().autodiff();
        let f = activation::relu(input.clone().matmul(w_enc) + b_enc);
        let loss = (f.clone().matmul(w_dec) + b_dec - input).square().mean() + f.abs().mean() * l1;
        let oracle = loss.backward();

        let names: &[&str] = if tied { &["W_enc", "b_enc", "b_dec"] } else { &["W_enc", "W_dec", "b_enc", "b_dec"] };
        assert_eq!(ours.len(), names.len());
        for ((ours, leaf), weight) in ours.into_iter().zip(&leaves).zip(names) {
            let ours = block_on(read(ours)).unwrap();
            let auto = block_on(read(leaf.grad(&oracle).unwrap())).unwrap();
            assert_close_relative(&format!("{name} {weight} autodiff"), &ours, &auto, 1e-5);
            let torch = &numbers[&format!("{name}/gradients/{weight}")];
            let ours = HostTensor { data: ours.data, shape: torch.shape.clone() };
            assert_close_relative(&format!("{name} {weight} torch"), &ours, torch, 1e-4);
        }
    }
}

#[test]
fn encode_decode_and_directions_are_torchs() {
    let (description, numbers) = (json("sae"), numbers("sae"));
    let rows = matrix(&numbers["activations"]).narrow(0, 0, 5);
    for run in description["runs"].as_array().unwrap().iter().filter(|r| r["name"].as_str().unwrap().ends_with("/lab")) {
        let name = run["name"].as_str().unwrap();
        let sae = sae(run["architecture"].as_str().unwrap(), &format!("{name}/after"), &numbers).borrow().inference();
        let f = sae.encode(rows.clone());
        assert_close_relative(name, &block_on(read(f.clone())).unwrap(), &numbers[&format!("{name}/encode")], 1e-5);
        assert_close_relative(name, &block_on(read(sae.decode(f))).unwrap(), &numbers[&format!("{name}/decode")], 1e-5);
        for feature in ids(&run["directions"]) {
            for (kind_name, kind) in
                [("decoder", Direction::Decoder), ("decoder-unit", Direction::DecoderUnit), ("decode-one-hot-unit", Direction::DecodeOneHotUnit)]
            {
                let ours = block_on(read(direction(&sae, feature as usize, kind).unwrap())).unwrap();
                let theirs = &numbers[&format!("{name}/direction/{feature}/{kind_name}")];
                assert!(largest_difference(&ours.data, &theirs.data) < 1e-5, "{name} {feature} {kind_name}");
            }
        }
    }
}

#[test]
fn the_sample_prompts_activations_and_what_features_respond_to() {
    let (description, numbers) = (json("sae_tiny"), numbers("sae_tiny"));
    let (model, tokenizer) = model("tiny");
    let point = HookPoint::parse(description["hook"].as_str().unwrap(), &model.config).unwrap();
    let texts: Vec<String> = description["texts"].as_array().unwrap().iter().map(|t| t.as_str().unwrap().into()).collect();
    assert_eq!(texts.len(), 26);
    let collecting =
        CollectSettings { point, view: View::TransformerLens, keep: Keep::All, prepend_bos: true, max_tokens: None, random: None, seed: 0 };
    let acts = block_on(collect(&model, &tokenizer, &texts, &collecting, &Uninterrupted)).unwrap();
    assert_close("activations", &block_on(read(acts.data.clone())).unwrap(), &numbers["activations"], 1e-4);

    let stats = block_on(acts.stats()).unwrap();
    let expected = &description["stats"];
    assert_eq!((stats.rows, stats.width, stats.tokens), (241, 96, 241));
    assert_eq!(stats.distinct_rows as u64, expected["distinctRows"].as_u64().unwrap());
    assert!(stats.mean.abs() < 1e-6);
    assert_close_f64("std", stats.std, expected["std"].as_f64().unwrap(), 1e-5);
    for (ours, key) in [(&stats.all, "all"), (&stats.without_position_0, "withoutPosition0")] {
        let theirs = |name: &str| expected[key][name].as_f64().unwrap();
        assert_eq!(ours.rows as f64, theirs("rows"));
        assert_close_f64(key, ours.mean_norm, theirs("meanNorm"), 1e-5);
        assert_close_f64(key, ours.median_norm, theirs("medianNorm"), 1e-5);
        assert_close_f64(key, ours.max_norm, theirs("maxNorm"), 1e-5);
    }

    let run = description["runs"].as_array().unwrap().iter().find(|r| r["architecture"] == "tied").unwrap();
    let sae = sae("tied", "tied/init", &numbers).borrow().inference();
    for (key, skip) in [("topFeatures", false), ("topFeaturesWithoutPosition0", true)] {
        let top = block_on(top_features(&sae, &acts, 20, Order::Score, skip, &Uninterrupted)).unwrap();
        assert_eq!(top.features.len(), 20);
        for (ours, theirs) in top.features.iter().zip(run[key].as_array().unwrap()) {
            assert_eq!(ours.feature as u64, theirs["feature"].as_u64().unwrap(), "{key}");
            for (value, name) in [(ours.mean_active, "meanActive"), (ours.frequency, "frequency"), (ours.max, "max")] {
                assert_close_f64(name, value, theirs[name].as_f64().unwrap(), 1e-4);
            }
        }
    }
    for theirs in run["examples"].as_array().unwrap() {
        let feature = theirs["feature"].as_u64().unwrap() as usize;
        let settings = ExamplesSettings { feature, k: 10, context: 3, ..Default::default() };
        let ours = block_on(examples(&sae, &acts, &tokenizer, &settings, &Uninterrupted)).unwrap();
        assert_eq!(ours.active as u64, theirs["active"].as_u64().unwrap());
        assert_eq!(ours.examples.len(), theirs["examples"].as_array().unwrap().len());
        for (ours, theirs) in ours.examples.iter().zip(theirs["examples"].as_array().unwrap()) {
            assert_close_f64("activation", f64::from(ours.activation), theirs["activation"].as_f64().unwrap(), 1e-4);
            assert_eq!(ours.position as u64, theirs["position"].as_u64().unwrap()); // equal rows have equal positions
        }
    }
    let theirs = &run["heatmap"];
    let ids_of_text = tokenizer.encode(theirs["text"].as_str().unwrap(), true).unwrap();
    let settings = HeatmapSettings { point, view: View::TransformerLens, k: 10, skip_position_0: false, features: None };
    let map = block_on(heatmap(&model, &sae, &ids_of_text, &settings)).unwrap();
    let expected: Vec<usize> = ids(&theirs["features"]).into_iter().map(|f| f as usize).collect();
    assert_eq!(map.features, expected);
    assert!(largest_difference(&map.data, &numbers["tied/heatmap"].data) < 1e-4);
}

#[test]
fn a_seed_fixes_the_start_and_its_law_is_lab_c4s() {
    let make = |seed| new_sae("untied", 96, 384, seed).unwrap().inference();
    let values = |seed| block_on(read(make(seed).w_enc())).unwrap().data;
    assert_eq!(values(3), values(3));
    assert_ne!(values(3), values(4));
    let bound = (6.0f32 / 96.0).sqrt();
    assert!(values(3).iter().all(|w| w.abs() <= bound) && values(3).iter().any(|w| w.abs() > 0.99 * bound));
    let decoder = block_on(read(make(3).w_dec())).unwrap().data;
    let bound = (3.0f32 / 384.0).sqrt();
    assert!(decoder.iter().all(|w| w.abs() <= bound) && decoder.iter().any(|w| w.abs() > 0.99 * bound));
    assert_eq!(new_sae("tied", 768, 3072, 0).unwrap().config.parameters, 2_363_136);
}

#[test]
fn positions_and_lengths_that_are_collected() {
    let (model, tokenizer) = model("random");
    let point = HookPoint::parse("blocks.1.hook_resid_post", &model.config).unwrap();
    let all = CollectSettings { point, view: View::TransformerLens, keep: Keep::All, prepend_bos: true, max_tokens: None, random: None, seed: 3 };
    let run = |texts: &[&str], settings: CollectSettings| {
        let texts: Vec<String> = texts.iter().map(|t| t.to_string()).collect();
        block_on(collect(&model, &tokenizer, &texts, &settings, &Uninterrupted)).unwrap()
    };
    let texts = ["The weather today", "is cold"];
    let whole = run(&texts, all.clone());
    let lengths: Vec<usize> = whole.sequences.iter().map(|s| s.ids.len()).collect();
    assert_eq!(whole.rows(), lengths.iter().sum::<usize>());
    let last = run(&texts, CollectSettings { keep: Keep::Last, ..all.clone() });
    assert_eq!(last.origins.iter().map(|o| o.position).collect::<Vec<_>>(), lengths.iter().map(|n| n - 1).collect::<Vec<_>>());
    let row = |acts: &sae_lab::activations::Activations, row: usize| block_on(read(acts.data.clone().narrow(0, row, 1))).unwrap().data;
    assert_close_relative(
        "last",
        &HostTensor { data: row(&last, 0), shape: vec![48] },
        &HostTensor { data: row(&whole, lengths[0] - 1), shape: vec![48] },
        1e-5,
    );
    let random = run(&texts, CollectSettings { keep: Keep::Random, ..all.clone() });
    assert_eq!(random.rows(), 2);

    // A text longer than the context of 64 is cut, each part with its own BOS.
    let long = "weather ".repeat(60);
    let parts = run(&[&long], all.clone());
    let n = tokenizer.encode(&long, false).unwrap().len();
    assert_eq!(parts.sequences.len(), n.div_ceil(63));
    assert!(parts.sequences.iter().all(|s| s.ids[0] == 299 && s.ids.len() <= 64));
    assert_eq!(parts.rows(), n + parts.sequences.len());
    let few = run(&[&long], CollectSettings { max_tokens: Some(10), ..all });
    assert_eq!(few.rows(), 11);
}
