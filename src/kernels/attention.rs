//! What a GPT-2 block needs besides products: the embedding, layer norm and attention, each in one kernel.

use burn::tensor::{Device, Int, Tensor};

use super::launch::{GROUPS, Kernel, THREADS, TOTAL, floats, ints, launch, spread};
use super::products::Weight;
use crate::tensors::upload_indices;

/// Numbers before the token ids in what [`pass`] uploads.
const HEAD: usize = 3;
/// Dimensions of a head at most.
pub const LARGEST_HEAD: usize = 4 * THREADS as usize;

/// What the kernels of one pass have to know, in one buffer: positions of each sequence, how many came before, how many the
/// cache has room for; then the ids of all tokens.
pub fn pass(pos: usize, offset: usize, capacity: usize, ids: &[u32], device: &Device) -> Tensor<1, Int> {
    let all: Vec<u32> = [pos as u32, offset as u32, capacity as u32].into_iter().chain(ids.iter().copied()).collect();
    upload_indices(&all, [all.len()], device)
}

/// `wte[id] + wpe[position]` of every token: `[rows, d]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Embed {
    words: usize,
    half: bool,
}

/// `(x − mean) / √(variance + ε) · weight + bias`: one workgroup a row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Norm {
    d: usize,
    eps: u32,
}

/// Causal attention of one query of one head in each workgroup, over keys in tiles of [`THREADS`] with a running maximum
/// (Milakov and Gimelshein 2018).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Attention {
    d: usize,
    d_head: usize,
}

pub fn embed(wte: Weight, wpe: Tensor<2>, pass: Tensor<1, Int>) -> Tensor<2> {
    let rows = pass.dims()[0] - HEAD;
    let words = wpe.dims()[1] / 2;
    let (half, wte) = match wte {
        Weight::Half(w) => (true, ints(w)),
        Weight::Full(w) => (false, floats(w)),
    };
    let groups = spread((rows * words).div_ceil(THREADS as usize));
    launch(Embed { words, half }, vec![wte, floats(wpe), ints(pass)], [rows, 2 * words], groups)
}

/// `norm` is weight and bias behind each other.
pub fn layer_norm(x: Tensor<2>, norm: Tensor<1>, eps: f64) -> Tensor<2> {
    let [rows, d] = x.dims();
    launch(Norm { d, eps: (eps as f32).to_bits() }, vec![floats(x), floats(norm)], [rows, d], spread(rows))
}

/// Of queries `[rows, d]` over the cache `[batch, capacity, 2 d]`: `[rows, d]`, heads side by side.
pub fn attention(q: Tensor<2>, cache: Tensor<3>, pass: Tensor<1, Int>, d_head: usize) -> Tensor<2> {
    let [rows, d] = q.dims();
    launch(Attention { d, d_head }, vec![floats(q), floats(cache), ints(pass)], [rows, d], spread(rows * (d / d_head)))
}

impl Kernel for Embed {
    fn buffers(&self) -> Vec<(&'static str, &'static str, bool)> {
        vec![
            ("w", if self.half { "u32" } else { "vec2<f32>" }, false),
            ("wpe", "vec2<f32>", false),
            ("pass_of", "i32", false),
            ("y", "vec2<f32>", true),
        ]
    }

    fn body(&self) -> String {
        let Self { words, half } = *self;
        let word = "w[u32(pass_of[HEAD + row]) * WORDS + at % WORDS]";
        let word = if half { format!("unpack2x16float({word})") } else { word.into() };
        format!(
            "const WORDS = {words}u;
const HEAD = {HEAD}u;
@compute @workgroup_size({THREADS})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {{
  let at = (group.x + group.y * {GROUPS}u) * {THREADS}u + local.x;
  let row = at / WORDS;
  if (row >= arrayLength(&pass_of) - HEAD) {{ return; }}
  let position = u32(pass_of[1]) + row % u32(pass_of[0]);
  y[at] = {word} + wpe[position * WORDS + at % WORDS];
}}
"
        )
    }
}

impl Kernel for Norm {
    fn buffers(&self) -> Vec<(&'static str, &'static str, bool)> {
        vec![("x", "f32", false), ("norm", "f32", false), ("y", "f32", true)]
    }

    fn body(&self) -> String {
        let d = self.d;
        let eps = f32::from_bits(self.eps);
        format!(
            "{TOTAL}@compute @workgroup_size({THREADS})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {{
  let row = group.x + group.y * {GROUPS}u;
  let first = min(row, arrayLength(&x) / {d}u - 1u) * {d}u;
  var part = 0.0;
  for (var at = local.x; at < {d}u; at += {THREADS}u) {{ part += x[first + at]; }}
  let mean = total(part, local.x) / {d}.0;
  part = 0.0;
  for (var at = local.x; at < {d}u; at += {THREADS}u) {{
    let apart = x[first + at] - mean;
    part += apart * apart;
  }}
  let scale = inverseSqrt(total(part, local.x) / {d}.0 + {eps:e});
  for (var at = local.x; at < {d}u; at += {THREADS}u) {{
    y[first + at] = (x[first + at] - mean) * scale * norm[at] + norm[{d}u + at];
  }}
}}
"
        )
    }
}

impl Kernel for Attention {
    fn buffers(&self) -> Vec<(&'static str, &'static str, bool)> {
        vec![("q", "f32", false), ("cache", "f32", false), ("pass_of", "i32", false), ("y", "f32", true)]
    }

    fn body(&self) -> String {
        let Self { d, d_head } = *self;
        let heads = d / d_head;
        let scale = 1.0 / (d_head as f64).sqrt();
        // Dimensions that a thread has: local, local + THREADS, …
        let own = d_head.div_ceil(THREADS as usize);
        let each = |line: &dyn Fn(usize) -> String| (0..own).map(line).collect::<Vec<_>>().join("\n");
        let begin = each(&|i| format!("  var y{i} = 0.0;\n  let d{i} = min(local.x + {}u, {}u);", i * THREADS as usize, d_head - 1));
        let shrink = each(&|i| format!("    y{i} *= shrink;"));
        let add = each(&|i| format!("      y{i} += p * cache[place + d{i}];"));
        let store = each(&|i| {
            let at = i * THREADS as usize;
            format!("  if (local.x + {at}u < {d_head}u) {{ y[row * {d}u + head * {d_head}u + local.x + {at}u] = y{i} / sum; }}")
        });
        format!(
            "var<workgroup> scores: array<f32, {THREADS}>;
var<workgroup> query: array<f32, {d_head}>;
@compute @workgroup_size({THREADS})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {{
  let work = group.x + group.y * {GROUPS}u;
  let row = work / {heads}u;
  let head = work % {heads}u;
  if (row >= arrayLength(&q) / {d}u) {{ return; }}
  let pos = u32(pass_of[0]);
  let keys = u32(pass_of[1]) + row % pos + 1u;
  let first = row / pos * u32(pass_of[2]);
  for (var i = local.x; i < {d_head}u; i += {THREADS}u) {{ query[i] = q[row * {d}u + head * {d_head}u + i] * {scale:e}; }}
  var largest = -1e30;
  var sum = 0.0;
{begin}
  for (var from_key = 0u; from_key < keys; from_key += {THREADS}u) {{
    workgroupBarrier();
    let key = from_key + local.x;
    var score = -1e30;
    if (key < keys) {{
      let place = (first + key) * {both}u + head * {d_head}u;
      score = 0.0;
      for (var i = 0u; i < {d_head}u; i++) {{ score += query[i] * cache[place + i]; }}
    }}
    scores[local.x] = score;
    workgroupBarrier();
    let n = min({THREADS}u, keys - from_key);
    var larger = largest;
    for (var i = 0u; i < n; i++) {{ larger = max(larger, scores[i]); }}
    let shrink = exp(largest - larger);
    largest = larger;
    sum *= shrink;
{shrink}
    for (var i = 0u; i < n; i++) {{
      let p = exp(scores[i] - largest);
      sum += p;
      let place = (first + from_key + i) * {both}u + {d}u + head * {d_head}u;
{add}
    }}
  }}
{store}
}}
",
            both = 2 * d
        )
    }
}
