//! What a kernel binds: each tensor once, however often it is read.

use burn::tensor::{DType, Shape, Tensor};
use burn_wgpu::{CubeTensor, Wgpu, into_contiguous};
use cubecl::Device as CubeDevice;
use cubecl::client::Client;
use cubecl::server::Handle;

/// WebGPU promises no more storage buffers than these.
pub const MOST: usize = 8;

const NAMES: [&str; MOST] = ["b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7"];

/// One binding, as the kernel's text knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot {
    /// Four numbers at a time.
    wide: bool,
    written: bool,
}

/// What is bound there.
enum Bound {
    Input(CubeTensor),
    /// The k-th output.
    Output(usize),
    /// The k-th sum, where it has been computed before.
    Sum(usize),
}

#[derive(Default)]
pub struct Buffers {
    slots: Vec<Slot>,
    bound: Vec<Bound>,
}

/// The bindings of a kernel, part of its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Slots(Vec<Slot>);

/// Where an element of a matrix `[rows, cols]` lies in a tensor's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    Whole,
    /// Columns behind one another.
    Turned,
    Row,
    Column,
    One,
}

/// `None` where it is not a GPU's.
pub fn on_gpu(x: &Tensor<2>) -> Option<CubeTensor> {
    x.clone().try_into_primitive::<Wgpu>().ok()
}

/// Whether it lies there as its transpose would, row behind row.
pub fn is_turned(x: &CubeTensor) -> bool {
    let [rows, cols] = dims(x);
    let strides = x.meta.strides();
    !x.is_contiguous() && strides[0] == 1 && strides[1] == rows && cols > 1
}

pub fn dims(x: &CubeTensor) -> [usize; 2] {
    let shape = x.meta.shape();
    [shape[0], shape[1]]
}

impl Buffers {
    fn add(&mut self, bound: Bound, slot: Slot) -> usize {
        self.slots.push(slot);
        self.bound.push(bound);
        self.slots.len() - 1
    }

    /// The buffer of `x` as it lies there.
    pub fn read(&mut self, x: CubeTensor, wide: bool) -> usize {
        let key = |x: &CubeTensor| x.handle.clone().binding().claim_key();
        let known = self.bound.iter().position(|bound| matches!(bound, Bound::Input(y) if key(y) == key(&x)));
        let slot = known.unwrap_or_else(|| self.add(Bound::Input(x), Slot { wide, written: false }));
        self.slots[slot].wide |= wide;
        slot
    }

    /// `x` as an input for elements of a matrix of `shape`, `width` of them at a time.
    pub fn input(&mut self, x: &Tensor<2>, [rows, cols]: [usize; 2], width: usize) -> Option<(usize, Place)> {
        let mut x = on_gpu(x)?;
        let place = |x: &CubeTensor| {
            let dims = dims(x);
            debug_assert!([1, rows].contains(&dims[0]) && [1, cols].contains(&dims[1]), "{dims:?} for elements of {:?}", [rows, cols]);
            let stride = |at: usize| if dims[at] == 1 { 0 } else { x.meta.strides()[at] };
            match [stride(0), stride(1)] {
                [0, 0] => Some(Place::One),
                [0, 1] => Some(Place::Row),
                [1, 0] => Some(Place::Column),
                [1, by] if by == rows => Some(Place::Turned),
                [by, 1] if by == cols => Some(Place::Whole),
                _ => None,
            }
        };
        let place = match place(&x) {
            Some(place) => place,
            None => {
                x = into_contiguous(x);
                place(&x)?
            }
        };
        let wide = width == 4 && matches!(place, Place::Whole | Place::Row);
        Some((self.read(x, wide), place))
    }

    pub fn output(&mut self, k: usize, width: usize) -> usize {
        self.add(Bound::Output(k), Slot { wide: width == 4, written: true })
    }

    pub fn sum(&mut self, k: usize, width: usize) -> usize {
        let known = self.bound.iter().position(|bound| matches!(bound, Bound::Sum(j) if *j == k));
        known.unwrap_or_else(|| self.add(Bound::Sum(k), Slot { wide: width == 4, written: false }))
    }

    pub fn are_few(&self) -> bool {
        self.slots.len() <= MOST
    }

    pub fn slots(&self) -> Slots {
        Slots(self.slots.clone())
    }

    /// In the order of the slots.
    pub fn handles(self, outputs: &[CubeTensor], sums: &[CubeTensor]) -> Vec<Handle> {
        let handle = |bound| match bound {
            Bound::Input(x) => x.handle,
            Bound::Output(k) => outputs[k].handle.clone(),
            Bound::Sum(k) => sums[k].handle.clone(),
        };
        self.bound.into_iter().map(handle).collect()
    }
}

impl Slots {
    /// As [`crate::kernels::launch::Kernel::buffers`] lists them.
    pub fn buffers(&self) -> Vec<(&'static str, &'static str, bool)> {
        let slots = self.0.iter().zip(NAMES);
        slots.map(|(slot, name)| (name, if slot.wide { "vec4<f32>" } else { "f32" }, slot.written)).collect()
    }

    /// WGSL for the `width` numbers at `at`, which counts by `width`.
    pub fn at(&self, slot: usize, width: usize, at: &str) -> String {
        let name = NAMES[slot];
        debug_assert!(width == 1 || self.0[slot].wide);
        if self.0[slot].wide && width == 1 { format!("{name}[({at}) / 4u][({at}) % 4u]") } else { format!("{name}[{at}]") }
    }
}

/// Where kernels run. It holds no tensor: what is written over must not be held.
pub struct Gpu {
    pub client: Client,
    device: CubeDevice,
}

impl Gpu {
    pub fn of(x: &Tensor<2>) -> Option<Self> {
        on_gpu(x).map(|x| Self { client: x.client, device: x.device })
    }

    pub fn empty(&self, shape: [usize; 2]) -> CubeTensor {
        let handle = self.client.empty(4 * shape.iter().product::<usize>());
        CubeTensor::new_contiguous(self.client.clone(), self.device.clone(), Shape::from(shape), handle, DType::F32)
    }
}
