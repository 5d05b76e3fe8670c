//! What a shard does that has more to do than a turn holds.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::*;
use fanfare::*;

const PRESENTITIES: u64 = 100;
const WATCHERS_EACH: u64 = 100;
const ALL: u64 = PRESENTITIES * WATCHERS_EACH;

/// Has so many watchers of each presentity, publishes all of them at once when it is told to, and keeps how many notes
/// were marked and not told at the end of a turn, at the most.
struct Burst {
    publish: Arc<AtomicU64>,
    untold_max: Arc<AtomicU64>,
    /// Entries marked before.
    marked: u64,
    told: u64,
    is_signed_in: bool,
    is_published: bool,
}

impl Frontend for Burst {
    fn poll(&mut self, shard: &mut Shard, _: Tick) -> Poll {
        if !self.is_signed_in {
            self.is_signed_in = true;
            for token in 0..ALL {
                let watcher = shard.open_watcher(token).expect("there is room");
                let group = shard.open_group(watcher, token, Categories::ALL).expect("there is room");
                let whom = [PresentityId::new(token / WATCHERS_EACH)];
                shard.subscribe(group, View::PLAIN, &whom).expect("there is room");
            }
        }
        if self.publish.swap(0, Ordering::Relaxed) != 0 {
            (self.marked, self.told, self.is_published) = (shard.counters().walk_entries, 0, true);
            for presentity in 0..PRESENTITIES {
                shard.publish(says(PresentityId::new(presentity), "again")).expect("there is room");
            }
        }
        if !self.is_published {
            return Poll::IDLE;
        }
        let untold = shard.counters().walk_entries - self.marked - self.told;
        self.untold_max.fetch_max(untold, Ordering::Relaxed);
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

#[test]
fn marks_do_not_run_ahead_of_what_is_told() {
    let limits = Limits { watchers: 20_000, groups: 20_000, credits: 1_000, ..Limits::default() };
    let of_a_step = u64::from(limits.walk_entries_per_step);
    assert!(ALL > 2 * of_a_step, "a turn must have more to mark than it may");
    let builder = Engine::builder().shards(0).hosts(1).patience(LONG).limits(limits);
    let mut engine = builder.start(|_| NoFrontend).expect("it starts");
    let (publish, untold_max) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let burst = Burst {
        publish: publish.clone(),
        untold_max: untold_max.clone(),
        marked: 0,
        told: 0,
        is_signed_in: false,
        is_published: false,
    };
    let mut host = engine.seats().pop().expect("one host was asked for").take(move |_| burst).expect("it is taken");
    while host.step().expect("nothing panics") == Step::Again {}
    untold_max.store(0, Ordering::Relaxed);
    publish.store(1, Ordering::Relaxed);
    while host.step().expect("nothing panics") == Step::Again {}
    let most = untold_max.load(Ordering::Relaxed);
    assert!(most > 0, "the burst was more than one turn's work");
    assert!(most < of_a_step, "{most} were marked and not told, and a step marks {of_a_step}");
    engine.drain();
    while !engine.is_drained() {
        host.step().expect("nothing panics");
    }
    engine.shutdown().expect("it ends well");
}
