//! `finemem-engine info`: the compute devices.

use finemem::Result;
use finemem::device::{Device, gpu};
use finemem::ops;

use crate::device::Where;

/// Prints the devices, the one that is used and why, and the shader variants that it runs.
pub(crate) fn info(place: &Where) -> Result<()> {
    println!("finemem-engine {}, {} on {}", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH, std::env::consts::OS);
    println!("found:");
    println!("  {}", Device::cpu().describe());
    let adapters = gpu::adapters();
    for caps in &adapters {
        println!("  {caps}");
        println!("    features: {}", caps.features());
        println!("    limits: {}", caps.limits());
    }
    if adapters.is_empty() {
        println!("  no GPU adapter. {}", gpu::INSTALL_HINT);
    }
    let why = match (place.device.as_str(), adapters.first()) {
        ("auto", None) => ", because no GPU adapter was found",
        ("auto", Some(first)) if first.software => {
            ", because no hardware GPU was found and the CPU executor is faster than a software adapter; --device gpu uses the adapter"
        }
        ("auto", Some(_)) => ", because a hardware GPU is faster than the CPU executor; --device cpu uses the CPU",
        _ => "",
    };
    let chosen = place.open()?;
    println!("chosen by --device {}: {}{why}", place.device, chosen.describe());
    if let Some(caps) = chosen.caps() {
        println!("shader variants for the sizes of published models; for 16-bit weights they end in .bf16 or .f16 as well:");
        for (ending, kernels) in ops::chosen(caps)? {
            println!("  {:<14}{}", if ending.is_empty() { "default" } else { ending }, kernels.join(", "));
        }
    }
    Ok(())
}
