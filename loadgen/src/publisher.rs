//! The open loop: publishes what is due, as soon as it can, and never waits for an answer.
//!
//! Lives on a shard's core. Its invariants: a user's publications are sent in the order of their versions, and an
//! arrival is drawn only when the one before it has left, so that being late costs no memory. Costs about 0.3 us a
//! publication and what its document's bytes cost to copy; readings of the clock around the engine's call keep the
//! engine's time apart from the generator's.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use crate::crew::Common;
use crate::payload::{Header, Press};
use crate::recorder::{NO_INDEX, Opening, PublicationLog, Times};
use crate::schedule::{Arrival, Residents, Schedule};

/// Publications in one call, so that a generator far behind does not keep its shard from everything else.
const PER_POLL: usize = 512;

/// A publication to be given to the target.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Who publishes.
    pub user: u32,
    /// Which category.
    pub category: u8,
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

/// Counts of one schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Issued {
    /// Due within the measured time.
    pub planned: u64,
    /// Of these, sent.
    pub sent: u64,
    /// Refused for the time being.
    pub refused: u64,
    /// Had to wait, for too many publications were under way.
    pub held: u64,
    /// Sent, and nobody watches the user.
    pub unwatched: u64,
    /// Entries of the log that were opened.
    pub opened: u64,
    /// When the last one was sent.
    pub last_sent_us: u64,
    /// Nanoseconds in the target's calls.
    pub target_ns: u64,
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
    issued: Issued,
    lag: Times,
}

/// A schedule under way.
#[derive(Debug)]
struct Course {
    schedule: Schedule,
    next: Arrival,
    measure_from_us: u64,
    end_us: u64,
}

impl Publisher {
    /// The publisher of this shard's users.
    #[must_use]
    pub fn new(common: &Arc<Common>, shard: usize) -> Self {
        let residents = Residents { shard, shards: common.shards, users: common.population.users() };
        Self {
            common: Arc::clone(common),
            press: Press::new(),
            last_index: vec![NO_INDEX; residents.count() as usize],
            sequence: 0,
            residents,
            schedule: None,
            ready: None,
            issued: Issued::default(),
            lag: Times::new(),
        }
    }

    /// Which users publish here.
    #[must_use]
    pub fn residents(&self) -> &Residents {
        &self.residents
    }

    /// The first document of a user, whose latency nobody asks for.
    #[must_use]
    pub fn first_document(&self, user: u32) -> Outgoing {
        let person = self.common.population.person(user);
        let header = Header { user, version: 1, plan_us: self.common.clock.now().as_micros(), index: NO_INDEX };
        let document = self.press.document(&header, person.document_bytes as usize);
        Outgoing { user, category: 0, index: NO_INDEX, document }
    }

    /// Notes down that a first document was accepted.
    pub fn first_accepted(&mut self, user: u32) {
        self.common.versions[user as usize].store(1, Ordering::Relaxed);
    }

    /// Begins a schedule. What is due from `measure_from_us` to `end_us` is measured.
    pub fn begin(&mut self, rate_per_s: f64, from_us: u64, measure_from_us: u64, end_us: u64, seed: u64) {
        let mut schedule = Schedule::new(self.residents, rate_per_s, from_us, &self.common.category_shares, seed);
        let next = schedule.next_arrival();
        self.issued = Issued::default();
        self.lag.clear();
        self.schedule = Some(Course { schedule, next, measure_from_us, end_us });
    }

    /// When the next publication is due; nothing when the schedule is over.
    #[must_use]
    pub fn next_due_us(&self) -> Option<u64> {
        let course = self.schedule.as_ref()?;
        (course.next.plan_us < course.end_us).then_some(course.next.plan_us)
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
            let arrival = course.next;
            let measured = arrival.plan_us >= course.measure_from_us;
            if self.ready.is_none() {
                self.ready = self.prepare(&arrival, measured);
            }
            let Some(outgoing) = &self.ready else {
                self.issued.held += 1;
                return round != 0;
            };
            let before_ns = clock.nanos();
            let sent = send(outgoing);
            now_ns = clock.nanos();
            self.issued.target_ns += now_ns - before_ns;
            if sent == Sent::Busy {
                self.issued.refused += 1;
                return true;
            }
            self.accepted(&arrival, measured, before_ns / 1_000);
        }
        true
    }

    /// Draws the document, and enters it into the log; nothing while the log is full.
    fn prepare(&self, arrival: &Arrival, measured: bool) -> Option<Outgoing> {
        let Arrival { plan_us, user, category } = *arrival;
        let version = self.common.versions[user as usize].load(Ordering::Relaxed) + 1;
        let watchers = self.common.watchers[user as usize].load(Ordering::Relaxed);
        let mut index = NO_INDEX;
        if watchers != 0 {
            index = PublicationLog::index(self.residents.shard, self.sequence);
            let previous = self.last_index[self.number(user)];
            if !self.common.log.open(index, &Opening { plan_us, user, previous, watchers, measured }) {
                return None;
            }
        }
        let bytes = self.common.population.person(user).document_bytes as usize;
        let document = self.press.document(&Header { user, version, plan_us, index }, bytes);
        Some(Outgoing { user, category, index, document })
    }

    fn accepted(&mut self, arrival: &Arrival, measured: bool, sent_us: u64) {
        let Some(outgoing) = self.ready.take() else { return };
        let user = arrival.user as usize;
        // This generator alone writes the user's version.
        let version = self.common.versions[user].load(Ordering::Relaxed);
        self.common.versions[user].store(version + 1, Ordering::Relaxed);
        if outgoing.index == NO_INDEX {
            self.issued.unwatched += u64::from(measured);
        } else {
            let number = self.number(arrival.user);
            self.last_index[number] = outgoing.index;
            self.sequence += 1;
            self.issued.opened += 1;
        }
        if measured {
            self.issued.planned += 1;
            self.issued.sent += 1;
            self.lag.record(sent_us.saturating_sub(arrival.plan_us));
        }
        self.issued.last_sent_us = sent_us;
        if let Some(course) = &mut self.schedule {
            course.next = course.schedule.next_arrival();
        }
    }

    /// Ends the schedule for good. What was planned by then and not sent is counted as planned.
    pub fn finish(&mut self) {
        let Some(mut course) = self.schedule.take() else { return };
        if let Some(outgoing) = self.ready.take()
            && outgoing.index != NO_INDEX
        {
            self.common.log.void(outgoing.index);
            self.sequence += 1;
            self.issued.opened += 1;
        }
        while course.next.plan_us < course.end_us {
            self.issued.planned += u64::from(course.next.plan_us >= course.measure_from_us);
            course.next = course.schedule.next_arrival();
        }
    }

    fn number(&self, user: u32) -> usize {
        user as usize / self.residents.shards
    }
}
