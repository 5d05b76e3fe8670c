//! Shards on threads: the loop, the clock, the choice of CPUs, sleeping and waking, starting and stopping.
//!
//! | Module | What it owns |
//! |---|---|
//! | [`engine`] | [`Engine`] and its builder: start, stop, join |
//! | [`frontend`] | the [`Frontend`] that an embedder writes, and what it is told of its core |
//! | [`turn`] | the order of a turn, once for every adapter, and the loop around it |
//! | [`reactor`] | the seam to the system: register a descriptor, wait with time-out, unpark; epoll behind it |
//! | [`cpus`] | which CPUs the shards run on |
//! | [`clock`] | the engine's time |
//! | [`stats`] | what the loops say of themselves |
//! | [`fate`] | running, draining, stopping, and why |

pub mod clock;
pub mod cpus;
pub mod engine;
pub mod fate;
pub mod frontend;
pub mod reactor;
pub mod stats;
mod thread;
pub mod turn;

pub use clock::Clock;
pub use cpus::{Cpus, CpusError};
pub use engine::{Engine, EngineBuilder, StartError};
pub use fate::EngineError;
pub use frontend::{Core, Frontend, NoFrontend, Poll};
pub use reactor::{Event, Interest, Io, Reactor};
pub use stats::LoopStats;
pub(crate) use thread::on_a_shard;
