//! The kernels: one op is one file with its shapes, parameters, forward, backward and CPU twins. Shaders have the same stem.
//!
//! Contract of every backward: gradients of parameters and of the residual stream are added to (`+=`), gradients of other
//! activations are replaced (`=`); the upstream gradient is multiplied in; what the forward saved is an argument.

pub mod adamw;
pub mod attention;
pub mod attribution;
pub mod bias;
pub mod elementwise;
pub mod embedding;
pub mod logprob;
pub mod matmul;
pub mod policy_loss;
pub mod rmsnorm;
pub mod rope;
pub mod sample;
pub mod swiglu;
pub mod zscore;

use crate::device::Kernel;

/// Every kernel of the engine.
pub fn kernels() -> Vec<&'static Kernel> {
    [
        adamw::KERNELS,
        attention::KERNELS,
        attribution::KERNELS,
        bias::KERNELS,
        elementwise::KERNELS,
        embedding::KERNELS,
        logprob::KERNELS,
        matmul::KERNELS,
        policy_loss::KERNELS,
        rmsnorm::KERNELS,
        rope::KERNELS,
        sample::KERNELS,
        swiglu::KERNELS,
        zscore::KERNELS,
    ]
    .concat()
}
