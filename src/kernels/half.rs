//! Products with matrices whose numbers are f16, two in a word; arithmetic is f32.
//!
//! `unpack2x16float` is part of WGSL itself, so that no GPU needs to have f16. The plain version is
//! [`crate::gpt2::Matrix`] in f32 or, on the CPU, f16.

use burn::tensor::{Int, Tensor};
use burn_wgpu::{CubeTensor, Wgpu, into_contiguous};

use super::launch::{Kernel, THREADS, launch};

/// `x · w + bias`, `[rows, k] · [k, n]`: each thread has four columns of `tile` rows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Linear {
    k: usize,
    /// Words in a row of `w`.
    words: usize,
    tile: usize,
    bias: bool,
}

/// The same for one row: a workgroup has 32 columns, and eight threads share the sum of each.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct LinearRow {
    k: usize,
    words: usize,
    bias: bool,
}

/// `x · wᵀ`, `[rows, k] · [n, k]ᵀ`: each thread has one column of `tile` rows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Transposed {
    words: usize,
    n: usize,
    tile: usize,
}

/// The same for one row: a workgroup has four columns, and 16 threads share the sum of each.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct TransposedRow {
    words: usize,
    n: usize,
}

/// Rows of `w`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Gather {
    words: usize,
}

/// Groups beyond what one axis takes go to the second.
const GROUPS: u32 = 65535;

fn spread(groups: usize) -> [u32; 2] {
    let groups = groups as u32;
    if groups <= GROUPS { [groups, 1] } else { [GROUPS, groups.div_ceil(GROUPS)] }
}

fn primitive(x: Tensor<2>) -> CubeTensor {
    into_contiguous(x.try_into_primitive::<Wgpu>().expect("a matrix on a GPU meets activations on that GPU"))
}

fn bits(w: Tensor<2, Int>) -> CubeTensor {
    w.try_into_primitive::<Wgpu>().expect("packed matrices live on a GPU")
}

/// How many rows a thread has.
fn tile(rows: usize) -> usize {
    if rows >= 8 { 8 } else { 4 }
}

/// `[rows, k] · [k, 2 words] + bias`.
pub fn half_linear(x: Tensor<2>, w: Tensor<2, Int>, bias: Option<Tensor<1>>) -> Tensor<2> {
    let ([rows, k], [_, words]) = (x.dims(), w.dims());
    let mut inputs = vec![primitive(x), bits(w)];
    let has_bias = bias.is_some();
    inputs.extend(bias.map(|bias| primitive(bias.unsqueeze())));
    let shape = [rows, 2 * words];
    if rows == 1 {
        return launch(LinearRow { k, words, bias: has_bias }, inputs, shape, [words.div_ceil(16) as u32, 1]);
    }
    let tile = tile(rows);
    let groups = [words.div_ceil(2 * THREADS as usize) as u32, rows.div_ceil(tile) as u32];
    launch(Linear { k, words, tile, bias: has_bias }, inputs, shape, groups)
}

/// `[rows, 2 words] · [n, 2 words]ᵀ`.
pub fn half_transposed(x: Tensor<2>, w: Tensor<2, Int>) -> Tensor<2> {
    let ([rows, _], [n, words]) = (x.dims(), w.dims());
    let inputs = vec![primitive(x), bits(w)];
    if rows == 1 {
        return launch(TransposedRow { words, n }, inputs, [1, n], spread(n.div_ceil(4)));
    }
    let tile = tile(rows);
    launch(Transposed { words, n, tile }, inputs, [rows, n], [n.div_ceil(THREADS as usize) as u32, rows.div_ceil(tile) as u32])
}

/// Rows `ids` of `[n, 2 words]`.
pub fn half_gather(w: Tensor<2, Int>, ids: Tensor<1, Int>) -> Tensor<2> {
    let ([_, words], [rows]) = (w.dims(), ids.dims());
    let ids = ids.try_into_primitive::<Wgpu>().expect("ids are uploaded to the matrix's device");
    launch(Gather { words }, vec![bits(w), ids], [rows, 2 * words], spread((rows * words).div_ceil(THREADS as usize)))
}

impl Kernel for Linear {
    fn source(&self) -> String {
        let Self { k, words, tile, bias } = *self;
        let each = |line: &dyn Fn(usize) -> String| (0..tile).map(line).collect::<Vec<_>>().join("\n");
        let (declared, start) = bias_of(bias, "vec4(bias[2u * c], bias[2u * c + 1u], bias[2u * d], bias[2u * d + 1u])");
        let step = if k.is_multiple_of(4) { 4 } else { 1 };
        let (x_type, x_row) = if step == 4 { ("vec4<f32>", k / 4) } else { ("f32", k) };
        let load = each(&|i| format!("    let x{i} = x[r{i} + at];"));
        let add = (0..step)
            .map(|j| {
                let part = if step == 4 { format!("[{j}]") } else { String::new() };
                let product = each(&|i| format!("      y{i} += x{i}{part} * v;"));
                format!("    {{\n      let row = ({step}u * at + {j}u) * WORDS;\n      let v = vec4(unpack2x16float(w[row + c]), unpack2x16float(w[row + d]));\n{product}\n    }}")
            })
            .collect::<Vec<_>>()
            .join("\n");
        let rows_of = each(&|i| format!("  let r{i} = min(first + {i}u, rows - 1u) * {x_row}u;\n  var y{i} = start;"));
        let store = each(&|i| {
            format!(
                "  if (first + {i}u < rows) {{\n    y[(first + {i}u) * WORDS + c] = y{i}.xy;\n    if (c + 1u < WORDS) {{ y[(first + {i}u) * WORDS + d] = y{i}.zw; }}\n  }}"
            )
        });
        format!(
            "@group(0) @binding(0) var<storage, read> x: array<{x_type}>;
@group(0) @binding(1) var<storage, read> w: array<u32>;
{declared}var<storage, read_write> y: array<vec2<f32>>;
const WORDS = {words}u;
@compute @workgroup_size({THREADS})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {{
  let c = (group.x * {THREADS}u + local.x) * 2u;
  if (c >= WORDS) {{ return; }}
  let d = min(c + 1u, WORDS - 1u);
  let first = group.y * {tile}u;
  let rows = arrayLength(&x) / {x_row}u;
  let start = {start};
{rows_of}
  for (var at = 0u; at < {x_row}u; at++) {{
{load}
{add}
  }}
{store}
}}
"
        )
    }
}

/// The declarations up to the output's number, and the value that a sum begins with.
fn bias_of(bias: bool, value: &str) -> (String, String) {
    if bias {
        ("@group(0) @binding(2) var<storage, read> bias: array<f32>;\n@group(0) @binding(3) ".into(), value.into())
    } else {
        ("@group(0) @binding(2) ".into(), "vec4<f32>()".into())
    }
}

impl Kernel for LinearRow {
    fn source(&self) -> String {
        let Self { k, words, bias } = *self;
        let (declared, start) = bias_of(bias, "vec4(bias[2u * c], bias[2u * c + 1u], bias[2u * d], bias[2u * d + 1u])");
        format!(
            "@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<u32>;
{declared}var<storage, read_write> y: array<vec2<f32>>;
const WORDS = {words}u;
var<workgroup> parts: array<vec4<f32>, {THREADS}>;
@compute @workgroup_size({THREADS})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {{
  let column = local.x % 8u;
  let c = min((group.x * 8u + column) * 2u, WORDS - 1u);
  let d = min(c + 1u, WORDS - 1u);
  var sum = vec4<f32>();
  for (var at = local.x / 8u; at < {k}u; at += 8u) {{
    sum += x[at] * vec4(unpack2x16float(w[at * WORDS + c]), unpack2x16float(w[at * WORDS + d]));
  }}
  parts[local.x] = sum;
  workgroupBarrier();
  if (local.x < 8u && (group.x * 8u + column) * 2u < WORDS) {{
    sum = {start};
    for (var i = 0u; i < 8u; i++) {{ sum += parts[8u * i + column]; }}
    y[c] = sum.xy;
    if (c + 1u < WORDS) {{ y[d] = sum.zw; }}
  }}
}}
"
        )
    }
}

impl Kernel for Transposed {
    fn source(&self) -> String {
        let Self { words, n, tile } = *self;
        let each = |line: &dyn Fn(usize) -> String| (0..tile).map(line).collect::<Vec<_>>().join("\n");
        let rows_of = each(&|i| format!("  let r{i} = min(first + {i}u, rows - 1u) * WORDS;\n  var y{i} = vec2<f32>();"));
        let add = each(&|i| format!("    y{i} += x[r{i} + at] * v;"));
        let store = each(&|i| format!("  if (first + {i}u < rows) {{ y[(first + {i}u) * {n}u + c] = y{i}.x + y{i}.y; }}"));
        format!(
            "@group(0) @binding(0) var<storage, read> x: array<vec2<f32>>;
@group(0) @binding(1) var<storage, read> w: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
const WORDS = {words}u;
@compute @workgroup_size({THREADS})
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(workgroup_id) group: vec3<u32>) {{
  let c = id.x;
  if (c >= {n}u) {{ return; }}
  let first = group.y * {tile}u;
  let rows = arrayLength(&x) / WORDS;
{rows_of}
  for (var at = 0u; at < WORDS; at++) {{
    let v = unpack2x16float(w[c * WORDS + at]);
{add}
  }}
{store}
}}
"
        )
    }
}

impl Kernel for TransposedRow {
    fn source(&self) -> String {
        let Self { words, n } = *self;
        format!(
            "@group(0) @binding(0) var<storage, read> x: array<vec2<f32>>;
@group(0) @binding(1) var<storage, read> w: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
const WORDS = {words}u;
var<workgroup> parts: array<f32, {THREADS}>;
@compute @workgroup_size({THREADS})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {{
  let wanted = (group.x + group.y * {GROUPS}u) * 4u + local.x / 16u;
  let c = min(wanted, {n}u - 1u);
  var sum = vec2<f32>();
  for (var at = local.x % 16u; at < WORDS; at += 16u) {{
    sum += x[at] * unpack2x16float(w[c * WORDS + at]);
  }}
  parts[local.x] = sum.x + sum.y;
  workgroupBarrier();
  if (local.x % 16u == 0u && wanted < {n}u) {{
    var total = 0.0;
    for (var i = 0u; i < 16u; i++) {{ total += parts[local.x + i]; }}
    y[c] = total;
  }}
}}
"
        )
    }
}

impl Kernel for Gather {
    fn source(&self) -> String {
        let Self { words } = *self;
        format!(
            "@group(0) @binding(0) var<storage, read> w: array<u32>;
@group(0) @binding(1) var<storage, read> ids: array<i32>;
@group(0) @binding(2) var<storage, read_write> y: array<vec2<f32>>;
const WORDS = {words}u;
@compute @workgroup_size({THREADS})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {{
  let at = (group.x + group.y * {GROUPS}u) * {THREADS}u + local.x;
  if (at >= arrayLength(&ids) * WORDS) {{ return; }}
  y[at] = unpack2x16float(w[u32(ids[at / WORDS]) * WORDS + at % WORDS]);
}}
"
        )
    }
}
