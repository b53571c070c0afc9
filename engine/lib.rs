//! finemem-engine: reinforcement learning of memory managers on any GPU, or on the CPU.
//!
//! `engine/README.md` says what each module is for and in which direction they import one another.

pub mod data;
pub mod error;
pub mod memory;
pub mod reason;
pub mod reward;

pub use error::{Error, Result};
