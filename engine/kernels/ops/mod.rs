//! The kernels: one op is one file with its shapes, parameters, forward, backward and CPU twins. Shaders have the same stem.
//!
//! Contract of every backward: gradients of parameters and of the residual stream are added to (`+=`), gradients of other
//! activations are replaced (`=`); the upstream gradient is multiplied in; what the forward saved is an argument.

pub mod adamw;
pub mod attention;
pub mod attribution;
pub mod bias;
pub mod compression;
pub mod elementwise;
pub mod embedding;
pub mod logprob;
pub mod matmul;
pub mod policy_loss;
pub mod rmsnorm;
pub mod rope;
pub mod sample;
pub mod segment_mean;
pub mod swiglu;
pub mod zscore;

use std::collections::BTreeMap;

use crate::device::{Caps, DType, Kernel, shaders};
use crate::error::Result;

/// Every kernel of the engine.
pub fn kernels() -> Vec<&'static Kernel> {
    [
        adamw::KERNELS,
        attention::KERNELS,
        attribution::KERNELS,
        bias::KERNELS,
        compression::KERNELS,
        elementwise::KERNELS,
        embedding::KERNELS,
        logprob::KERNELS,
        matmul::KERNELS,
        policy_loss::KERNELS,
        rmsnorm::KERNELS,
        rope::KERNELS,
        sample::KERNELS,
        segment_mean::KERNELS,
        swiglu::KERNELS,
        zscore::KERNELS,
    ]
    .concat()
}

/// The kernels that have several shader variants for weights of 32 bits, by the ending of the one that a GPU runs for the sizes of
/// published models: heads of 128, all others multiples of 4. The default variant has no ending.
pub fn chosen(caps: &Caps) -> Result<BTreeMap<&'static str, Vec<&'static str>>> {
    const SIZE: usize = 4096;
    const HEADS: attention::Heads = attention::Heads { q: 32, kv: 8, dim: 128 };
    let variants = shaders::variants()?;
    let mut chosen: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for kernel in kernels() {
        if variants.iter().filter(|variant| variant.kernel() == kernel.stem && !variant.packed()).count() < 2 {
            continue;
        }
        let launch = match kernel.stem.split('_').next() {
            Some("matmul") => matmul::choose(Some(caps), kernel, SIZE, SIZE, SIZE, SIZE).variant,
            Some("attention") => attention::choose(Some(caps), kernel, HEADS, SIZE, 1)?.variant,
            _ => kernel.stem,
        };
        let name = shaders::find(launch, DType::F32, caps.software)?.name;
        chosen.entry(name.split_once('.').map_or("", |(_, ending)| ending)).or_default().push(kernel.stem);
    }
    Ok(chosen)
}
