//! All architectures at the same L0 on the same rows: explained variance and loss recovered on held-out text.

use std::cell::RefCell;

use burn::tensor::Device;
use sae_lab::Result;
use sae_lab::sae::adam::AdamSettings;
use sae_lab::sae::train::{BDecInit, DecoderNorm, Recipe};
use sae_lab::sae::{Config, Init, JumpPenalty, Kind, Sae};
use serde_json::json;

use crate::Bench;
use crate::run::{BATCH, Contestant, train};

const L0: [f64; 2] = [20.0, 50.0];
const D_SAE: usize = 768;
const ROWS: usize = 600_000;

pub fn run(bench: &Bench) -> Result<()> {
    let rows = bench.rows.unwrap_or(ROWS);
    let wanted = |kind: &Kind| bench.only.as_ref().is_none_or(|only| only == kind.name());
    let pairs = Kind::ALL.into_iter().filter(wanted).flat_map(|kind| L0.map(|l0| (kind, l0)));
    let contestants = pairs.map(|(kind, l0)| contestant(kind, l0, rows / BATCH, bench.lr)).collect::<Result<Vec<_>>>()?;
    train(bench, &contestants, rows, 0)?;
    // The others' figures stay.
    let mut table = crate::read(bench, "architectures.json")["saes"].as_array().cloned().unwrap_or_default();
    for c in &contestants {
        let sae = c.sae.borrow();
        let verdict = bench.judge.verdict(&bench.model, &bench.tokenizer, &sae.inference())?;
        let coefficient = sae.history.last().map(|e| e.coefficient);
        let wanted = c.wanted;
        let lr = c.recipe.adam.lr;
        table.retain(|row| row["architecture"] != sae.config.architecture.name() || row["wanted"] != json!(wanted) || row["lr"] != json!(lr));
        table.push(
            json!({ "architecture": sae.config.architecture, "wanted": wanted, "lr": lr, "coefficient": coefficient, "verdict": verdict.json() }),
        );
    }
    table.sort_by_key(|row| (row["wanted"].as_f64().map(f64::to_bits), Kind::ALL.iter().position(|k| row["architecture"] == k.name())));
    println!("\n| architecture | rate | L0 | explained variance | loss recovered | ΔCE, nats | dead |\n|---|---|---|---|---|---|---|");
    for row in &table {
        let (rows, spliced) = (&row["verdict"]["rows"], &row["verdict"]["spliced"]);
        let number = |v: &serde_json::Value, digits: usize| v.as_f64().map_or("–".into(), |v| format!("{v:.digits$}"));
        println!(
            "| {} | {} | {} | {} | {} | {} | {} |",
            row["architecture"].as_str().unwrap_or(""),
            row["lr"],
            number(&rows["l0"], 1),
            number(&rows["evPerDimension"], 3),
            number(&spliced["lossRecovered"], 4),
            number(&spliced["deltaCe"], 3),
            rows["deadLatents"],
        );
    }
    let out = json!({ "hook": crate::HOOK, "dSae": D_SAE, "rows": rows, "batch": BATCH, "judgedOn": bench.judge.rows(), "saes": table });
    crate::write(bench, "architectures.json", &out)
}

fn contestant(kind: Kind, l0: f64, steps: usize, lr: Option<f64>) -> Result<Contestant> {
    // Adam moves a threshold by its rate a step, and its way to where it matters is long.
    let lr = lr.unwrap_or(if kind == Kind::JumpRelu { 3e-3 } else { 1e-3 });
    let mut config = Config::new(kind, 96, D_SAE, 1);
    if kind.is_top_k() {
        config.extras.k = l0;
    }
    if kind == Kind::Matryoshka {
        config.extras.matryoshka_widths = vec![D_SAE / 16, D_SAE / 4, D_SAE];
    }
    if kind == Kind::JumpRelu {
        // Its thresholds follow a coefficient too slowly for it to be steered; this penalty has the L0 in it.
        config.extras.jumprelu_penalty = JumpPenalty::Quadratic;
        config.extras.jumprelu_target_l0 = l0;
    }
    let recipe = Recipe {
        adam: AdamSettings { lr, beta1: 0.9, beta2: 0.999, eps: 1e-8 },
        l1: match kind {
            Kind::Tied | Kind::Untied => 8.0,
            Kind::JumpRelu => 0.5,
            _ => 1.0,
        },
        l1_warm_up_steps: steps / 20,
        ..recipe(steps)
    };
    Ok(Contestant {
        name: format!("{} at {l0}", kind.name()),
        sae: RefCell::new(Sae::new(config, &Init::of(kind), &Device::flex())?),
        recipe,
        wanted: l0,
        target_l0: (!kind.is_top_k() && kind != Kind::JumpRelu).then_some(l0),
    })
}

/// What all experiments share: SAELens's optimiser, a rate that ends in a linear decay, b_dec from the mean.
pub fn recipe(steps: usize) -> Recipe {
    Recipe {
        adam: AdamSettings { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8 },
        lr_warm_up_steps: steps / 50,
        lr_decay_steps: steps / 5,
        gradient_clip: Some(1.0),
        decoder_norm: DecoderNorm::Free,
        b_dec_init: BDecInit::Mean,
        dead_window: 200,
        ..Recipe::default()
    }
}
