//! WGSL onto burn's queue.

use std::hash::Hash;

use burn::tensor::DType;
use burn::tensor::{Shape, Tensor};
use burn_wgpu::{CubeTensor, Wgpu};
use cubecl::ir::{UIntKind, metadata::Info};
use cubecl::prelude::*;
use cubecl::server::KernelArguments;
use cubecl::{CubeKernel, PrecompiledSource};

/// Threads of a workgroup, in every kernel here.
pub const THREADS: u32 = 64;

/// A kernel whose text follows from its parameters: they name the compiled pipeline.
pub trait Kernel: Clone + PartialEq + Eq + Hash + std::fmt::Debug + Send + Sync + 'static {
    /// WGSL with an entry point `main` of [`THREADS`] threads. Bindings are numbered from 0: inputs, then the output.
    fn source(&self) -> String;
}

struct Wgsl<K>(K);

impl<K: Kernel> KernelMetadata for Wgsl<K> {
    fn id(&self) -> KernelId {
        KernelId::new::<K>().info(self.0.clone()).cube_dim(CubeDim::new_1d(THREADS).0)
    }

    fn address_type(&self) -> ElemType {
        UIntKind::U32.into()
    }
}

impl<K: Kernel> CubeKernel for Wgsl<K> {
    fn define(&self) -> KernelDefinition {
        let settings = KernelSettings::new(CubeDim::new_1d(THREADS).0, ExecutionMode::Checked, AddressType::U32);
        KernelDefinition { body: Scope::root(settings.clone()), settings, info: Info::default() }
    }

    fn source(&self) -> Option<PrecompiledSource> {
        Some(PrecompiledSource { source: self.0.source(), entrypoint_name: "main".into(), lang: "wgsl" })
    }
}

/// Runs a kernel over contiguous inputs and gives its output, `shape` in f32. `groups` workgroups along
/// the first and the second axis.
pub fn launch(kernel: impl Kernel, inputs: Vec<CubeTensor>, shape: [usize; 2], groups: [u32; 2]) -> Tensor<2> {
    let first = &inputs[0];
    let (client, device) = (first.client.clone(), first.device.clone());
    let output = client.empty(4 * shape.iter().product::<usize>());
    let mut arguments = KernelArguments::new();
    for input in inputs {
        arguments = arguments.with_buffer(input.handle.binding());
    }
    arguments = arguments.with_buffer(output.clone().binding());
    client.launch(Box::new(Wgsl(kernel)), CubeCount::Static(groups[0], groups[1], 1), arguments);
    let output = CubeTensor::new_contiguous(client, device, Shape::from(shape), output, DType::F32);
    Tensor::from_primitive::<Wgpu>(output)
}
