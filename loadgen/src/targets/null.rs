//! The null target: the same population, schedule and recorder, and a plain loop over the watchers instead of an engine.
//!
//! One thread for each shard, unpinned. It shows what generator and recorder cost by themselves, and so how much of a
//! figure could be the rig's. Each thread tells all watchers of its own users; watchers are numbered as the engine
//! would, watcher by watcher, so that the recorder's misses are like those of a real run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use fanfare::Category;

use super::double::{Behaviour, Server};
use super::{LoopTimes, Sizes, Target, TargetError};
use crate::crew::{Answer, Checked, Common, Order, Seat, SignIn};
use crate::point::{Going, Marks, Point};
use crate::population::Scratch;
use crate::presence::Sight;
use crate::publisher::{Outgoing, Publisher, Sent};
use crate::recorder::calibrate::Shape;
use crate::recorder::{Followed, Receipt, Recorder, calibrate};
use crate::rig::Rig;
use crate::schedule::What;

/// Shorter waits are spun through, for a sleep would end later than that.
const SPIN_US: u64 = 100;

/// Notes told with one reading of the clock, as with an engine.
const NOTES_PER_READING: usize = 64;

/// How long an idle thread sleeps before it looks for orders.
const NAP: Duration = Duration::from_millis(1);

/// The null target's threads.
pub struct Null {
    threads: Vec<JoinHandle<()>>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    work_ns: AtomicU64,
    spin_ns: AtomicU64,
    park_ns: AtomicU64,
}

impl Null {
    /// Starts a thread for each seat.
    ///
    /// # Errors
    /// A thread that the system does not give.
    pub fn start(seats: Vec<Seat>, sizes: &Sizes, behaviour: Option<Behaviour>) -> Result<Self, TargetError> {
        let shared = Arc::new(Shared::default());
        let (mut threads, threads_wanted) = (Vec::new(), seats.len());
        for seat in seats {
            let (shared, sizes) = (Arc::clone(&shared), *sizes);
            let server = behaviour.map(|behaviour| Server::new(behaviour, threads_wanted));
            let thread = std::thread::Builder::new()
                .name(format!("null-{}", seat.shard))
                .spawn(move || Teller::new(seat, sizes, server).run(&shared))
                .map_err(|error| TargetError { what: "did not start", reason: error.to_string() })?;
            threads.push(thread);
        }
        Ok(Self { threads, shared })
    }
}

impl Target for Null {
    fn loop_times(&self) -> LoopTimes {
        LoopTimes {
            work_ns: self.shared.work_ns.load(Ordering::Relaxed),
            spin_ns: self.shared.spin_ns.load(Ordering::Relaxed),
            park_ns: self.shared.park_ns.load(Ordering::Relaxed),
        }
    }

    fn runtime(&self) -> (String, String) {
        ("thread".to_owned(), "without an engine there is no other".to_owned())
    }

    fn stop(self: Box<Self>) -> Result<(), TargetError> {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            let reason = || "a thread panicked".to_owned();
            thread.join().map_err(|_| TargetError { what: "did not stop well", reason: reason() })?;
        }
        Ok(())
    }
}

/// One thread: the publisher of its users, and all their watchers.
struct Teller {
    seat: Seat,
    sizes: Sizes,
    publisher: Publisher,
    recorder: Recorder,
    rig: Rig,
    crowd: Crowd,
    /// What holds publications up, where the target is a double.
    server: Option<Server>,
    point: Option<Point>,
    /// The point that is over here, until it is over everywhere.
    over: Option<Point>,
}

/// Who watches the users of one thread: for each of them, a range of subscription numbers.
#[derive(Default)]
struct Crowd {
    ends: Vec<u32>,
    slots: Vec<u32>,
}

impl Crowd {
    fn of(&self, number: usize) -> &[u32] {
        let begin = if number == 0 { 0 } else { self.ends[number - 1] };
        &self.slots[begin as usize..self.ends[number] as usize]
    }
}

impl Teller {
    fn new(seat: Seat, sizes: Sizes, server: Option<Server>) -> Self {
        let common = Arc::clone(&seat.common);
        let slots = sizes.subscriptions as usize;
        let sample = common.plan.sample;
        Self {
            publisher: Publisher::new(&common, seat.shard),
            recorder: Recorder::new(seat.shard, Arc::clone(&common.log), sizes.users, slots, sample),
            rig: if server.is_some() { Rig::with_polls_that_wait() } else { Rig::default() },
            crowd: Crowd::default(),
            server,
            point: None,
            over: None,
            seat,
            sizes,
        }
    }

    fn run(mut self, shared: &Shared) {
        let clock = self.seat.common.clock;
        while !shared.stop.load(Ordering::Relaxed) {
            let begin_ns = clock.nanos();
            if let Some(order) = self.seat.order() {
                self.begin(order);
                continue;
            }
            let measuring = self.point.as_ref().is_some_and(Point::is_measuring);
            // All work is done inside a poll: between two of them there is none.
            let in_point = self.point.is_some();
            self.rig.enter(begin_ns / 1_000, 0, in_point, measuring);
            let nap_us = begin_ns / 1_000 + NAP.as_micros() as u64;
            let due_us = self.poll().map(|due_us| due_us.min(nap_us));
            let end_ns = clock.nanos();
            self.rig.leave(end_ns / 1_000, due_us, in_point);
            let wait_us = due_us.map(|due_us| due_us.saturating_sub(end_ns / 1_000));
            let spent = match wait_us {
                None => &shared.work_ns,
                Some(wait_us) if wait_us < SPIN_US => &shared.spin_ns,
                Some(wait_us) => {
                    std::thread::sleep(Duration::from_micros(wait_us - SPIN_US / 2));
                    &shared.park_ns
                }
            };
            spent.fetch_add(clock.nanos() - begin_ns, Ordering::Relaxed);
        }
    }

    fn begin(&mut self, order: Order) {
        match order {
            Order::Memory => self.seat.answer(Answer::Memory(0)),
            Order::Build => {
                let residents = *self.publisher.residents();
                (0..residents.count()).for_each(|number| self.publisher.first_accepted(residents.user(number)));
                self.seat.answer(Answer::Built(residents.count().into()));
            }
            Order::SignIn => {
                let answer = self.sign_in();
                self.seat.answer(Answer::SignedIn(answer));
            }
            Order::Point(order) => {
                self.rig.take();
                let common = Arc::clone(&self.seat.common);
                self.point = Some(Point::begin(order, &mut self.publisher, &mut self.recorder, &common));
            }
            Order::SumUp => {
                let Some(point) = self.over.take() else { return };
                let marks = self.marks();
                let mut answer = point.sum_up(&mut self.publisher, &mut self.recorder, marks);
                answer.gaps = self.rig.take();
                self.seat.answer(Answer::Point(Box::new(answer)));
            }
            Order::Check => self.seat.answer(Answer::Checked(Box::new(self.check()))),
            Order::Calibrate => {
                let cost = calibrate::measure(&Shape {
                    slots: self.sizes.subscriptions as usize,
                    watchers: (self.sizes.subscriptions / u64::from(self.sizes.users)) as u32,
                    outside_share: None,
                    document_bytes: self.sizes.document_bytes as usize,
                    sample: self.seat.common.plan.sample,
                });
                self.seat.answer(Answer::Calibrated(cost));
            }
        }
    }

    /// One poll of the point under way: when to poll next, or nothing if at once.
    fn poll(&mut self) -> Option<u64> {
        let now_us = self.seat.common.clock.now().as_micros();
        let (marks, told) = (self.marks(), self.recorder.tally().told);
        let Some(point) = &mut self.point else { return Some(now_us + NAP.as_micros() as u64) };
        self.seat.show_progress(now_us);
        point.report(&mut self.publisher, &mut self.recorder, marks, now_us);
        let (recorder, crowd, common) = (&mut self.recorder, &self.crowd, &self.seat.common);
        let server = &mut self.server;
        let shards = common.plan.shards;
        let going = point.go_on(&mut self.publisher, marks, &told, |outgoing| {
            if let Some(server) = server {
                server.serve(common.clock, || common.is_cut());
            }
            // Of what is not shown nobody is told: an engine would see to that.
            if matches!(outgoing.what, What::Publish(_)) {
                tell(recorder, common, crowd.of(outgoing.user as usize / shards), outgoing, false);
            }
            Sent::Accepted
        });
        match going {
            Going::Working => None,
            Going::Waiting(due_us) => Some(due_us),
            Going::Over => {
                self.over = self.point.take();
                self.seat.answer(Answer::Over);
                None
            }
        }
    }

    fn marks(&self) -> Marks {
        let tally = self.recorder.tally();
        Marks { delivered: tally.notes, skipped: tally.skipped }
    }

    /// Turns everybody's contact lists round for this thread's users, and tells every watcher its first state.
    fn sign_in(&mut self) -> SignIn {
        let common = Arc::clone(&self.seat.common);
        let residents = *self.publisher.residents();
        let begin_ns = common.clock.nanos();
        let mut ends = vec![0u32; residents.count() as usize];
        self.each_watched(&common, |number, _| ends[number] += 1);
        let mut end = 0;
        for count in &mut ends {
            // First each range's begin; the second pass moves it to the range's end.
            (*count, end) = (end, end + *count);
        }
        let mut slots = vec![0u32; end as usize];
        self.each_watched(&common, |number, slot| {
            slots[ends[number] as usize] = slot;
            ends[number] += 1;
        });
        self.crowd = Crowd { ends, slots };
        let generator_ns = common.clock.nanos() - begin_ns;
        for number in 0..residents.count() {
            let user = residents.user(number);
            let Some(first) = self.publisher.first(user, 0) else { continue };
            let crowd = self.crowd.of(number as usize);
            self.recorder.watch(user, Sight::Plain, crowd.len() as u32);
            tell(&mut self.recorder, &common, crowd, &first, true);
            let followed = if common.plan.sample.holds(user) { crowd.len() } else { 0 };
            common.inside[user as usize].store(followed as u32, Ordering::Relaxed);
        }
        let subscriptions = self.crowd.slots.len() as u64;
        let engine_ns = common.clock.nanos() - begin_ns - generator_ns;
        let watchers = self.sizes.watchers / common.plan.shards as u64;
        SignIn { watchers, subscriptions, generator_ns, engine_ns, cut: common.is_cut(), ..SignIn::default() }
    }

    /// All subscriptions to this thread's users: the user's number here, and the subscription's number among all.
    fn each_watched(&self, common: &Common, mut visit: impl FnMut(usize, u32)) {
        let mut scratch = Scratch::default();
        let mut slot = 0;
        for user in 0..common.plan.population.users() {
            let person = common.plan.population.draw(user, &mut scratch);
            for _ in 0..person.endpoints {
                for contact in scratch.contacts() {
                    let contact = contact.get() as usize;
                    if contact % common.plan.shards == self.seat.shard {
                        visit(contact / common.plan.shards, slot);
                    }
                    slot += 1;
                }
            }
        }
    }

    fn check(&self) -> Checked {
        let common = &self.seat.common;
        let residents = self.publisher.residents();
        let mut checked = Checked::default();
        for number in 0..residents.count() {
            let user = residents.user(number);
            if !common.plan.sample.holds(user) {
                continue;
            }
            let newest = common.versions[user as usize].load(Ordering::Relaxed);
            for &slot in self.crowd.of(number as usize) {
                let of = Followed { slot: slot as usize, watcher: slot, user };
                checked.compared += 1;
                checked.lost += u64::from(self.recorder.seen(&of) != newest);
            }
        }
        let tally = self.recorder.tally();
        Checked {
            faults: tally.faults,
            owed: tally.notes + tally.skipped,
            delivered: tally.notes,
            skipped: tally.skipped,
            topics: self.crowd.ends.len() as u64,
            presentities: self.crowd.ends.len() as u64,
            ..checked
        }
    }
}

/// What an engine would do, at the least.
fn tell(recorder: &mut Recorder, common: &Common, crowd: &[u32], outgoing: &Outgoing, first: bool) {
    let category = match outgoing.what {
        What::Publish(category) => Category::numbered(category),
        _ => Category::FIRST,
    };
    let mut now_us = 0;
    for (number, &slot) in crowd.iter().enumerate() {
        if number % NOTES_PER_READING == 0 {
            now_us = common.clock.now().as_micros();
            recorder.clock_read();
        }
        let receipt = Receipt {
            now_us,
            // Each subscription is a watcher of its own: nobody asks who of them are the same person.
            of: Followed { slot: slot as usize, watcher: slot, user: outgoing.user },
            sight: Sight::Plain,
            first,
            counts: true,
            known: Some(outgoing.version),
            skipped: Some(0),
        };
        recorder.note(&receipt, std::iter::once((category, &outgoing.document[..])));
    }
    recorder.settle();
}
