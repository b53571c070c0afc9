//! Everything but Lua and the command line: models, memories, reasoners, rewards and training, on the kernels of `finemem-kernels`.
//!
//! `engine/README.md` says what each room is for and in which direction they import one another.

pub mod data;
pub mod files;
pub mod generate;
pub mod http;
pub mod memory;
pub mod metrics;
pub mod model;
pub mod progress;
pub mod reason;
pub mod reward;
pub mod rollout;
pub mod schema;
pub mod stop;
pub mod train;
pub mod view;

pub use finemem_kernels::{Error, Result, device, error, ops, random};
