//! The k largest values on a GPU, by their bits: of the k-th largest 8 bits are found after the other, from a count of how many values have which.
//!
//! Whole numbers order values as floats do (`key`): 0 where a value is no candidate or counts for nothing. A row is one workgroup's, in one
//! dispatch; a matrix takes three counts of 11, 11 and 10 bits, from all workgroups, in four. Each of them clears what another counts in later, so that
//! [`Counts`] that are kept need no clearing of their own.

use burn::tensor::{Device, Tensor};
use burn_wgpu::{CubeTensor, Wgpu, into_contiguous};
use cubecl::server::Handle;

use super::buffers::{Buffers, Gpu, MOST, Slots, on_gpu};
use super::program::{Names, Program, Sums};
use crate::kernels::expr::Expr;
use crate::kernels::launch::{GROUPS, Kernel, run, spread};
use crate::kernels::select::{Counts, Per, TINY};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Wanted {
    /// The k-th largest value, of those from [`TINY`] on.
    Kth,
    /// Of the columns that are candidates: 1 for the k largest, else 0, and other values where these are among them, else 0. Instead of
    /// the k-th value how many candidates there are. Of rows only.
    Among,
    /// `Kth`, and `relu` of other values where these are among the k largest from [`TINY`] on, else 0.
    Kept,
}

/// A workgroup a row. Its sizes are rows, columns, k.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Row {
    wanted: Wanted,
    threads: u32,
    /// Not 0 for a column that is a candidate; all are where there is none.
    among: Option<Program>,
    kth: OfKth,
}

/// How many values have which bits, of those that have the bits that are known. Sizes: values, columns, k, workgroups.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Count {
    level: usize,
}

/// The answer from the counts. The same sizes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Answer {
    wanted: Wanted,
    kth: OfKth,
}

/// What becomes of the k-th value, where it is written, and the buffers that a kernel's expressions read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct OfKth {
    program: Program,
    slots: Slots,
}

/// Counts of a level, where they begin, and the bits below.
const LEVELS: [(u32, u32, u32); 3] = [(2048, 0, 21), (2048, 2048, 10), (1024, 4096, 0)];
/// Behind them, what the first level told.
const TOLD: u32 = 5120;
const COUNTS: usize = 5184;
impl Counts {
    /// Its numbers, all of the first level's 0. In a rehearsal nothing is made that stays: it would not be filled.
    fn of(&self, device: &Device) -> Tensor<2> {
        let new = || Tensor::zeros([1, COUNTS], device);
        if cubecl::dry_run::dry_run() { new() } else { self.0.get_or_init(new).clone() }
    }
}

/// Threads that look through the counts.
const SEEKERS: u32 = 64;

/// [`crate::kernels::select::kth_largest`]; `None` where the tensor is not a GPU's.
pub fn kth_largest(values: &Tensor<2>, k: usize, per: Per) -> Option<Tensor<2>> {
    let asked = Asked { inputs: &[values], k, per, among: None, then: &Expr::sum(0) };
    asked.answer(Wanted::Kth, None)?.pop()
}

/// [`crate::kernels::select::largest`]; `None` where the tensors are not a GPU's.
pub fn largest(rank: &Tensor<2>, pre: &Tensor<2>, k: usize, among: &Expr, then: &Expr) -> Option<[Tensor<2>; 3]> {
    let asked = Asked { inputs: &[rank, pre], k, per: Per::Row, among: Some(among), then };
    asked.answer(Wanted::Among, None)?.try_into().ok()
}

/// [`crate::kernels::select::kept`]; `None` where the tensors are not a GPU's.
pub fn kept(rank: &Tensor<2>, pre: &Tensor<2>, k: usize, per: Per, then: &Expr, counts: &Counts) -> Option<(Tensor<2>, Tensor<2>)> {
    let asked = Asked { inputs: &[rank, pre], k, per, among: None, then };
    let mut both = asked.answer(Wanted::Kept, Some(counts))?;
    let kth = both.pop()?;
    Some((both.pop()?, kth))
}

struct Asked<'a> {
    /// What is compared, and what else is read.
    inputs: &'a [&'a Tensor<2>],
    k: usize,
    per: Per,
    among: Option<&'a Expr>,
    /// What becomes of the k-th value, or of the number of candidates.
    then: &'a Expr,
}

impl Asked<'_> {
    fn answer(&self, wanted: Wanted, counts: Option<&Counts>) -> Option<Vec<Tensor<2>>> {
        let &Self { inputs, k, per, among, then } = self;
        let [rows, n] = inputs[0].dims();
        let k = if wanted.is_positive() { k.max(1) } else { k };
        if rows * n == 0 || k == 0 {
            return None;
        }
        let (gpu, device) = (Gpu::of(inputs[0])?, &inputs[0].device());
        let inputs: Vec<CubeTensor> = inputs.iter().map(|input| on_gpu(input).map(into_contiguous)).collect::<Option<_>>()?;
        let of_kth = [if per == Per::Row && wanted != Wanted::Among { rows } else { 1 }, 1];
        let outputs: Vec<CubeTensor> = wanted.written().iter().map(|(name, ..)| gpu.empty(if *name == KTH { of_kth } else { [rows, n] })).collect();
        let mut buffers = Buffers::default();
        let among = match among {
            Some(among) => Some(Program::new([among], [1, n], 1, Sums::Known, &[], &mut buffers)?),
            None => None,
        };
        let program = Program::new([then], of_kth, 1, Sums::Known, &[], &mut buffers)?;
        let kth = OfKth { program, slots: buffers.slots() };
        let groups = (rows * n).div_ceil(1024).min(1024) as u32;
        let of_matrix = [(rows * n) as u32, n as u32, k as u32, groups];
        let own = match per {
            Per::Row => vec![rows as u32, n as u32, k as u32],
            // An answer that looks at no value has no use for them.
            Per::Matrix if wanted == Wanted::Kth => Vec::new(),
            Per::Matrix => of_matrix.to_vec(),
        };
        if inputs.len() + outputs.len() + usize::from(per == Per::Matrix) + kth.slots.buffers().len() > MOST {
            return None;
        }
        let sizes = buffers.sizes(own);
        let more = buffers.handles(&[], &[]);
        let handles = |tensors: &[CubeTensor]| tensors.iter().map(|x| x.handle.clone()).collect::<Vec<Handle>>();
        match per {
            Per::Row => {
                let threads = if n > 4096 { 256 } else { 64 };
                let bound = [handles(&inputs), handles(&outputs), more].concat();
                run(Row { wanted, threads, among, kth }, &gpu.client, bound, &sizes, spread(rows));
            }
            Per::Matrix => {
                let counts = counts.map_or_else(|| Tensor::zeros([1, COUNTS], device), |counts| counts.of(device));
                let counts = vec![on_gpu(&counts)?.handle];
                for level in 0..LEVELS.len() {
                    let bound = [handles(&inputs[..1]), counts.clone()].concat();
                    run(Count { level }, &gpu.client, bound, &of_matrix, [groups, 1]);
                }
                let bound = [handles(&inputs[..wanted.read_by_answer().len()]), counts, handles(&outputs), more].concat();
                run(Answer { wanted, kth }, &gpu.client, bound, &sizes, [if wanted == Wanted::Kth { 1 } else { groups }, 1]);
            }
        }
        Some(outputs.into_iter().map(Tensor::from_primitive::<Wgpu>).collect())
    }
}

type Buffer = (&'static str, &'static str, bool);

const VALUES: Buffer = ("values", "u32", false);
const PRE: Buffer = ("pre", "f32", false);
const COUNTS_OF: Buffer = ("counts", "atomic<u32>", true);
const KTH: &str = "kth";

impl OfKth {
    /// WGSL that writes what becomes of `s0`, of the row or matrix `row`.
    fn text(&self, s0: &str) -> String {
        let names = Names { kind: "f32", row: "row", col: "0u", m: "1u", n: "1u" };
        format!(
            "{{
  let s0 = {s0};
{}  kth[row] = {};
  }}
",
            self.program.text(&self.slots, &names),
            self.program.result(0)
        )
    }
}

/// WGSL for the k-th value.
const KTH_VALUE: &str = "bitcast<f32>(state[0] + NOTHING)";

impl Wanted {
    /// Whether only values from [`TINY`] on are looked for.
    fn is_positive(self) -> bool {
        self != Self::Among
    }

    /// What the answer is made of, when the k-th value is known.
    fn read_by_answer(self) -> Vec<Buffer> {
        if self == Self::Kth { Vec::new() } else { vec![VALUES, PRE] }
    }

    fn written(self) -> Vec<Buffer> {
        let (y, kth) = (("y", "f32", true), (KTH, "f32", true));
        match self {
            Self::Kth => vec![kth],
            Self::Among => vec![y, ("those", "f32", true), kth],
            Self::Kept => vec![y, kth],
        }
    }

    /// WGSL for `key(bits)`.
    fn key(self) -> String {
        let tiny = (TINY as f32).to_bits();
        let most = f32::MAX.to_bits();
        match self.is_positive() {
            // Positive floats are ordered as their bits are. What is no number is above all.
            true => format!(
                "const NOTHING = {tiny}u;
fn key(bits: u32) -> u32 {{
  return select(0u, min(bits, {most}u) - NOTHING, bits >= NOTHING && bits <= 0x7f800000u);
}}
"
            ),
            // Those that tie with zero are in the middle.
            false => format!(
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

    /// WGSL that writes the answer for the value `at`, of which `chosen` tells whether it is a candidate.
    fn answer(self, at: &str) -> String {
        let text = match self {
            Self::Kth => String::new(),
            // Positive floats are ordered as their bits are, and what is no number is none of the largest.
            Self::Kept => "let bits = values[AT];
    y[AT] = select(0.0, max(pre[AT], 0.0), bits >= state[0] + NOTHING && bits <= 0x7f800000u);"
                .into(),
            Self::Among => "let bits = values[AT];
    let one = chosen && key(bits) >= state[0] && (bits & 0x7fffffffu) <= 0x7f800000u;
    y[AT] = select(0.0, 1.0, one);
    those[AT] = select(0.0, pre[AT], one);"
                .into(),
        };
        text.replace("AT", at)
    }
}

/// WGSL that finds where the largest end in `per · SEEKERS` counts: `count` of `AT`. `state` has the bits that are known and how many are still wanted of
/// those that have them, before and after. Where there are not so many, all are wanted; where there are none, the bits are 0. `told` is done
/// by the first thread when it knows how many there are in `all`.
fn seek(per: u32, bits: u32, count: &str, told: &str) -> String {
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
{told}    let want = min(state[1], all);
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
    fn buffers(&self) -> Vec<Buffer> {
        let read = if self.wanted == Wanted::Kth { vec![VALUES] } else { vec![VALUES, PRE] };
        [read, self.wanted.written(), self.kth.slots.buffers()].concat()
    }

    fn threads(&self) -> u32 {
        self.threads
    }

    fn sizes(&self) -> usize {
        self.kth.slots.sizes(4)
    }

    fn body(&self) -> String {
        let Self { wanted, threads, ref among, ref kth } = *self;
        let told = "    if (level == 0u && local == 0u) { candidates = all; }\n";
        let seek = seek(256 / SEEKERS, 8, "atomicLoad(&counts[AT])", if among.is_some() { told } else { "" });
        // Values that count for nothing are many: without them nobody waits for the others' turn.
        let (chosen, counts) = match among {
            Some(among) => {
                let names = Names { kind: "f32", row: "0u", col: "col", m: "1u", n: "n" };
                let of = among.text(&kth.slots, &names);
                (format!("{of}    let chosen = {} != 0.0;\n", among.result(0)), "chosen")
            }
            None => (String::new(), "one != 0u"),
        };
        let (rows, s0) = match wanted {
            Wanted::Among => ("1u", "f32(candidates)"),
            Wanted::Kth | Wanted::Kept => ("size[0].x", KTH_VALUE),
        };
        let mut answer = format!("  if (local == 0u && wanted < {rows}) {{\n  let row = wanted;\n  {}  }}\n", kth.text(s0));
        if wanted != Wanted::Kth {
            answer += &format!(
                "  if (wanted < size[0].x) {{
  for (var col = local; col < n; col += {threads}u) {{
{chosen}    {}
  }}
  }}",
                wanted.answer("first + col")
            );
        }
        format!(
            "{key}{STATE}var<workgroup> counts: array<atomic<u32>, 256>;
var<workgroup> candidates: u32;
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
{chosen}    let one = key(values[first + col]);
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

/// What the counts of the first so many levels tell, into `state`. The first level's are read in the second one only.
fn seek_levels(levels: usize) -> String {
    let (known, wanted) = match levels {
        1 => ("0u".into(), "size[0].z".into()),
        _ => (format!("atomicLoad(&counts[{TOLD}u])"), format!("atomicLoad(&counts[{}u])", TOLD + 1)),
    };
    let mut text = format!(
        "  if (local == 0u) {{
    state[0] = {known};
    state[1] = {wanted};
    found = vec2<u32>();
  }}
  workgroupBarrier();
"
    );
    for (count, base, _) in &LEVELS[usize::from(levels > 1)..levels] {
        text += &seek(count / SEEKERS, count.ilog2(), &format!("atomicLoad(&counts[{base}u + AT])"), "");
    }
    if levels == 1 {
        text += &format!(
            "  if (group.x == 0u && local == 0u) {{
    atomicStore(&counts[{TOLD}u], state[0]);
    atomicStore(&counts[{}u], state[1]);
  }}
",
            TOLD + 1
        );
    }
    text
}

impl Kernel for Count {
    fn buffers(&self) -> Vec<Buffer> {
        vec![VALUES, COUNTS_OF]
    }

    fn sizes(&self) -> usize {
        4
    }

    fn body(&self) -> String {
        let Self { level } = *self;
        let (count, base, below) = LEVELS[level];
        // Where the next one counts, or the first one when it counts again.
        let (next_count, next, _) = LEVELS[(level + 1) % LEVELS.len()];
        let bits = count.ilog2();
        let (seek, known) = if level == 0 { (String::new(), "0u") } else { (seek_levels(level), "state[0]") };
        let state = if level == 0 { "" } else { STATE };
        format!(
            "{key}{state}var<workgroup> here: array<atomic<u32>, {count}>;
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {{
{seek}  for (var i = group.x * 64u + local; i < {next_count}u; i += size[0].w * 64u) {{ atomicStore(&counts[{next}u + i], 0u); }}
  for (var i = local; i < {count}u; i += 64u) {{ atomicStore(&here[i], 0u); }}
  workgroupBarrier();
  let known = {known};
  for (var at = group.x * 64u + local; at < size[0].x; at += size[0].w * 64u) {{
    let one = key(values[at]);
    if (one != 0u && (one >> {below}u) >> {bits}u == known) {{ atomicAdd(&here[(one >> {below}u) & {most}u], 1u); }}
  }}
  workgroupBarrier();
  for (var i = local; i < {count}u; i += 64u) {{
    let more = atomicLoad(&here[i]);
    if (more != 0u) {{ atomicAdd(&counts[{base}u + i], more); }}
  }}
}}
",
            key = Wanted::Kth.key(),
            most = count - 1,
        )
    }
}

impl Kernel for Answer {
    fn buffers(&self) -> Vec<Buffer> {
        [self.wanted.read_by_answer(), vec![COUNTS_OF], self.wanted.written(), self.kth.slots.buffers()].concat()
    }

    fn sizes(&self) -> usize {
        self.kth.slots.sizes(if self.wanted == Wanted::Kth { 0 } else { 4 })
    }

    fn body(&self) -> String {
        let Self { wanted, kth } = self;
        let mut answer = format!("  if (group.x == 0u && local == 0u) {{\n  let row = 0u;\n  {}  }}\n", kth.text(KTH_VALUE));
        if *wanted != Wanted::Kth {
            answer += &format!(
                "  for (var at = group.x * 64u + local; at < size[0].x; at += size[0].w * 64u) {{
    {}
  }}",
                wanted.answer("at")
            );
        }
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
