//! What one core's watchers were told: order, truth and latency of every note.
//!
//! Lives on a shard's core, inside the frontend's `ready`. For each subscription it keeps the last version seen, four
//! bytes in an array addressed by the note's slot. Latency is attributed so that conflation cannot flatter: a note of
//! version v is the receipt of v and of every older version that the watcher had not been told yet, each counted from
//! its own plan.
//!
//! Notes are taken in at once and settled a few dozen at a time, so that the misses of the array, one for nearly every
//! note, overlap instead of adding up. Its cost is not the engine's: [`calibrate`] measures it on the same shape of data, and it is taken off.

pub mod calibrate;
mod log;
mod quantiles;

use std::sync::Arc;

pub use log::{NO_INDEX, Opening, PublicationLog, Stray, Told};
pub use quantiles::{Quantiles, Times};

use crate::payload::{Header, Press};

/// One note in so many has its whole body compared, not only the header's check word.
const BODY_CHECK_EVERY: u64 = 1_024;

/// One first state in so many has its document read; the others are known by their stamp alone. A sign-in storm of
/// millions would otherwise measure little but the recorder's misses on a million cold documents.
const FIRST_READ_EVERY: u64 = 1_024;

/// Notes that are settled together.
const BATCH: usize = 64;

/// A note that is taken in and not settled yet. Its documents are gone by then; what matters of them is here.
#[derive(Clone, Copy, Debug)]
struct Taken {
    receipt: Receipt,
    version: u32,
    index: u32,
}

/// The recorder of one core.
#[derive(Debug)]
pub struct Recorder {
    here: usize,
    log: Arc<PublicationLog>,
    press: Press,
    /// The last version that each subscription was told, by slot; 0 before its first state.
    seen: Vec<u32>,
    /// Watchers of each user on this shard.
    watchers: Vec<u32>,
    latency: Latency,
    tally: Tally,
    steps: Vec<(u32, u32)>,
    taken: Vec<Taken>,
}

/// Latency of publications, from plan to receipt.
#[derive(Clone, Debug, Default)]
pub struct Latency {
    /// Until the first watcher was told.
    pub first: Times,
    /// Until half of them were.
    pub median: Times,
    /// Until the last was.
    pub last: Times,
}

impl Latency {
    /// Adds another core's.
    pub fn merge(&mut self, other: &Self) {
        self.first.merge(&other.first);
        self.median.merge(&other.median);
        self.last.merge(&other.last);
    }

    fn clear(&mut self) {
        self.first.clear();
        self.median.clear();
        self.last.clear();
    }
}

/// Running counts of one core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Notes, first states among them.
    pub notes: u64,
    /// First states.
    pub firsts: u64,
    /// Versions that notes skipped.
    pub skipped: u64,
    /// Readings of the clock.
    pub readings: u64,
    /// What must not be.
    pub faults: Faults,
}

/// Broken promises, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// A version older than one seen before (C1).
    pub backwards: u64,
    /// The version seen last, told again without need (C1).
    pub repeated: u64,
    /// A document that was not published so: wrong user, version, check word, length or body (C2).
    pub untrue: u64,
    /// A note without a document, though everybody has published (C4).
    pub stateless: u64,
    /// A count of skipped versions that is not the one seen (C3).
    pub miscounted: u64,
    /// A receipt of a publication that is not under way.
    pub stray: u64,
}

impl Faults {
    /// All of them.
    #[must_use]
    pub fn sum(&self) -> u64 {
        let Self { backwards, repeated, untrue, stateless, miscounted, stray } = self;
        backwards + repeated + untrue + stateless + miscounted + stray
    }

    /// Adds another core's.
    pub fn add(&mut self, other: &Self) {
        self.backwards += other.backwards;
        self.repeated += other.repeated;
        self.untrue += other.untrue;
        self.stateless += other.stateless;
        self.miscounted += other.miscounted;
        self.stray += other.stray;
    }
}

/// What comes with a note beside its documents.
#[derive(Clone, Copy, Debug)]
pub struct Receipt {
    /// When it came.
    pub now_us: u64,
    /// The subscription's place.
    pub slot: usize,
    /// Whose state it is.
    pub user: u32,
    /// Whether it is the subscription's first state.
    pub first: bool,
    /// The version that the stamp says. Stamps count a presentity's changes, so for a state it is the version.
    pub stamped: u32,
    /// Versions that the engine says were skipped, where it knows exactly.
    pub skipped: Option<u32>,
}

impl Recorder {
    /// A recorder for shard `here`, with room for so many subscriptions.
    #[must_use]
    pub fn new(here: usize, log: Arc<PublicationLog>, users: u32, subscriptions: usize) -> Self {
        Self {
            here,
            log,
            press: Press::new(),
            seen: Vec::with_capacity(subscriptions),
            watchers: vec![0; users as usize],
            latency: Latency::default(),
            tally: Tally::default(),
            steps: Vec::new(),
            taken: Vec::with_capacity(BATCH),
        }
    }

    /// One more watcher here watches the user.
    pub fn watch(&mut self, user: u32) {
        self.watchers[user as usize] += 1;
    }

    /// Watchers here, by user.
    #[must_use]
    pub fn watchers(&self) -> &[u32] {
        &self.watchers
    }

    /// The version that the subscription was told last.
    #[must_use]
    pub fn seen(&self, slot: usize) -> u32 {
        self.seen.get(slot).copied().unwrap_or(0)
    }

    /// The counts so far.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Notes down that the clock was read once.
    pub fn clock_read(&mut self) {
        self.tally.readings += 1;
    }

    /// The latencies since the last call.
    pub fn take_latency(&mut self) -> Latency {
        let taken = self.latency.clone();
        self.latency.clear();
        taken
    }

    /// Takes a note: its documents, of which the newest counts. What it means shows after [`Self::settle`].
    pub fn note<'d>(&mut self, receipt: &Receipt, documents: impl Iterator<Item = &'d [u8]>) {
        self.tally.notes += 1;
        if receipt.first && receipt.stamped != 0 && !self.tally.notes.is_multiple_of(FIRST_READ_EVERY) {
            self.take(receipt, receipt.stamped, NO_INDEX);
            return;
        }
        let mut newest: Option<Header> = None;
        for document in documents {
            match self.verified(receipt.user, document) {
                Some(header) if newest.is_none_or(|other| header.version > other.version) => newest = Some(header),
                Some(_) => {}
                None => {
                    self.tally.faults.untrue += 1;
                    return;
                }
            }
        }
        let Some(header) = newest else {
            self.tally.faults.stateless += 1;
            return;
        };
        if header.version != receipt.stamped {
            self.tally.faults.untrue += 1;
            return;
        }
        self.take(receipt, header.version, header.index);
    }

    fn take(&mut self, receipt: &Receipt, version: u32, index: u32) {
        self.taken.push(Taken { receipt: *receipt, version, index });
        if self.taken.len() == BATCH {
            self.settle();
        }
    }

    /// Settles every note taken so far.
    pub fn settle(&mut self) {
        let taken = std::mem::take(&mut self.taken);
        // These reads do not depend on one another, so the processor has all of them under way at a time.
        let near = taken.iter().fold(0, |near, note| near ^ self.seen(note.receipt.slot));
        std::hint::black_box(near);
        taken.iter().for_each(|note| self.settle_one(note));
        self.taken = taken;
        self.taken.clear();
    }

    fn settle_one(&mut self, note: &Taken) {
        let Taken { receipt, version, index } = note;
        if receipt.slot >= self.seen.len() {
            self.seen.resize(receipt.slot + 1, 0);
        }
        let before = std::mem::replace(&mut self.seen[receipt.slot], *version);
        if receipt.first {
            self.tally.firsts += 1;
            return;
        }
        if *version <= before {
            self.seen[receipt.slot] = before;
            let faults = &mut self.tally.faults;
            *(if *version == before { &mut faults.repeated } else { &mut faults.backwards }) += 1;
            return;
        }
        let skipped = version - before - 1;
        self.tally.skipped += u64::from(skipped);
        if receipt.skipped.is_some_and(|said| said != skipped) {
            self.tally.faults.miscounted += 1;
        }
        self.count(receipt.now_us, *index, skipped);
    }

    /// Counts the receipt of a publication and of the user's `older` ones before it.
    fn count(&mut self, now_us: u64, newest: u32, older: u32) {
        let mut index = newest;
        for _ in 0..=older {
            if index == NO_INDEX {
                return;
            }
            let previous = self.log.previous(index);
            let watchers = &self.watchers;
            match self.log.receipt(index, self.here, now_us, |user| watchers[user as usize], &mut self.steps) {
                Ok(Some(told)) if told.measured => {
                    self.latency.first.record(told.first_us);
                    self.latency.median.record(told.median_us);
                    self.latency.last.record(told.last_us);
                }
                Ok(_) => {}
                Err(Stray) => self.tally.faults.stray += 1,
            }
            index = previous;
        }
    }

    fn verified(&self, user: u32, document: &[u8]) -> Option<Header> {
        let header = Header::read(document).filter(|header| header.user == user)?;
        let whole = self.tally.notes.is_multiple_of(BODY_CHECK_EVERY);
        (!whole || self.press.body_is_exact(&header, document)).then_some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Rig {
        recorder: Recorder,
        log: Arc<PublicationLog>,
        press: Press,
        last: u32,
        version: u32,
    }

    impl Rig {
        /// One user, 7, with three watchers on one shard in slots 0 to 2, all of which know version 1.
        fn new() -> Self {
            let log = Arc::new(PublicationLog::new(1, 8));
            let mut recorder = Recorder::new(0, Arc::clone(&log), 8, 3);
            (0..3).for_each(|_| recorder.watch(7));
            let mut rig = Self { recorder, log, press: Press::new(), last: NO_INDEX, version: 1 };
            let first = rig.press.document(&Header { user: 7, version: 1, plan_us: 0, index: NO_INDEX }, 64);
            (0..3).for_each(|slot| rig.told(0, slot, true, None, &first));
            rig
        }

        fn publish(&mut self, plan_us: u64) -> bytes::Bytes {
            let index = PublicationLog::index(0, u64::from(self.version));
            let opening = Opening { plan_us, user: 7, previous: self.last, watchers: 3, measured: true };
            assert!(self.log.open(index, &opening));
            self.version += 1;
            self.last = index;
            self.press.document(&Header { user: 7, version: self.version, plan_us, index }, 64)
        }

        fn told(&mut self, now_us: u64, slot: usize, first: bool, skipped: Option<u32>, document: &[u8]) {
            let stamped = Header::read(document).map_or(0, |header| header.version);
            let receipt = Receipt { now_us, slot, user: 7, first, stamped, skipped };
            self.recorder.note(&receipt, std::iter::once(document));
            self.recorder.settle();
        }
    }

    #[test]
    fn a_skipped_version_counts_from_its_own_plan() {
        let mut rig = Rig::new();
        let two = rig.publish(1_000);
        rig.told(1_100, 0, false, Some(0), &two);
        let three = rig.publish(5_000);
        // Slot 0 saw both; slots 1 and 2 hear of version 3 only, long after version 2 was due.
        for (slot, skipped) in [(0, 0), (1, 1), (2, 1)] {
            rig.told(6_000 + slot as u64, slot, false, Some(skipped), &three);
        }
        assert_eq!(rig.recorder.tally().faults, Faults::default());
        assert_eq!(rig.recorder.tally().skipped, 2);
        let latency = rig.recorder.take_latency();
        let (first, last) = (latency.first.quantiles(), latency.last.quantiles());
        assert_eq!((last.count, first.count), (2, 2));
        // Version 2: first 100, last 5,002. Version 3: first 1,000, last 1,002. To three digits.
        assert!((100..=101).contains(&first.p50) && (1_000..=1_001).contains(&first.max), "{first:?}");
        assert!((1_002..=1_003).contains(&last.p50) && (5_000..=5_004).contains(&last.max), "{last:?}");
        assert_eq!(rig.log.ended(0), 2);
    }

    #[test]
    fn what_must_not_be_is_counted() {
        let mut rig = Rig::new();
        let (two, three) = (rig.publish(0), rig.publish(0));
        rig.told(1, 0, false, Some(1), &three);
        rig.told(2, 0, false, Some(0), &two);
        rig.told(3, 0, false, Some(0), &three);
        rig.told(4, 1, false, Some(0), &three);
        rig.told(5, 2, false, None, &three[..40]);
        rig.recorder.note(
            &Receipt { now_us: 6, slot: 2, user: 6, first: false, stamped: 3, skipped: None },
            std::iter::once(&three[..]),
        );
        let nothing = Receipt { now_us: 7, slot: 2, user: 7, first: false, stamped: 3, skipped: None };
        rig.recorder.note(&nothing, std::iter::empty());
        let expected = Faults { backwards: 1, repeated: 1, untrue: 2, stateless: 1, miscounted: 1, stray: 0 };
        assert_eq!(rig.recorder.tally().faults, expected);
    }

    #[test]
    fn the_newest_of_several_parts_counts() {
        let mut rig = Rig::new();
        let (two, three) = (rig.publish(0), rig.publish(0));
        let receipt = Receipt { now_us: 9, slot: 0, user: 7, first: false, stamped: 3, skipped: Some(1) };
        rig.recorder.note(&receipt, [&three[..], &two[..]].into_iter());
        rig.recorder.settle();
        assert_eq!(rig.recorder.seen(0), 3);
        assert_eq!(rig.recorder.tally().faults, Faults::default());
    }
}
