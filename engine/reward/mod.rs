//! Rewards of rollouts, one value per step: the primitives that reward scripts combine.
//!
//! A [`Rewarder`] computes them for a whole batch on its device, and [`Parts`] returns them. In a rollout, `T` is the number of steps, `n`
//! the number of questions at the end with scores `s_j`, `r_global = (1/n) Σ_j s_j`:
//!
//! | primitive              | value at step t |
//! |------------------------|-----------------|
//! | [`Parts::format`]      | valid calls / calls of the step, 0 without calls; a valid call without tags counts as much as the script says |
//! | [`Parts::chunk_step`]  | mean score of the questions about the step's chunk, asked right after the step; 0 without questions |
//! | [`Parts::evidence`]    | `(1 - beta) · r_global / T + beta · N_t`, with `N_t` of [`attribution`] |
//! | [`Parts::compression`] | `1 - memory tokens / input tokens`, the same at every step; negative when the memory outgrows the input |
//! | [`Parts::outcome`]     | `r_global`, the same at every step; 0 without questions |
//!
//! A batch is packed once, submitted once and read back once. It takes three dispatches: [`attribution`], [`compression`], and one
//! [`segment_mean`] for `format`, `chunk_step` and `outcome`, which are all means of lists.
//!
//! [`advantage`] turns the sum into group advantages.
//!
//! [`segment_mean`]: crate::ops::segment_mean
//! [`attribution`]: crate::ops::attribution
//! [`compression`]: crate::ops::compression

pub mod advantage;
mod pack;
mod parts;

pub use advantage::{Advantage, Advantages, Baseline, GroupBy, Grouping, Place, zscores};
pub use parts::{Parts, Rewarder};

use crate::words;

/// What a script may change in how rewards are counted.
#[derive(Clone, Copy, Debug)]
struct Rules {
    /// Which step is credited for an item that was updated.
    update: Update,
    /// What a valid call without tags is worth in the format.
    untagged: f64,
}

impl Default for Rules {
    fn default() -> Self {
        Self { update: Update::default(), untagged: 1.0 }
    }
}

words! {
    /// Which step is credited for an item that was updated.
    #[derive(Default)]
    pub enum Update {
        /// The step that wrote it last.
        #[default]
        Last = "last",
        /// The step that inserted it.
        Origin = "origin",
        /// All steps that wrote it, in equal shares.
        Split = "split",
    }
}
