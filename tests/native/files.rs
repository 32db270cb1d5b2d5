//! SAELens's files: what it writes is read with the same features, what is written it reads too.

mod hostile;
mod written;

use burn::tensor::{Device, Tensor};
use pollster::block_on;
use sae_lab::sae::config::{Config, Kind, Metadata, Normalization};
use sae_lab::sae::files::{self, Here, Release, mismatches};
use sae_lab::sae::{Init, Sae};
use sae_lab::tensors::{HostTensor, read, upload};
use serde_json::{Map, Value, json};

use crate::support::{assert_close_relative, bytes, json as numbers_json, numbers, path};

/// The files of `tests/reference/FOLDER/CASE`.
pub struct Folder {
    pub cfg: Vec<u8>,
    pub weights: Vec<u8>,
    pub sparsity: Option<Vec<u8>>,
}

pub fn folder(below: &str) -> Folder {
    let file = |name: &str| bytes(&format!("tests/reference/{below}/{name}"));
    let sparsity = format!("tests/reference/{below}/sparsity.safetensors");
    Folder { cfg: file("cfg.json"), weights: file("sae_weights.safetensors"), sparsity: path(&sparsity).exists().then(|| bytes(&sparsity)) }
}

impl Folder {
    pub fn read(&self) -> sae_lab::Result<Sae> {
        files::read(&self.cfg, &self.weights, self.sparsity.as_deref(), &Release::default(), &Device::flex())
    }
}

pub fn matrix(t: &HostTensor) -> Tensor<2> {
    upload(t.data.clone(), [t.shape[0], t.shape[1]], &Device::flex())
}

/// Features and output of an SAE on rows.
pub fn run(sae: &Sae, rows: &HostTensor) -> (HostTensor, HostTensor) {
    let (features, output) = sae.inference().reconstruct(matrix(rows));
    (block_on(read(features)).unwrap(), block_on(read(output)).unwrap())
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(Into::into)
}

#[test]
fn what_saelens_writes_is_read_with_its_configuration_and_features() {
    let (description, theirs) = (numbers_json("saelens_files"), numbers("saelens_files"));
    let rows = &theirs["rows"];
    let cases = description["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 28);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let folder = folder(&format!("saes/{name}"));
        let sae = folder.read().unwrap_or_else(|e| panic!("{name}: {e}"));
        let (config, expected) = (&sae.config, &case["config"]);
        let whole = |key: &str| expected[key].as_u64().map(|n| n as usize);
        assert_eq!((Some(config.d_in), Some(config.d_sae)), (whole("d_in"), whole("d_sae")), "{name}");
        assert_eq!(config.d_out, whole("d_out").unwrap_or(config.d_in), "{name}");
        assert_eq!(json!(config.apply_b_dec_to_input), expected["apply_b_dec_to_input"], "{name}");
        assert_eq!(json!(config.normalize_activations), expected["normalize_activations"], "{name}");
        assert_eq!(config.reshape_hook_z, expected["reshape_activations"] == "hook_z", "{name}");
        let architecture = expected["architecture"].as_str().unwrap();
        assert_eq!(config.transcoder, architecture.ends_with("transcoder"), "{name}");
        assert_eq!(config.skip, architecture.contains("skip"), "{name}");
        let kind = architecture.trim_end_matches("transcoder").trim_end_matches('_').trim_end_matches("skip").trim_end_matches('_');
        assert_eq!(config.architecture.name(), if kind.is_empty() { "standard" } else { kind }, "{name}");
        if config.architecture == Kind::TopK {
            assert_eq!(json!(config.extras.k as u64), expected["k"], "{name}");
            assert_eq!(json!(config.extras.rescale_acts_by_decoder_norm), expected["rescale_acts_by_decoder_norm"], "{name}");
        }
        let (ours, meta) = (&config.metadata, &expected["metadata"]);
        assert_eq!(ours.model_name, text(&meta["model_name"]), "{name}");
        assert_eq!(ours.hook_name, text(&meta["hook_name"]), "{name}");
        assert_eq!(ours.hook_name_out, text(&meta["hook_name_out"]), "{name}");
        assert_eq!(json!(ours.prepend_bos), meta["prepend_bos"], "{name}");
        assert_eq!(json!(ours.context_size), meta["context_size"], "{name}");
        assert_eq!(ours.dataset_path, text(&meta["dataset_path"]), "{name}");
        let kwargs = &meta["model_from_pretrained_kwargs"];
        assert_eq!(ours.center, kwargs.is_object().then(|| kwargs["center_writing_weights"] == true), "{name}");
        assert_eq!(sae.log_sparsity.is_some(), folder.sparsity.is_some(), "{name}");

        let (features, output) = run(&sae, rows);
        assert_close_relative(name, &features, &theirs[&format!("{name}/features")], 1e-5);
        let mut expected = theirs[&format!("{name}/output")].clone();
        expected.shape = vec![expected.shape[0], config.d_out]; // the heads of hook_z side by side
        assert_close_relative(name, &output, &expected, 1e-5);
        let l0: Vec<u64> = features.data.chunks(config.d_sae).map(|row| row.iter().filter(|f| **f > 0.0).count() as u64).collect();
        assert_eq!(json!(l0), case["l0"], "{name}");
    }
}

#[test]
fn keys_that_nobody_here_knows_are_kept() {
    let sae = folder("saes/old_res_jb").read().unwrap();
    let other = &sae.config.metadata.other;
    assert_eq!(other["l1_coefficient"], json!(8e-05));
    assert_eq!(other["run_name"], "48-L1-8e-05-LR-0.0004-Tokens-3.000e+08");
    assert!(!other.contains_key("d_in") && !other.contains_key("hook_point") && !other.contains_key("hook_name"));
    let topk = folder("saes/topk").read().unwrap();
    assert_eq!(topk.config.metadata.other["training_architecture_details"]["aux_loss_coefficient"], 1.0);
    assert_eq!(topk.config.metadata.other["seqpos_slice"], json!([null]));
    assert!(!topk.config.metadata.other.contains_key("sae_lens_version"));
}

#[test]
fn a_release_overrides_the_file_and_scales_its_inputs() {
    let folder = folder("saes/old_boolean_normalize");
    let release = Release {
        overrides: Map::from_iter([("model_from_pretrained_kwargs".into(), json!({ "center_writing_weights": true }))]),
        input_scale: Some(1.6411934982190302),
    };
    let sae = files::read(&folder.cfg, &folder.weights, None, &release, &Device::flex()).unwrap();
    assert_eq!(sae.config.metadata.center, Some(true));
    assert_eq!(sae.input_scale, 1.6411934982190302);
    let plain = folder.read().unwrap();
    let rows = &numbers("saelens_files")["rows"];
    let scaled = HostTensor { data: rows.data.iter().map(|x| (f64::from(*x) * 1.6411934982190302) as f32).collect(), shape: rows.shape.clone() };
    // SAELens folds: W_enc · s, W_dec / s, b_dec / s. On x that is the plain SAE on s · x, its output divided by s.
    let (features, output) = run(&sae, rows);
    let (theirs, mut large) = run(&plain, &scaled);
    large.data.iter_mut().for_each(|x| *x = (f64::from(*x) / 1.6411934982190302) as f32);
    assert_close_relative("features", &features, &theirs, 1e-5);
    assert_close_relative("output", &output, &large, 1e-5);
    // A factor means nothing where the file asks for no normalisation; one that is none is refused.
    let other = self::folder("saes/old_standard");
    assert_eq!(files::read(&other.cfg, &other.weights, None, &release, &Device::flex()).unwrap().input_scale, 1.0);
    let wrong = Release { input_scale: Some(0.0), ..release };
    assert_eq!(files::read(&folder.cfg, &folder.weights, None, &wrong, &Device::flex()).err().unwrap().code, "LAB-BAD-SETTING");
}

#[test]
fn numbers_of_64_bits_and_pieces_of_any_size_are_read() {
    let plain = folder("saes/standard");
    let sae = plain.read().unwrap();
    // The same weights as f64.
    let header_length = u64::from_le_bytes(plain.weights[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&plain.weights[8..8 + header_length]).unwrap();
    let mut header = header.as_object().unwrap().clone();
    header.remove("__metadata__");
    for tensor in header.values_mut() {
        tensor["dtype"] = "F64".into();
        for i in 0..2 {
            tensor["data_offsets"][i] = json!(tensor["data_offsets"][i].as_u64().unwrap() * 2);
        }
    }
    let text = Value::Object(header).to_string();
    let mut wide = (text.len() as u64).to_le_bytes().to_vec();
    wide.extend(text.bytes());
    wide.extend(plain.weights[8 + header_length..].chunks_exact(4).flat_map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap())).to_le_bytes()));
    let rows = &numbers("saelens_files")["rows"];
    let double = files::read(&plain.cfg, &wide, None, &Release::default(), &Device::flex()).unwrap();
    assert_eq!(run(&double, rows), run(&sae, rows));
    // Piece by piece, as a browser hands a file over.
    let head = sae_lab::files::head_length("weights", &plain.weights, plain.weights.len() as u64).unwrap();
    let mut loader =
        files::Loader::open(&plain.cfg, &plain.weights[..head], plain.weights.len() as u64, &Release::default(), &Device::flex()).unwrap();
    assert_eq!(loader.largest(), 16 * 48);
    for part in loader.parts().to_vec() {
        for piece in plain.weights[part.start as usize..part.end as usize].chunks(40) {
            loader.feed(piece).unwrap();
        }
    }
    assert_eq!(run(&loader.finish().unwrap(), rows), run(&sae, rows));
    // A file that ends early, and pieces that fit nowhere.
    let open = || files::Loader::open(&plain.cfg, &plain.weights[..head], plain.weights.len() as u64, &Release::default(), &Device::flex()).unwrap();
    assert!(open().finish().err().unwrap().message.contains("W_dec was not read to its end"));
    assert!(open().feed(&[0; 3]).unwrap_err().message.contains("no part of W_dec"));
    assert!(open().feed(&[0; 16 * 48 * 4 + 4]).unwrap_err().message.contains("no part of W_dec"));
}

#[test]
fn sparsity_is_read_and_checked() {
    let sparsity = folder("saes/standard").read().unwrap().log_sparsity.unwrap();
    assert_eq!(sparsity.len(), 48);
    assert!([4, 20, 33].iter().all(|&i| sparsity[i] == -10.0) && sparsity.iter().all(|x| *x <= 0.0));
    let file = folder("saes/standard").sparsity.unwrap();
    assert!(files::read_sparsity(&file, 49).unwrap_err().message.contains("[48]"));
    assert!(files::read_sparsity(&folder("saes/standard").weights, 48).unwrap_err().message.contains("one tensor"));
}

#[test]
fn mismatches_name_both_sides() {
    let mut config = Config::new(Kind::Standard, 96, 192, 0);
    config.metadata = Metadata {
        model_name: Some("gpt2-small".into()),
        hook_name: Some("blocks.8.hook_resid_pre".into()),
        prepend_bos: Some(true),
        context_size: Some(128),
        center: Some(true),
        ..Metadata::default()
    };
    let mut sae = Sae::new(config, &Init::of(Kind::Standard), &Device::flex()).unwrap();
    let here = |width, model: &str, hook: &str, center, prepend_bos, context_size| Here {
        width: Some(width),
        model_name: Some(model.into()),
        hook: Some(hook.into()),
        center: Some(center),
        prepend_bos: Some(prepend_bos),
        context_size: Some(context_size),
    };
    let fits = here(96, "openai-community/gpt2", "blocks.7.hook_resid_post", true, true, 128);
    assert_eq!(mismatches(&sae, &fits), []);
    assert_eq!(mismatches(&sae, &Here::default()), []);
    let found = mismatches(&sae, &here(768, "tiny", "blocks.6.hook_resid_post", false, false, 1024));
    assert_eq!(found.iter().map(|m| m.what).collect::<Vec<_>>(), ["width", "model", "hook", "center", "prependBos", "contextSize"]);
    for (m, sides) in found.iter().zip([
        ["96", "768"],
        ["gpt2-small", "tiny"],
        ["blocks.8.hook_resid_pre", "blocks.6.hook_resid_post"],
        ["true", "false"],
        ["true", "false"],
        ["128", "1024"],
    ]) {
        assert_eq!([&m.sae, &m.here], sides);
    }
    for (m, words) in found.iter().zip([
        ["96", "768"],
        ["gpt2-small", "tiny"],
        ["hook_resid_pre", "hook_resid_post"],
        ["centred", "not centred"],
        ["with a BOS", "without one"],
        ["128", "1024"],
    ]) {
        assert!(words.iter().all(|w| m.message.contains(w)), "{}", m.message);
    }
    // A layer norm subtracts the mean itself; an average norm needs its factor.
    sae.config.normalize_activations = Normalization::LayerNorm;
    assert_eq!(mismatches(&sae, &Here { center: Some(false), ..fits.clone() }), []);
    sae.config.normalize_activations = Normalization::ExpectedAverageOnlyIn;
    assert_eq!(mismatches(&sae, &fits).iter().map(|m| m.what).collect::<Vec<_>>(), ["normalization"]);
    sae.input_scale = 0.3;
    assert_eq!(mismatches(&sae, &fits), []);
    // Off the residual stream both views are one.
    sae.config.metadata.hook_name = Some("blocks.7.attn.hook_z".into());
    let z = Here { hook: Some("blocks.7.attn.hook_z".into()), center: Some(false), ..fits };
    assert_eq!(mismatches(&sae, &z), []);
}
