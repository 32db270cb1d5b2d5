//! What is written: the same bytes again and again, the same SAE when it is read, and in SAELens the
//! features that it has here.
//!
//! `SAE_LAB_WRITE_FIXTURES=1 cargo test written` writes `tests/reference/saes_ours` anew;
//! `tests/reference/saelens_reads_ours.py` then says what SAELens makes of it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use burn::tensor::Device;
use pollster::block_on;
use sae_lab::files::{Header, head_length};
use sae_lab::sae::config::{Config, Kind, Metadata, Normalization};
use sae_lab::sae::files::{Files, WriteSettings, write};
use sae_lab::sae::{Init, Sae};
use sae_lab::tensors::HostTensor;
use serde_json::{Map, Value, json};

use super::{Folder, folder, run};
use crate::support::{assert_close, assert_close_relative, json as numbers_json, numbers, path};

const D_IN: usize = 16;
const D_SAE: usize = 48;
const D_OUT: usize = 12;

/// Fixed numbers between -1 and 1, without a processor's arithmetic in them (an LCG's upper bits).
struct Numbers(u32);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1664525).wrapping_add(1013904223);
        f32::from((self.0 >> 16) as u16) / 32768.0 - 1.0
    }
}

struct Case {
    name: &'static str,
    sae: RefCell<Sae>,
    settings: WriteSettings,
    /// Writing computes with the weights, so that the last bit depends on the processor.
    computed: bool,
}

fn case(name: &'static str, kind: Kind, change: impl FnOnce(&mut Config)) -> Case {
    let mut config = Config::new(kind, D_IN, D_SAE, 7);
    config.extras.k = 5.0;
    config.metadata = Metadata {
        model_name: Some("gpt2-small".into()),
        hook_name: Some("blocks.6.hook_resid_pre".into()),
        prepend_bos: Some(true),
        context_size: Some(128),
        center: Some(true),
        dataset_path: Some("Skylion007/openwebtext".into()),
        ..Metadata::default()
    };
    change(&mut config);
    let mut fixed = Numbers(name.bytes().fold(1, |n, b| n * 31 % 65521 + u32::from(b)));
    // The start gives the names and shapes; its values are replaced.
    let mut weights: BTreeMap<String, HostTensor> = Init::of(kind).weights(&config);
    for (name, tensor) in &mut weights {
        let (scale, shift) = match name.as_str() {
            "W_enc" | "W_dec" => (0.5, 0.0),
            "threshold" => (0.125, 0.5),
            _ => (0.25, 0.0),
        };
        tensor.data.iter_mut().for_each(|x| *x = fixed.next() * scale + shift);
    }
    let computed = kind.is_top_k() && config.extras.rescale_acts_by_decoder_norm;
    let mut sae = Sae::from_weights(config, weights, &Device::flex()).unwrap();
    let buffers = sae.architecture.buffers().into_iter().map(|b| b.value.full_like(0.40625)).collect::<Vec<_>>();
    if !buffers.is_empty() {
        sae.architecture = sae.architecture.with_buffers(buffers);
    }
    Case { name, sae: RefCell::new(sae), settings: WriteSettings::default(), computed }
}

fn cases() -> Vec<Case> {
    let transcoder = |config: &mut Config| {
        (config.d_out, config.transcoder, config.apply_b_dec_to_input) = (D_OUT, true, false);
        (config.metadata.hook_name, config.metadata.hook_name_out) = (Some("blocks.6.hook_mlp_in".into()), Some("blocks.6.hook_mlp_out".into()));
    };
    let mut half = case("standard_half", Kind::Standard, |_| ());
    half.settings = WriteSettings { half: true, metadata: Map::from_iter([("note".into(), json!("written in half precision"))]) };
    let mut sparsity = case("standard", Kind::Standard, |_| ());
    sparsity.sae.get_mut().log_sparsity = Some((0..D_SAE).map(|i| -(i as f32) / 8.0).collect());
    let mut scaled = case("scaled", Kind::Standard, |c| c.normalize_activations = Normalization::ExpectedAverageOnlyIn);
    (scaled.sae.get_mut().input_scale, scaled.computed) = (0.625, true);
    let mut scaled_tied = case("scaled_tied", Kind::Tied, |c| c.normalize_activations = Normalization::ExpectedAverageOnlyIn);
    (scaled_tied.sae.get_mut().input_scale, scaled_tied.computed) = (0.625, true);
    vec![
        case("tied", Kind::Tied, |_| ()),
        case("untied", Kind::Untied, |_| ()),
        sparsity,
        half,
        scaled,
        scaled_tied,
        case("hook_z", Kind::Standard, |c| (c.reshape_hook_z, c.metadata.hook_name) = (true, Some("blocks.6.attn.hook_z".into()))),
        case("topk", Kind::TopK, |_| ()),
        case("topk_layer_norm", Kind::TopK, |c| (c.normalize_activations, c.extras.rescale_acts_by_decoder_norm) = (Normalization::LayerNorm, false)),
        case("batchtopk", Kind::BatchTopK, |_| ()),
        case("matryoshka", Kind::Matryoshka, |c| (c.extras.matryoshka_widths, c.extras.rescale_acts_by_decoder_norm) = (vec![8, 20, 48], false)),
        case("jumprelu", Kind::JumpRelu, |_| ()),
        case("gated", Kind::Gated, |_| ()),
        case("transcoder", Kind::Standard, transcoder),
        case("skip_transcoder", Kind::Standard, |c| {
            transcoder(c);
            c.skip = true;
        }),
        case("jumprelu_transcoder", Kind::JumpRelu, transcoder),
        case("batchtopk_transcoder", Kind::BatchTopK, transcoder),
    ]
}

fn files(case: &Case) -> Files {
    block_on(write(&case.sae, &case.settings)).unwrap_or_else(|e| panic!("{}: {e}", case.name))
}

impl From<Files> for Folder {
    fn from(files: Files) -> Self {
        Self { cfg: files.cfg, weights: files.weights, sparsity: files.sparsity }
    }
}

/// Tensors of a file of f32 or f16, by name.
fn tensors(file: &[u8]) -> BTreeMap<String, Vec<f32>> {
    let length = file.len() as u64;
    let head = head_length("weights", file, length).unwrap();
    let header = Header::parse("weights", &file[..head], length).unwrap();
    let values = |(name, t): (String, sae_lab::files::Tensor)| {
        let mut values = Vec::new();
        t.stored.append(&file[t.start as usize..t.end as usize], &mut values);
        (name, values)
    };
    header.tensors.into_iter().map(values).collect()
}

#[test]
fn written_files_are_those_that_saelens_was_given() {
    let write_them = std::env::var_os("SAE_LAB_WRITE_FIXTURES").is_some();
    for case in cases() {
        let (name, made) = (case.name, files(&case));
        assert_eq!(made, files(&case), "{name}");
        let place = path(&format!("tests/reference/saes_ours/{name}"));
        if write_them {
            std::fs::create_dir_all(&place).unwrap();
            std::fs::write(place.join("cfg.json"), &made.cfg).unwrap();
            std::fs::write(place.join("sae_weights.safetensors"), &made.weights).unwrap();
            if let Some(sparsity) = &made.sparsity {
                std::fs::write(place.join("sparsity.safetensors"), sparsity).unwrap();
            }
        }
        let kept = folder(&format!("saes_ours/{name}"));
        assert_eq!(String::from_utf8_lossy(&made.cfg), String::from_utf8_lossy(&kept.cfg), "{name}");
        assert_eq!(made.sparsity, kept.sparsity, "{name}");
        if !case.computed {
            assert!(made.weights == kept.weights, "{name}: the bytes of the weights differ");
        }
        assert_eq!(made.weights.len(), kept.weights.len());
        for ((key, ours), (kept_key, kept)) in tensors(&made.weights).into_iter().zip(tensors(&kept.weights)) {
            assert_eq!(key, kept_key);
            let shape = vec![ours.len()];
            assert_close(&format!("{name} {key}"), &HostTensor { data: ours, shape: shape.clone() }, &HostTensor { data: kept, shape }, 1e-6);
        }
    }
}

#[test]
fn saelens_reads_what_is_written_with_the_features_that_it_has_here() {
    let (description, theirs) = (numbers_json("saelens_reads_ours"), numbers("saelens_reads_ours"));
    let rows = &numbers("saelens_files")["rows"];
    let known = description["cases"].as_array().unwrap();
    assert_eq!(known.len(), cases().len());
    for case in cases() {
        let name = case.name;
        let said = known.iter().find(|c| c["name"] == name).unwrap_or_else(|| panic!("SAELens has not read {name}"));
        let sae = case.sae.borrow();
        let (features, output) = run(&sae, rows);
        // Of weights rounded to 11 bits.
        let tolerance = if case.settings.half { 2e-3 } else { 1e-5 };
        assert_close_relative(name, &features, &theirs[&format!("{name}/features")], tolerance);
        let mut expected = theirs[&format!("{name}/output")].clone();
        expected.shape = vec![expected.shape[0], sae.config.d_out];
        assert_close_relative(name, &output, &expected, tolerance);
        let config = &said["config"];
        assert_eq!(config["metadata"]["hook_name"].as_str(), sae.config.metadata.hook_name.as_deref(), "{name}");
        assert_eq!(config["metadata"]["model_from_pretrained_kwargs"]["center_writing_weights"], true, "{name}");
        assert_eq!(config["d_sae"], D_SAE, "{name}");
    }
}

#[test]
fn what_is_written_is_read_as_the_same_sae() {
    let rows = &numbers("saelens_files")["rows"];
    for case in cases() {
        let name = case.name;
        let first = Folder::from(files(&case));
        let read = first.read().unwrap_or_else(|e| panic!("{name}: {e}"));
        let sae = case.sae.borrow();
        let (ours, theirs) = (run(&read, rows), run(&sae, rows));
        let tolerance = if case.settings.half { 2e-3 } else { 1e-6 };
        assert_close_relative(name, &ours.0, &theirs.0, tolerance);
        assert_close_relative(name, &ours.1, &theirs.1, tolerance);
        let (a, b) = (&read.config, &sae.config);
        assert_eq!((a.d_in, a.d_sae, a.d_out, a.transcoder, a.skip), (b.d_in, b.d_sae, b.d_out, b.transcoder, b.skip), "{name}");
        assert_eq!((a.apply_b_dec_to_input, a.reshape_hook_z), (b.apply_b_dec_to_input, b.reshape_hook_z), "{name}");
        let folded = sae.input_scale != 1.0;
        assert_eq!(a.normalize_activations, if folded { Normalization::None } else { b.normalize_activations }, "{name}");
        assert_eq!(Metadata { other: Map::new(), ..a.metadata.clone() }, b.metadata, "{name}");
        assert_eq!(read.log_sparsity, sae.log_sparsity, "{name}");
        let kind = match b.architecture {
            Kind::Tied | Kind::Untied => Kind::Standard,
            Kind::BatchTopK | Kind::Matryoshka => Kind::JumpRelu,
            same => same,
        };
        assert_eq!(a.architecture, kind, "{name}");
        if kind == Kind::TopK {
            assert_eq!((a.extras.k, a.extras.rescale_acts_by_decoder_norm), (b.extras.k, b.extras.rescale_acts_by_decoder_norm));
        }
        if kind != b.architecture {
            assert_eq!(a.metadata.other["training_architecture"], b.architecture.name(), "{name}");
        }
        // Read and written once more it is the same SAE, to the last byte unless norms are folded again.
        let again = block_on(write(&RefCell::new(read), &WriteSettings { half: case.settings.half, ..WriteSettings::default() })).unwrap();
        assert_eq!(String::from_utf8_lossy(&again.cfg), String::from_utf8_lossy(&first.cfg), "{name}");
        if kind != Kind::TopK {
            assert!(again.weights == first.weights, "{name}");
        }
    }
}

#[test]
fn a_checkpoint_of_batch_top_k_training_keeps_its_threshold() {
    // As `save_model` of SAELens's training class writes it: the threshold is one f64 without dimensions.
    let rows = &numbers("saelens_files")["rows"];
    let made = cases().into_iter().find(|c| c.name == "batchtopk").unwrap();
    let sae = made.sae.borrow();
    let cfg = json!({"architecture": "batchtopk", "d_in": D_IN, "d_sae": D_SAE, "k": 5.5, "rescale_acts_by_decoder_norm": true, "topk_threshold_lr": 0.02,
        "apply_b_dec_to_input": true, "normalize_activations": "none", "metadata": {"sae_lens_version": "6.54.12"}});
    let (mut header, mut data) = (Map::new(), Vec::new());
    for parameter in sae.architecture.parameters() {
        let values = block_on(sae_lab::tensors::read(parameter.value)).unwrap();
        let shape = if parameter.name.starts_with("W_") { values.shape } else { vec![values.data.len()] };
        header
            .insert(parameter.name.into(), json!({"dtype": "F32", "shape": shape, "data_offsets": [data.len(), data.len() + 4 * values.data.len()]}));
        data.extend(values.data.iter().flat_map(|x| x.to_le_bytes()));
    }
    header.insert("topk_threshold".into(), json!({"dtype": "F64", "shape": [], "data_offsets": [data.len(), data.len() + 8]}));
    data.extend(0.40625f64.to_le_bytes());
    let text = Value::Object(header).to_string();
    let weights = [&(text.len() as u64).to_le_bytes()[..], text.as_bytes(), &data].concat();
    let read = Folder { cfg: cfg.to_string().into_bytes(), weights, sparsity: None }.read().unwrap();
    assert_eq!((read.config.architecture, read.config.extras.k, read.config.extras.topk_threshold_lr), (Kind::BatchTopK, 5.5, 0.02));
    assert_eq!(run(&read, rows), run(&sae, rows));
}

#[test]
fn weights_that_do_not_fit_are_not_written() {
    let large = case("large", Kind::Standard, |_| ());
    let folded = large.sae.borrow().architecture.with_scale_folded(1e6);
    large.sae.borrow_mut().architecture = folded;
    let error = block_on(write(&large.sae, &WriteSettings { half: true, ..WriteSettings::default() })).unwrap_err();
    assert_eq!(error.code, "LAB-NOT-FINITE");
    assert!(error.message.contains("W_enc") && error.message.contains("65504") && error.hint.contains("float32"), "{error}");
    let topk = case("topk", Kind::TopK, |c| (c.transcoder, c.d_out, c.apply_b_dec_to_input) = (true, D_OUT, false));
    assert!(block_on(write(&topk.sae, &WriteSettings::default())).unwrap_err().message.contains("topk transcoder"));
}
