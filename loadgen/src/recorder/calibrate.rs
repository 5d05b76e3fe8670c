//! What the recorder itself costs, measured on the same shape of data, to be taken off the shard's CPU.
//!
//! Runs on each shard's core when everything else is over. It tells made-up notes of a few hundred publications under
//! way to slots chosen at random over an array as large as the real one, so that its misses are like those of a run. Where
//! only a sample is followed, the made-up publishers are followed in the same share, and the table of their watchers is as
//! large as needed to miss every cache, and no larger: memory is what such a run has least of.

use std::sync::Arc;

use bytes::Bytes;
use fanfare::presence::rendition::Entry;
use fanfare::{Category, Clock, Rendition};

use super::seen::Seen;
use super::{Followed, Mark, NO_INDEX, Opening, PublicationLog, Receipt, Recorder};
use crate::payload::{Header, Press};
use crate::presence::{self, Sight};
use crate::sample::{ONE_IN, Sample};
use crate::series::Intervals;

/// Publications under way at a time.
const UNDER_WAY: u32 = 256;
const NOTES: u64 = 400_000;
/// Entries of a sample's table: fifty megabytes of them.
const FOLLOWED: usize = 3_000_000;
/// Versions that a number tells apart.
const ROUNDS_MAX: u64 = 1_400;
/// Watchers that are told their first states between two readings of the clock.
const FIRST_ROUND: usize = 16;
const READINGS: u64 = 5_000;
const READING_ROUNDS: u64 = 15;

/// Costs of the recorder.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RecorderCost {
    /// For each note, the share of joining a publication's results included.
    pub note_ns: f64,
    /// For each first state of a sign-in storm, whose documents are mostly not read.
    pub first_ns: f64,
    /// For each reading of the clock.
    pub reading_ns: f64,
}

impl RecorderCost {
    /// The mean of several cores'; nothing where there are none.
    #[must_use]
    pub fn mean(costs: impl Iterator<Item = Self>) -> Self {
        let (mut sum, mut count) = (Self::default(), 0.0f64);
        for cost in costs {
            sum.note_ns += cost.note_ns;
            sum.first_ns += cost.first_ns;
            sum.reading_ns += cost.reading_ns;
            count += 1.0;
        }
        let count = count.max(1.0);
        Self { note_ns: sum.note_ns / count, first_ns: sum.first_ns / count, reading_ns: sum.reading_ns / count }
    }
}

/// The shape of what is told.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Subscriptions of the core.
    pub slots: usize,
    /// Watchers that a user has here.
    pub watchers: u32,
    /// The share of them that is told a number and no document; nothing where presence is not composed.
    pub outside_share: Option<f64>,
    /// Bytes of a document.
    pub document_bytes: usize,
    /// Whose watchers are followed.
    pub sample: Sample,
}

/// Measures a recorder.
#[must_use]
pub fn measure(shape: &Shape) -> RecorderCost {
    let clock = Clock::start();
    let Shape { slots, outside_share, document_bytes, .. } = *shape;
    let watchers = shape.watchers.clamp(1, 4_096);
    let outside = (f64::from(watchers) * outside_share.unwrap_or(0.0)) as u32;
    let notes_per_round = u64::from(UNDER_WAY * watchers);
    let users = cast(&shape.sample);
    let count = users.iter().max().map_or(0, |last| last + 1);
    let log = Arc::new(PublicationLog::new(1, UNDER_WAY as usize, count));
    let (mut recorder, slots) = prepare(shape, &log, &users, count, slots.max(notes_per_round as usize));
    // All made-up publications are due at once, as those of one interval nearly are.
    recorder.begin_latencies(0, Intervals::over(0, 1_000_000));
    recorder.inside.fill(watchers - outside);
    recorder.outside.fill(outside);
    let press = Press::new();
    let mut walk = SlotWalk::over(slots);
    let rounds = (NOTES / notes_per_round).clamp(1, ROUNDS_MAX);
    let mut spent_ns = Vec::new();
    for round in 0..rounds {
        // A version above any seen, so that no slot has to be prepared, which would warm it.
        let version = 2 + round as u32;
        let documents: Vec<_> = (0..)
            .zip(&users)
            .map(|(number, &user)| {
                let is_followed = shape.sample.holds(user);
                let index = PublicationLog::index(0, round * u64::from(UNDER_WAY) + number);
                let opening = Opening { plan_us: 0, user, previous: NO_INDEX, watchers, wide: true, measured: true };
                // Each round's wide publication is the only one, whatever a slot has missed since its last.
                log.set_newest_wide(user, Mark { version: 1, index: NO_INDEX });
                let index = if is_followed && log.open(index, &opening) { index } else { NO_INDEX };
                log.set_newest_wide(user, Mark { version, index });
                let document = press.document(&Header { user, version, plan_us: 0, index }, document_bytes);
                if outside_share.is_none() { [document.clone(), document] } else { rendered(version, &document) }
            })
            .collect();
        let begin = clock.nanos();
        for watcher in 0..watchers {
            for (&user, [inside, number]) in users.iter().zip(&documents) {
                let (sight, document) = match outside_share {
                    None => (Sight::Plain, inside),
                    Some(_) if watcher >= outside => (Sight::Whole, inside),
                    Some(_) => (Sight::Number, number),
                };
                let slot = walk.step();
                let of = Followed { slot, watcher: slot as u32, user };
                let receipt =
                    Receipt { now_us: 1_000, of, sight, counts: true, first: false, known: None, skipped: None };
                recorder.note(&receipt, std::iter::once((Category::FIRST, &document[..])));
            }
        }
        recorder.settle();
        spent_ns.push((clock.nanos() - begin) as f64 / notes_per_round as f64);
    }
    debug_assert_eq!(recorder.tally().faults.sum(), 0, "made-up notes are told in order and once");
    let first_ns = first_ns(shape, &mut recorder, &users, slots, &clock);
    RecorderCost { note_ns: median(spent_ns), first_ns, reading_ns: reading_ns(&clock) }
}

/// Those who publish here: of them as many are followed as of all.
fn cast(sample: &Sample) -> Vec<u32> {
    if sample.is_all() {
        return (0..UNDER_WAY).collect();
    }
    let followed = UNDER_WAY / ONE_IN;
    let others = (0..).filter(|&user| !sample.holds(user)).take((UNDER_WAY - followed) as usize);
    let mut users: Vec<u32> = others.collect();
    for (at, user) in (0..).filter(|&user| sample.holds(user)).take(followed as usize).enumerate() {
        users.insert(at * ONE_IN as usize, user);
    }
    users
}

/// A recorder whose subscriptions have all been told version 1, and how many watchers there are to be told more.
fn prepare(shape: &Shape, log: &Arc<PublicationLog>, users: &[u32], count: u32, slots: usize) -> (Recorder, usize) {
    if shape.sample.is_all() {
        let mut recorder = Recorder::new(0, Arc::clone(log), count, slots, shape.sample);
        recorder.seen = Seen::BySlot(vec![1; slots]);
        return (recorder, slots);
    }
    let followed: Vec<u32> = users.iter().copied().filter(|&user| shape.sample.holds(user)).collect();
    // A round takes a step of the walk for each note, and must not come round within it.
    let round = (UNDER_WAY * shape.watchers.clamp(1, 4_096)) as usize;
    let table = (shape.sample.share_of(slots as u64) as usize).min(FOLLOWED);
    let watchers = (table / followed.len().max(1)).max(round) as u32;
    let mut recorder = Recorder::new(0, Arc::clone(log), count, 0, shape.sample);
    recorder.seen = Seen::new(false, watchers as usize * followed.len());
    for watcher in 0..watchers {
        for &user in &followed {
            recorder.seen.set(&Followed { slot: 0, watcher, user }, 1);
        }
    }
    (recorder, watchers as usize)
}

/// What a first state costs when subscriptions are told one after the other, each of another user.
fn first_ns(shape: &Shape, recorder: &mut Recorder, users: &[u32], slots: usize, clock: &Clock) -> f64 {
    if shape.sample.is_all() {
        // As before a sign-in: room is there, and nothing in it was ever touched.
        recorder.seen = Seen::new(true, NOTES as usize);
    }
    let press = Press::new();
    let documents: Vec<_> = users
        .iter()
        .map(|&user| press.document(&Header { user, version: 1, plan_us: 0, index: NO_INDEX }, shape.document_bytes))
        .collect();
    let begin = if shape.sample.is_all() { 0 } else { slots };
    let round = |watchers: std::ops::Range<usize>| {
        let (notes, begin_ns) = (watchers.len() * users.len(), clock.nanos());
        for watcher in watchers {
            for (at, &user) in users.iter().enumerate() {
                let of = Followed { slot: watcher * users.len() + at, watcher: (begin + watcher) as u32, user };
                let sight = Sight::Plain;
                let receipt =
                    Receipt { now_us: 1_000, of, sight, counts: true, first: true, known: Some(1), skipped: None };
                recorder.note(&receipt, std::iter::once((Category::FIRST, &documents[at][..])));
            }
        }
        recorder.settle();
        (clock.nanos() - begin_ns) as f64 / notes as f64
    };
    let watchers = NOTES as usize / users.len();
    median((0..watchers).step_by(FIRST_ROUND).map(|from| from..watchers.min(from + FIRST_ROUND)).map(round).collect())
}

/// A document as those inside are shown it, and as those outside are.
fn rendered(version: u32, document: &Bytes) -> [Bytes; 2] {
    let status = presence::status_of(version);
    let entry = Entry { endpoint: presence::SHOWN, status, document };
    let whole = Rendition { status, entries: vec![entry] };
    [whole, Rendition { status, entries: Vec::new() }].map(|rendition| Bytes::from(rendition.to_bytes()))
}

/// Goes to every slot once before it comes back, in jumps that no prefetcher follows.
struct SlotWalk {
    slots: usize,
    stride: usize,
    at: usize,
}

impl SlotWalk {
    fn over(slots: usize) -> Self {
        let mut stride = (slots as f64 * 0.618_034) as usize | 1;
        while common_divisor(stride, slots) != 1 {
            stride += 2;
        }
        Self { slots, stride, at: 0 }
    }

    fn step(&mut self) -> usize {
        self.at += self.stride;
        while self.at >= self.slots {
            self.at -= self.slots;
        }
        self.at
    }
}

fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

fn reading_ns(clock: &Clock) -> f64 {
    let round = |_| {
        let begin = clock.nanos();
        for _ in 0..READINGS {
            std::hint::black_box(clock.now().as_micros());
        }
        (clock.nanos() - begin) as f64 / READINGS as f64
    };
    median((0..READING_ROUNDS).map(round).collect())
}

/// The middle one: a round in which somebody else had the CPU does not count.
fn median(mut rounds: Vec<f64>) -> f64 {
    rounds.sort_by(f64::total_cmp);
    rounds.get(rounds.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_of_a_likely_size() {
        let part = Sample::one_in(ONE_IN, 3);
        for (outside_share, sample) in [(None, Sample::ALL), (Some(0.5), Sample::ALL), (None, part), (Some(0.5), part)]
        {
            let cost = measure(&Shape { slots: 10_000, watchers: 50, outside_share, document_bytes: 64, sample });
            assert!(cost.note_ns > 0.5 && cost.note_ns < 10_000.0, "{cost:?}");
            assert!(cost.first_ns > 0.1 && cost.first_ns < 10_000.0, "{cost:?}");
            assert!(cost.reading_ns > 0.5 && cost.reading_ns < 10_000.0, "{cost:?}");
        }
    }
}
