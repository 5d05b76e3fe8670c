//! One point as a generator goes through it, poll by poll: what it counts, and when it is over.

mod traces;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fanfare_loadgen::crew::{Common, Crew, CrewPlan, Seat};
use fanfare_loadgen::pace::STEP_US;
use fanfare_loadgen::point::{Going, Marks, Point, PointAnswer, PointOrder};
use fanfare_loadgen::population::{self, Population, Traits};
use fanfare_loadgen::presence::Sight;
use fanfare_loadgen::publisher::{Outgoing, Publisher, Sent};
use fanfare_loadgen::recorder::{Followed, Receipt, Recorder};
use fanfare_loadgen::sample::Sample;
use fanfare_loadgen::schedule::{Drawing, Mix, Shape, UNKNOWN_END_US};
use fanfare_loadgen::trace::map::Mapped;
use fanfare_loadgen::trace::reels::Reels;
use fanfare_loadgen::trace::replay::{Replay, Speed};
use fanfare_loadgen::trace::{Event, Kind};
use fanfare_loadgen::traffic::Told;
use traces::{HEADER, scratch, write};

const USERS: u32 = 10;
const HOUR_US: u64 = 3_600_000_000;

/// A generator without a target: who is told what, and what is counted, is up to the test.
struct Stage {
    seat: Seat,
    _crew: Crew,
    cut: Arc<AtomicBool>,
    publisher: Publisher,
    recorder: Recorder,
    sent: Vec<Outgoing>,
    rate_per_s: f64,
}

impl Stage {
    /// Everybody has one watcher, or none.
    fn new(watched: bool, replay: Option<Replay>) -> Self {
        let cut = Arc::new(AtomicBool::new(false));
        let traits = Traits { users: USERS, kinds: vec![population::Kind::alike(1.0, 32.0)], seed: 1 };
        let (crew, mut seats) = Crew::assemble(CrewPlan {
            population: Population::new(traits),
            shards: 1,
            batch: 80,
            mixes: vec![Mix { frequency: 1.0, categories: vec![1.0], ..Mix::default() }],
            composed: false,
            sample: Sample::ALL,
            troubles: None,
            subscriptions: USERS.into(),
            reels: Reels::new(replay, Vec::new()),
            cut: Arc::clone(&cut),
        });
        let seat = seats.remove(0);
        let common = &seat.common;
        let mut recorder = Recorder::new(0, Arc::clone(&common.log), USERS, USERS as usize, Sample::ALL);
        if watched {
            for user in 0..USERS {
                recorder.watch(user, Sight::Plain, 1);
                common.inside[user as usize].store(1, Ordering::Relaxed);
            }
        }
        let publisher = Publisher::new(common, 0);
        Self { publisher, recorder, seat, _crew: crew, cut, sent: Vec::new(), rate_per_s: 20_000.0 }
    }

    fn common(&self) -> &Arc<Common> {
        &self.seat.common
    }

    fn now_us(&self) -> u64 {
        self.common().clock.now().as_micros()
    }

    /// A point that begins now: so long a warm-up, and the end.
    fn begin(&mut self, warm_up_us: u64, end_us: u64) -> Point {
        let from_us = self.now_us();
        let drawing = Drawing {
            rate_per_s: self.rate_per_s,
            shape: Shape::default(),
            hot_user: 0,
            from_us,
            measure_from_us: from_us + warm_up_us,
            end_us,
            seed: 3,
        };
        let common = Arc::clone(self.common());
        let order = PointOrder { drawing, give_up_lag_us: None, is_paced: true };
        Point::begin(order, &mut self.publisher, &mut self.recorder, &common)
    }

    fn poll(&mut self, point: &mut Point, delivered: u64) -> Going {
        let sent = &mut self.sent;
        point.go_on(&mut self.publisher, Marks { delivered, skipped: 0 }, &Told::default(), |outgoing| {
            sent.push(outgoing.clone());
            Sent::Accepted
        })
    }

    /// Polls until so many were sent.
    fn send(&mut self, point: &mut Point, count: usize) {
        while self.sent.len() < count {
            self.poll(point, 0);
        }
    }

    /// Polls until there is nothing to do at once.
    fn settle(&mut self, point: &mut Point, delivered: u64) -> Going {
        loop {
            let going = self.poll(point, delivered);
            if going != Going::Working {
                return going;
            }
        }
    }

    fn until(&self, at_us: u64) {
        while self.now_us() < at_us {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn cut(&self) {
        self.cut.store(true, Ordering::Relaxed);
    }

    /// Tells every watcher of these.
    fn tell(&mut self, told: &[Outgoing]) {
        let now_us = self.now_us();
        for Outgoing { user, version, document, .. } in told {
            let receipt = Receipt {
                now_us,
                of: Followed { slot: *user as usize, watcher: *user, user: *user },
                sight: Sight::Plain,
                first: false,
                counts: true,
                known: Some(*version),
                skipped: None,
            };
            self.recorder.note(&receipt, std::iter::once((fanfare::Category::FIRST, &document[..])));
        }
        self.recorder.settle();
    }

    fn sum_up(&mut self, point: &Point, delivered: u64) -> PointAnswer {
        point.sum_up(&mut self.publisher, &mut self.recorder, Marks { delivered, skipped: 0 })
    }
}

#[test]
fn a_point_that_was_cut_in_its_warm_up_has_measured_nothing() {
    let mut stage = Stage::new(true, None);
    let mut point = stage.begin(500_000, HOUR_US);
    let measure_from_us = stage.now_us() + 500_000;
    stage.send(&mut point, 1);
    stage.cut();
    // Nobody was told of it yet, so it goes on past the time at which it would have been measured.
    assert!(matches!(stage.settle(&mut point, 5), Going::Waiting(_)));
    stage.until(measure_from_us);
    assert!(matches!(stage.settle(&mut point, 9), Going::Waiting(_)));
    assert!(!point.is_measuring());
    let sent = std::mem::take(&mut stage.sent);
    stage.tell(&sent);
    assert_eq!(stage.settle(&mut point, 10), Going::Over);
    let answer = stage.sum_up(&point, 10);
    assert_eq!((answer.window_us, answer.window_delivered, answer.delivered, answer.skipped), (0, 0, 0, 0));
    assert_eq!((answer.issued.planned, answer.unfinished), (0, 0));
    assert!(answer.cut_at_us.is_some());
}

#[test]
fn a_point_in_which_nothing_more_is_due_ends_when_it_is_cut() {
    let mut stage = Stage { rate_per_s: 1e-7, ..Stage::new(false, None) };
    let mut point = stage.begin(0, HOUR_US);
    assert_eq!(stage.poll(&mut point, 0), Going::Waiting(HOUR_US));
    stage.cut();
    assert_eq!(stage.settle(&mut point, 0), Going::Over);
    assert!(stage.sum_up(&point, 0).cut_at_us.is_some());
}

#[test]
fn what_was_told_in_the_last_interval_is_counted_wherever_the_end_lies_in_it() {
    let mut stage = Stage::new(false, None);
    let mut point = stage.begin(0, HOUR_US);
    stage.poll(&mut point, 0);
    stage.poll(&mut point, 30);
    stage.cut();
    assert_eq!(stage.settle(&mut point, 70), Going::Over);
    let answer = stage.sum_up(&point, 70);
    assert_eq!((answer.counts.delivered[0], answer.window_delivered), (70, 70));
}

#[test]
fn where_the_end_is_not_known_there_is_no_series_and_all_that_is_told_until_the_end_counts() {
    let events: Vec<_> =
        (0..20).map(|at| Event { at_us: at, user: 1, kind: Kind::Publish { category: 0, bytes: 32 } }).collect();
    let path = scratch("points-max.trace");
    let mut stage = Stage::new(false, Some(replay(&path, &events, Speed::Max)));
    let mut point = stage.begin(0, UNKNOWN_END_US);
    assert_ne!(stage.poll(&mut point, 30), Going::Over);
    assert_eq!(stage.settle(&mut point, 90), Going::Over);
    // A neighbour publishes still, and is watched here.
    let answer = stage.sum_up(&point, 100);
    assert_eq!((answer.issued.sent, answer.counts.intervals.count), (20, 0));
    assert_eq!((answer.window_delivered, answer.delivered), (70, 70));
    assert_eq!(answer.latencies.timeline.times().len(), 0);
    fs::remove_file(path).unwrap();
}

#[test]
fn stragglers_of_an_overdue_point_are_not_the_next_ones() {
    let mut stage = Stage::new(true, None);
    let mut overdue = stage.begin(0, HOUR_US);
    stage.send(&mut overdue, 1);
    stage.cut();
    assert!(matches!(stage.settle(&mut overdue, 0), Going::Waiting(_)));
    let before = std::mem::take(&mut stage.sent);
    // As if it had taken too long on another shard.
    assert_eq!(stage.sum_up(&overdue, 0).unfinished, before.len() as u64);

    stage.cut.store(false, Ordering::Relaxed);
    let mut next = stage.begin(0, HOUR_US);
    stage.tell(&before);
    stage.send(&mut next, 1);
    stage.cut();
    assert!(matches!(stage.settle(&mut next, 0), Going::Waiting(_)), "its own are under way");
    let own = std::mem::take(&mut stage.sent);
    stage.tell(&own);
    assert_eq!(stage.settle(&mut next, 0), Going::Over);
    let answer = stage.sum_up(&next, 0);
    assert_eq!(answer.unfinished, 0);
    assert_eq!(answer.latencies.from_plan.last.quantiles().count, own.len() as u64, "and no straggler's");
    assert_eq!(answer.tally.faults.sum(), 0, "{:?}", answer.tally.faults);
}

#[test]
fn a_trace_that_was_changed_on_the_way_ends_the_point_at_once() {
    let events = [0, HOUR_US].map(|at_us| Event { at_us, user: 1, kind: Kind::Publish { category: 0, bytes: 32 } });
    let path = scratch("points-changed.trace");
    let replay = replay(&path, &events, Speed::RECORDED);
    let length = fs::metadata(&path).unwrap().len() as usize;
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    std::io::Write::write_all(&mut &file, &vec![0xff; length]).unwrap();
    let mut stage = Stage::new(false, Some(replay.clone()));
    let mut point = stage.begin(0, 2 * HOUR_US);
    assert_eq!((0..3).map(|_| stage.poll(&mut point, 0)).last(), Some(Going::Over));
    assert!(replay.verify().is_err());
    fs::remove_file(path).unwrap();
}

#[test]
fn a_point_begins_and_ends_when_the_main_thread_says_and_shows_it_what_is_recent() {
    let mut stage = Stage::new(true, None);
    let mut point = stage.begin(HOUR_US, 2 * HOUR_US);
    stage.send(&mut point, 1);
    let warm_up = std::mem::take(&mut stage.sent);
    stage.tell(&warm_up);
    let now_us = stage.now_us() + STEP_US;
    point.report(&mut stage.publisher, &mut stage.recorder, Marks::default(), now_us);
    let recent = stage.common().recent().next().unwrap();
    assert!(recent.number == 1 && recent.median_us > 0, "{recent:?}");
    let (begin_us, end_us) = (stage.now_us() + 20_000, stage.now_us() + 60_000);
    stage.common().moments.name_begin(begin_us);
    stage.common().moments.name_end(end_us);
    let mut told = 0;
    while stage.now_us() < end_us || stage.settle(&mut point, 0) != Going::Over {
        let now_us = stage.now_us();
        point.report(&mut stage.publisher, &mut stage.recorder, Marks::default(), now_us);
        stage.poll(&mut point, 0);
        let sent = std::mem::take(&mut stage.sent);
        stage.tell(&sent);
        told += sent.iter().filter(|one| (begin_us..end_us).contains(&one.plan_us)).count() as u64;
    }
    let answer = stage.sum_up(&point, 0);
    assert!(told > 100, "20,000 a second for 40 ms: {told}");
    assert_eq!((answer.issued.planned, answer.issued.sent, answer.cut_at_us), (told, told, None));
    assert_eq!(answer.latencies.from_plan.last.quantiles().count, told);
    assert_eq!((answer.counts.intervals.from_us, answer.counts.planned.iter().sum()), (begin_us, told));
}

#[test]
fn what_showing_how_it_goes_costs_is_the_generators() {
    let mut stage = Stage::new(false, None);
    let mut point = stage.begin(0, HOUR_US);
    point.report(&mut stage.publisher, &mut stage.recorder, Marks::default(), HOUR_US);
    assert!(stage.sum_up(&point, 0).generator_ns > 0);
}

fn replay(path: &Path, events: &[Event], speed: Speed) -> Replay {
    fs::write(path, write(HEADER, events)).unwrap();
    Replay::new(Mapped::open(path).unwrap(), speed)
}
