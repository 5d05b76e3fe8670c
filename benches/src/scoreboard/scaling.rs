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
    Categories, Core, Cpus, Engine, Frontend, GroupId, Limits, Outbox, Outcome, Poll, PresentityId, Publication,
    Runtime, Shard, Tick, Ticket, View, WatcherId,
};
use fanfare_bench_world::Graph;
use fanfare_rivals::median;

use super::above_floor::Order;

/// Publications without an answer, beyond which a shard publishes no more. The other shard answers once a turn, which is
/// long under such a load: with 128 under way the shards waited for each other for a sixth of the time, with 440 and more
/// they do not.
const UNDER_WAY_MAX: u64 = 1_900;
const CREDITS: u32 = 2_048;

/// What all shards of a team see.
#[derive(Default)]
struct Board {
    /// Shards whose users have signed in.
    signed_in: AtomicU64,
    works: AtomicBool,
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
    under_way: u64,
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
        self.board.told.fetch_add(std::mem::take(&mut self.told), Ordering::Relaxed);
        if !self.board.works.load(Ordering::Acquire) {
            return Poll::IDLE;
        }
        // Always some under way, so that no shard waits for an answer that another has not come to; fewer than a link
        // has credits for.
        if self.under_way <= UNDER_WAY_MAX {
            for nth in self.order.batch() {
                self.serial += 1;
                let mut document = [0u8; 32];
                document[..8].copy_from_slice(&self.serial.to_le_bytes());
                let whose = PresentityId::new(nth * self.of + self.place);
                if shard.publish(Publication::plain(whose, Bytes::copy_from_slice(&document))).is_ok() {
                    self.under_way += 1;
                }
            }
        }
        Poll::WORKED
    }

    fn done(&mut self, _: Ticket, _: Outcome) {
        self.under_way -= 1;
    }

    fn ready(&mut self, _: WatcherId, outbox: &mut Outbox<'_>) {
        while outbox.next().is_some() {
            self.told += 1;
        }
    }
}

/// Engines that work at the same time, with one shard for each core among them.
struct Team {
    engines: Vec<Engine>,
    board: Arc<Board>,
}

impl Team {
    fn signed_in(engines: usize, shards_each: usize, graph: Graph) -> Self {
        let board = Arc::new(Board::default());
        let cpus = Cpus::all().resolve().unwrap_or_default();
        let engines = (0..engines).map(|engine| {
            let board = board.clone();
            let make = move |core: Core| {
                let (place, of) = (core.index.index() as u64, shards_each as u64);
                let order = Order { presentities: (graph.users() - place).div_ceil(of), next: 1 };
                let board = board.clone();
                board.wakers.lock().expect("no panic under it").push(core.waker);
                Busy { board, graph, place, of, groups: Vec::new(), order, under_way: 0, serial: 0, told: 0 }
            };
            let from = engine * shards_each;
            let mine = cpus.get(from..from + shards_each).map(|cpus| Cpus::list(cpus.iter().copied()));
            let limits = Limits { credits: CREDITS, link_slots: 4 * CREDITS, ..Limits::default() };
            let builder = Engine::builder().shards(shards_each).runtime(Runtime::Thread).limits(limits);
            let builder = mine.map_or(builder.clone(), |cpus| builder.cpus(cpus));
            builder.start(make).expect("an engine")
        });
        let team = Self { engines: engines.collect(), board };
        let shards = (team.engines.len() * shards_each) as u64;
        while team.board.signed_in.load(Ordering::Acquire) < shards {
            std::thread::sleep(Duration::from_millis(5));
        }
        team
    }

    /// Notifications a second of all its shards, over a stretch of work.
    fn rate(&self, stretch: Duration) -> f64 {
        self.board.works.store(true, Ordering::Release);
        self.board.wake_all();
        // The first states of a sign-in, or what was left of the last stretch, is not counted.
        std::thread::sleep(stretch / 4);
        let (begun, before) = (Instant::now(), self.board.told.load(Ordering::Relaxed));
        std::thread::sleep(stretch);
        let told = self.board.told.load(Ordering::Relaxed) - before;
        let rate = told as f64 / begun.elapsed().as_secs_f64();
        self.board.works.store(false, Ordering::Release);
        std::thread::sleep(stretch / 8);
        rate
    }
}

/// Notifications a second of two shards over those of two independent engines of one shard with half the users each: the
/// median ratio of the rounds. None where there are no two CPUs.
///
/// # Panics
/// If an engine cannot be started.
#[must_use]
pub fn scaling(users: u64, rounds: usize, stretch: Duration) -> Option<f64> {
    if Cpus::all().resolve().map_or(0, |cpus| cpus.len()) < 2 {
        return None;
    }
    let joined = Team::signed_in(1, 2, Graph::uniform(users));
    let apart = Team::signed_in(2, 1, Graph::uniform(users / 2));
    let ratios: Vec<f64> = (0..rounds).map(|_| joined.rate(stretch) / apart.rate(stretch).max(1.0)).collect();
    Some(median(ratios))
}
