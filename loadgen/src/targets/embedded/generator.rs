//! The frontend that plays a shard's users: signs them in, publishes for them, and takes what their watchers are told.
//!
//! One for each shard, on the shard's core. Its work of a poll is bounded, except the final check's; its time is
//! measured apart from the engine's, so that it can be taken off.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use fanfare::{Document, Frontend, Outbox, Outcome, Poll, Shard, Tick, Ticket, View, WatcherId};

use super::check::Checking;
use super::first;
use super::requests::Requests;
use super::sessions;
use super::sign_in::{Roster, SigningIn};
use crate::crew::{Answer, Order, Seat};
use crate::point::{Going, Marks, Point};
use crate::population::Scratch;
use crate::presence::Sight;
use crate::publisher::Publisher;
use crate::recorder::calibrate::Shape;
use crate::recorder::{Followed, Receipt, Recorder, calibrate};
use crate::rig::Rig;
use crate::targets::Sizes;

/// Bytes of memory taken in one poll: not so many that a slow machine seems to stand still.
const MEMORY_PER_POLL: usize = 32 << 20;

/// Notes told with one reading of the clock.
const NOTES_PER_READING: u32 = 64;

/// How long an idle generator lets its shard sleep before it looks for orders.
const NAP_US: u64 = 1_000;

/// The generator of one shard.
pub(super) struct Generator {
    seat: Seat,
    task: Task,
    recorder: Recorder,
    publisher: Publisher,
    rig: Rig,
    requests: Requests,
    roster: Roster,
    signed_in: u32,
    scratch: Scratch,
    sizes: Sizes,
}

/// What a generator is at.
enum Task {
    Idle,
    Memory(u64),
    Build(u32),
    SignIn(SigningIn),
    Point(Box<Point>),
    /// Over here. Until it is over everywhere, watchers here are told of what others' users publish.
    Over(Box<Point>),
    SumUp(Box<Point>),
    Check(Checking),
}

impl Generator {
    pub(super) fn new(seat: Seat, sizes: &Sizes) -> Self {
        let common = Arc::clone(&seat.common);
        // Slots come in runs of 16, so a group wastes half a run in the mean.
        let slots = (sizes.subscriptions + sizes.watchers * 12) / common.plan.shards as u64;
        let watchers = sizes.watchers / common.plan.shards as u64;
        let watchers = watchers + if common.plan.shards == 1 { 0 } else { watchers / 64 + 64 };
        Self {
            task: Task::Idle,
            recorder: Recorder::new(
                seat.shard,
                Arc::clone(&common.log),
                sizes.users,
                slots as usize,
                common.plan.sample,
            ),
            publisher: Publisher::new(&common, seat.shard),
            rig: Rig::default(),
            requests: Requests::new(Arc::clone(&common)),
            // Exactly as many as will come, and a little for chance: to grow would be to hold them twice for a moment.
            roster: Roster { groups: Vec::with_capacity(watchers as usize), ..Roster::default() },
            signed_in: 0,
            scratch: Scratch::default(),
            sizes: *sizes,
            seat,
        }
    }

    fn begin(&mut self, order: Order) -> Task {
        match order {
            Order::Memory => Task::Memory(0),
            Order::Build => Task::Build(0),
            Order::SignIn => Task::SignIn(SigningIn::begin(&self.recorder)),
            Order::Point(order) => {
                self.requests.begin_point();
                self.roster.troubled.begin(&order, &self.seat.common, self.seat.shard);
                self.rig.take();
                let point = Point::begin(order, &mut self.publisher, &mut self.recorder, &self.seat.common);
                Task::Point(Box::new(point))
            }
            Order::SumUp => match std::mem::replace(&mut self.task, Task::Idle) {
                Task::Over(point) => Task::SumUp(point),
                task => task,
            },
            Order::Check => Task::Check(Checking::begin(self.signed_in, self.seat.common.clock.now().as_micros())),
            Order::Calibrate => {
                let slots = (self.sizes.subscriptions / self.seat.common.plan.shards as u64).max(1);
                let watchers = slots / u64::from(self.sizes.users);
                let cost = calibrate::measure(&Shape {
                    slots: slots as usize,
                    watchers: watchers as u32,
                    outside_share: self.sizes.composed.then_some(self.sizes.outside_share),
                    document_bytes: self.sizes.document_bytes as usize,
                    sample: self.seat.common.plan.sample,
                });
                self.seat.answer(Answer::Calibrated(cost));
                Task::Idle
            }
        }
    }

    /// One poll of the task; when it wants to be polled next, or nothing if at once.
    fn go_on(&mut self, shard: &mut Shard, now_us: u64) -> Option<u64> {
        let later = Some(now_us + NAP_US);
        match &mut self.task {
            Task::Idle | Task::Over(_) => later,
            Task::Memory(taken) => {
                let mut taken = *taken;
                match shard.take_memory(&first::expected(&self.sizes, self.seat.common.plan.shards), MEMORY_PER_POLL) {
                    Err(error) => self.end(Answer::Failed(format!("the engine got no memory: {error}"))),
                    Ok(0) => self.end(Answer::Memory(taken)),
                    Ok(more) => {
                        taken += more as u64;
                        self.task = Task::Memory(taken);
                        self.seat.show_progress(taken);
                    }
                }
                None
            }
            Task::Build(next) => {
                let mut next = *next;
                let any = first::say(shard, &mut self.publisher, &mut self.requests, &self.roster, &mut next);
                self.task = Task::Build(next);
                let users = next / self.publisher.first_steps();
                self.seat.show_progress(users.into());
                if users == self.publisher.residents().count() && self.requests.is_quiet() {
                    self.end(Answer::Built(users.into()));
                }
                if any { None } else { later }
            }
            Task::SignIn(task) => {
                let residents = *self.publisher.residents();
                let common = &self.seat.common;
                let (recorder, roster) = (&mut self.recorder, &mut self.roster);
                match task.go_on(shard, common, &residents, recorder, roster, &mut self.scratch) {
                    Err(error) => {
                        self.end(Answer::Failed(format!("the engine refused a sign-in: {error}")));
                        None
                    }
                    Ok(any) => {
                        self.seat.show_progress(task.subscriptions());
                        self.signed_in = task.users();
                        if let Some(done) = task.result(common, &residents, recorder) {
                            self.end(Answer::SignedIn(done));
                        }
                        if any { None } else { later }
                    }
                }
            }
            Task::Point(point) => {
                // A point may be planned to take longer than silence is borne.
                self.seat.show_progress(now_us);
                self.requests.sessions.close_due(shard, now_us);
                let marks = marks(shard, &self.requests);
                point.report(&mut self.publisher, &mut self.recorder, marks, now_us);
                let (requests, roster) = (&mut self.requests, &self.roster);
                let told = &self.recorder.tally().told;
                let going =
                    point.go_on(&mut self.publisher, marks, told, |outgoing| requests.send(shard, roster, outgoing));
                // After that nobody publishes, and an absence that is still to come would show nothing.
                if point.is_cut() || going == Going::Over {
                    self.roster.troubled.hurry(now_us);
                }
                match going {
                    Going::Working => None,
                    Going::Waiting(due_us) => Some(due_us),
                    // Everybody was told, but somebody has not said that he applies a policy.
                    Going::Over if !self.requests.is_quiet() || self.roster.troubled.is_moving() => later,
                    Going::Over => {
                        if let Task::Point(point) = std::mem::replace(&mut self.task, Task::Idle) {
                            self.task = Task::Over(point);
                        }
                        self.roster.troubled.end(shard);
                        self.requests.sessions.end(shard);
                        self.seat.answer(Answer::Over);
                        later
                    }
                }
            }
            Task::SumUp(point) => {
                let mut answer = point.sum_up(&mut self.publisher, &mut self.recorder, marks(shard, &self.requests));
                answer.gaps = self.rig.take();
                answer.issued.refused += self.requests.refusals;
                answer.traffic.answers = self.requests.answers();
                answer.troubled = self.roster.troubled.take_counts();
                self.end(Answer::Point(Box::new(answer)));
                None
            }
            Task::Check(task) if task.waits(shard, &self.seat.common, now_us) => later,
            Task::Check(task) => {
                let residents = *self.publisher.residents();
                let (recorder, groups) = (&self.recorder, &self.roster.groups);
                let common = &self.seat.common;
                let over = task.go_on(shard, common, &residents, recorder, groups, &mut self.scratch);
                self.seat.show_progress(task.compared());
                if over {
                    let checked = task.result(shard, recorder, self.requests.absorbed);
                    self.end(Answer::Checked(Box::new(checked)));
                }
                None
            }
        }
    }

    fn end(&mut self, answer: Answer) {
        self.task = Task::Idle;
        self.seat.answer(answer);
    }

    /// Somebody who came in the point, and goes with it, is told what he is to be told. Nobody waits for that.
    fn tell_guest(&mut self, first: View, outbox: &mut Outbox<'_>) {
        let measuring = matches!(&self.task, Task::Point(point) if point.is_measuring());
        let mut view = Some(first);
        while let Some(told) = view {
            if !self.requests.sessions.told(told, measuring) {
                self.recorder.note_denied();
            }
            view = outbox.next().map(|note| note.view);
        }
    }
}

/// What the engine has counted so far, of those who signed in.
fn marks(shard: &Shard, requests: &Requests) -> Marks {
    let counters = shard.counters();
    Marks { delivered: counters.delivered.saturating_sub(requests.sessions.told), skipped: counters.skipped }
}

impl Frontend for Generator {
    fn poll(&mut self, shard: &mut Shard, now: Tick) -> Poll {
        self.recorder.settle();
        let now_us = self.seat.common.clock.now().as_micros();
        let measuring = matches!(&self.task, Task::Point(point) if point.is_measuring());
        let counters = shard.counters();
        let work = counters.delivered + counters.walk_entries + counters.published + counters.updates_taken;
        let in_point = matches!(self.task, Task::Point(_));
        self.rig.enter(now_us, work, in_point, measuring);
        if let Some(order) = self.seat.order() {
            self.task = self.begin(order);
        }
        if let Some(reason) = self.requests.fatal.take() {
            self.end(Answer::Failed(reason));
        }
        self.requests.send_again(shard, &self.roster);
        let mut moved = false;
        if !self.roster.troubled.is_empty() {
            let Roster { groups, troubled, .. } = &mut self.roster;
            match troubled.go_on(shard, &self.seat.common, groups, &mut self.scratch, now_us) {
                Ok(any) => moved = any,
                Err(error) => self.end(Answer::Failed(format!("the engine refused somebody who came back: {error}"))),
            }
        }
        // Orders are looked for at least every nap, however far away the next publication is. Where somebody has come, others
        // may be waiting behind him: a storm that took a nap after every few would be the rig's and not the network's.
        let due_us = self.go_on(shard, now_us).filter(|_| !moved).map(|due_us| due_us.min(now_us + NAP_US));
        let end_us = if due_us.is_some() { now_us } else { self.seat.common.clock.now().as_micros() };
        self.rig.leave(end_us, due_us, in_point);
        match due_us {
            None => Poll::WORKED,
            Some(due_us) => Poll { worked: false, deadline: Some(now.after_micros(due_us.saturating_sub(now_us))) },
        }
    }

    fn done(&mut self, ticket: Ticket, outcome: Outcome) {
        self.requests.done(ticket, outcome);
    }

    fn ready(&mut self, watcher: WatcherId, outbox: &mut Outbox<'_>) {
        let common = &self.seat.common;
        let held = self.roster.troubled.takes(watcher, common.clock);
        let (bad, most) = (held.is_some(), held.unwrap_or(u32::MAX));
        let mut firsts = 0;
        let is_signing_in = matches!(self.task, Task::SignIn(_));
        let mut notes = 0;
        let mut now_us = 0;
        while notes < most
            && let Some(note) = outbox.next()
        {
            if notes % NOTES_PER_READING == 0 {
                if note.watcher_token >= sessions::GUESTS {
                    return self.tell_guest(note.view, outbox);
                }
                now_us = common.clock.now().as_micros();
                self.recorder.clock_read();
            }
            notes += 1;
            firsts += u32::from(note.first);
            let user = note.presentity.get() as u32;
            let (sight, known) = if common.plan.composed {
                let Some(sight) = Sight::of(note.view) else {
                    self.recorder.note_denied();
                    continue;
                };
                // Nobody publishes while others sign in.
                let known = is_signing_in.then(|| common.versions[user as usize].load(Ordering::Relaxed));
                (sight, known)
            } else {
                (Sight::Plain, Some(note.stamp.counter() as u32))
            };
            let receipt = Receipt {
                now_us,
                of: Followed { slot: note.slot.index(), watcher: note.watcher_token as u32, user },
                sight,
                first: note.first,
                counts: !bad,
                known,
                skipped: (!note.skipped_at_least).then_some(note.skipped),
            };
            let parts = note.parts().filter_map(|(category, document)| Some((category, document?)));
            self.recorder.note(&receipt, parts.map(|(category, document)| (category, Document::as_slice(document))));
        }
        if bad && firsts != 0 {
            self.roster.troubled.told_first(watcher, firsts, now_us);
        }
    }
}
