//! Answering questions: reasoners, servers, metrics.

mod cache;
mod extractive;
mod frames;
mod hops;
mod metrics;
mod prompt;
mod reasoners;
mod refusals;
mod reworded;
mod server;
mod servers;
