//! The open loop: publishes what is due, as soon as it can, and never waits for an answer.
//!
//! Lives on a shard's core. Its invariants: a user's publications are sent in the order of their versions, and an
//! arrival is drawn only when the one before it has left, so that being late costs no memory. Costs about 0.3 us a
//! publication and what its document's bytes cost to copy; readings of the clock around the engine's call keep the
//! engine's time apart from the generator's.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use crate::arrivals::Arrivals;
use crate::crew::Common;
use crate::payload::{HEADER_BYTES, Header, Press};
use crate::recorder::{Mark, NO_INDEX, Opening, PublicationLog, Times};
use crate::schedule::{Arrival, Drawing, Residents, Schedule, What};
use crate::series::Counts;
use crate::trace::recording::Tape;
use crate::trace::replay::NEVER_US;
use crate::trace::{Event, Kind};

mod issued;

pub use issued::Issued;

/// Publications in one call. A generator that is behind must not keep its shard from everything else, nor hand over more
/// documents than the caches hold until their watchers are told: with 512 a gap of 5 ms at half of the capacity became
/// 50 ms of latency (benches/record/2026-11-23/collapse.txt).
const PER_POLL: usize = 64;

/// A publication to be given to the target.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Who publishes.
    pub user: u32,
    /// What is to be done.
    pub what: What,
    /// The version that it makes; 0 if nobody is told of it.
    pub version: u32,
    /// When it was due; 0 for what is said before anybody watches.
    pub plan_us: u64,
    /// Whether it was due within the measured time.
    pub measured: bool,
    /// Its entry in the log, or [`NO_INDEX`].
    pub index: u32,
    /// What is published.
    pub document: Bytes,
}

/// What the target did with a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is on its way.
    Accepted,
    /// Not now; the same again later.
    Busy,
}

/// The publisher of one shard's users.
#[derive(Debug)]
pub struct Publisher {
    common: Arc<Common>,
    residents: Residents,
    press: Press,
    /// The last publication of each resident, as an entry of the log.
    last_index: Vec<u32>,
    sequence: u64,
    schedule: Option<Course>,
    ready: Option<Outgoing>,
    /// What is recorded is noted down here.
    tape: Option<Tape>,
    issued: Issued,
    lag: Times,
    counts: Counts,
}

/// A schedule under way.
#[derive(Debug)]
struct Course {
    schedule: Arrivals,
    next: Arrival,
    from_us: u64,
    measure_from_us: u64,
    end_us: u64,
    /// When nothing was left of a trace whose events are due when the ones before them were sent.
    over_at_us: Option<u64>,
}

impl Publisher {
    /// The publisher of this shard's users.
    #[must_use]
    pub fn new(common: &Arc<Common>, shard: usize) -> Self {
        let residents = Residents { shard, shards: common.plan.shards, users: common.plan.population.users() };
        Self {
            common: Arc::clone(common),
            press: Press::new(),
            last_index: vec![NO_INDEX; residents.count() as usize],
            sequence: 0,
            residents,
            schedule: None,
            ready: None,
            tape: common.plan.reels.tape(shard),
            issued: Issued::default(),
            lag: Times::new(),
            counts: Counts::default(),
        }
    }

    /// Which users publish here.
    #[must_use]
    pub fn residents(&self) -> &Residents {
        &self.residents
    }

    /// What a user says first, and nobody asks how late: so many steps for each.
    #[must_use]
    pub fn first_steps(&self) -> u32 {
        if self.common.plan.composed { 3 } else { 1 }
    }

    /// One of these steps: the state, then what there is beside it, which is small, then the second endpoint; nothing if
    /// the user has none.
    #[must_use]
    pub fn first(&self, user: u32, step: u32) -> Option<Outgoing> {
        let person = self.common.plan.population.person(user);
        let (what, bytes) = match step {
            0 => (What::Publish(0), person.document_bytes as usize),
            1 => (What::PublishRest, HEADER_BYTES),
            _ if person.endpoints > 1 => (What::PublishIdle, 0),
            _ => return None,
        };
        let header = Header { user, version: 1, plan_us: self.common.clock.now().as_micros(), index: NO_INDEX };
        let document = if bytes == 0 { Bytes::new() } else { self.press.document(&header, bytes) };
        Some(Outgoing { user, what, version: 1, plan_us: 0, measured: false, index: NO_INDEX, document })
    }

    /// Notes down that everything a user says first was accepted.
    pub fn first_accepted(&mut self, user: u32) {
        self.common.versions[user as usize].store(1, Ordering::Relaxed);
        if self.common.plan.composed {
            self.common.log.set_newest_wide(user, Mark { version: 1, index: NO_INDEX });
        }
    }

    /// Begins a schedule. What is due in its measured time is measured.
    pub fn begin(&mut self, drawing: &Drawing) {
        let Drawing { from_us, measure_from_us, end_us, .. } = *drawing;
        let mut schedule = match &self.common.plan.reels.replay {
            Some(replay) => {
                Arrivals::replayed(replay.reel(self.residents, from_us), self.residents, self.common.plan.composed)
            }
            None => Arrivals::drawn(Schedule::new(self.residents, drawing, &self.common.habits), self.residents),
        };
        let next = schedule.next_arrival(&self.common.plan.population, from_us);
        self.issued = Issued::default();
        self.lag.clear();
        self.counts = Counts::over(drawing.intervals());
        let mut course = Course { schedule, next, from_us, measure_from_us, end_us, over_at_us: None };
        course.see_end(from_us);
        self.schedule = Some(course);
    }

    /// When the next publication is due; nothing when the schedule is over.
    #[must_use]
    pub fn next_due_us(&self) -> Option<u64> {
        let course = self.schedule.as_ref()?;
        (course.next.plan_us < course.end_us).then_some(course.next.plan_us)
    }

    /// When the schedule was over, where that could not be planned.
    #[must_use]
    pub fn over_at_us(&self) -> Option<u64> {
        self.schedule.as_ref()?.over_at_us
    }

    /// Measures from another moment, of which nothing was planned before, and ends at another, neither later than planned.
    pub fn keep_to(&mut self, drawing: &Drawing) {
        if let Some(course) = &mut self.schedule
            && course.measure_from_us != drawing.measure_from_us
        {
            course.measure_from_us = drawing.measure_from_us;
            self.counts = Counts::over(drawing.intervals());
        }
        self.cut(drawing.end_us);
    }

    /// Ends the schedule now instead of later: nothing due after this moment is planned.
    pub fn cut(&mut self, now_us: u64) {
        if let Some(course) = &mut self.schedule {
            // An arrival that was drawn, prepared and entered into the log has to go out all the same.
            let keep = if self.ready.is_some() { course.next.plan_us + 1 } else { 0 };
            course.end_us = course.end_us.min(now_us.max(keep));
        }
    }

    /// The counts since the schedule began.
    #[must_use]
    pub fn issued(&self) -> &Issued {
        &self.issued
    }

    /// How late publications were sent.
    #[must_use]
    pub fn lag(&self) -> &Times {
        &self.lag
    }

    /// What was planned and sent, interval by interval.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Publishes what is due. Tells whether anything was.
    pub fn publish_due(&mut self, mut send: impl FnMut(&Outgoing) -> Sent) -> bool {
        let clock = self.common.clock;
        let mut now_ns = clock.nanos();
        for round in 0..PER_POLL {
            let Some(due_us) = self.next_due_us() else { return round != 0 };
            if due_us > now_ns / 1_000 {
                return round != 0;
            }
            let Some(course) = &mut self.schedule else { return round != 0 };
            if course.schedule.is_at_once() && self.ready.is_none() {
                course.next.plan_us = (now_ns / 1_000).min(course.end_us - 1);
            }
            let arrival = course.next;
            let document_bytes = course.schedule.document_bytes();
            let measured = arrival.plan_us >= course.measure_from_us;
            if self.ready.is_none() {
                self.ready = self.prepare(&arrival, measured, document_bytes);
            }
            let Some(outgoing) = &self.ready else {
                self.issued.held += 1;
                return round != 0;
            };
            let before_ns = clock.nanos();
            self.common.log.sent(outgoing.index, before_ns / 1_000);
            let sent = send(outgoing);
            now_ns = clock.nanos();
            self.issued.target_ns += now_ns - before_ns;
            if sent == Sent::Busy {
                self.issued.refused += 1;
                return true;
            }
            self.accepted(&arrival, before_ns / 1_000);
        }
        true
    }

    /// Draws the document, of the user's own size if no other is said, and enters it into the log; nothing while the log is
    /// full.
    fn prepare(&self, arrival: &Arrival, measured: bool, document_bytes: Option<u32>) -> Option<Outgoing> {
        let Arrival { plan_us, user, what } = *arrival;
        let What::Publish(_) = what else {
            let document = Bytes::new();
            return Some(Outgoing { user, what, version: 0, plan_us, measured, index: NO_INDEX, document });
        };
        let version = self.common.versions[user as usize].load(Ordering::Relaxed) + 1;
        let wide = what.is_wide(self.common.plan.composed);
        let watchers = self.common.watchers(user, wide);
        let mut index = NO_INDEX;
        // Watchers are counted for those who are followed.
        if watchers != 0 {
            index = PublicationLog::index(self.residents.shard, self.sequence);
            let previous = self.last_index[self.number(user)];
            if !self.common.log.open(index, &Opening { plan_us, user, previous, watchers, wide, measured }) {
                return None;
            }
        }
        if wide {
            self.common.log.set_newest_wide(user, Mark { version, index });
        }
        let bytes = document_bytes.unwrap_or_else(|| self.common.plan.population.person(user).document_bytes);
        let document = self.press.document(&Header { user, version, plan_us, index }, bytes as usize);
        Some(Outgoing { user, what, version, plan_us, measured, index, document })
    }

    fn accepted(&mut self, arrival: &Arrival, sent_us: u64) {
        let Some(Outgoing { user, what, version, measured, index, document, .. }) = self.ready.take() else { return };
        if let Some(course) = &mut self.schedule {
            if let (Some(tape), Some(kind)) = (&mut self.tape, Kind::of(what, document.len() as u32)) {
                let at_us = arrival.plan_us - course.from_us;
                tape.note(course.schedule.number().unwrap_or(at_us), &Event { at_us, user, kind });
            }
            course.next = course.schedule.next_arrival(&self.common.plan.population, sent_us);
            course.see_end(sent_us);
        }
        let What::Publish(category) = what else {
            if measured {
                self.issued.published.note_beside(what);
            }
            return;
        };
        // This generator alone writes the user's version.
        self.common.versions[user as usize].store(version, Ordering::Relaxed);
        if index == NO_INDEX {
            // It would have an entry, if anybody were there to be told.
            self.issued.unwatched += u64::from(measured && self.common.plan.sample.holds(user));
        } else {
            let number = self.number(user);
            self.last_index[number] = index;
            self.sequence += 1;
            self.issued.opened += 1;
        }
        if measured {
            self.issued.published.categories[usize::from(category)].note(document.len());
            self.issued.planned += 1;
            self.issued.sent += 1;
            self.counts.note_planned(arrival.plan_us);
            self.counts.note_sent(sent_us);
            self.issued.timed += u64::from(index != NO_INDEX);
            self.lag.record(sent_us.saturating_sub(arrival.plan_us));
        }
        self.issued.last_sent_us = sent_us;
    }

    /// Ends the schedule for good. What was planned by then and not sent is counted as planned.
    pub fn finish(&mut self) {
        let Some(mut course) = self.schedule.take() else { return };
        if let Some(outgoing) = self.ready.take()
            && outgoing.index != NO_INDEX
        {
            if outgoing.what.is_wide(self.common.plan.composed) {
                self.common.log.set_newest_wide(outgoing.user, self.common.log.previous_wide(outgoing.index));
            }
            self.common.log.void(outgoing.index);
            self.sequence += 1;
            self.issued.opened += 1;
        }
        while course.next.plan_us < course.end_us {
            let is_measured = course.next.plan_us >= course.measure_from_us;
            let is_shown = matches!(course.next.what, What::Publish(_));
            if is_measured && is_shown {
                self.issued.planned += 1;
                self.counts.note_planned(course.next.plan_us);
            } else if is_measured && let What::Session(event) = course.next.what {
                self.issued.published.sessions_planned[event.number()] += 1;
            }
            course.next = course.schedule.next_arrival(&self.common.plan.population, course.end_us);
        }
    }

    fn number(&self, user: u32) -> usize {
        user as usize / self.residents.shards
    }
}

impl Course {
    /// Notes down that nothing is left, where that could not be planned.
    fn see_end(&mut self, now_us: u64) {
        if self.schedule.is_at_once() && self.next.plan_us == NEVER_US {
            self.over_at_us = Some(now_us);
        }
    }
}
