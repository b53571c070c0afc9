//! What the tests of ops share: devices, cases, comparisons.

pub mod asked;
pub mod case;
pub mod fake;
pub mod random;
pub mod small;

use std::io::Write as _;
use std::sync::OnceLock;

use finemem::device::{Device, gpu};

/// Every GPU adapter with the shader variants meant for it; a software adapter also with those for hardware. Opened once per
/// test binary. Without an adapter the tests of GPUs are skipped, which `FINEMEM_REQUIRE_GPU=1` makes a failure.
pub fn gpus() -> &'static [Device] {
    static DEVICES: OnceLock<Vec<Device>> = OnceLock::new();
    DEVICES.get_or_init(|| {
        let adapters = gpu::adapters();
        if adapters.is_empty() {
            assert!(!std::env::var("FINEMEM_REQUIRE_GPU").is_ok_and(|v| v == "1"), "FINEMEM_REQUIRE_GPU=1, but there is no GPU adapter");
            // Not eprintln, which the test harness hides.
            let _ = writeln!(std::io::stderr(), "SKIPPED: no GPU adapter, so shaders are not run");
        }
        let mut devices = Vec::new();
        for caps in adapters {
            let families: &[bool] = if caps.software { &[true, false] } else { &[false] };
            for software in families {
                let device = Device::open_family(&caps.name, *software).expect("an adapter that is listed can be opened");
                eprintln!("{}", device.describe());
                devices.push(device);
            }
        }
        devices
    })
}

/// The CPU executor and every GPU.
pub fn devices() -> Vec<Device> {
    [&[Device::cpu()], gpus()].concat()
}
