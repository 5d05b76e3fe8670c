//! The order of a turn, once for every adapter, and the loop around it.
//!
//! A [`Turns`] owns one shard, its frontend and its port, on the shard's thread. One turn is
//!
//! 1. **links in**: documents that come home, then messages, while the shard can take them;
//! 2. **ingress**: commands of foreign threads, a bounded number;
//! 3. **timers and walks**: [`Shard::step`](fanfare_core::Shard::step), with the budget of the limits;
//! 4. **frontend drain**: watchers that have something to be told, a bounded number, and answers;
//! 5. **links out**: documents to their homes, then messages, one release store for each ring that gets any;
//! 6. **doorbells**: one fence, then one load for each shard that was given something;
//! 7. **frontend I/O**: [`Frontend::poll`].
//!
//! Then, if the turn did nothing: spin for a while, then park. Invariant: a shard parks only when it is idle and its
//! inputs are empty, so everything that a turn caused has left before the core sleeps. Cost: one read of the clock a
//! turn, and a system call a turn while descriptors are registered.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_utils::CachePadded;
use fanfare_core::Tick;

use super::clock::{Clock, tick};
use super::fate::{Fate, Phase};
use super::frontend::Frontend;
use super::reactor::Io;
use super::stats::{LoopLine, LoopStats};
use crate::handle::doorkeeper::Doorkeeper;
use crate::mesh::doorbell::{Doorbell, announce};
use crate::mesh::link::Port;
use crate::{SHARDS_MAX, Shard};

/// Commands taken in one turn, so that foreign threads cannot hold up the walks (C9).
const COMMANDS_PER_TURN: usize = 256;

/// Watchers drained in one turn: at 2 to 4 us for a socket's write, a turn stays within a millisecond.
const READY_PER_TURN: usize = 256;

/// Sleep of a shard that waits for room in a ring. Nobody rings for room, so the sleep is short.
const NAP: Duration = Duration::from_micros(100);

/// One shard's loop.
pub struct Turns<'a, F> {
    shard: Shard,
    frontend: F,
    doorkeeper: &'a mut Doorkeeper,
    port: Port,
    io: Io,
    doorbells: &'a [Arc<Doorbell>],
    line: &'a CachePadded<LoopLine>,
    stats: LoopStats,
    walk_entries: usize,
}

/// What a turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turned {
    /// Whether anything was done.
    pub worked: bool,
    /// When the next turn is due at the latest, if nothing comes in.
    pub deadline: Option<Tick>,
}

/// The parts that a [`Turns`] is put together from.
pub struct TurnParts<'a, F> {
    /// The shard.
    pub shard: Shard,
    /// The embedder's frontend.
    pub frontend: F,
    /// Who serves foreign threads on this shard.
    pub doorkeeper: &'a mut Doorkeeper,
    /// The shard's ends of its links.
    pub port: Port,
    /// The reactor.
    pub io: Io,
    /// The bells of all shards, by index.
    pub doorbells: &'a [Arc<Doorbell>],
    /// Where the loop writes its numbers.
    pub line: &'a CachePadded<LoopLine>,
    /// Entries that a step marks.
    pub walk_entries: usize,
}

impl<F> fmt::Debug for Turns<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turns").field("port", &self.port).field("stats", &self.stats).finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for TurnParts<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnParts").field("port", &self.port).finish_non_exhaustive()
    }
}

impl<'a, F: Frontend> Turns<'a, F> {
    /// A loop that has not turned yet.
    pub fn new(parts: TurnParts<'a, F>) -> Self {
        let TurnParts { shard, frontend, doorkeeper, port, io, doorbells, line, walk_entries } = parts;
        let stats = LoopStats::default();
        Self { shard, frontend, doorkeeper, port, io, doorbells, line, stats, walk_entries }
    }

    /// Turns until the engine stops.
    ///
    /// # Panics
    /// When the reactor fails, which leaves no way to wait.
    pub fn run(&mut self, clock: Clock, fate: &Fate, spin: Duration) {
        let spin = u64::try_from(spin.as_nanos()).unwrap_or(u64::MAX);
        let mut stop_told = false;
        let mut turned = Turned { worked: true, deadline: None };
        let mut before = clock.nanos();
        let mut idle_since = before;
        loop {
            match fate.phase() {
                Phase::Running => {}
                Phase::Draining | Phase::Stopping if !stop_told => {
                    stop_told = true;
                    self.frontend.stop(&mut self.shard);
                    idle_since = before;
                }
                Phase::Draining => {}
                Phase::Stopping => return,
            }

            let now = clock.nanos();
            if turned.worked {
                self.stats.work_ns += now - before;
                idle_since = now;
            } else {
                self.stats.spin_ns += now - before;
            }
            before = now;
            self.line.write(&self.stats);
            turned = self.turn(tick(now));
            if turned.worked {
                continue;
            }

            let idle = self.is_idle();
            // In this order: who reads `drained` finds the counts of links at least as new.
            self.line.write(&self.stats);
            self.line.set_drained(stop_told && idle);
            if now - idle_since < spin {
                std::hint::spin_loop();
                continue;
            }
            before = self.sleep(clock, fate, before, idle, stop_told, turned.deadline);
        }
    }

    /// Sleeps until there is something to do. Gives the time of waking.
    fn sleep(
        &mut self,
        clock: Clock,
        fate: &Fate,
        before: u64,
        idle: bool,
        stop_told: bool,
        deadline: Option<Tick>,
    ) -> u64 {
        let asleep = clock.nanos();
        self.stats.spin_ns += asleep - before;
        let until = deadline.map(|tick| Duration::from_micros(tick.as_micros().saturating_sub(asleep / 1_000)));
        if idle {
            let bell = &self.doorbells[self.port.own().index()];
            let phase_seen = if stop_told { Phase::Stopping } else { Phase::Draining };
            let has_input = || self.port.has_input() || self.doorkeeper.has_input() || fate.phase() >= phase_seen;
            bell.park(has_input, || {
                self.stats.parks += 1;
                self.line.write(&self.stats);
                wait(&self.io, until);
            });
        } else {
            wait(&self.io, Some(until.map_or(NAP, |until| until.min(NAP))));
        }
        let awake = clock.nanos();
        self.stats.park_ns += awake - asleep;
        awake
    }

    /// Whether nothing is left to do until something comes in.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.shard.is_idle() && self.doorkeeper.is_idle()
    }

    /// One turn, at this time.
    pub fn turn(&mut self, now: Tick) -> Turned {
        self.stats.turns += 1;
        let taken = self.links_in();
        let commands = self.doorkeeper.serve(&mut self.shard, COMMANDS_PER_TURN);
        let step = self.shard.step(now, self.walk_entries);
        let drained = self.drain();
        if taken != 0 || commands || step.more || step.walk_entries != 0 || drained {
            // Before the links out: who finds this shard drained must not have missed what it is about to send.
            self.line.set_drained(false);
        }
        let sent = self.links_out();
        if self.io.is_watching() {
            wait(&self.io, Some(Duration::ZERO));
        }
        let poll = self.frontend.poll(&mut self.shard, now);
        if poll.worked {
            self.line.set_drained(false);
        }
        Turned {
            worked: taken != 0
                || commands
                || step.more
                || step.walk_entries != 0
                || drained
                || sent != 0
                || poll.worked,
            deadline: earlier(step.deadline, poll.deadline),
        }
    }

    fn links_in(&mut self) -> u64 {
        let mut taken = 0;
        for peer in self.port.peers() {
            // Home-coming documents first: they need no room, and free memory for what follows.
            for document in peer.returns_in.incoming().into_iter().flatten() {
                self.shard.receive_return(document);
                taken += 1;
            }
            if !self.shard.can_receive(peer.index) {
                continue;
            }
            let Some(mut messages) = peer.messages_in.incoming() else { continue };
            while self.shard.can_receive(peer.index) {
                let Some(message) = messages.next() else { break };
                self.shard.receive(peer.index, message);
                taken += 1;
            }
        }
        self.stats.received += taken;
        taken
    }

    fn drain(&mut self) -> bool {
        let mut drained = false;
        while let Some((ticket, outcome)) = self.shard.next_outcome() {
            drained = true;
            if let Some(outcome) = self.doorkeeper.done(ticket, outcome) {
                self.frontend.done(ticket, outcome);
            }
        }
        for _ in 0..READY_PER_TURN {
            let Some(watcher) = self.shard.next_ready() else { break };
            drained = true;
            let mut outbox = self.shard.outbox(watcher);
            if !self.doorkeeper.ready(watcher, &mut outbox) {
                self.frontend.ready(watcher, &mut outbox);
            }
        }
        drained
    }

    fn links_out(&mut self) -> u64 {
        let mut sent = 0;
        let mut given = [false; SHARDS_MAX];
        for peer in self.port.peers() {
            let returns = peer.returns_out.flush(|| self.shard.next_return(peer.index));
            let messages = peer.messages_out.flush(|| self.shard.next_message(peer.index));
            given[peer.index.index()] = returns + messages != 0;
            sent += (returns + messages) as u64;
        }
        if sent != 0 {
            self.stats.sent += sent;
            announce();
            for (bell, _) in self.doorbells.iter().zip(given).filter(|(_, given)| *given) {
                self.stats.wakes_sent += u64::from(bell.ring_announced());
            }
        }
        sent
    }
}

fn wait(io: &Io, timeout: Option<Duration>) {
    if let Err(error) = io.wait(timeout) {
        panic!("the reactor cannot wait: {error}");
    }
}

fn earlier(a: Option<Tick>, b: Option<Tick>) -> Option<Tick> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
