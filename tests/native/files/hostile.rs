//! Files that are wrong, by accident or on purpose: each is refused with a code and a message that
//! names the culprit, before anything is allocated that the file only claims to hold.

use burn::tensor::Device;
use sae_lab::LabError;
use sae_lab::files::Header;
use sae_lab::sae::files::{self, Release};
use serde_json::{Map, Value, json};

use crate::allocated::allocated_by;

const D_IN: usize = 4;
const D_SAE: usize = 6;

/// A right cfg.json, to be spoilt.
fn cfg() -> Map<String, Value> {
    let text = json!({
        "architecture": "standard", "d_in": D_IN, "d_sae": D_SAE, "dtype": "float32", "device": "cpu", "apply_b_dec_to_input": true,
        "normalize_activations": "none", "reshape_activations": "none", "metadata": {"sae_lens_version": "6.54.12", "hook_name": "blocks.0.hook_resid_pre"},
    });
    text.as_object().unwrap().clone()
}

/// The header of right weights, to be spoilt, and how many bytes of data it describes.
fn header() -> (Map<String, Value>, usize) {
    let mut out = Map::new();
    let mut at = 0;
    for (name, shape) in [("W_dec", vec![D_SAE, D_IN]), ("W_enc", vec![D_IN, D_SAE]), ("b_dec", vec![D_IN]), ("b_enc", vec![D_SAE])] {
        let end = at + 4 * shape.iter().product::<usize>();
        out.insert(name.into(), json!({"dtype": "F32", "shape": shape, "data_offsets": [at, end]}));
        at = end;
    }
    (out, at)
}

fn file(header: &str, data: &[u8]) -> Vec<u8> {
    let mut out = (header.len() as u64).to_le_bytes().to_vec();
    out.extend(header.bytes());
    out.extend(data);
    out
}

fn load(cfg: &[u8], weights: &[u8]) -> Result<(), LabError> {
    files::read(cfg, weights, None, &Release::default(), &Device::flex()).map(drop)
}

fn good_cfg() -> Vec<u8> {
    Value::Object(cfg()).to_string().into_bytes()
}

fn good_weights() -> Vec<u8> {
    let (header, length) = header();
    file(&Value::Object(header).to_string(), &vec![0; length])
}

/// Refused as a bad file, with all of `words` in the message, and a hint.
#[track_caller]
fn refused(result: Result<(), LabError>, words: &[&str]) {
    refused_as("LAB-BAD-FILE", result, words);
}

#[track_caller]
fn refused_as(code: &str, result: Result<(), LabError>, words: &[&str]) {
    let error = result.expect_err("should be refused");
    assert_eq!(error.code, code, "{error}");
    for word in words {
        assert!(error.message.contains(word), "{:?} lacks {word:?}", error.message);
    }
    assert!(!error.hint.is_empty());
}

/// Weights with a spoilt header.
fn with_header(change: impl FnOnce(&mut Map<String, Value>)) -> Result<(), LabError> {
    let (mut header, length) = header();
    change(&mut header);
    load(&good_cfg(), &file(&Value::Object(header).to_string(), &vec![0; length]))
}

fn with_cfg(change: impl FnOnce(&mut Map<String, Value>)) -> Result<(), LabError> {
    let mut cfg = cfg();
    change(&mut cfg);
    load(Value::Object(cfg).to_string().as_bytes(), &good_weights())
}

#[test]
fn the_unspoilt_files_are_read() {
    load(&good_cfg(), &good_weights()).unwrap();
    with_header(|h| drop(h.insert("__metadata__".into(), json!({"format": "pt"})))).unwrap();
    // A header of 640 bytes: the file then begins as a pickle does.
    let (header, length) = header();
    let padded = format!("{:<640}", Value::Object(header).to_string());
    load(&good_cfg(), &file(&padded, &vec![0; length])).unwrap();
    refused(load(&good_cfg(), &[b"\x80\x02}q\x00(X\x05\x00".as_slice(), &[7; 40]].concat()), &["a PyTorch pickle"]);
}

#[test]
fn files_of_another_kind() {
    let cfg = good_cfg();
    refused(load(&cfg, b""), &["sae_weights.safetensors", "0 bytes"]);
    refused(load(&cfg, b"1234567"), &["7 bytes"]);
    refused(load(&cfg, b"<!DOCTYPE html><title>Hugging Face</title>"), &["sae_weights.safetensors is a web page"]);
    refused(load(&cfg, b"\n  <html lang=en>"), &["a web page"]);
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:1234\nsize 151094568\n";
    refused(load(&cfg, pointer), &["a git-lfs pointer"]);
    refused(load(&cfg, b"PK\x03\x04........"), &["PyTorch"]);
    refused(load(b"<!doctype html>", &good_weights()), &["cfg.json is a web page"]);
    refused(load(pointer, &good_weights()), &["cfg.json is a git-lfs pointer"]);
    refused(load(&cfg, &file("[1, 2]  ", &[])), &["does not begin with {"]);
    refused(
        files::read(&cfg, &good_weights(), Some(b"<html>"), &Release::default(), &Device::flex()).map(drop),
        &["sparsity.safetensors is a web page"],
    );
}

#[test]
fn headers_that_are_no_header() {
    let cfg = good_cfg();
    let whole = good_weights();
    // The length of the header: too long for the file, for anything, and for arithmetic.
    refused(load(&cfg, &whole[..100]), &["header has", "92"]);
    refused(load(&cfg, &[&(1u64 << 40).to_le_bytes()[..], &whole[8..]].concat()), &["1099511627776", "1048576"]);
    refused(load(&cfg, &[&u64::MAX.to_le_bytes()[..], &whole[8..]].concat()), &["18446744073709551615"]);
    refused(load(&cfg, &file("", &[])), &["does not begin with {"]);
    // Text: not closed, more behind it, no UTF-8, too deep, keys twice.
    refused(load(&cfg, &file("{\"W_enc\": {", &[])), &["header can't be read"]);
    refused(load(&cfg, &file("{} {}", &[])), &["trailing"]);
    let mut broken = file("{\"W_enc....\": 1}", &[]);
    broken[12] = 0xff;
    refused(load(&cfg, &broken), &["UTF-8", "byte 4"]);
    refused(load(&cfg, &file(&format!("{{\"a\": {}1{}}}", "[".repeat(2000), "]".repeat(2000)), &[])), &["too deep"]);
    refused(load(&cfg, &file(&"[".repeat(100_000).replacen('[', "{\"a\":", 1), &[])), &["too deep"]);
    refused(load(&cfg, &file("{\"W_enc\": {\"dtype\": \"F32\"}, \"W_enc\": {}}", &[])), &["W_enc", "twice"]);
    refused(load(&cfg, &file("{\"W_enc\": {\"dtype\": \"F32\", \"dtype\": \"F16\"}}", &[])), &["dtype", "twice"]);
    refused(load(&cfg, &file("{\"\\u0057_enc\": {}, \"W_enc\": {}}", &[])), &["W_enc", "twice"]);
    refused(with_header(|h| drop(h.insert("__metadata__".into(), json!({"format": 1})))), &["__metadata__"]);
    refused(with_header(|h| drop(h.insert("__metadata__".into(), json!("pt")))), &["__metadata__"]);
}

#[test]
fn tensors_that_are_not_where_they_say() {
    refused(with_header(|h| h["W_enc"] = json!(7)), &["W_enc is 7"]);
    refused(with_header(|h| drop(h["W_enc"].as_object_mut().unwrap().remove("shape"))), &["W_enc has no shape"]);
    refused(with_header(|h| h["W_enc"]["strides"] = json!([1])), &["W_enc", "strides"]);
    refused(with_header(|h| h["W_enc"]["shape"] = json!("4x6")), &["W_enc", "shape"]);
    refused(with_header(|h| h["W_enc"]["shape"] = json!([4.5, 6])), &["W_enc", "shape"]);
    refused(with_header(|h| h["W_enc"]["shape"] = json!([-4, 6])), &["W_enc", "shape"]);
    refused(with_header(|h| h["W_enc"]["shape"] = json!(vec![1; 100])), &["W_enc", "shape"]);
    refused(with_header(|h| h["W_enc"]["data_offsets"] = json!([96])), &["W_enc", "1 data_offsets"]);
    refused(with_header(|h| h["W_enc"]["data_offsets"] = json!([192, 96])), &["192", "96"]);
    refused(with_header(|h| h["b_enc"]["data_offsets"] = json!([208, 1u64 << 50])), &["b_enc", "1125899906842624", "cut off"]);
    // Sizes that wrap around to what is there: 2^62 · 4 bytes is 0 in 64 bits, 2^32 · 2^32 too.
    refused(with_header(|h| h["W_enc"]["shape"] = json!([1u64 << 62, 4])), &["W_enc", "4611686018427387904"]);
    refused(with_header(|h| h["W_enc"]["shape"] = json!([1u64 << 32, 1u64 << 32])), &["W_enc", "4294967296"]);
    refused(with_header(|h| h["W_enc"]["shape"] = json!([u64::MAX, 2, 0])), &["W_enc"]);
    refused(with_header(|h| h["W_enc"]["shape"] = json!([4, 7])), &["W_enc has 96 bytes", "112"]);
    // Overlaps and gaps.
    refused(with_header(|h| h["W_enc"]["data_offsets"] = json!([0, 96])), &["inside the tensor before it"]);
    refused(with_header(|h| h["W_enc"]["data_offsets"] = json!([92, 188])), &["W_enc begins at byte 92", "96"]);
    refused(with_header(|h| drop(h.remove("b_dec"))), &["b_enc begins at byte 208", "192"]);
    refused(with_header(|h| drop(h.remove("b_enc"))), &["its tensors end at"]);
    // Longer and shorter than described.
    let whole = good_weights();
    refused(load(&good_cfg(), &[&whole[..], &[0; 4]].concat()), &[&format!("{} bytes", whole.len() + 4), &format!("end at {}", whole.len())]);
    refused(load(&good_cfg(), &whole[..whole.len() - 1]), &["b_enc ends at byte 232", "231"]);
}

#[test]
fn types_names_and_shapes_that_are_not_this_sae() {
    for dtype in ["I32", "U32", "F8_E4M3", "f32", ""] {
        refused(with_header(|h| h["W_enc"]["dtype"] = json!(dtype)), &["W_enc is stored as", dtype]);
    }
    refused(with_header(|h| h["W_enc"]["dtype"] = json!("BOOL")), &["W_enc has 96 bytes", "24"]);
    refused(with_header(|h| h["W_enc"]["dtype"] = json!("F16")), &["W_enc has 96 bytes", "48"]);
    let rename = |from: &'static str, to: &'static str| {
        move |h: &mut Map<String, Value>| {
            let tensor = h.remove(from).unwrap();
            h.insert(to.into(), tensor);
        }
    };
    refused(with_header(rename("b_enc", "bias")), &["lacks b_enc", "standard", "bias"]);
    refused(with_header(rename("W_enc", "encoder.weight")), &["lacks W_enc", "encoder.weight"]);
    refused(with_header(|h| h["W_enc"]["shape"] = json!([6, 4])), &["W_enc has shape [6, 4]", "[4, 6]"]);
    refused(with_header(|h| h["W_enc"]["shape"] = json!([24])), &["[24]", "[4, 6]"]);
    // cfg.json against the weights, each with both numbers.
    refused(with_cfg(|c| c["d_sae"] = json!(8)), &["[6, 4]", "[8, 4]"]);
    refused(with_cfg(|c| c["d_in"] = json!(5)), &["[6, 4]", "[6, 5]"]);
    refused(with_cfg(|c| c["architecture"] = json!("gated")), &["lacks b_gate", "gated"]);
    refused(with_cfg(|c| c["architecture"] = json!("jumprelu")), &["lacks threshold", "jumprelu"]);
    refused(
        with_cfg(|c| {
            c["architecture"] = json!("skip_transcoder");
            c["apply_b_dec_to_input"] = json!(false);
        }),
        &["lacks W_skip"],
    );
    // One tensor too many.
    let (mut header, length) = header();
    header.insert("W_skip".into(), json!({"dtype": "F32", "shape": [4, 4], "data_offsets": [length, length + 64]}));
    refused(load(&good_cfg(), &file(&Value::Object(header).to_string(), &vec![0; length + 64])), &["holds W_skip", "standard"]);
}

#[test]
fn values_that_are_no_numbers() {
    let whole = good_weights();
    let data = whole.len() - 232;
    for (at, name, bits) in
        [(0, "W_dec", f32::NAN), (96 + 4 * 7, "W_enc", f32::INFINITY), (192, "b_dec", f32::NEG_INFINITY), (228, "b_enc", f32::NAN)]
    {
        let mut spoilt = whole.clone();
        spoilt[data + at..data + at + 4].copy_from_slice(&bits.to_le_bytes());
        refused_as("LAB-NOT-FINITE", load(&good_cfg(), &spoilt), &[name]);
    }
    let mut spoilt = whole.clone();
    spoilt[data + 96 + 28..data + 96 + 32].copy_from_slice(&f32::NAN.to_le_bytes());
    refused_as("LAB-NOT-FINITE", load(&good_cfg(), &spoilt), &["value 7 of W_enc"]);
    // Scaling factors other than 1 are of an SAE that SAELens 6 does not read either.
    let (mut header, length) = header();
    header.insert("scaling_factor".into(), json!({"dtype": "F32", "shape": [6], "data_offsets": [length, length + 24]}));
    let scaled = |factors: [f32; 6]| {
        file(&Value::Object(header.clone()).to_string(), &[vec![0; length], factors.iter().flat_map(|x| x.to_le_bytes()).collect()].concat())
    };
    load(&good_cfg(), &scaled([1.0; 6])).unwrap();
    refused(load(&good_cfg(), &scaled([1.0, 1.0, 0.5, 1.0, 1.0, 1.0])), &["scaling_factor 2 is 0.5"]);
}

#[test]
fn configurations_that_make_no_sense() {
    refused(load(b"", &good_weights()), &["cfg.json"]);
    refused(load(b"[]", &good_weights()), &["cfg.json is a list"]);
    refused(load(b"{\"d_in\": 4, \"d_in\": 5}", &good_weights()), &["d_in", "twice"]);
    refused(load(&vec![b' '; (1 << 20) + 1], &good_weights()), &["1048577"]);
    refused(with_cfg(|c| drop(c.remove("d_in"))), &["d_in"]);
    refused(with_cfg(|c| c["d_in"] = json!("768")), &["d_in is \"768\""]);
    refused(with_cfg(|c| c["d_in"] = json!(-1)), &["d_in is -1"]);
    refused(with_cfg(|c| c["d_in"] = json!(0)), &["dIn is 0"]);
    refused(with_cfg(|c| c["d_sae"] = json!(1u64 << 40)), &["dSae is 1099511627776"]);
    refused(
        with_cfg(|c| {
            c["d_in"] = json!(16384);
            c["d_sae"] = json!(262144);
        }),
        &["262144", "8192"],
    );
    refused(with_cfg(|c| c["d_sae"] = json!(1e300)), &["d_sae is 1e+300"]);
    refused(with_cfg(|c| drop(c.insert("d_out".into(), json!(5)))), &["dOut is 5"]);
    refused(with_cfg(|c| drop(c.remove("architecture"))), &["architecture"]);
    refused(with_cfg(|c| c["architecture"] = json!("temporal")), &["temporal", "jumprelu"]);
    refused(with_cfg(|c| c["architecture"] = json!(3)), &["architecture is 3"]);
    refused(with_cfg(|c| c["architecture"] = json!("transcoder")), &["applyBDecToInput"]);
    refused(with_cfg(|c| c["architecture"] = json!("topk")), &["topk", "k"]);
    refused(
        with_cfg(|c| {
            c["architecture"] = json!("topk");
            c.insert("k".into(), json!(7));
        }),
        &["k is 7", "6"],
    );
    refused(
        with_cfg(|c| {
            c["architecture"] = json!("topk");
            c.insert("k".into(), json!("all"));
        }),
        &["k is \"all\""],
    );
    refused(with_cfg(|c| c["apply_b_dec_to_input"] = json!("yes")), &["apply_b_dec_to_input is \"yes\""]);
    refused(with_cfg(|c| c["normalize_activations"] = json!("covariance_whitening")), &["covariance_whitening"]);
    refused(with_cfg(|c| c["normalize_activations"] = json!(3)), &["normalize_activations is 3"]);
    refused(with_cfg(|c| c["reshape_activations"] = json!("hook_q")), &["hook_q"]);
    refused(with_cfg(|c| c["metadata"] = json!([])), &["metadata is a list"]);
    refused(with_cfg(|c| c["metadata"]["sae_lens_version"] = json!("new")), &["sae_lens_version is \"new\""]);
    refused(with_cfg(|c| c["metadata"]["hook_name"] = json!(7)), &["hook_name is 7"]);
    refused(with_cfg(|c| c["metadata"]["prepend_bos"] = json!("true")), &["prepend_bos is \"true\""]);
    refused(
        with_cfg(|c| {
            c["metadata"] = json!({});
            c.insert("activation_fn_str".into(), json!("tanh-relu"));
        }),
        &["tanh-relu"],
    );
    refused(
        with_cfg(|c| {
            c["metadata"] = json!({});
            c.insert("activation_fn_str".into(), json!("topk"));
        }),
        &["does not say k"],
    );
    let long = "x".repeat(100_000);
    let error = with_cfg(|c| c["architecture"] = json!(vec![long.as_str()])).unwrap_err();
    assert!(error.message.len() < 1000);
    let error = with_cfg(|c| c["d_in"] = json!(long)).unwrap_err();
    assert!(error.message.len() < 1000);
}

/// Bytes changed, cut and repeated at random: an SAE or an error, never a panic.
#[test]
fn spoilt_bytes_end_in_an_error_or_an_sae() {
    let (cfg, weights) = (good_cfg(), good_weights());
    let mut state = 1u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below.max(1)
    };
    let (mut read, mut refused) = (0, 0);
    for round in 0..4000 {
        let mut file = if round % 2 == 0 { weights.clone() } else { cfg.clone() };
        for _ in 0..=random(3) {
            let at = random(file.len());
            match random(4) {
                0 => file[at] = random(256) as u8,
                1 => file[at] = b"0123456789[]{}\",:-e."[random(20)],
                2 => file.truncate(at.max(1)),
                _ => {
                    let piece = file[at..file.len().min(at + random(40))].to_vec();
                    file.splice(at..at, piece);
                }
            }
        }
        match if round % 2 == 0 { load(&cfg, &file) } else { load(&file, &weights) } {
            Ok(()) => read += 1,
            Err(error) => {
                refused += 1;
                assert!(["LAB-BAD-FILE", "LAB-NOT-FINITE"].contains(&error.code), "{error}");
                assert!(error.message.len() < 4000 && !error.hint.is_empty());
            }
        }
    }
    assert!(read > 100 && refused > 1000, "{read} were read, {refused} refused");
}

#[test]
fn claims_allocate_nothing() {
    // 2^40 elements, with offsets that would be right for them.
    let bytes = 4u64 << 40;
    let header = json!({"W_enc": {"dtype": "F32", "shape": [1u64 << 20, 1u64 << 20], "data_offsets": [0, bytes]}}).to_string();
    let head = file(&header, &[]);
    let cfg = Value::Object(Map::from_iter(cfg().into_iter().map(|(k, v)| match k.as_str() {
        "d_in" | "d_sae" => (k, json!(1 << 20)),
        _ => (k, v),
    })));
    let (cfg, length) = (cfg.to_string(), head.len() as u64 + bytes);
    let device = Device::flex();
    let claimed = allocated_by(|| {
        // The header agrees with itself and with the file's claimed length …
        Header::parse("weights", &head, length).unwrap();
        // … but not with a file that is really there, nor with any SAE.
        refused(load(&good_cfg(), &head), &["W_enc ends at byte 4398046511104"]);
        refused(load(cfg.as_bytes(), &head), &["dIn is 1048576"]);
        refused(files::Loader::open(&good_cfg(), &head, length, &Release::default(), &device).map(drop), &["lacks W_dec"]);
        refused(files::Loader::open(cfg.as_bytes(), &head, length, &Release::default(), &device).map(drop), &["dIn is 1048576"]);
    });
    // A right header of the widest SAE: its tensors are allocated when their bytes come, not before.
    let (d_in, d_sae) = (768u64, 131072u64);
    let size = 4 * d_in * d_sae;
    let wide = json!({
        "W_dec": {"dtype": "F32", "shape": [d_sae, d_in], "data_offsets": [0, size]},
        "W_enc": {"dtype": "F32", "shape": [d_in, d_sae], "data_offsets": [size, 2 * size]},
        "b_dec": {"dtype": "F32", "shape": [d_in], "data_offsets": [2 * size, 2 * size + 4 * d_in]},
        "b_enc": {"dtype": "F32", "shape": [d_sae], "data_offsets": [2 * size + 4 * d_in, 2 * size + 4 * d_in + 4 * d_sae]},
    });
    let head = file(&wide.to_string(), &[]);
    let mut cfg = self::cfg();
    (cfg["d_in"], cfg["d_sae"]) = (json!(d_in), json!(d_sae));
    let length = head.len() as u64 + 2 * size + 4 * d_in + 4 * d_sae;
    let opened = allocated_by(|| {
        let loader = files::Loader::open(Value::Object(cfg).to_string().as_bytes(), &head, length, &Release::default(), &device).unwrap();
        assert_eq!(loader.largest() as u64, d_in * d_sae);
    });
    assert!(claimed + opened < 1_000_000, "{claimed} and {opened} bytes were allocated");
}
