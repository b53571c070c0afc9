//! The arguments that several commands share: where to compute, and how much memory that may take.

use clap::Args;
use finemem::Result;
use finemem::device::Device;

#[derive(Args)]
pub(crate) struct Where {
    /// Where to compute: auto, gpu, cpu, or part of an adapter's name.
    #[arg(long, default_value = "auto")]
    pub(crate) device: String,
}

impl Where {
    pub(crate) fn open(&self) -> Result<Device> {
        Device::open(&self.device)
    }
}

/// Reads a number of GiB as bytes.
pub(crate) fn gib(text: &str) -> std::result::Result<u64, std::num::ParseFloatError> {
    Ok((text.parse::<f64>()? * f64::from(1 << 30)) as u64)
}
