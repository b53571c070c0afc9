//! Adapters: finding them, their capabilities, choosing one.

use std::sync::OnceLock;

use super::Choice;
use crate::error::{Error, Result};

/// An adapter's capabilities, which decide the shader variants.
#[derive(Clone, Debug)]
pub struct Caps {
    /// The adapter's name.
    pub name: String,
    /// The API: Vulkan, Metal or Dx12.
    pub backend: String,
    /// The driver and its version.
    pub driver: String,
    /// What kind of device it is: discrete, integrated, virtual, software or other.
    pub kind: &'static str,
    /// Whether to run the shader variants for software adapters, with workgroups of one subgroup and few barriers.
    pub software: bool,
    /// Smallest size of a subgroup; 0 without subgroup operations.
    pub subgroup_min: u32,
    /// Largest size of a subgroup; 0 without subgroup operations.
    pub subgroup_max: u32,
    /// Whether shaders may use `f16`.
    pub shader_f16: bool,
    /// Largest storage binding in bytes.
    pub max_binding: u64,
    /// Largest buffer in bytes.
    pub max_buffer: u64,
    /// Workgroup memory in bytes.
    pub max_workgroup_memory: u32,
    /// Most invocations in a workgroup.
    pub max_invocations: u32,
    /// Most workgroups on one axis of a dispatch.
    pub max_groups: u32,
    /// Most storage bindings of a kernel.
    pub max_storage_buffers: u32,
    /// The device's memory in bytes, if the backend reports it (Vulkan does).
    pub memory: Option<u64>,
}

impl Caps {
    fn new(adapter: &wgpu::Adapter) -> Self {
        let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
        let subgroups = features.contains(wgpu::Features::SUBGROUP);
        let kind = match info.device_type {
            wgpu::DeviceType::DiscreteGpu => "discrete",
            wgpu::DeviceType::IntegratedGpu => "integrated",
            wgpu::DeviceType::VirtualGpu => "virtual",
            wgpu::DeviceType::Cpu => "software",
            wgpu::DeviceType::Other => "other",
        };
        Self {
            name: info.name,
            backend: format!("{:?}", info.backend),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_string(),
            kind,
            software: kind == "software",
            subgroup_min: if subgroups { info.subgroup_min_size } else { 0 },
            subgroup_max: if subgroups { info.subgroup_max_size } else { 0 },
            shader_f16: features.contains(wgpu::Features::SHADER_F16),
            max_binding: limits.max_storage_buffer_binding_size,
            max_buffer: limits.max_buffer_size,
            max_workgroup_memory: limits.max_compute_workgroup_storage_size,
            max_invocations: limits.max_compute_invocations_per_workgroup,
            max_groups: limits.max_compute_workgroups_per_dimension,
            max_storage_buffers: limits.max_storage_buffers_per_shader_stage,
            memory: memory(adapter),
        }
    }

    /// The size of all subgroups, if they have one size.
    pub fn subgroup_size(&self) -> Option<u32> {
        (self.subgroup_min > 0 && self.subgroup_min == self.subgroup_max).then_some(self.subgroup_min)
    }

    /// Lists the features that kernels may use.
    pub fn features(&self) -> String {
        let subgroups = match self.subgroup_size() {
            Some(size) => format!("subgroups of {size}"),
            None if self.subgroup_max > 0 => format!("subgroups of {} to {}", self.subgroup_min, self.subgroup_max),
            None => "no subgroups".into(),
        };
        format!("{subgroups}, {}", if self.shader_f16 { "f16" } else { "no f16" })
    }

    /// Lists the limits that kernels obey.
    pub fn limits(&self) -> String {
        format!(
            "{}buffers up to {} MiB; bindings up to {} MiB, {} in a kernel; workgroups up to {} invocations and {} KiB, {} on an axis",
            self.memory.map_or(String::new(), |bytes| format!("{:.1} GiB of memory; ", bytes as f64 / (1u64 << 30) as f64)),
            self.max_buffer >> 20,
            self.max_binding >> 20,
            self.max_storage_buffers,
            self.max_invocations,
            self.max_workgroup_memory >> 10,
            self.max_groups,
        )
    }

    fn rank(&self) -> u8 {
        match self.kind {
            "discrete" => 0,
            "integrated" => 1,
            "virtual" => 2,
            "other" => 3,
            _ => 4,
        }
    }
}

impl std::fmt::Display for Caps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shaders = if self.software { "software" } else { "hardware" };
        write!(f, "{} ({}, {}, {}), {shaders} shaders", self.name, self.kind, self.backend, self.driver)
    }
}

/// The largest device-local heap.
#[cfg(any(target_os = "linux", target_os = "windows"))]
fn memory(adapter: &wgpu::Adapter) -> Option<u64> {
    /// `VK_MEMORY_HEAP_DEVICE_LOCAL_BIT`
    const DEVICE_LOCAL: u32 = 1;
    // SAFETY: the adapter owns the handles, and they are only used to read properties while it lives.
    let properties = unsafe {
        let vulkan = adapter.as_hal::<wgpu::hal::api::Vulkan>()?;
        vulkan.shared_instance().raw_instance().get_physical_device_memory_properties(vulkan.raw_physical_device())
    };
    let heaps = &properties.memory_heaps[..properties.memory_heap_count as usize];
    heaps.iter().filter(|heap| heap.flags.as_raw() & DEVICE_LOCAL != 0).map(|heap| heap.size).max()
}

#[cfg(not(any(target_os = "linux", target_os = "windows")))]
fn memory(_: &wgpu::Adapter) -> Option<u64> {
    None
}

/// Every adapter that can run the engine, hardware first.
pub fn adapters() -> Vec<Caps> {
    enumerate().into_iter().map(|(caps, _)| caps).collect()
}

/// One instance for the whole process: some drivers crash when two threads load them at the same time.
fn instance() -> &'static wgpu::Instance {
    static INSTANCE: OnceLock<wgpu::Instance> = OnceLock::new();
    INSTANCE.get_or_init(|| {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        // OpenGL would list the same cards a second time, with fewer features.
        descriptor.backends = wgpu::Backends::PRIMARY;
        wgpu::Instance::new(descriptor)
    })
}

fn enumerate() -> Vec<(Caps, wgpu::Adapter)> {
    let found = pollster::block_on(instance().enumerate_adapters(wgpu::Backends::PRIMARY));
    let usable = found.into_iter().filter(|a| a.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS));
    let mut adapters: Vec<_> = usable.map(|adapter| (Caps::new(&adapter), adapter)).collect();
    adapters.sort_by_key(|(caps, _)| caps.rank());
    adapters
}

/// Opens the adapter that `choice` names, with its full limits and the features that kernels may use.
pub(super) fn open(choice: &Choice<'_>) -> Result<Option<(Caps, wgpu::Device, wgpu::Queue)>> {
    let wanted = |caps: &Caps| match choice {
        Choice::Hardware => !caps.software,
        Choice::Any => true,
        Choice::Named(part) => caps.name.to_lowercase().contains(&part.to_lowercase()),
    };
    let Some((caps, adapter)) = enumerate().into_iter().find(|(caps, _)| wanted(caps)) else { return Ok(None) };
    let features = wgpu::Features::SUBGROUP | wgpu::Features::SUBGROUP_BARRIER | wgpu::Features::SHADER_F16;
    let descriptor = wgpu::DeviceDescriptor {
        label: Some("finemem-engine"),
        required_features: adapter.features() & features,
        required_limits: adapter.limits(),
        ..Default::default()
    };
    let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
        .map_err(|error| Error::Device(format!("{} cannot be opened: {error}", caps.name)))?;
    Ok(Some((caps, device, queue)))
}
