//! Held-out text, and what an SAE is worth on it.

use pollster::block_on;
use sae_lab::Result;
use sae_lab::activations::{Activations, CollectSettings, Keep, collect};
use sae_lab::analysis::{Figures, QualitySettings, Spliced, SplicedSettings, quality, spliced, token_sequences};
use sae_lab::gpt2::{Gpt2, HookPoint, View};
use sae_lab::progress::Uninterrupted;
use sae_lab::sae::Inference;
use sae_lab::tokenizer::Tokenizer;
use serde_json::{Value, json};

/// Documents that are run for the rows, and how many of them for the spliced-in loss as well.
const DOCUMENTS: usize = 100;
const SPLICED: usize = 25;

pub struct Judge {
    acts: Activations,
    sequences: Vec<Vec<u32>>,
    point: HookPoint,
}

/// Figures of the rows after position 0, and of the model with the SAE in it.
pub struct Verdict {
    pub figures: Figures,
    pub spliced: Spliced,
    /// Fraction of the rows on which each latent is active.
    pub density: Vec<f64>,
}

impl Judge {
    pub fn new(model: &Gpt2, tokenizer: &Tokenizer, texts: &[String], point: HookPoint) -> Result<Self> {
        let texts = &texts[..texts.len().min(DOCUMENTS)];
        let settings =
            CollectSettings { point, view: View::TransformerLens, keep: Keep::All, prepend_bos: true, max_tokens: None, random: None, seed: 0 };
        let acts = block_on(collect(model, tokenizer, texts, &settings, &Uninterrupted))?;
        let sequences = token_sequences(tokenizer, &texts[..texts.len().min(SPLICED)], true, model.config.n_ctx)?;
        Ok(Self { acts, sequences, point })
    }

    pub fn rows(&self) -> usize {
        self.acts.rows()
    }

    pub fn verdict(&self, model: &Gpt2, tokenizer: &Tokenizer, sae: &Inference) -> Result<Verdict> {
        let settings = QualitySettings { skip_position_0: true, ..QualitySettings::default() };
        let quality = block_on(quality(sae, &self.acts, &settings, &Uninterrupted))?;
        let settings = SplicedSettings {
            point: self.point,
            out: self.point,
            head: None,
            view: View::TransformerLens,
            special: vec![tokenizer.end_of_text],
            skip_position_0: false,
            keep_error: false,
            without_features: Vec::new(),
            ablate_skipped: false,
        };
        let spliced = block_on(spliced(model, sae, &self.sequences, &settings, &Uninterrupted))?;
        Ok(Verdict { density: quality.latents.density(), figures: quality.chosen, spliced })
    }
}

impl Verdict {
    /// The figures that the tables and quality.json show.
    pub fn json(&self) -> Value {
        json!({ "rows": self.figures, "spliced": self.spliced })
    }
}
