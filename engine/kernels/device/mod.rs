//! The devices: a GPU through wgpu, or the CPU with the twins. [`Recorder`] is the interface of both.

pub(crate) mod cpu;
pub(crate) mod dots;
pub mod float;
pub mod gpu;
mod kernel;
pub mod memory;
pub mod parallel;
pub mod preprocess;
pub(crate) mod quant;
mod quantise;
pub mod shaders;
mod tensor;
mod weight;

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::error::{Error, Result};
use cpu::{CpuBuffer, Values};
pub use gpu::Caps;
pub(crate) use kernel::kernel;
pub use kernel::{Args, Grid, Kernel, Launch, Slot};
use memory::Free;
pub(crate) use parallel::{columns, fused, rows, simd};
pub use quant::Quant;
use tensor::{Buffer, Memory};
pub use tensor::{DType, Tensor};
pub use weight::{Stored, Weight};

/// What a device has done so far. Counting is always on; tests assert on differences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Kernels run.
    pub dispatches: u64,
    /// Recordings submitted to the GPU (0 on the CPU executor).
    pub submits: u64,
    /// How often the host waited for results.
    pub readbacks: u64,
    /// Buffers created.
    pub buffers: u64,
    /// Bytes of all buffers created.
    pub bytes: u64,
    /// Bytes of the buffers that exist.
    pub live: u64,
    /// The peak of `live`.
    pub peak: u64,
}

#[derive(Default)]
pub(crate) struct AtomicCounters {
    pub(crate) dispatches: AtomicU64,
    pub(crate) submits: AtomicU64,
    pub(crate) readbacks: AtomicU64,
    pub(crate) buffers: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) live: AtomicU64,
    pub(crate) peak: AtomicU64,
}

enum Executor {
    Cpu {
        double: bool,
    },
    Gpu(Box<gpu::Gpu>),
    /// Runs nothing and holds nothing; records what was asked for.
    Planned(Mutex<Vec<Planned>>),
}

/// A buffer that was asked of a planned device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Element type.
    pub dtype: DType,
    /// The shape asked for.
    pub shape: Vec<usize>,
    /// Size.
    pub bytes: u64,
}

struct Inner {
    executor: Executor,
    counters: AtomicCounters,
    /// Memory limit in bytes, if one was set.
    limit: OnceLock<u64>,
}

/// A place to run kernels. Cheap to clone.
#[derive(Clone)]
pub struct Device(Arc<Inner>);

impl Device {
    fn new(executor: Executor) -> Self {
        Self(Arc::new(Inner { executor, counters: AtomicCounters::default(), limit: OnceLock::new() }))
    }

    /// The CPU executor.
    pub fn cpu() -> Self {
        Self::new(Executor::Cpu { double: false })
    }

    /// The CPU executor in f64, for gradient checks by finite differences.
    pub fn cpu_f64() -> Self {
        Self::new(Executor::Cpu { double: true })
    }

    /// A device that only counts. Everything can be set up on it as on any device, at no cost, but nothing can be computed.
    pub fn planned() -> Self {
        Self::new(Executor::Planned(Mutex::default()))
    }

    /// The buffers asked of a planned device since the last call.
    pub fn take_planned(&self) -> Vec<Planned> {
        match &self.0.executor {
            Executor::Planned(ledger) => std::mem::take(&mut *ledger.lock().unwrap_or_else(PoisonError::into_inner)),
            _ => Vec::new(),
        }
    }

    /// Limits this device to `bytes`. Allocating more is an error. Only the first call has an effect.
    pub fn with_memory(self, bytes: u64) -> Self {
        let _ = self.0.limit.set(bytes);
        self
    }

    /// Bytes that can still be allocated, if known. On the CPU and software adapters that is what this process can still take; on a GPU, its
    /// memory less what this process uses.
    pub fn memory(&self) -> Option<u64> {
        self.free().map(|free| free.bytes)
    }

    fn free(&self) -> Option<Free> {
        let left = |all: u64, by: Option<String>| Free { bytes: all.saturating_sub(self.counters().live), by };
        let (own, system) = match &self.0.executor {
            Executor::Cpu { .. } => (None, memory::free()),
            // A software adapter's memory is the system's.
            Executor::Gpu(gpu) => (gpu.caps().memory.map(|all| left(all, None)), gpu.caps().software.then(memory::free).flatten()),
            Executor::Planned(_) => (None, None),
        };
        let set = self.0.limit.get().map(|limit| left(*limit, Some("the memory limit that was set".into())));
        own.into_iter().chain(system).chain(set).min_by_key(|free| free.bytes)
    }

    /// Fails if `bytes` more are known not to be available. The error says that `what` needs them, what leaves no more, and has `advice` on
    /// how to need less.
    pub fn expect_memory(&self, what: &str, bytes: u64, advice: impl FnOnce(u64) -> String) -> Result<()> {
        match self.free() {
            Some(free) if free.bytes < bytes => Err(Error::Device(format!(
                "{what} needs {} of memory, but {} has {} free{}: {}",
                readable(bytes),
                self.describe(),
                readable(free.bytes),
                free.by.map_or(String::new(), |by| format!(" because of {by}")),
                advice(free.bytes)
            ))),
            _ => Ok(()),
        }
    }

    /// Opens the device that `choice` names: `auto` (a hardware GPU if there is one, else the CPU executor), `cpu`, `gpu` (any adapter,
    /// hardware first), or part of an adapter's name.
    pub fn open(choice: &str) -> Result<Self> {
        match choice {
            "cpu" => Ok(Self::cpu()),
            "auto" => Ok(match gpu::Gpu::open(gpu::Choice::Hardware, |_| ())? {
                Some(gpu) => Self::new(Executor::Gpu(Box::new(gpu))),
                None => Self::cpu(),
            }),
            "gpu" => match gpu::Gpu::open(gpu::Choice::Any, |_| ())? {
                Some(gpu) => Ok(Self::new(Executor::Gpu(Box::new(gpu)))),
                None => Err(Error::Device(format!("no GPU adapter was found. {}", gpu::INSTALL_HINT))),
            },
            name => match gpu::Gpu::open(gpu::Choice::Named(name), |_| ())? {
                Some(gpu) => Ok(Self::new(Executor::Gpu(Box::new(gpu)))),
                None => Err(Error::Device(format!(
                    "no adapter has '{name}' in its name; `finemem-engine info` lists what was found, and `cpu`, `gpu` and `auto` are valid too"
                ))),
            },
        }
    }

    /// Opens the adapter that has `name` in its name and runs the shader variants for software adapters on it, or those for hardware,
    /// whichever it is. So tests run both on the adapter that they have.
    pub fn open_family(name: &str, software: bool) -> Result<Self> {
        Self::open_adjusted(name, |caps| caps.software = software)
    }

    /// Opens the adapter that has `name` in its name with the capabilities that `adjust` leaves. So tests run the code for other adapters
    /// on the one that they have.
    pub fn open_adjusted(name: &str, adjust: impl FnOnce(&mut Caps)) -> Result<Self> {
        match gpu::Gpu::open(gpu::Choice::Named(name), adjust)? {
            Some(gpu) => Ok(Self::new(Executor::Gpu(Box::new(gpu)))),
            None => Err(Error::Device(format!("no adapter has '{name}' in its name"))),
        }
    }

    /// Describes the device in one line.
    pub fn describe(&self) -> String {
        match &self.0.executor {
            Executor::Cpu { double: false } => {
                format!("CPU executor, {} threads, {}", rayon::current_num_threads(), parallel::instructions())
            }
            Executor::Cpu { double: true } => "CPU executor in f64".to_string(),
            Executor::Gpu(gpu) => gpu.caps().to_string(),
            Executor::Planned(_) => "a plan".to_string(),
        }
    }

    /// What the GPU can do; `None` on the CPU executor.
    pub fn caps(&self) -> Option<&Caps> {
        match &self.0.executor {
            Executor::Cpu { .. } | Executor::Planned(_) => None,
            Executor::Gpu(gpu) => Some(gpu.caps()),
        }
    }

    /// The counters so far.
    pub fn counters(&self) -> Counters {
        let c = &self.0.counters;
        Counters {
            dispatches: c.dispatches.load(Ordering::Relaxed),
            submits: c.submits.load(Ordering::Relaxed),
            readbacks: c.readbacks.load(Ordering::Relaxed),
            buffers: c.buffers.load(Ordering::Relaxed),
            bytes: c.bytes.load(Ordering::Relaxed),
            live: c.live.load(Ordering::Relaxed),
            peak: c.peak.load(Ordering::Relaxed),
        }
    }

    /// A tensor of zeros.
    pub fn zeros(&self, dtype: DType, shape: &[usize]) -> Result<Tensor> {
        dtype.expect_shape(shape)?;
        let elements: usize = shape.iter().product();
        if self.0.limit.get().is_some() {
            self.expect_memory("a tensor", dtype.bytes(elements) as u64, |_| "raise or remove its memory limit".into())?;
        }
        let memory = match &self.0.executor {
            Executor::Cpu { double } => Memory::Cpu(CpuBuffer(std::sync::RwLock::new(match dtype {
                DType::U32 => Values::U32(cpu::zeros(elements)?),
                DType::BF16 | DType::F16 | DType::Quant(_) => Values::Packed(cpu::zeros(dtype.bytes(elements) / 2)?),
                DType::F32 if *double => Values::F64(cpu::zeros(elements)?),
                DType::F32 => Values::F32(cpu::zeros(elements)?),
            }))),
            Executor::Gpu(gpu) => Memory::Gpu(gpu.create_buffer(dtype, shape)?),
            Executor::Planned(ledger) => {
                let planned = Planned { dtype, shape: shape.to_vec(), bytes: dtype.bytes(elements) as u64 };
                ledger.lock().unwrap_or_else(PoisonError::into_inner).push(planned);
                Memory::Planned
            }
        };
        let bytes = dtype.bytes(elements) as u64;
        self.0.counters.buffers.fetch_add(1, Ordering::Relaxed);
        self.0.counters.bytes.fetch_add(bytes, Ordering::Relaxed);
        let live = self.0.counters.live.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.0.counters.peak.fetch_max(live, Ordering::Relaxed);
        Ok(Tensor::new(Arc::new(Buffer { device: self.clone(), memory, bytes }), dtype, shape))
    }

    /// A tensor that holds these numbers.
    pub fn tensor(&self, values: &[f32], shape: &[usize]) -> Result<Tensor> {
        let tensor = self.zeros(DType::F32, shape)?;
        tensor.write(values)?;
        Ok(tensor)
    }

    /// A tensor that holds these integers.
    pub fn tensor_u32(&self, values: &[u32], shape: &[usize]) -> Result<Tensor> {
        let tensor = self.zeros(DType::U32, shape)?;
        tensor.write_u32(values)?;
        Ok(tensor)
    }

    /// Starts recording.
    pub fn record(&self) -> Recorder<'_> {
        let commands = match &self.0.executor {
            Executor::Cpu { .. } | Executor::Planned(_) => None,
            Executor::Gpu(gpu) => Some(gpu.commands()),
        };
        Recorder { device: self, commands, recorded: Cell::new(0) }
    }

    pub(crate) fn gpu(&self) -> Option<&gpu::Gpu> {
        match &self.0.executor {
            Executor::Cpu { .. } | Executor::Planned(_) => None,
            Executor::Gpu(gpu) => Some(gpu),
        }
    }

    pub(crate) fn count(&self) -> &AtomicCounters {
        &self.0.counters
    }

    /// Whether both are the same device.
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Formats bytes for people.
pub fn readable(bytes: u64) -> String {
    match bytes as f64 {
        b if b >= 1e9 => format!("{:.2} GB", b / 1e9),
        b if b >= 1e6 => format!("{:.1} MB", b / 1e6),
        b => format!("{:.1} kB", b / 1e3),
    }
}

/// Records kernels. The CPU executor runs each immediately. The GPU executor collects them into one compute pass, which
/// [`Recorder::submit`] submits.
pub struct Recorder<'a> {
    device: &'a Device,
    commands: Option<gpu::Commands>,
    recorded: Cell<u64>,
}

impl Recorder<'_> {
    /// The device that runs what is recorded.
    pub fn device(&self) -> &Device {
        self.device
    }

    /// Records one kernel over `bindings` (in slot order).
    ///
    /// # Errors
    /// A binding of the wrong element type, number or device, or a written buffer that is bound twice.
    pub fn run<P: bytemuck::Pod>(&mut self, launch: Launch, params: &P, bindings: &[&Tensor]) -> Result<()> {
        let kernel = launch.kernel;
        let stem = kernel.stem;
        if kernel.params != size_of::<P>() || kernel.slots.len() != bindings.len() {
            return Err(Error::Device(format!("{stem} needs {} bindings, but got {}", kernel.slots.len(), bindings.len())));
        }
        for (i, (slot, tensor)) in kernel.slots.iter().zip(bindings).enumerate() {
            self.expect_device(tensor)?;
            if !slot.takes(tensor.dtype()) {
                return Err(Error::Shape(format!("{stem}: binding {i} has element type {:?}", tensor.dtype())));
            }
            let aliased =
                |(j, other): (usize, &&Tensor)| i != j && (slot.writes() || kernel.slots[j].writes()) && tensor.same_buffer(other);
            if bindings.iter().enumerate().any(aliased) {
                return Err(Error::Device(format!("{stem}: binding {i} shares its buffer with another binding")));
            }
        }
        self.device.count().dispatches.fetch_add(1, Ordering::Relaxed);
        self.recorded.set(self.recorded.get() + 1);
        match (&self.device.0.executor, &mut self.commands) {
            (Executor::Cpu { double }, _) => cpu::run(*double, kernel, bytemuck::bytes_of(params), bindings),
            (Executor::Gpu(gpu), Some(commands)) => gpu.dispatch(commands, launch, bytemuck::bytes_of(params), bindings)?,
            (Executor::Gpu(_), None) | (Executor::Planned(_), _) => {}
        }
        Ok(())
    }

    /// Submits everything recorded and reads the numbers of `tensor`, in one submission.
    pub fn submit_and_read(self, tensor: &Tensor) -> Result<Vec<f32>> {
        match self.submit_with_copy(tensor, DType::F32)? {
            Some(bytes) => Ok(bytemuck::pod_collect_to_vec(&bytes)),
            None => tensor.read(),
        }
    }

    /// [`Recorder::submit_and_read`] in f64; exact on the f64 executor.
    pub fn submit_and_read_f64(self, tensor: &Tensor) -> Result<Vec<f64>> {
        match self.submit_with_copy(tensor, DType::F32)? {
            Some(bytes) => Ok(bytemuck::pod_collect_to_vec::<_, f32>(&bytes).into_iter().map(f64::from).collect()),
            None => tensor.read_f64(),
        }
    }

    /// [`Recorder::submit_and_read`] for integers.
    pub fn submit_and_read_u32(self, tensor: &Tensor) -> Result<Vec<u32>> {
        match self.submit_with_copy(tensor, DType::U32)? {
            Some(bytes) => Ok(bytemuck::pod_collect_to_vec(&bytes)),
            None => tensor.read_u32(),
        }
    }

    /// On a GPU, submits and returns the bytes of `tensor`. On other devices returns `None`, and the caller reads the tensor.
    fn submit_with_copy(self, tensor: &Tensor, dtype: DType) -> Result<Option<Vec<u8>>> {
        tensor.expect_dtype(dtype)?;
        self.expect_device(tensor)?;
        match (self.device.gpu(), self.commands) {
            (Some(gpu), Some(commands)) if self.recorded.get() > 0 => {
                self.device.count().submits.fetch_add(1, Ordering::Relaxed);
                self.device.count().readbacks.fetch_add(1, Ordering::Relaxed);
                Ok(Some(gpu.submit_and_read(commands, tensor.gpu_buffer(), tensor.bytes())?))
            }
            _ => Ok(None),
        }
    }

    fn expect_device(&self, tensor: &Tensor) -> Result<()> {
        if tensor.device().same(self.device) {
            return Ok(());
        }
        Err(Error::Device(format!("{tensor:?} is on {}, but the recording on {}", tensor.device().describe(), self.device.describe())))
    }

    /// Submits everything recorded to the device.
    pub fn submit(self) -> Result<()> {
        if let (Some(gpu), Some(commands)) = (self.device.gpu(), self.commands)
            && self.recorded.get() > 0
        {
            self.device.count().submits.fetch_add(1, Ordering::Relaxed);
            gpu.submit(commands)?;
        }
        Ok(())
    }
}
