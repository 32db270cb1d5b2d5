//! Sums of expressions over rows or columns, and what needs none.

use std::fmt::Write;

use super::buffers::Slots;
use super::ending::Ending;
use super::program::{Names, Program};
use crate::kernels::launch::{GROUPS, Kernel, THREADS, spread};

/// Elements, one thread each. Its sizes are rows, and columns in units of the width.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Each {
    pub slots: Slots,
    pub ending: Ending,
}

/// Sums over rows: a workgroup has a few columns, threads side by side read what lies side by side, and share the rows of each.
/// Its sizes are the rows that are added, and columns in units of the width.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Columns {
    slots: Slots,
    ending: Ending,
    of: Program,
    /// Columns of a workgroup, in units of the width.
    columns: usize,
}

/// Sums over columns: a workgroup a row. Its sizes are rows, the columns of the result (1), and the columns that are added, in units of
/// `width`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rows {
    pub slots: Slots,
    pub ending: Ending,
    pub of: Program,
    pub width: usize,
}

/// Workgroups of [`Each`].
pub fn each_groups(elements: usize) -> [u32; 2] {
    spread(elements.div_ceil(THREADS as usize))
}

impl Kernel for Each {
    fn buffers(&self) -> Vec<(&'static str, &'static str, bool)> {
        self.slots.buffers()
    }

    fn sizes(&self) -> usize {
        self.slots.sizes(3)
    }

    fn body(&self) -> String {
        format!(
            "{ending}@compute @workgroup_size({THREADS})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {{
  let at = (group.x + group.y * {GROUPS}u) * {THREADS}u + local;
  let n = size[0].y;
  if (at >= size[0].x * n) {{ return; }}
  finish(at / n, at % n);
}}
",
            ending = self.ending.text(&self.slots, 0),
        )
    }
}

impl Columns {
    /// `n` columns, in units of the width.
    pub fn new(slots: Slots, ending: Ending, of: Program, n: usize) -> Self {
        let columns = (16 / ending.width).min(n.next_power_of_two());
        Self { slots, ending, of, columns }
    }

    pub fn groups(&self, n: usize) -> [u32; 2] {
        spread(n.div_ceil(self.columns))
    }
}

/// `line(k)` for each sum.
fn each_sum(of: &Program, line: impl Fn(usize, String) -> String) -> String {
    (0..of.results()).map(|k| line(k, of.result(k))).collect()
}

fn arguments(of: &Program) -> String {
    (0..of.results()).fold(String::new(), |mut all, k| {
        write!(all, ", sum{k}").ok();
        all
    })
}

impl Kernel for Columns {
    fn buffers(&self) -> Vec<(&'static str, &'static str, bool)> {
        self.slots.buffers()
    }

    fn sizes(&self) -> usize {
        self.slots.sizes(3)
    }

    fn body(&self) -> String {
        let Self { slots, ending, of, columns } = self;
        let slices = THREADS as usize / columns;
        let names = Names { kind: "V", row: "row", col: "col", m: "size[0].x", n: "n" };
        format!(
            "{ending}var<workgroup> parts: array<V, {all}>;
@compute @workgroup_size({THREADS})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {{
  let n = size[0].y;
  let slice = local / {columns}u;
  let wanted = (group.x + group.y * {GROUPS}u) * {columns}u + local % {columns}u;
  let col = min(wanted, n - 1u);
{begin}  for (var row = slice; row < size[0].x; row += {slices}u) {{
{values}{add}  }}
{store}  workgroupBarrier();
  if (slice == 0u && wanted < n) {{
    for (var i = 1u; i < {slices}u; i++) {{
{gather}    }}
    finish(0u, col{arguments});
  }}
}}
",
            ending = ending.text(slots, of.results()),
            all = of.results() * THREADS as usize,
            begin = each_sum(of, |k, _| format!("  var sum{k} = V();\n")),
            values = of.text(slots, &names),
            add = each_sum(of, |k, value| format!("  sum{k} += {value};\n")),
            store = each_sum(of, |k, _| format!("  parts[{}u + local] = sum{k};\n", k * THREADS as usize)),
            gather = each_sum(of, |k, _| format!("      sum{k} += parts[{}u + i * {columns}u + local];\n", k * THREADS as usize)),
            arguments = arguments(of),
        )
    }
}

impl Kernel for Rows {
    fn buffers(&self) -> Vec<(&'static str, &'static str, bool)> {
        self.slots.buffers()
    }

    fn sizes(&self) -> usize {
        self.slots.sizes(3)
    }

    fn body(&self) -> String {
        let Self { slots, ending, of, width } = self;
        let kind = if *width == 4 { "vec4<f32>" } else { "f32" };
        let names = Names { kind, row: "row", col: "col", m: "size[0].x", n: "size[0].z" };
        let threads = THREADS as usize;
        let whole = |k: usize| if *width == 4 { format!("dot(part{k}, vec4(1.0))") } else { format!("part{k}") };
        format!(
            "{ending}var<workgroup> parts: array<f32, {all}>;
var<workgroup> heads: array<f32, {few}>;
@compute @workgroup_size({THREADS})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {{
  let wanted = group.x + group.y * {GROUPS}u;
  let row = min(wanted, size[0].x - 1u);
{begin}  for (var col = local; col < size[0].z; col += {THREADS}u) {{
{values}{add}  }}
{store}  workgroupBarrier();
  if (local < 8u) {{
{head}  }}
  workgroupBarrier();
  if (local == 0u && wanted < size[0].x) {{
{gather}    finish(row, 0u{arguments});
  }}
}}
",
            ending = ending.text(slots, of.results()),
            all = of.results() * threads,
            few = of.results() * 8,
            begin = each_sum(of, |k, _| format!("  var part{k} = {kind}();\n")),
            values = of.text(slots, &names),
            add = each_sum(of, |k, value| format!("  part{k} += {value};\n")),
            store = each_sum(of, |k, _| format!("  parts[{}u + local] = {};\n", k * threads, whole(k))),
            head = each_sum(of, |k, _| format!(
                "    var head{k} = 0.0;
    for (var i = 0u; i < 8u; i++) {{ head{k} += parts[{}u + local * 8u + i]; }}
    heads[{}u + local] = head{k};
",
                k * threads,
                k * 8
            )),
            gather = each_sum(of, |k, _| format!(
                "    var sum{k} = 0.0;
    for (var i = 0u; i < 8u; i++) {{ sum{k} += heads[{}u + i]; }}
",
                k * 8
            )),
            arguments = arguments(of),
        )
    }
}
