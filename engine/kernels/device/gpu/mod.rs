//! The GPU executor, the only module that uses wgpu.
//!
//! [`Commands`] collects dispatches and encodes them when they are submitted: one compute pass in one command buffer, with the parameters
//! of all dispatches in one uniform buffer. Pipelines and bind groups are made once and kept.

mod caps;
mod commands;
mod pipelines;
pub mod reflect;

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::device::{DType, shaders};
use crate::error::{Error, Result};
pub use caps::{Caps, adapters};
pub(crate) use commands::Commands;
use commands::Encoder;
use pipelines::Pipeline;

/// Advice for when no adapter is found.
pub const INSTALL_HINT: &str = "Install a Vulkan driver: for NVIDIA cards the maker's own, for others on Debian or Ubuntu \
`mesa-vulkan-drivers`, which also has a software adapter. A container needs the driver's graphics part too (for NVIDIA, \
NVIDIA_DRIVER_CAPABILITIES=all).";

/// Bindings start at a multiple of this on every device, so that code that runs on one device runs on all.
const OFFSET_ALIGNMENT: u64 = 256;
/// Buffers and bindings hold whole vectors of four, so that a shader can read any tensor as `array<vec4<f32>>`.
const VECTOR_BYTES: u64 = 16;
/// The most recordings in the queue before the host waits for the oldest.
const IN_FLIGHT: usize = 2;
/// Bytes of pending uploads after which they are flushed.
const PENDING_UPLOADS: u64 = 64 << 20;
/// Largest piece of a readback.
const STAGING_BYTES: u64 = 64 << 20;

/// Which adapter to open.
pub(crate) enum Choice<'a> {
    /// A hardware GPU.
    Hardware,
    /// Any adapter, hardware first.
    Any,
    /// The first whose name contains this, ignoring case.
    Named(&'a str),
}

/// Stem and ending of a launch, and the type of its weight.
type PipelineKey = (&'static str, &'static str, DType);

/// A GPU device and what has been made on it.
pub(crate) struct Gpu {
    caps: Caps,
    device: wgpu::Device,
    queue: wgpu::Queue,
    pipelines: Mutex<HashMap<PipelineKey, Arc<Pipeline>>>,
    encoder: Mutex<Encoder>,
    /// Distance between the parameters of two dispatches is a multiple of this.
    params_alignment: usize,
    in_flight: Mutex<VecDeque<wgpu::SubmissionIndex>>,
    staging: Mutex<Option<wgpu::Buffer>>,
    pending_uploads: AtomicU64,
    next_buffer: AtomicU64,
    dropped: Arc<Mutex<Vec<u64>>>,
    failure: Arc<Failure>,
}

/// Errors that wgpu reported outside of a call. Its default handlers would panic.
#[derive(Default)]
struct Failure {
    lost: Mutex<Option<String>>,
    error: Mutex<Option<String>>,
}

/// Memory of a GPU device.
pub(crate) struct GpuBuffer {
    buffer: wgpu::Buffer,
    id: u64,
    dropped: Arc<Mutex<Vec<u64>>>,
}

impl Drop for GpuBuffer {
    fn drop(&mut self) {
        lock(&self.dropped).push(self.id);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gpu {
    /// Opens an adapter; `None` if none fits. `adjust` may change the capabilities by which kernels are chosen.
    pub(crate) fn open(choice: Choice<'_>, adjust: impl FnOnce(&mut Caps)) -> Result<Option<Self>> {
        let Some((mut caps, device, queue)) = caps::open(&choice)? else { return Ok(None) };
        adjust(&mut caps);
        let failure = Arc::new(Failure::default());
        let (on_error, on_loss) = (failure.clone(), failure.clone());
        device.on_uncaptured_error(Arc::new(move |error| {
            lock(&on_error.error).get_or_insert_with(|| error.to_string());
        }));
        device.set_device_lost_callback(move |reason, message| {
            lock(&on_loss.lost).get_or_insert_with(|| format!("{reason:?}: {message}"));
        });
        let encoder = Encoder::new(&device);
        let params_alignment = device.limits().min_uniform_buffer_offset_alignment as usize;
        Ok(Some(Self {
            caps,
            device,
            queue,
            pipelines: Mutex::default(),
            encoder: Mutex::new(encoder),
            params_alignment,
            in_flight: Mutex::default(),
            staging: Mutex::default(),
            pending_uploads: AtomicU64::new(0),
            next_buffer: AtomicU64::new(0),
            dropped: Arc::default(),
            failure,
        }))
    }

    pub(crate) fn caps(&self) -> &Caps {
        &self.caps
    }

    /// Memory for a tensor, all zero. It is never empty, so that empty tensors can be bound.
    pub(crate) fn create_buffer(&self, dtype: DType, shape: &[usize]) -> Result<GpuBuffer> {
        self.check()?;
        self.forget_dropped(&mut lock(&self.encoder));
        let size = (dtype.bytes(shape.iter().product()) as u64).next_multiple_of(VECTOR_BYTES).max(VECTOR_BYTES);
        if size > self.caps.max_buffer {
            return Err(Error::Device(format!(
                "a tensor of shape {shape:?} in {} takes {size} bytes, and a buffer of {} has at most {}. Weights take half in 16 bits \
                 (dtype = \"bf16\" or \"f16\", with an adapter to train), activations less with fewer micro_tokens; else another device \
                 is needed, such as the CPU executor",
                dtype.name(),
                self.caps.name,
                self.caps.max_buffer
            )));
        }
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false });
        if pollster::block_on(scope.pop()).is_some() {
            return Err(Error::Device(format!("{} has no memory left for a tensor of shape {shape:?} with {size} bytes", self.caps.name)));
        }
        Ok(GpuBuffer { buffer, id: self.next_buffer.fetch_add(1, Ordering::Relaxed), dropped: self.dropped.clone() })
    }

    /// Replaces the bytes from `start` on. The queue runs this before anything submitted later, even if that was recorded earlier. So never
    /// write to a buffer that an unsubmitted recording reads.
    pub(crate) fn write(&self, buffer: &GpuBuffer, start: u64, bytes: &[u8]) -> Result<()> {
        self.check()?;
        for (at, part) in (start..).step_by(PENDING_UPLOADS as usize).zip(bytes.chunks(PENDING_UPLOADS as usize)) {
            match part.len() % 4 {
                0 => self.queue.write_buffer(&buffer.buffer, at, part),
                // Copies are of whole words. A buffer ends with one, and quantised numbers may not.
                rest => self.queue.write_buffer(&buffer.buffer, at, &[part, &[0; 4][rest..]].concat()),
            }
            // Uploads are staged in host memory until the next submit, and loading a model writes gigabytes before the first one.
            let pending = self.pending_uploads.fetch_add(part.len() as u64, Ordering::Relaxed) + part.len() as u64;
            if pending > PENDING_UPLOADS {
                self.pending_uploads.store(0, Ordering::Relaxed);
                let index = self.queue.submit([]);
                self.wait(index)?;
            }
        }
        self.check()
    }

    /// Waits until everything submitted has run and returns the bytes `range`.
    pub(crate) fn read(&self, buffer: &GpuBuffer, range: Range<u64>) -> Result<Vec<u8>> {
        self.check()?;
        let Range { start, end } = range;
        let wanted = (end - start) as usize;
        let end = start + (end - start).next_multiple_of(4);
        let mut bytes = Vec::with_capacity((end - start) as usize);
        let mut staging = lock(&self.staging);
        for from in (start..end).step_by(STAGING_BYTES as usize) {
            let size = (end - from).min(STAGING_BYTES);
            let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("readback") });
            encoder.copy_buffer_to_buffer(&buffer.buffer, from, self.staging(&mut staging, size), 0, size);
            let index = self.queue.submit([encoder.finish()]);
            self.collect(&mut staging, size, index, &mut bytes)?;
        }
        bytes.truncate(wanted);
        Ok(bytes)
    }

    /// [`Gpu::submit`] and [`Gpu::read`] in one submission.
    pub(crate) fn submit_and_read(&self, commands: Commands, buffer: &GpuBuffer, range: Range<u64>) -> Result<Vec<u8>> {
        let size = range.end - range.start;
        if size == 0 || size > STAGING_BYTES {
            self.submit(commands)?;
            return self.read(buffer, range);
        }
        self.check()?;
        let mut bytes = Vec::with_capacity(size as usize);
        let mut staging = lock(&self.staging);
        let target = self.staging(&mut staging, size);
        let index = self.encode(commands, |encoder| encoder.copy_buffer_to_buffer(&buffer.buffer, range.start, target, 0, size));
        self.collect(&mut staging, size, index, &mut bytes)?;
        Ok(bytes)
    }

    /// The staging buffer, with room for `size` bytes.
    fn staging<'a>(&self, slot: &'a mut Option<wgpu::Buffer>, size: u64) -> &'a wgpu::Buffer {
        slot.take_if(|staging| staging.size() < size);
        slot.get_or_insert_with(|| {
            self.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("readback"),
                size: size.next_power_of_two(),
                usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        })
    }

    /// Waits until submission `index` has run and appends the first `size` bytes of the staging buffer. After an error the buffer is
    /// dropped, because it may still be mapped.
    fn collect(&self, slot: &mut Option<wgpu::Buffer>, size: u64, index: wgpu::SubmissionIndex, bytes: &mut Vec<u8>) -> Result<()> {
        let Some(staging) = slot.take() else { return Ok(()) };
        let (sender, receiver) = mpsc::channel();
        staging.map_async(wgpu::MapMode::Read, 0..size, move |result| {
            // The receiver is only gone if waiting failed.
            let _ = sender.send(result);
        });
        self.wait(index)?;
        lock(&self.in_flight).clear();
        let fail = |error: &dyn std::fmt::Display| Error::Device(format!("results cannot be read from {}: {error}", self.caps.name));
        // If another thread waits at the same time, it may be the one about to call this.
        let mapped = loop {
            match receiver.recv_timeout(Duration::from_secs(1)) {
                Ok(mapped) => break mapped,
                Err(RecvTimeoutError::Timeout) => self.poll(wgpu::PollType::wait_indefinitely())?,
                Err(error @ RecvTimeoutError::Disconnected) => return Err(fail(&error)),
            }
        };
        mapped.map_err(|error| fail(&error))?;
        bytes.extend_from_slice(&staging.get_mapped_range(0..size).map_err(|error| fail(&error))?);
        staging.unmap();
        *slot = Some(staging);
        Ok(())
    }

    /// Waits for a submission and for everything before it.
    fn wait(&self, index: wgpu::SubmissionIndex) -> Result<()> {
        self.poll(wgpu::PollType::Wait { submission_index: Some(index), timeout: None })
    }

    fn poll(&self, until: wgpu::PollType) -> Result<()> {
        let polled = self.device.poll(until);
        self.check()?;
        polled.map(|_| ()).map_err(|error| Error::Device(format!("waiting for {} failed: {error}", self.caps.name)))
    }

    /// Fails if something went wrong since the last call. A lost device stays lost.
    fn check(&self) -> Result<()> {
        if let Some(lost) = &*lock(&self.failure.lost) {
            return Err(Error::Device(format!("{} was lost ({lost}); resume from the last checkpoint", self.caps.name)));
        }
        match lock(&self.failure.error).take() {
            Some(error) => Err(Error::Device(format!("{} reported: {error}", self.caps.name))),
            None => Ok(()),
        }
    }

    fn pipeline(&self, launch: &crate::device::Launch, weight: DType) -> Result<Arc<Pipeline>> {
        let mut pipelines = lock(&self.pipelines);
        let key = (launch.kernel.stem, launch.ending, weight);
        if let Some(pipeline) = pipelines.get(&key) {
            return Ok(pipeline.clone());
        }
        let variant = shaders::find(launch, weight, self.caps.software)?;
        let pipeline = Arc::new(Pipeline::new(&self.device, launch.kernel, variant)?);
        pipelines.insert(key, pipeline.clone());
        Ok(pipeline)
    }
}
