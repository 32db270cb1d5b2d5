//! Every architecture on 2 → 2 SAEs whose numbers can be followed by hand.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
use sae_lab::sae::{Batch, Config, Dead, Kind, Sae, Step};
use sae_lab::tensors::{HostTensor, upload};

use crate::architectures::{host, scalar};

/// A 2 → 2 SAE on the CPU with identity matrices and zeros, but for what `change` does.
fn two_by_two(kind: Kind, change: impl FnOnce(&mut Config, &mut BTreeMap<String, HostTensor>)) -> Sae {
    let mut config = Config::new(kind, 2, 2, 0);
    config.extras.k = 1.0;
    config.extras.matryoshka_widths = vec![1, 2];
    let biases: &[&str] = match kind {
        Kind::Gated => &["b_gate", "b_mag", "r_mag"],
        Kind::JumpRelu => &["b_enc", "threshold"],
        _ => &["b_enc"],
    };
    let vector = |name: &str| (name.to_string(), HostTensor { data: vec![0.0; 2], shape: vec![2] });
    let matrix = |name: &str| (name.to_string(), HostTensor { data: vec![1.0, 0.0, 0.0, 1.0], shape: vec![2, 2] });
    let mut weights = BTreeMap::from([matrix("W_enc"), matrix("W_dec"), vector("b_dec")]);
    weights.extend(biases.iter().map(|name| vector(name)));
    change(&mut config, &mut weights);
    Sae::from_weights(config, weights, &Device::flex()).unwrap()
}

fn rows(data: &[f32]) -> Tensor<2> {
    upload(data.to_vec(), [data.len() / 2, 2], &Device::flex())
}

fn set(weights: &mut BTreeMap<String, HostTensor>, name: &str, data: &[f32]) {
    weights.get_mut(name).unwrap().data = data.to_vec();
}

/// Gradient of a parameter, flat.
fn gradient(sae: &Sae, step: &Step, name: &str) -> Vec<f32> {
    let at = sae.architecture.parameters().iter().position(|p| p.name == name).unwrap();
    host(step.gradients[at].clone()).data
}

fn extra(step: &Step, name: &str) -> f64 {
    scalar(step.extra.iter().find(|(n, _)| n == name).unwrap().1.clone())
}

#[test]
fn top_k_by_hand() {
    let sae = two_by_two(Kind::TopK, |_, _| {});
    let step = sae.architecture.step(&Batch::new(rows(&[3.0, 1.0]), 0.0));
    assert_eq!(host(sae.architecture.encode(rows(&[3.0, 1.0, -1.0, -2.0]))).data, [3.0, 0.0, 0.0, 0.0]);
    assert_eq!(scalar(step.recon.clone()), 1.0);
    assert_eq!(gradient(&sae, &step, "W_dec"), [0.0, -6.0, 0.0, 0.0]);
    assert_eq!(gradient(&sae, &step, "W_enc"), [0.0; 4]);
    assert_eq!(host(step.fired.clone()).data, [1.0, 0.0]);

    // The second row of the decoder is 5 long, so that the smaller pre-activation wins: 1 · 5 against 3 · 1.
    let long = |rescale| {
        two_by_two(Kind::TopK, |config, weights| {
            config.extras.rescale_acts_by_decoder_norm = rescale;
            set(weights, "W_dec", &[1.0, 0.0, 3.0, 4.0]);
        })
    };
    let features = long(true).architecture.encode(rows(&[3.0, 1.0]));
    assert_eq!(host(features.clone()).data, [0.0, 5.0]);
    assert_eq!(host(long(true).architecture.decode(features)).data, [3.0, 4.0]);
    assert_eq!(host(long(false).architecture.encode(rows(&[3.0, 1.0]))).data, [3.0, 0.0]);

    // The dead latent's pre-activation is −1 and counts as it is: ê = (0, −2) against the error (0, −1).
    let sae = two_by_two(Kind::TopK, |_, weights| set(weights, "W_dec", &[1.0, 0.0, 0.0, 2.0]));
    let batch = Batch { dead: Some(Dead::These(rows(&[0.0, 1.0]))), aux_k: 0.5, ..Batch::new(rows(&[3.0, -1.0]), 0.0) };
    let step = sae.architecture.step(&batch);
    assert_eq!(extra(&step, "auxiliary_reconstruction_loss"), 0.5);
    assert_eq!(gradient(&sae, &step, "W_dec"), [0.0, 6.0, 0.0, 1.0]);
    let nobody = Batch { dead: Some(Dead::These(rows(&[0.0, 0.0]))), aux_k: 0.5, ..Batch::new(rows(&[3.0, -1.0]), 0.0) };
    assert_eq!(extra(&sae.architecture.step(&nobody), "auxiliary_reconstruction_loss"), 0.0);
    let ghosts = Batch { dead: Some(Dead::These(rows(&[0.0, 0.0]))), ghost: true, ..Batch::new(rows(&[3.0, -1.0]), 0.0) };
    assert_eq!(extra(&sae.architecture.step(&ghosts), "ghost_grad_loss"), 0.0);
}

#[test]
fn batch_top_k_by_hand() {
    // One latent per row on average: both go to the first row.
    let sae = two_by_two(Kind::BatchTopK, |config, _| config.extras.topk_threshold_lr = 0.25);
    let x = rows(&[3.0, 2.0, 1.0, 0.5]);
    assert_eq!(host(sae.architecture.encode_batch(x.clone())).data, [3.0, 2.0, 0.0, 0.0]);
    let step = sae.architecture.step(&Batch::new(x.clone(), 0.0));
    assert_eq!(host(step.buffers[0].clone()).data, [0.5]); // 0.75 · 0 + 0.25 · 2
    let trained = sae.architecture.with_buffers(step.buffers);
    assert_eq!(host(trained.encode(x.clone())).data, [3.0, 2.0, 1.0, 0.0]); // above 0.5, whatever the batch
    let nothing = trained.step(&Batch::new(rows(&[-1.0, -1.0]), 0.0));
    assert_eq!(host(nothing.buffers[0].clone()).data, [0.5]);
    assert_eq!(host(trained.with_parameters(trained.parameters().into_iter().map(|p| p.value).collect()).buffers()[0].value.clone()).data, [0.5]);
    // Half a latent per row, three rows: ⌊1.5⌋ = 1.
    let half = two_by_two(Kind::BatchTopK, |config, _| config.extras.k = 0.5);
    assert_eq!(host(half.architecture.encode_batch(rows(&[3.0, 2.0, 1.0, 0.5, 4.0, 0.0]))).data, [0.0, 0.0, 0.0, 0.0, 4.0, 0.0]);
}

#[test]
fn jump_relu_by_hand() {
    let sae = two_by_two(Kind::JumpRelu, |config, weights| {
        config.extras.jumprelu_bandwidth = 4.0;
        set(weights, "threshold", &[2.0, 2.0]);
    });
    let step = sae.architecture.step(&Batch::new(rows(&[3.0, 1.0]), 0.5));
    assert_eq!((scalar(step.recon.clone()), scalar(step.sparsity.clone())), (1.0, 1.0));
    // Both are within the bandwidth; ∂f = (0, −2): −(2/4) ∂f − 0.5/4.
    assert_eq!(gradient(&sae, &step, "threshold"), [-0.125, 0.875]);
    assert_eq!(gradient(&sae, &step, "b_enc"), [0.0, 0.0]);

    // A step below zero is brought back; a file's threshold below zero lets nothing negative through.
    let moved = sae.architecture.with_parameters(sae.architecture.parameters().into_iter().map(|p| p.value - 3.0).collect());
    assert_eq!(host(moved.parameters().last().unwrap().value.clone()).data, [0.0, 0.0]);
    let below = two_by_two(Kind::JumpRelu, |_, weights| set(weights, "threshold", &[-1.0, -1.0]));
    assert_eq!(host(below.architecture.encode(rows(&[-0.5, 0.5]))).data, [0.0, 0.5]);
    let step = below.architecture.step(&Batch::new(rows(&[-0.5, 0.5]), 1.0));
    assert_eq!((scalar(step.recon), scalar(step.sparsity)), (0.25, 1.0));
}

#[test]
fn gated_by_hand() {
    let sae = two_by_two(Kind::Gated, |_, weights| {
        set(weights, "b_gate", &[-4.0, 0.0]);
        set(weights, "r_mag", &[0.0, 2f32.ln()]);
    });
    let step = sae.architecture.step(&Batch::new(rows(&[3.0, 1.0]), 0.5));
    assert_eq!(host(sae.architecture.encode(rows(&[3.0, 1.0]))).data, [0.0, 2.0]);
    // x̂ = (0, 2), v = (0, 1)
    assert_eq!((scalar(step.recon.clone()), scalar(step.sparsity.clone())), (10.0, 1.0));
    assert_eq!(extra(&step, "auxiliary_reconstruction_loss"), 9.0);
    assert_eq!(gradient(&sae, &step, "b_mag"), [0.0, 2.0]);
    assert_eq!(gradient(&sae, &step, "r_mag"), [0.0, 4.0]);
    assert_eq!(gradient(&sae, &step, "b_gate"), [0.0, 0.5]);
}

#[test]
fn matryoshka_by_hand() {
    let sae = two_by_two(Kind::Matryoshka, |config, _| config.extras.k = 2.0);
    let step = sae.architecture.step(&Batch::new(rows(&[3.0, 1.0]), 0.0));
    assert_eq!((scalar(step.recon.clone()), extra(&step, "inner_mse_loss_1")), (0.0, 1.0));
    assert_eq!(gradient(&sae, &step, "W_dec"), [0.0, -6.0, 0.0, 0.0]);
}
