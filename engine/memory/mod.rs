//! The memory that a policy manages: items with provenance, retrieval, and the calls that change them.
//!
//! [`store`] holds the items and the journal of every change, [`bm25`] finds items for a query, [`calls`] reads tool calls
//! out of a policy's text, and [`tools`] checks a call's arguments against the tool's JSON schema.

pub mod bm25;
pub mod calls;
pub mod store;
pub mod tools;
mod untagged;

pub use bm25::Bm25;
pub use calls::{Call, Parsed, parse};
pub use store::{Entry, Item, Items, Mark, Operation, Store, Version};
pub use tools::Tool;
