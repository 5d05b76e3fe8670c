//! Worlds of a given size for benchmarks, rivals and the scoreboard, and what must come out of them.
//!
//! A benchmark asks a [`Question`] of a [`Stage`]: of the engine, timed, and of maps of sets, not timed. What both told
//! must be the same, so a benchmark that measures nothing, or the wrong thing, fails instead of looking fast. Each runs
//! in the test suite in its smallest form, so that it cannot rot; `FANFARE_USERS=100000` and the like ask for a real size.

mod crowd;
mod graph;
mod mesh;
mod plain;
mod question;
mod stage;
mod tally;
mod world;

pub use crowd::Crowd;
pub use graph::{Graph, Shape};
pub use mesh::Mesh;
pub use plain::Plain;
pub use question::{Question, ROUNDS_CHECKED, check};
pub use stage::Stage;
pub use tally::{Stopwatch, Tally};
pub use world::World;

/// How many users a benchmark is asked to have.
#[must_use]
pub fn users_asked() -> u64 {
    std::env::var("FANFARE_USERS").ok().and_then(|users| users.parse().ok()).unwrap_or(1_000)
}
