//! Questions about features and directions, against numpy, scikit-learn and SAELens, and by hand.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use burn::tensor::Device;
use pollster::block_on;
use sae_lab::activations::{Activations, CollectSettings, Keep, Origin, Sequence, Source, collect};
use sae_lab::analysis::{
    CoactivationSettings, ConceptsSettings, ExampleOrder, ExamplesSettings, Pair, Per, ProbeSettings, coactivation, concepts, contrast, decompose,
    examples, feature_acts, matching, per_token, probe,
};
use sae_lab::gpt2::{Edit, EditKind, HookPoint, Hooks, LogitsWanted, Positions, Site, View};
use sae_lab::progress::Uninterrupted;
use sae_lab::sae::files::{self, Release};
use sae_lab::sae::{Config, Inference, Kind, Sae};
use sae_lab::tensors::{HostTensor, read, upload};
use serde_json::Value;

use crate::support::{assert_close, assert_close_f64, assert_close_relative, bytes, ids, json, largest_difference, model, numbers};

/// f32 features of a few hundred rows against f64.
const CLOSE: f32 = 1e-5;

/// The shipped SAE of so many features.
fn shipped(width: usize) -> Inference {
    let file = |name: &str| bytes(&format!("www/models/saes/tiny/blocks.8.hook_resid_pre_{width}/{name}"));
    files::read(&file("cfg.json"), &file("sae_weights.safetensors"), None, &Release::default(), &Device::flex()).unwrap().inference()
}

/// The rows that the reference script had.
fn rows(name: &str, description: &Value, numbers: &HashMap<String, HostTensor>) -> Activations {
    let table = &description[format!("{name}Rows")];
    let [text, position, token] = ["text", "position", "token"].map(|key| ids(&table[key]));
    let x = &numbers[&format!("{name}/activations")];
    let mut sequences: Vec<Sequence> = Vec::new();
    let mut origins = Vec::new();
    for ((&text, &position), &token) in text.iter().zip(&position).zip(&token) {
        if position == 0 {
            sequences.push(Sequence { text: text as i32, ids: Vec::new() });
        }
        sequences.last_mut().unwrap().ids.push(token);
        origins.push(Origin { sequence: sequences.len() - 1, position: position as usize });
    }
    activations(x.data.clone(), x.shape[1], origins, sequences)
}

fn activations(data: Vec<f32>, width: usize, origins: Vec<Origin>, sequences: Vec<Sequence>) -> Activations {
    let data = upload(data, [origins.len(), width], &Device::flex());
    Activations { data, origins, sequences, point: HookPoint::new(0, Site::ResidPre), view: View::TransformerLens }
}

/// Rows whose texts have one token each, which is not their first.
fn plain(rows: &[&[f32]]) -> Activations {
    let sequences = (0..rows.len()).map(|i| Sequence { text: i as i32, ids: vec![0, 1] }).collect();
    let origins = (0..rows.len()).map(|sequence| Origin { sequence, position: 1 }).collect();
    activations(rows.concat(), rows[0].len(), origins, sequences)
}

/// Features are the positive parts of the dimensions.
fn identity(d: usize) -> Inference {
    let eye: Vec<f32> = (0..d * d).map(|i| f32::from(u8::from(i % (d + 1) == 0))).collect();
    let host = |data: Vec<f32>, shape: &[usize]| HostTensor::new(data, shape.to_vec()).unwrap();
    let weights = [
        ("W_enc", host(eye.clone(), &[d, d])),
        ("W_dec", host(eye, &[d, d])),
        ("b_enc", host(vec![0.0; d], &[d])),
        ("b_dec", host(vec![0.0; d], &[d])),
    ];
    let weights: BTreeMap<String, HostTensor> = weights.into_iter().map(|(name, t)| (name.to_string(), t)).collect();
    Sae::from_weights(Config::new(Kind::Standard, d, d, 0), weights, &Device::flex()).unwrap().inference()
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_else(|| panic!("{key} of {value}"))
}

fn correlate(sae: &Inference, acts: &Activations, min_frequency: f64, skip_position_0: bool) -> sae_lab::Result<sae_lab::analysis::Coactivation> {
    let settings = CoactivationSettings { min_frequency, pairs: 10, skip_position_0, matrix_up_to: 100 };
    block_on(coactivation(sae, acts, &settings, &Uninterrupted))
}

#[test]
fn correlations_are_numpys() {
    let (description, numbers) = (json("analysis"), numbers("analysis"));
    let (sae, acts) = (shipped(384), rows("texts", &description, &numbers));
    let mut largest: f64 = 0.0;
    for theirs in description["coactivation"].as_array().unwrap() {
        let skip = theirs["skipPosition0"].as_bool().unwrap();
        let ours = correlate(&sae, &acts, number(theirs, "minFrequency"), skip).unwrap();
        assert_eq!((ours.rows as f64, ours.active as f64), (number(theirs, "rows"), number(theirs, "active")));
        assert_eq!((&ours.features, ours.constant), (&ids(&theirs["features"]), 0));
        for (ours, theirs) in [(&ours.pairs, &theirs["pairs"]), (&ours.lowest, &theirs["lowest"])] {
            let theirs = theirs.as_array().unwrap();
            assert_eq!(ours.len(), theirs.len());
            for (ours, theirs) in ours.iter().zip(theirs) {
                assert_eq!((f64::from(ours.a), f64::from(ours.b)), (number(theirs, "a"), number(theirs, "b")));
                let apart = (ours.correlation - number(theirs, "correlation")).abs();
                assert!(apart < 5e-6, "{ours:?} {theirs}");
                largest = largest.max(apart);
                assert_close_f64("together", ours.together, number(theirs, "together"), 1e-12);
            }
        }
        match theirs["matrix"].as_str() {
            Some(key) => assert_close("matrix", ours.matrix.as_ref().unwrap(), &numbers[key], 5e-6),
            None => assert!(ours.matrix.is_none() && ours.features.len() > 100),
        }
    }
    println!("largest difference of a correlation: {largest:.1e}");
}

#[test]
fn constant_features_have_no_correlation() {
    // Feature 0 is the same everywhere, 1 and 2 rise together, 3 falls, 4 is never active.
    let acts = plain(&[&[2.0, 1.0, 2.0, 4.0, -1.0], &[2.0, 2.0, 4.0, 3.0, -1.0], &[2.0, 3.0, 6.0, 2.0, -2.0], &[2.0, 4.0, 8.0, 1.0, 0.0]]);
    let ours = correlate(&identity(5), &acts, 0.0, false).unwrap();
    assert_eq!((ours.rows, ours.active, ours.constant, ours.features), (4, 4, 1, vec![1, 2, 3]));
    let close = |p: &Pair, a, b, r: f64| assert!((p.a, p.b) == (a, b) && (p.correlation - r).abs() < 1e-6 && p.together == 1.0, "{p:?}");
    assert_eq!((ours.pairs.len(), ours.lowest.len()), (3, 3));
    close(&ours.pairs[0], 1, 2, 1.0);
    assert!(ours.lowest[..2].iter().all(|p| p.b == 3 && (p.correlation + 1.0).abs() < 1e-6));
    let matrix = ours.matrix.unwrap();
    assert_eq!((matrix.shape, [0, 4, 8].map(|i| matrix.data[i])), (vec![3, 3], [1.0; 3]));

    let alone = correlate(&identity(2), &plain(&[&[1.0, -1.0], &[2.0, -1.0]]), 0.0, false).unwrap();
    assert_eq!((alone.features, alone.pairs, alone.lowest), (vec![0], vec![], vec![]));
    let same = correlate(&identity(2), &plain(&[&[1.0, -1.0], &[1.0, -1.0]]), 0.0, false).unwrap();
    assert_eq!((same.active, same.constant, same.matrix), (1, 1, None));
    let code = |result: sae_lab::Result<sae_lab::analysis::Coactivation>| result.unwrap_err().code;
    assert_eq!(code(correlate(&identity(2), &plain(&[&[-1.0, -1.0], &[-2.0, -1.0]]), 0.0, false)), "LAB-EMPTY-INPUT");
    assert_eq!(code(correlate(&identity(2), &acts, 0.0, false)), "LAB-WIDTH-MISMATCH");
    assert_eq!(code(correlate(&identity(5), &acts, 1.0, false)), "LAB-BAD-SETTING");
}

#[test]
fn too_many_features_are_refused() {
    let wide: Vec<Vec<f32>> = (0..2).map(|row| (0..4097).map(|i| (1 + (i + row) % 3) as f32).collect()).collect();
    let acts = plain(&[&wide[0], &wide[1]]);
    let error = correlate(&identity(4097), &acts, 0.5, false).unwrap_err();
    assert!(error.code == "LAB-BAD-SETTING" && error.message.contains("4097") && error.hint.contains("minFrequency"), "{error}");
}

#[test]
fn columns_and_the_strongest_of_each_row() {
    let (description, numbers) = (json("analysis"), numbers("analysis"));
    let (sae, acts) = (shipped(384), rows("texts", &description, &numbers));
    let features = ids(&description["featureActs"]["features"]);
    let of = |features: &[u32], skip| block_on(feature_acts(&sae, &acts, features, skip, &Uninterrupted));
    let columns = of(&features, false).unwrap();
    let theirs = &numbers["featureActs"];
    assert_close_relative("featureActs", &HostTensor { data: columns.data, shape: theirs.shape.clone() }, theirs, CLOSE);
    let later = of(&features, true).unwrap();
    assert_eq!(later.rows, acts.row_indices(true));
    assert_eq!(later.data.len(), later.rows.len() * features.len());
    for (bad, code) in [(&[][..], "LAB-BAD-SETTING"), (&[384], "LAB-BAD-SETTING"), (&[0; 100_000], "LAB-BAD-SETTING")] {
        assert_eq!(of(bad, false).unwrap_err().code, code);
    }

    let theirs = &description["perToken"];
    let ours = block_on(per_token(&sae, &acts, 3, &Uninterrupted)).unwrap();
    assert_eq!(ours.strongest.places, theirs["features"].as_array().unwrap().iter().flat_map(ids).collect::<Vec<_>>());
    let values = HostTensor { data: ours.strongest.values, shape: vec![acts.rows(), 3] };
    assert_close_relative("perToken", &values, &numbers["perToken"], CLOSE);
    assert_eq!(ours.active, ids(&theirs["active"]));
    assert_close_f64("meanActive", ours.mean_active, number(theirs, "meanActive"), 1e-12);
    let max = ours.max.unwrap();
    assert_eq!((max.row as f64, f64::from(max.feature)), (number(&theirs["max"], "row"), number(&theirs["max"], "feature")));
    assert_close_f64("max", f64::from(max.value), number(&theirs["max"], "value"), 1e-6);

    // Equal values in their order, and rows with nothing active.
    let acts = plain(&[&[1.0, 3.0, 3.0, -1.0], &[-1.0, -1.0, -1.0, -2.0]]);
    let ours = block_on(per_token(&identity(4), &acts, 4, &Uninterrupted)).unwrap();
    assert_eq!(ours.strongest.places, [1, 2, 0, 3, 0, 1, 2, 3]);
    assert_eq!(ours.strongest.values, [3.0, 3.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!((ours.active, ours.mean_active), (vec![3, 0], 1.5));
    let none = block_on(per_token(&identity(1), &plain(&[&[-1.0], &[0.0]]), 1, &Uninterrupted)).unwrap();
    assert!(none.max.is_none());
    assert_eq!(block_on(per_token(&identity(4), &acts, 5, &Uninterrupted)).err().unwrap().code, "LAB-BAD-SETTING");
}

#[test]
fn examples_above_a_threshold_in_the_corpuss_order_or_of_a_sample() {
    let (description, numbers) = (json("analysis"), numbers("analysis"));
    let (sae, acts) = (shipped(384), rows("texts", &description, &numbers));
    let (_, tokenizer) = model("tiny");
    let feature = ids(&description["featureActs"]["features"])[0];
    let column = block_on(feature_acts(&sae, &acts, &[feature], false, &Uninterrupted)).unwrap().data;
    let base = ExamplesSettings { feature: feature as usize, k: 5, context: 2, ..Default::default() };
    let find = |settings: ExamplesSettings| block_on(examples(&sae, &acts, &tokenizer, &settings, &Uninterrupted)).unwrap();
    let rows = |settings: ExamplesSettings| find(settings).examples.iter().map(|e| e.row).collect::<Vec<u32>>();

    let strongest = rows(base.clone());
    let mut sorted = strongest.clone();
    sorted.sort();
    assert_eq!(rows(ExamplesSettings { order: ExampleOrder::Corpus, ..base.clone() }), sorted);
    assert_ne!(strongest, sorted);

    let threshold = column[strongest[2] as usize];
    let above = find(ExamplesSettings { threshold, ..base.clone() });
    assert_eq!(above.active, column.iter().filter(|v| **v > threshold).count());
    assert_eq!(above.examples.iter().map(|e| e.row).collect::<Vec<_>>(), &strongest[..above.active.min(5)]);

    let active: Vec<u32> = (0..acts.rows() as u32).filter(|&row| column[row as usize] > 0.0).collect();
    assert!(active.len() > 8);
    let sample = |seed| ExamplesSettings { k: 100, sample: Some((4, seed)), order: ExampleOrder::Corpus, ..base.clone() };
    let drawn: Vec<Vec<u32>> = (0..20).map(|seed| rows(sample(seed))).collect();
    assert!(drawn.iter().all(|rows| rows.len() == 4 && rows.is_sorted() && rows.iter().all(|row| active.contains(row))));
    assert_eq!(rows(sample(3)), drawn[3]);
    assert!(drawn.iter().any(|rows| *rows != drawn[0]));
    assert_eq!(find(sample(0)).active, active.len());
    assert_eq!(rows(ExamplesSettings { sample: Some((1000, 0)), k: 1000, order: ExampleOrder::Corpus, ..base.clone() }), active);
    let refused = block_on(examples(&sae, &acts, &tokenizer, &ExamplesSettings { threshold: -1.0, ..base }, &Uninterrupted));
    assert_eq!(refused.unwrap_err().code, "LAB-BAD-SETTING");
}

#[test]
fn nearest_decoder_rows_are_torchs() {
    let (description, numbers) = (json("analysis"), numbers("analysis"));
    let theirs = &description["matching"];
    let ours = block_on(matching(&shipped(192), &shipped(384), 3, &Uninterrupted)).unwrap();
    assert_eq!(ours.nearest.places, theirs["features"].as_array().unwrap().iter().flat_map(ids).collect::<Vec<_>>());
    let cosines = HostTensor { data: ours.nearest.values.clone(), shape: vec![384, 3] };
    assert_close("matching", &cosines, &numbers["matching"], 1e-6);
    assert_eq!(ours.histogram.counts.iter().map(|&n| n as u32).collect::<Vec<_>>(), ids(&theirs["histogram"]));
    assert_eq!((ours.best(3).len(), ours.histogram.edges.len()), (384, 41));
    let itself = block_on(matching(&shipped(192), &shipped(192), 1, &Uninterrupted)).unwrap();
    assert_eq!(itself.nearest.places, (0..192).collect::<Vec<u32>>());
    assert!(itself.nearest.values.iter().all(|c| (c - 1.0).abs() < 1e-6));
    assert_eq!(block_on(matching(&identity(4), &shipped(192), 1, &Uninterrupted)).err().unwrap().code, "LAB-WIDTH-MISMATCH");
}

fn judge(sae: &Inference, sides: [&Activations; 2], per: Per, skip_position_0: bool) -> sae_lab::Result<sae_lab::analysis::Concepts> {
    let settings = ConceptsSettings { k: 20, per, min_frequency: 0.0, skip_position_0 };
    block_on(concepts(sae, sides[0], sides[1], &settings, &Uninterrupted))
}

#[test]
fn areas_under_the_curve_are_scikit_learns() {
    let (description, numbers) = (json("analysis"), numbers("analysis"));
    let sae = shipped(384);
    let sides = ["positive", "negative"].map(|name| rows(name, &description, &numbers));
    for theirs in description["concepts"].as_array().unwrap() {
        let per = if theirs["per"] == "text" { Per::Text } else { Per::Token };
        let ours = judge(&sae, [&sides[0], &sides[1]], per, theirs["skipPosition0"].as_bool().unwrap()).unwrap();
        assert_eq!(
            [ours.positives, ours.negatives, ours.judged].map(|n| n as f64),
            ["positives", "negatives", "judged"].map(|key| number(theirs, key))
        );
        assert_eq!(ours.features.len(), 20);
        for (ours, theirs) in ours.features.iter().zip(theirs["features"].as_array().unwrap()) {
            assert_eq!(ours.feature as f64, number(theirs, "feature"));
            for (key, value, tolerance) in [
                ("auroc", ours.auroc, 1e-12),
                ("frequencyPositive", ours.frequency_positive, 1e-12),
                ("frequencyNegative", ours.frequency_negative, 1e-12),
                ("meanPositive", ours.mean_positive, 2e-5),
                ("meanNegative", ours.mean_negative, 2e-5),
                ("max", ours.max, 2e-5),
            ] {
                assert_close_f64(key, value, number(theirs, key), tolerance);
            }
        }
    }
    let swapped = judge(&sae, [&sides[1], &sides[0]], Per::Token, true).unwrap();
    assert!(swapped.features[0].auroc > 0.5);

    let code = |sides: [&Activations; 2], skip| judge(&sae, sides, Per::Text, skip).unwrap_err().code;
    let only_first = activations(vec![0.0; 96], 96, vec![Origin { sequence: 0, position: 0 }], vec![Sequence { text: 0, ids: vec![0] }]);
    assert_eq!(code([&sides[0], &only_first], true), "LAB-EMPTY-INPUT");
    assert_eq!(code([&only_first, &sides[0]], true), "LAB-EMPTY-INPUT");
    assert_eq!(code([&sides[0], &plain(&[&[1.0, 2.0]])], true), "LAB-WIDTH-MISMATCH");
    // Nothing is active: nothing is judged.
    let silent = judge(&identity(2), [&plain(&[&[-1.0, -1.0]]), &plain(&[&[-1.0, 0.0]])], Per::Token, false).unwrap();
    assert_eq!((silent.judged, silent.features), (0, vec![]));
}

#[test]
fn the_difference_of_means_and_what_it_tells_apart() {
    let (description, numbers) = (json("analysis"), numbers("analysis"));
    let sides = ["positive", "negative"].map(|name| rows(name, &description, &numbers));
    for (n, theirs) in description["contrast"].as_array().unwrap().iter().enumerate() {
        let ours = block_on(contrast(&sides[0], &sides[1], theirs["skipPosition0"].as_bool().unwrap(), &Uninterrupted)).unwrap();
        let vector = HostTensor { data: ours.vector, shape: vec![96] };
        assert_close_relative("contrast", &vector, &numbers[&format!("contrast/{n}")], 2e-6);
        assert_close_f64("norm", ours.norm, number(theirs, "norm"), 1e-6);
        assert_close_f64("accuracyAlong", ours.accuracy_along, number(theirs, "accuracyAlong"), 1e-12);
        assert_close_f64("aurocAlong", ours.auroc_along, number(theirs, "aurocAlong"), 1e-12);
    }
    let code = |a: &Activations, b: &Activations| block_on(contrast(a, b, true, &Uninterrupted)).err().unwrap().code;
    assert_eq!(code(&sides[0], &plain(&[&[1.0, 2.0]])), "LAB-WIDTH-MISMATCH");
    assert_eq!(code(&plain(&[&[f32::NAN, 1.0]]), &plain(&[&[1.0, 1.0]])), "LAB-NOT-FINITE");
    let only_first = activations(vec![0.0; 96], 96, vec![Origin { sequence: 0, position: 0 }], vec![Sequence { text: 0, ids: vec![0] }]);
    assert_eq!(code(&only_first, &sides[0]), "LAB-EMPTY-INPUT");
}

#[test]
fn the_probe_is_scikit_learns_optimum() {
    let (description, numbers) = (json("analysis"), numbers("analysis"));
    let sides = ["positive", "negative"].map(|name| rows(name, &description, &numbers));
    let mut largest: f32 = 0.0;
    for (n, theirs) in description["probe"].as_array().unwrap().iter().enumerate() {
        let settings = ProbeSettings {
            l2: number(theirs, "l2"),
            standardize: theirs["standardize"].as_bool().unwrap(),
            folds: 5,
            skip_position_0: theirs["skipPosition0"].as_bool().unwrap(),
        };
        let ours = block_on(probe(&sides[0], &sides[1], &settings, &Uninterrupted)).unwrap();
        let vector = &numbers[&format!("probe/{n}")];
        largest = largest.max(largest_difference(&ours.vector, &vector.data) / vector.data.iter().fold(0.0, |m: f32, x| m.max(x.abs())));
        for (key, value) in [("bias", ours.bias), ("norm", ours.norm)] {
            assert_close_f64(key, value, number(theirs, key), 1e-5);
        }
        for (key, value) in [("accuracy", ours.accuracy), ("heldOut", ours.held_out.unwrap())] {
            assert_close_f64(key, value, number(theirs, key), 1e-12);
        }
        let folds: Vec<f64> = theirs["folds"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        assert_eq!(ours.folds.len(), 5);
        assert!(ours.folds.iter().zip(&folds).all(|(a, b)| (a - b).abs() < 1e-12), "{:?} {folds:?}", ours.folds);
    }
    println!("largest relative difference of a weight: {largest:.1e}");
    assert!(largest < 1e-5);

    let settings = ProbeSettings { l2: 1.0, standardize: true, folds: 5, skip_position_0: true };
    let fit = |a: &Activations, b: &Activations, settings: &ProbeSettings| block_on(probe(a, b, settings, &Uninterrupted));
    // One text on a side: nothing can be left out. A dimension that does not vary has no weight.
    let one = fit(&plain(&[&[1.0, 7.0]]), &plain(&[&[-1.0, 7.0], &[-2.0, 7.0]]), &settings).unwrap();
    assert!(one.held_out.is_none() && one.folds.is_empty() && one.accuracy == 1.0);
    assert!(one.vector[0] > 0.0 && one.vector[1].abs() < 1e-12);
    let code = |settings: ProbeSettings| fit(&sides[0], &sides[1], &settings).err().map(|e| e.code);
    assert_eq!(code(ProbeSettings { l2: 0.0, ..settings.clone() }), Some("LAB-BAD-SETTING"));
    assert_eq!(code(ProbeSettings { folds: 1, ..settings.clone() }), Some("LAB-BAD-SETTING"));
    assert_eq!(fit(&plain(&[&[f32::NAN, 1.0]]), &plain(&[&[1.0, 1.0]]), &settings).err().unwrap().code, "LAB-NOT-FINITE");
    assert_eq!(fit(&sides[0], &plain(&[&[1.0, 2.0]]), &settings).err().unwrap().code, "LAB-WIDTH-MISMATCH");
}

#[test]
fn a_vector_taken_apart_is_saelenss() {
    let (description, numbers) = (json("analysis"), numbers("analysis"));
    let sae = shipped(384);
    for (n, theirs) in description["decompose"].as_array().unwrap().iter().enumerate() {
        let vector = &numbers[&format!("decompose/{n}")].data;
        let ours = block_on(decompose(&sae, vector, 5, 0.1)).unwrap();
        assert_eq!(ours.active as f64, number(theirs, "active"));
        assert_close_f64("error", ours.error, number(theirs, "error"), 1e-5);
        assert_close_f64("norm", ours.norm, number(theirs, "norm"), 1e-6);
        assert_eq!((ours.features.len(), ours.cosines.len()), (5, 5));
        for (ours, theirs) in ours.features.iter().zip(theirs["features"].as_array().unwrap()) {
            assert_eq!(ours.feature as f64, number(theirs, "feature"));
            assert_close_f64("value", ours.value, number(theirs, "value"), 1e-5);
        }
        for (ours, theirs) in ours.cosines.iter().zip(theirs["cosines"].as_array().unwrap()) {
            assert_eq!(ours.feature as f64, number(theirs, "feature"));
            assert_close_f64("cosine", ours.cosine, number(theirs, "cosine"), 1e-5);
        }
    }
    assert_eq!(block_on(decompose(&sae, &[1.0; 95], 5, 0.1)).unwrap_err().code, "LAB-WIDTH-MISMATCH");
    assert_eq!(block_on(decompose(&sae, &[1.0; 96], 0, 0.1)).unwrap_err().code, "LAB-BAD-SETTING");
    let zero = block_on(decompose(&identity(3), &[0.0; 3], 2, 0.1)).unwrap();
    assert_eq!((zero.active, zero.error, zero.norm, zero.cosines[0].cosine), (0, 0.0, 0.0, 0.0));
}

#[test]
fn a_feature_scaled_with_the_error_and_without_gives_transformer_lenss_logits() {
    let (description, numbers) = (json("analysis"), numbers("analysis"));
    let ((model, _), sae) = (model("tiny"), shipped(384));
    let point = HookPoint::parse(description["hook"].as_str().unwrap(), &model.config).unwrap();
    for (n, theirs) in description["steering"].as_array().unwrap().iter().enumerate() {
        let (ids, feature) = (ids(&theirs["ids"]), number(theirs, "feature") as usize);
        for (way, keep_error, factor) in [
            ("none", true, 1.0),
            ("scale", true, number(theirs, "alpha")),
            ("scale-decode", false, number(theirs, "alpha")),
            ("scale-decode 1", false, 1.0),
        ] {
            let (sae, factor) = (sae.clone(), factor as f32);
            let map = move |x| if keep_error { sae.scale_feature(x, feature, factor) } else { sae.decode_scaled(x, feature, factor) };
            let edit = Edit { point, kind: EditKind::Map(Rc::new(map)), positions: Positions::All };
            let mut hooks = Hooks::editing(vec![edit], View::TransformerLens);
            let logits = model.forward(&[&ids], None, &mut hooks, LogitsWanted::Last).unwrap().unwrap();
            let ours = block_on(read(logits.reshape([model.config.d_vocab]))).unwrap();
            assert_close(&format!("{way} of {n}"), &ours, &numbers[&format!("steering/{n}/{way}")], 2e-4);
            let mut order: Vec<usize> = (0..ours.data.len()).collect();
            order.sort_by(|&a, &b| ours.data[b].total_cmp(&ours.data[a]));
            let top = theirs["ways"][way].as_array().unwrap();
            assert_eq!(order[..5].iter().map(|&id| id as f64).collect::<Vec<_>>(), top.iter().map(|t| number(t, "id")).collect::<Vec<_>>(), "{way}");
        }
    }
}

#[test]
fn token_ids_are_collected_as_they_are() {
    let (model, tokenizer) = model("random");
    let point = HookPoint::parse("blocks.1.hook_resid_post", &model.config).unwrap();
    let settings =
        CollectSettings { point, view: View::TransformerLens, keep: Keep::All, prepend_bos: true, max_tokens: None, random: None, seed: 3 };
    let run = |sources: &[Given]| block_on(collect(&model, &tokenizer, sources, &settings, &Uninterrupted));
    let text = "The weather today".to_string();
    let plain = tokenizer.encode(&text, false).unwrap();
    let with_bos = tokenizer.encode(&text, true).unwrap();
    let long: Vec<u32> = (0..70).collect(); // the context has 64
    let acts = run(&[Given::Text(text), Given::Ids(plain.clone()), Given::Ids(with_bos.clone()), Given::Ids(long)]).unwrap();
    let sequences: Vec<(i32, usize)> = acts.sequences.iter().map(|s| (s.text, s.ids.len())).collect();
    assert_eq!(sequences, [(0, with_bos.len()), (1, plain.len()), (2, with_bos.len()), (3, 64), (3, 6)]);
    let data = block_on(read(acts.data.clone())).unwrap().data;
    let rows = |sequence: usize| {
        let start: usize = sequences[..sequence].iter().map(|s| s.1).sum();
        &data[start * 48..(start + sequences[sequence].1) * 48]
    };
    assert!(largest_difference(rows(0), rows(2)) < 1e-5);
    assert!(largest_difference(&rows(0)[..plain.len() * 48], rows(1)) > 0.01);
    assert_eq!(run(&[Given::Ids(vec![300])]).err().unwrap().code, "LAB-BAD-SETTING");
    assert_eq!(run(&[Given::Ids(Vec::new())]).err().unwrap().code, "LAB-EMPTY-INPUT");
}

enum Given {
    Text(String),
    Ids(Vec<u32>),
}

impl<'a> From<&'a Given> for Source<'a> {
    fn from(given: &'a Given) -> Self {
        match given {
            Given::Text(text) => Self::Text(text),
            Given::Ids(ids) => Self::Ids(ids),
        }
    }
}

/// Week 7 reads Hugging Face's last hidden state, which is after the final layer norm.
#[test]
fn hugging_faces_last_hidden_state_can_be_collected() {
    for name in ["tiny", "random"] {
        let ((model, tokenizer), numbers) = (model(name), numbers(&format!("gpt2_{name}")));
        let point = HookPoint::parse("ln_final.hook_normalized", &model.config).unwrap();
        let settings =
            CollectSettings { point, view: View::HuggingFace, keep: Keep::All, prepend_bos: true, max_tokens: None, random: None, seed: 0 };
        let text = json(&format!("gpt2_{name}"))["prompts"][0]["text"].as_str().unwrap().to_string();
        let acts = block_on(collect(&model, &tokenizer, &[text], &settings, &Uninterrupted)).unwrap();
        let states = &numbers["hf/hidden_states/0"];
        let size = acts.rows() * acts.width();
        assert_eq!(states.shape, [model.config.n_layers + 1, acts.rows(), acts.width()]);
        let last = HostTensor { data: states.data[states.data.len() - size..].to_vec(), shape: vec![acts.rows(), acts.width()] };
        assert_close_relative(name, &block_on(read(acts.data)).unwrap(), &last, 1e-5);
    }
}
