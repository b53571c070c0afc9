//! What a training run needs around its arithmetic.

pub mod log;
pub mod stop;
pub mod tensorboard;
