//! What is read of a shader, and what is refused.

use finemem::Result;
use finemem::device::gpu::reflect::{Reflection, reflect_source};
use finemem::device::shaders::Variant;
use finemem::device::{Slot, preprocess};

const VARIANT: Variant = Variant { name: "t.fast", file: "t", defines: Vec::new() };
const PARAMS: &str = "struct Params { n: u32, a: f32 }\n@group(0) @binding(0) var<uniform> p: Params;\n";
const MAIN: &str = "@compute @workgroup_size(8, 4) fn main() {}\n";

fn of(text: &str) -> Result<Reflection> {
    reflect_source(&VARIANT, &preprocess::expand("shaders/t.wgsl", text, &[], &|_| None)?)
}

#[test]
fn reads_what_a_shader_declares() {
    let text = "@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;
        @group(0) @binding(1) var<storage, read> x: array<vec2<u32>>;
        @group(0) @binding(3) var<storage, read_write> n: array<atomic<u32>>;
        var<workgroup> tile: array<f32, 64>;\n";
    let found = of(&[PARAMS, text, MAIN].concat()).unwrap();
    assert_eq!(found.slots, [Slot::InU32, Slot::Out, Slot::OutU32]);
    assert_eq!((found.params, found.workgroup, found.invocations(), found.workgroup_memory), (8, [8, 4, 1], 32, 256));
}

#[test]
fn refuses_what_a_kernel_cannot_have() {
    for (text, what) in [
        ("@group(1) @binding(1) var<storage> x: array<f32>;", "group 0"),
        ("@group(0) @binding(2) var<storage> x: array<f32>;", "out of sequence"),
        ("@group(0) @binding(1) var<storage> x: array<i32>;", "neither f32 nor u32"),
        ("@group(0) @binding(1) var<storage> x: array<f32, 4>;", "runtime-sized"),
        ("@group(0) @binding(1) var<uniform> q: Params;", "binding 0"),
    ] {
        let error = of(&[PARAMS, text, "\n", MAIN].concat()).unwrap_err().to_string();
        assert!(error.contains(what) && error.contains("t.fast"), "{error}");
    }
    let params = "struct Params { n: u32, v: vec2<f32> }\n@group(0) @binding(0) var<uniform> p: Params;\n";
    assert!(of(&[params, MAIN].concat()).unwrap_err().to_string().contains("'v' is not a scalar"));
    assert!(of(MAIN).unwrap_err().to_string().contains("no uniform"));
    assert!(of(PARAMS).unwrap_err().to_string().contains("one entry point"));
}

#[test]
fn errors_name_the_line() {
    let error = of(&[PARAMS, "fn f() -> u32 { return z; }\n", MAIN].concat()).unwrap_err().to_string();
    assert!(error.starts_with("shaders/t.wgsl:3:"), "{error}");
    let error = of(&[PARAMS, "fn f() -> u32 {\n return p.a;\n}\n", MAIN].concat()).unwrap_err().to_string();
    assert!(error.starts_with("shaders/t.wgsl:"), "{error}");
}
