//! The k largest values on a GPU, by their bits: of the k-th largest 8 bits are found after the other, from a count of how many values have which.
//!
//! Whole numbers order values as floats do (`key`): 0 where a value is no candidate or counts for nothing. A row is one workgroup's, in one
//! dispatch; a matrix takes three counts of 11, 11 and 10 bits, from all workgroups, in five.

use burn::tensor::Tensor;
use burn_wgpu::Wgpu;

use super::buffers::{Gpu, on_gpu};
use crate::kernels::launch::{GROUPS, Kernel, run, spread};
use crate::kernels::select::{Per, TINY};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Wanted {
    /// The k-th largest value, of those from [`TINY`] on.
    Kth,
    /// 1 for the k largest, else 0.
    Mask,
    /// The same of some columns.
    MaskAmong,
}

/// A workgroup a row. Its sizes are rows, columns, k.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Row {
    wanted: Wanted,
    threads: u32,
}

/// Zeros for the counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Clear;

/// How many values have which bits, of those that have the bits that are known. Sizes: values, columns, k, workgroups.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Count {
    wanted: Wanted,
    level: usize,
}

/// The answer from the counts. The same sizes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Answer {
    wanted: Wanted,
}

/// Counts of a level, where they begin, and the bits below.
const LEVELS: [(u32, u32, u32); 3] = [(2048, 0, 21), (2048, 2048, 10), (1024, 4096, 0)];
const COUNTS: u32 = 5120;
/// Threads that look through the counts.
const SEEKERS: u32 = 64;

/// [`crate::kernels::select::kth_largest`]; `None` where the tensor is not a GPU's.
pub fn kth_largest(values: &Tensor<2>, k: usize, per: Per) -> Option<Tensor<2>> {
    let shape = [if per == Per::Row { values.dims()[0] } else { 1 }, 1];
    select(values, k, per, None, Wanted::Kth, shape)
}

/// [`crate::kernels::select::largest`]; `None` where the tensor is not a GPU's.
pub fn largest(values: &Tensor<2>, k: usize, per: Per, among: Option<&Tensor<2>>) -> Option<Tensor<2>> {
    let wanted = if among.is_some() { Wanted::MaskAmong } else { Wanted::Mask };
    select(values, k, per, among, wanted, values.dims())
}

fn select(values: &Tensor<2>, k: usize, per: Per, among: Option<&Tensor<2>>, wanted: Wanted, shape: [usize; 2]) -> Option<Tensor<2>> {
    let [rows, n] = values.dims();
    let k = if wanted == Wanted::Kth { k.max(1) } else { k };
    if rows * n == 0 || k == 0 {
        return None;
    }
    let gpu = Gpu::of(values)?;
    let mut inputs = vec![burn_wgpu::into_contiguous(on_gpu(values)?)];
    if let Some(among) = among {
        inputs.push(burn_wgpu::into_contiguous(on_gpu(among)?));
    }
    let output = gpu.empty(shape);
    let bound = |last: Vec<cubecl::server::Handle>| inputs.iter().map(|input| input.handle.clone()).chain(last).collect::<Vec<_>>();
    match per {
        Per::Row => {
            let threads = if n > 4096 { 256 } else { 64 };
            run(Row { wanted, threads }, &gpu.client, bound(vec![output.handle.clone()]), &[rows as u32, n as u32, k as u32], spread(rows));
        }
        Per::Matrix => {
            let counts = gpu.client.empty(4 * COUNTS as usize);
            let groups = (rows * n).div_ceil(1024).min(1024) as u32;
            let sizes = [(rows * n) as u32, n as u32, k as u32, groups];
            run(Clear, &gpu.client, [counts.clone()], &[], [COUNTS / 64, 1]);
            for level in 0..LEVELS.len() {
                run(Count { wanted, level }, &gpu.client, bound(vec![counts.clone()]), &sizes, [groups, 1]);
            }
            let groups = if wanted == Wanted::Kth { 1 } else { groups };
            let last = vec![counts, output.handle.clone()];
            run(Answer { wanted }, &gpu.client, if wanted == Wanted::Kth { last } else { bound(last) }, &sizes, [groups, 1]);
        }
    }
    Some(Tensor::from_primitive::<Wgpu>(output))
}

impl Wanted {
    fn inputs(self) -> Vec<(&'static str, &'static str, bool)> {
        let mut all = vec![("values", "u32", false)];
        if self == Self::MaskAmong {
            all.push(("among", "f32", false));
        }
        all
    }

    /// WGSL for `key(bits)`, and for what to do with the value `at` of column `col`.
    fn key(self) -> String {
        let tiny = (TINY as f32).to_bits();
        let most = f32::MAX.to_bits();
        match self {
            // Positive floats are ordered as their bits are. What is no number is above all.
            Self::Kth => format!(
                "const NOTHING = {tiny}u;
fn key(bits: u32) -> u32 {{
  return select(0u, min(bits, {most}u) - NOTHING, bits >= NOTHING && bits <= 0x7f800000u);
}}
"
            ),
            // Those that tie with zero are in the middle.
            _ => format!(
                "const NOTHING = {tiny}u;
fn key(bits: u32) -> u32 {{
  let size = bits & 0x7fffffffu;
  if (size > 0x7f800000u) {{ return 0u; }}
  if (bits < 0x80000000u) {{ return 0x80000000u + select(0u, 1u + min(size, {most}u) - NOTHING, size >= NOTHING); }}
  return 0x80000000u - select(0u, size - NOTHING, size > NOTHING);
}}
"
            ),
        }
    }

    /// Whether the value counts. Values that count for nothing are many: without them nobody waits for the others' turn.
    fn counts(self, col: &str) -> String {
        match self {
            Self::Kth => "one != 0u".into(),
            Self::Mask => "true".into(),
            Self::MaskAmong => format!("among[{col}] != 0.0"),
        }
    }

    /// 1 or 0 for a value whose key is `one`. Those that are no numbers are none of the largest.
    fn mask(self, bits: &str, col: &str) -> String {
        let largest = format!("one >= least && ({bits} & 0x7fffffffu) <= 0x7f800000u");
        let among = if self == Self::MaskAmong { format!(" && among[{col}] != 0.0") } else { String::new() };
        format!("select(0.0, 1.0, {largest}{among})")
    }
}

/// WGSL that finds where the largest end in `per · SEEKERS` counts: `count` of `AT`. `state` has the bits that are known and how many are still wanted of
/// those that have them, before and after. Where there are not so many, all are wanted; where there are none, the bits are 0.
fn seek(per: u32, bits: u32, count: &str) -> String {
    format!(
        "  if (local < {SEEKERS}u) {{
    var mine = 0u;
    for (var i = 0u; i < {per}u; i++) {{ mine += {of_mine}; }}
    sums[local] = mine;
  }}
  workgroupBarrier();
  if (local < {SEEKERS}u) {{
    var above = 0u;
    var all = 0u;
    for (var i = 0u; i < {SEEKERS}u; i++) {{
      all += sums[i];
      above += select(0u, sums[i], i > local);
    }}
    let want = min(state[1], all);
    if (above < want && above + sums[local] >= want) {{
      for (var i = 0u; i < {per}u; i++) {{
        let at = {per}u * local + {per}u - 1u - i;
        let here = {of_at};
        if (above + here >= want) {{
          found = vec2(at, want - above);
          break;
        }}
        above += here;
      }}
    }}
  }}
  workgroupBarrier();
  if (local == 0u) {{
    state[0] = (state[0] << {bits}u) | found.x;
    if (found.y != 0u) {{ state[1] = found.y; }}
    found = vec2<u32>();
  }}
  workgroupBarrier();
",
        of_mine = count.replace("AT", &format!("{per}u * local + i")),
        of_at = count.replace("AT", "at"),
    )
}

const STATE: &str = "var<workgroup> sums: array<u32, 64>;
var<workgroup> state: array<u32, 2>;
var<workgroup> found: vec2<u32>;
";

impl Kernel for Row {
    fn buffers(&self) -> Vec<(&'static str, &'static str, bool)> {
        let mut all = self.wanted.inputs();
        all.push(("y", "f32", true));
        all
    }

    fn threads(&self) -> u32 {
        self.threads
    }

    fn sizes(&self) -> usize {
        4
    }

    fn body(&self) -> String {
        let Self { wanted, threads } = *self;
        let seek = seek(256 / SEEKERS, 8, "atomicLoad(&counts[AT])");
        let counts = wanted.counts("col");
        let answer = if wanted == Wanted::Kth {
            "  if (local == 0u && wanted < size[0].x) { y[wanted] = bitcast<f32>(state[0] + NOTHING); }".into()
        } else {
            format!(
                "  let least = state[0];
  if (wanted < size[0].x) {{
    for (var col = local; col < n; col += {threads}u) {{
      let bits = values[first + col];
      let one = key(bits);
      y[first + col] = {mask};
    }}
  }}",
                mask = wanted.mask("bits", "col")
            )
        };
        format!(
            "{key}{STATE}var<workgroup> counts: array<atomic<u32>, 256>;
@compute @workgroup_size({threads})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {{
  let wanted = group.x + group.y * {GROUPS}u;
  let n = size[0].y;
  let first = min(wanted, size[0].x - 1u) * n;
  if (local == 0u) {{
    state[0] = 0u;
    state[1] = size[0].z;
    found = vec2<u32>();
  }}
  for (var level = 0u; level < 4u; level++) {{
  let below = 24u - 8u * level;
  for (var i = local; i < 256u; i += {threads}u) {{ atomicStore(&counts[i], 0u); }}
  workgroupBarrier();
  let known = state[0];
  for (var col = local; col < n; col += {threads}u) {{
    let one = key(values[first + col]);
    // A shift by 32 would be one by 0.
    if ({counts} && (one >> below) >> 8u == known) {{ atomicAdd(&counts[(one >> below) & 255u], 1u); }}
  }}
  workgroupBarrier();
{seek}  }}
{answer}
}}
",
            key = wanted.key(),
        )
    }
}

impl Kernel for Clear {
    fn buffers(&self) -> Vec<(&'static str, &'static str, bool)> {
        vec![("counts", "u32", true)]
    }

    fn body(&self) -> String {
        "@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) { counts[id.x] = 0u; }
"
        .into()
    }
}

/// What the counts of the first so many levels tell, into `state`.
fn seek_levels(levels: usize) -> String {
    let mut text = "  if (local == 0u) {
    state[0] = 0u;
    state[1] = size[0].z;
    found = vec2<u32>();
  }
  workgroupBarrier();
"
    .to_string();
    for (count, base, _) in &LEVELS[..levels] {
        text += &seek(count / SEEKERS, count.ilog2(), &format!("atomicLoad(&counts[{base}u + AT])"));
    }
    text
}

impl Kernel for Count {
    fn buffers(&self) -> Vec<(&'static str, &'static str, bool)> {
        let mut all = self.wanted.inputs();
        all.push(("counts", "atomic<u32>", true));
        all
    }

    fn sizes(&self) -> usize {
        4
    }

    fn body(&self) -> String {
        let Self { wanted, level } = *self;
        let (count, base, below) = LEVELS[level];
        let bits = count.ilog2();
        let (seek, known) = if level == 0 { (String::new(), "0u") } else { (seek_levels(level), "state[0]") };
        let state = if level == 0 { "" } else { STATE };
        format!(
            "{key}{state}var<workgroup> here: array<atomic<u32>, {count}>;
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {{
{seek}  for (var i = local; i < {count}u; i += 64u) {{ atomicStore(&here[i], 0u); }}
  workgroupBarrier();
  let known = {known};
  for (var at = group.x * 64u + local; at < size[0].x; at += size[0].w * 64u) {{
    let one = key(values[at]);
    if ({counts} && (one >> {below}u) >> {bits}u == known) {{ atomicAdd(&here[(one >> {below}u) & {most}u], 1u); }}
  }}
  workgroupBarrier();
  for (var i = local; i < {count}u; i += 64u) {{
    let more = atomicLoad(&here[i]);
    if (more != 0u) {{ atomicAdd(&counts[{base}u + i], more); }}
  }}
}}
",
            key = wanted.key(),
            counts = wanted.counts("at % size[0].y"),
            most = count - 1,
        )
    }
}

impl Kernel for Answer {
    fn buffers(&self) -> Vec<(&'static str, &'static str, bool)> {
        let mut all = if self.wanted == Wanted::Kth { Vec::new() } else { self.wanted.inputs() };
        all.extend([("counts", "atomic<u32>", true), ("y", "f32", true)]);
        all
    }

    fn sizes(&self) -> usize {
        4
    }

    fn body(&self) -> String {
        let wanted = self.wanted;
        let answer = if wanted == Wanted::Kth {
            "  if (local == 0u) { y[0] = bitcast<f32>(state[0] + NOTHING); }".into()
        } else {
            format!(
                "  let least = state[0];
  for (var at = group.x * 64u + local; at < size[0].x; at += size[0].w * 64u) {{
    let bits = values[at];
    let one = key(bits);
    y[at] = {mask};
  }}",
                mask = wanted.mask("bits", "at % size[0].y")
            )
        };
        format!(
            "{key}{STATE}@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {{
{seek}{answer}
}}
",
            key = wanted.key(),
            seek = seek_levels(LEVELS.len()),
        )
    }
}
