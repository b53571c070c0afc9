//! Every shader variant is valid WGSL and declares what its kernel declares. Needs no GPU.

use std::collections::BTreeSet;
use std::path::Path;

use finemem::device::gpu::reflect::reflect;
use finemem::device::shaders::{self, Variant, find, parse};
use finemem::device::{DType, Grid, Kernel};
use finemem::ops::{elementwise, embedding, kernels, matmul, rmsnorm};

fn variants() -> &'static [Variant] {
    shaders::variants().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_variant_is_valid_and_fits_its_kernel() {
    let mut errors = Vec::new();
    for variant in variants() {
        let Some(kernel) = kernels().into_iter().find(|kernel| kernel.stem == variant.kernel()) else {
            errors.push(format!("variant '{}': no kernel has the stem '{}'", variant.name, variant.kernel()));
            continue;
        };
        match reflect(variant) {
            Err(error) => errors.push(error.to_string()),
            Ok(reflection) => {
                errors.extend(reflection.check(variant, kernel).err().map(|error| error.to_string()));
                // What every WebGPU device has. More needs a capability that `choose` asks for.
                let limits = [
                    (reflection.slots.len() as u32, 8, "storage bindings"),
                    (reflection.invocations(), 256, "invocations of a workgroup"),
                    (reflection.workgroup_memory, 16 << 10, "bytes of workgroup memory"),
                ];
                for (found, most, what) in limits {
                    if found > most {
                        errors.push(format!("variant '{}': {found} {what}, at most {most}", variant.name));
                    }
                }
            }
        }
    }
    assert!(errors.is_empty(), "\n{}", errors.join("\n"));
}

#[test]
fn every_kernel_has_a_default_variant_and_a_stem_of_its_own() {
    let stems: Vec<&str> = kernels().iter().map(|kernel| kernel.stem).collect();
    for stem in &stems {
        assert_eq!(stems.iter().filter(|other| *other == stem).count(), 1, "two kernels have the stem '{stem}'");
        assert!(variants().iter().any(|v| v.name == *stem), "shaders/variants.txt does not list '{stem}'");
    }
}

#[test]
fn every_file_is_part_of_the_program_and_used() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let mut on_disk = BTreeSet::new();
    for (folder, prefix) in [(folder.clone(), ""), (folder.join("shared"), "shared/")] {
        for entry in std::fs::read_dir(folder).expect("the shader folder exists") {
            let path = entry.expect("a readable folder").path();
            if path.extension().is_some_and(|e| e == "wgsl") {
                on_disk.insert(format!("{prefix}{}", path.file_stem().unwrap_or_default().to_string_lossy()));
            }
        }
    }
    let listed: BTreeSet<String> = shaders::files().map(str::to_string).collect();
    assert_eq!(on_disk, listed, "engine/kernels/device/shaders.rs lists other files than the folder has");

    for name in &listed {
        let used = match name.strip_prefix("shared/") {
            Some(shared) => listed.iter().any(|file| {
                let text = shaders::file_text(file).unwrap_or_default();
                text.lines().any(|line| line.split_whitespace().take(2).eq(["#import", shared]))
            }),
            None => variants().iter().any(|v| v.file == name),
        };
        assert!(used, "nothing uses shaders/{name}.wgsl");
    }
}

#[test]
fn every_file_has_a_header_and_every_binding_a_shape() {
    for name in shaders::files() {
        let text = shaders::file_text(name).unwrap_or_default();
        assert!(text.starts_with("// "), "shaders/{name}.wgsl does not start with a header");
        for line in text.lines().filter(|line| line.contains("var<storage")) {
            assert!(line.contains("// ["), "shaders/{name}.wgsl: no shape comment on '{line}'");
        }
    }
}

#[test]
fn parses_lines() {
    let variants = parse("# all\n\nadd WG=64\nadd.f16 = add WG=64 F16 # half\n").unwrap();
    assert_eq!(variants[0], Variant { name: "add", file: "add", defines: vec![("WG", "64")] });
    assert_eq!(variants[1], Variant { name: "add.f16", file: "add", defines: vec![("WG", "64"), ("F16", "")] });
}

#[test]
fn refuses_bad_lines() {
    assert!(parse("add\nadd").unwrap_err().to_string().starts_with("shaders/variants.txt:2: variant 'add'"));
    assert!(parse("add =").unwrap_err().to_string().contains("file"));
}

#[test]
fn software_adapters_prefer_their_own_variant() {
    let find = |kernel: &'static Kernel, ending, weight, software| find(&kernel.variant(ending, Grid::Rows(1)), weight, software);
    let name = |kernel, ending, weight, software| find(kernel, ending, weight, software).unwrap().name;
    assert_eq!(name(&rmsnorm::RMSNORM, "", DType::F32, true), "rmsnorm.software");
    assert_eq!(name(&rmsnorm::RMSNORM, "", DType::F32, false), "rmsnorm");
    assert_eq!(name(&elementwise::ADD, "", DType::F32, true), "add");
    assert_eq!(name(&embedding::EMBEDDING, "", DType::BF16, true), "embedding.bf16.software");
    assert_eq!(name(&matmul::NT, "vec4", DType::F16, true), "matmul_nt.vec4.f16");
    assert!(find(&elementwise::ADD, "vec4", DType::F32, true).is_err());
    assert!(find(&elementwise::ADD, "", DType::F16, true).is_err());
}
