//! Fanfare: when someone's presence changes, everyone who watches them hears of it.
//!
//! This crate is what an embedder depends on. It puts the shards of `fanfare-core`, which it re-exports whole, on
//! cores, and joins them by rings. This page is the manual: the model, the promises, the ways in, the rules for
//! threads, and what each call costs.
//!
//! # In ten lines
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
//! In asynchronous code write `.await` for `.wait()`; nothing else changes, and it does not matter which executor it
//! is (`examples/tokio_contacts.rs`).
//!
//! # The model
//!
//! A *presentity* is watched by *watchers*. What it publishes is a *document*: bytes, which the engine never looks
//! into. A *publication* makes a document the state of one category of one view; a *subscription* of a watcher to a
//! view is told the state it finds and every change from then on, or a newer one in its place: **the newest state, not
//! all states**. Nobody who is slow is waited for, and nothing is queued for them: they go stale, and are told what is
//! newest when they take something again. A *note* says which presentity, in which view, as of which *stamp*, and its
//! documents. Words and reasons stand in ARCHITECTURE.md.
//!
//! # What states mean
//!
//! That is for the [`Scheme`] to say, given to [`EngineBuilder::scheme`]. The plain one leaves it to the embedder: it sets the
//! state of each view, and everybody sees the view that he subscribes to. Any other composes: *endpoints* publish
//! ([`Handle::publish_endpoint`]: create, refresh, modify, remove, under entity-tags and lifetimes); a
//! [`Composition`](presence::composition::Composition) makes one state of them; *views* render it for classes of watchers; and
//! a [`Policy`] says which view each watcher gets, by his [`Identity`]. A watcher opened by [`Handle::watcher_for`] does not
//! choose: it is told the view with each note, [`View::PENDING`] while the owner has to decide, [`View::BLOCKED`] when it is
//! refused. [`Handle::set_policy`] ends when nobody is shown any more what the policy denies.
//!
//! The document of a scheme's first category is a [`Rendition`]: the status of the whole, and the endpoints that the view
//! shows with what they published. The other categories' are as they were published. [`Status`] maps without loss to and
//! from PIDF/RPID, XMPP's `show` and Lync's numbers ([`status`]). `examples/presence.rs` shows all of it in seventy lines.
//!
//! # What is promised
//!
//! | | Promise |
//! |---|---|
//! | C1 order | a subscription is never shown an older stamp than it was shown before |
//! | C2 truth | every document delivered was published, exactly so |
//! | C3 convergence | when publishing stops, every live subscription is told the newest state; nothing is lost, only skipped |
//! | C4 first state | a new subscription is told the current state first, or that there is none |
//! | C5 silence | nothing is told after `unsubscribe` or `close` has returned; for a handle, after its call has ended well |
//! | C6 privacy | once `set_policy` has ended well nobody is shown a view that the policy denies, nor ever what was composed after it |
//! | C7 expiry | state past its expiry is never told or fetched |
//! | C8 bounds | everything stays within [`Limits`]; past one of them the caller gets a typed error, never growth |
//! | C9 fairness | publications with few watchers are not held up by those with many |
//!
//! They hold on every runtime, and are tested on each.
//!
//! # Ways in
//!
//! | You have | Take | Example |
//! |---|---|---|
//! | threads, or tasks of any executor | a [`Handle`]: publish, fetch, watch | `embed.rs`, `tokio_contacts.rs` |
//! | a protocol with many connections | a [`Frontend`]: one on every shard's core, with that core's sockets and watchers | `lines.rs` |
//! | a loop of your own that is to turn a shard | a [`Seat`]: the host calls [`Embedded::step`] and is told when | `embedded_tokio.rs`, `embedded_mio.rs` |
//! | threads, rings and a clock of your own | the core alone: `fanfare-core` does no I/O, reads no clock, starts no thread | |
//!
//! # What turns the shards
//!
//! | [`Runtime`] | Waits by | Take it when |
//! |---|---|---|
//! | `Thread` | epoll, on plain pinned threads | in doubt: it wakes fastest, and is to be had everywhere |
//! | `Glommio` | io_uring, on pinned glommio executors | your frontend wants glommio's sockets, files or timers on the shard's own core: it is made and polled inside the executor, may spawn tasks there, and calls [`Core::waker`] when they have something |
//! | hosts ([`EngineBuilder::hosts`]) | your loop: a descriptor is readable, or a waker called, when there is something to do | the thread is yours already, such as a current-thread executor or a user interface |
//! | `Auto` | | the choice is to be the engine's. It takes threads; ARCHITECTURE.md has the measurement that decides it |
//!
//! [`Engine::report`] says what was taken and why, in one line, which is also logged (by `tracing`) when the engine
//! starts. A glommio executor asks for io_uring and 512 KiB of lockable memory; where a container's seccomp profile, the
//! sysctl `kernel.io_uring_disabled` or a limit refuses them, `Glommio` is refused with the reason, and `Auto` names it. CPUs are taken from the
//! affinity mask, one of each physical core first; a control group's quota bounds the number of shards, and where
//! there is less of it than shards, they do not spin.
//!
//! # Rules for threads
//!
//! * [`Handle`] and [`Call`] may go anywhere; a [`Watcher`] is used by one task or thread at a time.
//! * A call is under way when it is made. Dropping its [`Call`] takes nothing back, and leaves nothing behind: a watcher
//!   opened for nobody is closed, a batch not taken waits for the next.
//! * `wait` blocks its thread, `await` does not. On a thread that turns a shard (in a frontend, or where a host steps),
//!   `wait` is refused as [`CallError::OnShard`]: it would wait for itself. Awaiting is fine there.
//! * No call waits for room: a full door is [`CallError::Busy`] at once, and [`Handle::room`] is the wait for it.
//! * A [`Frontend`] and an [`Embedded`] stay on their thread. Their methods must not block: the shard does nothing else
//!   meanwhile.
//! * The engine waits for its hosts: one that leaves stops the engine, one that does not step is
//!   [`CallError::Stalled`] for those who wait for its shard.
//! * A panic on a shard stops the engine, and every call says which shard it was and with which message.
//!
//! # What each call costs
//!
//! | Call | Costs |
//! |---|---|
//! | [`Handle::publish`], [`Handle::fetch`] | an allocation, a command, a wake-up of the caller; tens of microseconds there and back if the shard sleeps |
//! | [`Handle::publish_all`] | one command for each home; some 0.2 us of CPU for each publication of a large batch, one count for each document's buffer, a copy at its home |
//! | [`Watcher::subscribe`] | a copy of the list; 0.3 us on the shard for each, its first state included |
//! | [`Handle::publish_endpoint`] | as `publish`, and 1 to 3 us on the home's shard: the state is rendered for each view that is watched |
//! | [`Watcher::watch`] | as `subscribe`, and 0.1 to 0.3 us for each to ask the policy |
//! | [`Handle::set_policy`] | one look at each watcher of the presentity, 0.2 to 0.5 us, spread over steps; two turns of every interested shard |
//! | [`Watcher::next_batch`] | one wake-up a batch, two swaps of a list; a document is one count, not a copy |
//! | [`OwnedNote::document`] → [`Document::to_bytes`] | an allocation; the bytes are shared, and live as long as any of them |
//! | a change, on the shard | 0.2 to 0.3 us for each watcher that is told, nearly all of it waiting for memory |
//! | [`Engine::builder`] … `start` | some milliseconds, on glommio tens; an idle engine then takes no CPU to speak of |
//!
//! Documents are [`bytes::Bytes`] wherever they come in, and give `Bytes` where they go out ([`State`],
//! [`Document::to_bytes`]). A frontend that writes the same bytes to many watchers makes them once for each change and
//! shard with [`EncodeOnce`].
//!
//! # Modules
//!
//! | Module | What it is |
//! |---|---|
//! | [`mesh`] | rings between shards, doorbells, the ingress for foreign threads |
//! | [`runtime`] | what turns the shards: the loop, its adapters, the clock, CPUs, starting and ending |
//! | [`handle`] | publish, fetch and watch from any thread or task |
//! | [`map`] | private memory maps for the shards' arenas |

pub use fanfare_core::*;

pub mod mesh;

#[cfg(not(fanfare_loom))]
mod encode;

// Under loom only the mesh is there: loom's atomics work inside its models alone.
#[cfg(not(fanfare_loom))]
pub mod handle;
#[cfg(not(fanfare_loom))]
pub mod map;
#[cfg(not(fanfare_loom))]
pub mod runtime;

#[cfg(not(fanfare_loom))]
pub use encode::EncodeOnce;
#[cfg(not(fanfare_loom))]
pub use handle::{Call, CallError, Handle, NextBatch, OwnedNote, PUBLICATIONS_PER_CALL, Room, Watcher, Watching};
#[cfg(not(fanfare_loom))]
pub use runtime::{
    Clock, Core, Cpus, CpusError, Embedded, Engine, EngineBuilder, EngineError, Event, Frontend, Host, Interest, Io,
    LoopStats, NoFrontend, Poll, Report, Runtime, RuntimeKind, Seat, StartError, Step, UringRefused, bind_this_thread,
};

/// The glommio that the engine runs on, for frontends that spawn tasks on their shard's executor.
#[cfg(all(feature = "glommio", not(fanfare_loom)))]
pub use glommio;

/// The shard that a frontend is given: its arenas lie in private memory maps.
#[cfg(not(fanfare_loom))]
pub type Shard = fanfare_core::Shard<map::PrivateMap>;

/// What a watcher on such a shard has still to be told.
#[cfg(not(fanfare_loom))]
pub type Outbox<'a> = fanfare_core::Outbox<'a, map::PrivateMap>;
