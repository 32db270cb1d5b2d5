//! Every architecture against SAELens: features, outputs, loss terms, gradients, ten Adam steps, of
//! all cases of `numbers/saelens.json`.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use burn::tensor::{Device, Tensor};
use pollster::block_on;
use sae_lab::sae::adam::{Adam, AdamSettings};
use sae_lab::sae::{Architecture, Batch, Config, Dead, Inference, JumpPenalty, Kind, Normalization, Sae, Step, normalize};
use sae_lab::tensors::{HostTensor, read, upload};
use serde_json::Value;

use crate::support::{assert_close_f64, assert_close_relative, json, numbers};

pub type Numbers = HashMap<String, HostTensor>;

pub fn host(t: Tensor<2>) -> HostTensor {
    block_on(read(t)).unwrap()
}

pub fn scalar(t: Tensor<1>) -> f64 {
    f64::from(block_on(read(t)).unwrap().data[0])
}

/// SAELens's fields of a training configuration as this project's.
fn config(case: &Value, description: &Value) -> Config {
    let theirs = &case["config"];
    let number = |name: &str| theirs[name].as_f64();
    let flag = |name: &str| theirs[name].as_bool().unwrap_or(false);
    let name = theirs["architecture"].as_str().or(case["name"].as_str()).unwrap();
    let transcoder = name.ends_with("transcoder");
    let kind = match name {
        "transcoder" | "skip_transcoder" => Kind::Standard,
        "jumprelu_transcoder" | "jumprelu_skip_transcoder" => Kind::JumpRelu,
        other => Kind::parse(other).unwrap(),
    };
    let size = |name: &str| description[name].as_u64().unwrap() as usize;
    let mut config = Config::new(kind, size("dIn"), size("dSae"), 0);
    config.apply_b_dec_to_input = flag("apply_b_dec_to_input");
    config.transcoder = transcoder;
    config.skip = name.contains("skip");
    if transcoder {
        config.d_out = number("d_out").unwrap() as usize;
    }
    if let Some(normalization) = theirs["normalize_activations"].as_str() {
        config.normalize_activations = Normalization::parse(normalization).unwrap();
    }
    let e = &mut config.extras;
    e.k = number("k").unwrap_or(e.k);
    e.rescale_acts_by_decoder_norm = flag("rescale_acts_by_decoder_norm");
    e.topk_threshold_lr = number("topk_threshold_lr").unwrap_or(e.topk_threshold_lr);
    if let Some(widths) = theirs["matryoshka_widths"].as_array() {
        e.matryoshka_widths = widths.iter().map(|w| w.as_u64().unwrap() as usize).collect();
    }
    e.matryoshka_aux_loss = flag("use_matryoshka_aux_loss");
    e.jumprelu_bandwidth = number("jumprelu_bandwidth").unwrap_or(e.jumprelu_bandwidth);
    e.jumprelu_tanh_scale = number("jumprelu_tanh_scale").unwrap_or(e.jumprelu_tanh_scale);
    e.jumprelu_ste_to_input = flag("jumprelu_ste_to_input");
    e.jumprelu_target_l0 = number("target_l0").unwrap_or(e.jumprelu_target_l0);
    e.pre_act_loss_coefficient = number("pre_act_loss_coefficient").unwrap_or(0.0);
    e.jumprelu_penalty = match theirs["jumprelu_sparsity_loss_mode"].as_str() {
        Some("tanh") => JumpPenalty::Tanh,
        Some("quadratic") => JumpPenalty::Quadratic,
        _ => JumpPenalty::Step,
    };
    config
}

fn build(case: &Value, description: &Value, numbers: &Numbers) -> Sae {
    let name = case["name"].as_str().unwrap();
    let weight = |p: &Value| {
        let p = p.as_str().unwrap();
        (p.to_string(), numbers[&format!("{name}/init/{p}")].clone())
    };
    let weights: BTreeMap<_, _> = case["parameters"].as_array().unwrap().iter().map(weight).collect();
    Sae::from_weights(config(case, description), weights, &Device::flex()).unwrap()
}

/// Row `n` of a tensor of batches.
fn batch_of(t: &HostTensor, n: usize, scale: f32) -> Tensor<2> {
    let [_, rows, width] = t.shape[..] else { panic!("batches have three dimensions") };
    let data = t.data[n * rows * width..(n + 1) * rows * width].iter().map(|v| v * scale).collect();
    upload(data, [rows, width], &Device::flex())
}

/// Step `n`'s batch as a training loop would give it.
fn batch(case: &Value, config: &Config, numbers: &Numbers, n: usize) -> Batch {
    let raw = batch_of(&numbers["batches"], n, case["scale"].as_f64().unwrap() as f32);
    let target = if config.transcoder { batch_of(&numbers["targets"], n, 1.0) } else { raw.clone() };
    let (x, denormalize) = normalize(config.normalize_activations, raw);
    let mut dead = vec![0.0; config.d_sae];
    for latent in case["dead"][n].as_array().unwrap() {
        dead[latent.as_u64().unwrap() as usize] = 1.0;
    }
    let coefficients = &case["coefficients"][n];
    let coefficient = coefficients["l1"].as_f64().or(coefficients["l0"].as_f64()).unwrap_or(0.0);
    Batch {
        target,
        denormalize,
        dead: Some(Dead::These(upload(dead, [1, config.d_sae], &Device::flex()))),
        aux_k: case["config"]["aux_loss_coefficient"].as_f64().unwrap_or(0.0),
        step: n + 1,
        ..Batch::new(x, coefficient)
    }
}

/// SAELens's losses under its names.
fn losses(step: &Step, kind: Kind, coefficient: f64) -> BTreeMap<String, f64> {
    let sparsity = if kind == Kind::JumpRelu { "l0_loss" } else { "l1_loss" };
    let mut losses =
        BTreeMap::from([("mse_loss".to_string(), scalar(step.recon.clone())), (sparsity.to_string(), coefficient * scalar(step.sparsity.clone()))]);
    losses.extend(step.extra.iter().map(|(name, loss)| (name.clone(), scalar(loss.clone()))));
    let total = losses.values().sum();
    losses.insert("overall_loss".into(), total);
    losses
}

fn compare_features_and_output(name: &str, sae: &Sae, training: bool, numbers: &Numbers, scale: f32) {
    let x = batch_of(&numbers["batches"], 0, scale);
    let inference = Inference::new(sae.architecture.clone(), sae.config.normalize_activations);
    let features =
        if training { sae.architecture.encode_batch(normalize(sae.config.normalize_activations, x.clone()).0) } else { inference.encode(x.clone()) };
    assert_close_relative(&format!("{name} features"), &host(features.clone()), &numbers[&format!("{name}/features")], 1e-5);
    assert_close_relative(&format!("{name} output"), &host(inference.output(features, x)), &numbers[&format!("{name}/sae_out")], 1e-5);
}

fn compare_losses(name: &str, ours: &BTreeMap<String, f64>, theirs: &Value) {
    let theirs = theirs.as_object().unwrap();
    for (term, value) in theirs {
        let value = value.as_f64().unwrap();
        // A term that nothing asked for is absent here and 0 there.
        let ours = ours.get(term).copied().unwrap_or(0.0);
        if value == 0.0 {
            assert_eq!(ours, 0.0, "{name} {term}");
        } else {
            assert_close_f64(&format!("{name} {term}"), ours, value, 1e-5);
        }
    }
    for (term, value) in ours {
        assert!(theirs.contains_key(term) || *value == 0.0, "{name}: {term} is not SAELens's");
    }
}

/// The L2 norm over all tensors.
fn norm(tensors: &[Tensor<2>]) -> f64 {
    let sums = tensors.iter().map(|t| t.clone().square().sum()).collect();
    scalar(Tensor::<1>::cat(sums, 0).sum()).sqrt()
}

/// One step of training: SAELens clips the gradients to norm 1 over all parameters.
fn advance(sae: &mut Sae, step: Step, adam: &mut Adam, settings: &AdamSettings) {
    let shrink = (1.0 / (norm(&step.gradients) + 1e-6)).min(1.0);
    let gradients = step.gradients.into_iter().map(|g| g * shrink).collect();
    let parameters = sae.architecture.parameters().into_iter().map(|p| p.value).collect();
    let mut architecture: Rc<dyn Architecture> = sae.architecture.with_parameters(adam.step(parameters, gradients, settings));
    if !step.buffers.is_empty() {
        architecture = architecture.with_buffers(step.buffers);
    }
    sae.architecture = architecture;
}

fn row(t: HostTensor, like: &HostTensor) -> HostTensor {
    assert_eq!(t.data.len(), like.data.len());
    HostTensor { data: t.data, shape: like.shape.clone() }
}

fn compare_case(case: &Value, description: &Value, numbers: &Numbers) {
    let name = case["name"].as_str().unwrap();
    let mut sae = build(case, description, numbers);
    compare_features_and_output(name, &sae, true, numbers, case["scale"].as_f64().unwrap() as f32);
    let trainer = &case["trainer"];
    let setting = |key: &str| trainer[key].as_f64().unwrap();
    let mut adam = Adam::default();
    let steps = description["steps"].as_u64().unwrap() as usize;
    assert_eq!(steps, 10);
    for n in 0..steps {
        let batch = batch(case, &sae.config, numbers, n);
        let step = sae.architecture.step(&batch);
        let at = format!("{name} step {n}");
        compare_losses(&at, &losses(&step, sae.config.architecture, batch.coefficient), &case["losses"]["f32"][n]);
        let l0 = f64::from(host(step.fired.clone().sum_dim(1)).data[0]) / batch.rows() as f64;
        assert_close_f64(&format!("{at} L0"), l0, case["l0"][n].as_f64().unwrap(), 1e-6);
        assert_close_f64(&format!("{at} gradient norm"), norm(&step.gradients), case["gradientNorm"][n].as_f64().unwrap(), 1e-4);
        if n == 0 {
            let names: Vec<&str> = sae.architecture.parameters().iter().map(|p| p.name).collect();
            assert_eq!(names.len(), case["parameters"].as_array().unwrap().len());
            for (parameter, ours) in names.iter().zip(&step.gradients) {
                let theirs = &numbers[&format!("{name}/gradients/{parameter}")];
                assert_close_relative(&format!("{name} gradient of {parameter}"), &row(host(ours.clone()), theirs), theirs, 1e-4);
            }
        }
        let lr = case["lr"][n].as_f64().unwrap();
        let settings = AdamSettings { lr, beta1: setting("adam_beta1"), beta2: setting("adam_beta2"), eps: 1e-8 };
        advance(&mut sae, step, &mut adam, &settings);
        if let Some(threshold) = case["topkThreshold"]["f32"][n].as_f64() {
            let ours = &sae.architecture.buffers()[0];
            assert_eq!(ours.name, "topk_threshold");
            assert_close_f64(&format!("{at} threshold"), f64::from(host(ours.value.clone()).data[0]), threshold, 1e-5);
        }
    }
    for parameter in sae.architecture.parameters() {
        let mut theirs = numbers[&format!("{name}/after/{}", parameter.name)].clone();
        if parameter.name == "threshold" {
            // SAELens clamps it at the start of its next step.
            theirs.data.iter_mut().for_each(|t| *t = t.max(0.0));
        }
        assert_close_relative(&format!("{name} {} after training", parameter.name), &row(host(parameter.value), &theirs), &theirs, 1e-4);
    }
}

#[test]
fn every_case_of_saelens_has_its_features_losses_gradients_and_ten_steps() {
    let (description, numbers) = (json("saelens"), numbers("saelens"));
    let cases = description["cases"].as_array().unwrap();
    assert!(cases.len() >= 26);
    for case in cases {
        compare_case(case, &description, &numbers);
    }
}

#[test]
fn saelens_inference_of_jumprelu_transcoders() {
    let (description, numbers) = (json("saelens"), numbers("saelens"));
    for case in description["inference"].as_array().unwrap() {
        let sae = build(case, &description, &numbers);
        compare_features_and_output(case["name"].as_str().unwrap(), &sae, false, &numbers, 1.0);
    }
}

/// A trained SAE of a case, its thresholds moved.
fn trained(case: &Value, description: &Value, numbers: &Numbers) -> Sae {
    let mut sae = build(case, description, numbers);
    let mut adam = Adam::default();
    for n in 0..10 {
        let step = sae.architecture.step(&batch(case, &sae.config, numbers, n));
        advance(&mut sae, step, &mut adam, &AdamSettings { lr: 1e-2, beta1: 0.9, beta2: 0.999, eps: 1e-8 });
    }
    sae
}

#[test]
fn saved_and_folded_saes_are_the_same_functions() {
    let (description, numbers) = (json("saelens"), numbers("saelens"));
    let x = batch_of(&numbers["batches"], 3, 1.0);
    for case in description["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let sae = trained(case, &description, &numbers);
        let features = host(sae.architecture.encode(x.clone()));
        assert!(features.data.iter().any(|f| *f > 0.0) && features.data.contains(&0.0), "{name}");
        let output = host(sae.architecture.decode(sae.architecture.encode(x.clone())));

        let saved = sae.architecture.saved();
        let mut config = sae.config.clone();
        config.architecture = saved.architecture;
        config.apply_b_dec_to_input = saved.apply_b_dec_to_input;
        config.extras.rescale_acts_by_decoder_norm = saved.rescale_acts_by_decoder_norm;
        assert_eq!(saved.architecture == Kind::JumpRelu, matches!(sae.config.architecture, Kind::JumpRelu | Kind::BatchTopK | Kind::Matryoshka));
        let vector = |t: HostTensor| HostTensor { shape: if t.shape[0] == 1 { vec![t.data.len()] } else { t.shape.clone() }, data: t.data };
        let weights = saved.tensors.into_iter().map(|p| (p.name.to_string(), vector(host(p.value)))).collect();
        let loaded = Sae::from_weights(config, weights, &Device::flex()).unwrap();
        let again = loaded.architecture.encode(x.clone());
        assert_close_relative(&format!("{name} saved"), &host(again.clone()), &features, 1e-5);
        assert_close_relative(&format!("{name} saved, output"), &host(loaded.architecture.decode(again)), &output, 1e-5);

        // For inputs four times as large, encoded by an SAE that used to see them divided by four.
        let folded = sae.architecture.with_scale_folded(0.25);
        let theirs = folded.encode(x.clone() * 4.0);
        let in_norms = sae.config.architecture.is_top_k() && sae.config.extras.rescale_acts_by_decoder_norm;
        let expected = HostTensor { data: features.data.iter().map(|f| if in_norms { f * 4.0 } else { *f }).collect(), ..features };
        assert_close_relative(&format!("{name} folded"), &host(theirs.clone()), &expected, 1e-5);
        let expected = HostTensor { data: output.data.iter().map(|y| y * 4.0).collect(), ..output };
        assert_close_relative(&format!("{name} folded, output"), &host(folded.decode(theirs)), &expected, 1e-5);
    }
}
