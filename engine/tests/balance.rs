//! What a shard does that has more to do than a turn holds.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Wake;

use common::*;
use fanfare::*;

const PRESENTITIES: u64 = 100;
const WATCHERS_EACH: u64 = 100;
const ALL: u64 = PRESENTITIES * WATCHERS_EACH;
/// What the late ones watch.
const BEFORE: PresentityId = PresentityId::new(PRESENTITIES);

/// What the test sees of the frontend's shard.
#[derive(Default)]
struct Seen {
    /// Notes that were marked and not told at the end of a turn, at the most.
    untold_max: AtomicU64,
    /// Turns from the burst until everybody had been told.
    turns: AtomicU64,
}

/// Has so many watchers of each presentity, and some who are all ready at once, having just signed in; then publishes all of the
/// presentities at once.
struct Burst {
    seen: Arc<Seen>,
    late: u64,
    is_known: bool,
    is_published: bool,
    /// Entries marked before.
    marked: u64,
    told: u64,
}

impl Burst {
    fn sign_in(shard: &mut Shard, token: u64, whom: PresentityId) {
        let watcher = shard.open_watcher(token).expect("there is room");
        let group = shard.open_group(watcher, token, Categories::ALL).expect("there is room");
        shard.subscribe(group, View::PLAIN, &[whom]).expect("there is room");
    }
}

impl Frontend for Burst {
    fn poll(&mut self, shard: &mut Shard, _: Tick) -> Poll {
        if !self.is_known {
            self.is_known = true;
            shard.publish(says(BEFORE, "long ago")).expect("there is room");
            (0..ALL).for_each(|token| Self::sign_in(shard, token, PresentityId::new(token / WATCHERS_EACH)));
            // The first of the late ones, so that the topic is live when the others come.
            Self::sign_in(shard, ALL, BEFORE);
            return Poll::WORKED;
        }
        if !self.is_published {
            if self.told == 0 {
                return Poll::WORKED;
            }
            self.is_published = true;
            (self.marked, self.told) = (shard.counters().walk_entries, 0);
            (0..self.late).for_each(|nth| Self::sign_in(shard, ALL + 1 + nth, BEFORE));
            for presentity in 0..PRESENTITIES {
                shard.publish(says(PresentityId::new(presentity), "again")).expect("there is room");
            }
            return Poll::WORKED;
        }
        if self.told < ALL + self.late {
            self.seen.turns.fetch_add(1, Ordering::Relaxed);
        }
        let marked = shard.counters().walk_entries - self.marked;
        self.seen.untold_max.fetch_max((marked + self.late).saturating_sub(self.told), Ordering::Relaxed);
        Poll::IDLE
    }

    fn ready(&mut self, _: WatcherId, outbox: &mut Outbox<'_>) {
        while outbox.next().is_some() {
            self.told += 1;
        }
    }

    fn done(&mut self, _: Ticket, outcome: Outcome) {
        assert!(matches!(outcome, Outcome::Published(_)), "{outcome:?}");
    }
}

/// A burst of notes for one shard, with so many watchers that have just signed in before it: what was untold at a turn's end at the
/// most, and how many turns it took until all was told.
fn burst(late: u64) -> (u64, u64) {
    let builder = Engine::builder().shards(0).hosts(1).patience(LONG).limits(limits());
    let mut engine = builder.start(|_| NoFrontend).expect("it starts");
    let seen = Arc::new(Seen::default());
    let burst = Burst { seen: seen.clone(), late, is_known: false, is_published: false, marked: 0, told: 0 };
    let mut host = engine.seats().pop().expect("one host was asked for").take(move |_| burst).expect("it is taken");
    while host.step().expect("nothing panics") == Step::Again {}
    engine.drain();
    while !engine.is_drained() {
        host.step().expect("nothing panics");
    }
    engine.shutdown().expect("it ends well");
    (seen.untold_max.load(Ordering::Relaxed), seen.turns.load(Ordering::Relaxed))
}

fn limits() -> Limits {
    Limits { watchers: 40_000, groups: 40_000, credits: 1_000, ..Limits::default() }
}

#[test]
fn marks_do_not_run_ahead_of_what_is_told() {
    let of_a_step = u64::from(limits().walk_entries_per_step);
    let (untold_max, turns) = burst(0);
    assert!(turns >= ALL / of_a_step, "the burst was many turns' work: {turns}");
    assert_eq!(untold_max, 0, "a turn tells what it has marked");
}

#[test]
fn who_was_late_before_is_told_beside_what_comes() {
    let of_a_step = u64::from(limits().walk_entries_per_step);
    let (untold_max, turns) = burst(ALL);
    assert!(untold_max > ALL / 2, "ten thousand were ready at once: {untold_max}");
    let alone = ALL.div_ceil(of_a_step);
    assert!(turns <= alone + 2, "{turns} turns for twice {ALL} notes, where marking {ALL} takes {alone}");
}

/// Notes at the first thing that it is told whether the other shard's bell has rung.
struct Listens {
    others_bell: Arc<Bell>,
    had_rung: Option<bool>,
}

/// A waker that remembers that it was called.
#[derive(Default)]
struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Frontend for Listens {
    fn poll(&mut self, _: &mut Shard, _: Tick) -> Poll {
        Poll::IDLE
    }

    fn ready(&mut self, _: WatcherId, outbox: &mut Outbox<'_>) {
        while outbox.next().is_some() {
            self.had_rung.get_or_insert(self.others_bell.0.load(Ordering::Relaxed));
        }
    }

    fn done(&mut self, _: Ticket, _: Outcome) {}
}

#[test]
fn another_shard_hears_of_a_change_before_this_one_tells_its_own_watchers() {
    let mut engine = Engine::builder().shards(0).hosts(2).patience(LONG).start(|_| NoFrontend).expect("it starts");
    let bells: [Arc<Bell>; 2] = Default::default();
    let seats = engine.seats().into_iter().zip([1, 0]);
    let hosts = seats.map(|(seat, other)| {
        let others_bell = bells[other].clone();
        seat.take(move |_| Listens { others_bell, had_rung: None }).expect("it is taken")
    });
    let mut hosts: Vec<_> = hosts.collect();
    let until_rest = |hosts: &mut [Embedded<Listens>]| {
        // Several times: what one sends wakes the other.
        for _ in 0..8 {
            hosts.iter_mut().for_each(|host| while host.step().expect("nothing panics") == Step::Again {});
        }
    };
    let home = hosts[0].index();
    let whose = (0..).map(PresentityId::new).find(|&id| hosts[0].shard().home_of(id) == home).expect("one is");
    for host in &mut hosts {
        let shard = host.shard();
        let watcher = shard.open_watcher(0).expect("there is room");
        let group = shard.open_group(watcher, 0, Categories::ALL).expect("there is room");
        shard.subscribe(group, View::PLAIN, &[whose]).expect("there is room");
    }
    until_rest(&mut hosts);
    // Both have been told what there was.
    hosts.iter_mut().for_each(|host| host.frontend().had_rung = None);
    hosts[1].wake_by(Some(bells[1].clone().into()));
    hosts[0].shard().publish(says(whose, "here")).expect("there is room");
    while hosts[0].step().expect("nothing panics") == Step::Again {}
    assert_eq!(hosts[0].frontend().had_rung, Some(true), "it told its own watcher first");
    until_rest(&mut hosts);
    assert!(hosts[1].frontend().had_rung.is_some(), "the other shard's watcher was told, too");
    engine.drain();
    while !engine.is_drained() {
        until_rest(&mut hosts);
    }
    engine.shutdown().expect("it ends well");
}
