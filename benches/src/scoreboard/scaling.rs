//! What is a second core worth? Two shards of one engine against two engines that know nothing of each other.
//!
//! Each shard publishes for its own users and tells its own watchers, as fast as it can. In one engine of two shards a
//! publication's watchers are on both; in the engines of one, all are here. Both have the same users in all, the same
//! contacts each, the same cores. They take turns: while one is measured the other holds still.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fanfare::{
    Categories, Core, Cpus, Engine, Error, Frontend, GroupId, Limits, Outbox, Outcome, Poll, PresentityId, Publication,
    Runtime, Shard, Tick, Ticket, View, WatcherId,
};
use fanfare_bench_world::Graph;
use fanfare_rivals::median;

use super::above_floor::{BATCH, Order};

/// Subscriptions for each notification that may be under way; beyond it nothing is published. Without such a bound all
/// watchers have always something to be told, most changes are skipped, and what is measured is how much can be skipped;
/// with a narrow one a shard often waits for the other, and what is measured is the bound.
const SUBSCRIPTIONS_TO_A_NOTE_AHEAD: u64 = 64;

/// What all shards of an engine see.
#[derive(Default)]
struct Board {
    /// Shards whose users have signed in.
    signed_in: AtomicU64,
    works: AtomicBool,
    /// Notifications that were asked for by publishing,
    owed: AtomicU64,
    /// and those that were told, in this stretch of work.
    told: AtomicU64,
    /// Shards that have nothing to do sleep.
    wakers: Mutex<Vec<Waker>>,
}

impl Board {
    fn wake_all(&self) {
        self.wakers.lock().expect("no panic under it").iter().for_each(Waker::wake_by_ref);
    }
}

/// Publishes for the users that were dealt to its shard.
struct Busy {
    board: Arc<Board>,
    graph: Graph,
    /// This shard's place among `of` that share the users.
    place: u64,
    of: u64,
    groups: Vec<GroupId>,
    order: Order,
    serial: u64,
    told: u64,
}

impl Busy {
    /// This shard's users are `place`, `place + of`, ...
    fn users(&self) -> u64 {
        (self.graph.users() - self.place).div_ceil(self.of)
    }

    /// Signs in a few users at a turn; tells whether all are.
    fn sign_in(&mut self, shard: &mut Shard) -> bool {
        let begun = self.groups.len() as u64;
        for nth in begun..self.users().min(begun + 64) {
            let user = nth * self.of + self.place;
            let watcher = shard.open_watcher(user).expect("room for a watcher");
            let group = shard.open_group(watcher, user, Categories::ALL).expect("room for a group");
            let contacts: Vec<_> = self.graph.contacts_of(user).map(PresentityId::new).collect();
            shard.subscribe(group, View::PLAIN, &contacts).expect("room for subscriptions");
            self.groups.push(group);
        }
        self.groups.len() as u64 == self.users()
    }
}

impl Frontend for Busy {
    fn poll(&mut self, shard: &mut Shard, _: Tick) -> Poll {
        if (self.groups.len() as u64) < self.users() {
            if self.sign_in(shard) {
                self.board.signed_in.fetch_add(1, Ordering::Release);
            }
            return Poll::WORKED;
        }
        let told = std::mem::take(&mut self.told);
        let told = self.board.told.fetch_add(told, Ordering::Relaxed) + told;
        if !self.board.works.load(Ordering::Acquire) {
            return Poll::IDLE;
        }
        if self.board.owed.load(Ordering::Relaxed) < told + self.graph.subscriptions() / SUBSCRIPTIONS_TO_A_NOTE_AHEAD {
            let mut accepted = 0;
            for nth in self.order.batch() {
                self.serial += 1;
                let mut document = [0u8; 32];
                document[..8].copy_from_slice(&self.serial.to_le_bytes());
                let whose = PresentityId::new(nth * self.of + self.place);
                match shard.publish(Publication::plain(whose, Bytes::copy_from_slice(&document))) {
                    Ok(_) => accepted += 1,
                    // The other shard was held up between two stretches, and what it tells now was not counted as owed.
                    Err(Error::Busy { .. }) => break,
                    Err(error) => panic!("{error}"),
                }
            }
            self.board.owed.fetch_add(accepted * self.graph.contacts(), Ordering::Relaxed);
        }
        Poll::WORKED
    }

    fn done(&mut self, _: Ticket, _: Outcome) {}

    fn ready(&mut self, _: WatcherId, outbox: &mut Outbox<'_>) {
        while outbox.next().is_some() {
            self.told += 1;
        }
    }
}

/// Engines that work at the same time, with one shard for each core among them.
struct Team {
    /// Each with what its shards see.
    engines: Vec<(Engine, Arc<Board>)>,
}

impl Team {
    fn signed_in(engines: usize, shards_each: usize, graph: Graph) -> Self {
        let cpus = Cpus::all().resolve().unwrap_or_default();
        let engines = (0..engines).map(|engine| {
            let board = Arc::new(Board::default());
            let shared = board.clone();
            let make = move |core: Core| {
                let (place, of) = (core.index.index() as u64, shards_each as u64);
                let order = Order { presentities: (graph.users() - place).div_ceil(of), next: 1 };
                let board = shared.clone();
                board.wakers.lock().expect("no panic under it").push(core.waker);
                Busy { board, graph, place, of, groups: Vec::new(), order, serial: 0, told: 0 }
            };
            let from = engine * shards_each;
            let mine = cpus.get(from..from + shards_each).map(|cpus| Cpus::list(cpus.iter().copied()));
            // As many requests as can be under way, should one shard have made them all.
            let ahead = graph.users() / SUBSCRIPTIONS_TO_A_NOTE_AHEAD + 2 * BATCH;
            let credits = u32::try_from(ahead).expect("users that can be signed in");
            let limits = Limits { credits, link_slots: 2 * credits, ..Limits::default() };
            let builder = Engine::builder().shards(shards_each).runtime(Runtime::Thread).limits(limits);
            let builder = mine.map_or(builder.clone(), |cpus| builder.cpus(cpus));
            (builder.start(make).expect("an engine"), board)
        });
        let team = Self { engines: engines.collect() };
        while team.sum(|board| &board.signed_in) < (team.engines.len() * shards_each) as u64 {
            std::thread::sleep(Duration::from_millis(5));
        }
        team.rest();
        team
    }

    fn sum(&self, of: impl Fn(&Board) -> &AtomicU64) -> u64 {
        self.engines.iter().map(|(_, board)| of(board).load(Ordering::Acquire)).sum()
    }

    /// Notifications a second of all its shards, over a stretch of work.
    fn rate(&self, stretch: Duration) -> f64 {
        for (_, board) in &self.engines {
            board.owed.store(0, Ordering::Relaxed);
            board.told.store(0, Ordering::Relaxed);
            board.works.store(true, Ordering::Release);
            board.wake_all();
        }
        // Until as much is under way as may be.
        std::thread::sleep(stretch);
        let (begun, before) = (Instant::now(), self.sum(|board| &board.told));
        std::thread::sleep(stretch);
        let told = self.sum(|board| &board.told) - before;
        let rate = told as f64 / begun.elapsed().as_secs_f64();
        self.engines.iter().for_each(|(_, board)| board.works.store(false, Ordering::Release));
        self.rest();
        rate
    }

    /// Ends the engines: what went wrong on a shard shows here.
    fn shut_down(self) {
        for (engine, _) in self.engines {
            engine.shutdown().expect("no shard failed");
        }
    }

    /// Waits until all that is under way has been told: it would be taken from what the other team has.
    fn rest(&self) {
        let mut before = None;
        loop {
            let told = self.sum(|board| &board.told);
            if before == Some(told) {
                return;
            }
            before = Some(told);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// What was measured of two shards.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaling {
    /// Notifications a second of two shards over those of two engines.
    pub ratio: f64,
    /// Notifications a second of the two shards together.
    pub joined_per_s: f64,
}

/// Two shards against two independent engines of one shard with half the users each: medians of the rounds. None where
/// there are no two CPUs.
///
/// # Panics
/// If an engine cannot be started, or fails.
#[must_use]
pub fn scaling(users: u64, rounds: usize, stretch: Duration) -> Option<Scaling> {
    if Cpus::all().resolve().map_or(0, |cpus| cpus.len()) < 2 {
        return None;
    }
    let joined = Team::signed_in(1, 2, Graph::uniform(users));
    let apart = Team::signed_in(2, 1, Graph::uniform(users / 2));
    let mut rates = Vec::new();
    // Who begins takes turns as well, so that a machine that slows down for a while slows down both.
    for round in 0..rounds {
        let teams = if round % 2 == 0 { [&joined, &apart] } else { [&apart, &joined] };
        let mut pair = teams.map(|team| team.rate(stretch));
        if round % 2 != 0 {
            pair.reverse();
        }
        rates.push(pair);
    }
    joined.shut_down();
    apart.shut_down();
    let ratios: Vec<f64> = rates.iter().map(|[joined, apart]| joined / apart.max(1.0)).collect();
    let joined_rates: Vec<f64> = rates.iter().map(|[joined, _]| *joined).collect();
    Some(Scaling { ratio: median(ratios), joined_per_s: median(joined_rates) })
}
