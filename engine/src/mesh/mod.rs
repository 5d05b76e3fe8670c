//! What shards and foreign threads tell each other through shared memory.
//!
//! This is the only place of the engine with atomics that carry a protocol. A shard owns its [`link::Port`], which no
//! other thread touches; the rings inside have one writer and one reader each. Foreign threads come in through an
//! [`ingress::Ingress`]. Whoever has put something in a ring or in a door rings the [`doorbell::Doorbell`] of the
//! shard that reads it.
//!
//! Invariant: what was put in and announced is seen by the reader, without anybody doing anything more. Cost: two
//! stores a flush and link, one fence and one plain load a flush, and a system call only for a core that sleeps.
//!
//! The protocols are checked by loom (`loom_tests`), which does not see into `rtrb` and `crossbeam-queue`; under
//! `cfg(fanfare_loom)` small stand-ins with the same API take their places, and the real ones are driven by the stress tests.

pub mod doorbell;
pub mod ingress;
pub mod link;
pub mod ring;
mod sync;

#[cfg(all(test, fanfare_loom))]
mod loom_tests;
#[cfg(all(test, not(fanfare_loom)))]
mod stress_tests;
