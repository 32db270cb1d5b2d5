//! A weight matrix on the device: in f32, or in f16 at half the memory, which every product turns
//! back into f32. Rows lie in blocks, none of which is larger than what WebGPU guarantees to bind.

use burn::tensor::{DType, Device, Int, Tensor, module};

use super::memory::Precision;
use crate::error::{LabError, Result, code};
use crate::kernels::cpu::attention::is_ours;
#[cfg(target_arch = "wasm32")]
use crate::kernels::products::{self, Then, Weight};
use crate::kernels::{Expr, Form, Source, compute_one};
use crate::tensors::{HostTensor, read, upload, upload_indices};

/// Bytes of a block at most; WebGPU guarantees bindings of 128 MiB.
pub const LARGEST_BLOCK: usize = 120 << 20;

/// `[rows, cols]`, row-major.
pub struct Matrix {
    rows: usize,
    cols: usize,
    blocks: Vec<Block>,
    device: Device,
}

/// Consecutive rows of a matrix.
#[derive(Clone)]
enum Block {
    F32(Tensor<2>),
    /// As f16, on the CPU.
    Half(Tensor<2>),
    /// On a GPU, with an even number of columns, for kernels of our own.
    #[cfg(target_arch = "wasm32")]
    Gpu(Weight),
}

/// How a matrix lies in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    pub rows: usize,
    pub cols: usize,
    /// As f16. A GPU packs two in a number, so an odd number of columns stays f32.
    pub half: bool,
}

impl Layout {
    pub fn new(rows: usize, cols: usize, precision: Precision) -> Self {
        Self { rows, cols, half: precision == Precision::F16 && cols.is_multiple_of(2) }
    }

    fn row_bytes(&self) -> usize {
        self.cols * if self.half { 2 } else { 4 }
    }

    /// On the device, in all blocks.
    pub fn bytes(&self) -> u64 {
        self.rows as u64 * self.row_bytes() as u64
    }

    /// Rows of every block but the last.
    fn block_rows(&self) -> usize {
        (LARGEST_BLOCK / self.row_bytes().max(1)).clamp(1, self.rows.max(1))
    }

    /// Bytes of the largest block.
    pub fn largest_block(&self) -> usize {
        self.block_rows() * self.row_bytes()
    }
}

impl Matrix {
    pub fn device(&self) -> Device {
        self.device.clone()
    }

    /// A matrix that takes no memory on a GPU, for rehearsals.
    pub(super) fn hollow(layout: Layout, device: &Device) -> Self {
        let Layout { rows, cols, half } = layout;
        let step = layout.block_rows();
        let blocks = (0..rows).step_by(step).map(|at| block::hollow([step.min(rows - at), cols], half, device)).collect();
        Self { rows, cols, blocks, device: device.clone() }
    }

    /// The whole matrix, where kernels of our own can read it.
    #[cfg(target_arch = "wasm32")]
    pub fn weight(&self) -> Option<Weight> {
        match &self.blocks[..] {
            [Block::Gpu(weight)] => Some(weight.clone()),
            _ => None,
        }
    }

    /// The whole matrix in f32, where it is that and in one piece.
    pub fn floats(&self) -> Option<&Tensor<2>> {
        match &self.blocks[..] {
            [Block::F32(weight)] => Some(weight),
            _ => None,
        }
    }

    /// `x · self + bias`: `[batch, pos, rows]` to `[batch, pos, cols]`.
    pub fn linear(&self, x: Tensor<3>, bias: &Tensor<1>) -> Tensor<3> {
        let [batch, pos, d_in] = x.dims();
        if let [Block::F32(weight)] = &self.blocks[..] {
            return module::linear(x, weight.clone(), Some(bias.clone()));
        }
        let x = x.reshape([batch * pos, d_in]);
        let mut at = 0;
        let mut sum: Option<Tensor<2>> = None;
        for block in &self.blocks {
            let rows = block.rows();
            let part = if self.blocks.len() == 1 { x.clone() } else { x.clone().narrow(1, at, rows) };
            let bias = sum.is_none().then_some(bias);
            let product = block.times(part, bias);
            sum = Some(match sum {
                Some(sum) => sum + product,
                None => product,
            });
            at += rows;
        }
        sum.unwrap_or_else(|| Tensor::zeros([batch * pos, self.cols], &self.device)).reshape([batch, pos, self.cols])
    }

    /// `x · selfᵀ`: `[n, cols]` to `[n, rows]`.
    pub fn times_transposed(&self, x: Tensor<2>) -> Tensor<2> {
        let mut parts: Vec<_> = self.blocks.iter().map(|block| block.times_transposed(x.clone())).collect();
        if parts.len() == 1 { parts.swap_remove(0) } else { Tensor::cat(parts, 1) }
    }

    /// The rows `ids`, `[n, cols]`, in f32.
    pub fn gather(&self, ids: &[u32]) -> Tensor<2> {
        if let [block] = &self.blocks[..] {
            return block.gather(upload_indices(ids, [ids.len()], &self.device));
        }
        let mut at = 0;
        let mut sum: Option<Tensor<2>> = None;
        for block in &self.blocks {
            let rows = block.rows() as u32;
            let inside = |id: u32| (at..at + rows).contains(&id);
            let local: Vec<u32> = ids.iter().map(|&id| if inside(id) { id - at } else { 0 }).collect();
            let mask = ids.iter().map(|&id| if inside(id) { 1.0 } else { 0.0 }).collect();
            let part = block.gather(upload_indices(&local, [ids.len()], &self.device)) * upload(mask, [ids.len(), 1], &self.device);
            sum = Some(match sum {
                Some(sum) => sum + part,
                None => part,
            });
            at += rows;
        }
        sum.unwrap_or_else(|| Tensor::zeros([ids.len(), self.cols], &self.device))
    }

    /// Rows `start..start + n` back on the host, as they are on the device.
    pub async fn read_rows(&self, start: usize, n: usize) -> Result<Vec<f32>> {
        let mut values = Vec::with_capacity(n * self.cols);
        let mut at = 0;
        for block in &self.blocks {
            let (from, to) = (start.max(at), (start + n).min(at + block.rows()));
            if from < to {
                values.extend(block.read_rows(from - at, to - from, self.cols).await?);
            }
            at += block.rows();
        }
        Ok(values)
    }

    pub fn rows(&self) -> usize {
        self.rows
    }
}

impl Block {
    fn rows(&self) -> usize {
        match self {
            Self::F32(t) | Self::Half(t) => t.dims()[0],
            #[cfg(target_arch = "wasm32")]
            Self::Gpu(Weight::Full(t)) => t.dims()[0],
            #[cfg(target_arch = "wasm32")]
            Self::Gpu(Weight::Half(t)) => t.dims()[0],
        }
    }

    /// `x · self + bias`, `[n, cols]`.
    fn times(&self, x: Tensor<2>, bias: Option<&Tensor<1>>) -> Tensor<2> {
        let weight = match self {
            Self::F32(weight) => weight.clone(),
            Self::Half(weight) => weight.clone().cast(DType::F32),
            #[cfg(target_arch = "wasm32")]
            Self::Gpu(weight) => return products::linear(x, weight.clone(), bias.cloned(), None, Then::Nothing),
        };
        module::linear(x, weight, bias.cloned())
    }

    fn times_transposed(&self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::F32(weight) if is_ours(weight) => {
                let shape = [x.dims()[0], weight.dims()[0]];
                compute_one(Source::product(Form::Transposed, &x, weight), shape, Expr::sum(0))
            }
            Self::F32(weight) => x.matmul(weight.clone().transpose()),
            Self::Half(weight) => x.matmul(weight.clone().cast(DType::F32).transpose()),
            #[cfg(target_arch = "wasm32")]
            Self::Gpu(weight) => products::transposed(x, weight.clone()),
        }
    }

    fn gather(&self, ids: Tensor<1, Int>) -> Tensor<2> {
        match self {
            Self::F32(weight) => weight.clone().select(0, ids),
            Self::Half(weight) => weight.clone().select(0, ids).cast(DType::F32),
            #[cfg(target_arch = "wasm32")]
            Self::Gpu(weight) => products::gather(weight.clone(), ids),
        }
    }

    async fn read_rows(&self, start: usize, n: usize, cols: usize) -> Result<Vec<f32>> {
        let rows = match self {
            Self::F32(weight) => weight.clone().narrow(0, start, n),
            Self::Half(weight) => weight.clone().narrow(0, start, n).cast(DType::F32),
            #[cfg(target_arch = "wasm32")]
            Self::Gpu(Weight::Full(weight)) => weight.clone().narrow(0, start, n),
            #[cfg(target_arch = "wasm32")]
            Self::Gpu(Weight::Half(bits)) => {
                let bits = bits.clone().narrow(0, start, n).into_data_async().await.map_err(|e| LabError::device(format!("{e:?}")))?;
                let bits = bits.try_into_vec::<i32>().map_err(|e| LabError::device(format!("{e:?}")))?;
                let halves = |bits: i32| [bits as u16, (bits >> 16) as u16].map(|bits| half::f16::from_bits(bits).to_f32());
                return Ok(bits.into_iter().flat_map(halves).collect());
            }
        };
        let HostTensor { data, .. } = read(rows).await?;
        debug_assert_eq!(data.len(), n * cols);
        Ok(data)
    }
}

/// A matrix on its way to the device, value by value.
pub struct Builder {
    name: String,
    layout: Layout,
    device: Device,
    done: Vec<Block>,
    values: usize,
    block: Option<block::Builder>,
}

impl Builder {
    pub fn new(name: &str, layout: Layout, device: &Device) -> Self {
        Self { name: name.into(), layout, device: device.clone(), done: Vec::new(), values: 0, block: None }
    }

    /// The next values, row by row.
    pub fn push(&mut self, mut values: &[f32]) -> Result<()> {
        let Layout { rows, cols, half } = self.layout;
        if half && let Some(x) = values.iter().find(|x| x.abs() > 65504.0) {
            return Err(LabError::new(
                code::NOT_FINITE,
                format!("{} holds {x}, and the largest number as f16 is 65504.", self.name),
                "Load the model with f32 weights.",
            ));
        }
        while !values.is_empty() {
            let block_rows = self.layout.block_rows();
            let into = self.values % (block_rows * cols).max(1);
            if into == 0 {
                let left = rows.saturating_sub(self.values / cols.max(1)).min(block_rows);
                self.block = Some(block::Builder::new(&self.name, left, cols, half, &self.device)?);
            }
            let Some(block) = &mut self.block else { break };
            let n = values.len().min(block.room());
            if n == 0 {
                return Err(LabError::file(format!("{} has more values than its shape.", self.name)));
            }
            let (now, later) = values.split_at(n);
            block.push(now);
            self.values += n;
            values = later;
            if block.room() == 0
                && let Some(block) = self.block.take()
            {
                self.done.push(block.finish(&self.device));
            }
        }
        Ok(())
    }

    pub fn finish(self) -> Result<Matrix> {
        let Layout { rows, cols, .. } = self.layout;
        if self.values != rows * cols {
            return Err(LabError::file(format!("{} has {} values, but its shape needs {}.", self.name, self.values, rows * cols)));
        }
        Ok(Matrix { rows, cols, blocks: self.done, device: self.device })
    }
}

/// One block on its way.
mod block {
    use burn::tensor::TensorData;
    use half::f16;

    use super::*;
    #[cfg(target_arch = "wasm32")]
    use crate::kernels::DeviceBuffer;

    pub struct Builder {
        rows: usize,
        cols: usize,
        room: usize,
        store: Store,
    }

    enum Store {
        /// Memory of the host, which on the CPU is the device's.
        F32(Vec<f32>),
        Half(Vec<f16>),
        /// Written as it comes, so that no matrix is ever whole on the host.
        #[cfg(target_arch = "wasm32")]
        Gpu {
            buffer: DeviceBuffer,
            half: bool,
            odd: Option<f16>,
        },
    }

    /// See [`Matrix::hollow`].
    pub fn hollow(shape: [usize; 2], half: bool, device: &Device) -> Block {
        #[cfg(target_arch = "wasm32")]
        if let Some(buffer) = DeviceBuffer::hollow(device) {
            return on_gpu(buffer, shape, half);
        }
        let _ = half;
        Block::F32(Tensor::empty(shape, device))
    }

    /// Rows with an odd number of columns are not for kernels of our own.
    #[cfg(target_arch = "wasm32")]
    fn on_gpu(buffer: DeviceBuffer, shape: [usize; 2], half: bool) -> Block {
        let [rows, cols] = shape;
        match half {
            true => Block::Gpu(Weight::Half(buffer.into_ints([rows, cols / 2]))),
            false if cols % 2 == 1 => Block::F32(buffer.into_floats(shape)),
            false => Block::Gpu(Weight::Full(buffer.into_floats(shape))),
        }
    }

    impl Builder {
        pub fn new(name: &str, rows: usize, cols: usize, half: bool, device: &Device) -> Result<Self> {
            let room = rows * cols;
            #[cfg(target_arch = "wasm32")]
            if let Some(buffer) = DeviceBuffer::new(device, room * if half { 2 } else { 4 }) {
                return Ok(Self { rows, cols, room, store: Store::Gpu { buffer, half, odd: None } });
            }
            let _ = device;
            let full = |_| {
                LabError::new(
                    code::DEVICE,
                    format!("There is no memory for the {room} values of {name}."),
                    "Close other tabs or dispose of what is not needed; a smaller model needs less.",
                )
            };
            let store = if half {
                let mut values = Vec::new();
                values.try_reserve_exact(room).map_err(full)?;
                Store::Half(values)
            } else {
                let mut values = Vec::new();
                values.try_reserve_exact(room).map_err(full)?;
                Store::F32(values)
            };
            Ok(Self { rows, cols, room, store })
        }

        /// How many values are still to come.
        pub fn room(&self) -> usize {
            self.room
        }

        /// At most [`Self::room`] values.
        pub fn push(&mut self, values: &[f32]) {
            self.room -= values.len();
            match &mut self.store {
                Store::F32(all) => all.extend_from_slice(values),
                Store::Half(all) => all.extend(values.iter().map(|&x| f16::from_f32(x))),
                #[cfg(target_arch = "wasm32")]
                Store::Gpu { buffer, half: false, .. } => buffer.append(values.iter().flat_map(|x| x.to_le_bytes()).collect()),
                #[cfg(target_arch = "wasm32")]
                Store::Gpu { buffer, odd, .. } => {
                    let mut halves: Vec<f16> = odd.take().into_iter().chain(values.iter().map(|&x| f16::from_f32(x))).collect();
                    if halves.len() % 2 == 1 {
                        *odd = halves.pop();
                    }
                    buffer.append(halves.iter().flat_map(|x| x.to_le_bytes()).collect());
                }
            }
        }

        pub fn finish(self, device: &Device) -> Block {
            let shape = [self.rows, self.cols];
            match self.store {
                Store::F32(values) => Block::F32(upload(values, shape, device)),
                Store::Half(values) => Block::Half(Tensor::from_data(TensorData::new(values, shape), (device, DType::F16))),
                #[cfg(target_arch = "wasm32")]
                Store::Gpu { buffer, half, .. } => on_gpu(buffer, shape, half),
            }
        }
    }
}
