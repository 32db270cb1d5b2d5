//! Toy models of superposition against torch, scipy and SAELens (`numbers/toy.json`), and what they show.

use std::cell::RefCell;
use std::collections::BTreeMap;

use pollster::block_on;
use sae_lab::error::code;
use sae_lab::progress::{Checkpoint, Progress, Uninterrupted};
use sae_lab::rng::Rng;
use sae_lab::tensors::HostTensor;
use sae_lab::toy::{
    Activity, Config, Given, Instance, Kind, Values, Weights, WorldSettings, features, interference, loss_and_gradient, match_features,
    orthogonalize, pca_loss, quantile, reconstruct, train, world, zero_loss,
};
use sae_lab::{LabError, Result};
use serde_json::Value;

use crate::support::{assert_close, assert_close_f64, json, numbers};

fn config(kind: Kind, probabilities: &[f64], seed: u64) -> Config {
    let values = if kind == Kind::ReluHidden { Values::Normal } else { Values::Uniform };
    Config {
        kind,
        n_features: 5,
        n_hidden: 2,
        probabilities: probabilities.to_vec(),
        importance_decay: 1.0,
        values,
        batch_size: 1000,
        steps: 500,
        lr: 0.01,
        seed,
        eval_rows: 100_000,
    }
}

fn trained(config: &Config) -> Vec<Instance> {
    block_on(train(config, &Given::default(), &Uninterrupted)).unwrap()
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn size(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

/// Part `k` along the first dimension.
fn part(t: &HostTensor, k: usize) -> HostTensor {
    let each = t.data.len() / t.shape[0];
    HostTensor { data: t.data[k * each..(k + 1) * each].to_vec(), shape: t.shape[1..].to_vec() }
}

/// Largest difference relative to the tensor's largest value.
fn relative(ours: &HostTensor, theirs: &HostTensor) -> f32 {
    assert_eq!(ours.shape, theirs.shape);
    let largest = theirs.data.iter().fold(1e-12f32, |m, x| m.max(x.abs()));
    crate::support::largest_difference(&ours.data, &theirs.data) / largest
}

struct Case {
    config: Config,
    given: Given,
    prefix: String,
    names: Vec<String>,
}

fn case(number: usize, described: &Value, all: &Value, tensors: &std::collections::HashMap<String, HostTensor>) -> Case {
    let kind = Kind::parse(described["model"].as_str().unwrap()).unwrap();
    let probabilities = floats(&described["probabilities"]);
    let (prefix, names) = (format!("case/{number}"), crate::support::strings(&described["weights"]));
    let start = |k: usize| {
        let named = names.iter().map(|name| (name.to_string(), part(&tensors[&format!("{prefix}/init/{name}")], k)));
        Weights::from_named(kind, &named.collect::<BTreeMap<_, _>>()).unwrap()
    };
    let instances = 0..probabilities.len();
    let given = Given {
        weights: Some(instances.clone().map(start).collect()),
        batches: Some(instances.map(|k| part(&tensors[&format!("{prefix}/batches")], k)).collect()),
    };
    let config = Config {
        kind,
        n_features: size(&described["nFeatures"]),
        n_hidden: size(&described["nHidden"]),
        probabilities,
        importance_decay: described["importanceDecay"].as_f64().unwrap(),
        values: Values::parse(described["values"].as_str().unwrap()).unwrap(),
        batch_size: size(&described["batchSize"]),
        steps: size(&all["steps"]),
        lr: all["lr"].as_f64().unwrap(),
        seed: 0,
        eval_rows: 10,
    };
    Case { config, given, prefix, names: names.into_iter().map(str::to_string).collect() }
}

#[test]
fn both_models_train_as_in_torch() {
    let (all, tensors) = (json("toy"), numbers("toy"));
    let (mut loss_apart, mut weights_apart, mut gradients_apart) = (0.0f64, 0.0f32, 0.0f32);
    for (number, described) in all["cases"].as_array().unwrap().iter().enumerate() {
        let Case { config, given, prefix, names } = case(number, described, &all, &tensors);
        let instances = block_on(train(&config, &given, &Uninterrupted)).unwrap();
        for (k, instance) in instances.iter().enumerate() {
            for (step, theirs) in described["losses"]["f64"].as_array().unwrap().iter().enumerate() {
                let theirs = floats(theirs)[k];
                loss_apart = loss_apart.max((f64::from(instance.losses[step]) / theirs - 1.0).abs());
            }
            let after: BTreeMap<_, _> = instance.weights.to_named().into_iter().collect();
            let first = &given.batches.as_ref().unwrap()[k].data[..config.batch_size * config.n_features];
            let (loss, gradient) = loss_and_gradient(&given.weights.as_ref().unwrap()[k], first, &config.importance());
            assert_eq!(loss as f32, instance.losses[0]);
            let gradient: BTreeMap<_, _> = gradient.to_named().into_iter().collect();
            for name in &names {
                weights_apart = weights_apart.max(relative(&after[name.as_str()], &part(&tensors[&format!("{prefix}/after/{name}")], k)));
                gradients_apart = gradients_apart.max(relative(&gradient[name.as_str()], &part(&tensors[&format!("{prefix}/gradients/{name}")], k)));
            }
        }
    }
    println!("relative to torch in f64: losses {loss_apart:.1e}, gradients {gradients_apart:.1e}, weights after ten steps {weights_apart:.1e}");
    assert!(loss_apart < 1e-6 && weights_apart < 1e-6 && gradients_apart < 1e-6);
}

#[test]
fn outputs_geometry_and_interference_are_torchs() {
    let (all, tensors) = (json("toy"), numbers("toy"));
    for (number, described) in all["cases"].as_array().unwrap().iter().enumerate() {
        let Case { config, prefix, names, .. } = case(number, described, &all, &tensors);
        let rows = &tensors[&format!("{prefix}/rows")];
        for k in 0..config.probabilities.len() {
            let named = names.iter().map(|name| (name.clone(), part(&tensors[&format!("{prefix}/after/{name}")], k))).collect();
            let weights = Weights::from_named(config.kind, &named).unwrap();
            let ours = block_on(reconstruct(&weights, rows, &Uninterrupted)).unwrap();
            assert_close("hidden", &ours.hidden, &part(&tensors[&format!("{prefix}/hidden")], k), 1e-6);
            assert_close("outputs", &ours.outputs, &part(&tensors[&format!("{prefix}/outputs")], k), 1e-6);
            for (name, ours) in [("norms", sae_lab::toy::norms(&weights)), ("dimensionality", sae_lab::toy::dimensionality(&weights))] {
                for (ours, theirs) in ours.iter().zip(floats(&described[name][k])) {
                    assert_close_f64(name, *ours, theirs, 1e-9);
                }
            }
            let theirs = described["interference"].as_array().unwrap();
            let sizes: Vec<usize> = theirs.iter().map(|t| size(&t["size"])).collect();
            let ours = block_on(interference(&weights, &sizes, &Uninterrupted)).unwrap();
            let alone = ours[0].mean;
            for (ours, theirs) in ours.iter().zip(theirs) {
                assert_eq!(ours.subsets, size(&theirs["subsets"]));
                for (name, value) in [("first", ours.example.error), ("mean", ours.mean), ("min", ours.min), ("max", ours.max)] {
                    assert_close_f64(name, value, theirs[name][k].as_f64().unwrap(), 1e-9);
                }
                assert_close_f64("additive", ours.additive, ours.size as f64 * alone, 1e-12);
                assert_eq!(ours.example.features, (0..ours.size).collect::<Vec<_>>());
            }
        }
    }
}

/// The gradients by finite differences too, where no ReLU is near its corner.
#[test]
fn gradients_are_the_losses_slopes() {
    for kind in [Kind::ReluHidden, Kind::ReluOutput] {
        let mut rng = Rng::new(5);
        let mut weights = Weights::init(kind, 6, 3, &mut rng);
        weights.b_dec.iter_mut().chain(&mut weights.b_enc).for_each(|b| *b = 0.1 * rng.normal());
        let mut rows = vec![0.0; 40 * 6];
        features(&mut rng, 0.4, Values::Normal, &mut rows);
        let importance = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5];
        let (_, gradient) = loss_and_gradient(&weights, &rows, &importance);
        let slope = |change: &dyn Fn(&mut Weights, f64)| {
            let at = |by: f64| {
                let mut moved = weights.clone();
                change(&mut moved, by);
                loss_and_gradient(&moved, &rows, &importance).0
            };
            (at(1e-7) - at(-1e-7)) / 2e-7
        };
        for i in 0..18 {
            assert!((slope(&|w, by| w.enc[i] += by) - gradient.enc[i]).abs() < 1e-6);
            assert!(weights.dec.is_empty() || (slope(&|w, by| w.dec[i] += by) - gradient.dec[i]).abs() < 1e-6);
        }
        for i in 0..6 {
            assert!((slope(&|w, by| w.b_dec[i] += by) - gradient.b_dec[i]).abs() < 1e-6);
        }
        for i in 0..weights.b_enc.len() {
            assert!((slope(&|w, by| w.b_enc[i] += by) - gradient.b_enc[i]).abs() < 1e-6);
        }
    }
}

#[test]
fn bounds_are_those_of_a_large_sample() {
    for bound in json("toy")["bounds"].as_array().unwrap() {
        let number = |name: &str| bound[name].as_f64().unwrap();
        let values = Values::parse(bound["values"].as_str().unwrap()).unwrap();
        let importance: Vec<f64> = (0..size(&bound["nFeatures"])).map(|i| number("importanceDecay").powi(i as i32)).collect();
        assert_close_f64("zero", zero_loss(number("probability"), values, &importance), number("zero"), 5e-3);
        let pca = pca_loss(number("probability"), values, &importance, size(&bound["nHidden"]));
        assert!((pca - number("pca")).abs() <= 1e-2 * number("pca"), "{pca} against {}", number("pca"));
    }
    assert!((pca_loss(0.1, Values::Normal, &[1.0; 5], 2) - 0.06).abs() < 1e-12);
    assert!((zero_loss(0.1, Values::Uniform, &[1.0; 5]) - 0.1 / 3.0).abs() < 1e-12);
}

#[test]
fn week_sevens_model_does_no_better_than_pca() {
    let mut lines = Vec::new();
    for seed in 0..8 {
        let instance = &trained(&config(Kind::ReluHidden, &[0.1], seed))[0];
        let last = instance.losses[450..].iter().map(|&l| f64::from(l)).sum::<f64>() / 50.0;
        assert!((last - 0.060).abs() < 0.002 && (instance.final_loss - 0.060).abs() < 0.002, "seed {seed}: {last}, {}", instance.final_loss);
        assert!((instance.pca_loss - 0.06).abs() < 1e-12 && (instance.zero_loss - 0.1).abs() < 1e-12);
        lines.push(format!("{last:.4}/{:.4}", instance.final_loss));
    }
    println!("mean of the last 50 steps / on a fresh sample, seeds 0 to 7: {}", lines.join(" "));
}

#[test]
fn the_papers_model_packs_five_features_into_two_dimensions() {
    let (mut pentagons, mut lines) = (0, Vec::new());
    for seed in 0..8 {
        let instance = &trained(&Config { steps: 2000, ..config(Kind::ReluOutput, &[0.1], seed) })[0];
        let pentagon = instance.dimensionality.iter().all(|d| (d - 0.4).abs() < 0.03);
        let weak = instance.norms.iter().filter(|&&n| n < 0.6).count();
        assert!(instance.final_loss < 0.008 && instance.final_loss < 0.25 * instance.zero_loss, "seed {seed}: {}", instance.final_loss);
        assert!(instance.final_loss < 0.5 * instance.pca_loss, "superposition pays");
        if pentagon {
            assert!((instance.final_loss - 0.0053).abs() < 0.0003 && instance.norms.iter().all(|n| (n - 1.1).abs() < 0.05));
            pentagons += 1;
        } else {
            assert!((instance.final_loss - 0.0075).abs() < 0.0004 && weak == 1, "four features and a weak one: {:?}", instance.norms);
        }
        lines.push(format!("{:.4}{}", instance.final_loss, if pentagon { " (pentagon)" } else { "" }));
    }
    println!("{pentagons} pentagons of 8: {}", lines.join(", "));
    assert!(pentagons >= 5);
}

#[test]
fn sparser_features_are_packed_more_densely() {
    let probabilities: Vec<f64> = (0..8).map(|k| 100f64.powf(-f64::from(k) / 7.0)).collect();
    let config = Config {
        n_features: 20,
        n_hidden: 5,
        importance_decay: 0.9,
        batch_size: 500,
        steps: 1500,
        eval_rows: 20_000,
        ..config(Kind::ReluOutput, &probabilities, 1)
    };
    let instances = trained(&config);
    let represented: Vec<usize> = instances.iter().map(|i| i.norms.iter().filter(|&&n| n > 0.5).count()).collect();
    println!("features represented at p = {probabilities:.3?}: {represented:?}");
    assert_eq!(represented[0], 5, "dense features: one dimension for each of the five most important");
    assert!(instances[0].norms[..5].iter().all(|n| (n - 1.0).abs() < 0.1) && instances[0].dimensionality[..5].iter().all(|d| *d > 0.9));
    assert!(represented[7] >= 15 && represented.windows(2).all(|w| w[0] <= w[1] + 1), "{represented:?}");
    assert!(instances.iter().all(|i| i.final_loss < 1.02 * i.zero_loss));
    // Of a sparse world no affine map keeps so much.
    assert!(instances[5].final_loss < 0.6 * instances[5].pca_loss);
    // An instance comes out the same whichever others are trained beside it, up to the place it has among them.
    let alone = trained(&Config { probabilities: vec![1.0], ..config });
    assert_eq!(alone[0], instances[0]);
}

#[test]
fn three_features_at_once_interfere() {
    let of = |kind| block_on(interference(&trained(&Config { steps: 2000, ..config(kind, &[0.1], 0) })[0].weights, &[1, 3], &Uninterrupted)).unwrap();
    let (week_7, paper) = (of(Kind::ReluHidden), of(Kind::ReluOutput));
    for found in [&week_7, &paper] {
        assert_eq!((found[0].subsets, found[1].subsets), (5, 10));
        assert!(found[1].mean > found[0].mean);
        println!(
            "one: {:.3} (example {:.3}); three: {:.3} (example {:.3}), {:.3} if they were alone",
            found[0].mean, found[0].example.error, found[1].mean, found[1].example.error, found[1].additive
        );
    }
    // A pentagon keeps a feature that is alone; three at once disturb each other.
    assert!(paper[0].mean < 0.1 && paper[1].mean > 5.0 * paper[1].additive);
    // Week 7's model loses single features already.
    assert!(week_7[0].mean > 0.3);
}

#[test]
fn matching_is_saelenss_and_scipys() {
    let (all, tensors) = (json("toy"), numbers("toy"));
    for (number, theirs) in all["matching"].as_array().unwrap().iter().enumerate() {
        let get = |name: &str| &tensors[&format!("matching/{number}/{name}")];
        let activity = Activity { found: get("foundActs"), truth: get("truthActs") };
        let ours = block_on(match_features(get("found"), get("truth"), Some(activity), false, &Uninterrupted)).unwrap();
        let same = |name: &str, ours: f64, theirs: &Value| assert!((ours - theirs.as_f64().unwrap()).abs() < 1e-6, "{name}: {ours} against {theirs}");
        same("mcc", ours.mcc, &theirs["mcc"]);
        same("uniqueness", ours.uniqueness, &theirs["uniqueness"]);
        same("meanMaxCosine", ours.mean_max_cosine, &theirs["meanMaxCosine"]);
        same("f1", ours.f1.unwrap(), &theirs["f1"]);
        let latents = ours.latents.unwrap();
        for (name, value) in [("precision", latents.precision), ("recall", latents.recall), ("f1", latents.f1), ("accuracy", latents.accuracy)] {
            same(name, value, &theirs["latents"][name]);
        }
        let pairs = theirs["pairs"].as_array().unwrap();
        assert_eq!(pairs.len(), ours.pairs.len());
        for (ours, theirs) in ours.pairs.iter().zip(pairs) {
            assert_eq!((ours.truth, ours.found), (size(&theirs["truth"]), size(&theirs["found"])));
            same("cosine", ours.cosine, &theirs["cosine"]);
            same("f1", ours.f1.unwrap(), &theirs["f1"]);
        }
    }
}

#[test]
fn opposite_directions_are_told_apart_by_their_sign() {
    let truth = HostTensor { data: vec![1.0, 0.0, -1.0, 0.0, 0.0, 1.0], shape: vec![3, 2] };
    let found = HostTensor { data: vec![-2.0, 0.1, 0.0, 3.0, 1.0, 0.0], shape: vec![3, 2] };
    let matched = |signed| block_on(match_features(&found, &truth, None, signed, &Uninterrupted)).unwrap();
    let signed = matched(true);
    assert_eq!(signed.pairs.iter().map(|p| p.found).collect::<Vec<_>>(), [2, 0, 1]);
    assert!(signed.mcc > 0.99 && (signed.mean_max_cosine - signed.mcc).abs() < 1e-6 && signed.f1.is_none());
    assert!((matched(false).mcc - signed.mcc).abs() < 1e-6);
    // Turned round, they are as good without the sign and bad with it.
    let turned = HostTensor { data: found.data.iter().map(|v| -v).collect(), ..found.clone() };
    let of = |signed| block_on(match_features(&turned, &truth, None, signed, &Uninterrupted)).unwrap().mcc;
    assert!(of(false) > 0.99 && of(true) < 0.7);
}

/// Against all permutations, and where everything is equally good.
#[test]
fn an_assignment_is_the_best_of_all() {
    let mut rng = Rng::new(2);
    for trial in 0..200 {
        let (rows, columns) = (1 + trial % 5, 5 + trial % 2);
        // Few different costs, so that there are ties.
        let cost: Vec<f32> = (0..rows * columns).map(|_| if trial % 3 == 0 { rng.below(3) as f32 } else { rng.normal() as f32 }).collect();
        let ours = block_on(sae_lab::toy::assign(rows, columns, |r, c| f64::from(cost[r * columns + c]), &Uninterrupted)).unwrap();
        let mut taken = ours.clone();
        taken.sort();
        taken.dedup();
        assert_eq!(taken.len(), rows);
        let total: f32 = ours.iter().enumerate().map(|(r, c)| cost[r * columns + c]).sum();
        assert!((total - best(&cost, rows, columns, 0, &mut vec![false; columns])).abs() < 1e-5);
    }
}

fn best(cost: &[f32], rows: usize, columns: usize, row: usize, taken: &mut Vec<bool>) -> f32 {
    if row == rows {
        return 0.0;
    }
    let mut least = f32::INFINITY;
    for column in 0..columns {
        if !taken[column] {
            taken[column] = true;
            least = least.min(cost[row * columns + column] + best(cost, rows, columns, row + 1, taken));
            taken[column] = false;
        }
    }
    least
}

#[test]
fn directions_are_pushed_apart_as_saelens_does_it() {
    let (all, tensors) = (json("toy"), numbers("toy"));
    for (number, theirs) in all["orthogonalize"].as_array().unwrap().iter().enumerate() {
        let start = &tensors[&format!("orthogonalize/{number}/start")];
        let rows = start.data.iter().map(|&v| f64::from(v)).collect();
        let end = block_on(orthogonalize(rows, start.shape[1], size(&theirs["steps"]), &Uninterrupted)).unwrap();
        let end = HostTensor { data: end.into_iter().map(|v| v as f32).collect(), shape: start.shape.clone() };
        assert_close("orthogonalize", &end, &tensors[&format!("orthogonalize/{number}/end")], 1e-5);
    }
}

#[test]
fn worlds_are_made_as_they_say() {
    let all = json("toy");
    for given in all["quantiles"].as_array().unwrap() {
        let ours = quantile(given["probability"].as_f64().unwrap());
        assert!((ours - given["z"].as_f64().unwrap()).abs() < 1e-7, "{ours} against {given}");
    }
    let rows = 100_000;
    for given in all["correlated"].as_array().unwrap() {
        let number = |name: &str| given[name].as_f64().unwrap();
        let settings = WorldSettings {
            n_features: 4,
            d_in: 3,
            probability: number("probability"),
            correlation: number("correlation"),
            mean_magnitude: 1.0,
            std_magnitude: 0.2,
            orthogonalize: 0,
            rows,
            seed: 3,
        };
        let world = block_on(world(&settings, &Uninterrupted)).unwrap();
        let x: Vec<&[f32]> = world.x.data.chunks_exact(4).collect();
        let share = |holds: &dyn Fn(&[f32]) -> bool| x.iter().filter(|row| holds(row)).count() as f64 / rows as f64;
        let deviation = |p: f64| 4.5 * (p * (1.0 - p) / rows as f64).sqrt();
        for i in 0..4 {
            assert!((share(&|row| row[i] > 0.0) - number("probability")).abs() < deviation(number("probability")), "{given}");
        }
        for (i, j) in [(0, 1), (1, 3)] {
            assert!((share(&|row| row[i] > 0.0 && row[j] > 0.0) - number("both")).abs() < deviation(number("both")), "{given}");
        }
        let active: Vec<f64> = world.x.data.iter().filter(|x| **x > 0.0).map(|&x| f64::from(x)).collect();
        assert!((active.iter().sum::<f64>() / active.len() as f64 - 1.0).abs() < 0.01);
        for row in [0, rows - 1] {
            for k in 0..3 {
                let theirs: f32 = (0..4).map(|i| x[row][i] * world.directions.data[3 * i + k]).sum();
                assert!((world.acts.data[3 * row + k] - theirs).abs() < 1e-5);
            }
        }
        assert!(world.directions.data.chunks_exact(3).all(|d| (d.iter().map(|v| v * v).sum::<f32>() - 1.0).abs() < 1e-5));
    }
}

/// Counts its visits and ends the work at one of them.
struct Stop {
    at: usize,
    seen: RefCell<Vec<Progress>>,
}

impl Checkpoint for Stop {
    async fn reached(&self, progress: Progress) -> Result<()> {
        self.seen.borrow_mut().push(progress);
        if self.seen.borrow().len() >= self.at { Err(LabError::cancelled()) } else { Ok(()) }
    }
}

#[test]
fn long_work_reports_and_can_be_ended() {
    let watch = |at| Stop { at, seen: RefCell::default() };
    let stop = watch(3);
    let error = block_on(train(&Config { steps: 100_000, ..config(Kind::ReluOutput, &[0.1, 0.2], 0) }, &Given::default(), &stop)).unwrap_err();
    assert_eq!((error.code, stop.seen.borrow().len()), (code::CANCELLED, 3));
    // A wide model's features one by one are long work already.
    let stop = watch(2);
    let error = block_on(interference(&Weights::zeros(Kind::ReluOutput, 4096, 64), &[1], &stop)).unwrap_err();
    assert_eq!(error.code, code::CANCELLED);
    assert!(matches!(stop.seen.borrow().last(), Some(Progress::Analyse { done: 0, total: 4096 })));
    // One step is cut where it is long.
    let stop = watch(usize::MAX);
    let wide = Config { n_features: 400, n_hidden: 100, steps: 2, batch_size: 500, eval_rows: 10, ..config(Kind::ReluOutput, &[0.1], 0) };
    block_on(train(&wide, &Given::default(), &stop)).unwrap();
    assert!(stop.seen.borrow().len() > 2 * 500 * 400 * 100 / (1 << 19));
    assert!(matches!(stop.seen.borrow().last(), Some(Progress::Toy { done: 2, total: 2, losses }) if losses.len() == 1));
    let settings = WorldSettings {
        n_features: 100,
        d_in: 50,
        probability: 0.1,
        correlation: 0.0,
        mean_magnitude: 1.0,
        std_magnitude: 0.0,
        orthogonalize: 100,
        rows: 10,
        seed: 0,
    };
    assert_eq!(block_on(world(&settings, &watch(2))).unwrap_err().code, code::CANCELLED);
    let many = HostTensor { data: Rng::new(0).symmetric(300 * 100, 1.0), shape: vec![300, 100] };
    assert_eq!(block_on(match_features(&many, &many, None, false, &watch(4))).unwrap_err().code, code::CANCELLED);
    let matched = block_on(match_features(&many, &many, None, false, &Uninterrupted)).unwrap();
    assert!((matched.mcc - 1.0).abs() < 1e-6 && matched.pairs.iter().all(|p| p.truth == p.found));
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let good = config(Kind::ReluHidden, &[0.1], 0);
    let refused = |config: Config, given: Given| block_on(train(&config, &given, &Uninterrupted)).unwrap_err().code;
    for bad in [
        Config { n_hidden: 0, ..good.clone() },
        Config { n_features: 5000, ..good.clone() },
        Config { n_features: 4096, n_hidden: 4096, ..good.clone() },
        Config { probabilities: vec![], ..good.clone() },
        Config { probabilities: vec![0.0], ..good.clone() },
        Config { probabilities: vec![f64::NAN], ..good.clone() },
        Config { importance_decay: 1.5, ..good.clone() },
        Config { lr: 0.0, ..good.clone() },
        Config { steps: 0, ..good.clone() },
        Config { batch_size: 1 << 24, ..good.clone() },
        Config { eval_rows: 0, ..good.clone() },
    ] {
        assert_eq!(refused(bad, Given::default()), code::BAD_SETTING);
    }
    let other = Weights::zeros(Kind::ReluHidden, 4, 2);
    assert_eq!(refused(good.clone(), Given { weights: Some(vec![other.clone()]), batches: None }), code::WIDTH_MISMATCH);
    assert_eq!(refused(good.clone(), Given { weights: Some(vec![other.clone(), other.clone()]), batches: None }), code::BAD_SETTING);
    let short = HostTensor { data: vec![0.0; 50], shape: vec![10, 1, 5] };
    assert_eq!(refused(good.clone(), Given { weights: None, batches: Some(vec![short]) }), code::WIDTH_MISMATCH);
    assert_eq!(refused(Config { lr: 1e200, steps: 20, ..good }, Given::default()), code::NOT_FINITE);
    let rows = HostTensor { data: vec![0.0; 10], shape: vec![2, 5] };
    assert_eq!(block_on(reconstruct(&other, &rows, &Uninterrupted)).unwrap_err().code, code::WIDTH_MISMATCH);
    let codes = [vec![], vec![0], vec![5]].map(|sizes| block_on(interference(&other, &sizes, &Uninterrupted)).unwrap_err().code);
    assert_eq!(codes, [code::BAD_SETTING; 3]);
    assert_eq!(block_on(interference(&Weights::zeros(Kind::ReluOutput, 400, 2), &[8], &Uninterrupted)).unwrap_err().code, code::BAD_SETTING);
    let (two, three) = (HostTensor { data: vec![1.0; 4], shape: vec![2, 2] }, HostTensor { data: vec![1.0; 6], shape: vec![2, 3] });
    assert_eq!(block_on(match_features(&two, &three, None, false, &Uninterrupted)).unwrap_err().code, code::WIDTH_MISMATCH);
    let activity = Activity { found: &two, truth: &three };
    assert_eq!(block_on(match_features(&two, &two, Some(activity), false, &Uninterrupted)).unwrap_err().code, code::WIDTH_MISMATCH);
    let named = BTreeMap::from([("W".to_string(), two.clone())]);
    assert_eq!(Weights::from_named(Kind::ReluOutput, &named).unwrap_err().code, code::BAD_SETTING);
}
