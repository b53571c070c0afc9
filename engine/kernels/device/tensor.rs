//! Tensors: a shape and a range of a device buffer.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use half::{bf16, f16};

use crate::device::cpu::{self, CpuBuffer, Values};
use crate::device::gpu::GpuBuffer;
use crate::device::{Device, Quant};
use crate::error::{Error, Result};

/// Element types. On the f64 CPU executor `F32` tensors hold f64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    /// 32-bit float.
    F32,
    /// The upper half of a 32-bit float, for stored weights; kernels widen it. A word holds two, so rows have even length.
    BF16,
    /// IEEE 754 binary16, stored and widened like [`DType::BF16`].
    F16,
    /// 32-bit unsigned integer.
    U32,
    /// Blocks of quantised numbers, for stored weights. A row has whole blocks.
    Quant(Quant),
}

impl DType {
    /// Bytes of so many elements, in whole blocks (except on the f64 executor).
    pub fn bytes(self, elements: usize) -> usize {
        match self {
            Self::F32 | Self::U32 => 4 * elements,
            Self::BF16 | Self::F16 => 2 * elements,
            Self::Quant(quant) => elements / quant.block() * quant.bytes(),
        }
    }

    /// How many elements only come together; the length of a row is a multiple of it.
    pub fn block(self) -> usize {
        match self {
            Self::F32 | Self::U32 => 1,
            Self::BF16 | Self::F16 => 2,
            Self::Quant(quant) => quant.block(),
        }
    }

    /// `f32`, `bf16`, `f16`, `u32`, or the name of the [`Quant`].
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::BF16 => "bf16",
            Self::F16 => "f16",
            Self::U32 => "u32",
            Self::Quant(quant) => quant.name(),
        }
    }

    /// The weight type with this [`DType::name`] that any model can be kept in.
    pub fn of_weights(name: &str) -> Result<Self> {
        let all = [Self::F32, Self::BF16, Self::F16, Self::Quant(Quant::Q8_0), Self::Quant(Quant::Q4K)];
        let known = all.into_iter().find(|dtype| dtype.name() == name);
        known.ok_or_else(|| Error::argument(format!("weights are kept in f32, bf16, f16, q8_0 or q4_k, not {name}")))
    }

    /// The type of a parameter of this shape in a model whose matrices have this type: f32 for vectors, and where rows cannot have it.
    pub fn of_parameter(self, shape: &[usize]) -> Self {
        if shape.len() == 2 && shape[1].is_multiple_of(self.block()) { self } else { Self::F32 }
    }

    /// Whether kernels widen the numbers.
    pub fn narrow_weight(self) -> bool {
        self.packed() || matches!(self, Self::Quant(_))
    }

    /// Whether a word holds two numbers.
    pub fn packed(self) -> bool {
        matches!(self, Self::BF16 | Self::F16)
    }

    /// Rounds `values` to a packed type, ties to even, and returns the bits.
    pub fn narrow(self, values: &[f32]) -> Vec<u16> {
        match self {
            Self::F16 => values.iter().map(|v| f16::from_f32(*v).to_bits()).collect(),
            _ => values.iter().map(|v| bf16::from_f32(*v).to_bits()).collect(),
        }
    }

    /// The numbers with these bits in a packed type.
    pub fn widen(self, bits: &[u16]) -> Vec<f32> {
        match self {
            Self::F16 => bits.iter().map(|bits| f16::from_bits(*bits).to_f32()).collect(),
            _ => bits.iter().map(|bits| bf16::from_bits(*bits).to_f32()).collect(),
        }
    }

    /// Fails if a tensor of this type cannot have `shape`.
    pub(crate) fn expect_shape(self, shape: &[usize]) -> Result<()> {
        if shape.last().copied().unwrap_or(1).is_multiple_of(self.block()) {
            return Ok(());
        }
        Err(Error::Shape(match self {
            Self::Quant(quant) => {
                format!("{} numbers come in blocks of {}, which rows of shape {shape:?} cannot be made of", quant.name(), quant.block())
            }
            _ => format!(
                "16-bit numbers are stored in pairs, so rows must have an even length, unlike those of shape {shape:?}: use 32 bits"
            ),
        }))
    }
}

pub(crate) enum Memory {
    Cpu(CpuBuffer),
    Gpu(GpuBuffer),
    /// Counted, not allocated.
    Planned,
}

pub(crate) struct Buffer {
    pub(crate) device: Device,
    pub(crate) memory: Memory,
    pub(crate) bytes: u64,
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.device.count().live.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A row-major tensor. Cloning shares the memory.
#[derive(Clone)]
pub struct Tensor {
    buffer: Arc<Buffer>,
    dtype: DType,
    offset: usize,
    shape: Vec<usize>,
}

impl Tensor {
    pub(crate) fn new(buffer: Arc<Buffer>, dtype: DType, shape: &[usize]) -> Self {
        Self { buffer, dtype, offset: 0, shape: shape.to_vec() }
    }

    /// The sizes of the axes.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the tensor has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The device that holds the numbers.
    pub fn device(&self) -> &Device {
        &self.buffer.device
    }

    /// Rows and columns: the last axis, and the product of the others.
    pub fn rows_cols(&self) -> (usize, usize) {
        let cols = self.shape.last().copied().unwrap_or(1);
        (self.len().checked_div(cols).unwrap_or(0), cols)
    }

    /// The same numbers in another shape. A shape with fewer elements takes the first ones.
    pub fn view(&self, shape: &[usize]) -> Result<Self> {
        self.dtype.expect_shape(shape)?;
        let wanted: usize = shape.iter().product();
        if wanted > self.len() {
            return Err(Error::Shape(format!("a tensor of shape {:?} cannot be seen as {shape:?}", self.shape)));
        }
        Ok(Self { shape: shape.to_vec(), ..self.clone() })
    }

    /// Rows `rows` of the first axis. On a GPU the range must start at a multiple of 256 bytes.
    pub fn slice(&self, rows: Range<usize>) -> Result<Self> {
        let first = self.shape.first().copied().unwrap_or(0);
        if rows.start > rows.end || rows.end > first {
            return Err(Error::Shape(format!("rows {rows:?} of a tensor of shape {:?}", self.shape)));
        }
        let width = self.len() / first.max(1);
        let mut shape = self.shape.clone();
        shape[0] = rows.len();
        self.dtype.expect_shape(&shape)?;
        self.dtype.expect_shape(&[rows.start * width])?;
        Ok(Self { shape, offset: self.offset + rows.start * width, ..self.clone() })
    }

    /// The matrix `[rows, columns]` in pieces of whole rows that the device can bind, each with its first row. All pieces but the last have
    /// a multiple of 256 rows.
    pub(crate) fn pieces(&self) -> Result<Vec<(usize, Self)>> {
        let (rows, cols) = self.rows_cols();
        let whole = self.view(&[rows, cols])?;
        let limit = self.device().caps().map_or(usize::MAX, |caps| caps.max_binding as usize);
        let piece = limit / self.dtype.bytes(cols).max(1) / 256 * 256;
        // If not even 256 rows fit, binding the whole reports the error.
        if self.dtype.bytes(self.len()) <= limit || piece == 0 {
            return Ok(vec![(0, whole)]);
        }
        (0..rows).step_by(piece).map(|first| Ok((first, whole.slice(first..rows.min(first + piece))?))).collect()
    }

    /// Fails with an error that names `what` unless the shape is `shape`.
    pub fn expect(&self, what: &str, shape: &[usize]) -> Result<()> {
        if self.shape == shape { Ok(()) } else { Err(Error::Shape(format!("{what}: shape {:?}, expected {shape:?}", self.shape))) }
    }

    /// Fails unless the elements have type `dtype`.
    pub fn expect_dtype(&self, dtype: DType) -> Result<()> {
        if self.dtype == dtype { Ok(()) } else { Err(Error::Shape(format!("{self:?} was expected to have elements of type {dtype:?}"))) }
    }

    /// Replaces the numbers. For a packed tensor they are rounded to nearest, ties to even; for a quantised one as [`Quant::quantise`] does it.
    /// On a GPU this takes effect before anything that is recorded but not yet submitted.
    pub fn write(&self, values: &[f32]) -> Result<()> {
        if let DType::Quant(quant) = self.dtype {
            return self.write_bits(&bytemuck::pod_collect_to_vec(&quant.quantise(values)?));
        }
        if self.dtype.packed() {
            return self.write_bits(&self.dtype.narrow(values));
        }
        self.expect_dtype(DType::F32)?;
        if self.is_f64() { self.put(&values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>()) } else { self.put(values) }
    }

    /// [`Tensor::write`] for a packed or quantised tensor, given the bits of its numbers or the bytes of its blocks.
    pub fn write_bits(&self, bits: &[u16]) -> Result<()> {
        self.expect_bits()?;
        self.put(bits)
    }

    /// [`Tensor::write`] for integers.
    pub fn write_u32(&self, values: &[u32]) -> Result<()> {
        self.expect_dtype(DType::U32)?;
        self.put(values)
    }

    /// [`Tensor::write`] in f64; exact on the f64 executor.
    pub fn write_f64(&self, values: &[f64]) -> Result<()> {
        if self.is_f64() { self.put(values) } else { self.write(&values.iter().map(|v| *v as f32).collect::<Vec<_>>()) }
    }

    /// Waits until everything submitted has run and returns the numbers. Those of a packed or quantised tensor are widened.
    pub fn read(&self) -> Result<Vec<f32>> {
        if let DType::Quant(quant) = self.dtype {
            return Ok(quant.numbers(bytemuck::cast_slice(&self.read_bits()?)));
        }
        if self.dtype.packed() {
            return Ok(self.dtype.widen(&self.read_bits()?));
        }
        self.expect_dtype(DType::F32)?;
        if self.is_f64() { Ok(self.get::<f64>()?.into_iter().map(|v| v as f32).collect()) } else { self.get() }
    }

    /// [`Tensor::read`] for a packed or quantised tensor, as the bits of its numbers or the bytes of its blocks.
    pub fn read_bits(&self) -> Result<Vec<u16>> {
        self.expect_bits()?;
        self.get()
    }

    /// [`Tensor::read`] in f64; exact on the f64 executor.
    pub fn read_f64(&self) -> Result<Vec<f64>> {
        if self.is_f64() { self.get() } else { Ok(self.read()?.into_iter().map(f64::from).collect()) }
    }

    /// [`Tensor::read`] for integers.
    pub fn read_u32(&self) -> Result<Vec<u32>> {
        self.expect_dtype(DType::U32)?;
        self.get()
    }

    /// Whether the buffer holds f64, as those of the f64 executor do.
    fn is_f64(&self) -> bool {
        matches!(&self.buffer.memory, Memory::Cpu(cpu) if matches!(&*cpu.values(), Values::F64(_)))
    }

    fn put<T: Element>(&self, values: &[T]) -> Result<()> {
        self.check_len(values.len())?;
        match &self.buffer.memory {
            Memory::Cpu(cpu) => {
                T::vector_mut(&mut cpu.values_mut()).ok_or_else(|| self.other_type())?[self.range()].copy_from_slice(values);
            }
            Memory::Gpu(gpu) => self.on_gpu()?.write(gpu, self.bytes().start, bytemuck::cast_slice(values))?,
            Memory::Planned => {}
        }
        Ok(())
    }

    fn get<T: Element>(&self) -> Result<Vec<T>> {
        Ok(match &self.buffer.memory {
            Memory::Cpu(cpu) => cpu::copy(&T::vector(&cpu.values()).ok_or_else(|| self.other_type())?[self.range()])?,
            Memory::Gpu(gpu) => bytemuck::pod_collect_to_vec(&self.read_gpu(gpu)?),
            Memory::Planned => return Err(Error::Device("a planned device holds no numbers".into())),
        })
    }

    /// Whether both use the same buffer.
    pub(crate) fn same_buffer(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.buffer, &other.buffer)
    }

    /// The range of the elements in a buffer of the CPU executor, where a quantised tensor has a number for two bytes.
    pub(crate) fn range(&self) -> Range<usize> {
        let place = |at: usize| if let DType::Quant(_) = self.dtype { self.dtype.bytes(at) / 2 } else { at };
        place(self.offset)..place(self.offset + self.len())
    }

    /// The range of the elements in a GPU buffer.
    pub(crate) fn bytes(&self) -> Range<u64> {
        self.dtype.bytes(self.offset) as u64..self.dtype.bytes(self.offset + self.len()) as u64
    }

    pub(crate) fn cpu_buffer(&self) -> &CpuBuffer {
        match &self.buffer.memory {
            Memory::Cpu(cpu) => cpu,
            Memory::Gpu(_) | Memory::Planned => panic!("a tensor of another device was given to the CPU executor"),
        }
    }

    pub(crate) fn gpu_buffer(&self) -> &GpuBuffer {
        match &self.buffer.memory {
            Memory::Gpu(gpu) => gpu,
            Memory::Cpu(_) | Memory::Planned => panic!("a tensor of another device was given to the GPU executor"),
        }
    }

    fn on_gpu(&self) -> Result<&crate::device::gpu::Gpu> {
        self.buffer.device.gpu().ok_or_else(|| Error::Device("a GPU tensor outlived its device".into()))
    }

    fn read_gpu(&self, buffer: &GpuBuffer) -> Result<Vec<u8>> {
        self.buffer.device.count().readbacks.fetch_add(1, Ordering::Relaxed);
        self.on_gpu()?.read(buffer, self.bytes())
    }

    fn expect_bits(&self) -> Result<()> {
        if self.dtype.narrow_weight() {
            Ok(())
        } else {
            Err(Error::Shape(format!("{self:?} was expected to have 16-bit or quantised elements")))
        }
    }

    fn other_type(&self) -> Error {
        Error::Shape(format!("the buffer of {self:?} has elements of another type"))
    }

    fn check_len(&self, values: usize) -> Result<()> {
        if values == self.range().len() {
            Ok(())
        } else {
            Err(Error::Shape(format!("{values} values for a tensor of shape {:?}", self.shape)))
        }
    }
}

/// What a buffer of the CPU executor may hold.
trait Element: bytemuck::Pod {
    /// The elements, if they have this type.
    fn vector(values: &Values) -> Option<&Vec<Self>>;
    /// The elements, to be changed.
    fn vector_mut(values: &mut Values) -> Option<&mut Vec<Self>>;
}

macro_rules! elements {
    ($($ty:ty = $case:ident),*) => { $(impl Element for $ty {
        fn vector(values: &Values) -> Option<&Vec<Self>> {
            if let Values::$case(values) = values { Some(values) } else { None }
        }
        fn vector_mut(values: &mut Values) -> Option<&mut Vec<Self>> {
            if let Values::$case(values) = values { Some(values) } else { None }
        }
    })* };
}

elements!(f32 = F32, f64 = F64, u16 = Packed, u32 = U32);

impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tensor({:?} {:?})", self.dtype, self.shape)
    }
}
