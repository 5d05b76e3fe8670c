//! What one core's watchers were told: order, truth and latency of every note.
//!
//! Lives on a shard's core, inside the frontend's `ready`. For each subscription that is followed (all of them, or a
//! [`Sample`]) it keeps the last version seen. Of the others it reads the documents and keeps nothing. Latency is attributed so that conflation cannot flatter: a note of
//! version v is the receipt of v and of every older version that the watcher had not been told yet, each counted from
//! its own plan.
//!
//! Notes are taken in at once and settled a few dozen at a time, so that the misses of the array, one for nearly every
//! note, overlap instead of adding up. Its cost is not the engine's: [`calibrate`] measures it on the same shape of data, and it is taken off.

pub mod calibrate;
mod ended;
mod latency;
mod log;
mod quantiles;
mod reading;
mod seen;
mod singles;
mod tally;

use std::sync::Arc;

use fanfare::Category;
use fanfare::status::Availability;
pub use latency::{Brief, Latencies, Latency, Timeline};
pub use log::{Mark, NO_INDEX, Opening, PublicationLog, Stray, Told};
pub use quantiles::{Quantiles, Times};
use reading::{Reader, Reading, Wrong};
use seen::Seen;
pub use seen::{Followed, bytes as bytes_of_followed};
pub use singles::{Single, Singles};
pub use tally::{Faults, Tally};

use crate::payload::Press;
use crate::presence::{self, Sight};
use crate::sample::Sample;
use crate::series::Intervals;

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
    reading: Reading,
}

/// The recorder of one core.
#[derive(Debug)]
pub struct Recorder {
    here: usize,
    log: Arc<PublicationLog>,
    press: Press,
    sample: Sample,
    seen: Seen,
    /// Watchers of each user on this shard: those who are told everything, and, where presence is composed, those who
    /// are told what is wide.
    inside: Vec<u32>,
    outside: Vec<u32>,
    latencies: Latencies,
    /// The last watchers since the last look, if anybody looks, measured or not.
    recent: Option<Brief>,
    /// What was due before this is another point's; none before this shard has heard that its point has begun.
    counts_from_us: Option<u64>,
    /// What a neighbour published and was told here before that: no more than a turn's.
    early: Vec<Told>,
    tally: Tally,
    steps: Vec<(u32, u32)>,
    taken: Vec<Taken>,
}

/// What comes with a note beside its documents.
#[derive(Clone, Copy, Debug)]
pub struct Receipt {
    /// When it came.
    pub now_us: u64,
    /// The subscription: its place, its watcher, and whose state it is.
    pub of: Followed,
    /// Whether it is the subscription's first state.
    pub first: bool,
    /// Whether publications wait for it: those who behave badly are told, and nobody counts how late.
    pub counts: bool,
    /// What its view shows.
    pub sight: Sight,
    /// The version that it must be, where that is known before the documents are read. Stamps count the changes of a
    /// presentity that is not composed, so there it is the stamp; for first states of composed ones, while nobody
    /// publishes, it is what was published last.
    pub known: Option<u32>,
    /// Versions that the engine says were skipped, where it knows exactly.
    pub skipped: Option<u32>,
}

impl Recorder {
    /// A recorder for shard `here`, with room for so many subscriptions, of which it follows a sample.
    #[must_use]
    pub fn new(here: usize, log: Arc<PublicationLog>, users: u32, subscriptions: usize, sample: Sample) -> Self {
        let followed = sample.share_of(subscriptions as u64) as usize;
        Self {
            here,
            outside: vec![0; log.users()],
            log,
            press: Press::new(),
            sample,
            seen: Seen::new(sample.is_all(), followed),
            inside: vec![0; users as usize],
            latencies: Latencies::default(),
            recent: None,
            counts_from_us: None,
            early: Vec::new(),
            tally: Tally::default(),
            steps: Vec::new(),
            taken: Vec::with_capacity(BATCH),
        }
    }

    /// So many more watchers here watch the user, with this sight. Nobody asks how many watch who is not followed, and the
    /// miss that counting them would be is half of what drawing a contact costs.
    #[inline]
    pub fn watch(&mut self, user: u32, sight: Sight, count: u32) {
        if !self.sample.holds(user) {
            return;
        }
        let watchers = if sight == Sight::Number { &mut self.outside } else { &mut self.inside };
        watchers[user as usize] += count;
    }

    /// Watchers here who are told everything, by user who is followed.
    #[must_use]
    pub fn inside(&self) -> &[u32] {
        &self.inside
    }

    /// Watchers here who are told what is wide, by user who is followed; none where presence is not composed.
    #[must_use]
    pub fn outside(&self) -> &[u32] {
        &self.outside
    }

    /// Users who are followed and have a watcher here.
    #[must_use]
    pub fn users_watched(&self) -> u64 {
        let outside = self.outside.iter().copied().chain(std::iter::repeat(0));
        self.inside.iter().zip(outside).filter(|(inside, outside)| **inside + *outside != 0).count() as u64
    }

    /// The version that the subscription was told last; 0 before its first state, and if it is not followed.
    #[must_use]
    pub fn seen(&self, of: &Followed) -> u32 {
        self.seen.get(of)
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

    /// Begins a point's latencies, and divides them so. Those of publications that were due before `from_us` are not among
    /// them: in a point that took too long somebody may be told only while the next one is measured. Those that came before
    /// this shard heard of the begin are.
    pub fn begin_latencies(&mut self, from_us: u64, intervals: Intervals) {
        self.latencies = Latencies::over(intervals);
        self.counts_from_us = Some(from_us);
        for told in std::mem::take(&mut self.early) {
            self.record(told);
        }
    }

    fn record(&mut self, told: Told) {
        match self.counts_from_us {
            None => self.early.push(told),
            Some(from_us) if told.plan_us >= from_us => self.latencies.record(&told),
            Some(_) => {}
        }
    }

    /// The 99th percentile of the last watcher so far, from the plan; 0 if there is none. Some 5 us.
    #[must_use]
    pub fn last_p99_us(&self) -> u64 {
        self.latencies.from_plan.last.p99()
    }

    /// Divides them otherwise, before any is there that the division is about. What a neighbour published at its begin may
    /// have been told here before this shard has heard of it.
    pub fn divide_latencies(&mut self, intervals: Intervals) {
        self.latencies.divide(intervals);
    }

    /// From now on somebody looks at what is recent, or nobody does.
    pub fn begin_recent(&mut self, is_wanted: bool) {
        self.recent = is_wanted.then(latency::brief);
    }

    /// The median of the last watchers since the last call, from plan; nothing if there were none. Some 2 us.
    pub fn take_recent_us(&mut self) -> Option<u64> {
        let recent = self.recent.as_mut().filter(|recent| !recent.is_empty())?;
        let median = recent.value_at_quantile(0.5);
        recent.reset();
        Some(median)
    }

    /// The latencies of the point, which is over.
    pub fn take_latencies(&mut self) -> Latencies {
        self.counts_from_us = None;
        std::mem::take(&mut self.latencies)
    }

    /// Takes a note: what it tells of each category, of which the newest counts. What it means shows after
    /// [`Self::settle`].
    ///
    /// Inlined, so that what comes with a note stays in registers: handed over in memory it is read back in other pieces
    /// than it was written in, and the processor waits for that at every note.
    #[inline(always)]
    pub fn note<'d>(&mut self, receipt: &Receipt, parts: impl Iterator<Item = (Category, &'d [u8])>) {
        self.tally.notes += 1;
        if receipt.first
            && let Some(version @ 1..) = receipt.known
            && !self.tally.notes.is_multiple_of(FIRST_READ_EVERY)
        {
            self.tally.told.firsts.note(0);
            self.take(receipt, Reading { version, index: NO_INDEX, number: None });
            return;
        }
        let bodies = self.tally.notes.is_multiple_of(BODY_CHECK_EVERY);
        let mut reader = Reader::new(&self.press, receipt.of.user, receipt.sight, bodies);
        let (told, faults) = (&mut self.tally.told, &mut self.tally.faults);
        let mut bytes = 0;
        for (category, document) in parts {
            match reader.read(category, document) {
                Ok(()) if receipt.first => bytes += document.len(),
                Ok(()) => told.categories[category.index()].note(document.len()),
                Err(Wrong::Untrue) => {
                    faults.untrue += 1;
                    return;
                }
                Err(Wrong::Denied) => {
                    faults.denied += 1;
                    return;
                }
            }
        }
        let reading = reader.reading;
        if receipt.first {
            told.firsts.note(bytes);
        }
        if reading.version == 0 && reading.number.is_none() {
            faults.stateless += 1;
            return;
        }
        if receipt.known.is_some_and(|known| reading.number.is_none() && known != reading.version) {
            faults.untrue += 1;
            return;
        }
        self.take(receipt, reading);
    }

    /// Notes down that something was told in a view that nobody should be in.
    pub fn note_denied(&mut self) {
        self.tally.notes += 1;
        self.tally.faults.denied += 1;
    }

    #[inline]
    fn take(&mut self, receipt: &Receipt, reading: Reading) {
        if !self.sample.holds(receipt.of.user) {
            // What it was told is true; what it was told before, nobody remembers.
            self.tally.firsts += u64::from(receipt.first);
            return;
        }
        self.taken.push(Taken { receipt: *receipt, reading });
        if self.taken.len() == BATCH {
            self.settle();
        }
    }

    /// Settles every note taken so far.
    pub fn settle(&mut self) {
        let taken = std::mem::take(&mut self.taken);
        // These reads do not depend on one another, so the processor has all of them under way at a time.
        let near = taken.iter().fold(0, |near, note| near ^ self.seen.get(&note.receipt.of));
        std::hint::black_box(near);
        taken.iter().for_each(|note| self.settle_one(note));
        self.taken = taken;
        self.taken.clear();
    }

    fn settle_one(&mut self, note: &Taken) {
        let Taken { receipt, reading } = note;
        let before = self.seen.get(&receipt.of);
        let told = version_of(reading, before);
        let told = if receipt.first && reading.number.is_some() { self.told_again(note, told, before) } else { told };
        let Some(version) = told else {
            self.tally.faults.untrue += 1;
            return;
        };
        self.tally.firsts += u64::from(receipt.first);
        if !receipt.counts && receipt.first {
            // He has come back, and what was seen at this place was somebody else's.
            self.seen.set(&receipt.of, version);
            return;
        }
        if version <= before {
            let faults = &mut self.tally.faults;
            match version == before {
                // A policy has moved the watcher to another view, in which he is told again what he knows.
                true if receipt.first => {}
                true => faults.repeated += 1,
                false => faults.backwards += 1,
            }
            return;
        }
        self.seen.set(&receipt.of, version);
        if !receipt.counts || before == 0 && receipt.first {
            return;
        }
        let counted = match receipt.sight {
            Sight::Number => self.count_wide(receipt, before, version),
            _ => {
                self.count(receipt.now_us, reading.index, version - before);
                Some(version - before)
            }
        };
        let skipped = counted.map(|counted| counted.saturating_sub(1));
        self.tally.skipped += u64::from(skipped.unwrap_or(0));
        // What was due in the view that a watcher has left was cancelled there and not skipped here.
        let said = receipt.skipped.filter(|_| !receipt.first);
        if said.is_some() && skipped.is_some() && said != skipped {
            self.tally.faults.miscounted += 1;
        }
    }

    /// What a first state tells by a number. A refresh tells all categories again: the card may be newer than the state, and has
    /// been seen. Then the state's number is that of a version before, which read forwards is one that nobody has published.
    #[cold]
    fn told_again(&self, note: &Taken, told: Option<u32>, before: u32) -> Option<u32> {
        let newest = self.log.newest_wide(note.receipt.of.user).version;
        if before == 0 || told.is_some_and(|version| version <= newest) {
            told
        } else {
            Some(before.max(note.reading.version))
        }
    }

    /// Counts the receipt of a publication and of the user's ones before it: so many altogether.
    fn count(&mut self, now_us: u64, newest: u32, publications: u32) {
        let mut index = newest;
        for _ in 0..publications {
            if index == NO_INDEX {
                return;
            }
            let previous = self.log.previous(index);
            self.count_one(now_us, index);
            index = previous;
        }
    }

    /// Counts the receipt of the user's wide publications after version `before` up to `newest`, and tells how many there
    /// were; nothing if some of them were never entered into the log.
    fn count_wide(&mut self, receipt: &Receipt, before: u32, newest: u32) -> Option<u32> {
        let mut mark = self.log.newest_wide(receipt.of.user);
        // The watcher has still to be told of those, so their entries are there.
        while mark.version > newest && mark.index != NO_INDEX {
            mark = self.log.previous_wide(mark.index);
        }
        if mark.version != newest {
            self.tally.faults.stray += 1;
            return None;
        }
        let mut counted = 0;
        while mark.version > before {
            if mark.index == NO_INDEX {
                return None;
            }
            let previous = self.log.previous_wide(mark.index);
            self.count_one(receipt.now_us, mark.index);
            counted += 1;
            mark = previous;
        }
        Some(counted)
    }

    fn count_one(&mut self, now_us: u64, index: u32) {
        let (inside, outside) = (&self.inside, &self.outside);
        let watchers = |user: u32, wide: bool| inside[user as usize] + if wide { outside[user as usize] } else { 0 };
        match self.log.receipt(index, self.here, now_us, watchers, &mut self.steps) {
            Ok(Some(told)) => {
                if let Some(recent) = &mut self.recent {
                    recent.saturating_record(told.last_us.max(1));
                }
                if told.measured {
                    self.record(told);
                }
            }
            Ok(None) => {}
            Err(Stray) => self.tally.faults.stray += 1,
        }
    }
}

/// The newest version that a note tells, given the one that was seen before.
fn version_of(reading: &Reading, before: u32) -> Option<u32> {
    let numbered = |number: Availability| presence::version_of(number, before);
    match reading.number {
        None => Some(reading.version),
        Some(number) => numbered(number).map(|version| version.max(reading.version)),
    }
}

#[cfg(test)]
mod tests;
