//! Losses, rewards, updates, plans, runs.

mod gpu;
mod losses;
mod plan;
mod reward;
mod tensorboard;
mod training;
mod updates;
