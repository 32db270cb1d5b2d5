//! Quality figures and spliced losses against SAELens's own, hand-computed rows, and other ways to the same number.

use std::collections::BTreeMap;

use burn::tensor::Device;
use pollster::block_on;
use sae_lab::activations::{Activations, CollectSettings, Keep, Origin, Sequence, collect};
use sae_lab::analysis::{Figures, Quality, QualitySettings, Spliced, SplicedSettings, quality, spliced, token_sequences};
use sae_lab::gpt2::{Edit, EditKind, Gpt2, HookPoint, Hooks, LogitsWanted, Positions, Precision, Site, View, load, mean_loss};
use sae_lab::progress::Uninterrupted;
use sae_lab::rng::Rng;
use sae_lab::sae::{Config, Inference, Kind, Sae};
use sae_lab::tensors::{HostTensor, read, upload, upload_indices};
use safetensors::{Dtype, tensor::TensorView};
use serde_json::Value;

use crate::support::{assert_close_f64, ids, json, model, numbers};

fn sae(config: Config, weights: [(&str, Vec<f32>, &[usize]); 4]) -> Inference {
    let host = |(name, data, shape): (&str, Vec<f32>, &[usize])| (name.to_string(), HostTensor::new(data, shape.to_vec()).unwrap());
    Sae::from_weights(config, weights.into_iter().map(host).collect::<BTreeMap<_, _>>(), &Device::flex()).unwrap().inference()
}

/// `W_enc = [I, −I]`, `W_dec = scale · [I; −I]`: relu(x) − relu(−x) = x, so `x̂ = scale · x + b_dec`.
fn scaled_identity(d: usize, scale: f32, b_dec: Vec<f32>) -> Inference {
    let one = |i: usize, j: usize| if j == i { 1.0 } else { -f32::from(u8::from(j == i + d)) };
    let w_enc: Vec<f32> = (0..d * 2 * d).map(|n| one(n / (2 * d), n % (2 * d))).collect();
    let w_dec = (0..2 * d * d).map(|n| scale * one(n % d, n / d)).collect();
    sae(
        Config::new(Kind::Untied, d, 2 * d, 0),
        [("W_enc", w_enc, &[d, 2 * d]), ("b_enc", vec![0.0; 2 * d], &[2 * d]), ("W_dec", w_dec, &[2 * d, d]), ("b_dec", b_dec, &[d])],
    )
}

fn random_sae(d_in: usize, d_sae: usize, rng: &mut Rng) -> Inference {
    let [w_enc, w_dec] = [0, 1].map(|_| rng.symmetric(d_in * d_sae, 0.3));
    let [b_enc, b_dec] = [d_sae, d_in].map(|n| rng.symmetric(n, 0.1));
    sae(
        Config::new(Kind::Standard, d_in, d_sae, 0),
        [("W_enc", w_enc, &[d_in, d_sae]), ("b_enc", b_enc, &[d_sae]), ("W_dec", w_dec, &[d_sae, d_in]), ("b_dec", b_dec, &[d_in])],
    )
}

/// Rows of sequences of `length`, all tokens different.
fn activations(rows: &[f32], width: usize, length: usize) -> Activations {
    let n = rows.len() / width;
    let all: Vec<u32> = (0..n as u32).collect();
    Activations {
        data: upload(rows.to_vec(), [n, width], &Device::flex()),
        origins: (0..n).map(|row| Origin { sequence: row / length, position: row % length }).collect(),
        sequences: all.chunks(length).enumerate().map(|(i, ids)| Sequence { text: i as i32, ids: ids.to_vec() }).collect(),
        point: HookPoint::new(0, Site::ResidPre),
        view: View::TransformerLens,
    }
}

fn measure(sae: &Inference, acts: &Activations, settings: &QualitySettings<'_>) -> Quality {
    block_on(quality(sae, acts, settings, &Uninterrupted)).unwrap()
}

fn splice(model: &Gpt2, sae: &Inference, sequences: &[Vec<u32>], settings: &SplicedSettings) -> Spliced {
    block_on(spliced(model, sae, sequences, settings, &Uninterrupted)).unwrap()
}

fn at(point: HookPoint, view: View) -> SplicedSettings {
    SplicedSettings {
        point,
        out: point,
        head: None,
        view,
        special: Vec::new(),
        skip_position_0: false,
        keep_error: false,
        without_features: Vec::new(),
        ablate_skipped: true,
    }
}

/// An SAE of `saelens_evals.json` with its shared weights.
fn saelens_sae(description: &Value) -> Inference {
    let numbers = numbers("saelens_evals");
    let kind = Kind::parse(description["name"].as_str().unwrap()).unwrap();
    let mut config = Config::new(kind, 96, 192, 0);
    if let Some(k) = description["config"]["k"].as_f64() {
        config.extras.k = k;
        config.extras.rescale_acts_by_decoder_norm = false;
    }
    Sae::from_weights(config, numbers.into_iter().collect(), &Device::flex()).unwrap().inference()
}

fn tiny_activations(texts: &[String]) -> Activations {
    let (model, tokenizer) = model("tiny");
    let point = HookPoint::parse("blocks.6.hook_resid_pre", &model.config).unwrap();
    let settings =
        CollectSettings { point, view: View::TransformerLens, keep: Keep::All, prepend_bos: true, max_tokens: None, random: None, seed: 0 };
    block_on(collect(&model, &tokenizer, texts, &settings, &Uninterrupted)).unwrap()
}

/// The first `length` positions of every sequence.
fn cropped(acts: &Activations, length: usize) -> Activations {
    let rows: Vec<u32> = acts.row_indices(false).into_iter().filter(|&row| acts.origins[row as usize].position < length).collect();
    Activations {
        data: acts.data.clone().select(0, upload_indices(&rows, [rows.len()], &Device::flex())),
        origins: rows.iter().map(|&row| acts.origins[row as usize]).collect(),
        sequences: acts.sequences.iter().map(|s| Sequence { text: s.text, ids: s.ids[..length].to_vec() }).collect(),
        ..*acts
    }
}

/// Ours by SAELens's names.
fn by_saelens_names(f: &Figures) -> [(&'static str, f64); 12] {
    [
        ("l2_norm_in", f.norm_in),
        ("l2_norm_out", f.norm_out),
        ("l2_ratio", f.norm_ratio),
        ("relative_reconstruction_bias", f.relative_reconstruction_bias.unwrap()),
        ("l0", f.l0),
        ("l1", f.l1),
        ("mse", f.mse),
        ("cossim", f.cosine),
        ("explained_variance", f.ev_per_dimension.unwrap()),
        ("explained_variance_legacy", f.ev_legacy.unwrap()),
        ("explained_variance_dictionary_learning", f.ev_dictionary_learning.unwrap()),
        ("explained_variance_labs", f.ev_global.unwrap()),
    ]
}

#[test]
fn sparsity_and_variance_are_saelenss() {
    let description = json("saelens_evals");
    let texts: Vec<String> = description["texts"].as_array().unwrap().iter().map(|t| t.as_str().unwrap().into()).collect();
    let whole = tiny_activations(&texts);
    let short = cropped(&whole, 16);
    for (sae_of, evals) in description["saes"].as_array().unwrap().iter().map(|s| (saelens_sae(s), &s["evals"])) {
        assert_eq!(evals.as_array().unwrap().len(), 4);
        for theirs in evals.as_array().unwrap() {
            let acts = if theirs["set"] == "whole" { &whole } else { &short };
            let excludes = theirs["excludesBos"].as_bool().unwrap();
            let special = if excludes { vec![4095] } else { Vec::new() };
            let ours = measure(&sae_of, acts, &QualitySettings { special, ..Default::default() });
            assert_eq!(ours.chosen.rows as u64, theirs["f64"]["positions"].as_u64().unwrap());
            for (name, value) in by_saelens_names(&ours.chosen) {
                assert_close_f64(name, value, theirs["f64"][name].as_f64().unwrap(), 2e-6);
            }
            for (i, (ours, theirs)) in ours.latents.density().iter().zip(theirs["feature_density"].as_array().unwrap()).enumerate() {
                assert!((ours - theirs.as_f64().unwrap()).abs() < 1e-12, "density of {i}");
            }
            assert!(ours.chosen.dead_latents >= 4);
            // BOS stands at position 0 and nowhere else.
            let later = measure(&sae_of, acts, &QualitySettings { skip_position_0: true, ..Default::default() });
            assert_eq!(Some(&later.chosen), later.without_position_0.as_ref());
            if excludes {
                assert_eq!(later.chosen, ours.chosen);
            } else {
                assert_eq!(later.all, ours.chosen);
            }
        }
    }
}

#[test]
fn what_the_model_loses_is_saelenss() {
    let description = json("saelens_evals");
    let (model, tokenizer) = model("tiny");
    let point = HookPoint::parse(description["hook"].as_str().unwrap(), &model.config).unwrap();
    let texts: Vec<String> = description["texts"].as_array().unwrap().iter().map(|t| t.as_str().unwrap().into()).collect();
    let sets = |name: &str| description["ids"][name].as_array().unwrap().iter().map(ids).collect::<Vec<_>>();
    assert_eq!(token_sequences(&tokenizer, &texts, true, 256).unwrap(), sets("whole"));
    for entry in description["saes"].as_array().unwrap() {
        let sae = saelens_sae(entry);
        for theirs in entry["evals"].as_array().unwrap() {
            let sequences = sets(theirs["set"].as_str().unwrap());
            let mut settings = at(point, View::TransformerLens);
            if theirs["excludesBos"] == true {
                settings.special = vec![4095];
            }
            let ours = splice(&model, &sae, &sequences, &settings);
            let theirs = |name: &str| theirs["f64"][name].as_f64().unwrap_or_else(|| panic!("{name}"));
            assert_eq!((ours.positions as f64, ours.predictions as f64), (theirs("positions"), theirs("predictions")));
            for (name, value) in [
                ("ce_loss_without_sae", ours.ce_clean),
                ("ce_loss_with_sae", ours.ce_sae),
                ("ce_loss_with_ablation", ours.ce_zero),
                ("ce_loss_with_mean_ablation", ours.ce_mean),
                ("ce_loss_score", ours.loss_recovered.unwrap()),
                ("ce_loss_score_mean_ablation", ours.loss_recovered_mean.unwrap()),
                ("kl_div_with_sae", ours.kl_sae),
                ("kl_div_with_ablation", ours.kl_zero),
                ("kl_div_with_mean_ablation", ours.kl_mean),
                ("kl_div_score", ours.kl_score.unwrap()),
                ("kl_div_score_mean_ablation", ours.kl_score_mean.unwrap()),
            ] {
                assert_close_f64(name, value, theirs(name), 1e-5);
            }
            settings.ablate_skipped = false;
            let kept = splice(&model, &sae, &sequences, &settings);
            assert_eq!((kept.ce_sae, kept.kl_sae), (ours.ce_sae, ours.kl_sae));
            for (name, value) in [
                ("ce_loss_with_zero_ablation_kept", kept.ce_zero),
                ("kl_div_with_zero_ablation_kept", kept.kl_zero),
                ("ce_loss_with_mean_ablation_kept", kept.ce_mean),
                ("kl_div_with_mean_ablation_kept", kept.kl_mean),
            ] {
                assert_close_f64(name, value, theirs(name), 1e-5);
            }
        }
    }
}

#[test]
fn two_rows_by_hand() {
    // x = (1, 2), (3, 6); x̂ = x/2 + (0, 1) = (0.5, 2), (1.5, 4); x̂ − x = (−0.5, 0), (−1.5, −2)
    let sae = scaled_identity(2, 0.5, vec![0.0, 1.0]);
    let ours = measure(&sae, &activations(&[1.0, 2.0, 3.0, 6.0], 2, 2), &QualitySettings::default());
    let close = |name: &str, a: f64, b: f64| assert_close_f64(name, a, b, 1e-6);
    let all = &ours.all;
    assert_eq!((all.rows, all.distinct_rows, all.dead_latents, all.dense_latents), (2, 2, 2, 2));
    close("l0", all.l0, 2.0);
    close("fracActive", all.frac_active, 0.5);
    close("l1", all.l1, (3.0 + 9.0) / 2.0);
    close("mse", all.mse, 6.5 / 2.0);
    close("meanMse", all.mean_mse, 6.5 / 4.0);
    let (x, y) = ([5f64.sqrt(), 45f64.sqrt()], [4.25f64.sqrt(), 18.25f64.sqrt()]);
    close("cosine", all.cosine, (4.5 / (x[0] * y[0]) + 28.5 / (x[1] * y[1])) / 2.0);
    close("normRatio", all.norm_ratio, (y[0] / x[0] + y[1] / x[1]) / 2.0);
    close("bias", all.relative_reconstruction_bias.unwrap(), 22.5 / 33.0);
    // Means (2, 4): each row is 5 away. The error's mean is (−1, −1); without it 2.5 of 6.5 is left.
    close("evPerDimension", all.ev_per_dimension.unwrap(), 1.0 - 6.5 / 10.0);
    close("evLegacy", all.ev_legacy.unwrap(), (1.0 - 0.25 / 5.0 + 1.0 - 6.25 / 5.0) / 2.0);
    close("evDictionaryLearning", all.ev_dictionary_learning.unwrap(), 1.0 - 2.5 / 10.0);
    // The numbers 1, 2, 3, 6 vary by (4 + 1 + 0 + 9)/3 around 3.
    close("evGlobal", all.ev_global.unwrap(), 1.0 - 1.625 / (14.0 / 3.0));
    assert_eq!(ours.latents.fired, [2, 2, 0, 0]);
    assert_eq!(ours.latents.max, [3.0, 6.0, 0.0, 0.0]);
    assert_eq!(ours.latents.mean_active(), [2.0, 4.0, 0.0, 0.0]);

    let later = ours.without_position_0.unwrap();
    assert_eq!((later.rows, later.ev_per_dimension, later.ev_legacy, later.ev_dictionary_learning), (1, None, None, None));
    close("one row's mse", later.mse, 6.25);
    close("one row's evGlobal", later.ev_global.unwrap(), 1.0 - 3.125 / 4.5);
}

#[test]
fn the_mean_of_ratios_is_another_number_with_three_rows() {
    // x = 0, 1, 5 (mean 2), x̂ = x/2
    let ours = measure(&scaled_identity(1, 0.5, vec![0.0]), &activations(&[0.0, 1.0, 5.0], 1, 3), &QualitySettings::default()).all;
    assert_close_f64("evPerDimension", ours.ev_per_dimension.unwrap(), 1.0 - 6.5 / 14.0, 1e-6);
    assert_close_f64("evLegacy", ours.ev_legacy.unwrap(), (1.0 + 1.0 - 0.25 + 1.0 - 6.25 / 9.0) / 3.0, 1e-6);
    assert_eq!(ours.distinct_rows, 3);
    assert_close_f64("cosine of a zero row counts 0", ours.cosine, 2.0 / 3.0, 1e-6);
}

#[test]
fn an_identity_explains_everything_and_the_mean_nothing() {
    let mut rng = Rng::new(1);
    let rows = rng.symmetric(40 * 6, 3.0);
    let acts = activations(&rows, 6, 8);
    let ours = measure(&scaled_identity(6, 1.0, vec![0.0; 6]), &acts, &QualitySettings::default());
    for f in [&ours.all, &ours.without_position_0.unwrap()] {
        assert_eq!([f.ev_per_dimension, f.ev_legacy, f.ev_dictionary_learning, f.ev_global], [Some(1.0); 4]);
        assert_eq!((f.mse, f.relative_reconstruction_bias), (0.0, Some(1.0)));
        assert!((f.cosine - 1.0).abs() < 1e-6 && (f.l0 - 6.0).abs() < 1e-12);
    }
    let mean: Vec<f32> = (0..6).map(|d| rows.iter().skip(d).step_by(6).sum::<f32>() / 40.0).collect();
    let ours = measure(&scaled_identity(6, 0.0, mean), &acts, &QualitySettings::default()).all;
    assert!(ours.ev_per_dimension.unwrap().abs() < 1e-6 && ours.ev_dictionary_learning.unwrap().abs() < 1e-6);
}

/// Everything again in f64 from the SAE's own output.
fn oracle(x: &[f32], f: &[f32], y: &[f32], n: usize) -> Vec<(&'static str, f64)> {
    let (d, d_sae) = (x.len() / n, f.len() / n);
    let at = |m: &[f32], w: usize, i: usize, j: usize| f64::from(m[i * w + j]);
    let mean = |g: &dyn Fn(usize) -> f64| (0..n).map(g).sum::<f64>() / n as f64;
    let squared = |g: &dyn Fn(usize, usize) -> f64, i: usize| (0..d).map(|j| g(i, j).powi(2)).sum::<f64>();
    let centres: Vec<f64> = (0..d).map(|j| mean(&|i| at(x, d, i, j))).collect();
    let errors: Vec<f64> = (0..d).map(|j| mean(&|i| at(y, d, i, j) - at(x, d, i, j))).collect();
    let error = |i: usize| squared(&|i, j| at(y, d, i, j) - at(x, d, i, j), i);
    let variation = |i: usize| squared(&|i, j| at(x, d, i, j) - centres[j], i);
    let around = |i: usize| squared(&|i, j| at(y, d, i, j) - at(x, d, i, j) - errors[j], i);
    let one_mean = centres.iter().sum::<f64>() / d as f64;
    let elements = mean(&|i| squared(&|i, j| at(x, d, i, j) - one_mean, i)) * n as f64 / (n * d - 1) as f64;
    vec![
        ("l0", mean(&|i| (0..d_sae).filter(|&j| at(f, d_sae, i, j) > 0.0).count() as f64)),
        ("l1", mean(&|i| (0..d_sae).map(|j| at(f, d_sae, i, j)).sum())),
        ("mse", mean(&error)),
        ("explained_variance", 1.0 - mean(&error) / mean(&variation)),
        ("explained_variance_legacy", mean(&|i| 1.0 - error(i) / variation(i))),
        ("explained_variance_dictionary_learning", 1.0 - mean(&around) / mean(&variation)),
        ("explained_variance_labs", 1.0 - mean(&error) / d as f64 / elements),
    ]
}

#[test]
fn massive_first_positions_and_many_passes_leave_f64s_figures() {
    let (n, d, d_sae) = (5000, 24, 64);
    let mut rng = Rng::new(5);
    let mut rows = rng.symmetric(n * d, 1.0);
    for row in 0..n {
        rows[row * d + 3] += if row % 10 == 0 { 3000.0 } else { 40.0 };
    }
    let (acts, sae) = (activations(&rows, d, 10), random_sae(d, d_sae, &mut rng));
    let ours = measure(&sae, &acts, &QualitySettings { skip_position_0: true, ..Default::default() });
    for (figures, skip) in [(&ours.all, false), (&ours.chosen, true)] {
        let kept = acts.row_indices(skip);
        let x = acts.data.clone().select(0, upload_indices(&kept, [kept.len()], &Device::flex()));
        let (f, y) = sae.reconstruct(x.clone());
        let [x, f, y] = [x, f, y].map(|t| block_on(read(t)).unwrap().data);
        let named: BTreeMap<_, _> = by_saelens_names(figures).into();
        for (name, theirs) in oracle(&x, &f, &y, kept.len()) {
            // A score of 1 − ratio is held to what the ratio is.
            let scale = if name.starts_with("explained") { (1.0 - theirs).abs().max(theirs.abs()) } else { theirs.abs() };
            assert!((named[name] - theirs).abs() <= 2e-6 * scale, "{name}, skip {skip}: {} against {theirs}", named[name]);
        }
    }
    let fired: f64 = ours.latents.fired.iter().map(|&n| f64::from(n)).sum();
    assert_close_f64("firing counts", fired / 4500.0, ours.chosen.l0, 1e-12);
}

#[test]
fn a_transcoder_is_judged_by_its_target() {
    let mut rng = Rng::new(9);
    let rows = rng.symmetric(12 * 4, 1.0);
    let halves: Vec<f32> = rows.iter().map(|x| x * 0.5).collect();
    let (acts, target) = (activations(&rows, 4, 3), activations(&halves, 4, 3));
    let sae = scaled_identity(4, 0.5, vec![0.0; 4]);
    let ours = measure(&sae, &acts, &QualitySettings { target: Some(&target), ..Default::default() });
    assert_eq!((ours.all.mse, ours.all.ev_per_dimension), (0.0, Some(1.0)));
    assert!(measure(&sae, &acts, &QualitySettings::default()).all.ev_per_dimension.unwrap() < 0.9);

    let fails =
        |target: &Activations| block_on(quality(&sae, &acts, &QualitySettings { target: Some(target), ..Default::default() }, &Uninterrupted));
    assert_eq!(fails(&activations(&halves, 4, 4)).unwrap_err().code, "LAB-BAD-SETTING");
    assert_eq!(fails(&activations(&rng.symmetric(36, 1.0), 3, 3)).unwrap_err().code, "LAB-WIDTH-MISMATCH");
    let nothing = QualitySettings { special: (0..12).collect(), ..Default::default() };
    assert_eq!(block_on(quality(&sae, &acts, &nothing, &Uninterrupted)).unwrap_err().code, "LAB-EMPTY-INPUT");
}

fn random_sequences(model: &Gpt2, lengths: &[usize], seed: u64) -> Vec<Vec<u32>> {
    let mut rng = Rng::new(seed);
    lengths.iter().map(|&n| (0..n).map(|_| rng.below(model.config.d_vocab) as u32).collect()).collect()
}

/// The loss with a hook's value replaced, by another way: logits of one sequence, on the host.
fn replaced_loss(model: &Gpt2, ids: &[u32], view: View, point: HookPoint, change: impl Fn(&mut [f32])) -> f64 {
    let mut reading = Hooks::reading(&[point], view);
    model.forward(&[ids], None, &mut reading, LogitsWanted::None).unwrap();
    let mut value = block_on(reading.read_one(point, &model.config)).unwrap();
    change(&mut value.data);
    let edit = Edit { point, kind: EditKind::Replace(value), positions: Positions::All };
    let logits = model.forward(&[ids], None, &mut Hooks::editing(vec![edit], view), LogitsWanted::All).unwrap().unwrap();
    mean_loss(&block_on(read(logits)).unwrap().data, ids, model.config.d_vocab)
}

#[test]
fn an_identity_costs_nothing_and_the_ablations_are_what_they_say_at_every_hook() {
    let (model, _) = model("random");
    let sequences = random_sequences(&model, &[9], 3);
    let mut compared = 0;
    for point in HookPoint::all(&model.config) {
        let Some(width) = point.width(&model.config) else { continue };
        for view in [View::TransformerLens, View::HuggingFace] {
            let ours = splice(&model, &scaled_identity(width, 1.0, vec![0.0; width]), &sequences, &at(point, view));
            assert!(ours.delta_ce.abs() < 1e-6 && ours.kl_sae.abs() < 1e-6, "{point} {view:?}: {ours:?}");
            let clean = replaced_loss(&model, &sequences[0], view, point, |_| ());
            assert_close_f64("clean", ours.ce_clean, clean, 1e-6);
            let zero = replaced_loss(&model, &sequences[0], view, point, |x| x.fill(0.0));
            assert_close_f64(&format!("{point} {view:?} zero"), ours.ce_zero, zero, 1e-6);
            let mean = replaced_loss(&model, &sequences[0], view, point, |x| {
                let n = x.len() / width;
                let mean: Vec<f32> = (0..width).map(|j| x.iter().skip(j).step_by(width).sum::<f32>() / n as f32).collect();
                x.chunks_exact_mut(width).for_each(|row| row.copy_from_slice(&mean));
            });
            assert_close_f64(&format!("{point} {view:?} mean"), ours.ce_mean, mean, 1e-6);
            let half = splice(&model, &scaled_identity(width, 0.5, vec![0.1; width]), &sequences, &at(point, view));
            let theirs = replaced_loss(&model, &sequences[0], view, point, |x| x.iter_mut().for_each(|x| *x = 0.5 * *x + 0.1));
            assert_close_f64(&format!("{point} {view:?} half"), half.ce_sae, theirs, 1e-6);
            compared += 1;
        }
    }
    assert_eq!(compared, 30);
}

#[test]
fn with_its_error_kept_an_sae_is_the_clean_model_to_the_last_bit() {
    let (model, _) = model("random");
    let sequences = random_sequences(&model, &[7, 12, 5], 4);
    for point in HookPoint::all(&model.config) {
        let Some(width) = point.width(&model.config) else { continue };
        let sae = random_sae(width, 32, &mut Rng::new(2));
        for view in [View::TransformerLens, View::HuggingFace] {
            let dropped = splice(&model, &sae, &sequences, &at(point, view));
            let kept = splice(&model, &sae, &sequences, &SplicedSettings { keep_error: true, ..at(point, view) });
            assert_eq!((kept.ce_sae, kept.kl_sae, kept.delta_ce), (kept.ce_clean, 0.0, 0.0), "{point} {view:?}");
            assert!(dropped.delta_ce.abs() > 1e-4 && dropped.kl_sae > 1e-4, "{point}: {}", dropped.delta_ce);
        }
    }
}

#[test]
fn a_feature_left_out_is_what_it_wrote() {
    let (model, _) = model("random");
    let sequences = random_sequences(&model, &[11], 8);
    let point = HookPoint::new(0, Site::ResidPost);
    let sae = random_sae(48, 32, &mut Rng::new(3));
    let settings = SplicedSettings { keep_error: true, without_features: vec![4, 9], ..at(point, View::TransformerLens) };
    let ours = splice(&model, &sae, &sequences, &settings);
    let theirs = replaced_loss(&model, &sequences[0], View::TransformerLens, point, |x| {
        let rows = upload(x.to_vec(), [11, 48], &Device::flex());
        for feature in [4, 9] {
            let f = block_on(read(sae.encode(rows.clone()).narrow(1, feature, 1))).unwrap().data;
            let w = block_on(read(sae.w_dec().narrow(0, feature, 1))).unwrap().data;
            x.iter_mut().enumerate().for_each(|(n, x)| *x -= f[n / 48] * w[n % 48]);
        }
    });
    assert_close_f64("without two features", ours.ce_sae, theirs, 1e-6);
    assert!(ours.delta_ce.abs() > 1e-5);
}

#[test]
fn sequences_of_any_length_together_are_each_on_its_own() {
    let (model, _) = model("random");
    let mut sequences = random_sequences(&model, &[3, 64, 17, 1, 40, 64, 64, 64, 64, 64, 2], 6);
    sequences[2][5] = 299; // end-of-text within
    let sae = random_sae(48, 32, &mut Rng::new(7));
    for special in [Vec::new(), vec![299]] {
        // Zero ablation only: the mean is of all sequences.
        let settings = SplicedSettings { special, ..at(HookPoint::new(1, Site::ResidPre), View::TransformerLens) };
        let together = splice(&model, &sae, &sequences, &settings);
        let (mut predictions, mut ce, mut kl) = (0, [0.0; 3], [0.0; 2]);
        for sequence in sequences.iter().filter(|s| s.len() > 1) {
            let one = splice(&model, &sae, std::slice::from_ref(sequence), &settings);
            predictions += one.predictions;
            let add = |sums: &mut [f64], values: &[f64], n: usize| sums.iter_mut().zip(values).for_each(|(s, v)| *s += v * n as f64);
            add(&mut ce, &[one.ce_clean, one.ce_sae, one.ce_zero], one.predictions);
            add(&mut kl, &[one.kl_sae, one.kl_zero], one.positions);
        }
        assert_eq!(together.predictions, predictions);
        assert_eq!(together.sequences, 11);
        for (ours, theirs) in [together.ce_clean, together.ce_sae, together.ce_zero].into_iter().zip(ce) {
            assert_close_f64("cross-entropy", ours, theirs / predictions as f64, 1e-6);
        }
        assert!(together.kl_sae > 0.0 && (together.kl_zero - kl[1] / together.positions as f64).abs() < 0.01 * together.kl_zero);
    }
}

/// One block of random weights, 8 dimensions, and a vocabulary whose logits do not fit at once.
fn model_with_large_vocabulary(d_vocab: usize) -> Gpt2 {
    let config = format!(r#"{{"vocab_size":{d_vocab},"n_positions":256,"n_embd":8,"n_layer":1,"n_head":2}}"#);
    let mut rng = Rng::new(20);
    let shapes: [(&str, Vec<usize>); 16] = [
        ("wte.weight", vec![d_vocab, 8]),
        ("wpe.weight", vec![256, 8]),
        ("h.0.ln_1.weight", vec![8]),
        ("h.0.ln_1.bias", vec![8]),
        ("h.0.attn.c_attn.weight", vec![8, 24]),
        ("h.0.attn.c_attn.bias", vec![24]),
        ("h.0.attn.c_proj.weight", vec![8, 8]),
        ("h.0.attn.c_proj.bias", vec![8]),
        ("h.0.ln_2.weight", vec![8]),
        ("h.0.ln_2.bias", vec![8]),
        ("h.0.mlp.c_fc.weight", vec![8, 32]),
        ("h.0.mlp.c_fc.bias", vec![32]),
        ("h.0.mlp.c_proj.weight", vec![32, 8]),
        ("h.0.mlp.c_proj.bias", vec![8]),
        ("ln_f.weight", vec![8]),
        ("ln_f.bias", vec![8]),
    ];
    let bytes: Vec<Vec<u8>> =
        shapes.iter().map(|(_, shape)| rng.symmetric(shape.iter().product(), 1.0).iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
    let views = shapes.iter().zip(&bytes).map(|((name, shape), bytes)| (*name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    let file = safetensors::serialize(views, None).unwrap();
    let config = sae_lab::gpt2::Config::from_json(config.as_bytes()).unwrap();
    block_on(load(config, Precision::F32, &file, &Device::flex())).unwrap()
}

#[test]
fn a_large_vocabulary_is_unembedded_in_parts() {
    let model = model_with_large_vocabulary(30_000);
    let sequences = random_sequences(&model, &[180, 150, 7], 2);
    let point = HookPoint::new(0, Site::ResidMid);
    for view in [View::TransformerLens, View::HuggingFace] {
        let ours = splice(&model, &scaled_identity(8, 0.5, vec![0.1; 8]), &sequences, &at(point, view));
        assert_eq!((ours.positions, ours.predictions), (337, 334));
        let mean_of = |change: &dyn Fn(&mut [f32])| {
            let total: f64 = sequences.iter().map(|ids| replaced_loss(&model, ids, view, point, change) * (ids.len() - 1) as f64).sum();
            total / 334.0
        };
        assert_close_f64("clean", ours.ce_clean, mean_of(&|_| ()), 1e-6);
        assert_close_f64("with the SAE", ours.ce_sae, mean_of(&|x| x.iter_mut().for_each(|x| *x = 0.5 * *x + 0.1)), 1e-6);
        assert_close_f64("zero", ours.ce_zero, mean_of(&|x| x.fill(0.0)), 1e-6);
    }
}

#[test]
fn one_head_and_a_transcoder() {
    let (model, _) = model("random");
    let sequences = random_sequences(&model, &[10], 12);
    let z = HookPoint::new(1, Site::Z);
    let settings = SplicedSettings { head: Some(1), ..at(z, View::TransformerLens) };
    let ours = splice(&model, &scaled_identity(16, 1.0, vec![0.0; 16]), &sequences, &settings);
    assert!(ours.delta_ce.abs() < 1e-6);
    let head_only = |x: &mut [f32]| x.chunks_exact_mut(48).for_each(|row| row[16..32].fill(0.0));
    let theirs = replaced_loss(&model, &sequences[0], View::TransformerLens, z, head_only);
    assert_close_f64("one head zeroed", ours.ce_zero, theirs, 1e-6);

    // A transcoder that says 0.2 whatever it reads: at its output, not at its input.
    let (mid, out) = (HookPoint::new(0, Site::ResidMid), HookPoint::new(0, Site::MlpOut));
    let constant = scaled_identity(48, 0.0, vec![0.2; 48]);
    let settings = SplicedSettings { out, ..at(mid, View::HuggingFace) };
    let ours = splice(&model, &constant, &sequences, &settings);
    let theirs = replaced_loss(&model, &sequences[0], View::HuggingFace, out, |x| x.fill(0.2));
    assert_close_f64("a constant for the MLP", ours.ce_sae, theirs, 1e-6);
    let kept = splice(&model, &constant, &sequences, &SplicedSettings { keep_error: true, ..settings.clone() });
    assert_eq!((kept.ce_sae, kept.kl_sae), (kept.ce_clean, 0.0));
}

#[test]
fn what_can_not_be_spliced_is_refused() {
    let (model, _) = model("random");
    let sequences = random_sequences(&model, &[6], 1);
    let point = HookPoint::new(1, Site::ResidPre);
    let identity = |n: usize| scaled_identity(n, 1.0, vec![0.0; n]);
    let fails = |sae: &Inference, sequences: &[Vec<u32>], settings: SplicedSettings| {
        block_on(spliced(&model, sae, sequences, &settings, &Uninterrupted)).unwrap_err().code
    };
    let here = || at(point, View::TransformerLens);
    assert_eq!(fails(&identity(47), &sequences, here()), "LAB-WIDTH-MISMATCH");
    assert_eq!(fails(&identity(48), &sequences, SplicedSettings { out: HookPoint::new(1, Site::MlpPost), ..here() }), "LAB-WIDTH-MISMATCH");
    assert_eq!(fails(&identity(48), &sequences, SplicedSettings { out: HookPoint::new(0, Site::MlpOut), ..here() }), "LAB-BAD-SETTING");
    assert_eq!(fails(&identity(16), &sequences, SplicedSettings { head: Some(0), ..here() }), "LAB-BAD-SETTING");
    assert_eq!(fails(&identity(48), &sequences, SplicedSettings { without_features: vec![96], ..here() }), "LAB-BAD-SETTING");
    assert_eq!(fails(&identity(48), &sequences, at(HookPoint::new(0, Site::Pattern), View::TransformerLens)), "LAB-WIDTH-MISMATCH");
    assert_eq!(fails(&identity(48), &[vec![5]], here()), "LAB-EMPTY-INPUT");
    assert_eq!(fails(&identity(48), &[], here()), "LAB-EMPTY-INPUT");
    assert_eq!(fails(&identity(48), &[vec![1; 65]], here()), "LAB-TOO-LONG");
    assert_eq!(fails(&identity(48), &[vec![7, 7]], SplicedSettings { special: vec![7], ..here() }), "LAB-EMPTY-INPUT");
}
