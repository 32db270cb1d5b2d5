//! WGSL onto burn's queue.

use std::fmt::Write;
use std::hash::Hash;

use burn::tensor::{DType, Int, Shape, Tensor};
use burn_wgpu::{CubeTensor, Wgpu, into_contiguous};
use cubecl::client::Client;
use cubecl::ir::{UIntKind, metadata::Info};
use cubecl::prelude::*;
use cubecl::server::{Handle, KernelArguments, MetadataBindingInfo};
use cubecl::{CubeKernel, PrecompiledSource};

/// Threads of a workgroup, unless a kernel says otherwise.
pub const THREADS: u32 = 64;

/// Workgroups beyond what one axis takes go to the second.
pub const GROUPS: u32 = 65535;

/// WGSL for `total(part, i)`: the sum of what the [`THREADS`] threads of a workgroup give, for each of them. `i` is the thread's number.
pub const TOTAL: &str = "var<workgroup> sums: array<f32, 64>;
fn total(part: f32, i: u32) -> f32 {
  workgroupBarrier();
  sums[i] = part;
  workgroupBarrier();
  var sum = 0.0;
  for (var j = 0u; j < 64u; j++) { sum += sums[j]; }
  return sum;
}
";

/// So many workgroups in all.
pub fn spread(groups: usize) -> [u32; 2] {
    let groups = groups as u32;
    if groups <= GROUPS { [groups, 1] } else { [GROUPS, groups.div_ceil(GROUPS)] }
}

/// A kernel whose text follows from its parameters: they name the compiled pipeline.
pub trait Kernel: Clone + PartialEq + Eq + Hash + std::fmt::Debug + Send + Sync + 'static {
    /// Name and WGSL type of each buffer, in the order in which they are bound; `true` for those
    /// that are written. The body has to use each: WebGPU's own layouts have no others.
    fn buffers(&self) -> Vec<(&'static str, &'static str, bool)>;

    /// What follows the buffers: WGSL with an entry point `main` of [`Kernel::threads`] threads.
    fn body(&self) -> String;

    fn threads(&self) -> u32 {
        THREADS
    }

    /// Each launch brings along so many numbers, a multiple of 4: `size: array<vec4<u32>, sizes / 4>` in WGSL. What
    /// changes from launch to launch is among them, so that nothing is compiled anew.
    fn sizes(&self) -> usize {
        0
    }
}

struct Wgsl<K>(K);

impl<K: Kernel> KernelMetadata for Wgsl<K> {
    fn id(&self) -> KernelId {
        KernelId::new::<K>().info(self.0.clone()).cube_dim(CubeDim::new_1d(self.0.threads()).0)
    }

    fn address_type(&self) -> ElemType {
        UIntKind::U32.into()
    }
}

impl<K: Kernel> CubeKernel for Wgsl<K> {
    fn define(&self) -> KernelDefinition {
        let settings = KernelSettings::new(CubeDim::new_1d(self.0.threads()).0, ExecutionMode::Checked, AddressType::U32);
        KernelDefinition { body: Scope::root(settings.clone()), settings, info: Info::default() }
    }

    fn source(&self) -> Option<PrecompiledSource> {
        let mut source = String::new();
        let buffers = self.0.buffers();
        let n = buffers.len();
        for (i, (name, kind, written)) in buffers.into_iter().enumerate() {
            let access = if written { "read_write" } else { "read" };
            writeln!(source, "@group(0) @binding({i}) var<storage, {access}> {name}: array<{kind}>;").ok();
        }
        let quads = self.0.sizes() / 4;
        if quads > 0 {
            writeln!(source, "@group(0) @binding({n}) var<uniform> size: array<vec4<u32>, {quads}>;").ok();
        }
        source += &self.0.body();
        Some(PrecompiledSource { source, entrypoint_name: "main".into(), lang: "wgsl" })
    }
}

/// A tensor as its buffer, rows behind one another.
pub fn floats<const D: usize>(x: Tensor<D>) -> CubeTensor {
    into_contiguous(x.try_into_primitive::<Wgpu>().expect("everything that meets in a kernel lives on one GPU"))
}

pub fn ints<const D: usize>(x: Tensor<D, Int>) -> CubeTensor {
    into_contiguous(x.try_into_primitive::<Wgpu>().expect("everything that meets in a kernel lives on one GPU"))
}

/// Runs a kernel over its buffers, in the order of [`Kernel::buffers`], with as many numbers as [`Kernel::sizes`] says or fewer.
/// `groups` workgroups along the first and the second axis.
pub fn run(kernel: impl Kernel, client: &Client, buffers: impl IntoIterator<Item = Handle>, sizes: &[u32], groups: [u32; 2]) {
    debug_assert!(sizes.len() <= kernel.sizes());
    let mut arguments = KernelArguments::new();
    for buffer in buffers {
        arguments = arguments.with_buffer(buffer.binding());
    }
    debug_assert_eq!(arguments.resources.len(), kernel.buffers().len());
    if kernel.sizes() > 0 {
        let at = |i: usize| u64::from(sizes.get(i).copied().unwrap_or(0));
        let words = (0..kernel.sizes() / 2).map(|i| at(2 * i) | at(2 * i + 1) << 32).collect();
        arguments = arguments.with_info(MetadataBindingInfo::custom(words));
    }
    client.launch(Box::new(Wgsl(kernel)), CubeCount::Static(groups[0], groups[1], 1), arguments);
}

/// Runs a kernel over its inputs; its last buffer is its output, which is given, `shape` in f32.
pub fn launch(kernel: impl Kernel, inputs: Vec<CubeTensor>, shape: [usize; 2], groups: [u32; 2]) -> Tensor<2> {
    let first = &inputs[0];
    let (client, device) = (first.client.clone(), first.device.clone());
    let output = client.empty(4 * shape.iter().product::<usize>());
    run(kernel, &client, inputs.into_iter().map(|input| input.handle).chain([output.clone()]), &[], groups);
    let output = CubeTensor::new_contiguous(client, device, Shape::from(shape), output, DType::F32);
    Tensor::from_primitive::<Wgpu>(output)
}
