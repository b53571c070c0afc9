//! The GPU executor: the only place that names wgpu.

use std::ops::Range;

use super::kernel::Launch;
use crate::error::Result;
use crate::tensor::Tensor;

/// What to do when no adapter is found.
pub(crate) const INSTALL_HINT: &str =
    "Install a Vulkan driver for the card (on Debian or Ubuntu `mesa-vulkan-drivers`, which also has a software adapter).";

/// Which adapter to open.
pub(crate) enum Choice<'a> {
    /// A hardware GPU.
    Hardware,
    /// Any adapter, hardware first.
    Any,
    /// The first whose name contains this, whatever the case.
    Named(&'a str),
}

/// What the adapter can do, and what follows for the choice of shader variants.
#[derive(Clone, Debug)]
pub struct Caps {
    /// The adapter's name.
    pub name: String,
}

impl std::fmt::Display for Caps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

pub(crate) struct Gpu {
    caps: Caps,
}

pub(crate) struct GpuBuffer;

/// What a recorder collects until it is submitted.
pub(crate) struct Commands;

impl Gpu {
    pub(crate) fn open(_choice: Choice<'_>) -> Result<Option<Self>> {
        Ok(None)
    }
    pub(crate) fn caps(&self) -> &Caps {
        &self.caps
    }
    pub(crate) fn create_buffer(&self, _elements: usize) -> Result<GpuBuffer> {
        Ok(GpuBuffer)
    }
    pub(crate) fn commands(&self) -> Commands {
        Commands
    }
    pub(crate) fn dispatch(&self, _commands: &mut Commands, _launch: Launch, _params: &[u8], _bindings: &[&Tensor]) -> Result<()> {
        Ok(())
    }
    pub(crate) fn submit(&self, _commands: Commands) -> Result<()> {
        Ok(())
    }
    pub(crate) fn write(&self, _buffer: &GpuBuffer, _range: Range<usize>, _bytes: &[u8]) {}
    pub(crate) fn read(&self, _buffer: &GpuBuffer, _range: Range<usize>) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }
}
