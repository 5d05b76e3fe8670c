//! Fanfare: when someone's presence changes, everyone who watches them hears of it.
//!
//! This crate is what an embedder depends on. It puts the shards of `fanfare-core`, which it re-exports whole, on
//! threads, one to a core, and joins them by rings. An embedder writes a [`Frontend`], of which one runs beside each
//! shard and owns that core's sockets and watchers; any other thread uses a [`Handle`].
//!
//! ```
//! use bytes::Bytes;
//! use fanfare::{Engine, NoFrontend, PresentityId, Publication};
//!
//! let engine = Engine::builder().shards(1).start(|_core| NoFrontend)?;
//! let door = engine.handle();
//! let ken = PresentityId::new(7);
//!
//! let mut watcher = door.watcher(1).wait()?;
//! watcher.subscribe(&[ken]).wait()?;
//! let published = door.publish(Publication::plain(ken, Bytes::from_static(b"open"))).wait()?;
//!
//! let mut told = None;
//! while told < Some(published.stamp) {
//!     for note in watcher.next_batch().wait()? {
//!         told = Some(note.stamp);
//!     }
//! }
//! engine.shutdown()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | Module | What it is |
//! |---|---|
//! | [`mesh`] | rings between shards, doorbells, the ingress for foreign threads |
//! | [`runtime`] | threads, the loop, the clock, CPUs, starting and stopping |
//! | [`handle`] | publish, fetch and watch from any thread |
//! | [`map`] | private memory maps for the shards' arenas |

pub use fanfare_core::*;

pub mod mesh;

#[cfg(not(loom))]
mod encode;

// Under loom only the mesh is there: loom's atomics work inside its models alone.
#[cfg(not(loom))]
pub mod handle;
#[cfg(not(loom))]
pub mod map;
#[cfg(not(loom))]
pub mod runtime;

#[cfg(not(loom))]
pub use encode::EncodeOnce;
#[cfg(not(loom))]
pub use handle::{Call, CallError, Handle, NextBatch, OwnedNote, PUBLICATIONS_PER_CALL, Room, Watcher};
#[cfg(not(loom))]
pub use runtime::{
    Clock, Core, Cpus, CpusError, Embedded, Engine, EngineBuilder, EngineError, Event, Frontend, Host, Interest, Io,
    LoopStats, NoFrontend, Poll, Report, Runtime, RuntimeKind, Seat, StartError, Step, UringRefused, bind_this_thread,
};

/// The glommio that the engine runs on, for frontends that spawn tasks on their shard's executor.
#[cfg(all(feature = "glommio", not(loom)))]
pub use glommio;

/// The shard that a frontend is given: its arenas lie in private memory maps.
#[cfg(not(loom))]
pub type Shard = fanfare_core::Shard<map::PrivateMap>;

/// What a watcher on such a shard has still to be told.
#[cfg(not(loom))]
pub type Outbox<'a> = fanfare_core::Outbox<'a, map::PrivateMap>;
