//! Trains SAEs of the tiny model on its own text, natively and by the lab's own code.
//!
//!     experiments shipped        the SAEs in www/models/saes, with their figures
//!     experiments architectures  all architectures at matched L0, as a table
//!     experiments dead           remedies for dead latents, with their curves
//!     experiments curves         draws these curves again
//!
//! `--corpus FILE` is what tests/tiny-lm/make_corpus.py writes; `--rows N` how many rows are trained on,
//! `--only NAME` the one architecture that is trained again, `--lr X` at another rate.
//! Every number is fixed by the seeds; other processors round differently.

mod architectures;
mod corpus;
mod dead;
mod judge;
mod run;
mod shipped;

use std::path::PathBuf;

use burn::tensor::Device;
use pollster::block_on;
use sae_lab::gpt2::{Config, Gpt2, HookPoint, Precision, load};
use sae_lab::tokenizer::Tokenizer;

use self::corpus::Corpus;
use self::judge::Judge;

/// Where chapter 9 looks.
const HOOK: &str = "blocks.8.hook_resid_pre";

/// The model, the text and the judge: what every experiment needs.
pub struct Bench {
    pub model: Gpt2,
    pub tokenizer: Tokenizer,
    pub corpus: Corpus,
    pub judge: Judge,
    pub point: HookPoint,
    /// Rows to train on, where the experiment's own number is not wanted.
    pub rows: Option<usize>,
    /// The one architecture to train, where not all are wanted.
    pub only: Option<String>,
    /// Adam's rate, instead of the architecture's.
    pub lr: Option<f64>,
    pub root: PathBuf,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1));
    let (Some(experiment), Some(corpus)) = (arguments.first(), option("--corpus")) else {
        eprintln!("experiments shipped|architectures|dead|curves --corpus FILE [--rows N] [--only ARCHITECTURE] [--lr X]");
        std::process::exit(2);
    };
    let rows = option("--rows").map(|n| n.parse().expect("--rows takes a number"));
    let mut bench = open(corpus, rows, option("--only").cloned()).unwrap_or_else(|error| {
        eprintln!("{error}");
        std::process::exit(1);
    });
    if let Err(error) = std::fs::create_dir_all(results(&bench)) {
        eprintln!("{error}");
        std::process::exit(1);
    }
    bench.lr = option("--lr").map(|lr| lr.parse().expect("--lr takes a number"));
    println!("{} documents to train on, {} rows to judge by", bench.corpus.trained.len(), bench.judge.rows());
    let done = match experiment.as_str() {
        "shipped" => shipped::run(&bench),
        "architectures" => architectures::run(&bench),
        "dead" => dead::run(&bench),
        "curves" => dead::draw(&bench),
        other => {
            eprintln!("no experiment is called {other}");
            std::process::exit(2);
        }
    };
    if let Err(error) = done {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

fn open(corpus: &str, rows: Option<usize>, only: Option<String>) -> Result<Bench, Box<dyn std::error::Error>> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let file = |name: &str| std::fs::read(root.join("www/models/tiny").join(name));
    let tokenizer = Tokenizer::from_json(&file("tokenizer.json")?)?;
    let weights = file("model.safetensors")?;
    let model = block_on(load(Config::from_json(&file("config.json")?)?, Precision::F32, &weights, &Device::flex()))?;
    let corpus = Corpus::read(corpus.as_ref())?;
    let point = HookPoint::parse(HOOK, &model.config)?;
    let judge = Judge::new(&model, &tokenizer, &corpus.held_out, point)?;
    Ok(Bench { model, tokenizer, corpus, judge, point, rows, only, lr: None, root })
}

/// Where the tables' numbers and the curves are kept.
fn results(bench: &Bench) -> PathBuf {
    bench.root.join("tests/tiny-saes/results")
}

fn write(bench: &Bench, name: &str, value: &serde_json::Value) -> sae_lab::Result<()> {
    let path = results(bench).join(name);
    let text = serde_json::to_string(value).unwrap_or_default() + "\n";
    std::fs::create_dir_all(results(bench))
        .and_then(|()| std::fs::write(&path, text))
        .map_err(|e| sae_lab::LabError::file(format!("{}: {e}", path.display())))
}

/// Null where there is no such file yet.
fn read(bench: &Bench, name: &str) -> serde_json::Value {
    std::fs::read(results(bench).join(name)).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}
