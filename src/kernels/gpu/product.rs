//! Matrix products: each thread keeps a tile of the result in registers and reads its operands straight from their buffers.
//!
//! On SwiftShader, its two cores shared with much else, these reach 1 to 1.4 GFLOP/s in the median; tiles in workgroup memory reached 0.4 to 1.3 in
//! a sketch, and took 0.4 to 4 s to compile. On a GPU, where none of this was measured, the threads of a workgroup are 8 × 8 tiles, so that what they
//! read should be in the nearest cache.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use burn::tensor::Tensor;

use super::buffers::{Buffers, Slots, dims, is_turned, on_gpu};
use super::ending::Ending;
use crate::kernels::compute::Form;
use crate::kernels::launch::{GROUPS, Kernel, THREADS};
use crate::kernels::levels::spans;

/// Threads of a workgroup along each axis.
const SIDE: usize = 8;
/// Rows that a thread has.
const ROWS: usize = 8;

/// Two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pair {
    form: Form,
    a: usize,
    b: usize,
    /// How many numbers are read at a time: along k, in `Outer` along m.
    a_width: usize,
}

impl Pair {
    /// The pair for a product by levels, of which a matrix has so many blocks of columns. `None` where an operand lies as its transpose would.
    pub fn of_levels(
        form: Form,
        a: &Tensor<2>,
        b: &Tensor<2>,
        kind: Leveled,
        ends: &[usize],
        width: usize,
        buffers: &mut Buffers,
    ) -> Option<(Self, usize)> {
        // Nothing is read together that is of two levels.
        let (levels, whole) = match kind {
            Leveled::Columns => (ends.len(), (dims(&on_gpu(a)?)[1] / ends.len()).is_multiple_of(4)),
            Leveled::Rows | Leveled::Prefixes => (1, ends.iter().all(|end| end.is_multiple_of(4))),
        };
        let (pair, k) = Self::new(form, [a, b], width, whole, buffers)?;
        (pair.form == form).then_some((pair, k / levels))
    }
}

/// Operations of one dispatch, at most: a system may take a GPU away that does not give way for two seconds, and a small one may do no more than
/// 6 · 10¹⁰ in one.
static MOST: AtomicU64 = AtomicU64::new(16_000_000_000);

/// Another limit for the operations of one dispatch of a product of matrices, so that a test need not be large; the one before.
pub fn limit_operations(most: u64) -> u64 {
    MOST.swap(most, Ordering::Relaxed)
}

/// `m` rows, `n` columns (in units of the ending's width), the number of the first of its workgroups from above; k of each pair from the fifth size on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Product {
    pub slots: Slots,
    pub ending: Ending,
    pub pairs: Vec<Pair>,
    /// Columns that a thread has, in units of the ending's width.
    columns: usize,
    levels: Option<Levels>,
}

/// How a product goes by levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Levels {
    kind: Leveled,
    count: Count,
    /// Where the first level's end is among the numbers, the others' behind it: along the columns in units of the ending's width.
    ends: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Count {
    Fixed(usize),
    /// A number, behind the first level's end: all are as long, and how many they are may change from launch to launch.
    Number,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Leveled {
    /// Each column of the result is of a level, which reads its own columns of `a`.
    Columns,
    /// Each row is, and reads its own columns of `b`.
    Rows,
    /// `k` ends with each level: each has a result, side by side with the others'. To a level's second output those of the levels after it are added.
    Prefixes,
}

/// The same for one row: a workgroup has a few columns, and its threads share the sum of each.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProductRow {
    pub slots: Slots,
    pub ending: Ending,
    pub pairs: Vec<Pair>,
    /// Columns of a workgroup, in units of the ending's width.
    columns: usize,
}

impl Pair {
    /// The pair, and its k. A transposed operand turns the form round. Several numbers are read at a time where that is allowed. `None` where they are not
    /// a GPU's, or `[k, m]ᵀ [n, k]ᵀ`.
    pub fn new(form: Form, [a, b]: [&Tensor<2>; 2], width: usize, together: bool, buffers: &mut Buffers) -> Option<(Self, usize)> {
        let contiguous = burn_wgpu::into_contiguous;
        let (mut a, mut b) = (on_gpu(a)?, on_gpu(b)?);
        let [m, k] = if form == Form::Outer { [dims(&a)[1], dims(&a)[0]] } else { dims(&a) };
        let (mut a_turned, mut b_turned) = (is_turned(&a), is_turned(&b));
        // Whether they lie as [k, m] and as [n, k].
        let (a_outer, b_transposed) = ((form == Form::Outer) != a_turned, (form == Form::Transposed) != b_turned);
        if a_outer && b_transposed {
            // No kernel for these: what was turned is copied.
            if a_turned {
                (a, a_turned) = (contiguous(a), false);
            } else {
                (b, b_turned) = (contiguous(b), false);
            }
        }
        let form = match ((form == Form::Outer) != a_turned, (form == Form::Transposed) != b_turned) {
            (false, false) => Form::Plain,
            (false, true) => Form::Transposed,
            (true, false) => Form::Outer,
            (true, true) => return None,
        };
        let (a, b) = (if a_turned { a } else { contiguous(a) }, if b_turned { b } else { contiguous(b) });
        let along = if form == Form::Outer { m } else { k };
        let a_width = if together { super::ending::width(along) } else { 1 };
        let b_width = if form == Form::Transposed { a_width } else { width };
        let pair = Self { form, a: buffers.read(a, a_width == 4), b: buffers.read(b, b_width == 4), a_width };
        Some((pair, k))
    }
}

impl Levels {
    /// Ends are in units of `along`, of which they have to be multiples.
    pub fn new(kind: Leveled, ends: &[usize], along: usize, buffers: &mut Buffers) -> Self {
        let is_even = ends.iter().enumerate().all(|(level, end)| *end == (level + 1) * ends[0]);
        let place = buffers.size((ends[0] / along) as u32);
        let count = if is_even && kind == Leveled::Columns {
            buffers.size(ends.len() as u32);
            Count::Number
        } else {
            for end in &ends[1..] {
                buffers.size((end / along) as u32);
            }
            Count::Fixed(ends.len())
        };
        Self { kind, count, ends: place }
    }

    /// WGSL for how many they are.
    fn count(&self) -> String {
        match self.count {
            Count::Fixed(count) => format!("{count}u"),
            Count::Number => Slots::number(self.ends + 1),
        }
    }

    /// WGSL for where level `at` ends.
    fn end(&self, at: &str) -> String {
        match self.count {
            Count::Fixed(_) => Slots::number_at(&format!("{}u + {at}", self.ends)),
            Count::Number => format!("({at} + 1u) * {}", Slots::number(self.ends)),
        }
    }

    /// WGSL that finds the level of a workgroup along an axis, on which it has `tile` elements of each: `level`, its first and last element as `left` and
    /// `right`, and the workgroup's number among the level's as `group_of`.
    fn find(&self, group: &str, tile: usize) -> String {
        format!(
            "  var level = 0u;
  var left = 0u;
  var right = {first};
  var group_of = {group};
  while (level + 1u < {count} && group_of >= (right - left + {most}u) / {tile}u) {{
    group_of -= (right - left + {most}u) / {tile}u;
    level++;
    left = right;
    right = {next};
  }}
",
            first = self.end("0u"),
            next = self.end("level"),
            count = self.count(),
            most = tile - 1,
        )
    }
}

impl Product {
    pub fn new(slots: Slots, ending: Ending, pairs: Vec<Pair>, levels: Option<Levels>, [m, n]: [usize; 2]) -> Self {
        // Where the tiles would be few, smaller ones. m is the number of rows of a batch, which may be any, but in `Outer`.
        let rows = if pairs.iter().any(|pair| pair.form == Form::Outer) { m } else { 256 };
        let columns = match (ending.width, rows * n >= 1 << 19) {
            (4, true) => 2,
            (4, false) => 1,
            (_, true) => 8,
            (_, false) => 4,
        };
        Self { slots, ending, pairs, columns, levels }
    }

    pub fn groups(&self, [m, n]: [usize; 2], ends: &[usize]) -> [u32; 2] {
        let (tall, wide) = (SIDE * ROWS, SIDE * self.columns * self.ending.width);
        let of_levels = |tile: usize| spans(ends).map(|part| part.len().div_ceil(tile)).sum();
        let (down, across) = match self.levels.map(|levels| levels.kind) {
            Some(Leveled::Columns) => (m.div_ceil(tall), of_levels(wide)),
            Some(Leveled::Rows) => (of_levels(tall), n.div_ceil(wide)),
            Some(Leveled::Prefixes) | None => (m.div_ceil(tall), n.div_ceil(wide)),
        };
        [across as u32, down as u32]
    }

    /// How many of so many workgroups from above to below go into one dispatch, of a result `[m, n]` with `k` products for each number.
    pub fn at_once([m, n]: [usize; 2], k: usize, down: u32) -> u32 {
        let operations = 2 * m as u64 * n as u64 * k as u64;
        (u64::from(down) * MOST.load(Ordering::Relaxed) / operations.max(1)).clamp(1, u64::from(down.max(1))) as u32
    }
}

impl ProductRow {
    pub fn new(slots: Slots, ending: Ending, pairs: Vec<Pair>) -> Self {
        // Threads side by side read what lies side by side.
        let columns = if pairs[0].form == Form::Transposed { 1 } else { 16 / ending.width };
        Self { slots, ending, pairs, columns }
    }

    pub fn groups(&self, n: usize) -> [u32; 2] {
        crate::kernels::launch::spread(n.div_ceil(self.columns * self.ending.width))
    }
}

fn lines(n: usize, line: impl Fn(usize) -> String) -> String {
    (0..n).map(line).collect::<Vec<_>>().join("\n")
}

/// k of the i-th pair.
fn k_of(i: usize) -> String {
    format!("size[{}][{}]", 1 + i / 4, i % 4)
}

/// One component of what is `width` numbers.
fn part(name: String, width: usize, j: impl std::fmt::Display) -> String {
    if width == 4 { format!("{name}[{j}]") } else { name }
}

impl Kernel for Product {
    fn buffers(&self) -> Vec<(&'static str, &'static str, bool)> {
        self.slots.buffers()
    }

    fn sizes(&self) -> usize {
        self.slots.sizes(4 + self.pairs.len())
    }

    fn body(&self) -> String {
        let Self { slots, ending, pairs, columns, levels } = self;
        let columns = *columns;
        let kind = levels.map(|levels| levels.kind);
        let mut text = match levels {
            Some(Levels { kind: Leveled::Prefixes, count: Count::Fixed(count), .. }) => ending.text_of_levels(slots, 1, *count),
            _ => ending.text(slots, 1),
        };
        let (wide, tall) = (SIDE * columns, SIDE * ROWS);
        let find = match (levels, kind) {
            (Some(levels), Some(Leveled::Columns)) => levels.find("group.x", wide),
            (Some(levels), Some(Leveled::Rows)) => levels.find("down", tall),
            _ => String::new(),
        };
        // Where the rows and columns of the workgroup begin, and where those of the result, or of the level, end.
        let [top, bottom, first, last] = match kind {
            Some(Leveled::Columns) => [format!("down * {tall}u"), "m".into(), format!("left + group_of * {wide}u"), "right".into()],
            Some(Leveled::Rows) => [format!("left + group_of * {tall}u"), "right".into(), format!("group.x * {wide}u"), "n".into()],
            Some(Leveled::Prefixes) | None => [format!("down * {tall}u"), "m".into(), format!("group.x * {wide}u"), "n".into()],
        };
        write!(
            text,
            "@compute @workgroup_size({THREADS})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {{
  let m = size[0].x;
  let n = size[0].y;
  let down = group.y + size[0].z;
{find}  let bottom = {bottom};
  let end = {last};
  let col = {first} + local % {SIDE}u;
  let row = {top} + local / {SIDE}u * {ROWS}u;
  if (row >= bottom || col >= end) {{ return; }}
{of_columns}
{sums}
",
            of_columns = lines(columns, |v| format!("  let c{v} = min(col + {}u, end - 1u);", v * SIDE)),
            sums = lines(ROWS * columns, |i| format!("  var y{}_{} = V();", i / columns, i % columns)),
        )
        .ok();
        let level = if kind == Some(Leveled::Prefixes) { ", level" } else { "" };
        // A loop: sixteen copies of the expressions would take as many times as long to compile.
        let count = ROWS * columns;
        let each = |what: &str| {
            format!(
                "  for (var i = 0u; i < {count}u; i++) {{
    let r = row + i / {columns}u;
    let c = col + i % {columns}u * {SIDE}u;
    if (r < bottom && c < end) {{{what}
    }}
  }}
"
            )
        };
        let finish = each(&format!(
            "
      var sum: V;
      switch (i) {{
{cases}
      }}
      finish(r, c{level}, sum);",
            cases = lines(count, |i| {
                let case = if i + 1 == count { "default".into() } else { format!("case {i}u") };
                format!("        {case}: {{ sum = y{}_{}; }}", i / columns, i % columns)
            }),
        ));
        match levels {
            Some(levels @ Levels { kind: Leveled::Prefixes, count: Count::Fixed(count), .. }) => {
                let pair = &pairs[0];
                write!(
                    text,
                    "  var begin = 0u;
  for (var level = 0u; level < {count}u; level++) {{
    let to = {to} / {along}u;
{sum}    begin = to;
{finish}  }}
",
                    to = levels.end("level"),
                    along = pair.a_width,
                    sum = self.sum(pair, &k_of(0)),
                )
                .ok();
                let later = ending.out(slots, 1, "at");
                text += &each(&format!(
                    "
      var at = (r * {count}u + {last}u) * n + c;
      var later = {later};
      for (var level = 0u; level < {last}u; level++) {{
        at -= n;
        later += {later};
        {later} = later;
      }}",
                    last = count - 1,
                ));
            }
            _ => {
                for (i, pair) in pairs.iter().enumerate() {
                    text += &self.sum(pair, &k_of(i));
                }
                text += &finish;
            }
        }
        text + "}\n"
    }
}

impl Product {
    /// A pair's products, added to `y`.
    fn sum(&self, pair: &Pair, k: &str) -> String {
        let Self { slots, ending, columns, levels, .. } = self;
        let (columns, width) = (*columns, ending.width);
        let Pair { form, a, b, a_width } = *pair;
        let each = |x: &dyn Fn(usize) -> String, w: &dyn Fn(usize) -> String| {
            lines(ROWS * columns, |i| format!("      y{}_{} += {} * {};", i / columns, i % columns, x(i / columns), w(i % columns)))
        };
        let count = levels.map_or_else(|| "1u".into(), |levels| levels.count());
        let kind = levels.map(|levels| levels.kind);
        if form == Form::Outer {
            let reads = ROWS / a_width;
            let read = |i: usize| slots.at(a, a_width, &format!("t * (m / {a_width}u) + r{i}"));
            let right = |v: usize| match kind {
                Some(Leveled::Rows) => format!("(t * {count} + level) * n + c{v}"),
                _ => format!("t * n + c{v}"),
            };
            return format!(
                "  {{
{rows}
    for (var t = 0u; t < {k}; t++) {{
{xs}
{ws}
{add}
    }}
  }}
",
                rows = lines(reads, |i| format!("    let r{i} = min(row / {a_width}u + {i}u, m / {a_width}u - 1u);")),
                xs = lines(reads, |i| format!("      let x{i} = {};", read(i))),
                ws = lines(columns, |v| format!("      let w{v} = {};", slots.at(b, width, &right(v)))),
                add = each(&|i| part(format!("x{}", i / a_width), a_width, i % a_width), &|v| format!("w{v}")),
            );
        }
        let x = |j: usize| move |i: usize| part(format!("x{i}"), a_width, j);
        let (before, add) = if form == Form::Plain {
            let read = |j: usize, v: usize| slots.at(b, width, &format!("({a_width}u * t + {j}u) * n + c{v}"));
            let step = |j: usize| {
                let ws = lines(columns, |v| format!("      let w{v} = {};", read(j, v)));
                format!("      {{\n{ws}\n{}\n      }}", each(&x(j), &|v| format!("w{v}")))
            };
            (String::new(), lines(a_width, step))
        } else {
            // Columns of the result are rows of b: four of them, turned, are four columns at one place of k.
            let before =
                lines(columns * width, |i| format!("    let s{}_{} = ({width}u * c{} + {}u) * steps;", i / width, i % width, i / width, i % width));
            let column = |v: usize| {
                let reads = lines(width, |j| format!("      let b_{j} = {};", slots.at(b, a_width, &format!("s{v}_{j} + t"))));
                let steps = lines(a_width, |j| {
                    let parts: Vec<String> = (0..width).map(|l| part(format!("b_{l}"), a_width, j)).collect();
                    let add = lines(ROWS, |i| format!("      y{i}_{v} += {} * w;", x(j)(i)));
                    format!("      {{\n      let w = V({});\n{add}\n      }}", parts.join(", "))
                });
                format!("      {{\n{reads}\n{steps}\n      }}")
            };
            (before, lines(columns, column))
        };
        let (from, to) = if kind == Some(Leveled::Prefixes) { ("begin", "to") } else { ("0u", "steps") };
        let left = |i: usize| match kind {
            Some(Leveled::Columns) => format!("(min(row + {i}u, bottom - 1u) * {count} + level) * steps"),
            _ => format!("min(row + {i}u, bottom - 1u) * steps"),
        };
        format!(
            "  {{
    let steps = {k} / {a_width}u;
{rows}
{before}
    for (var t = {from}; t < {to}; t++) {{
{xs}
{add}
    }}
  }}
",
            rows = lines(ROWS, |i| format!("    let r{i} = {};", left(i))),
            xs = lines(ROWS, |i| format!("      let x{i} = {};", slots.at(a, a_width, &format!("r{i} + t")))),
        )
    }
}

impl Kernel for ProductRow {
    fn buffers(&self) -> Vec<(&'static str, &'static str, bool)> {
        self.slots.buffers()
    }

    fn sizes(&self) -> usize {
        self.slots.sizes(4 + self.pairs.len())
    }

    fn body(&self) -> String {
        let Self { slots, ending, pairs, columns } = self;
        let (columns, width) = (*columns, ending.width);
        let slices = THREADS as usize / columns;
        let pair = |i: usize| {
            let Pair { form, a, b, a_width } = pairs[i];
            if form == Form::Transposed {
                // What the products along k add up to, of each column.
                let of = |j: usize| {
                    let product = format!("x * {}", slots.at(b, a_width, &format!("({width}u * col + {j}u) * steps + t")));
                    let to = part("sum".into(), width, j);
                    if a_width == 4 {
                        format!("      {to} += dot({});", product.replacen(" * ", ", ", 1))
                    } else {
                        format!("      {to} += {product};")
                    }
                };
                format!(
                    "  {{
    let steps = {k} / {a_width}u;
    for (var t = slice; t < steps; t += {slices}u) {{
      let x = {x};
{of}
    }}
  }}",
                    k = k_of(i),
                    x = slots.at(a, a_width, "t"),
                    of = lines(width, of),
                )
            } else {
                format!(
                    "  for (var t = slice; t < {k}; t += {slices}u) {{ sum += {} * {}; }}",
                    slots.at(a, 1, "t"),
                    slots.at(b, width, "t * n + col"),
                    k = k_of(i),
                )
            }
        };
        format!(
            "{ending}var<workgroup> parts: array<V, {THREADS}>;
@compute @workgroup_size({THREADS})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {{
  let n = size[0].y;
  let slice = local / {columns}u;
  let wanted = (group.x + group.y * {GROUPS}u) * {columns}u + local % {columns}u;
  let col = min(wanted, n - 1u);
  var sum = V();
{pairs}
  parts[local] = sum;
  workgroupBarrier();
  if (slice == 0u && wanted < n) {{
    for (var i = 1u; i < {slices}u; i++) {{ sum += parts[i * {columns}u + local]; }}
    finish(0u, col, sum);
  }}
}}
",
            ending = ending.text(slots, 1),
            pairs = lines(pairs.len(), pair),
        )
    }
}
