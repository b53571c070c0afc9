//! The CPU executor. It runs twins immediately, in f32, or in f64 for gradient checks.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::float::Float;
use super::kernel::{Arg, Args, Kernel, Slot};
use super::weight::Weight;
use super::{memory, readable};
use crate::device::{DType, Tensor};
use crate::error::{Error, Result};

/// The numbers of one buffer.
pub(crate) enum Values {
    F32(Vec<f32>),
    F64(Vec<f64>),
    /// The bits of 16-bit numbers, or the bytes of blocks.
    Packed(Vec<u16>),
    U32(Vec<u32>),
}

/// Memory of the CPU executor. The lock turns an aliased binding into an error instead of a data race.
pub(crate) struct CpuBuffer(pub(crate) RwLock<Values>);

/// Zeros, or an error if there is no memory for them.
pub(super) fn zeros<T: bytemuck::Zeroable>(elements: usize) -> Result<Vec<T>> {
    bytemuck::try_zeroed_vec(elements).map_err(|()| no_memory::<T>(elements))
}

/// A copy, or an error if there is no memory for it.
pub(super) fn copy<T: Copy>(values: &[T]) -> Result<Vec<T>> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(values.len()).map_err(|_| no_memory::<T>(values.len()))?;
    copy.extend_from_slice(values);
    Ok(copy)
}

fn no_memory<T>(elements: usize) -> Error {
    let bytes = readable((elements as u64).saturating_mul(size_of::<T>() as u64));
    let free = memory::free().map_or(String::new(), |free| format!(" (free: {})", readable(free.bytes)));
    Error::Device(format!("the system gave no {bytes} of memory for a tensor{free}: free some, or take settings that need less"))
}

impl CpuBuffer {
    pub(crate) fn values(&self) -> RwLockReadGuard<'_, Values> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn values_mut(&self) -> RwLockWriteGuard<'_, Values> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Guard<'a> {
    Read(RwLockReadGuard<'a, Values>),
    Write(RwLockWriteGuard<'a, Values>),
}

/// The two element types a CPU executor can have.
trait Element: Float {
    fn slice(values: &Values) -> &[Self];
    fn slice_mut(values: &mut Values) -> &mut [Self];
}

macro_rules! element {
    ($type:ty, $variant:ident) => {
        impl Element for $type {
            fn slice(values: &Values) -> &[Self] {
                match values {
                    Values::$variant(v) => v,
                    _ => panic!("a buffer of the wrong type was bound"),
                }
            }
            fn slice_mut(values: &mut Values) -> &mut [Self] {
                match values {
                    Values::$variant(v) => v,
                    _ => panic!("a buffer of the wrong type was bound"),
                }
            }
        }
    };
}
element!(f32, F32);
element!(f64, F64);

fn integers(values: &Values) -> &[u32] {
    match values {
        Values::U32(v) => v,
        _ => panic!("a buffer of numbers was bound where integers are expected"),
    }
}

fn integers_mut(values: &mut Values) -> &mut [u32] {
    match values {
        Values::U32(v) => v,
        _ => panic!("a buffer of numbers was bound where integers are expected"),
    }
}

/// Runs the twin of `kernel`. `double` says that float buffers hold f64.
pub(super) fn run(double: bool, kernel: &Kernel, params: &[u8], bindings: &[&Tensor]) {
    if double { run_as::<f64>(kernel.twin64, kernel, params, bindings) } else { run_as::<f32>(kernel.twin32, kernel, params, bindings) }
}

fn run_as<F: Element>(twin: fn(&[u8], Args<'_, F>), kernel: &Kernel, params: &[u8], bindings: &[&Tensor]) {
    let mut guards: Vec<Guard<'_>> = kernel
        .slots
        .iter()
        .zip(bindings)
        .map(|(slot, tensor)| {
            let lock = &tensor.cpu_buffer().0;
            let message = "a written buffer is bound twice";
            if slot.writes() { Guard::Write(lock.try_write().expect(message)) } else { Guard::Read(lock.try_read().expect(message)) }
        })
        .collect();
    let args = guards
        .iter_mut()
        .zip(kernel.slots)
        .zip(bindings)
        .map(|((guard, slot), tensor)| {
            let range = tensor.range();
            Some(match (guard, slot) {
                (Guard::Read(values), Slot::In) => Arg::In(&F::slice(values)[range]),
                (Guard::Read(values), Slot::Weight) => Arg::Weight(match (&**values, tensor.dtype()) {
                    (Values::Packed(bits), DType::Quant(quant)) => Weight::Quant(quant, bytemuck::cast_slice(&bits[range])),
                    (Values::Packed(bits), DType::F16) => Weight::F16(bytemuck::cast_slice(&bits[range])),
                    (Values::Packed(bits), _) => Weight::BF16(bytemuck::cast_slice(&bits[range])),
                    (values, _) => Weight::Full(&F::slice(values)[range]),
                }),
                (Guard::Read(values), _) => Arg::InU32(&integers(values)[range]),
                (Guard::Write(values), Slot::Out) => Arg::Out(&mut F::slice_mut(values)[range]),
                (Guard::Write(values), _) => Arg::OutU32(&mut integers_mut(values)[range]),
            })
        })
        .collect();
    twin(params, Args(args));
}
