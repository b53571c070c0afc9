//! Kernels (WGSL shaders and their CPU twins), the devices that run them, errors and random numbers.
//!
//! `engine/README.md` describes the rooms and the order in which they import one another.

pub mod device;
pub mod error;
pub mod ops;
pub mod random;

pub use error::{Error, Result};
