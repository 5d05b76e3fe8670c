//! What the engine costs, part by part and as a whole.
//!
//! `benches/` has one question a file, asked of the worlds of `fanfare-bench-world`; the [`scoreboard`] holds the figures
//! that the project is measured by against their bars; the cost [`model`] says what more cores are worth.

pub mod model;
pub mod scoreboard;

pub use fanfare_bench_world::*;
