//! What every kernel ends with: the expressions of its elements, stored.

use std::fmt::Write;

use super::buffers::{Buffers, Slots};
use super::program::{Names, Program, Sums};
use crate::kernels::compute::Out;

/// Outputs of one shape, `width` (4 or 1) neighbours of a row at a time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ending {
    program: Program,
    /// Slots of the outputs.
    outs: Vec<usize>,
    pub width: usize,
}

/// Numbers of which the kernels are made: `m` and `n` come first in `size`, see [`super::super::launch::Kernel::sizes`].
const NAMES: Names = Names { kind: "V", row: "row", col: "col", m: "size[0].x", n: "size[0].y" };

/// How many columns go together.
pub fn width(cols: usize) -> usize {
    if cols.is_multiple_of(4) { 4 } else { 1 }
}

impl Ending {
    pub fn new(outs: &[Out], shape: [usize; 2], width: usize, sums: Sums, buffers: &mut Buffers) -> Option<Self> {
        let slots: Vec<usize> = (0..outs.len()).map(|k| buffers.output(k, width)).collect();
        let old: Vec<Option<usize>> = outs.iter().zip(&slots).map(|(out, slot)| matches!(out, Out::Over(..)).then_some(*slot)).collect();
        let program = Program::new(outs.iter().map(Out::expr), shape, width, sums, &old, buffers)?;
        Some(Self { program, outs: slots, width })
    }

    /// WGSL for what the k-th output has at `at`.
    pub fn out(&self, slots: &Slots, k: usize, at: &str) -> String {
        slots.at(self.outs[k], self.width, at)
    }

    /// WGSL: the type `V`, and `finish(row, col, s0, …)` for so many sums; `col` counts by the width.
    pub fn text(&self, slots: &Slots, sums: usize) -> String {
        self.function(slots, sums, "", &format!("row * {} + col", NAMES.n))
    }

    /// The same for a result of several levels side by side, each of which has been summed up: `finish(row, col, level, s0, …)`.
    pub fn text_of_levels(&self, slots: &Slots, sums: usize, levels: usize) -> String {
        self.function(slots, sums, ", level: u32", &format!("(row * {levels}u + level) * {} + col", NAMES.n))
    }

    fn function(&self, slots: &Slots, sums: usize, level: &str, at: &str) -> String {
        let kind = if self.width == 4 { "vec4<f32>" } else { "f32" };
        let arguments: String = (0..sums).map(|k| format!(", s{k}: V")).collect();
        let mut text = format!("alias V = {kind};\nfn finish(row: u32, col: u32{level}{arguments}) {{\n");
        text += &self.program.text(slots, &NAMES);
        for (k, out) in self.outs.iter().enumerate() {
            let at = slots.at(*out, self.width, at);
            writeln!(text, "  {at} = {};", self.program.result(k)).ok();
        }
        text + "}\n"
    }
}
