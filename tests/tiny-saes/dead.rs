//! Remedies for dead latents at 8× width: dead fraction and explained variance as training goes on.

use std::cell::RefCell;

use burn::tensor::Device;
use sae_lab::Result;
use sae_lab::plot::{Curves, Theme, curves};
use sae_lab::sae::train::{Recipe, Remedy};
use sae_lab::sae::{Config, Init, Kind, Sae};
use serde_json::{Value, json};

use crate::Bench;
use crate::architectures::recipe;
use crate::run::{BATCH, Contestant, ENTRY_EVERY, train};

const D_SAE: usize = 768;
const ROWS: usize = 800_000;

pub fn run(bench: &Bench) -> Result<()> {
    let rows = bench.rows.unwrap_or(ROWS);
    let steps = rows / BATCH;
    let remedies = [("none", Remedy::None), ("resampling", Remedy::Resample), ("ghost gradients", Remedy::Ghost), ("auxiliary top-k", Remedy::AuxK)];
    let kinds = [(Kind::TopK, "top-k, k = 20"), (Kind::Standard, "standard, steered to L0 20")];
    let pairs = kinds.into_iter().flat_map(|(kind, _)| remedies.map(|remedy| (kind, remedy)));
    let contestants = pairs.map(|(kind, remedy)| contestant(kind, remedy, steps)).collect::<Result<Vec<_>>>()?;
    train(bench, &contestants, rows, 0)?;
    let mut out = Vec::new();
    for (group, (kind, title)) in contestants.chunks(remedies.len()).zip(kinds) {
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
        draw(bench, &format!("dead-latents-{}.svg", kind.name()), &format!("{title}, {D_SAE} latents"), group)?;
    }
    let out = json!({ "hook": crate::HOOK, "dSae": D_SAE, "rows": rows, "batch": BATCH, "entryEvery": ENTRY_EVERY, "curve": ["steps", "dead", "recon"], "saes": out });
    crate::write(bench, "dead-latents.json", &out)
}

fn contestant(kind: Kind, (name, remedy): (&str, Remedy), steps: usize) -> Result<Contestant> {
    let mut config = Config::new(kind, 96, D_SAE, 1);
    config.extras.k = 20.0;
    let recipe = Recipe { l1: 1.0, l1_warm_up_steps: steps / 20, remedy: Some(remedy), resample_every: steps / 5, ..recipe(steps) };
    let sae = RefCell::new(Sae::new(config, &Init::of(kind), &Device::flex())?);
    Ok(Contestant { name: name.into(), sae, recipe, target_l0: (!kind.is_top_k()).then_some(20.0) })
}

/// Dead fraction above, squared error below, one line per remedy.
fn draw(bench: &Bench, file: &str, title: &str, contestants: &[Contestant]) -> Result<()> {
    use plotters::prelude::{IntoDrawingArea, SVGBackend};
    let path = crate::results(bench).join(file);
    let area = SVGBackend::new(&path, (720, 560)).into_drawing_area();
    let theme = Theme { paper: "#ffffff".into(), ink: "#111111".into(), quiet: "#555555".into(), line: "#dddddd".into(), series: Vec::new() };
    let spec = |title: Option<String>, y_label: &str, y_max: Option<f64>, value: &dyn Fn(&sae_lab::sae::Entry) -> f64| Curves {
        scale: 1.0,
        theme: theme.clone(),
        title,
        x_label: "steps".into(),
        y_label: y_label.into(),
        y_log: false,
        x_min: None,
        x_max: None,
        y_min: Some(0.0),
        y_max,
        lines: contestants
            .iter()
            .map(|c| {
                let sae = c.sae.borrow();
                let x = sae.history.iter().map(|e| e.steps as f64).collect();
                curves::Line { label: c.name.clone(), x, y: sae.history.iter().map(value).collect(), dash: false, color: None }
            })
            .collect(),
        rules: Vec::new(),
    };
    let (above, below) = area.split_vertically(280);
    curves::draw(&above, 1, &spec(Some(title.into()), "fraction dead", Some(1.0), &|e| e.dead as f64 / D_SAE as f64))?;
    curves::draw(&below, 1, &spec(None, "squared error", None, &|e| e.recon))?;
    area.present().map_err(|e| sae_lab::LabError::file(format!("{}: {e}", path.display())))
}
