//! What the recorder itself costs, measured on the same shape of data, to be taken off the shard's CPU.
//!
//! Runs on each shard's core when everything else is over. It tells made-up notes of a few hundred publications under
//! way to slots chosen at random over an array as large as the real one, so that its misses are like those of a run.

use std::sync::Arc;

use bytes::Bytes;
use fanfare::presence::rendition::Entry;
use fanfare::{Category, Clock, Rendition};

use super::{Mark, NO_INDEX, Opening, PublicationLog, Receipt, Recorder};
use crate::payload::{Header, Press};
use crate::presence::{self, Sight};

/// Publications under way at a time.
const UNDER_WAY: u32 = 256;
const NOTES: u64 = 400_000;
/// Versions that a number tells apart.
const ROUNDS_MAX: u64 = 1_400;
const READINGS: u64 = 5_000;
const READING_ROUNDS: u64 = 15;

/// Costs of the recorder.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RecorderCost {
    /// For each note, the share of joining a publication's results included.
    pub note_ns: f64,
    /// For each reading of the clock.
    pub reading_ns: f64,
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
}

/// Measures a recorder.
#[must_use]
pub fn measure(shape: &Shape) -> RecorderCost {
    let clock = Clock::start();
    let Shape { slots, outside_share, document_bytes, .. } = *shape;
    let watchers = shape.watchers.clamp(1, 4_096);
    let outside = (f64::from(watchers) * outside_share.unwrap_or(0.0)) as u32;
    let notes_per_round = u64::from(UNDER_WAY * watchers);
    let slots = slots.max(notes_per_round as usize);
    let log = Arc::new(PublicationLog::new(1, UNDER_WAY as usize, UNDER_WAY));
    let mut recorder = Recorder::new(0, Arc::clone(&log), UNDER_WAY, slots);
    recorder.seen = vec![1; slots];
    recorder.inside.fill(watchers - outside);
    recorder.outside.fill(outside);
    let press = Press::new();
    let mut walk = SlotWalk::over(slots);
    let rounds = (NOTES / notes_per_round).clamp(1, ROUNDS_MAX);
    let mut spent_ns = Vec::new();
    for round in 0..rounds {
        // A version above any seen, so that no slot has to be prepared, which would warm it.
        let version = 2 + round as u32;
        let documents: Vec<_> = (0..UNDER_WAY)
            .map(|user| {
                let index = PublicationLog::index(0, round * u64::from(UNDER_WAY) + u64::from(user));
                let opening = Opening { plan_us: 0, user, previous: NO_INDEX, watchers, wide: true, measured: true };
                // Each round's wide publication is the only one, whatever a slot has missed since its last.
                log.set_newest_wide(user, Mark { version: 1, index: NO_INDEX });
                log.open(index, &opening);
                log.set_newest_wide(user, Mark { version, index });
                let document = press.document(&Header { user, version, plan_us: 0, index }, document_bytes);
                if outside_share.is_none() { [document.clone(), document] } else { rendered(version, &document) }
            })
            .collect();
        let begin = clock.nanos();
        for watcher in 0..watchers {
            for (user, [inside, number]) in documents.iter().enumerate() {
                let (sight, document) = match outside_share {
                    None => (Sight::Plain, inside),
                    Some(_) if watcher >= outside => (Sight::Whole, inside),
                    Some(_) => (Sight::Number, number),
                };
                let receipt = Receipt {
                    now_us: 1_000,
                    slot: walk.step(),
                    user: user as u32,
                    sight,
                    first: false,
                    known: None,
                    skipped: None,
                };
                recorder.note(&receipt, std::iter::once((Category::FIRST, &document[..])));
            }
        }
        recorder.settle();
        spent_ns.push((clock.nanos() - begin) as f64 / notes_per_round as f64);
    }
    debug_assert_eq!(recorder.tally().faults.sum(), 0, "made-up notes are told in order and once");
    RecorderCost { note_ns: median(spent_ns), reading_ns: reading_ns(&clock) }
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
        for outside_share in [None, Some(0.5)] {
            let cost = measure(&Shape { slots: 10_000, watchers: 50, outside_share, document_bytes: 64 });
            assert!(cost.note_ns > 0.5 && cost.note_ns < 10_000.0, "{cost:?}");
            assert!(cost.reading_ns > 0.5 && cost.reading_ns < 10_000.0, "{cost:?}");
        }
    }
}
