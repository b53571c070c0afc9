//! The test suite, one executable. Each module says what it holds in its first line; `common` is what they share.
//!
//! `cargo test --release ops::` runs a part of it. Recorded values of other implementations stand in the folders beside this one, each
//! with the script that made them.

#![allow(unreachable_pub, reason = "modules of one executable: pub says what is meant for the others")]

mod common;
mod data;
mod device;
mod http;
mod memory;
mod model;
mod ops;
mod programs;
mod reason;
mod rollout;
mod script;
mod train;
