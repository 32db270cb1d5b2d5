//! Adding to and replacing activations, against TransformerLens.

use burn::tensor::Device;
use pollster::block_on;
use sae_lab::gpt2::{Edit, EditKind, HookPoint, Hooks, LogitsWanted, Positions, View};
use sae_lab::tensors::{HostTensor, read, upload};

use crate::support::{assert_close, assert_close_relative, ids, json, model, numbers};

#[test]
fn edits_give_transformer_lens_logits_in_both_views() {
    let (model, _) = model("random");
    let (description, numbers) = (json("edits"), numbers("edits"));
    let ids = ids(&description["ids"]);
    let mut readings = 0;
    for case in description["edits"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        for (view_name, view) in [("hf", View::HuggingFace), ("tl", View::TransformerLens)] {
            let read_here: Vec<HookPoint> =
                HookPoint::all(&model.config).into_iter().filter(|p| numbers.contains_key(&format!("{name}/{view_name}/{p}"))).collect();
            let mut hooks = Hooks::reading(&read_here, view);
            hooks.prompt_len = ids.len();
            for (k, edit) in case["edits"].as_array().unwrap().iter().enumerate() {
                let given = numbers[&format!("{name}/{k}")].clone();
                let kind = match edit["kind"].as_str().unwrap() {
                    "add" => EditKind::Add(upload(given.data, [given.shape[0]], &Device::flex())),
                    _ => EditKind::Replace(given),
                };
                let positions = match edit["positions"].as_array() {
                    Some(list) => Positions::At(list.iter().map(|p| p.as_u64().unwrap() as usize).collect()),
                    None => Positions::All,
                };
                let point = HookPoint::parse(edit["hook"].as_str().unwrap(), &model.config).unwrap();
                hooks.edits.push(Edit { point, kind, positions });
            }
            let logits = model.forward(&[&ids], None, &mut hooks, LogitsWanted::All).unwrap().unwrap();
            let mut logits = block_on(read(logits)).unwrap();
            logits.shape.remove(0);
            assert_close(&format!("{name} {view_name}"), &logits, &numbers[&format!("{name}/{view_name}/logits")], 1e-3);
            readings += read_here.len();
            for point in read_here {
                let ours = block_on(hooks.read_one(point, &model.config)).unwrap();
                assert_close_relative(&format!("{name} {view_name} {point}"), &ours, &numbers[&format!("{name}/{view_name}/{point}")], 1e-4);
            }
        }
    }
    assert!(readings >= 6, "only {readings} readings compared");
}

#[test]
fn replacements_of_another_shape_are_refused() {
    let (model, _) = model("random");
    let refused = |hook: &str, shape: Vec<usize>, positions: Positions| {
        let value = HostTensor { data: vec![0.0; shape.iter().product()], shape };
        let point = HookPoint::parse(hook, &model.config).unwrap();
        let mut hooks = Hooks::editing(vec![Edit { point, kind: EditKind::Replace(value), positions }], View::default());
        model.forward(&[&[299, 1, 2, 3]], None, &mut hooks, LogitsWanted::Last).err().map(|e| e.code)
    };
    assert_eq!(refused("blocks.0.hook_resid_post", vec![4, 48], Positions::All), None);
    assert_eq!(refused("blocks.0.attn.hook_z", vec![4, 3, 16], Positions::All), None);
    assert_eq!(refused("blocks.0.attn.hook_pattern", vec![3, 4, 4], Positions::All), None);
    assert_eq!(refused("blocks.0.hook_resid_post", vec![48, 4], Positions::All), Some("LAB-WIDTH-MISMATCH"));
    assert_eq!(refused("blocks.0.attn.hook_pattern", vec![4, 4, 3], Positions::All), Some("LAB-WIDTH-MISMATCH"));
    assert_eq!(refused("blocks.0.attn.hook_pattern", vec![3, 4, 4], Positions::Last), Some("LAB-BAD-SETTING"));
}
