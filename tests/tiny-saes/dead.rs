//! Remedies for dead latents at 8× width: dead fraction and explained variance as training goes on.

use std::cell::RefCell;
use std::path::Path;

use burn::tensor::Device;
use plotters::prelude::{IntoDrawingArea, SVGBackend};
use sae_lab::plot::{Curves, Theme, curves};
use sae_lab::sae::train::{Recipe, Remedy};
use sae_lab::sae::{Config, Init, Kind, Sae};
use sae_lab::{LabError, Result};
use serde_json::{Value, json};

use crate::Bench;
use crate::architectures::recipe;
use crate::run::{BATCH, Contestant, ENTRY_EVERY, train};

const D_SAE: usize = 768;
const ROWS: usize = 800_000;
const KINDS: [(Kind, &str); 2] = [(Kind::TopK, "top-k, k = 20"), (Kind::Standard, "standard, steered to L0 20")];

pub fn run(bench: &Bench) -> Result<()> {
    let rows = bench.rows.unwrap_or(ROWS);
    let steps = rows / BATCH;
    let remedies = [("none", Remedy::None), ("resampling", Remedy::Resample), ("ghost gradients", Remedy::Ghost), ("auxiliary top-k", Remedy::AuxK)];
    let pairs = KINDS.into_iter().flat_map(|(kind, _)| remedies.map(|remedy| (kind, remedy)));
    let contestants = pairs.map(|(kind, remedy)| contestant(kind, remedy, steps)).collect::<Result<Vec<_>>>()?;
    train(bench, &contestants, rows, 0)?;
    let mut out = Vec::new();
    for (group, (kind, title)) in contestants.chunks(remedies.len()).zip(KINDS) {
        println!("\n| {title} | dead at the end | never active on held-out rows | explained variance | ΔCE, nats |\n|---|---|---|---|---|");
        for c in group {
            let sae = c.sae.borrow();
            let verdict = bench.judge.verdict(&bench.model, &bench.tokenizer, &sae.inference())?;
            let (f, s) = (&verdict.figures, &verdict.spliced);
            let dead = sae.history.last().map_or(0, |e| e.dead);
            let ev = f.ev_per_dimension.unwrap_or(f64::NAN);
            println!("| {} | {dead} of {D_SAE} | {} | {ev:.3} | {:.3} |", c.name, f.dead_latents, s.delta_ce);
            let curve: Vec<Value> = sae.history.iter().map(|e| json!([e.steps, e.dead, e.recon])).collect();
            out.push(json!({ "architecture": kind, "remedy": c.name, "curve": curve, "verdict": verdict.json() }));
        }
    }
    let out = json!({ "hook": crate::HOOK, "dSae": D_SAE, "rows": rows, "batch": BATCH, "entryEvery": ENTRY_EVERY, "curve": ["steps", "dead", "recon"], "saes": out });
    crate::write(bench, "dead-latents.json", &out)?;
    draw(bench)
}

fn contestant(kind: Kind, (name, remedy): (&str, Remedy), steps: usize) -> Result<Contestant> {
    let mut config = Config::new(kind, 96, D_SAE, 1);
    config.extras.k = 20.0;
    let recipe = Recipe { l1: 1.0, l1_warm_up_steps: steps / 20, remedy: Some(remedy), resample_every: steps / 5, ..recipe(steps) };
    let sae = RefCell::new(Sae::new(config, &Init::of(kind), &Device::flex())?);
    Ok(Contestant { name: name.into(), sae, recipe, wanted: 20.0, target_l0: (!kind.is_top_k()).then_some(20.0) })
}

/// Draws what dead-latents.json holds: the fraction dead above, the squared error below, one line per remedy.
pub fn draw(bench: &Bench) -> Result<()> {
    let results = crate::read(bench, "dead-latents.json");
    let saes = results["saes"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (kind, title) in KINDS {
        let of_kind: Vec<&Value> = saes.iter().filter(|sae| sae["architecture"] == kind.name()).collect();
        draw_one(&crate::results(bench).join(format!("dead-latents-{}.svg", kind.name())), title, &of_kind)?;
    }
    Ok(())
}

fn draw_one(path: &Path, title: &str, saes: &[&Value]) -> Result<()> {
    let area = SVGBackend::new(path, (720, 560)).into_drawing_area();
    let column = |sae: &Value, i: usize| -> Vec<f64> {
        let entries = sae["curve"].as_array().map(Vec::as_slice).unwrap_or_default();
        entries.iter().map(|entry| entry[i].as_f64().unwrap_or(f64::NAN)).collect()
    };
    let spec = |title: Option<String>, y_label: &str, y_log: bool, i: usize, scale: f64| Curves {
        scale: 1.0,
        theme: Theme { paper: "#ffffff".into(), ink: "#111111".into(), quiet: "#555555".into(), line: "#dddddd".into(), series: Vec::new() },
        title,
        x_label: "steps".into(),
        y_label: y_label.into(),
        x_log: false,
        y_log,
        x_min: None,
        x_max: None,
        y_min: (!y_log).then_some(0.0),
        y_max: None,
        lines: saes
            .iter()
            .map(|sae| curves::Line {
                label: sae["remedy"].as_str().unwrap_or_default().into(),
                x: column(sae, 0),
                y: column(sae, i).into_iter().map(|v| v * scale).collect(),
                dash: false,
                markers: None,
                color: None,
            })
            .collect(),
        rules: Vec::new(),
    };
    let (above, below) = area.split_vertically(280);
    curves::draw(&above, 1, &spec(Some(format!("{title}, {D_SAE} latents")), "dead, % of the latents", false, 1, 100.0 / D_SAE as f64))?;
    curves::draw(&below, 1, &spec(None, "squared error of a row", true, 2, 1.0))?;
    area.present().map_err(|e| LabError::file(format!("{}: {e}", path.display())))
}
