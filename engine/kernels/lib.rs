//! The kernels: WGSL shaders with their CPU twins, the devices that run both, and what every other room needs (errors, random numbers).
//!
//! `engine/README.md` says what each room is for and in which direction they import one another.

pub mod device;
pub mod error;
pub mod ops;
pub mod random;

pub use error::{Error, Result};
