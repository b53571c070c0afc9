//! The fixed reasoning agent, which answers questions from retrieved memory items, and the metrics of its answers.

pub mod extractive;
pub mod metrics;
mod question;
mod words;

pub use extractive::{Answer, Extractive, UNKNOWN};
