//! The simulated world: a mesh of shards in one thread, with tiny rings, virtual time and every fault that a mesh can
//! meet, driven by one seed. After every operation the model is asked whether what was told may be told; now and then
//! every invariant is checked; at the end the faults are healed and everybody must have been told the truth.

mod actors;
mod faults;
mod followers;
mod lists;
mod manners;
mod network;
mod policies;
mod polls;
mod presence;
mod publishers;
mod rest;
mod sessions;
mod tally;
mod tenants;
mod truth;
mod wishes;
mod world;

pub use faults::Faults;
pub use world::{Failure, run};

/// Operations in one seed's life, before healing.
pub const OPERATIONS: usize = 2_000;
