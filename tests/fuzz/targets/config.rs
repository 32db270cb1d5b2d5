//! `config.json`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sae_lab_fuzz::check_refusal;
use sae_lab_fuzz::config::Config;

fuzz_target!(|file: &[u8]| match Config::from_json(file) {
    Ok(config) => {
        assert_eq!(config.d_head * config.n_heads, config.d_model);
        assert!(config.parameters() <= u32::MAX as usize && config.d_model > 0 && config.n_layers > 0 && config.n_ctx > 0);
        assert!((config.bos as usize) < config.d_vocab && (config.eos as usize) < config.d_vocab && config.eps > 0.0);
    }
    Err(error) => check_refusal(&error),
});
