//! What a kernel binds: each tensor once, however often it is read.

use std::collections::HashMap;
use std::rc::Rc;

use burn::tensor::{DType, Shape, Tensor};
use burn_wgpu::{CubeTensor, Wgpu, into_contiguous};
use cubecl::Device as CubeDevice;
use cubecl::client::Client;
use cubecl::server::Handle;

use crate::kernels::expr::Numbers;

/// WebGPU promises no more storage buffers than these.
pub const MOST: usize = 8;

const NAMES: [&str; MOST] = ["b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7"];

/// Where in `size` the numbers of expressions begin; before them are a kernel's own sizes.
const NUMBERS: usize = 8;

/// One binding, as the kernel's text knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot {
    holds: Holds,
    written: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Holds {
    Floats,
    /// Floats, four at a time.
    Quads,
    Ints,
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
    /// As they are in memory.
    numbers: Vec<u32>,
    /// Those of [`Numbers`], by where these are.
    known: HashMap<(*const Numbers, usize), usize>,
}

/// The bindings of a kernel and how many numbers it brings along, part of its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Slots {
    slots: Vec<Slot>,
    numbers: usize,
}

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
        let slot = known.unwrap_or_else(|| self.add(Bound::Input(x), Slot { holds: Holds::Floats, written: false }));
        if wide {
            self.slots[slot].holds = Holds::Quads;
        }
        slot
    }

    /// The buffer of `order`, which lies there number after number.
    pub fn ints(&mut self, order: CubeTensor) -> usize {
        self.add(Bound::Input(order), Slot { holds: Holds::Ints, written: false })
    }

    /// One of the numbers, by its place among those that the kernel brings along.
    pub fn number(&mut self, numbers: &Rc<Numbers>, at: usize) -> usize {
        let key = (Rc::as_ptr(numbers), at);
        if let Some(&known) = self.known.get(&key) {
            return known;
        }
        let place = self.size(numbers.value(at).to_bits());
        self.known.insert(key, place);
        place
    }

    /// A whole number, in the same way.
    pub fn size(&mut self, size: u32) -> usize {
        self.numbers.push(size);
        self.numbers.len() - 1
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
        self.add(Bound::Output(k), Slot { holds: Holds::of(width), written: true })
    }

    pub fn sum(&mut self, k: usize, width: usize) -> usize {
        let known = self.bound.iter().position(|bound| matches!(bound, Bound::Sum(j) if *j == k));
        known.unwrap_or_else(|| self.add(Bound::Sum(k), Slot { holds: Holds::of(width), written: false }))
    }

    pub fn are_few(&self) -> bool {
        self.slots.len() <= MOST
    }

    pub fn slots(&self) -> Slots {
        Slots { slots: self.slots.clone(), numbers: self.numbers.len() }
    }

    /// What a launch brings along: the kernel's own sizes, and the numbers. cubecl keeps 512 of these, in case that one comes again.
    pub fn sizes(&self, mut own: Vec<u32>) -> Vec<u32> {
        if !self.numbers.is_empty() {
            assert!(own.len() <= NUMBERS, "more sizes than there is room for");
            own.resize(NUMBERS, 0);
            own.extend(&self.numbers);
        }
        own
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

impl Holds {
    fn of(width: usize) -> Self {
        if width == 4 { Self::Quads } else { Self::Floats }
    }
}

impl Slots {
    /// As [`crate::kernels::launch::Kernel::buffers`] lists them.
    pub fn buffers(&self) -> Vec<(&'static str, &'static str, bool)> {
        let kind = |holds| match holds {
            Holds::Floats => "f32",
            Holds::Quads => "vec4<f32>",
            Holds::Ints => "i32",
        };
        self.slots.iter().zip(NAMES).map(|(slot, name)| (name, kind(slot.holds), slot.written)).collect()
    }

    /// What [`crate::kernels::launch::Kernel::sizes`] says, for so many sizes of the kernel's own.
    pub fn sizes(&self, own: usize) -> usize {
        (if self.numbers == 0 { own } else { NUMBERS + self.numbers }).next_multiple_of(4)
    }

    /// WGSL for the k-th number, as a whole one.
    pub fn number(k: usize) -> String {
        let at = NUMBERS + k;
        format!("size[{}][{}]", at / 4, at % 4)
    }

    /// The same for one whose place the kernel computes.
    pub fn number_at(k: &str) -> String {
        format!("size[({NUMBERS}u + {k}) / 4u][({NUMBERS}u + {k}) % 4u]")
    }

    /// WGSL for the `width` numbers at `at`, which counts by `width`.
    pub fn at(&self, slot: usize, width: usize, at: &str) -> String {
        let name = NAMES[slot];
        let wide = self.slots[slot].holds == Holds::Quads;
        debug_assert!(width == 1 || wide);
        if wide && width == 1 { format!("{name}[({at}) / 4u][({at}) % 4u]") } else { format!("{name}[{at}]") }
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
