//! What an embedder writes: the protocol code that runs on every shard's thread, beside the shard.
//!
//! A frontend is made on its core's thread, lives and dies there, and need not be `Send`. Invariant: its methods are
//! called by one loop, never at the same time and never from inside one another. Cost: whatever it does in them; the
//! shard does nothing else meanwhile, so they must not block.

use std::task::Waker;

use fanfare_core::{Follower, Gathered, GroupEnded, Outcome, SessionEnded, ShardIndex, Tick, Ticket, WatcherId};

use super::clock::Clock;
use super::reactor::Io;
use super::report::RuntimeKind;
use crate::{Outbox, Shard};

/// The protocol code of one core.
pub trait Frontend {
    /// Does the frontend's own I/O: reads its sockets, subscribes, publishes, closes, and tells the shard by
    /// [`Shard::writable`](fanfare_core::FanOut::writable) of watchers whose sockets take bytes again. Called once a
    /// turn, also while the loop spins without work.
    ///
    /// Whoever is behind publishes some dozens in a call and the rest in the next: with hundreds at once the documents
    /// have left the caches when their watchers are told, and being late costs more than it has to.
    fn poll(&mut self, shard: &mut Shard, now: Tick) -> Poll;

    /// The answer to a request that this frontend made of its shard.
    fn done(&mut self, ticket: Ticket, outcome: Outcome) {
        let _ = (ticket, outcome);
    }

    /// A group has ended by itself: it was not renewed in time, or lost its list. Its watcher goes on, unless it was closed meanwhile.
    fn ended(&mut self, ended: GroupEnded) {
        let _ = ended;
    }

    /// A list has gathered: what its members are is told together, next.
    fn gathered(&mut self, gathered: Gathered) {
        let _ = gathered;
    }

    /// A parked watcher was closed: nobody has resumed it in time.
    fn session_ended(&mut self, ended: SessionEnded) {
        let _ = ended;
    }

    /// There may be something new for a group that follows who watches its owner. Take it by
    /// [`Shard::watcher_information`](fanfare_core::FanOut::watcher_information), now or when its socket has room: it will be
    /// newer then.
    fn watchers_changed(&mut self, shard: &mut Shard, follower: Follower) {
        let _ = (shard, follower);
    }

    /// The watcher has something to be told. Take what its socket has room for and leave the rest: it will be newer
    /// when it is taken, after a call of `writable`.
    fn ready(&mut self, watcher: WatcherId, outbox: &mut Outbox<'_>);

    /// The engine begins to shut down. Called once; take in nothing new from here on. `poll` and the rest go on being
    /// called until all shards are idle or the time for it is over. A frontend that goes on to say that it `worked`,
    /// for clients who go on talking, keeps its shard from ever being idle.
    fn stop(&mut self, shard: &mut Shard) {
        let _ = shard;
    }
}

/// What a [`Frontend::poll`] came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Poll {
    /// Whether it did anything: the loop goes round again at once. Say no when nothing was there, or the core never
    /// sleeps.
    pub worked: bool,
    /// When it wants to be polled again at the latest, if its descriptors and watchers stay quiet.
    pub deadline: Option<Tick>,
}

impl Poll {
    /// Nothing was there, and nothing is waited for but descriptors and watchers.
    pub const IDLE: Self = Self { worked: false, deadline: None };
    /// Something was done.
    pub const WORKED: Self = Self { worked: true, deadline: None };
}

/// What a frontend is told of the core it is made on.
#[derive(Clone, Debug)]
pub struct Core {
    /// Its shard's number.
    pub index: ShardIndex,
    /// How many shards the engine has.
    pub shards: usize,
    /// How many of them, from 0 on, presentities are at home on.
    pub homes: usize,
    /// The CPU that the thread is pinned to, if it is.
    pub cpu: Option<usize>,
    /// What turns the shard. On [`RuntimeKind::Glommio`] the frontend is made and polled inside the executor, and may
    /// spawn tasks there, with its sockets and timers.
    pub runtime: RuntimeKind,
    /// The engine's clock.
    pub clock: Clock,
    /// Where the frontend registers its descriptors, so that they wake the core.
    pub io: Io,
    /// Has the frontend polled again soon, from whatever task or thread it is called.
    pub waker: Waker,
}

/// The frontend of an engine that only handles use: no sockets, no watchers of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFrontend;

impl Frontend for NoFrontend {
    fn poll(&mut self, _: &mut Shard, _: Tick) -> Poll {
        Poll::IDLE
    }

    fn ready(&mut self, _: WatcherId, _: &mut Outbox<'_>) {}
}
