//! Compute pipelines: one per shader variant, made when it is first needed.

use super::reflect::reflect_source;
use crate::device::Kernel;
use crate::device::shaders::Variant;
use crate::error::{Error, Result};

/// A compiled shader variant.
pub(super) struct Pipeline {
    /// The variant's name.
    pub(super) variant: &'static str,
    pub(super) compute: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
    /// Bytes of the parameters.
    pub(super) params: usize,
    /// Invocations of a workgroup.
    pub(super) invocations: u32,
}

impl Pipeline {
    /// Compiles `variant` of `kernel`.
    pub(super) fn new(device: &wgpu::Device, kernel: &Kernel, variant: &'static Variant) -> Result<Self> {
        let source = variant.source()?;
        let reflection = reflect_source(variant, &source)?;
        reflection.check(variant, kernel)?;
        let label = Some(variant.name);

        let scopes = [wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Internal, wgpu::ErrorFilter::Validation]
            .map(|filter| device.push_error_scope(filter));
        let uniform = wgpu::BufferBindingType::Uniform;
        let mut types = vec![(uniform, true)];
        types.extend(reflection.slots.iter().map(|slot| (wgpu::BufferBindingType::Storage { read_only: !slot.writes() }, false)));
        let entries: Vec<_> = (0..)
            .zip(types)
            .map(|(binding, (ty, has_dynamic_offset))| wgpu::BindGroupLayoutEntry {
                binding,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: None },
                count: None,
            })
            .collect();
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries: &entries });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let descriptor = wgpu::ShaderModuleDescriptor { label, source: wgpu::ShaderSource::Wgsl(source.text.into()) };
        let module = if cfg!(debug_assertions) {
            device.create_shader_module(descriptor)
        } else {
            // SAFETY: shaders are part of this program. Their loops end, and ops check shapes before they dispatch, so every index stays
            // inside its binding. Debug builds, and tests with them, keep all checks.
            unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
        };
        let compute = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label,
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            // Kernels write workgroup memory before they read it.
            compilation_options: wgpu::PipelineCompilationOptions { zero_initialize_workgroup_memory: false, ..Default::default() },
            cache: None,
        });
        // Scopes close in reverse order, and all must be closed before returning.
        let [memory, internal, validation] = scopes;
        let errors = [validation, internal, memory].map(|scope| pollster::block_on(scope.pop()));
        match errors.into_iter().flatten().next() {
            Some(error) => Err(Error::Device(format!("shader variant '{}' cannot be compiled: {error}", variant.name))),
            None => Ok(Self { variant: variant.name, compute, layout, params: reflection.params, invocations: reflection.invocations() }),
        }
    }
}
