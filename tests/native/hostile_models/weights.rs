//! `model.safetensors`, fed as it arrives.

use burn::tensor::Device;
use pollster::block_on;
use sae_lab::Result;
use sae_lab::files::{Header, head_length};
use sae_lab::gpt2::{Config, Loader, Precision};
use serde_json::{Map, Value, json};

use super::{all_refused, case, spoilt};
use crate::allocated::allocated_by;

const NAME: &str = "model.safetensors";
/// Bytes of the data of the right file.
const DATA: usize = 4 * (24 + 16 + 8 + 48 + 12 + 16 + 4 + 8 + 64 + 16 + 64 + 4 + 8);

/// One block, 4 wide, two heads, 6 tokens, context 4.
fn config() -> Config {
    Config::from_json(br#"{"vocab_size": 6, "n_positions": 4, "n_embd": 4, "n_layer": 1, "n_head": 2}"#).unwrap()
}

/// The header of right weights, to be spoilt.
fn header() -> Map<String, Value> {
    let shapes: [(&str, &[usize]); 16] = [
        ("wte.weight", &[6, 4]),
        ("wpe.weight", &[4, 4]),
        ("h.0.ln_1.weight", &[4]),
        ("h.0.ln_1.bias", &[4]),
        ("h.0.attn.c_attn.weight", &[4, 12]),
        ("h.0.attn.c_attn.bias", &[12]),
        ("h.0.attn.c_proj.weight", &[4, 4]),
        ("h.0.attn.c_proj.bias", &[4]),
        ("h.0.ln_2.weight", &[4]),
        ("h.0.ln_2.bias", &[4]),
        ("h.0.mlp.c_fc.weight", &[4, 16]),
        ("h.0.mlp.c_fc.bias", &[16]),
        ("h.0.mlp.c_proj.weight", &[16, 4]),
        ("h.0.mlp.c_proj.bias", &[4]),
        ("ln_f.weight", &[4]),
        ("ln_f.bias", &[4]),
    ];
    let mut out = Map::new();
    let mut at = 0;
    for (name, shape) in shapes {
        let end = at + 4 * shape.iter().product::<usize>();
        out.insert(name.into(), json!({"dtype": "F32", "shape": shape, "data_offsets": [at, end]}));
        at = end;
    }
    assert_eq!(at, DATA);
    out
}

fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

fn right() -> Vec<u8> {
    with(|_| ())
}

/// The right file with a spoilt header.
fn with(change: impl FnOnce(&mut Map<String, Value>)) -> Vec<u8> {
    let mut header = header();
    change(&mut header);
    file(&Value::Object(header).to_string(), &[0; DATA])
}

/// The right file with its header's length replaced.
fn announcing(length: u64) -> Vec<u8> {
    [&length.to_le_bytes(), &right()[8..]].concat()
}

/// The right file with a further tensor of `length` bytes at its end.
fn and(name: &str, dtype: &str, shape: Value, length: usize) -> Vec<u8> {
    let mut header = header();
    header.insert(name.into(), json!({"dtype": dtype, "shape": shape, "data_offsets": [DATA, DATA + length]}));
    file(&Value::Object(header).to_string(), &vec![0; DATA + length])
}

/// The right file with one of its values replaced.
fn holding(at: usize, value: f32) -> Vec<u8> {
    let mut file = right();
    let start = file.len() - DATA + at;
    file[start..start + 4].copy_from_slice(&value.to_le_bytes());
    file
}

fn load_as(precision: Precision, file: &[u8], known: bool, piece: usize) -> Result<()> {
    let mut loader = Loader::new(config(), precision, &Device::flex());
    loader.begin_file(NAME, known.then_some(file.len() as u64))?;
    for piece in file.chunks(piece) {
        block_on(loader.feed(piece))?;
    }
    loader.end_file()?;
    loader.finish().map(drop)
}

/// In one piece and in many, with the length known and not: refused in every way, the first is shown.
fn load(file: &[u8]) -> Result<()> {
    let first = load_as(Precision::F32, file, true, usize::MAX);
    for (known, piece) in [(true, 7), (false, usize::MAX), (false, 61)] {
        let other = load_as(Precision::F32, file, known, piece);
        assert_eq!(other.as_ref().err().map(|e| e.code), first.as_ref().err().map(|e| e.code), "{other:?} {first:?}");
    }
    first
}

#[test]
fn right_files_are_read() {
    load(&right()).unwrap();
    load_as(Precision::F16, &right(), true, 1).unwrap();
    load(&with(|h| drop(h.insert("__metadata__".into(), json!({"format": "pt"}))))).unwrap();
    // What older files hold besides: masks of any type, the head a second time. And tensors without values.
    load(&and("h.0.attn.bias", "BOOL", json!([1, 1, 4, 4]), 16)).unwrap();
    load(&and("h.0.attn.masked_bias", "F32", json!([]), 4)).unwrap();
    load(&and("lm_head.weight", "F32", json!([6, 4]), 96)).unwrap();
    load(&and("nothing", "I64", json!([0, 3]), 0)).unwrap();
    let prefixed: Map<String, Value> = header().into_iter().map(|(name, tensor)| (format!("transformer.{name}"), tensor)).collect();
    load(&file(&Value::Object(prefixed).to_string(), &[0; DATA])).unwrap();
    // A header of 640 bytes begins as a pickle does; the loader's model has more.
    let padded = format!("{:<2560}", Value::Object(header()).to_string());
    load(&file(&padded, &[0; DATA])).unwrap();
}

#[test]
fn hostile_weights() {
    let shape = |name: &'static str, shape: Value| with(move |h| h[name]["shape"] = shape);
    let offsets = |name: &'static str, offsets: Value| with(move |h| h[name]["data_offsets"] = offsets);
    let dtype = |dtype: &'static str| with(move |h| h["h.0.mlp.c_fc.weight"]["dtype"] = json!(dtype));
    let without = |name: &'static str| {
        // Renamed, so that the bytes still belong to a tensor.
        with(move |h| {
            let tensor = h.remove(name).unwrap();
            h.insert("other".into(), tensor);
        })
    };
    let text = |header: &str| file(header, &[]);
    let whole = right();
    let cases = vec![
        // Files of another kind, or cut.
        case("nothing", vec![], &[NAME, "0 bytes"]),
        case("seven bytes", b"1234567".to_vec(), &["7 bytes"]),
        case("eight zeros", vec![0; 8], &["does not begin with {"]),
        case("a web page", b"<!DOCTYPE html><html><title>Hugging Face</title>".to_vec(), &["model.safetensors is a web page"]),
        case("an XML error", b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>".to_vec(), &["a web page"]),
        case("a git-lfs pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:1234\nsize 548105171\n".to_vec(), &["a git-lfs pointer"]),
        case("an archive", b"PK\x03\x04........................".to_vec(), &["PyTorch"]),
        case("a pickle", b"\x80\x02}q\x00(X\x05\x00\x00\x00wte.w".to_vec(), &["PyTorch"]),
        case("JSON", b"{\"error\": \"Repository not found\"}".to_vec(), &[NAME, "header has"]),
        case("cut in the header's length", whole[..5].to_vec(), &["5 bytes"]),
        case("cut in the header", whole[..100].to_vec(), &["header has", "92"]),
        case("cut behind the header", whole[..whole.len() - DATA].to_vec(), &["cut off"]),
        case("cut in the data", whole[..whole.len() - 1].to_vec(), &["cut off", &format!("{}", DATA - 1)]),
        case("longer than its tensors", [&whole[..], &[0; 4]].concat(), &[&format!("{} bytes", whole.len() + 4), &format!("end at {}", whole.len())]),
        // The header's length.
        case("a header of nothing", text(""), &["does not begin with {"]),
        case("a header of 2^20 + 1 bytes", announcing((1 << 20) + 1), &["1048577", "1048576"]),
        case("a header of 2^40 bytes", announcing(1 << 40), &["1099511627776", "1048576"]),
        case("a header of 2^63 bytes", announcing(1 << 63), &["9223372036854775808"]),
        case("a header of 2^64 - 1 bytes", announcing(u64::MAX), &["18446744073709551615"]),
        case("a header of 2^64 - 8 bytes", announcing(u64::MAX - 7), &["18446744073709551608"]),
        // Its text.
        case("a list", text("[1, 2]  "), &["does not begin with {"]),
        case("a space before it", text(" {}"), &["does not begin with {"]),
        case("not closed", text("{\"wte.weight\": {"), &["header can't be read"]),
        case("text behind it", text("{} {}"), &["trailing"]),
        case("no UTF-8", [&13u64.to_le_bytes(), &b"{\"wte\xff\": {}}  "[..13]].concat(), &["UTF-8", "byte 5"]),
        case("lists in lists", text(&format!("{{\"a\": {}1{}}}", "[".repeat(2000), "]".repeat(2000))), &["too deep"]),
        case("objects in objects", text(&"{\"a\":".repeat(100_000)), &["too deep"]),
        case("a tensor twice", text("{\"wte.weight\": {\"dtype\": \"F32\"}, \"wte.weight\": {}}"), &["wte.weight", "twice"]),
        case("an escaped tensor twice", text("{\"\\u0077te.weight\": {}, \"wte.weight\": {}}"), &["wte.weight", "twice"]),
        case("a field twice", text("{\"wte.weight\": {\"dtype\": \"F32\", \"dtype\": \"F16\"}}"), &["dtype", "twice"]),
        case("metadata of numbers", with(|h| drop(h.insert("__metadata__".into(), json!({"format": 1})))), &["__metadata__"]),
        case("metadata that is a text", with(|h| drop(h.insert("__metadata__".into(), json!("pt")))), &["__metadata__"]),
        case("an empty object", text("{}"), &["no tensor"]),
        case("numbers beyond JSON", text("{\"wte.weight\": {\"dtype\": \"F32\", \"shape\": [1e999], \"data_offsets\": [0, 0]}}"), &["can't be read"]),
        // Tensors that are not where they say.
        case("a tensor that is a number", with(|h| h["wte.weight"] = json!(7)), &["wte.weight is 7"]),
        case("no shape", with(|h| drop(h["wte.weight"].as_object_mut().unwrap().remove("shape"))), &["wte.weight has no shape"]),
        case("no type", with(|h| drop(h["wte.weight"].as_object_mut().unwrap().remove("dtype"))), &["wte.weight has no dtype"]),
        case("no offsets", with(|h| drop(h["wte.weight"].as_object_mut().unwrap().remove("data_offsets"))), &["no data_offsets"]),
        case("an unknown field", with(|h| h["wte.weight"]["strides"] = json!([1])), &["wte.weight", "strides"]),
        case("a shape that is a text", shape("wte.weight", json!("6x4")), &["wte.weight", "shape"]),
        case("half a row", shape("wte.weight", json!([6.5, 4])), &["wte.weight", "shape"]),
        case("rows below 0", shape("wte.weight", json!([-6, 4])), &["wte.weight", "shape"]),
        case("a hundred dimensions", shape("wte.weight", json!(vec![1; 100])), &["wte.weight", "shape"]),
        case("2^62 · 4 values, which is 0 in 64 bits", shape("wte.weight", json!([1u64 << 62, 4])), &["wte.weight", "4611686018427387904"]),
        case("2^32 · 2^32 values, which is 0 in 64 bits", shape("wte.weight", json!([1u64 << 32, 1u64 << 32])), &["wte.weight", "4294967296"]),
        case("2^64 - 1 times 0", shape("wte.weight", json!([u64::MAX, 2, 0])), &["wte.weight"]),
        case("2^30 · 2^30 values", shape("wte.weight", json!([1u64 << 30, 1u64 << 30])), &["wte.weight has 96 bytes", "4611686018427387904"]),
        case("a row too many", shape("wte.weight", json!([7, 4])), &["wte.weight has 96 bytes", "112"]),
        case("one offset", offsets("wte.weight", json!([96])), &["1 data_offsets"]),
        case("three offsets", offsets("wte.weight", json!([0, 96, 96])), &["3 data_offsets"]),
        case("an end before its begin", offsets("wpe.weight", json!([160, 96])), &["160", "96"]),
        case("an end at 2^50", offsets("ln_f.bias", json!([DATA - 16, 1u64 << 50])), &["ln_f.bias"]),
        case("an end at 2^64 - 1", offsets("ln_f.bias", json!([DATA - 16, u64::MAX])), &["ln_f.bias"]),
        case("two at one place", offsets("wpe.weight", json!([0, 64])), &["inside the tensor before it"]),
        case("an overlap", offsets("wpe.weight", json!([92, 156])), &["wpe.weight begins at byte 92", "96"]),
        case("a gap", with(|h| drop(h.remove("wpe.weight"))), &["h.0.ln_1.weight begins at byte 160", "96"]),
        case("a gap at the end", with(|h| drop(h.remove("ln_f.bias"))), &["its tensors end at"]),
        // Tensors of another model.
        case("no embedding", without("wte.weight"), &["no tensor wte.weight"]),
        case("a block's tensor is missing", without("h.0.mlp.c_proj.bias"), &["no tensor h.0.mlp.c_proj.bias"]),
        case("fewer tokens than config.json says", shape("wte.weight", json!([4, 6])), &["wte.weight has shape [4, 6]", "[6, 4]"]),
        case("Linear's layout in place of Conv1D's", shape("h.0.attn.c_attn.weight", json!([12, 4])), &["c_attn", "[12, 4]", "[4, 12]"]),
        case("a matrix as one row", shape("wte.weight", json!([24])), &["wte.weight", "[24]", "[6, 4]"]),
        case("a bias as a matrix", shape("ln_f.bias", json!([1, 4])), &["ln_f.bias", "[1, 4]", "[4]"]),
        case("a tensor with and without its prefix", and("transformer.ln_f.bias", "F32", json!([4]), 16), &["ln_f.bias", "twice"]),
        // Types.
        case("8-bit floats", dtype("F8_E4M3"), &["h.0.mlp.c_fc.weight", "F8_E4M3"]),
        case("4-bit floats", dtype("F4"), &["F4"]),
        case("whole numbers", dtype("I32"), &["h.0.mlp.c_fc.weight", "I32"]),
        case("a type in small letters", dtype("f32"), &["f32"]),
        case("a type that is a number", with(|h| h["wte.weight"]["dtype"] = json!(32)), &["wte.weight", "32"]),
        case("f16 in the place of f32", dtype("F16"), &["has 256 bytes", "128"]),
        case(
            "a quantised matrix",
            {
                let mut header = header();
                let at = header["h.0.mlp.c_fc.weight"]["data_offsets"][0].as_u64().unwrap();
                for (name, start, end) in [("h.0.mlp.c_fc.weight", at, at + 64), ("h.0.mlp.c_fc.scales", at + 64, at + 256)] {
                    header.insert(name.into(), json!({"dtype": "U8", "shape": [end - start], "data_offsets": [start, end]}));
                }
                file(&Value::Object(header).to_string(), &[0; DATA])
            },
            &["h.0.mlp.c_fc.weight", "[64]", "[4, 16]"],
        ),
    ];
    let count = all_refused("LAB-BAD-FILE", cases, |file| load(file));
    assert!(count >= 60, "{count}");
}

#[test]
fn weights_that_are_no_numbers() {
    let cases = vec![
        case("NaN in the embedding", holding(0, f32::NAN), &["wte.weight", "NaN"]),
        case("infinity in a matrix", holding(96 + 64 + 32 + 4 * 7, f32::INFINITY), &["h.0.attn.c_attn.weight", "inf"]),
        case("minus infinity at the end", holding(DATA - 4, f32::NEG_INFINITY), &["ln_f.bias", "-inf"]),
    ];
    all_refused("LAB-NOT-FINITE", cases, |file| load(file));
    // What f32 holds and f16 does not.
    let large = holding(0, 70000.0);
    load(&large).unwrap();
    all_refused("LAB-NOT-FINITE", vec![case("above f16", large, &["wte.weight", "70000", "65504"])], |file| {
        load_as(Precision::F16, file, true, usize::MAX)
    });
    load_as(Precision::F16, &holding(0, 65504.0), true, usize::MAX).unwrap();
}

#[test]
fn claims_allocate_nothing() {
    // 2^40 elements, with offsets that would be right for them.
    let bytes = 4u64 << 40;
    let header = json!({"wte.weight": {"dtype": "F32", "shape": [1u64 << 20, 1u64 << 20], "data_offsets": [0, bytes]}}).to_string();
    let head = file(&header, &[]);
    let length = head.len() as u64 + bytes;
    let claims = allocated_by(|| {
        assert_eq!(head_length(NAME, &head, length).unwrap(), head.len());
        Header::parse(NAME, &head, length).unwrap();
        for known in [Some(length), None, Some(head.len() as u64)] {
            let mut loader = Loader::new(config(), Precision::F16, &Device::flex());
            loader.begin_file(NAME, known).unwrap();
            assert_eq!(block_on(loader.feed(&head)).unwrap_err().code, "LAB-BAD-FILE");
        }
    });
    assert!(claims < 1_000_000, "{claims} bytes were allocated");
    // A configuration and a header that agree on 8 billion bytes: nothing before their values come.
    let config = Config::from_json(br#"{"vocab_size": 1048576, "n_positions": 8, "n_embd": 2048, "n_layer": 1, "n_head": 2, "n_inner": 1}"#).unwrap();
    let header = json!({"wte.weight": {"dtype": "F32", "shape": [1 << 20, 2048], "data_offsets": [0, 1u64 << 33]}}).to_string();
    let agreeing = allocated_by(|| {
        let mut loader = Loader::new(config, Precision::F32, &Device::flex());
        loader.begin_file(NAME, None).unwrap();
        assert_eq!(block_on(loader.feed(&file(&header, &[]))).unwrap(), Some((1 << 33) + 8 + header.len() as u64));
    });
    assert!(agreeing < 1_000_000, "{agreeing} bytes were allocated");
}

/// Bytes changed, cut and repeated at random: a model or an error, never a panic.
#[test]
fn spoilt_weights_end_in_an_error_or_a_model() {
    let (mut read, mut refused) = (0, 0);
    spoilt(&right(), 3000, |file| match load_as(Precision::F16, &file, read % 2 == 0, 97) {
        Ok(()) => read += 1,
        Err(error) => {
            assert!(["LAB-BAD-FILE", "LAB-NOT-FINITE"].contains(&error.code) && error.message.len() < 1000, "{error}");
            refused += 1;
        }
    });
    assert!(read > 100 && refused > 1000, "{read} were read, {refused} refused");
}
