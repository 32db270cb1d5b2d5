//! [`super::compute`] on the GPU: one dispatch, of a very large product several.

mod buffers;
mod ending;
mod product;
mod program;
pub mod select;
mod sums;

use burn::tensor::Tensor;
use burn_wgpu::{CubeTensor, Wgpu, into_contiguous};

use super::compute::{Form, Out, Source};
use super::expr::{Expr, Node};
use super::launch::{Kernel, run};
use buffers::{Buffers, Gpu, dims, on_gpu};
use ending::{Ending, width};
pub use product::limit_operations;
use product::{Leveled, Levels, Pair, Product, ProductRow};
use program::{Program, Sums};
use sums::{Columns, Each, Rows, each_groups};

type GivenBack = (Source, Vec<Out>);

/// Gives its arguments back where the tensors are not a GPU's.
#[allow(clippy::result_large_err, reason = "given back once, not passed on")]
pub fn compute(source: Source, shape: [usize; 2], outs: Vec<Out>) -> Result<Vec<Tensor<2>>, GivenBack> {
    let Some(gpu) = tensor(&source, &outs).and_then(Gpu::of) else { return Err((source, outs)) };
    if shape.contains(&0) || outs.is_empty() {
        return Err((source, outs));
    }
    if let Some(plan) = Plan::new(&source, shape, &outs) {
        drop(source);
        return Ok(plan.run(&gpu, outs, &[]));
    }
    // More buffers than a kernel may have: the sums by themselves first.
    let Some(plan) = Plan::each(shape, &outs, Sums::Read) else { return Err((source, outs)) };
    let count = match &source {
        Source::Each => return Err((source, outs)),
        Source::Product { .. } | Source::Leveled { .. } => 1,
        Source::Columns { of, .. } | Source::Rows { of, .. } => of.len(),
    };
    let sums: Vec<Out> = (0..count).map(|k| Out::New(Expr::sum(k))).collect();
    let Some(first) = Plan::new(&source, shape, &sums) else { return Err((source, outs)) };
    drop(source);
    let sums = first.run(&gpu, sums, &[]);
    Ok(plan.run(&gpu, outs, &sums))
}

/// [`super::levels::prefixes`]; `None` where the tensors are not a GPU's.
pub fn prefixes(a: &Tensor<2>, b: &Tensor<2>, ends: &[usize], of: [Expr; 2]) -> Option<[Tensor<2>; 2]> {
    let gpu = Gpu::of(a)?;
    let [rows, cols] = [a.dims()[0], b.dims()[1]];
    let outs = of.map(Out::New);
    let mut plan = Plan::leveled(Leveled::Prefixes, Form::Plain, [a, b], ends, [rows, cols], &outs)?;
    plan.shape = [rows, cols * ends.len()];
    plan.run(&gpu, outs.into(), &[]).try_into().ok()
}

/// Any tensor of the kernel.
fn tensor<'a>(source: &'a Source, outs: &'a [Out]) -> Option<&'a Tensor<2>> {
    fn of(expr: &Expr) -> Option<&Tensor<2>> {
        match expr.node() {
            Node::Input(x) | Node::Rows { of: x, .. } => Some(x),
            Node::Unary(_, x) => of(x),
            Node::Binary(_, a, b) => of(a).or_else(|| of(b)),
            Node::Number(..) | Node::Sum(_) | Node::Old(_) | Node::Constant(_) => None,
        }
    }
    let in_source = match source {
        Source::Each => None,
        Source::Product { pairs, .. } => pairs.first().map(|(a, _)| a),
        Source::Leveled { a, .. } => Some(a),
        Source::Columns { of: exprs, .. } | Source::Rows { of: exprs, .. } => exprs.iter().find_map(of),
    };
    in_source.or_else(|| outs.iter().find_map(|out| if let Out::Over(x, _) = out { Some(x) } else { of(out.expr()) }))
}

/// A kernel, and what it is launched with.
struct Plan {
    launch: Launch,
    buffers: Buffers,
    shape: [usize; 2],
    sizes: Vec<u32>,
    groups: [u32; 2],
    /// Of the groups along the second axis; the others follow in further dispatches.
    at_once: u32,
}

enum Launch {
    Each(Each),
    Product(Product),
    ProductRow(ProductRow),
    Columns(Columns),
    Rows(Rows),
}

impl Plan {
    /// `None` where one kernel cannot do it.
    fn new(source: &Source, shape: [usize; 2], outs: &[Out]) -> Option<Self> {
        match source {
            Source::Each => Self::each(shape, outs, Sums::Known),
            Source::Product { form, pairs, only: _ } => {
                let mut buffers = Buffers::default();
                let [m, n] = shape;
                let ending = Ending::new(outs, shape, width(n), Sums::Known, &mut buffers)?;
                let mut sizes = vec![m as u32, (n / ending.width) as u32, 0, 0];
                let mut all = Vec::with_capacity(pairs.len());
                for (a, b) in pairs {
                    let (pair, k) = Pair::new(*form, [a, b], ending.width, true, &mut buffers)?;
                    all.push(pair);
                    sizes.push(k as u32);
                }
                buffers.are_few().then(|| {
                    let slots = buffers.slots();
                    let (launch, groups, at_once) = if m == 1 {
                        let kernel = ProductRow::new(slots, ending, all);
                        let groups = kernel.groups(n);
                        (Launch::ProductRow(kernel), groups, groups[1])
                    } else {
                        let kernel = Product::new(slots, ending, all, None, shape);
                        let groups = kernel.groups(shape, &[]);
                        let k = sizes[4..].iter().sum::<u32>() as usize;
                        (Launch::Product(kernel), groups, Product::at_once(shape, k, groups[1]))
                    };
                    Self { launch, buffers, shape, sizes, groups, at_once }
                })
            }
            Source::Leveled { form, a, b, ends, only: _ } => {
                let kind = if *form == Form::Outer { Leveled::Rows } else { Leveled::Columns };
                Self::leveled(kind, *form, [a, b], ends, shape, outs)
            }
            Source::Columns { rows, of } => {
                let mut buffers = Buffers::default();
                let cols = shape[1];
                let ending = Ending::new(outs, shape, width(cols), Sums::Known, &mut buffers)?;
                let n = cols / ending.width;
                let of = Program::new(of, [*rows, cols], ending.width, Sums::Known, &[], &mut buffers)?;
                buffers.are_few().then(|| {
                    let kernel = Columns::new(buffers.slots(), ending, of, n);
                    let groups = kernel.groups(n);
                    Self { launch: Launch::Columns(kernel), buffers, shape, sizes: vec![*rows as u32, n as u32], groups, at_once: groups[1] }
                })
            }
            Source::Rows { cols, of } => {
                let mut buffers = Buffers::default();
                let rows = shape[0];
                let ending = Ending::new(outs, shape, 1, Sums::Known, &mut buffers)?;
                let width = width(*cols);
                let of = Program::new(of, [rows, *cols], width, Sums::Known, &[], &mut buffers)?;
                buffers.are_few().then(|| {
                    let kernel = Rows { slots: buffers.slots(), ending, of, width };
                    let sizes = vec![rows as u32, 1, (cols / width) as u32];
                    let groups = super::launch::spread(rows);
                    Self { launch: Launch::Rows(kernel), buffers, shape, sizes, groups, at_once: groups[1] }
                })
            }
        }
    }

    fn leveled(kind: Leveled, form: Form, [a, b]: [&Tensor<2>; 2], ends: &[usize], shape: [usize; 2], outs: &[Out]) -> Option<Self> {
        let mut buffers = Buffers::default();
        let [m, n] = shape;
        let whole = kind != Leveled::Columns || ends.iter().all(|end| end.is_multiple_of(4));
        let ending = Ending::new(outs, shape, if whole { width(n) } else { 1 }, Sums::Known, &mut buffers)?;
        let levels = Levels::new(kind, ends, if kind == Leveled::Columns { ending.width } else { 1 }, &mut buffers);
        let (pair, k) = Pair::of_levels(form, a, b, kind, ends, ending.width, &mut buffers)?;
        let sizes = vec![m as u32, (n / ending.width) as u32, 0, 0, k as u32];
        buffers.are_few().then(|| {
            let kernel = Product::new(buffers.slots(), ending, vec![pair], Some(levels), shape);
            let groups = kernel.groups(shape, ends);
            let at_once = Product::at_once(shape, k, groups[1]);
            Self { launch: Launch::Product(kernel), buffers, shape, sizes, groups, at_once }
        })
    }

    fn each(shape: [usize; 2], outs: &[Out], sums: Sums) -> Option<Self> {
        let mut buffers = Buffers::default();
        let [rows, cols] = shape;
        let ending = Ending::new(outs, shape, width(cols), sums, &mut buffers)?;
        let n = cols / ending.width;
        buffers.are_few().then(|| {
            let kernel = Each { slots: buffers.slots(), ending };
            let groups = each_groups(rows * n);
            Self { launch: Launch::Each(kernel), buffers, shape, sizes: vec![rows as u32, n as u32], groups, at_once: groups[1] }
        })
    }

    fn run(self, gpu: &Gpu, outs: Vec<Out>, sums: &[Tensor<2>]) -> Vec<Tensor<2>> {
        let Self { launch, buffers, shape, mut sizes, groups: [across, down], at_once } = self;
        let outs: Vec<CubeTensor> = outs
            .into_iter()
            .map(|out| match out {
                Out::New(_) => gpu.empty(shape),
                Out::Over(old, expr) => {
                    drop(expr);
                    let old = into_contiguous(old.try_into_primitive::<Wgpu>().expect("everything that meets in a kernel lives on one GPU"));
                    assert_eq!(dims(&old), shape, "what is written over has the result's shape");
                    // Somebody else holds it, and shall see no change.
                    if old.can_mut() { old } else { old.copy() }
                }
            })
            .collect();
        let sums: Vec<CubeTensor> = sums.iter().filter_map(on_gpu).collect();
        let part = |start: u32| {
            if let Launch::Product(_) = launch {
                sizes[2] = start;
            }
            (buffers.sizes(sizes.clone()), [across, at_once.min(down - start)])
        };
        let parts: Vec<_> = (0..down).step_by(at_once as usize).map(part).collect();
        let handles = buffers.handles(&outs, &sums);
        for (sizes, groups) in parts {
            let handles = handles.clone();
            match &launch {
                Launch::Each(kernel) => go(kernel, gpu, handles, &sizes, groups),
                Launch::Product(kernel) => go(kernel, gpu, handles, &sizes, groups),
                Launch::ProductRow(kernel) => go(kernel, gpu, handles, &sizes, groups),
                Launch::Columns(kernel) => go(kernel, gpu, handles, &sizes, groups),
                Launch::Rows(kernel) => go(kernel, gpu, handles, &sizes, groups),
            }
        }
        outs.into_iter().map(Tensor::from_primitive::<Wgpu>).collect()
    }
}

fn go(kernel: &impl Kernel, gpu: &Gpu, handles: Vec<cubecl::server::Handle>, sizes: &[u32], groups: [u32; 2]) {
    run(kernel.clone(), &gpu.client, handles, sizes, groups);
}
