//! The order of a turn, once for every adapter, and the loop around it.
//!
//! A [`Turns`] owns one shard, its frontend and its port, on the shard's thread. It never blocks: the adapter (a plain
//! thread, a glommio executor, a host) asks it to [`Turns::advance`] and does the waiting. One turn is
//!
//! 1. **links in**: documents that come home, then messages, while the shard can take them;
//! 2. **ingress**: commands of foreign threads, a bounded number;
//! 3. **timers**, what the shard has for itself, and policies: [`Shard::begin_step`](fanfare_core::Shard::begin_step), which looks
//!    at as many subscriptions as the walks may visit entries;
//! 4. **links out**: documents to their homes, then messages, one release store for each ring that gets any;
//! 5. **doorbells**: one fence, then one load for each shard that was given something;
//! 6. **walks**: [`Shard::walk`](fanfare_core::Shard::walk) with the budget of the limits;
//! 7. **frontend drain**: watchers that have something to be told, a bounded number, and answers;
//! 8. **frontend I/O**: [`Frontend::poll`].
//!
//! Messages leave before the walks, because these and the drain take most of a turn: another shard would wait for so long,
//! and what a message is made from would have to be fetched again.
//!
//! Then, if the turn did nothing: spin for a while, then rest. Invariant: a shard rests without end only when it is idle
//! and its inputs are empty, so everything that a turn caused has left before the core sleeps; one that waits for room
//! in a ring naps. Cost: one read of the clock a turn, and a system call a turn while descriptors are registered.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fanfare_core::{Document, MESSAGES_TOGETHER, Message, Tick};

use super::clock::tick;
use super::core_waker::CoreWaker;
use super::fate::Phase;
use super::frontend::Frontend;
use super::reactor::Io;
use super::stats::LoopStats;
use crate::handle::Shared;
use crate::handle::doorkeeper::Doorkeeper;
use crate::mesh::doorbell::{Doorbell, announce};
use crate::mesh::link::Port;
use crate::{SHARDS_MAX, Shard};

/// Commands taken in one turn, so that foreign threads cannot hold up the walks (C9).
const COMMANDS_PER_TURN: usize = 256;

/// Watchers drained in a turn for each entry that it may mark. Less than one, and marks run ahead of the drain: the whole
/// population becomes ready, a notification costs three times as much, and a shard that was late once never catches up. One, and
/// those who became ready while it was late stay ahead of everybody for as long as there is more to mark, so that each watcher's lines
/// are gone again when its turn comes. With two it tells what it marks while the lines are near
/// (benches/record/2026-11-23/collapse.txt, turns.txt). At 2 to 4 us for a socket's write, 2,048 of them take 4 to 8 ms.
const READY_PER_ENTRY: usize = 2;

/// Watchers drained in a turn however few entries it may mark: after a mass sign-in many are ready without any walk.
const READY_MIN: usize = 1_024;

/// First sleep of a shard that waits for room in a ring. Nobody rings for room, so the sleep is short at first.
const NAP: Duration = Duration::from_micros(100);

/// Each nap is twice the one before, but no longer than `NAP` times two to this power: what waits for a host that has
/// stopped stepping costs a thousandth of a core.
const NAP_DOUBLINGS_MAX: u32 = 6;

/// One shard's loop.
pub(crate) struct Turns<F> {
    shard: Shard,
    frontend: F,
    doorkeeper: Doorkeeper,
    port: Port,
    io: Io,
    waker: Arc<CoreWaker>,
    shared: Arc<Shared>,
    stats: LoopStats,
    walk_entries: usize,
    spin_ns: u64,
    turned: Turned,
    stop_told: bool,
    resting: bool,
    naps: u32,
    /// Messages of another shard that are taken in together; empty between two peers.
    incoming: Vec<Message>,
    /// Documents that come home together; empty likewise.
    returned: Vec<Document>,
    /// When the time was last put to an account, and since when there was nothing to do.
    lap_ns: u64,
    idle_since_ns: u64,
}

/// What a turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Turned {
    /// Whether anything was done.
    worked: bool,
    /// When the next turn is due at the latest, if nothing comes in.
    deadline: Option<Tick>,
}

/// What the adapter does between two turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Turn again.
    Again,
    /// Wait until the reactor is ready, for so long at most, then turn again. The doorbell is armed.
    Rest(Option<Duration>),
    /// Drop it all: the engine has stopped.
    End,
}

/// The parts that a [`Turns`] is put together from.
pub(crate) struct TurnParts<F> {
    pub(crate) shard: Shard,
    pub(crate) frontend: F,
    pub(crate) doorkeeper: Doorkeeper,
    pub(crate) port: Port,
    pub(crate) io: Io,
    pub(crate) waker: Arc<CoreWaker>,
    pub(crate) shared: Arc<Shared>,
    /// How long to look for work before a rest.
    pub(crate) spin: Duration,
}

impl<F> fmt::Debug for Turns<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turns").field("port", &self.port).field("stats", &self.stats).finish_non_exhaustive()
    }
}

impl<F: Frontend> Turns<F> {
    /// A loop that has not turned yet.
    pub(crate) fn new(parts: TurnParts<F>) -> Self {
        let TurnParts { shard, frontend, doorkeeper, port, io, waker, shared, spin } = parts;
        let now = shared.clock.nanos();
        Self {
            walk_entries: shard.limits().walk_entries_per_step as usize,
            shard,
            frontend,
            doorkeeper,
            port,
            io,
            waker,
            shared,
            stats: LoopStats::default(),
            spin_ns: u64::try_from(spin.as_nanos()).unwrap_or(u64::MAX),
            turned: Turned { worked: true, deadline: None },
            stop_told: false,
            resting: false,
            naps: 0,
            incoming: Vec::with_capacity(MESSAGES_TOGETHER),
            returned: Vec::with_capacity(MESSAGES_TOGETHER),
            lap_ns: now,
            idle_since_ns: now,
        }
    }

    /// Makes a turn, unless the engine has stopped, and tells what comes next. It never blocks.
    ///
    /// # Panics
    /// When the reactor fails, which leaves no way to wait; and whenever the frontend does.
    pub(crate) fn advance(&mut self) -> Next {
        if self.resting {
            self.wake_up();
        }
        match self.shared.fate.phase() {
            Phase::Running => {}
            Phase::Draining | Phase::Stopping if !self.stop_told => {
                self.stop_told = true;
                self.frontend.stop(&mut self.shard);
                self.idle_since_ns = self.lap_ns;
            }
            Phase::Draining => {}
            Phase::Stopping => return Next::End,
        }

        let now = self.lap();
        self.turned = self.turn(tick(now));
        if self.turned.worked {
            self.naps = 0;
            return Next::Again;
        }

        let idle = self.is_idle();
        let line = &self.shared.lines[self.port.own().index()];
        // In this order: who reads `drained` finds the counts of links at least as new.
        line.write(&self.stats);
        line.set_drained(self.stop_told && idle);
        if now - self.idle_since_ns < self.spin_ns {
            std::hint::spin_loop();
            return Next::Again;
        }
        self.rest(idle)
    }

    /// Puts the time since the last lap to an account, by what the turn in it came to.
    fn lap(&mut self) -> u64 {
        let now = self.shared.clock.nanos();
        if self.turned.worked {
            self.stats.work_ns += now - self.lap_ns;
            self.idle_since_ns = now;
        } else {
            self.stats.spin_ns += now - self.lap_ns;
        }
        self.lap_ns = now;
        self.shared.lines[self.port.own().index()].write(&self.stats);
        now
    }

    /// Puts the time since the last lap to no account: a host's thread was about its own business.
    pub(crate) fn skip_lap(&mut self) {
        if !self.resting {
            self.lap_ns = self.shared.clock.nanos();
        }
    }

    /// As [`Turns::lap`], at the end of a host's step.
    pub(crate) fn end_lap(&mut self) {
        if !self.resting {
            self.lap();
        }
    }

    /// Arms the bell, unless something has come in.
    fn rest(&mut self, idle: bool) -> Next {
        let now = self.shared.clock.nanos();
        self.stats.spin_ns += now - self.lap_ns;
        self.lap_ns = now;
        let deadline =
            self.turned.deadline.map(|tick| Duration::from_micros(tick.as_micros().saturating_sub(now / 1_000)));
        let phase_seen = if self.stop_told { Phase::Stopping } else { Phase::Draining };
        let has_input = || {
            self.port.has_input()
                || self.doorkeeper.has_input()
                || self.waker.is_called()
                || self.shared.fate.phase() >= phase_seen
        };
        self.resting = true;
        let armed = self.bell().arm(has_input);
        let until = match (armed, idle) {
            (true, true) => deadline,
            (false, true) => {
                self.wake_up();
                return Next::Again;
            }
            (armed, false) => {
                // It waits for room in a ring. What has come in and could not be taken waits for the same.
                let nap = NAP * if armed { 1 << self.naps } else { 1 };
                self.naps = (self.naps + 1).min(NAP_DOUBLINGS_MAX);
                Some(deadline.map_or(nap, |deadline| deadline.min(nap)))
            }
        };
        self.stats.parks += u64::from(armed);
        self.shared.lines[self.port.own().index()].write(&self.stats);
        Next::Rest(until)
    }

    fn wake_up(&mut self) {
        self.resting = false;
        self.bell().disarm();
        let now = self.shared.clock.nanos();
        self.stats.park_ns += now - self.lap_ns;
        self.lap_ns = now;
    }

    fn bell(&self) -> &Doorbell {
        &self.shared.doorbells[self.port.own().index()]
    }

    /// When the last turn began, or the last rest ended, in nanoseconds of the engine's clock.
    #[cfg(feature = "glommio")]
    pub(crate) fn lap_ns(&self) -> u64 {
        self.lap_ns
    }

    /// What waits and is waited for.
    pub(crate) fn io(&self) -> &Io {
        &self.io
    }

    /// The shard and the frontend, between two turns.
    pub(crate) fn parts(&mut self) -> (&mut Shard, &mut F) {
        (&mut self.shard, &mut self.frontend)
    }

    /// Whether nothing is left to do until something comes in.
    fn is_idle(&self) -> bool {
        self.shard.is_idle() && self.doorkeeper.is_idle()
    }

    fn turn(&mut self, now: Tick) -> Turned {
        self.stats.turns += 1;
        self.shard.pass_time(now);
        let taken = self.links_in();
        let commands = self.doorkeeper.serve(&mut self.shard, COMMANDS_PER_TURN);
        let begun = self.shard.begin_step(now, self.walk_entries);
        if taken != 0 || commands || !self.shard.is_idle() {
            // Before the links out: who finds this shard drained must not have missed what it is about to send.
            self.busy();
        }
        let sent = self.links_out();
        // A shard that has something to walk or to tell was not idle above, and so is not taken for drained.
        let walked = self.shard.walk(self.walk_entries);
        let drained = self.drain();
        if self.io.is_watching() {
            self.io.look();
        }
        self.waker.heard();
        let poll = self.frontend.poll(&mut self.shard, now);
        if poll.worked {
            self.busy();
        }
        Turned {
            worked: taken != 0
                || commands
                || begun.more
                || begun.walk_entries != 0
                || walked != 0
                || drained
                || sent != 0
                || poll.worked,
            deadline: earlier(self.shard.deadline(), poll.deadline),
        }
    }

    fn busy(&self) {
        self.shared.lines[self.port.own().index()].set_drained(false);
    }

    fn links_in(&mut self) -> u64 {
        let mut taken = 0;
        for peer in self.port.peers() {
            // Home-coming documents first: they need no room, and free memory for what follows.
            if let Some(mut documents) = peer.returns_in.incoming() {
                loop {
                    self.returned.extend(documents.by_ref().take(MESSAGES_TOGETHER));
                    if self.returned.is_empty() {
                        break;
                    }
                    taken += self.returned.len() as u64;
                    self.shard.receive_returns(&mut self.returned);
                }
            }
            let mut room = self.shard.receive_room(peer.index);
            if room == 0 {
                continue;
            }
            let Some(mut messages) = peer.messages_in.incoming() else { continue };
            while room != 0 {
                self.incoming.extend(messages.by_ref().take(room.min(MESSAGES_TOGETHER)));
                if self.incoming.is_empty() {
                    break;
                }
                taken += self.incoming.len() as u64;
                self.shard.receive_all(peer.index, &mut self.incoming);
                room = self.shard.receive_room(peer.index);
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
        self.doorkeeper.outcomes_done();
        while let Some(ended) = self.shard.next_ended() {
            drained = true;
            self.frontend.ended(ended);
        }
        while let Some(gathered) = self.shard.next_gathered() {
            drained = true;
            self.frontend.gathered(gathered);
        }
        while let Some(ended) = self.shard.next_ended_session() {
            drained = true;
            self.frontend.session_ended(ended);
        }
        for _ in 0..READY_MIN {
            let Some(follower) = self.shard.next_follower() else { break };
            drained = true;
            self.frontend.watchers_changed(&mut self.shard, follower);
        }
        for _ in 0..(READY_PER_ENTRY * self.walk_entries).max(READY_MIN) {
            let Some(mut outbox) = self.shard.next_outbox() else { break };
            drained = true;
            let watcher = outbox.watcher();
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
            for (bell, _) in self.shared.doorbells.iter().zip(given).filter(|(_, given)| *given) {
                self.stats.wakes_sent += u64::from(bell.ring_announced());
            }
        }
        sent
    }
}

fn earlier(a: Option<Tick>, b: Option<Tick>) -> Option<Tick> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
