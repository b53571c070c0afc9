//! Answering questions: reasoners, servers, metrics.

mod extractive;
mod metrics;
mod reasoners;
mod server;
mod servers;
