//! Training: samples through the model, optimiser, rollouts, policy optimisation, run folders.

pub mod export;
pub mod grpo;
pub mod learner;
pub mod log;
pub mod losses;
pub mod optimizer;
pub mod plan;
pub mod sft;
pub mod tensorboard;
