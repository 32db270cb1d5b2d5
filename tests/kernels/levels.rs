//! Products by levels, held against the same in 64 bits.

use std::rc::Rc;

use burn::tensor::Device;
use sae_lab::kernels::levels::prefixes;
use sae_lab::kernels::{Expr, Form, Out, Source, compute};
use sae_lab::tensors::upload;
use serde::Deserialize;

use crate::Answer;
use crate::held::{Held, Near, U, sum_error};
use crate::inputs::{Draw, limited, poisoned};

/// `form`: "transposed" and "outer" are a [`Source::Leveled`], with an output that is new and one that is written over; "prefixes" are those. The last of
/// `ends` is how many latents there are.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Levels {
    seed: u64,
    form: String,
    rows: usize,
    width: usize,
    ends: Vec<usize>,
    /// Small whole numbers.
    whole: bool,
    /// Operations of one dispatch, at most; 0: as many as ever.
    #[serde(default)]
    most: u64,
}

pub async fn levels(device: &Device, sizes: Levels) -> Answer {
    let Levels { seed, ref form, rows, width, ends, whole, most } = sizes;
    let mut draw = Draw::new(seed, whole);
    let Some(&latents) = ends.last() else { return Ok(Held::default()) };
    let level_of = |latent: usize| ends.iter().position(|end| latent < *end).unwrap_or(0);
    let blocks = ends.len() * width;
    let features = draw.values(rows * latents);
    let decoder = draw.values(latents * width);
    let errors = draw.values(rows * blocks);
    let old = draw.values(rows.max(latents) * latents.max(width));
    let on = |values: &[f32], shape: [usize; 2]| upload(values[..shape[0] * shape[1]].to_vec(), shape, device);
    let (f, w, e) = (on(&features, [rows, latents]), on(&decoder, [latents, width]), on(&errors, [rows, blocks]));
    let near = |terms: &mut dyn Iterator<Item = (f32, f32)>| {
        let (mut is, mut all, mut n) = (0.0, 0.0, 0);
        for (a, b) in terms {
            let product = f64::from(a) * f64::from(b);
            (is, all, n) = (is + product, all + product.abs(), n + 1);
        }
        Near { is, off: if whole { 0.0 } else { sum_error(n + 1) * all } }
    };
    if form == "prefixes" {
        let target = draw.values(rows * width);
        let on_target = on(&target, [rows, width]);
        poisoned(device).await?;
        let residuals = |sum: Expr| {
            let residual = sum - &on_target;
            [residual.clone(), residual * 2.0]
        };
        let [first, second] = limited(most, || prefixes(&f, &w, &ends, residuals));
        let residual = |row: usize, level: usize, col: usize| {
            let Near { is, off } = near(&mut (0..ends[level]).map(|k| (features[row * latents + k], decoder[k * width + col])));
            let is = is - f64::from(target[row * width + col]);
            Near { is, off: if whole { 0.0 } else { off + U * (is.abs() + off) } }
        };
        let each = |of: &dyn Fn(usize, usize, usize) -> Near| -> Vec<Near> {
            (0..rows * blocks).map(|at| of(at / blocks, at % blocks / width, at % width)).collect()
        };
        let later = |row: usize, level: usize, col: usize| {
            let (mut is, mut off, mut all) = (0.0, 0.0, 0.0);
            for level in level..ends.len() {
                let one = residual(row, level, col);
                (is, off, all) = (is + 2.0 * one.is, off + 2.0 * one.off, all + 2.0 * one.is.abs());
            }
            Near { is, off: if whole { 0.0 } else { off + sum_error(ends.len()) * all } }
        };
        return Held::default().against("first", first, each(&residual)).await?.against("second", second, each(&later)).await;
    }
    let outer = form == "outer";
    let shape = if outer { [latents, width] } else { [rows, latents] };
    let on_old = on(&old, shape);
    let (form, a, b) = if outer { (Form::Outer, f, e) } else { (Form::Transposed, e, w) };
    let source = Source::Leveled { form, a: a.clone(), b: b.clone(), ends: Rc::from(&ends[..]), only: None };
    poisoned(device).await?;
    let outs = vec![Out::New(Expr::sum(0)), Out::Over(on_old, Expr::old(1) - Expr::sum(0))];
    let got = limited(most, || compute(source, shape, outs));
    drop((a, b));
    let sum = |at: usize| {
        let (row, col) = (at / shape[1], at % shape[1]);
        if outer {
            let from = level_of(row) * width + col;
            near(&mut (0..rows).map(|t| (features[t * latents + row], errors[t * blocks + from])))
        } else {
            let from = level_of(col) * width;
            near(&mut (0..width).map(|t| (errors[row * blocks + from + t], decoder[col * width + t])))
        }
    };
    let n = shape[0] * shape[1];
    let over = |at: usize| {
        let Near { is, off } = sum(at);
        let is = f64::from(old[at]) - is;
        Near { is, off: if whole { 0.0 } else { off + U * (is.abs() + off) } }
    };
    let mut held = Held::default();
    for ((what, got), truth) in ["new", "over"].into_iter().zip(got).zip([(0..n).map(sum).collect::<Vec<_>>(), (0..n).map(over).collect()]) {
        held = held.against(what, got, truth).await?;
    }
    Ok(held)
}
