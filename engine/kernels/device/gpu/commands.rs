//! Recording dispatches, and encoding them into one compute pass.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::pipelines::Pipeline;
use super::{Gpu, IN_FLIGHT, OFFSET_ALIGNMENT, VECTOR_BYTES, lock};
use crate::device::{DType, Grid, Launch, Tensor};
use crate::error::{Error, Result};

/// Bytes of the first uniform buffer.
const UNIFORM_BYTES: u64 = 256 << 10;
/// The most bind groups kept; then the cache is cleared.
const BIND_GROUPS: usize = 8192;

/// What a recorder collects until it is submitted.
#[derive(Default)]
pub(crate) struct Commands {
    dispatches: Vec<Dispatch>,
    params: Vec<u8>,
}

struct Dispatch {
    pipeline: Arc<Pipeline>,
    key: Key,
    /// Kept alive until the pass is encoded.
    buffers: Vec<wgpu::Buffer>,
    groups: [u32; 3],
    params: u32,
}

/// What a bind group depends on.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    variant: &'static str,
    ranges: Vec<BoundRange>,
}

/// The bound bytes of a buffer.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct BoundRange {
    buffer: u64,
    offset: u64,
    size: u64,
}

/// The uniform buffer and the bind groups over it.
pub(super) struct Encoder {
    uniform: wgpu::Buffer,
    bind_groups: HashMap<Key, wgpu::BindGroup>,
}

impl Encoder {
    pub(super) fn new(device: &wgpu::Device) -> Self {
        Self { uniform: create_uniform(device, UNIFORM_BYTES), bind_groups: HashMap::new() }
    }
}

fn create_uniform(device: &wgpu::Device, size: u64) -> wgpu::Buffer {
    let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
    device.create_buffer(&wgpu::BufferDescriptor { label: Some("parameters"), size, usage, mapped_at_creation: false })
}

impl Gpu {
    pub(crate) fn commands(&self) -> Commands {
        Commands::default()
    }

    /// Adds a dispatch to `commands`.
    pub(crate) fn dispatch(&self, commands: &mut Commands, launch: Launch, params: &[u8], bindings: &[&Tensor]) -> Result<()> {
        self.check()?;
        let weight = bindings.iter().map(|tensor| tensor.dtype()).find(|dtype| dtype.narrow_weight());
        let pipeline = self.pipeline(&launch, weight.unwrap_or(DType::F32))?;
        let Some(groups) = self.groups(&launch, pipeline.invocations)? else { return Ok(()) };
        let ranges = bindings.iter().enumerate().map(|(i, tensor)| self.bound_range(&launch, i, tensor)).collect::<Result<_>>()?;
        let at = commands.params.len();
        commands.params.extend_from_slice(params);
        commands.params.resize((at + params.len()).next_multiple_of(self.params_alignment), 0);
        commands.dispatches.push(Dispatch {
            key: Key { variant: pipeline.variant, ranges },
            pipeline,
            buffers: bindings.iter().map(|tensor| tensor.gpu_buffer().buffer.clone()).collect(),
            groups,
            params: at as u32,
        });
        Ok(())
    }

    /// Submits everything recorded, and waits until at most [`IN_FLIGHT`] recordings are in the GPU's queue.
    pub(crate) fn submit(&self, commands: Commands) -> Result<()> {
        self.check()?;
        let index = self.encode(commands, |_| ());
        let oldest = {
            let mut in_flight = lock(&self.in_flight);
            in_flight.push_back(index);
            if in_flight.len() > IN_FLIGHT { in_flight.pop_front() } else { None }
        };
        match oldest {
            Some(index) => self.wait(index),
            None => self.check(),
        }
    }

    /// Submits everything recorded as one pass in one command buffer, followed by what `finish` adds.
    pub(super) fn encode(&self, commands: Commands, finish: impl FnOnce(&mut wgpu::CommandEncoder)) -> wgpu::SubmissionIndex {
        // Held until the submit: the queue runs `write_buffer` after all earlier submissions and before the next, so the
        // parameters of another recording must not come between the two calls.
        let mut encoder = lock(&self.encoder);
        let needed = commands.params.len() as u64;
        if needed > encoder.uniform.size() {
            // Bind groups refer to the uniform buffer, so they are dropped with it.
            *encoder = Encoder { uniform: create_uniform(&self.device, needed.next_power_of_two()), bind_groups: HashMap::new() };
        }
        self.queue.write_buffer(&encoder.uniform, 0, &commands.params);

        let mut command_encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: None });
        let mut pass = command_encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes: None });
        let mut current: Option<&Arc<Pipeline>> = None;
        for dispatch in &commands.dispatches {
            if !current.is_some_and(|pipeline| Arc::ptr_eq(pipeline, &dispatch.pipeline)) {
                pass.set_pipeline(&dispatch.pipeline.compute);
                current = Some(&dispatch.pipeline);
            }
            let Encoder { uniform, bind_groups } = &mut *encoder;
            if !bind_groups.contains_key(&dispatch.key) {
                let group = self.create_bind_group(uniform, dispatch);
                bind_groups.insert(dispatch.key.clone(), group);
            }
            pass.set_bind_group(0, &bind_groups[&dispatch.key], &[dispatch.params]);
            let [x, y, z] = dispatch.groups;
            pass.dispatch_workgroups(x, y, z);
        }
        drop(pass);
        self.forget_dropped(&mut encoder);
        finish(&mut command_encoder);
        self.pending_uploads.store(0, Ordering::Relaxed);
        self.queue.submit([command_encoder.finish()])
    }

    /// Drops the bind groups of buffers that no tensor uses; they would keep the memory. Called after encoding, because a tensor may be
    /// dropped before the recording that uses it is submitted.
    pub(super) fn forget_dropped(&self, encoder: &mut Encoder) {
        let dropped = std::mem::take(&mut *lock(&self.dropped));
        if encoder.bind_groups.len() > BIND_GROUPS {
            encoder.bind_groups.clear();
        } else if !dropped.is_empty() {
            let dropped: std::collections::HashSet<u64> = dropped.into_iter().collect();
            encoder.bind_groups.retain(|key, _| !key.ranges.iter().any(|range| dropped.contains(&range.buffer)));
        }
    }

    fn create_bind_group(&self, uniform: &wgpu::Buffer, dispatch: &Dispatch) -> wgpu::BindGroup {
        let resource =
            |buffer, offset, size| wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size: wgpu::BufferSize::new(size) });
        let mut entries = vec![wgpu::BindGroupEntry { binding: 0, resource: resource(uniform, 0, dispatch.pipeline.params as u64) }];
        entries.extend(
            (1..)
                .zip(&dispatch.key.ranges)
                .zip(&dispatch.buffers)
                .map(|((binding, range), buffer)| wgpu::BindGroupEntry { binding, resource: resource(buffer, range.offset, range.size) }),
        );
        self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(dispatch.key.variant),
            layout: &dispatch.pipeline.layout,
            entries: &entries,
        })
    }

    /// The bytes to bind for a tensor: whole vectors, for which the buffer always has room.
    fn bound_range(&self, launch: &Launch, binding: usize, tensor: &Tensor) -> Result<BoundRange> {
        let range = tensor.bytes();
        let fail =
            |what: String| Err(Error::Device(format!("{}: binding {binding} of shape {:?} {what}", launch.kernel.stem, tensor.shape())));
        let bytes = range.end - range.start;
        let offset = if bytes == 0 { 0 } else { range.start };
        if !offset.is_multiple_of(OFFSET_ALIGNMENT) {
            return fail(format!("starts at byte {offset} of its buffer, which is not a multiple of {OFFSET_ALIGNMENT}"));
        }
        let size = bytes.next_multiple_of(VECTOR_BYTES).max(VECTOR_BYTES);
        if size > self.caps.max_binding {
            return fail(format!("has {size} bytes, and {} binds at most {}", self.caps.name, self.caps.max_binding));
        }
        Ok(BoundRange { buffer: tensor.gpu_buffer().id, offset, size })
    }

    /// The workgroups of a dispatch; `None` if there is nothing to do.
    fn groups(&self, launch: &Launch, invocations: u32) -> Result<Option<[u32; 3]>> {
        let most = self.caps.max_groups as usize;
        let groups = match launch.grid {
            Grid::Rows(rows) => spill(rows, most),
            Grid::Elements(elements) => spill(elements.div_ceil(invocations as usize), most),
            Grid::Groups(x, y, z) => [x, y, z],
        };
        if groups.contains(&0) {
            return Ok(None);
        }
        if groups.iter().any(|n| *n > most) {
            return Err(Error::Device(format!(
                "{}: {groups:?} workgroups are more than the {most} that an axis can have",
                launch.kernel.stem
            )));
        }
        Ok(Some(groups.map(|n| n as u32)))
    }
}

/// Distributes `groups` over two axes, both as short as possible. The last row of the second axis may be partly unused.
fn spill(groups: usize, most: usize) -> [usize; 3] {
    let y = groups.div_ceil(most).max(1);
    [groups.div_ceil(y), y, 1]
}
