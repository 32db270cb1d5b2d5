//! Continuing a text token by token.

use super::cache::KvCache;
use super::hooks::Hooks;
use super::model::{Gpt2, LogitsWanted};
use super::sampling::{Sampling, log_probability, sample};
use crate::error::{LabError, Result, check_setting, code};
use crate::progress::{Checkpoint, Progress};
use crate::rng::Rng;
use crate::tensors::read;
use crate::tokenizer::Tokenizer;

/// How to go on.
#[derive(Debug, Clone)]
pub struct GenerateSettings {
    pub max_new_tokens: usize,
    pub sampling: Sampling,
    pub seed: u64,
    pub stop_at_eos: bool,
    /// Run only the newest token, with the keys and values of the earlier ones kept.
    pub use_cache: bool,
}

/// The continued text. `ids` holds the prompt (with BOS) and `new_ids`; `logprobs` are the natural
/// log-probabilities of the new tokens under the (steered) model, before temperature and filters.
#[derive(Debug, Clone)]
pub struct Generated {
    pub text: String,
    pub ids: Vec<u32>,
    pub new_ids: Vec<u32>,
    pub logprobs: Vec<f32>,
}

/// Continues `prompt` (token ids, with BOS if wanted), with the edits of `hooks` at every step.
/// `text` in the result is the prompt's text and its continuation, without a leading BOS.
pub async fn generate(
    model: &Gpt2,
    tokenizer: &Tokenizer,
    prompt: &[u32],
    settings: &GenerateSettings,
    hooks: &mut Hooks,
    pause: &impl Checkpoint,
) -> Result<Generated> {
    settings.sampling.check()?;
    let total = settings.max_new_tokens;
    check_setting(total >= 1, "maxNewTokens", total, "at least 1")?;
    model.check_ids(prompt, 0)?;
    let n_ctx = model.config.n_ctx;
    if total > n_ctx + 1 - prompt.len() {
        return Err(LabError::new(
            code::TOO_LONG,
            format!("{} tokens of prompt and {total} new ones exceed the {n_ctx} that this model sees at once.", prompt.len()),
            format!("Ask for at most {} new tokens, or shorten the prompt.", n_ctx + 1 - prompt.len()),
        ));
    }
    let mut rng = Rng::new(settings.seed);
    let mut cache = settings.use_cache.then(|| KvCache::with_room(prompt.len() + total));
    let mut ids = prompt.to_vec();
    let mut logprobs = Vec::with_capacity(total);
    hooks.prompt_len = prompt.len();
    for done in 1..=total {
        let start = cache.as_ref().map_or(0, |c| c.len());
        let logits = model.forward(&[&ids[start..]], cache.as_mut(), hooks, LogitsWanted::LastRaw)?;
        let Some(logits) = logits else { break };
        let logits = read(logits).await?.data;
        if logits.iter().any(|x| !x.is_finite()) {
            return Err(LabError::new(code::NOT_FINITE, "The model's output is not a number.", "Steer with less strength."));
        }
        let id = sample(&logits, &ids, &settings.sampling, &mut rng);
        logprobs.push(log_probability(&logits, id) as f32);
        ids.push(id);
        let text = tokenizer.decode(&ids[prompt.len()..]);
        pause.reached(Progress::Generate { done, total, id, token: tokenizer.decode_token(id), text }).await?;
        if settings.stop_at_eos && id == model.config.eos {
            break;
        }
    }
    let shown = if ids[0] == model.config.bos { &ids[1..] } else { &ids[..] };
    Ok(Generated { text: tokenizer.decode(shown), new_ids: ids[prompt.len()..].to_vec(), ids, logprobs })
}
