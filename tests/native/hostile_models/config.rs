//! `config.json`.

use sae_lab::gpt2::Config;
use serde_json::{Value, json};

use super::{all_refused, case, spoilt};

fn right() -> Value {
    json!({
        "model_type": "gpt2", "vocab_size": 50257, "n_positions": 1024, "n_embd": 768, "n_layer": 12, "n_head": 12, "bos_token_id": 50256, "eos_token_id": 50256,
        "architectures": ["GPT2LMHeadModel"], "task_specific_params": {"text-generation": {"do_sample": true}},
    })
}

fn with(changes: &[(&str, Value)]) -> Vec<u8> {
    let mut config = right();
    for (key, value) in changes {
        config[key] = value.clone();
    }
    config.to_string().into_bytes()
}

#[test]
fn gpt2_small_is_read() {
    let config = Config::from_json(&with(&[])).unwrap();
    assert_eq!((config.d_head, config.d_mlp, config.bos, config.eps), (64, 3072, 50256, 1e-5));
    assert_eq!(config.parameters(), 124_439_808);
    let null = Config::from_json(&with(&[("n_inner", Value::Null), ("bos_token_id", Value::Null)])).unwrap();
    assert_eq!((null.d_mlp, null.bos), (3072, 50256));
    // The largest published, GPT-2 XL.
    let xl = Config::from_json(&with(&[("n_embd", json!(1600)), ("n_layer", json!(48)), ("n_head", json!(25))])).unwrap();
    assert_eq!(xl.parameters(), 1_557_611_200);
}

#[test]
fn hostile_configurations() {
    let long = "x".repeat(100_000);
    let text = |text: &str| text.as_bytes().to_vec();
    let cases = vec![
        case("nothing", text(""), &["config.json", "EOF"]),
        case("cut off", text("{"), &["config.json", "EOF"]),
        case("a list", text("[]"), &["a list"]),
        case("a number", text("768"), &["768"]),
        case("a web page", text("<!DOCTYPE html><title>404</title>"), &["config.json is a web page"]),
        case("a git-lfs pointer", text("version https://git-lfs.github.com/spec/v1\n"), &["git-lfs"]),
        case("a pickle", text("PK\x03\x04"), &["pickle"]),
        case("no UTF-8", b"{\"n_embd\": \"\xff\"}".to_vec(), &["UTF-8", "byte 12"]),
        case("more than a megabyte", vec![b' '; (1 << 20) + 1], &["1048577"]),
        case("text behind it", [with(&[]), text("{}")].concat(), &["trailing"]),
        case("a key twice", text(r#"{"n_embd": 768, "n_embd": 16}"#), &["n_embd", "twice"]),
        case("an escaped key twice", text(r#"{"n_embd": 768, "n_e\u006dbd": 16}"#), &["n_embd", "twice"]),
        case("a key twice where nothing is read", text(r#"{"a": {"b": 1, "b": 2}}"#), &["\"b\"", "twice"]),
        case("lists in lists", text(&format!("{{\"a\": {}", "[".repeat(100_000))), &["too deep"]),
        case("objects in objects", text(&"{\"a\":".repeat(100_000)), &["too deep"]),
        case("NaN", text(r#"{"layer_norm_epsilon": NaN}"#), &["can't be read"]),
        case("a number that overflows", text(r#"{"layer_norm_epsilon": 1e999}"#), &["can't be read"]),
        case("a size is missing", text(r#"{"model_type": "gpt2", "vocab_size": 8, "n_positions": 8, "n_layer": 1, "n_head": 1}"#), &["n_embd"]),
        case("a size as text", with(&[("n_embd", json!("768"))]), &["768", "usize"]),
        case("a long text", with(&[("n_embd", json!(long))]), &["xxx…"]),
        case("a long kind", with(&[("model_type", json!(long))]), &["xxx…"]),
        case("a fraction", with(&[("n_embd", json!(768.5))]), &["768.5"]),
        case("below 0", with(&[("n_layer", json!(-1))]), &["-1"]),
        case("0 blocks", with(&[("n_layer", json!(0))]), &["n_layer is 0"]),
        case("0 heads", with(&[("n_head", json!(0))]), &["n_head is 0"]),
        case("0 wide", with(&[("n_embd", json!(0))]), &["n_embd is 0"]),
        case("no vocabulary", with(&[("vocab_size", json!(0))]), &["vocab_size is 0"]),
        case("an inner layer of 0", with(&[("n_inner", json!(0))]), &["n_inner is 0"]),
        case("2^40 wide", with(&[("n_embd", json!(1u64 << 40))]), &["n_embd is 1099511627776", "16384"]),
        case("2^64 - 1 tokens", with(&[("vocab_size", json!(u64::MAX))]), &["vocab_size is 18446744073709551615"]),
        case("a context of 2^31", with(&[("n_positions", json!(1u64 << 31))]), &["n_positions is 2147483648"]),
        case("a million blocks", with(&[("n_layer", json!(1_000_000))]), &["n_layer is 1000000"]),
        case(
            "each size allowed, their product not",
            with(&[("n_embd", json!(1 << 14)), ("n_layer", json!(512)), ("n_head", json!(1))]),
            &["parameters", "4294967295"],
        ),
        case("heads that do not share the width", with(&[("n_head", json!(7))]), &["768", "7"]),
        case("another architecture", with(&[("model_type", json!("llama"))]), &["llama"]),
        case("another activation", with(&[("activation_function", json!("relu"))]), &["relu"]),
        case("an untied head", with(&[("tie_word_embeddings", json!(false))]), &["untied"]),
        case("unscaled attention", with(&[("scale_attn_weights", json!(false))]), &["scaling"]),
        case("attention scaled by layer", with(&[("scale_attn_by_inverse_layer_idx", json!(true))]), &["scaling"]),
        case("an epsilon of 0", with(&[("layer_norm_epsilon", json!(0.0))]), &["layer_norm_epsilon is 0"]),
        case("an epsilon below f32", with(&[("layer_norm_epsilon", json!(1e-300))]), &["layer_norm_epsilon"]),
        case("a negative epsilon", with(&[("layer_norm_epsilon", json!(-1e-5))]), &["layer_norm_epsilon is -"]),
        case("a huge epsilon", with(&[("layer_norm_epsilon", json!(1e300))]), &["layer_norm_epsilon"]),
        case("BOS outside the vocabulary", with(&[("bos_token_id", json!(50257))]), &["50257"]),
        case("EOS outside the vocabulary", with(&[("vocab_size", json!(50000))]), &["50256", "50000"]),
        case("BOS below 0", with(&[("bos_token_id", json!(-1))]), &["-1"]),
    ];
    let count = all_refused("LAB-BAD-FILE", cases, |file| Config::from_json(file).map(drop));
    assert!(count >= 20, "{count}");
}

#[test]
fn spoilt_configurations_end_in_an_error_or_a_configuration() {
    let (mut read, mut refused) = (0, 0);
    spoilt(&with(&[]), 4000, |file| match Config::from_json(&file) {
        Ok(config) => {
            assert!(config.parameters() <= u32::MAX as usize);
            read += 1;
        }
        Err(error) => {
            assert_eq!(error.code, "LAB-BAD-FILE");
            refused += 1;
        }
    });
    assert!(read > 100 && refused > 1000, "{read} were read, {refused} refused");
}
