//! The kernels. A file is an op: its shapes, parameters, forward, backward and CPU twins. Its shader has the same stem.
//!
//! Contract of every backward: it adds to gradients of parameters and of the residual stream (`+=`) and replaces gradients of other
//! activations (`=`). It multiplies by the upstream gradient, and takes what the forward pass saved as arguments.

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

use crate::device::{Caps, DType, Grid, Kernel, shaders};
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

/// The kernels with several shader variants for 32-bit weights, grouped by the ending of the variant that a GPU runs for the sizes of
/// published models: heads of 128, all other sizes multiples of 4. The default variant has no ending.
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
            Some("matmul") => matmul::choose(Some(caps), kernel, [SIZE; 2], [SIZE; 3]),
            Some("attention") => attention::choose(Some(caps), kernel, HEADS, Grid::Rows(SIZE))?,
            _ => kernel.grid(Grid::Rows(SIZE)),
        };
        let name = shaders::find(&launch, DType::F32, caps.software)?.name;
        chosen.entry(name.split_once('.').map_or("", |(_, ending)| ending)).or_default().push(kernel.stem);
    }
    Ok(chosen)
}
