//! One point of a measurement: a rate for some time, then the wait until everybody was told.
//!
//! Runs on a shard's core for its own generator, the same for every target. Its invariant: a point is over here when
//! every publication of this generator was told to every watcher on every shard, and it is summed up when it is over
//! on every shard: the last watcher of a neighbour's publication may be here, and is told when all that was published
//! here is long past. So nothing slow is left out of the figures; should that take too long, the point says so and
//! counts as failed.

mod result;
pub mod undisturbed;

use std::sync::Arc;

pub use result::{Distributions, PointResult};
pub use undisturbed::Undisturbed;

pub use crate::series::Marks;

use crate::crew::Common;
use crate::host::ThreadTimes;
use crate::live::{EVERY_US, Glimpse};
use crate::pace::STEP_US;
use crate::publisher::{Issued, Outgoing, Publisher, Sent};
use crate::recorder::{Latencies, Recorder, Tally, Times};
use crate::rig::Gaps;
use crate::schedule::Drawing;
use crate::series::{Counts, Turns};
use crate::traffic::{Answers, Told, Traffic};
use crate::trouble::TroubleCounts;

/// How long the last publications may take to reach everybody.
const DRAIN_MAX_US: u64 = 20_000_000;

/// What a generator is told of a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PointOrder {
    /// What is to be published, and when.
    pub drawing: Drawing,
    /// A lag at which the point is hopeless and ends early.
    pub give_up_lag_us: Option<u64>,
    /// Whether the main thread may yet have it measured sooner.
    pub is_paced: bool,
}

/// How a point went for one generator.
#[derive(Clone, Debug, Default)]
pub struct PointAnswer {
    /// The publisher's counts.
    pub issued: Issued,
    /// The latencies that were joined on this shard.
    pub latencies: Latencies,
    /// What was planned, sent and told, interval by interval.
    pub counts: Counts,
    /// Turns told and skipped, in finer intervals.
    pub fine_counts: Counts,
    /// How late publications were sent.
    pub lag: Times,
    /// What the machine did to the shard.
    pub gaps: Gaps,
    /// What went in and out in the measured time. What homes answered is the target's to add.
    pub traffic: Traffic,
    /// Notes from the measurement's begin to its end, and the time that was.
    pub window_delivered: u64,
    /// See `window_delivered`.
    pub window_us: u64,
    /// Notes from the measurement's begin until everybody was told.
    pub delivered: u64,
    /// Turns skipped in that time.
    pub skipped: u64,
    /// The recorder's counts over the whole point.
    pub tally: Tally,
    /// Nanoseconds of the generator's own work over the whole point.
    pub generator_ns: u64,
    /// How long the whole point took.
    pub elapsed_us: u64,
    /// What the scheduler says of the shard's thread over the whole point.
    pub thread: ThreadTimes,
    /// Publications that not everybody was told in time.
    pub unfinished: u64,
    /// What became of the watchers that behave badly; the target's to add.
    pub troubled: TroubleCounts,
    /// When the schedule was cut short, if it was.
    pub cut_at_us: Option<u64>,
    /// When the schedule was over, where that could not be planned.
    pub over_at_us: Option<u64>,
}

/// A point under way.
#[derive(Debug)]
pub struct Point {
    order: PointOrder,
    common: Arc<Common>,
    shard: usize,
    began_us: u64,
    tally_before: Tally,
    thread_before: ThreadTimes,
    measured_from: Option<(u64, Marks, Told)>,
    measured_to: Option<(u64, Marks, Told)>,
    cut_at_us: Option<u64>,
    generator_ns: u64,
    turns: Turns,
    fine_turns: Turns,
    shown_us: u64,
    stepped_us: u64,
    marks_before: Option<Marks>,
}

/// What [`Point::go_on`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Going {
    /// Something was done.
    Working,
    /// Nothing is to be done until then, on the run's clock.
    Waiting(u64),
    /// It is over here: [`Point::sum_up`] is due when it is over everywhere.
    Over,
}

impl Point {
    /// Begins a point.
    #[must_use]
    pub fn begin(order: PointOrder, publisher: &mut Publisher, recorder: &mut Recorder, common: &Arc<Common>) -> Self {
        let shard = publisher.residents().shard;
        common.log.begin_point(shard);
        publisher.begin(&order.drawing);
        let intervals = order.drawing.intervals();
        recorder.begin_latencies(order.drawing.from_us, intervals);
        recorder.begin_recent(order.is_paced);
        Self {
            order,
            common: Arc::clone(common),
            shard,
            began_us: common.clock.now().as_micros(),
            tally_before: *recorder.tally(),
            thread_before: ThreadTimes::of_this_thread(),
            measured_from: None,
            measured_to: None,
            cut_at_us: None,
            generator_ns: 0,
            turns: Turns::over(intervals),
            fine_turns: Turns::over(order.drawing.fine_intervals()),
            shown_us: 0,
            stepped_us: 0,
            marks_before: None,
        }
    }

    /// Whether now lies in the measured time.
    #[must_use]
    pub fn is_measuring(&self) -> bool {
        self.measured_from.is_some() && self.measured_to.is_none()
    }

    /// Whether it ends before its time.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.cut_at_us.is_some()
    }

    /// One poll: publishes what is due, and sees whether it is over.
    pub fn go_on(
        &mut self,
        publisher: &mut Publisher,
        marks: Marks,
        told: &Told,
        send: impl FnMut(&Outgoing) -> Sent,
    ) -> Going {
        let clock = self.common.clock;
        let begin_ns = clock.nanos();
        let now_us = begin_ns / 1_000;
        if self.measured_from.is_none() && self.measured_to.is_none() && now_us >= self.order.drawing.measure_from_us {
            self.measured_from = Some((now_us, marks, *told));
        }
        self.turns.look(now_us, marks);
        self.fine_turns.look(now_us, marks);
        self.cut_if_needed(publisher, now_us);
        let target_before_ns = publisher.issued().target_ns;
        if publisher.publish_due(send) {
            let spent_ns = clock.nanos() - begin_ns;
            self.generator_ns += spent_ns.saturating_sub(publisher.issued().target_ns - target_before_ns);
            return Going::Working;
        }
        if let Some(due_us) = publisher.next_due_us() {
            // Due and not sent: the log is full, and only the watchers' progress empties it.
            return Going::Waiting(due_us.max(now_us + 50));
        }
        let end_us = self.cut_at_us.or(publisher.over_at_us()).unwrap_or(self.order.drawing.end_us);
        if now_us < end_us {
            return Going::Waiting(end_us);
        }
        // Where the end is not known, others may go on publishing to watchers here: it ends when it is summed up.
        if self.measured_to.is_none() && (self.order.drawing.is_planned() || self.cut_at_us.is_some()) {
            self.measured_to = Some((now_us, marks, *told));
            self.turns.end(marks);
            self.fine_turns.end(marks);
        }
        let overdue = now_us > end_us + DRAIN_MAX_US;
        if self.unfinished(publisher) != 0 && !overdue {
            return Going::Waiting(now_us + 500);
        }
        Going::Over
    }

    /// Shows how it goes, a few times a second, and hears when it is to be measured.
    pub fn report(&mut self, publisher: &mut Publisher, recorder: &mut Recorder, marks: Marks, now_us: u64) {
        if self.order.is_paced {
            self.keep_pace(publisher, recorder, now_us);
        }
        if now_us >= self.shown_us + EVERY_US {
            self.shown_us = now_us;
            let begin_ns = self.common.clock.nanos();
            let before = *self.marks_before.get_or_insert(marks);
            self.common.window(self.shard).show(&Glimpse {
                sent: publisher.issued().sent,
                delivered: marks.delivered - before.delivered,
                skipped: marks.skipped - before.skipped,
                lag_us: publisher.next_due_us().map_or(0, |due_us| now_us.saturating_sub(due_us)),
                last_p99_us: recorder.last_p99_us(),
            });
            self.generator_ns += self.common.clock.nanos() - begin_ns;
        }
    }

    fn keep_pace(&mut self, publisher: &mut Publisher, recorder: &mut Recorder, now_us: u64) {
        if now_us >= self.stepped_us + STEP_US {
            self.stepped_us = now_us;
            if let Some(median_us) = recorder.take_recent_us() {
                self.common.window(self.shard).show_recent(median_us);
            }
        }
        let drawing = self.common.moments.of(&self.order.drawing);
        if drawing == self.order.drawing {
            return;
        }
        if drawing.measure_from_us != self.order.drawing.measure_from_us {
            self.turns = Turns::over(drawing.intervals());
            self.fine_turns = Turns::over(drawing.fine_intervals());
            recorder.divide_latencies(drawing.intervals());
        }
        publisher.keep_to(&drawing);
        self.order.drawing = drawing;
    }

    fn unfinished(&self, publisher: &Publisher) -> u64 {
        publisher.issued().opened.saturating_sub(self.common.log.ended(self.shard))
    }

    fn cut_if_needed(&mut self, publisher: &mut Publisher, now_us: u64) {
        // A trace that was changed on the way brings nothing more on any shard, and the time until its end would tell nothing.
        let broken = self.common.plan.reels.is_broken();
        let due_us = publisher.next_due_us();
        // Where nothing more is due before a planned end, that end may be far away still.
        let is_over = due_us.is_none() && (now_us >= self.order.drawing.end_us || publisher.over_at_us().is_some());
        if self.cut_at_us.is_some() || is_over && !broken {
            return;
        }
        let lag_us = due_us.map_or(0, |due_us| now_us.saturating_sub(due_us));
        let hopeless = self.order.give_up_lag_us.is_some_and(|most| lag_us > most);
        if hopeless || broken || self.common.is_cut() {
            self.cut_at_us = Some(now_us);
            publisher.cut(now_us);
            if hopeless {
                // Working off what is late would only take time: the point has failed.
                publisher.finish();
            }
        }
    }

    /// What came of a point that is over on every shard. The gaps are the rig's to add, and the answers of homes the
    /// target's.
    #[must_use]
    pub fn sum_up(&self, publisher: &mut Publisher, recorder: &mut Recorder, marks: Marks) -> PointAnswer {
        let now_us = self.common.clock.now().as_micros();
        let over_at_us = publisher.over_at_us();
        publisher.finish();
        let tally = *recorder.tally();
        let now = (now_us, marks, tally.told);
        // A point that was cut during its warm-up has ended before it was measured: all its differences are nothing.
        let (from_us, from, told_from) = self.measured_from.unwrap_or(now);
        let (to_us, to, told_to) = self.measured_to.filter(|_| self.measured_from.is_some()).unwrap_or(now);
        let before = &self.tally_before;
        let mut counts = self.turns.counts().clone();
        counts.add(publisher.counts());
        PointAnswer {
            issued: *publisher.issued(),
            latencies: recorder.take_latencies(),
            counts,
            fine_counts: self.fine_turns.counts().clone(),
            lag: publisher.lag().clone(),
            gaps: Gaps::default(),
            traffic: Traffic {
                published: publisher.issued().published,
                answers: Answers::default(),
                told: told_to.since(&told_from),
            },
            window_delivered: to.delivered - from.delivered,
            window_us: to_us.saturating_sub(from_us),
            delivered: marks.delivered - from.delivered,
            skipped: marks.skipped - from.skipped,
            tally: Tally {
                notes: tally.notes - before.notes,
                firsts: tally.firsts - before.firsts,
                skipped: tally.skipped - before.skipped,
                readings: tally.readings - before.readings,
                told: tally.told.since(&before.told),
                faults: tally.faults,
            },
            generator_ns: self.generator_ns,
            elapsed_us: now_us - self.began_us,
            thread: ThreadTimes::of_this_thread().since(&self.thread_before),
            unfinished: self.unfinished(publisher),
            troubled: TroubleCounts::default(),
            cut_at_us: self.cut_at_us,
            over_at_us,
        }
    }
}
