//! The binary as its users run it.

mod browser;
mod cli;
mod compare;
mod evaluate;
mod process;
mod runs;
mod tutorial;
mod view;
