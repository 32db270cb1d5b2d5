//! Products with weight matrices in f32 or f16 (two in a word), and what comes before and after them; arithmetic is f32.
//!
//! `unpack2x16float` is part of WGSL itself, so that no GPU needs to have f16. The plain version of each is
//! the forward pass in [`crate::gpt2`] as it runs on the CPU.

use burn::tensor::{Int, Tensor};
use burn_wgpu::CubeTensor;

use super::launch::{GROUPS, Kernel, THREADS, TOTAL, floats, ints, launch, spread};

/// A matrix on the GPU with an even number of columns.
#[derive(Clone)]
pub enum Weight {
    /// `[rows, cols]`
    Full(Tensor<2>),
    /// `[rows, cols / 2]`
    Half(Tensor<2, Int>),
}

/// How the words of a matrix, two numbers each, are written in WGSL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Words {
    Full,
    Half,
}

impl Weight {
    /// Rows, words in a row, and how they are written.
    fn shape(&self) -> (usize, usize, Words) {
        match self {
            Self::Full(w) => (w.dims()[0], w.dims()[1] / 2, Words::Full),
            Self::Half(w) => (w.dims()[0], w.dims()[1], Words::Half),
        }
    }

    fn buffer(self) -> CubeTensor {
        match self {
            Self::Full(w) => floats(w),
            Self::Half(w) => ints(w),
        }
    }
}

impl Words {
    fn of(self) -> &'static str {
        match self {
            Self::Full => "vec2<f32>",
            Self::Half => "u32",
        }
    }

    /// Word `at` as two f32.
    fn at(self, at: &str) -> String {
        match self {
            Self::Full => format!("w[{at}]"),
            Self::Half => format!("unpack2x16float(w[{at}])"),
        }
    }
}

/// What becomes of `x · w + bias`.
pub enum Then {
    Nothing,
    /// GPT-2's activation function.
    Gelu,
    /// This is added, `[rows, n]`.
    Add(Tensor<2>),
    /// Queries, keys and values side by side: the queries are the output, the others go to the cache `[batch, capacity, 2 d]`, at the
    /// places that `pass` tells ([`super::attention::pass`]).
    Qkv {
        cache: Tensor<3>,
        pass: Tensor<1, Int>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Ending {
    Nothing,
    Gelu,
    Add,
    Qkv,
}

/// `x · w + bias`, `[rows, k] · [k, n]`: each thread has four columns of `tile` rows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Linear {
    k: usize,
    words: usize,
    kind: Words,
    tile: usize,
    bias: bool,
    ending: Ending,
}

/// The same for one row, after a layer norm where `norm` has the bits of its epsilon: a workgroup has 32 columns, and eight
/// threads share the sum of each.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct LinearRow {
    k: usize,
    words: usize,
    kind: Words,
    bias: bool,
    norm: Option<u32>,
    ending: Ending,
}

/// `x · wᵀ`, `[rows, k] · [n, k]ᵀ`: each thread has one column of `tile` rows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Transposed {
    words: usize,
    kind: Words,
    n: usize,
    tile: usize,
}

/// The same for one row: a workgroup has four columns, and 16 threads share the sum of each.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct TransposedRow {
    words: usize,
    kind: Words,
    n: usize,
}

/// Rows of `w`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Gather {
    words: usize,
    kind: Words,
}

/// How many rows a thread has.
fn tile(rows: usize) -> usize {
    if rows >= 8 { 8 } else { 4 }
}

/// `then(norm(x) · w + bias)`, `[rows, k] · [k, n]`. `norm` is a layer norm's weight and bias behind each other, and its epsilon; only
/// for one row.
pub fn linear(x: Tensor<2>, w: Weight, bias: Option<Tensor<1>>, norm: Option<(Tensor<1>, f64)>, then: Then) -> Tensor<2> {
    let [rows, k] = x.dims();
    let (_, words, kind) = w.shape();
    let mut inputs = vec![floats(x), w.buffer()];
    let has_bias = bias.is_some();
    inputs.extend(bias.map(floats));
    let eps = norm.as_ref().map(|(_, eps)| (*eps as f32).to_bits());
    inputs.extend(norm.map(|(norm, _)| floats(norm)));
    let (ending, columns) = match then {
        Then::Nothing => (Ending::Nothing, 2 * words),
        Then::Gelu => (Ending::Gelu, 2 * words),
        Then::Add(to) => {
            inputs.push(floats(to));
            (Ending::Add, 2 * words)
        }
        Then::Qkv { cache, pass } => {
            inputs.extend([floats(cache), ints(pass)]);
            (Ending::Qkv, 2 * words / 3)
        }
    };
    let shape = [rows, columns];
    if rows == 1 {
        let kernel = LinearRow { k, words, kind, bias: has_bias, norm: eps, ending };
        return launch(kernel, inputs, shape, [words.div_ceil(16) as u32, 1]);
    }
    let tile = tile(rows);
    let groups = [words.div_ceil(2 * THREADS as usize) as u32, rows.div_ceil(tile) as u32];
    launch(Linear { k, words, kind, tile, bias: has_bias, ending }, inputs, shape, groups)
}

/// `x · wᵀ`, `[rows, k] · [n, k]ᵀ`.
pub fn transposed(x: Tensor<2>, w: Weight) -> Tensor<2> {
    let rows = x.dims()[0];
    let (n, words, kind) = w.shape();
    let inputs = vec![floats(x), w.buffer()];
    if rows == 1 {
        return launch(TransposedRow { words, kind, n }, inputs, [1, n], spread(n.div_ceil(4)));
    }
    let tile = tile(rows);
    launch(Transposed { words, kind, n, tile }, inputs, [rows, n], [n.div_ceil(THREADS as usize) as u32, rows.div_ceil(tile) as u32])
}

/// Rows `ids` of `w`.
pub fn gather(w: Weight, ids: Tensor<1, Int>) -> Tensor<2> {
    let rows = ids.dims()[0];
    let (_, words, kind) = w.shape();
    launch(Gather { words, kind }, vec![w.buffer(), ints(ids)], [rows, 2 * words], spread((rows * words).div_ceil(THREADS as usize)))
}

type Buffers = Vec<(&'static str, &'static str, bool)>;

/// `x`, which comes first and is read as `x_type`, and what the others have in common.
fn buffers_of(x_type: &'static str, kind: Words, bias: bool, norm: bool, ending: Ending) -> Buffers {
    let mut all = vec![("x", x_type, false), ("w", kind.of(), false)];
    all.extend(bias.then_some(("bias", "vec2<f32>", false)));
    all.extend(norm.then_some(("norm", "f32", false)));
    match ending {
        Ending::Add => all.push(("to", "vec2<f32>", false)),
        Ending::Qkv => all.extend([("cache", "vec2<f32>", true), ("pass_of", "i32", false)]),
        _ => {}
    }
    all.push(("y", "vec2<f32>", true));
    all
}

/// The functions that the bodies of [`Linear`] and [`LinearRow`] call: `start(word)` is what a sum begins with, and
/// `put(row, word, sum)` stores it.
fn around(words: usize, bias: bool, ending: Ending) -> String {
    let start = if bias { "bias[at]" } else { "vec2<f32>()" };
    let put = match ending {
        Ending::Nothing => "y[row * WORDS + at] = sum;".into(),
        Ending::Gelu => "y[row * WORDS + at] = gelu(sum);".into(),
        Ending::Add => "y[row * WORDS + at] = to[row * WORDS + at] + sum;".into(),
        Ending::Qkv => {
            let d = words / 3;
            format!(
                "if (at < {d}u) {{ y[row * {d}u + at] = sum; return; }}
  let pos = u32(pass_of[0]);
  let place = row / pos * u32(pass_of[2]) + u32(pass_of[1]) + row % pos;
  cache[place * {both}u + at - {d}u] = sum;",
                both = 2 * d
            )
        }
    };
    let gelu = if ending == Ending::Gelu { GELU } else { "" };
    format!(
        "const WORDS = {words}u;
{gelu}fn start(at: u32) -> vec2<f32> {{ return {start}; }}
fn put(row: u32, at: u32, sum: vec2<f32>) {{
  {put}
}}
"
    )
}

/// As in `gpt2::gelu`: the exponent ends where f32 does.
const GELU: &str = "fn gelu(x: vec2<f32>) -> vec2<f32> {
  return x / (1.0 + exp(min(-x * (1.5957691216057308 + 0.07135481282553487 * x * x), vec2<f32>(80.0))));
}
";

impl Kernel for Linear {
    fn buffers(&self) -> Buffers {
        buffers_of(if self.k.is_multiple_of(4) { "vec4<f32>" } else { "f32" }, self.kind, self.bias, false, self.ending)
    }

    fn body(&self) -> String {
        let Self { k, words, kind, tile, bias, ending } = *self;
        let each = |line: &dyn Fn(usize) -> String| (0..tile).map(line).collect::<Vec<_>>().join("\n");
        let (step, x_row) = if k.is_multiple_of(4) { (4, k / 4) } else { (1, k) };
        let load = each(&|i| format!("    let x{i} = x[r{i} + at];"));
        let add = (0..step)
            .map(|j| {
                let part = if step == 4 { format!("[{j}]") } else { String::new() };
                let product = each(&|i| format!("      y{i} += x{i}{part} * v;"));
                let (first, second) = (kind.at("row + c"), kind.at("row + d"));
                format!("    {{\n      let row = ({step}u * at + {j}u) * WORDS;\n      let v = vec4({first}, {second});\n{product}\n    }}")
            })
            .collect::<Vec<_>>()
            .join("\n");
        let rows_of = each(&|i| format!("  let r{i} = min(first + {i}u, rows - 1u) * {x_row}u;\n  var y{i} = begin;"));
        let store = each(&|i| {
            format!(
                "  if (first + {i}u < rows) {{\n    put(first + {i}u, c, y{i}.xy);\n    if (c + 1u < WORDS) {{ put(first + {i}u, d, y{i}.zw); }}\n  }}"
            )
        });
        let around = around(words, bias, ending);
        format!(
            "{around}@compute @workgroup_size({THREADS})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {{
  let c = (group.x * {THREADS}u + local.x) * 2u;
  if (c >= WORDS) {{ return; }}
  let d = min(c + 1u, WORDS - 1u);
  let first = group.y * {tile}u;
  let rows = arrayLength(&x) / {x_row}u;
  let begin = vec4(start(c), start(d));
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

impl Kernel for LinearRow {
    fn buffers(&self) -> Buffers {
        buffers_of("f32", self.kind, self.bias, self.norm.is_some(), self.ending)
    }

    fn body(&self) -> String {
        let Self { k, words, kind, bias, norm, ending } = *self;
        let around = around(words, bias, ending);
        let (first, second) = (kind.at("at * WORDS + c"), kind.at("at * WORDS + d"));
        let (functions, prepare, x) = match norm {
            Some(eps) => (
                TOTAL,
                format!(
                    "  var part = 0.0;
  for (var at = local.x; at < {k}u; at += {THREADS}u) {{ part += x[at]; }}
  let mean = total(part, local.x) / {k}.0;
  part = 0.0;
  for (var at = local.x; at < {k}u; at += {THREADS}u) {{ part += (x[at] - mean) * (x[at] - mean); }}
  let scale = inverseSqrt(total(part, local.x) / {k}.0 + {eps:e});
",
                    eps = f32::from_bits(eps)
                ),
                format!("((x[at] - mean) * scale * norm[at] + norm[{k}u + at])"),
            ),
            None => ("", String::new(), "x[at]".into()),
        };
        format!(
            "{around}var<workgroup> parts: array<vec4<f32>, {THREADS}>;
{functions}@compute @workgroup_size({THREADS})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {{
  let column = local.x % 8u;
  let wanted = (group.x * 8u + column) * 2u;
  let c = min(wanted, WORDS - 1u);
  let d = min(c + 1u, WORDS - 1u);
{prepare}  var sum = vec4<f32>();
  for (var at = local.x / 8u; at < {k}u; at += 8u) {{
    sum += {x} * vec4({first}, {second});
  }}
  parts[local.x] = sum;
  workgroupBarrier();
  if (local.x < 8u && wanted < WORDS) {{
    sum = vec4(start(c), start(d));
    for (var i = 0u; i < 8u; i++) {{ sum += parts[8u * i + column]; }}
    put(0u, c, sum.xy);
    if (c + 1u < WORDS) {{ put(0u, d, sum.zw); }}
  }}
}}
"
        )
    }
}

impl Kernel for Transposed {
    fn buffers(&self) -> Buffers {
        vec![("x", "vec2<f32>", false), ("w", self.kind.of(), false), ("y", "f32", true)]
    }

    fn body(&self) -> String {
        let Self { words, kind, n, tile } = *self;
        let each = |line: &dyn Fn(usize) -> String| (0..tile).map(line).collect::<Vec<_>>().join("\n");
        let rows_of = each(&|i| format!("  let r{i} = min(first + {i}u, rows - 1u) * WORDS;\n  var y{i} = vec2<f32>();"));
        let add = each(&|i| format!("    y{i} += x[r{i} + at] * v;"));
        let store = each(&|i| format!("  if (first + {i}u < rows) {{ y[(first + {i}u) * {n}u + c] = y{i}.x + y{i}.y; }}"));
        let word = kind.at("c * WORDS + at");
        format!(
            "const WORDS = {words}u;
@compute @workgroup_size({THREADS})
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(workgroup_id) group: vec3<u32>) {{
  let c = id.x;
  if (c >= {n}u) {{ return; }}
  let first = group.y * {tile}u;
  let rows = arrayLength(&x) / WORDS;
{rows_of}
  for (var at = 0u; at < WORDS; at++) {{
    let v = {word};
{add}
  }}
{store}
}}
"
        )
    }
}

impl Kernel for TransposedRow {
    fn buffers(&self) -> Buffers {
        vec![("x", "vec2<f32>", false), ("w", self.kind.of(), false), ("y", "f32", true)]
    }

    fn body(&self) -> String {
        let Self { words, kind, n } = *self;
        let word = kind.at("c * WORDS + at");
        format!(
            "const WORDS = {words}u;
var<workgroup> parts: array<f32, {THREADS}>;
@compute @workgroup_size({THREADS})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {{
  let wanted = (group.x + group.y * {GROUPS}u) * 4u + local.x / 16u;
  let c = min(wanted, {n}u - 1u);
  var sum = vec2<f32>();
  for (var at = local.x % 16u; at < WORDS; at += 16u) {{
    sum += x[at] * {word};
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
    fn buffers(&self) -> Buffers {
        vec![("w", self.kind.of(), false), ("ids", "i32", false), ("y", "vec2<f32>", true)]
    }

    fn body(&self) -> String {
        let Self { words, kind } = *self;
        let word = kind.at("u32(ids[at / WORDS]) * WORDS + at % WORDS");
        format!(
            "const WORDS = {words}u;
@compute @workgroup_size({THREADS})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {{
  let at = (group.x + group.y * {GROUPS}u) * {THREADS}u + local.x;
  if (at >= arrayLength(&ids) * WORDS) {{ return; }}
  y[at] = {word};
}}
"
        )
    }
}
