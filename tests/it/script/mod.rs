//! What scripts can do, what they cannot, and what they are told.

mod api;
mod check;
mod guard;
mod scripts;
mod types;
