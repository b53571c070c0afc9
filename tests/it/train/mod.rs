//! Losses, rewards, updates, plans, runs.

mod gpu;
mod log;
mod losses;
mod plan;
mod reward;
mod rounding;
mod tensorboard;
mod training;
mod updates;
