//! An SAE where the truth is known: on a synthetic world and on a toy model's hidden layer, beside chance.

use std::cell::RefCell;

use burn::tensor::{Device, Tensor};
use pollster::block_on;
use sae_lab::progress::Uninterrupted;
use sae_lab::rng::Rng;
use sae_lab::sae::adam::AdamSettings;
use sae_lab::sae::{Recipe, Sae, TrainSettings, train};
use sae_lab::tensors::{HostTensor, read, upload};
use sae_lab::toy::{self, Activity, Config, Given, Kind, Matching, Values, WorldSettings, match_features};

use crate::support::new_sae;

fn matrix(t: &HostTensor) -> Tensor<2> {
    upload(t.data.clone(), [t.shape[0], t.shape[1]], &Device::flex())
}

fn host(t: Tensor<2>) -> HostTensor {
    block_on(read(t)).unwrap()
}

/// SAELens's standard SAE, 600 or so steps of 256 rows.
fn trained(acts: &HostTensor, d_sae: usize, l1: f64, epochs: usize, seed: u64) -> Sae {
    let sae = RefCell::new(new_sae("standard", acts.shape[1], d_sae, seed).unwrap());
    let recipe = Recipe { l1, adam: AdamSettings { lr: 0.01, beta1: 0.9, beta2: 0.999, eps: 1e-8 }, ..Recipe::default() };
    let settings = TrainSettings { epochs, batch_size: 256, seed, recipe, ..TrainSettings::default() };
    block_on(train(&sae, &matrix(acts), &settings, &Uninterrupted)).unwrap();
    sae.into_inner()
}

fn score(sae: &Sae, acts: &HostTensor, truth: &HostTensor, x: &HostTensor, signed: bool) -> Matching {
    let inference = sae.inference();
    let (found, found_acts) = (host(inference.w_dec()), host(inference.encode(matrix(acts))));
    let activity = Activity { found: &found_acts, truth: x };
    block_on(match_features(&found, truth, Some(activity), signed, &Uninterrupted)).unwrap()
}

/// Random directions in the place of an SAE's, the mean of ten draws.
fn chance(n: usize, truth: &HostTensor) -> f64 {
    let mut rng = Rng::new(99);
    let mut draw = || {
        let data = (0..n * truth.shape[1]).map(|_| rng.normal() as f32).collect();
        block_on(match_features(&HostTensor { data, shape: vec![n, truth.shape[1]] }, truth, None, false, &Uninterrupted)).unwrap().mcc
    };
    (0..10).map(|_| draw()).sum::<f64>() / 10.0
}

#[test]
fn an_sae_finds_the_directions_of_a_world() {
    let settings = WorldSettings {
        n_features: 20,
        d_in: 10,
        probability: 0.05,
        correlation: 0.0,
        mean_magnitude: 1.0,
        std_magnitude: 0.0,
        orthogonalize: 200,
        rows: 20_000,
        seed: 0,
    };
    for seed in 0..3 {
        let world = block_on(toy::world(&WorldSettings { seed, ..settings.clone() }, &Uninterrupted)).unwrap();
        let sae = trained(&world.acts, 20, 0.3, 8, seed);
        let found = score(&sae, &world.acts, &world.directions, &world.x, false);
        let untrained = score(&new_sae("standard", 10, 20, seed).unwrap(), &world.acts, &world.directions, &world.x, false);
        let chance = chance(20, &world.directions);
        let at_least = |limit: f64| found.pairs.iter().filter(|p| p.cosine > limit).count();
        println!(
            "world {seed}: mcc {:.3} ({} of 20 above 0.95), f1 {:.3}, uniqueness {:.2}; untrained {:.3}, f1 {:.3}; random directions {chance:.3}",
            found.mcc,
            at_least(0.95),
            found.f1.unwrap(),
            found.uniqueness,
            untrained.mcc,
            untrained.f1.unwrap()
        );
        assert!(found.mcc > 0.9 && found.f1.unwrap() > 0.6 && at_least(0.95) >= 14);
        assert!(chance < 0.68 && untrained.mcc < 0.7 && untrained.f1.unwrap() < 0.35);
    }
}

#[test]
fn an_sae_finds_what_a_toy_model_has_packed() {
    let config = Config {
        kind: Kind::ReluOutput,
        n_features: 20,
        n_hidden: 10,
        probabilities: vec![0.05],
        importance_decay: 1.0,
        values: Values::Uniform,
        batch_size: 500,
        steps: 2000,
        lr: 0.01,
        seed: 0,
        eval_rows: 20_000,
    };
    let instance = &block_on(toy::train(&config, &Given::default(), &Uninterrupted)).unwrap()[0];
    let sample = block_on(toy::sample(&instance.weights, 0.05, Values::Uniform, 20_000, 1, &Uninterrupted)).unwrap();
    let sae = trained(&sample.hidden, 20, 0.1, 8, 0);
    let found = score(&sae, &sample.hidden, &sample.directions, &sample.x, true);
    let chance = chance(20, &sample.directions);
    println!(
        "toy: loss {:.4} (zero {:.4}, PCA {:.4}), dimensionality {:.2?}\n  mcc {:.3}, f1 {:.3}; random directions {chance:.3}",
        instance.final_loss,
        instance.zero_loss,
        instance.pca_loss,
        instance.dimensionality,
        found.mcc,
        found.f1.unwrap()
    );
    assert!(found.mcc > 0.9 && found.f1.unwrap() > 0.6 && chance < 0.7);
}
