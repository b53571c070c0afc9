//! What cases cannot say: expected values worked out by hand, distributions, and bits that must not depend on the batch.

mod ranges;
mod rows;
mod sampling;
mod values;
