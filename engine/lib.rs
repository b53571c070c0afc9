//! finemem-engine: reinforcement learning of memory managers on any GPU, or on the CPU.
//!
//! `engine/README.md` says what each module is for and in which direction they import one another.

pub mod data;
pub mod device;
pub mod error;
pub mod files;
pub mod generate;
pub mod memory;
pub mod model;
pub mod ops;
pub mod random;
pub mod reason;
pub mod reward;
pub mod script;
pub mod stop;
pub mod tensor;
pub mod train;
pub mod view;

pub use error::{Error, Result};
