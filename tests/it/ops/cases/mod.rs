//! The cases of every op. Tests check them and benches time them.

pub mod adamw;
pub mod attention;
pub mod attribution;
pub mod bias;
pub mod compression;
pub mod elementwise;
pub mod embedding;
pub mod logprob;
pub mod matmul;
pub mod policy_loss;
pub mod rmsnorm;
pub mod rope;
pub mod sample;
pub mod segment_mean;
pub mod swiglu;
pub mod zscore;
