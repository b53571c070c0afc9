//! The API: one file for each part of `fm`.

pub(crate) mod chat;
mod credit;
mod data;
pub(crate) mod dialect;
mod grpo;
mod guard;
pub(crate) mod interrupt;
mod memory;
mod metric;
mod model;
mod page;
mod reason;
mod reasoners;
pub(crate) mod require;
mod reward;
mod rollout;
pub(crate) mod run;
mod schedule;
pub(crate) mod session;
mod sft;
pub(crate) mod values;

use crate::api::Area;
use session::{free_dropped, session};

/// The API, in the order in which the editor types list it.
pub(crate) const AREAS: &[Area] = &[
    values::AREA,
    model::AREA,
    sft::AREA,
    memory::AREA,
    reason::AREA,
    reasoners::AREA,
    metric::AREA,
    reward::AREA,
    guard::AREA,
    data::AREA,
    dialect::AREA,
    grpo::AREA,
    schedule::AREA,
    run::AREA,
    require::AREA,
    page::AREA,
];
