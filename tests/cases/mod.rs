//! The cases of every op. Tests check them and benches time them.
#![allow(unreachable_pub, reason = "shared by several test binaries")]

pub mod elementwise;
pub mod rmsnorm;
