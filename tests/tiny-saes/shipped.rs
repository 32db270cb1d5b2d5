//! The SAEs that the lab brings for the tiny model: one hook, four widths, one recipe. Batch top-k ones,
//! which SAELens's files hold as JumpReLU with one threshold.

use std::cell::RefCell;

use burn::tensor::Device;
use pollster::block_on;
use sae_lab::Result;
use sae_lab::sae::files::{WriteSettings, write};
use sae_lab::sae::{Config, Init, Kind, Metadata, Sae};
use serde_json::json;

use crate::Bench;
use crate::architectures::recipe;
use crate::run::{BATCH, Contestant, train};

const EXPANSIONS: [usize; 4] = [2, 4, 8, 16];
const ROWS: usize = 1_500_000;
const L0: f64 = 24.0;

pub fn run(bench: &Bench) -> Result<()> {
    let rows = bench.rows.unwrap_or(ROWS);
    let steps = rows / BATCH;
    let contestant = |expansion: usize| -> Result<Contestant> {
        let mut config = Config::new(Kind::BatchTopK, 96, 96 * expansion, 1);
        config.extras.k = L0;
        config.metadata = Metadata {
            model_name: Some("tiny".into()),
            hook_name: Some(crate::HOOK.into()),
            prepend_bos: Some(true),
            context_size: Some(bench.model.config.n_ctx),
            center: Some(true),
            dataset_path: Some("tests/tiny-lm/make_corpus.py, seed 0".into()),
            ..Metadata::default()
        };
        let sae = RefCell::new(Sae::new(config, &Init::of(Kind::BatchTopK), &Device::flex())?);
        Ok(Contestant { name: format!("{expansion}x"), sae, recipe: recipe(steps), wanted: L0, target_l0: None })
    };
    let contestants = EXPANSIONS.into_iter().map(contestant).collect::<Result<Vec<_>>>()?;
    train(bench, &contestants, rows, 0)?;
    println!("\n| width | L0 | explained variance | ΔCE, nats | never active on held-out rows |\n|---|---|---|---|---|");
    for c in &contestants {
        let verdict = bench.judge.verdict(&bench.model, &bench.tokenizer, &c.sae.borrow().inference())?;
        let (f, s) = (&verdict.figures, &verdict.spliced);
        let d_sae = c.sae.borrow().config.d_sae;
        println!("| {d_sae} | {:.1} | {:.3} | {:.3} | {} |", f.l0, f.ev_per_dimension.unwrap_or(f64::NAN), s.delta_ce, f.dead_latents);
        c.sae.borrow_mut().log_sparsity = Some(verdict.density.iter().map(|d| (d + 1e-10).log10() as f32).collect());
        let files = block_on(write(&c.sae, &WriteSettings { half: true, ..WriteSettings::default() }))?;
        let folder = bench.root.join("www/models/saes/tiny").join(format!("{}_{d_sae}", crate::HOOK));
        let quality = json!({ "rows": verdict.figures, "spliced": verdict.spliced, "trainedOn": rows, "judgedOn": bench.judge.rows(), "withoutPosition0": true });
        let write = || -> std::io::Result<()> {
            std::fs::create_dir_all(&folder)?;
            std::fs::write(folder.join("cfg.json"), &files.cfg)?;
            std::fs::write(folder.join("sae_weights.safetensors"), &files.weights)?;
            std::fs::write(folder.join("sparsity.safetensors"), files.sparsity.as_deref().unwrap_or_default())?;
            std::fs::write(folder.join("quality.json"), serde_json::to_string_pretty(&quality).unwrap_or_default() + "\n")
        };
        write().map_err(|e| sae_lab::LabError::file(format!("{}: {e}", folder.display())))?;
    }
    Ok(())
}
