//! A kernel: the stem of a shader and its CPU twin.

use super::float::Float;
use super::weight::Weight;
use crate::device::DType;

/// One storage binding of a kernel: its element type, and whether the kernel writes it. Checked against the shader by reflection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// `array<f32>`, read only (also as `vec4`).
    In,
    /// `array<f32>`, written, or read and written.
    Out,
    /// `array<u32>`, read only.
    InU32,
    /// `array<u32>`, written.
    OutU32,
    /// A weight matrix, read only: `array<f32>`, 16-bit numbers, which variants with the constant `WIDEN` declare as words of two, or blocks of
    /// quantised numbers.
    Weight,
}

impl Slot {
    /// Whether the kernel writes this binding.
    pub fn writes(self) -> bool {
        matches!(self, Self::Out | Self::OutU32)
    }

    /// Whether a tensor of type `dtype` can be bound.
    pub(super) fn takes(self, dtype: DType) -> bool {
        match self {
            Self::In | Self::Out => dtype == DType::F32,
            Self::InU32 | Self::OutU32 => dtype == DType::U32,
            Self::Weight => dtype != DType::U32,
        }
    }
}

/// The number of workgroups in a dispatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grid {
    /// One workgroup per row; rows past 65,535 spill into the second dimension.
    Rows(usize),
    /// One invocation per element; the executor divides by the workgroup size.
    Elements(usize),
    /// This many workgroups.
    Groups(usize, usize, usize),
}

/// A shader and its CPU twin.
///
/// The twin takes the shader's parameters and its storage bindings in binding order (binding 0 is the uniform with the
/// parameters, so slot `i` is binding `i + 1`).
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    /// Stem of the shader file, and name of its default variant.
    pub stem: &'static str,
    /// The storage bindings.
    pub slots: &'static [Slot],
    /// Size of the parameter struct in bytes.
    pub params: usize,
    /// The twin in f32.
    pub twin32: fn(&[u8], Args<'_, f32>),
    /// The twin in f64, for gradient checks.
    pub twin64: fn(&[u8], Args<'_, f64>),
}

impl Kernel {
    /// A dispatch of the default variant.
    pub fn grid(&'static self, grid: Grid) -> Launch {
        Launch { kernel: self, ending: "", grid }
    }

    /// A dispatch of the variant that `shaders/variants.txt` calls `stem.ending`.
    pub fn variant(&'static self, ending: &'static str, grid: Grid) -> Launch {
        Launch { kernel: self, ending, grid }
    }
}

/// A kernel, the shader variant that runs it on a GPU, and the size of the dispatch.
#[derive(Clone, Copy, Debug)]
pub struct Launch {
    /// The kernel.
    pub kernel: &'static Kernel,
    /// What follows the stem and a dot in the variant's name; empty for the default variant (ignored by the CPU executor).
    pub ending: &'static str,
    /// The number of workgroups (ignored by the CPU executor).
    pub grid: Grid,
}

/// Declares a [`Kernel`]: `kernel!("stem", Params, [In, Out], twin)`.
macro_rules! kernel {
    ($stem:literal, $params:ty, [$($slot:ident),* $(,)?], $twin:ident) => {
        $crate::device::Kernel {
            stem: $stem,
            slots: &[$($crate::device::Slot::$slot),*],
            params: size_of::<$params>(),
            twin32: |params, args| $twin::<f32>(&bytemuck::pod_read_unaligned::<$params>(params), args),
            twin64: |params, args| $twin::<f64>(&bytemuck::pod_read_unaligned::<$params>(params), args),
        }
    };
}
pub(crate) use kernel;

/// The slice behind one binding of a twin.
pub(super) enum Arg<'a, F> {
    In(&'a [F]),
    Out(&'a mut [F]),
    InU32(&'a [u32]),
    OutU32(&'a mut [u32]),
    Weight(Weight<'a, F>),
}

/// The slices that a twin works on, by slot. Each can be taken once.
pub struct Args<'a, F>(pub(super) Vec<Option<Arg<'a, F>>>);

impl<'a, F: Float> Args<'a, F> {
    fn take(&mut self, slot: usize) -> Arg<'a, F> {
        self.0.get_mut(slot).and_then(Option::take).unwrap_or_else(|| panic!("slot {slot} does not exist or was taken before"))
    }

    /// The numbers of an `In` slot.
    pub fn read(&mut self, slot: usize) -> &'a [F] {
        match self.take(slot) {
            Arg::In(values) => values,
            _ => panic!("slot {slot} is not In"),
        }
    }

    /// The numbers of a `Weight` slot.
    pub fn weight(&mut self, slot: usize) -> Weight<'a, F> {
        match self.take(slot) {
            Arg::Weight(values) => values,
            _ => panic!("slot {slot} is not Weight"),
        }
    }

    /// The numbers of an `Out` slot.
    pub fn write(&mut self, slot: usize) -> &'a mut [F] {
        match self.take(slot) {
            Arg::Out(values) => values,
            _ => panic!("slot {slot} is not Out"),
        }
    }

    /// The integers of an `InU32` slot.
    pub fn read_u32(&mut self, slot: usize) -> &'a [u32] {
        match self.take(slot) {
            Arg::InU32(values) => values,
            _ => panic!("slot {slot} is not InU32"),
        }
    }

    /// The integers of an `OutU32` slot.
    pub fn write_u32(&mut self, slot: usize) -> &'a mut [u32] {
        match self.take(slot) {
            Arg::OutU32(values) => values,
            _ => panic!("slot {slot} is not OutU32"),
        }
    }
}
