//! What a shader declares, as naga reads it: bindings, parameters, workgroup. Pipelines are made from this, and tests check it.

use wgpu::naga;

use crate::device::preprocess::Source;
use crate::device::shaders::Variant;
use crate::device::{Kernel, Slot};
use crate::error::{Error, Result};

/// The declarations of a shader variant.
#[derive(Clone, Debug)]
pub struct Reflection {
    /// The storage bindings of group 0 from binding 1 on.
    pub slots: Vec<Slot>,
    /// Size of the parameter struct at binding 0, in bytes.
    pub params: usize,
    /// Invocations of a workgroup on each axis.
    pub workgroup: [u32; 3],
    /// Bytes of workgroup memory.
    pub workgroup_memory: u32,
}

/// Parses, validates and reads the WGSL of `variant`. Errors name the line of the shader file.
pub fn reflect(variant: &Variant) -> Result<Reflection> {
    let source = variant.source()?;
    reflect_source(variant, &source)
}

/// [`reflect`] of a source that is at hand.
pub fn reflect_source(variant: &Variant, source: &Source) -> Result<Reflection> {
    let fail = |line: Option<u32>, what: String| {
        let origin = line.map_or_else(|| format!("shaders/{}.wgsl", variant.file), |line| source.origin(line as usize));
        Err(Error::format(origin, format!("variant '{}': {what}", variant.name)))
    };
    let module = match naga::front::wgsl::parse_str(&source.text) {
        Ok(module) => module,
        Err(error) => {
            let labels: Vec<String> = error.labels().map(|(_, label)| label.to_string()).filter(|label| !label.is_empty()).collect();
            let line = error.location(&source.text).map(|at| at.line_number);
            return fail(line, format!("{} ({})", error.message(), labels.join("; ")));
        }
    };
    let mut validator = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::all());
    validator.subgroup_stages(naga::valid::ShaderStages::COMPUTE).subgroup_operations(naga::valid::SubgroupOperationSet::all());
    if let Err(error) = validator.validate(&module) {
        let line = error.location(&source.text).map(|at| at.line_number);
        return fail(line, error.emit_to_string(&source.text));
    }
    match read(&module) {
        Ok(reflection) => Ok(reflection),
        Err(what) => fail(None, what),
    }
}

fn read(module: &naga::Module) -> Result<Reflection, String> {
    let [entry] = module.entry_points.as_slice() else { return Err("there must be one entry point".to_string()) };
    if entry.name != "main" || entry.stage != naga::ShaderStage::Compute {
        return Err("the entry point must be a compute function named 'main'".to_string());
    }
    let mut layouter = naga::proc::Layouter::default();
    layouter.update(module.to_ctx()).map_err(|error| error.to_string())?;
    let (mut params, mut slots, mut workgroup_memory) = (None, Vec::new(), 0);
    for (_, variable) in module.global_variables.iter() {
        let name = variable.name.as_deref().unwrap_or("?");
        let wrong = |what: &str| Err(format!("'{name}' {what}"));
        let inner = &module.types[variable.ty].inner;
        match (variable.space, &variable.binding) {
            (naga::AddressSpace::WorkGroup, _) => workgroup_memory += layouter[variable.ty].size,
            (naga::AddressSpace::Private, _) => {}
            (_, Some(binding)) if binding.group != 0 => return wrong("is not in group 0"),
            (naga::AddressSpace::Uniform, Some(binding)) => {
                if binding.binding != 0 || params.is_some() {
                    return wrong("is a uniform, and the one uniform of a kernel is binding 0");
                }
                params = Some(check_params(module, inner)?);
            }
            (naga::AddressSpace::Storage { access }, Some(binding)) => {
                let naga::TypeInner::Array { base, size: naga::ArraySize::Dynamic, .. } = inner else {
                    return wrong("is not a runtime-sized array");
                };
                let element = &module.types[*base].inner;
                let writes = access.contains(naga::StorageAccess::STORE);
                let scalar = match element {
                    naga::TypeInner::Scalar(scalar) | naga::TypeInner::Vector { scalar, .. } | naga::TypeInner::Atomic(scalar) => *scalar,
                    _ => return wrong("holds neither f32 nor u32"),
                };
                let slot = match (scalar.kind, scalar.width, writes) {
                    (naga::ScalarKind::Float, 4, false) => Slot::In,
                    (naga::ScalarKind::Float, 4, true) => Slot::Out,
                    (naga::ScalarKind::Uint, 4, false) => Slot::InU32,
                    (naga::ScalarKind::Uint, 4, true) => Slot::OutU32,
                    _ => return wrong("holds neither f32 nor u32"),
                };
                slots.push((binding.binding, slot));
            }
            _ => return wrong("is in an address space that kernels do not use"),
        }
    }
    slots.sort_by_key(|(binding, _)| *binding);
    if let Some((_, (binding, _))) = slots.iter().enumerate().find(|(i, (binding, _))| *binding as usize != i + 1) {
        return Err(format!("storage binding {binding} is out of sequence: bindings count from 1 without gaps"));
    }
    Ok(Reflection {
        slots: slots.into_iter().map(|(_, slot)| slot).collect(),
        params: params.ok_or("there is no uniform with the parameters at binding 0")?,
        workgroup: entry.workgroup_size,
        workgroup_memory,
    })
}

/// The size of the parameter struct. Its members must be scalars of four bytes, so that its layout is that of a `#[repr(C)]` struct.
fn check_params(module: &naga::Module, inner: &naga::TypeInner) -> Result<usize, String> {
    let naga::TypeInner::Struct { members, span } = inner else { return Err("the uniform is not a struct".to_string()) };
    for (i, member) in members.iter().enumerate() {
        let name = member.name.as_deref().unwrap_or("?");
        match module.types[member.ty].inner {
            naga::TypeInner::Scalar(scalar) if scalar.width == 4 && member.offset as usize == 4 * i => {}
            _ => return Err(format!("parameter '{name}' is not a scalar of four bytes at offset {}", 4 * i)),
        }
    }
    Ok(*span as usize)
}

impl Reflection {
    /// Invocations of a workgroup.
    pub fn invocations(&self) -> u32 {
        self.workgroup.iter().product()
    }

    /// Fails if the shader of `variant` differs from what `kernel` declares, and says where.
    pub fn check(&self, variant: &Variant, kernel: &Kernel) -> Result<()> {
        let fail = |what: String| Err(Error::Device(format!("shader variant '{}': {what}", variant.name)));
        if variant.kernel() != kernel.stem {
            return fail(format!("it cannot run kernel '{}'", kernel.stem));
        }
        if self.params != kernel.params {
            return fail(format!("Params has {} bytes in the shader, {} in the kernel", self.params, kernel.params));
        }
        let declared = |slot: &Slot| match slot {
            Slot::Weight => {
                if variant.packed() {
                    Slot::InU32
                } else {
                    Slot::In
                }
            }
            other => *other,
        };
        if !self.slots.iter().copied().eq(kernel.slots.iter().map(declared)) {
            return fail(format!("storage bindings are {:?} in the shader, {:?} in the kernel", self.slots, kernel.slots));
        }
        Ok(())
    }
}
