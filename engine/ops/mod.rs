//! The kernels: one op is one file with its shapes, parameters, forward, backward and CPU twins. Shaders have the same stem.
//!
//! Contract of every backward: gradients of parameters and of the residual stream are added to (`+=`), gradients of other
//! activations are replaced (`=`); the upstream gradient is multiplied in; what the forward saved is an argument.

pub mod elementwise;
pub mod rmsnorm;

use crate::device::Kernel;

/// Every kernel of the engine.
pub fn kernels() -> Vec<&'static Kernel> {
    [elementwise::KERNELS, rmsnorm::KERNELS].concat()
}
