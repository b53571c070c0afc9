//! The memory: its operations, and how policies write calls.

mod dialects;
mod store;
mod templates;
mod untagged;
