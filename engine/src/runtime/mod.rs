//! What turns the shards: the loop, the clock, the choice of CPUs and runtime, sleeping and waking, starting and ending.
//!
//! | Module | What it owns |
//! |---|---|
//! | [`engine`], [`builder`], [`start`] | [`Engine`]: asking and ending; its builder; why it does not start |
//! | [`frontend`], `core_waker` | the [`Frontend`] that an embedder writes, what it is told of its core, how it is called |
//! | `turn` | the order of a turn, once for every adapter |
//! | `seat` | what every adapter begins with: a shard's place in the mesh |
//! | `thread`, `glommio`, [`embedded`] | the adapters: plain threads, glommio executors, a host's own loop |
//! | [`reactor`] | the seam to the system: register a descriptor, wait with time-out, unpark; epoll behind it |
//! | `watchdog` | who looks after executors and hosts |
//! | [`probe`], [`cpus`], [`report`] | what the machine allows, which CPUs the shards run on, what was chosen and why |
//! | [`clock`], [`stats`] | the engine's time; what the loops say of themselves |
//! | [`fate`], `on_shard` | running, draining, stopping, and why; which threads turn shards |

pub mod builder;
pub mod clock;
mod core_waker;
pub mod cpus;
pub mod embedded;
pub mod engine;
pub mod fate;
pub mod frontend;
#[cfg(feature = "glommio")]
mod glommio;
mod on_shard;
pub mod probe;
pub mod reactor;
pub mod report;
mod seat;
pub mod start;
pub mod stats;
mod thread;
mod turn;
pub(crate) mod watchdog;

pub use builder::EngineBuilder;
pub use clock::Clock;
pub use cpus::{Cpus, CpusError, bind_this_thread};
pub use embedded::{Embedded, Seat, Step};
pub use engine::Engine;
pub use fate::EngineError;
pub use frontend::{Core, Frontend, NoFrontend, Poll};
pub(crate) use on_shard::OnShard;
pub use probe::{Host, Seccomp, UringRefused};
pub use reactor::{Event, Interest, Io, Reactor};
pub use report::{Report, Runtime, RuntimeKind};
pub use start::StartError;
pub use stats::LoopStats;
